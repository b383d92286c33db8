//! Posting on SQLite: the repeat, the rights, the rate, the message, and the reply it may ask for. Called by `apply`
//! for each post of a batch, in order.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::room::RoomWork;
use crate::db::assistants::{asked, has_left, may_ask};
use crate::db::changes::{NewPost, Posted, resolve_mentions};
use crate::db::marks::MessageMarks;
use crate::db::rows::{
    MessageKind, MessageMeta, MessageRow, MessageState, ReplyMeta, ReplyState, UserKind, UserRow,
    Visibility,
};
use crate::db::sqlite::assistants::of_room;
use crate::db::sqlite::columns::{Micros, StoredId, storable, time};
use crate::db::sqlite::failure::Work;
use crate::db::sqlite::schema::{memberships, mentions, messages, replies, users};
use crate::db::sqlite::usage::counted;
use crate::error::{ErrorCode, Refusal};
use crate::ids::{RoomId, Seq, UserId, Version};
use crate::limits::{REPLIES_PER_ROOM, RETRY_HINT_MS};
use crate::permissions::Action;
use crate::spending::{Caps, subjects};

/// Stores a message, or finds it stored.
pub(super) fn post(work: &mut RoomWork<'_>, post: &NewPost) -> Work<Posted> {
    if let Some(posted) = repeat(work, post)? {
        return Ok(posted);
    }
    work.require(post.author, Action::Post)?;
    work.require_open(post.author)?;
    if post.is_over_rate(work.settings.visibility, work.people) {
        let refusal = Refusal::from(ErrorCode::RateLimited).retry_after_ms(RETRY_HINT_MS);
        return Err(refusal.into());
    }
    if let Some(reply_to) = post.reply_to {
        require_message(work, reply_to)?;
    }
    storable(&post.body)?;
    storable(post.html.as_deref().unwrap_or_default())?;
    let author = work.known_user(post.author)?;
    let named = named_members(work, post)?;
    let full_until = match &post.prompt {
        Some(prompt) => full_until(work, post.author, &prompt.caps)?,
        None => None,
    };
    let asked = wanted_assistants(work, post, &author, (&named, full_until.is_some()))?;
    let meta = MessageMeta {
        mentions: resolve_mentions(post, |name| named.get(name).cloned().unwrap_or_default()),
        ..MessageMeta::default()
    };
    note_mentions(work, &meta.mentions)?;
    let message = new_message(work, author, meta)?;
    let (seq, version, created_at) = (message.seq, message.version, message.created_at);
    work.insert_message(MessageRow {
        client_id: Some(post.client_id),
        body: post.body.clone(),
        html: post.html.clone(),
        reply_to: post.reply_to,
        ..message
    })?;
    let (mut replies, mut refused) = (Vec::new(), None);
    for assistant in asked {
        match assistant {
            Ok(_) if unsettled_replies(work)? >= REPLIES_PER_ROOM => {
                refused = refused.or(Some(ErrorCode::TooManyReplies));
            }
            Ok(assistant) => replies.push(queue_reply(work, assistant, post.author, seq)?),
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

/// The members whom it may mention, by their names.
fn named_members(work: &mut RoomWork<'_>, post: &NewPost) -> Work<HashMap<String, Vec<UserId>>> {
    let names: Vec<&String> = post.mentions.iter().flatten().collect();
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let found = users::table
        .inner_join(memberships::table)
        .filter(memberships::room_id.eq(work.id))
        .filter(users::name_key.eq_any(names))
        .order(users::id)
        .select((users::name_key, users::id))
        .load::<(String, StoredId)>(work.conn)?;
    let mut named: HashMap<String, Vec<UserId>> = HashMap::new();
    for (name, user) in found {
        named.entry(name).or_default().push(UserId(user.0));
    }
    Ok(named)
}

/// Counts the message that is written next among the mentions of these.
fn note_mentions(work: &mut RoomWork<'_>, mentioned: &[UserId]) -> Work<()> {
    let seq = work.head.last_seq + 1;
    for user in mentioned {
        diesel::insert_into(mentions::table)
            .values((
                mentions::user_id.eq(StoredId(user.0)),
                mentions::room_id.eq(work.id),
                mentions::seq.eq(seq),
            ))
            .execute(work.conn)?;
    }
    Ok(())
}

/// The answer to a message that is stored already, whoever its author has become since.
fn repeat(work: &mut RoomWork<'_>, post: &NewPost) -> Work<Option<Posted>> {
    let found = messages::table
        .filter(messages::room_id.eq(work.id))
        .filter(messages::author_id.eq(StoredId(post.author.0)))
        .filter(messages::client_id.eq(StoredId(post.client_id.0)))
        .select((
            messages::seq,
            messages::created_version,
            messages::created_at,
        ))
        .first::<(Seq, Version, Micros)>(work.conn)
        .optional()?;
    let Some((seq, version, created_at)) = found else {
        return Ok(None);
    };
    let mut answers = replies::table
        .filter(replies::room_id.eq(work.id))
        .filter(replies::prompt_seq.eq(seq))
        .order(replies::seq)
        .select(replies::seq)
        .load::<Seq>(work.conn)?
        .into_iter();
    Ok(Some(Posted {
        seq,
        version,
        created_at: time(created_at)?,
        duplicate: true,
        reply_seq: answers.next(),
        more_replies: answers.collect(),
        reply_refused: None,
        refused_until: None,
    }))
}

fn require_message(work: &mut RoomWork<'_>, seq: Seq) -> Work<()> {
    let found: i64 = messages::table
        .find((work.id, seq))
        .filter(messages::deleted_at.is_null())
        .count()
        .get_result(work.conn)?;
    if found == 0 {
        return Err(ErrorCode::MessageNotFound.into());
    }
    Ok(())
}

/// Until when nobody answers its author there, because what may be spent is.
pub(super) fn full_until(
    work: &mut RoomWork<'_>,
    asker: UserId,
    caps: &Caps,
) -> Work<Option<DateTime<Utc>>> {
    if !caps.is_any() {
        return Ok(None);
    }
    let (room, at) = (RoomId(work.id.0), time(work.now)?);
    let mut all = HashMap::new();
    for subject in subjects(asker, room) {
        all.insert(subject, counted(work.conn, subject, Utc::now())?);
    }
    Ok(caps.full(asker, room, at, |subject| {
        all.get(&subject).copied().unwrap_or_default()
    }))
}

/// Who is to answer, each with why it does not; nobody when nobody was asked.
fn wanted_assistants(
    work: &mut RoomWork<'_>,
    post: &NewPost,
    author: &UserRow,
    (named, is_spent): (&HashMap<String, Vec<UserId>>, bool),
) -> Work<Vec<Result<UserRow, ErrorCode>>> {
    // An assistant that called itself would never stop.
    let Some(prompt) = post.prompt.filter(|_| author.kind != UserKind::Assistant) else {
        return Ok(Vec::new());
    };
    let in_direct = work.settings.visibility == Visibility::Direct && work.people == 0;
    if !in_direct && !prompt.mentioned && post.mentions.is_empty() {
        return Ok(Vec::new());
    }
    let default = work.user(prompt.assistant)?;
    if default.is_none_or(|user| user.kind != UserKind::Assistant) {
        let code = match author.kind {
            UserKind::Bot => ErrorCode::BotsNotAnswered,
            _ => ErrorCode::NoAssistant,
        };
        let is_asked = in_direct || prompt.mentioned;
        return Ok(Vec::from_iter(is_asked.then_some(Err(code))));
    }
    let all = of_room(work.conn, work.id)?;
    let role = work.role(author.id)?;
    let asks = asked_by(work, author.id)?;
    let asked = asked(post, &all, in_direct, |name| named.contains_key(name));
    Ok(asked
        .into_iter()
        .zip(asks..)
        .map(|(one, asks)| {
            may_ask(&one, author.kind, role, in_direct)?;
            has_left(prompt, asks, is_spent)?;
            Ok(one.user)
        })
        .collect())
}

/// How many replies of the room wait or run.
pub(super) fn unsettled_replies(work: &mut RoomWork<'_>) -> Work<i64> {
    Ok(replies::table
        .filter(replies::room_id.eq(work.id))
        .filter(replies::settled_at.is_null())
        .count()
        .get_result(work.conn)?)
}

/// How many replies wait or run that this user asked for, in all rooms.
pub(super) fn asked_by(work: &mut RoomWork<'_>, user: UserId) -> Work<i64> {
    Ok(replies::table
        .filter(replies::asker_id.eq(StoredId(user.0)))
        .filter(replies::settled_at.is_null())
        .count()
        .get_result(work.conn)?)
}

fn queue_reply(
    work: &mut RoomWork<'_>,
    assistant: UserRow,
    asker: UserId,
    prompt_seq: Seq,
) -> Work<Seq> {
    let meta = MessageMeta {
        reply: Some(ReplyMeta {
            prompt_seq,
            ..ReplyMeta::default()
        }),
        ..MessageMeta::default()
    };
    let message = new_message(work, assistant, meta)?;
    let seq = message.seq;
    work.insert_message(MessageRow {
        kind: MessageKind::Assistant,
        state: MessageState::Queued,
        reply_to: Some(prompt_seq),
        ..message
    })?;
    diesel::insert_into(replies::table)
        .values((
            replies::room_id.eq(work.id),
            replies::seq.eq(seq),
            replies::prompt_seq.eq(prompt_seq),
            replies::asker_id.eq(StoredId(asker.0)),
            replies::state.eq(ReplyState::Queued.as_str()),
            replies::queued_at.eq(work.now),
        ))
        .execute(work.conn)?;
    Ok(seq)
}

/// A message at the next seq and version, complete and without text yet.
fn new_message(work: &mut RoomWork<'_>, author: UserRow, meta: MessageMeta) -> Work<MessageRow> {
    work.head.last_seq += 1;
    Ok(MessageRow {
        seq: work.head.last_seq,
        version: work.next_version(),
        author,
        client_id: None,
        kind: MessageKind::User,
        state: MessageState::Complete,
        body: String::new(),
        html: None,
        reply_to: None,
        meta,
        created_at: time(work.now)?,
        edited_at: None,
        deleted_at: None,
        marks: MessageMarks::default(),
    })
}
