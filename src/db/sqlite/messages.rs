//! Messages and log entries on SQLite: how a row is read, and how rows are read until they are enough. Called by
//! `history.rs` and `apply/`. It knows no reader and writes nothing.

use diesel::prelude::*;

use super::accounts::{UserColumns, user_row};
use super::columns::{Micros, StoredId, named, time};
use super::failure::Work;
use super::schema::{messages, room_log, users};
use crate::db::marks::MessageMarks;
use crate::db::rows::{LogKind, LogRow, MessageKind, MessageRow, MessageState};
use crate::ids::{ClientId, RoomId, Seq, Version};
use crate::limits::CONTEXT_READ_BYTES;
use crate::permissions::Role;

/// A message as loaded: columns in the order of [`message_columns`].
#[derive(Queryable)]
pub(super) struct StoredMessage {
    seq: Seq,
    version: Version,
    client_id: Option<StoredId>,
    kind: String,
    state: String,
    body: String,
    html: Option<String>,
    reply_to: Option<Seq>,
    meta: String,
    created_at: Micros,
    edited_at: Option<Micros>,
    deleted_at: Option<Micros>,
    marks: Option<String>,
    author: UserColumns,
}

/// The columns of a [`StoredMessage`], of `messages` joined with `users`.
#[diesel::dsl::auto_type]
pub(super) fn message_columns() -> _ {
    (
        messages::seq,
        messages::version,
        messages::client_id,
        messages::kind,
        messages::state,
        messages::body,
        messages::html,
        messages::reply_to,
        messages::meta,
        messages::created_at,
        messages::edited_at,
        messages::deleted_at,
        messages::marks,
        (users::id, users::name, users::kind, users::owner_id),
    )
}

/// The messages of one room with their authors.
#[diesel::dsl::auto_type]
pub(super) fn of_room(room: StoredId) -> _ {
    let columns: message_columns = message_columns();
    messages::table
        .inner_join(users::table)
        .filter(messages::room_id.eq(room))
        .select(columns)
}

/// A message as everybody else has it.
pub(super) fn message_row(stored: StoredMessage) -> Work<MessageRow> {
    Ok(MessageRow {
        seq: stored.seq,
        version: stored.version,
        author: user_row(stored.author)?,
        client_id: stored.client_id.map(|id| ClientId(id.0)),
        kind: named(MessageKind::from_name, &stored.kind)?,
        state: named(MessageState::from_name, &stored.state)?,
        body: stored.body,
        html: stored.html,
        reply_to: stored.reply_to,
        meta: serde_json::from_str(&stored.meta)?,
        marks: match &stored.marks {
            Some(marks) => serde_json::from_str(marks)?,
            None => MessageMarks::default(),
        },
        created_at: time(stored.created_at)?,
        edited_at: stored.edited_at.map(time).transpose()?,
        deleted_at: stored.deleted_at.map(time).transpose()?,
    })
}

/// One message, if there is one.
pub(super) fn one(conn: &mut SqliteConnection, room: RoomId, seq: Seq) -> Work<Option<MessageRow>> {
    of_room(StoredId(room.0))
        .filter(messages::seq.eq(seq))
        .first::<StoredMessage>(conn)
        .optional()?
        .map(message_row)
        .transpose()
}

/// The text of a message that counts against the bounds of a page.
pub(super) fn page_bytes(message: &MessageRow) -> usize {
    message.body.len() + message.html.as_ref().map_or(0, String::len) + message.marks.bytes()
}

/// What was read of a list that is bounded by rows and by text.
pub(super) struct Cut<T> {
    /// In the order read; at least one, when there was one.
    pub(super) rows: Vec<T>,
    /// Whether a bound left some out.
    pub(super) more: bool,
}

/// Takes messages until `limit` of them or `bytes` of text; rows beyond are never read from the file. The query
/// asks for one row more than `limit`, so that it is known whether there is one.
pub(super) fn take_messages(
    rows: impl Iterator<Item = QueryResult<StoredMessage>>,
    limit: i64,
    bytes: usize,
    measure: fn(&MessageRow) -> usize,
) -> Work<Cut<MessageRow>> {
    let limit = usize::try_from(limit).unwrap_or(0);
    let mut taken = Vec::new();
    let mut used = 0;
    for row in rows {
        let message = message_row(row?)?;
        used += measure(&message);
        if taken.len() == limit || (used > bytes && !taken.is_empty()) {
            return Ok(Cut {
                rows: taken,
                more: true,
            });
        }
        taken.push(message);
    }
    Ok(Cut {
        rows: taken,
        more: false,
    })
}

/// What a prompt is built from.
pub(super) fn context(
    conn: &mut SqliteConnection,
    room: RoomId,
    prompt_seq: Seq,
    limit: i64,
) -> Work<Vec<MessageRow>> {
    let limit = limit.max(0);
    let rows = of_room(StoredId(room.0))
        .filter(messages::seq.le(prompt_seq))
        .filter(messages::deleted_at.is_null())
        .filter(messages::state.ne(MessageState::Queued.as_str()))
        .filter(
            messages::kind
                .ne(MessageKind::Assistant.as_str())
                .or(messages::body.ne("")),
        )
        .order(messages::seq.desc())
        .limit(limit)
        .load_iter::<StoredMessage, diesel::connection::DefaultLoadingMode>(conn)?;
    let mut cut = take_messages(rows, limit, CONTEXT_READ_BYTES, |message| {
        message.body.len()
    })?;
    cut.rows.reverse();
    Ok(cut.rows)
}

type LogColumns = (Version, String, Option<String>, String, Option<UserColumns>);

/// The room's log entries above `after`, at most `limit`, ascending.
pub(super) fn log_after(
    conn: &mut SqliteConnection,
    room: RoomId,
    after: Version,
    limit: i64,
) -> Work<Vec<LogRow>> {
    room_log::table
        .left_join(users::table)
        .filter(room_log::room_id.eq(StoredId(room.0)))
        .filter(room_log::version.gt(after))
        .order(room_log::version)
        .limit(limit.max(0))
        .select((
            room_log::version,
            room_log::kind,
            room_log::role,
            room_log::data,
            (users::id, users::name, users::kind, users::owner_id).nullable(),
        ))
        .load::<LogColumns>(conn)?
        .into_iter()
        .map(log_row)
        .collect()
}

fn log_row((version, kind, role, data, user): LogColumns) -> Work<LogRow> {
    Ok(LogRow {
        version,
        kind: named(LogKind::from_name, &kind)?,
        user: user.map(user_row).transpose()?,
        role: role.map(|role| named(Role::from_name, &role)).transpose()?,
        data: serde_json::from_str(&data)?,
    })
}
