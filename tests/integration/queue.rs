//! The queue of replies, as rooms see it: who waits at which place, and that a waiting one can be taken out.

use serde_json::{Value, json};

use crate::replies::{build, silent};
use crate::support::communicator::WebsocketCommunicator;
use crate::support::instance::{FakeModel, Instance, TestDatabase};

/// The places as they are told next, once they are so: seq, position, name.
pub(crate) async fn told(socket: &mut WebsocketCommunicator, expected: &[(i64, i64, &str)]) {
    let expected: Vec<Value> = expected
        .iter()
        .map(|(seq, position, name)| json!([seq, position, name]))
        .collect();
    let fits = |frame: &Value| {
        let waiting = frame["waiting"].as_array().unwrap();
        let place = |one: &Value| json!([one["seq"], one["position"], one["user"]["name"]]);
        waiting.iter().map(place).collect::<Vec<_>>() == expected
    };
    let frame = socket.expect_where("reply.queue", fits).await;
    assert_eq!(frame["room"], "lobby");
}

pub(crate) async fn stop(socket: &mut WebsocketCommunicator, seq: i64) {
    let stop = json!({"type": "reply.stop", "room": "lobby", "seq": seq});
    assert_eq!(socket.ask(stop).await["type"], "ok");
}

#[tokio::test]
async fn a_room_sees_who_waits_for_the_assistant_and_one_may_leave_the_queue() {
    let database = TestDatabase::open().await;
    let mut build = build(&database, FakeModel::new(|_| silent()));
    build.flags.extend(["--replies", "1"]);
    build.presence = true;
    let salon = Instance::start(build);
    let mut ada = salon.arrive("ada").await;
    let mut bob = salon.arrive("bob").await;
    ada.join("lobby").await;
    bob.join("lobby").await;
    let running = ada.prompt("lobby", "first").await;
    let second = ada.prompt("lobby", "second").await;
    let others = bob.prompt("lobby", "mine").await;
    // Ada's first runs: bob's first goes before her second.
    for socket in [&mut ada, &mut bob] {
        told(socket, &[(others, 1, "bob"), (second, 2, "ada")]).await;
    }
    // Who comes later is told too.
    let mut late = salon.arrive("late").await;
    late.join("lobby").await;
    told(&mut late, &[(others, 1, "bob"), (second, 2, "ada")]).await;
    // Bob changes his mind.
    stop(&mut bob, others).await;
    told(&mut bob, &[(second, 1, "ada")]).await;
    assert_eq!(salon.assistant.count(), 1);
    // The first ends: the second runs, and nothing waits.
    stop(&mut ada, running).await;
    told(&mut ada, &[]).await;
    told(&mut bob, &[]).await;
    assert_eq!(salon.assistant.count(), 1);
}
