//! What of its messages a room keeps on Postgres: the setting, and the removal of what it does not keep. Called by the judge, under
//! the room's lock.

use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use super::room::RoomWork;
use crate::db::StoreResult;
use crate::db::postgres::pool::Conn;
use crate::db::postgres::statement::statement;
use crate::db::rows::{Keep, LogKind};
use crate::ids::{UserId, Version};
use crate::permissions::Action;

statement!(
    /// So many days.
    KeepDays { room: Uuid, days: i32 },
    "INSERT INTO room_retention (room_id, days) VALUES ($1, $2) ON CONFLICT (room_id) DO UPDATE SET days = $2"
);
statement!(
    /// For ever.
    KeepAll { room: Uuid },
    "DELETE FROM room_retention WHERE room_id = $1"
);
statement!(
    /// So many messages.
    KeepMessages { room: Uuid, messages: i64 },
    "INSERT INTO room_retention_counts (room_id, messages) VALUES ($1, $2) \
     ON CONFLICT (room_id) DO UPDATE SET messages = $2"
);
statement!(
    /// Any number.
    KeepAnyNumber { room: Uuid },
    "DELETE FROM room_retention_counts WHERE room_id = $1"
);
statement!(
    /// What is kept now.
    FindKept { room: Uuid } -> (Option<i32>, Option<i64>),
    "SELECT (SELECT days FROM room_retention WHERE room_id = $1), \
         (SELECT messages FROM room_retention_counts WHERE room_id = $1)"
);
statement!(
    /// Removes the oldest messages that are not kept, at most so many, none behind one that stays; where history begins then.
    RemovePrefix { room: Uuid, first: i64, limit: i64, now: DateTime<Utc>, last: i64 } -> (i64, Option<i64>),
    "WITH kept AS ( \
         SELECT (SELECT days FROM room_retention WHERE room_id = $1) AS days, \
             (SELECT messages FROM room_retention_counts WHERE room_id = $1) AS messages \
     ), oldest AS ( \
         SELECT m.seq, m.state <> 'queued' AND (coalesce(m.created_at < $4 - k.days * interval '1 day', false) \
             OR coalesce(m.seq <= $5 - k.messages, false)) AS goes \
         FROM kept k, messages m WHERE m.room_id = $1 AND m.seq >= $2 ORDER BY m.seq LIMIT $3 \
     ), cut AS ( \
         SELECT coalesce(min(seq) FILTER (WHERE NOT goes), max(seq) + 1, $2) AS seq FROM oldest \
     ), chunks AS ( \
         DELETE FROM reply_chunks c USING cut WHERE c.room_id = $1 AND c.seq < cut.seq \
     ), variants AS ( \
         DELETE FROM reply_variants v USING cut WHERE v.room_id = $1 AND v.seq < cut.seq \
     ), gone_replies AS ( \
         DELETE FROM replies r USING cut WHERE r.room_id = $1 AND r.seq < cut.seq \
     ), gone AS ( \
         DELETE FROM messages m USING cut WHERE m.room_id = $1 AND m.seq < cut.seq \
         RETURNING m.seq, m.version, m.meta \
     ), gone_mentions AS ( \
         DELETE FROM mentions n USING gone, jsonb_array_elements_text(gone.meta -> 'mentions') AS named (id) \
         WHERE n.user_id = named.id::uuid AND n.room_id = $1 AND n.seq = gone.seq \
     ), gone_edits AS ( \
         DELETE FROM message_edits e USING cut WHERE e.room_id = $1 AND e.seq < cut.seq \
     ), gone_reactions AS ( \
         DELETE FROM message_reactions a USING cut WHERE a.room_id = $1 AND a.seq < cut.seq \
     ), gone_pins AS ( \
         DELETE FROM message_pins p USING cut WHERE p.room_id = $1 AND p.seq < cut.seq \
     ) SELECT cut.seq, (SELECT max(version) FROM gone) FROM cut"
);
statement!(
    /// Where history begins.
    MoveStart { room: Uuid, first: i64, floor: i64 },
    "UPDATE room_heads SET first_seq = $2, floor = $3 WHERE room_id = $1"
);

/// Sets what is kept.
pub(super) async fn set(
    connection: &mut Conn,
    work: &mut RoomWork,
    actor: UserId,
    days: Option<i32>,
    messages: Option<Option<i64>>,
) -> StoreResult<Version> {
    work.require(actor, Action::EditRoom)?;
    let room = work.head.room.0;
    let found = connection.run(FindKept { room }).await?;
    let (present_days, present_messages) = found.first().copied().unwrap_or_default();
    let present = Keep {
        days: present_days,
        messages: present_messages,
    };
    let wanted = Keep {
        days,
        messages: messages.unwrap_or(present.messages),
    };
    if wanted == present {
        return Ok(work.head.version);
    }
    match wanted.days {
        Some(days) => connection.run(KeepDays { room, days }).await?,
        None => connection.run(KeepAll { room }).await?,
    };
    match wanted.messages {
        Some(messages) => connection.run(KeepMessages { room, messages }).await?,
        None => connection.run(KeepAnyNumber { room }).await?,
    };
    work.log(connection, LogKind::Settings, None, None, wanted.data())
        .await
}

/// Removes what is not kept. A version is taken only where something went.
pub(super) async fn retain(
    connection: &mut Conn,
    work: &mut RoomWork,
    limit: i64,
) -> StoreResult<Version> {
    let room = work.head.room.0;
    let removed = connection
        .run(RemovePrefix {
            room,
            first: work.head.first_seq,
            limit,
            now: work.now,
            last: work.head.last_seq,
        })
        .await?;
    let Some((first, Some(floor))) = removed.first().copied() else {
        return Ok(work.head.version);
    };
    work.head.first_seq = first;
    work.head.floor = work.head.floor.max(floor);
    let floor = work.head.floor;
    connection.run(MoveStart { room, first, floor }).await?;
    let data = json!({ "first_seq": first });
    work.log(connection, LogKind::Settings, None, None, data)
        .await
}
