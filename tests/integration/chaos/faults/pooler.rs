//! What is done to the pooler and to the ways from the instances to it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rand::Rng;

use super::{DATABASE, Fault, INSTANCES, Kind};
use crate::deployment::INSTANCES as COUNT;
use crate::support::fault_proxy::Way;
use crate::world::World;

/// A command of the pooler's console; `PAUSE` waits for transactions to end.
const CONSOLE: Duration = Duration::from_secs(8);

/// The kinds of this file.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        row: "F21",
        parts: DATABASE | INSTANCES,
        lasts_ms: (3_000, 6_000),
        heals_ms: 200,
        make: |draws| {
            let delay = Duration::from_millis(draws.random_range(20..120));
            Box::new(UsedUp { delay })
        },
    },
    Kind {
        row: "F22",
        parts: DATABASE | INSTANCES,
        lasts_ms: (800, 2_500),
        heals_ms: 100,
        make: |draws| {
            Box::new(Cut {
                instance: draws.random_range(0..COUNT),
                after: draws.random_range(200..4_000),
            })
        },
    },
    Kind {
        row: "F23",
        parts: DATABASE | INSTANCES,
        lasts_ms: (300, 2_000),
        heals_ms: 200,
        make: |_| Box::new(Killed),
    },
    Kind {
        row: "F24",
        parts: DATABASE | INSTANCES,
        lasts_ms: (2_000, 7_000),
        heals_ms: 200,
        make: |_| Box::new(Paused),
    },
    Kind {
        row: "F25",
        parts: DATABASE | INSTANCES,
        lasts_ms: (3_000, 6_000),
        heals_ms: 100,
        make: |_| Box::new(Rotating),
    },
];

/// F21: two server connections are all there are, and every statement is slow.
struct UsedUp {
    delay: Duration,
}

/// `default_pool_size` of `deploy/pgbouncer.ini`.
const POOL_SIZE: u32 = 40;

#[async_trait(?Send)]
impl Fault for UsedUp {
    fn what(&self) -> String {
        format!(
            "PgBouncer has two server connections, {} ms away each way",
            self.delay.as_millis()
        )
    }

    async fn begin(&mut self, world: &Arc<World>) {
        let pooler = world.deployment.pooler.lock().await;
        pooler.admin("SET default_pool_size = 2").await;
        pooler.admin("RECONNECT").await;
        world.deployment.links.postgres.delay(self.delay);
    }

    async fn heal(&mut self, world: &Arc<World>) {
        world.deployment.links.postgres.heal();
        let pooler = world.deployment.pooler.lock().await;
        let size = format!("SET default_pool_size = {POOL_SIZE}");
        pooler.admin(&size).await;
    }
}

/// F22: an instance's connections break in the middle of their transactions.
struct Cut {
    instance: usize,
    /// Bytes that may still pass.
    after: usize,
}

#[async_trait(?Send)]
impl Fault for Cut {
    fn what(&self) -> String {
        format!(
            "instance {} loses its connections to PgBouncer, one in mid-answer",
            self.instance
        )
    }

    async fn begin(&mut self, world: &Arc<World>) {
        let link = &world.deployment.links.pooler[self.instance];
        link.cut();
        link.cut_after(Way::ToClient, self.after);
    }

    async fn heal(&mut self, world: &Arc<World>) {
        let link = &world.deployment.links.pooler[self.instance];
        link.heal();
        link.cut();
    }
}

/// F23: it is killed and started.
struct Killed;

#[async_trait(?Send)]
impl Fault for Killed {
    fn what(&self) -> String {
        "PgBouncer is killed".to_owned()
    }

    async fn begin(&mut self, world: &Arc<World>) {
        world.deployment.pooler.lock().await.kill();
    }

    async fn heal(&mut self, world: &Arc<World>) {
        world.deployment.pooler.lock().await.restart().await;
    }
}

/// F24: it holds every statement.
struct Paused;

#[async_trait(?Send)]
impl Fault for Paused {
    fn what(&self) -> String {
        "PgBouncer pauses".to_owned()
    }

    async fn begin(&mut self, world: &Arc<World>) {
        let pooler = world.deployment.pooler.lock().await;
        // A pause that is still waited for has begun all the same.
        let _ = tokio::time::timeout(CONSOLE, pooler.admin("PAUSE")).await;
    }

    async fn heal(&mut self, world: &Arc<World>) {
        let pooler = world.deployment.pooler.lock().await;
        tokio::time::timeout(CONSOLE, pooler.admin("RESUME"))
            .await
            .expect("the console answers");
    }
}

/// F25: its connections to the server live a second each.
struct Rotating;

#[async_trait(?Send)]
impl Fault for Rotating {
    fn what(&self) -> String {
        "PgBouncer changes its server connections each second".to_owned()
    }

    async fn begin(&mut self, world: &Arc<World>) {
        let pooler = world.deployment.pooler.lock().await;
        pooler.admin("SET server_lifetime = 1").await;
        pooler.admin("RECONNECT").await;
    }

    async fn heal(&mut self, world: &Arc<World>) {
        let pooler = world.deployment.pooler.lock().await;
        pooler.admin("SET server_lifetime = 3600").await;
    }
}
