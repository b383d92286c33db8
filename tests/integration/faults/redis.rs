//! Redis that is cut off, kicks, fails over, runs full, lies: never more than a delay (P6). Redis that dies, restarts and
//! freezes under load is in [`crate::cluster::redis`] as well.
//!
//! `SALON_REDIS_OUTAGE_S=60 cargo test --release --locked f8_redis` is the outage at its full length.

use std::time::{Duration, Instant};

use crate::cluster::redis::{
    HEALED, SLACK, WITHOUT_REDIS, delays, expect_no_refusal, live_with_it_again, quiet_deliveries,
    wait_until_acked,
};
use crate::cluster::{DEADLINE, members, settled_truth};
use crate::support::cluster::{Cluster, Members, ROOM};
use crate::support::fault_proxy::resp::Tampering;
use crate::support::member::{Load, Member, wait_for_progress};
use crate::support::process::eventually;
use crate::support::redis::RedisServer;

/// A lost subscription is noticed.
const NOTICED: Duration = Duration::from_secs(1);

/// Members of whom each instance has as many.
async fn spread(cluster: &Cluster, each: usize) -> Members {
    let mut all = Vec::new();
    for instance in &cluster.instances {
        all.extend(Member::join_many(instance.port(), each, ROOM).await);
    }
    std::sync::Arc::new(all)
}

/// One command to Redis.
async fn command(redis: &RedisServer, words: &[&str]) -> redis::Value {
    let mut connection = redis.connection().await;
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.query_async(&mut connection).await.unwrap()
}

/// The delay that 99 in a hundred deliveries did not exceed.
fn p99(delays: &[Duration]) -> Duration {
    delays[(delays.len() - 1) * 99 / 100]
}

#[tokio::test(flavor = "multi_thread")]
async fn f8_redis_dead_for_long_costs_no_send_no_delivery_and_no_flood_of_the_log() {
    let outage = std::env::var("SALON_REDIS_OUTAGE_S");
    let outage = Duration::from_secs(outage.map_or(8, |seconds| seconds.parse().unwrap()));
    let mut cluster = Cluster::start(3).await;
    let members = spread(&cluster, 3).await;
    let load = Load::start(&members, Duration::from_millis(80));
    wait_for_progress(&members, 5, DEADLINE).await;
    let before: Vec<usize> = lines(&cluster);
    cluster.redis.kill();
    let killed = Instant::now();
    cluster.wait_for_layer(false, DEADLINE).await;
    let end = killed + outage;
    tokio::time::sleep_until(end.into()).await;
    load.stop(&members, DEADLINE).await;
    let quiet = quiet_deliveries(&members).await;
    let logged: Vec<usize> = lines(&cluster)
        .iter()
        .zip(before)
        .map(|(after, before)| after - before)
        .collect();
    let all = delays(&members, killed, end);
    let sends: usize = members.iter().map(|member| member.book().acked.len()).sum();
    cluster.redis.restart().await;
    let back = Instant::now();
    cluster.wait_for_layer(true, HEALED).await;
    let healed = back.elapsed();
    eprintln!(
        "F8: Redis dead for {:?}: {sends} sends acked, 0 refused; {} deliveries, p50 {:?}, p99 {:?} (≤ {WITHOUT_REDIS:?}), the \
         slowest {:?}; in the quiet {:?} at most; {logged:?} lines of the log; back {healed:?} after it (≤ {HEALED:?})",
        killed.elapsed(),
        all.len(),
        all[all.len() / 2],
        p99(&all),
        all[all.len() - 1],
        quiet[quiet.len() - 1],
    );
    assert!(p99(&all) <= WITHOUT_REDIS, "{:?}", p99(&all));
    assert!(quiet[quiet.len() - 1] <= WITHOUT_REDIS + SLACK);
    // The layer's, and one of the counters.
    let most = usize::try_from(killed.elapsed().as_secs()).unwrap() + 2;
    assert!(logged.iter().all(|lines| *lines <= most), "{logged:?}");
    live_with_it_again(&cluster, &members).await;
}

/// The lines each instance has logged.
fn lines(cluster: &Cluster) -> Vec<usize> {
    let instances = cluster.instances.iter();
    instances
        .map(|instance| instance.log_text().lines().count())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn f9_senders_do_not_feel_a_redis_that_hangs() {
    let cluster = Cluster::start(2).await;
    let members = spread(&cluster, 3).await;
    let load = Load::start(&members, Duration::from_millis(60));
    wait_for_progress(&members, 40, DEADLINE).await;
    cluster.redis.freeze();
    let frozen = Instant::now();
    cluster.wait_for_layer(false, DEADLINE).await;
    let noticed = frozen.elapsed();
    wait_until_acked(&members, frozen + Duration::from_secs(4)).await;
    cluster.redis.thaw();
    cluster.wait_for_layer(true, HEALED).await;
    load.stop(&members, DEADLINE).await;
    let took = |fits: &dyn Fn(Instant) -> bool| {
        let mut took: Vec<Duration> = Vec::new();
        for member in members.iter() {
            let book = member.book();
            let fitting = book.acked.values().filter(|ack| fits(ack.at));
            took.extend(fitting.map(|ack| ack.took));
        }
        took.sort_unstable();
        took[took.len() / 2]
    };
    let (before, during) = (
        took(&|at| at < frozen),
        took(&|at| at > frozen && at < frozen + Duration::from_secs(4)),
    );
    eprintln!(
        "F9: acks take {before:?} before and {during:?} while Redis hangs; noticed after {noticed:?}"
    );
    assert!(during <= before.mul_f64(1.2) + Duration::from_millis(2));
    settled_truth(&cluster, &members).await;
    expect_no_refusal(&members);
}

#[tokio::test(flavor = "multi_thread")]
async fn f10_an_instance_that_alone_lost_redis_delivers_in_time() {
    let cluster = Cluster::start_with_redis_proxies(3).await;
    let members = spread(&cluster, 2).await;
    let load = Load::start(&members, Duration::from_millis(80));
    wait_for_progress(&members, 5, DEADLINE).await;
    cluster.redis_proxies[0].stall();
    let cut = Instant::now();
    let down = async || cluster.metric(0, "salon_layer_up").await == Some(0.0);
    eventually("it notices", DEADLINE, down).await;
    wait_until_acked(&members, cut + Duration::from_secs(5)).await;
    let end = Instant::now();
    load.stop(&members, DEADLINE).await;
    let quiet = quiet_deliveries(&members).await;
    let all = delays(&members, cut, end);
    eprintln!(
        "F10: one of three cut off Redis: p99 {:?}, the slowest {:?}; in the quiet {:?} at most",
        p99(&all),
        all[all.len() - 1],
        quiet[quiet.len() - 1],
    );
    assert_eq!(cluster.metric(1, "salon_layer_up").await, Some(1.0));
    assert!(p99(&all) <= WITHOUT_REDIS && quiet[quiet.len() - 1] <= WITHOUT_REDIS + SLACK);
    cluster.redis_proxies[0].heal();
    live_with_it_again(&cluster, &members).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f11_a_subscriber_that_redis_kicked_notices_within_a_second_and_catches_up() {
    let cluster = Cluster::start(2).await;
    let members = spread(&cluster, 3).await;
    let load = Load::start(&members, Duration::from_millis(60));
    wait_for_progress(&members, 5, DEADLINE).await;
    for _ in 0..3 {
        let before = reconnects(&cluster).await;
        command(&cluster.redis, &["CLIENT", "KILL", "TYPE", "pubsub"]).await;
        let noticed = both_reconnect(&cluster, before).await;
        eprintln!(
            "F11: a killed subscription was noticed and counted within {noticed:?} (≤ {NOTICED:?})"
        );
        assert!(noticed <= NOTICED, "{noticed:?}");
        cluster.wait_for_layer(true, HEALED).await;
    }
    // A reader that is slower than what comes, by Redis' own measure.
    let limit = |bytes: &str| format!("pubsub {bytes} {bytes} 1");
    let set = ["CONFIG", "SET", "client-output-buffer-limit"];
    let kicking = limit("20000");
    let before = reconnects(&cluster).await;
    command(&cluster.redis, &[&set[..], &[&kicking]].concat()).await;
    let flooded = Instant::now();
    let large = "x".repeat(15_000);
    for member in members.iter() {
        for _ in 0..20 {
            member.send(&large);
        }
    }
    both_reconnect(&cluster, before).await;
    load.stop(&members, DEADLINE).await;
    let end = Instant::now();
    command(&cluster.redis, &[&set[..], &[&limit("33554432")]].concat()).await;
    let back = Instant::now();
    cluster.wait_for_layer(true, HEALED).await;
    quiet_deliveries(&members).await;
    let all = delays(&members, flooded, end);
    eprintln!(
        "F11: kicked for a small output buffer; deliveries p99 {:?}, the slowest {:?}; up {:?} after the limit is gone",
        p99(&all),
        all[all.len() - 1],
        back.elapsed()
    );
    assert!(p99(&all) <= WITHOUT_REDIS + SLACK, "{:?}", p99(&all));
    settled_truth(&cluster, &members).await;
    expect_no_refusal(&members);
}

async fn reconnects(cluster: &Cluster) -> Vec<f64> {
    let mut counts = Vec::new();
    for instance in 0..cluster.instances.len() {
        let count = cluster
            .metric(instance, "salon_layer_reconnects_total")
            .await;
        counts.push(count.unwrap_or_default());
    }
    counts
}

/// How long it took until each instance had counted one more.
async fn both_reconnect(cluster: &Cluster, before: Vec<f64>) -> Duration {
    let began = Instant::now();
    eventually("each counts a lost connection", DEADLINE, async || {
        let now = reconnects(cluster).await;
        now.iter().zip(&before).all(|(now, before)| now > before)
    })
    .await;
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn f12_a_failover_to_a_read_only_redis_is_a_restart_and_half_of_one_only_a_delay() {
    let cluster = Cluster::start_with_redis_proxies(2).await;
    let other = RedisServer::start().await;
    let port = cluster.redis.port().to_string();
    command(&other, &["REPLICAOF", "127.0.0.1", &port]).await;
    eventually("it follows", DEADLINE, async || {
        let role = command(&other, &["INFO", "replication"]).await;
        let role = redis::from_redis_value::<String>(role).unwrap();
        role.contains("role:slave") && role.contains("master_link_status:up")
    })
    .await;
    let members = spread(&cluster, 3).await;
    let load = Load::start(&members, Duration::from_millis(80));
    wait_for_progress(&members, 5, DEADLINE).await;
    // The first goes over alone: what it publishes there the second never hears.
    for (index, proxy) in cluster.redis_proxies.iter().enumerate() {
        let before = reconnects(&cluster).await;
        proxy.lead_to(other.port());
        proxy.cut();
        let moved = Instant::now();
        eventually("it noticed", NOTICED, async || {
            reconnects(&cluster).await[index] > before[index]
        })
        .await;
        cluster.wait_for_layer(true, HEALED).await;
        wait_until_acked(&members, moved + Duration::from_secs(3)).await;
        let all = delays(&members, moved, Instant::now() - Duration::from_secs(2));
        eprintln!(
            "F12: {} of 2 on the read-only one: p99 {:?}, the slowest {:?}",
            index + 1,
            p99(&all),
            all[all.len() - 1]
        );
        assert!(p99(&all) <= WITHOUT_REDIS + SLACK, "{:?}", p99(&all));
    }
    // Its master is gone, and it stays what it is.
    drop(command(&other, &["CONFIG", "SET", "replica-serve-stale-data", "no"]).await);
    load.stop(&members, DEADLINE).await;
    live_with_it_again(&cluster, &members).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f13_a_redis_out_of_memory_is_nothing_that_a_sender_hears_of() {
    let cluster = Cluster::start(2).await;
    let members = spread(&cluster, 3).await;
    let load = Load::start(&members, Duration::from_millis(80));
    wait_for_progress(&members, 5, DEADLINE).await;
    let full = Instant::now();
    command(
        &cluster.redis,
        &["CONFIG", "SET", "maxmemory-policy", "noeviction"],
    )
    .await;
    command(&cluster.redis, &["CONFIG", "SET", "maxmemory", "1"]).await;
    let late = Member::join(cluster.instances[0].port(), "late", ROOM).await;
    wait_until_acked(&members, full + Duration::from_secs(2)).await;
    // Messages need no memory of it; so that it refuses them all the same, it is told to.
    command(
        &cluster.redis,
        &["ACL", "SETUSER", "default", "-publish", "-spublish"],
    )
    .await;
    let refusing = Instant::now();
    cluster.wait_for_layer(false, DEADLINE).await;
    wait_until_acked(&members, refusing + Duration::from_secs(3)).await;
    let end = Instant::now();
    load.stop(&members, DEADLINE).await;
    quiet_deliveries(&members).await;
    let all = delays(&members, full, end);
    eprintln!(
        "F13: Redis full: p99 {:?}, the slowest {:?}",
        p99(&all),
        all[all.len() - 1]
    );
    assert!(p99(&all) <= WITHOUT_REDIS + SLACK, "{:?}", p99(&all));
    late.send("from the latecomer");
    late.wait_for_acks(DEADLINE).await;
    command(
        &cluster.redis,
        &["ACL", "SETUSER", "default", "+publish", "+spublish"],
    )
    .await;
    command(&cluster.redis, &["CONFIG", "SET", "maxmemory", "0"]).await;
    live_with_it_again(&cluster, &members).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f14_what_redis_doubles_delays_reorders_replays_and_drops_is_not_seen() {
    let cluster = Cluster::start_with_redis_proxies(3).await;
    let members = spread(&cluster, 3).await;
    let load = Load::start(&members, Duration::from_millis(50));
    wait_for_progress(&members, 3, DEADLINE).await;
    for (seed, proxy) in (1..).zip(&cluster.redis_proxies) {
        proxy.tamper(Tampering {
            seed,
            doubled: 0.5,
            delayed: 0.5,
            replayed: 0.5,
            dropped: 0.1,
            longest: Duration::from_millis(300),
        });
    }
    let began = Instant::now();
    for member in members.iter().take(3) {
        member.send("@assistant how do tides work?");
    }
    wait_until_acked(&members, began + Duration::from_secs(5)).await;
    let end = Instant::now();
    load.stop(&members, DEADLINE).await;
    for member in members.iter() {
        member
            .wait("three replies", DEADLINE, |book| {
                let replies = book.messages.values();
                replies
                    .filter(|held| held.client_id.is_none() && held.state == "complete")
                    .count()
                    == 3
            })
            .await;
    }
    // A message shown twice, out of order or with a gap is a violation in a member's book.
    settled_truth(&cluster, &members).await;
    let all = delays(&members, began, end);
    let refused = cluster.total("salon_layer_refused_total").await;
    eprintln!(
        "F14: {} deliveries, p99 {:?}; {refused} messages of Redis refused as repeated",
        all.len(),
        p99(&all)
    );
    assert!(refused > 100.0, "nothing was replayed");
    assert!(p99(&all) <= WITHOUT_REDIS + SLACK, "{:?}", p99(&all));
    expect_no_refusal(&members);
}

#[tokio::test(flavor = "multi_thread")]
async fn f15_what_somebody_else_publishes_is_believed_by_nobody() {
    let cluster = Cluster::start(2).await;
    let members = members(&cluster, 6).await;
    let load = Load::start(&members, Duration::from_millis(80));
    wait_for_progress(&members, 3, DEADLINE).await;
    let channels = command(&cluster.redis, &["PUBSUB", "CHANNELS", "*"]).await;
    let channels = redis::from_redis_value::<Vec<String>>(channels).unwrap();
    assert!(channels.len() >= 2, "{channels:?}");
    let message = r#"{"type":"message","room":"lobby","version":999999,"prev":1,"message":{"seq":999999,"body":"forged"}}"#;
    let stop = r#"{"type":"sessions"}"#;
    let began = Instant::now();
    let mut connection = cluster.redis.connection().await;
    while began.elapsed() < Duration::from_secs(3) {
        for channel in &channels {
            for body in [message, stop, "", "\u{0}\u{1}\u{2}forged"] {
                redis::cmd("PUBLISH")
                    .arg((channel, body))
                    .exec_async(&mut connection)
                    .await
                    .unwrap();
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    load.stop(&members, DEADLINE).await;
    let truth = settled_truth(&cluster, &members).await;
    assert!(truth.rows.iter().all(|row| row.body != "forged"));
    let refused = cluster.total("salon_layer_refused_total").await;
    let fills = cluster.total("salon_feed_fills_total").await;
    eprintln!(
        "F15: {refused} forged messages refused, {fills} reads made for them in {:?}",
        began.elapsed()
    );
    assert!(refused > 100.0, "{refused}");
    assert!(
        fills <= 2.0 * 2.0 * 6.0,
        "at most one a second and room: {fills}"
    );
    expect_no_refusal(&members);
    for instance in &cluster.instances {
        let log = instance.log_text();
        assert!(
            !log.contains("forged\"") && !log.contains("panicked"),
            "{log}"
        );
    }
}
