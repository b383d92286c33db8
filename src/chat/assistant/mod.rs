//! The assistant's runners: claim queued replies under a lease, ask the model, stream its text into the room, settle.
//! Any instance may run any reply; the attempt number is the fencing token of every write. Started by the server.
//!
//! [`reply`] writes one reply; [`budget`] fits its prompt to its model; [`lease`] is its hold on it; [`pace`] its rhythm; [`meter`] what it uses; [`spend`] what it may cost and what is counted; [`saver`] appends the text of all
//! running replies and renews their leases in one statement; [`parked`] knows those that wait for a place at their provider. No database connection is held while a model is awaited,
//! and whoever asked may leave: a reply belongs to its room.

mod budget;
mod lease;
mod meter;
mod pace;
mod parked;
mod reply;
mod retry;
mod saver;
mod spend;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::Rng;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::channel_layer::ChannelLayer;
use crate::config::Config;
use crate::db::Store;
use crate::db::queue::ReplyCaps;
use crate::db::rows::ClaimedReply;
use crate::ids::{InstanceId, RoomId, Seq};
use crate::limits;
use crate::llm::registry::Providers;
use crate::writer::Writer;
use lease::{Lease, Verdict};
use parked::Parked;
pub use spend::SpendGate;

/// Replies claimed by one statement.
const CLAIM_LIMIT: usize = 64;

/// What runners are made of.
pub struct AssistantParts {
    /// Leases and saved text.
    pub store: Arc<dyn Store>,
    /// Settled replies leave through it.
    pub writer: Arc<Writer>,
    /// Text on its way goes over it.
    pub layer: Arc<dyn ChannelLayer>,
    /// The models.
    pub providers: Arc<Providers>,
    /// The owner of this process's leases.
    pub instance: InstanceId,
    /// How many may run at once.
    pub caps: ReplyCaps,
    /// What may be spent.
    pub spend_gate: SpendGate,
    /// Told by the writer when a reply was queued here.
    pub prompts: Arc<Notify>,
}

/// How many replies may run at once, as the settings say.
#[must_use]
pub fn caps(config: &Config) -> ReplyCaps {
    ReplyCaps {
        user: config.replies_per_user.into(),
        room: config.replies_per_room.into(),
        fleet: config.replies.into(),
    }
}

/// The runners of one process.
pub struct Assistant {
    parts: AssistantParts,
    running: Mutex<BTreeMap<(RoomId, Seq), Arc<Lease>>>,
    /// Those of them that the saver should look at before its next turn: somebody asked to stop them.
    nudged: Mutex<BTreeSet<(RoomId, Seq)>>,
    parked: Parked,
    /// Told when the saver should not wait for its next turn.
    save_now: Notify,
    /// A reply ended, or needs its provider no more: there is room for another.
    freed: Notify,
    tasks: TaskTracker,
}

impl Assistant {
    /// Runners that have not started.
    #[must_use]
    pub fn new(parts: AssistantParts) -> Arc<Self> {
        Arc::new(Self {
            parts,
            running: Mutex::default(),
            nudged: Mutex::default(),
            parked: Parked::default(),
            save_now: Notify::new(),
            freed: Notify::new(),
            tasks: TaskTracker::new(),
        })
    }

    /// Claims and runs replies until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let saver = tokio::spawn(saver::run(Arc::clone(&self)));
        loop {
            let Claimed { count, is_full } = self.claim().await;
            if count < CLAIM_LIMIT {
                let wait =
                    limits::CLAIM_INTERVAL.mul_f64(crate::randomness::rng().random_range(0.8..1.2));
                tokio::select! {
                    biased;
                    () = stop.cancelled() => break,
                    () = self.parts.prompts.notified() => {}
                    // Another may wait for what becomes free.
                    () = self.freed.notified(), if is_full => {}
                    () = tokio::time::sleep(wait) => {}
                }
            }
            if stop.is_cancelled() {
                break;
            }
        }
        self.drain().await;
        saver.abort();
    }

    /// Somebody asked to stop this reply: if it runs here, look at once.
    pub fn look(&self, room: RoomId, seq: Seq) {
        if self.lock().contains_key(&(room, seq)) {
            self.nudge([(room, seq)]);
        }
    }

    /// Nudges may have been lost: look at everything.
    pub fn look_at_all(&self) {
        let all: Vec<(RoomId, Seq)> = self.lock().keys().copied().collect();
        self.nudge(all);
        self.parts.prompts.notify_one();
    }

    fn nudge(&self, replies: impl IntoIterator<Item = (RoomId, Seq)>) {
        let mut nudged = self.nudged.lock().unwrap_or_else(PoisonError::into_inner);
        nudged.extend(replies);
        drop(nudged);
        self.save_now.notify_one();
    }

    /// What the saver was told to look at, and still runs.
    fn nudged_leases(&self) -> Vec<Arc<Lease>> {
        let nudged =
            std::mem::take(&mut *self.nudged.lock().unwrap_or_else(PoisonError::into_inner));
        let running = self.lock();
        let found = nudged.iter().filter_map(|key| running.get(key));
        found.cloned().collect()
    }

    /// How many replies run here.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// How many more replies may begin here: what finds no place at any provider is left to instances that have one, and until
    /// then to the queue.
    fn room(&self) -> usize {
        let running = self.lock();
        let waiting = running.values().filter(|lease| lease.wants_place()).count();
        let places = self.parts.providers.free_places().saturating_sub(waiting);
        limits::REPLIES_PER_INSTANCE
            .saturating_sub(running.len())
            .min(places)
    }

    /// Claims what there is room for and starts it.
    async fn claim(self: &Arc<Self>) -> Claimed {
        let room = self.room().min(CLAIM_LIMIT);
        if room == 0 {
            return Claimed {
                count: 0,
                is_full: true,
            };
        }
        let began = Instant::now();
        let limit = i64::try_from(room).unwrap_or(i64::MAX);
        let turn = self.parked.turn();
        let (instance, caps) = (self.parts.instance, self.parts.caps);
        let claiming = self
            .parts
            .store
            .claim_replies_but(instance, limit, caps, &turn.held);
        match claiming.await {
            Ok(claimed) => {
                self.parked.taken(&turn, &claimed);
                let count = claimed.len();
                for reply in claimed {
                    self.start(reply, began);
                }
                Claimed {
                    count,
                    is_full: count >= room,
                }
            }
            Err(error) => {
                tracing::warn!(%error, "replies could not be claimed");
                Claimed {
                    count: 0,
                    is_full: false,
                }
            }
        }
    }

    fn start(self: &Arc<Self>, claimed: ClaimedReply, claimed_at: Instant) {
        let key = (claimed.room, claimed.seq);
        let lease = Arc::new(Lease::new(claimed, claimed_at));
        if let Some(older) = self.lock().insert(key, Arc::clone(&lease)) {
            // This process lost it and got it again.
            older.decide(Verdict::Lost);
        }
        metrics::gauge!("salon_replies_running").increment(1.0);
        let assistant = Arc::clone(self);
        self.tasks.spawn(async move {
            let run = reply::run(
                &assistant.parts,
                &assistant.parked,
                &assistant.freed,
                &lease,
            );
            run.await;
            let mut running = assistant.lock();
            if running
                .get(&key)
                .is_some_and(|current| Arc::ptr_eq(current, &lease))
            {
                running.remove(&key);
            }
            drop(running);
            metrics::gauge!("salon_replies_running").decrement(1.0);
            assistant.freed.notify_one();
            if !assistant.parked.is_empty() {
                // It may have had a place that another waits for.
                assistant.parts.prompts.notify_one();
            }
        });
    }

    /// Gives back what shows nothing yet, gives the other running replies a while, then has them settle what they have.
    async fn drain(&self) {
        self.tasks.close();
        for lease in self.leases() {
            lease.give_back_unless_shown();
        }
        if tokio::time::timeout(limits::REPLY_GRACE, self.tasks.wait())
            .await
            .is_ok()
        {
            return;
        }
        for lease in self.lock().values() {
            lease.decide(Verdict::Drain);
        }
        if tokio::time::timeout(limits::DRAIN_SETTLE, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                replies = self.count(),
                "replies were left to other instances"
            );
        }
    }

    fn leases(&self) -> Vec<Arc<Lease>> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<(RoomId, Seq), Arc<Lease>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a claim came to.
struct Claimed {
    count: usize,
    /// Whether there was room for no more.
    is_full: bool,
}

/// Between two tries at something the database did not take.
const RETRY: Duration = Duration::from_millis(200);
