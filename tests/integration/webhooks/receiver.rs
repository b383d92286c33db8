//! A receiver of webhooks: answers each request as the test wrote down, in order, and keeps what came. It checks signatures
//! with an HMAC of its own, so that nothing of the server's is trusted.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::process::eventually;

const DEADLINE: Duration = Duration::from_secs(30);

/// What a request gets.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// This status, with these headers and this text.
    Status(u16, Vec<(&'static str, String)>, &'static str),
    /// Nothing, ever.
    Hang,
    /// The connection breaks in the middle of the answer.
    Cut,
}

/// One request, and whether it was taken.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) headers: HeaderMap,
    pub(super) bytes: Bytes,
    pub(super) body: Value,
    pub(super) taken: bool,
}

impl Record {
    /// A header's text.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// `event` and `version` of all it holds.
    pub(super) fn events(&self) -> Vec<(String, i64)> {
        let events = self.body["events"].as_array().unwrap().iter();
        let pair = |event: &Value| {
            let name = event["event"].as_str().unwrap().to_owned();
            (name, event["version"].as_i64().unwrap())
        };
        events.map(pair).collect()
    }

    /// The texts of its messages.
    pub(super) fn bodies(&self) -> Vec<String> {
        let events = self.body["events"].as_array().unwrap().iter();
        events
            .filter_map(|event| event["frame"]["message"]["body"].as_str())
            .map(str::to_owned)
            .collect()
    }

    /// Whether one of its signatures is made with this secret.
    pub(super) fn is_signed_with(&self, secret: &str) -> bool {
        let key = STANDARD
            .decode(secret.strip_prefix("whsec_").unwrap())
            .unwrap();
        let mut signed = format!(
            "{}.{}.",
            self.header("webhook-id"),
            self.header("webhook-timestamp")
        )
        .into_bytes();
        signed.extend_from_slice(&self.bytes);
        let wanted = format!("v1,{}", STANDARD.encode(hmac_sha256(&key, &signed)));
        self.header("webhook-signature")
            .split(' ')
            .any(|signature| signature == wanted)
    }
}

/// HMAC by its definition (RFC 2104).
fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    assert!(key.len() <= 64);
    let pad = |with: u8| -> Vec<u8> {
        let padded = key.iter().copied().chain(std::iter::repeat(0));
        padded.take(64).map(|byte| byte ^ with).collect()
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message);
    let outer = Sha256::new()
        .chain_update(pad(0x5c))
        .chain_update(inner.finalize());
    outer.finalize().to_vec()
}

#[derive(Default)]
struct Shared {
    replies: Mutex<VecDeque<Reply>>,
    records: Mutex<Vec<Record>>,
}

/// A running receiver; it ends with the test.
pub(super) struct Receiver {
    port: u16,
    shared: Arc<Shared>,
}

impl Receiver {
    /// One that answers with these, in order, and with 204 after them.
    pub(super) async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let shared = Arc::new(Shared {
            replies: Mutex::new(replies.into_iter().collect()),
            records: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let routes = Router::new()
            .fallback(any(take))
            .with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { port, shared }
    }

    /// Where hooks point.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/in?token=hidden", self.port)
    }

    /// Every request so far.
    pub(super) fn records(&self) -> Vec<Record> {
        self.shared.records.lock().unwrap().clone()
    }

    /// Those that were taken.
    pub(super) fn taken(&self) -> Vec<Record> {
        let records = self.records().into_iter();
        records.filter(|record| record.taken).collect()
    }

    /// Waits until it has so many requests; all of them.
    pub(super) async fn wait_for(&self, count: usize) -> Vec<Record> {
        self.wait(&format!("{count} requests"), |records| {
            records.len() >= count
        })
        .await
    }

    /// Waits for something about the requests; all of them.
    pub(super) async fn wait(&self, what: &str, holds: impl Fn(&[Record]) -> bool) -> Vec<Record> {
        eventually(what, DEADLINE, async || holds(&self.records())).await;
        self.records()
    }
}

async fn take(State(shared): State<Arc<Shared>>, headers: HeaderMap, bytes: Bytes) -> Response {
    let next = shared.replies.lock().unwrap().pop_front();
    let reply = next.unwrap_or(Reply::Status(204, Vec::new(), ""));
    let taken = matches!(&reply, Reply::Status(status, ..) if (200..300).contains(status));
    shared.records.lock().unwrap().push(Record {
        headers,
        body: serde_json::from_slice(&bytes).unwrap(),
        bytes,
        taken,
    });
    match reply {
        Reply::Status(status, headers, text) => {
            let mut answer = (StatusCode::from_u16(status).unwrap(), text).into_response();
            for (name, value) in headers {
                answer.headers_mut().insert(name, value.parse().unwrap());
            }
            answer
        }
        Reply::Hang => std::future::pending().await,
        // A panic of a handler closes its connection without an answer.
        Reply::Cut => std::panic::resume_unwind(Box::new("cut")),
    }
}
