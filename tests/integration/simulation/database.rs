//! The database of a simulation as its instances reach it: the model behind a connection with delays and faults. A
//! statement takes a while to get there, is executed at one moment, and its answer takes a while to come back: an
//! instance that dies in between leaves it done or not done, as a real one does.
//!
//! A call may fail before anything happened, or lose the answer of its COMMIT: then it happened, or not, or happens
//! later while it still holds its rooms' locks. Another transaction may hold a room for a while.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::DateTime;
use salon::db::changes::{Applied, Batch, RoomApplied};
use salon::db::{StoreError, StoreResult};
use salon::ids::RoomId;
use salon::limits::LOCK_WAIT_MS;
use tokio::time::Instant;

use super::dice::Dice;
use crate::support::model_store::ModelStore;

/// When the simulated world begins: any moment will do.
const BEGINNING_US: i64 = 1_800_000_000_000_000;

/// What happens to calls, in parts of one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weather {
    /// Fails before anything happened.
    pub(super) unavailable: f64,
    /// The answer of the COMMIT is lost.
    pub(super) unknown: f64,
    /// Milliseconds each way at most.
    pub(super) delay_ms: u64,
}

/// The database.
pub(super) struct Database {
    pub(super) model: Arc<ModelStore>,
    clock_us: Arc<AtomicI64>,
    dice: Dice,
    state: Mutex<State>,
}

struct State {
    weather: Weather,
    /// Until then nothing is answered.
    down_until: u64,
    /// Until then everything takes long.
    slow_until: u64,
    /// Rooms whose head another transaction holds, until when.
    locked: BTreeMap<RoomId, u64>,
    /// Transactions whose client has given up: they end then.
    late: Vec<(u64, Batch)>,
}

/// What becomes of one call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    Pass,
    /// Nothing happens, and the caller knows.
    Unavailable,
    /// It happens, and the caller does not know.
    Done,
    /// Nothing happens, and the caller does not know.
    NotDone,
    /// It may happen later, and the caller does not know.
    Late,
}

impl Database {
    pub(super) fn new(weather: Weather, dice: Dice) -> Arc<Self> {
        let clock_us = Arc::new(AtomicI64::new(BEGINNING_US));
        let clock = Arc::clone(&clock_us);
        let now = move || DateTime::from_timestamp_micros(clock.load(Ordering::Relaxed)).unwrap();
        let state = State {
            weather,
            down_until: 0,
            slow_until: 0,
            locked: BTreeMap::new(),
            late: Vec::new(),
        };
        Arc::new(Self {
            model: ModelStore::new(Arc::new(now)),
            clock_us,
            dice,
            state: Mutex::new(state),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the clock; it never goes back.
    pub(super) fn set_clock(&self, now_ms: u64) {
        let now_us = BEGINNING_US + i64::try_from(now_ms * 1_000).unwrap();
        self.clock_us.fetch_max(now_us, Ordering::Relaxed);
    }

    /// Nothing is answered until then.
    pub(super) fn go_down(&self, until_ms: u64) {
        self.lock().down_until = until_ms;
    }

    /// Everything takes long until then.
    pub(super) fn go_slow(&self, until_ms: u64) {
        self.lock().slow_until = until_ms;
    }

    /// Another transaction holds a room's head until then.
    pub(super) fn hold_room(&self, room: RoomId, until_ms: u64) {
        self.lock().locked.insert(room, until_ms);
    }

    /// All is well from now on; what is late still ends in its time.
    pub(super) fn heal(&self) {
        let mut state = self.lock();
        state.weather = Weather {
            delay_ms: 2,
            ..Weather::default()
        };
        (state.down_until, state.slow_until) = (0, 0);
        if state.late.is_empty() {
            state.locked.clear();
        }
    }

    /// Lets late transactions end, and locks go.
    pub(super) fn pass(&self, now_ms: u64) {
        self.set_clock(now_ms);
        let ended: Vec<Batch> = {
            let mut state = self.lock();
            let late = std::mem::take(&mut state.late);
            let (ended, late) = late.into_iter().partition(|(at, _)| *at <= now_ms);
            state.late = late;
            state.locked.retain(|_, until| *until > now_ms);
            let ended: Vec<(u64, Batch)> = ended;
            ended.into_iter().map(|(_, batch)| batch).collect()
        };
        for batch in ended {
            if self.dice.chance(0.5) {
                // Its client is gone: what it would be told is told to nobody.
                let _ = self.model.apply_now(&batch);
            }
        }
    }

    fn fate(&self, commits: bool, now_ms: u64) -> Fate {
        let state = self.lock();
        if now_ms < state.down_until || self.dice.chance(state.weather.unavailable) {
            return Fate::Unavailable;
        }
        match commits && self.dice.chance(state.weather.unknown) {
            true => self.dice.pick(&[Fate::Done, Fate::NotDone, Fate::Late]),
            false => Fate::Pass,
        }
    }

    fn delay(&self, now_ms: u64) -> Duration {
        let state = self.lock();
        let longest = match now_ms < state.slow_until {
            true => 1_000,
            false => state.weather.delay_ms,
        };
        Duration::from_millis(self.dice.range(0..longest + 1))
    }

    /// The rooms of a batch that others hold.
    fn held(&self, batch: &Batch) -> Vec<RoomId> {
        let state = self.lock();
        let rooms = batch.rooms.iter().map(|room| room.room);
        rooms
            .filter(|room| state.locked.contains_key(room))
            .collect()
    }

    /// A transaction that its client has given up goes on for a while, with its locks.
    fn go_on_later(&self, batch: &Batch, now_ms: u64) {
        let until = now_ms + self.dice.range(5..1_500);
        let mut state = self.lock();
        for room in &batch.rooms {
            state.locked.insert(room.room, until);
        }
        state.late.push((until, batch.clone()));
    }
}

/// One instance's way to the database.
pub(super) struct SimStore {
    pub(super) database: Arc<Database>,
    began: Instant,
    began_ms: u64,
}

impl SimStore {
    pub(super) fn new(database: Arc<Database>, began: Instant, began_ms: u64) -> Arc<Self> {
        Arc::new(Self {
            database,
            began,
            began_ms,
        })
    }

    fn now_ms(&self) -> u64 {
        let elapsed = self.began.elapsed().as_millis();
        self.began_ms + u64::try_from(elapsed).unwrap()
    }

    /// The way there.
    pub(super) async fn arrive(&self, commits: bool) -> StoreResult<Fate> {
        self.travel().await;
        let now_ms = self.now_ms();
        match self.database.fate(commits, now_ms) {
            Fate::Unavailable => Err(StoreError::Unavailable("simulated".into())),
            fate => {
                self.database.set_clock(now_ms);
                Ok(fate)
            }
        }
    }

    /// The way back, or what is known when the answer was lost on it.
    pub(super) async fn answer<T>(&self, fate: Fate, answer: StoreResult<T>) -> StoreResult<T> {
        self.travel().await;
        match fate {
            Fate::Pass => answer,
            _ => Err(unknown()),
        }
    }

    async fn travel(&self) {
        let delay = self.database.delay(self.now_ms());
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }

    /// Waits for a room that others hold, so long as a store does.
    pub(super) async fn lock_room(&self, room: RoomId) -> StoreResult<()> {
        let began = Instant::now();
        while self.database.lock().locked.contains_key(&room) {
            if began.elapsed() >= Duration::from_millis(LOCK_WAIT_MS) {
                return Err(StoreError::Unavailable("a lock was not got".into()));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.database.set_clock(self.now_ms());
        Ok(())
    }

    /// A batch: alone a room's lock is waited for, unless `skips`; among several it is passed over.
    pub(super) async fn apply_batch(&self, batch: Batch, skips: bool) -> StoreResult<Applied> {
        let fate = self.arrive(true).await?;
        let mut free = batch.clone();
        let mut held = Vec::new();
        match batch.rooms.as_slice() {
            [alone] if !skips => self.lock_room(alone.room).await?,
            _ => {
                held = self.database.held(&batch);
                free.rooms.retain(|room| !held.contains(&room.room));
            }
        }
        let done = match fate {
            Fate::Late => {
                self.database.go_on_later(&free, self.now_ms());
                Err(unknown())
            }
            Fate::NotDone => Err(unknown()),
            _ => self.database.model.apply_now(&free),
        };
        let mut done = self.answer(fate, done).await?.rooms.into_iter();
        let rooms = batch
            .rooms
            .iter()
            .map(|room| match held.contains(&room.room) {
                true => RoomApplied::Locked,
                false => done.next().unwrap(),
            });
        Ok(Applied {
            rooms: rooms.collect(),
        })
    }
}

pub(super) fn unknown() -> StoreError {
    StoreError::CommitUnknown("simulated".into())
}
