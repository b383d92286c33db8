//! What stands between members and instances: a balancer that dies, and an instance that stands still behind it.

use std::time::{Duration, Instant};

use super::{DEADLINE, members, settled_truth};
use crate::support::cluster::Cluster;
use crate::support::member::{Load, Member, wait_for_progress};

#[tokio::test(flavor = "multi_thread")]
async fn f32_a_balancer_that_dies_under_load_costs_no_message() {
    let mut cluster = Cluster::start(2).await;
    let members = members(&cluster, 8).await;
    let load = Load::start(&members, Duration::from_millis(80));
    for round in 1..=2 {
        wait_for_progress(&members, 5 * round, DEADLINE).await;
        cluster.balancer.kill();
        cluster.balancer.restart().await;
        wait_for_acks_after(&members, Instant::now()).await;
    }
    load.stop(&members, DEADLINE).await;
    settled_truth(&cluster, &members).await;
    for member in members.iter() {
        assert!(member.book().sockets >= 3, "everybody lost two sockets");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_stood_still_goes_on_where_it_was() {
    /// Beyond what a process may miss without reading again before it delivers.
    const STILL: Duration = Duration::from_millis(3_500);
    let cluster = Cluster::start(2).await;
    let members = members(&cluster, 8).await;
    let load = Load::start(&members, Duration::from_millis(80));
    wait_for_progress(&members, 5, DEADLINE).await;
    cluster.instances[0].freeze();
    let frozen = Instant::now();
    // The others do not notice: a lock it may hold is waited for, and then its transaction is cut.
    let others = || {
        let late = frozen + STILL;
        let goes_on = |member: &&Member| member.book().acked.values().any(|ack| ack.at > late);
        members.iter().filter(goes_on).count()
    };
    let what = "whoever is on the other one talks on";
    crate::support::process::eventually(what, DEADLINE, async || others() >= 4).await;
    cluster.instances[0].thaw();
    wait_for_acks_after(&members, Instant::now()).await;
    load.stop(&members, DEADLINE).await;
    settled_truth(&cluster, &members).await;
}

async fn wait_for_acks_after(members: &[Member], since: Instant) {
    for member in members {
        member
            .wait("acks go on", DEADLINE, |book| {
                book.acked.values().any(|ack| ack.at > since)
            })
            .await;
    }
}
