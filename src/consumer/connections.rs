//! The sockets and event streams of this process: found by session when one is revoked; sockets are told all together when
//! the process stops. Kept by the app; consumers and streams register themselves. It never touches a room.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::Rng;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use crate::db::Store;
use crate::error::{ErrorCode, Refusal};
use crate::ids::{ConnectionId, SessionId, UserId};
use crate::limits;
use crate::protocol::CloseCode;
use crate::protocol::frame::Frame;
use crate::protocol::server::ServerFrame;

/// All of them.
#[derive(Default)]
pub struct Connections {
    by_id: Mutex<BTreeMap<ConnectionId, Arc<Connection>>>,
    streams: Mutex<BTreeMap<ConnectionId, Stream>>,
    /// Set, under the lock, when the sockets were told to go: whoever comes later would never hear of it.
    draining: AtomicBool,
    /// Told when a session may have been revoked.
    check: Notify,
}

/// An event stream, or a call that waits for a reply.
struct Stream {
    session: SessionId,
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
        self.connections.lock().remove(&self.id);
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
        if sockets.len() >= limits::SOCKETS {
            return Err(Refusal::from(ErrorCode::Busy).retry_after_ms(limits::RETRY_HINT_MS));
        }
        sockets.insert(connection.id, Arc::clone(connection));
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
    pub fn register_stream(
        self: &Arc<Self>,
        session: SessionId,
    ) -> Result<RegisteredStream, Refusal> {
        let mut streams = self.lock_streams();
        if streams.len() >= limits::EVENT_STREAMS {
            return Err(Refusal::from(ErrorCode::Busy).retry_after_ms(limits::RETRY_HINT_MS));
        }
        let (id, signed_out) = (ConnectionId::new(), CancellationToken::new());
        let stream = Stream {
            session,
            signed_out: signed_out.clone(),
        };
        streams.insert(id, stream);
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
        self.lock().len()
    }

    /// Bytes that wait for slow readers, and the most that wait for one of them.
    #[must_use]
    pub fn held(&self) -> (usize, usize) {
        let sockets = self.lock();
        let held = sockets.values().map(|socket| socket.outbox.held());
        held.fold((0, 0), |(all, most), held| (all + held, most.max(held)))
    }

    /// Gives users' frames to all of their sockets.
    pub fn deliver_to(&self, frames: &HashMap<UserId, Vec<Frame>>) {
        for socket in self.lock().values() {
            for frame in frames.get(&socket.identity.user.id).into_iter().flatten() {
                // A socket that is going needs no more frames.
                let _ = socket.outbox.deliver(frame);
            }
        }
    }

    /// A session may have ended: look soon.
    pub fn check_sessions(&self) {
        self.check.notify_one();
    }

    /// Closes the sockets and streams of sessions that have ended: when told to look, and every
    /// [`limits::SESSION_CHECK_INTERVAL`] whether told or not (P7). Runs until `stop`.
    pub async fn watch_sessions(&self, store: Arc<dyn Store>, stop: CancellationToken) {
        loop {
            let told = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.check.notified() => true,
                () = tokio::time::sleep(limits::SESSION_CHECK_INTERVAL) => false,
            };
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
            metrics::gauge!("salon_outbox_bytes").set(self.held().0 as f64);
            if !self.close_ended(&store).await && told {
                // The database did not answer: whoever was signed out is looked for again at once.
                tokio::time::sleep(Duration::from_millis(200)).await;
                self.check.notify_one();
            }
        }
    }

    /// Closes the sockets and streams of sessions that have ended; false when the database did not answer.
    pub async fn close_ended(&self, store: &Arc<dyn Store>) -> bool {
        let mut sessions: BTreeSet<SessionId> = self
            .lock()
            .values()
            .map(|socket| socket.identity.session)
            .collect();
        sessions.extend(self.lock_streams().values().map(|stream| stream.session));
        let sessions: Vec<SessionId> = sessions.into_iter().collect();
        for part in sessions.chunks(limits::HEADS_PER_STATEMENT) {
            let live: HashSet<SessionId> = match store.live_sessions(part).await {
                Ok(live) => live.into_iter().collect(),
                Err(error) => {
                    tracing::warn!(%error, "sessions could not be checked");
                    return false;
                }
            };
            let asked: HashSet<SessionId> = part.iter().copied().collect();
            let ended = |session| asked.contains(&session) && !live.contains(&session);
            for socket in self.lock().values() {
                if ended(socket.identity.session) {
                    socket.outbox.close(CloseCode::SignedOut);
                }
            }
            for stream in self.lock_streams().values() {
                if ended(stream.session) {
                    stream.signed_out.cancel();
                }
            }
        }
        true
    }

    /// Tells every socket to come back to another instance, and closes each a random part of
    /// [`limits::CLOSE_SPREAD`] later.
    pub async fn drain(&self) {
        let sockets: Vec<Arc<Connection>> = {
            let sockets = self.lock();
            self.draining.store(true, Ordering::Relaxed);
            sockets.values().cloned().collect()
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

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<ConnectionId, Arc<Connection>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
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
