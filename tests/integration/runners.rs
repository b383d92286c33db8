//! Runners that die, drain or have too much to do: every reply ends all the same, once (P8).

use std::time::Duration;

use salon::channel_layer::in_memory::InMemoryLayer;
use salon::limits;
use serde_json::{Value, json};

use crate::replies::{answer, build, endless, enter, read_settled, read_text, salon_with, silent};
use crate::support::instance::{FakeModel, Instance, TestDatabase};

#[tokio::test]
async fn f54_a_job_whose_worker_died_is_settled_once_with_what_was_saved() {
    let (mut salon, database) = salon_with(FakeModel::new(|_| endless())).await;
    let (mut socket, mut client) = enter(salon.arrive("ada").await).await;
    let seq = socket.prompt("lobby", "go").await;
    read_text(&mut socket, &mut client, seq).await;
    // Long enough that some text was saved.
    let enough = tokio::time::Instant::now() + limits::APPEND_INTERVAL * 3;
    while tokio::time::Instant::now() < enough {
        client.take(&socket.receive_json_from().await);
    }
    salon.kill_runners();
    database.age_leases(60);
    let shown = client.replies[&seq].text.clone();
    let died = tokio::time::Instant::now();
    let settled = read_settled(&mut socket, &mut client, seq).await;
    assert!(
        died.elapsed() < Duration::from_secs(15),
        "{:?}",
        died.elapsed()
    );
    assert_eq!(settled["state"], "interrupted");
    let kept = settled["body"].as_str().unwrap();
    assert!(shown.starts_with(kept) || kept.starts_with(&shown));
    // At most what was shown since the last save is gone, with some leave for a busy machine.
    let lost = shown
        .split(' ')
        .count()
        .saturating_sub(kept.split(' ').count());
    assert!(!kept.is_empty() && lost <= 75, "{lost} words of {kept:?}");
}

#[tokio::test]
async fn f54_a_job_whose_worker_died_before_it_showed_anything_runs_again_once() {
    let database = TestDatabase::open().await;
    let layer = InMemoryLayer::new();
    let mut first = build(&database, FakeModel::new(|_| silent()));
    first.layer = layer.clone();
    let mut one = Instance::start(first);
    let (mut socket, mut client) = enter(one.arrive("ada").await).await;
    let seq = socket.prompt("lobby", "go").await;
    // Claimed, and then its runner dies.
    let waited = tokio::time::Instant::now();
    while one.assistant.count() == 0 {
        assert!(waited.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    one.kill_runners();
    database.age_leases(60);
    let mut second = build(&database, FakeModel::new(|_| answer(5, Duration::ZERO)));
    second.layer = layer.another_instance();
    let _two = Instance::start(second);
    let settled = read_settled(&mut socket, &mut client, seq).await;
    assert_eq!(
        (&settled["state"], &settled["reply"]["attempt"]),
        (&json!("complete"), &json!(2))
    );
}

#[tokio::test]
async fn so_many_replies_wait_in_a_room_and_the_next_prompt_is_told() {
    let (salon, _database) = salon_with(FakeModel::new(|_| silent())).await;
    let mut socket = salon.arrive("ada").await;
    socket.join("lobby").await;
    for _ in 0..limits::REPLIES_PER_ROOM {
        socket.prompt("lobby", "go").await;
    }
    let ack = socket.send("lobby", "@assistant one more").await;
    assert_eq!(
        (&ack["reply_seq"], &ack["reply_refused"]),
        (&Value::Null, &json!("too_many_replies"))
    );
}

#[tokio::test]
async fn a_draining_instance_lets_what_it_writes_end_and_takes_nothing_new() {
    let (salon, _database) =
        salon_with(FakeModel::new(|_| answer(30, Duration::from_millis(20)))).await;
    let (mut socket, mut client) = enter(salon.arrive("ada").await).await;
    let seq = socket.prompt("lobby", "short").await;
    read_text(&mut socket, &mut client, seq).await;
    salon.stop.cancel();
    let next = socket.prompt("lobby", "too late").await;
    assert_eq!(
        read_settled(&mut socket, &mut client, seq).await["state"],
        "complete"
    );
    socket.receive_nothing(Duration::from_millis(1_500)).await;
    assert_eq!(
        client.messages[&next]["state"], "queued",
        "left to other instances"
    );
}
