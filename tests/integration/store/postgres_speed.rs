//! How many posts a second the Postgres store takes, as the writer calls it: lanes in parallel, each with a batch of
//! what its senders have ready. Not part of the suite: `cargo test --release --test integration -- --ignored
//! --nocapture store::postgres_speed`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use salon::db::changes::Change;
use salon::db::rows::Visibility;
use salon::ids::RoomId;
use salon::limits;

use super::fixtures::{batch, message, new_room};
use super::postgres::direct;

/// Posts a second with `senders` that each have one message in flight, spread over `rooms`.
async fn measure(rooms: usize, senders: usize, time: Duration) -> f64 {
    let store = direct().await;
    let owner = store.person("owner").await;
    let mut ids: Vec<RoomId> = Vec::new();
    for number in 0..rooms {
        let room = new_room(&format!("room-{number}"), Visibility::Public);
        ids.push(store.create_room(room, owner.id).await.unwrap().room.id);
    }
    let lanes = limits::LANES.min(rooms);
    let begun = Instant::now();
    let running = (0..lanes).map(|lane| {
        let store = Arc::clone(&store.store);
        let mine: Vec<RoomId> = ids.iter().copied().skip(lane).step_by(lanes).collect();
        let owner = owner.clone();
        tokio::spawn(async move {
            let each = senders / lanes / mine.len();
            let mut posted = 0_usize;
            while begun.elapsed() < time {
                let changes = |_| Change::Post(message(&owner, &"x".repeat(100)));
                let rooms = mine
                    .iter()
                    .map(|room| (*room, (0..each).map(changes).collect()));
                store.apply(batch(rooms.collect())).await.unwrap();
                posted += each * mine.len();
            }
            posted
        })
    });
    let posted: usize = futures_util::future::join_all(running)
        .await
        .into_iter()
        .map(Result::unwrap)
        .sum();
    let rate = posted as f64 / begun.elapsed().as_secs_f64();
    store.end().await;
    rate
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn posts_a_second() {
    let time = Duration::from_secs(5);
    for (rooms, senders) in [(1, 64), (64, 64), (1, 512), (64, 640)] {
        let rate = measure(rooms, senders, time).await;
        println!("{rooms} rooms, {senders} senders: {rate:.0} posts/s");
        assert!(rate > 100.0);
    }
}
