//! Searching what was said. Called by [`super::PostgresStore`]. The index is written by [`super::search_index`] and by triggers
//! of the migrations.
//!
//! Two ways lead to what is found, newest first, each good where the other is not: the newest messages are looked through, where
//! a frequent word is met soon; where they did not hold enough, so the words are rare, the index of words gives all there are.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types as sql;
use uuid::Uuid;

use super::pool::Pools;
use super::records::{MessageRecord, message_columns, name_key};
use super::statement::statement;
use crate::db::search::{Search, SearchHit, SearchPage, SearchPlace, SearchQuery, Term};
use crate::db::{StoreError, StoreResult};
use crate::ids::{RoomId, UserId};

/// Messages looked through before the index of words is asked: a word in one of 500 is found so.
const NEWEST: i64 = 10_000;

/// Where messages are looked for, in `message_words w`; what all searches have in common.
macro_rules! range {
    () => {
        "($3 IS NULL OR w.room_id = (SELECT id FROM rooms WHERE slug = $3)) \
         AND ($5 IS NULL OR w.created_at < $5) AND ($6 IS NULL OR w.created_at >= $6) \
         AND ($7 IS NULL OR (w.created_at, w.room_id, w.seq) < ($7, $8, $9))"
    };
}
/// A page of those of some messages that stand in the rooms of a user. Only the page's messages are read.
macro_rules! found_in {
    ($kept:literal, $words:expr) => {
        concat!(
            "WITH w AS ",
            $kept,
            " (",
            $words,
            "), page AS ( \
                 SELECT w.*, r.slug, r.name FROM w \
                 JOIN memberships own ON own.room_id = w.room_id AND own.user_id = $1 \
                 JOIN rooms r ON r.id = w.room_id AND r.deleted_at IS NULL \
                 WHERE $4 IS NULL OR EXISTS ( \
                     SELECT FROM messages m JOIN users u ON u.id = m.author_id \
                     WHERE m.room_id = w.room_id AND m.seq = w.seq AND u.name_key = $4) \
                 ORDER BY w.created_at DESC, w.room_id DESC, w.seq DESC LIMIT $10 \
             ) SELECT page.room_id, page.slug AS room_slug, page.name AS room_name, ",
            message_columns!(),
            " FROM page \
             JOIN messages m ON m.room_id = page.room_id AND m.seq = page.seq \
                 AND m.deleted_at IS NULL AND m.state <> 'queued' \
             JOIN users u ON u.id = m.author_id \
             ORDER BY page.created_at DESC, page.room_id DESC, page.seq DESC"
        )
    };
}
/// The values of a search.
macro_rules! search_statement {
    ($(#[$doc:meta])* $name:ident { $($more:ident: $type:ty)? } $sql:expr) => {
        statement!(
            $(#[$doc])*
            $name {
                user: Uuid,
                query: String,
                room: Option<String>,
                author: Option<String>,
                before: Option<DateTime<Utc>>,
                after: Option<DateTime<Utc>>,
                from_at: Option<DateTime<Utc>>,
                from_room: Option<Uuid>,
                from_seq: Option<i64>,
                limit: i64,
                $($more: $type,)?
            } -> struct HitRecord,
            $sql
        );
    };
}
search_statement!(
    /// What fits among the newest messages.
    FindNewest { newest: i64 }
    found_in!(
        // One after the other, until the page is full.
        "NOT MATERIALIZED",
        concat!(
            "SELECT room_id, seq, created_at FROM ( \
                 SELECT w.* FROM message_words w WHERE ", range!(), " \
                 ORDER BY w.created_at DESC, w.room_id DESC, w.seq DESC LIMIT $11 \
             ) newest WHERE words @@ websearch_to_tsquery('simple', $2)"
        )
    )
);
search_statement!(
    /// All that fits.
    FindAll {}
    found_in!(
        // By the index of words, whatever the planner thinks of the other way.
        "MATERIALIZED",
        concat!(
            "SELECT w.room_id, w.seq, w.created_at FROM message_words w \
             WHERE w.words @@ websearch_to_tsquery('simple', $2) AND ", range!()
        )
    )
);
/// A row of [`FindNewest`] and [`FindAll`].
#[derive(QueryableByName, Debug)]
pub(super) struct HitRecord {
    #[diesel(sql_type = sql::Uuid)]
    room_id: Uuid,
    #[diesel(sql_type = sql::Text)]
    room_slug: String,
    #[diesel(sql_type = sql::Text)]
    room_name: String,
    #[diesel(embed)]
    message: MessageRecord,
}

pub(super) async fn search(pools: &Pools, user: UserId, search: Search) -> StoreResult<SearchPage> {
    let limit = usize::try_from(search.limit).unwrap_or(0);
    let all = FindAll {
        user: user.0,
        query: websearch(&search.query),
        room: search.room,
        author: search.author.as_deref().map(name_key),
        before: search.before,
        after: search.after,
        from_at: search.from.map(|from| from.at),
        from_room: search.from.map(|from| from.room.0),
        from_seq: search.from.map(|from| from.seq),
        limit: search.limit.saturating_add(1),
    };
    let mut rows = pools.read(all.clone().among_newest()).await?;
    if rows.len() <= limit {
        rows = pools.read(all).await?;
    }
    let more = rows.len() > limit;
    let hits = rows
        .into_iter()
        .take(limit)
        .map(hit)
        .collect::<StoreResult<_>>()?;
    Ok(SearchPage { hits, more })
}

impl FindAll {
    fn among_newest(self) -> FindNewest {
        FindNewest {
            user: self.user,
            query: self.query,
            room: self.room,
            author: self.author,
            before: self.before,
            after: self.after,
            from_at: self.from_at,
            from_room: self.from_room,
            from_seq: self.from_seq,
            limit: self.limit,
            newest: NEWEST,
        }
    }
}

fn hit(row: HitRecord) -> StoreResult<SearchHit> {
    let missing = || StoreError::Broken("a message that was found is none".into());
    let message = row.message.into_row()?.ok_or_else(missing)?;
    Ok(SearchHit {
        room: row.room_slug,
        room_name: row.room_name,
        place: SearchPlace {
            at: message.created_at,
            room: RoomId(row.room_id),
            seq: message.seq,
        },
        message,
    })
}

/// In Postgres' words for people: every term as a phrase, so that no word (`or`) means anything else than itself.
fn websearch(query: &SearchQuery) -> String {
    let phrase = |mark: &'static str| move |term: &Term| format!("{mark}\"{}\"", term.join(" "));
    let terms: Vec<String> = query
        .all
        .iter()
        .map(phrase(""))
        .chain(query.none.iter().map(phrase("-")))
        .collect();
    terms.join(" ")
}
