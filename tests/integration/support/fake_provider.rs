//! A model provider of our own: speaks Anthropic's Messages API and OpenAI's chat completions on a free port, and does
//! to each request what the test wrote down for it, in order: text, waits, errors, cuts, silence. It records what was
//! asked and how each answer ended. Dropping it closes its connections.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use axum::routing::post;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::watch;

/// The longest that a test waits for something here.
const PATIENCE: Duration = Duration::from_secs(10);

/// The model that it says it is.
pub(crate) const FAKE_MODEL: &str = "fake-1";

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

/// One request, and what became of its answer.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// `/v1/messages` or `/v1/chat/completions`.
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
            .route("/v1/chat/completions", post(answer))
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

/// A place in a script where it waits for the test.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    is_open: watch::Sender<bool>,
    is_reached: watch::Sender<bool>,
}

impl Gate {
    /// A closed gate.
    pub(crate) fn new() -> Self {
        Self {
            is_open: watch::Sender::new(false),
            is_reached: watch::Sender::new(false),
        }
    }

    /// Lets the script go on, now or when it comes here.
    pub(crate) fn open(&self) {
        self.is_open.send_replace(true);
    }

    /// Until the script has come here.
    pub(crate) async fn reached(&self) {
        let mut is_reached = self.is_reached.subscribe();
        tokio::time::timeout(PATIENCE, is_reached.wait_for(|is_reached| *is_reached))
            .await
            .expect("the script did not come to the gate")
            .unwrap();
    }

    async fn pass(&self) {
        self.is_reached.send_replace(true);
        self.is_open
            .subscribe()
            .wait_for(|is_open| *is_open)
            .await
            .unwrap();
    }
}

/// What is done to one request.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    /// Before the headers.
    before: Vec<Step>,
    /// After them.
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
enum Step {
    Begin,
    Text(String),
    Ping,
    Error(String),
    Finish(&'static str),
    Raw(Bytes),
    Delay(Duration),
    Gate(Gate),
    Cut,
    Silence,
    Endless(Duration),
}

impl Answer {
    /// A stream that begins as the protocol wants it; add to it.
    pub(crate) fn stream() -> Self {
        Self {
            steps: vec![Step::Begin],
            ..Self::raw()
        }
    }

    /// A stream of which the test writes every byte.
    pub(crate) fn raw() -> Self {
        Self {
            status: 200,
            headers: vec![("content-type".into(), "text/event-stream".into())],
            before: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// A whole answer of these pieces.
    pub(crate) fn text(pieces: &[&str]) -> Self {
        pieces
            .iter()
            .fold(Self::stream(), |answer, piece| answer.piece(piece))
            .finish("end")
    }

    /// An error of HTTP, with a body in the form of both protocols.
    pub(crate) fn status(status: u16, kind: &str) -> Self {
        let body = json!({"type": "error", "error": {"type": kind, "code": kind, "message": "a message with sk-secret-key in it"}});
        Self {
            status,
            headers: vec![("content-type".into(), "application/json".into())],
            before: Vec::new(),
            steps: vec![Step::Raw(body.to_string().into())],
        }
    }

    /// With this header, besides or instead of its own.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(own, _)| own != name);
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Nothing at all, not even headers.
    pub(crate) fn unanswered() -> Self {
        Self {
            before: vec![Step::Silence],
            ..Self::raw()
        }
    }

    /// A piece of text.
    pub(crate) fn piece(self, text: &str) -> Self {
        self.step(Step::Text(text.into()))
    }

    /// A sign of life without text.
    pub(crate) fn ping(self) -> Self {
        self.step(Step::Ping)
    }

    /// A wait.
    pub(crate) fn delay(self, delay: Duration) -> Self {
        self.step(Step::Delay(delay))
    }

    /// A wait for the test.
    pub(crate) fn gate(self, gate: &Gate) -> Self {
        self.step(Step::Gate(gate.clone()))
    }

    /// An error in the stream, after HTTP 200.
    pub(crate) fn error(self, kind: &str) -> Self {
        self.step(Step::Error(kind.into()))
    }

    /// The proper end: `end`, `length` or `refusal`.
    pub(crate) fn finish(self, reason: &'static str) -> Self {
        self.step(Step::Finish(reason))
    }

    /// These bytes, in one piece.
    pub(crate) fn bytes(self, bytes: &[u8]) -> Self {
        self.step(Step::Raw(Bytes::copy_from_slice(bytes)))
    }

    /// The connection breaks off here.
    pub(crate) fn cut(self) -> Self {
        self.step(Step::Cut)
    }

    /// Nothing more comes, and the connection stays open.
    pub(crate) fn silence(self) -> Self {
        self.step(Step::Silence)
    }

    /// Text without end, a word at a time.
    pub(crate) fn endless(self, between: Duration) -> Self {
        self.step(Step::Endless(between))
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
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
        wait_at(step).await;
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
            wait_at(&step).await;
            if let Step::Endless(_) = step {
                steps.push_front(step.clone());
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

async fn wait_at(step: &Step) {
    match step {
        Step::Delay(delay) | Step::Endless(delay) => tokio::time::sleep(*delay).await,
        Step::Gate(gate) => gate.pass().await,
        Step::Silence => std::future::pending().await,
        // What was sent before the cut is sent on its way first.
        Step::Cut => tokio::time::sleep(Duration::from_millis(20)).await,
        _ => {}
    }
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

#[derive(Clone, Copy)]
enum Protocol {
    Anthropic,
    OpenAi,
}

impl Protocol {
    fn bytes(self, step: &Step) -> Option<Bytes> {
        let text = match (self, step) {
            (_, Step::Raw(bytes)) => return Some(bytes.clone()),
            (_, Step::Endless(_)) => return self.bytes(&Step::Text("again ".into())),
            (Self::Anthropic, step) => anthropic(step)?,
            (Self::OpenAi, step) => openai(step)?,
        };
        Some(text.into())
    }
}

fn anthropic(step: &Step) -> Option<String> {
    let event = |data: Value| {
        format!(
            "event: {}\ndata: {data}\n\n",
            data["type"].as_str().unwrap()
        )
    };
    Some(match step {
        Step::Begin => {
            event(
                json!({"type": "message_start", "message": {"id": "msg_fake", "model": FAKE_MODEL, "content": [], "usage": {"input_tokens": 11, "output_tokens": 1}}}),
            ) + &event(
                json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
            )
        }
        Step::Text(text) => event(
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}),
        ),
        Step::Ping => event(json!({"type": "ping"})),
        Step::Error(kind) => event(
            json!({"type": "error", "error": {"type": kind, "message": "said with sk-secret-key"}}),
        ),
        Step::Finish(reason) => {
            let reason = match *reason {
                "end" => "end_turn",
                "length" => "max_tokens",
                own => own,
            };
            event(json!({"type": "content_block_stop", "index": 0}))
                + &event(
                    json!({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 7}}),
                )
                + &event(json!({"type": "message_stop"}))
        }
        _ => return None,
    })
}

fn openai(step: &Step) -> Option<String> {
    let data = |data: Value| format!("data: {data}\n\n");
    let chunk = |delta: Value, reason: Value| {
        data(
            json!({"id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 1, "model": FAKE_MODEL,
            "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}),
        )
    };
    Some(match step {
        Step::Begin => chunk(json!({"role": "assistant", "content": ""}), Value::Null),
        Step::Text(text) => chunk(json!({"content": text}), Value::Null),
        Step::Ping => ": ping\n\n".to_owned(),
        Step::Error(kind) => data(
            json!({"error": {"type": kind, "code": null, "message": "said with sk-secret-key"}}),
        ),
        Step::Finish(reason) => {
            let refusal = if *reason == "refusal" {
                json!({"refusal": "No."})
            } else {
                json!({})
            };
            let reason = match *reason {
                "length" => "length",
                _ => "stop",
            };
            let usage = json!({"choices": [], "model": FAKE_MODEL, "usage": {"prompt_tokens": 11, "completion_tokens": 7}});
            format!(
                "{}{}data: [DONE]\n\n",
                chunk(refusal, json!(reason)),
                data(usage)
            )
        }
        _ => return None,
    })
}
