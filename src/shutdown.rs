//! How a process stops, in the words everybody shares: draining (say no to new work), stopping (finish), and
//! waiting for what is alive. Held by the server and given to every actor; nothing here decides when to stop.
//!
//! Who must finish before the process ends holds a [`Guard`]: it is counted under a name, so that a cut shutdown
//! can say who was late.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// One process's way to its end. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    stopping: CancellationToken,
    draining: Arc<AtomicBool>,
    tracker: TaskTracker,
    alive: Arc<Mutex<BTreeMap<&'static str, usize>>>,
}

/// Keeps a stopping process waiting until it is dropped.
#[derive(Debug)]
pub struct Guard {
    name: &'static str,
    alive: Arc<Mutex<BTreeMap<&'static str, usize>>>,
    _token: TaskTrackerToken,
}

impl Shutdown {
    /// A process that runs.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on `/readyz` says no, so that balancers send nobody new; all else goes on.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether new work should go elsewhere.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Tells everybody to finish.
    pub fn stop(&self) {
        self.drain();
        self.stopping.cancel();
        self.tracker.close();
    }

    /// Whether everybody was told to finish.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// Returns once everybody is told to finish; at once when they were.
    pub async fn stopping(&self) {
        self.stopping.cancelled().await;
    }

    /// The signal itself, for code that hands it on.
    #[must_use]
    pub fn signal(&self) -> CancellationToken {
        self.stopping.clone()
    }

    /// Keeps the process alive until dropped; counted under `name`.
    #[must_use]
    pub fn guard(&self, name: &'static str) -> Guard {
        *self.lock().entry(name).or_default() += 1;
        Guard {
            name,
            alive: Arc::clone(&self.alive),
            _token: self.tracker.token(),
        }
    }

    /// Runs a task that the process waits for when it stops.
    pub fn spawn<F>(&self, name: &'static str, task: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let guard = self.guard(name);
        tokio::spawn(async move {
            let output = task.await;
            drop(guard);
            output
        })
    }

    /// Waits until the last guard is dropped, at most for `grace`.
    ///
    /// # Errors
    /// The names that were still alive then, each with its count, such as `socket × 3`.
    pub async fn finished(&self, grace: Duration) -> Result<(), String> {
        self.tracker.close();
        if tokio::time::timeout(grace, self.tracker.wait())
            .await
            .is_ok()
        {
            return Ok(());
        }
        let late = self.lock();
        Err(late
            .iter()
            .map(|(name, count)| format!("{name} × {count}"))
            .collect::<Vec<_>>()
            .join(", "))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, usize>> {
        self.alive.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut alive = self.alive.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = alive.get_mut(self.name) {
            *count -= 1;
            if *count == 0 {
                alive.remove(self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_waits_for_guards_and_names_the_late() {
        let shutdown = Shutdown::new();
        let first = shutdown.guard("socket");
        let _second = shutdown.guard("socket");
        shutdown.stop();
        assert!(shutdown.is_draining() && shutdown.is_stopping());
        drop(first);
        let late = shutdown.finished(Duration::from_secs(1)).await;
        assert_eq!(late, Err("socket × 1".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_sees_the_signal_and_ends_the_wait() {
        let shutdown = Shutdown::new();
        let seen = shutdown.clone();
        shutdown.spawn("actor", async move { seen.stopping().await });
        shutdown.stop();
        assert_eq!(shutdown.finished(Duration::from_secs(1)).await, Ok(()));
    }
}
