//! A client of one socket in the words of Django Channels' `WebsocketCommunicator`: connect, `send_json_to`,
//! `receive_json_from`, `receive_nothing`, disconnect, and short ways for what chat tests do all the time. The same verbs
//! over a pipe in memory ([`WebsocketCommunicator`]) and over TCP ([`SocketClient`]). Every wait has a deadline.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use salon::consumer::transport::MemoryStream;
use salon::ids::ClientId;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::tungstenite::{Error, Message};

/// The longest that any wait here takes, on two busy cores.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// Over a pipe, without a port.
pub(crate) type WebsocketCommunicator = Communicator<MemoryStream>;
/// Over TCP.
pub(crate) type SocketClient = Communicator<TcpStream>;

/// A client of one socket.
pub(crate) struct Communicator<S> {
    stream: WebSocketStream<S>,
    /// Frames read while waiting for others, in order.
    kept: VecDeque<Value>,
    /// `presence` and `typing`: they come when they like, so only [`Communicator::expect_passing`] looks at them.
    passing: VecDeque<(Instant, Value)>,
    references: u64,
    /// The server's close code, once it came.
    pub(crate) close_code: Option<u16>,
}

impl WebsocketCommunicator {
    /// The client's end of a pipe whose other end a consumer serves.
    pub(crate) async fn connect(stream: MemoryStream) -> Self {
        Self::over(WebSocketStream::from_raw_socket(stream, Role::Client, None).await)
    }
}

impl SocketClient {
    /// Connects to `/ws` of a server on 127.0.0.1 with a bearer token.
    pub(crate) async fn connect(port: u16, token: &str) -> Self {
        Self::connect_at(Ipv4Addr::LOCALHOST, port, token).await
    }

    /// The same at another address of this machine.
    pub(crate) async fn connect_at(address: Ipv4Addr, port: u16, token: &str) -> Self {
        let stream = TcpStream::connect((address, port)).await.unwrap();
        Self::upgrade(stream, port, token).await
    }

    /// The same for one whose kernel takes little when it does not read itself.
    pub(crate) async fn connect_with_small_buffer(port: u16, token: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        let address = (Ipv4Addr::LOCALHOST, port).into();
        Self::upgrade(socket.connect(address).await.unwrap(), port, token).await
    }

    /// Connects as the server's own page does: with the session's cookie and the page's origin.
    pub(crate) async fn connect_by_cookie(port: u16, token: &str) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .unwrap();
        let headers = [
            ("cookie", format!("salon={token}")),
            ("origin", format!("http://127.0.0.1:{port}")),
        ];
        Self::upgrade_with(stream, port, "/ws", &headers).await
    }

    /// Connects with a ticket alone, as a page of another site does.
    pub(crate) async fn connect_by_ticket(port: u16, ticket: &str) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .unwrap();
        Self::upgrade_with(stream, port, &format!("/ws?ticket={ticket}"), &[]).await
    }

    /// Connects as through a proxy that says for whom; the answer instead of a socket, where there is none.
    pub(crate) async fn try_connect_for(
        port: u16,
        token: &str,
        address: &str,
    ) -> Result<Self, (u16, Value)> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .unwrap();
        let mut request = format!("ws://127.0.0.1:{port}/ws")
            .into_client_request()
            .unwrap();
        let headers = request.headers_mut();
        let bearer = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
        headers.insert("authorization", bearer);
        headers.insert("x-forwarded-for", HeaderValue::from_str(address).unwrap());
        let upgrade = tokio_tungstenite::client_async(request, stream);
        let upgraded = tokio::time::timeout(PATIENCE, upgrade).await;
        match upgraded.expect("no answer in time") {
            Ok((stream, _)) => Ok(Self::over(stream)),
            Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => {
                let status = answer.status().as_u16();
                let body = answer.body().as_deref().unwrap_or_default();
                Err((status, serde_json::from_slice(body).unwrap_or_default()))
            }
            Err(error) => panic!("{error}"),
        }
    }

    async fn upgrade(stream: TcpStream, port: u16, token: &str) -> Self {
        let bearer = [("authorization", format!("Bearer {token}"))];
        Self::upgrade_with(stream, port, "/ws", &bearer).await
    }

    async fn upgrade_with(
        stream: TcpStream,
        port: u16,
        path: &str,
        headers: &[(&'static str, String)],
    ) -> Self {
        let mut request = format!("ws://127.0.0.1:{port}{path}")
            .into_client_request()
            .unwrap();
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).unwrap();
            request.headers_mut().insert(*name, value);
        }
        let upgrade = tokio_tungstenite::client_async(request, stream);
        let (stream, _) = tokio::time::timeout(PATIENCE, upgrade)
            .await
            .expect("no upgrade in time")
            .unwrap();
        Self::over(stream)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Communicator<S> {
    fn over(stream: WebSocketStream<S>) -> Self {
        Self {
            stream,
            kept: VecDeque::new(),
            passing: VecDeque::new(),
            references: 0,
            close_code: None,
        }
    }

    /// The raw stream, for what a well-behaved client never does.
    pub(crate) fn raw(&mut self) -> &mut S {
        self.stream.get_mut()
    }

    /// Sends one frame.
    pub(crate) async fn send_json_to(&mut self, frame: &Value) {
        self.send_text(&frame.to_string()).await;
    }

    /// Sends one text frame of any form.
    pub(crate) async fn send_text(&mut self, text: &str) {
        self.send_message(Message::text(text)).await;
    }

    /// Sends one WebSocket message.
    pub(crate) async fn send_message(&mut self, message: Message) {
        // The server may have closed meanwhile; the test sees that when it receives.
        let _ = tokio::time::timeout(PATIENCE, self.stream.send(message))
            .await
            .expect("the server took nothing");
    }

    /// The next frame. Fails when the socket closes or nothing comes in time.
    pub(crate) async fn receive_json_from(&mut self) -> Value {
        if let Some(frame) = self.kept.pop_front() {
            return frame;
        }
        let frame = self.next_frame(PATIENCE).await;
        frame.unwrap_or_else(|| panic!("no frame; closed with {:?}", self.close_code))
    }

    /// The next frame, if one comes in time and before the socket closes.
    pub(crate) async fn receive_within(&mut self, within: Duration) -> Option<Value> {
        match self.kept.pop_front() {
            Some(frame) => Some(frame),
            None => self.next_frame(within).await,
        }
    }

    /// Checks that nothing comes for so long.
    pub(crate) async fn receive_nothing(&mut self, within: Duration) {
        let frame = self.receive_within(within).await;
        assert_eq!(frame, None, "nothing was to come");
    }

    /// The next frame of a type; others are kept for later, in their order.
    pub(crate) async fn expect(&mut self, kind: &str) -> Value {
        self.expect_where(kind, |_| true).await
    }

    /// The next frame of a type that fits; others are kept.
    pub(crate) async fn expect_where(
        &mut self,
        kind: &str,
        fits: impl Fn(&Value) -> bool,
    ) -> Value {
        let is_it = |frame: &Value| frame["type"] == kind && fits(frame);
        if let Some(place) = self.kept.iter().position(is_it) {
            return self.kept.remove(place).unwrap();
        }
        let deadline = Instant::now() + PATIENCE;
        while let Some(frame) = self.next_frame(deadline - Instant::now()).await {
            if is_it(&frame) {
                return frame;
            }
            self.kept.push_back(frame);
        }
        panic!(
            "no {kind}; closed with {:?}; kept {:#?}",
            self.close_code, self.kept
        );
    }

    /// The next `presence` or `typing` that fits, and when it came; those before it are dropped, others are kept.
    pub(crate) async fn expect_passing(
        &mut self,
        kind: &str,
        within: Duration,
        fits: impl Fn(&Value) -> bool,
    ) -> (Instant, Value) {
        let deadline = Instant::now() + within;
        let mut dropped = Vec::new();
        loop {
            while let Some((at, frame)) = self.passing.pop_front() {
                if frame["type"] == kind && fits(&frame) {
                    return (at, frame);
                }
                dropped.push(frame);
            }
            assert!(
                Instant::now() < deadline,
                "no such {kind} within {within:?}; closed with {:?}; others: {dropped:#?}",
                self.close_code
            );
            self.read_passing(Duration::from_millis(50)).await;
        }
    }

    /// Every `presence` and `typing` that comes within so long, or has come.
    pub(crate) async fn all_passing(&mut self, within: Duration) -> Vec<(Instant, Value)> {
        self.read_passing(within).await;
        self.passing.drain(..).collect()
    }

    async fn read_passing(&mut self, within: Duration) {
        let deadline = Instant::now() + within;
        while let Some(frame) = self.next_frame(deadline - Instant::now()).await {
            self.kept.push_back(frame);
        }
    }

    /// The answer under a `ref`; others are kept.
    pub(crate) async fn answer(&mut self, reference: &str) -> Value {
        let is_it = |frame: &Value| frame["ref"] == reference;
        if let Some(place) = self.kept.iter().position(is_it) {
            return self.kept.remove(place).unwrap();
        }
        let deadline = Instant::now() + PATIENCE;
        while let Some(frame) = self.next_frame(deadline - Instant::now()).await {
            if is_it(&frame) {
                return frame;
            }
            self.kept.push_back(frame);
        }
        panic!(
            "no answer to {reference}; closed with {:?}",
            self.close_code
        );
    }

    /// The answer under a `ref`, if there is one within so long; others are kept.
    pub(crate) async fn find_within(&mut self, reference: &str, within: Duration) -> Option<Value> {
        let is_it = |frame: &Value| frame["ref"] == reference;
        let deadline = Instant::now() + within;
        loop {
            if let Some(place) = self.kept.iter().position(is_it) {
                return self.kept.remove(place);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let frame = self.next_frame(left).await?;
            self.kept.push_back(frame);
        }
    }

    /// Reads on until the socket closes; the server's code.
    pub(crate) async fn closed(&mut self) -> u16 {
        let deadline = Instant::now() + PATIENCE;
        while self.close_code.is_none() {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.next_frame(left).await {
                Some(frame) => self.kept.push_back(frame),
                None if self.close_code.is_none() => {
                    panic!("the socket was not closed with a code")
                }
                None => {}
            }
        }
        self.close_code.unwrap()
    }

    /// Closes and waits for the server to agree.
    pub(crate) async fn disconnect(mut self) {
        let _ = self.stream.close(None).await;
        let ended = async { while let Some(Ok(_)) = self.stream.next().await {} };
        tokio::time::timeout(PATIENCE, ended)
            .await
            .expect("the server did not close");
    }

    /// The next text frame or `None` at the deadline or when the socket closes. Control frames are passed over.
    async fn next_frame(&mut self, within: Duration) -> Option<Value> {
        let deadline = Instant::now() + within;
        loop {
            let message = tokio::time::timeout_at(deadline, self.stream.next()).await;
            match message.ok()?? {
                Ok(Message::Text(text)) => {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    if frame["type"] != "presence" && frame["type"] != "typing" {
                        return Some(frame);
                    }
                    self.passing.push_back((Instant::now(), frame));
                }
                Ok(Message::Close(Some(CloseFrame { code, .. }))) => {
                    self.close_code = Some(code.into());
                    // Answers the close.
                    let _ = self.stream.flush().await;
                    return None;
                }
                Ok(_) => {}
                Err(
                    Error::ConnectionClosed
                    | Error::AlreadyClosed
                    | Error::Io(_)
                    | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake),
                ) => return None,
                Err(error) => panic!("the server broke the protocol: {error}"),
            }
        }
    }

    /// The next WebSocket message of any kind, without a deadline of its own; none at the end.
    pub(crate) async fn next_message(&mut self) -> Option<Message> {
        self.stream.next().await?.ok()
    }

    fn next_reference(&mut self) -> String {
        self.references += 1;
        format!("r{}", self.references)
    }

    /// Asks and returns the answer.
    pub(crate) async fn ask(&mut self, mut frame: Value) -> Value {
        let reference = self.next_reference();
        frame["ref"] = json!(reference);
        self.send_json_to(&frame).await;
        self.answer(&reference).await
    }

    /// Joins a room at its latest page.
    pub(crate) async fn join(&mut self, room: &str) -> Value {
        let joined = self.ask(json!({"type": "room.join", "room": room})).await;
        assert_eq!(joined["type"], "room.joined", "{joined}");
        joined
    }

    /// Joins a room from a cursor.
    pub(crate) async fn join_after(&mut self, room: &str, epoch: &Value, after: i64) -> Value {
        let joined = self
            .ask(json!({"type": "room.join", "room": room, "epoch": epoch, "after": after}))
            .await;
        assert_eq!(joined["type"], "room.joined", "{joined}");
        joined
    }

    /// Sends a message and waits for its ack.
    pub(crate) async fn send(&mut self, room: &str, body: &str) -> Value {
        let ack = self.send_as(room, ClientId::new(), body).await;
        assert_eq!(ack["type"], "message.accepted", "{ack}");
        ack
    }

    /// Sends a message under a `client_id` and waits for its answer, whatever it is.
    pub(crate) async fn send_as(&mut self, room: &str, client_id: ClientId, body: &str) -> Value {
        self.ask(message(room, client_id, body)).await
    }

    /// Asks the assistant; the seq of its reply.
    pub(crate) async fn prompt(&mut self, room: &str, question: &str) -> i64 {
        let ack = self.send(room, &format!("@assistant {question}")).await;
        ack["reply_seq"].as_i64().unwrap_or_else(|| panic!("{ack}"))
    }
}

/// A `message.send`.
pub(crate) fn message(room: &str, client_id: ClientId, body: &str) -> Value {
    json!({"type": "message.send", "room": room, "client_id": client_id, "body": body})
}
