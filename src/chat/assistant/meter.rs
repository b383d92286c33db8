//! What one attempt has used, as far as it is known: what its provider told, and what can be guessed of the rest. Filled and asked by
//! [`super::reply`] while it writes. It counts nothing anywhere; [`super::spend`] does.

use std::time::Duration;

use tokio::time::Instant;

use crate::db::rows::{MessageState, Usage};
use crate::limits;
use crate::llm::tokens;

/// The use of one attempt.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// Bytes of the prompt that the model is asked with; from then on what it may cost is held back.
    asked_bytes: Option<usize>,
    /// Whether it was asked at all: until it has a place at its provider, it costs nothing.
    is_asked: bool,
    /// Whether the model began to answer, so that the prompt is paid for.
    is_answered: bool,
    /// From asking it to its first text.
    pub(super) first_token_ms: Option<i64>,
    /// What it used, as its provider told at the end.
    pub(super) told: Option<Usage>,
    /// What it had used when it began to write, where its provider tells so early: what it read is exact.
    read: Option<Usage>,
    /// When something was last heard of it while it writes.
    heard_at: Option<Instant>,
    /// For how long it said nothing, pauses of a second and more.
    silent: Duration,
}

/// How much a model has written, and how much it may.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    pub(super) bytes: usize,
    pub(super) most_tokens: u32,
}

impl Meter {
    /// What it may cost with a prompt of so many bytes is held back.
    pub(super) fn held_back(&mut self, prompt_bytes: usize) {
        self.asked_bytes = Some(prompt_bytes);
    }

    /// It is asked from now on.
    pub(super) fn asked(&mut self) {
        self.is_asked = true;
    }

    /// It began to answer; it was asked at `began`.
    pub(super) fn answered(&mut self, began: Instant) {
        self.is_answered = true;
        self.heard_at = Some(began);
    }

    /// Text came; it was asked at `began`.
    pub(super) fn text_came(&mut self, began: Instant) {
        let heard_at = self.heard_at.replace(Instant::now());
        self.silent += heard_at.map_or(Duration::ZERO, silence_since);
        if self.first_token_ms.is_none() {
            self.first_token_ms = i64::try_from(began.elapsed().as_millis()).ok();
        }
    }

    /// Its provider told what it has used so far.
    pub(super) fn used(&mut self, usage: Usage) {
        self.read = Some(usage);
    }

    /// It ended by itself, and its provider may have told what it used.
    pub(super) fn ended(&mut self, told: Option<Usage>) {
        self.told = told;
        self.heard_at = None;
    }

    /// What a reply that showed text has used: told, or estimated where it broke off or was stopped, or its provider never tells.
    pub(super) fn shown(&self, written: Written) -> Option<Usage> {
        let asked_bytes = self.asked_bytes?;
        Some(
            self.told
                .unwrap_or_else(|| self.estimated(asked_bytes, written)),
        )
    }

    /// What the attempt used that ends so, if anything was held back for it. Where its provider did not tell, it is estimated; the
    /// prompt too, unless it was refused before it was answered. Nothing where nobody was asked.
    pub(super) fn whole(&self, end: MessageState, written: Written) -> Option<Usage> {
        let asked_bytes = self.asked_bytes?;
        let is_refused = !self.is_answered && end == MessageState::Failed;
        Some(match self.told {
            Some(told) => told,
            None if !self.is_asked => Usage::default(),
            None if is_refused => self.estimated(0, written),
            None => self.estimated(asked_bytes, written),
        })
    }

    /// As far as it is known and can be guessed: what it read is exact where its provider told.
    fn estimated(&self, asked_bytes: usize, written: Written) -> Usage {
        let read = self.read.unwrap_or_else(|| Usage {
            input_tokens: tokens::usual(asked_bytes),
            ..Usage::default()
        });
        Usage {
            output_tokens: self.written_tokens(written).max(read.output_tokens),
            estimated: true,
            ..read
        }
    }

    /// Tokens that the model has written, as far as can be guessed: its text, and what it may have thought while it said nothing.
    fn written_tokens(&self, written: Written) -> i64 {
        let now = self.heard_at.map_or(Duration::ZERO, silence_since);
        let thought = (self.silent + now)
            .as_secs()
            .saturating_mul(limits::SILENT_TOKENS_PER_S);
        let text = tokens::usual(written.bytes);
        let most = i64::from(written.most_tokens).max(text);
        text.saturating_add(i64::try_from(thought).unwrap_or(i64::MAX))
            .min(most)
    }
}

/// A pause that is worth counting: a model that says nothing may think, which is paid for.
fn silence_since(heard_at: Instant) -> Duration {
    Some(heard_at.elapsed())
        .filter(|pause| *pause >= Duration::from_secs(1))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: Written = Written {
        bytes: 400,
        most_tokens: 1_000,
    };

    #[tokio::test(start_paused = true)]
    async fn what_was_held_back_and_never_asked_costs_nothing() {
        let mut meter = Meter::default();
        let nothing = Written {
            bytes: 0,
            ..WRITTEN
        };
        assert_eq!(meter.whole(MessageState::Stopped, nothing), None);
        meter.held_back(4_000);
        for end in [MessageState::Stopped, MessageState::Interrupted] {
            assert_eq!(meter.whole(end, nothing), Some(Usage::default()));
        }
        // Asked, it may have read all of it; refused, it has not.
        meter.asked();
        let tokens = |end| meter.whole(end, nothing).unwrap().input_tokens;
        assert_eq!(tokens(MessageState::Stopped), 1_000);
        assert_eq!(tokens(MessageState::Failed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_provider_told_early_is_exact_also_of_one_that_is_stopped() {
        let mut meter = Meter::default();
        meter.held_back(4_000);
        meter.asked();
        meter.answered(Instant::now());
        let early = Usage {
            input_tokens: 777,
            output_tokens: 1,
            cached_tokens: 700,
            estimated: false,
        };
        meter.used(early);
        meter.text_came(Instant::now());
        let stopped = Usage {
            output_tokens: 100,
            estimated: true,
            ..early
        };
        assert_eq!(meter.whole(MessageState::Stopped, WRITTEN), Some(stopped));
        assert_eq!(meter.shown(WRITTEN), Some(stopped));
        let told = Usage {
            output_tokens: 90,
            ..early
        };
        meter.ended(Some(told));
        assert_eq!(meter.whole(MessageState::Complete, WRITTEN), Some(told));
    }
}
