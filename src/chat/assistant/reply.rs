//! One reply, from its claim to its last word. Every way it can end is an [`Ending`]; only a lost lease ends in
//! silence, because then another runner speaks.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::lease::{Lease, Verdict};
use super::meter::{Meter, Written};
use super::pace::Pace;
use super::parked::Parked;
use super::retry::retried;
use super::{AssistantParts, RETRY, budget, spend};
use crate::channel_layer::GroupName;
use crate::chat::messages::render;
use crate::chat::prompt::{Built, PromptRoom, build_prompt};
use crate::db::assistants::{AssistantSettings, RoomAssistant};
use crate::db::changes::{Change, Settlement};
use crate::db::rows::{ClaimedReply, MessageState, ReplyChunk, ReplyMeta};
use crate::db::usage::AttemptEnd;
use crate::error::ErrorCode;
use crate::ids::{ChunkNumber, RoomRef, Seq};
use crate::limits;
use crate::llm::registry::Model;
use crate::llm::{Completion, Delta, DeltaStream, LlmError, Prompt};
use crate::protocol::publication::{DeltaPiece, Publication};

/// How a reply ended.
struct Ending {
    state: MessageState,
    error: Option<ErrorCode>,
    completion: Completion,
    /// When it may be asked for again, where that is known.
    retry_at: Option<DateTime<Utc>>,
}

impl Ending {
    fn of_state(state: MessageState) -> Self {
        Self {
            state,
            error: None,
            completion: Completion::default(),
            retry_at: None,
        }
    }

    fn failed(error: ErrorCode) -> Self {
        Self {
            error: Some(error),
            ..Self::of_state(MessageState::Failed)
        }
    }

    fn too_dear(until: DateTime<Utc>) -> Self {
        Self {
            retry_at: Some(until),
            ..Self::failed(ErrorCode::SpendLimitReached)
        }
    }
}

/// A reply while it is written.
struct Writing<'a> {
    parts: &'a AssistantParts,
    /// Told when its provider may write another.
    freed: &'a Notify,
    lease: &'a Lease,
    room: RoomRef,
    /// What writes it.
    model: &'a Model,
    /// What it uses.
    meter: Meter,
    /// The oldest message of that prompt, where older ones were left out.
    context_from: Option<Seq>,
    /// What was published, chunk by chunk: what the room saw, and what is stored in the end.
    text: String,
    chunks: ChunkNumber,
    pace: Pace,
}

/// Writes a claimed reply and settles it, or gives it back.
pub(super) async fn run(parts: &AssistantParts, parked: &Parked, freed: &Notify, lease: &Lease) {
    let claimed = &lease.claimed;
    let slug = match retried(lease, || parts.store.room_slug(claimed.room)).await {
        Ok(slug) => slug,
        Err(_) => return,
    };
    let room = RoomRef {
        id: claimed.room,
        slug: slug.into(),
    };
    let mut writing = Writing {
        parts,
        freed,
        lease,
        room,
        model: parts.providers.default_model(),
        meter: Meter::default(),
        context_from: None,
        text: String::new(),
        chunks: 0,
        pace: Pace::default(),
    };
    let written = writing.write().await;
    if !matches!(written, Err(Verdict::NoPlace)) {
        parked.forget((claimed.room, claimed.seq));
    }
    let ending = match written {
        Ok(ending) => ending,
        Err(Verdict::Lost) => {
            writing
                .count(&Ending::of_state(MessageState::Interrupted))
                .await;
            return;
        }
        Err(Verdict::Stop) => Ending::of_state(MessageState::Stopped),
        Err(Verdict::Drain) if writing.chunks == 0 => match writing.give_back().await {
            Back::Stopped => return writing.say_stopped().await,
            Back::Queued | Back::Unknown => return,
        },
        Err(Verdict::NoPlace) => {
            let reply = (claimed.room, claimed.seq);
            // First: once it waits, it is claimed by whoever does not know.
            parked.park(reply, Arc::clone(&writing.model.llm));
            match writing.give_back().await {
                Back::Queued => return,
                Back::Unknown => return parked.forget(reply),
                Back::Stopped => {
                    parked.forget(reply);
                    return writing.say_stopped().await;
                }
            }
        }
        Err(Verdict::Drain) => Ending::of_state(MessageState::Interrupted),
    };
    writing.settle(ending).await;
}

/// What became of a reply that was to go back to the queue.
enum Back {
    /// It waits, for anyone.
    Queued,
    /// Somebody had asked to stop it: it is to be settled.
    Stopped,
    /// It is somebody else's, or its lease will run out.
    Unknown,
}

impl Writing<'_> {
    /// Builds the prompt, has what it may cost held back, and asks.
    async fn write(&mut self) -> Result<Ending, Verdict> {
        if !self.lease.claimed.asker_may_prompt {
            return Ok(Ending::failed(ErrorCode::NotAMember));
        }
        let (room, seq) = (self.room.id, self.lease.claimed.seq);
        let assistant = retried(self.lease, || {
            self.parts.store.replying_assistant(room, seq)
        })
        .await?;
        // It may have been turned off since it was asked.
        if !assistant.settings.enabled {
            return Ok(Ending::failed(ErrorCode::NoAssistant));
        }
        let AssistantSettings {
            provider, model, ..
        } = &assistant.settings;
        let chosen = self
            .parts
            .providers
            .chosen(provider.as_deref(), model.as_deref());
        let Some(model) = chosen else {
            // The operator has no such model, or no longer.
            tracing::warn!(room = %self.room.slug, seq, "a room's assistant has a model that is not configured");
            return Ok(Ending::failed(ErrorCode::NoAssistant));
        };
        self.model = model;
        if model.llm.free_places() == 0 {
            // Rather in the queue than here, where it would keep the next from a place at another provider.
            return Err(self.lease.verdict().unwrap_or(Verdict::NoPlace));
        }
        let Built {
            prompt,
            context_from,
        } = self.prompt(&assistant).await?;
        let writer = (assistant.user.id, self.model);
        let begun = spend::begin(self.parts, self.lease, writer, &prompt).await?;
        if let spend::Begun::Refused(until) = begun {
            return Ok(Ending::too_dear(until));
        }
        self.meter.held_back(prompt.bytes());
        self.context_from = context_from;
        self.ask(prompt).await
    }

    /// Asks the model once it has a place, and publishes what it says.
    async fn ask(&mut self, prompt: Prompt) -> Result<Ending, Verdict> {
        let place = tokio::select! {
            biased;
            verdict = self.lease.decided() => return Err(verdict),
            place = self.model.llm.place() => place,
        };
        let place = match place {
            Ok(place) => place,
            Err(error) if error.is_no_place() => {
                return Err(self.lease.verdict().unwrap_or(Verdict::NoPlace));
            }
            Err(error) => return Ok(self.failure(&error)),
        };
        self.lease.placed();
        self.meter.asked();
        let began = Instant::now();
        let answer = tokio::select! {
            biased;
            verdict = self.lease.decided() => return Err(verdict),
            answer = self.model.llm.answer(prompt) => answer,
        };
        let mut stream = match answer {
            Ok(stream) => stream,
            Err(error) => return Ok(self.failure(&error)),
        };
        self.meter.answered(began);
        let ending = self.stream(&mut stream, began).await;
        // Closes the provider's connection before anything is settled.
        drop(stream);
        drop(place);
        self.freed.notify_one();
        if let Ok(ending) = &ending {
            // Kept before anything else may happen: it is exact.
            self.meter.ended(ending.completion.usage);
            self.publish().await?;
        }
        ending
    }

    async fn prompt(&self, assistant: &RoomAssistant) -> Result<Built, Verdict> {
        let (store, claimed) = (&self.parts.store, &self.lease.claimed);
        let context = retried(self.lease, || {
            // One more than it may hold: then it is known whether something is left out.
            let most = limits::CONTEXT_MESSAGES + 1;
            store.context(claimed.room, claimed.prompt_seq, most)
        })
        .await?;
        let limits = self.model.limits;
        let build = |tokens| {
            let room = PromptRoom {
                tokens,
                answer_tokens: limits.answer_tokens(),
            };
            build_prompt(&context, claimed.prompt_seq, assistant, room)
        };
        tokio::select! {
            biased;
            verdict = self.lease.decided() => Err(verdict),
            built = budget::fit(self.model, build) => Ok(built),
        }
    }

    async fn stream(
        &mut self,
        stream: &mut DeltaStream,
        began: Instant,
    ) -> Result<Ending, Verdict> {
        loop {
            let due = self.pace.due();
            tokio::select! {
                biased;
                verdict = self.lease.decided() => return Err(verdict),
                () = tokio::time::sleep_until(due.unwrap_or(began)), if due.is_some() => self.publish().await?,
                delta = stream.next() => match delta {
                    Some(Ok(Delta::Text(text))) => {
                        self.meter.text_came(began);
                        if self.chunks == 0 {
                            metrics::histogram!("salon_reply_first_text_seconds").record(began.elapsed().as_secs_f64());
                        }
                        if !self.push(&text) {
                            return Ok(Ending::failed(ErrorCode::ReplyTooLong));
                        }
                    }
                    Some(Ok(Delta::Used(usage))) => self.meter.used(usage),
                    Some(Ok(Delta::Done(completion))) => {
                        return Ok(Ending { completion, ..Ending::of_state(MessageState::Complete) });
                    }
                    Some(Err(error)) => return Ok(self.failure(&error)),
                    None => return Ok(Ending::failed(ErrorCode::ProviderTruncated)),
                },
            }
        }
    }

    /// Takes text of the model; false when the reply is full. NUL cannot be stored and is never meant.
    fn push(&mut self, text: &str) -> bool {
        let room = limits::REPLY_BYTES.saturating_sub(self.text.len() + self.pace.waiting());
        let fitting = text
            .get(..text.floor_char_boundary(room))
            .unwrap_or_default();
        if fitting.contains('\0') {
            self.pace.push(&fitting.replace('\0', ""));
        } else {
            self.pace.push(fitting);
        }
        fitting.len() == text.len()
    }

    /// Shows what waits to the room. `shown` is committed before the first chunk; nothing is shown without a lease.
    async fn publish(&mut self) -> Result<(), Verdict> {
        if self.pace.due().is_none() {
            return Ok(());
        }
        let ClaimedReply {
            room, seq, attempt, ..
        } = self.lease.claimed;
        if self.chunks == 0 {
            self.lease.begin_to_show()?;
            let store = &self.parts.store;
            if !retried(self.lease, || {
                store.mark_shown(self.parts.instance, room, seq, attempt, self.context_from)
            })
            .await?
            {
                return Err(Verdict::Lost);
            }
        }
        self.lease.good().await?;
        let text = self.pace.take(Instant::now());
        self.chunks += 1;
        self.text.push_str(&text);
        let of = (seq, attempt, self.context_from);
        let piece = DeltaPiece::encode_from(&self.room.slug, of, (self.chunks, 1), &text);
        self.parts
            .layer
            .group_send(&GroupName::room(room), Publication::Delta(piece).to_bytes());
        self.lease.published(ReplyChunk {
            first: self.chunks,
            count: 1,
            text,
        });
        Ok(())
    }

    fn failure(&self, error: &LlmError) -> Ending {
        tracing::warn!(room = %self.room.slug, seq = self.lease.claimed.seq, %error, "a reply failed");
        Ending::failed(error.code)
    }

    fn written(&self) -> Written {
        Written {
            bytes: self.text.len() + self.pace.waiting(),
            most_tokens: self.model.limits.answer_tokens(),
        }
    }

    /// What this attempt used, if anything was held back for it.
    fn attempt_end(&self, ending: &Ending) -> Option<AttemptEnd> {
        let used = self.meter.whole(ending.state, self.written())?;
        let completion = &ending.completion;
        let own = self.model.llm.model();
        let used = spend::Used {
            state: ending.state,
            model: completion.model.as_deref().unwrap_or(own),
            usage: completion.usage.unwrap_or(used),
            first_token_ms: self.meter.first_token_ms,
            stop_reason: Some(completion.stop_reason.as_str()).filter(|reason| !reason.is_empty()),
            error: ending.error,
        };
        Some(spend::ended(self.lease, self.model, &used))
    }

    /// Puts a reply of which nothing was shown back to the queue, for anyone, with what it used counted.
    async fn give_back(&self) -> Back {
        let ClaimedReply {
            room, seq, attempt, ..
        } = self.lease.claimed;
        self.count(&Ending::of_state(MessageState::Interrupted))
            .await;
        let (store, instance) = (&self.parts.store, self.parts.instance);
        let given = [(room, seq, attempt)];
        match retried(self.lease, || store.release_replies(instance, &given)).await {
            Ok(stopped) if stopped.is_empty() => Back::Queued,
            Ok(_) | Err(Verdict::Stop) => Back::Stopped,
            Err(verdict) => {
                tracing::warn!(room = %self.room.slug, seq, ?verdict, "a reply could not be given back; its lease runs out");
                Back::Unknown
            }
        }
    }

    /// Ends a reply that was given back too late: what it used was counted as it was.
    async fn say_stopped(self) {
        self.say_last(Ending::of_state(MessageState::Stopped)).await;
    }

    /// Counts what this attempt used, of which nothing more is said.
    async fn count(&self, ending: &Ending) {
        if let Some(end) = self.attempt_end(ending) {
            spend::end(self.parts, &end, limits::ATTEMPT_END_TRIES).await;
        }
    }

    /// Counts what was used, then writes the last word: whoever reads it finds it counted, unless that takes too long.
    async fn settle(self, ending: Ending) {
        let (parts, end) = (self.parts, self.attempt_end(&ending));
        let counted = match &end {
            Some(end) => spend::end(parts, end, limits::ATTEMPT_END_TRIES_FIRST).await,
            None => true,
        };
        self.say_last(ending).await;
        if let (Some(end), false) = (&end, counted) {
            spend::end(parts, end, limits::ATTEMPT_END_TRIES).await;
        }
    }

    /// Writes the last word, until it is taken or the lease is lost.
    async fn say_last(self, ending: Ending) {
        let ClaimedReply {
            seq,
            attempt,
            prompt_seq,
            ..
        } = self.lease.claimed;
        metrics::counter!("salon_replies_total", "state" => ending.state.as_str()).increment(1);
        let shown = Some(self.written()).filter(|_| self.chunks > 0);
        let usage = ending
            .completion
            .usage
            .or(self.meter.told)
            .or(shown.and_then(|written| self.meter.shown(written)));
        let meta = ReplyMeta {
            prompt_seq,
            attempt,
            model: ending
                .completion
                .model
                .or_else(|| Some(self.model.llm.model().to_owned())),
            error: ending.error.map(|code| code.as_str().to_owned()),
            usage,
            cost_micros: usage.and_then(|usage| spend::cost_of(self.model, &usage)),
            first_token_ms: self.meter.first_token_ms,
            retry_at: ending.retry_at,
            stop_reason: Some(ending.completion.stop_reason).filter(|reason| !reason.is_empty()),
            context_from: self.context_from,
            // The store knows who asked for the end, and how many there are.
            stopped_by: None,
            variants: None,
        };
        let html = render(&self.text).await;
        let owner = self.parts.instance;
        let settlement = Settlement {
            seq,
            attempt,
            owner,
            state: ending.state,
            body: self.text,
            html,
            meta,
        };
        while self.lease.verdict() != Some(Verdict::Lost) {
            let change = Change::SettleReply(settlement.clone());
            match self.parts.writer.write(self.room.clone(), change).await {
                Ok(_) => return,
                Err(refusal)
                    if refusal.code.is_retryable() && refusal.code != ErrorCode::ShuttingDown =>
                {
                    tokio::time::sleep(RETRY).await;
                }
                Err(refusal) => {
                    tracing::info!(room = %self.room.slug, seq, %refusal, "a reply was settled by others");
                    return;
                }
            }
        }
    }
}
