//! Rows as Postgres gives them, turned into the rows that every store returns. Called by the nouns beside it.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types as sql;
use uuid::Uuid;

use crate::db::marks::MessageMarks;
use crate::db::rows::{
    Head, LogKind, LogRow, MessageKind, MessageMeta, MessageRow, MessageState, ReadState, RoomRow,
    RoomView, StoredChange, UserKind, UserRow, Visibility,
};
use crate::db::{StoreError, StoreResult};
use crate::ids::{ClientId, Epoch, RoomId, UserId};
use crate::permissions::Role;

/// A name as names are compared: without case, alike in every store.
pub(super) fn name_key(name: &str) -> String {
    name.to_lowercase()
}

/// A stored word that must be one of an enum's.
pub(super) fn word<T>(word: &str, from_name: impl FnOnce(&str) -> Option<T>) -> StoreResult<T> {
    from_name(word)
        .ok_or_else(|| StoreError::Broken(format!("the database holds the word {word:?}")))
}

/// A user by its columns.
pub(super) fn user_row(id: Uuid, name: String, kind: &str) -> StoreResult<UserRow> {
    Ok(UserRow {
        id: UserId(id),
        name,
        kind: word(kind, UserKind::from_name)?,
    })
}

/// What a user is, from `users` under a name: in the database a bot is a user that somebody owns, and one who deleted the
/// account is what it was.
macro_rules! user_kind {
    ($users:literal) => {
        concat!(
            "CASE WHEN ",
            $users,
            ".owner_id IS NOT NULL THEN 'bot' WHEN ",
            $users,
            ".deleted_at IS NOT NULL THEN 'deleted' ELSE ",
            $users,
            ".kind END"
        )
    };
}
pub(super) use user_kind;

/// The columns of a [`MessageRecord`], from `messages m` and `users u`.
macro_rules! message_columns {
    () => {
        concat!(
            "m.seq, m.version, m.author_id, u.name AS author_name, ",
            $crate::db::postgres::records::user_kind!("u"),
            " AS author_kind, \
         m.client_id, m.kind, \
         m.state, m.body, m.html, m.reply_to, m.meta, m.created_at, m.edited_at, m.deleted_at, \
         m.marks"
        )
    };
}
/// How many bytes of a page a message takes.
macro_rules! message_bytes {
    () => {
        "(octet_length(m.body) + coalesce(octet_length(m.html), 0) + coalesce(octet_length(m.marks::text), 0))"
    };
}
pub(super) use {message_bytes, message_columns};

/// A message, or nothing where a page has none: it comes by an outer join.
#[derive(QueryableByName, Debug)]
pub(super) struct MessageRecord {
    #[diesel(sql_type = sql::Nullable<sql::BigInt>)]
    seq: Option<i64>,
    #[diesel(sql_type = sql::Nullable<sql::BigInt>)]
    version: Option<i64>,
    #[diesel(sql_type = sql::Nullable<sql::Uuid>)]
    author_id: Option<Uuid>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    author_name: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    author_kind: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::Uuid>)]
    client_id: Option<Uuid>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    kind: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    state: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    body: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    html: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::BigInt>)]
    reply_to: Option<i64>,
    #[diesel(sql_type = sql::Nullable<sql::Jsonb>)]
    meta: Option<serde_json::Value>,
    #[diesel(sql_type = sql::Nullable<sql::Timestamptz>)]
    created_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = sql::Nullable<sql::Timestamptz>)]
    edited_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = sql::Nullable<sql::Timestamptz>)]
    deleted_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = sql::Nullable<sql::Jsonb>)]
    marks: Option<serde_json::Value>,
}

impl MessageRecord {
    /// The message, if there is one.
    pub(super) fn into_row(self) -> StoreResult<Option<MessageRow>> {
        let Some(seq) = self.seq else {
            return Ok(None);
        };
        let missing = || StoreError::Broken("a message lacks a column".into());
        let meta: MessageMeta = serde_json::from_value(self.meta.ok_or_else(missing)?)
            .map_err(|error| StoreError::Broken(format!("messages.meta: {error}")))?;
        Ok(Some(MessageRow {
            seq,
            version: self.version.ok_or_else(missing)?,
            author: user_row(
                self.author_id.ok_or_else(missing)?,
                self.author_name.ok_or_else(missing)?,
                &self.author_kind.ok_or_else(missing)?,
            )?,
            client_id: self.client_id.map(ClientId),
            kind: word(&self.kind.ok_or_else(missing)?, MessageKind::from_name)?,
            state: word(&self.state.ok_or_else(missing)?, MessageState::from_name)?,
            body: self.body.ok_or_else(missing)?,
            html: self.html,
            reply_to: self.reply_to,
            meta,
            marks: self.marks.map(marks_of).transpose()?.unwrap_or_default(),
            created_at: self.created_at.ok_or_else(missing)?,
            edited_at: self.edited_at,
            deleted_at: self.deleted_at,
        }))
    }
}

/// `messages.marks`, where there is something in it.
fn marks_of(stored: serde_json::Value) -> StoreResult<MessageMarks> {
    serde_json::from_value(stored)
        .map_err(|error| StoreError::Broken(format!("messages.marks: {error}")))
}

/// The columns of a [`HeadRecord`], from `room_heads h`.
macro_rules! head_columns {
    () => {
        "h.room_id AS head_room, h.epoch, h.version AS head_version, h.last_seq, h.first_seq, h.floor"
    };
}
pub(super) use head_columns;

/// A room's counters.
#[derive(QueryableByName, Clone, Debug)]
pub(super) struct HeadRecord {
    #[diesel(sql_type = sql::Uuid)]
    head_room: Uuid,
    #[diesel(sql_type = sql::BigInt)]
    epoch: i64,
    #[diesel(sql_type = sql::BigInt)]
    head_version: i64,
    #[diesel(sql_type = sql::BigInt)]
    last_seq: i64,
    #[diesel(sql_type = sql::BigInt)]
    first_seq: i64,
    #[diesel(sql_type = sql::BigInt)]
    floor: i64,
}

impl From<&HeadRecord> for Head {
    fn from(record: &HeadRecord) -> Self {
        Self {
            room: RoomId(record.head_room),
            epoch: Epoch(record.epoch),
            version: record.head_version,
            last_seq: record.last_seq,
            first_seq: record.first_seq,
            floor: record.floor,
        }
    }
}

/// How many messages of room `r` above a seq mention a user, counted up to [`crate::limits::MENTIONS_COUNTED`].
macro_rules! mention_count {
    ($user:literal, $above:literal) => {
        concat!(
            "(SELECT count(*) FROM (SELECT FROM mentions n WHERE n.user_id = ",
            $user,
            " AND n.room_id = r.id AND n.seq > ",
            $above,
            " LIMIT 100) counted)"
        )
    };
}
pub(super) use mention_count;
const _: () = assert!(
    crate::limits::MENTIONS_COUNTED == 100,
    "as the statement says"
);

/// The columns of a [`ViewRecord`], from `rooms r`, `room_heads h` and, outer, `memberships own`.
macro_rules! view_columns {
    () => {
        concat!(
            "r.topic, r.archived, r.direct_people, r.slug, r.name AS room_name, r.visibility, \
             r.created_at AS room_created_at, own.role, own.last_read_seq, ",
            $crate::db::postgres::records::mention_count!("own.user_id", "own.last_read_seq"),
            " AS mention_count, ",
            $crate::db::postgres::records::head_columns!()
        )
    };
}
pub(super) use view_columns;

/// A room as one user sees it.
#[derive(QueryableByName, Debug)]
pub(super) struct ViewRecord {
    #[diesel(sql_type = sql::Text)]
    topic: String,
    #[diesel(sql_type = sql::Bool)]
    archived: bool,
    #[diesel(sql_type = sql::Integer)]
    direct_people: i32,
    #[diesel(sql_type = sql::Text)]
    slug: String,
    #[diesel(sql_type = sql::Text)]
    room_name: String,
    #[diesel(sql_type = sql::Text)]
    visibility: String,
    #[diesel(sql_type = sql::Timestamptz)]
    room_created_at: DateTime<Utc>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    role: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::BigInt>)]
    last_read_seq: Option<i64>,
    #[diesel(sql_type = sql::BigInt)]
    mention_count: i64,
    #[diesel(embed)]
    head: HeadRecord,
}

impl ViewRecord {
    /// The view.
    pub(super) fn into_view(self) -> StoreResult<RoomView> {
        Ok(RoomView {
            room: RoomRow {
                id: RoomId(self.head.head_room),
                slug: self.slug,
                name: self.room_name,
                visibility: word(&self.visibility, Visibility::from_name)?,
                created_at: self.room_created_at,
                topic: self.topic,
                archived: self.archived,
                people: self.direct_people,
            },
            head: Head::from(&self.head),
            role: self
                .role
                .map(|role| word(&role, Role::from_name))
                .transpose()?,
            read: self.last_read_seq.map(|seq| ReadState {
                seq,
                mentions: self.mention_count,
            }),
        })
    }
}

/// A log entry, or nothing: it comes by an outer join.
#[derive(QueryableByName, Debug)]
pub(super) struct LogRecord {
    #[diesel(sql_type = sql::Nullable<sql::BigInt>)]
    log_version: Option<i64>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    log_kind: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::Uuid>)]
    log_user_id: Option<Uuid>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    log_user_name: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    log_user_kind: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    log_role: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::Jsonb>)]
    log_data: Option<serde_json::Value>,
}

impl LogRecord {
    /// The entry, if there is one.
    pub(super) fn into_change(self) -> StoreResult<Option<StoredChange>> {
        let (Some(version), Some(kind)) = (self.log_version, self.log_kind) else {
            return Ok(None);
        };
        let user = match (self.log_user_id, self.log_user_name, self.log_user_kind) {
            (Some(id), Some(name), Some(kind)) => Some(user_row(id, name, &kind)?),
            _ => None,
        };
        Ok(Some(StoredChange::Log(LogRow {
            version,
            kind: word(&kind, LogKind::from_name)?,
            user,
            role: self
                .log_role
                .map(|role| word(&role, Role::from_name))
                .transpose()?,
            data: self.log_data.unwrap_or_default(),
        })))
    }
}
