//! The consumer: the actor of one socket, in the sense of Django Channels. One task, one select: what the client
//! sends, what waits to be written, what took longer, and the clock. `http/socket` runs it after the upgrade; tests
//! run it over a pipe in memory, without a port, Redis or Postgres.
//!
//! It parses frames and hands them on ([`handlers`], [`join`]); it holds no database connection and no lock across an
//! await. [`outbox`] is its writing side, [`connection`] how others see it, [`connections`] all of them.

mod closing;
pub mod connection;
pub mod connections;
pub mod handlers;
pub mod join;
mod message_changes;
pub mod outbox;
pub mod room_stream;
mod sends;
pub mod transport;
pub mod user_frames;
pub mod watch;

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::auth::seen::Seen;
use crate::chat::Chat;
use crate::config::Config;
use crate::db::rows::Identity;
use crate::error::{ErrorCode, Refusal};
use crate::limits;
use crate::protocol::announced::Limits;
use crate::protocol::client::JoinRoom;
use crate::protocol::frame::Frame;
use crate::protocol::server::ServerFrame;
use crate::protocol::{CloseCode, PROTOCOL, client};
use crate::quotas::{Client, Quotas, rates};
use crate::rate_limit::{Rate, TokenBucket};
use closing::count_closed;
pub use closing::{close_code_of, linger};
use connection::{Connection, Stream};
use connections::Connections;
use outbox::WrittenOut;
use transport::Transport;

/// What `welcome` names beyond the core.
const FEATURES: &[&str] = &[
    "replies",
    "history",
    "edits",
    "reactions",
    "pins",
    "typing",
    "presence",
    "reading",
    "queue",
    "variants",
];
/// Frames of bad form in a row, about, before the socket is closed: one a second is forgiven.
const BAD_FRAMES: Rate = Rate {
    per_second: 1.0,
    burst: 100.0,
};

/// What every consumer of a process shares.
pub struct Consumers {
    /// The rules.
    pub chat: Arc<Chat>,
    /// All sockets.
    pub connections: Arc<Connections>,
    /// What users and addresses may do, on all of their sockets.
    pub quotas: Arc<Quotas>,
    /// Told of sessions in use.
    seen: Option<Arc<Seen>>,
    sends: Rate,
    joins: Rate,
    frames: Rate,
    limits: Limits,
}

impl Consumers {
    /// Consumers with the rates of `config`.
    #[must_use]
    pub fn new(
        chat: Arc<Chat>,
        connections: Arc<Connections>,
        quotas: Arc<Quotas>,
        config: &Config,
    ) -> Self {
        let limits = quotas.limits(config);
        Self {
            chat,
            connections,
            quotas,
            joins: rates::joins(config),
            seen: None,
            sends: Rate::per_second(config.rate_sends, config.rate_sends_burst),
            frames: Rate::per_second(
                config.rate_frames,
                config
                    .rate_frames
                    .saturating_mul(2)
                    .max(config.rate_sends_burst),
            ),
            limits,
        }
    }

    /// The same, that tell which sessions are in use.
    #[must_use]
    pub fn telling(self, seen: Arc<Seen>) -> Self {
        Self {
            seen: Some(seen),
            ..self
        }
    }

    /// Serves one socket: the future is its consumer, and runs until it ends. `client` pays for what it does; `read_ahead` is what
    /// was read of it before the upgrade was seen. Where it comes from is where this is called.
    #[must_use]
    pub fn serve(
        self: Arc<Self>,
        who: (Identity, Client),
        transport: Transport,
        read_ahead: Vec<u8>,
    ) -> BoxFuture<'static, ()> {
        self.serve_with(who, transport, read_ahead, None)
    }

    /// The same, with a room to join before anything is read. Boxed once, here: a future that others wrap and move is kept
    /// once for each of them.
    fn serve_with(
        self: Arc<Self>,
        (identity, client): (Identity, Client),
        transport: Transport,
        read_ahead: Vec<u8>,
        first: Option<JoinRoom>,
    ) -> BoxFuture<'static, ()> {
        let connection = Connection::new(identity, transport);
        // What a stream is refused is the answer of its request, and noted with that: once, and where it came from.
        if first.is_none() {
            connection.note_in(&self.chat.ledger);
        }
        let first = first.map(Box::new);
        Box::pin(self.consume(connection, client, read_ahead, first))
    }

    async fn consume(
        self: Arc<Self>,
        connection: Arc<Connection>,
        client: Client,
        read_ahead: Vec<u8>,
        first: Option<Box<JoinRoom>>,
    ) {
        let registered = match self.connections.register(&connection) {
            Ok(registered) => registered,
            Err(_full_or_stopping) => {
                connection.outbox.close(CloseCode::Restart);
                let _ = tokio::time::timeout(limits::CLOSE_TIMEOUT, written_out(&connection)).await;
                return;
            }
        };
        let socket = Box::pin(codec(Arc::clone(&connection), read_ahead)).await;
        let mut consumer = self.consumer(&connection, client, socket);
        if let Some(wanted) = first {
            consumer.join(*wanted, None);
        }
        // What one frame breaks ends with its own socket.
        if AssertUnwindSafe(consumer.run())
            .catch_unwind()
            .await
            .is_err()
        {
            // What it had under way must not join a room that it leaves now.
            drop(consumer);
            failed(&self, &connection).await;
        }
        drop(registered);
    }

    /// Boxed: it is large, and its future would keep it several times.
    fn consumer(
        self: &Arc<Self>,
        connection: &Arc<Connection>,
        client: Client,
        socket: WebSocketStream<Stream>,
    ) -> Box<Consumer> {
        let now = Instant::now();
        let full = |rate| TokenBucket::new(rate, now.into_std());
        Box::new(Consumer {
            client,
            sends: full(self.sends),
            joins: full(self.joins),
            frames: full(self.frames),
            bad_frames: full(BAD_FRAMES),
            stale_until: None,
            next_seen: now,
            shared: Arc::clone(self),
            connection: Arc::clone(connection),
            socket,
            tasks: JoinSet::new(),
            next_typing: now,
            last_heard: now,
            next_ping: now + limits::PING_INTERVAL,
        })
    }
}

/// Ends the socket of a consumer that panicked: its peer hears that it is to come back.
async fn failed(shared: &Consumers, connection: &Connection) {
    tracing::error!(connection = %connection.id, "a consumer failed; its socket is closed");
    connection.outbox.close(CloseCode::Internal);
    count_closed(connection, connection.outbox.closing());
    leave_rooms(shared, connection).await;
    let _ = tokio::time::timeout(limits::CLOSE_TIMEOUT, written_out(connection)).await;
}

async fn leave_rooms(shared: &Consumers, connection: &Connection) {
    for room in connection.joined_rooms() {
        shared.chat.feeds.detach(room.id, connection.id).await;
    }
}

/// The WebSocket codec over the connection, with small buffers: they are resident for every socket.
pub async fn codec(connection: Arc<Connection>, read_ahead: Vec<u8>) -> WebSocketStream<Stream> {
    let config = WebSocketConfig::default()
        .read_buffer_size(limits::READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(limits::CLIENT_FRAME_BYTES)
        .max_message_size(Some(limits::CLIENT_FRAME_BYTES))
        .max_frame_size(Some(limits::CLIENT_FRAME_BYTES));
    let stream = Stream(connection);
    if read_ahead.is_empty() {
        WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await
    } else {
        WebSocketStream::from_partially_read(stream, read_ahead, Role::Server, Some(config)).await
    }
}

/// One socket's actor.
pub(crate) struct Consumer {
    shared: Arc<Consumers>,
    connection: Arc<Connection>,
    socket: WebSocketStream<Stream>,
    /// Joins and reads under way, bounded by the places of [`Connection::begin`].
    tasks: JoinSet<()>,
    /// Whose budgets pay beside the socket's own.
    client: Client,
    sends: TokenBucket,
    joins: TokenBucket,
    frames: TokenBucket,
    bad_frames: TokenBucket,
    /// Until when a frame waits for this process to look around after it stood still.
    stale_until: Option<Instant>,
    /// A `typing` before that is dropped.
    next_typing: Instant,
    /// A frame after that is told to be a use of the session.
    next_seen: Instant,
    last_heard: Instant,
    next_ping: Instant,
}

impl Consumer {
    async fn run(&mut self) {
        self.welcome();
        let connection = Arc::clone(&self.connection);
        loop {
            let wake_at = self.wake_at();
            // The client last: it may send without end, the others come only so often.
            tokio::select! {
                biased;
                written = written_out(&connection) => match written {
                    WrittenOut::Stalled => {}
                    WrittenOut::Closed(_) | WrittenOut::Broken => break,
                },
                () = tokio::time::sleep_until(wake_at) => if !self.woken() {
                    break;
                },
                Some(ended) = self.tasks.join_next(), if !self.tasks.is_empty() => {
                    if ended.is_err_and(|error| error.is_panic()) {
                        // Nobody will answer what it was asked.
                        connection.outbox.close(CloseCode::Internal);
                    }
                }
                message = self.socket.next() => match message {
                    Some(Ok(message)) => {
                        self.last_heard = Instant::now();
                        if !self.receive(message).await {
                            break;
                        }
                    }
                    Some(Err(error)) => {
                        if let Some(code) = close_code_of(&error) {
                            connection.outbox.close(code);
                        }
                        break;
                    }
                    None => break,
                },
            }
        }
        Box::pin(self.end()).await;
    }

    fn welcome(&self) {
        self.connection.send(&ServerFrame::Welcome {
            protocol: PROTOCOL,
            features: FEATURES,
            connection: self.connection.id,
            user: &self.connection.identity.user,
            heartbeat_ms: u64::try_from(limits::PING_INTERVAL.as_millis()).unwrap_or(u64::MAX),
            limits: &self.shared.limits,
        });
    }

    /// When something is due though nothing comes: a ping, a dead peer, a slow one.
    fn wake_at(&self) -> Instant {
        let heard = self.last_heard + limits::PEER_TIMEOUT;
        let stalled = self
            .connection
            .outbox
            .stalled_since()
            .map(|since| since + limits::WRITE_TIMEOUT);
        self.next_ping.min(heard).min(stalled.unwrap_or(heard))
    }

    /// False when the socket is over.
    fn woken(&mut self) -> bool {
        let now = Instant::now();
        let outbox = &self.connection.outbox;
        if outbox
            .stalled_since()
            .is_some_and(|since| now >= since + limits::WRITE_TIMEOUT)
        {
            metrics::counter!("salon_sockets_slow_total").increment(1);
            outbox.close(CloseCode::Slow);
            return false;
        }
        if now >= self.last_heard + limits::PEER_TIMEOUT {
            outbox.close(CloseCode::PeerTimeout);
            return false;
        }
        if now >= self.next_ping {
            self.next_ping = now + limits::PING_INTERVAL;
            // A full outbox is noticed above.
            let _ = outbox.deliver(&Frame::ping());
        }
        true
    }

    /// Takes one message of the client. False when it was its last.
    async fn receive(&mut self, message: Message) -> bool {
        match message {
            Message::Text(text) => self.receive_text(&text).await,
            Message::Binary(_) => {
                self.connection.outbox.close(CloseCode::Unsupported);
                false
            }
            Message::Ping(_) => self.count_frame(),
            Message::Close(frame) => {
                let code = frame.map(|frame| u16::from(frame.code));
                self.connection.outbox.answer_close(code);
                false
            }
            Message::Pong(_) | Message::Frame(_) => true,
        }
    }

    fn count_frame(&mut self) -> bool {
        if self
            .frames
            .take(self.shared.frames, Instant::now().into_std())
            .is_ok()
        {
            return true;
        }
        self.count_bad_frame()
    }

    /// A process that stood still does not know yet whose session ended meanwhile: what came in is done only after it has
    /// looked. When it cannot look for [`limits::STALE_WAIT`], since the database does not answer, this is false and
    /// remains so until it has: what comes meanwhile is refused at once.
    async fn is_current(&mut self) -> bool {
        let gate = self.shared.chat.feeds.gate();
        if gate.is_open() {
            self.stale_until = None;
            return true;
        }
        let until = *self
            .stale_until
            .get_or_insert_with(|| Instant::now() + limits::STALE_WAIT);
        while !gate.is_open() && self.connection.outbox.closing().is_none() {
            if Instant::now() >= until {
                return false;
            }
            let beat = until.min(Instant::now() + limits::BEAT);
            let _ = tokio::time::timeout_at(beat, gate.passed()).await;
        }
        true
    }

    /// Whoever does something uses its session; a `ping` is sent by programs that only wait.
    fn note_use(&mut self, frame: &client::ClientFrame) {
        let now = Instant::now();
        let identity = &self.connection.identity;
        let waits = matches!(frame, client::ClientFrame::Ping);
        let Some(seen) = self.shared.seen.as_ref() else {
            return;
        };
        if now < self.next_seen || waits || identity.scope.is_some() {
            return;
        }
        self.next_seen = now + seen.quiet();
        seen.note(identity.session);
    }

    /// False when there were too many.
    fn count_bad_frame(&mut self) -> bool {
        let forgiven = self
            .bad_frames
            .take(BAD_FRAMES, Instant::now().into_std())
            .is_ok();
        if !forgiven {
            self.connection.outbox.close(CloseCode::TooManyErrors);
        }
        forgiven
    }

    async fn receive_text(&mut self, text: &Utf8Bytes) -> bool {
        let is_current = self.is_current().await;
        if self.connection.outbox.closing().is_some() {
            // What closed it is written out next.
            return true;
        }
        let too_fast = self
            .frames
            .take(self.shared.frames, Instant::now().into_std())
            .err();
        match client::parse(text) {
            Ok((frame, reference)) if !is_current => {
                let unavailable =
                    Refusal::from(ErrorCode::Unavailable).retry_after_ms(limits::RETRY_HINT_MS);
                self.refuse_frame(&frame, reference.as_deref(), &unavailable);
                true
            }
            Ok((frame, reference)) => match too_fast {
                Some(wait) => {
                    self.refuse_frame(&frame, reference.as_deref(), &Refusal::too_fast(wait));
                    self.count_bad_frame()
                }
                None => {
                    self.note_use(&frame);
                    // Boxed: an idle socket must not keep room for it.
                    Box::pin(self.handle(frame, reference)).await;
                    true
                }
            },
            Err(bad) => {
                self.connection.refuse(
                    bad.reference.as_deref(),
                    bad.room.as_deref(),
                    None,
                    &bad.refusal,
                );
                bad.refusal.code == ErrorCode::UnknownType || self.count_bad_frame()
            }
        }
    }

    /// Leaves every room, and gives what is still to be written a moment.
    async fn end(&mut self) {
        self.tasks.shutdown().await;
        leave_rooms(&self.shared, &self.connection).await;
        self.connection.outbox.close(CloseCode::Normal);
        // Counted whether or not the peer takes its close frame: one that is slow or dead does not.
        count_closed(&self.connection, self.connection.outbox.closing());
        // One that was not heard for so long has nothing on its way that would be left unread.
        let dead = self.connection.outbox.closing() == Some(CloseCode::PeerTimeout);
        let closing = async {
            if let WrittenOut::Closed(_) = written_out(&self.connection).await
                && !dead
            {
                linger(&self.connection).await;
            }
        };
        let _ = tokio::time::timeout(limits::CLOSE_TIMEOUT, closing).await;
    }
}

/// Writes out what waits, until something about it must be decided.
async fn written_out(connection: &Connection) -> WrittenOut {
    poll_fn(|cx| connection.outbox.poll_write_out(cx)).await
}
