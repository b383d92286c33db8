//! Language models: the [`LlmProvider`] contract and its implementations, [`anthropic`], [`openai`] (any compatible
//! server) and [`scripted`] (built in, no network); [`breaker`] leaves one alone that fails. Called by the reply runner only.
//!
//! A provider turns a [`Prompt`] into a stream of [`Delta`]s that ends with exactly one [`Delta::Done`] or one error.
//! Dropping the stream closes the provider's connection: that is how a reply is stopped. It never sees a room, a
//! database or a socket, and never retries after the first text: the runner must not show a text twice.

mod answer;
pub mod anthropic;
pub mod breaker;
pub mod event_stream;
mod failure;
#[cfg(test)]
mod fuzzed;
pub mod http;
pub mod openai;
#[cfg(test)]
mod recorded;
pub mod scripted;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use crate::config::{Config, LlmKind};
use crate::db::rows::Usage;
use crate::error::ErrorCode;

/// What a model is asked. Ends on a user turn: current models refuse anything else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prompt {
    /// Who the model is here; not part of the conversation.
    pub system: String,
    /// The conversation, oldest first; never two of one role in a row, the first and the last by the user.
    pub turns: Vec<Turn>,
    /// Tokens of answer at most.
    pub max_tokens: u32,
    /// The model to ask; none for the provider's own.
    pub model: Option<String>,
    /// Hundredths; none for the provider's own.
    pub temperature: Option<i32>,
}

impl Prompt {
    /// The temperature as providers take it.
    #[must_use]
    pub fn temperature(&self) -> Option<f64> {
        self.temperature
            .map(|hundredths| f64::from(hundredths) / 100.0)
    }
}

/// One side's part of a conversation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Turn {
    /// Whose. Roles are structure, never text.
    pub role: TurnRole,
    /// What was said; several people's messages carry their names inside.
    pub text: String,
}

/// The two sides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TurnRole {
    /// People.
    User,
    /// The model.
    Assistant,
}

/// A piece of an answer.
#[derive(Clone, PartialEq, Debug)]
pub enum Delta {
    /// More text; never empty, whole UTF-8 characters.
    Text(String),
    /// The end: nothing follows.
    Done(Completion),
}

/// How an answer ended by itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Completion {
    /// The provider's reason in our words: `end`, `length`, `refusal`, `filter`, or the provider's own.
    pub stop_reason: String,
    /// Tokens, where the provider told.
    pub usage: Option<Usage>,
    /// The model that really answered, where the provider told.
    pub model: Option<String>,
}

/// How an answer fails. The code is public; the cause is for the log and holds no key and no text of the prompt.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}: {cause}", .code.as_str())]
pub struct LlmError {
    /// One of the `provider_…` codes, or `reply_too_long`.
    pub code: ErrorCode,
    /// For the log.
    pub cause: String,
}

impl LlmError {
    /// An error with its cause.
    #[must_use]
    pub fn new(code: ErrorCode, cause: impl Into<String>) -> Self {
        Self {
            code,
            cause: cause.into(),
        }
    }
}

/// The stream of an answer. Bounded in time by the provider: connect, first byte, idle and total timeouts of
/// `limits.rs` end it with `provider_timeout`.
pub type DeltaStream = BoxStream<'static, Result<Delta, LlmError>>;

/// A language model.
#[async_trait]
pub trait LlmProvider: Send + Sync + 'static {
    /// The model's name, as stored with each reply.
    fn model(&self) -> &str;

    /// Begins an answer. May retry with jitter and `retry-after` inside, before any text came, up to
    /// [`crate::limits::PROVIDER_TRIES`] tries; quota, spend and key errors are never retried.
    ///
    /// # Errors
    /// When no answer could be begun.
    async fn answer(&self, prompt: Prompt) -> Result<DeltaStream, LlmError>;
}

/// The provider that the settings name.
///
/// # Errors
/// A sentence for the operator that names the setting and holds no key.
pub fn build(config: &Config) -> Result<Arc<dyn LlmProvider>, String> {
    let timeouts = http::Timeouts::default();
    match config.llm_kind() {
        LlmKind::Scripted => Ok(Arc::new(scripted::ScriptedProvider::new(
            Duration::from_millis(config.scripted_delay_ms),
        ))),
        LlmKind::Anthropic => {
            let settings = anthropic::AnthropicSettings {
                base_url: config.anthropic_base_url.clone(),
                api_key: config.anthropic_api_key.clone().unwrap_or_default(),
                model: named_or(config.model.as_ref(), anthropic::DEFAULT_MODEL),
                timeouts,
            };
            Ok(guarded(anthropic::AnthropicProvider::new(settings)?))
        }
        LlmKind::Openai => {
            let settings = openai::OpenAiSettings {
                base_url: config.openai_base_url.clone(),
                api_key: config.openai_api_key.clone().unwrap_or_default(),
                model: named_or(config.model.as_ref(), openai::DEFAULT_MODEL),
                timeouts,
            };
            Ok(guarded(openai::OpenAiProvider::new(settings)?))
        }
    }
}

/// A provider over a network is left alone while it fails.
fn guarded(provider: impl LlmProvider) -> Arc<dyn LlmProvider> {
    Arc::new(breaker::Breaker::around(
        Arc::new(provider),
        crate::limits::PROVIDER_CIRCUIT_OPEN,
    ))
}

fn named_or(model: Option<&String>, default: &str) -> String {
    model
        .filter(|model| !model.trim().is_empty())
        .map_or_else(|| default.to_owned(), |model| model.trim().to_owned())
}
