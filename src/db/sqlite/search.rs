//! Searching what was said on SQLite. Called by `contract.rs` inside a read transaction. The index (FTS5) is kept by triggers of
//! the migration, so no write can leave it behind. Its numbers ascend as messages were written, so it gives the newest first by
//! itself.

use chrono::DateTime;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};

use super::columns::{Micros, StoredId, name_key};
use super::failure::Work;
use super::messages;
use crate::db::search::{Search, SearchHit, SearchPage, SearchPlace};
use crate::error::ErrorCode;
use crate::ids::{RoomId, Seq, UserId};
use crate::limits;

/// What fits in the rooms of a user, of so many messages below a number that have the words; of each only where it is. The last
/// row tells how many there were, and the number of the last.
const FIND: &str = "WITH candidates AS MATERIALIZED ( \
        SELECT rowid AS id FROM message_words WHERE message_words MATCH ?2 AND rowid < ?3 ORDER BY rowid DESC LIMIT ?9) \
    SELECT * FROM (SELECT c.id, p.room_id, p.seq, r.slug, r.name FROM candidates c \
        CROSS JOIN message_places p ON p.id = c.id \
        CROSS JOIN memberships own ON own.room_id = p.room_id AND own.user_id = ?1 \
        CROSS JOIN rooms r ON r.id = p.room_id AND r.deleted_at IS NULL AND (?4 IS NULL OR r.slug = ?4) \
        CROSS JOIN messages m ON m.room_id = p.room_id AND m.seq = p.seq AND m.deleted_at IS NULL AND m.state <> 'queued' \
        CROSS JOIN users u ON u.id = m.author_id \
        WHERE (?5 IS NULL OR u.name_key = ?5) AND (?6 IS NULL OR m.created_at < ?6) AND (?7 IS NULL OR m.created_at >= ?7) \
        ORDER BY c.id DESC LIMIT ?8) \
    UNION ALL SELECT coalesce(min(id), 0), NULL, count(*), '', '' FROM candidates";

/// The number where a page begins. The message that stood there may be gone.
const PLACE: &str = "SELECT coalesce( \
        (SELECT id FROM message_places WHERE room_id = ?1 AND seq = ?2), \
        (SELECT max(p.id) + 1 FROM message_places p JOIN messages m ON m.room_id = p.room_id AND m.seq = p.seq \
         WHERE m.created_at < ?3), 0) AS id";

/// Where a number stands.
const STANDS: &str = "SELECT p.room_id, p.seq, m.created_at FROM message_places p \
    JOIN messages m ON m.room_id = p.room_id AND m.seq = p.seq WHERE p.id = ?1";

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Nullable<Binary>)]
    room_id: Option<StoredId>,
    #[diesel(sql_type = BigInt)]
    seq: Seq,
    #[diesel(sql_type = Text)]
    slug: String,
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Stands {
    #[diesel(sql_type = Binary)]
    room_id: StoredId,
    #[diesel(sql_type = BigInt)]
    seq: Seq,
    #[diesel(sql_type = BigInt)]
    created_at: Micros,
}

#[derive(QueryableByName)]
struct Place {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// A page of what fits, newest first. In steps: what is not filtered out is met in the first. The time of a page is bounded by how
/// many messages that have the words are looked at (and, of the few beginnings, by how many have words that begin so, which FTS5
/// gathers first); where that was not enough the next page goes on behind them.
pub(super) fn search(
    conn: &mut SqliteConnection,
    user: UserId,
    search: &Search,
) -> Work<SearchPage> {
    let limit = usize::try_from(search.limit).unwrap_or(0);
    let mut below = match search.from {
        Some(from) => place(conn, from)?,
        None => i64::MAX,
    };
    let (mut found, mut is_all) = (Vec::new(), false);
    for count in limits::SEARCH_LOOKS
        .into_iter()
        .chain([limits::SEARCH_LAST_LOOK])
    {
        let mut rows = step(conn, user, search, below, count)?;
        // The row of the numbers.
        let Some(last) = rows.pop() else { break };
        found.append(&mut rows);
        below = last.id;
        is_all = last.seq < count;
        if is_all || found.len() > limit {
            break;
        }
    }
    let next = if found.len() > limit {
        let last = limit.checked_sub(1).and_then(|last| found.get(last));
        last.map(|last| stands(conn, last.id))
            .transpose()?
            .flatten()
    } else if is_all {
        None
    } else {
        stands(conn, below)?
    };
    let hits = found
        .into_iter()
        .take(limit)
        .map(|found| hit(conn, found))
        .collect::<Work<_>>()?;
    Ok(SearchPage { hits, next })
}

fn step(
    conn: &mut SqliteConnection,
    user: UserId,
    search: &Search,
    below: i64,
    candidates: i64,
) -> Work<Vec<Found>> {
    let micros = |time: Option<chrono::DateTime<chrono::Utc>>| -> Option<Micros> {
        time.map(|time| time.timestamp_micros())
    };
    Ok(diesel::sql_query(FIND)
        .bind::<Binary, _>(StoredId(user.0))
        .bind::<Text, _>(search.query.fts5())
        .bind::<BigInt, _>(below)
        .bind::<Nullable<Text>, _>(search.room.as_deref())
        .bind::<Nullable<Text>, _>(search.author.as_deref().map(name_key))
        .bind::<Nullable<BigInt>, _>(micros(search.before))
        .bind::<Nullable<BigInt>, _>(micros(search.after))
        .bind::<BigInt, _>(search.limit.saturating_add(1))
        .bind::<BigInt, _>(candidates)
        .load::<Found>(conn)?)
}

fn stands(conn: &mut SqliteConnection, id: i64) -> Work<Option<SearchPlace>> {
    let stands = diesel::sql_query(STANDS)
        .bind::<BigInt, _>(id)
        .get_result::<Stands>(conn)
        .optional()?;
    let place = stands.and_then(|stands| {
        Some(SearchPlace {
            at: DateTime::from_timestamp_micros(stands.created_at)?,
            room: RoomId(stands.room_id.0),
            seq: stands.seq,
        })
    });
    Ok(place)
}

fn hit(conn: &mut SqliteConnection, found: Found) -> Work<SearchHit> {
    let room = RoomId(found.room_id.ok_or(ErrorCode::MessageNotFound)?.0);
    let message = messages::one(conn, room, found.seq)?.ok_or(ErrorCode::MessageNotFound)?;
    Ok(SearchHit {
        room: found.slug,
        room_name: found.name,
        place: SearchPlace {
            at: message.created_at,
            room,
            seq: message.seq,
        },
        message,
    })
}

fn place(conn: &mut SqliteConnection, from: SearchPlace) -> Work<i64> {
    let place = diesel::sql_query(PLACE)
        .bind::<Binary, _>(StoredId(from.room.0))
        .bind::<BigInt, _>(from.seq)
        .bind::<BigInt, _>(from.at.timestamp_micros())
        .get_result::<Place>(conn)?;
    Ok(place.id)
}
