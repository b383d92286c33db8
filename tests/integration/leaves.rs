//! Leaving a room: behind the answer nothing of its stream comes, whatever is being said and read for the socket meanwhile.

use std::time::Duration;

use rand::Rng;
use salon::ids::ClientId;
use salon::limits;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::support::communicator::{WebsocketCommunicator, message};
use crate::support::instance::Instance;

/// What makes a cursor older than the ring: pages are read for it.
const MESSAGES: usize = 400;
/// Fewer than a socket may have unanswered.
const AT_ONCE: usize = 100;

/// Somebody who talks without a pause.
async fn talker(salon: &Instance) -> (AbortOnDropHandle<()>, CancellationToken) {
    let mut socket = salon.arrive("talker").await;
    socket.join("lobby").await;
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let talking = tokio::spawn(async move {
        while !stopped.is_cancelled() {
            socket.send("lobby", "and so on").await;
        }
    });
    (AbortOnDropHandle::new(talking), stop)
}

/// Leaves, and sees that nothing of the room comes behind the answer.
async fn leave(socket: &mut WebsocketCommunicator, reference: &str) {
    let frame = json!({"type": "room.leave", "ref": reference, "room": "lobby"});
    socket.send_json_to(&frame).await;
    loop {
        let frame = socket.receive_json_from().await;
        if frame["ref"] == reference {
            assert_eq!(frame["type"], "ok", "{frame}");
            break;
        }
    }
    let within = Duration::from_millis(rand::rng().random_range(1..15));
    while let Some(frame) = socket.receive_within(within).await {
        let kind = frame["type"].as_str().unwrap_or_default();
        let is_of_the_stream = ["message", "room.changed", "reply.delta", "room.removed"];
        assert!(!is_of_the_stream.contains(&kind), "{frame}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_of_a_left_room_comes_behind_the_leaves_answer() {
    let (salon, _database) = Instance::alone().await;
    let (_talking, stop) = talker(&salon).await;
    let mut ada = salon.arrive("ada").await;
    for round in 0..80 {
        ada.join("lobby").await;
        if round % 2 == 0 {
            ada.expect("message").await;
        }
        leave(&mut ada, &format!("leave {round}")).await;
    }
    stop.cancel();
}

/// The leave comes while pages are read for the join, or while the feed takes over from them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_of_a_left_room_comes_though_its_join_still_catches_up() {
    let (salon, _database) = Instance::alone().await;
    let mut writer = salon.arrive("writer").await;
    let epoch = writer.join("lobby").await["epoch"].clone();
    let body = "x".repeat(limits::BODY_BYTES / 8);
    for _ in 0..MESSAGES / AT_ONCE {
        for _ in 0..AT_ONCE {
            let frame = message("lobby", ClientId::new(), &body);
            writer.send_json_to(&frame).await;
        }
        for _ in 0..AT_ONCE {
            writer.expect("message.accepted").await;
        }
    }
    drop(writer);
    let (_talking, stop) = talker(&salon).await;
    let mut ada = salon.arrive("ada").await;
    for round in 0..20 {
        let joined: Value = ada.join_after("lobby", &epoch, 0).await;
        assert_eq!(joined["reset"], json!(null));
        for _ in 0..rand::rng().random_range(0..MESSAGES) {
            ada.expect("message").await;
        }
        leave(&mut ada, &format!("leave {round}")).await;
    }
    stop.cancel();
}
