//! One lane of the writer: an actor with one transaction in flight. Started by `Writer`.
//!
//! A batch never waits for a locked room, not even for its only one: that room goes on alone, on a small budget of its own, and
//! its later changes queue behind it. A batch the database cannot store is halved until the culprit stands alone.
//! A batch whose COMMIT's answer was lost is run again until its outcome is known (P5). Nothing waits for its turn for
//! longer than `limits::WRITER_WAIT`, whatever the database does: then it is refused, to come again.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::task::{Id as TaskId, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::order::note_outcome;
use super::outcome::{WhenLocked, settle};
use super::publish::publication_of;
use super::{Job, Shared, Waiting};
use crate::channel_layer::GroupName;
use crate::db::StoreError;
use crate::db::changes::{Applied, Batch, Change, RoomApplied, RoomChanges};
use crate::db::rows::{MessageState, StoredChange};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{BatchId, RoomId, RoomRef};
use crate::limits;
use crate::origin::Origin;

/// One room's part of a batch.
struct RoomJobs {
    room: RoomRef,
    jobs: Vec<Job>,
    /// When the first of them has waited for its turn for as long as it may.
    due: Instant,
    /// The batch that may have committed these jobs already: its rerun found the room locked.
    rerun_of: Option<Rerun>,
}

/// A batch of which nobody knows whether it was committed.
#[derive(Clone, Copy)]
struct Rerun {
    id: BatchId,
    /// Then it is told to be unknown: counted from its first begin, however often it runs.
    give_up_at: Instant,
}

/// The actor.
pub(crate) struct Lane {
    shared: Arc<Shared>,
    inbox: mpsc::Receiver<Waiting>,
    /// Jobs put off to the next batch: sends behind one that may be refused for its rate, and the first that was found
    /// in time when the inbox was looked through.
    deferred: VecDeque<Waiting>,
    /// Rooms whose head is locked by another transaction, with what queued behind; in an order that repeats itself.
    stuck: BTreeMap<RoomId, VecDeque<Waiting>>,
    /// Their transactions.
    alone: JoinSet<()>,
    /// Which room each of those is about, also when it fails.
    alone_rooms: HashMap<TaskId, RoomRef>,
}

impl Lane {
    pub(crate) fn new(shared: Arc<Shared>, inbox: mpsc::Receiver<Waiting>) -> Self {
        Self {
            shared,
            inbox,
            deferred: VecDeque::new(),
            stuck: BTreeMap::new(),
            alone: JoinSet::new(),
            alone_rooms: HashMap::new(),
        }
    }

    /// Runs until the writer closes, then writes what is left.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            let first = if let Some(waiting) = self.deferred.pop_front() {
                Some(waiting)
            } else {
                let due = self.stuck_due();
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
                    () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                        self.refuse_late();
                        continue;
                    }
                    waiting = self.inbox.recv() => waiting.inspect(|waiting| self.taken(waiting)),
                }
            };
            let Some(first) = first else { break };
            let rooms = self.collect(first);
            let shared = Arc::clone(&self.shared);
            let mut writing = write(&shared, rooms, WhenLocked::Skip);
            let locked = loop {
                let look_at = self.refuse_late();
                tokio::select! {
                    biased;
                    locked = &mut writing => break locked,
                    () = tokio::time::sleep_until(look_at) => {}
                }
            };
            for locked in locked {
                self.stick(locked);
            }
        }
        while let Some(ended) = self.alone.join_next_with_id().await {
            self.unstuck(ended);
        }
    }

    fn taken(&self, waiting: &Waiting) {
        self.shared
            .queued_bytes
            .fetch_sub(waiting.job.weight(), Ordering::Relaxed);
    }

    /// Refuses what has waited for too long, also while a transaction hangs. When to look again.
    fn refuse_late(&mut self) -> Instant {
        self.deferred = std::mem::take(&mut self.deferred)
            .into_iter()
            .filter_map(Waiting::in_time)
            .collect();
        // What comes later waits for longer: the first that is in time says so for all behind it.
        while self.deferred.is_empty()
            && let Ok(waiting) = self.inbox.try_recv()
        {
            self.taken(&waiting);
            self.deferred.extend(waiting.in_time());
        }
        for queue in self.stuck.values_mut() {
            *queue = std::mem::take(queue)
                .into_iter()
                .filter_map(Waiting::in_time)
                .collect();
        }
        let deferred = self.deferred.iter().map(Waiting::due).min();
        let due = deferred.into_iter().chain(self.stuck_due()).min();
        due.unwrap_or_else(|| Instant::now() + limits::WRITER_WAIT)
    }

    /// When the first that waits behind a locked room has waited for too long.
    fn stuck_due(&self) -> Option<Instant> {
        let queues = self.stuck.values();
        queues
            .filter_map(|queue| queue.front().map(Waiting::due))
            .min()
    }

    /// Takes what has queued, up to the bounds of one transaction.
    fn collect(&mut self, first: Waiting) -> Vec<RoomJobs> {
        let mut batch = Collected::default();
        let mut waiting = std::mem::take(&mut self.deferred);
        let mut next = Some(first);
        while let Some(job) = next {
            let held = batch.is_held(&job.job);
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
    fn admitted(&mut self, waiting: Waiting) -> Option<Waiting> {
        if let (Some(order), Change::Post(post)) = (&waiting.job.order, &waiting.job.change)
            && !order.admits(post.client_id)
        {
            waiting.job.refuse(ErrorCode::Behind.into());
            return None;
        }
        let waiting = waiting.in_time()?;
        let Some(queue) = self.stuck.get_mut(&waiting.job.room.id) else {
            return Some(waiting);
        };
        if queue.len() >= limits::BATCH_CHANGES {
            let refusal = Refusal::from(ErrorCode::Busy).retry_after_ms(limits::RETRY_HINT_MS);
            waiting.job.refuse(refusal);
        } else {
            queue.push_back(waiting);
        }
        None
    }

    /// A room whose head is locked goes on in a transaction of its own.
    fn stick(&mut self, locked: RoomJobs) {
        metrics::counter!("salon_writer_locked_rooms_total").increment(1);
        self.stuck.entry(locked.room.id).or_default();
        let (shared, room) = (Arc::clone(&self.shared), locked.room.clone());
        let task = self.alone.spawn(async move {
            let give_up_at = locked.rerun_of.map_or(locked.due, |rerun| rerun.give_up_at);
            let until = locked.due.min(give_up_at);
            let permit = tokio::time::timeout_at(until, shared.locked_rooms.acquire()).await;
            let Ok(_permit) = permit else {
                return refuse_all(locked.jobs, &not_its_turn(locked.rerun_of));
            };
            // Alone, a store waits for the lock and never answers `Locked`.
            let refused = write(&shared, vec![locked], WhenLocked::Wait).await;
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
        let queue: Vec<Waiting> = queue.into_iter().filter_map(Waiting::in_time).collect();
        let due = queue.first().map(Waiting::due);
        let jobs = still_admitted(queue.into_iter().map(|waiting| waiting.job).collect());
        if let Some(due) = due
            && !jobs.is_empty()
        {
            self.stick(RoomJobs {
                room,
                jobs,
                due,
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

    fn push(&mut self, waiting: Waiting) {
        let due = waiting.due();
        let job = waiting.job;
        self.changes += 1;
        self.bytes += job.weight();
        if let (Change::Post(post), Some(order)) = (&job.change, &job.order)
            && post.may_be_over_rate()
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
                due,
                rerun_of: None,
            }),
        }
    }
}

/// Writes a batch, answers its jobs and publishes. Returns the rooms whose head was locked.
fn write(
    shared: &Shared,
    rooms: Vec<RoomJobs>,
    when_locked: WhenLocked,
) -> BoxFuture<'_, Vec<RoomJobs>> {
    Box::pin(async move {
        if rooms.is_empty() {
            return Vec::new();
        }
        let began = Instant::now();
        let batch = batch_of(&rooms);
        let this = Rerun {
            id: batch.id,
            give_up_at: rerun_in(&rooms)
                .map_or(began + limits::OUTCOME_TIMEOUT, |rerun| rerun.give_up_at),
        };
        let (result, rerun) = settle(shared, batch, when_locked, this.give_up_at).await;
        let rerun_of = rerun.then_some(this);
        metrics::histogram!("salon_writer_commit_seconds").record(began.elapsed().as_secs_f64());
        match result {
            Ok(applied) => finish(shared, rooms, applied, rerun_of),
            Err(StoreError::Broken(cause)) => bisect(shared, rooms, cause, when_locked).await,
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

/// Only a room that is written alone can be a rerun.
fn rerun_in(rooms: &[RoomJobs]) -> Option<Rerun> {
    rooms.iter().find_map(|room| room.rerun_of)
}

fn origins_of(room: &RoomJobs) -> Vec<(usize, Origin)> {
    let jobs = room.jobs.iter().enumerate();
    jobs.filter_map(|(place, job)| Some((place, job.origin?)))
        .collect()
}

fn batch_of(rooms: &[RoomJobs]) -> Batch {
    let changes_of = |room: &RoomJobs| room.jobs.iter().map(|job| job.change.clone()).collect();
    let rerun_of = rerun_in(rooms).map(|rerun| rerun.id);
    let rooms = rooms
        .iter()
        .map(|room| RoomChanges {
            room: room.room.id,
            changes: changes_of(room),
            origins: origins_of(room),
        })
        .collect();
    Batch {
        id: rerun_of.unwrap_or_default(),
        rerun: rerun_of.is_some(),
        rooms,
    }
}

/// Halves a batch that cannot be stored; what stands alone is the culprit and alone gets the error.
async fn bisect(
    shared: &Shared,
    mut rooms: Vec<RoomJobs>,
    cause: String,
    when_locked: WhenLocked,
) -> Vec<RoomJobs> {
    let other_half = if rooms.len() > 1 {
        rooms.split_off(rooms.len() / 2)
    } else {
        match rooms.first_mut() {
            Some(room) if room.jobs.len() > 1 => {
                let jobs = room.jobs.split_off(room.jobs.len() / 2);
                vec![RoomJobs {
                    room: room.room.clone(),
                    jobs,
                    due: room.due,
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
    let mut locked = write(shared, rooms, when_locked).await;
    if locked.is_empty() {
        let halves = other_half.into_iter().map(|half| RoomJobs {
            jobs: still_admitted(half.jobs),
            ..half
        });
        let halves = halves.filter(|half| !half.jobs.is_empty()).collect();
        locked.extend(write(shared, halves, when_locked).await);
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

/// What is said when a locked room did not come to its turn in time; of a batch that may have committed, the truth.
fn not_its_turn(rerun_of: Option<Rerun>) -> Refusal {
    match rerun_of {
        Some(_) => ErrorCode::OutcomeUnknown.into(),
        None => Refusal::from(ErrorCode::Unavailable).retry_after_ms(limits::RETRY_HINT_MS),
    }
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
    rerun_of: Option<Rerun>,
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
        let publication = publication_of(&room.room, &room.jobs, &done, rerun_of.is_some());
        if done.changes.iter().any(is_queued_reply) {
            shared.prompts.notify_one();
        }
        shared.mentioned.note(room.room.id, &done);
        let mut outcomes = done.outcomes.into_iter();
        for job in room.jobs {
            let outcome = outcomes
                .next()
                .unwrap_or_else(|| Err(ErrorCode::Internal.into()));
            note_outcome(job.order.as_ref(), &job.change, &outcome);
            (job.answer)(outcome);
        }
        if let Some(publication) = publication {
            shared.written.note(room.room.id);
            shared
                .layer
                .group_send(&GroupName::room(room.room.id), publication.to_bytes());
            shared.watched.changed(room.room.id);
        }
    }
    locked
}

fn is_queued_reply(change: &StoredChange) -> bool {
    matches!(change, StoredChange::Message(row) if row.state == MessageState::Queued)
}
