//! The sockets and event streams of this process: found by session and user when one is revoked ([`super::watch`]); sockets
//! are told all together when the process stops. Kept by the app; consumers and streams register themselves. It never
//! touches a room.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rand::Rng;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::connection::{Connection, end_ms};
use crate::db::rows::Identity;
use crate::error::{ErrorCode, Refusal};
use crate::ids::{ConnectionId, SessionId, UserId};
use crate::limits;
use crate::protocol::CloseCode;
use crate::protocol::frame::Frame;
use crate::protocol::server::ServerFrame;

/// All of them.
#[derive(Default)]
pub struct Connections {
    sockets: Mutex<Sockets>,
    streams: Mutex<BTreeMap<ConnectionId, Stream>>,
    /// Set, under the lock, when the sockets were told to go: whoever comes later would never hear of it.
    draining: AtomicBool,
    /// Told when a session may have been revoked.
    check: Notify,
    /// Sessions of what registered lately. Bounded as sockets and streams are.
    new: Mutex<BTreeSet<SessionId>>,
}

/// Sockets by what they are looked for. Both maps hold the same, so their bound is [`limits::SOCKETS`].
#[derive(Default)]
struct Sockets {
    by_id: BTreeMap<ConnectionId, Arc<Connection>>,
    /// A user's sockets lie beside each other: what is told to one user costs a look-up and its own sockets, not a walk over
    /// everybody's under the lock.
    by_user: BTreeMap<(UserId, ConnectionId), Arc<Connection>>,
}

impl Sockets {
    fn insert(&mut self, socket: &Arc<Connection>) {
        let (id, user) = (socket.id, socket.identity.user.id);
        self.by_id.insert(id, Arc::clone(socket));
        self.by_user.insert((user, id), Arc::clone(socket));
    }

    fn remove(&mut self, id: ConnectionId) {
        if let Some(socket) = self.by_id.remove(&id) {
            self.by_user.remove(&(socket.identity.user.id, id));
        }
    }

    /// The sockets of a user.
    fn of(&self, user: UserId) -> impl Iterator<Item = &Arc<Connection>> {
        let first = (user, ConnectionId(Uuid::nil()));
        let sockets = self.by_user.range(first..);
        sockets
            .take_while(move |((owner, _), _)| *owner == user)
            .map(|(_, socket)| socket)
    }
}

/// An event stream, or a call that waits for a reply.
struct Stream {
    session: SessionId,
    user: UserId,
    ends_at_ms: i64,
    signed_out: CancellationToken,
}

/// Keeps an event stream registered until it is dropped.
pub struct RegisteredStream {
    connections: Arc<Connections>,
    id: ConnectionId,
    signed_out: CancellationToken,
}

impl RegisteredStream {
    /// Comes true when the stream's session ended.
    #[must_use]
    pub fn signed_out(&self) -> CancellationToken {
        self.signed_out.clone()
    }
}

impl Drop for RegisteredStream {
    fn drop(&mut self) {
        self.connections.lock_streams().remove(&self.id);
        metrics::gauge!("salon_event_streams").decrement(1.0);
    }
}

/// Keeps a socket registered until it is dropped.
pub struct Registered {
    connections: Arc<Connections>,
    id: ConnectionId,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.connections.lock().remove(self.id);
        metrics::gauge!("salon_sockets").decrement(1.0);
    }
}

impl Connections {
    /// Registers a socket.
    ///
    /// # Errors
    /// `busy` when there are [`limits::SOCKETS`], `shutting_down` for one whose upgrade was under way when the process
    /// began to stop.
    pub fn register(self: &Arc<Self>, connection: &Arc<Connection>) -> Result<Registered, Refusal> {
        let mut sockets = self.lock();
        if self.draining.load(Ordering::Relaxed) {
            return Err(ErrorCode::ShuttingDown.into());
        }
        if sockets.by_id.len() >= limits::SOCKETS {
            return Err(Refusal::from(ErrorCode::Busy).retry_after_ms(limits::RETRY_HINT_MS));
        }
        sockets.insert(connection);
        self.lock_new().insert(connection.identity.session);
        metrics::gauge!("salon_sockets").increment(1.0);
        Ok(Registered {
            connections: Arc::clone(self),
            id: connection.id,
        })
    }

    /// Registers an event stream of a session.
    ///
    /// # Errors
    /// `busy` when there are [`limits::EVENT_STREAMS`].
    pub fn register_stream(self: &Arc<Self>, who: &Identity) -> Result<RegisteredStream, Refusal> {
        let mut streams = self.lock_streams();
        if streams.len() >= limits::EVENT_STREAMS {
            return Err(Refusal::from(ErrorCode::Busy).retry_after_ms(limits::RETRY_HINT_MS));
        }
        let (id, signed_out) = (ConnectionId::new(), CancellationToken::new());
        let stream = Stream {
            session: who.session,
            user: who.user.id,
            ends_at_ms: end_ms(who.expires_at),
            signed_out: signed_out.clone(),
        };
        streams.insert(id, stream);
        self.lock_new().insert(who.session);
        metrics::gauge!("salon_event_streams").increment(1.0);
        Ok(RegisteredStream {
            connections: Arc::clone(self),
            id,
            signed_out,
        })
    }

    /// How many sockets there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().by_id.len()
    }

    /// Bytes that wait for slow readers, and the most that wait for one of them.
    #[must_use]
    pub fn held(&self) -> (usize, usize) {
        let sockets = self.lock();
        let held = sockets.by_id.values().map(|socket| socket.outbox.held());
        held.fold((0, 0), |(all, most), held| (all + held, most.max(held)))
    }

    /// Gives users' frames to all of their sockets.
    pub fn deliver_to(&self, frames: &HashMap<UserId, Vec<Frame>>) {
        let sockets = self.lock();
        for (user, frames) in frames {
            for socket in sockets.of(*user) {
                for frame in frames {
                    // A socket that is going needs no more frames.
                    let _ = socket.outbox.deliver(frame);
                }
            }
        }
    }

    /// A session may have ended: look soon.
    pub fn check_sessions(&self) {
        self.check.notify_one();
    }

    /// Returns when somebody said that a session may have ended.
    pub(super) async fn told_to_check(&self) {
        self.check.notified().await;
    }

    /// The sessions and tokens by which anything is open.
    pub(super) fn sessions(&self) -> BTreeSet<SessionId> {
        let mut sessions: BTreeSet<SessionId> = (self.lock().by_id.values())
            .map(|socket| socket.identity.session)
            .collect();
        sessions.extend(self.lock_streams().values().map(|stream| stream.session));
        sessions
    }

    /// Those of some users by which anything is open.
    pub(super) fn sessions_of(&self, users: &BTreeSet<UserId>) -> BTreeSet<SessionId> {
        let mut sessions = BTreeSet::new();
        {
            let sockets = self.lock();
            for user in users {
                sessions.extend(sockets.of(*user).map(|socket| socket.identity.session));
            }
        }
        let streams = self.lock_streams();
        let theirs = streams
            .values()
            .filter(|stream| users.contains(&stream.user));
        sessions.extend(theirs.map(|stream| stream.session));
        sessions
    }

    /// Those that came since this was last asked: what was revoked while they registered was not looked for among them.
    pub(super) fn take_new(&self) -> BTreeSet<SessionId> {
        std::mem::take(&mut *self.lock_new())
    }

    /// Looks at these again the next time: what was to be known of them could not be read.
    pub(super) fn put_back(&self, sessions: impl IntoIterator<Item = SessionId>) {
        self.lock_new().extend(sessions);
    }

    /// Those that end by `now` as far as is known.
    pub(super) fn due(&self, now: DateTime<Utc>) -> BTreeSet<SessionId> {
        let now_ms = now.timestamp_millis();
        let sockets = self.lock();
        let due = (sockets.by_id.values()).filter(|socket| socket.ends_at_ms() <= now_ms);
        let mut due: BTreeSet<SessionId> = due.map(|socket| socket.identity.session).collect();
        drop(sockets);
        let streams = self.lock_streams();
        let ended = streams
            .values()
            .filter(|stream| stream.ends_at_ms <= now_ms);
        due.extend(ended.map(|stream| stream.session));
        due
    }

    /// Closes what is open by `asked` sessions that do not live, and notes when those that do will end.
    pub(super) fn settle(
        &self,
        asked: &BTreeSet<SessionId>,
        living: &HashMap<SessionId, Option<DateTime<Utc>>>,
    ) {
        for socket in self.lock().by_id.values() {
            let session = socket.identity.session;
            match living.get(&session) {
                Some(ends_at) => socket.set_end(*ends_at),
                None if asked.contains(&session) => socket.outbox.close(CloseCode::SignedOut),
                None => {}
            }
        }
        for stream in self.lock_streams().values_mut() {
            match living.get(&stream.session) {
                Some(ends_at) => stream.ends_at_ms = end_ms(*ends_at),
                None if asked.contains(&stream.session) => stream.signed_out.cancel(),
                None => {}
            }
        }
    }

    /// Tells every socket to come back to another instance, and closes each a random part of
    /// [`limits::CLOSE_SPREAD`] later.
    pub async fn drain(&self) {
        let sockets: Vec<Arc<Connection>> = {
            let sockets = self.lock();
            self.draining.store(true, Ordering::Relaxed);
            sockets.by_id.values().cloned().collect()
        };
        let spread = u64::try_from(limits::CLOSE_SPREAD.as_millis()).unwrap_or(u64::MAX);
        let mut closes: Vec<(u64, Arc<Connection>)> = sockets
            .into_iter()
            .map(|socket| {
                let after = crate::randomness::rng().random_range(0..=spread);
                socket.send(&ServerFrame::Drain {
                    reconnect_after_ms: after,
                });
                (after, socket)
            })
            .collect();
        closes.sort_unstable_by_key(|(after, _)| *after);
        let began = tokio::time::Instant::now();
        for (after, socket) in closes {
            tokio::time::sleep_until(began + Duration::from_millis(after)).await;
            socket.outbox.close(CloseCode::Restart);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Sockets> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_new(&self) -> std::sync::MutexGuard<'_, BTreeSet<SessionId>> {
        self.new.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_streams(&self) -> std::sync::MutexGuard<'_, BTreeMap<ConnectionId, Stream>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consumer::transport::{MemoryStream, Transport, pipe};
    use crate::db::rows::{Identity, UserKind, UserRow};

    fn connection() -> (Arc<Connection>, MemoryStream) {
        let user = UserRow {
            id: UserId::new(),
            name: "ada".to_owned(),
            kind: UserKind::Guest,
        };
        let identity = Identity {
            session: SessionId::new(),
            user,
            expires_at: None,
            scope: None,
        };
        let (server, client) = pipe(1024);
        let connection = Connection::new(identity, Transport::Memory(server));
        (connection, client)
    }

    #[test]
    fn a_user_is_found_among_many_by_its_own_sockets() {
        let connections = Arc::new(Connections::default());
        let mut kept = Vec::new();
        for _ in 0..1_000 {
            let (socket, client) = connection();
            let registered = connections.register(&socket).ok().unwrap();
            kept.push((socket, client, registered));
        }
        let user = kept[500].0.identity.user.id;
        // Two more of the same user, one of which goes again.
        let again = || {
            let (server, client) = pipe(1024);
            let identity = kept[500].0.identity.clone();
            (Connection::new(identity, Transport::Memory(server)), client)
        };
        let ((second, _its_client), (third, _also_its)) = (again(), again());
        let _registered = connections.register(&second).ok().unwrap();
        drop(connections.register(&third).ok().unwrap());
        let sockets = connections.lock();
        let found: Vec<ConnectionId> = sockets.of(user).map(|socket| socket.id).collect();
        let mut own = vec![kept[500].0.id, second.id];
        own.sort_unstable();
        assert_eq!(found, own, "these and no other are looked at");
        assert_eq!(sockets.by_id.len(), 1_001);
        drop(sockets);
        drop((kept, _registered));
        assert_eq!(connections.count(), 0);
        assert!(connections.lock().by_user.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_socket_that_a_drain_overtook_is_not_let_in() {
        let connections = Arc::new(Connections::default());
        let (early, _its_client) = connection();
        let _registered = connections.register(&early).ok().unwrap();
        connections.drain().await;
        assert_eq!(early.outbox.closing(), Some(CloseCode::Restart));
        let (late, _its_client) = connection();
        let late = connections.register(&late).err().unwrap();
        assert_eq!(late.code, ErrorCode::ShuttingDown);
        assert_eq!(connections.count(), 1);
    }
}
