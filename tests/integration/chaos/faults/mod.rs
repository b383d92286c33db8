//! The faults of a chaos run: each kind is a small value that begins and heals, in the file of what it breaks, named with
//! its row of the fault matrix (H1 and H2 are none of it: what an operator and an owner do to history). What overlaps follows from the parts that a kind needs for itself ([`Parts`]).

mod balancer;
mod client;
mod clock;
mod history;
mod instance;
mod pooler;
mod postgres;
mod provider;
mod redis;

use std::sync::Arc;

use async_trait::async_trait;
use rand::rngs::StdRng;

use super::world::World;
pub(crate) use provider::good_answer;

/// One thing that is broken, and mended.
#[async_trait(?Send)]
pub(crate) trait Fault {
    /// What is done to what, for people.
    fn what(&self) -> String;
    /// Breaks it.
    async fn begin(&mut self, world: &Arc<World>);
    /// Mends it.
    async fn heal(&mut self, world: &Arc<World>);
}

/// The parts of a deployment that a fault needs for itself, as bits.
pub(crate) type Parts = u8;
/// Redis and the ways to it.
pub(crate) const REDIS: Parts = 1;
/// Postgres, the pooler and the ways to them.
pub(crate) const DATABASE: Parts = 2;
/// The instances.
pub(crate) const INSTANCES: Parts = 4;
/// The balancer.
pub(crate) const BALANCER: Parts = 8;
/// Clients and the way from them.
pub(crate) const CLIENTS: Parts = 16;
/// The model provider and the ways to it.
pub(crate) const PROVIDER: Parts = 32;
/// All of them.
pub(crate) const EVERYTHING: Parts = 63;

/// A kind of fault.
pub(crate) struct Kind {
    /// The row of the fault matrix.
    pub(crate) row: &'static str,
    pub(crate) parts: Parts,
    /// How long it lasts, at least and at most, in milliseconds.
    pub(crate) lasts_ms: (u64, u64),
    /// What healing takes after that, about.
    pub(crate) heals_ms: u64,
    /// One of this kind; what is random in it comes from the draws.
    pub(crate) make: fn(&mut StdRng) -> Box<dyn Fault>,
}

/// Every kind there is.
pub(crate) fn catalogue() -> Vec<&'static Kind> {
    let files: [&'static [Kind]; 9] = [
        redis::KINDS,
        postgres::KINDS,
        pooler::KINDS,
        instance::KINDS,
        clock::KINDS,
        balancer::KINDS,
        client::KINDS,
        provider::KINDS,
        history::KINDS,
    ];
    files.into_iter().flatten().collect()
}
