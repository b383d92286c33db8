//! Those who have budgets: users, addresses, and the fleet as one. A [`Party`] is kept while somebody holds it, and a while after
//! that, so that who goes and comes back finds its budgets as they were; [`Parties`] is bounded whoever comes.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::Operation;
use crate::rate_limit::SharedBucket;

/// What a party is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// A user, on all of its sockets and by HTTP.
    User,
    /// An address; of IPv6 a network.
    Address,
    /// Everybody.
    Fleet,
}

impl Scope {
    /// As it stands in names and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Address => "address",
            Self::Fleet => "fleet",
        }
    }
}

/// One of them: its buckets, and what is to be told of it.
#[derive(Debug)]
pub struct Party {
    pub(super) scope: Scope,
    /// As in a budget's name: `user.<id>`.
    pub(super) name: String,
    buckets: [SharedBucket; Operation::ALL.len()],
    /// Tokens the fleet has not heard of yet.
    untold: [AtomicU32; Operation::ALL.len()],
    /// Sockets and event streams it has open here.
    pub(super) open: AtomicU64,
    /// Whether the reporter will look at `open`.
    open_untold: AtomicBool,
}

impl Party {
    pub(super) fn new(scope: Scope, key: &str) -> Self {
        let name = match scope {
            Scope::Fleet => scope.as_str().to_owned(),
            _ => format!("{}.{key}", scope.as_str()),
        };
        Self {
            scope,
            name,
            buckets: Default::default(),
            untold: Default::default(),
            open: AtomicU64::new(0),
            open_untold: AtomicBool::new(false),
        }
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "there is one for each operation, at its number"
    )]
    pub(super) const fn bucket(&self, operation: Operation) -> &SharedBucket {
        &self.buckets[operation as usize]
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "there is one for each operation, at its number"
    )]
    const fn untold(&self, operation: Operation) -> &AtomicU32 {
        &self.untold[operation as usize]
    }

    /// Notes one token; true when it is the first since the last telling.
    pub(super) fn note(&self, operation: Operation) -> bool {
        self.untold(operation).fetch_add(1, Ordering::Relaxed) == 0
    }

    /// The tokens noted since the last telling.
    pub(super) fn take_noted(&self, operation: Operation) -> u32 {
        self.untold(operation).swap(0, Ordering::Relaxed)
    }

    /// What is open has changed; true when the reporter is to be told.
    pub(super) fn note_open(&self) -> bool {
        !self.open_untold.swap(true, Ordering::AcqRel)
    }

    /// What is open now; the next change is told again.
    pub(super) fn take_open(&self) -> u64 {
        self.open_untold.store(false, Ordering::Release);
        self.open.load(Ordering::Acquire)
    }
}

/// All users, or all addresses, by what they are known by.
///
/// Two generations: when the young one is full it becomes the old one, and of the old one only those are kept that somebody holds.
/// A forgotten party starts with full budgets.
#[derive(Debug)]
pub struct Parties<K> {
    scope: Scope,
    capacity: usize,
    generations: Mutex<Generations<K>>,
}

#[derive(Debug)]
struct Generations<K> {
    young: HashMap<K, Arc<Party>>,
    old: HashMap<K, Arc<Party>>,
    /// How many young ones there may be: more than those that were carried over, so that carrying is rare.
    room: usize,
}

impl<K: Eq + Hash + Copy + Display> Parties<K> {
    /// Nobody yet.
    #[must_use]
    pub fn new(scope: Scope, capacity: usize) -> Self {
        Self {
            scope,
            capacity,
            generations: Mutex::new(Generations {
                young: HashMap::new(),
                old: HashMap::new(),
                room: capacity,
            }),
        }
    }

    /// The party of a key.
    pub fn get(&self, key: K) -> Arc<Party> {
        let mut guard = self
            .generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let generations = &mut *guard;
        if let Some(party) = generations.young.get(&key) {
            return Arc::clone(party);
        }
        let known = generations.old.remove(&key);
        let party = known.unwrap_or_else(|| Arc::new(Party::new(self.scope, &key.to_string())));
        if generations.young.len() >= generations.room {
            generations.turn(self.capacity);
        }
        generations.young.insert(key, Arc::clone(&party));
        party
    }

    /// Those that have something open.
    pub fn with_open(&self) -> Vec<Arc<Party>> {
        let guard = self
            .generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let all = guard.young.values().chain(guard.old.values());
        all.filter(|party| party.open.load(Ordering::Relaxed) > 0)
            .cloned()
            .collect()
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        let guard = self
            .generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        guard.young.len() + guard.old.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K: Eq + Hash> Generations<K> {
    fn turn(&mut self, capacity: usize) {
        let before = std::mem::take(&mut self.old);
        self.old = std::mem::take(&mut self.young);
        let held = before
            .into_iter()
            .filter(|(_, party)| Arc::strong_count(party) > 1);
        self.young = held.collect();
        self.room = capacity.max(2 * self.young.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate_limit::Rate;
    use std::time::Instant;

    #[test]
    fn keys_are_apart_and_bounded() {
        let parties = Parties::new(Scope::User, 8);
        let (rate, now) = (Rate::per_minute(1), Instant::now());
        for key in 0..1_000 {
            let bucket = parties.get(key);
            assert!(bucket.bucket(Operation::Send).take(rate, now).is_ok());
            // Gone and back: its only token is gone.
            drop(bucket);
            let bucket = parties.get(key);
            assert!(bucket.bucket(Operation::Send).take(rate, now).is_err());
            assert!(bucket.bucket(Operation::Join).take(rate, now).is_ok());
        }
        assert!(parties.len() <= 16, "{}", parties.len());
    }

    #[test]
    fn who_is_held_is_not_forgotten_however_many_come() {
        let parties = Parties::new(Scope::Address, 8);
        let held: Vec<_> = (0..20).map(|key| parties.get(-1 - key)).collect();
        for key in 0..10_000 {
            parties.get(key);
        }
        for (key, party) in held.iter().enumerate() {
            let key = -1 - i32::try_from(key).unwrap();
            assert!(Arc::ptr_eq(&parties.get(key), party), "{key}");
        }
        assert!(parties.len() <= 3 * 40, "{}", parties.len());
    }

    #[test]
    fn what_is_noted_is_told_once() {
        let party = Party::new(Scope::Fleet, "");
        assert!(party.note(Operation::Send) && !party.note(Operation::Send));
        assert_eq!(party.take_noted(Operation::Send), 2);
        assert_eq!(party.take_noted(Operation::Send), 0);
        assert!(party.note(Operation::Send));
        assert!(party.note_open() && !party.note_open());
        assert_eq!(party.take_open(), 0);
        assert!(party.note_open());
    }
}
