//! What is done to instances: killed at the worst moments, stopped as a deployment stops them, frozen, all at once.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rand::Rng;

use super::{CLIENTS, DATABASE, EVERYTHING, Fault, INSTANCES, Kind, PROVIDER, REDIS};
use crate::deployment::INSTANCES as COUNT;
use crate::load::ask_the_assistant;
use crate::support::fault_proxy::{FaultProxy, Way};
use crate::world::World;

/// The moment at which an instance is to be killed comes within this, under load; otherwise it is killed all the same.
const MOMENT: Duration = Duration::from_secs(5);
/// Between a moment and the kill, so that others see what the dead one did last.
const AFTER_MOMENT: Duration = Duration::from_millis(150);
/// SIGTERM to the end: its grace and a margin.
pub(super) const DRAIN: Duration = Duration::from_secs(30);

/// The kinds of this file.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        row: "F1",
        parts: DATABASE | INSTANCES,
        lasts_ms: (300, 2_000),
        heals_ms: 2_000,
        make: |draws| {
            Box::new(KilledAt {
                instance: draws.random_range(0..COUNT),
                moment: Moment::CommitHeld,
            })
        },
    },
    Kind {
        row: "F2",
        parts: DATABASE | INSTANCES | REDIS,
        lasts_ms: (300, 2_000),
        heals_ms: 2_000,
        make: |draws| {
            Box::new(KilledAt {
                instance: draws.random_range(0..COUNT),
                moment: Moment::RedisHeld,
            })
        },
    },
    Kind {
        row: "F3",
        parts: DATABASE | INSTANCES,
        lasts_ms: (300, 2_000),
        heals_ms: 2_000,
        make: |draws| {
            Box::new(KilledAt {
                instance: draws.random_range(0..COUNT),
                moment: Moment::AckHeld,
            })
        },
    },
    Kind {
        row: "F4",
        parts: DATABASE | INSTANCES,
        lasts_ms: (500, 4_000),
        heals_ms: 2_000,
        make: |draws| {
            Box::new(KilledAt {
                instance: draws.random_range(0..COUNT),
                moment: Moment::Any,
            })
        },
    },
    Kind {
        row: "F5",
        parts: DATABASE | INSTANCES,
        lasts_ms: (0, 500),
        heals_ms: 6_000,
        make: |draws| {
            Box::new(Restarted {
                instance: draws.random_range(0..COUNT),
            })
        },
    },
    Kind {
        row: "F6",
        parts: DATABASE | INSTANCES,
        lasts_ms: (3_000, 9_000),
        heals_ms: 500,
        make: |draws| {
            Box::new(Frozen {
                instance: draws.random_range(0..COUNT),
            })
        },
    },
    Kind {
        row: "F41",
        parts: DATABASE | INSTANCES | PROVIDER,
        lasts_ms: (500, 3_000),
        heals_ms: 2_000,
        make: |draws| {
            Box::new(KilledRunner {
                seed: draws.random(),
                instance: 0,
            })
        },
    },
    Kind {
        row: "F49",
        parts: DATABASE | INSTANCES | CLIENTS,
        lasts_ms: (2_000, 5_000),
        heals_ms: 300,
        make: |draws| {
            Box::new(NoDescriptors {
                instance: draws.random_range(0..COUNT),
                before: String::new(),
            })
        },
    },
    Kind {
        row: "F55",
        parts: EVERYTHING,
        lasts_ms: (300, 1_500),
        heals_ms: 5_000,
        make: |_| Box::new(AllKilled),
    },
];

/// When an instance is killed.
#[derive(Clone, Copy)]
enum Moment {
    /// F4: whenever.
    Any,
    /// F1: a COMMIT's answer is on its way.
    CommitHeld,
    /// F2: what was committed has not reached Redis.
    RedisHeld,
    /// F3: an ack is on its way.
    AckHeld,
}

/// F1 to F4: SIGKILL.
struct KilledAt {
    instance: usize,
    moment: Moment,
}

#[async_trait(?Send)]
impl Fault for KilledAt {
    fn what(&self) -> String {
        let when = match self.moment {
            Moment::Any => "at any time",
            Moment::CommitHeld => "while a COMMIT's answer is on its way",
            Moment::RedisHeld => "while its publications are on their way",
            Moment::AckHeld => "while an ack is on its way",
        };
        format!("instance {} is killed {when}", self.instance)
    }

    async fn begin(&mut self, world: &Arc<World>) {
        let links = &world.deployment.links;
        match self.moment {
            Moment::Any => {}
            Moment::CommitHeld => {
                let link = &links.pooler[self.instance];
                link.hold(Way::ToClient, b"COMMIT\0", 1);
                wait_for_held(link).await;
            }
            Moment::AckHeld => {
                let link = &links.instances[self.instance];
                link.hold(Way::ToClient, b"message.accepted", 1);
                wait_for_held(link).await;
            }
            Moment::RedisHeld => {
                let link = &links.redis[self.instance];
                link.change(Way::ToServer, |rules| rules.stalled = true);
            }
        }
        tokio::time::sleep(AFTER_MOMENT).await;
        world.deployment.instances[self.instance]
            .lock()
            .await
            .kill();
        links.pooler[self.instance].heal();
        links.instances[self.instance].heal();
        links.redis[self.instance].heal();
    }

    async fn heal(&mut self, world: &Arc<World>) {
        start(world, self.instance).await;
    }
}

async fn wait_for_held(link: &FaultProxy) {
    let held = async {
        while link.held() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    // Under a load that is held up by another fault the moment may not come; then any moment has to do.
    let _ = tokio::time::timeout(MOMENT, held).await;
}

pub(super) async fn start(world: &World, instance: usize) {
    world.deployment.instances[instance]
        .lock()
        .await
        .restart()
        .await;
}

/// F5: stopped as a deployment stops it, and started.
struct Restarted {
    instance: usize,
}

#[async_trait(?Send)]
impl Fault for Restarted {
    fn what(&self) -> String {
        format!(
            "instance {} is stopped (SIGTERM) and started",
            self.instance
        )
    }

    async fn begin(&mut self, world: &Arc<World>) {
        let mut instance = world.deployment.instances[self.instance].lock().await;
        instance.terminate();
        let ended = instance.wait_for_exit(DRAIN).await;
        assert!(ended.success(), "instance {}: {ended}", self.instance);
    }

    async fn heal(&mut self, world: &Arc<World>) {
        start(world, self.instance).await;
    }
}

/// F6: it stands still, then goes on as if nothing had been.
struct Frozen {
    instance: usize,
}

#[async_trait(?Send)]
impl Fault for Frozen {
    fn what(&self) -> String {
        format!("instance {} stands still (SIGSTOP)", self.instance)
    }

    async fn begin(&mut self, world: &Arc<World>) {
        world.deployment.instances[self.instance]
            .lock()
            .await
            .freeze();
    }

    async fn heal(&mut self, world: &Arc<World>) {
        world.deployment.instances[self.instance]
            .lock()
            .await
            .thaw();
    }
}

/// F41: the one that runs most replies is killed.
struct KilledRunner {
    seed: u64,
    instance: usize,
}

#[async_trait(?Send)]
impl Fault for KilledRunner {
    fn what(&self) -> String {
        "an instance that runs replies is killed".to_owned()
    }

    async fn begin(&mut self, world: &Arc<World>) {
        ask_the_assistant(world, self.seed, 4);
        let running = async {
            loop {
                for index in 0..COUNT {
                    let running = world.deployment.metric(index, "salon_replies_running");
                    if running.await >= Some(1.0) {
                        return index;
                    }
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        self.instance = tokio::time::timeout(MOMENT, running).await.unwrap_or(0);
        tokio::time::sleep(AFTER_MOMENT).await;
        world.deployment.instances[self.instance]
            .lock()
            .await
            .kill();
    }

    async fn heal(&mut self, world: &Arc<World>) {
        start(world, self.instance).await;
    }
}

/// F49: no file can be opened any more, and no connection accepted.
struct NoDescriptors {
    instance: usize,
    /// What it could open before.
    before: String,
}

impl NoDescriptors {
    /// Sets the soft limit on open files, the hard one stays; what it was.
    async fn limit(&self, world: &World, files: &str) -> String {
        let pid = world.deployment.instances[self.instance].lock().await.pid();
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let line = limits
            .lines()
            .find_map(|line| line.strip_prefix("Max open files"));
        let before = line.and_then(|line| line.split_whitespace().next());
        let set = std::process::Command::new("prlimit")
            .args(["--pid", &pid.to_string()])
            .arg(format!("--nofile={files}:"))
            .status();
        assert!(set.unwrap().success());
        before.unwrap().to_owned()
    }
}

#[async_trait(?Send)]
impl Fault for NoDescriptors {
    fn what(&self) -> String {
        format!("instance {} has no descriptor left", self.instance)
    }

    async fn begin(&mut self, world: &Arc<World>) {
        self.before = self.limit(world, "16").await;
        // Somebody wants in, on every instance.
        world.deployment.links.clients[0].cut();
    }

    async fn heal(&mut self, world: &Arc<World>) {
        self.limit(world, &self.before).await;
    }
}

/// F55: every process at once.
struct AllKilled;

#[async_trait(?Send)]
impl Fault for AllKilled {
    fn what(&self) -> String {
        "every process is killed at once".to_owned()
    }

    async fn begin(&mut self, world: &Arc<World>) {
        let all = &world.deployment;
        for instance in &all.instances {
            instance.lock().await.kill();
        }
        all.pooler.lock().await.kill();
        all.redis.lock().await.kill();
        all.balancer.lock().await.kill();
        all.postgres.lock().await.kill();
    }

    async fn heal(&mut self, world: &Arc<World>) {
        let all = &world.deployment;
        all.postgres.lock().await.restart().await;
        all.redis.lock().await.restart().await;
        all.pooler.lock().await.restart().await;
        let starting = (0..COUNT).map(|index| start(world, index));
        futures_util::future::join_all(starting).await;
        all.balancer.lock().await.restart().await;
    }
}
