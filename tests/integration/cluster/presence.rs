//! Presence over real instances: one that is killed, and a Redis that dies and comes back.

use std::time::{Duration, Instant};

use salon::limits;
use serde_json::Value;

use crate::support::cluster::Cluster;
use crate::support::communicator::SocketClient;
use crate::support::member::Member;

/// What F30 promises.
const RIGHT_AGAIN: Duration = Duration::from_secs(45);
/// A change is told on every instance within this while all is well, on two busy cores.
const SOON: Duration = Duration::from_secs(10);

/// A socket in the lobby of one instance.
async fn enter(port: u16, name: &str) -> SocketClient {
    let answer: Value = reqwest::Client::new()
        .post(format!("http://127.0.0.1:{port}/api/guests"))
        .json(&serde_json::json!({ "name": name }))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let mut socket = SocketClient::connect(port, answer["token"].as_str().unwrap()).await;
    socket.join("lobby").await;
    socket
}

async fn expect_count(socket: &mut SocketClient, count: u64, within: Duration) {
    let is_it = |frame: &Value| frame["count"] == count;
    socket.expect_passing("presence", within, is_it).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f30_presence_is_right_within_45_s_of_a_killed_instance() {
    let mut cluster = Cluster::start(2).await;
    let mut stays = enter(cluster.instances[0].port(), "ada").await;
    let mut dies = enter(cluster.instances[1].port(), "bob").await;
    for socket in [&mut stays, &mut dies] {
        expect_count(socket, 2, SOON).await;
    }
    cluster.instances[1].kill();
    let killed = Instant::now();
    expect_count(&mut stays, 1, RIGHT_AGAIN).await;
    println!("F30: presence right {:?} after the kill", killed.elapsed());
    assert!(killed.elapsed() <= RIGHT_AGAIN);
    // It comes back, and who is on it is seen at once.
    cluster.instances[1].restart().await;
    let mut back = enter(cluster.instances[1].port(), "eve").await;
    for socket in [&mut stays, &mut back] {
        expect_count(socket, 2, SOON).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn presence_heals_when_redis_comes_back_and_an_instance_that_stops_says_goodbye() {
    let mut cluster = Cluster::start(2).await;
    let mut first = enter(cluster.instances[0].port(), "ada").await;
    let other = enter(cluster.instances[1].port(), "bob").await;
    expect_count(&mut first, 2, SOON).await;
    cluster.redis.kill();
    cluster.wait_for_layer(false, SOON).await;
    // What was known goes on; what happens elsewhere is not heard.
    let eve = enter(cluster.instances[1].port(), "eve").await;
    assert_eq!(first.all_passing(Duration::from_secs(3)).await, []);
    cluster.redis.restart().await;
    // What is published before both listen again is lost like anything on the layer; the next whole one tells it.
    expect_count(&mut first, 3, limits::PRESENCE_WHOLE + SOON).await;
    // Typing comes over the layer as well.
    let writing = Member::join(cluster.instances[0].port(), "writer", "lobby").await;
    expect_count(&mut first, 4, SOON).await;
    cluster.instances[1].terminate();
    expect_count(&mut first, 2, SOON).await;
    drop((writing, other, eve));
}
