//! What is done to the balancer.

use std::sync::Arc;

use async_trait::async_trait;

use super::{BALANCER, CLIENTS, Fault, Kind};
use crate::world::World;

/// The kinds of this file.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        row: "F32",
        parts: BALANCER | CLIENTS,
        lasts_ms: (300, 2_000),
        heals_ms: 300,
        make: |_| Box::new(Killed),
    },
    Kind {
        row: "F33",
        parts: BALANCER | CLIENTS,
        lasts_ms: (1_500, 4_000),
        heals_ms: 100,
        make: |_| Box::new(Reloaded),
    },
];

/// F32: it is killed and started.
struct Killed;

#[async_trait(?Send)]
impl Fault for Killed {
    fn what(&self) -> String {
        "HAProxy is killed".to_owned()
    }

    async fn begin(&mut self, world: &Arc<World>) {
        world.deployment.balancer.lock().await.kill();
    }

    async fn heal(&mut self, world: &Arc<World>) {
        world.deployment.balancer.lock().await.restart().await;
    }
}

/// F33: a new process takes over; the old one is ended with its sockets after a while.
struct Reloaded;

#[async_trait(?Send)]
impl Fault for Reloaded {
    fn what(&self) -> String {
        "HAProxy is reloaded, the old process ended later".to_owned()
    }

    async fn begin(&mut self, world: &Arc<World>) {
        world.deployment.balancer.lock().await.reload().await;
    }

    async fn heal(&mut self, world: &Arc<World>) {
        world.deployment.balancer.lock().await.end_replaced();
    }
}
