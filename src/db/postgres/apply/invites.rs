//! Invites made, withdrawn and followed, on Postgres. Called by the judge. Uses are counted under the room's lock: an
//! invite for one lets one in, however many come at once.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::room::RoomWork;
use super::{bans, members};
use crate::db::invites::{NewInvite, inviting, works};
use crate::db::postgres::pool::Conn;
use crate::db::postgres::records::word;
use crate::db::postgres::statement::statement;
use crate::db::rows::{UserRow, Visibility};
use crate::db::{StoreError, StoreResult};
use crate::error::ErrorCode;
use crate::ids::{InviteId, UserId, Version};
use crate::limits;
use crate::permissions::{Action, Role};

statement!(
    /// Invites that have ended.
    DeleteEnded { room: Uuid, at: DateTime<Utc> },
    "DELETE FROM invites WHERE room_id = $1 \
     AND (expires_at <= $2 OR uses >= max_uses OR revoked_at IS NOT NULL)"
);
statement!(
    /// How many are left.
    CountInvites { room: Uuid } -> (i64,),
    "SELECT count(*) FROM invites WHERE room_id = $1"
);
statement!(
    /// One more.
    InsertInvite {
        id: Uuid,
        room: Uuid,
        token_hash: Vec<u8>,
        role: String,
        by: Uuid,
        at: DateTime<Utc>,
        until: DateTime<Utc>,
        max_uses: i32,
    },
    "INSERT INTO invites (id, room_id, token_hash, role, made_by, created_at, expires_at, max_uses) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
);
statement!(
    /// One that works no more.
    RevokeInvite { room: Uuid, id: Uuid, at: DateTime<Utc> },
    "UPDATE invites SET revoked_at = coalesce(revoked_at, $3) WHERE room_id = $1 AND id = $2"
);
statement!(
    /// One that has not ended, and what the one who made it is in the room now.
    FindInvite { room: Uuid, id: Uuid, at: DateTime<Utc> } -> (String, Option<String>),
    "SELECT i.role, m.role FROM invites i \
     LEFT JOIN (memberships m JOIN users u ON u.id = m.user_id AND u.disabled_at IS NULL) \
         ON m.room_id = i.room_id AND m.user_id = i.made_by \
     WHERE i.room_id = $1 AND i.id = $2 AND i.expires_at > $3 AND i.uses < i.max_uses AND i.revoked_at IS NULL"
);
statement!(
    /// One more came by it.
    CountUse { room: Uuid, id: Uuid },
    "UPDATE invites SET uses = uses + 1 WHERE room_id = $1 AND id = $2"
);

fn refused<T>(code: ErrorCode) -> StoreResult<T> {
    Err(StoreError::Refused(code.into()))
}

/// Makes one; those of the room that have ended go.
pub(super) async fn make(
    connection: &mut Conn,
    work: &RoomWork,
    actor: UserId,
    invite: &NewInvite,
) -> StoreResult<Version> {
    work.require(actor, inviting(invite.role).unwrap_or(Action::Invite))?;
    if inviting(invite.role).is_none() || work.settings.visibility == Visibility::Direct {
        return refused(ErrorCode::Forbidden);
    }
    let (room, at) = (work.head.room.0, work.now);
    connection.run(DeleteEnded { room, at }).await?;
    let counted = connection.run(CountInvites { room }).await?;
    if counted
        .first()
        .is_some_and(|(count,)| *count >= limits::INVITES_PER_ROOM)
    {
        return refused(ErrorCode::TooMany);
    }
    connection
        .run(InsertInvite {
            id: invite.id.0,
            room,
            token_hash: invite.token_hash.to_vec(),
            role: invite.role.as_str().into(),
            by: actor.0,
            at,
            until: at + TimeDelta::seconds(invite.lifetime_s),
            max_uses: invite.max_uses,
        })
        .await?;
    Ok(work.head.version)
}

/// Withdraws one; what is not there is withdrawn already.
pub(super) async fn revoke(
    connection: &mut Conn,
    work: &RoomWork,
    actor: UserId,
    invite: InviteId,
) -> StoreResult<Version> {
    work.require(actor, Action::Invite)?;
    connection
        .run(RevokeInvite {
            room: work.head.room.0,
            id: invite.0,
            at: work.now,
        })
        .await?;
    Ok(work.head.version)
}

/// Lets somebody in by one. A member stays what it is, and no use is counted.
pub(super) async fn accept(
    connection: &mut Conn,
    work: &mut RoomWork,
    user: UserId,
    row: Option<UserRow>,
    invite: InviteId,
) -> StoreResult<Version> {
    work.require_enabled(user)?;
    let (room, id) = (work.head.room.0, invite.0);
    let found = connection
        .run(FindInvite {
            room,
            id,
            at: work.now,
        })
        .await?;
    let Some((role, maker)) = found.into_iter().next() else {
        return refused(ErrorCode::InviteInvalid);
    };
    let role = word(&role, Role::from_name)?;
    let maker = maker
        .map(|maker| word(&maker, Role::from_name))
        .transpose()?;
    if !works(role, maker) {
        return refused(ErrorCode::InviteInvalid);
    }
    if bans::is_banned(connection, work, user).await? {
        return refused(ErrorCode::Banned);
    }
    let Some(row) = row else {
        return refused(ErrorCode::UserNotFound);
    };
    if work.role(user).is_some() {
        return Ok(work.head.version);
    }
    connection.run(CountUse { room, id }).await?;
    members::put(connection, work, row, role).await
}
