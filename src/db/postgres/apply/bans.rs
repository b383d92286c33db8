//! Who is kept out of a room, on Postgres. Called by the judge. Everything that makes a member asks here, under the
//! same lock: so nobody is ever banned and a member at once.

use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use super::members;
use super::room::RoomWork;
use crate::db::postgres::pool::Conn;
use crate::db::postgres::statement::statement;
use crate::db::rows::{UserKind, UserRow, Visibility};
use crate::db::{StoreError, StoreResult};
use crate::error::ErrorCode;
use crate::ids::{UserId, Version};
use crate::limits;
use crate::permissions::{Action, Role};

statement!(
    /// Whether somebody is kept out.
    FindBan { room: Uuid, user: Uuid } -> (bool,),
    "SELECT EXISTS (SELECT 1 FROM bans WHERE room_id = $1 AND user_id = $2)"
);
statement!(
    /// How many are kept out.
    CountBans { room: Uuid } -> (i64,),
    "SELECT count(*) FROM bans WHERE room_id = $1"
);
statement!(
    /// One more.
    InsertBan { room: Uuid, user: Uuid, by: Uuid, reason: String, at: DateTime<Utc> },
    "INSERT INTO bans (room_id, user_id, banned_by, reason, created_at) VALUES ($1, $2, $3, $4, $5)"
);
statement!(
    /// One less.
    DeleteBan { room: Uuid, user: Uuid },
    "DELETE FROM bans WHERE room_id = $1 AND user_id = $2"
);

fn refused<T>(code: ErrorCode) -> StoreResult<T> {
    Err(StoreError::Refused(code.into()))
}

/// Whether somebody is kept out.
pub(super) async fn is_banned(
    connection: &mut Conn,
    work: &RoomWork,
    user: UserId,
) -> StoreResult<bool> {
    let found = connection
        .run(FindBan {
            room: work.head.room.0,
            user: user.0,
        })
        .await?;
    Ok(found.first().is_some_and(|(banned,)| *banned))
}

/// Keeps somebody out, and ends a membership that is there.
pub(super) async fn ban(
    connection: &mut Conn,
    work: &mut RoomWork,
    (actor, user): (UserId, UserId),
    row: Option<UserRow>,
    reason: &str,
) -> StoreResult<Version> {
    let present = work.role(user);
    let action = match present {
        Some(Role::Owner | Role::Moderator) => Action::BanModerators,
        _ => Action::Ban,
    };
    work.require(actor, action)?;
    if actor == user || work.settings.visibility == Visibility::Direct {
        return refused(ErrorCode::Forbidden);
    }
    let Some(row) = row else {
        return refused(ErrorCode::UserNotFound);
    };
    if row.kind == UserKind::Assistant {
        return refused(ErrorCode::Forbidden);
    }
    if !is_banned(connection, work, user).await? {
        insert(connection, work, (actor, user), reason).await?;
    }
    // Whoever is banned and a member all the same came in by an instance of the release that knew no bans.
    if present.is_none() {
        return Ok(work.head.version);
    }
    let data = json!({ "banned": true });
    members::take_out(connection, work, user, Some(row), data).await
}

async fn insert(
    connection: &mut Conn,
    work: &RoomWork,
    (actor, user): (UserId, UserId),
    reason: &str,
) -> StoreResult<()> {
    let room = work.head.room.0;
    let counted = connection.run(CountBans { room }).await?;
    if counted
        .first()
        .is_some_and(|(count,)| *count >= limits::BANS_PER_ROOM)
    {
        return refused(ErrorCode::TooMany);
    }
    let ban = InsertBan {
        room,
        user: user.0,
        by: actor.0,
        reason: reason.to_owned(),
        at: work.now,
    };
    connection.run(ban).await?;
    Ok(())
}

/// Lets somebody come again.
pub(super) async fn unban(
    connection: &mut Conn,
    work: &RoomWork,
    actor: UserId,
    user: UserId,
) -> StoreResult<Version> {
    work.require(actor, Action::Ban)?;
    connection
        .run(DeleteBan {
            room: work.head.room.0,
            user: user.0,
        })
        .await?;
    Ok(work.head.version)
}
