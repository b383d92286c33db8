//! Whole responses of HTTP on file (`tests/fixtures/llm-http`), and the streams of `tests/fixtures/llm`, through the real
//! client: statuses with their bodies, pages of proxies, compression, chunks that are cut anywhere. The server breaks off after
//! each number of bytes; what comes of it is a class of error or the whole answer, and never a text that is not the answer's.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use salon::llm::LlmProvider;
use salon::llm::anthropic::AnthropicProvider;
use salon::llm::http::Timeouts;
use salon::llm::openai::OpenAiProvider;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use super::{Answered, KEY, Kind, anthropic, ask, openai, timeouts};
use crate::support::fake_provider::FakeProvider;

/// What stands before a stream on file.
const STREAM_HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

/// Streams are broken off at each byte without a server; here at each of so many.
const STRIDE: usize = 11;

#[derive(Deserialize)]
struct Expected {
    text: String,
    end: String,
}

/// Answers each request with the same bytes, and closes.
struct RawServer {
    port: u16,
    bytes: Arc<Mutex<Vec<u8>>>,
    _serving: AbortOnDropHandle<()>,
}

impl RawServer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let bytes: Arc<Mutex<Vec<u8>>> = Arc::default();
        let answers = Arc::clone(&bytes);
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let answer = answers.lock().unwrap().clone();
                tokio::spawn(serve(stream, answer));
            }
        });
        Self {
            port,
            bytes,
            _serving: AbortOnDropHandle::new(serving),
        }
    }

    fn answers(&self, bytes: &[u8]) {
        *self.bytes.lock().unwrap() = bytes.to_vec();
    }

    fn provider(&self, kind: Kind) -> Arc<dyn LlmProvider> {
        // Only its settings' form is needed.
        let form = FakeProvider::start([]);
        let once = Timeouts {
            tries: 1,
            first_byte: Duration::from_secs(10),
            ..timeouts()
        };
        match kind {
            Kind::Anthropic => {
                let mut settings = anthropic(&form, once);
                settings.base_url = format!("http://127.0.0.1:{}", self.port);
                Arc::new(AnthropicProvider::new(settings).unwrap())
            }
            Kind::OpenAi => {
                let mut settings = openai(&form, once);
                settings.base_url = format!("http://127.0.0.1:{}/v1", self.port);
                Arc::new(OpenAiProvider::new(settings).unwrap())
            }
        }
    }
}

/// Reads one request to its end, so that closing loses nothing of the answer.
async fn serve(mut stream: TcpStream, answer: Vec<u8>) {
    let mut request = Vec::new();
    loop {
        let mut part = [0; 4096];
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return,
            Ok(read) => request.extend_from_slice(&part[..read]),
        }
        let text = String::from_utf8_lossy(&request).to_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.split("content-length: ").nth(1).unwrap();
        let length: usize = length.lines().next().unwrap().parse().unwrap();
        if body.len() >= length {
            break;
        }
    }
    let _ = stream.write_all(&answer).await;
    let _ = stream.shutdown().await;
}

fn kind_of(name: &str) -> Kind {
    if name.starts_with("anthropic") {
        Kind::Anthropic
    } else {
        Kind::OpenAi
    }
}

fn on_file(folder: &str, ending: &str) -> Vec<(String, Vec<u8>, Expected)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let table = std::fs::read_to_string(folder.join("expected.json")).unwrap();
    let table: BTreeMap<String, Expected> = serde_json::from_str(&table).unwrap();
    let files = std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(files, table.len() + 1, "each is in expected.json");
    table
        .into_iter()
        .map(|(name, expected)| {
            let bytes = std::fs::read(folder.join(format!("{name}.{ending}"))).unwrap();
            (name, bytes, expected)
        })
        .collect()
}

fn end_of(answered: &Answered) -> String {
    match &answered.end {
        Ok(completion) => completion.stop_reason.clone(),
        Err(error) => error.code.as_str().to_owned(),
    }
}

/// What was cut short is the whole answer, or an error with a beginning of its text.
fn check_cut(name: &str, place: usize, answered: &Answered, expected: &Expected) {
    assert!(
        expected.text.starts_with(&answered.text),
        "{name}, broken off at {place}: {answered:?}"
    );
    if answered.end.is_ok() {
        assert_eq!(
            (&answered.text, &end_of(answered)),
            (&expected.text, &expected.end),
            "{name}, broken off at {place}"
        );
    } else {
        let code = end_of(answered);
        assert!(code.starts_with("provider_"), "{name}, {place}: {code}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_response_gives_what_is_expected_and_broken_off_at_any_byte_an_error() {
    let responses = on_file("tests/fixtures/llm-http", "http");
    assert!(responses.len() >= 40);
    let server = RawServer::start().await;
    let providers = [Kind::Anthropic, Kind::OpenAi].map(|kind| server.provider(kind));
    for (name, bytes, expected) in responses {
        assert!(!String::from_utf8_lossy(&bytes).contains(KEY));
        let provider = &providers[kind_of(&name) as usize];
        server.answers(&bytes);
        let answered = ask(provider).await;
        assert_eq!(answered.text, expected.text, "{name}");
        assert_eq!(end_of(&answered), expected.end, "{name}: {answered:?}");
        for place in 0..bytes.len() {
            server.answers(&bytes[..place]);
            check_cut(&name, place, &ask(provider).await, &expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_stream_broken_off_on_a_real_connection_is_an_error() {
    let streams = on_file("tests/fixtures/llm", "sse");
    assert!(streams.len() >= 40);
    let server = RawServer::start().await;
    let providers = [Kind::Anthropic, Kind::OpenAi].map(|kind| server.provider(kind));
    for (index, (name, bytes, expected)) in streams.into_iter().enumerate() {
        let provider = &providers[kind_of(&name) as usize];
        // Each file begins elsewhere.
        for place in (index % STRIDE..bytes.len()).step_by(STRIDE) {
            server.answers(&[STREAM_HEAD, &bytes[..place]].concat());
            check_cut(&name, place, &ask(provider).await, &expected);
        }
    }
}
