//! Writing the index of words for what was posted: new messages a moment after their commit, and piece by piece what was there
//! before there was an index. Called by [`super::PostgresStore`]. Whatever changes a message writes its words itself, by
//! triggers of the migration.
//!
//! A message is held (`FOR SHARE`) from the reading of its text until its words are committed: who edits or deletes it comes
//! before that or after, so no text that is gone can come back. Messages that others hold are passed
//! over, and the mark stays before them; a new room's mark alone may wait for another that makes it too, all in one order. So it cannot deadlock with those who write messages, who wait for it at most as
//! long as one small transaction takes.

use std::time::Duration;

use uuid::Uuid;

use super::pool::Pools;
use super::statement::statement;
use crate::db::StoreResult;
use crate::db::search::Behind;
use crate::ids::RoomId;
use crate::limits;

statement!(
    /// A mark for each room; in one order, since two may make the same at once.
    MakeMarks { rooms: Vec<Uuid> },
    "INSERT INTO search_progress (room_id) SELECT room_id FROM unnest($1) AS w (room_id) \
     WHERE NOT EXISTS (SELECT FROM search_progress p WHERE p.room_id = w.room_id) \
     ORDER BY room_id ON CONFLICT DO NOTHING"
);
statement!(
    /// Indexes of each room at most so many messages, and so many bytes of text, above its mark; each room that was free, and
    /// how many milliseconds ago the oldest of what is left was written. Later than the marks were made, so that it sees them.
    IndexNew { rooms: Vec<Uuid>, share: i64, bytes: i64 } -> (Uuid, Option<i64>),
    "WITH part AS MATERIALIZED ( \
         SELECT room_id, indexed FROM search_progress WHERE room_id = ANY ($1) ORDER BY room_id FOR UPDATE SKIP LOCKED \
     ), reach AS MATERIALIZED ( \
         SELECT part.room_id, part.indexed, next.first_seq, next.last_seq \
         FROM part CROSS JOIN LATERAL ( \
             SELECT min(seq) AS first_seq, max(seq) AS last_seq FROM ( \
                 SELECT seq, sum(size) OVER (ORDER BY seq) - size AS before FROM ( \
                     SELECT seq, octet_length(body) AS size FROM messages m \
                     WHERE m.room_id = part.room_id AND m.seq > part.indexed ORDER BY m.seq LIMIT $2 \
                 ) above \
             ) sized WHERE before < $3 \
         ) next \
     ), held AS MATERIALIZED ( \
         SELECT reach.room_id, reach.first_seq, m.* \
         FROM reach CROSS JOIN LATERAL ( \
             SELECT m.seq, m.created_at, m.body, \
                 m.body <> '' AND m.deleted_at IS NULL AND m.state <> 'queued' AS can_be_found \
             FROM messages m \
             WHERE m.room_id = reach.room_id AND m.seq > reach.indexed AND m.seq <= reach.last_seq \
             ORDER BY m.seq FOR SHARE SKIP LOCKED \
         ) m \
     ), marks AS MATERIALIZED ( \
         SELECT room_id, max(seq) FILTER (WHERE seq = first_seq - 1 + place) AS mark FROM ( \
             SELECT room_id, seq, first_seq, row_number() OVER (PARTITION BY room_id ORDER BY seq) AS place FROM held \
         ) placed GROUP BY room_id \
     ), indexed AS ( \
         INSERT INTO message_words (room_id, seq, created_at, words) \
         SELECT room_id, seq, created_at, salon_words(body) FROM held WHERE can_be_found ON CONFLICT DO NOTHING \
     ), moved AS ( \
         UPDATE search_progress p SET indexed = marks.mark FROM marks \
         WHERE p.room_id = marks.room_id AND marks.mark IS NOT NULL \
     ) \
     SELECT part.room_id, ( \
         SELECT greatest(0, extract(epoch FROM clock_timestamp() - m.created_at) * 1000)::bigint FROM messages m \
         WHERE m.room_id = part.room_id AND m.seq > coalesce(marks.mark, part.indexed) ORDER BY m.seq LIMIT 1) \
     FROM part LEFT JOIN marks ON marks.room_id = part.room_id"
);
statement!(
    /// Rooms with messages above their marks; one of which all was removed has none.
    RoomsBehind { limit: i64 } -> (Uuid,),
    "SELECT h.room_id FROM room_heads h LEFT JOIN search_progress p ON p.room_id = h.room_id \
     WHERE h.last_seq > coalesce(p.indexed, 0) AND h.last_seq >= h.first_seq LIMIT $1"
);
statement!(
    /// Indexes a piece of one room's past, downwards.
    IndexOlder { count: i64 } -> (i64,),
    "WITH part AS MATERIALIZED ( \
         SELECT room_id, below FROM search_backfill ORDER BY room_id LIMIT 1 FOR UPDATE SKIP LOCKED \
     ), held AS MATERIALIZED ( \
         SELECT part.room_id, m.* FROM part CROSS JOIN LATERAL ( \
             SELECT m.seq, m.created_at, m.body, \
                 m.body <> '' AND m.deleted_at IS NULL AND m.state <> 'queued' AS can_be_found \
             FROM messages m WHERE m.room_id = part.room_id AND m.seq < part.below AND m.seq >= part.below - $1 \
             ORDER BY m.seq FOR SHARE SKIP LOCKED \
         ) m \
     ), next AS MATERIALIZED ( \
         SELECT part.room_id, coalesce(( \
             SELECT max(m.seq) + 1 FROM messages m \
             WHERE m.room_id = part.room_id AND m.seq < part.below AND m.seq >= part.below - $1 \
                 AND NOT EXISTS (SELECT FROM held WHERE held.seq = m.seq) \
         ), part.below - $1) AS below FROM part \
     ), indexed AS ( \
         INSERT INTO message_words (room_id, seq, created_at, words) \
         SELECT room_id, seq, created_at, salon_words(body) FROM held WHERE can_be_found ON CONFLICT DO NOTHING \
     ), moved AS ( \
         UPDATE search_backfill b SET below = next.below FROM next WHERE b.room_id = next.room_id AND next.below > 1 \
     ), done AS ( \
         DELETE FROM search_backfill b USING next WHERE b.room_id = next.room_id AND next.below <= 1 \
     ) SELECT count(*) FROM part"
);

/// The rooms that have more, or are somebody else's for now.
pub(super) async fn index_new(
    pools: &Pools,
    rooms: &[RoomId],
    count: i64,
) -> StoreResult<Vec<Behind>> {
    let asked: Vec<Uuid> = rooms.iter().map(|room| room.0).collect();
    let shares = i64::try_from(asked.len()).unwrap_or(i64::MAX).max(1);
    let index = IndexNew {
        rooms: asked.clone(),
        share: (count / shares).max(1),
        bytes: (limits::INDEX_BYTES / shares).max(1),
    };
    let mut connection = pools.shared().await?;
    connection.begin_with(MakeMarks { rooms: asked }).await?;
    let parts = connection.commit_with(index).await?;
    let behind = |room: &RoomId| match parts.iter().find(|(part, _)| *part == room.0) {
        Some((_, None)) => None,
        Some((_, Some(age))) => Some(Behind {
            room: *room,
            age: Some(Duration::from_millis(u64::try_from(*age).unwrap_or(0))),
        }),
        None => Some(Behind {
            room: *room,
            age: None,
        }),
    };
    Ok(rooms.iter().filter_map(behind).collect())
}

/// Rooms with messages that are not indexed yet.
pub(super) async fn rooms_behind(pools: &Pools, limit: i64) -> StoreResult<Vec<RoomId>> {
    let rooms = pools.read(RoomsBehind { limit }).await?;
    Ok(rooms.into_iter().map(|(room,)| RoomId(room)).collect())
}

/// Whether there was something to do.
pub(super) async fn index_older(pools: &Pools, count: i64) -> StoreResult<bool> {
    let mut connection = pools.shared().await?;
    let parts = connection.begin_with(IndexOlder { count }).await?;
    connection.commit().await?;
    Ok(parts.first().is_some_and(|(parts,)| *parts > 0))
}
