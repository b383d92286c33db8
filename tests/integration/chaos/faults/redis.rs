//! What is done to Redis and to the ways to it. None of it may cost a message, an order or a removal (P6).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rand::Rng;

use super::{Fault, Kind, REDIS};
use crate::deployment::INSTANCES as COUNT;
use crate::support::fault_proxy::FaultProxy;
use crate::support::fault_proxy::resp::Tampering;
use crate::world::World;

/// The kinds of this file.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        row: "F7",
        parts: REDIS,
        lasts_ms: (1_000, 2_500),
        heals_ms: 200,
        make: |_| Box::new(Restart),
    },
    Kind {
        row: "F8",
        parts: REDIS,
        lasts_ms: (4_000, 9_000),
        heals_ms: 300,
        make: |_| Box::new(Down),
    },
    Kind {
        row: "F9",
        parts: REDIS,
        lasts_ms: (2_500, 6_000),
        heals_ms: 100,
        make: |_| Box::new(Frozen),
    },
    Kind {
        row: "F10",
        parts: REDIS,
        lasts_ms: (3_000, 7_000),
        heals_ms: 200,
        make: |draws| {
            Box::new(CutFromOne {
                instance: draws.random_range(0..COUNT),
            })
        },
    },
    Kind {
        row: "F11",
        parts: REDIS,
        lasts_ms: (1_500, 4_000),
        heals_ms: 100,
        make: |draws| {
            Box::new(Kicked {
                small_buffer: draws.random(),
            })
        },
    },
    Kind {
        row: "F12",
        parts: REDIS,
        lasts_ms: (2_000, 5_000),
        heals_ms: 100,
        make: |_| Box::new(ReadOnly),
    },
    Kind {
        row: "F13",
        parts: REDIS,
        lasts_ms: (2_000, 5_000),
        heals_ms: 100,
        make: |_| Box::new(Full),
    },
    Kind {
        row: "F14",
        parts: REDIS,
        lasts_ms: (4_000, 9_000),
        heals_ms: 200,
        make: |draws| {
            Box::new(Mangled {
                seed: draws.random(),
            })
        },
    },
    Kind {
        row: "F15",
        parts: REDIS,
        lasts_ms: (500, 1_500),
        heals_ms: 100,
        make: |draws| {
            Box::new(Forged {
                salt: draws.random(),
            })
        },
    },
];

/// F7: it restarts, empty, at once.
struct Restart;

#[async_trait(?Send)]
impl Fault for Restart {
    fn what(&self) -> String {
        "Redis restarts empty".to_owned()
    }

    async fn begin(&mut self, world: &Arc<World>) {
        world.deployment.redis.lock().await.restart().await;
    }

    async fn heal(&mut self, _world: &Arc<World>) {}
}

/// F8: it is gone.
struct Down;

#[async_trait(?Send)]
impl Fault for Down {
    fn what(&self) -> String {
        "Redis is killed and stays down".to_owned()
    }

    async fn begin(&mut self, world: &Arc<World>) {
        world.deployment.redis.lock().await.kill();
    }

    async fn heal(&mut self, world: &Arc<World>) {
        world.deployment.redis.lock().await.restart().await;
    }
}

/// F9: its connections stay open, it says nothing.
struct Frozen;

#[async_trait(?Send)]
impl Fault for Frozen {
    fn what(&self) -> String {
        "Redis stands still (SIGSTOP)".to_owned()
    }

    async fn begin(&mut self, world: &Arc<World>) {
        world.deployment.redis.lock().await.freeze();
    }

    async fn heal(&mut self, world: &Arc<World>) {
        world.deployment.redis.lock().await.thaw();
    }
}

/// F10: one instance alone does not hear it, and is not told so.
struct CutFromOne {
    instance: usize,
}

#[async_trait(?Send)]
impl Fault for CutFromOne {
    fn what(&self) -> String {
        format!(
            "instance {} alone is cut from Redis (black hole)",
            self.instance
        )
    }

    async fn begin(&mut self, world: &Arc<World>) {
        world.deployment.links.redis[self.instance].stall();
    }

    async fn heal(&mut self, world: &Arc<World>) {
        world.deployment.links.redis[self.instance].heal();
    }
}

/// F11: it throws its subscribers out.
struct Kicked {
    small_buffer: bool,
}

#[async_trait(?Send)]
impl Fault for Kicked {
    fn what(&self) -> String {
        if self.small_buffer {
            "Redis kicks subscribers above a tiny output buffer".to_owned()
        } else {
            "Redis kills every subscriber's connection".to_owned()
        }
    }

    async fn begin(&mut self, world: &Arc<World>) {
        if self.small_buffer {
            let limit = "CONFIG SET client-output-buffer-limit";
            command(world, limit, &["pubsub 4096 2048 1"]).await;
        }
        command(world, "CLIENT KILL TYPE pubsub", &[]).await;
    }

    async fn heal(&mut self, world: &Arc<World>) {
        let limit = "CONFIG SET client-output-buffer-limit";
        command(world, limit, &["pubsub 33554432 8388608 60"]).await;
    }
}

/// F12: it is a replica of nobody that can be reached: what writes is refused.
struct ReadOnly;

#[async_trait(?Send)]
impl Fault for ReadOnly {
    fn what(&self) -> String {
        "Redis becomes a read-only replica".to_owned()
    }

    async fn begin(&mut self, world: &Arc<World>) {
        command(world, "REPLICAOF 127.0.0.1 1", &[]).await;
    }

    async fn heal(&mut self, world: &Arc<World>) {
        command(world, "REPLICAOF NO ONE", &[]).await;
    }
}

/// F13: it has no memory left.
struct Full;

#[async_trait(?Send)]
impl Fault for Full {
    fn what(&self) -> String {
        "Redis is out of memory (noeviction)".to_owned()
    }

    async fn begin(&mut self, world: &Arc<World>) {
        command(
            world,
            "CONFIG SET maxmemory-policy noeviction maxmemory 1",
            &[],
        )
        .await;
    }

    async fn heal(&mut self, world: &Arc<World>) {
        command(world, "CONFIG SET maxmemory 0", &[]).await;
    }
}

/// F14: what it publishes comes twice, late, out of order, or again after a while.
struct Mangled {
    seed: u64,
}

#[async_trait(?Send)]
impl Fault for Mangled {
    fn what(&self) -> String {
        "published messages are doubled, delayed, reordered and replayed".to_owned()
    }

    async fn begin(&mut self, world: &Arc<World>) {
        for (index, link) in world.deployment.links.redis.iter().enumerate() {
            link.tamper(Tampering {
                seed: self.seed ^ index as u64,
                doubled: 0.3,
                delayed: 0.3,
                replayed: 0.3,
                dropped: 0.02,
                longest: Duration::from_millis(400),
            });
        }
    }

    async fn heal(&mut self, world: &Arc<World>) {
        world
            .deployment
            .links
            .redis
            .iter()
            .for_each(FaultProxy::heal);
    }
}

/// F15: somebody else publishes on every channel.
struct Forged {
    salt: u64,
}

#[async_trait(?Send)]
impl Fault for Forged {
    fn what(&self) -> String {
        "forged and broken messages are published on every channel".to_owned()
    }

    async fn begin(&mut self, world: &Arc<World>) {
        let redis = world.deployment.redis.lock().await;
        let mut connection = redis.connection().await;
        let channels: Vec<String> = redis_command::<&str>("PUBSUB CHANNELS *", &[])
            .query_async(&mut connection)
            .await
            .unwrap();
        assert!(channels.len() >= COUNT, "no channels: {channels:?}");
        let frame = r#"{"type":"message","room":"lobby","version":999999999,"prev":0,"message":{"seq":1,"body":"forged"}}"#;
        for channel in channels {
            let noise = self.salt.to_le_bytes().repeat(64);
            for body in [frame.as_bytes(), b"", &noise] {
                redis_command("PUBLISH", &[channel.as_bytes(), body])
                    .exec_async(&mut connection)
                    .await
                    .unwrap();
            }
        }
    }

    async fn heal(&mut self, _world: &Arc<World>) {}
}

fn redis_command<A: AsRef<[u8]>>(words: &str, more: &[A]) -> redis::Cmd {
    let mut command = redis::Cmd::new();
    for word in words.split(' ') {
        command.arg(word);
    }
    for word in more {
        command.arg(word.as_ref());
    }
    command
}

/// Has Redis do this.
async fn command(world: &World, words: &str, more: &[&str]) {
    let redis = world.deployment.redis.lock().await;
    let mut connection = redis.connection().await;
    redis_command(words, more)
        .exec_async(&mut connection)
        .await
        .unwrap();
}
