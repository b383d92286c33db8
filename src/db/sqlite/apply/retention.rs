//! What of its messages a room keeps on SQLite: the setting, and the removal of what it does not keep. Called by `apply`.

use diesel::prelude::*;
use serde_json::json;

use super::room::RoomWork;
use crate::db::rows::{Keep, LogKind, MessageState};
use crate::db::sqlite::columns::{Micros, SECOND};
use crate::db::sqlite::failure::Work;
use crate::db::sqlite::jobs::kept;
use crate::db::sqlite::schema::{
    mentions, message_edits, message_pins, message_reactions, messages, replies, reply_chunks,
    reply_variants, room_heads, room_retention, room_retention_counts,
};
use crate::ids::{Seq, UserId, Version};
use crate::permissions::Action;

/// Sets what is kept.
pub(super) fn set(
    work: &mut RoomWork<'_>,
    actor: UserId,
    days: Option<i32>,
    messages: Option<Option<i64>>,
) -> Work<Version> {
    work.require(actor, Action::EditRoom)?;
    let present = kept(work.conn, work.id)?;
    let wanted = Keep {
        days,
        messages: messages.unwrap_or(present.messages),
    };
    if wanted == present {
        return Ok(work.head.version);
    }
    diesel::delete(room_retention::table.find(work.id)).execute(work.conn)?;
    if let Some(days) = wanted.days {
        diesel::insert_into(room_retention::table)
            .values((
                room_retention::room_id.eq(work.id),
                room_retention::days.eq(days),
            ))
            .execute(work.conn)?;
    }
    diesel::delete(room_retention_counts::table.find(work.id)).execute(work.conn)?;
    if let Some(messages) = wanted.messages {
        diesel::insert_into(room_retention_counts::table)
            .values((
                room_retention_counts::room_id.eq(work.id),
                room_retention_counts::messages.eq(messages),
            ))
            .execute(work.conn)?;
    }
    work.log(LogKind::Settings, None, None, wanted.data())
}

/// Removes the oldest messages that are not kept, at most so many, none behind one that stays. A version is taken only
/// where something went.
pub(super) fn retain(work: &mut RoomWork<'_>, limit: i64) -> Work<Version> {
    let kept = kept(work.conn, work.id)?;
    if kept == Keep::default() {
        return Ok(work.head.version);
    }
    let day = 24 * 3_600 * SECOND;
    let before = kept.days.map(|days| work.now - Micros::from(days) * day);
    let too_many = kept.messages.map(|count| work.head.last_seq - count);
    let oldest = messages::table
        .filter(messages::room_id.eq(work.id))
        .filter(messages::seq.ge(work.head.first_seq))
        .order(messages::seq)
        .limit(limit.max(0))
        .select((
            messages::seq,
            messages::version,
            messages::created_at,
            messages::state,
        ))
        .load::<(Seq, Version, Micros, String)>(work.conn)?;
    let goes = |(seq, _, created_at, state): &&(Seq, Version, Micros, String)| {
        (before.is_some_and(|before| *created_at < before)
            || too_many.is_some_and(|last| *seq <= last))
            && state != MessageState::Queued.as_str()
    };
    let gone: Vec<(Seq, Version)> = oldest
        .iter()
        .take_while(goes)
        .map(|(seq, version, ..)| (*seq, *version))
        .collect();
    let Some((last, _)) = gone.last() else {
        return Ok(work.head.version);
    };
    let first = last + 1;
    let floor = gone.iter().map(|(_, version)| *version).max().unwrap_or(0);
    diesel::delete(reply_chunks::table)
        .filter(
            reply_chunks::room_id
                .eq(work.id)
                .and(reply_chunks::seq.lt(first)),
        )
        .execute(work.conn)?;
    diesel::delete(replies::table)
        .filter(replies::room_id.eq(work.id).and(replies::seq.lt(first)))
        .execute(work.conn)?;
    diesel::delete(messages::table)
        .filter(messages::room_id.eq(work.id).and(messages::seq.lt(first)))
        .execute(work.conn)?;
    forget_what_was_kept_beside(work, first)?;
    work.head.first_seq = first;
    work.head.floor = work.head.floor.max(floor);
    diesel::update(room_heads::table.find(work.id))
        .set((
            room_heads::first_seq.eq(first),
            room_heads::floor.eq(work.head.floor),
        ))
        .execute(work.conn)?;
    work.log(LogKind::Settings, None, None, json!({ "first_seq": first }))
}

/// Former texts, marks and mentions of messages that are gone.
fn forget_what_was_kept_beside(work: &mut RoomWork<'_>, first: Seq) -> Work<()> {
    macro_rules! forget {
        ($table:ident) => {
            diesel::delete($table::table)
                .filter($table::room_id.eq(work.id).and($table::seq.lt(first)))
                .execute(work.conn)?
        };
    }
    forget!(message_edits);
    forget!(reply_variants);
    forget!(message_reactions);
    forget!(message_pins);
    forget!(mentions);
    Ok(())
}
