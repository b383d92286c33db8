//! The consumer that Autobahn's list is written for: it sends back what it gets. Salon's own transport, outbox and codec
//! with its limits; only the handshake is short, and nothing is asked about who comes.

use std::future::poll_fn;
use std::sync::Arc;

use chrono::{Days, Utc};
use futures_util::StreamExt;
use salon::consumer::connection::{Connection, Stream};
use salon::consumer::outbox::WrittenOut;
use salon::consumer::transport::Transport;
use salon::consumer::{close_code_of, codec, linger};
use salon::db::rows::{Identity, UserKind, UserRow};
use salon::ids::{SessionId, UserId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_util::task::AbortOnDropHandle;

/// A running echo; it ends with the test.
pub(super) struct Echo {
    port: u16,
    _serving: AbortOnDropHandle<()>,
}

impl Echo {
    /// Where it listens on 127.0.0.1.
    pub(super) const fn port(&self) -> u16 {
        self.port
    }
}

/// Starts one.
pub(super) async fn start() -> Echo {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    Echo {
        port,
        _serving: AbortOnDropHandle::new(serving),
    }
}

/// Answers one request: the balancer's question whether it is ready, or a handshake that is right.
async fn serve(mut stream: TcpStream) {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if !matches!(stream.read_buf(&mut bytes).await, Ok(1..)) {
            return;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    let mut keys = lines.filter(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"));
    let Some((_, key)) = keys.next() else {
        let ready = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        let _ = stream.write_all(ready).await;
        return;
    };
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {}\r\n\r\n",
        derive_accept_key(key.as_bytes())
    );
    if stream.write_all(answer.as_bytes()).await.is_ok() {
        echo(stream, bytes.split_off(end)).await;
    }
}

fn nobody() -> Identity {
    Identity {
        session: SessionId::new(),
        user: UserRow {
            id: UserId::new(),
            name: "echo".into(),
            kind: UserKind::User,
        },
        expires_at: Utc::now() + Days::new(1),
    }
}

/// The consumer's loop without its clock: what comes is sent back, as fast as the peer takes it.
async fn echo(stream: TcpStream, read_ahead: Vec<u8>) {
    let connection = Connection::new(nobody(), Transport::Tcp(stream));
    let mut socket = codec(Arc::clone(&connection), read_ahead).await;
    loop {
        let outbox = &connection.outbox;
        let message = tokio::select! {
            biased;
            written = poll_fn(|cx| outbox.poll_write_out(cx)) => match written {
                WrittenOut::Stalled => continue,
                WrittenOut::Closed(_) | WrittenOut::Broken => break,
            },
            message = next(&connection, &mut socket) => message,
        };
        match message {
            Some(Ok(Message::Text(text))) => send(&connection, Data::Text, text.as_bytes()),
            Some(Ok(Message::Binary(bytes))) => send(&connection, Data::Binary, &bytes),
            Some(Ok(Message::Close(frame))) => {
                outbox.answer_close(frame.map(|frame| u16::from(frame.code)));
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Err(error)) => match close_code_of(&error) {
                Some(code) => outbox.close(code),
                None => return,
            },
            None => return,
        }
    }
    linger(&connection).await;
}

/// The next message, once what was echoed is on its way: a slow reader is waited for.
async fn next(
    connection: &Connection,
    socket: &mut WebSocketStream<Stream>,
) -> Option<Result<Message, tungstenite::Error>> {
    drop(connection.turn_to_fill().await);
    if connection.outbox.closing().is_some() {
        return std::future::pending().await;
    }
    socket.next().await
}

fn send(connection: &Connection, kind: Data, payload: &[u8]) {
    let frame = Frame::message(payload.to_vec(), OpCode::Data(kind), true);
    let mut bytes = Vec::new();
    frame.format(&mut bytes).unwrap();
    connection.outbox.push(&bytes.into());
}
