//! The sockets of a client: connecting, coming back with full jitter, one socket's life, two at once while it moves.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use salon_checker::record::{Side, What};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};
use tokio_util::task::AbortOnDropHandle;

use super::Shared;
use super::state::Line;

/// Connecting, upgrade included, and any one write.
const PATIENCE: Duration = Duration::from_secs(3);
/// The first wait before connecting again; it doubles, and a random part of it is waited.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_LONGEST: Duration = Duration::from_secs(1);
/// Silence after which the peer is asked whether it lives; twice as long and it does not.
const SILENCE: Duration = Duration::from_secs(4);
/// How often a socket looks what is due.
const TICK: Duration = Duration::from_millis(50);
/// The kernel's buffer of a reader that is to look slow soon.
const NARROW_BYTES: u32 = 8 * 1024;
/// The session has ended.
const SIGNED_OUT: u16 = 4501;

type Socket = WebSocketStream<TcpStream>;

/// Connects, converses, and comes back, until the session ends.
pub(super) async fn stay(shared: Arc<Shared>) {
    let mut failures = 0;
    // The sockets that moves left behind, until they have ended.
    let mut left = JoinSet::new();
    while !shared.state.lock().unwrap().signed_out {
        let connecting = tokio::time::timeout(PATIENCE, connect(&shared));
        if let Ok(Ok(socket)) = connecting.await {
            failures = 0;
            let retire = Arc::new(Notify::new());
            let number = shared.sockets.fetch_add(1, Ordering::Relaxed) + 1;
            let life = live(Arc::clone(&shared), number, socket, Arc::clone(&retire));
            let mut life = AbortOnDropHandle::new(tokio::spawn(life));
            tokio::select! {
                _ = &mut life => {}
                () = shared.moving.notified() => {
                    let overlap = Duration::from_millis(shared.overlap_ms.load(Ordering::Relaxed));
                    left.spawn(async move {
                        tokio::time::sleep(overlap).await;
                        retire.notify_one();
                        let _ = life.await;
                    });
                    while left.try_join_next().is_some() {}
                    continue;
                }
            }
        }
        shared.ways.lock().unwrap().rotate_left(1);
        let longest = (BACKOFF_FIRST * 2_u32.pow(failures)).min(BACKOFF_LONGEST);
        failures = (failures + 1).min(5);
        tokio::time::sleep(longest.mul_f64(rand::random_range(0.0..1.0))).await;
    }
    while left.join_next().await.is_some() {}
}

async fn connect(shared: &Shared) -> Result<Socket, Box<dyn std::error::Error + Send + Sync>> {
    let port = shared.ways.lock().unwrap()[0];
    let socket = TcpSocket::new_v4()?;
    if shared.habits.narrow {
        socket.set_recv_buffer_size(NARROW_BYTES)?;
    }
    let stream = socket.connect(([127, 0, 0, 1], port).into()).await?;
    stream.set_nodelay(true)?;
    let mut request = format!("ws://127.0.0.1:{port}/ws").into_client_request()?;
    let bearer = format!("Bearer {}", shared.token).parse()?;
    request.headers_mut().insert("authorization", bearer);
    Ok(client_async(request, stream).await?.0)
}

/// One socket from its welcome to its end, in the history.
async fn live(shared: Arc<Shared>, number: u64, mut socket: Socket, retire: Arc<Notify>) {
    let name = format!("{}/{number}", shared.name);
    let Ok(Some(Ok(Message::Text(first)))) = tokio::time::timeout(PATIENCE, socket.next()).await
    else {
        return;
    };
    let Ok(welcome) = serde_json::from_str::<Value>(&first) else {
        return;
    };
    shared.recorder.note(What::Opened {
        socket: name.clone(),
        client: shared.name.clone(),
        connection: welcome["connection"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
    });
    let mut line = Line::new(number);
    {
        let mut state = shared.state.lock().unwrap();
        state.take(&mut line, &welcome);
        shared.recorder.note(What::Received {
            socket: name.clone(),
            frame: welcome,
        });
    }
    let (code, by) = converse(&shared, &name, &mut line, &mut socket, &retire).await;
    shared.recorder.note(What::Closed {
        socket: name,
        code,
        by,
    });
    for what in line.unanswered() {
        shared.recorder.note(what);
    }
    let mut state = shared.state.lock().unwrap();
    if code == Some(SIGNED_OUT) {
        state.signed_out = true;
    } else if shared.habits.careless {
        for (room, pending) in state.take_pending(|one| one.sent_on == Some(number)) {
            shared.recorder.note(What::Info {
                op: pending.op.clone(),
                cause: "the socket ended".to_owned(),
            });
            state.unknown.push((room, pending));
        }
    }
}

/// How a socket ended.
type End = (Option<u16>, Side);

async fn converse(
    shared: &Shared,
    name: &str,
    line: &mut Line,
    socket: &mut Socket,
    retire: &Notify,
) -> End {
    let mut heard = Instant::now();
    let mut asked = false;
    loop {
        let deaf = *shared.deaf_until.lock().unwrap();
        if let Some(wait) = deaf.and_then(|until| until.checked_duration_since(Instant::now())) {
            tokio::select! {
                () = tokio::time::sleep(wait.min(TICK)) => {}
                () = shared.cut.notified() => return (None, Side::Client),
            }
            heard = Instant::now();
            continue;
        }
        tokio::select! {
            message = socket.next() => {
                heard = Instant::now();
                asked = false;
                if let Some(end) = take(shared, name, line, message) {
                    return end;
                }
            }
            () = shared.wake.notified() => {}
            () = shared.cut.notified() => return (None, Side::Client),
            () = retire.notified() => return (None, Side::Client),
            () = tokio::time::sleep(TICK) => {}
        }
        if line.leave.is_some_and(|at| Instant::now() >= at) {
            return (None, Side::Client);
        }
        if asked && heard.elapsed() > 2 * SILENCE {
            return (None, Side::Network);
        }
        let ask = heard.elapsed() > SILENCE && !asked;
        asked |= ask;
        if !send_due(shared, name, line, socket, ask).await {
            return (None, Side::Network);
        }
    }
}

/// Takes what came; how the socket ended, if it did.
fn take(
    shared: &Shared,
    name: &str,
    line: &mut Line,
    message: Option<Result<Message, tokio_tungstenite::tungstenite::Error>>,
) -> Option<End> {
    match message {
        Some(Ok(Message::Text(text))) => {
            let frame: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
            if frame["type"] == "pong" {
                return None;
            }
            // Noted under the lock, so that the history has the frames of two sockets in the order in which they counted.
            let mut state = shared.state.lock().unwrap();
            let told = state.take(line, &frame);
            shared.recorder.note(What::Received {
                socket: name.to_owned(),
                frame,
            });
            for what in told {
                shared.recorder.note(what);
            }
            None
        }
        Some(Ok(Message::Close(close))) => {
            let code = close.map(|close| u16::from(close.code));
            Some((code, Side::Server))
        }
        Some(Ok(_)) => None,
        Some(Err(_)) | None => Some((None, Side::Network)),
    }
}

/// Sends what is due; whether the socket took it.
async fn send_due(
    shared: &Shared,
    name: &str,
    line: &mut Line,
    socket: &mut Socket,
    ping: bool,
) -> bool {
    let texts = due(shared, name, line, ping);
    if texts.is_empty() {
        return true;
    }
    let writing = async {
        for text in texts {
            socket.feed(Message::text(text)).await?;
        }
        socket.flush().await
    };
    matches!(tokio::time::timeout(PATIENCE, writing).await, Ok(Ok(())))
}

/// The frames that are due, joins first; the history keeps those.
fn due(shared: &Shared, name: &str, line: &mut Line, ping: bool) -> Vec<String> {
    let mut state = shared.state.lock().unwrap();
    let (joins, mut frames) = state.due(line);
    if ping {
        frames.push(json!({ "type": "ping" }));
    }
    let texts = joins.iter().chain(&frames).map(Value::to_string).collect();
    for frame in joins {
        shared.recorder.note(What::Sent {
            socket: name.to_owned(),
            frame,
        });
    }
    texts
}
