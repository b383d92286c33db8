//! How long a room keeps its messages on SQLite: the setting, and the removal of what is older. Called by `apply`.

use diesel::prelude::*;
use serde_json::json;

use super::room::RoomWork;
use crate::db::rows::{LogKind, MessageState};
use crate::db::sqlite::columns::{Micros, SECOND};
use crate::db::sqlite::failure::Work;
use crate::db::sqlite::schema::{
    mentions, message_edits, message_pins, message_reactions, messages, replies, reply_chunks,
    room_heads, room_retention,
};
use crate::ids::{Seq, UserId, Version};
use crate::permissions::Action;

/// Sets how many days messages are kept; none: for ever.
pub(super) fn set(work: &mut RoomWork<'_>, actor: UserId, days: Option<i32>) -> Work<Version> {
    work.require(actor, Action::EditRoom)?;
    if days_of(work)? == days {
        return Ok(work.head.version);
    }
    diesel::delete(room_retention::table.find(work.id)).execute(work.conn)?;
    if let Some(days) = days {
        diesel::insert_into(room_retention::table)
            .values((
                room_retention::room_id.eq(work.id),
                room_retention::days.eq(days),
            ))
            .execute(work.conn)?;
    }
    work.log(
        LogKind::Settings,
        None,
        None,
        json!({ "retention_days": days }),
    )
}

fn days_of(work: &mut RoomWork<'_>) -> Work<Option<i32>> {
    Ok(room_retention::table
        .find(work.id)
        .select(room_retention::days)
        .first::<i32>(work.conn)
        .optional()?)
}

/// Removes the oldest messages past their days, at most so many, none behind one that stays. A version is taken only where
/// something went.
pub(super) fn retain(work: &mut RoomWork<'_>, limit: i64) -> Work<Version> {
    let Some(days) = days_of(work)? else {
        return Ok(work.head.version);
    };
    let before = work.now - Micros::from(days) * 24 * 3_600 * SECOND;
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
    let goes = |(_, _, created_at, state): &&(Seq, Version, Micros, String)| {
        *created_at < before && state != MessageState::Queued.as_str()
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
    forget!(message_reactions);
    forget!(message_pins);
    forget!(mentions);
    Ok(())
}
