//! Searching what was said on SQLite. Called by `contract.rs` inside a read transaction. The index (FTS5) is kept by triggers of
//! the migration, so no write can leave it behind. Its numbers ascend as messages were written, so it gives the newest first by
//! itself.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};

use super::columns::{Micros, StoredId, name_key};
use super::failure::Work;
use super::messages;
use crate::db::search::{Search, SearchHit, SearchPage, SearchPlace, SearchQuery, Term};
use crate::error::ErrorCode;
use crate::ids::{RoomId, Seq, UserId};

/// What fits in the rooms of a user, below a number; of each only where it is.
const FIND: &str = "SELECT p.room_id, p.seq, r.slug, r.name FROM message_words w \
    JOIN message_places p ON p.id = w.rowid \
    JOIN memberships own ON own.room_id = p.room_id AND own.user_id = ?1 \
    JOIN rooms r ON r.id = p.room_id AND r.deleted_at IS NULL \
    JOIN messages m ON m.room_id = p.room_id AND m.seq = p.seq AND m.deleted_at IS NULL AND m.state <> 'queued' \
    JOIN users u ON u.id = m.author_id \
    WHERE w.message_words MATCH ?2 AND w.rowid < ?3 \
      AND (?4 IS NULL OR r.slug = ?4) AND (?5 IS NULL OR u.name_key = ?5) \
      AND (?6 IS NULL OR m.created_at < ?6) AND (?7 IS NULL OR m.created_at >= ?7) \
    ORDER BY w.rowid DESC LIMIT ?8";

/// The number where a page begins. The message that stood there may be gone.
const PLACE: &str = "SELECT coalesce( \
        (SELECT id FROM message_places WHERE room_id = ?1 AND seq = ?2), \
        (SELECT max(p.id) + 1 FROM message_places p JOIN messages m ON m.room_id = p.room_id AND m.seq = p.seq \
         WHERE m.created_at < ?3), 0) AS id";

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Binary)]
    room_id: StoredId,
    #[diesel(sql_type = BigInt)]
    seq: Seq,
    #[diesel(sql_type = Text)]
    slug: String,
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Place {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// A page of what fits, newest first.
pub(super) fn search(
    conn: &mut SqliteConnection,
    user: UserId,
    search: &Search,
) -> Work<SearchPage> {
    let below = match search.from {
        Some(from) => place(conn, from)?,
        None => i64::MAX,
    };
    let micros = |time: Option<chrono::DateTime<chrono::Utc>>| -> Option<Micros> {
        time.map(|time| time.timestamp_micros())
    };
    let found = diesel::sql_query(FIND)
        .bind::<Binary, _>(StoredId(user.0))
        .bind::<Text, _>(fts5(&search.query))
        .bind::<BigInt, _>(below)
        .bind::<Nullable<Text>, _>(search.room.as_deref())
        .bind::<Nullable<Text>, _>(search.author.as_deref().map(name_key))
        .bind::<Nullable<BigInt>, _>(micros(search.before))
        .bind::<Nullable<BigInt>, _>(micros(search.after))
        .bind::<BigInt, _>(search.limit.saturating_add(1))
        .load::<Found>(conn)?;
    let limit = usize::try_from(search.limit).unwrap_or(0);
    let more = found.len() > limit;
    let hits = found
        .into_iter()
        .take(limit)
        .map(|found| hit(conn, found))
        .collect::<Work<_>>()?;
    Ok(SearchPage { hits, more })
}

fn hit(conn: &mut SqliteConnection, found: Found) -> Work<SearchHit> {
    let room = RoomId(found.room_id.0);
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

/// In FTS5's words: every term as a phrase, so that no word (`OR`, `NEAR`) means anything else than itself.
fn fts5(query: &SearchQuery) -> String {
    let phrase = |term: &Term| format!("\"{}\"", term.join(" "));
    let all: Vec<String> = query.all.iter().map(phrase).collect();
    let none: Vec<String> = query.none.iter().map(phrase).collect();
    match none.is_empty() {
        true => all.join(" AND "),
        false => format!("({}) NOT ({})", all.join(" AND "), none.join(" OR ")),
    }
}
