//! The model of a store: the [`Store`] contract in plain maps, synchronous, with the clock handed in. It is the third
//! implementation that passes the store suite, what the simulation runs over, and the shortest form of the contract
//! to read: start with [`tables`], then `apply`. No I/O, no task, no clock of its own; shared with the real stores are
//! the row types and the table of permissions.
//!
//! One lock is held for each whole unit of work, so every unit is a transaction, and a room is never `Locked`.

mod account_ends;
mod accounts;
mod administration;
mod apply;
mod assistants;
mod contract;
mod guest_upgrades;
mod history;
mod identities;
mod integrations;
mod invites;
mod purge;
mod room_lists;
mod rooms;
mod runners;
mod search;
mod tables;
mod usage;
mod variants;
mod webhooks;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use salon::db::changes::{Applied, Batch};
use salon::db::{StoreError, StoreResult};
use salon::error::{ErrorCode, Refusal};

pub(crate) use tables::{Change, Room, Tables};

/// A moment of the database's clock.
pub(crate) type Moment = DateTime<Utc>;
/// The database's clock.
pub(crate) type Clock = Arc<dyn Fn() -> Moment + Send + Sync>;

/// The store.
pub(crate) struct ModelStore {
    tables: Mutex<Tables>,
    clock: Clock,
}

impl ModelStore {
    /// A new database: the lobby and the assistant, nothing else.
    pub(crate) fn new(clock: Clock) -> Arc<Self> {
        let tables = Mutex::new(Tables::new(clock()));
        Arc::new(Self { tables, clock })
    }

    /// Everything in it, for judges.
    pub(crate) fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a batch, now.
    pub(crate) fn apply_now(&self, batch: &Batch) -> StoreResult<Applied> {
        self.unit(|tables, now| tables.apply(batch, now))
    }

    /// Runs one unit of work.
    fn unit<T>(&self, work: impl FnOnce(&mut Tables, Moment) -> T) -> T {
        let now = (self.clock)();
        work(&mut self.tables(), now)
    }
}

/// A rule says no.
fn no<T>(code: ErrorCode) -> StoreResult<T> {
    Err(StoreError::Refused(Refusal::from(code)))
}

/// The same in its own words.
fn refuse<T>(refusal: Refusal) -> StoreResult<T> {
    Err(StoreError::Refused(refusal))
}

/// Refuses a NUL, which Postgres cannot store.
fn storable(text: &str) -> StoreResult<()> {
    if text.contains('\0') {
        return Err(StoreError::Broken("a text with a NUL character".into()));
    }
    Ok(())
}
