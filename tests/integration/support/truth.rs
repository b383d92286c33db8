//! What the database says of a room, and whether everybody agrees with it: the last word of every test of the promises.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde_json::Value;

use super::member::Member;
use super::postgres::connect;

/// A message as it is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Row {
    pub(crate) seq: i64,
    pub(crate) version: i64,
    pub(crate) author: String,
    pub(crate) client_id: Option<String>,
    pub(crate) state: String,
    pub(crate) body: String,
}

/// A room as it is stored.
#[derive(Debug)]
pub(crate) struct Truth {
    /// The head's version; of a history read over HTTP, the highest there is.
    pub(crate) version: i64,
    pub(crate) last_seq: i64,
    pub(crate) rows: Vec<Row>,
}

/// Reads a room straight from Postgres.
pub(crate) async fn read_postgres(url: &str, room: &str) -> Truth {
    let client = connect(url).await.expect("a connection");
    let head = client
        .query_one(
            "SELECT h.version, h.last_seq, r.id FROM room_heads h JOIN rooms r ON r.id = h.room_id WHERE r.slug = $1",
            &[&room],
        )
        .await
        .unwrap();
    let rows = client
        .query(
            "SELECT m.seq, m.version, m.author_id::text, m.client_id::text, m.state, m.body FROM messages m \
             JOIN rooms r ON r.id = m.room_id WHERE r.slug = $1 ORDER BY m.seq",
            &[&room],
        )
        .await
        .unwrap();
    let rows = rows.iter().map(|row| Row {
        seq: row.get(0),
        version: row.get(1),
        author: row.get(2),
        client_id: row.get(3),
        state: row.get(4),
        body: row.get(5),
    });
    Truth {
        version: head.get(0),
        last_seq: head.get(1),
        rows: rows.collect(),
    }
}

/// Reads a room page by page as a member does.
pub(crate) async fn read_history(port: u16, token: &str, room: &str) -> Truth {
    let client = reqwest::Client::new();
    let mut rows: Vec<Row> = Vec::new();
    loop {
        let after = rows.last().map_or(0, |row| row.seq);
        let url = format!("http://127.0.0.1:{port}/api/rooms/{room}/messages?after={after}");
        let page = read_page(&client, &url, token).await;
        let messages = page["messages"].as_array().unwrap();
        rows.extend(messages.iter().map(|message| Row {
            seq: message["seq"].as_i64().unwrap(),
            version: message["version"].as_i64().unwrap(),
            author: message["author"]["id"].as_str().unwrap().to_owned(),
            client_id: message["client_id"].as_str().map(str::to_owned),
            state: message["state"].as_str().unwrap().to_owned(),
            body: message["body"].as_str().unwrap().to_owned(),
        }));
        if page["more"] != true {
            break;
        }
    }
    Truth {
        version: rows.iter().map(|row| row.version).max().unwrap_or(0),
        last_seq: rows.last().map_or(0, |row| row.seq),
        rows,
    }
}

impl Truth {
    /// P2: seqs are 1, 2, 3 …; no version is there twice.
    pub(crate) fn check_gapless(&self) {
        let seqs: Vec<i64> = self.rows.iter().map(|row| row.seq).collect();
        let wanted: Vec<i64> = (1..=self.last_seq).collect();
        assert!(seqs == wanted, "seqs with a hole: {:?}", holes(&seqs));
        let versions: HashSet<i64> = self.rows.iter().map(|row| row.version).collect();
        assert_eq!(versions.len(), self.rows.len(), "a version twice");
        assert!(versions.iter().all(|version| *version <= self.version));
    }

    /// P1, P4, P10: what a member sent is stored once, under the seq of its ack, in the order it was sent.
    pub(crate) fn check_sends(&self, member: &Member) {
        let book = member.book();
        let stored: HashMap<&str, &Row> = self
            .rows
            .iter()
            .filter(|row| row.author == member.id)
            .filter_map(|row| Some((row.client_id.as_deref()?, row)))
            .collect();
        let own = self.rows.iter().filter(|row| row.author == member.id);
        assert_eq!(own.count(), stored.len(), "a message twice");
        for (client_id, ack) in &book.acked {
            let Some(row) = stored.get(client_id.as_str()) else {
                panic!("acknowledged as {} and lost: {client_id}", ack.seq);
            };
            assert_eq!((row.seq, &row.body), (ack.seq, &ack.body), "{client_id}");
        }
        let submitted: HashSet<&str> = book.submitted.iter().map(String::as_str).collect();
        for client_id in stored.keys() {
            assert!(submitted.contains(client_id), "never sent: {client_id}");
        }
        let order: Vec<i64> = book
            .submitted
            .iter()
            .filter_map(|client_id| stored.get(client_id.as_str()).map(|row| row.seq))
            .collect();
        assert!(order.is_sorted(), "a sender's order was lost: {order:?}");
    }

    /// P3, P9: a member holds what is stored, each message at its latest version.
    pub(crate) fn check_view(&self, member: &Member) {
        let book = member.book();
        assert!(book.violations.is_empty(), "{:#?}", book.violations);
        let first = book.messages.keys().next().copied().unwrap_or(1);
        let rows: Vec<&Row> = self.rows.iter().filter(|row| row.seq >= first).collect();
        for row in &rows {
            let Some(held) = book.messages.get(&row.seq) else {
                panic!("a member never got seq {}", row.seq);
            };
            let held = Row {
                seq: row.seq,
                version: held.version,
                author: held.author.clone(),
                client_id: held.client_id.clone(),
                state: held.state.clone(),
                body: held.body.clone(),
            };
            assert_eq!(&held, *row);
        }
        assert_eq!(book.messages.len(), rows.len(), "more than is stored");
    }
}

fn holes(seqs: &[i64]) -> Vec<(i64, i64)> {
    let pairs = seqs.iter().zip(seqs.iter().skip(1));
    pairs
        .filter(|(one, next)| **next != **one + 1)
        .map(|(one, next)| (*one, *next))
        .collect()
}

/// Waits until every member has all there is, and holds all of it against the database. `port` serves the history.
pub(crate) async fn everybody_agrees(members: &[Member], truth: &Truth, port: u16, room: &str) {
    for member in members {
        member
            .wait("everything has come", Duration::from_secs(5), |book| {
                book.cursor >= truth.version || !book.violations.is_empty()
            })
            .await;
    }
    truth.check_gapless();
    for member in members {
        truth.check_view(member);
        truth.check_sends(member);
    }
    let history = read_history(port, &members[0].token, room).await;
    assert_eq!(history.rows, truth.rows, "history and database differ");
}

/// One page. A 503 may come for each pooled connection that a restart of the database left dead; it says to try again.
async fn read_page(client: &reqwest::Client, url: &str, token: &str) -> Value {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(15);
    loop {
        let answer = client.get(url).bearer_auth(token).send().await.unwrap();
        if answer.status() != 503 || tokio::time::Instant::now() >= deadline {
            return answer.error_for_status().unwrap().json().await.unwrap();
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}
