//! Ten thousand rooms' histories as requests: built as the runner builds them, put into the JSON of both protocols, and judged by
//! the rules on which providers refuse: order, roles, blank turns, fields, an end on the user's side, and length by the counts
//! of real tokenizers. None is refused; some go over a real connection to a server that refuses by the same rules.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use salon::chat::prompt::{PromptRoom, build_prompt};
use salon::db::assistants::{AssistantSettings, RoomAssistant};
use salon::db::marks::MessageMarks;
use salon::db::rows::{MessageKind, MessageMeta, MessageRow, MessageState, UserKind, UserRow};
use salon::ids::UserId;
use salon::llm::anthropic::AnthropicProvider;
use salon::llm::openai::OpenAiProvider;
use salon::llm::{LlmProvider, ModelLimits, Prompt};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::{Kind, anthropic, ask_with, openai, timeouts};
use crate::support::fake_provider::FakeProvider;

const TRANSCRIPTS: u64 = 10_000;

/// So many of them over a connection, for each protocol.
const OVER_HTTP: u64 = 300;

/// What a chat template adds around a message and around the whole, at the most of those we know.
const TEMPLATE: u64 = 8;

/// Context and output of models, from the smallest that is taken.
const MODELS: [(u32, u32); 6] = [
    (2_048, 512),
    (4_096, 1_024),
    (8_192, 4_096),
    (32_768, 4_096),
    (128_000, 8_192),
    (200_000, 8_192),
];

const NAMES: [&str; 5] = ["ada", "bob", "Élodie", "小明", "d'Artagnan the 3rd"];

#[derive(Deserialize)]
struct Counted {
    text: String,
    tokens: HashMap<String, u64>,
}

/// Phrases, and how many tokens the tokenizer that needs the most makes of each.
struct PhraseBook {
    phrases: Vec<String>,
    counts: HashMap<String, u64>,
}

impl PhraseBook {
    fn read() -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tokens/counted.json");
        let all: Vec<Counted> =
            serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let lines = all
            .into_iter()
            .filter(|one| !one.text.contains(['\n', '\u{2028}']) && !one.text.trim().is_empty());
        let counts: HashMap<String, u64> = lines
            .map(|one| (one.text, one.tokens.into_values().max().unwrap()))
            .collect();
        let mut phrases: Vec<String> = counts.keys().cloned().collect();
        phrases.sort();
        assert!(phrases.len() > 80);
        Self { phrases, counts }
    }

    /// Tokens of a text of phrases, each on its line, perhaps behind a name.
    fn tokens(&self, text: &str) -> u64 {
        text.split('\n').map(|line| self.line(line) + 1).sum()
    }

    fn line(&self, line: &str) -> u64 {
        if let Some(count) = self.counts.get(line) {
            return *count;
        }
        let named = NAMES.iter().find_map(|name| {
            let said = line.strip_prefix(name)?.strip_prefix(": ")?;
            Some((name.len() as u64, said))
        });
        if let Some((name_bytes, said)) = named {
            return name_bytes / 2 + 2 + self.line(said);
        }
        // Cut: a part of a phrase, or words of the server's own.
        line.len().div_ceil(2) as u64
    }
}

fn person(number: usize) -> UserRow {
    UserRow {
        id: UserId(Uuid::from_u128(number as u128 + 1)),
        name: NAMES[number].into(),
        kind: UserKind::User,
    }
}

fn assistant() -> UserRow {
    UserRow {
        id: UserId(Uuid::from_u128(99)),
        name: "assistant".into(),
        kind: UserKind::Assistant,
    }
}

/// A history as a room may have it: any order of people and assistant, deleted, unsettled and blank messages among them.
fn history(book: &PhraseBook, rng: &mut StdRng) -> Vec<MessageRow> {
    let people = rng.random_range(1..=NAMES.len());
    let longest = if rng.random_bool(0.05) { 60 } else { 4 };
    (1..=rng.random_range(1..60_i64))
        .map(|seq| {
            let is_reply = rng.random_bool(0.4);
            let author = if is_reply {
                assistant()
            } else {
                person(rng.random_range(0..people))
            };
            let count = rng.random_range(0..=longest);
            let lines: Vec<&str> = (0..count)
                .map(|_| book.phrases[rng.random_range(0..book.phrases.len())].as_str())
                .collect();
            let end = ["", "", "\n", " ", " \n\n"][rng.random_range(0..5)];
            let state = match rng.random_range(0..10) {
                number @ 0..5 => MessageState::ALL[number],
                _ => MessageState::Complete,
            };
            MessageRow {
                seq,
                version: seq,
                author,
                client_id: None,
                kind: if is_reply {
                    MessageKind::Assistant
                } else {
                    MessageKind::User
                },
                state: if is_reply {
                    state
                } else {
                    MessageState::Complete
                },
                body: lines.join("\n") + end,
                html: None,
                reply_to: None,
                meta: MessageMeta::default(),
                created_at: chrono::DateTime::UNIX_EPOCH,
                edited_at: None,
                deleted_at: rng
                    .random_bool(0.05)
                    .then_some(chrono::DateTime::UNIX_EPOCH),
                marks: MessageMarks::default(),
            }
        })
        .collect()
}

/// The prompt of one transcript, and the model that it is for.
fn transcript(book: &PhraseBook, seed: u64) -> (Prompt, ModelLimits) {
    let mut rng = StdRng::seed_from_u64(seed);
    let messages = history(book, &mut rng);
    let (context_tokens, output_tokens) = MODELS[rng.random_range(0..MODELS.len())];
    let limits = ModelLimits {
        context_tokens,
        output_tokens,
    };
    let room = PromptRoom {
        tokens: limits.prompt_tokens().into(),
        answer_tokens: limits.answer_tokens(),
    };
    let latest = messages.len() as i64;
    let asked = rng.random_range(latest.min(1)..=latest + 1);
    (
        build_prompt(
            &messages,
            asked,
            &RoomAssistant {
                user: assistant(),
                settings: AssistantSettings::default(),
            },
            room,
        )
        .prompt,
        limits,
    )
}

/// Why a provider would refuse a request.
fn refusal(kind: Kind, body: &Value, limits: ModelLimits, book: &PhraseBook) -> Option<String> {
    let Some(fields) = body.as_object() else {
        return Some("not an object".into());
    };
    let mut messages = body["messages"].as_array().cloned().unwrap_or_default();
    let (known, system): (&[&str], Option<Value>) = match kind {
        Kind::Anthropic => (
            &["model", "max_tokens", "messages", "stream", "system"],
            fields.get("system").cloned(),
        ),
        Kind::OpenAi => {
            let leads = messages
                .first()
                .is_some_and(|turn| turn["role"] == "system");
            (
                &[
                    "model",
                    "max_tokens",
                    "messages",
                    "stream",
                    "stream_options",
                ],
                leads.then(|| messages.remove(0)["content"].clone()),
            )
        }
    };
    if let Some(unknown) = fields.keys().find(|name| !known.contains(&name.as_str())) {
        return Some(format!("{unknown}: extra inputs are not permitted"));
    }
    if let Some(said) = misordered(&messages) {
        return Some(said);
    }
    let system = system
        .as_ref()
        .map(|system| system.as_str().unwrap_or_default());
    if system.is_some_and(|system| system.trim().is_empty()) {
        return Some("system: text content blocks must be non-empty".into());
    }
    let most = body["max_tokens"].as_u64().unwrap_or_default();
    if most == 0 || most > u64::from(limits.output_tokens) {
        return Some(format!("max_tokens: {most} > {}", limits.output_tokens));
    }
    // Two of English a token, three at the very least.
    let system = system.map_or(0, |system| system.len().div_ceil(3) as u64);
    let turns = messages.iter().map(|turn| {
        let text = turn["content"].as_str().unwrap_or_default();
        book.tokens(text) + TEMPLATE
    });
    let tokens = system + TEMPLATE + turns.sum::<u64>();
    let context = u64::from(limits.context_tokens);
    (tokens + most > context).then(|| format!("prompt is too long: {tokens} + {most} > {context}"))
}

/// The rules of order, at their strictest.
fn misordered(messages: &[Value]) -> Option<String> {
    let role =
        |turn: Option<&Value>| turn.map(|turn| turn["role"].as_str().unwrap_or("none").to_owned());
    if role(messages.first()).as_deref() != Some("user") {
        return Some("messages: first message must use the \"user\" role".into());
    }
    if role(messages.last()).as_deref() != Some("user") {
        return Some("This model does not support assistant message prefill".into());
    }
    for (turn, next) in messages.iter().zip(messages.iter().skip(1)) {
        if turn["role"] == next["role"] {
            return Some("roles must alternate".into());
        }
    }
    for turn in messages {
        let text = turn["content"].as_str().unwrap_or_default();
        if text.trim().is_empty() {
            return Some("text content blocks must contain non-whitespace text".into());
        }
        let is_ours = turn["role"] == "assistant";
        if !is_ours && turn["role"] != "user" {
            return Some("unexpected role".into());
        }
        if text.contains('\0') {
            return Some("invalid character".into());
        }
    }
    None
}

fn judge_all(kind: Kind) {
    let book = PhraseBook::read();
    let form = FakeProvider::start([]);
    let anthropic = AnthropicProvider::new(anthropic(&form, timeouts())).unwrap();
    let openai = OpenAiProvider::new(openai(&form, timeouts())).unwrap();
    let (mut turns, mut fullest) = (0, 0);
    for seed in 0..TRANSCRIPTS {
        let (prompt, limits) = transcript(&book, seed);
        let body = match kind {
            Kind::Anthropic => anthropic.body(&prompt),
            Kind::OpenAi => openai.body(&prompt),
        };
        assert_eq!(
            refusal(kind, &body, limits, &book),
            None,
            "transcript {seed}"
        );
        turns += prompt.turns.len();
        if limits.context_tokens == MODELS[0].0 {
            let bytes = u64::try_from(prompt.bytes()).unwrap();
            fullest = fullest.max(bytes);
        }
    }
    // They are conversations, and small models are filled.
    assert!(turns > 4 * TRANSCRIPTS as usize, "{turns}");
    assert!(fullest > 1_000, "{fullest}");
}

#[test]
fn ten_thousand_transcripts_are_taken_by_the_rules_of_anthropic() {
    judge_all(Kind::Anthropic);
}

#[test]
fn ten_thousand_transcripts_are_taken_by_the_rules_of_openai() {
    judge_all(Kind::OpenAi);
}

#[test]
fn the_judge_refuses_what_providers_refuse() {
    let book = PhraseBook::read();
    let limits = ModelLimits {
        context_tokens: 2_048,
        output_tokens: 512,
    };
    let turn = |role: &str, text: &str| json!({"role": role, "content": text});
    let judged = |messages: Value, most: u32| {
        let body = json!({"model": "m", "max_tokens": most, "stream": true, "messages": messages});
        [Kind::Anthropic, Kind::OpenAi].map(|kind| refusal(kind, &body, limits, &book))
    };
    assert_eq!(judged(json!([turn("user", "hi")]), 512), [None, None]);
    let long = "1".repeat(4_000);
    for (messages, most, said) in [
        (
            json!([turn("assistant", "a"), turn("user", "b")]),
            512,
            "first message",
        ),
        (
            json!([turn("user", "a"), turn("assistant", "b")]),
            512,
            "prefill",
        ),
        (
            json!([turn("user", "a"), turn("user", "b")]),
            512,
            "alternate",
        ),
        (json!([turn("user", " \n")]), 512, "non-whitespace"),
        (json!([turn("user", "a")]), 513, "max_tokens"),
        (json!([turn("user", &long)]), 512, "too long"),
    ] {
        for refused in judged(messages, most) {
            assert!(
                refused.as_ref().is_some_and(|why| why.contains(said)),
                "{refused:?}"
            );
        }
    }
}

/// A server that refuses by these rules and else says `yes`.
struct StrictProvider {
    port: u16,
    limits: Arc<Mutex<ModelLimits>>,
    _serving: AbortOnDropHandle<()>,
}

type Strict = (Arc<Mutex<ModelLimits>>, Arc<PhraseBook>);

impl StrictProvider {
    async fn start(book: Arc<PhraseBook>) -> Self {
        let limits = Arc::new(Mutex::new(ModelLimits {
            context_tokens: 0,
            output_tokens: 0,
        }));
        let strict: Strict = (Arc::clone(&limits), book);
        let judge = |kind: Kind| {
            move |State((limits, book)): State<Strict>, body: String| async move {
                let body: Value = serde_json::from_str(&body).unwrap();
                let limits = *limits.lock().unwrap();
                answer(kind, refusal(kind, &body, limits, &book))
            }
        };
        let routes = Router::new()
            .route("/v1/messages", post(judge(Kind::Anthropic)))
            .route("/v1/chat/completions", post(judge(Kind::OpenAi)))
            .with_state(strict);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self {
            port,
            limits,
            _serving: AbortOnDropHandle::new(serving),
        }
    }
}

fn answer(kind: Kind, refused: Option<String>) -> Response {
    if let Some(why) = refused {
        let body = json!({"error": {"type": "invalid_request_error", "message": why}});
        return (StatusCode::BAD_REQUEST, axum::Json(body)).into_response();
    }
    let stream = match kind {
        Kind::Anthropic => include_str!("../../fixtures/llm/anthropic-plain.sse"),
        Kind::OpenAi => include_str!("../../fixtures/llm/openai-plain.sse"),
    };
    ([(header::CONTENT_TYPE, "text/event-stream")], stream).into_response()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strict_server_refuses_no_transcript() {
    let book = Arc::new(PhraseBook::read());
    let server = StrictProvider::start(Arc::clone(&book)).await;
    let form = FakeProvider::start([]);
    let mut to_anthropic = anthropic(&form, timeouts());
    to_anthropic.base_url = format!("http://127.0.0.1:{}", server.port);
    let mut to_openai = openai(&form, timeouts());
    to_openai.base_url = format!("http://127.0.0.1:{}/v1", server.port);
    let providers: [Arc<dyn LlmProvider>; 2] = [
        Arc::new(AnthropicProvider::new(to_anthropic).unwrap()),
        Arc::new(OpenAiProvider::new(to_openai).unwrap()),
    ];
    for seed in 0..OVER_HTTP {
        let (prompt, limits) = transcript(&book, TRANSCRIPTS + seed);
        *server.limits.lock().unwrap() = limits;
        for provider in &providers {
            let answered = ask_with(provider, prompt.clone()).await;
            assert!(answered.end.is_ok(), "transcript {seed}: {answered:?}");
        }
    }
    // It does refuse: the same model with less room.
    server.limits.lock().unwrap().context_tokens = 10;
    let (prompt, _) = transcript(&book, TRANSCRIPTS);
    let answered = ask_with(&providers[0], prompt).await;
    assert_eq!(
        answered.code(),
        Some(salon::error::ErrorCode::ProviderRefused)
    );
}
