//! Changes of a room itself on Postgres: its settings, its end. Called by the judge.

use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use super::room::RoomWork;
use crate::db::StoreResult;
use crate::db::changes::RoomEdit;
use crate::db::postgres::pool::Conn;
use crate::db::postgres::statement::statement;
use crate::db::rows::LogKind;
use crate::ids::{UserId, Version};
use crate::permissions::Action;

statement!(
    /// All settings.
    UpdateRoom { room: Uuid, name: String, visibility: String, topic: String, archived: bool },
    "UPDATE rooms SET name = $2, visibility = $3, topic = $4, archived = $5 WHERE id = $1"
);
statement!(
    /// The room is gone; its replies end without a word, since the deletion is the last version there is, and their
    /// runners find their leases gone.
    EndRoom { room: Uuid, at: DateTime<Utc> },
    "WITH ended AS ( \
         UPDATE replies SET state = 'settled', lease_owner = NULL, lease_until = NULL \
         WHERE room_id = $1 AND state <> 'settled' \
     ), chunks AS ( \
         DELETE FROM reply_chunks WHERE room_id = $1 \
     ) \
     UPDATE rooms SET deleted_at = $2 WHERE id = $1"
);

/// Changes settings.
pub(super) async fn edit(
    connection: &mut Conn,
    work: &mut RoomWork,
    actor: UserId,
    edit: &RoomEdit,
) -> StoreResult<Version> {
    work.require(actor, Action::EditRoom)?;
    change(connection, work, edit).await
}

/// The same, judged before.
pub(super) async fn change(
    connection: &mut Conn,
    work: &mut RoomWork,
    edit: &RoomEdit,
) -> StoreResult<Version> {
    let after = work.settings.edited(edit)?;
    if after == work.settings {
        return Ok(work.head.version);
    }
    connection
        .run(UpdateRoom {
            room: work.head.room.0,
            name: after.name.clone(),
            visibility: after.visibility.as_str().into(),
            topic: after.topic.clone(),
            archived: after.archived,
        })
        .await?;
    let data = after.data();
    work.settings = after;
    work.log(connection, LogKind::Settings, None, None, data)
        .await
}

/// Deletes the room: from now on nobody sees its rows, and minutes later they are gone.
pub(super) async fn delete(
    connection: &mut Conn,
    work: &mut RoomWork,
    actor: UserId,
) -> StoreResult<Version> {
    work.require(actor, Action::DeleteRoom)?;
    end(connection, work).await
}

/// The same, judged before.
pub(super) async fn end(connection: &mut Conn, work: &mut RoomWork) -> StoreResult<Version> {
    connection
        .run(EndRoom {
            room: work.head.room.0,
            at: work.now,
        })
        .await?;
    work.deleted = true;
    work.log(connection, LogKind::Deleted, None, None, json!({}))
        .await
}
