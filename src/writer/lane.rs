//! One lane of the writer: an actor with one transaction in flight. Started by `Writer`.
//!
//! A batch of several rooms never waits for a locked one: that room goes on alone, on a small budget of its own, and
//! its later changes queue behind it. A batch the database cannot store is halved until the culprit stands alone.
//! A batch whose COMMIT's answer was lost is run again until its outcome is known (P5).

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::task::{Id as TaskId, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::order::note_refusal;
use super::{Job, Shared};
use crate::channel_layer::GroupName;
use crate::db::StoreError;
use crate::db::changes::{Applied, Batch, Change, RoomApplied, RoomChanges, RoomDone};
use crate::db::rows::{MessageState, StoredChange};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{BatchId, RoomId, RoomRef};
use crate::limits;
use crate::protocol::publication::{ChangeRange, Publication};

/// Between two tries at a batch whose outcome is unknown.
const RERUN_PAUSE: Duration = Duration::from_millis(100);

/// One room's part of a batch.
struct RoomJobs {
    room: RoomRef,
    jobs: Vec<Job>,
    /// The batch that may have committed these jobs already: its rerun found the room locked.
    rerun_of: Option<BatchId>,
}

/// The actor.
pub(crate) struct Lane {
    shared: Arc<Shared>,
    inbox: mpsc::Receiver<Job>,
    /// Jobs put off to the next batch: sends behind one that may be refused for its rate.
    deferred: VecDeque<Job>,
    /// Rooms whose head is locked by another transaction, with what queued behind.
    stuck: HashMap<RoomId, VecDeque<Job>>,
    /// Their transactions.
    alone: JoinSet<()>,
    /// Which room each of those is about, also when it fails.
    alone_rooms: HashMap<TaskId, RoomRef>,
}

impl Lane {
    pub(crate) fn new(shared: Arc<Shared>, inbox: mpsc::Receiver<Job>) -> Self {
        Self {
            shared,
            inbox,
            deferred: VecDeque::new(),
            stuck: HashMap::new(),
            alone: JoinSet::new(),
            alone_rooms: HashMap::new(),
        }
    }

    /// Runs until the writer closes, then writes what is left.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            let first = if let Some(job) = self.deferred.pop_front() {
                Some(job)
            } else {
                // Jobs last: they may come without end, the others cannot.
                tokio::select! {
                    biased;
                    Some(ended) = self.alone.join_next_with_id() => {
                        self.unstuck(ended);
                        continue;
                    }
                    () = stop.cancelled(), if !self.inbox.is_closed() => {
                        self.inbox.close();
                        continue;
                    }
                    job = self.inbox.recv() => job.inspect(|job| self.taken(job)),
                }
            };
            let Some(first) = first else { break };
            let rooms = self.collect(first);
            for locked in write(&self.shared, rooms).await {
                self.stick(locked);
            }
        }
        while let Some(ended) = self.alone.join_next_with_id().await {
            self.unstuck(ended);
        }
    }

    fn taken(&self, job: &Job) {
        self.shared
            .queued_bytes
            .fetch_sub(job.weight(), Ordering::Relaxed);
    }

    /// Takes what has queued, up to the bounds of one transaction.
    fn collect(&mut self, first: Job) -> Vec<RoomJobs> {
        let mut batch = Collected::default();
        let mut waiting = std::mem::take(&mut self.deferred);
        let mut next = Some(first);
        while let Some(job) = next {
            let held = batch.is_held(&job);
            if held {
                self.deferred.push_back(job);
            } else if let Some(job) = self.admitted(job) {
                batch.push(job);
            }
            if batch.is_full() {
                break;
            }
            next = waiting
                .pop_front()
                .or_else(|| self.inbox.try_recv().ok().inspect(|job| self.taken(job)));
        }
        self.deferred.extend(waiting);
        metrics::histogram!("salon_writer_batch_changes").record(batch.changes as f64);
        batch.rooms
    }

    /// Answers what must not go on now, and queues what waits for a locked room.
    fn admitted(&mut self, job: Job) -> Option<Job> {
        if let (Some(order), Change::Post(post)) = (&job.order, &job.change)
            && !order.admits(post.client_id)
        {
            job.refuse(ErrorCode::Behind.into());
            return None;
        }
        let Some(queue) = self.stuck.get_mut(&job.room.id) else {
            return Some(job);
        };
        if queue.len() >= limits::BATCH_CHANGES {
            job.refuse(Refusal::from(ErrorCode::Busy).retry_after_ms(limits::RETRY_HINT_MS));
        } else {
            queue.push_back(job);
        }
        None
    }

    /// A room whose head is locked goes on in a transaction of its own.
    fn stick(&mut self, locked: RoomJobs) {
        metrics::counter!("salon_writer_locked_rooms_total").increment(1);
        self.stuck.entry(locked.room.id).or_default();
        let (shared, room) = (Arc::clone(&self.shared), locked.room.clone());
        let task = self.alone.spawn(async move {
            // The semaphore is never closed; without a permit the room would only wait less politely.
            let _permit = shared.locked_rooms.acquire().await;
            // Alone, a store waits for the lock and never answers `Locked`.
            let refused = write(&shared, vec![locked]).await;
            for jobs in refused {
                refuse_all(
                    jobs.jobs,
                    &Refusal::from(ErrorCode::Unavailable).retry_after_ms(limits::RETRY_HINT_MS),
                );
            }
        });
        self.alone_rooms.insert(task.id(), room);
    }

    /// A room's own transaction ended: what queued behind it follows, alone too, until nothing is left.
    fn unstuck(&mut self, ended: Result<(TaskId, ()), JoinError>) {
        let task = match ended {
            Ok((task, ())) => task,
            Err(error) => {
                // Its jobs went with it, unanswered; their room goes on.
                tracing::error!(%error, "a writer task failed");
                error.id()
            }
        };
        let Some(room) = self.alone_rooms.remove(&task) else {
            return;
        };
        let queue = self.stuck.remove(&room.id).unwrap_or_default();
        let jobs = still_admitted(queue.into());
        if !jobs.is_empty() {
            self.stick(RoomJobs {
                room,
                jobs,
                rerun_of: None,
            });
        }
    }
}

/// A batch while it is put together.
#[derive(Default)]
struct Collected {
    rooms: Vec<RoomJobs>,
    index: HashMap<RoomId, usize>,
    /// Orders of sends that may be refused for their rate: nothing of theirs may follow in this batch.
    held: Vec<Arc<super::SendOrder>>,
    changes: usize,
    bytes: usize,
}

impl Collected {
    fn is_full(&self) -> bool {
        self.changes >= limits::BATCH_CHANGES || self.bytes >= limits::BATCH_BYTES
    }

    fn is_held(&self, job: &Job) -> bool {
        job.order
            .as_ref()
            .is_some_and(|place| self.held.iter().any(|held| Arc::ptr_eq(held, &place.order)))
    }

    fn push(&mut self, job: Job) {
        self.changes += 1;
        self.bytes += job.weight();
        if let (Change::Post(post), Some(order)) = (&job.change, &job.order)
            && post.over_rate
        {
            self.held.push(Arc::clone(&order.order));
        }
        let next = self.rooms.len();
        let place = *self.index.entry(job.room.id).or_insert(next);
        match self.rooms.get_mut(place) {
            Some(room) => room.jobs.push(job),
            None => self.rooms.push(RoomJobs {
                room: job.room.clone(),
                jobs: vec![job],
                rerun_of: None,
            }),
        }
    }
}

/// Writes a batch, answers its jobs and publishes. Returns the rooms whose head was locked.
fn write(shared: &Shared, rooms: Vec<RoomJobs>) -> BoxFuture<'_, Vec<RoomJobs>> {
    Box::pin(async move {
        if rooms.is_empty() {
            return Vec::new();
        }
        let began = Instant::now();
        let batch = batch_of(&rooms);
        let id = batch.id;
        let (result, rerun) = settle(shared, batch).await;
        let rerun_of = rerun.then_some(id);
        metrics::histogram!("salon_writer_commit_seconds").record(began.elapsed().as_secs_f64());
        match result {
            Ok(applied) => finish(shared, rooms, applied, rerun_of),
            Err(StoreError::Broken(cause)) => bisect(shared, rooms, cause).await,
            Err(error) => {
                let refusal = error.into_refusal();
                for room in rooms {
                    refuse_all(room.jobs, &refusal);
                }
                Vec::new()
            }
        }
    })
}

fn batch_of(rooms: &[RoomJobs]) -> Batch {
    let changes_of = |room: &RoomJobs| room.jobs.iter().map(|job| job.change.clone()).collect();
    // Only a room that is written alone can be a rerun.
    let rerun_of = rooms.iter().find_map(|room| room.rerun_of);
    let rooms = rooms
        .iter()
        .map(|room| RoomChanges {
            room: room.room.id,
            changes: changes_of(room),
        })
        .collect();
    Batch {
        id: rerun_of.unwrap_or_default(),
        rerun: rerun_of.is_some(),
        rooms,
    }
}

/// Runs a batch until its outcome is known, at most [`limits::OUTCOME_TIMEOUT`] once a COMMIT's answer was lost.
async fn settle(shared: &Shared, mut batch: Batch) -> (Result<Applied, StoreError>, bool) {
    let mut unknown: Option<Instant> = batch.rerun.then(Instant::now);
    loop {
        let error = match (shared.store.apply(batch.clone()).await, &unknown) {
            (Err(StoreError::CommitUnknown(cause)), None) => {
                metrics::counter!("salon_writer_lost_commits_total").increment(1);
                unknown = Some(Instant::now());
                cause
            }
            // Once a COMMIT may have happened, no refusal means any more that nothing was written.
            (Err(StoreError::Broken(cause)), Some(_)) => {
                return (Err(StoreError::CommitUnknown(cause)), true);
            }
            (Err(StoreError::CommitUnknown(cause) | StoreError::Unavailable(cause)), Some(_)) => {
                cause
            }
            (result, _) => return (result, unknown.is_some()),
        };
        if let Some(since) = unknown
            && since.elapsed() >= limits::OUTCOME_TIMEOUT
        {
            return (Err(StoreError::CommitUnknown(error)), true);
        }
        batch.rerun = true;
        tokio::time::sleep(RERUN_PAUSE).await;
    }
}

/// Halves a batch that cannot be stored; what stands alone is the culprit and alone gets the error.
async fn bisect(shared: &Shared, mut rooms: Vec<RoomJobs>, cause: String) -> Vec<RoomJobs> {
    let other_half = if rooms.len() > 1 {
        rooms.split_off(rooms.len() / 2)
    } else {
        match rooms.first_mut() {
            Some(room) if room.jobs.len() > 1 => {
                let jobs = room.jobs.split_off(room.jobs.len() / 2);
                vec![RoomJobs {
                    room: room.room.clone(),
                    jobs,
                    rerun_of: None,
                }]
            }
            _ => {
                let refusal = StoreError::Broken(cause).into_refusal();
                rooms
                    .into_iter()
                    .for_each(|room| refuse_all(room.jobs, &refusal));
                return Vec::new();
            }
        }
    };
    let mut locked = write(shared, rooms).await;
    if locked.is_empty() {
        let halves = other_half.into_iter().map(|half| RoomJobs {
            jobs: still_admitted(half.jobs),
            ..half
        });
        let halves = halves.filter(|half| !half.jobs.is_empty()).collect();
        locked.extend(write(shared, halves).await);
    } else {
        // One room's order: what was locked keeps what comes behind it.
        for half in other_half {
            match locked.iter_mut().find(|room| room.room.id == half.room.id) {
                Some(room) => room.jobs.extend(half.jobs),
                None => locked.push(half),
            }
        }
    }
    locked
}

/// Of jobs that waited while others of their room were written: those that may still go on (P10).
fn still_admitted(jobs: Vec<Job>) -> Vec<Job> {
    let (admitted, behind): (Vec<Job>, Vec<Job>) =
        jobs.into_iter()
            .partition(|job| match (&job.order, &job.change) {
                (Some(order), Change::Post(post)) => order.admits(post.client_id),
                _ => true,
            });
    refuse_all(behind, &ErrorCode::Behind.into());
    admitted
}

fn refuse_all(jobs: Vec<Job>, refusal: &Refusal) {
    for job in jobs {
        job.refuse(refusal.clone());
    }
}

/// Answers each job and publishes each room's range.
fn finish(
    shared: &Shared,
    rooms: Vec<RoomJobs>,
    applied: Applied,
    rerun_of: Option<BatchId>,
) -> Vec<RoomJobs> {
    let mut locked = Vec::new();
    for (room, result) in rooms.into_iter().zip(applied.rooms) {
        let done = match result {
            RoomApplied::Done(done) => done,
            RoomApplied::Locked => {
                locked.push(RoomJobs { rerun_of, ..room });
                continue;
            }
        };
        let publication = publication_of(&room.room, &done, rerun_of.is_some());
        if done.changes.iter().any(is_queued_reply) {
            shared.prompts.notify_one();
        }
        let mut outcomes = done.outcomes.into_iter();
        for job in room.jobs {
            let outcome = outcomes
                .next()
                .unwrap_or_else(|| Err(ErrorCode::Internal.into()));
            if let Err(refusal) = &outcome {
                note_refusal(job.order.as_ref(), &job.change, refusal);
            }
            (job.answer)(outcome);
        }
        if let Some(publication) = publication {
            shared
                .layer
                .group_send(&GroupName::room(room.room.id), publication.to_bytes());
        }
    }
    locked
}

/// What the room's feeds are told; nothing when nothing changed.
fn publication_of(room: &RoomRef, done: &RoomDone, rerun: bool) -> Option<Publication> {
    if rerun {
        // The first run may have committed changes that this one did not see: feeds read.
        return Some(Publication::Look);
    }
    if done.head.version == done.from {
        return None;
    }
    metrics::counter!("salon_changes_total").increment(done.changes.len() as u64);
    let range = ChangeRange::encode(
        &room.slug,
        done.head.epoch,
        done.from,
        done.head.version,
        &done.changes,
    );
    // Escapes may grow a text sixfold; what the layer would not take is read from the database instead.
    let fits = range.frames.len() + range.entries.len() * 40 < limits::LAYER_MESSAGE_BYTES;
    Some(if fits {
        Publication::Range(range)
    } else {
        Publication::Look
    })
}

fn is_queued_reply(change: &StoredChange) -> bool {
    matches!(change, StoredChange::Message(row) if row.state == MessageState::Queued)
}
