//! A runner's hold on one reply: what it has published but not saved, how long it may go on by its own clock, and
//! what it has been told. Shared between the task that writes the reply and the saver.

use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::db::changes::ChunkAppend;
use crate::db::rows::{ClaimedReply, LeaseState, ReplyChunk};
use crate::limits;

/// Why a reply must not go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Somebody asked to stop: settle what there is.
    Stop,
    /// Another attempt or a settle took it: write nothing more.
    Lost,
    /// The process is stopping: settle or give back.
    Drain,
    /// Its provider has no place for it: give it back.
    NoPlace,
}

/// One reply's lease.
#[derive(Debug)]
pub(super) struct Lease {
    /// What was claimed.
    pub(super) claimed: ClaimedReply,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    unsaved: Option<ReplyChunk>,
    good_until: Instant,
    verdict: Option<Verdict>,
    /// Whether its first text is being shown, or was.
    shown: bool,
    /// Whether it has a place at its provider, or had.
    placed: bool,
    /// Whether it waits for what others may spend, and so for no place.
    waits_for_money: bool,
}

impl Lease {
    /// A lease as claimed by a statement that began at `claimed_at`.
    pub(super) fn new(claimed: ClaimedReply, claimed_at: Instant) -> Self {
        let good_until = claimed_at + limits::LEASE_OWN;
        Self {
            claimed,
            state: Mutex::new(State {
                unsaved: None,
                good_until,
                verdict: None,
                shown: false,
                placed: false,
                waits_for_money: false,
            }),
            changed: Notify::new(),
        }
    }

    /// Notes a published chunk, to be saved.
    pub(super) fn published(&self, chunk: ReplyChunk) {
        let mut state = self.lock();
        match &mut state.unsaved {
            Some(unsaved) => {
                unsaved.count += chunk.count;
                unsaved.text.push_str(&chunk.text);
            }
            None => state.unsaved = Some(chunk),
        }
    }

    /// What the next save holds: the unsaved text, or nothing but the renewal.
    pub(super) fn append(&self) -> ChunkAppend {
        let ClaimedReply {
            room, seq, attempt, ..
        } = self.claimed;
        ChunkAppend {
            room,
            seq,
            attempt,
            chunk: self.lock().unsaved.take(),
        }
    }

    /// The save failed: its text goes back before what came meanwhile.
    pub(super) fn not_saved(&self, append: ChunkAppend) {
        let Some(mut chunk) = append.chunk else {
            return;
        };
        let mut state = self.lock();
        if let Some(newer) = state.unsaved.take() {
            chunk.count += newer.count;
            chunk.text.push_str(&newer.text);
        }
        state.unsaved = Some(chunk);
    }

    /// What a save that began at `began` told.
    pub(super) fn saved(&self, told: LeaseState, began: Instant) {
        let mut state = self.lock();
        if told.held {
            state.good_until = began + limits::LEASE_OWN;
        }
        let verdict = match (told.held, told.stop_requested) {
            (false, _) => Some(Verdict::Lost),
            (true, true) => Some(Verdict::Stop),
            (true, false) => None,
        };
        drop(state);
        if let Some(verdict) = verdict {
            self.decide(verdict);
        }
        self.changed.notify_waiters();
    }

    /// Tells the writing task; the worst that was told holds.
    pub(super) fn decide(&self, verdict: Verdict) {
        let mut state = self.lock();
        if state.verdict.is_none() || verdict == Verdict::Lost {
            state.verdict = Some(verdict);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// The first text is about to be shown: from now on it is settled here.
    ///
    /// # Errors
    /// What was decided before.
    pub(super) fn begin_to_show(&self) -> Result<(), Verdict> {
        let mut state = self.lock();
        if let Some(verdict) = state.verdict {
            return Err(verdict);
        }
        state.shown = true;
        Ok(())
    }

    /// The process is stopping: a reply of which nothing is shown goes back at once, so that another instance writes it
    /// without a wait.
    pub(super) fn give_back_unless_shown(&self) {
        // Under one lock: what begins to be shown meanwhile has its grace.
        let mut state = self.lock();
        if state.shown || state.verdict.is_some() {
            return;
        }
        state.verdict = Some(Verdict::Drain);
        drop(state);
        self.changed.notify_waiters();
    }

    /// It has a place at its provider.
    pub(super) fn placed(&self) {
        self.lock().placed = true;
    }

    /// Whether what may be spent keeps it waiting: somebody else may have the place meanwhile.
    pub(super) fn waits_for_money(&self, waits: bool) {
        self.lock().waits_for_money = waits;
    }

    /// Whether it will soon want a place of those that are free.
    pub(super) fn wants_place(&self) -> bool {
        let state = self.lock();
        !state.placed && !state.waits_for_money
    }

    /// What was decided, if anything.
    pub(super) fn verdict(&self) -> Option<Verdict> {
        self.lock().verdict
    }

    /// Waits until something is decided.
    pub(super) async fn decided(&self) -> Verdict {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(verdict) = self.verdict() {
                return verdict;
            }
            changed.await;
        }
    }

    /// Waits until text may be published by this process's own clock.
    ///
    /// # Errors
    /// [`Verdict::Lost`] when the lease is gone for good.
    pub(super) async fn good(&self) -> Result<(), Verdict> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let state = self.lock();
                if state.verdict == Some(Verdict::Lost) {
                    return Err(Verdict::Lost);
                }
                if Instant::now() < state.good_until {
                    return Ok(());
                }
            }
            changed.await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
