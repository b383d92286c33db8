//! A small client: guests, rooms and sockets, and what the kernel says of the server's process.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// One socket.
pub(crate) type Socket = WebSocketStream<TcpStream>;

/// Nothing of a load run may wait longer for one answer.
const DEADLINE: Duration = Duration::from_secs(30);

/// A new guest's token.
pub(crate) async fn guest(server: &str, name: &str) -> String {
    let answer = post(server, None, "/api/guests", &json!({ "name": name })).await;
    answer["token"].as_str().expect("a token").to_owned()
}

/// A new public room's slug.
pub(crate) async fn room(server: &str, token: &str) -> String {
    let slug = format!("load-{}", uuid::Uuid::new_v4().simple());
    let room = json!({ "slug": slug, "name": "load", "visibility": "public" });
    post(server, Some(token), "/api/rooms", &room).await;
    slug
}

async fn post(server: &str, token: Option<&str>, path: &str, body: &Value) -> Value {
    let client = reqwest::Client::new();
    let mut request = client.post(format!("http://{server}{path}")).json(body);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let answer = request.send().await.expect("an answer");
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    answer.json().await.expect("JSON")
}

/// A socket that has been welcomed.
pub(crate) async fn connect(server: &str, token: &str) -> Socket {
    let stream = TcpStream::connect(server).await.expect("a connection");
    stream.set_nodelay(true).expect("nodelay");
    let mut request = format!("ws://{server}/ws")
        .into_client_request()
        .expect("a request");
    request.headers_mut().insert(
        "authorization",
        format!("Bearer {token}").parse().expect("a header"),
    );
    // Small buffers: thousands of these live in one process.
    let config = WebSocketConfig::default()
        .read_buffer_size(4096)
        .write_buffer_size(0);
    let (mut socket, _) = client_async_with_config(request, stream, Some(config))
        .await
        .expect("an upgrade");
    expect(&mut socket, "welcome").await;
    socket
}

/// Joins a room.
pub(crate) async fn join(socket: &mut Socket, room: &str) {
    send(socket, &json!({ "type": "room.join", "room": room })).await;
    expect(socket, "room.joined").await;
}

/// Sends one frame.
pub(crate) async fn send(socket: &mut Socket, frame: &Value) {
    socket
        .send(Message::text(frame.to_string()))
        .await
        .expect("a send");
}

/// A `message.send` of about 100 bytes of text.
pub(crate) fn message(room: &str) -> Value {
    json!({ "type": "message.send", "room": room, "client_id": uuid::Uuid::new_v4(), "body": "x".repeat(100) })
}

/// Reads until a frame of this type comes.
pub(crate) async fn expect(socket: &mut Socket, kind: &str) {
    let wanted = format!("{{\"type\":\"{kind}\"");
    loop {
        let text = next(socket).await.expect("an open socket");
        assert!(!text.starts_with("{\"type\":\"error\""), "{text}");
        if text.starts_with(&wanted) {
            return;
        }
    }
}

/// The next text frame; none when the socket closed.
pub(crate) async fn next(socket: &mut Socket) -> Option<Utf8Bytes> {
    loop {
        match tokio::time::timeout(DEADLINE, socket.next())
            .await
            .expect("a frame in time")?
        {
            Ok(Message::Text(text)) => return Some(text),
            Ok(Message::Close(_)) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

/// CPU time the process has used, user and system.
pub(crate) fn cpu(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the server's process");
    // The command's name may hold spaces; fields are counted behind its closing parenthesis.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks: u64 = [11, 12]
        .iter()
        .filter_map(|&field| fields.get(field)?.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}

/// Resident memory of the process, in KiB.
pub(crate) fn resident_kib(pid: u32) -> u64 {
    let status =
        std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the server's process");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .expect("VmRSS");
    line.split_whitespace()
        .nth(1)
        .and_then(|number| number.parse().ok())
        .expect("a number")
}
