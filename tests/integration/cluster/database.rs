//! The pooler and the database restart while people talk: refusals may be retried, nothing that was acknowledged is
//! lost, and it goes on soon.

use std::time::{Duration, Instant};

use super::{DEADLINE, members, settled_truth};
use crate::support::cluster::{Cluster, Members};
use crate::support::member::{Load, wait_for_progress};

/// The first good send after the database is back.
const BACK: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_pooler_under_load_loses_nothing() {
    let mut cluster = Cluster::start(2).await;
    let members = members(&cluster, 8).await;
    let load = Load::start(&members, Duration::from_millis(100));
    wait_for_progress(&members, 5, DEADLINE).await;
    cluster.pooler.restart().await;
    wait_for_first_ack(&members, Instant::now()).await;
    // Away for longer than a request waits for a connection.
    cluster.pooler.kill();
    wait_for_a_refusal(&members).await;
    cluster.pooler.restart().await;
    wait_for_first_ack(&members, Instant::now()).await;
    load.stop(&members, DEADLINE).await;
    settled_truth(&cluster, &members).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_database_under_load_loses_nothing() {
    let mut cluster = Cluster::start_with_own_postgres(2).await;
    let members = members(&cluster, 8).await;
    let load = Load::start(&members, Duration::from_millis(100));
    wait_for_progress(&members, 5, DEADLINE).await;
    cluster.own_postgres().stop().await;
    wait_for_a_refusal(&members).await;
    cluster.own_postgres().restart().await;
    wait_for_first_ack(&members, Instant::now()).await;
    // And as its machine would crash.
    cluster.own_postgres().kill();
    cluster.own_postgres().restart().await;
    wait_for_first_ack(&members, Instant::now()).await;
    load.stop(&members, DEADLINE).await;
    settled_truth(&cluster, &members).await;
}

/// Every member's sends work again.
async fn wait_for_first_ack(members: &Members, back: Instant) {
    for member in members.iter() {
        let within = BACK.saturating_sub(back.elapsed());
        member
            .wait("the first good send", within, |book| {
                book.acked.values().any(|ack| ack.at > back)
            })
            .await;
    }
}

async fn wait_for_a_refusal(members: &Members) {
    let before: usize = refusals(members);
    let what = "somebody is refused, to try again";
    crate::support::process::eventually(what, DEADLINE, async || refusals(members) > before).await;
}

fn refusals(members: &Members) -> usize {
    members
        .iter()
        .map(|member| member.book().refused.values().sum::<usize>())
        .sum()
}
