//! Lists of rooms: a user's own with what was said last, public ones to be found, and which of them are muted. Called
//! by [`super::PostgresStore`].

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types as sql;
use uuid::Uuid;

use super::pool::Pools;
use super::records::{ViewRecord, view_columns, word};
use super::rooms;
use super::statement::statement;
use crate::db::StoreResult;
use crate::db::rows::{LastMessage, ListPlace, ListedRoom, PublicRoom, RoomRow, Visibility};
use crate::ids::{RoomId, UserId};
use crate::limits;
use crate::permissions::Role;

/// The last second of the year 9999: later than every message.
const END_OF_TIME: i64 = 253_402_300_799;

statement!(
    /// A user's rooms, the latest message first, then the public ones it is not in nor banned from; each part by an index of its own and no
    /// further than the page goes. The last message is found as `questions.rs` finds messages: by the only index that gives
    /// the order asked for.
    ListRooms {
        user: Uuid, limit: i64, characters: i64, public_only: bool, before: DateTime<Utc>, own_after: String,
        public_after: String
    } -> struct ListedRecord,
    concat!(
        "SELECT * FROM ((SELECT 0 AS part, coalesce(last.created_at, r.created_at) AS active, own.muted, \
             last.seq AS message_seq, last.author AS message_author, last.author_id AS message_author_id, last.text AS message_text, \
             last.created_at AS message_at, last.deleted AS message_deleted, ", view_columns!(), " \
         FROM memberships own JOIN rooms r ON r.id = own.room_id AND r.deleted_at IS NULL \
         JOIN room_heads h ON h.room_id = r.id \
         LEFT JOIN LATERAL ( \
             SELECT m.seq, u.name AS author, m.author_id, left(m.body, $3::integer) AS text, m.created_at, \
                 m.deleted_at IS NOT NULL AS deleted \
             FROM ( \
                 SELECT room_id, seq, author_id, body, created_at, deleted_at FROM messages \
                 WHERE (room_id, seq) >= (r.id, h.last_seq) ORDER BY room_id, seq LIMIT 1 \
             ) m JOIN users u ON u.id = m.author_id \
             WHERE m.room_id = r.id AND m.seq = h.last_seq \
         ) last ON true \
         WHERE own.user_id = $1 AND NOT $4 AND (coalesce(last.created_at, r.created_at) < $5 \
             OR (coalesce(last.created_at, r.created_at) = $5 AND r.slug COLLATE \"C\" > $6)) \
         ORDER BY active DESC, r.slug COLLATE \"C\" LIMIT $2) \
         UNION ALL \
         (SELECT 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, ", view_columns!(), " \
         FROM rooms r JOIN room_heads h ON h.room_id = r.id LEFT JOIN memberships own ON false \
         WHERE r.visibility = 'public' AND r.deleted_at IS NULL AND r.slug COLLATE \"C\" > $7 \
           AND NOT EXISTS (SELECT FROM memberships m WHERE m.room_id = r.id AND m.user_id = $1) \
           AND NOT EXISTS (SELECT FROM bans b WHERE b.room_id = r.id AND b.user_id = $1) \
         ORDER BY r.slug COLLATE \"C\" LIMIT $2)) listed \
         ORDER BY part, active DESC, slug COLLATE \"C\" LIMIT $2"
    )
);

/// Of these rooms those that hold a text, by slug.
macro_rules! public_rooms {
    ($rooms:literal) => {
        concat!(
            "SELECT p.id, p.slug, p.name, p.created_at, p.topic, p.archived, own.role, \
                 (SELECT count(*) FROM memberships m WHERE m.room_id = p.id) \
             FROM ( \
                 SELECT id, slug, name, created_at, topic, archived FROM ",
            $rooms,
            " slug COLLATE \"C\" > $3 \
                   AND (strpos(slug, $2) > 0 OR strpos(lower(name COLLATE \"C\"), $2) > 0 \
                     OR strpos(lower(topic COLLATE \"C\"), $2) > 0) \
                   AND NOT EXISTS (SELECT FROM bans b WHERE b.room_id = id AND b.user_id = $1) \
                 ORDER BY slug COLLATE \"C\" LIMIT $4 \
             ) p LEFT JOIN memberships own ON own.room_id = p.id AND own.user_id = $1 \
             ORDER BY p.slug COLLATE \"C\""
        )
    };
}
statement!(
    /// With a letter, or none, in it: in the order of the index, so that most letters are met soon. `lower` of the collation C
    /// knows the letters a to z only, as every other store does.
    ListPublic { user: Uuid, text: String, after: String, limit: i64 }
        -> (Uuid, String, String, DateTime<Utc>, String, bool, Option<String>, i64),
    public_rooms!("rooms WHERE visibility = 'public' AND deleted_at IS NULL AND")
);
statement!(
    /// With a longer text in it: of those that hold all its grams, which the other index knows. They are found first, since a
    /// plan that goes in the order of the addresses reads every room for a text that is rare.
    FindPublic { user: Uuid, text: String, after: String, limit: i64, grams: Vec<String> }
        -> (Uuid, String, String, DateTime<Utc>, String, bool, Option<String>, i64),
    public_rooms!(
        "(SELECT * FROM rooms WHERE visibility = 'public' AND deleted_at IS NULL \
             AND salon_grams(slug, name, topic) @> $5 OFFSET 0) held WHERE"
    )
);
statement!(
    /// A member's wish.
    Mute { user: Uuid, slug: String, muted: bool },
    "UPDATE memberships m SET muted = $3 FROM rooms r \
     WHERE r.id = m.room_id AND r.slug = $2 AND r.deleted_at IS NULL AND m.user_id = $1"
);

/// A row of [`ListRooms`].
#[derive(QueryableByName, Debug)]
pub(super) struct ListedRecord {
    #[diesel(sql_type = sql::Nullable<sql::Bool>)]
    muted: Option<bool>,
    #[diesel(sql_type = sql::Nullable<sql::BigInt>)]
    message_seq: Option<i64>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    message_author: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::Uuid>)]
    message_author_id: Option<Uuid>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    message_text: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::Timestamptz>)]
    message_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = sql::Nullable<sql::Bool>)]
    message_deleted: Option<bool>,
    #[diesel(embed)]
    view: ViewRecord,
}

impl ListedRecord {
    fn into_listed(self) -> StoreResult<ListedRoom> {
        let last = match (
            self.message_seq,
            self.message_author,
            self.message_author_id,
            self.message_text,
            self.message_at,
        ) {
            (Some(seq), Some(author), Some(id), Some(text), Some(created_at)) => {
                Some(LastMessage {
                    seq,
                    author,
                    author_id: UserId(id),
                    text,
                    created_at,
                    deleted: self.message_deleted.unwrap_or(false),
                })
            }
            _ => None,
        };
        Ok(ListedRoom {
            view: self.view.into_view()?,
            last,
            muted: self.muted.unwrap_or(false),
        })
    }
}

pub(super) async fn own(
    pools: &Pools,
    user: UserId,
    after: Option<ListPlace>,
    limit: i64,
) -> StoreResult<Vec<ListedRoom>> {
    let public_only = matches!(after, Some(ListPlace::Public { .. }));
    let (before, own_after, public_after) = match after {
        None => (None, String::new(), String::new()),
        Some(ListPlace::Own { at, slug }) => (Some(at), slug, String::new()),
        Some(ListPlace::Public { slug }) => (None, String::new(), slug),
    };
    let found = pools
        .read(ListRooms {
            user: user.0,
            limit,
            characters: limits::PREVIEW_CHARS,
            public_only,
            before: before
                .or(DateTime::from_timestamp(END_OF_TIME, 0))
                .unwrap_or_default(),
            own_after,
            public_after,
        })
        .await?;
    found.into_iter().map(ListedRecord::into_listed).collect()
}

pub(super) async fn public(
    pools: &Pools,
    user: UserId,
    text: String,
    after: Option<String>,
    limit: i64,
) -> StoreResult<Vec<PublicRoom>> {
    let text = text.to_ascii_lowercase();
    let (user, after, grams) = (user.0, after.unwrap_or_default(), grams(&text));
    let found = match grams.is_empty() {
        true => {
            let list = ListPublic {
                user,
                text,
                after,
                limit,
            };
            pools.read(list).await?
        }
        false => {
            let find = FindPublic {
                user,
                text,
                after,
                limit,
                grams,
            };
            pools.read(find).await?
        }
    };
    let rows = found.into_iter();
    rows.map(
        |(id, slug, name, created_at, topic, archived, role, members)| {
            Ok(PublicRoom {
                room: RoomRow {
                    id: RoomId(id),
                    slug,
                    name,
                    visibility: Visibility::Public,
                    created_at,
                    topic,
                    archived,
                    people: 0,
                },
                role: role.map(|role| word(&role, Role::from_name)).transpose()?,
                members,
            })
        },
    )
    .collect()
}

/// What the index knows of a text: every three letters in a row, of a shorter one all of it; none of a single letter.
fn grams(text: &str) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    match letters.len() {
        0 | 1 => Vec::new(),
        2 => vec![text.to_owned()],
        _ => letters
            .windows(3)
            .map(|part| part.iter().collect())
            .collect(),
    }
}

pub(super) async fn mute(
    pools: &Pools,
    user: UserId,
    slug: String,
    muted: bool,
) -> StoreResult<()> {
    let mut connection = pools.shared().await?;
    let changed = connection
        .begin_with(Mute {
            user: user.0,
            slug: slug.clone(),
            muted,
        })
        .await?;
    connection.commit().await?;
    if changed > 0 {
        return Ok(());
    }
    rooms::require_member(pools, user, &slug).await
}
