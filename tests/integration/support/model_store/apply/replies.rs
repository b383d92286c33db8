//! Versioned changes of replies in the model: stopped, retried, settled, interrupted.

use salon::db::assistants::{AskedAgain, may_ask_again};
use salon::db::changes::Settlement;
use salon::db::reply_life::{Becomes, Step};
use salon::db::rows::{MessageMeta, MessageRow, MessageState, ReplyMeta, ReplyState, Visibility};
use salon::error::{ErrorCode, Refusal};
use salon::ids::{Attempt, Seq, UserId, Version};
use salon::permissions::{Action, allows};
use salon::spending::Caps;

use super::super::Moment;
use super::super::tables::{Reply, is_disabled};
use super::{Judged, Work};

/// What somebody wants of a reply.
#[derive(Clone, Copy)]
pub(super) enum Steer {
    /// That it ends.
    Stop,
    /// Another text: written again, or one of those it had.
    Again,
}

impl Reply {
    /// Settles it: no lease, no chunks.
    pub(super) fn end(&mut self, now: Moment) {
        self.state = ReplyState::Settled;
        self.settled_at = Some(now);
        self.lease = None;
        self.chunks.clear();
    }

    /// What is known of it without its runner.
    fn plain_meta(&self) -> ReplyMeta {
        ReplyMeta {
            prompt_seq: self.prompt_seq,
            attempt: self.attempt,
            ..ReplyMeta::default()
        }
    }
}

impl Work<'_> {
    /// Stops a queued reply here and now; asks the runner of a streaming one.
    pub(super) fn stop_reply(&mut self, actor: UserId, seq: Seq) -> Judged<Version> {
        let now = self.now;
        let reply = self.steered(actor, seq, Steer::Stop)?;
        match reply.standing(now).judge(Step::Stop)? {
            Becomes::AskedToStop => {
                reply.stop_requested = true;
                if let Some(message) = self.room.messages.get_mut(&seq) {
                    message.row.meta = message.row.meta.asked_to_stop(actor);
                }
                Ok(self.room.head.version)
            }
            Becomes::Ended(state) => {
                reply.end(now);
                let meta = ReplyMeta {
                    stopped_by: Some(actor),
                    ..reply.plain_meta()
                };
                Ok(self.rewrite(seq, state, String::new(), None, meta))
            }
            _ => Err(ErrorCode::ReplySettled.into()),
        }
    }

    /// Puts a reply that ended early back to the start. Its attempts stay counted.
    pub(super) fn retry_reply(&mut self, actor: UserId, seq: Seq, caps: Caps) -> Judged<Version> {
        let now = self.now;
        let standing = self.steered(actor, seq, Steer::Again)?.standing(now);
        let message = &self.room.messages[&seq].row;
        if standing.state == ReplyState::Settled && message.deleted_at.is_some() {
            return Err(ErrorCode::ReplyNotFound.into());
        }
        standing.judge(Step::Retry(message.state))?;
        self.require_asking_again(actor, seq, (caps, 0))?;
        if self.is_full_of_replies() {
            return Err(ErrorCode::TooManyReplies.into());
        }
        Ok(self.queue_again(seq))
    }

    /// Puts a reply into the queue, without text.
    pub(super) fn queue_again(&mut self, seq: Seq) -> Version {
        let now = self.now;
        let mut meta = ReplyMeta::default();
        if let Some(reply) = self.room.replies.get_mut(&seq) {
            reply.state = ReplyState::Queued;
            reply.shown = false;
            reply.stop_requested = false;
            reply.context_from = None;
            reply.queued_at = now;
            reply.settled_at = None;
            meta = reply.plain_meta();
        }
        self.rewrite(seq, MessageState::Queued, String::new(), None, meta)
    }

    /// The runner's last word.
    pub(super) fn settle_reply(&mut self, settlement: &Settlement) -> Judged<Version> {
        let now = self.now;
        let (seq, owner, attempt) = (settlement.seq, settlement.owner, settlement.attempt);
        let reply = self.room.replies.get_mut(&seq);
        let reply = reply.ok_or(ErrorCode::ReplySettled)?;
        let step = Step::Settle(owner, attempt, settlement.state);
        reply.standing(now).judge(step)?;
        reply.end(now);
        let (body, html) = (settlement.body.clone(), settlement.html.clone());
        let before = &self.room.messages[&seq].row.meta;
        let meta = settlement.meta.clone().ended(settlement.state, before);
        Ok(self.rewrite(seq, settlement.state, body, html, meta))
    }

    /// Ends a reply whose runner died after it had shown some of it, with the text that was saved.
    pub(super) fn interrupt_reply(&mut self, seq: Seq, attempt: Attempt) -> Judged<Version> {
        let now = self.now;
        let reply = self.room.replies.get_mut(&seq);
        let reply = reply.ok_or(ErrorCode::ReplySettled)?;
        reply.standing(now).judge(Step::Interrupt(attempt))?;
        let (_, body) = reply.saved();
        reply.end(now);
        let meta = ReplyMeta {
            context_from: reply.context_from,
            ..reply.plain_meta()
        };
        Ok(self.rewrite(seq, MessageState::Interrupted, body, None, meta))
    }

    /// The reply, if the actor may stop it and have it written again.
    pub(super) fn steered(&mut self, actor: UserId, seq: Seq, steer: Steer) -> Judged<&mut Reply> {
        let role = self.member_role(actor)?;
        let author = self
            .room
            .messages
            .get(&seq)
            .map(|message| message.row.author.id);
        let all = self.room.assistants(self.users);
        let known = all.into_iter().find(|one| Some(one.user.id) == author);
        let settings = known.map(|one| one.settings).unwrap_or_default();
        let least = match steer {
            Steer::Stop => settings.may_stop,
            Steer::Again => settings.may_regenerate,
        };
        let reply = self.room.replies.get_mut(&seq);
        let reply = reply.ok_or_else(|| Refusal::from(ErrorCode::ReplyNotFound))?;
        let own = reply.asker == actor && allows(role, Action::SteerOwnReply);
        if own || (role.is_at_least(least) && allows(role, Action::SteerOwnReply)) {
            Ok(reply)
        } else {
            Err(ErrorCode::Forbidden.into())
        }
    }

    /// Refuses where a message of `actor` would get no answer of who wrote the reply.
    pub(super) fn require_asking_again(
        &self,
        actor: UserId,
        seq: Seq,
        (caps, before): (Caps, i64),
    ) -> Judged<()> {
        let author = self.room.messages[&seq].row.author.id;
        let all = self.room.assistants(self.users);
        let asker = self.room.replies[&seq].asker;
        let role = self.room.members.get(&asker);
        let row = &self.room.row;
        let counted = |subject| self.counted.get(&subject).copied().unwrap_or_default();
        let full_until = caps.full(asker, row.id, self.now, counted);
        may_ask_again(AskedAgain {
            assistant: all.iter().find(|one| one.user.id == author),
            actor: self.users[&actor].row.kind,
            role: self.room.members.get(&actor).copied(),
            in_direct: row.visibility == Visibility::Direct && row.people == 0,
            asker_may_prompt: !is_disabled(self.users, asker)
                && role.is_some_and(|role| allows(*role, Action::Post)),
            asks: self.asked_by(asker) + before,
            spent_for: full_until.map(|until| until - self.now),
        })
    }

    /// Gives a reply's message its new form at the next version.
    fn rewrite(
        &mut self,
        seq: Seq,
        state: MessageState,
        body: String,
        html: Option<String>,
        meta: ReplyMeta,
    ) -> Version {
        let row = MessageRow {
            state,
            body,
            html,
            meta: MessageMeta {
                reply: Some(ReplyMeta {
                    variants: self.room.replies[&seq].variants.told(),
                    ..meta
                }),
                ..MessageMeta::default()
            },
            ..self.room.messages[&seq].row.clone()
        };
        self.room.put(row)
    }
}
