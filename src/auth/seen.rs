//! Which sessions are in use. A use is noted in memory and written now and then, many in one statement: each use of a session
//! that is about to run out for want of it moves its end on, and no request waits for that. Told by [`super::Auth`] of requests
//! and by the consumers of frames; written by a task of the server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::db::Store;
use crate::ids::SessionId;
use crate::limits;

/// The uses of sessions on this instance.
pub struct Seen {
    store: Arc<dyn Store>,
    idle_s: i64,
    /// A session is written at most once in so long.
    quiet: Duration,
    /// Bounded by [`limits::SEEN_SESSIONS`].
    sessions: Mutex<HashMap<SessionId, Use>>,
}

/// What is known of a session's use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Use {
    /// Not written yet.
    Pending,
    /// Written, or looked at, then.
    Noted(Instant),
}

impl Seen {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, idle_s: i64) -> Self {
        let idle = Duration::from_secs(idle_s.unsigned_abs());
        Self {
            store,
            idle_s,
            quiet: limits::SEEN_NOTE.min(idle / 4),
            sessions: Mutex::default(),
        }
    }

    /// How often a use of one session is worth telling.
    #[must_use]
    pub const fn quiet(&self) -> Duration {
        self.quiet
    }

    /// A session is in use.
    pub fn note(&self, session: SessionId) {
        let mut sessions = self.lock();
        match sessions.get(&session) {
            Some(Use::Pending) => return,
            Some(Use::Noted(at)) if at.elapsed() < self.quiet => return,
            Some(Use::Noted(_)) => {}
            // Its next use is as good.
            None if sessions.len() >= limits::SEEN_SESSIONS => return,
            None => {}
        }
        sessions.insert(session, Use::Pending);
    }

    /// Writes what is in use, until `stop` and once more then.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let interval = limits::SEEN_FLUSH.min(self.quiet / 2);
        let interval = interval.max(Duration::from_millis(100));
        loop {
            let stopping = tokio::select! {
                () = stop.cancelled() => true,
                () = tokio::time::sleep(interval) => false,
            };
            self.flush().await;
            if stopping {
                return;
            }
        }
    }

    /// Writes what was not written yet. What cannot be written now is tried again by the next.
    pub async fn flush(&self) {
        let pending: Vec<SessionId> = {
            let mut sessions = self.lock();
            let quiet = self.quiet;
            sessions.retain(|_, used| match used {
                Use::Pending => true,
                Use::Noted(at) => at.elapsed() < quiet,
            });
            let pending = sessions.iter().filter(|(_, used)| **used == Use::Pending);
            pending.map(|(session, _)| *session).collect()
        };
        let quiet_ms = i64::try_from(self.quiet.as_millis()).unwrap_or(i64::MAX);
        for part in pending.chunks(limits::HEADS_PER_STATEMENT) {
            if let Err(error) = self.store.note_seen(part, self.idle_s, quiet_ms).await {
                tracing::warn!(%error, "the use of sessions could not be noted");
                return;
            }
            let mut sessions = self.lock();
            for session in part {
                sessions.insert(*session, Use::Noted(Instant::now()));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Use>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
