//! The load of a chaos run: everybody talks at a pace, pipelined up to a bound, so that what an outage held up is made up
//! for after it; now and then somebody asks the assistant, stops a reply or has one written again. Which words, which
//! room and how long between follow from the seed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use salon_checker::record::What;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::crowd::{CLUB, LOBBY};
use super::world::World;

/// Sends of one client without an answer; above it the client waits.
pub(crate) const UNANSWERED: usize = 60;
/// What a client that had to wait makes up for, in seconds of its pace.
const OWED_S: f64 = 15.0;
/// How often each client sends what it owes.
const PACE: Duration = Duration::from_millis(100);
/// Prompts of all together, per second.
const PROMPTS: f64 = 0.7;
/// One message of so many is told to the checker as a text that no log may hold.
const SECRET_OF: u32 = 100;

/// Words of the messages; some that Markdown, JSON and SQL may stumble over.
const WORDS: [&str; 16] = [
    "tide",
    "bread",
    "grüße",
    "👋🏽",
    "**bold**",
    "`code`",
    "o'clock",
    "\"quoted\"",
    "\\back",
    "日本語",
    "- item",
    "<b>tag</b>",
    "line\nbreak",
    "100 %",
    "http://example.org/a?b=c&d",
    "e\u{301}",
];

/// A load that runs until it is stopped.
pub(crate) struct Load {
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Load {
    /// Everybody begins to talk.
    pub(crate) fn start(world: &Arc<World>) -> Self {
        let stop = CancellationToken::new();
        let speakers = world.crowd.talkers.len() + world.crowd.victims.len() + 1;
        #[expect(clippy::cast_precision_loss, reason = "a few dozen")]
        let rate = world.plan.rate / speakers as f64;
        let tasks = (0..speakers)
            .map(|index| {
                let (world, stop) = (Arc::clone(world), stop.clone());
                let draws = StdRng::seed_from_u64(world.plan.seed ^ (index as u64 + 1) << 32);
                tokio::spawn(async move {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = talk(&world, index, rate, draws) => {}
                    }
                })
            })
            .chain([
                tokio::spawn(direct(Arc::clone(world), stop.clone())),
                tokio::spawn(change(Arc::clone(world), stop.clone())),
                tokio::spawn(super::wander::wander(Arc::clone(world), stop.clone())),
            ])
            .collect();
        Self { stop, tasks }
    }

    /// Nobody begins anything any more.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}

/// One client's talk; the last index is whoever is the leaver at the time.
async fn talk(world: &World, index: usize, rate: f64, mut draws: StdRng) {
    let crowd = &world.crowd;
    let mut owed = 0.0;
    let mut count = 0;
    let mut last = Instant::now();
    loop {
        tokio::time::sleep(PACE.mul_f64(draws.random_range(0.5..1.5))).await;
        owed = (owed + rate * last.elapsed().as_secs_f64()).min(rate * OWED_S);
        last = Instant::now();
        let leaver;
        let own = crowd.talkers.iter().chain(&crowd.victims).nth(index);
        let client = if let Some(client) = own {
            client
        } else {
            leaver = crowd.leaver();
            leaver.as_ref()
        };
        while owed >= 1.0 && !client.is_deaf() && client.state().pending() < UNANSWERED {
            owed -= 1.0;
            if let Some(room) = draw_room(client, &mut draws) {
                count += 1;
                say(world, client, &room, count, &mut draws);
            }
        }
    }
}

/// A room in which the client is. The lobby is everybody's, so it is spoken in less.
fn draw_room(client: &Client, draws: &mut StdRng) -> Option<String> {
    let state = client.state();
    let rooms: Vec<&String> = state
        .rooms
        .iter()
        .filter(|(_, room)| !room.out && room.away.is_none())
        .map(|(slug, _)| slug)
        .collect();
    let room = rooms.choose(draws)?;
    if **room == LOBBY && rooms.len() > 1 && draws.random_bool(0.5) {
        return rooms.choose(draws).map(|room| (*room).clone());
    }
    Some((*room).clone())
}

fn say(world: &World, client: &Client, room: &str, count: u32, draws: &mut StdRng) {
    let own = format!("{} {count} {:016x}", client.name(), draws.random::<u64>());
    // Members of the club come and go; a prompt's asker has to stay.
    let asks = room != CLUB && draws.random_bool((PROMPTS / world.plan.rate).min(1.0));
    let body = if asks {
        format!("@assistant {own}?")
    } else {
        words(&own, draws)
    };
    if body.len() < 200 && draws.random_ratio(1, SECRET_OF) {
        world.recorder.note(What::Secret {
            kind: "message".to_owned(),
            text: own,
        });
    }
    client.send(room, &message_id(draws), &body);
}

/// A `client_id`.
pub(crate) fn message_id(draws: &mut StdRng) -> String {
    uuid::Builder::from_random_bytes(draws.random())
        .into_uuid()
        .to_string()
}

/// A text that begins with what is its own: mostly short, sometimes a page, seldom as long as may be.
pub(crate) fn words(own: &str, draws: &mut StdRng) -> String {
    let wanted = match draws.random_range(0..1000) {
        0 => salon::limits::BODY_BYTES - 64,
        1..20 => draws.random_range(1_000..4_000),
        _ => draws.random_range(0..160),
    };
    let mut text = own.to_owned();
    while text.len() < own.len() + wanted {
        text.push(' ');
        text.push_str(WORDS.choose(draws).unwrap());
    }
    text.truncate(text.floor_char_boundary(salon::limits::BODY_BYTES));
    text
}

/// Stops replies and has broken ones written again.
async fn direct(world: Arc<World>, stop: CancellationToken) {
    let mut draws = StdRng::seed_from_u64(world.plan.seed ^ u64::MAX);
    loop {
        let wait = Duration::from_millis(draws.random_range(500..2_500));
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        let talkers = &world.crowd.talkers;
        if draws.random_bool(0.5) {
            talkers.choose(&mut draws).unwrap().stop_a_reply();
            continue;
        }
        // Whoever has a broken reply has it written again, or asks to go on.
        let goes_on = draws.random_bool(0.4);
        let id = message_id(&mut draws);
        let from = draws.random_range(0..talkers.len());
        let mut all = talkers.iter().cycle().skip(from).take(talkers.len());
        if let Some(client) = all.find(|one| !one.state().broken.is_empty()) {
            match goes_on {
                true => client.continue_a_reply(&id),
                false => client.retry_a_reply(),
            };
        }
    }
}

/// Edits and deletes messages, and reacts to some.
async fn change(world: Arc<World>, stop: CancellationToken) {
    let mut draws = StdRng::seed_from_u64(world.plan.seed ^ u64::MAX >> 1);
    let mut count = 0;
    loop {
        let wait = Duration::from_millis(draws.random_range(100..700));
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        let client = world.crowd.talkers.choose(&mut draws).unwrap();
        let place = draws.random_range(0..12);
        match draws.random_range(0..10) {
            0..4 => {
                count += 1;
                let own = format!(
                    "{} edit {count} {:016x}",
                    client.name(),
                    draws.random::<u64>()
                );
                client.change_own(place, Some(&words(&own, &mut draws)));
            }
            4 => {
                client.change_own(place, None);
            }
            other => {
                let emoji = ["👍", "🎉", "❤️"].choose(&mut draws).unwrap();
                client.react(place, emoji, other == 9);
            }
        }
    }
}

/// Prompts from so many talkers, at once.
pub(crate) fn ask_the_assistant(world: &World, seed: u64, count: usize) {
    let mut draws = StdRng::seed_from_u64(seed);
    let askers: Vec<&Client> = world
        .crowd
        .talkers
        .choose_multiple(&mut draws, count)
        .collect();
    for client in askers {
        let Some(room) = draw_room(client, &mut draws) else {
            continue;
        };
        let body = format!(
            "@assistant {} asks {:016x}",
            client.name(),
            draws.random::<u64>()
        );
        client.send(&room, &message_id(&mut draws), &body);
    }
}
