//! The last change of a member whose account was deleted, on Postgres. Called by the judge.

use serde_json::json;
use uuid::Uuid;

use super::room::RoomWork;
use super::{members, settings};
use crate::db::accounts::heir;
use crate::db::postgres::pool::Conn;
use crate::db::postgres::records::{user_kind, user_row, word};
use crate::db::postgres::statement::statement;
use crate::db::rows::{UserRow, Visibility};
use crate::db::{StoreError, StoreResult};
use crate::error::ErrorCode;
use crate::ids::{UserId, Version};
use crate::permissions::Role;

statement!(
    /// The people in a room beside one; those first who come first when it needs an owner.
    FindPeople { room: Uuid, user: Uuid } -> (Uuid, String, String, String),
    concat!("SELECT u.id, u.name, ", user_kind!("u"), ", m.role FROM memberships m JOIN users u ON u.id = m.user_id \
     WHERE m.room_id = $1 AND m.user_id <> $2 AND u.kind <> 'assistant' AND u.owner_id IS NULL AND u.disabled_at IS NULL \
     ORDER BY u.kind = 'guest', array_position(ARRAY['owner', 'moderator', 'member', 'reader'], m.role), u.id LIMIT 1")
);

/// Ends the membership of `user`, who is to leave: `row`, unless it is not.
pub(super) async fn depart(
    connection: &mut Conn,
    work: &mut RoomWork,
    user: UserId,
    row: Option<UserRow>,
) -> StoreResult<Version> {
    let Some(row) = row else {
        return Err(StoreError::Refused(ErrorCode::Forbidden.into()));
    };
    let Some(role) = work.role(user) else {
        return Ok(work.head.version);
    };
    let is_direct = work.settings.visibility == Visibility::Direct;
    let is_last_owner = role == Role::Owner && !members::has_two_owners(connection, work).await?;
    if !is_direct && !is_last_owner {
        return members::take_out(connection, work, user, Some(row), json!({})).await;
    }
    let room = work.head.room.0;
    let found = connection.run(FindPeople { room, user: user.0 }).await?;
    let people = found
        .into_iter()
        .map(|(id, name, kind, role)| {
            Ok((user_row(id, name, &kind)?, word(&role, Role::from_name)?))
        })
        .collect::<StoreResult<Vec<_>>>()?;
    match heir(people) {
        Some(heir) if !is_direct => {
            members::put(connection, work, heir, Role::Owner).await?;
            members::take_out(connection, work, user, Some(row), json!({})).await
        }
        Some(_) => members::take_out(connection, work, user, Some(row), json!({})).await,
        None => {
            members::take_out(connection, work, user, Some(row), json!({})).await?;
            settings::end(connection, work).await
        }
    }
}
