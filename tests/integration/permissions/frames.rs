//! Every frame of the table, sent by everybody over a socket that came with a cookie, over one with a bearer token, and over one
//! with an application's claim.

use std::time::Duration;

use salon::error::ErrorCode;
use salon::ids::ClientId;
use salon::permissions::Action;
use salon::permissions::access::{Asker, FRAMES, Needs, answer};
use serde_json::{Value, json};

use super::routes::upgrading;
use super::world::{About, Credential, People, Place, World};
use crate::support::communicator::SocketClient;

/// Codes of those who were let through to something that was not as it must be: rights are judged before.
const BEYOND: &[&str] = &["reply_settled", "reply_running", "not_joined"];

/// Frames that are answered only when they are refused.
const SILENT: &[&str] = &["read.mark", "typing"];

fn about(kind: &str) -> About {
    match kind.starts_with("reply.") {
        true => About::Reply,
        false => About::Message,
    }
}

fn frame(kind: &str, place: &Place) -> Value {
    let mut frame = json!({"type": kind, "room": place.slug, "seq": place.seq, "body": "hi", "emoji": "👍", "variant": 1});
    if matches!(kind, "message.send" | "reply.continue") {
        frame["client_id"] = json!(ClientId::new());
    }
    frame
}

/// Sends a frame; the refusal's code, or none. What is silent when it is allowed is followed by a frame that is answered.
async fn send(socket: &mut SocketClient, kind: &str, place: &Place) -> Option<String> {
    let mut frame = frame(kind, place);
    if !SILENT.contains(&kind) {
        let answer = socket.ask(frame).await;
        return (answer["type"] == "error").then(|| answer["code"].as_str().unwrap().to_owned());
    }
    let reference = format!("{kind} {}", ClientId::new());
    frame["ref"] = json!(reference);
    socket.send_json_to(&frame).await;
    let pong = socket.ask(json!({"type": "ping"})).await;
    assert_eq!(pong["type"], "pong");
    let refusal = socket
        .find_within(&reference, Duration::from_millis(300))
        .await?;
    assert_eq!(refusal["type"], "error", "{refusal}");
    Some(refusal["code"].as_str().unwrap().to_owned())
}

async fn connect(world: &World, token: &str, credential: Credential) -> SocketClient {
    let port = world.server.port;
    let mut socket = match credential {
        Credential::Cookie => SocketClient::connect_by_cookie(port, token).await,
        Credential::Bearer => SocketClient::connect(port, token).await,
    };
    assert_eq!(socket.receive_json_from().await["type"], "welcome");
    socket
}

async fn ask(world: &World, kind: &str, needs: Needs, asker: Asker, own: bool) {
    let Some(person) = world.person(asker) else {
        return;
    };
    for &credential in world.people.credentials() {
        let author = own.then_some(asker);
        let place = world.place(&[asker], author, about(kind)).await;
        let mut socket = connect(world, &person.token, credential).await;
        let joined = matches!(asker, Asker::Member(_)) && kind == "typing";
        if joined {
            socket.join(&place.slug).await;
        }
        let what = format!("{kind} as {asker:?} by {credential:?}, own: {own}");
        let got = send(&mut socket, kind, &place).await;
        let expected = answer(needs, asker, own).map(ErrorCode::as_str);
        match (expected, got.as_deref()) {
            (None, None) => {}
            (None, Some(code)) => assert!(BEYOND.contains(&code), "{what}: {code}"),
            // One types in a room that one has joined, and who may not see it cannot have: nothing is told of it.
            (Some(_), Some("not_joined")) if kind == "typing" && !joined => {}
            (expected, got) => assert_eq!(got, expected, "{what}"),
        }
        if asker == Asker::Stranger {
            let missing = Place {
                slug: "no-such-room".into(),
                ..place
            };
            // On a socket of its own: a second `typing` at once would be dropped.
            let mut other = connect(world, &person.token, credential).await;
            assert_eq!(
                got,
                send(&mut other, kind, &missing).await,
                "{what}: missing"
            );
        }
        socket.disconnect().await;
    }
}

async fn ask_all(people: People) {
    let world = World::new(people).await;
    for (kind, needs) in FRAMES {
        let owns: &[bool] = match needs {
            Needs::Own(..) => &[false, true],
            Needs::Room(Action::ChangeOwnMessage) => &[true],
            _ => &[false],
        };
        for asker in Asker::ALL {
            for own in owns {
                ask(&world, kind, *needs, asker, *own).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_answer_as_the_table_says() {
    ask_all(People::Sessions).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_answer_claims_as_the_table_says() {
    ask_all(People::Claims).await;
}

#[tokio::test]
async fn nobody_opens_a_socket_signed_out() {
    let world = World::new(People::Sessions).await;
    for &credential in world.people.credentials() {
        let unknown = "f".repeat(64);
        for token in [None, Some((unknown.as_str(), credential))] {
            let request = upgrading(world.request("get", "/ws", token));
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status().as_u16(), 401, "{token:?}");
        }
    }
}
