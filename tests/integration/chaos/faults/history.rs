//! What is done to history by those who may: a room gets another epoch, as after a restore (H1); an owner has a room keep less
//! (H2), so that its history begins later and whoever was away for longer is told so.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::instance::{DRAIN, start};
use super::{CLIENTS, EVERYTHING, Fault, Kind};
use crate::api::{Api, status};
use crate::client::Client;
use crate::crowd::{ATTIC, DENS};
use crate::deployment::{CLUSTER_SECRET, INSTANCES};
use crate::load::{message_id, words};
use crate::support::postgres::connect;
use crate::world::World;

/// The kinds of this file.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        row: "H1",
        parts: EVERYTHING,
        lasts_ms: (100, 500),
        heals_ms: 4_000,
        make: |draws| {
            Box::new(NewEpoch {
                room: DENS[draws.random_range(0..DENS.len())],
                stopped: draws.random(),
            })
        },
    },
    Kind {
        row: "H2",
        parts: CLIENTS,
        lasts_ms: (100, 1_000),
        heals_ms: 6_000,
        make: |draws| {
            Box::new(Retention {
                seed: draws.random(),
            })
        },
    },
];

/// H1: the operator's command, while the instances serve, or with all of them stopped as a restore demands.
struct NewEpoch {
    room: &'static str,
    stopped: bool,
}

#[async_trait(?Send)]
impl Fault for NewEpoch {
    fn what(&self) -> String {
        match self.stopped {
            true => "every room gets another epoch while nobody serves".to_owned(),
            false => format!("{} gets another epoch", self.room),
        }
    }

    async fn begin(&mut self, world: &Arc<World>) {
        if !self.stopped {
            return renew(world, self.room).await;
        }
        for instance in &world.deployment.instances {
            instance.lock().await.terminate();
        }
        for instance in &world.deployment.instances {
            let ended = instance.lock().await.wait_for_exit(DRAIN).await;
            assert!(ended.success(), "an instance: {ended}");
        }
        renew(world, "--all").await;
    }

    async fn heal(&mut self, world: &Arc<World>) {
        if self.stopped {
            let starting = (0..INSTANCES).map(|index| start(world, index));
            futures_util::future::join_all(starting).await;
        }
    }
}

/// `salon room new-epoch`, past the pooler.
async fn renew(world: &World, which: &str) {
    let url = world.deployment.database_url().await;
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_salon"))
        .args(["room", "new-epoch", which])
        .env_clear()
        .env("DATABASE_URL", url)
        .env("SALON_CLUSTER_SECRET", CLUSTER_SECRET)
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("another epoch"),
        "{output:?}"
    );
}

/// H2: all but the latest messages of the attic go, while one of its members is away.
struct Retention {
    seed: u64,
}

/// What the attic keeps: more than its members may have on their way when it is told so.
const KEPT: i64 = 100;
/// What each of the others says meanwhile: together more than is kept.
const SAID: usize = 58;
/// All of that is acked, and later what is too much is gone, within this.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks.
const AGAIN: Duration = Duration::from_millis(50);

#[async_trait(?Send)]
impl Fault for Retention {
    fn what(&self) -> String {
        format!("the attic keeps its {KEPT} latest messages")
    }

    async fn begin(&mut self, world: &Arc<World>) {
        let first = begins(world).await;
        let members = world.crowd.in_the_attic();
        let away = members
            .iter()
            .position(|client| client.leave(ATTIC, 4 * PATIENCE));
        let mut draws = StdRng::seed_from_u64(self.seed);
        for number in 0..SAID {
            let others = members.iter().enumerate();
            for (_, client) in others.filter(|(index, _)| Some(*index) != away) {
                let own = format!(
                    "{} in the attic {number} {:016x}",
                    client.name(),
                    draws.random::<u64>()
                );
                client.send(ATTIC, &message_id(&mut draws), &words(&own, &mut draws));
            }
        }
        // Whoever sends again what retention took would post it anew.
        let is_settled = |client: &&Client| client.state().rooms[ATTIC].pending.is_empty();
        let settled = async {
            while !members.iter().all(is_settled) {
                tokio::time::sleep(AGAIN).await;
            }
        };
        // Under another fault it may take longer; then the room keeps what it has.
        if tokio::time::timeout(PATIENCE, settled).await.is_ok() && keep(world, Some(KEPT)).await {
            // The instance that was told may die, and the others look again after minutes only: then it stays.
            let _ = tokio::time::timeout(PATIENCE, gone(world, first)).await;
        }
    }

    async fn heal(&mut self, world: &Arc<World>) {
        for client in world.crowd.in_the_attic() {
            client.come_back(ATTIC);
        }
        // A later look at what is past its retention would find what is on its way then.
        while !keep(world, None).await {
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// Tells the attic what to keep; whether it was heard.
async fn keep(world: &World, messages: Option<i64>) -> bool {
    let api = Api::at(world.deployment.balancer_port);
    let answer = api.keep(&world.crowd.keeper, ATTIC, messages).await;
    status(&answer) == 200
}

/// Waits until the attic's history begins later than there.
async fn gone(world: &World, first: i64) {
    while begins(world).await <= first {
        tokio::time::sleep(AGAIN).await;
    }
}

/// Where the attic's history begins, asked for until the database says it.
async fn begins(world: &World) -> i64 {
    let url = world.deployment.database_url().await;
    let first =
        "SELECT h.first_seq FROM room_heads h JOIN rooms r ON r.id = h.room_id WHERE r.slug = $1";
    loop {
        if let Some(client) = connect(&url).await
            && let Ok(row) = client.query_one(first, &[&ATTIC]).await
        {
            return row.get(0);
        }
        tokio::time::sleep(AGAIN).await;
    }
}
