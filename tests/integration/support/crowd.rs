//! Many light sockets, each with a cursor, that come back by themselves when they are lost: what a storm of reconnects is
//! made of. They keep no messages; each notes a gap, a repetition or a reset, and when it had caught up again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::runtime::{Handle, Runtime};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::process::eventually;

/// Connecting, upgrade included; above what an instance lets a handshake wait.
const PATIENCE: Duration = Duration::from_secs(10);
const BACKOFF_FIRST: Duration = Duration::from_millis(500);
const BACKOFF_LONGEST: Duration = Duration::from_secs(3);

/// What one of them knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) room: String,
    epoch: Value,
    pub(crate) cursor: Option<i64>,
    /// The head that `room.joined` named.
    head: i64,
    /// When it had all there was when it joined; none while it is away.
    pub(crate) caught_up: Option<Instant>,
    pub(crate) sockets: usize,
    pub(crate) wrong: Vec<String>,
}

/// All of them; they end with it.
pub(crate) struct Crowd {
    states: Vec<Arc<Mutex<State>>>,
    /// Handshakes that were refused or broke.
    pub(crate) failed: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Crowd {
    /// So many sockets at this port, spread over the rooms, a few on each token. Waits until all are there.
    pub(crate) async fn enter(port: u16, count: usize, rooms: &[&str], tokens: &[String]) -> Self {
        Self::enter_on(&Handle::current(), port, count, rooms, tokens).await
    }

    /// The same on threads that let everybody else go first: what its sockets cost their own side then takes no time from
    /// what is measured beside them.
    pub(crate) async fn enter_humbly(
        port: u16,
        count: usize,
        rooms: &[&str],
        tokens: &[String],
    ) -> Self {
        Self::enter_on(humble_threads(), port, count, rooms, tokens).await
    }

    async fn enter_on(
        threads: &Handle,
        port: u16,
        count: usize,
        rooms: &[&str],
        tokens: &[String],
    ) -> Self {
        let mut tasks = JoinSet::new();
        let failed: Arc<AtomicUsize> = Arc::default();
        let states: Vec<Arc<Mutex<State>>> = (0..count)
            .map(|index| {
                Arc::new(Mutex::new(State {
                    room: rooms[index % rooms.len()].to_owned(),
                    ..State::default()
                }))
            })
            .collect();
        for (index, state) in states.iter().enumerate() {
            let (state, failed) = (Arc::clone(state), Arc::clone(&failed));
            let token = tokens[index % tokens.len()].clone();
            // Not a storm of its own.
            let wait = Duration::from_millis(u64::try_from(index).unwrap());
            let staying = async move {
                tokio::time::sleep(wait).await;
                stay(port, &token, &state, &failed).await;
            };
            tasks.spawn_on(staying, threads);
        }
        let crowd = Self {
            states,
            failed,
            _tasks: tasks,
        };
        let all = async || crowd.away() == 0;
        let within =
            Duration::from_secs(30) + Duration::from_millis(5) * u32::try_from(count).unwrap();
        eventually("the crowd is there", within, all).await;
        crowd
    }

    /// What each knows now.
    pub(crate) fn states(&self) -> Vec<State> {
        let copies = self
            .states
            .iter()
            .map(|state| state.lock().unwrap().clone());
        copies.collect()
    }

    /// How many have not caught up.
    pub(crate) fn away(&self) -> usize {
        let is_away = |state: &&Arc<Mutex<State>>| state.lock().unwrap().caught_up.is_none();
        self.states.iter().filter(is_away).count()
    }

    /// How long after this moment each that lost its socket since had caught up, sorted; once all have. So many at least
    /// lost theirs.
    pub(crate) async fn back_after(
        &self,
        since: Instant,
        at_least: usize,
        within: Duration,
    ) -> Vec<Duration> {
        let times = || {
            let states = self.states();
            let back = states
                .iter()
                .filter_map(|state| state.caught_up?.checked_duration_since(since));
            back.collect::<Vec<Duration>>()
        };
        let what = "everybody is back and has caught up";
        eventually(what, within, async || {
            self.away() == 0 && times().len() >= at_least
        })
        .await;
        let mut times = times();
        times.sort_unstable();
        times
    }

    /// Waits until all stand at the heads of their rooms, without a gap on the way.
    pub(crate) async fn agree(&self, head_of: impl Fn(&str) -> i64, within: Duration) {
        eventually("all stand at the head", within, async || {
            let states = self.states();
            states
                .iter()
                .all(|state| state.cursor == Some(head_of(&state.room)))
        })
        .await;
        for state in self.states() {
            assert!(state.wrong.is_empty(), "{:?}", state.wrong);
        }
    }
}

/// Threads of the lowest priority; they live as long as the test process.
fn humble_threads() -> &'static Handle {
    static THREADS: OnceLock<Runtime> = OnceLock::new();
    let threads = THREADS.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            // On Linux a priority is a thread's own.
            .on_thread_start(|| rustix::process::setpriority_process(None, 19).unwrap())
            .build()
            .unwrap()
    });
    threads.handle()
}

async fn stay(port: u16, token: &str, state: &Mutex<State>, failed: &AtomicUsize) {
    let mut failures = 0;
    loop {
        match tokio::time::timeout(PATIENCE, connect(port, token)).await {
            Ok(Some(socket)) => {
                converse(socket, state).await;
                state.lock().unwrap().caught_up = None;
                failures = 0;
            }
            _ => {
                failed.fetch_add(1, Ordering::Relaxed);
                failures = (failures + 1).min(4);
            }
        }
        let longest = (BACKOFF_FIRST * 2_u32.pow(failures)).min(BACKOFF_LONGEST);
        tokio::time::sleep(longest.mul_f64(rand::random_range(0.0..1.0))).await;
    }
}

async fn connect(port: u16, token: &str) -> Option<WebSocketStream<TcpStream>> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let mut request = format!("ws://127.0.0.1:{port}/ws")
        .into_client_request()
        .ok()?;
    let bearer = format!("Bearer {token}").parse().ok()?;
    request.headers_mut().insert("authorization", bearer);
    Some(client_async(request, stream).await.ok()?.0)
}

/// One socket, until it is lost.
async fn converse(mut socket: WebSocketStream<TcpStream>, state: &Mutex<State>) {
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else {
            continue;
        };
        let frame: Value = serde_json::from_str(&text).unwrap();
        let answer = state.lock().unwrap().take(&frame);
        if let Some(answer) = answer
            && socket
                .send(Message::text(answer.to_string()))
                .await
                .is_err()
        {
            return;
        }
    }
}

impl State {
    /// Takes a frame; what to answer.
    fn take(&mut self, frame: &Value) -> Option<Value> {
        match frame["type"].as_str()? {
            "welcome" => {
                self.sockets += 1;
                return Some(self.join());
            }
            "room.joined" => {
                if !frame["reset"].is_null() {
                    self.wrong.push(format!("a reset: {}", frame["reset"]));
                }
                self.epoch = frame["epoch"].clone();
                self.cursor = frame["room"]["version"].as_i64();
                self.head = frame["head"].as_i64()?;
            }
            "message" | "room.changed" => {
                let (version, prev) = (frame["version"].as_i64()?, frame["prev"].as_i64()?);
                let cursor = self.cursor?;
                if version <= cursor || prev > cursor {
                    self.wrong.push(format!("{prev} to {version} at {cursor}"));
                }
                self.cursor = Some(version.max(cursor));
            }
            "error" => {
                let retryable = ["busy", "unavailable"].contains(&frame["code"].as_str()?);
                if !retryable {
                    self.wrong.push(frame.to_string());
                }
                return Some(self.join());
            }
            _ => {}
        }
        if self.caught_up.is_none() && self.cursor >= Some(self.head) {
            self.caught_up = Some(Instant::now());
        }
        None
    }

    fn join(&self) -> Value {
        match self.cursor {
            Some(cursor) => {
                json!({"type": "room.join", "room": self.room, "after": cursor, "epoch": self.epoch})
            }
            None => json!({"type": "room.join", "room": self.room}),
        }
    }
}
