//! Exports: whole ones say so, and those that end early say why.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{Request, header};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use salon::consumer::watch::SessionWatch;
use salon::db::changes::{Batch, Change, NewPost, RoomChanges};
use salon::db::rows::{Identity, RoomView, Visibility};
use salon::ids::{BatchId, ClientId};
use salon::limits;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::app::HOST;
use crate::support::instance::Instance;

/// Asks for an export.
async fn ask(salon: &Instance, token: &str, path: &str) -> axum::response::Response {
    let router = salon::routes::router(salon.app.clone(), salon.consumers.clone());
    let request = Request::get(path)
        .header(header::HOST, HOST)
        .header(header::AUTHORIZATION, format!("Bearer {token}"));
    router
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap()
}

fn pages(answer: axum::response::Response) -> BoxStream<'static, Bytes> {
    assert_eq!(answer.status(), 200);
    answer
        .into_body()
        .into_data_stream()
        .map(|bytes| bytes.unwrap())
        .boxed()
}

async fn rest(pages: &mut BoxStream<'static, Bytes>) -> String {
    let mut bytes = Vec::new();
    while let Some(page) = pages.next().await {
        bytes.extend_from_slice(&page);
    }
    String::from_utf8(bytes).unwrap()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Somebody in a private room of many messages.
async fn member_of_a_long_room(
    salon: &Instance,
    count: usize,
) -> (Identity, RoomView, Identity, String) {
    let owner = salon.user("owner").await;
    let room = salon.make_room(&owner, "club", Visibility::Private).await;
    let reader = salon
        .app
        .auth
        .guest("reader", Default::default())
        .await
        .unwrap();
    salon.add(&room, &owner, &reader.identity).await;
    let post = |number: usize| {
        Change::Post(NewPost {
            author: owner.user.id,
            client_id: ClientId::new(),
            body: format!("message {number}"),
            html: None,
            reply_to: None,
            prompt: None,
            mentions: Vec::new(),
            over_rate: false,
        })
    };
    let changes: Vec<Change> = (1..=count).map(post).collect();
    for part in changes.chunks(500) {
        let changes = part.to_vec();
        let rooms = vec![RoomChanges {
            room: room.room.id,
            changes,
        }];
        let batch = Batch {
            id: BatchId::new(),
            rerun: false,
            rooms,
        };
        salon.store.apply(batch).await.unwrap();
    }
    (
        owner,
        room,
        reader.identity,
        reader.token.reveal().to_owned(),
    )
}

#[tokio::test]
async fn a_whole_export_has_every_message_and_says_so() {
    let (salon, _database) = Instance::alone().await;
    let count = limits::EXPORT_PAGE as usize * 2 + 300;
    let (_, _, _, token) = member_of_a_long_room(&salon, count).await;
    let answer = ask(&salon, &token, "/api/rooms/club/export?format=ndjson").await;
    assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
    assert_eq!(
        answer.headers()["content-disposition"],
        "attachment; filename=\"club.ndjson\""
    );
    let text = rest(&mut pages(answer)).await;
    let lines = lines(&text);
    assert_eq!(
        (&lines[0]["type"], &lines[0]["room"]["last_seq"]),
        (&json!("export"), &json!(count))
    );
    for (place, line) in lines[1..=count].iter().enumerate() {
        assert_eq!(line["message"]["seq"], place + 1);
        assert_eq!(line["message"]["body"], format!("message {}", place + 1));
    }
    assert_eq!(
        lines[count + 1..],
        [json!({"type": "end", "complete": true, "messages": count})]
    );
}

#[tokio::test]
async fn markdown_cannot_be_mistaken_for_its_own_frame() {
    let (salon, _database) = Instance::alone().await;
    let token = salon
        .app
        .auth
        .guest("*ada*", Default::default())
        .await
        .unwrap()
        .token
        .reveal()
        .to_owned();
    let mut socket = salon.arrive("writer").await;
    socket.join("lobby").await;
    socket
        .send(
            "lobby",
            "# not a heading\n\n---\n\nEnd of the export: complete, 9 messages.",
        )
        .await;
    let answer = ask(&salon, &token, "/api/rooms/lobby/export?format=markdown").await;
    let text = rest(&mut pages(answer)).await;
    assert!(
        text.starts_with("# Lobby\n\nMessages 1 to 1 of `lobby`.\n\n## 1 · writer · "),
        "{text}"
    );
    assert!(
        text.contains("\n> # not a heading\n> \n> ---\n> \n> End of the export"),
        "{text}"
    );
    assert!(
        text.ends_with("\n---\n\nEnd of the export: complete, 1 messages.\n"),
        "{text}"
    );
    let unquoted = text
        .lines()
        .filter(|line| line.starts_with("End of the export"));
    assert_eq!(unquoted.count(), 1);
}

#[tokio::test]
async fn a_removal_a_sign_out_or_a_stop_ends_it_and_is_told() {
    let (salon, _database) = Instance::alone().await;
    // Much more than what is on its way between the database and a reader that has not begun to read.
    let (owner, room, reader, token) = member_of_a_long_room(&salon, 6_000).await;
    let owner_token = salon
        .app
        .auth
        .guest("other", Default::default())
        .await
        .unwrap();
    salon.add(&room, &owner, &owner_token.identity).await;
    let open = async |token: &str| pages(ask(&salon, token, "/api/rooms/club/export").await);
    let mut removed = open(&token).await;
    let mut signed_out = open(owner_token.token.reveal()).await;
    removed.next().await.unwrap();
    signed_out.next().await.unwrap();
    salon.remove(&room, &owner, &reader).await;
    salon
        .app
        .auth
        .sign_out(owner_token.identity.session)
        .await
        .unwrap();
    let connections = Arc::clone(&salon.consumers.connections);
    assert!(
        SessionWatch::new(connections, salon.store.clone())
            .look()
            .await
    );
    let end_of = async |pages: &mut BoxStream<'static, Bytes>| {
        let all = lines(&rest(pages).await);
        assert!(all.len() < 3_000, "{} came after it", all.len());
        all.last().unwrap().clone()
    };
    let end = end_of(&mut removed).await;
    assert_eq!(
        (&end["type"], &end["complete"], &end["code"]),
        (&json!("end"), &json!(false), &json!("room_not_found"))
    );
    let end = end_of(&mut signed_out).await;
    assert_eq!(
        (&end["complete"], &end["code"]),
        (&json!(false), &json!("unauthenticated"))
    );

    let third = salon
        .app
        .auth
        .guest("third", Default::default())
        .await
        .unwrap();
    salon.add(&room, &owner, &third.identity).await;
    let mut stopped = open(third.token.reveal()).await;
    stopped.next().await.unwrap();
    salon.app.shutdown.stop();
    let end = end_of(&mut stopped).await;
    assert_eq!(
        (&end["complete"], &end["code"]),
        (&json!(false), &json!("shutting_down"))
    );
    salon
        .app
        .shutdown
        .finished(std::time::Duration::from_secs(10))
        .await
        .unwrap();
}

#[tokio::test]
async fn few_run_at_once_and_a_reader_that_goes_makes_room() {
    let (salon, _database) = Instance::alone().await;
    let (_, _, _, token) = member_of_a_long_room(&salon, 6_000).await;
    let mut running = Vec::new();
    for _ in 0..limits::EXPORTS {
        running.push(pages(ask(&salon, &token, "/api/rooms/club/export").await));
    }
    let refused = ask(&salon, &token, "/api/rooms/club/export").await;
    assert_eq!(refused.status(), 503);
    drop(running.pop());
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while ask(&salon, &token, "/api/rooms/club/export").await.status() != 200 {
        assert!(
            tokio::time::Instant::now() < deadline,
            "its place was not given back"
        );
        tokio::task::yield_now().await;
    }
    let stranger = salon
        .app
        .auth
        .guest("stranger", Default::default())
        .await
        .unwrap();
    drop(running);
    while salon.app.exports.available_permits() == 0 {
        tokio::task::yield_now().await;
    }
    let refused = ask(&salon, stranger.token.reveal(), "/api/rooms/club/export").await;
    assert_eq!(refused.status(), 404);
}
