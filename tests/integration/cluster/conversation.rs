//! Nothing fails: 20 users on two instances in one room, and the assistant.

use std::collections::HashSet;

use super::{DEADLINE, members, settled_truth};
use crate::support::cluster::Cluster;

#[tokio::test(flavor = "multi_thread")]
async fn twenty_users_on_two_instances_hold_one_conversation() {
    let cluster = Cluster::start(2).await;
    let members = members(&cluster, 20).await;
    for instance in 0..2 {
        let sockets = cluster.metric(instance, "salon_sockets").await;
        assert!(sockets >= Some(5.0), "round robin: {sockets:?}");
    }
    // Pipelined, ten at a time: 2,000 in all.
    for round in 0..10 {
        for (index, member) in members.iter().enumerate() {
            for count in 0..10 {
                member.send(&format!("{round}.{count} of {index}: grüße 👋"));
            }
        }
        for member in members.iter() {
            member.wait_for_acks(DEADLINE).await;
        }
    }
    let truth = settled_truth(&cluster, &members).await;
    assert_eq!((truth.last_seq, truth.version), (2_000, 2_000));
    for member in members.iter() {
        let book = member.book();
        assert_eq!((book.acked.len(), book.sockets), (100, 1));
        assert!(book.refused.is_empty(), "{:?}", book.refused);
        assert!(book.acked.values().all(|ack| !ack.duplicate));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_grows_alike_on_both_instances() {
    let cluster = Cluster::start(2).await;
    let members = members(&cluster, 6).await;
    let prompts = [
        members[0].send("@assistant tell me about tides"),
        members[1].send("@assistant and about *bread*, please"),
    ];
    for member in members.iter() {
        member
            .wait("both replies", DEADLINE, |book| book.settled.len() == 2)
            .await;
    }
    let asked: HashSet<i64> = members[..2]
        .iter()
        .zip(&prompts)
        .map(|(member, prompt)| member.book().acked[prompt].reply_seq.unwrap())
        .collect();
    for member in members.iter() {
        let book = member.book();
        assert!(book.deltas >= 10, "{} deltas", book.deltas);
        for (seq, settled) in &book.settled {
            assert!(asked.contains(seq));
            assert_eq!(settled.state, "complete");
            assert!(settled.stored.len() > 100);
            // Nothing was lost on the way, so what the chunks said is all there is.
            assert_eq!(settled.assembled, settled.stored);
        }
    }
    settled_truth(&cluster, &members).await;
    for instance in 0..2 {
        let running = cluster.metric(instance, "salon_replies_running").await;
        assert!(running.unwrap_or(0.0).abs() < 0.5, "{running:?}");
    }
}
