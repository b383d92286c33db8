//! Language models: the [`LlmProvider`] contract and its implementations, [`anthropic`], [`openai`] (any compatible
//! server) and [`scripted`] (built in, no network); [`breaker`] leaves one alone that fails, [`calls`] bounds how much one does
//! at once. [`registry`] holds all that are configured, by name; the reply runner asks it for the one that a reply needs.
//!
//! A provider turns a [`Prompt`] into a stream of [`Delta`]s that ends with exactly one [`Delta::Done`] or one error.
//! Dropping the stream closes the provider's connection: that is how a reply is stopped. It never sees a room, a
//! database or a socket, and never retries after the first text: the runner must not show a text twice.

mod answer;
pub mod anthropic;
pub mod breaker;
pub mod calls;
pub mod event_stream;
mod failure;
mod file;
#[cfg(test)]
mod fuzzed;
pub mod http;
pub mod openai;
pub mod phrases;
pub mod reach;
#[cfg(test)]
mod recorded;
pub mod registry;
pub mod scripted;
pub mod tokens;

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use self::calls::Place;
use crate::db::rows::Usage;
use crate::error::ErrorCode;
use crate::limits;

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

impl Prompt {
    /// Of all its text.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let turns = self.turns.iter().map(|turn| turn.text.len());
        self.system.len() + turns.sum::<usize>()
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
    /// What it has used so far, as its provider told before the end: what it read is exact, what it writes is not counted yet.
    Used(Usage),
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
    /// One of the `provider_…` codes, or `reply_too_long`; `busy` where there was no place.
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

    /// That the provider was not even asked: it writes as many answers as it may. What waited for it may wait on.
    #[must_use]
    pub fn no_place() -> Self {
        Self::new(
            ErrorCode::Busy,
            "not asked: it writes as many answers as it may",
        )
    }

    /// Whether it is [`Self::no_place`].
    #[must_use]
    pub fn is_no_place(&self) -> bool {
        self.code == ErrorCode::Busy
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

    /// Waits a little for a place to write an answer at. Whoever asks has one, from before it does until the answer's stream is
    /// dropped; so that it is known of one who gave up waiting that nobody was asked.
    ///
    /// # Errors
    /// [`LlmError::no_place`].
    async fn place(&self) -> Result<Place, LlmError> {
        Ok(Place::default())
    }

    /// Begins an answer. May retry with jitter and `retry-after` inside, before any text came, up to
    /// [`crate::limits::PROVIDER_TRIES`] tries; quota, spend and key errors are never retried.
    ///
    /// # Errors
    /// When no answer could be begun.
    async fn answer(&self, prompt: Prompt) -> Result<DeltaStream, LlmError>;

    /// How many tokens the model reads for this prompt, where its provider counts. None where it does not: then
    /// [`tokens::of_prompt`] is what there is.
    ///
    /// # Errors
    /// When it does and could not. Nobody's reply fails for that.
    async fn count_tokens(&self, _prompt: &Prompt) -> Result<Option<u64>, LlmError> {
        Ok(None)
    }

    /// How many answers may begin now without waiting for a place.
    fn free_places(&self) -> usize {
        usize::MAX
    }

    /// Whether it is there and takes the key, for `salon check`: a word on it.
    ///
    /// # Errors
    /// When it is not, or does not.
    async fn probe(&self) -> Result<String, LlmError> {
        Ok("built in".to_owned())
    }
}

/// How much a model takes and gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ModelLimits {
    /// Tokens of prompt and answer together.
    pub context_tokens: u32,
    /// Tokens of answer at most.
    pub output_tokens: u32,
}

impl ModelLimits {
    /// Tokens that one answer may have.
    #[must_use]
    pub fn answer_tokens(self) -> u32 {
        self.output_tokens.min(limits::REPLY_TOKENS)
    }

    /// Tokens that are left for the prompt.
    #[must_use]
    pub fn prompt_tokens(self) -> u32 {
        self.context_tokens.saturating_sub(self.answer_tokens())
    }

    /// Whether a conversation fits into it at all.
    ///
    /// # Errors
    /// A part of a sentence for the operator.
    pub(crate) fn check(self) -> Result<(), String> {
        let range = limits::MODEL_CONTEXT_TOKENS;
        if !range.contains(&self.context_tokens) {
            let (least, most) = (range.start(), range.end());
            return Err(format!("a context has {least} to {most} tokens"));
        }
        if self.output_tokens == 0 || self.answer_tokens() > self.context_tokens / 2 {
            return Err(
                "an output has 1 token at least and half of the context at most".to_owned(),
            );
        }
        Ok(())
    }
}
