//! What clients do, and what happens to them and on the way from them: slow ones, half-open ones, all cut at once, askers
//! that leave, the same id on two instances, moves with two sockets, removals and sign-outs in mid-flight.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tokio_util::task::AbortOnDropHandle;

use super::{BALANCER, CLIENTS, DATABASE, Fault, INSTANCES, Kind, REDIS};
use crate::client::Client;
use crate::crowd::{DENS, LOBBY, NARROW};
use crate::load::{ask_the_assistant, message_id, words};
use crate::support::fault_proxy::FaultProxy;
use crate::world::World;

mod double;
mod members;

/// The kinds of this file and of those below it.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        row: "F29",
        parts: CLIENTS | DATABASE | INSTANCES,
        lasts_ms: (9_000, 11_000),
        heals_ms: 500,
        make: |draws| {
            Box::new(Slow {
                seed: draws.random(),
            })
        },
    },
    Kind {
        row: "F30",
        parts: CLIENTS | BALANCER,
        lasts_ms: (3_000, 12_000),
        heals_ms: 500,
        make: |draws| {
            Box::new(HalfOpen {
                way: draws.random_range(0..2),
            })
        },
    },
    Kind {
        row: "F31",
        parts: CLIENTS | BALANCER,
        lasts_ms: (0, 200),
        heals_ms: 1_500,
        make: |_| Box::new(AllCut),
    },
    Kind {
        row: "F42",
        parts: CLIENTS,
        lasts_ms: (1_000, 3_000),
        heals_ms: 300,
        make: |draws| {
            Box::new(AskersLeave {
                seed: draws.random(),
            })
        },
    },
    Kind {
        row: "F44",
        parts: CLIENTS,
        lasts_ms: (2_000, 5_000),
        heals_ms: 500,
        make: |draws| Box::new(double::Twice::new(draws.random())),
    },
    Kind {
        row: "F45",
        parts: CLIENTS | INSTANCES | DATABASE,
        lasts_ms: (2_000, 5_000),
        heals_ms: 500,
        make: |draws| {
            Box::new(Moving {
                seed: draws.random(),
                task: None,
            })
        },
    },
    Kind {
        row: "F47",
        parts: CLIENTS | INSTANCES | DATABASE | BALANCER,
        lasts_ms: (3_000, 7_000),
        heals_ms: 800,
        make: |draws| Box::new(members::Removals::new(draws.random())),
    },
    Kind {
        row: "F48",
        parts: CLIENTS | INSTANCES | DATABASE | BALANCER | REDIS,
        lasts_ms: (500, 1_000),
        heals_ms: 5_000,
        make: |_| Box::new(members::SignOut),
    },
    Kind {
        row: "F53",
        parts: CLIENTS,
        lasts_ms: (1_000, 2_500),
        heals_ms: 1_000,
        make: |draws| {
            Box::new(HotRoom {
                seed: draws.random(),
            })
        },
    },
];

/// F29: some read nothing while much is said.
struct Slow {
    seed: u64,
}

/// Messages that fill what a slow reader may have waiting, each as long as may be.
const FLOOD: usize = 240;
/// How many of them at a time.
const FLOOD_PART: usize = 20;

#[async_trait(?Send)]
impl Fault for Slow {
    fn what(&self) -> String {
        "slow clients read nothing while 4 MB are said".to_owned()
    }

    async fn begin(&mut self, world: &Arc<World>) {
        let talkers = &world.crowd.talkers;
        let last = talkers.len() - 1;
        for client in &talkers[talkers.len() - NARROW..] {
            client.turn_deaf(Duration::from_secs(30));
        }
        let mut draws = StdRng::seed_from_u64(self.seed);
        // A talker of the same private room as the last one.
        let (room, speaker) = (DENS[last % DENS.len()], &talkers[last % DENS.len()]);
        for number in 0..FLOOD {
            let mut body = format!("flood {number} {:016x} ", draws.random::<u64>());
            let rest = salon::limits::BODY_BYTES - body.len();
            body.extend(std::iter::repeat_n('~', rest));
            speaker.send(room, &message_id(&mut draws), &body);
            if number % FLOOD_PART == 0 {
                tokio::time::sleep(Duration::from_millis(150)).await;
            }
        }
    }

    async fn heal(&mut self, world: &Arc<World>) {
        let talkers = &world.crowd.talkers;
        talkers[talkers.len() - NARROW..]
            .iter()
            .for_each(Client::hear_again);
    }
}

/// F30: one of the two ways of the clients is a black hole, and nobody is told.
struct HalfOpen {
    way: usize,
}

#[async_trait(?Send)]
impl Fault for HalfOpen {
    fn what(&self) -> String {
        format!("the clients' way {} is a black hole", self.way)
    }

    async fn begin(&mut self, world: &Arc<World>) {
        world.deployment.links.clients[self.way].stall();
    }

    async fn heal(&mut self, world: &Arc<World>) {
        world.deployment.links.clients[self.way].heal();
    }
}

/// F31: every client's socket breaks at the same moment.
struct AllCut;

#[async_trait(?Send)]
impl Fault for AllCut {
    fn what(&self) -> String {
        "every socket breaks at once".to_owned()
    }

    async fn begin(&mut self, world: &Arc<World>) {
        world
            .deployment
            .links
            .clients
            .iter()
            .for_each(FaultProxy::cut);
        world
            .deployment
            .links
            .instances
            .iter()
            .for_each(FaultProxy::cut);
    }

    async fn heal(&mut self, _world: &Arc<World>) {}
}

/// F42: whoever asked the assistant loses its socket while the reply grows.
struct AskersLeave {
    seed: u64,
}

#[async_trait(?Send)]
impl Fault for AskersLeave {
    fn what(&self) -> String {
        "askers leave while their replies grow".to_owned()
    }

    async fn begin(&mut self, world: &Arc<World>) {
        ask_the_assistant(world, self.seed, 4);
        let asked = async {
            while !world
                .crowd
                .talkers
                .iter()
                .any(|client| !client.state().running.is_empty())
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        // Under another fault the prompts may wait; then nobody leaves too early.
        let _ = tokio::time::timeout(Duration::from_secs(3), asked).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        for client in &world.crowd.talkers {
            if !client.state().running.is_empty() {
                client.cut();
            }
        }
    }

    async fn heal(&mut self, _world: &Arc<World>) {}
}

/// F45: talkers move between instances, for a while with two sockets at once.
struct Moving {
    seed: u64,
    task: Option<AbortOnDropHandle<()>>,
}

#[async_trait(?Send)]
impl Fault for Moving {
    fn what(&self) -> String {
        "talkers move between instances with overlapping sockets".to_owned()
    }

    async fn begin(&mut self, world: &Arc<World>) {
        let (world, mut draws) = (Arc::clone(world), StdRng::seed_from_u64(self.seed));
        self.task = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                let talkers = &world.crowd.talkers;
                let client = talkers[..talkers.len() - NARROW]
                    .choose(&mut draws)
                    .unwrap();
                let ways = world.deployment.instance_ways(draws.random_range(0..3));
                client.move_to(&ways, Duration::from_millis(draws.random_range(50..800)));
                let pause = draws.random_range(50..250);
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
        })));
    }

    async fn heal(&mut self, world: &Arc<World>) {
        self.task = None;
        let talkers = &world.crowd.talkers;
        for (number, client) in talkers[..talkers.len() - NARROW].iter().enumerate() {
            client.move_to(&world.deployment.ways(number), Duration::from_millis(200));
        }
    }
}

/// F53: everybody bursts out in one room.
struct HotRoom {
    seed: u64,
}

/// Messages of one talker in a burst.
const BURST: usize = 40;

#[async_trait(?Send)]
impl Fault for HotRoom {
    fn what(&self) -> String {
        format!("every talker says {BURST} things at once in the lobby")
    }

    async fn begin(&mut self, world: &Arc<World>) {
        let mut draws = StdRng::seed_from_u64(self.seed);
        for client in &world.crowd.talkers {
            for number in 0..BURST {
                let own = format!(
                    "{} bursts {number} {:016x}",
                    client.name(),
                    draws.random::<u64>()
                );
                client.send(LOBBY, &message_id(&mut draws), &words(&own, &mut draws));
            }
        }
    }

    async fn heal(&mut self, _world: &Arc<World>) {}
}
