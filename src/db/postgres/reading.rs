//! How far members have read, on Postgres. Called by [`super::PostgresStore`]. It takes no version and no head lock; the
//! memberships are locked in the order of their key, so that two instances never wait for each other.

use uuid::Uuid;

use super::pool::Pools;
use super::records::mention_count;
use super::statement::statement;
use crate::db::StoreResult;
use crate::db::rows::{ReadMark, ReadMoved, ReadState, Unread, unread};
use crate::ids::{RoomId, UserId};
use crate::limits::RECEIPT_MEMBERS;

statement!(
    /// Marks, and of those that moved something what is known then.
    MoveRead { users: Vec<Uuid>, rooms: Vec<Uuid>, seqs: Vec<i64> }
        -> (Uuid, Uuid, String, i64, i64, i64, i64, i64),
    concat!(
        "WITH wanted AS ( \
             SELECT user_id, room_id, max(seq) AS seq FROM unnest($1, $2, $3) AS w (user_id, room_id, seq) \
             GROUP BY user_id, room_id \
         ), locked AS ( \
             SELECT m.user_id, m.room_id, least(w.seq, h.last_seq) AS seq, h.last_seq, h.first_seq \
             FROM wanted w JOIN memberships m ON m.room_id = w.room_id AND m.user_id = w.user_id \
             JOIN room_heads h ON h.room_id = w.room_id \
             ORDER BY m.room_id, m.user_id FOR NO KEY UPDATE OF m \
         ), moved AS ( \
             UPDATE memberships m SET last_read_seq = l.seq FROM locked l \
             WHERE m.room_id = l.room_id AND m.user_id = l.user_id AND m.last_read_seq < l.seq \
             RETURNING m.user_id, m.room_id, l.seq, l.last_seq, l.first_seq \
         ) \
         SELECT own.user_id, own.room_id, r.slug, own.seq, own.last_seq, own.first_seq, ",
        mention_count!("own.user_id", "own.seq"),
        ", (SELECT count(*) FROM (SELECT FROM memberships a WHERE a.room_id = r.id LIMIT 51) counted) \
         FROM moved own JOIN rooms r ON r.id = own.room_id AND r.deleted_at IS NULL"
    )
);
const _: () = assert!(RECEIPT_MEMBERS == 50, "one more, as the statement says");

statement!(
    /// What members have read, and what is above it.
    FindUnread { users: Vec<Uuid>, rooms: Vec<Uuid> } -> (Uuid, String, i64, i64, i64, i64),
    concat!(
        "SELECT own.user_id, r.slug, own.last_read_seq, h.last_seq, h.first_seq, ",
        mention_count!("own.user_id", "own.last_read_seq"),
        " FROM unnest($1, $2) AS w (user_id, room_id) \
         JOIN memberships own ON own.room_id = w.room_id AND own.user_id = w.user_id \
         JOIN rooms r ON r.id = own.room_id AND r.deleted_at IS NULL JOIN room_heads h ON h.room_id = r.id"
    )
);

pub(super) async fn unread_of(
    pools: &Pools,
    members: &[(UserId, RoomId)],
) -> StoreResult<Vec<Unread>> {
    if members.is_empty() {
        return Ok(Vec::new());
    }
    let found = pools
        .read(FindUnread {
            users: members.iter().map(|(user, _)| user.0).collect(),
            rooms: members.iter().map(|(_, room)| room.0).collect(),
        })
        .await?;
    let found = found
        .into_iter()
        .map(|(user, slug, read, last_seq, first_seq, mentions)| Unread {
            user: UserId(user),
            slug,
            last_seq,
            unread: unread(last_seq, first_seq, read),
            mentions,
        });
    Ok(found.collect())
}

pub(super) async fn mark(pools: &Pools, marks: &[ReadMark]) -> StoreResult<Vec<ReadMoved>> {
    if marks.is_empty() {
        return Ok(Vec::new());
    }
    let moved = pools
        .write(MoveRead {
            users: marks.iter().map(|mark| mark.user.0).collect(),
            rooms: marks.iter().map(|mark| mark.room.0).collect(),
            seqs: marks.iter().map(|mark| mark.seq).collect(),
        })
        .await?;
    let moved = moved.into_iter().map(
        |(user, room, slug, seq, last_seq, first_seq, mentions, members)| ReadMoved {
            user: UserId(user),
            room: RoomId(room),
            slug,
            read: ReadState { seq, mentions },
            unread: unread(last_seq, first_seq, seq),
            members,
        },
    );
    Ok(moved.collect())
}
