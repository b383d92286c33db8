//! As many replies as an instance runs, all at once, on ten connections to the database: all end complete, also where their
//! provider pauses for a minute, and nobody's ack waits for them.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use salon::limits::RESERVED_CONNECTIONS;

use super::reader::check_stamps;
use super::size::{self, Times};
use super::support::fake_provider::{Answer, Gate};
use super::support::process::eventually;
use super::talk::{Asker, askers};
use super::world::{DEADLINE, World};

/// As many unsettled replies as a room may have.
const PER_ROOM: usize = 16;
/// Pieces before the pause, and after.
const PIECES: u32 = 4;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_replies_on_ten_connections_outlast_a_pause_and_slow_no_ack() {
    let total = size::count(160, 1_000);
    // Longer than a lease and what an orphan is given; at full size a minute.
    let pause = Duration::from_secs(if size::is_full() { 60 } else { 15 });
    let world = World::start(1, &[("SALON_DATABASE_POOL", "10")]).await;
    let slow = Duration::from_millis(500);
    let answer = Answer::stream().stamps(PIECES, slow).delay(pause);
    world
        .provider
        .otherwise(answer.stamps(PIECES, slow).finish("end"));
    let mut all = askers(&world, total.div_ceil(PER_ROOM), true).await;
    join_all(all.iter_mut().enumerate().map(|(number, asker)| {
        // The last room takes what is left.
        asker.ask(PER_ROOM.min(total - number * PER_ROOM))
    }))
    .await;
    eventually("all are asked", DEADLINE, async || {
        world.provider.requests().len() == total
    })
    .await;
    let running = world.cluster.metric(0, "salon_replies_running").await;
    assert_eq!(running, Some(total as f64), "all at once");
    let (done, ends) = (Gate::new(), all.iter_mut().map(Asker::read_to_the_end));
    let (ended, (acks, connections)) = tokio::join!(
        async {
            // Who reads waits longer than usual while the provider pauses.
            let ended = join_all(ends).await;
            done.open();
            ended
        },
        talk_until(&world, &done)
    );
    eprintln!(
        "{total} replies at once, {connections} connections at most; acks meanwhile: {}",
        acks.told()
    );
    for message in ended.iter().flatten() {
        assert_eq!(message["state"], "complete", "{message}");
        assert_eq!(message["reply"]["attempt"], 1, "{message}");
        check_stamps(message["body"].as_str().unwrap(), 2 * PIECES as usize);
    }
    assert_eq!(ended.iter().flatten().count(), total);
    // Besides the pool two that only probes and the check of heads use.
    let most = 10 + RESERVED_CONNECTIONS as i64;
    assert!(connections <= most, "{connections}");
    assert!(
        acks.percentile(99) <= size::bound(1_000, 500),
        "{}",
        acks.told()
    );
    assert_eq!(
        world.provider.requests().len(),
        total,
        "each was asked for once"
    );
}

/// Somebody talks in a room of their own until the gate is open: how long each ack took, and the most connections that the
/// database had of the instance.
async fn talk_until(world: &World, done: &Gate) -> (Times, i64) {
    let person = world.person("talker").await;
    world.room(&person, "talk").await;
    let mut socket = person.enter(world.port(0), "talk").await;
    let database = world.database().await;
    let question = "SELECT count(*) FROM pg_stat_activity \
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
    let (mut acks, mut most) = (Times::default(), 0);
    while !done.is_open() {
        let sent = Instant::now();
        socket.send("talk", "meanwhile").await;
        acks.push(sent.elapsed());
        if acks.len() % 10 == 0 {
            let row = database.query_one(question, &[]).await.unwrap();
            most = most.max(row.get(0));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    (acks, most)
}
