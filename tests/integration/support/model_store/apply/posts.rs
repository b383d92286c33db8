//! Posting in the model: the repeat, the rights, the rate, the message, and the reply it may ask for.

use std::collections::BTreeMap;

use salon::db::assistants::{asked, has_left, may_ask};
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
        if post.is_over_rate(self.room.row.visibility, self.room.row.people) {
            return Err(Refusal::from(ErrorCode::RateLimited).retry_after_ms(RETRY_HINT_MS));
        }
        if let Some(answered) = post.reply_to {
            let message = self.room.messages.get(&answered);
            if message.is_none_or(|message| message.row.deleted_at.is_some()) {
                return Err(ErrorCode::MessageNotFound.into());
            }
        }
        let author = self.user(post.author).ok_or(ErrorCode::UserNotFound)?;
        let full_until = post.prompt.and_then(|prompt| {
            let counted = |subject| self.counted.get(&subject).copied().unwrap_or_default();
            let room = self.room.row.id;
            prompt.caps.full(post.author, room, self.now, counted)
        });
        let asked = self.wanted_assistants(post, author, full_until.is_some());
        let author = author.clone();
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
        let (mut replies, mut refused) = (Vec::new(), None);
        for assistant in asked {
            match assistant {
                Ok(_) if self.is_full_of_replies() => {
                    refused = refused.or(Some(ErrorCode::TooManyReplies));
                }
                Ok(assistant) => replies.push(self.queue_reply(assistant, post.author, seq)),
                Err(code) => refused = refused.or(Some(code)),
            }
        }
        let mut replies = replies.into_iter();
        Ok(Posted {
            seq,
            version,
            created_at,
            duplicate: false,
            reply_seq: replies.next(),
            more_replies: replies.collect(),
            reply_refused: refused,
            refused_until: full_until.filter(|_| refused == Some(ErrorCode::SpendLimitReached)),
        })
    }

    /// The answer to a message that is stored already, whoever its author has become since.
    fn repeat(&self, post: &NewPost) -> Option<Posted> {
        let mut messages = self.room.messages.values();
        let stored = messages.find(|message| {
            message.row.author.id == post.author && message.row.client_id == Some(post.client_id)
        })?;
        let seq = stored.row.seq;
        let replies = self.room.replies.iter();
        let mut answers = replies
            .filter(|(_, reply)| reply.prompt_seq == seq)
            .map(|(seq, _)| *seq);
        Some(Posted {
            seq,
            version: stored.created_version,
            created_at: stored.row.created_at,
            duplicate: true,
            reply_seq: answers.next(),
            more_replies: answers.collect(),
            reply_refused: None,
            refused_until: None,
        })
    }

    /// Who is to answer, each with why it does not; nobody when nobody was asked.
    fn wanted_assistants(
        &self,
        post: &NewPost,
        author: &UserRow,
        is_spent: bool,
    ) -> Vec<Result<UserRow, ErrorCode>> {
        // An assistant that called itself would never stop.
        let Some(prompt) = post.prompt.filter(|_| author.kind != UserKind::Assistant) else {
            return Vec::new();
        };
        let row = &self.room.row;
        let in_direct = row.visibility == Visibility::Direct && row.people == 0;
        let default = self.user(prompt.assistant);
        if default.is_none_or(|user| user.kind != UserKind::Assistant) {
            let code = match author.kind {
                UserKind::Bot => ErrorCode::BotsNotAnswered,
                _ => ErrorCode::NoAssistant,
            };
            let is_asked = in_direct || prompt.mentioned;
            return Vec::from_iter(is_asked.then_some(Err(code)));
        }
        let all = self.room.assistants(self.users);
        let asked = asked(post, &all, in_direct, |name| {
            let mut members = self.room.members.keys();
            members.any(|member| {
                let row = self.user(*member);
                row.is_some_and(|row| row.name.to_lowercase() == name)
            })
        });
        let role = self.room.members.get(&author.id).copied();
        asked
            .into_iter()
            .zip(self.asked_by(author.id)..)
            .map(|(one, asks)| {
                may_ask(&one, author.kind, role, in_direct)?;
                has_left(prompt, asks, is_spent)?;
                Ok(one.user)
            })
            .collect()
    }

    /// How many replies wait or run that this user asked for, in all rooms.
    pub(super) fn asked_by(&self, user: UserId) -> i64 {
        let here = self.room.unsettled();
        let here = here.filter(|(_, reply)| reply.asker == user).count();
        here as i64 + self.asked_elsewhere.get(&user).copied().unwrap_or_default()
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
            settled_at: None,
            context_from: None,
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
