//! F47 and F48: members are removed and added again while they and others talk, and a session ends while Redis is down.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use salon_checker::record::{Action, What};
use tokio_util::sync::CancellationToken;

use super::Fault;
use crate::api::{Answer, Api};
use crate::client::{Client, Room};
use crate::crowd::CLUB;
use crate::load::{UNANSWERED, message_id, words};
use crate::world::World;

/// Tries of one change before the run has failed.
const TRIES: usize = 40;
/// Between two tries.
const AGAIN: Duration = Duration::from_millis(250);
/// A revoked session's sockets are closed within this, Redis or not (P7).
const REVOKED_WITHIN: Duration = Duration::from_secs(5);
/// A socket closed later is noted by the history; past this nobody waits for it.
const REVOKED_AT_LAST: Duration = Duration::from_secs(20);

/// Removals and additions until it heals; at the end everybody is in.
pub(super) struct Removals {
    seed: u64,
    stop: CancellationToken,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Removals {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            stop: CancellationToken::new(),
            task: None,
        }
    }
}

#[async_trait(?Send)]
impl Fault for Removals {
    fn what(&self) -> String {
        "members are removed and added while messages are in flight".to_owned()
    }

    async fn begin(&mut self, world: &Arc<World>) {
        let (world, stop, seed) = (Arc::clone(world), self.stop.clone(), self.seed);
        let talking = talk_in_club(Arc::clone(&world), stop.clone(), seed ^ 1);
        let talking = tokio::spawn(talking);
        self.task = Some(tokio::spawn(async move {
            let mut draws = StdRng::seed_from_u64(seed);
            let mut turn = 0;
            while !stop.is_cancelled() {
                let victim = &world.crowd.victims[turn % world.crowd.victims.len()];
                turn += 1;
                tokio::time::sleep(Duration::from_millis(draws.random_range(100..500))).await;
                remove(&world, victim).await;
                tokio::time::sleep(Duration::from_millis(draws.random_range(50..600))).await;
                add(&world, victim).await;
            }
            talking.await.unwrap();
        }));
    }

    async fn heal(&mut self, _world: &Arc<World>) {
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            task.await.unwrap();
        }
    }
}

/// Messages of the club's members, those that are being removed among them, so that some are always in flight.
async fn talk_in_club(world: Arc<World>, stop: CancellationToken, seed: u64) {
    let mut draws = StdRng::seed_from_u64(seed);
    let all = world.crowd.talkers.iter().chain(&world.crowd.victims);
    let members: Vec<&Client> = all
        .filter(|client| client.state().rooms.contains_key(CLUB))
        .collect();
    while !stop.is_cancelled() {
        tokio::time::sleep(Duration::from_millis(draws.random_range(5..25))).await;
        let client = members.choose(&mut draws).unwrap();
        let may = |room: &Room| !room.out && room.pending.len() < UNANSWERED;
        if client.state().rooms.get(CLUB).is_some_and(may) {
            let own = format!(
                "{} at the club {:016x}",
                client.name(),
                draws.random::<u64>()
            );
            client.send(CLUB, &message_id(&mut draws), &words(&own, &mut draws));
        }
    }
}

async fn remove(world: &World, victim: &Client) {
    let (api, keeper) = (Api::at(world.deployment.balancer_port), &world.crowd.keeper);
    let user = victim.session.user.clone();
    let action = Action::Remove {
        room: CLUB.to_owned(),
        user: user.clone(),
    };
    // The second try of a removal whose answer was lost finds nobody to remove.
    until_done(world, victim, action, &[404], || async {
        api.remove(keeper, CLUB, &user).await
    })
    .await;
}

async fn add(world: &World, victim: &Client) {
    let (api, keeper) = (Api::at(world.deployment.balancer_port), &world.crowd.keeper);
    let action = Action::Add {
        room: CLUB.to_owned(),
        user: victim.session.user.clone(),
    };
    until_done(world, victim, action, &[], || async {
        api.add(keeper, CLUB, &victim.session.user_name).await
    })
    .await;
    victim.let_in(CLUB);
}

/// Does this until it is certain; each try whose outcome is unknown is an operation of its own.
async fn until_done<F: Future<Output = Answer>>(
    world: &World,
    client: &Client,
    action: Action,
    done_too: &[u16],
    attempt: impl Fn() -> F,
) {
    for _ in 0..TRIES {
        let op = client.invoke(action.clone());
        match attempt().await {
            Some((200..=299, body)) => {
                world.recorder.note(What::Ok {
                    op,
                    seq: None,
                    version: body["version"].as_i64(),
                    duplicate: false,
                    reply_seq: None,
                });
                return;
            }
            Some((status, body)) if done_too.contains(&status) => {
                let code = body["code"].as_str().unwrap_or_default().to_owned();
                world.recorder.note(What::Fail { op, code });
                return;
            }
            answer => world.recorder.note(What::Info {
                op,
                cause: format!("{answer:?}"),
            }),
        }
        tokio::time::sleep(AGAIN).await;
    }
    panic!("{action:?} cannot be done");
}

/// F48: Redis is down when a user signs out; then the user comes back with a new session.
pub(super) struct SignOut;

#[async_trait(?Send)]
impl Fault for SignOut {
    fn what(&self) -> String {
        "a session ends while Redis is down".to_owned()
    }

    async fn begin(&mut self, world: &Arc<World>) {
        world.deployment.redis.lock().await.kill();
        let leaver = world.crowd.leaver();
        let api = Api::at(world.deployment.balancer_port);
        let action = Action::Revoke {
            of: leaver.name().to_owned(),
            bound_ms: u64::try_from(REVOKED_WITHIN.as_millis()).unwrap(),
        };
        until_done(world, &leaver, action, &[401], || async {
            api.sign_out(&leaver.session).await
        })
        .await;
        let closed = async {
            while !leaver.state().signed_out {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        // Too late is for the checker to see; never at all would be seen by nobody.
        tokio::time::timeout(REVOKED_AT_LAST, closed)
            .await
            .expect("a signed-out user's socket is closed");
    }

    async fn heal(&mut self, world: &Arc<World>) {
        world.deployment.redis.lock().await.restart().await;
        let leaver = world.crowd.leaver();
        let api = Api::at(world.deployment.balancer_port);
        for _ in 0..TRIES {
            if let Some(session) = api.sign_in(&leaver.session.user_name).await {
                let ways = world.deployment.ways(0);
                world.crowd.succeed(&world.recorder, session, &ways);
                return;
            }
            tokio::time::sleep(AGAIN).await;
        }
        panic!("nobody can sign in");
    }
}
