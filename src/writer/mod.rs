//! The writer: every change of every room leaves through it, so that many small changes share one COMMIT and each
//! room's changes keep their order. Consumers and the chat rules submit [`Job`]s; each job's answer is called
//! exactly once, after the database confirmed the COMMIT or refused (P1).
//!
//! A room always maps to one lane. A lane takes all that queued while its last commit was in flight: an idle system
//! adds no delay, a busy one batches by itself. [`lane`] is the actor, [`order`] the rule for pipelined sends (P10), [`outcome`]
//! what is done about a lost COMMIT (P5), [`written`] which rooms were written to, for whoever follows behind.
//! It judges no rights (the store does, inside the transaction) and knows no sockets.

pub mod lane;
pub mod mentioned;
pub mod order;
mod outcome;
mod publish;
pub mod watched;
pub mod written;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::channel_layer::ChannelLayer;
use crate::db::Store;
use crate::db::changes::{Change, Outcome};
use crate::error::{ErrorCode, Refusal};
use crate::ids::RoomRef;
use crate::limits;
use crate::origin::Origin;
pub use mentioned::Mentioned;
pub use order::{SendOrder, SendPlace};
use watched::WatchedRooms;
pub use written::WrittenRooms;

/// Called once with what became of a change, on the lane's task: it must not block.
pub type Answer = Box<dyn FnOnce(Result<Outcome, Refusal>) + Send>;

/// A change somebody wants.
pub struct Job {
    /// Where.
    pub room: RoomRef,
    /// What.
    pub change: Change,
    /// Its place among the sends of the same socket; none for HTTP and runners.
    pub order: Option<SendPlace>,
    /// Where it comes from; none for what the audit log does not tell of.
    pub origin: Option<Origin>,
    /// Whom to tell.
    pub answer: Answer,
}

impl Job {
    /// Bytes it keeps while it waits.
    fn weight(&self) -> usize {
        let text = match &self.change {
            Change::Post(post) => post.body.len() + post.html.as_ref().map_or(0, String::len),
            Change::EditMessage(text) => {
                text.body.len() + text.html.as_ref().map_or(0, String::len)
            }
            Change::SettleReply(settlement) => {
                settlement.body.len() + settlement.html.as_ref().map_or(0, String::len)
            }
            _ => 0,
        };
        text + 256
    }

    /// Refuses it; if it was a send and may work later, what its socket pipelined behind it is refused too.
    fn refuse(self, refusal: Refusal) {
        order::note_refusal(self.order.as_ref(), &self.change, &refusal);
        (self.answer)(Err(refusal));
    }
}

/// A job in a lane, and since when it has been there.
pub(crate) struct Waiting {
    pub(crate) job: Job,
    pub(crate) since: Instant,
}

impl Waiting {
    /// When it has waited for as long as it may.
    pub(crate) fn due(&self) -> Instant {
        self.since + limits::WRITER_WAIT
    }

    /// Gives it back while it has waited no longer than it may; otherwise refuses it. A database that hangs, or does
    /// not keep up, is answered for in time, and what nobody waits for any more does not stand in the way of others.
    pub(crate) fn in_time(self) -> Option<Self> {
        if Instant::now() < self.due() {
            return Some(self);
        }
        metrics::counter!("salon_writer_refused_total").increment(1);
        let refusal = Refusal::from(ErrorCode::Unavailable);
        self.job
            .refuse(refusal.retry_after_ms(limits::RETRY_HINT_MS));
        None
    }
}

/// What the lanes share.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) layer: Arc<dyn ChannelLayer>,
    /// Told when a reply was queued, so that a runner of this instance looks at once.
    pub(crate) prompts: Arc<Notify>,
    /// Told of commits in rooms that somebody wants to hear of.
    pub(crate) watched: Arc<WatchedRooms>,
    /// Connections that may wait for a locked room.
    pub(crate) locked_rooms: Arc<Semaphore>,
    /// Bytes waiting in all lanes.
    pub(crate) queued_bytes: AtomicUsize,
    /// Whom posts mentioned.
    pub(crate) mentioned: Arc<Mentioned>,
    /// Rooms with a fresh commit.
    pub(crate) written: Arc<WrittenRooms>,
}

/// The writer of this process.
pub struct Writer {
    lanes: Vec<mpsc::Sender<Waiting>>,
    shared: Arc<Shared>,
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Writer {
    /// Starts `lanes` lanes (one for SQLite, [`limits::LANES`] for Postgres).
    #[must_use]
    pub fn start(
        store: Arc<dyn Store>,
        layer: Arc<dyn ChannelLayer>,
        prompts: Arc<Notify>,
        lanes: usize,
    ) -> Self {
        let shared = Arc::new(Shared {
            store,
            layer,
            prompts,
            watched: Arc::default(),
            locked_rooms: Arc::new(Semaphore::new(limits::LOCKED_ROOMS)),
            queued_bytes: AtomicUsize::new(0),
            mentioned: Arc::default(),
            written: Arc::default(),
        });
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let lanes = (0..lanes.max(1))
            .map(|_| {
                let (sender, inbox) = mpsc::channel(limits::LANE_QUEUE);
                tracker.spawn(lane::Lane::new(Arc::clone(&shared), inbox).run(stop.clone()));
                sender
            })
            .collect();
        Self {
            lanes,
            shared,
            tracker,
            stop,
        }
    }

    /// The rooms whose commits are heard of.
    #[must_use]
    pub fn watched(&self) -> Arc<WatchedRooms> {
        Arc::clone(&self.shared.watched)
    }

    /// Whom posts of this process mentioned.
    #[must_use]
    pub fn mentioned(&self) -> Arc<Mentioned> {
        Arc::clone(&self.shared.mentioned)
    }

    /// Hands a change in. Never waits: at the bound the answer is `busy`.
    pub fn submit(&self, job: Job) {
        let weight = job.weight();
        if self
            .shared
            .queued_bytes
            .fetch_add(weight, Ordering::Relaxed)
            + weight
            > limits::LANE_QUEUE_BYTES
        {
            self.shared
                .queued_bytes
                .fetch_sub(weight, Ordering::Relaxed);
            metrics::counter!("salon_writer_refused_total").increment(1);
            return job
                .refuse(Refusal::from(ErrorCode::Busy).retry_after_ms(limits::RETRY_HINT_MS));
        }
        let mut hasher = DefaultHasher::new();
        job.room.id.hash(&mut hasher);
        let lane = usize::try_from(hasher.finish() % self.lanes.len().max(1) as u64).unwrap_or(0);
        let Some(lane) = self.lanes.get(lane) else {
            return;
        };
        let waiting = Waiting {
            job,
            since: Instant::now(),
        };
        let (waiting, code) = match lane.try_send(waiting) {
            Ok(()) => return,
            Err(mpsc::error::TrySendError::Full(waiting)) => (waiting, ErrorCode::Busy),
            Err(mpsc::error::TrySendError::Closed(waiting)) => (waiting, ErrorCode::ShuttingDown),
        };
        self.shared
            .queued_bytes
            .fetch_sub(weight, Ordering::Relaxed);
        metrics::counter!("salon_writer_refused_total").increment(1);
        let refusal = Refusal::from(code).retry_after_ms(limits::RETRY_HINT_MS);
        waiting.job.refuse(refusal);
    }

    /// Hands a change in and waits for its answer; for those who have no socket.
    ///
    /// # Errors
    /// As the store's, or `busy`, `outcome_unknown`, `shutting_down`.
    pub async fn write(&self, room: RoomRef, change: Change) -> Result<Outcome, Refusal> {
        let (tell, told) = tokio::sync::oneshot::channel();
        let answer: Answer = Box::new(move |result| {
            // Whoever asked may be gone; the change stands all the same.
            let _ = tell.send(result);
        });
        self.submit(Job {
            room,
            change,
            order: None,
            origin: Some(Origin::current()),
            answer,
        });
        told.await
            .unwrap_or_else(|_| Err(ErrorCode::ShuttingDown.into()))
    }

    /// The rooms this process wrote to.
    #[must_use]
    pub fn written(&self) -> Arc<WrittenRooms> {
        Arc::clone(&self.shared.written)
    }

    /// Takes nothing more, writes what is queued and ends.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}
