//! A member of a room as a good client is one: it connects with its token, joins with its cursor, follows the rules of
//! the wire ([`book`]), keeps what is not acknowledged and sends it again in its first order with the same `client_id`,
//! comes back with full jitter, obeys close codes and `drain`; and it writes down every promise that was broken.

pub(crate) mod book;

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::process::eventually;
use book::{Book, Next};

/// Connecting, upgrade included, and any one write.
const PATIENCE: Duration = Duration::from_secs(3);
/// The first wait before connecting again; it doubles, and a random part of it is waited.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_LONGEST: Duration = Duration::from_secs(1);
/// Silence, with something pending, after which the peer is asked whether it lives; twice as long and it does not.
const SILENCE: Duration = Duration::from_secs(4);

/// One user on one socket, for as long as it lives.
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) token: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    book: Mutex<Book>,
    room: String,
    /// Where it connects, on 127.0.0.1.
    port: AtomicU16,
    /// Something is to be sent.
    wake: Notify,
    /// Break the socket.
    cut: Notify,
}

impl Member {
    /// A new guest of this name, whose socket stays in the room. `port` is a balancer's or an instance's.
    pub(crate) async fn join(port: u16, name: &str, room: &str) -> Self {
        let answer: Value = reqwest::Client::new()
            .post(format!("http://127.0.0.1:{port}/api/guests"))
            .json(&json!({ "name": name }))
            .send()
            .await
            .unwrap()
            .error_for_status()
            .unwrap()
            .json()
            .await
            .unwrap();
        let token = answer["token"].as_str().unwrap().to_owned();
        let shared = Arc::new(Shared {
            book: Mutex::new(Book::new(room)),
            room: room.to_owned(),
            port: AtomicU16::new(port),
            wake: Notify::new(),
            cut: Notify::new(),
        });
        let task = tokio::spawn(stay(Arc::clone(&shared), token.clone()));
        let member = Self {
            id: answer["user"]["id"].as_str().unwrap().to_owned(),
            token,
            shared,
            task,
        };
        member
            .wait(
                "the room is joined",
                Duration::from_secs(15),
                Book::is_joined,
            )
            .await;
        member
    }

    /// So many of them, together.
    pub(crate) async fn join_many(port: u16, count: usize, room: &str) -> Vec<Self> {
        let joining = (0..count)
            .map(|number| async move { Self::join(port, &format!("member {number}"), room).await });
        futures_util::future::join_all(joining).await
    }

    /// Sends a message, now or when the connection is there; its `client_id`.
    pub(crate) fn send(&self, body: &str) -> String {
        let client_id = uuid::Uuid::new_v4().to_string();
        self.book().submit(&client_id, body);
        self.shared.wake.notify_one();
        client_id
    }

    /// What it holds and has seen.
    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.shared.book.lock().unwrap()
    }

    /// Waits until its book says so.
    pub(crate) async fn wait(&self, what: &str, within: Duration, holds: impl Fn(&Book) -> bool) {
        let deadline = Instant::now() + within;
        while !holds(&self.book()) {
            if Instant::now() >= deadline {
                let stand = self.book().stand();
                panic!("not within {within:?}: {what}; {stand}");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until every send has its ack.
    pub(crate) async fn wait_for_acks(&self, within: Duration) {
        self.wait("every send is acknowledged", within, |book| {
            book.pending.is_empty()
        })
        .await;
    }

    /// From the next connection on it goes there.
    pub(crate) fn move_to(&self, port: u16) {
        self.shared.port.store(port, Ordering::Relaxed);
    }

    /// Breaks its socket; it comes back.
    pub(crate) fn cut(&self) {
        self.shared.cut.notify_one();
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Messages that keep coming: each member sends one every so often, unless too many of its own are unanswered.
pub(crate) struct Load {
    stop: tokio_util::sync::CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Load {
    /// A pace that a test can check whole: above this many unanswered a member waits.
    const UNANSWERED: usize = 25;

    pub(crate) fn start(members: &Arc<Vec<Member>>, every: Duration) -> Self {
        let stop = tokio_util::sync::CancellationToken::new();
        let tasks = (0..members.len())
            .map(|index| {
                let (members, stop) = (Arc::clone(members), stop.clone());
                tokio::spawn(async move {
                    let mut count = 0;
                    loop {
                        let wait = every.mul_f64(rand::random_range(0.5..1.5));
                        tokio::select! {
                            () = stop.cancelled() => return,
                            () = tokio::time::sleep(wait) => {}
                        }
                        let member = &members[index];
                        if member.book().pending.len() < Self::UNANSWERED {
                            count += 1;
                            member.send(&format!("n° {count} of {index}"));
                        }
                    }
                })
            })
            .collect();
        Self { stop, tasks }
    }

    /// Ends it and waits until everybody has the answer to everything.
    pub(crate) async fn stop(self, members: &[Member], within: Duration) {
        self.stop.cancel();
        for task in self.tasks {
            task.await.unwrap();
        }
        for member in members {
            member.wait_for_acks(within).await;
        }
    }
}

/// Waits until everybody has at least so many acks.
pub(crate) async fn wait_for_progress(members: &[Member], acks: usize, within: Duration) {
    eventually(
        "every member's sends are acknowledged",
        within,
        async || {
            members
                .iter()
                .all(|member| member.book().acked.len() >= acks)
        },
    )
    .await;
}

type Socket = WebSocketStream<TcpStream>;

/// Connects, converses, and comes back, for ever.
async fn stay(shared: Arc<Shared>, token: String) {
    let mut failures = 0;
    loop {
        let port = shared.port.load(Ordering::Relaxed);
        let connecting = connect(port, &token);
        if let Ok(Ok(socket)) = tokio::time::timeout(PATIENCE, connecting).await {
            shared.book.lock().unwrap().begin_join();
            let welcomed = shared.book.lock().unwrap().sockets;
            converse(&shared, socket).await;
            let mut book = shared.book.lock().unwrap();
            book.begin_join();
            if book.sockets > welcomed {
                failures = 0;
            }
        }
        let longest = (BACKOFF_FIRST * 2_u32.pow(failures)).min(BACKOFF_LONGEST);
        failures = (failures + 1).min(5);
        tokio::time::sleep(longest.mul_f64(rand::random_range(0.0..1.0))).await;
    }
}

async fn connect(
    port: u16,
    token: &str,
) -> Result<Socket, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let mut request = format!("ws://127.0.0.1:{port}/ws").into_client_request()?;
    let bearer = format!("Bearer {token}").parse()?;
    request.headers_mut().insert("authorization", bearer);
    Ok(client_async(request, stream).await?.0)
}

/// What is due on one socket, and when.
#[derive(Default)]
struct Timers {
    join: Option<Instant>,
    resend: Option<Instant>,
    leave: Option<Instant>,
}

/// One socket, until it ends.
async fn converse(shared: &Shared, mut socket: Socket) {
    let mut timers = Timers::default();
    let mut heard = Instant::now();
    let mut asked = false;
    loop {
        tokio::select! {
            message = socket.next() => {
                heard = Instant::now();
                asked = false;
                match message {
                    Some(Ok(Message::Text(text))) => {
                        let frame: Value = serde_json::from_str(&text).unwrap();
                        take(shared, &frame, &mut timers);
                    }
                    Some(Ok(Message::Close(close))) => {
                        note_close(shared, close.map(|close| u16::from(close.code)));
                        return;
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return,
                }
            }
            () = shared.wake.notified() => {}
            () = shared.cut.notified() => return,
            () = tokio::time::sleep(Duration::from_millis(50)) => {}
        }
        let now = Instant::now();
        let is_due = |timer: Option<Instant>| timer.is_some_and(|at| now >= at);
        if is_due(timers.leave) || (asked && heard.elapsed() > 2 * SILENCE) {
            return;
        }
        let mut frames = Vec::new();
        if is_due(timers.join) {
            timers.join = None;
            frames.push(join_frame(shared));
        }
        if heard.elapsed() > SILENCE && !asked && !shared.book.lock().unwrap().pending.is_empty() {
            asked = true;
            frames.push(json!({ "type": "ping" }));
        }
        if timers.resend.is_none() || is_due(timers.resend) {
            frames.extend(sends(shared, timers.resend.take().is_some()));
        }
        for frame in frames {
            let message = Message::text(frame.to_string());
            match tokio::time::timeout(PATIENCE, socket.feed(message)).await {
                Ok(Ok(())) => {}
                _ => return,
            }
        }
        if !matches!(
            tokio::time::timeout(PATIENCE, socket.flush()).await,
            Ok(Ok(()))
        ) {
            return;
        }
    }
}

fn take(shared: &Shared, frame: &Value, timers: &mut Timers) {
    let now = Instant::now();
    let mut book = shared.book.lock().unwrap();
    if frame["type"] == "welcome" {
        timers.join = Some(now);
    }
    match book.take(frame) {
        Next::Nothing => {}
        Next::Join(wait) => timers.join = Some(now + wait),
        Next::Joined => {
            // A new subscription: the order of sends begins anew with the first that is pending.
            for pending in &mut book.pending {
                pending.sent = false;
            }
            timers.resend = None;
        }
        Next::Resend(wait) => timers.resend = timers.resend.or(Some(now + wait)),
        Next::Drain(wait) => timers.leave = Some(now + wait),
    }
}

fn join_frame(shared: &Shared) -> Value {
    let mut book = shared.book.lock().unwrap();
    book.begin_join();
    match &book.epoch {
        Some(epoch) => json!({
            "type": "room.join", "ref": "join", "room": shared.room, "after": book.cursor, "epoch": epoch,
        }),
        None => json!({ "type": "room.join", "ref": "join", "room": shared.room }),
    }
}

/// What is to be sent now: everything pending that has not gone out, or all of it again.
fn sends(shared: &Shared, again: bool) -> Vec<Value> {
    let mut book = shared.book.lock().unwrap();
    if !book.is_joined() {
        return Vec::new();
    }
    let room = &shared.room;
    book.pending
        .iter_mut()
        .filter(|pending| again || !pending.sent)
        .map(|pending| {
            pending.sent = true;
            json!({
                "type": "message.send", "room": room, "client_id": pending.client_id, "body": pending.body,
            })
        })
        .collect()
}

/// 1012 and 4000 to 4499 say: come back. A proxy or a dying process ends a socket without a word.
fn note_close(shared: &Shared, code: Option<u16>) {
    let expected = code.is_none_or(|code| matches!(code, 1006 | 1011 | 1012 | 4000..=4499));
    if !expected {
        let mut book = shared.book.lock().unwrap();
        book.violation(format!("closed with {code:?}"));
    }
}
