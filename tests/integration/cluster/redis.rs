//! Redis that restarts, dies and freezes: correctness never needs it (P6).

use std::time::{Duration, Instant};

use super::{DEADLINE, members, settled_truth};
use crate::support::cluster::{Cluster, Members};
use crate::support::member::{Load, wait_for_progress};

/// Without Redis a change is on every instance within this.
const WITHOUT_REDIS: Duration = Duration::from_millis(1_500);
/// With Redis back, all is as before within this.
const HEALED: Duration = Duration::from_secs(3);
/// What the members themselves may be late on a busy machine.
const SLACK: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_redis_under_load_costs_nothing() {
    let mut cluster = Cluster::start(2).await;
    let members = members(&cluster, 8).await;
    let load = Load::start(&members, Duration::from_millis(60));
    wait_for_progress(&members, 5, DEADLINE).await;
    for _ in 0..2 {
        cluster.redis.restart().await;
        let back = Instant::now();
        cluster.wait_for_layer(true, HEALED).await;
        wait_until_all_talk(&members, back).await;
    }
    load.stop(&members, DEADLINE).await;
    settled_truth(&cluster, &members).await;
    expect_no_refusal(&members);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_sends_are_acknowledged_and_delivered_in_time() {
    let mut cluster = Cluster::start(2).await;
    let members = members(&cluster, 6).await;
    let load = Load::start(&members, Duration::from_millis(100));
    wait_for_progress(&members, 5, DEADLINE).await;
    cluster.redis.kill();
    let killed = Instant::now();
    cluster.wait_for_layer(false, DEADLINE).await;
    wait_until_acked(&members, killed + Duration::from_secs(4)).await;
    let restarting = Instant::now();
    cluster.redis.restart().await;
    cluster.wait_for_layer(true, HEALED).await;
    let healed = Instant::now();
    wait_until_acked(&members, healed + Duration::from_secs(2)).await;
    load.stop(&members, DEADLINE).await;
    settled_truth(&cluster, &members).await;
    expect_no_refusal(&members);
    expect_delivered_within(&members, killed, restarting, WITHOUT_REDIS + SLACK);
    expect_prompt_delivery(&members, healed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_redis_is_as_good_as_none() {
    let cluster = Cluster::start(2).await;
    let members = members(&cluster, 6).await;
    let load = Load::start(&members, Duration::from_millis(100));
    wait_for_progress(&members, 5, DEADLINE).await;
    cluster.redis.freeze();
    let frozen = Instant::now();
    cluster.wait_for_layer(false, DEADLINE).await;
    wait_until_acked(&members, frozen + Duration::from_secs(5)).await;
    let thawing = Instant::now();
    cluster.redis.thaw();
    cluster.wait_for_layer(true, HEALED).await;
    let healed = Instant::now();
    wait_until_acked(&members, healed + Duration::from_secs(2)).await;
    load.stop(&members, DEADLINE).await;
    settled_truth(&cluster, &members).await;
    expect_no_refusal(&members);
    expect_delivered_within(&members, frozen, thawing, WITHOUT_REDIS + SLACK);
    expect_prompt_delivery(&members, healed);
}

/// Waits until everybody has an ack from after this moment.
async fn wait_until_acked(members: &Members, since: Instant) {
    for member in members.iter() {
        let within = DEADLINE + since.saturating_duration_since(Instant::now());
        member
            .wait("acks go on", within, |book| {
                book.acked.values().any(|ack| ack.at > since)
            })
            .await;
    }
}

async fn wait_until_all_talk(members: &Members, since: Instant) {
    wait_until_acked(members, since).await;
}

/// Redis is nothing a sender hears of.
fn expect_no_refusal(members: &Members) {
    for member in members.iter() {
        let book = member.book();
        assert!(book.refused.is_empty(), "{:?}", book.refused);
        assert_eq!(book.sockets, 1, "nobody had to come back");
    }
}

/// How long after its ack each message of this span had come to each member.
fn delays(members: &Members, from: Instant, to: Instant) -> Vec<Duration> {
    let mut delays = Vec::new();
    for sender in members.iter() {
        let acks: Vec<(i64, Instant)> = {
            let book = sender.book();
            let acks = book
                .acked
                .values()
                .filter(|ack| ack.at > from && ack.at < to);
            acks.map(|ack| (ack.seq, ack.at)).collect()
        };
        for reader in members.iter() {
            let book = reader.book();
            delays.extend(acks.iter().map(|(seq, acked)| {
                book.messages[seq]
                    .first_seen
                    .saturating_duration_since(*acked)
            }));
        }
    }
    delays.sort();
    assert!(delays.len() > 100, "only {} deliveries", delays.len());
    delays
}

fn expect_delivered_within(members: &Members, from: Instant, to: Instant, within: Duration) {
    let delays = delays(members, from, to);
    let slowest = delays[delays.len() - 1];
    assert!(slowest <= within, "the slowest delivery took {slowest:?}");
}

/// Through Redis again: what only the check of heads brings takes half a second on average.
fn expect_prompt_delivery(members: &Members, from: Instant) {
    let delays = delays(members, from, Instant::now());
    let nearly_all = delays[delays.len() * 9 / 10];
    assert!(
        nearly_all < Duration::from_millis(250),
        "90 % took up to {nearly_all:?}"
    );
}
