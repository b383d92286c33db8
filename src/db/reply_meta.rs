//! What a message keeps beside its text: of a reply, how it was made and what it cost. Row types of [`super::rows`]; stored as JSON, so
//! that what an older release wrote is read too. It judges nothing.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::rows::MessageState;
use super::variants::Variants;
use crate::ids::{Attempt, Seq, UserId};

/// What a reply message tells of its making. Stored in `messages.meta`, so that each version is whole by itself.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReplyMeta {
    /// The message that asked.
    pub prompt_seq: Seq,
    /// The try this version tells of; 0 while none has begun.
    pub attempt: Attempt,
    /// The model that wrote it, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The public code of what went wrong (an [`crate::error::ErrorCode`]'s wire form).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Tokens read and written, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Why the model ended by itself (`end`, `length`, `refusal`, …).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<String>,
    /// Who had it stopped, of a stopped one; kept from the request on, and told once it has ended so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_by: Option<UserId>,
    /// What it cost, in millionths of the server's currency; none where the model has no price or nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_micros: Option<i64>,
    /// From asking the model to its first text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_token_ms: Option<i64>,
    /// Of one that failed with `spend_limit_reached`: when it may be asked for again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<DateTime<Utc>>,
    /// The oldest message that its prompt held, where older ones were left out of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_from: Option<Seq>,
    /// How many texts the reply has and which this one is; none while it is the only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variants: Option<Variants>,
}

/// Tokens of one reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Usage {
    /// Tokens of the prompt, cached ones included.
    pub input_tokens: i64,
    /// Tokens written.
    pub output_tokens: i64,
    /// Those of the prompt that the provider knew from before, where it told.
    #[serde(default, skip_serializing_if = "is_none")]
    pub cached_tokens: i64,
    /// True where the provider gave no count.
    #[serde(default)]
    pub estimated: bool,
}

/// No tokens.
fn is_none(tokens: &i64) -> bool {
    *tokens == 0
}

/// What `messages.meta` may hold.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct MessageMeta {
    /// Of a reply only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<ReplyMeta>,
    /// The members it mentions, in the order of the text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserId>,
}

impl ReplyMeta {
    /// As it is told of a message in that state: who asked for an end is told with the end, at a version of its own.
    #[must_use]
    pub fn told(&self, state: MessageState) -> Cow<'_, Self> {
        if self.stopped_by.is_none() || state == MessageState::Stopped {
            return Cow::Borrowed(self);
        }
        Cow::Owned(Self {
            stopped_by: None,
            ..self.clone()
        })
    }

    /// What a runner tells of the end, with who asked for it where it was stopped.
    #[must_use]
    pub fn ended(self, state: MessageState, before: &MessageMeta) -> Self {
        let asked = before.reply.as_ref().and_then(|reply| reply.stopped_by);
        Self {
            stopped_by: asked.filter(|_| state == MessageState::Stopped),
            ..self
        }
    }
}

impl MessageMeta {
    /// The same of a reply that somebody asked to stop.
    #[must_use]
    pub fn asked_to_stop(&self, by: UserId) -> Self {
        let reply = self.reply.clone().map(|reply| ReplyMeta {
            stopped_by: reply.stopped_by.or(Some(by)),
            ..reply
        });
        Self {
            reply,
            ..self.clone()
        }
    }

    /// What is left of it once the text is gone: no mentions, and of a reply's texts not even the number.
    #[must_use]
    pub fn of_tombstone(self) -> Self {
        Self {
            mentions: Vec::new(),
            reply: self.reply.map(|reply| ReplyMeta {
                variants: None,
                ..reply
            }),
        }
    }
}
