//! The watch over sessions: closes what is open by a session or token that ended, on every instance (P7). Each second, told or
//! not, it reads what the log of revocations holds above what it has read; a nudge over the layer only makes it read sooner. What
//! the log names is looked up: the sessions that live are the truth, and what does not live is closed.
//!
//! Nothing is missed. Entries are numbered in the order of their commits. What registers while something is revoked is looked up
//! once, after it has registered. Who has read less than the log still holds, or more than it ever held, looks up everything.
//! What ends by itself is looked up when its end has come by the database's clock: its use may have moved that on.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::connections::Connections;
use crate::db::accounts::Revocations;
use crate::db::{Store, StoreResult};
use crate::ids::{SessionId, UserId};
use crate::limits;

/// Before it asks again when it was told of something and the database did not answer.
const RETRY: Duration = Duration::from_millis(200);

/// The watch of one process.
pub struct SessionWatch {
    connections: Arc<Connections>,
    store: Arc<dyn Store>,
    /// The number read up to; none before the first read. One look at a time.
    read: Mutex<Option<i64>>,
}

impl SessionWatch {
    /// A watch that has read nothing yet.
    #[must_use]
    pub fn new(connections: Arc<Connections>, store: Arc<dyn Store>) -> Self {
        Self {
            connections,
            store,
            read: Mutex::new(None),
        }
    }

    /// Looks when told to, and every [`limits::SESSION_CHECK_INTERVAL`] whether told or not. Runs until `stop`.
    /// Every [`limits::SESSION_RECHECKS`] looks it asks after every session: an instance of a release before the log writes
    /// nothing into it.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut looks = 0;
        loop {
            let told = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.connections.told_to_check() => true,
                () = tokio::time::sleep(limits::SESSION_CHECK_INTERVAL) => false,
            };
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
            metrics::gauge!("salon_outbox_bytes").set(self.connections.held().0 as f64);
            looks = (looks + 1) % limits::SESSION_RECHECKS;
            if looks == 0 {
                *self.read.lock().await = None;
            }
            if !self.look().await && told {
                // Whoever was signed out is looked for again at once.
                tokio::time::sleep(RETRY).await;
                self.connections.check_sessions();
            }
        }
    }

    /// Reads the log and closes what has ended; false when the database did not answer.
    pub async fn look(&self) -> bool {
        let mut read = self.read.lock().await;
        loop {
            match self.look_from(*read).await {
                Ok((number, more)) => {
                    *read = Some(number);
                    if !more {
                        return true;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "sessions could not be checked");
                    return false;
                }
            }
        }
    }

    /// One read: the number it went up to, and whether there is more.
    async fn look_from(&self, read: Option<i64>) -> StoreResult<(i64, bool)> {
        let told = self
            .store
            .revocations_after(read.unwrap_or(i64::MAX))
            .await?;
        // After the log: what comes now is looked up the next time, or was revoked above what was read.
        let new = self.connections.take_new();
        let mut wanted = self.named(&told, read);
        wanted.extend(&new);
        wanted.extend(self.connections.due(told.now));
        if let Err(error) = self.look_up(wanted).await {
            self.connections.put_back(new);
            return Err(error);
        }
        let last = told.entries.last().map(|entry| entry.number);
        match last {
            Some(last) if last < told.head => Ok((last, true)),
            _ => Ok((told.head, false)),
        }
    }

    /// The sessions of this process that the log names.
    fn named(&self, told: &Revocations, read: Option<i64>) -> BTreeSet<SessionId> {
        let is_known = read.is_some_and(|read| (told.forgotten..=told.head).contains(&read));
        if !is_known {
            return self.connections.sessions();
        }
        let mut sessions = BTreeSet::new();
        let mut users: BTreeSet<UserId> = BTreeSet::new();
        for entry in &told.entries {
            tracing::debug!(number = entry.number, kind = entry.kind.as_str(), user = %entry.user, "a revocation was read");
            users.extend(&entry.bots);
            match entry.session {
                Some(session) => drop(sessions.insert(session)),
                None => drop(users.insert(entry.user)),
            }
        }
        sessions.extend(self.connections.sessions_of(&users));
        sessions
    }

    /// Asks which of these live, and closes what is open by the others.
    async fn look_up(&self, wanted: BTreeSet<SessionId>) -> StoreResult<()> {
        let wanted: Vec<SessionId> = wanted.into_iter().collect();
        for part in wanted.chunks(limits::HEADS_PER_STATEMENT) {
            let living = self.store.live_sessions(part).await?;
            let living: HashMap<_, _> = (living.into_iter())
                .map(|live| (live.id, live.expires_at))
                .collect();
            let asked: BTreeSet<SessionId> = part.iter().copied().collect();
            self.connections.settle(&asked, &living);
        }
        Ok(())
    }
}
