//! What is done to messages after they are posted, in the model: edited, deleted, marked.

use salon::db::changes::NewText;
use salon::db::marks::{Mark, MessageMarks, Pin};
use salon::db::rows::{EditRow, MessageRow, MessageState, ReplyState};
use salon::error::{ErrorCode, Refusal};
use salon::ids::{Seq, UserId, Version};
use salon::limits::{EDITS_PER_MESSAGE, PINS_PER_ROOM, REACTION_USERS};
use salon::permissions::{Action, allows};

use super::super::tables::Message;
use super::{Judged, Work};

impl Work<'_> {
    /// Gives a message another text, and has what answers it written again where that is asked.
    pub(super) fn edit_message(&mut self, text: &NewText) -> Judged<Version> {
        self.member_role(text.actor)?;
        self.living(text.seq)?;
        self.require(text.actor, Action::ChangeOwnMessage)?;
        let version = self.room.head.version;
        let row = self.living(text.seq)?.row.clone();
        if row.author.id != text.actor {
            return Err(ErrorCode::Forbidden.into());
        }
        let again = match text.resend {
            Some(caps) => self.asked_again(text.actor, text.seq, caps)?,
            None => Vec::new(),
        };
        let mut version = match row.body == text.body {
            true => version,
            false => self.write_text(text)?,
        };
        for (seq, one_more) in again {
            version = self.again(seq, one_more);
        }
        Ok(version)
    }

    /// Writes another text, if the one that stands is the one that was seen.
    fn write_text(&mut self, text: &NewText) -> Judged<Version> {
        let (version, now) = (self.room.head.version, self.now);
        let message = self.living(text.seq)?;
        let row = message.row.clone();
        let last = message.edits.last();
        let since = last.map_or(message.created_version, |edit| edit.version);
        if text
            .if_version
            .is_some_and(|seen| seen < since || seen > row.version)
        {
            return Err(Refusal::version_conflict(row.version));
        }
        if message.edits.len() as i64 >= EDITS_PER_MESSAGE {
            return Err(ErrorCode::TooMany.into());
        }
        message.edits.push(EditRow {
            version: version + 1,
            body: row.body.clone(),
            written_at: row.edited_at.unwrap_or(row.created_at),
            replaced_at: now,
        });
        Ok(self.room.put(MessageRow {
            body: text.body.clone(),
            html: text.html.clone(),
            edited_at: Some(now),
            ..row
        }))
    }

    /// Leaves a tombstone, and nothing of what the message said.
    pub(super) fn delete_message(&mut self, actor: UserId, seq: Seq) -> Judged<Version> {
        let role = self.member_role(actor)?;
        let (version, now) = (self.room.head.version, self.now);
        let mut replies = self.room.replies.values();
        let is_asking =
            replies.any(|reply| reply.prompt_seq == seq && reply.state != ReplyState::Settled);
        let Some(message) = self.room.messages.get_mut(&seq) else {
            return Err(ErrorCode::MessageNotFound.into());
        };
        let own = message.row.author.id == actor && allows(role, Action::ChangeOwnMessage);
        if !own && !allows(role, Action::DeleteAnyMessage) {
            return Err(ErrorCode::Forbidden.into());
        }
        if message.row.deleted_at.is_some() {
            return Ok(version);
        }
        if is_asking || message.row.state == MessageState::Queued {
            return Err(ErrorCode::ReplyRunning.into());
        }
        message.edits.clear();
        message.reactors.clear();
        message.pin = None;
        if let Some(reply) = self.room.replies.get_mut(&seq) {
            reply.others.clear();
        }
        let row = MessageRow {
            body: String::new(),
            html: None,
            meta: message.row.meta.clone().of_tombstone(),
            marks: MessageMarks::default(),
            edited_at: None,
            deleted_at: Some(now),
            ..message.row.clone()
        };
        Ok(self.room.put(row))
    }

    /// Puts a mark onto a message.
    pub(super) fn mark(&mut self, actor: UserId, seq: Seq, mark: &Mark) -> Judged<Version> {
        let pins = self.room.messages.values();
        let pins = pins.filter(|message| message.pin.is_some()).count() as i64;
        let (version, now) = (self.room.head.version, self.now);
        let message = self.marked(actor, seq, mark)?;
        let mut marks = message.row.marks.clone();
        match mark {
            Mark::Reaction(emoji) => {
                let reactors = message.reactors.get(emoji);
                if reactors.is_some_and(|users| users.contains(&actor)) {
                    return Ok(version);
                }
                if !marks.takes(emoji) {
                    return Err(ErrorCode::TooMany.into());
                }
                message
                    .reactors
                    .entry(emoji.clone())
                    .or_default()
                    .push(actor);
                marks.add(emoji, actor);
            }
            Mark::Pin => {
                if marks.pinned.is_some() {
                    return Ok(version);
                }
                if pins >= PINS_PER_ROOM {
                    return Err(ErrorCode::TooMany.into());
                }
                message.pin = Some(version + 1);
                marks.pinned = Some(Pin { at: now, by: actor });
            }
        }
        let row = message.row.clone();
        Ok(self.room.put(MessageRow { marks, ..row }))
    }

    /// Takes a mark off a message.
    pub(super) fn unmark(&mut self, actor: UserId, seq: Seq, mark: &Mark) -> Judged<Version> {
        let version = self.room.head.version;
        let message = self.marked(actor, seq, mark)?;
        let mut marks = message.row.marks.clone();
        match mark {
            Mark::Reaction(emoji) => {
                let Some(users) = message.reactors.get_mut(emoji) else {
                    return Ok(version);
                };
                let before = users.len();
                users.retain(|user| *user != actor);
                if users.len() == before {
                    return Ok(version);
                }
                let first = users.iter().take(REACTION_USERS).copied().collect();
                marks.remove(emoji, first);
            }
            Mark::Pin => {
                if marks.pinned.take().is_none() {
                    return Ok(version);
                }
                message.pin = None;
            }
        }
        let row = message.row.clone();
        Ok(self.room.put(MessageRow { marks, ..row }))
    }

    /// The message, if the actor may mark it so.
    fn marked(&mut self, actor: UserId, seq: Seq, mark: &Mark) -> Judged<&mut Message> {
        self.member_role(actor)?;
        self.living(seq)?;
        let action = match mark {
            Mark::Reaction(_) => Action::React,
            Mark::Pin => Action::Pin,
        };
        self.require(actor, action)?;
        let message = self.living(seq)?;
        if message.row.state == MessageState::Queued {
            return Err(ErrorCode::ReplyRunning.into());
        }
        Ok(message)
    }

    /// A message that is there and not deleted.
    fn living(&mut self, seq: Seq) -> Judged<&mut Message> {
        let message = self.room.messages.get_mut(&seq);
        message
            .filter(|message| message.row.deleted_at.is_none())
            .ok_or_else(|| ErrorCode::MessageNotFound.into())
    }
}
