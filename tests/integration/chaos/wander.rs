//! What clients of a chaos run do beside talking: they leave rooms and come back with their cursors, page through history, and
//! pin what was said. All of it follows from the seed.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::crowd::ATTIC;
use super::world::World;

/// Sizes of pages.
const LIMITS: [i64; 5] = [1, 2, 9, 50, 100];
/// How far back most pages are.
const NEAR: i64 = 300;

/// Wanders until it is stopped. The attic's retention leaves its rooms alone: there leaving is part of a fault.
pub(crate) async fn wander(world: Arc<World>, stop: CancellationToken) {
    let mut draws = StdRng::seed_from_u64(world.plan.seed ^ u64::MAX >> 2);
    loop {
        let wait = Duration::from_millis(draws.random_range(50..400));
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        let client = world.crowd.talkers.choose(&mut draws).unwrap();
        match draws.random_range(0..10) {
            0..3 => leave(client, &mut draws),
            3..8 => read(client, &mut draws),
            _ => {
                let moderators = world.crowd.moderators();
                if let Some(client) = moderators.choose(&mut draws) {
                    client.pin(draws.random_range(0..6), draws.random_bool(0.4));
                }
            }
        }
    }
}

fn leave(client: &Client, draws: &mut StdRng) {
    let rooms: Vec<String> = {
        let state = client.state();
        let rooms = state.rooms.keys().filter(|slug| *slug != ATTIC);
        rooms.cloned().collect()
    };
    if let Some(room) = rooms.choose(draws) {
        let time = match draws.random_range(0..4) {
            // Back before the leave is answered, or nearly so.
            0 => draws.random_range(1..10),
            1 => draws.random_range(10..100),
            _ => draws.random_range(100..3_000),
        };
        client.leave(room, Duration::from_millis(time));
    }
}

/// A page from anywhere, also from where nothing is.
fn read(client: &Client, draws: &mut StdRng) {
    let rooms: Vec<(String, i64)> = {
        let state = client.state();
        let rooms = state.rooms.iter().filter(|(_, room)| !room.out);
        let rooms = rooms.map(|(slug, room)| (slug.clone(), room.last_seq));
        rooms.collect()
    };
    let Some((room, last)) = rooms.choose(draws) else {
        return;
    };
    let from = match draws.random_bool(0.8) {
        true => (last - NEAR).max(0),
        false => 0,
    };
    let seq = draws.random_range(from..last + 3);
    let mut place = match draws.random_range(0..7) {
        0 => json!({}),
        1..3 => json!({ "before": seq }),
        3..5 => json!({ "after": seq }),
        _ => json!({ "around": seq }),
    };
    if let Some(limit) = LIMITS.choose(draws).filter(|_| draws.random_bool(0.8)) {
        place["limit"] = Value::from(*limit);
    }
    client.ask_for_page(room, &place);
}
