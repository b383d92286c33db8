//! Both providers against a server of our own (`support::fake_provider`): what they send, what they make of what comes
//! back, when they ask again, when they give up, and that a dropped stream closes its connection.

mod certificates;
mod happy;
mod named;
mod retries;
mod timeouts;
mod transcripts;
mod troubles;
mod whole_responses;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use salon::error::ErrorCode;
use salon::llm::anthropic::{AnthropicProvider, AnthropicSettings};
use salon::llm::http::Timeouts;
use salon::llm::openai::{OpenAiProvider, OpenAiSettings};
use salon::llm::reach::Reach;
use salon::llm::{Completion, Delta, DeltaStream, LlmError, LlmProvider, Prompt, Turn, TurnRole};

use crate::support::fake_provider::FakeProvider;

/// The key of every test; no error and no `Debug` may hold it.
const KEY: &str = "sk-secret-key";

/// Words of the prompt; no error may hold them.
const QUESTION: &str = "why is the sky blue, and who asked?";

#[derive(Clone, Copy, Debug)]
enum Kind {
    Anthropic,
    OpenAi,
}

const BOTH: [Kind; 2] = [Kind::Anthropic, Kind::OpenAi];

/// Short enough for tests, long enough for two busy cores.
fn timeouts() -> Timeouts {
    Timeouts {
        retry_first: Duration::from_millis(10),
        retry_longest: Duration::from_millis(50),
        ..Timeouts::default()
    }
}

fn provider(kind: Kind, server: &FakeProvider, timeouts: Timeouts) -> Arc<dyn LlmProvider> {
    match kind {
        Kind::Anthropic => Arc::new(AnthropicProvider::new(anthropic(server, timeouts)).unwrap()),
        Kind::OpenAi => Arc::new(OpenAiProvider::new(openai(server, timeouts)).unwrap()),
    }
}

/// Where the servers of tests are.
pub(crate) fn on_this_machine() -> Reach {
    Reach::new(vec!["127.0.0.1".parse().unwrap()])
}

fn anthropic(server: &FakeProvider, timeouts: Timeouts) -> AnthropicSettings {
    AnthropicSettings {
        base_url: server.anthropic_url(),
        api_key: KEY.into(),
        model: "model-a".into(),
        timeouts,
        reach: on_this_machine(),
    }
}

fn openai(server: &FakeProvider, timeouts: Timeouts) -> OpenAiSettings {
    OpenAiSettings {
        base_url: server.openai_url(),
        api_key: KEY.into(),
        model: "model-o".into(),
        timeouts,
        reach: on_this_machine(),
    }
}

fn prompt() -> Prompt {
    let turn = |role, text: &str| Turn {
        role,
        text: text.into(),
    };
    Prompt {
        system: "You are a test.".into(),
        turns: vec![
            turn(TurnRole::User, "ada: hi"),
            turn(TurnRole::Assistant, "Hello."),
            turn(TurnRole::User, QUESTION),
        ],
        max_tokens: 77,
        model: None,
        temperature: None,
    }
}

/// What an answer came to.
#[derive(Debug)]
struct Answered {
    text: String,
    end: Result<Completion, LlmError>,
}

impl Answered {
    fn code(&self) -> Option<ErrorCode> {
        self.end.as_ref().err().map(|error| error.code)
    }
}

/// Reads an answer to its end.
async fn read(mut stream: DeltaStream) -> Answered {
    let mut text = String::new();
    loop {
        let delta = tokio::time::timeout(Duration::from_secs(20), stream.next())
            .await
            .expect("the stream neither went on nor ended");
        let end = match delta.expect("the stream ended without Done or an error") {
            Ok(Delta::Text(piece)) => {
                assert!(!piece.is_empty());
                text.push_str(&piece);
                continue;
            }
            Ok(Delta::Used(_)) => continue,
            Ok(Delta::Done(completion)) => Ok(completion),
            Err(error) => Err(error),
        };
        assert!(stream.next().await.is_none(), "something followed the end");
        check_is_discreet(end.as_ref().err());
        return Answered { text, end };
    }
}

/// Asks and reads to the end; an answer that could not begin is one that failed without text.
async fn ask(provider: &Arc<dyn LlmProvider>) -> Answered {
    ask_with(provider, prompt()).await
}

/// The same with another prompt.
async fn ask_with(provider: &Arc<dyn LlmProvider>, prompt: Prompt) -> Answered {
    match provider.answer(prompt).await {
        Ok(stream) => read(stream).await,
        Err(error) => {
            check_is_discreet(Some(&error));
            Answered {
                text: String::new(),
                end: Err(error),
            }
        }
    }
}

/// An error says nothing of the key, the prompt or the provider's own words.
fn check_is_discreet(error: Option<&LlmError>) {
    let Some(error) = error else { return };
    let shown = format!("{error} {error:?}");
    for secret in [KEY, "sky", "said with", "a message"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
