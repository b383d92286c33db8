//! What is done to messages after they are posted, on Postgres: edited, deleted, marked. Called by the judge, under the
//! room's lock: whoever changes a message holds it.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types as sql;
use uuid::Uuid;

use super::room::RoomWork;
use super::variants;
use crate::db::changes::NewText;
use crate::db::marks::{Mark, MessageMarks, Pin};
use crate::db::postgres::pool::Conn;
use crate::db::postgres::records::{MessageRecord, message_columns};
use crate::db::postgres::statement::statement;
use crate::db::rows::{MessageRow, MessageState, StoredChange};
use crate::db::{StoreError, StoreResult};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{Seq, UserId, Version};
use crate::limits;
use crate::permissions::{Action, allows};

statement!(
    /// A message, and what its changes are judged by.
    ReadMessage { room: Uuid, seq: i64 } -> struct ChangingRecord,
    concat!(
        "SELECT ", message_columns!(), ", m.created_version, \
             EXISTS (SELECT FROM replies r WHERE r.room_id = m.room_id AND r.prompt_seq = m.seq AND r.state <> 'settled') \
                 AS is_asking, \
             (SELECT count(*) FROM message_edits e WHERE e.room_id = m.room_id AND e.seq = m.seq) AS edits, \
             (SELECT max(e.version) FROM message_edits e WHERE e.room_id = m.room_id AND e.seq = m.seq) AS edited_version \
         FROM messages m JOIN users u ON u.id = m.author_id WHERE m.room_id = $1 AND m.seq = $2"
    )
);
statement!(
    /// A message's next text; the one before it is kept.
    WriteText {
        room: Uuid,
        seq: i64,
        version: i64,
        body: String,
        html: Option<String>,
        at: DateTime<Utc>,
    },
    "WITH kept AS ( \
         INSERT INTO message_edits (room_id, seq, version, body, written_at, replaced_at) \
         SELECT room_id, seq, $3, body, coalesce(edited_at, created_at), $6 FROM messages \
         WHERE room_id = $1 AND seq = $2 \
     ) \
     UPDATE messages SET version = $3, body = $4, html = $5, edited_at = $6 WHERE room_id = $1 AND seq = $2"
);
statement!(
    /// A tombstone, and nothing left of what it said.
    Bury { room: Uuid, seq: i64, version: i64, at: DateTime<Utc>, mentioned: Vec<Uuid> },
    "WITH edits AS ( \
         DELETE FROM message_edits WHERE room_id = $1 AND seq = $2 \
     ), reactions AS ( \
         DELETE FROM message_reactions WHERE room_id = $1 AND seq = $2 \
     ), pins AS ( \
         DELETE FROM message_pins WHERE room_id = $1 AND seq = $2 \
     ), chunks AS ( \
         DELETE FROM reply_chunks WHERE room_id = $1 AND seq = $2 \
     ), variants AS ( \
         DELETE FROM reply_variants WHERE room_id = $1 AND seq = $2 \
     ), mentioned AS ( \
         DELETE FROM mentions WHERE room_id = $1 AND seq = $2 AND user_id = ANY ($5) \
     ) \
     UPDATE messages SET version = $3, body = '', html = NULL, marks = NULL, meta = (meta - 'mentions') #- '{reply,variants}', \
         edited_at = NULL, deleted_at = $4 \
     WHERE room_id = $1 AND seq = $2"
);
statement!(
    /// A message's marks at its next version.
    WriteMarks { room: Uuid, seq: i64, version: i64, marks: Option<serde_json::Value> },
    "UPDATE messages SET version = $3, marks = $4 WHERE room_id = $1 AND seq = $2"
);
statement!(
    /// Somebody reacts, unless it is so already.
    AddReaction { room: Uuid, seq: i64, emoji: String, user: Uuid, version: i64 },
    "INSERT INTO message_reactions (room_id, seq, emoji, user_id, version) VALUES ($1, $2, $3, $4, $5) \
     ON CONFLICT (room_id, seq, emoji, user_id) DO NOTHING"
);
statement!(
    /// Somebody no longer reacts.
    RemoveReaction { room: Uuid, seq: i64, emoji: String, user: Uuid },
    "DELETE FROM message_reactions WHERE room_id = $1 AND seq = $2 AND emoji = $3 AND user_id = $4"
);
statement!(
    /// The first who react so.
    FirstReactors { room: Uuid, seq: i64, emoji: String, limit: i64 } -> (Uuid,),
    "SELECT user_id FROM message_reactions WHERE room_id = $1 AND seq = $2 AND emoji = $3 ORDER BY version LIMIT $4"
);
statement!(
    /// How many messages are pinned.
    CountPins { room: Uuid } -> (i64,),
    "SELECT count(*) FROM message_pins WHERE room_id = $1"
);
statement!(
    /// One more pin.
    AddPin { room: Uuid, seq: i64, version: i64 },
    "INSERT INTO message_pins (room_id, seq, version) VALUES ($1, $2, $3)"
);
statement!(
    /// A pin less.
    RemovePin { room: Uuid, seq: i64 },
    "DELETE FROM message_pins WHERE room_id = $1 AND seq = $2"
);

/// A row of [`ReadMessage`].
#[derive(QueryableByName, Debug)]
pub(super) struct ChangingRecord {
    #[diesel(embed)]
    message: MessageRecord,
    #[diesel(sql_type = sql::BigInt)]
    created_version: i64,
    #[diesel(sql_type = sql::Bool)]
    is_asking: bool,
    #[diesel(sql_type = sql::BigInt)]
    edits: i64,
    #[diesel(sql_type = sql::Nullable<sql::BigInt>)]
    edited_version: Option<i64>,
}

/// A message as it stands.
struct Found {
    row: MessageRow,
    /// A reply to it waits or runs.
    is_asking: bool,
    edits: i64,
    /// The version its text is of.
    text_version: Version,
}

fn refused<T>(code: ErrorCode) -> StoreResult<T> {
    Err(StoreError::Refused(code.into()))
}

/// Gives a message another text, and has what answers it written again where that is asked.
pub(super) async fn edit(
    connection: &mut Conn,
    work: &mut RoomWork,
    text: &NewText,
) -> StoreResult<Version> {
    work.member_role(text.actor)?;
    let found = living(connection, work, text.seq).await?;
    work.require(text.actor, Action::ChangeOwnMessage)?;
    if found.row.author.id != text.actor {
        return refused(ErrorCode::Forbidden);
    }
    let again = match text.resend {
        Some(caps) => variants::asked_again(connection, work, (text.actor, text.seq), caps).await?,
        None => Vec::new(),
    };
    let mut version = match found.row.body == text.body {
        true => work.head.version,
        false => write_text(connection, work, text, found).await?,
    };
    for (reply, one_more) in again {
        version = variants::again(connection, work, reply, one_more).await?;
    }
    Ok(version)
}

/// Writes another text, if the one that stands is the one that was seen.
async fn write_text(
    connection: &mut Conn,
    work: &mut RoomWork,
    text: &NewText,
    found: Found,
) -> StoreResult<Version> {
    let present = found.text_version..=found.row.version;
    if text
        .if_version
        .is_some_and(|version| !present.contains(&version))
    {
        return Err(StoreError::Refused(Refusal::version_conflict(
            found.row.version,
        )));
    }
    if found.edits >= limits::EDITS_PER_MESSAGE {
        return refused(ErrorCode::TooMany);
    }
    let version = work.next_version();
    connection
        .run(WriteText {
            room: work.head.room.0,
            seq: text.seq,
            version,
            body: text.body.clone(),
            html: text.html.clone(),
            at: work.now,
        })
        .await?;
    let row = MessageRow {
        body: text.body.clone(),
        html: text.html.clone(),
        edited_at: Some(work.now),
        ..found.row
    };
    Ok(record(work, row, version))
}

/// Leaves a tombstone.
pub(super) async fn delete(
    connection: &mut Conn,
    work: &mut RoomWork,
    actor: UserId,
    seq: Seq,
) -> StoreResult<Version> {
    let role = work.member_role(actor)?;
    let Some(found) = find(connection, work, seq).await? else {
        return refused(ErrorCode::MessageNotFound);
    };
    let own = found.row.author.id == actor && allows(role, Action::ChangeOwnMessage);
    if !own && !allows(role, Action::DeleteAnyMessage) {
        return refused(ErrorCode::Forbidden);
    }
    if found.row.deleted_at.is_some() {
        return Ok(work.head.version);
    }
    if found.is_asking || found.row.state == MessageState::Queued {
        return refused(ErrorCode::ReplyRunning);
    }
    let version = work.next_version();
    connection
        .run(Bury {
            room: work.head.room.0,
            seq,
            version,
            at: work.now,
            mentioned: found.row.meta.mentions.iter().map(|user| user.0).collect(),
        })
        .await?;
    let row = MessageRow {
        body: String::new(),
        html: None,
        meta: found.row.meta.of_tombstone(),
        marks: MessageMarks::default(),
        edited_at: None,
        deleted_at: Some(work.now),
        ..found.row
    };
    Ok(record(work, row, version))
}

/// Puts a mark onto a message.
pub(super) async fn mark(
    connection: &mut Conn,
    work: &mut RoomWork,
    actor: UserId,
    seq: Seq,
    mark: &Mark,
) -> StoreResult<Version> {
    let row = marked(connection, work, actor, seq, mark).await?;
    let (room, version) = (work.head.room.0, work.head.version + 1);
    let mut marks = row.marks.clone();
    match mark {
        Mark::Reaction(emoji) => {
            let (emoji, user) = (emoji.clone(), actor.0);
            // A kind that is not there is nobody's.
            if !marks.takes(&emoji) {
                return refused(ErrorCode::TooMany);
            }
            marks.add(&emoji, actor);
            let add = AddReaction {
                room,
                seq,
                emoji,
                user,
                version,
            };
            if connection.run(add).await? == 0 {
                return Ok(work.head.version);
            }
        }
        Mark::Pin => {
            if marks.pinned.is_some() {
                return Ok(work.head.version);
            }
            let pins = connection.run(CountPins { room }).await?;
            if pins
                .first()
                .is_some_and(|(count,)| *count >= limits::PINS_PER_ROOM)
            {
                return refused(ErrorCode::TooMany);
            }
            marks.pinned = Some(Pin {
                at: work.now,
                by: actor,
            });
            connection.run(AddPin { room, seq, version }).await?;
        }
    }
    write_marks(connection, work, row, marks).await
}

/// Takes a mark off a message.
pub(super) async fn unmark(
    connection: &mut Conn,
    work: &mut RoomWork,
    actor: UserId,
    seq: Seq,
    mark: &Mark,
) -> StoreResult<Version> {
    let row = marked(connection, work, actor, seq, mark).await?;
    let room = work.head.room.0;
    let mut marks = row.marks.clone();
    match mark {
        Mark::Reaction(emoji) => {
            let (emoji, user) = (emoji.clone(), actor.0);
            let remove = RemoveReaction {
                room,
                seq,
                emoji: emoji.clone(),
                user,
            };
            if connection.run(remove).await? == 0 {
                return Ok(work.head.version);
            }
            let limit = i64::try_from(limits::REACTION_USERS).unwrap_or(i64::MAX);
            let first = connection
                .run(FirstReactors {
                    room,
                    seq,
                    emoji: emoji.clone(),
                    limit,
                })
                .await?;
            marks.remove(&emoji, first.into_iter().map(|(id,)| UserId(id)).collect());
        }
        Mark::Pin => {
            if marks.pinned.take().is_none() {
                return Ok(work.head.version);
            }
            connection.run(RemovePin { room, seq }).await?;
        }
    }
    write_marks(connection, work, row, marks).await
}

/// The message, if the actor may mark it so.
async fn marked(
    connection: &mut Conn,
    work: &RoomWork,
    actor: UserId,
    seq: Seq,
    mark: &Mark,
) -> StoreResult<MessageRow> {
    work.member_role(actor)?;
    let found = living(connection, work, seq).await?;
    work.require(
        actor,
        match mark {
            Mark::Reaction(_) => Action::React,
            Mark::Pin => Action::Pin,
        },
    )?;
    if found.row.state == MessageState::Queued {
        return refused(ErrorCode::ReplyRunning);
    }
    Ok(found.row)
}

async fn write_marks(
    connection: &mut Conn,
    work: &mut RoomWork,
    row: MessageRow,
    marks: MessageMarks,
) -> StoreResult<Version> {
    let stored = match marks.is_empty() {
        true => None,
        false => Some(
            serde_json::to_value(&marks)
                .map_err(|error| StoreError::Broken(format!("messages.marks: {error}")))?,
        ),
    };
    let version = work.next_version();
    connection
        .run(WriteMarks {
            room: work.head.room.0,
            seq: row.seq,
            version,
            marks: stored,
        })
        .await?;
    Ok(record(work, MessageRow { marks, ..row }, version))
}

fn record(work: &mut RoomWork, row: MessageRow, version: Version) -> Version {
    let row = MessageRow { version, ..row };
    work.changes.push(StoredChange::Message(Box::new(row)));
    version
}

/// A message that is there and not deleted.
async fn living(connection: &mut Conn, work: &RoomWork, seq: Seq) -> StoreResult<Found> {
    let found = find(connection, work, seq).await?;
    match found.filter(|found| found.row.deleted_at.is_none()) {
        Some(found) => Ok(found),
        None => refused(ErrorCode::MessageNotFound),
    }
}

async fn find(connection: &mut Conn, work: &RoomWork, seq: Seq) -> StoreResult<Option<Found>> {
    let room = work.head.room.0;
    let found = connection.run(ReadMessage { room, seq }).await?;
    let Some(record) = found.into_iter().next() else {
        return Ok(None);
    };
    let Some(row) = record.message.into_row()? else {
        return Ok(None);
    };
    Ok(Some(Found {
        row,
        is_asking: record.is_asking,
        edits: record.edits,
        text_version: record.edited_version.unwrap_or(record.created_version),
    }))
}
