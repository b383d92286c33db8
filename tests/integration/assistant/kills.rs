//! Instances are killed at random moments while they write: every prompt ends once and soon, and of what was shown at most the
//! last half second is gone (P8).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::reader::{Reader, check_stamps, stamps_of};
use super::size::{self, Times};
use super::support::fake_provider::Answer;
use super::support::fake_provider::script::STAMP_BYTES;
use super::support::process::eventually;
use super::support::salon::SalonProcess;
use super::talk::askers;
use super::world::{DEADLINE, Person, World};

/// Rooms; each asks now and then, whatever became of the prompts before.
const ROOMS: usize = 8;
const ASKS_EVERY: Duration = Duration::from_millis(1_300);
/// A reply takes about three seconds.
const PIECES: usize = 60;
const BETWEEN: Duration = Duration::from_millis(50);
/// A lease is renewed for so long.
const LEASE_S: f64 = 8.0;
/// How long an instance lives at most before it is killed again.
const LIVES_MS: std::ops::Range<u64> = 500..3_000;

/// What the prompts of one room came to.
struct Told {
    replies: Vec<i64>,
    reader: Reader,
    lost: Times,
    states: Vec<String>,
    again: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_prompt_of_killed_runners_ends_once_and_soon_with_what_was_shown() {
    let wanted = size::count(20, 200);
    let mut world = World::start(4, &[("SALON_MIGRATE", "off")]).await;
    let answer = Answer::stream()
        .stamps(PIECES as u32, BETWEEN)
        .finish("end");
    world.provider.otherwise(answer);
    // All read on the first instance, which lives; prompts go to the others, which then write them.
    let mut rooms = Vec::new();
    for asker in askers(&world, ROOMS, false).await {
        let mut reader = Reader::new(&asker.person, &asker.room);
        reader.join(world.port(0)).await;
        rooms.push((asker.person, asker.room, reader));
    }
    let mortal = world.cluster.instances.split_off(1);
    let ports: Vec<u16> = mortal.iter().map(SalonProcess::port).collect();
    let (kills, stop) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
    let watch = tokio::spawn(watch_leases(world.database().await, stop.clone()));
    // Not tasks of their own: what waits for a process is bound to one.
    let killing = mortal
        .into_iter()
        .map(|instance| kill_again_and_again(instance, wanted, Arc::clone(&kills)));
    let mut asking = Vec::new();
    for (person, room, reader) in rooms {
        let over = (wanted, Arc::clone(&kills));
        asking.push(tokio::spawn(ask_and_read(
            person,
            room,
            reader,
            ports.clone(),
            over,
        )));
    }
    let (_instances, all) = tokio::join!(join_all(killing), join_all(asking));
    let all: Vec<Told> = all.into_iter().map(Result::unwrap).collect();
    let unsettled = "SELECT count(*) FROM replies WHERE state <> 'settled'";
    eventually("nothing is left", DEADLINE, async || {
        world.number(unsettled).await == 0
    })
    .await;
    stop.cancel();
    let longest = watch.await.unwrap();
    tell_and_check(&all, kills.load(Ordering::Relaxed), longest);
    for told in &all {
        check_room(&world, told).await;
    }
}

fn tell_and_check(all: &[Told], kills: usize, longest: f64) {
    let prompts: usize = all.iter().map(|told| told.replies.len()).sum();
    let (mut lost, mut states) = (Times::default(), std::collections::BTreeMap::new());
    for told in all {
        lost.extend(&told.lost);
        for state in &told.states {
            *states.entry(state.clone()).or_insert(0) += 1;
        }
    }
    let again: usize = all.iter().map(|told| told.again).sum();
    eprintln!(
        "{kills} kills, {prompts} prompts: {states:?}, {again} at a later attempt; nobody's for {longest:.1} s at most; \
         shown text that was not kept: {}",
        lost.told()
    );
    // It is settled, or runs under a new attempt, within 15 s (P8).
    let within = size::bound(17_000, 15_000).as_secs_f64();
    assert!(longest <= within, "a reply was nobody's for {longest} s");
    assert!(
        lost.percentile(100) <= size::bound(2_500, 750),
        "{}",
        lost.told()
    );
    assert!(
        states.get("interrupted") > Some(&0),
        "nothing was hit: {states:?}"
    );
    assert!(
        states
            .keys()
            .all(|state| state == "complete" || state == "interrupted"),
        "{states:?}"
    );
}

/// One terminal state each, once: the room's count of versions has no place for a second one.
async fn check_room(world: &World, told: &Told) {
    let prompts = told.replies.len() as i64;
    for seq in &told.replies {
        assert_eq!(told.reader.settled.get(seq), Some(&1), "{seq}");
    }
    let slug = told.reader.room();
    let versions = world
        .number(&format!(
            "SELECT h.version FROM room_heads h JOIN rooms r ON r.id = h.room_id WHERE r.slug = '{slug}'"
        ))
        .await;
    assert_eq!(
        versions,
        3 * prompts,
        "the prompt, its reply, its end; {slug}"
    );
}

/// Kills and starts an instance until there were kills enough.
async fn kill_again_and_again(
    mut instance: SalonProcess,
    wanted: usize,
    kills: Arc<AtomicUsize>,
) -> SalonProcess {
    while kills.load(Ordering::Relaxed) < wanted {
        tokio::time::sleep(Duration::from_millis(rand::random_range(LIVES_MS))).await;
        instance.kill();
        kills.fetch_add(1, Ordering::Relaxed);
        instance.restart().await;
    }
    instance
}

/// The longest time that a reply was nobody's: since the last renewal of its lease, as the database counts.
async fn watch_leases(database: tokio_postgres::Client, stop: CancellationToken) -> f64 {
    let question = "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - lease_until)), -8)::float8 \
        FROM replies WHERE state = 'streaming'";
    let mut longest: f64 = 0.0;
    while !stop.is_cancelled() {
        let row = database.query_one(question, &[]).await.unwrap();
        longest = longest.max(row.get::<_, f64>(0) + LEASE_S);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    longest
}

/// Asks in one room, on an instance that may die, and reads on the one that lives, until there were kills enough and every
/// reply has ended.
async fn ask_and_read(
    person: Person,
    room: String,
    mut reader: Reader,
    ports: Vec<u16>,
    (wanted, kills): (usize, Arc<AtomicUsize>),
) -> Told {
    let asking = async {
        let mut replies = Vec::new();
        while kills.load(Ordering::Relaxed) < wanted {
            replies.extend(ask(&person, &room, &ports).await);
            let wait = ASKS_EVERY.mul_f64(rand::random_range(0.5..1.5));
            tokio::time::sleep(wait).await;
        }
        replies
    };
    let mut asking = std::pin::pin!(asking);
    let replies = loop {
        tokio::select! {
            replies = &mut asking => break replies,
            _ = reader.next_within(DEADLINE) => {}
        }
    };
    let mut told = Told {
        replies,
        reader,
        lost: Times::default(),
        states: Vec::new(),
        again: 0,
    };
    for seq in told.replies.clone() {
        let message = told.reader.read_settled(seq).await;
        judge(&mut told, seq, &message);
    }
    told
}

/// Asks, on another instance where one is gone, until it is answered; none where too many wait.
async fn ask(person: &Person, room: &str, ports: &[u16]) -> Option<i64> {
    let client_id = uuid::Uuid::new_v4();
    let http = reqwest::Client::builder()
        .timeout(Duration::from_secs(3))
        .build()
        .unwrap();
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < DEADLINE, "no answer to a prompt");
        let port = ports[rand::random_range(0..ports.len())];
        let url = format!("http://127.0.0.1:{port}/api/rooms/{room}/messages");
        let body = json!({ "client_id": client_id, "body": "@assistant go on" });
        let sent = http
            .post(url)
            .bearer_auth(&person.token)
            .json(&body)
            .send()
            .await;
        if let Ok(answer) = sent
            && answer.status().is_success()
        {
            let ack: Value = answer.json().await.unwrap_or_default();
            if let Some(seq) = ack["reply_seq"].as_i64() {
                return Some(seq);
            }
            assert!(ack.is_null() || ack["reply_refused"].is_string(), "{ack}");
            if !ack.is_null() {
                return None;
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What a reply came to: how much of what was shown was not kept.
fn judge(told: &mut Told, seq: i64, message: &Value) {
    let (state, body) = (
        message["state"].as_str().unwrap(),
        message["body"].as_str().unwrap(),
    );
    told.states.push(state.to_owned());
    told.again += usize::from(message["reply"]["attempt"].as_i64() > Some(1));
    if state == "complete" {
        check_stamps(body, PIECES);
        return;
    }
    assert_eq!(body.len() % STAMP_BYTES, 0);
    let in_order: Vec<u64> = stamps_of(body).collect();
    assert!(
        in_order.windows(2).all(|pair| pair[0] <= pair[1]),
        "{body:?}"
    );
    let grown = told.reader.grown.get(&seq).map_or(&[][..], Vec::as_slice);
    let gone = grown.iter().find(|(_, length)| *length > body.len());
    if let (Some((from, _)), Some((to, _))) = (gone, grown.last()) {
        told.lost.push(to.duration_since(*from));
    }
}
