//! What one attempt may cost, and what it used. Before its provider is called the most that it can use is held back, where the caps
//! let it; when it ends, what it used is counted and the rest given back. Called by [`super::reply`].
//!
//! A runner that dies in between leaves its attempt to whoever looks for lost ones ([`crate::jobs::orphans`]), who counts what its reply kept, or the most.

use chrono::{DateTime, Utc};
use rand::Rng;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::lease::{Lease, Verdict};
use super::retry::wait_for_database;
use super::{AssistantParts, RETRY};
use crate::db::rows::{ClaimedReply, MessageState, Usage};
use crate::db::usage::{AttemptEnd, AttemptKey, AttemptState, NewAttempt, Parts};
use crate::db::{StoreError, StoreResult};
use crate::error::ErrorCode;
use crate::ids::{AttemptId, UserId};
use crate::limits;
use crate::llm::registry::Model;
use crate::llm::{Prompt, tokens};
use crate::spending::{self, Amount, Caps};

/// What may be spent, and whose turn it is to ask.
pub struct SpendGate {
    caps: Caps,
    turns: Semaphore,
}

impl SpendGate {
    /// No more than these.
    #[must_use]
    pub fn new(caps: Caps) -> Self {
        let turns = Semaphore::new(limits::SPENDING_JUDGED);
        Self { caps, turns }
    }
}

/// How an attempt ended, as far as its runner knows.
pub(super) struct Used<'a> {
    pub(super) state: MessageState,
    pub(super) model: &'a str,
    pub(super) usage: Usage,
    pub(super) first_token_ms: Option<i64>,
    pub(super) stop_reason: Option<&'a str>,
    pub(super) error: Option<ErrorCode>,
}

/// What an attempt may say to the question whether it may begin.
pub(super) enum Begun {
    /// It may.
    Yes,
    /// What may be spent is, until then.
    Refused(DateTime<Utc>),
}

/// The most that a model can use for a prompt, and what that is made of.
fn most(model: &Model, prompt: &Prompt) -> (Amount, Parts) {
    // Our count is never too little. A prompt that is longer by it was counted by its provider and fits.
    let room = u64::from(model.limits.prompt_tokens());
    let input = i64::try_from(tokens::of_prompt(prompt).min(room)).unwrap_or(i64::MAX);
    let output = i64::from(prompt.max_tokens);
    // Nobody knows yet what is cached, and some ask more for it.
    let costs = [0, input].map(|cached| cost(model, input, cached, output));
    let most = Amount {
        cost_micros: costs.into_iter().flatten().max().unwrap_or(0),
        tokens: input.saturating_add(output),
    };
    let usual = tokens::usual(prompt.bytes()).min(input);
    let part = |tokens, cost: Option<i64>| Amount {
        cost_micros: cost.unwrap_or(0),
        tokens,
    };
    let parts = Parts {
        prompt: part(usual, cost(model, usual, 0, 0)),
        answer: part(output, cost(model, 0, 0, output)),
    };
    (most, parts)
}

fn cost(model: &Model, input: i64, cached: i64, output: i64) -> Option<i64> {
    Some(model.prices?.cost_micros(input, cached, output))
}

/// What a usage costs at a model; none where it has no price.
pub(super) fn cost_of(model: &Model, usage: &Usage) -> Option<i64> {
    cost(
        model,
        usage.input_tokens,
        usage.cached_tokens,
        usage.output_tokens,
    )
}

fn key(claimed: &ClaimedReply) -> AttemptKey {
    AttemptKey {
        room: claimed.room,
        seq: claimed.seq,
        attempt: claimed.attempt,
    }
}

/// Asks whether the attempt may begin, and waits while what runs holds back too much: it gives most of it back.
///
/// # Errors
/// What was decided meanwhile.
pub(super) async fn begin(
    parts: &AssistantParts,
    lease: &Lease,
    (assistant, model): (UserId, &Model),
    prompt: &Prompt,
) -> Result<Begun, Verdict> {
    let claimed = &lease.claimed;
    let (most, made_of) = most(model, prompt);
    let asked = NewAttempt {
        id: AttemptId::new(),
        key: key(claimed),
        asker: claimed.asker,
        assistant,
        provider: model.provider.to_string(),
        model: model.llm.model().to_owned(),
        most,
        parts: made_of,
        asked_at: None,
    };
    let asking = Asking {
        parts,
        lease,
        asked,
    };
    let mut in_doubt = false;
    let begun = asking.until_judged(&mut in_doubt).await;
    if begun.is_err() && in_doubt {
        // It may have been held back all the same, and nobody was asked.
        let nothing = Used {
            state: MessageState::Interrupted,
            model: model.llm.model(),
            usage: Usage::default(),
            first_token_ms: None,
            stop_reason: None,
            error: None,
        };
        end(
            parts,
            &ended(lease, model, &nothing),
            limits::ATTEMPT_END_TRIES,
        )
        .await;
    }
    begun
}

/// An attempt that asks whether it may begin.
struct Asking<'a> {
    parts: &'a AssistantParts,
    lease: &'a Lease,
    asked: NewAttempt,
}

impl Asking<'_> {
    /// Asks until it is told. `in_doubt` comes true where an answer was lost.
    async fn until_judged(&self, in_doubt: &mut bool) -> Result<Begun, Verdict> {
        let until = Instant::now() + limits::SPENDING_WAIT;
        let mut wait = limits::SPENDING_RETRY;
        loop {
            let judged = self.once().await?;
            let waits = matches!(judged, Ok(spending::Verdict::Waits));
            self.lease.waits_for_money(waits);
            let pause = match judged {
                Ok(spending::Verdict::Fits) => return Ok(Begun::Yes),
                Ok(spending::Verdict::Full(until)) => return Ok(Begun::Refused(until)),
                Ok(spending::Verdict::Waits) if Instant::now() >= until => {
                    return Ok(Begun::Refused(Utc::now()));
                }
                Ok(spending::Verdict::Waits) => {
                    let pause = wait.mul_f64(crate::randomness::rng().random_range(0.5..1.0));
                    wait = (wait * 2).min(limits::SPENDING_RETRY_LONGEST);
                    pause
                }
                Err(error) => {
                    wait_for_database(error)?;
                    *in_doubt = true;
                    RETRY
                }
            };
            tokio::select! {
                biased;
                verdict = self.lease.decided() => return Err(verdict),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Asks when its turn has come. A stop is heard until then: nothing is held back yet.
    async fn once(&self) -> Result<StoreResult<spending::Verdict>, Verdict> {
        let gate = &self.parts.spend_gate;
        let _turn = tokio::select! {
            biased;
            verdict = self.lease.decided() => return Err(verdict),
            // It is never closed.
            turn = gate.turns.acquire() => turn,
        };
        let asked = self.asked.clone();
        Ok(self.parts.store.begin_attempt(asked, gate.caps).await)
    }
}

/// How an attempt ended, as it is kept.
pub(super) fn ended(lease: &Lease, model: &Model, used: &Used<'_>) -> AttemptEnd {
    let cost_micros = cost_of(model, &used.usage);
    count(model, &used.usage, cost_micros);
    AttemptEnd {
        key: key(&lease.claimed),
        state: AttemptState::of_message(used.state),
        model: used.model.to_owned(),
        usage: used.usage,
        cost_micros,
        first_token_ms: used.first_token_ms,
        stop_reason: used.stop_reason.map(str::to_owned),
        error: used.error,
        ended_at: Utc::now(),
    }
}

/// Counts what the attempt used. It is paid for, whoever has the lease by now; so it is tried so often. Whether it was counted, or
/// never can be.
pub(super) async fn end(parts: &AssistantParts, end: &AttemptEnd, tries: usize) -> bool {
    for _ in 0..tries {
        match parts.store.end_attempt(end.clone()).await {
            Ok(_) => return true,
            Err(StoreError::Broken(error)) => {
                tracing::error!(%error, "what an attempt used cannot be counted");
                return true;
            }
            Err(error) => tracing::warn!(%error, "what an attempt used waits to be counted"),
        }
        tokio::time::sleep(RETRY).await;
    }
    false
}

fn count(model: &Model, usage: &Usage, cost_micros: Option<i64>) {
    let kinds = [
        ("input", usage.input_tokens),
        ("cached", usage.cached_tokens),
        ("output", usage.output_tokens),
    ];
    let name = model.llm.model();
    for (kind, tokens) in kinds {
        let tokens = u64::try_from(tokens).unwrap_or(0);
        metrics::counter!("salon_tokens_total", "model" => name.to_owned(), "kind" => kind)
            .increment(tokens);
    }
    let cost = u64::try_from(cost_micros.unwrap_or(0)).unwrap_or(0);
    metrics::counter!("salon_cost_micros_total", "model" => name.to_owned()).increment(cost);
}
