//! What is done to messages after they are posted, on SQLite: edited, deleted, marked. Called by `apply`.

use diesel::prelude::*;

use super::room::RoomWork;
use super::variants;
use crate::db::changes::NewText;
use crate::db::marks::{Mark, MessageMarks, Pin};
use crate::db::rows::{MessageRow, MessageState, ReplyState};
use crate::db::sqlite::columns::{StoredId, storable, time};
use crate::db::sqlite::failure::Work;
use crate::db::sqlite::messages;
use crate::db::sqlite::schema::{
    mentions, message_edits, message_pins, message_reactions, messages as columns, replies,
    reply_chunks, reply_variants,
};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{RoomId, Seq, UserId, Version};
use crate::limits;
use crate::permissions::{Action, allows};

/// Gives a message another text, and has what answers it written again where that is asked.
pub(super) fn edit(work: &mut RoomWork<'_>, text: &NewText) -> Work<Version> {
    work.member_role(text.actor)?;
    let row = living(work, text.seq)?;
    work.require(text.actor, Action::ChangeOwnMessage)?;
    if row.author.id != text.actor {
        return Err(ErrorCode::Forbidden.into());
    }
    let again = match &text.resend {
        Some(caps) => variants::asked_again(work, (text.actor, text.seq), caps)?,
        None => Vec::new(),
    };
    let mut version = match row.body == text.body {
        true => work.head.version,
        false => write_text(work, text, row)?,
    };
    for (seq, one_more) in again {
        version = variants::again(work, seq, one_more)?;
    }
    Ok(version)
}

/// Writes another text, if the one that stands is the one that was seen.
fn write_text(work: &mut RoomWork<'_>, text: &NewText, row: MessageRow) -> Work<Version> {
    let (edits, text_version) = edited(work, text.seq)?;
    let present = text_version..=row.version;
    if text
        .if_version
        .is_some_and(|version| !present.contains(&version))
    {
        return Err(Refusal::version_conflict(row.version).into());
    }
    if edits >= limits::EDITS_PER_MESSAGE {
        return Err(ErrorCode::TooMany.into());
    }
    storable(&text.body)?;
    storable(text.html.as_deref().unwrap_or_default())?;
    let version = work.next_version();
    diesel::insert_into(message_edits::table)
        .values((
            message_edits::room_id.eq(work.id),
            message_edits::seq.eq(row.seq),
            message_edits::version.eq(version),
            message_edits::body.eq(&row.body),
            message_edits::written_at
                .eq(row.edited_at.unwrap_or(row.created_at).timestamp_micros()),
            message_edits::replaced_at.eq(work.now),
        ))
        .execute(work.conn)?;
    diesel::update(columns::table.find((work.id, row.seq)))
        .set((
            columns::version.eq(version),
            columns::body.eq(&text.body),
            columns::html.eq(text.html.as_deref()),
            columns::edited_at.eq(Some(work.now)),
        ))
        .execute(work.conn)?;
    work.record(MessageRow {
        version,
        body: text.body.clone(),
        html: text.html.clone(),
        edited_at: Some(time(work.now)?),
        ..row
    });
    Ok(version)
}

/// Leaves a tombstone, and nothing of what the message said.
pub(super) fn delete(work: &mut RoomWork<'_>, actor: UserId, seq: Seq) -> Work<Version> {
    let role = work.member_role(actor)?;
    let row = find(work, seq)?.ok_or(ErrorCode::MessageNotFound)?;
    let own = row.author.id == actor && allows(role, Action::ChangeOwnMessage);
    if !own && !allows(role, Action::DeleteAnyMessage) {
        return Err(ErrorCode::Forbidden.into());
    }
    if row.deleted_at.is_some() {
        return Ok(work.head.version);
    }
    if row.state == MessageState::Queued || is_asking(work, seq)? {
        return Err(ErrorCode::ReplyRunning.into());
    }
    let version = work.next_version();
    diesel::delete(
        message_edits::table
            .filter(message_edits::room_id.eq(work.id))
            .filter(message_edits::seq.eq(seq)),
    )
    .execute(work.conn)?;
    diesel::delete(
        message_reactions::table
            .filter(message_reactions::room_id.eq(work.id))
            .filter(message_reactions::seq.eq(seq)),
    )
    .execute(work.conn)?;
    diesel::delete(
        reply_chunks::table
            .filter(reply_chunks::room_id.eq(work.id))
            .filter(reply_chunks::seq.eq(seq)),
    )
    .execute(work.conn)?;
    diesel::delete(
        reply_variants::table
            .filter(reply_variants::room_id.eq(work.id))
            .filter(reply_variants::seq.eq(seq)),
    )
    .execute(work.conn)?;
    diesel::delete(message_pins::table.find((work.id, seq))).execute(work.conn)?;
    let mentioned = row.meta.mentions.iter().map(|user| StoredId(user.0));
    diesel::delete(
        mentions::table
            .filter(mentions::user_id.eq_any(mentioned))
            .filter(mentions::room_id.eq(work.id))
            .filter(mentions::seq.eq(seq)),
    )
    .execute(work.conn)?;
    let meta = row.meta.clone().of_tombstone();
    diesel::update(columns::table.find((work.id, seq)))
        .set((
            columns::version.eq(version),
            columns::body.eq(""),
            columns::html.eq(None::<&str>),
            columns::marks.eq(None::<&str>),
            columns::meta.eq(serde_json::to_string(&meta)?),
            columns::edited_at.eq(None::<i64>),
            columns::deleted_at.eq(Some(work.now)),
        ))
        .execute(work.conn)?;
    work.record(MessageRow {
        version,
        body: String::new(),
        html: None,
        meta,
        marks: MessageMarks::default(),
        edited_at: None,
        deleted_at: Some(time(work.now)?),
        ..row
    });
    Ok(version)
}

/// Puts a mark onto a message.
pub(super) fn mark(work: &mut RoomWork<'_>, actor: UserId, seq: Seq, mark: &Mark) -> Work<Version> {
    let row = marked(work, actor, seq, mark)?;
    let version = work.head.version + 1;
    let mut marks = row.marks.clone();
    match mark {
        Mark::Reaction(emoji) => {
            let key = (work.id, seq, storable(emoji)?, StoredId(actor.0));
            let known: i64 = message_reactions::table
                .find(key)
                .count()
                .get_result(work.conn)?;
            if known > 0 {
                return Ok(work.head.version);
            }
            if !marks.takes(emoji) {
                return Err(ErrorCode::TooMany.into());
            }
            marks.add(emoji, actor);
            diesel::insert_into(message_reactions::table)
                .values((
                    message_reactions::room_id.eq(work.id),
                    message_reactions::seq.eq(seq),
                    message_reactions::emoji.eq(emoji),
                    message_reactions::user_id.eq(StoredId(actor.0)),
                    message_reactions::version.eq(version),
                ))
                .execute(work.conn)?;
        }
        Mark::Pin => {
            if marks.pinned.is_some() {
                return Ok(work.head.version);
            }
            let pins: i64 = message_pins::table
                .filter(message_pins::room_id.eq(work.id))
                .count()
                .get_result(work.conn)?;
            if pins >= limits::PINS_PER_ROOM {
                return Err(ErrorCode::TooMany.into());
            }
            marks.pinned = Some(Pin {
                at: time(work.now)?,
                by: actor,
            });
            diesel::insert_into(message_pins::table)
                .values((
                    message_pins::room_id.eq(work.id),
                    message_pins::seq.eq(seq),
                    message_pins::version.eq(version),
                ))
                .execute(work.conn)?;
        }
    }
    write_marks(work, row, marks)
}

/// Takes a mark off a message.
pub(super) fn unmark(
    work: &mut RoomWork<'_>,
    actor: UserId,
    seq: Seq,
    mark: &Mark,
) -> Work<Version> {
    let row = marked(work, actor, seq, mark)?;
    let mut marks = row.marks.clone();
    match mark {
        Mark::Reaction(emoji) => {
            let key = (work.id, seq, storable(emoji)?, StoredId(actor.0));
            if diesel::delete(message_reactions::table.find(key)).execute(work.conn)? == 0 {
                return Ok(work.head.version);
            }
            let first = message_reactions::table
                .filter(message_reactions::room_id.eq(work.id))
                .filter(message_reactions::seq.eq(seq))
                .filter(message_reactions::emoji.eq(emoji))
                .order(message_reactions::version)
                .limit(i64::try_from(limits::REACTION_USERS).unwrap_or(i64::MAX))
                .select(message_reactions::user_id)
                .load::<StoredId>(work.conn)?;
            marks.remove(emoji, first.into_iter().map(|id| UserId(id.0)).collect());
        }
        Mark::Pin => {
            if marks.pinned.take().is_none() {
                return Ok(work.head.version);
            }
            diesel::delete(message_pins::table.find((work.id, seq))).execute(work.conn)?;
        }
    }
    write_marks(work, row, marks)
}

/// The message, if the actor may mark it so.
fn marked(work: &mut RoomWork<'_>, actor: UserId, seq: Seq, mark: &Mark) -> Work<MessageRow> {
    work.member_role(actor)?;
    let row = living(work, seq)?;
    work.require(
        actor,
        match mark {
            Mark::Reaction(_) => Action::React,
            Mark::Pin => Action::Pin,
        },
    )?;
    if row.state == MessageState::Queued {
        return Err(ErrorCode::ReplyRunning.into());
    }
    Ok(row)
}

fn write_marks(work: &mut RoomWork<'_>, row: MessageRow, marks: MessageMarks) -> Work<Version> {
    let stored = match marks.is_empty() {
        true => None,
        false => Some(serde_json::to_string(&marks)?),
    };
    let version = work.next_version();
    diesel::update(columns::table.find((work.id, row.seq)))
        .set((columns::version.eq(version), columns::marks.eq(stored)))
        .execute(work.conn)?;
    work.record(MessageRow {
        version,
        marks,
        ..row
    });
    Ok(version)
}

/// A message that is there and not deleted.
fn living(work: &mut RoomWork<'_>, seq: Seq) -> Work<MessageRow> {
    find(work, seq)?
        .filter(|row| row.deleted_at.is_none())
        .ok_or_else(|| ErrorCode::MessageNotFound.into())
}

fn find(work: &mut RoomWork<'_>, seq: Seq) -> Work<Option<MessageRow>> {
    messages::one(work.conn, RoomId(work.id.0), seq)
}

/// Whether a reply to it waits or runs.
fn is_asking(work: &mut RoomWork<'_>, seq: Seq) -> Work<bool> {
    let replies: i64 = replies::table
        .filter(replies::room_id.eq(work.id))
        .filter(replies::prompt_seq.eq(seq))
        .filter(replies::state.ne(ReplyState::Settled.as_str()))
        .count()
        .get_result(work.conn)?;
    Ok(replies > 0)
}

/// How often its text was edited, and the version its text is of.
fn edited(work: &mut RoomWork<'_>, seq: Seq) -> Work<(i64, Version)> {
    let (edits, last) = message_edits::table
        .filter(message_edits::room_id.eq(work.id))
        .filter(message_edits::seq.eq(seq))
        .select((
            diesel::dsl::count_star(),
            diesel::dsl::max(message_edits::version),
        ))
        .first::<(i64, Option<Version>)>(work.conn)?;
    let created = columns::table
        .find((work.id, seq))
        .select(columns::created_version)
        .first::<Version>(work.conn)?;
    Ok((edits, last.unwrap_or(created)))
}
