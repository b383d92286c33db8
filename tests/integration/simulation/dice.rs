//! The chance of a simulation: everything random in the simulated world is thrown here, from the seed.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Dice of one part of the world; each part has its own, so that one more throw here moves nothing there.
#[derive(Clone)]
pub(super) struct Dice(Arc<Mutex<StdRng>>);

impl Dice {
    /// The dice of one part under a seed.
    pub(super) fn new(seed: u64, part: u64) -> Self {
        let mixed = seed ^ part.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self(Arc::new(Mutex::new(StdRng::seed_from_u64(mixed))))
    }

    /// True so often, in parts of one.
    pub(super) fn chance(&self, part: f64) -> bool {
        part > 0.0 && self.throw(|dice| dice.random_bool(part.min(1.0)))
    }

    /// A number of a range.
    pub(super) fn range(&self, range: Range<u64>) -> u64 {
        self.throw(|dice| dice.random_range(range))
    }

    /// A place in a list of so many.
    pub(super) fn below(&self, count: usize) -> usize {
        self.throw(|dice| dice.random_range(0..count))
    }

    /// One of some.
    pub(super) fn pick<T: Copy>(&self, some: &[T]) -> T {
        some[self.below(some.len())]
    }

    fn throw<T>(&self, throw: impl FnOnce(&mut StdRng) -> T) -> T {
        throw(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
