//! A reader that stops reading: closed with 4008 within ten seconds, little kept for it meanwhile, nobody else slower, and
//! nothing missing when it comes back (P3, P11).

use std::time::Duration;

use futures_util::{StreamExt, stream};
use salon::db::rows::Visibility;
use salon::ids::ClientId;
use salon::limits;
use salon::llm::Delta;
use serde_json::json;
use tokio::time::Instant;

use crate::replies::{endless, enter, read_settled, salon_with};
use crate::support::client::RoomClient;
use crate::support::communicator::{WebsocketCommunicator, message};
use crate::support::instance::{FakeModel, Instance};

/// Two megabytes: more than an outbox and a pipe hold.
const MESSAGES: usize = 200;

#[tokio::test]
async fn f29_a_reader_that_stops_is_closed_bounded_and_misses_nothing_on_its_return() {
    let (salon, _database) = Instance::alone().await;
    let ada = salon.user("ada").await;
    let (mut slow, serving) = salon.connect_raw(&ada, 16 * 1024).await;
    let mut held = RoomClient::new("lobby");
    slow.expect("welcome").await;
    held.take(&slow.join("lobby").await);
    let mut other = salon.arrive("other").await;
    let mut other_client = RoomClient::new("lobby");
    other_client.take(&other.join("lobby").await);
    let mut writing = salon.arrive("writer").await;
    writing.join("lobby").await;
    let begun = Instant::now();
    for number in 0..MESSAGES {
        let body = format!("{number} {}", "x".repeat(10_000));
        writing
            .send_json_to(&message("lobby", ClientId::new(), &body))
            .await;
        writing.expect("message.accepted").await;
        while other_client.cursor <= number as i64 {
            other_client.take(&other.receive_json_from().await);
        }
    }
    other_client.check();
    assert!(
        begun.elapsed() < limits::WRITE_TIMEOUT,
        "others did not wait for it"
    );
    // Freed by the server, though this end never reads and never closes.
    tokio::time::timeout(Duration::from_secs(15), serving)
        .await
        .unwrap()
        .unwrap();
    let took = begun.elapsed();
    assert!(
        took <= Duration::from_secs(11),
        "ten, and a busy machine: {took:?}"
    );
    // What it finds when it wakes up is whole frames of the past, bounded, without a hole.
    let mut bytes = 0;
    while let Some(frame) = slow.receive_within(Duration::from_secs(2)).await {
        bytes += frame.to_string().len();
        held.take(&frame);
    }
    held.check();
    assert!(bytes <= 16 * 1024 + 12_000, "{bytes} were kept for it");
    let mut back = salon.connect(&ada).await;
    let epoch = held.epoch.clone();
    held.take(&back.join_after("lobby", &epoch, held.cursor).await);
    while held.cursor < MESSAGES as i64 {
        held.take(&back.receive_json_from().await);
    }
    held.check();
    assert_eq!(held.bodies(), other_client.bodies());
}

#[tokio::test]
async fn f29_a_reader_that_wakes_in_time_learns_that_it_was_slow() {
    let (salon, _database) = Instance::alone().await;
    let ada = salon.user("ada").await;
    let (mut slow, _serving) = salon.connect_raw(&ada, 16 * 1024).await;
    let mut client = RoomClient::new("lobby");
    slow.expect("welcome").await;
    client.take(&slow.join("lobby").await);
    let mut writing = salon.arrive("writer").await;
    writing.join("lobby").await;
    for _ in 0..MESSAGES {
        let body = "x".repeat(10_000);
        writing
            .send_json_to(&message("lobby", ClientId::new(), &body))
            .await;
        writing.expect("message.accepted").await;
    }
    while let Some(frame) = slow.receive_within(Duration::from_secs(5)).await {
        client.take(&frame);
    }
    assert_eq!(slow.close_code, Some(4008));
    client.check();
}

#[tokio::test]
async fn a_reader_that_is_only_slow_for_a_moment_stays() {
    let (salon, _database) = Instance::alone().await;
    let ada = salon.user("ada").await;
    let (mut slow, _serving) = salon.connect_raw(&ada, 16 * 1024).await;
    let mut client = RoomClient::new("lobby");
    slow.expect("welcome").await;
    client.take(&slow.join("lobby").await);
    let mut writing = salon.arrive("writer").await;
    writing.join("lobby").await;
    // Half of what an outbox holds.
    for _ in 0..limits::OUTBOX_BYTES / 2 / 10_200 {
        writing.send("lobby", &"x".repeat(10_000)).await;
    }
    let last = writing.send("lobby", "last").await["version"]
        .as_i64()
        .unwrap();
    while client.cursor < last {
        client.take(&slow.receive_json_from().await);
    }
    client.check();
}

/// What is long of a reply, below `limits::REPLY_BYTES`.
const LONG: usize = 120 * 1024;

/// Asks for a reply, and reads until the long of it was shown.
async fn long_reply(socket: &mut WebsocketCommunicator, client: &mut RoomClient) -> i64 {
    let seq = socket.prompt("lobby", "tell").await;
    while client
        .replies
        .get(&seq)
        .is_none_or(|reply| reply.text.len() < LONG)
    {
        client.take(&socket.receive_json_from().await);
    }
    seq
}

/// As many replies as a room may have, each nearly as long as one may be, are together more than an outbox holds: a reader
/// at its own pace gets all of them and what is added meanwhile, as often as it comes.
#[tokio::test]
async fn f29_a_room_full_of_long_replies_closes_nobody() {
    let model = FakeModel::new(|_| {
        let long = stream::iter([Ok(Delta::Text("x".repeat(LONG)))]);
        long.chain(endless()).boxed()
    });
    let (salon, _database) = salon_with(model).await;
    let (mut ada, mut ada_client) = enter(salon.arrive("ada").await).await;
    let mut replies = Vec::new();
    for _ in 0..limits::REPLIES_PER_ROOM {
        replies.push(long_reply(&mut ada, &mut ada_client).await);
    }
    let bob = salon.user("bob").await;
    for time in 0..2 {
        let (mut slow, _serving) = salon.connect_raw(&bob, 16 * 1024).await;
        slow.expect("welcome").await;
        let mut client = RoomClient::new("lobby");
        let joined = match time {
            // By a page that may have been read before they began: then all of them follow.
            0 => slow.join("lobby").await,
            _ => {
                let (epoch, cursor) = (&ada_client.epoch, ada_client.cursor);
                let joined = slow.join_after("lobby", epoch, cursor).await;
                let told = joined["replies"].as_array().unwrap();
                assert_eq!(told.len(), replies.len());
                assert!(told.iter().any(|reply| reply["body"].is_null()));
                joined
            }
        };
        client.take(&joined);
        // Not before every text has come, and then more of each.
        let has_all = |client: &RoomClient, seq: &i64| {
            let reply = client.replies.get(seq);
            reply.is_some_and(|reply| reply.text.len() >= LONG && reply.deltas >= 3)
        };
        while !replies.iter().all(|seq| has_all(&client, seq)) {
            tokio::time::sleep(Duration::from_millis(1)).await;
            client.take(&slow.receive_json_from().await);
        }
        client.check();
        let seq = replies[time];
        ada.ask(json!({"type": "reply.stop", "room": "lobby", "seq": seq}))
            .await;
        let shown = client.replies[&seq].text.clone();
        let settled = read_settled(&mut slow, &mut client, seq).await;
        assert!(settled["body"].as_str().unwrap().starts_with(&shown));
        replies.retain(|other| *other != seq);
        // As many as there were.
        replies.push(long_reply(&mut ada, &mut ada_client).await);
    }
}

/// A hundred replies, each nearly as long as one may be, run in rooms that one slow socket joins at once: twelve outboxes full.
/// Each room greets with what fits, and hands out the rest when the socket has room for it.
#[tokio::test]
async fn f29_a_hundred_long_replies_in_rooms_joined_at_once_come_at_the_readers_pace() {
    const ROOMS: usize = 7;
    const REPLIES: usize = 15;
    const TEXT: usize = LONG / 3 * 3;
    // A line end and a quote are twice as long on the wire.
    let model = FakeModel::new(|_| {
        let long = stream::iter([Ok(Delta::Text("\"x\n".repeat(TEXT / 3)))]);
        long.chain(stream::pending()).boxed()
    });
    let (salon, _database) = salon_with(model).await;
    let askers = [salon.user("ada").await, salon.user("bob").await];
    let mut asking = salon.connect(&askers[0]).await;
    let mut other = salon.connect(&askers[1]).await;
    let slugs: Vec<String> = (0..ROOMS).map(|number| format!("room{number}")).collect();
    let mut running = 0;
    for slug in &slugs {
        salon.make_room(&askers[0], slug, Visibility::Public).await;
        asking.join(slug).await;
        // A member from now on; what is written it need not hear.
        other.join(slug).await;
        let leave = json!({"type": "room.leave", "room": slug});
        assert_eq!(other.ask(leave).await["type"], "ok");
        for number in 0..REPLIES {
            let seq = match number % 2 {
                0 => asking.prompt(slug, "tell").await,
                _ => other.prompt(slug, "tell").await,
            };
            let mut shown = 0;
            while shown < TEXT {
                let of_it = |frame: &serde_json::Value| {
                    frame["room"] == slug.as_str() && frame["seq"] == seq
                };
                let piece = asking.expect_where("reply.delta", of_it).await;
                shown += piece["text"].as_str().unwrap().len();
            }
            running += 1;
        }
    }
    drop((asking, other));
    let reader = salon.user("reader").await;
    let (mut slow, _serving) = salon.connect_raw(&reader, 16 * 1024).await;
    slow.expect("welcome").await;
    let rooms: Vec<_> = slugs.iter().map(|slug| json!({"room": slug})).collect();
    slow.send_json_to(&json!({"type": "room.join", "rooms": rooms}))
        .await;
    let mut whole = std::collections::HashSet::new();
    while whole.len() < running {
        // Slower than it is written, and never too slow to take anything.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let frame = slow.receive_json_from().await;
        let told = frame["replies"].as_array().cloned().unwrap_or_default();
        for reply in told {
            if reply["body"]
                .as_str()
                .is_some_and(|body| body.len() == TEXT)
            {
                let room = frame["room"]["slug"].as_str().unwrap().to_owned();
                assert!(
                    whole.insert((room, reply["seq"].as_i64())),
                    "twice: {reply}"
                );
            }
        }
        if frame["type"] == "reply.delta" {
            assert_eq!(frame["chunk"], 1, "{}", frame["seq"]);
            assert_eq!(frame["text"].as_str().unwrap().len(), TEXT);
            let room = frame["room"].as_str().unwrap().to_owned();
            assert!(whole.insert((room, frame["seq"].as_i64())), "twice");
        }
    }
    assert_eq!(slow.ask(json!({"type": "ping"})).await["type"], "pong");
}
