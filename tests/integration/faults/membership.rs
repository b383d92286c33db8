//! Who may no longer read: members that are removed while messages are in flight, and sessions that end, on three instances,
//! with Redis and without. The cut is exact whatever fails.

use std::time::{Duration, Instant};

use reqwest::Client;
use salon::ids::ClientId;
use serde_json::{Value, json};

use super::asking::{guest, is_retryable};
use crate::support::cluster::{Cluster, ROOM};
use crate::support::communicator::{SocketClient, message};

/// Races in all: a thousand with Redis, a thousand without.
const RACES: usize = 2_000;
/// Rooms, each with a victim of its own, at once.
const ROOMS: usize = 50;
/// Of a socket whose session has ended, Redis or not.
const SIGNED_OUT: Duration = Duration::from_secs(5);

/// One room, its owner and whoever is removed from it again and again.
struct Arena {
    http: Client,
    room: String,
    port: u16,
    owner: String,
    victim: String,
    victim_id: String,
    /// The owner's, on another instance than the victim's at each turn.
    writer: SocketClient,
    /// The victim's, one on each instance.
    readers: Vec<SocketClient>,
}

/// A registered user's token and id: only they have names that can be told apart.
async fn user(http: &Client, port: u16, name: &str) -> (String, String) {
    let answer: Value = http
        .post(format!("http://127.0.0.1:{port}/api/guests"))
        .json(&json!({ "name": name }))
        .send()
        .await
        .unwrap()
        .error_for_status()
        .unwrap()
        .json()
        .await
        .unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&answer["token"]), text(&answer["user"]["id"]))
}

impl Arena {
    async fn make(ports: &[u16], number: usize) -> Self {
        let http = Client::new();
        let port = ports[number % ports.len()];
        let room = format!("arena-{number}");
        let (owner, _) = user(&http, port, &format!("owner {number}")).await;
        let (victim, victim_id) = user(&http, port, &format!("victim {number}")).await;
        // Public, so that a guest can come back by joining; a removal is one all the same.
        http.post(format!("http://127.0.0.1:{port}/api/rooms"))
            .bearer_auth(&owner)
            .json(&json!({ "slug": room, "name": room, "visibility": "public" }))
            .send()
            .await
            .unwrap()
            .error_for_status()
            .unwrap();
        let mut writer = SocketClient::connect(ports[(number + 1) % ports.len()], &owner).await;
        writer.expect("welcome").await;
        writer.join(&room).await;
        let mut readers = Vec::new();
        for port in ports {
            let mut reader = SocketClient::connect(*port, &victim).await;
            reader.expect("welcome").await;
            readers.push(reader);
        }
        Self {
            http,
            room,
            port,
            owner,
            victim,
            victim_id,
            writer,
            readers,
        }
    }

    /// The victim comes, messages are in flight, and it is removed; how long the last of its sockets took to hear.
    async fn race(&mut self, number: usize) -> Duration {
        let mut heads = Vec::new();
        for reader in &mut self.readers {
            let joined = reader.join(&self.room).await;
            heads.push(joined["room"]["version"].as_i64().unwrap());
        }
        let bodies = |from: usize, count: usize| {
            (from..from + count).map(move |place| (ClientId::new(), format!("{number}.{place}")))
        };
        let before: Vec<_> = bodies(0, 1 + number % 4).collect();
        let around: Vec<_> = bodies(10, 3).collect();
        self.submit(&before).await;
        let removing = remove(
            &self.http,
            self.port,
            &self.room,
            &self.victim_id,
            &self.owner,
        );
        let (removal, ()) = tokio::join!(removing, submit(&mut self.writer, &self.room, &around));
        let at = Instant::now();
        let secret = vec![(ClientId::new(), "secret".to_owned())];
        self.submit(&secret).await;
        let all = [before, around, secret].concat();
        self.settle(all).await;
        let mut slowest = Duration::ZERO;
        for (reader, head) in self.readers.iter_mut().zip(heads) {
            let mut cursor = head;
            loop {
                let frame = reader.receive_json_from().await;
                // Who is there has no version.
                let Some(version) = frame["version"].as_i64() else {
                    continue;
                };
                if frame["type"] == "room.removed" {
                    assert_eq!(version, removal, "{frame}");
                    break;
                }
                assert!(version < removal, "{frame} above the removal {removal}");
                assert!(
                    frame["prev"].as_i64().unwrap() <= cursor,
                    "a gap: {frame} at {cursor}"
                );
                cursor = version;
            }
            // Everything up to the cut came, unless it joined when all was over.
            assert!(
                cursor == removal - 1 || head >= removal,
                "{cursor} of {removal}"
            );
            slowest = slowest.max(at.elapsed());
        }
        slowest
    }

    async fn submit(&mut self, sends: &[(ClientId, String)]) {
        submit(&mut self.writer, &self.room, sends).await;
    }

    /// Waits until all are acknowledged; what a busy machine refuses goes out again, in order.
    async fn settle(&mut self, mut sends: Vec<(ClientId, String)>) {
        let mut answered = 0;
        while !sends.is_empty() {
            let frame = self.writer.receive_json_from().await;
            let Some(client_id) = frame["client_id"].as_str() else {
                continue;
            };
            if frame["type"] == "message.accepted" {
                sends.retain(|(id, _)| id.to_string() != client_id);
            } else {
                assert!(is_retryable(frame["code"].as_str().unwrap()), "{frame}");
                answered += 1;
            }
            if answered > 0 && answered == sends.len() {
                answered = 0;
                tokio::time::sleep(Duration::from_millis(200)).await;
                submit(&mut self.writer, &self.room, &sends).await;
            }
        }
    }

    /// Nothing comes late.
    async fn is_quiet(&mut self) {
        for reader in &mut self.readers {
            // That it is out of the room it may hear, nothing of the room.
            while let Some(frame) = reader.receive_within(Duration::from_millis(10)).await {
                assert_eq!(frame["type"], "user.rooms", "{frame}");
            }
        }
        assert!(!self.victim.is_empty());
    }
}

async fn submit(writer: &mut SocketClient, room: &str, sends: &[(ClientId, String)]) {
    for (client_id, body) in sends {
        writer.send_json_to(&message(room, *client_id, body)).await;
    }
}

/// Removes a member; the removal's version.
async fn remove(http: &Client, port: u16, room: &str, member: &str, owner: &str) -> i64 {
    let url = format!("http://127.0.0.1:{port}/api/rooms/{room}/members/{member}");
    let answer = http.delete(url).bearer_auth(owner).send().await.unwrap();
    let changed: Value = answer.error_for_status().unwrap().json().await.unwrap();
    changed["version"].as_i64().unwrap()
}

/// Every arena runs its share; the slowest that a removal was heard.
async fn races(arenas: Vec<Arena>, first: usize, each: usize) -> (Vec<Arena>, Duration) {
    let running = arenas.into_iter().map(|mut arena| {
        tokio::spawn(async move {
            let mut slowest = Duration::ZERO;
            for number in first..first + each {
                slowest = slowest.max(arena.race(number).await);
            }
            arena.is_quiet().await;
            (arena, slowest)
        })
    });
    let mut back = Vec::new();
    let mut slowest = Duration::ZERO;
    for arena in running.collect::<Vec<_>>() {
        let (arena, took) = arena.await.unwrap();
        back.push(arena);
        slowest = slowest.max(took);
    }
    (back, slowest)
}

#[tokio::test(flavor = "multi_thread")]
async fn f47_a_thousand_removals_with_messages_in_flight_cut_exactly() {
    let mut cluster = Cluster::start(3).await;
    let ports: Vec<u16> = cluster
        .instances
        .iter()
        .map(|instance| instance.port())
        .collect();
    let making = (0..ROOMS).map(|number| Arena::make(&ports, number));
    let arenas = futures_util::future::join_all(making).await;
    let each = RACES / 2 / ROOMS;
    let began = Instant::now();
    let (arenas, with) = races(arenas, 0, each).await;
    let up = began.elapsed();
    cluster.redis.kill();
    cluster.wait_for_layer(false, Duration::from_secs(5)).await;
    let began = Instant::now();
    let (_arenas, without) = races(arenas, each, each).await;
    eprintln!(
        "F47: {RACES} removals in {ROOMS} rooms on 3 instances, each seen exactly on 3 sockets; with Redis {up:?}, the last \
         word ≤ {with:?}; without it {:?}, ≤ {without:?}",
        began.elapsed()
    );
    assert!(without <= Duration::from_secs(3), "{without:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f48_a_session_that_ends_without_redis_is_closed_everywhere_within_5_s() {
    let mut cluster = Cluster::start(3).await;
    let ports: Vec<u16> = cluster
        .instances
        .iter()
        .map(|instance| instance.port())
        .collect();
    let token = guest(ports[0], "revoked").await;
    let bystander = guest(ports[0], "bystander").await;
    let mut sockets = Vec::new();
    let mut others = Vec::new();
    for port in &ports {
        for (token, list) in [(&token, &mut sockets), (&bystander, &mut others)] {
            let mut socket = SocketClient::connect(*port, token).await;
            socket.expect("welcome").await;
            socket.join(ROOM).await;
            list.push(socket);
        }
    }
    cluster.redis.kill();
    cluster.wait_for_layer(false, Duration::from_secs(5)).await;
    Client::new()
        .delete(format!(
            "http://127.0.0.1:{}/api/sessions/current",
            ports[1]
        ))
        .bearer_auth(&token)
        .send()
        .await
        .unwrap()
        .error_for_status()
        .unwrap();
    let ended = Instant::now();
    let mut took = Vec::new();
    for socket in &mut sockets {
        assert_eq!(socket.closed().await, 4501);
        took.push(ended.elapsed());
    }
    eprintln!(
        "F48: without Redis the sockets of an ended session closed after {took:?} (≤ {SIGNED_OUT:?})"
    );
    assert!(took.iter().all(|took| *took <= SIGNED_OUT), "{took:?}");
    for socket in &mut others {
        socket.send(ROOM, "still here").await;
    }
    // Nobody comes back with it, on any instance.
    for port in ports {
        let answer = Client::new()
            .get(format!("http://127.0.0.1:{port}/api/rooms"))
            .bearer_auth(&token)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 401);
    }
}
