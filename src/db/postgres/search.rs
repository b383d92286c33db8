//! Searching what was said. Called by [`super::PostgresStore`]. The index is written by [`super::search_index`] and by triggers
//! of the migrations.
//!
//! Two ways lead to what is found, newest first, each good where the other is not. The newest messages of one's rooms are looked
//! through, where a frequent word is met soon ([`Look`], [`search_walk`](super::search_walk)). Where hardly any of them has all
//! the words, so that these are rare together, the index of words gives all messages that do ([`ByWords`]). Either looks at a
//! bounded number of messages, whatever is asked for; where that was not enough the page says where the next one goes on.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types as sql;
use uuid::Uuid;

use super::pool::Pools;
use super::records::{MessageRecord, message_columns, name_key};
use super::search_walk::{Looked, Part, Walk};
use super::statement::statement;
use crate::db::search::{Search, SearchHit, SearchPage, SearchPlace, SearchQuery};
use crate::db::{StoreError, StoreResult};
use crate::ids::{RoomId, Seq, UserId};
use crate::limits;

statement!(
    /// The rooms of a user, or the one of a slug among them; above the bound those joined last.
    OwnRooms { user: Uuid, room: Option<String>, limit: i64 } -> (Uuid,),
    "SELECT own.room_id FROM memberships own JOIN rooms r ON r.id = own.room_id AND r.deleted_at IS NULL \
     WHERE own.user_id = $1 AND ($2 IS NULL OR r.slug = $2) ORDER BY own.joined_at DESC LIMIT $3"
);
/// Of some messages those that fit, newest first. An author is asked for one by one, only where the words fit.
macro_rules! fitting {
    ($from:literal, $author:literal, $limit:literal) => {
        concat!(
            "SELECT room_id, seq, created_at FROM ",
            $from,
            " f WHERE hit AND (",
            $author,
            " IS NULL OR ",
            $author,
            " = ( \
                 SELECT u.name_key FROM messages m JOIN users u ON u.id = m.author_id \
                 WHERE m.room_id = f.room_id AND m.seq = f.seq)) \
             ORDER BY created_at DESC, room_id DESC, seq DESC LIMIT ",
            $limit
        )
    };
}
statement!(
    /// Looks through the newest messages of some rooms, of each so many before a place, fewer where they are long, but one: for
    /// each room what was taken there, and, with a count of none, what fits.
    Look {
        rooms: Vec<Uuid>,
        shares: Vec<i64>,
        until_at: Vec<DateTime<Utc>>,
        until_seq: Vec<Seq>,
        after: Option<DateTime<Utc>>,
        words: String,
        query: Option<String>,
        author: Option<String>,
        limit: i64,
        bytes: i64,
    } -> (Uuid, Seq, DateTime<Utc>, i64, i64, DateTime<Utc>, i64),
    concat!(
        "WITH looked AS MATERIALIZED ( \
             SELECT own.room_id, w.* \
             FROM unnest($1, $2, $3, $4) AS own (room_id, share, until_at, until_seq) CROSS JOIN LATERAL ( \
                 SELECT seq, created_at, near, near AND ($7 IS NULL OR words @@ to_tsquery('simple', $7)) AS hit \
                 FROM ( \
                     SELECT seq, created_at, words, \
                         CASE WHEN before < own.share * $10 THEN words @@ to_tsquery('simple', $6) END AS near \
                     FROM ( \
                         SELECT *, sum(size) OVER (ORDER BY created_at DESC, seq DESC ROWS UNBOUNDED PRECEDING) - size AS before \
                         FROM ( \
                             SELECT w.seq, w.created_at, w.words, pg_column_size(w.words) AS size FROM message_words w \
                             WHERE w.room_id = own.room_id AND (w.created_at, w.seq) < (own.until_at, own.until_seq) \
                                 AND ($5 IS NULL OR w.created_at >= $5) \
                             ORDER BY w.created_at DESC, w.seq DESC LIMIT own.share \
                         ) newest \
                     ) sized OFFSET 0 \
                 ) judged \
             ) w \
         ), hits AS (", fitting!("looked", "$8", "$9"), ") \
         SELECT room_id, min(seq) FILTER (WHERE near IS NOT NULL), min(created_at) FILTER (WHERE near IS NOT NULL), \
             count(near), count(*) FILTER (WHERE near), max(created_at), count(*) - count(near) FROM looked GROUP BY room_id \
         UNION ALL SELECT room_id, seq, created_at, 0, 0, created_at, 0 FROM hits"
    )
);
statement!(
    /// Looks through so many messages at most that have all the words, wherever they are: what fits, and, without a room, how many
    /// there were. The bound is on what the index gives, so nothing else may narrow that.
    ByWords {
        words: String,
        query: Option<String>,
        candidates: i64,
        rooms: Vec<Uuid>,
        until_at: DateTime<Utc>,
        until_room: Uuid,
        until_seq: Seq,
        after: Option<DateTime<Utc>>,
        author: Option<String>,
        limit: i64,
    } -> (Option<Uuid>, Option<Seq>, Option<DateTime<Utc>>, i64),
    concat!(
        "WITH found AS MATERIALIZED ( \
             SELECT room_id, seq, created_at, $2 IS NULL OR words @@ to_tsquery('simple', $2) AS fits FROM message_words \
             WHERE words @@ to_tsquery('simple', $1) LIMIT $3 \
         ), inside AS ( \
             SELECT room_id, seq, created_at, fits AND room_id = ANY ($4) AND (created_at, room_id, seq) < ($5, $6, $7) \
                 AND ($8 IS NULL OR created_at >= $8) AS hit FROM found \
         ), hits AS (", fitting!("inside", "$9", "$10"), ") \
         SELECT room_id, seq, created_at, 0::bigint FROM hits \
         UNION ALL SELECT NULL, NULL, NULL, count(*) FROM found"
    )
);
statement!(
    /// What stands at the places of a page, of the rooms the user is in at this moment.
    ReadFound { user: Uuid, rooms: Vec<Uuid>, seqs: Vec<Seq> } -> struct HitRecord,
    concat!(
        "SELECT r.id AS room_id, r.slug AS room_slug, r.name AS room_name, ",
        message_columns!(),
        " FROM unnest($2, $3) AS place (room_id, seq) \
         JOIN memberships own ON own.room_id = place.room_id AND own.user_id = $1 \
         JOIN rooms r ON r.id = place.room_id AND r.deleted_at IS NULL \
         JOIN messages m ON m.room_id = place.room_id AND m.seq = place.seq \
             AND m.deleted_at IS NULL AND m.state <> 'queued' \
         JOIN users u ON u.id = m.author_id"
    )
);
/// A row of [`ReadFound`].
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
    let own = OwnRooms {
        user: user.0,
        room: search.room.clone(),
        limit: limits::SEARCH_ROOMS,
    };
    let rooms: Vec<Uuid> = pools
        .read(own)
        .await?
        .into_iter()
        .map(|(room,)| room)
        .collect();
    let mut walk = Walk::new(rooms.iter().copied(), search.until());
    let limit = usize::try_from(search.limit).unwrap_or(0);
    let mut places = find(pools, &search, rooms, &mut walk).await?;
    let next = if places.len() > limit {
        limit
            .checked_sub(1)
            .and_then(|last| places.get(last).copied())
    } else {
        (!walk.is_at_end()).then(|| walk.from())
    };
    places.truncate(limit);
    let hits = read(pools, user, &places).await?;
    Ok(SearchPage { hits, next })
}

/// The places of what fits, newest first, one more than a page has if there are; or fewer, down to where the walk has come.
async fn find(
    pools: &Pools,
    search: &Search,
    rooms: Vec<Uuid>,
    walk: &mut Walk,
) -> StoreResult<Vec<SearchPlace>> {
    let wanted = usize::try_from(search.limit).unwrap_or(0);
    let mut places = Vec::new();
    for count in limits::SEARCH_LOOKS {
        if !walk.is_at_end() && places.len() <= wanted {
            look(pools, search, walk, count, &mut places).await?;
        }
    }
    if walk.is_at_end() || places.len() > wanted {
        return Ok(places);
    }
    if walk.is_sparse(limits::SEARCH_SPARSE)
        && let Some(all) = by_words(pools, search, rooms).await?
    {
        walk.end();
        return Ok(all);
    }
    look(pools, search, walk, limits::SEARCH_LAST_LOOK, &mut places).await?;
    Ok(places)
}

/// The next step of the walk; adds what fits.
async fn look(
    pools: &Pools,
    search: &Search,
    walk: &mut Walk,
    count: i64,
    places: &mut Vec<SearchPlace>,
) -> StoreResult<()> {
    let parts = walk.parts(count);
    let column = |of: fn(&Part) -> i64| parts.iter().map(of).collect();
    let statement = Look {
        rooms: parts.iter().map(|part| part.room).collect(),
        shares: column(|part| part.share),
        until_at: parts.iter().map(|part| part.until_at).collect(),
        until_seq: column(|part| part.until_seq),
        after: search.after,
        words: search.query.words().tsquery(),
        query: beyond_words(&search.query),
        author: search.author.as_deref().map(name_key),
        limit: search.limit.saturating_add(1),
        bytes: limits::SEARCH_WORDS_BYTES,
    };
    let (mut looked, mut fitting) = (Vec::new(), Vec::new());
    for (room, seq, at, count, near, newest, left) in pools.read_by_index(statement).await? {
        if count > 0 {
            looked.push(Looked {
                room,
                count,
                near,
                at,
                seq,
                newest,
                left,
            });
        } else {
            fitting.push(place(at, room, seq));
        }
    }
    let reached = walk.take(&parts, &looked);
    // What is older may have something between that no room was asked for yet.
    fitting.retain(|place| reached.is_none_or(|reached| *place >= reached));
    fitting.sort_unstable_by(|one, other| other.cmp(one));
    places.append(&mut fitting);
    Ok(())
}

/// The places of all that fits, newest first, as many as a page has and one; nothing where too many messages have the words, or
/// the index would take too long to give them: it gathers all that begin with a beginning before it gives the first.
async fn by_words(
    pools: &Pools,
    search: &Search,
    rooms: Vec<Uuid>,
) -> StoreResult<Option<Vec<SearchPlace>>> {
    let until = search.until();
    let statement = ByWords {
        words: search.query.words().tsquery(),
        query: beyond_words(&search.query),
        candidates: limits::SEARCH_CANDIDATES.saturating_add(1),
        rooms,
        until_at: until.at,
        until_room: until.room.0,
        until_seq: until.seq,
        after: search.after,
        author: search.author.as_deref().map(name_key),
        limit: search.limit.saturating_add(1),
    };
    let found = match pools.read_briefly(statement).await {
        Err(StoreError::Unavailable(cause)) => {
            // Where the database is gone for good, the next step says so.
            tracing::debug!(%cause, "a search goes on without its index of words");
            return Ok(None);
        }
        found => found?,
    };
    let (mut places, mut candidates) = (Vec::new(), 0);
    for (room, seq, at, count) in found {
        match (at, room, seq) {
            (Some(at), Some(room), Some(seq)) => places.push(place(at, room, seq)),
            _count => candidates = count,
        }
    }
    places.sort_unstable_by(|one, other| other.cmp(one));
    Ok((candidates <= limits::SEARCH_CANDIDATES).then_some(places))
}

/// The messages at these places that are there still, in the places' order.
async fn read(pools: &Pools, user: UserId, places: &[SearchPlace]) -> StoreResult<Vec<SearchHit>> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let statement = ReadFound {
        user: user.0,
        rooms: places.iter().map(|place| place.room.0).collect(),
        seqs: places.iter().map(|place| place.seq).collect(),
    };
    let rows = pools.read_by_index(statement).await?;
    let mut hits = rows.into_iter().map(hit).collect::<StoreResult<Vec<_>>>()?;
    hits.sort_by_key(|hit| {
        places
            .iter()
            .position(|place| (place.room, place.seq) == (hit.place.room, hit.place.seq))
    });
    Ok(hits)
}

fn place(at: DateTime<Utc>, room: Uuid, seq: Seq) -> SearchPlace {
    SearchPlace {
        at,
        room: RoomId(room),
        seq,
    }
}

fn hit(row: HitRecord) -> StoreResult<SearchHit> {
    let missing = || StoreError::Broken("a message that was found is none".into());
    let message = row.message.into_row()?.ok_or_else(missing)?;
    Ok(SearchHit {
        room: row.room_slug,
        room_name: row.room_name,
        place: place(message.created_at, row.room_id, message.seq),
        message,
    })
}

/// The whole query, where there is more to it than words that must be there: whether a text has these the index tells by
/// itself, and texts need not be read for it.
fn beyond_words(query: &SearchQuery) -> Option<String> {
    (!query.is_only_words()).then(|| query.tsquery())
}
