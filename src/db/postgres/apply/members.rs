//! Versioned changes of membership on Postgres: roles given and taken, members removed. Called by the judge. Becoming a
//! member of a public room by oneself is in `db/postgres/rooms.rs`: it takes no version.

use serde_json::json;
use uuid::Uuid;

use super::bans;
use super::room::RoomWork;
use crate::db::postgres::pool::Conn;
use crate::db::postgres::statement::statement;
use crate::db::rows::{LogKind, UserKind, UserRow, Visibility};
use crate::db::{StoreError, StoreResult};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{UserId, Version};
use crate::permissions::{Action, Role};

statement!(
    /// A member with this role, new or not.
    PutMember { room: Uuid, user: Uuid, role: String, read: i64 },
    "INSERT INTO memberships (room_id, user_id, role, last_read_seq) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (room_id, user_id) DO UPDATE SET role = excluded.role"
);
statement!(
    /// No member any more.
    DeleteMember { room: Uuid, user: Uuid },
    "DELETE FROM memberships WHERE room_id = $1 AND user_id = $2"
);
statement!(
    /// What the assistant is writing for somebody who was put out stops; what waits fails when its turn comes.
    StopAsked { room: Uuid, user: Uuid },
    "UPDATE replies SET stop_requested = true WHERE room_id = $1 AND asker_id = $2 AND state = 'streaming'"
);
statement!(
    /// How many keep the room.
    CountOwners { room: Uuid } -> (i64,),
    "SELECT count(*) FROM memberships WHERE room_id = $1 AND role = 'owner'"
);

fn refused<T>(code: ErrorCode) -> StoreResult<T> {
    Err(StoreError::Refused(code.into()))
}

/// Gives a user a role; whoever is no member becomes one. `row` is the user, if there is one.
pub(super) async fn set(
    connection: &mut Conn,
    work: &mut RoomWork,
    actor: UserId,
    row: Option<UserRow>,
    user: UserId,
    role: Role,
) -> StoreResult<Version> {
    let present = work.role(user);
    let owners = role == Role::Owner || present == Some(Role::Owner);
    let action = if owners {
        Action::ManageOwners
    } else {
        Action::ManageMembers
    };
    work.require(actor, action)?;
    let Some(row) = row.filter(|row| row.kind != UserKind::Deleted) else {
        return refused(ErrorCode::UserNotFound);
    };
    if present.is_none() && work.settings.visibility == Visibility::Direct {
        // A conversation of these has nobody else.
        return refused(ErrorCode::Forbidden);
    }
    if present == Some(role) {
        return Ok(work.head.version);
    }
    if present.is_none() && bans::is_banned(connection, work, user).await? {
        return Err(StoreError::Refused(Refusal::user_is_banned()));
    }
    if present == Some(Role::Owner) {
        require_another_owner(connection, work).await?;
    }
    put(connection, work, row, role).await
}

/// Writes a user's role, and the version that tells it. It was judged before.
pub(super) async fn put(
    connection: &mut Conn,
    work: &mut RoomWork,
    row: UserRow,
    role: Role,
) -> StoreResult<Version> {
    connection
        .run(PutMember {
            room: work.head.room.0,
            user: row.id.0,
            role: role.as_str().into(),
            read: work.head.last_seq,
        })
        .await?;
    work.set_role(row.id, Some(role));
    work.log(connection, LogKind::Role, Some(row), Some(role), json!({}))
        .await
}

/// Gives the room away: `actor` is a moderator from now on, `user` an owner. Whoever is so already takes no version.
pub(super) async fn transfer(
    connection: &mut Conn,
    work: &mut RoomWork,
    (actor, user): (UserId, UserId),
    rows: [Option<UserRow>; 2],
) -> StoreResult<Version> {
    work.require(actor, Action::ManageOwners)?;
    if work.settings.visibility == Visibility::Direct {
        return refused(ErrorCode::Forbidden);
    }
    let [Some(giver), Some(taker)] = rows else {
        return refused(ErrorCode::UserNotFound);
    };
    if taker.kind == UserKind::Deleted {
        return refused(ErrorCode::UserNotFound);
    }
    let Some(present) = work.role(user) else {
        return Err(StoreError::Refused(Refusal::user_is_no_member()));
    };
    if actor == user {
        return Ok(work.head.version);
    }
    if present != Role::Owner {
        put(connection, work, taker, Role::Owner).await?;
    }
    put(connection, work, giver, Role::Moderator).await
}

/// Ends a membership.
pub(super) async fn remove(
    connection: &mut Conn,
    work: &mut RoomWork,
    actor: UserId,
    row: Option<UserRow>,
    user: UserId,
) -> StoreResult<Version> {
    let present = work.role(user);
    match present {
        // Everybody may go, a bot that was removed too.
        _ if actor == user => work.standing(actor).map(drop)?,
        Some(Role::Owner) => work.require(actor, Action::ManageOwners)?,
        _ => work.require(actor, Action::ManageMembers)?,
    }
    if present.is_none() {
        return Ok(work.head.version);
    }
    if work.people == 2 {
        // A conversation of two is of both.
        return refused(ErrorCode::Forbidden);
    }
    if present == Some(Role::Owner) {
        require_another_owner(connection, work).await?;
    }
    take_out(connection, work, user, row, json!({})).await
}

/// Ends a membership that is there, at a version. It was judged before.
pub(super) async fn take_out(
    connection: &mut Conn,
    work: &mut RoomWork,
    user: UserId,
    row: Option<UserRow>,
    data: serde_json::Value,
) -> StoreResult<Version> {
    connection
        .run(DeleteMember {
            room: work.head.room.0,
            user: user.0,
        })
        .await?;
    connection
        .run(StopAsked {
            room: work.head.room.0,
            user: user.0,
        })
        .await?;
    work.set_role(user, None);
    work.log(connection, LogKind::Removed, row, None, data)
        .await
}

/// Refuses to take a room its last owner.
pub(super) async fn require_another_owner(
    connection: &mut Conn,
    work: &RoomWork,
) -> StoreResult<()> {
    if has_two_owners(connection, work).await? {
        Ok(())
    } else {
        refused(ErrorCode::LastOwner)
    }
}

/// Whether an owner may go and leave another.
pub(super) async fn has_two_owners(connection: &mut Conn, work: &RoomWork) -> StoreResult<bool> {
    let room = work.head.room.0;
    let counted = connection.run(CountOwners { room }).await?;
    Ok(counted.first().is_some_and(|(owners,)| *owners >= 2))
}
