//! What the sweeping job removes on SQLite, and which rooms the retention job has to look at. Called by `contract.rs` inside a
//! transaction. It removes no message: that is a change of its room, in `apply/retention.rs`.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};

use super::columns::{SECOND, StoredId, now};
use super::failure::Work;
use super::rooms;
use super::schema::{
    api_tokens, batches, room_retention, room_retention_counts, sessions, tickets,
};
use crate::db::Swept;
use crate::db::rows::Keep;
use crate::ids::{RoomId, UserId};
use crate::limits::BATCH_ID_S;

/// What of its messages a member's room keeps.
pub(super) fn retention(conn: &mut SqliteConnection, user: UserId, slug: &str) -> Work<Keep> {
    let (view, _) = rooms::of_member(conn, user, slug)?;
    kept(conn, StoredId(view.room.id.0))
}

/// What of its messages a room keeps.
pub(super) fn kept(conn: &mut SqliteConnection, room: StoredId) -> Work<Keep> {
    Ok(Keep {
        days: room_retention::table
            .find(room)
            .select(room_retention::days)
            .first::<i32>(conn)
            .optional()?,
        messages: room_retention_counts::table
            .find(room)
            .select(room_retention_counts::messages)
            .first::<i64>(conn)
            .optional()?,
    })
}

/// Rooms whose oldest message may go.
pub(super) fn past_retention(
    conn: &mut SqliteConnection,
    limit: i64,
) -> Work<Vec<(RoomId, String)>> {
    let rows = diesel::sql_query(
        "SELECT r.id, r.slug FROM (SELECT room_id FROM room_retention UNION SELECT room_id FROM room_retention_counts) k \
         JOIN rooms r ON r.id = k.room_id AND r.deleted_at IS NULL \
         JOIN room_heads h ON h.room_id = k.room_id \
         LEFT JOIN room_retention t ON t.room_id = k.room_id \
         LEFT JOIN room_retention_counts c ON c.room_id = k.room_id \
         JOIN messages m ON m.room_id = k.room_id AND m.seq = h.first_seq AND m.state <> 'queued' \
             AND (m.created_at < ?1 - t.days * ?2 OR m.seq <= h.last_seq - c.messages) \
         ORDER BY random() LIMIT ?3",
    )
    .bind::<BigInt, _>(now())
    .bind::<BigInt, _>(24 * 3_600 * SECOND)
    .bind::<BigInt, _>(limit.max(0))
    .load::<Found>(conn)?;
    Ok(rows
        .into_iter()
        .map(|found| (RoomId(found.id.0), found.slug))
        .collect())
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Binary)]
    id: StoredId,
    #[diesel(sql_type = Text)]
    slug: String,
}

/// Removes sessions and tickets past their end, and batch ids too old for a rerun.
pub(super) fn sweep(conn: &mut SqliteConnection) -> Work<Swept> {
    let at = now();
    // Tickets first: those of a session would go uncounted with it.
    let tickets =
        diesel::delete(tickets::table.filter(tickets::expires_at.le(at))).execute(conn)?;
    let sessions =
        diesel::delete(sessions::table.filter(sessions::expires_at.le(at))).execute(conn)?;
    diesel::delete(api_tokens::table.filter(api_tokens::expires_at.le(at))).execute(conn)?;
    let old = at - BATCH_ID_S * SECOND;
    let batches =
        diesel::delete(batches::table.filter(batches::created_at.le(old))).execute(conn)?;
    for kept_of_rooms in ["invites", "bans", "incoming_hooks"] {
        diesel::sql_query(format!(
            "DELETE FROM {kept_of_rooms} WHERE room_id IN (SELECT id FROM rooms WHERE deleted_at IS NOT NULL)"
        ))
        .execute(conn)?;
    }
    super::revocations::sweep(conn, at)?;
    let webhooks = super::webhooks::sweep(conn)?;
    // A release that knew of no variants left them, as it deleted the message.
    let variants = diesel::sql_query(
        "DELETE FROM reply_variants WHERE NOT EXISTS (SELECT 1 FROM messages m \
         WHERE m.room_id = reply_variants.room_id AND m.seq = reply_variants.seq AND m.deleted_at IS NULL)",
    )
    .execute(conn)?;
    Ok(Swept {
        sessions: sessions as u64,
        tickets: tickets as u64,
        batches: batches as u64,
        webhooks: webhooks as u64,
        variants: variants as u64,
    })
}
