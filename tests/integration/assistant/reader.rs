//! A reader on a real socket that keeps the rules of the wire and looks closer than a page does: it counts bytes and frames,
//! notes when text came, and knows every text that it held of a reply, also over sockets that were cut.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::support::client::RoomClient;
use super::support::fake_provider::script::STAMP_BYTES;
use super::world::{DEADLINE, Person};

/// The longest silence: a provider pauses for a minute.
const PATIENCE: Duration = Duration::from_secs(100);

/// A stream that counts what is read of it.
pub(crate) struct Counted {
    stream: TcpStream,
    bytes: u64,
}

/// One user's view of one room.
pub(crate) struct Reader {
    token: String,
    room: String,
    socket: Option<WebSocketStream<Counted>>,
    pub(crate) client: RoomClient,
    /// The longest text held of each reply and attempt.
    held: BTreeMap<(i64, i64), String>,
    /// Of each reply: when so many bytes of its text were there.
    pub(crate) grown: BTreeMap<i64, Vec<(Instant, usize)>>,
    /// Deltas of each reply: when each came, and its bytes.
    pub(crate) deltas: BTreeMap<i64, Vec<(Instant, usize)>>,
    /// Messages of each seq that came in a state other than `queued`.
    pub(crate) settled: BTreeMap<i64, usize>,
    sockets: usize,
}

impl Reader {
    /// Not connected yet.
    pub(crate) fn new(person: &Person, room: &str) -> Self {
        Self {
            token: person.token.clone(),
            room: room.to_owned(),
            socket: None,
            client: RoomClient::new(room),
            held: BTreeMap::new(),
            grown: BTreeMap::new(),
            deltas: BTreeMap::new(),
            settled: BTreeMap::new(),
            sockets: 0,
        }
    }

    /// Connects and joins: from its cursor where it has one.
    pub(crate) async fn join(&mut self, port: u16) -> Value {
        self.connect(port).await;
        self.ask_to_join().await;
        self.take_until_joined().await
    }

    /// A welcomed socket.
    pub(crate) async fn connect(&mut self, port: u16) {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut request = format!("ws://127.0.0.1:{port}/ws")
            .into_client_request()
            .unwrap();
        let bearer = format!("Bearer {}", self.token).parse().unwrap();
        request.headers_mut().insert("authorization", bearer);
        let counted = Counted { stream, bytes: 0 };
        let upgrade = client_async(request, counted);
        let upgraded = tokio::time::timeout(DEADLINE, upgrade).await;
        self.socket = Some(upgraded.expect("an upgrade in time").unwrap().0);
        self.sockets += 1;
        assert_eq!(self.next().await["type"], "welcome");
    }

    /// Sends the join.
    pub(crate) async fn ask_to_join(&mut self) {
        let mut join = json!({ "type": "room.join", "ref": "join", "room": self.room });
        if !self.client.epoch.is_null() {
            join["after"] = json!(self.client.cursor);
            join["epoch"] = self.client.epoch.clone();
        }
        self.send(&join).await;
    }

    /// Reads to the answer.
    pub(crate) async fn take_until_joined(&mut self) -> Value {
        loop {
            let frame = self.next().await;
            assert_ne!(frame["type"], "error", "{frame}");
            if frame["type"] == "room.joined" {
                assert_eq!(frame["reset"], Value::Null, "{frame}");
                return frame;
            }
        }
    }

    /// Sends one frame.
    pub(crate) async fn send(&mut self, frame: &Value) {
        let socket = self.socket.as_mut().unwrap();
        socket.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// The next frame, taken.
    pub(crate) async fn next(&mut self) -> Value {
        let frame = self.next_within(PATIENCE).await;
        frame.unwrap_or_else(|| panic!("nothing came to {}", self.room))
    }

    /// The next frame, taken, if one comes within so long.
    pub(crate) async fn next_within(&mut self, within: Duration) -> Option<Value> {
        let deadline = tokio::time::Instant::now() + within;
        loop {
            let socket = self.socket.as_mut().unwrap();
            let message = tokio::time::timeout_at(deadline, socket.next())
                .await
                .ok()?;
            match message.expect("an open socket").unwrap() {
                Message::Text(text) => {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    self.take(&frame, text.len());
                    return Some(frame);
                }
                Message::Close(close) => panic!("closed: {close:?}"),
                _ => {}
            }
        }
    }

    /// Reads for so long.
    pub(crate) async fn read_for(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            self.next_within(left).await;
        }
    }

    /// Reads until the reply has ended; its message.
    pub(crate) async fn read_settled(&mut self, seq: i64) -> Value {
        loop {
            if let Some(message) = self.client.messages.get(&seq)
                && message["state"] != "queued"
            {
                return message.clone();
            }
            self.next().await;
        }
    }

    /// The room it reads.
    pub(crate) fn room(&self) -> &str {
        &self.room
    }

    /// Whether it reads this room.
    pub(crate) fn is_in(&self, room: &str) -> bool {
        self.room == room
    }

    /// Cuts the socket off, without a word.
    pub(crate) fn cut(&mut self) {
        self.socket = None;
    }

    /// Bytes of the present socket, with everything that is not text.
    pub(crate) fn bytes(&mut self) -> u64 {
        self.socket.as_mut().unwrap().get_mut().bytes
    }

    /// The text that it holds of a reply, whether that is settled or not.
    pub(crate) fn text(&self, seq: i64) -> &str {
        if let Some(message) = self.client.messages.get(&seq)
            && message["state"] != "queued"
        {
            return message["body"].as_str().unwrap();
        }
        let running = self.client.replies.get(&seq);
        running.map_or("", |reply| reply.text.as_str())
    }

    fn take(&mut self, frame: &Value, bytes: usize) {
        self.client.take(frame);
        self.client.check();
        let now = Instant::now();
        let seq = frame["seq"].as_i64();
        if let (true, Some(seq)) = (frame["type"] == "reply.delta", seq) {
            assert!(
                !self.settled.contains_key(&seq),
                "text of {seq}, which has ended: {frame}"
            );
            self.deltas.entry(seq).or_default().push((now, bytes));
            self.look(seq, now);
        }
        if frame["type"] == "room.joined" {
            let running: Vec<i64> = self.client.replies.keys().copied().collect();
            running.into_iter().for_each(|seq| self.look(seq, now));
        }
        if frame["type"] == "message" && frame["message"]["reply"].is_object() {
            let seq = frame["message"]["seq"].as_i64().unwrap();
            if frame["message"]["state"] != "queued" {
                *self.settled.entry(seq).or_default() += 1;
            }
        }
    }

    /// Whatever it held of a reply begins as what it holds now does, however often it was cut and came back.
    fn look(&mut self, seq: i64, now: Instant) {
        let Some(reply) = self.client.replies.get(&seq) else {
            return;
        };
        let held = self.held.entry((seq, reply.attempt)).or_default();
        if reply.text.len() >= held.len() {
            assert!(
                reply.text.starts_with(held.as_str()),
                "{held:?} became {:?}",
                reply.text
            );
            held.clone_from(&reply.text);
        } else {
            assert!(
                held.starts_with(reply.text.as_str()),
                "{held:?} became {:?}",
                reply.text
            );
        }
        let grown = self.grown.entry(seq).or_default();
        grown.push((now, reply.text.len()));
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(context, buffer);
        this.bytes += (buffer.filled().len() - before) as u64;
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

/// That a text is so many stamps of the provider's clock, each later than the one before: nothing lost, doubled or turned.
pub(crate) fn check_stamps(text: &str, count: usize) {
    assert_eq!(text.len(), count * STAMP_BYTES, "{text:?}");
    let stamps: Vec<u64> = stamps_of(text).collect();
    assert_eq!(stamps.len(), count);
    let in_order = stamps.windows(2).all(|pair| pair[0] <= pair[1]);
    assert!(in_order, "{text:?}");
}

/// The stamps of a text, in microseconds.
pub(crate) fn stamps_of(text: &str) -> impl Iterator<Item = u64> {
    text.split_whitespace().map(|stamp| stamp.parse().unwrap())
}
