//! A model provider of our own: speaks Anthropic's Messages API and OpenAI's chat completions on a free port, and does
//! to each request what the test wrote down for it, in order: text, waits, errors, cuts, silence. It records what was
//! asked and how each answer ended. Dropping it closes its connections.

pub(crate) mod script;
mod wire;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use axum::routing::{get, post};
use futures_util::stream;
use serde_json::Value;
use tokio::sync::watch;

pub(crate) use script::{Answer, Gate};
use script::{PATIENCE, Step};
pub(crate) use wire::FAKE_MODEL;
use wire::Protocol;

/// A running fake provider.
pub(crate) struct FakeProvider {
    address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Option<tokio::runtime::Runtime>,
}

struct Shared {
    script: Mutex<Script>,
    /// Raised whenever a record changes.
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct Script {
    answers: VecDeque<Answer>,
    otherwise: Option<Answer>,
    records: Vec<Record>,
}

impl Script {
    fn has_a_text_next(&self) -> bool {
        let next = self.answers.front().or(self.otherwise.as_ref());
        next.is_some_and(|answer| matches!(answer.steps.first(), Some(Step::Begin)))
    }
}

/// One request, and what became of its answer.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// `/v1/messages`, `/v1/chat/completions`, or one of the small ones beside them.
    pub(crate) path: String,
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// Its JSON.
    pub(crate) body: Value,
    /// When it came.
    pub(crate) at: Instant,
    /// How its answer ended, once it has.
    pub(crate) ended: Option<(Ending, Instant)>,
}

/// How an answer ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    /// Everything in the script was sent.
    Sent,
    /// The script cut the connection.
    Cut,
    /// The client closed the connection before.
    ClosedByClient,
}

impl FakeProvider {
    /// A server that answers the requests with these, in order; others with status 500.
    pub(crate) fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let shared = Arc::new(Shared {
            script: Mutex::new(Script {
                answers: answers.into_iter().collect(),
                ..Script::default()
            }),
            changed: watch::Sender::new(0),
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new()
            .route("/v1/messages", post(answer))
            .route("/v1/messages/count_tokens", post(count))
            .route("/v1/chat/completions", post(answer))
            .route("/v1/models", get(answer))
            .with_state(Arc::clone(&shared));
        // A runtime of its own: it ends with this value, whatever its connections wait for.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, routes).await.unwrap();
        });
        Self {
            address,
            shared,
            runtime: Some(runtime),
        }
    }

    /// One more answer at the end of the script.
    pub(crate) fn push(&self, answer: Answer) {
        self.shared.script().answers.push_back(answer);
    }

    /// What requests beyond the script get.
    pub(crate) fn otherwise(&self, answer: Answer) {
        self.shared.script().otherwise = Some(answer);
    }

    /// Where it listens on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// For `ANTHROPIC_BASE_URL`.
    pub(crate) fn anthropic_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// For `OPENAI_BASE_URL`.
    pub(crate) fn openai_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Every request so far.
    pub(crate) fn requests(&self) -> Vec<Record> {
        self.shared.script().records.clone()
    }

    /// The request of this number, from 0, once it has come.
    pub(crate) async fn request(&self, number: usize) -> Record {
        self.wait_for(&format!("request {number}"), |records| {
            records.get(number).cloned()
        })
        .await
    }

    /// How the answer to the request of this number ended, once it has.
    pub(crate) async fn ending(&self, number: usize) -> Ending {
        self.wait_for(&format!("the end of answer {number}"), |records| {
            Some(records.get(number)?.ended?.0)
        })
        .await
    }

    async fn wait_for<T>(&self, what: &str, look: impl Fn(&[Record]) -> Option<T>) -> T {
        let mut changes = self.shared.changed.subscribe();
        let wait = async {
            loop {
                changes.borrow_and_update();
                if let Some(found) = look(&self.shared.script().records) {
                    return found;
                }
                changes.changed().await.unwrap();
            }
        };
        tokio::time::timeout(PATIENCE, wait)
            .await
            .unwrap_or_else(|_| panic!("the fake provider waited in vain for {what}"))
    }
}

impl Drop for FakeProvider {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Shared {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    fn change(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script());
        self.changed.send_modify(|count| *count += 1);
    }
}

/// Counts as the script says. An answer that is a text stays for who asks for one: no such count is known then.
async fn count(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if shared.script().has_a_text_next() {
        return Response::builder().status(404).body(Body::empty()).unwrap();
    }
    answer(State(shared), uri, headers, body).await
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let protocol = match uri.path() {
        "/v1/messages" => Protocol::Anthropic,
        _ => Protocol::OpenAi,
    };
    let record = Record {
        path: uri.path().to_owned(),
        headers,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        at: Instant::now(),
        ended: None,
    };
    let mut number = 0;
    let mut next = None;
    shared.change(|script| {
        number = script.records.len();
        script.records.push(record);
        next = script
            .answers
            .pop_front()
            .or_else(|| script.otherwise.clone());
    });
    let answer = next.unwrap_or_else(|| Answer::status(500, "no_script"));
    let watched = Watched {
        shared,
        number,
        ending: Ending::ClosedByClient,
    };
    play(protocol, answer, watched).await
}

async fn play(protocol: Protocol, answer: Answer, watched: Watched) -> Response {
    for step in &answer.before {
        step.wait().await;
    }
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    let playing = Some((VecDeque::from(answer.steps), watched));
    let pieces = stream::unfold(playing, move |playing| async move {
        let (mut steps, mut watched) = playing?;
        loop {
            let Some(step) = steps.pop_front() else {
                watched.ending = Ending::Sent;
                return None;
            };
            step.wait().await;
            if let Some(again) = step.again() {
                steps.push_front(again);
            }
            if let Step::Cut = step {
                watched.ending = Ending::Cut;
                let error = std::io::Error::other("cut by the script");
                return Some((Err(error), None));
            }
            if let Some(bytes) = protocol.bytes(&step) {
                return Some((Ok(bytes), Some((steps, watched))));
            }
        }
    });
    response.body(Body::from_stream(pieces)).unwrap()
}

/// Tells how an answer ended when its body is dropped.
struct Watched {
    shared: Arc<Shared>,
    number: usize,
    ending: Ending,
}

impl Drop for Watched {
    fn drop(&mut self) {
        let ended = Some((self.ending, Instant::now()));
        self.shared.change(|script| {
            if let Some(record) = script.records.get_mut(self.number) {
                record.ended = ended;
            }
        });
    }
}
