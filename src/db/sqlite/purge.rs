//! What deleted rooms held, on SQLite. Called by `contract.rs` inside a transaction, for the job that removes it. It touches no
//! room that is not deleted, and leaves a deleted one's row, its head and the entry of its log that tells of the deletion: a feed
//! that was cut off still learns why.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary};
use rand::seq::IndexedRandom;

use super::columns::{SECOND, StoredId, now};
use super::failure::Work;
use super::schema::{messages, rooms};
use crate::ids::Seq;

/// Rooms of which one is taken.
const OLDEST: i64 = 32;

/// What is kept beside messages, in an order in which no row is left without the one it belongs to; messages last.
const OF_MESSAGES: [&str; 8] = [
    "reply_chunks",
    "reply_variants",
    "replies",
    "message_edits",
    "message_reactions",
    "message_pins",
    "mentions",
    "messages",
];

/// What a room may have many of: so many go at once. The entry that tells of the deletion stays.
const SOME_OF_ROOMS: [&str; 2] = [
    "DELETE FROM memberships WHERE room_id = ?1 AND user_id IN \
         (SELECT user_id FROM memberships WHERE room_id = ?1 LIMIT ?2)",
    "DELETE FROM room_log WHERE room_id = ?1 AND version IN \
         (SELECT version FROM room_log WHERE room_id = ?1 AND kind <> 'deleted' ORDER BY version LIMIT ?2)",
];

/// What else is kept of a room beside its messages.
const OF_ROOMS: [&str; 7] = [
    "invites",
    "bans",
    "incoming_hooks",
    "outgoing_webhooks",
    "room_assistants",
    "room_retention",
    "room_retention_counts",
];

/// One part of one deleted room: its oldest messages, or, where it has none, the rest. Whether there was one.
pub(super) fn purge(conn: &mut SqliteConnection, age_s: i64, limit: i64) -> Work<bool> {
    let found = rooms::table
        .filter(rooms::deleted_at.is_not_null())
        .filter(rooms::deleted_at.le(now() - age_s * SECOND))
        .filter(rooms::purged_at.is_null())
        .order(rooms::deleted_at)
        .limit(OLDEST)
        .select(rooms::id)
        .load::<StoredId>(conn)?;
    // Any of the oldest: one that fails keeps none waiting.
    let Some(room) = found.choose(&mut rand::rng()).copied() else {
        return Ok(false);
    };
    let seqs: Vec<Seq> = messages::table
        .filter(messages::room_id.eq(room))
        .order(messages::seq)
        .limit(limit.max(1))
        .select(messages::seq)
        .load(conn)?;
    let last = seqs.last().copied();
    for table in OF_MESSAGES {
        diesel::sql_query(format!(
            "DELETE FROM {table} WHERE room_id = ?1 AND seq <= ?2"
        ))
        .bind::<Binary, _>(room)
        .bind::<BigInt, _>(last.unwrap_or(Seq::MAX))
        .execute(conn)?;
    }
    if let Some(last) = last {
        diesel::sql_query("UPDATE room_heads SET first_seq = ?2 WHERE room_id = ?1")
            .bind::<Binary, _>(room)
            .bind::<BigInt, _>(last + 1)
            .execute(conn)?;
        return Ok(true);
    }
    for some in SOME_OF_ROOMS {
        let gone = diesel::sql_query(some)
            .bind::<Binary, _>(room)
            .bind::<BigInt, _>(limit.max(1))
            .execute(conn)?;
        if gone > 0 {
            return Ok(true);
        }
    }
    for table in OF_ROOMS {
        diesel::sql_query(format!("DELETE FROM {table} WHERE room_id = ?1"))
            .bind::<Binary, _>(room)
            .execute(conn)?;
    }
    diesel::sql_query(
        "UPDATE rooms SET purged_at = ?2, name = slug, topic = '', direct_key = NULL WHERE id = ?1",
    )
    .bind::<Binary, _>(room)
    .bind::<BigInt, _>(now())
    .execute(conn)?;
    Ok(true)
}
