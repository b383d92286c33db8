//! Redis that restarts, dies and freezes: correctness never needs it (P6).

use std::time::{Duration, Instant};

use super::{DEADLINE, members, settled_truth};
use crate::support::cluster::{Cluster, Members};
use crate::support::member::{Load, wait_for_progress};

/// Without Redis a change is on every instance within this.
pub(crate) const WITHOUT_REDIS: Duration = Duration::from_millis(1_500);
/// With Redis back, all is as before within this.
pub(crate) const HEALED: Duration = Duration::from_secs(3);
/// What the members themselves may be late on a busy machine.
pub(crate) const SLACK: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread")]
async fn f7_a_restart_of_redis_under_load_costs_nothing() {
    let mut cluster = Cluster::start(2).await;
    let members = members(&cluster, 8).await;
    let load = Load::start(&members, Duration::from_millis(60));
    wait_for_progress(&members, 5, DEADLINE).await;
    for _ in 0..2 {
        cluster.redis.restart().await;
        let back = Instant::now();
        cluster.wait_for_layer(true, HEALED).await;
        wait_until_acked(&members, back).await;
    }
    load.stop(&members, DEADLINE).await;
    settled_truth(&cluster, &members).await;
    expect_no_refusal(&members);
}

#[tokio::test(flavor = "multi_thread")]
async fn f8_without_redis_sends_are_acknowledged_and_delivered_in_time() {
    let mut cluster = Cluster::start(2).await;
    let members = members(&cluster, 6).await;
    let load = Load::start(&members, Duration::from_millis(100));
    wait_for_progress(&members, 5, DEADLINE).await;
    cluster.redis.kill();
    let killed = Instant::now();
    live_without(&cluster, &members, load, killed).await;
    cluster.redis.restart().await;
    live_with_it_again(&cluster, &members).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f9_a_frozen_redis_is_as_good_as_none() {
    let cluster = Cluster::start(2).await;
    let members = members(&cluster, 6).await;
    let load = Load::start(&members, Duration::from_millis(100));
    wait_for_progress(&members, 5, DEADLINE).await;
    cluster.redis.freeze();
    let frozen = Instant::now();
    live_without(&cluster, &members, load, frozen).await;
    cluster.redis.thaw();
    live_with_it_again(&cluster, &members).await;
}

/// Under load a gap shows with the next change; when it is quiet only the check of heads finds it.
async fn live_without(cluster: &Cluster, members: &Members, load: Load, since: Instant) {
    cluster.wait_for_layer(false, DEADLINE).await;
    wait_until_acked(members, Instant::now() + Duration::from_secs(1)).await;
    load.stop(members, DEADLINE).await;
    let quiet = Instant::now();
    let slowest = quiet_deliveries(members).await.pop().unwrap();
    assert!(slowest <= WITHOUT_REDIS + SLACK, "{slowest:?}");
    expect_delivered_within(members, since, quiet, WITHOUT_REDIS + SLACK);
}

/// Through Redis again, and not by the check of heads, which takes half a second on average.
pub(crate) async fn live_with_it_again(cluster: &Cluster, members: &Members) {
    cluster.wait_for_layer(true, HEALED).await;
    let delays = quiet_deliveries(members).await;
    let half = delays[delays.len() / 2];
    assert!(half < Duration::from_millis(200), "half took over {half:?}");
    let load = Load::start(members, Duration::from_millis(100));
    wait_until_acked(members, Instant::now() + Duration::from_secs(1)).await;
    load.stop(members, DEADLINE).await;
    settled_truth(cluster, members).await;
    expect_no_refusal(members);
}

/// One message at a time: how long after its ack the last member had each, sorted.
pub(crate) async fn quiet_deliveries(members: &Members) -> Vec<Duration> {
    let mut delays = Vec::new();
    for round in 0..8 {
        let sender = &members[round % members.len()];
        let client_id = sender.send(&format!("in the quiet, {round}"));
        sender.wait_for_acks(DEADLINE).await;
        let ack = sender.book().acked[&client_id].clone();
        for member in members.iter() {
            member
                .wait("it comes", DEADLINE, |book| {
                    book.messages.contains_key(&ack.seq)
                })
                .await;
        }
        let seen = members
            .iter()
            .map(|member| member.book().messages[&ack.seq].first_seen);
        let last = seen.max().unwrap();
        delays.push(last.saturating_duration_since(ack.at));
    }
    delays.sort();
    delays
}

/// Waits until everybody has an ack from after this moment.
pub(crate) async fn wait_until_acked(members: &Members, since: Instant) {
    for member in members.iter() {
        let within = DEADLINE + since.saturating_duration_since(Instant::now());
        member
            .wait("acks go on", within, |book| {
                book.acked.values().any(|ack| ack.at > since)
            })
            .await;
    }
}

/// Redis is nothing a sender hears of.
pub(crate) fn expect_no_refusal(members: &Members) {
    for member in members.iter() {
        let book = member.book();
        assert!(book.refused.is_empty(), "{:?}", book.refused);
        assert_eq!(book.sockets, 1, "nobody had to come back");
    }
}

/// How long after its ack each message of this span had come to each member.
pub(crate) fn delays(members: &Members, from: Instant, to: Instant) -> Vec<Duration> {
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

pub(crate) fn expect_delivered_within(
    members: &Members,
    from: Instant,
    to: Instant,
    within: Duration,
) {
    let delays = delays(members, from, to);
    let slowest = delays[delays.len() - 1];
    assert!(slowest <= within, "the slowest delivery took {slowest:?}");
}
