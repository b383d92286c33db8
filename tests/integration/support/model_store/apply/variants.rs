//! The variants of a reply in the model: a text put aside for another one, and one of them selected.

use salon::db::rows::{MessageMeta, MessageRow, ReplyMeta, ReplyState};
use salon::db::variants::{VariantRow, Variants};
use salon::error::ErrorCode;
use salon::ids::{Seq, UserId, Version};
use salon::limits::REPLIES_PER_ROOM;
use salon::spending::Caps;

use super::replies::Steer;
use super::{Judged, Work};

impl Work<'_> {
    /// Puts a settled reply back to the queue as another variant.
    pub(super) fn regenerate_reply(
        &mut self,
        actor: UserId,
        seq: Seq,
        caps: Caps,
    ) -> Judged<Version> {
        self.steered(actor, seq, Steer::Again)?;
        let one_more = self.one_more(actor, seq, (caps, 0))?;
        Ok(self.again(seq, one_more))
    }

    /// Makes one of its texts the reply's message.
    pub(super) fn select_variant(
        &mut self,
        actor: UserId,
        seq: Seq,
        variant: i32,
    ) -> Judged<Version> {
        self.steered(actor, seq, Steer::Again)?;
        self.require_settled(seq)?;
        let version = self.room.head.version;
        let reply = self.steered(actor, seq, Steer::Again)?;
        if reply.variants.selected == variant {
            return Ok(version);
        }
        let taken = reply.others.remove(&variant);
        let taken = taken.ok_or(ErrorCode::VariantNotFound)?;
        self.put_aside(seq);
        let row = self.room.messages[&seq].row.clone();
        if let Some(reply) = self.room.replies.get_mut(&seq) {
            reply.variants.selected = variant;
        }
        let variants = self.room.replies[&seq].variants.told();
        Ok(self.room.put(MessageRow {
            state: taken.state,
            body: taken.body,
            html: taken.html,
            meta: MessageMeta {
                reply: Some(ReplyMeta {
                    variants,
                    ..taken.meta
                }),
                ..MessageMeta::default()
            },
            ..row
        }))
    }

    /// The replies that an edited message asks for again, with the numbers they will have.
    pub(super) fn asked_again(
        &self,
        actor: UserId,
        prompt_seq: Seq,
        caps: Caps,
    ) -> Judged<Vec<(Seq, Variants)>> {
        let replies = self.room.replies.iter();
        let to_it = replies.filter(|(seq, reply)| {
            reply.prompt_seq == prompt_seq && self.room.messages[*seq].row.deleted_at.is_none()
        });
        let mut asked = Vec::new();
        for (seq, _) in to_it {
            let before = asked.len() as i64;
            asked.push((*seq, self.one_more(actor, *seq, (caps, before))?));
        }
        if asked.is_empty() {
            return Err(ErrorCode::ReplyNotFound.into());
        }
        Ok(asked)
    }

    /// Puts the text aside and the reply into the queue.
    pub(super) fn again(&mut self, seq: Seq, variants: Variants) -> Version {
        self.put_aside(seq);
        if let Some(reply) = self.room.replies.get_mut(&seq) {
            reply.variants = variants;
        }
        self.queue_again(seq)
    }

    fn put_aside(&mut self, seq: Seq) {
        let row = &self.room.messages[&seq].row;
        if let Some(reply) = self.room.replies.get_mut(&seq) {
            let present = VariantRow::of(row, reply.variants.selected);
            reply.others.insert(present.variant, present);
        }
    }

    fn one_more(&self, actor: UserId, seq: Seq, (caps, before): (Caps, i64)) -> Judged<Variants> {
        self.require_settled(seq)?;
        self.require_asking_again(actor, seq, (caps, before))?;
        let one_more = self.room.replies[&seq].variants.one_more();
        let one_more = one_more.ok_or(ErrorCode::TooMany)?;
        if self.room.unsettled().count() as i64 + before >= REPLIES_PER_ROOM {
            return Err(ErrorCode::TooManyReplies.into());
        }
        Ok(one_more)
    }

    fn require_settled(&self, seq: Seq) -> Judged<()> {
        if self.room.replies[&seq].state != ReplyState::Settled {
            return Err(ErrorCode::ReplyRunning.into());
        }
        if self.room.messages[&seq].row.deleted_at.is_some() {
            return Err(ErrorCode::ReplyNotFound.into());
        }
        Ok(())
    }
}
