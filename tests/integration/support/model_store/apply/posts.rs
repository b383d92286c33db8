//! Posting in the model: the repeat, the rights, the rate, the message, and the reply it may ask for.

use std::collections::BTreeMap;

use salon::db::changes::{NewPost, Posted, resolve_mentions};
use salon::db::marks::MessageMarks;
use salon::db::rows::{
    MessageKind, MessageMeta, MessageRow, MessageState, ReplyMeta, ReplyState, UserKind, UserRow,
    Visibility,
};
use salon::db::variants::Variants;
use salon::error::{ErrorCode, Refusal};
use salon::ids::{Seq, UserId};
use salon::limits::{REPLIES_PER_ROOM, RETRY_HINT_MS};
use salon::permissions::Action;

use super::super::tables::Reply;
use super::{Judged, Work};

impl Work<'_> {
    /// Stores a message, or finds it stored.
    pub(super) fn post(&mut self, post: &NewPost) -> Judged<Posted> {
        if let Some(posted) = self.repeat(post) {
            return Ok(posted);
        }
        self.require(post.author, Action::Post)?;
        self.require_open(post.author)?;
        if post.over_rate {
            return Err(Refusal::from(ErrorCode::RateLimited).retry_after_ms(RETRY_HINT_MS));
        }
        if let Some(answered) = post.reply_to {
            let message = self.room.messages.get(&answered);
            if message.is_none_or(|message| message.row.deleted_at.is_some()) {
                return Err(ErrorCode::MessageNotFound.into());
            }
        }
        let author = self.user(post.author).ok_or(ErrorCode::UserNotFound)?;
        let (author, assistant) = (author.clone(), self.wanted_assistant(post, author));
        let mentions = resolve_mentions(post, |name| {
            let members = self.room.members.keys().filter(|member| {
                let row = self.user(**member);
                row.is_some_and(|row| row.name.to_lowercase() == name)
            });
            members.copied().collect()
        });
        let meta = MessageMeta {
            mentions,
            ..MessageMeta::default()
        };
        let message = self.new_message(author, meta);
        let (seq, created_at) = (message.seq, message.created_at);
        let version = self.room.put(MessageRow {
            client_id: Some(post.client_id),
            body: post.body.clone(),
            html: post.html.clone(),
            reply_to: post.reply_to,
            ..message
        });
        let (reply_seq, reply_refused) = match assistant {
            Some(Ok(assistant)) => (Some(self.queue_reply(assistant, post.author, seq)), None),
            Some(Err(code)) => (None, Some(code)),
            None => (None, None),
        };
        Ok(Posted {
            seq,
            version,
            created_at,
            duplicate: false,
            reply_seq,
            reply_refused,
        })
    }

    /// The answer to a message that is stored already, whoever its author has become since.
    fn repeat(&self, post: &NewPost) -> Option<Posted> {
        let mut messages = self.room.messages.values();
        let stored = messages.find(|message| {
            message.row.author.id == post.author && message.row.client_id == Some(post.client_id)
        })?;
        let seq = stored.row.seq;
        let mut replies = self.room.replies.iter();
        let reply = replies.find(|(_, reply)| reply.prompt_seq == seq);
        Some(Posted {
            seq,
            version: stored.created_version,
            created_at: stored.row.created_at,
            duplicate: true,
            reply_seq: reply.map(|(seq, _)| *seq),
            reply_refused: None,
        })
    }

    /// Who is to answer, why nobody does, or `None` when nobody was asked.
    fn wanted_assistant(
        &self,
        post: &NewPost,
        author: &UserRow,
    ) -> Option<Result<UserRow, ErrorCode>> {
        let prompt = post.prompt?;
        let asked = prompt.mentioned
            || (self.room.row.visibility == Visibility::Direct && self.room.row.people == 0);
        // An assistant that called itself would never stop.
        if !asked || author.kind == UserKind::Assistant {
            return None;
        }
        // Two programs that answer each other would never stop either.
        if author.kind == UserKind::Bot {
            return Some(Err(ErrorCode::BotsNotAnswered));
        }
        let assistant = self.user(prompt.assistant);
        Some(
            match assistant.filter(|user| user.kind == UserKind::Assistant) {
                None => Err(ErrorCode::NoAssistant),
                Some(_) if self.is_full_of_replies() => Err(ErrorCode::TooManyReplies),
                Some(assistant) => Ok(assistant.clone()),
            },
        )
    }

    /// Whether as many replies wait or run as may.
    pub(super) fn is_full_of_replies(&self) -> bool {
        self.room.unsettled().count() as i64 >= REPLIES_PER_ROOM
    }

    fn queue_reply(&mut self, assistant: UserRow, asker: UserId, prompt_seq: Seq) -> Seq {
        let meta = MessageMeta {
            reply: Some(ReplyMeta {
                prompt_seq,
                ..ReplyMeta::default()
            }),
            ..MessageMeta::default()
        };
        let message = self.new_message(assistant, meta);
        let seq = message.seq;
        self.room.put(MessageRow {
            kind: MessageKind::Assistant,
            state: MessageState::Queued,
            reply_to: Some(prompt_seq),
            ..message
        });
        let reply = Reply {
            prompt_seq,
            asker,
            state: ReplyState::Queued,
            attempt: 0,
            shown: false,
            stop_requested: false,
            lease: None,
            queued_at: self.now,
            chunks: BTreeMap::new(),
            variants: Variants {
                count: 1,
                selected: 1,
            },
            others: BTreeMap::new(),
        };
        self.room.replies.insert(seq, reply);
        seq
    }

    /// A message at the next seq, complete and without text yet.
    fn new_message(&mut self, author: UserRow, meta: MessageMeta) -> MessageRow {
        self.room.head.last_seq += 1;
        MessageRow {
            seq: self.room.head.last_seq,
            version: 0,
            author,
            client_id: None,
            kind: MessageKind::User,
            state: MessageState::Complete,
            body: String::new(),
            html: None,
            reply_to: None,
            meta,
            created_at: self.now,
            edited_at: None,
            deleted_at: None,
            marks: MessageMarks::default(),
        }
    }
}
