//! Counts of the whole fleet, beside the channel layer: what a user, an address or everybody has done on all instances
//! together. Called by [`crate::quotas`] only.
//!
//! # The specification
//!
//! - A *budget* is a name and a rate. [`Counters::take`] takes one token of each of several budgets, or of none, in one round
//!   trip, by one clock for all instances. [`Counters::note`] tells of tokens that were taken without asking and answers how far
//!   each budget is ahead: instances that take by themselves and tell now and then agree with each other soon after.
//! - A *holding* is a name and how many of something this instance has open. [`Counters::open`] asks whether one more may be,
//!   all instances together; [`Counters::hold`] says how many there are now. Numbers are whole, never differences, so that
//!   saying one twice, late or again after everything was lost is harmless.
//! - What an instance holds counts for as long as it says [`Counters::beat`], and [`crate::limits::COUNTERS_LIFETIME`] longer: an instance
//!   that died holds nothing after that. A beat answers whether the holdings must be told anew.
//! - Every answer comes in bounded time, [`Unanswered`] at the latest: whoever asks goes on with its own count. Nothing is kept
//!   that does not expire.
//!
//! Correctness never rests on it, and no right does: what it says can only refuse, for a while.

pub mod in_memory;

use std::time::Duration;

use async_trait::async_trait;

use crate::rate_limit::Rate;

/// A name with a rate, as `search.user.<id>`.
#[derive(Clone, PartialEq, Debug)]
pub struct Budget {
    /// What is counted; implementations may store it in another form.
    pub name: String,
    /// How much there is of it.
    pub rate: Rate,
}

/// How many of something an instance has open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holding {
    /// What is counted.
    pub name: String,
    /// On this instance.
    pub held: u64,
}

/// Nobody counts for the fleet just now, or not soon enough.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the fleet's counters did not answer")]
pub struct Unanswered;

/// The counters. One for each process; see the specification above.
#[async_trait]
pub trait Counters: Send + Sync + 'static {
    /// Takes one token of each budget, or of none; the inner error is how long until all have one.
    ///
    /// # Errors
    /// [`Unanswered`]; it is not known then whether they were taken.
    async fn take(&self, budgets: &[Budget]) -> Result<Result<(), Duration>, Unanswered>;

    /// Tokens that were taken (or given back, below zero) without asking; how far each budget is ahead of its rate then.
    ///
    /// # Errors
    /// [`Unanswered`].
    async fn note(&self, taken: &[(Budget, i64)]) -> Result<Vec<Duration>, Unanswered>;

    /// Whether this instance may hold so many, at most `cap` with what the others hold; if so, they count at once. The inner error
    /// is the first that may not.
    ///
    /// # Errors
    /// [`Unanswered`].
    async fn open(&self, wanted: &[(Holding, u64)]) -> Result<Result<(), usize>, Unanswered>;

    /// What this instance holds now.
    ///
    /// # Errors
    /// [`Unanswered`].
    async fn hold(&self, held: &[Holding]) -> Result<(), Unanswered>;

    /// This instance lives; true when what it holds does not count until it is told anew.
    ///
    /// # Errors
    /// [`Unanswered`].
    async fn beat(&self) -> Result<bool, Unanswered>;

    /// Forgets what this instance holds, and closes connections.
    async fn close(&self);
}
