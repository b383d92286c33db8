//! What is done to Postgres and to the way from the pooler to it. Nothing acknowledged may be lost, nothing refused may
//! be stored, and all goes on by itself afterwards.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rand::Rng;
use rand::seq::IndexedRandom;

use super::{DATABASE, Fault, INSTANCES, Kind};
use crate::crowd::{DENS, LOBBY};
use crate::support::postgres::connect;
use crate::world::World;

/// The kinds of this file.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        row: "F16",
        parts: DATABASE | INSTANCES,
        lasts_ms: (500, 2_000),
        heals_ms: 1_000,
        make: |_| Box::new(FastRestart),
    },
    Kind {
        row: "F17",
        parts: DATABASE | INSTANCES,
        lasts_ms: (500, 2_000),
        heals_ms: 2_000,
        make: |_| Box::new(Crash),
    },
    Kind {
        row: "F18",
        parts: DATABASE | INSTANCES,
        lasts_ms: (3_000, 8_000),
        heals_ms: 500,
        make: |_| Box::new(Frozen),
    },
    Kind {
        row: "F19",
        parts: DATABASE | INSTANCES,
        lasts_ms: (3_000, 7_000),
        heals_ms: 300,
        make: |draws| {
            let delay = Duration::from_millis(draws.random_range(60..500));
            Box::new(Slow { delay })
        },
    },
    Kind {
        row: "F20",
        parts: DATABASE | INSTANCES,
        lasts_ms: (1_500, 4_000),
        heals_ms: 100,
        make: |draws| {
            let rooms = [DENS[0], DENS[1], LOBBY];
            let room = rooms.choose(draws).expect("three");
            Box::new(LockedRoom { room, holder: None })
        },
    },
    Kind {
        row: "F26",
        parts: DATABASE | INSTANCES,
        lasts_ms: (500, 2_500),
        heals_ms: 200,
        make: |draws| {
            Box::new(TooMany {
                fills: draws.random(),
                guests: Vec::new(),
            })
        },
    },
];

/// F16: a fast shutdown, and a start.
struct FastRestart;

#[async_trait(?Send)]
impl Fault for FastRestart {
    fn what(&self) -> String {
        "Postgres is stopped fast".to_owned()
    }

    async fn begin(&mut self, world: &Arc<World>) {
        world.deployment.postgres.lock().await.stop().await;
    }

    async fn heal(&mut self, world: &Arc<World>) {
        world.deployment.postgres.lock().await.restart().await;
    }
}

/// F17: all of its processes are killed at once.
struct Crash;

#[async_trait(?Send)]
impl Fault for Crash {
    fn what(&self) -> String {
        "Postgres crashes (SIGKILL to all of it)".to_owned()
    }

    async fn begin(&mut self, world: &Arc<World>) {
        world.deployment.postgres.lock().await.kill();
    }

    async fn heal(&mut self, world: &Arc<World>) {
        world.deployment.postgres.lock().await.restart().await;
    }
}

/// F18: it stands still.
struct Frozen;

#[async_trait(?Send)]
impl Fault for Frozen {
    fn what(&self) -> String {
        "Postgres stands still (SIGSTOP to all of it)".to_owned()
    }

    async fn begin(&mut self, world: &Arc<World>) {
        world.deployment.postgres.lock().await.freeze();
    }

    async fn heal(&mut self, world: &Arc<World>) {
        world.deployment.postgres.lock().await.thaw();
    }
}

/// F19: every word to and from it takes its time.
struct Slow {
    delay: Duration,
}

#[async_trait(?Send)]
impl Fault for Slow {
    fn what(&self) -> String {
        format!("Postgres is {} ms away, each way", self.delay.as_millis())
    }

    async fn begin(&mut self, world: &Arc<World>) {
        world.deployment.links.postgres.delay(self.delay);
    }

    async fn heal(&mut self, world: &Arc<World>) {
        world.deployment.links.postgres.heal();
    }
}

/// F20: another session holds a room's head.
struct LockedRoom {
    room: &'static str,
    holder: Option<tokio_postgres::Client>,
}

#[async_trait(?Send)]
impl Fault for LockedRoom {
    fn what(&self) -> String {
        format!("another session holds the head of {}", self.room)
    }

    async fn begin(&mut self, world: &Arc<World>) {
        let url = world.deployment.database_url().await;
        let holder = connect(&url).await.expect("a connection");
        let lock = format!(
            "BEGIN; SELECT 1 FROM room_heads WHERE room_id = (SELECT id FROM rooms WHERE slug = '{}') FOR UPDATE",
            self.room
        );
        holder.batch_execute(&lock).await.unwrap();
        self.holder = Some(holder);
    }

    async fn heal(&mut self, _world: &Arc<World>) {
        if let Some(holder) = self.holder.take() {
            holder.batch_execute("ROLLBACK").await.unwrap();
        }
    }
}

/// F26: every session is ended, and there may be no place for new ones.
struct TooMany {
    fills: bool,
    guests: Vec<tokio_postgres::Client>,
}

#[async_trait(?Send)]
impl Fault for TooMany {
    fn what(&self) -> String {
        if self.fills {
            "Postgres ends every session and has no place for new ones".to_owned()
        } else {
            "Postgres ends every session".to_owned()
        }
    }

    async fn begin(&mut self, world: &Arc<World>) {
        let url = world.deployment.database_url().await;
        let guest = format!("{url}?application_name=guest");
        // Everything that is free, then what the pooler had, before it comes again; it may be quicker with some.
        self.fill(&guest).await;
        let client = match self.guests.first() {
            Some(guest) => guest,
            None => &connect(&url).await.expect("a connection"),
        };
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE backend_type = 'client backend' AND application_name <> 'guest' AND pid <> pg_backend_pid()";
        client.batch_execute(end).await.unwrap();
        self.fill(&guest).await;
    }

    async fn heal(&mut self, _world: &Arc<World>) {
        self.guests.clear();
    }
}

impl TooMany {
    async fn fill(&mut self, url: &str) {
        while self.fills
            && let Some(guest) = connect(url).await
        {
            self.guests.push(guest);
        }
    }
}
