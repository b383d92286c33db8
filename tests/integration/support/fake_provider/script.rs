//! What a test writes down for one request to the fake provider: [`Answer`], its steps, and the [`Gate`]s at which it waits.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use serde_json::json;
use tokio::sync::watch;

/// The longest that a test waits for something here.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

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

    /// Whether it is.
    pub(crate) fn is_open(&self) -> bool {
        *self.is_open.borrow()
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
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    /// Before the headers.
    pub(super) before: Vec<Step>,
    /// After them.
    pub(super) steps: Vec<Step>,
}

/// One thing that happens to a request.
#[derive(Clone, Debug)]
pub(super) enum Step {
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
    Stamps(u32, Duration),
}

/// Characters of one stamp: twelve figures and a space.
pub(crate) const STAMP_BYTES: usize = 13;

/// Microseconds on the clock of [`Answer::stamps`], which began when somebody first looked.
pub(crate) fn clock() -> u64 {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    let since = BEGAN.get_or_init(Instant::now).elapsed();
    u64::try_from(since.as_micros()).unwrap()
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

    /// A document.
    pub(crate) fn document(document: &serde_json::Value) -> Self {
        Self {
            steps: vec![Step::Raw(document.to_string().into())],
            ..Self::raw().header("content-type", "application/json")
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

    /// So many pieces of text, one each `between`; each is the time at which it was written, so that whoever reads it knows how
    /// long it took, and that none is lost, doubled or out of its order.
    pub(crate) fn stamps(self, count: u32, between: Duration) -> Self {
        self.step(Step::Stamps(count, between))
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

impl Step {
    /// What is to be done again after it.
    pub(super) fn again(&self) -> Option<Self> {
        match self {
            Self::Endless(between) => Some(Self::Endless(*between)),
            Self::Stamps(left, between) if *left > 1 => Some(Self::Stamps(left - 1, *between)),
            _ => None,
        }
    }

    /// Until it is time for it; without end for silence.
    pub(super) async fn wait(&self) {
        match self {
            // The timer would make a millisecond of it.
            Self::Stamps(_, Duration::ZERO) => {}
            Self::Delay(delay) | Self::Endless(delay) | Self::Stamps(_, delay) => {
                tokio::time::sleep(*delay).await;
            }
            Self::Gate(gate) => gate.pass().await,
            Self::Silence => std::future::pending().await,
            // What was sent before the cut is sent on its way first.
            Self::Cut => tokio::time::sleep(Duration::from_millis(20)).await,
            _ => {}
        }
    }
}
