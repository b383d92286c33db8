//! Instances that die, stop and start while people talk.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{DEADLINE, members, settled_truth};
use crate::support::cluster::{Cluster, Postgres, ROOM, empty_database};
use crate::support::member::{Load, Member, wait_for_progress};
use crate::support::postgres::{PostgresServer, TestDatabase};
use crate::support::process::eventually;
use crate::support::salon::SalonProcess;
use crate::support::truth::{everybody_agrees, read_postgres};

/// A reply whose runner died is settled, or runs again, within this (P8); then it is written to its end.
const REPLY_RECOVERY: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
async fn f4_an_instance_killed_under_load_costs_no_message() {
    let mut cluster = Cluster::start(2).await;
    let members = members(&cluster, 10).await;
    let load = Load::start(&members, Duration::from_millis(100));
    wait_for_progress(&members, 10, DEADLINE).await;
    cluster.instances[0].kill();
    let killed = Instant::now();
    for member in members.iter() {
        member
            .wait("everybody talks on", Duration::from_secs(8), |book| {
                book.acked.values().any(|ack| ack.at > killed)
            })
            .await;
    }
    let sockets = cluster.metric(1, "salon_sockets").await.unwrap();
    assert!((sockets - 10.0).abs() < 0.5, "{sockets} on the other one");
    // It comes back and takes its part of whoever comes next.
    cluster.instances[0].restart().await;
    members[0].cut();
    load.stop(&members, DEADLINE).await;
    let truth = settled_truth(&cluster, &members).await;
    assert!(truth.last_seq > 100, "{}", truth.last_seq);
    let moved = members
        .iter()
        .filter(|member| member.book().sockets > 1)
        .count();
    assert!((4..=7).contains(&moved), "{moved} were on the killed one");
}

#[tokio::test(flavor = "multi_thread")]
async fn f41_a_reply_whose_instance_was_killed_is_settled_or_written_again() {
    let settings = [("SALON_SCRIPTED_DELAY_MS", "120")];
    let shared = Postgres::Shared(TestDatabase::shared().await);
    let mut cluster = Cluster::over(shared, 2, &settings).await;
    let members = members(&cluster, 6).await;
    // Each is claimed where it was asked, as a rule: both instances write.
    for member in members.iter() {
        member.send("@assistant how do tides work?");
        member.wait_for_acks(DEADLINE).await;
    }
    for instance in 0..2 {
        eventually("both instances write replies", DEADLINE, async || {
            cluster.metric(instance, "salon_replies_running").await >= Some(1.0)
        })
        .await;
    }
    members[0]
        .wait("chunks come", DEADLINE, |book| book.deltas > 20)
        .await;
    cluster.instances[0].kill();
    let killed = Instant::now();
    let database = crate::support::postgres::connect(&cluster.database_url()).await;
    let database = database.unwrap();
    // Whose lease has run out is nobody's: within the time every reply is settled or has a living runner.
    let abandoned = "SELECT count(*) FROM replies WHERE state = 'queued' OR (state = 'streaming' AND lease_until < now())";
    let mut orphaned_once = false;
    eventually("no reply is abandoned", REPLY_RECOVERY, async || {
        let row = database.query_one(abandoned, &[]).await.unwrap();
        orphaned_once |= row.get::<_, i64>(0) > 0;
        // The dead one's leases run out after 8 s at the most.
        row.get::<_, i64>(0) == 0 && (orphaned_once || killed.elapsed() > Duration::from_secs(12))
    })
    .await;
    for member in members.iter() {
        member
            .wait("six replies", Duration::from_secs(25), |book| {
                let replies = book.messages.values();
                let done = |state: &str| state != "queued";
                replies
                    .filter(|held| held.client_id.is_none() && done(&held.state))
                    .count()
                    == 6
            })
            .await;
    }
    let truth = settled_truth(&cluster, &members).await;
    let count = |state: &str| {
        let replies = truth.rows.iter().filter(|row| row.client_id.is_none());
        replies.filter(|row| row.state == state).count()
    };
    let again: i64 = database
        .query_one("SELECT count(*) FROM replies WHERE attempt > 1", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(count("complete") + count("interrupted"), 6);
    assert!(
        count("interrupted") + usize::try_from(again).unwrap() >= 1,
        "none ran on the killed one"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_start_together_on_an_empty_database_all_serve() {
    let database = TestDatabase::shared().await;
    let empty = empty_database(database.server()).await;
    let url = database.server().url(&empty);
    let settings = [
        ("DATABASE_URL", url.as_str()),
        ("SALON_ALLOW_DATA_LOSS", "on"),
    ];
    let starting = (0..3).map(|_| SalonProcess::start(&settings));
    let instances = futures_util::future::join_all(starting).await;
    let mut members = Vec::new();
    for instance in &instances {
        members.push(Member::join(instance.port(), "early", ROOM).await);
    }
    for member in &members {
        member.send("hello");
        member.wait_for_acks(DEADLINE).await;
    }
    let truth = read_postgres(&url, ROOM).await;
    assert_eq!(truth.last_seq, 3);
    everybody_agrees(&members, &truth, instances[0].port(), ROOM).await;
    let logs = instances.iter().map(SalonProcess::log_text);
    let logs = logs.collect::<Vec<String>>().join("\n");
    let lines = logs.lines().filter(|line| line.contains("migrated name="));
    let mut migrated: Vec<&str> = lines
        .filter_map(|line| line.split("name=").nth(1))
        .collect();
    let all = migrated.len();
    assert!(all > 0, "{logs}");
    migrated.sort_unstable();
    migrated.dedup();
    assert_eq!(migrated.len(), all, "each was done by one of them: {logs}");
}

/// The whole of a cluster over a server of its own starts on an empty database as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_deployment_migrates_past_the_pooler_and_serves_through_it() {
    let server = PostgresServer::start(&[]).await;
    let database = empty_database(&server).await;
    let cluster = Cluster::over(Postgres::Own(server, database), 2, &[]).await;
    let members = Arc::new(Member::join_many(cluster.port(), 2, ROOM).await);
    for member in members.iter() {
        member.send("hello");
        member.wait_for_acks(DEADLINE).await;
    }
    assert_eq!(settled_truth(&cluster, &members).await.last_seq, 2);
}
