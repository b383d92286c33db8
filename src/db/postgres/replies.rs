//! Replies while they are written: leases and chunks (claims are in `reply_queue.rs`). None of it takes a version; what does goes through
//! [`super::apply`]. Called by [`super::PostgresStore`]. Leases count in the database's time.

use uuid::Uuid;

use super::pool::Pools;
use super::records::word;
use super::statement::statement;
use crate::db::StoreResult;
use crate::db::changes::ChunkAppend;
use crate::db::rows::{ExpiredReply, LeaseState, ReplyChunk, ReplyState, RunningReply};
use crate::ids::{Attempt, ChunkNumber, InstanceId, RoomId, Seq};
use crate::limits;

statement!(
    /// Text of this attempt is about to be seen.
    MarkShown { owner: Uuid, room: Uuid, seq: i64, attempt: i32, context_from: Option<i64> },
    "UPDATE replies SET shown = true, context_from = $5 WHERE room_id = $2 AND seq = $3 AND attempt = $4 AND lease_owner = $1 \
     AND state = 'streaming'"
);
statement!(
    /// Renews leases, saves chunks and tells what is still held. It waits for nobody: the writer locks the replies of a batch
    /// as they come, and one of a thousand that is being settled must neither hold up the others nor wait for one of them.
    /// A chunk sent again may have grown: the longer one stays.
    Append {
        owner: Uuid,
        lease_ms: i64,
        rooms: Vec<Uuid>,
        seqs: Vec<i64>,
        attempts: Vec<i32>,
        firsts: Vec<Option<i32>>,
        counts: Vec<Option<i32>>,
        texts: Vec<Option<String>>,
    } -> (i64, bool, bool, bool),
    "WITH wanted AS ( \
         SELECT * FROM unnest($3, $4, $5, $6, $7, $8) WITH ORDINALITY \
             AS w (room_id, seq, attempt, first, count, text, place) \
     ), locked AS ( \
         SELECT r.room_id, r.seq, r.attempt FROM replies r \
         WHERE r.lease_owner = $1 AND r.state = 'streaming' \
           AND (r.room_id, r.seq, r.attempt) IN (SELECT room_id, seq, attempt FROM wanted) \
         ORDER BY r.room_id, r.seq FOR UPDATE SKIP LOCKED \
     ), held AS ( \
         UPDATE replies r SET lease_until = clock_timestamp() + $2 * interval '1 millisecond' \
         FROM locked l WHERE r.room_id = l.room_id AND r.seq = l.seq \
         RETURNING r.room_id, r.seq, r.attempt, r.stop_requested \
     ), saved AS ( \
         INSERT INTO reply_chunks AS saved (room_id, seq, attempt, first, count, text) \
         SELECT w.room_id, w.seq, w.attempt, w.first, w.count, w.text FROM wanted w \
         JOIN held h ON h.room_id = w.room_id AND h.seq = w.seq AND h.attempt = w.attempt \
         WHERE w.first IS NOT NULL \
         ON CONFLICT (room_id, seq, attempt, first) DO UPDATE SET count = excluded.count, text = excluded.text \
         WHERE excluded.count > saved.count \
     ) \
     SELECT w.place, h.seq IS NOT NULL, coalesce(h.stop_requested, false), h.seq IS NULL AND EXISTS ( \
         SELECT FROM replies r WHERE r.room_id = w.room_id AND r.seq = w.seq AND r.attempt = w.attempt \
           AND r.lease_owner = $1 AND r.state = 'streaming' \
     ) FROM wanted w \
     LEFT JOIN held h ON h.room_id = w.room_id AND h.seq = w.seq AND h.attempt = w.attempt ORDER BY w.place"
);
statement!(
    /// Back to the queue, for anyone; what somebody asked to stop is named instead. A stop locks the reply's row, so it comes
    /// before this and is seen, or behind it and finds what waits.
    Release { owner: Uuid, rooms: Vec<Uuid>, seqs: Vec<i64>, attempts: Vec<i32> } -> (Uuid, i64),
    "WITH held AS ( \
         SELECT r.room_id, r.seq, r.stop_requested FROM replies r \
         JOIN unnest($2, $3, $4) AS w (room_id, seq, attempt) \
             ON r.room_id = w.room_id AND r.seq = w.seq AND r.attempt = w.attempt \
         WHERE r.lease_owner = $1 AND r.state = 'streaming' AND NOT r.shown \
         ORDER BY r.room_id, r.seq FOR UPDATE OF r \
     ), released AS ( \
         UPDATE replies r SET state = 'queued', lease_owner = NULL, lease_until = NULL \
         FROM held h WHERE r.room_id = h.room_id AND r.seq = h.seq AND NOT h.stop_requested \
     ) \
     SELECT room_id, seq FROM held WHERE stop_requested"
);
statement!(
    /// The chunks that hold number `from` and what follows.
    ReadChunks { room: Uuid, seq: i64, attempt: i32, from: i32 } -> (i32, i32, String),
    "SELECT first, count, text FROM reply_chunks WHERE room_id = $1 AND seq = $2 AND attempt = $3 \
     AND first + count > $4 ORDER BY first"
);
statement!(
    /// What is not settled, with its text so far.
    Running { room: Uuid } -> (i64, i64, i64, String, i32, i32, String, Option<i64>),
    "SELECT r.seq, r.prompt_seq, m.version, r.state, r.attempt, coalesce(max(c.first + c.count - 1), 0), \
         coalesce(string_agg(c.text, '' ORDER BY c.first), ''), r.context_from \
     FROM replies r JOIN messages m ON m.room_id = r.room_id AND m.seq = r.seq LEFT JOIN reply_chunks c \
         ON c.room_id = r.room_id AND c.seq = r.seq AND c.attempt = r.attempt AND r.state = 'streaming' \
     WHERE r.room_id = $1 AND r.state <> 'settled' GROUP BY r.room_id, r.seq, m.version ORDER BY r.seq"
);
statement!(
    /// Leases that ran out, the oldest first.
    Expired { limit: i64 } -> (Uuid, i64, i32, bool),
    "SELECT r.room_id, r.seq, r.attempt, r.shown FROM replies r \
     JOIN rooms ON rooms.id = r.room_id AND rooms.deleted_at IS NULL \
     WHERE r.state <> 'settled' AND r.state = 'streaming' AND r.lease_until < clock_timestamp() \
     ORDER BY r.lease_until LIMIT $1"
);

pub(super) fn lease_ms() -> i64 {
    i64::try_from(limits::LEASE_MS).unwrap_or(i64::MAX)
}

pub(super) async fn mark_shown(
    pools: &Pools,
    owner: InstanceId,
    (room, seq, attempt): (RoomId, Seq, Attempt),
    context_from: Option<Seq>,
) -> StoreResult<bool> {
    let marked = pools
        .write(MarkShown {
            owner: owner.0,
            room: room.0,
            seq,
            attempt,
            context_from,
        })
        .await?;
    Ok(marked == 1)
}

pub(super) async fn append(
    pools: &Pools,
    owner: InstanceId,
    appends: Vec<ChunkAppend>,
) -> StoreResult<Vec<LeaseState>> {
    let mut statement = Append {
        owner: owner.0,
        lease_ms: lease_ms(),
        rooms: Vec::with_capacity(appends.len()),
        seqs: Vec::with_capacity(appends.len()),
        attempts: Vec::with_capacity(appends.len()),
        firsts: Vec::with_capacity(appends.len()),
        counts: Vec::with_capacity(appends.len()),
        texts: Vec::with_capacity(appends.len()),
    };
    let places: Vec<(RoomId, Seq)> = appends
        .iter()
        .map(|append| (append.room, append.seq))
        .collect();
    for append in appends {
        statement.rooms.push(append.room.0);
        statement.seqs.push(append.seq);
        statement.attempts.push(append.attempt);
        let (first, count, text) = match append.chunk {
            Some(chunk) => (Some(chunk.first), Some(chunk.count), Some(chunk.text)),
            None => (None, None, None),
        };
        statement.firsts.push(first);
        statement.counts.push(count);
        statement.texts.push(text);
    }
    let rows = pools.write(statement).await?;
    Ok(places
        .into_iter()
        .zip(rows)
        .map(
            |((room, seq), (_, held, stop_requested, busy))| LeaseState {
                room,
                seq,
                held,
                busy,
                stop_requested,
            },
        )
        .collect())
}

pub(super) async fn release(
    pools: &Pools,
    owner: InstanceId,
    replies: &[(RoomId, Seq, Attempt)],
) -> StoreResult<Vec<(RoomId, Seq)>> {
    let stopped = pools
        .write(Release {
            owner: owner.0,
            rooms: replies.iter().map(|(room, ..)| room.0).collect(),
            seqs: replies.iter().map(|(_, seq, _)| *seq).collect(),
            attempts: replies.iter().map(|(.., attempt)| *attempt).collect(),
        })
        .await?;
    Ok(stopped
        .into_iter()
        .map(|(room, seq)| (RoomId(room), seq))
        .collect())
}

pub(super) async fn chunks(
    pools: &Pools,
    room: RoomId,
    seq: Seq,
    attempt: Attempt,
    from: ChunkNumber,
) -> StoreResult<Vec<ReplyChunk>> {
    let rows = pools
        .read(ReadChunks {
            room: room.0,
            seq,
            attempt,
            from,
        })
        .await?;
    Ok(rows
        .into_iter()
        .map(|(first, count, text)| ReplyChunk { first, count, text })
        .collect())
}

pub(super) async fn running(pools: &Pools, room: RoomId) -> StoreResult<Vec<RunningReply>> {
    let rows = pools.read(Running { room: room.0 }).await?;
    rows.into_iter()
        .map(
            |(seq, prompt_seq, since, state, attempt, chunks, body, context_from)| {
                Ok(RunningReply {
                    seq,
                    prompt_seq,
                    since,
                    state: word(&state, ReplyState::from_name)?,
                    attempt,
                    chunks,
                    body,
                    context_from,
                })
            },
        )
        .collect()
}

pub(super) async fn expired(pools: &Pools, limit: i64) -> StoreResult<Vec<ExpiredReply>> {
    let rows = pools.read(Expired { limit }).await?;
    Ok(rows
        .into_iter()
        .map(|(room, seq, attempt, shown)| ExpiredReply {
            room: RoomId(room),
            seq,
            attempt,
            shown,
        })
        .collect())
}
