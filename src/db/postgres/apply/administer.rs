//! What an administrator, or the operator, does to a room without being in it, on Postgres. Called by the judge.

use uuid::Uuid;

use super::room::RoomWork;
use super::{bans, members, settings};
use crate::db::changes::{Administered, RoomEdit};
use crate::db::postgres::pool::Conn;
use crate::db::postgres::statement::statement;
use crate::db::rows::{UserRow, Visibility};
use crate::db::{StoreError, StoreResult};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{UserId, Version};
use crate::permissions::Role;

statement!(
    /// Whether the actor administers the server now.
    JudgeAdmin { user: Uuid } -> (bool,),
    "SELECT admin AND disabled_at IS NULL FROM users WHERE id = $1 FOR SHARE"
);
statement!(
    /// Owners that may still sign in.
    CountLivingOwners { room: Uuid } -> (i64,),
    "SELECT count(*) FROM memberships m JOIN users u ON u.id = m.user_id \
     WHERE m.room_id = $1 AND m.role = 'owner' AND u.disabled_at IS NULL"
);

fn refused<T>(refusal: impl Into<Refusal>) -> StoreResult<T> {
    Err(StoreError::Refused(refusal.into()))
}

/// Judges and does it; no actor is the operator. `row` is the user it is done to, if there is one.
pub(super) async fn run(
    connection: &mut Conn,
    work: &mut RoomWork,
    actor: Option<UserId>,
    act: &Administered,
    row: Option<UserRow>,
) -> StoreResult<Version> {
    if let Some(actor) = actor {
        let found = connection.run(JudgeAdmin { user: actor.0 }).await?;
        let administers = found.first().is_some_and(|(admin,)| *admin);
        if !administers || act.is_operators() {
            return refused(Refusal::not_an_administrator());
        }
    }
    if work.settings.visibility == Visibility::Direct && *act != Administered::Delete {
        return refused(ErrorCode::Forbidden);
    }
    match act {
        // Who administers does not let itself in.
        Administered::TakeOver { user } if actor == Some(*user) => refused(ErrorCode::Forbidden),
        Administered::TakeOver { .. } => {
            let room = work.head.room.0;
            let owners = connection.run(CountLivingOwners { room }).await?;
            if owners.first().is_some_and(|(count,)| *count > 0) {
                return refused(ErrorCode::RoomHasOwner);
            }
            set_role(connection, work, row, Role::Owner).await
        }
        Administered::SetRole { role, .. } => set_role(connection, work, row, *role).await,
        Administered::Archive { archived } => {
            let archived = Some(*archived);
            let edit = RoomEdit {
                archived,
                ..RoomEdit::default()
            };
            settings::change(connection, work, &edit).await
        }
        Administered::Delete => settings::end(connection, work).await,
    }
}

async fn set_role(
    connection: &mut Conn,
    work: &mut RoomWork,
    row: Option<UserRow>,
    role: Role,
) -> StoreResult<Version> {
    let Some(row) = row else {
        return refused(ErrorCode::UserNotFound);
    };
    let present = work.role(row.id);
    if present == Some(role) {
        return Ok(work.head.version);
    }
    if present.is_none() && bans::is_banned(connection, work, row.id).await? {
        return refused(Refusal::user_is_banned());
    }
    if present == Some(Role::Owner) {
        members::require_another_owner(connection, work).await?;
    }
    members::put(connection, work, row, role).await
}
