//! Postgres restarts, crashes and hangs while people talk: sockets stay, refusals come in time and may be tried again,
//! nothing acknowledged is lost, and it goes on soon after.

use std::time::{Duration, Instant};

use super::asking::{Asker, check_refusals, counts, percentile, times};
use crate::cluster::{DEADLINE, members, settled_truth};
use crate::support::cluster::{Cluster, Members, ROOM};
use crate::support::member::{Load, wait_for_progress};
use crate::support::process::eventually;
use crate::support::salon::http_status;

/// The first good send after the database takes statements.
pub(super) const BACK: Duration = Duration::from_secs(5);
/// The longest a refusal may take.
pub(super) const REFUSED: Duration = Duration::from_secs(5);

/// Every member's sends work again; how long the last one took.
pub(super) async fn wait_for_first_ack(members: &Members, back: Instant) -> Duration {
    for member in members.iter() {
        let within = BACK.saturating_sub(back.elapsed());
        member
            .wait("the first good send", within, |book| {
                book.acked.values().any(|ack| ack.at > back)
            })
            .await;
    }
    back.elapsed()
}

pub(super) async fn wait_for_a_refusal(members: &Members) {
    let before: usize = refusals(members);
    let what = "somebody is refused, to try again";
    eventually(what, DEADLINE, async || refusals(members) > before).await;
}

fn refusals(members: &Members) -> usize {
    members
        .iter()
        .map(|member| member.book().refused.values().sum::<usize>())
        .sum()
}

/// Nobody lost its socket over it.
fn sockets_stayed(members: &Members) {
    for member in members.iter() {
        assert_eq!(member.book().sockets, 1, "a socket was lost");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f16_a_restarted_postgres_takes_sends_within_5_s_and_costs_no_socket() {
    let mut cluster = Cluster::start_with_own_postgres(2).await;
    let members = members(&cluster, 8).await;
    let load = Load::start(&members, Duration::from_millis(100));
    wait_for_progress(&members, 5, DEADLINE).await;
    // Once with clients that notice at once, once after everybody was refused.
    for wait in [false, true] {
        cluster.own_postgres().stop().await;
        if wait {
            wait_for_a_refusal(&members).await;
        }
        cluster.own_postgres().restart().await;
        let took = wait_for_first_ack(&members, Instant::now()).await;
        eprintln!("F16: everybody's first good send {took:?} after Postgres takes statements");
    }
    load.stop(&members, DEADLINE).await;
    sockets_stayed(&members);
    settled_truth(&cluster, &members).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f17_a_crashed_postgres_loses_nothing_that_was_acknowledged() {
    let mut cluster = Cluster::start_with_own_postgres(2).await;
    let members = members(&cluster, 8).await;
    let load = Load::start(&members, Duration::from_millis(50));
    for round in 1..=3 {
        wait_for_progress(&members, 10 * round, DEADLINE).await;
        cluster.own_postgres().kill();
        cluster.own_postgres().restart().await;
        let took = wait_for_first_ack(&members, Instant::now()).await;
        eprintln!("F17: everybody's first good send {took:?} after recovery");
    }
    load.stop(&members, DEADLINE).await;
    sockets_stayed(&members);
    let truth = settled_truth(&cluster, &members).await;
    let acked: usize = members.iter().map(|member| member.book().acked.len()).sum();
    assert_eq!(truth.rows.len(), acked, "each is stored once");
}

#[tokio::test(flavor = "multi_thread")]
async fn f18_a_hanging_postgres_is_answered_for_within_5_s_and_restarts_nobody() {
    const HANG: Duration = Duration::from_secs(14);
    let mut cluster = Cluster::start_with_own_postgres(2).await;
    let port = cluster.instances[0].port();
    let members = members(&cluster, 4).await;
    let mut asker = Asker::enter(port, "asker", ROOM).await;
    let mut crowd = Asker::enter(port, "crowd", ROOM).await;
    asker.until_acked(DEADLINE).await;

    cluster.own_postgres().freeze();
    let frozen = Instant::now();
    let probes = async {
        let mut turned_red = None;
        while frozen.elapsed() < HANG {
            assert_eq!(http_status(port, "/livez").await, Some(200));
            if http_status(port, "/readyz").await != Some(200) {
                turned_red = turned_red.or(Some(frozen.elapsed()));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        turned_red.expect("readiness stayed green")
    };
    let asking = asker.keep_asking(Duration::from_millis(50), || frozen.elapsed() < HANG);
    // A crowd of sends in one go, twice: nothing piles up behind what hangs.
    let crowding = async {
        let mut answers = crowd.ask_many(200, "one of many").await;
        answers.extend(crowd.ask_many(200, "one of many").await);
        answers
    };
    let (red, asked, crowded) = tokio::join!(probes, asking, crowding);
    let slowest = percentile(&times(&asked, |answer| !answer.is_ack()), 100);
    eprintln!(
        "F18: refused {} and {}, slowest {slowest:?}; readiness red after {red:?}",
        counts(&asked),
        counts(&crowded)
    );
    assert!(red < Duration::from_secs(4), "{red:?}");
    check_refusals(&asked, REFUSED);
    check_refusals(&crowded, REFUSED);
    assert!(asked.len() >= 2, "it was answered all the time");

    cluster.own_postgres().thaw();
    let took = asker.until_acked(BACK).await;
    eprintln!("F18: the first good send {took:?} after the hang");
    assert!(took < BACK, "{took:?}");
    for instance in 0..2 {
        assert!(cluster.instances[instance].is_running());
        let port = cluster.instances[instance].port();
        eventually("readiness is back", BACK, async || {
            http_status(port, "/readyz").await == Some(200)
        })
        .await;
    }
    for member in members.iter() {
        member.send("all is well");
        member.wait_for_acks(DEADLINE).await;
    }
    sockets_stayed(&members);
    settled_truth(&cluster, &members).await;
}
