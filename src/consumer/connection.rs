//! One connected socket as others see it: who it is, its outbox, the rooms it follows. The consumer's task owns the
//! reading side; feeds, answers and joins hold this. [`Stream`] is what the WebSocket codec reads from and writes
//! its own pongs to.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::outbox::Outbox;
use super::transport::Transport;
use crate::chat::ledger::Ledger;
use crate::db::rows::{Identity, UserRow};
use crate::error::{ErrorCode, Refusal};
use crate::feed::Reader;
use crate::ids::{ClientId, ConnectionId, RoomRef};
use crate::limits;
use crate::origin::{Origin, Parties};
use crate::protocol::CloseCode;
use crate::protocol::frame::Frame;
use crate::protocol::server::ServerFrame;
use crate::writer::SendOrder;

/// One socket.
pub struct Connection {
    /// Its id, for feeds and the log.
    pub id: ConnectionId,
    /// Who is on it.
    pub identity: Identity,
    /// What it is sent.
    pub outbox: Outbox,
    /// Few for most sockets: a list takes a fraction of a map's memory.
    rooms: Mutex<Vec<Slot>>,
    /// First sends that were refused before their room was known, by slug: nothing may overtake them (P10).
    refused_early: Mutex<Vec<(Box<str>, ClientId)>>,
    in_flight: AtomicUsize,
    /// Where it comes from, for the audit log.
    origin: Origin,
    /// Where refusals are noted.
    ledger: OnceLock<Arc<Ledger>>,
    /// When its session ends, as far as is known, in milliseconds since 1970: use moves it on.
    ends_at_ms: AtomicI64,
    /// Taken by the join that fills the outbox: several at once would overflow it.
    filling: Semaphore,
}

/// A room this socket follows, or joins, or sends to.
#[derive(Clone)]
struct Slot {
    room: RoomRef,
    order: Arc<SendOrder>,
    /// Whether it follows the room, or is about to.
    joined: bool,
    /// Joins that have begun.
    joins: u64,
    /// Set by the leave that ends these joins.
    left: Arc<AtomicBool>,
}

/// What a feed delivers to: a connection for as long as it has not left the room, so that nothing of a left room comes behind
/// the leave's answer, whatever the join that began it still does.
pub struct Subscription {
    connection: Arc<Connection>,
    left: Arc<AtomicBool>,
}

/// A join that has begun.
pub struct BegunJoin {
    /// Its number among those of the room.
    pub number: u64,
    /// Set by the leave that ends it.
    left: Arc<AtomicBool>,
}

/// A place among the requests one socket may have unanswered; given back when dropped.
pub struct InFlight(Arc<Connection>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connection {
    /// A new socket over a stream.
    #[must_use]
    pub fn new(identity: Identity, transport: Transport) -> Arc<Self> {
        Arc::new(Self {
            id: ConnectionId::new(),
            ends_at_ms: AtomicI64::new(end_ms(identity.expires_at)),
            identity,
            outbox: Outbox::new(transport),
            rooms: Mutex::default(),
            refused_early: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            origin: Origin::current(),
            ledger: OnceLock::new(),
            filling: Semaphore::new(1),
        })
    }

    /// When its session ends, as far as is known, in milliseconds since 1970.
    #[must_use]
    pub fn ends_at_ms(&self) -> i64 {
        self.ends_at_ms.load(Ordering::Relaxed)
    }

    /// Its session will end then.
    pub fn set_end(&self, ends_at: Option<DateTime<Utc>>) {
        self.ends_at_ms.store(end_ms(ends_at), Ordering::Relaxed);
    }

    /// Sends one frame.
    pub fn send(&self, frame: &ServerFrame<'_>) {
        // A socket that is going needs no more frames.
        let _ = self.outbox.deliver(&Frame::encode(frame));
    }

    /// Sends an `error`.
    pub fn refuse(
        &self,
        reference: Option<&str>,
        room: Option<&str>,
        client_id: Option<ClientId>,
        refusal: &Refusal,
    ) {
        if let Some(ledger) = self.ledger.get() {
            let who = Parties {
                who: Some(self.identity.user.id),
                whom: None,
            };
            let note = || ledger.refused(refusal.code, who, room, "frame");
            self.origin.of_sync(note);
        }
        self.send(&ServerFrame::error(reference, room, client_id, refusal));
    }

    /// Has refusals noted there.
    pub fn note_in(&self, ledger: &Arc<Ledger>) {
        // It is told once, before anything is read.
        let _ = self.ledger.set(Arc::clone(ledger));
    }

    /// Takes a place for a request.
    ///
    /// # Errors
    /// `busy` when [`limits::IN_FLIGHT_PER_SOCKET`] are unanswered.
    pub fn begin(self: &Arc<Self>) -> Result<InFlight, Refusal> {
        if self.in_flight.fetch_add(1, Ordering::Relaxed) >= limits::IN_FLIGHT_PER_SOCKET {
            self.in_flight.fetch_sub(1, Ordering::Relaxed);
            return Err(Refusal::from(ErrorCode::Busy).retry_after_ms(limits::RETRY_HINT_MS));
        }
        Ok(InFlight(Arc::clone(self)))
    }

    /// Waits until this join may fill the outbox: next to nothing waits in it, and no other join fills it. `None` when
    /// the socket is going.
    pub async fn turn_to_fill(&self) -> Option<SemaphorePermit<'_>> {
        let turn = self.filling.acquire().await.ok()?;
        let is_there = poll_fn(|cx| self.outbox.poll_room(cx)).await;
        is_there.then_some(turn)
    }

    /// The room of a slug this socket has used, and the order of its sends there.
    #[must_use]
    pub fn room(&self, slug: &str) -> Option<(RoomRef, Arc<SendOrder>)> {
        let rooms = self.lock();
        let slot = rooms.iter().find(|slot| slot.is(slug))?;
        Some((slot.room.clone(), Arc::clone(&slot.order)))
    }

    /// Remembers a room that membership was proved for. `None` when [`limits::ROOMS_PER_SOCKET`] are followed.
    pub fn remember(&self, room: &RoomRef) -> Option<Arc<SendOrder>> {
        let mut rooms = self.lock();
        slot(&mut rooms, room, &self.refused_early).map(|slot| Arc::clone(&slot.order))
    }

    /// Begins a join. `None` when [`limits::ROOMS_PER_SOCKET`] are followed.
    pub fn begin_join(&self, room: &RoomRef) -> Option<BegunJoin> {
        let mut rooms = self.lock();
        let slot = slot(&mut rooms, room, &self.refused_early)?;
        if !std::mem::replace(&mut slot.joined, true) {
            slot.left = Arc::default();
        }
        slot.joins += 1;
        slot.order.reset();
        Some(BegunJoin {
            number: slot.joins,
            left: Arc::clone(&slot.left),
        })
    }

    /// Where the feed delivers to for this join. One that a leave and a later join overtook takes that one's place in the feed, so it
    /// delivers as that one does.
    pub fn subscription(self: &Arc<Self>, slug: &str, begun: &BegunJoin) -> Arc<Subscription> {
        let rooms = self.lock();
        let joined = rooms.iter().find(|slot| slot.is(slug) && slot.joined);
        Arc::new(Subscription {
            connection: Arc::clone(self),
            left: Arc::clone(joined.map_or(&begun.left, |slot| &slot.left)),
        })
    }

    /// Sends frames of a room that a join has read, unless a leave or a later join has overtaken it; whether they were taken.
    pub fn deliver_of_join(&self, slug: &str, number: u64, run: &Frame) -> bool {
        // Under the lock that a leave takes: behind its answer comes nothing.
        let rooms = self.lock();
        let mut slots = rooms.iter();
        slots.any(|slot| slot.is_joined_by(slug, number)) && self.outbox.deliver(run)
    }

    /// Whether neither a leave nor a later join has overtaken this join.
    #[must_use]
    pub fn is_latest_join(&self, slug: &str, number: u64) -> bool {
        let rooms = self.lock();
        let mut slots = rooms.iter();
        slots.any(|slot| slot.is_joined_by(slug, number))
    }

    /// Notes a send that may work later but was refused before its room was known. A socket that has more of these
    /// than [`limits::REFUSED_EARLY`] is closed and comes back: its order can no longer be kept.
    pub fn refused_early(&self, slug: &str, client_id: ClientId) {
        let mut refused = self
            .refused_early
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // No room has a longer address; only the first refused send counts.
        if slug.len() > limits::SLUG_CHARS || refused.iter().any(|(known, _)| **known == *slug) {
            return;
        }
        if refused.len() >= limits::REFUSED_EARLY {
            return self.outbox.close(CloseCode::TooManyErrors);
        }
        refused.push((slug.into(), client_id));
    }

    /// Whether it follows the room, or is about to: no leave has come since the last join.
    #[must_use]
    pub fn follows(&self, slug: &str) -> bool {
        self.lock().iter().any(|slot| slot.is(slug) && slot.joined)
    }

    /// The same for the join of this number, if neither a leave nor a later join has overtaken it.
    pub fn leave_of_join(&self, slug: &str, number: u64) {
        let mut rooms = self.lock();
        if let Some(slot) = rooms
            .iter_mut()
            .find(|slot| slot.is_joined_by(slug, number))
        {
            slot.leave();
        }
    }

    /// Ends the subscription to a room; the room, when there was one.
    pub fn leave(&self, slug: &str) -> Option<RoomRef> {
        let mut rooms = self.lock();
        let slot = rooms.iter_mut().find(|slot| slot.is(slug) && slot.joined)?;
        slot.leave();
        Some(slot.room.clone())
    }

    /// The rooms it follows, to be detached when it goes.
    #[must_use]
    pub fn joined_rooms(&self) -> Vec<RoomRef> {
        self.lock()
            .iter()
            .filter(|slot| slot.joined)
            .map(|slot| slot.room.clone())
            .collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Slot>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An end in milliseconds since 1970; without one, none that comes.
pub(super) fn end_ms(ends_at: Option<DateTime<Utc>>) -> i64 {
    ends_at.map_or(i64::MAX, |end| end.timestamp_millis())
}

/// The room's slot, made where there is none. At the bound a room that is not followed makes way: it was only sent to,
/// or left.
fn slot<'a>(
    rooms: &'a mut Vec<Slot>,
    room: &RoomRef,
    refused_early: &Mutex<Vec<(Box<str>, ClientId)>>,
) -> Option<&'a mut Slot> {
    let known = rooms.iter().position(|slot| slot.is(&room.slug));
    let place = match known {
        Some(place) => place,
        None => {
            if rooms.len() >= limits::ROOMS_PER_SOCKET {
                let idle = rooms.iter().position(|slot| !slot.joined)?;
                rooms.swap_remove(idle);
            }
            let mut refused = refused_early.lock().unwrap_or_else(PoisonError::into_inner);
            let early = refused.iter().position(|(slug, _)| **slug == *room.slug);
            let order = early.map_or_else(SendOrder::default, |place| {
                SendOrder::held_back_by(refused.swap_remove(place).1)
            });
            rooms.reserve_exact(1);
            rooms.push(Slot {
                room: room.clone(),
                order: Arc::new(order),
                joined: false,
                joins: 0,
                left: Arc::default(),
            });
            rooms.len() - 1
        }
    };
    rooms.get_mut(place)
}

impl Slot {
    fn is(&self, slug: &str) -> bool {
        &*self.room.slug == slug
    }

    fn leave(&mut self) {
        self.joined = false;
        self.left.store(true, Ordering::Release);
    }

    fn is_joined_by(&self, slug: &str, number: u64) -> bool {
        self.is(slug) && self.joined && self.joins == number
    }
}

impl Reader for Subscription {
    fn deliver(&self, run: &Frame) -> bool {
        self.connection.outbox.deliver_until(&self.left, run)
    }

    fn greet(&self, greeting: &Frame) -> bool {
        self.connection.outbox.deliver(greeting)
    }

    fn close(&self, code: CloseCode) {
        if !self.left.load(Ordering::Acquire) {
            self.connection.outbox.close(code);
        }
    }

    fn who(&self) -> Option<&UserRow> {
        Some(&self.connection.identity.user)
    }

    fn asks_for_texts(&self) -> bool {
        true
    }
}

/// The stream the codec works on: reads come from the transport, writes go through the outbox.
pub struct Stream(pub Arc<Connection>);

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.outbox.transport().poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // The codec hands over whole frames; taking all of them keeps frames whole in the outbox.
        Poll::Ready(if self.0.outbox.push(&Bytes::copy_from_slice(bytes)) {
            Ok(bytes.len())
        } else {
            Err(io::ErrorKind::BrokenPipe.into())
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
