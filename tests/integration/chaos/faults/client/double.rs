//! F44: the same message is posted to two instances at the same moment, again and again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use salon_checker::hash;
use salon_checker::record::{Action, What};
use tokio_util::sync::CancellationToken;

use super::Fault;
use crate::api::{Answer, Api};
use crate::crowd::LOBBY;
use crate::deployment::INSTANCES;
use crate::load::{message_id, words};
use crate::world::World;

/// Tries of one post before its outcome counts as unknown.
const TRIES: usize = 20;
/// Between two tries.
const AGAIN: Duration = Duration::from_millis(250);

/// Doubled posts that go on until it heals.
pub(super) struct Twice {
    seed: u64,
    stop: CancellationToken,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Twice {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            stop: CancellationToken::new(),
            task: None,
        }
    }
}

#[async_trait(?Send)]
impl Fault for Twice {
    fn what(&self) -> String {
        "each message of one user is posted to two instances at once".to_owned()
    }

    async fn begin(&mut self, world: &Arc<World>) {
        let (world, stop, seed) = (Arc::clone(world), self.stop.clone(), self.seed);
        self.task = Some(tokio::spawn(async move {
            let mut draws = StdRng::seed_from_u64(seed);
            let ways = world.deployment.instance_ways(0);
            let mut count = 0;
            while !stop.is_cancelled() {
                count += 1;
                let one = draws.random_range(0..INSTANCES);
                let other = (one + draws.random_range(1..INSTANCES)) % INSTANCES;
                let id = message_id(&mut draws);
                let body = words(
                    &format!("twin {count} {:016x}", draws.random::<u64>()),
                    &mut draws,
                );
                tokio::join!(
                    post(&world, ways[one], &id, &body),
                    post(&world, ways[other], &id, &body),
                );
            }
        }));
    }

    async fn heal(&mut self, _world: &Arc<World>) {
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            task.await.unwrap();
        }
    }
}

/// Posts a message by one way until there is an answer.
async fn post(world: &World, port: u16, id: &str, body: &str) {
    let twin = &world.crowd.twin;
    let op = twin.invoke(Action::Send {
        room: LOBBY.to_owned(),
        id: id.to_owned(),
        hash: hash(body),
        prompt: false,
    });
    let api = Api::at(port);
    for _ in 0..TRIES {
        let answer = api.post(&twin.session, LOBBY, id, body).await;
        if let Some(end) = judge(&op, answer) {
            let goes_on = matches!(end, What::Refused { .. });
            world.recorder.note(end);
            if !goes_on {
                return;
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
    world.recorder.note(What::Info {
        op,
        cause: "no answer in many tries".to_owned(),
    });
    twin.remember(LOBBY, id, body);
}

/// What an answer says of the operation; nothing when none came.
fn judge(op: &str, answer: Answer) -> Option<What> {
    let (status, body) = answer?;
    let op = op.to_owned();
    if (200..300).contains(&status) {
        return Some(What::Ok {
            op,
            seq: body["seq"].as_i64(),
            version: body["version"].as_i64(),
            duplicate: body["duplicate"] == true,
            reply_seq: body["reply_seq"].as_i64(),
        });
    }
    // What the balancer or a dying instance says is no word of Salon.
    let code = body["code"].as_str()?.to_owned();
    Some(if matches!(status, 409 | 429 | 503) {
        What::Refused { op, code }
    } else {
        What::Fail { op, code }
    })
}
