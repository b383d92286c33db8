//! Processes that die: one with the answer to a COMMIT on its way, all of them at once under load.

use std::time::{Duration, Instant};

use crate::cluster::{DEADLINE, members, settled_truth};
use crate::support::cluster::{Cluster, GENEROUS, ROOM};
use crate::support::member::{Load, Member, wait_for_progress};
use crate::support::postgres::{TestDatabase, connect};
use crate::support::process::eventually;
use crate::support::proxy::Proxy;
use crate::support::salon::SalonProcess;
use crate::support::truth::{everybody_agrees, read_postgres};

/// After everything is up again: everybody has caught up, and no reply is abandoned.
const ALL_BACK: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
async fn f1_a_send_whose_instance_died_with_the_commits_answer_has_one_seq() {
    let database = TestDatabase::shared().await;
    let proxy = Proxy::start(database.server().port()).await;
    let (behind, direct) = (proxy.url(database.name()), database.url());
    let mut one = vec![("DATABASE_URL", behind.as_str()), ("SALON_MIGRATE", "off")];
    let mut two = vec![("DATABASE_URL", direct.as_str()), ("SALON_MIGRATE", "off")];
    one.extend(GENEROUS);
    two.extend(GENEROUS);
    let (mut one, two) = tokio::join!(SalonProcess::start(&one), SalonProcess::start(&two));
    let sender = Member::join(one.port(), "sender", ROOM).await;
    let reader = Member::join(two.port(), "reader", ROOM).await;
    sender.send("before");
    sender.wait_for_acks(DEADLINE).await;

    proxy.hold_commits();
    let client_id = sender.send("is it stored?");
    // Jobs commit too, and their answers are held as well.
    eventually(
        "it is committed, and the answer held",
        DEADLINE,
        async || proxy.held() > 0 && read_postgres(&database.url(), ROOM).await.last_seq == 2,
    )
    .await;
    assert!(
        !sender.book().acked.contains_key(&client_id),
        "no ack before the COMMIT is known (P1)"
    );
    sender.move_to(two.port());
    one.kill();
    sender.wait_for_acks(DEADLINE).await;
    let ack = sender.book().acked[&client_id].clone();
    assert!(ack.duplicate && ack.seq == 2, "{ack:?}");
    sender.send("after");
    sender.wait_for_acks(DEADLINE).await;
    let truth = read_postgres(&database.url(), ROOM).await;
    assert_eq!(truth.last_seq, 3);
    everybody_agrees(&[sender, reader], &truth, two.port(), ROOM).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f55_everything_killed_at_once_under_load_loses_nothing_and_is_back_within_15_s() {
    let mut cluster = Cluster::start_with_own_postgres(3).await;
    let members = members(&cluster, 12).await;
    let load = Load::start(&members, Duration::from_millis(60));
    wait_for_progress(&members, 15, DEADLINE).await;
    for member in members.iter().take(3) {
        member.send("@assistant how do tides work?");
    }
    members[0]
        .wait("a reply is being written", DEADLINE, |book| book.deltas > 0)
        .await;

    cluster.own_postgres().kill();
    cluster.pooler.kill();
    cluster.redis.kill();
    cluster.balancer.kill();
    for instance in &mut cluster.instances {
        instance.kill();
    }
    let acked: usize = members.iter().map(|member| member.book().acked.len()).sum();
    cluster.own_postgres().restart().await;
    cluster.pooler.restart().await;
    cluster.redis.restart().await;
    cluster.balancer.restart().await;
    let starting = cluster.instances.iter_mut().map(SalonProcess::restart);
    futures_util::future::join_all(starting).await;

    let up = Instant::now();
    for member in members.iter() {
        member
            .wait("everybody talks again", ALL_BACK, |book| {
                book.acked.values().any(|ack| ack.at > up)
            })
            .await;
    }
    let talking = up.elapsed();
    load.stop(&members, ALL_BACK).await;
    let database = connect(&cluster.database_url()).await.unwrap();
    let abandoned =
        "SELECT count(*) FROM replies WHERE state = 'streaming' AND lease_until < now()";
    let within = ALL_BACK.saturating_sub(up.elapsed());
    eventually("no reply is abandoned", within, async || {
        let row = database.query_one(abandoned, &[]).await.unwrap();
        row.get::<_, i64>(0) == 0 && up.elapsed() > Duration::from_secs(9)
    })
    .await;
    eprintln!("F55: {acked} acked before; everybody talks {talking:?} after all are up");
    for member in members.iter() {
        member
            .wait("three replies", DEADLINE, |book| {
                let replies = book.messages.values();
                let settled = replies
                    .filter(|held| held.client_id.is_none() && held.state != "queued")
                    .count();
                settled == 3
            })
            .await;
    }
    settled_truth(&cluster, &members).await;
}
