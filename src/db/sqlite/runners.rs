//! What the runners of replies write on SQLite: claims, leases, saved chunks. Called by `contract.rs` inside a
//! transaction. None of it takes a version; every write names the attempt, so a runner that lost its lease changes nothing.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use diesel::prelude::*;
use diesel::upsert::excluded;

use super::accounts;
use super::columns::{Micros, StoredId, named, now, storable};
use super::failure::Work;
use super::schema::{memberships, replies, reply_chunks, reply_contexts};
use crate::db::changes::ChunkAppend;
use crate::db::queue::{self, OpenReply, QueuedReply, ReplyCaps};
use crate::db::rows::{ClaimedReply, LeaseState, ReplyState};
use crate::ids::{Attempt, InstanceId, RoomId, Seq, UserId};
use crate::limits::LEASE_MS;
use crate::permissions::{Action, Role, allows};

/// Takes queued replies, and those whose runner died before it showed anything.
pub(super) fn claim(
    conn: &mut SqliteConnection,
    owner: InstanceId,
    limit: i64,
    caps: ReplyCaps,
    except: &[(RoomId, Seq)],
) -> Work<Vec<ClaimedReply>> {
    let at = now();
    queue::next(&open(conn, at)?, caps, limit, except)
        .into_iter()
        .map(|taken| {
            let (room, seq) = (StoredId(taken.room.0), taken.seq);
            let reply = replies::table.find((room, seq));
            let (prompt_seq, last): (Seq, Attempt) = reply
                .select((replies::prompt_seq, replies::attempt))
                .first(conn)?;
            let attempt = last + 1;
            diesel::update(reply)
                .set((
                    replies::state.eq(ReplyState::Streaming.as_str()),
                    replies::attempt.eq(attempt),
                    replies::lease_owner.eq(Some(StoredId(owner.0))),
                    replies::lease_until.eq(Some(lease_end(at))),
                ))
                .execute(conn)?;
            Ok(ClaimedReply {
                room: taken.room,
                seq,
                prompt_seq,
                attempt,
                asker: taken.asker,
                asker_may_prompt: may_prompt(conn, room, StoredId(taken.asker.0))?,
            })
        })
        .collect()
}

/// Everything that waits or runs.
fn open(conn: &mut SqliteConnection, at: Micros) -> Work<Vec<OpenReply<Micros>>> {
    let found = replies::table
        .filter(replies::settled_at.is_null())
        .select((
            replies::room_id,
            replies::seq,
            replies::asker_id,
            replies::queued_at,
            replies::state,
            replies::shown,
            replies::lease_until,
        ))
        .load::<(
            StoredId,
            Seq,
            StoredId,
            Micros,
            String,
            bool,
            Option<Micros>,
        )>(conn)?;
    let mut ended = HashMap::new();
    for (_, _, asker, ..) in &found {
        if let Entry::Vacant(place) = ended.entry(asker.0) {
            place.insert(ended_at(conn, *asker)?);
        }
    }
    found
        .into_iter()
        .map(|(room, seq, asker, queued_at, state, shown, until)| {
            let queued = named(ReplyState::from_name, &state)? == ReplyState::Queued;
            let orphaned = !shown && until.is_some_and(|until| until <= at);
            Ok(OpenReply {
                room: RoomId(room.0),
                seq,
                asker: UserId(asker.0),
                queued_at,
                ended_at: ended.get(&asker.0).copied().flatten(),
                waits: queued || orphaned,
            })
        })
        .collect()
}

/// When a reply of theirs that was begun last ended.
fn ended_at(conn: &mut SqliteConnection, asker: StoredId) -> Work<Option<Micros>> {
    let ended = replies::table
        .filter(replies::asker_id.eq(asker))
        .filter(replies::settled_at.is_not_null())
        .filter(replies::attempt.gt(0))
        .order(replies::settled_at.desc())
        .select(replies::settled_at)
        .first::<Option<Micros>>(conn)
        .optional()?;
    Ok(ended.flatten())
}

/// What of these rooms waits, with its place in the whole queue.
pub(super) fn queued(conn: &mut SqliteConnection, rooms: &[RoomId]) -> Work<Vec<QueuedReply>> {
    let open = open(conn, now())?;
    queue::told(&open, rooms)
        .into_iter()
        .filter_map(|(position, reply)| {
            let asker = accounts::by_id(conn, reply.asker).transpose()?;
            Some(asker.map(|asker| QueuedReply {
                room: reply.room,
                seq: reply.seq,
                position,
                asker,
            }))
        })
        .collect()
}

/// Notes that text is about to be shown.
pub(super) fn mark_shown(
    conn: &mut SqliteConnection,
    owner: InstanceId,
    (room, seq, attempt): (RoomId, Seq, Attempt),
    context_from: Option<Seq>,
) -> Work<bool> {
    let marked = diesel::update(replies::table.find((StoredId(room.0), seq)))
        .filter(held(owner, attempt))
        .set(replies::shown.eq(true))
        .execute(conn)?;
    if marked == 1 {
        diesel::update(reply_contexts::table.find((StoredId(room.0), seq)))
            .set(reply_contexts::context_from.eq(context_from))
            .execute(conn)?;
    }
    Ok(marked == 1)
}

/// Saves chunks and renews leases.
pub(super) fn append(
    conn: &mut SqliteConnection,
    owner: InstanceId,
    appends: &[ChunkAppend],
) -> Work<Vec<LeaseState>> {
    let at = now();
    appends
        .iter()
        .map(|append| append_one(conn, owner, append, at))
        .collect()
}

fn append_one(
    conn: &mut SqliteConnection,
    owner: InstanceId,
    append: &ChunkAppend,
    at: Micros,
) -> Work<LeaseState> {
    let reply = replies::table.find((StoredId(append.room.0), append.seq));
    let renewed = diesel::update(reply)
        .filter(held(owner, append.attempt))
        .set(replies::lease_until.eq(Some(lease_end(at))))
        .execute(conn)?;
    let mut state = LeaseState {
        room: append.room,
        seq: append.seq,
        held: renewed == 1,
        // The whole database has one writer at a time.
        busy: false,
        stop_requested: false,
    };
    if !state.held {
        return Ok(state);
    }
    state.stop_requested = reply.select(replies::stop_requested).first(conn)?;
    if let Some(chunk) = &append.chunk {
        // The same run may come twice, grown by what followed: a runner repeats an append whose answer it did not get.
        diesel::insert_into(reply_chunks::table)
            .values((
                reply_chunks::room_id.eq(StoredId(append.room.0)),
                reply_chunks::seq.eq(append.seq),
                reply_chunks::attempt.eq(append.attempt),
                reply_chunks::first.eq(chunk.first),
                reply_chunks::count.eq(chunk.count),
                reply_chunks::text.eq(storable(&chunk.text)?),
            ))
            .on_conflict((
                reply_chunks::room_id,
                reply_chunks::seq,
                reply_chunks::attempt,
                reply_chunks::first,
            ))
            .do_update()
            .set((
                reply_chunks::count.eq(excluded(reply_chunks::count)),
                reply_chunks::text.eq(excluded(reply_chunks::text)),
            ))
            .execute(conn)?;
    }
    Ok(state)
}

/// Gives replies back of which nothing was shown; which of them somebody asked to stop, so that they stay.
pub(super) fn release(
    conn: &mut SqliteConnection,
    owner: InstanceId,
    given_back: &[(RoomId, Seq, Attempt)],
) -> Work<Vec<(RoomId, Seq)>> {
    let mut stopped = Vec::new();
    for (room, seq, attempt) in given_back {
        let reply = replies::table.find((StoredId(room.0), *seq));
        let asked: i64 = reply
            .filter(held(owner, *attempt))
            .filter(
                replies::shown
                    .eq(false)
                    .and(replies::stop_requested.eq(true)),
            )
            .count()
            .get_result(conn)?;
        if asked > 0 {
            stopped.push((*room, *seq));
            continue;
        }
        diesel::update(reply)
            .filter(held(owner, *attempt))
            .filter(replies::shown.eq(false))
            .set((
                replies::state.eq(ReplyState::Queued.as_str()),
                replies::lease_owner.eq(None::<StoredId>),
                replies::lease_until.eq(None::<Micros>),
            ))
            .execute(conn)?;
    }
    Ok(stopped)
}

/// Whether a reply is still `owner`'s under this attempt; its lease may have run out, as long as nobody took it.
#[diesel::dsl::auto_type]
fn held(owner: InstanceId, attempt: Attempt) -> _ {
    let streaming: &'static str = ReplyState::Streaming.as_str();
    let owner: StoredId = StoredId(owner.0);
    replies::attempt
        .eq(attempt)
        .and(replies::state.eq(streaming))
        .and(replies::lease_owner.eq(owner))
}

pub(super) fn may_prompt(
    conn: &mut SqliteConnection,
    room: StoredId,
    asker: StoredId,
) -> Work<bool> {
    let role = memberships::table
        .find((room, asker))
        .select(memberships::role)
        .first::<String>(conn)
        .optional()?;
    let role = role.map(|role| named(Role::from_name, &role)).transpose()?;
    let allowed = role.is_some_and(|role| allows(role, Action::Post));
    Ok(allowed && !accounts::is_disabled(conn, UserId(asker.0))?)
}

/// When a lease taken now runs out.
fn lease_end(at: Micros) -> Micros {
    at + LEASE_MS.cast_signed() * 1_000
}
