//! Changes of a room itself on Postgres: its name, its visibility, its end. Called by the judge.

use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use super::room::RoomWork;
use crate::db::postgres::pool::Conn;
use crate::db::postgres::statement::statement;
use crate::db::rows::{LogKind, Visibility};
use crate::db::{StoreError, StoreResult};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{UserId, Version};
use crate::permissions::Action;

statement!(
    /// Name and visibility.
    UpdateRoom { room: Uuid, name: String, visibility: String },
    "UPDATE rooms SET name = $2, visibility = $3 WHERE id = $1"
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

/// Changes name or visibility.
pub(super) async fn edit(
    connection: &mut Conn,
    work: &mut RoomWork,
    actor: UserId,
    name: Option<&str>,
    visibility: Option<Visibility>,
) -> StoreResult<Version> {
    work.require(actor, Action::EditRoom)?;
    let name = name.unwrap_or(&work.name).to_owned();
    let visibility = visibility.unwrap_or(work.visibility);
    let direct = |visibility| visibility == Visibility::Direct;
    if direct(visibility) != direct(work.visibility) {
        return Err(StoreError::Refused(Refusal::with_message(
            ErrorCode::BadRequest,
            "A room never becomes or stops being a direct one.",
        )));
    }
    if name == work.name && visibility == work.visibility {
        return Ok(work.head.version);
    }
    connection
        .run(UpdateRoom {
            room: work.head.room.0,
            name: name.clone(),
            visibility: visibility.as_str().into(),
        })
        .await?;
    let data = json!({ "name": name, "visibility": visibility.as_str() });
    work.name = name;
    work.visibility = visibility;
    work.log(connection, LogKind::Settings, None, None, data)
        .await
}

/// Deletes the room: its rows stay, nobody sees them.
pub(super) async fn delete(
    connection: &mut Conn,
    work: &mut RoomWork,
    actor: UserId,
) -> StoreResult<Version> {
    work.require(actor, Action::DeleteRoom)?;
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
