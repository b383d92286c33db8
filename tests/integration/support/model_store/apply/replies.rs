//! Versioned changes of replies in the model: stopped, retried, settled, interrupted.

use salon::db::assistants::{AskedAgain, may_ask_again};
use salon::db::changes::Settlement;
use salon::db::rows::{MessageMeta, MessageRow, MessageState, ReplyMeta, ReplyState, Visibility};
use salon::error::{ErrorCode, Refusal};
use salon::ids::{Attempt, Seq, UserId, Version};
use salon::permissions::{Action, allows};

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
    pub(super) fn end(&mut self) {
        self.state = ReplyState::Settled;
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
        let reply = self.steered(actor, seq, Steer::Stop)?;
        match reply.state {
            ReplyState::Settled => Err(ErrorCode::ReplySettled.into()),
            ReplyState::Streaming => {
                reply.stop_requested = true;
                Ok(self.room.head.version)
            }
            ReplyState::Queued => {
                reply.end();
                let meta = reply.plain_meta();
                Ok(self.rewrite(seq, MessageState::Stopped, String::new(), None, meta))
            }
        }
    }

    /// Puts a reply that ended early back to the start. Its attempts stay counted.
    pub(super) fn retry_reply(&mut self, actor: UserId, seq: Seq) -> Judged<Version> {
        if self.steered(actor, seq, Steer::Again)?.state != ReplyState::Settled {
            return Err(ErrorCode::ReplyRunning.into());
        }
        let message = self.room.messages.get(&seq);
        if message.is_some_and(|message| message.row.deleted_at.is_some()) {
            return Err(ErrorCode::ReplyNotFound.into());
        }
        if message.is_none_or(|message| message.row.state == MessageState::Complete) {
            return Err(ErrorCode::ReplySettled.into());
        }
        self.require_asking_again(actor, seq, 0)?;
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
            reply.queued_at = now;
            meta = reply.plain_meta();
        }
        self.rewrite(seq, MessageState::Queued, String::new(), None, meta)
    }

    /// The runner's last word.
    pub(super) fn settle_reply(&mut self, settlement: &Settlement) -> Judged<Version> {
        let (seq, owner, attempt) = (settlement.seq, settlement.owner, settlement.attempt);
        let reply = self.room.replies.get_mut(&seq);
        let Some(reply) = reply.filter(|reply| reply.is_held(owner, attempt)) else {
            return Err(ErrorCode::ReplySettled.into());
        };
        if settlement.state == MessageState::Queued {
            return Err(ErrorCode::BadRequest.into());
        }
        reply.end();
        let (body, html) = (settlement.body.clone(), settlement.html.clone());
        Ok(self.rewrite(seq, settlement.state, body, html, settlement.meta.clone()))
    }

    /// Ends a reply whose runner died after it had shown some of it, with the text that was saved.
    pub(super) fn interrupt_reply(&mut self, seq: Seq, attempt: Attempt) -> Judged<Version> {
        let now = self.now;
        let reply = self
            .room
            .replies
            .get_mut(&seq)
            .filter(|reply| reply.attempt == attempt && reply.shown && reply.has_run_out(now));
        let Some(reply) = reply else {
            return Err(ErrorCode::ReplySettled.into());
        };
        let (_, body) = reply.saved();
        reply.end();
        let meta = reply.plain_meta();
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
    pub(super) fn require_asking_again(&self, actor: UserId, seq: Seq, before: i64) -> Judged<()> {
        let author = self.room.messages[&seq].row.author.id;
        let all = self.room.assistants(self.users);
        let asker = self.room.replies[&seq].asker;
        let role = self.room.members.get(&asker);
        let row = &self.room.row;
        may_ask_again(AskedAgain {
            assistant: all.iter().find(|one| one.user.id == author),
            actor: self.users[&actor].row.kind,
            role: self.room.members.get(&actor).copied(),
            in_direct: row.visibility == Visibility::Direct && row.people == 0,
            asker_may_prompt: !is_disabled(self.users, asker)
                && role.is_some_and(|role| allows(*role, Action::Post)),
            asks: self.asked_by(asker) + before,
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
