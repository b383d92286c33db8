//! Stop: the provider's connection is closed at once, wherever the reply runs, with Redis and without; nothing comes behind
//! it; text and usage are kept; what waits is stopped too; a flood of stops is honoured to the last.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::reader::Reader;
use super::size::{self, Times};
use super::support::fake_provider::{Answer, Ending};
use super::support::process::eventually;
use super::talk::{Asked, Asker, askers, endings};
use super::world::{DEADLINE, World};

/// As many unsettled replies as a room may have.
const PER_ROOM: usize = 16;
/// Between two stops in one room: with all rooms together about a hundred a second. The flood is a test of its own.
const BETWEEN_MS: std::ops::Range<u64> = 200..600;
/// As a refusal says.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_closes_the_provider_in_time_with_redis_and_without_and_nothing_comes_behind_it() {
    let (rooms, each) = (size::count(4, 50), size::count(6, 10));
    let mut world = World::start(3, &[]).await;
    world
        .provider
        .otherwise(Answer::stream().stamps(100_000, Duration::from_millis(100)));
    let mut all = askers(&world, rooms, true).await;
    let with = stop_all(&world, &mut all, each).await;
    eprintln!(
        "stop to the provider's end, from another instance: {}",
        with.told()
    );
    assert!(
        with.percentile(99) <= size::bound(1_500, 250),
        "{}",
        with.told()
    );

    world.cluster.redis.kill();
    world.cluster.wait_for_layer(false, DEADLINE).await;
    let without = stop_all(&world, &mut all, each).await;
    eprintln!("the same without Redis: {}", without.told());
    assert!(
        without.percentile(99) <= size::bound(4_000, 1_000),
        "{}",
        without.told()
    );
    let chunks = world.number("SELECT count(*) FROM reply_chunks").await;
    assert_eq!(chunks, 0, "pieces of what has ended");
}

/// Asks in every room, stops each reply from another instance once it shows text, and checks what became of it. How long after
/// its stop each of the provider's answers was closed.
async fn stop_all(world: &World, all: &mut [Asker], each: usize) -> Times {
    let shown = all[0].replies.len() + each;
    join_all(all.iter_mut().map(|asker| async {
        asker.ask(each).await;
        asker.read_until_shown(shown).await;
    }))
    .await;
    let instances = world.cluster.instances.len();
    let stopping = all
        .iter_mut()
        .enumerate()
        .map(|(number, asker)| async move {
            // Not where it was asked for, so hardly ever where it runs.
            let mut other = asker
                .person
                .enter(world.port((number + 1) % instances), &asker.room)
                .await;
            let mut stopped = Vec::new();
            let stagger = rand::random_range(0..BETWEEN_MS.start);
            asker.reader.read_for(Duration::from_millis(stagger)).await;
            for asked in asker.replies[shown - each..].to_vec() {
                stopped.push((asked.word, Instant::now()));
                let stop = json!({"type": "reply.stop", "room": asker.room, "seq": asked.seq});
                assert_eq!(other.ask(stop).await["type"], "ok");
                let wait = rand::random_range(BETWEEN_MS);
                asker.reader.read_for(Duration::from_millis(wait)).await;
            }
            for message in asker.read_to_the_end().await {
                is_stopped_with_its_text(&message);
            }
            // Whatever was on its way: the reader fails at text of what has ended.
            asker.reader.read_for(Duration::from_millis(700)).await;
            stopped
        });
    let stopped: Vec<(String, Instant)> = join_all(stopping).await.concat();
    eventually("the provider's answers have ended", DEADLINE, async || {
        let ended = endings(&world.provider);
        stopped.iter().all(|(word, _)| ended[word].is_some())
    })
    .await;
    let ended = endings(&world.provider);
    let mut times = Times::default();
    for (word, at) in &stopped {
        let (ending, when) = ended[word].unwrap();
        assert_eq!(ending, Ending::ClosedByClient, "{word}");
        times.push(when.saturating_duration_since(*at));
    }
    times
}

fn is_stopped_with_its_text(message: &Value) {
    assert_eq!(message["state"], "stopped", "{message}");
    assert_ne!(message["body"], "", "{message}");
    let usage = &message["reply"]["usage"];
    assert!(usage["output_tokens"].as_i64() > Some(0), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_stops_is_honoured_to_the_last_also_by_those_that_wait() {
    let rooms = size::count(8, 63);
    let total = rooms * PER_ROOM;
    // A quarter finds no place and waits.
    let running = (total * 3 / 4).to_string();
    let world = World::start(3, &[("SALON_REPLIES", &running)]).await;
    world
        .provider
        .otherwise(Answer::stream().stamps(100_000, Duration::from_millis(500)));
    let mut all = askers(&world, rooms, true).await;
    join_all(all.iter_mut().map(|asker| asker.ask(PER_ROOM))).await;
    let running = total * 3 / 4;
    eventually("three quarters run", DEADLINE, async || {
        world.provider.requests().len() >= running
    })
    .await;
    let began = Instant::now();
    let second = Duration::from_secs(1);
    let answers = join_all(all.iter_mut().map(|asker| stop_within(asker, second))).await;
    let sent = began.elapsed();
    let mut took = Times::default();
    answers.iter().for_each(|times| took.extend(times));
    let ended = join_all(all.iter_mut().map(Asker::read_to_the_end)).await;
    let all_ended = began.elapsed();
    eprintln!(
        "{total} stops sent and answered within {sent:.1?}: answers {}; all had ended after {all_ended:.1?}",
        took.told()
    );
    for message in ended.iter().flatten() {
        assert_eq!(message["state"], "stopped", "{message}");
    }
    assert!(all_ended <= size::bound(15_000, 5_000), "{all_ended:?}");
    for asker in &mut all {
        asker.reader.read_for(Duration::from_millis(10)).await;
        check_settled_once(&asker.reader, &asker.replies);
    }
    eventually("nothing is asked any more", DEADLINE, async || {
        let requests = world.provider.requests();
        requests.iter().all(|record| record.ended.is_some())
    })
    .await;
    let left = "SELECT count(*) FROM replies WHERE state <> 'settled'";
    assert_eq!(world.number(left).await, 0);
    assert_eq!(world.number("SELECT count(*) FROM reply_chunks").await, 0);
}

/// Sends the stops of all its replies, spread over so long, and reads their answers: how long each took. What is refused and may be
/// tried again is.
async fn stop_within(asker: &mut Asker, time: Duration) -> Times {
    let gap = time / u32::try_from(asker.replies.len()).unwrap();
    let mut stops = Stops::default();
    for asked in asker.replies.clone() {
        stops.send(asker, asked.seq).await;
        let until = Instant::now() + gap;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            if let Some(frame) = asker.reader.next_within(left).await {
                stops.note(&frame);
            }
        }
    }
    loop {
        while !stops.sent.is_empty() {
            let frame = asker.reader.next().await;
            stops.note(&frame);
        }
        if stops.again.is_empty() {
            return stops.times;
        }
        asker.reader.read_for(AGAIN_AFTER).await;
        for seq in std::mem::take(&mut stops.again) {
            stops.send(asker, seq).await;
        }
    }
}

/// The stops of one socket.
#[derive(Default)]
struct Stops {
    /// Unanswered, by their seq: when each was sent.
    sent: HashMap<i64, Instant>,
    /// Refused for now.
    again: Vec<i64>,
    times: Times,
}

impl Stops {
    async fn send(&mut self, asker: &mut Asker, seq: i64) {
        let room = &asker.room;
        let stop = json!({"type": "reply.stop", "ref": seq.to_string(), "room": room, "seq": seq});
        self.sent.insert(seq, Instant::now());
        asker.reader.send(&stop).await;
    }

    fn note(&mut self, frame: &Value) {
        let reference = frame["ref"].as_str();
        let Some(seq) = reference.and_then(|reference| reference.parse().ok()) else {
            return;
        };
        let Some(at) = self.sent.remove(&seq) else {
            return;
        };
        if frame["retry_after_ms"].is_i64() {
            self.again.push(seq);
        } else {
            assert_eq!(frame["type"], "ok", "{frame}");
            self.times.push(at.elapsed());
        }
    }
}

fn check_settled_once(reader: &Reader, replies: &[Asked]) {
    for asked in replies {
        assert_eq!(reader.settled.get(&asked.seq), Some(&1), "{asked:?}");
    }
}
