//! What replies used, attempt by attempt, and how much of what may be spent is gone: the rows and the part of the store's contract.
//! Runners write it beside the reply itself; nothing here takes a version, and nothing here is a word of what was said.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::StoreResult;
use super::rows::{MessageState, Usage, UserRow};
use crate::error::ErrorCode;
use crate::ids::{Attempt, AttemptId, RoomId, Seq, UserId};
use crate::spending::{Amount, Caps, Counted, Verdict, usual_tokens};

/// Where an attempt stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AttemptState {
    /// Its provider is asked, or answers.
    Running,
    /// As its reply ended.
    Complete,
    /// As its reply ended.
    Stopped,
    /// As its reply ended.
    Failed,
    /// As its reply ended; also one that was given back before anything was shown.
    Interrupted,
    /// Its runner died. What its reply kept of its text is counted as written; where that is unknown, the most that it could have been.
    Lost,
}

impl AttemptState {
    /// Every state there is.
    pub const ALL: [Self; 6] = [
        Self::Running,
        Self::Complete,
        Self::Stopped,
        Self::Failed,
        Self::Interrupted,
        Self::Lost,
    ];

    /// As stored and sent.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Lost => "lost",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// As the message of its reply ended.
    #[must_use]
    pub const fn of_message(state: MessageState) -> Self {
        match state {
            MessageState::Complete => Self::Complete,
            MessageState::Stopped => Self::Stopped,
            MessageState::Failed => Self::Failed,
            MessageState::Interrupted | MessageState::Queued => Self::Interrupted,
        }
    }
}

/// Which attempt.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AttemptKey {
    /// Where.
    pub room: RoomId,
    /// At which reply.
    pub seq: Seq,
    /// Which try.
    pub attempt: Attempt,
}

/// An attempt that is about to ask its provider.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewAttempt {
    /// Its row.
    pub id: AttemptId,
    /// Which.
    pub key: AttemptKey,
    /// Who asked for the reply.
    pub asker: UserId,
    /// Who writes it.
    pub assistant: UserId,
    /// The provider, as the operator calls it.
    pub provider: String,
    /// The model that is asked.
    pub model: String,
    /// The most that it can use.
    pub most: Amount,
    /// What that is made of.
    pub parts: Parts,
    /// When: it says in which day and month the attempt counts. None is now, by the clock of the store, which all instances share.
    pub asked_at: Option<DateTime<Utc>>,
}

/// What an attempt is expected to use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Parts {
    /// For its prompt, as it is estimated: often less than the most.
    pub prompt: Amount,
    /// For an answer of the greatest length. Nothing where an older release began it.
    pub answer: Amount,
}

/// What became of an attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AttemptEnd {
    /// Which.
    pub key: AttemptKey,
    /// How it ended; never `running`.
    pub state: AttemptState,
    /// The model that really answered.
    pub model: String,
    /// What it used.
    pub usage: Usage,
    /// What that costs; none where the model has no price.
    pub cost_micros: Option<i64>,
    /// From asking to the first text.
    pub first_token_ms: Option<i64>,
    /// Why the model ended by itself.
    pub stop_reason: Option<String>,
    /// Why it failed.
    pub error: Option<ErrorCode>,
    /// When.
    pub ended_at: DateTime<Utc>,
}

impl AttemptEnd {
    /// Of one whose runner died: its prompt, and the text of which so many bytes were saved; where that is unknown, all that it
    /// could have used.
    #[must_use]
    pub fn lost(
        (key, model): (AttemptKey, &str),
        (most, parts): (Amount, Parts),
        saved_bytes: Option<usize>,
        ended_at: DateTime<Utc>,
    ) -> Self {
        let (prompt, answer) = match saved_bytes {
            Some(bytes) if parts.answer.tokens > 0 => {
                (parts.prompt, parts.answer.part(usual_tokens(bytes)))
            }
            _ => (most.minus(parts.answer), parts.answer),
        };
        Self {
            key,
            state: AttemptState::Lost,
            model: model.to_owned(),
            usage: Usage {
                input_tokens: prompt.tokens,
                output_tokens: answer.tokens,
                estimated: true,
                ..Usage::default()
            },
            cost_micros: Some(prompt.plus(answer).cost_micros),
            first_token_ms: None,
            stop_reason: None,
            error: None,
            ended_at,
        }
    }

    /// What it adds to what is spent.
    #[must_use]
    pub fn used(&self) -> Amount {
        Amount {
            cost_micros: self.cost_micros.unwrap_or(0),
            tokens: self
                .usage
                .input_tokens
                .saturating_add(self.usage.output_tokens),
        }
    }
}

/// What one attempt used.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, utoipa::ToSchema)]
pub struct AttemptRow {
    /// For `before`.
    pub id: AttemptId,
    /// The room's address.
    pub room: String,
    /// The reply's message.
    pub seq: Seq,
    /// Which try at it.
    pub attempt: Attempt,
    /// Who asked.
    pub user: UserRow,
    /// Who answered.
    pub assistant: UserRow,
    /// The provider, as the operator calls it.
    pub provider: String,
    /// The model that answered.
    pub model: String,
    /// How it ended.
    pub state: AttemptState,
    /// Tokens of the prompt, cached ones included.
    pub input_tokens: i64,
    /// Tokens written.
    pub output_tokens: i64,
    /// Those of the prompt that the provider knew from before.
    pub cached_tokens: i64,
    /// True where the provider gave no count.
    pub estimated: bool,
    /// In millionths of the server's currency; null where the model has no price, or while it runs.
    pub cost_micros: Option<i64>,
    /// From asking the provider to the first text.
    pub first_token_ms: Option<i64>,
    /// Why the model ended by itself.
    pub stop_reason: Option<String>,
    /// Why it failed, an error code.
    pub error: Option<String>,
    /// When its provider was asked.
    pub asked_at: DateTime<Utc>,
    /// When it ended; null while it runs.
    pub ended_at: Option<DateTime<Utc>>,
}

/// Some attempts of a user or a room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsagePage {
    /// The latest first.
    pub rows: Vec<AttemptRow>,
    /// What is counted of it at present.
    pub counted: Counted,
}

/// What attempts are summed up by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SumBy {
    /// Who asked.
    User,
    /// Where.
    Room,
    /// By which provider's model.
    Model,
    /// On which day of UTC.
    Day,
}

impl SumBy {
    /// Every one there is.
    pub const ALL: [Self; 4] = [Self::User, Self::Room, Self::Model, Self::Day];

    /// As asked for.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Room => "room",
            Self::Model => "model",
            Self::Day => "day",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|by| by.as_str() == name)
    }
}

/// Which sums.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SumsWanted {
    /// By what.
    pub by: SumBy,
    /// Of what was asked from this time on.
    pub from: DateTime<Utc>,
    /// And before this one.
    pub to: DateTime<Utc>,
    /// Behind this key.
    pub after: Option<String>,
    /// At most so many.
    pub limit: i64,
}

/// What the attempts of one key used.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, utoipa::ToSchema)]
pub struct UsageSum {
    /// The id of a user or a room, the provider and the model with `/` between, or a day.
    pub key: String,
    /// What people call it: a user's name, a room's address. Direct rooms are only that.
    pub name: String,
    /// How many there are.
    pub attempts: i64,
    /// How many of them are estimated.
    pub estimated: i64,
    /// Tokens of prompts.
    pub input_tokens: i64,
    /// Tokens written.
    pub output_tokens: i64,
    /// Tokens of prompts that were known from before.
    pub cached_tokens: i64,
    /// In millionths of the server's currency; what has no price adds nothing.
    pub cost_micros: i64,
}

/// Sums of one page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsageSums {
    /// By their keys.
    pub sums: Vec<UsageSum>,
    /// What is counted of the server at present.
    pub counted: Counted,
}

/// What direct rooms are called where who talks with whom is nobody's business.
pub const DIRECT_NAME: &str = "direct";

/// Usage and spending. The rules of [`Store`](super::Store) hold.
#[async_trait]
pub trait UsageStore {
    /// Judges an attempt that is about to ask its provider, and where it may begin, writes its row and holds the most that it can
    /// use back: all in one transaction, whichever instance it is. Of an attempt that began already it is true that it may.
    async fn begin_attempt(&self, attempt: NewAttempt, caps: Caps) -> StoreResult<Verdict>;

    /// Counts what an attempt used in the periods that it began in, and gives the rest back. False, and nothing is done, when it
    /// had ended; one that was thought lost may end after all.
    async fn end_attempt(&self, end: AttemptEnd) -> StoreResult<bool>;

    /// Ends attempts that run by their row, though their reply is settled, waits, is under another attempt or is gone: of one whose
    /// reply is settled with its text, by that; of any other at the most that it could have used. At most `limit`; how many.
    async fn end_lost_attempts(&self, limit: i64) -> StoreResult<u64>;

    /// What a user's questions used, the latest first, older than `before`; at most `limit`.
    async fn own_usage(
        &self,
        user: UserId,
        before: Option<AttemptId>,
        limit: i64,
    ) -> StoreResult<UsagePage>;

    /// What the replies of a room used, as it is told to `user`.
    ///
    /// # Errors
    /// `forbidden` unless the user may [see it](crate::permissions::Action::ReadUsage); as every read.
    async fn room_usage(
        &self,
        user: UserId,
        slug: &str,
        before: Option<AttemptId>,
        limit: i64,
    ) -> StoreResult<UsagePage>;

    /// What all attempts used, summed up, by key. For administrators and the operator.
    async fn usage_sums(&self, wanted: SumsWanted) -> StoreResult<UsageSums>;

    /// Removes attempts asked more than `days` ago, at most [`crate::limits::USAGE_SWEEP_ROWS`], and counters that no cap reads any
    /// more; how many attempts.
    async fn sweep_usage(&self, days: u32) -> StoreResult<u64>;
}

/// Counters are kept for so many days behind the end of their period: a reply that began in it may still end.
const COUNTERS_DAYS: i64 = 62;

/// Periods named lower than this are counted no more.
#[must_use]
pub fn first_kept_period(now: DateTime<Utc>) -> String {
    let oldest = now - chrono::TimeDelta::days(COUNTERS_DAYS);
    crate::spending::Span::Month.period(oldest)
}
