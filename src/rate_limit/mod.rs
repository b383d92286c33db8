//! Token buckets: how fast somebody may do something. Pure; the clock is handed in. A socket has buckets of its
//! own; what is counted by address or user is in a [`KeyedLimiter`], bounded whoever comes, or in a [`SharedBucket`] that many
//! take from without a lock.

mod shared;

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use shared::SharedBucket;

/// So many in the long run, so many at once.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Rate {
    /// Tokens that come back in a second.
    pub per_second: f64,
    /// Tokens there are at most; a bucket starts with them.
    pub burst: f64,
}

impl Rate {
    /// A rate given per second.
    #[must_use]
    pub fn per_second(count: u32, burst: u32) -> Self {
        Self {
            per_second: f64::from(count),
            burst: f64::from(burst),
        }
    }

    /// So many times as much, in the long run and at once.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        Self {
            per_second: self.per_second * factor,
            burst: self.burst * factor,
        }
    }

    /// A rate given per minute; a whole minute's worth may come at once.
    #[must_use]
    pub fn per_minute(count: u32) -> Self {
        Self {
            per_second: f64::from(count) / 60.0,
            burst: f64::from(count),
        }
    }
}

/// One bucket.
#[derive(Clone, Copy, Debug)]
pub struct TokenBucket {
    tokens: f64,
    filled_at: Instant,
}

impl TokenBucket {
    /// A full bucket.
    #[must_use]
    pub const fn new(rate: Rate, now: Instant) -> Self {
        Self {
            tokens: rate.burst,
            filled_at: now,
        }
    }

    /// Takes one token.
    ///
    /// # Errors
    /// When there is none: how long until there is one. Nothing is taken then.
    pub fn take(&mut self, rate: Rate, now: Instant) -> Result<(), Duration> {
        let elapsed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.tokens = (elapsed.mul_add(rate.per_second, self.tokens)).min(rate.burst);
        self.filled_at = self.filled_at.max(now);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64(
            (1.0 - self.tokens) / rate.per_second,
        ))
    }

    /// Gives one token back.
    pub const fn give_back(&mut self, rate: Rate) {
        self.tokens = (self.tokens + 1.0).min(rate.burst);
    }
}

/// A bucket for each key, for at most twice `capacity` keys.
///
/// Two generations: when the young one is full it becomes the old one and the old one is forgotten. A key in use
/// is always in one of them, so forgetting costs nothing and needs no scan; a forgotten key starts full again.
#[derive(Debug)]
pub struct KeyedLimiter<K> {
    rate: Rate,
    capacity: usize,
    generations: Mutex<Generations<K>>,
}

#[derive(Debug)]
struct Generations<K> {
    young: HashMap<K, TokenBucket>,
    old: HashMap<K, TokenBucket>,
}

impl<K: Eq + Hash> KeyedLimiter<K> {
    /// No keys yet.
    #[must_use]
    pub fn new(rate: Rate, capacity: usize) -> Self {
        Self {
            rate,
            capacity,
            generations: Mutex::new(Generations {
                young: HashMap::new(),
                old: HashMap::new(),
            }),
        }
    }

    /// Takes one token of `key`.
    ///
    /// # Errors
    /// When there is none: how long until there is one.
    pub fn take(&self, key: K, now: Instant) -> Result<(), Duration> {
        let mut guard = self
            .generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Generations { young, old } = &mut *guard;
        if let Some(bucket) = young.get_mut(&key) {
            return bucket.take(self.rate, now);
        }
        let mut bucket = old
            .remove(&key)
            .unwrap_or_else(|| TokenBucket::new(self.rate, now));
        let taken = bucket.take(self.rate, now);
        if young.len() >= self.capacity {
            *old = std::mem::take(young);
        }
        young.insert(key, bucket);
        taken
    }

    /// Gives one token of `key` back, if it is still known.
    pub fn give_back(&self, key: &K) {
        let mut guard = self
            .generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Generations { young, old } = &mut *guard;
        if let Some(bucket) = young.get_mut(key).or_else(|| old.get_mut(key)) {
            bucket.give_back(self.rate);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_then_its_rate() {
        let rate = Rate::per_second(10, 3);
        let start = Instant::now();
        let mut bucket = TokenBucket::new(rate, start);
        for _ in 0..3 {
            assert_eq!(bucket.take(rate, start), Ok(()));
        }
        let wait = bucket.take(rate, start).unwrap_err();
        assert!((wait.as_secs_f64() - 0.1).abs() < 1e-6, "{wait:?}");
        assert_eq!(
            bucket.take(rate, start + wait + Duration::from_micros(1)),
            Ok(())
        );
        // A long rest fills it to the burst and no further.
        let later = start + Duration::from_secs(60);
        assert_eq!(
            (0..10).filter(|_| bucket.take(rate, later).is_ok()).count(),
            3
        );
    }

    #[test]
    fn what_is_given_back_can_be_taken_again_and_is_no_more_than_there_was() {
        let limiter = KeyedLimiter::new(Rate::per_minute(2), 8);
        let now = Instant::now();
        limiter.give_back(&1);
        assert!(limiter.take(1, now).is_ok());
        for _ in 0..3 {
            limiter.give_back(&1);
        }
        assert_eq!((0..5).filter(|_| limiter.take(1, now).is_ok()).count(), 2);
    }

    #[test]
    fn a_clock_that_goes_back_takes_nothing_away() {
        let rate = Rate::per_second(1, 1);
        let start = Instant::now() + Duration::from_secs(10);
        let mut bucket = TokenBucket::new(rate, start);
        assert_eq!(bucket.take(rate, start), Ok(()));
        assert!(bucket.take(rate, start - Duration::from_secs(5)).is_err());
        assert_eq!(bucket.take(rate, start + Duration::from_secs(1)), Ok(()));
    }

    #[test]
    fn keys_are_apart_and_bounded() {
        let limiter = KeyedLimiter::new(Rate::per_minute(1), 8);
        let now = Instant::now();
        for key in 0..1_000 {
            assert!(limiter.take(key, now).is_ok());
            assert!(limiter.take(key, now).is_err(), "its only token is gone");
        }
        let generations = limiter.generations.lock().unwrap();
        assert!(generations.young.len() + generations.old.len() <= 16);
    }

    #[test]
    fn a_key_in_use_is_not_forgotten() {
        let limiter = KeyedLimiter::new(Rate::per_minute(1), 8);
        let now = Instant::now();
        assert!(limiter.take(-1, now).is_ok());
        for key in 0..100 {
            assert!(limiter.take(key, now).is_ok());
            assert!(limiter.take(-1, now).is_err());
        }
    }
}
