//! How far members have read, on SQLite. Called by `contract.rs` inside a transaction, and by `rooms.rs` for what a user
//! sees of a room. It takes no version.

use std::collections::HashMap;

use diesel::prelude::*;

use super::columns::StoredId;
use super::failure::Work;
use super::schema::{memberships, mentions, room_heads, rooms};
use crate::db::rows::{ReadMark, ReadMoved, ReadState, Unread, unread};
use crate::ids::{RoomId, Seq, UserId};
use crate::limits::{MENTIONS_COUNTED, RECEIPT_MEMBERS};

/// Moves what users have read; answers for what moved.
pub(super) fn mark(conn: &mut SqliteConnection, marks: &[ReadMark]) -> Work<Vec<ReadMoved>> {
    let mut moved: Vec<ReadMoved> = Vec::new();
    for mark in marks {
        if let Some(one) = mark_one(conn, mark)? {
            // A mark of the same user that lies higher stands for both.
            moved.retain(|before| (before.user, before.room) != (one.user, one.room));
            moved.push(one);
        }
    }
    Ok(moved)
}

fn mark_one(conn: &mut SqliteConnection, mark: &ReadMark) -> Work<Option<ReadMoved>> {
    let (room, user) = (StoredId(mark.room.0), StoredId(mark.user.0));
    let found = rooms::table
        .inner_join(room_heads::table)
        .filter(rooms::id.eq(room).and(rooms::deleted_at.is_null()))
        .select((rooms::slug, room_heads::last_seq, room_heads::first_seq))
        .first::<(String, Seq, Seq)>(conn)
        .optional()?;
    let Some((slug, last_seq, first_seq)) = found else {
        return Ok(None);
    };
    let seq = mark.seq.min(last_seq);
    let changed = diesel::update(memberships::table.find((room, user)))
        .filter(memberships::last_read_seq.lt(seq))
        .set(memberships::last_read_seq.eq(seq))
        .execute(conn)?;
    if changed == 0 {
        return Ok(None);
    }
    let members = memberships::table
        .filter(memberships::room_id.eq(room))
        .select(memberships::user_id)
        .limit(RECEIPT_MEMBERS + 1)
        .load::<StoredId>(conn)?;
    let counts = mention_counts(conn, mark.user, Some(mark.room))?;
    Ok(Some(ReadMoved {
        user: mark.user,
        room: mark.room,
        slug,
        read: ReadState {
            seq,
            mentions: counts.get(&mark.room).copied().unwrap_or(0),
        },
        unread: unread(last_seq, first_seq, seq),
        members: i64::try_from(members.len()).unwrap_or(i64::MAX),
    }))
}

/// What members have unread.
pub(super) fn unread_of(
    conn: &mut SqliteConnection,
    members: &[(UserId, RoomId)],
) -> Work<Vec<Unread>> {
    let mut found = Vec::new();
    for (user, room) in members {
        let place = memberships::table
            .inner_join(rooms::table)
            .inner_join(room_heads::table.on(room_heads::room_id.eq(memberships::room_id)))
            .filter(memberships::room_id.eq(StoredId(room.0)))
            .filter(memberships::user_id.eq(StoredId(user.0)))
            .filter(rooms::deleted_at.is_null())
            .select((
                rooms::slug,
                memberships::last_read_seq,
                room_heads::last_seq,
                room_heads::first_seq,
            ))
            .first::<(String, Seq, Seq, Seq)>(conn)
            .optional()?;
        let Some((slug, read, last_seq, first_seq)) = place else {
            continue;
        };
        let counts = mention_counts(conn, *user, Some(*room))?;
        found.push(Unread {
            user: *user,
            slug,
            last_seq,
            unread: unread(last_seq, first_seq, read),
            mentions: counts.get(room).copied().unwrap_or(0),
        });
    }
    Ok(found)
}

/// The messages that mention a user above what it has read: in each of its rooms, or in one.
pub(super) fn mention_counts(
    conn: &mut SqliteConnection,
    user: UserId,
    room: Option<RoomId>,
) -> Work<HashMap<RoomId, i64>> {
    let user = StoredId(user.0);
    let mut query = mentions::table
        .inner_join(
            memberships::table.on(memberships::room_id
                .eq(mentions::room_id)
                .and(memberships::user_id.eq(mentions::user_id))),
        )
        .filter(mentions::user_id.eq(user))
        .filter(mentions::seq.gt(memberships::last_read_seq))
        .group_by(mentions::room_id)
        .select((mentions::room_id, diesel::dsl::count_star()))
        .into_boxed();
    if let Some(room) = room {
        query = query.filter(mentions::room_id.eq(StoredId(room.0)));
    }
    let counts = query.load::<(StoredId, i64)>(conn)?;
    Ok(counts
        .into_iter()
        .map(|(room, count)| (RoomId(room.0), count.min(MENTIONS_COUNTED)))
        .collect())
}
