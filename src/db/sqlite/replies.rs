//! Reading replies on SQLite: what runs, what was saved, whose lease ran out. Called by `contract.rs` inside a read
//! transaction, and by `apply/`. Runners' writes are in `runners.rs`.

use diesel::prelude::*;

use super::columns::{StoredId, named, now};
use super::failure::Work;
use super::schema::{messages, replies, reply_chunks, reply_contexts};
use crate::db::rows::{ExpiredReply, ReplyChunk, ReplyState, RunningReply};
use crate::ids::{Attempt, ChunkNumber, RoomId, Seq, Version};

/// The saved chunks of an attempt from number `from` on; a run that holds `from` comes whole.
pub(super) fn chunks(
    conn: &mut SqliteConnection,
    room: RoomId,
    seq: Seq,
    attempt: Attempt,
    from: ChunkNumber,
) -> Work<Vec<ReplyChunk>> {
    let found = reply_chunks::table
        .filter(reply_chunks::room_id.eq(StoredId(room.0)))
        .filter(reply_chunks::seq.eq(seq))
        .filter(reply_chunks::attempt.eq(attempt))
        .filter((reply_chunks::first + reply_chunks::count).gt(from))
        .order(reply_chunks::first)
        .select((reply_chunks::first, reply_chunks::count, reply_chunks::text))
        .load::<(ChunkNumber, ChunkNumber, String)>(conn)?;
    Ok(found
        .into_iter()
        .map(|(first, count, text)| ReplyChunk { first, count, text })
        .collect())
}

/// The saved text of an attempt.
pub(super) fn saved_text(
    conn: &mut SqliteConnection,
    room: RoomId,
    seq: Seq,
    attempt: Attempt,
) -> Work<(ChunkNumber, String)> {
    let saved = chunks(conn, room, seq, attempt, 1)?;
    let last = saved.last().map_or(0, |run| run.first + run.count - 1);
    Ok((last, saved.into_iter().map(|run| run.text).collect()))
}

/// The room's replies that are not settled.
pub(super) fn running(conn: &mut SqliteConnection, room: RoomId) -> Work<Vec<RunningReply>> {
    let message = messages::room_id
        .eq(replies::room_id)
        .and(messages::seq.eq(replies::seq));
    let found = replies::table
        .inner_join(messages::table.on(message))
        .filter(replies::room_id.eq(StoredId(room.0)))
        .filter(replies::settled_at.is_null())
        .order(replies::seq)
        .select((
            replies::seq,
            replies::prompt_seq,
            messages::version,
            replies::state,
            replies::attempt,
        ))
        .load::<(Seq, Seq, Version, String, Attempt)>(conn)?;
    found
        .into_iter()
        .map(|(seq, prompt_seq, since, state, attempt)| {
            let (chunks, body) = saved_text(conn, room, seq, attempt)?;
            let context_from = context_from(conn, room, seq)?;
            Ok(RunningReply {
                seq,
                prompt_seq,
                since,
                state: named(ReplyState::from_name, &state)?,
                attempt,
                chunks,
                body,
                context_from,
            })
        })
        .collect()
}

/// The oldest message that the attempt which shows text was told of, where older ones were left out.
pub(super) fn context_from(
    conn: &mut SqliteConnection,
    room: RoomId,
    seq: Seq,
) -> Work<Option<Seq>> {
    Ok(reply_contexts::table
        .find((StoredId(room.0), seq))
        .select(reply_contexts::context_from)
        .first(conn)?)
}

/// Streaming replies whose lease has run out.
pub(super) fn expired(conn: &mut SqliteConnection, limit: i64) -> Work<Vec<ExpiredReply>> {
    let found = replies::table
        .filter(replies::settled_at.is_null())
        .filter(replies::state.eq(ReplyState::Streaming.as_str()))
        .filter(replies::lease_until.le(now()))
        .order(replies::lease_until)
        .limit(limit.max(0))
        .select((
            replies::room_id,
            replies::seq,
            replies::attempt,
            replies::shown,
        ))
        .load::<(StoredId, Seq, Attempt, bool)>(conn)?;
    Ok(found
        .into_iter()
        .map(|(room, seq, attempt, shown)| ExpiredReply {
            room: RoomId(room.0),
            seq,
            attempt,
            shown,
        })
        .collect())
}
