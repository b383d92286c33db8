//! The slow drain: readiness goes first, what is in flight is answered, sockets are told where to come back, leases are
//! given back, and the process ends within its grace, whatever else is broken. More of it, in process, is in
//! [`crate::drain`].

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use salon::channel_layer::in_memory::InMemoryLayer;
use salon::limits;
use serde_json::json;

use crate::cluster::{DEADLINE, members, settled_truth};
use crate::replies::{answer, build, enter, read_settled, silent};
use crate::support::cluster::Cluster;
use crate::support::instance::{FakeModel, Instance, TestDatabase};
use crate::support::member::{Load, wait_for_progress};
use crate::support::process::eventually;
use crate::support::salon::http_status;

/// One instance, from the signal to its end.
const STOPPED: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn f5_a_rolling_restart_of_all_instances_under_load_fails_no_send() {
    let mut cluster = Cluster::start(3).await;
    let members = members(&cluster, 12).await;
    let load = Load::start(&members, Duration::from_millis(60));
    wait_for_progress(&members, 5, DEADLINE).await;
    let mut times = Vec::new();
    for index in 0..3 {
        // Somebody is being answered while the instance goes.
        members[index].send("@assistant go on");
        let instance = &mut cluster.instances[index];
        let port = instance.port();
        instance.terminate();
        let told = Instant::now();
        eventually(
            "/readyz says 503 first",
            Duration::from_secs(1),
            async || http_status(port, "/readyz").await == Some(503),
        )
        .await;
        assert_eq!(http_status(port, "/livez").await, Some(200));
        let status = instance.wait_for_exit(STOPPED).await;
        times.push(told.elapsed());
        assert!(status.success(), "{status}; {}", instance.log_text());
        assert!(
            told.elapsed() > Duration::from_secs(1),
            "a balancer had no time to notice"
        );
        let log = instance.log_text();
        assert!(!log.contains("the shutdown was cut"), "{log}");
        instance.restart().await;
        let back = Instant::now();
        eventually("everybody talks on", DEADLINE, async || {
            members.iter().all(|member| {
                let book = member.book();
                book.acked.values().any(|ack| ack.at > back)
            })
        })
        .await;
    }
    load.stop(&members, DEADLINE).await;
    for member in members.iter() {
        member
            .wait("three replies", DEADLINE, |book| {
                let replies = book.messages.values();
                replies
                    .filter(|held| held.client_id.is_none() && held.state != "queued")
                    .count()
                    == 3
            })
            .await;
    }
    // A send that failed for good, a gap or a reset would be a violation in a member's book.
    settled_truth(&cluster, &members).await;
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    let (mut sends, mut sockets) = (0, 0);
    for member in members.iter() {
        let book = member.book();
        for (code, count) in &book.refused {
            *refused.entry(code.clone()).or_default() += count;
        }
        sends += book.acked.len();
        sockets += book.sockets;
        assert!(book.sockets >= 2, "everybody moved at least once");
    }
    eprintln!(
        "F5: {sends} sends, 0 failed, refused at the first try: {refused:?}; {sockets} sockets; stopped within {times:?}"
    );
    assert!(times.iter().all(|time| *time < STOPPED));
}

#[tokio::test]
async fn f5_what_is_not_shown_yet_goes_back_at_once() {
    let database = TestDatabase::open().await;
    let layer = InMemoryLayer::new();
    let mut first = build(&database, FakeModel::new(|_| silent()));
    first.layer = layer.clone();
    let one = Instance::start(first);
    let (mut socket, mut client) = enter(one.arrive("ada").await).await;
    let seq = socket.prompt("lobby", "go").await;
    eventually("it is claimed", DEADLINE, async || {
        one.assistant.count() == 1
    })
    .await;
    let mut second = build(
        &database,
        FakeModel::new(|_| answer(3, Duration::from_millis(10))),
    );
    second.layer = layer.another_instance();
    let _two = Instance::start(second);
    one.stop.cancel();
    let told = tokio::time::Instant::now();
    let settled = read_settled(&mut socket, &mut client, seq).await;
    let took = told.elapsed();
    assert_eq!(
        (&settled["state"], &settled["reply"]["attempt"]),
        (&json!("complete"), &json!(2))
    );
    eprintln!("F5: written by another instance {took:?} after the signal");
    assert!(took < limits::CLAIM_INTERVAL * 3, "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f5_an_instance_ends_within_its_grace_while_postgres_hangs() {
    let mut cluster = Cluster::start_with_own_postgres(2).await;
    let members = members(&cluster, 6).await;
    let load = Load::start(&members, Duration::from_millis(50));
    wait_for_progress(&members, 5, DEADLINE).await;
    members[0].send("@assistant go on");
    members[0]
        .wait("a reply is being written", DEADLINE, |book| book.deltas > 0)
        .await;
    cluster.own_postgres().freeze();
    let instance = &mut cluster.instances[0];
    instance.terminate();
    let told = Instant::now();
    let status = instance.wait_for_exit(STOPPED).await;
    eprintln!(
        "F5: ended {:?} after the signal, with Postgres hanging",
        told.elapsed()
    );
    assert!(status.success(), "{status}");
    cluster.own_postgres().thaw();
    cluster.instances[0].restart().await;
    load.stop(&members, DEADLINE).await;
    for member in members.iter() {
        member
            .wait("the reply has ended", DEADLINE, |book| {
                let mut replies = book.messages.values();
                replies.any(|held| held.client_id.is_none() && held.state != "queued")
            })
            .await;
    }
    settled_truth(&cluster, &members).await;
}
