//! Keeps an instance that was frozen from telling old news. A process that stood still for more than
//! `limits::FROZEN` does not know who was removed or signed out meanwhile: nothing is delivered until sessions and
//! heads were read again. Feeds ask before they deliver; the head check beats and reopens.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::limits;

/// Open while the last beat is recent, and before the first: where nobody beats, nobody is watched.
#[derive(Debug)]
pub struct Gate {
    last_beat: Mutex<Option<Instant>>,
    /// Wakes those who wait, in the order in which they came: a simulation must go the same way twice.
    opened: Notify,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            last_beat: Mutex::new(None),
            opened: Notify::new(),
        }
    }
}

impl Gate {
    /// Whether the last beat is recent: no clock but this process's own is asked, so it closes by itself.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.lock()
            .is_none_or(|beat| Instant::now().duration_since(beat) < limits::FROZEN)
    }

    /// The process is alive and what it knows is current. Called at least twice within [`limits::FROZEN`], and, once
    /// the gate has closed, only after sessions and heads were read.
    pub fn beat(&self) {
        let was_open = self.is_open();
        *self.lock() = Some(Instant::now());
        if !was_open {
            self.opened.notify_waiters();
        }
    }

    /// Beats, unless the last beat is too long ago: then false, and nothing is changed.
    #[must_use]
    pub fn beat_in_time(&self) -> bool {
        // Under one lock: a process that stands still between looking and beating must not open by itself.
        let mut last_beat = self.lock();
        let now = Instant::now();
        let is_open = last_beat.is_none_or(|beat| now.duration_since(beat) < limits::FROZEN);
        if is_open {
            *last_beat = Some(now);
        }
        is_open
    }

    /// Returns when the gate is open.
    pub async fn passed(&self) {
        loop {
            let opened = self.opened.notified();
            tokio::pin!(opened);
            opened.as_mut().enable();
            if self.is_open() {
                return;
            }
            opened.await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.last_beat
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Beats until `stop`. A beat that comes too late means that the process stood still: then `recheck` (true when sessions
/// and heads were read) comes first.
pub async fn keep<F>(gate: Arc<Gate>, recheck: impl Fn() -> F, stop: CancellationToken)
where
    F: Future<Output = bool>,
{
    // A process may stand still as soon as it has started.
    gate.beat();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(limits::BEAT) => {}
        }
        if gate.beat_in_time() {
            continue;
        }
        tracing::warn!(
            "this process stood still; it delivers nothing until it has read sessions and heads"
        );
        metrics::counter!("salon_frozen_total").increment(1);
        loop {
            let began = Instant::now();
            // It may stand still again while it reads: then what it has read is old.
            if recheck().await && began.elapsed() < limits::FROZEN {
                break;
            }
            tokio::time::sleep(limits::BEAT).await;
        }
        gate.beat();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn it_closes_by_itself_and_opens_with_a_beat() {
        let gate = Arc::new(Gate::default());
        assert!(gate.is_open());
        assert!(gate.beat_in_time());
        gate.passed().await;
        tokio::time::advance(limits::FROZEN).await;
        assert!(!gate.is_open() && !gate.beat_in_time());
        let waiting = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.passed().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        gate.beat();
        tokio::time::timeout(Duration::from_millis(1), waiting)
            .await
            .unwrap()
            .unwrap();
    }
}
