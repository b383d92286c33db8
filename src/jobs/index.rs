//! Makes what was posted found by searches, off the way of the acks: in rooms this process wrote to, a moment later; now and then in
//! every room, for what instances that died left; and, piece by piece, what was written before there was an index. Every
//! instance does it; the database gives each another piece. It never works without a pause, and never for one message.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::db::search::Behind;
use crate::db::{Store, StoreResult};
use crate::ids::RoomId;
use crate::limits;
use crate::writer::WrittenRooms;

/// Runs until `stop`.
pub async fn run(store: Arc<dyn Store>, written: Arc<WrittenRooms>, stop: CancellationToken) {
    let both = async { tokio::join!(index_older(&*store), index_new(&*store, &written)) };
    tokio::select! {
        () = stop.cancelled() => {}
        _never = both => {}
    }
}

/// What was there before the index.
async fn index_older(store: &dyn Store) {
    loop {
        let wait = match store.index_older(limits::INDEX_MESSAGES).await {
            Ok(true) => limits::INDEX_OLDER_PAUSE,
            Ok(false) => limits::SWEEP_INTERVAL,
            Err(error) => {
                tracing::warn!(%error, "older messages could not be indexed");
                limits::SWEEP_INTERVAL
            }
        };
        tokio::time::sleep(wait).await;
    }
}

/// What is written.
async fn index_new(store: &dyn Store, written: &WrittenRooms) {
    let mut waiting = Waiting::default();
    // At once: an instance that is started again may have left something.
    let mut scan_at = Instant::now();
    loop {
        if waiting.take(written) || Instant::now() >= scan_at {
            scan_at = match scan(store, &mut waiting).await {
                Ok(true) => Instant::now(),
                Ok(false) => next_scan(),
                Err(error) => {
                    tracing::warn!(%error, "what is not indexed for search could not be looked for");
                    next_scan()
                }
            };
        }
        while !waiting.is_empty() {
            let began = Instant::now();
            if let Err(error) = index_some(store, &mut waiting).await {
                tracing::warn!(%error, "messages wait to be indexed for search");
                tokio::time::sleep(limits::INDEX_RETRY).await;
                break;
            }
            let rest = began.elapsed() * limits::INDEX_REST;
            tokio::time::sleep(rest.max(limits::INDEX_PAUSE)).await;
            if waiting.take(written) {
                scan_at = Instant::now();
            }
            waiting.tell_lag();
        }
        waiting.tell_lag();
        tokio::time::sleep(limits::INDEX_INTERVAL).await;
    }
}

fn next_scan() -> Instant {
    let share = crate::randomness::rng().random_range(0.7..1.0);
    Instant::now() + limits::INDEX_SCAN.mul_f64(share)
}

/// Looks at every room; whether there may be more of them.
async fn scan(store: &dyn Store, waiting: &mut Waiting) -> StoreResult<bool> {
    let rooms = store.rooms_behind_index(limits::INDEX_SCAN_ROOMS).await?;
    let now = Instant::now();
    for room in &rooms {
        waiting.add(*room, now);
    }
    Ok(i64::try_from(rooms.len()).is_ok_and(|found| found >= limits::INDEX_SCAN_ROOMS))
}

/// Indexes a part of those whose turn it is.
async fn index_some(store: &dyn Store, waiting: &mut Waiting) -> StoreResult<()> {
    let rooms = waiting.next();
    // What is committed from now on is noted again.
    let result = store.index_new(&rooms, limits::INDEX_MESSAGES).await;
    for room in rooms {
        match &result {
            Ok(behind) => match behind.iter().find(|behind| behind.room == room) {
                Some(Behind { age, .. }) => waiting.again(room, *age),
                None => waiting.done(room),
            },
            Err(_) => waiting.again(room, None),
        }
    }
    result.map(|_behind| ())
}

/// Rooms with something to index.
#[derive(Default)]
struct Waiting {
    /// Since when the oldest message of each waits.
    since: HashMap<RoomId, Instant>,
    /// In the order of their turns.
    turns: VecDeque<RoomId>,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.since.is_empty()
    }

    /// Takes what was noted; whether there was more than could be.
    fn take(&mut self, written: &WrittenRooms) -> bool {
        let noted = written.take();
        let mut more = noted.more;
        for (room, since) in noted.rooms {
            more |= !self.add(room, since);
        }
        more
    }

    /// Whether there was a place for it.
    fn add(&mut self, room: RoomId, since: Instant) -> bool {
        if !self.since.contains_key(&room) {
            if self.since.len() >= limits::INDEX_ROOMS_NOTED {
                return false;
            }
            self.since.insert(room, since);
            self.turns.push_back(room);
        }
        true
    }

    fn next(&mut self) -> Vec<RoomId> {
        let count = self.turns.len().min(limits::INDEX_ROOMS);
        self.turns.drain(..count).collect()
    }

    fn done(&mut self, room: RoomId) {
        self.since.remove(&room);
    }

    /// It has more, the oldest of that of so long ago, where that is known.
    fn again(&mut self, room: RoomId, age: Option<Duration>) {
        if let Some(since) = age.and_then(|age| Instant::now().checked_sub(age)) {
            self.since.insert(room, since);
        }
        self.turns.push_back(room);
    }

    /// How long the oldest message waits.
    fn lag(&self) -> Duration {
        let lag = self.since.values().min().map(Instant::elapsed);
        lag.unwrap_or_default()
    }

    fn tell_lag(&self) {
        metrics::gauge!("salon_search_lag_seconds").set(self.lag().as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_lag_is_the_age_of_the_oldest_message_that_is_not_indexed() {
        const STEP: Duration = Duration::from_secs(1);
        let (mut waiting, written) = (Waiting::default(), WrittenRooms::default());
        let (busy, quiet) = (RoomId::new(), RoomId::new());
        written.note(busy);
        // Written to without a pause, it is never done; what waits in it is never old.
        for _ in 0..60 {
            waiting.take(&written);
            tokio::time::advance(STEP).await;
            written.note(busy);
            assert_eq!(waiting.lag(), STEP);
            assert_eq!(waiting.next(), [busy]);
            waiting.again(busy, Some(Duration::ZERO));
        }
        // Another instance is at it: nothing is known of it, so it has waited since before.
        tokio::time::advance(STEP).await;
        waiting.next();
        waiting.again(busy, None);
        assert_eq!(waiting.lag(), STEP);
        // The oldest of all rooms counts.
        assert!(waiting.add(quiet, Instant::now()));
        tokio::time::advance(STEP).await;
        waiting.next();
        waiting.done(busy);
        waiting.again(quiet, None);
        assert_eq!(waiting.lag(), STEP);
        waiting.done(quiet);
        assert_eq!(waiting.lag(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn every_room_gets_its_turn_and_there_are_not_too_many() {
        let mut waiting = Waiting::default();
        let now = Instant::now();
        let rooms: Vec<RoomId> = (0..limits::INDEX_ROOMS + 1)
            .map(|_| RoomId::new())
            .collect();
        for room in rooms.iter().chain(&rooms) {
            assert!(waiting.add(*room, now));
        }
        let first = waiting.next();
        assert_eq!(first, rooms[..limits::INDEX_ROOMS]);
        waiting.again(first[0], None);
        for room in &first[1..] {
            waiting.done(*room);
        }
        assert_eq!(waiting.next(), [rooms[limits::INDEX_ROOMS], first[0]]);
        waiting.done(first[0]);
        waiting.done(rooms[limits::INDEX_ROOMS]);
        assert!(waiting.is_empty());
        let written = WrittenRooms::default();
        for _ in 0..limits::INDEX_ROOMS_NOTED {
            assert!(waiting.add(RoomId::new(), now));
        }
        written.note(RoomId::new());
        assert!(waiting.take(&written), "one too many");
    }
}
