//! Versioned changes of membership on SQLite: roles given and taken, members removed. Called by `apply`. Becoming a
//! member of a public room by oneself is in `db/sqlite/members.rs`: it takes no version.

use diesel::prelude::*;
use serde_json::json;

use super::bans;
use super::room::RoomWork;
use crate::db::rows::{LogKind, ReplyState, UserKind, UserRow, Visibility};
use crate::db::sqlite::columns::StoredId;
use crate::db::sqlite::failure::Work;
use crate::db::sqlite::rooms;
use crate::db::sqlite::schema::{memberships, replies};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{RoomId, UserId, Version};
use crate::permissions::{Action, Role};

/// Gives a user a role; whoever is no member becomes one.
pub(super) fn set(
    work: &mut RoomWork<'_>,
    actor: UserId,
    user: UserId,
    role: Role,
) -> Work<Version> {
    let present = work.role(user)?;
    let owners = role == Role::Owner || present == Some(Role::Owner);
    work.require(
        actor,
        if owners {
            Action::ManageOwners
        } else {
            Action::ManageMembers
        },
    )?;
    let row = work.user(user)?;
    let row = row.filter(|row| row.kind != UserKind::Deleted);
    let row = row.ok_or(ErrorCode::UserNotFound)?;
    if present.is_none() && work.settings.visibility == Visibility::Direct {
        // A conversation of these has nobody else.
        return Err(ErrorCode::Forbidden.into());
    }
    if present == Some(role) {
        return Ok(work.head.version);
    }
    if present.is_none() && bans::is_banned(work, user)? {
        return Err(Refusal::user_is_banned().into());
    }
    if present == Some(Role::Owner) {
        require_another_owner(work)?;
    }
    put(work, row, role)
}

/// Writes a user's role, and the version that tells it. It was judged before.
pub(super) fn put(work: &mut RoomWork<'_>, row: UserRow, role: Role) -> Work<Version> {
    if work.role(row.id)?.is_some() {
        diesel::update(memberships::table.find((work.id, StoredId(row.id.0))))
            .set(memberships::role.eq(role.as_str()))
            .execute(work.conn)?;
    } else {
        rooms::insert_member(work.conn, RoomId(work.id.0), row.id, role)?;
    }
    work.set_role(row.id, Some(role));
    work.log(LogKind::Role, Some(row), Some(role), json!({}))
}

/// Gives the room away: `actor` is a moderator from now on, `user` an owner. Whoever is so already takes no version.
pub(super) fn transfer(work: &mut RoomWork<'_>, actor: UserId, user: UserId) -> Work<Version> {
    work.require(actor, Action::ManageOwners)?;
    if work.settings.visibility == Visibility::Direct {
        return Err(ErrorCode::Forbidden.into());
    }
    let taker = work.user(user)?;
    let taker = taker.filter(|row| row.kind != UserKind::Deleted);
    let taker = taker.ok_or(ErrorCode::UserNotFound)?;
    let Some(present) = work.role(user)? else {
        return Err(Refusal::user_is_no_member().into());
    };
    if actor == user {
        return Ok(work.head.version);
    }
    if present != Role::Owner {
        put(work, taker, Role::Owner)?;
    }
    let giver = work.known_user(actor)?;
    put(work, giver, Role::Moderator)
}

/// Ends a membership.
pub(super) fn remove(work: &mut RoomWork<'_>, actor: UserId, user: UserId) -> Work<Version> {
    let present = work.role(user)?;
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
        return Err(ErrorCode::Forbidden.into());
    }
    if present == Some(Role::Owner) {
        require_another_owner(work)?;
    }
    let row = work.known_user(user)?;
    take_out(work, row, json!({}))
}

/// Ends a membership that is there, at a version. It was judged before.
pub(super) fn take_out(
    work: &mut RoomWork<'_>,
    row: UserRow,
    data: serde_json::Value,
) -> Work<Version> {
    diesel::delete(memberships::table.find((work.id, StoredId(row.id.0)))).execute(work.conn)?;
    // What the assistant is writing for it stops; what waits fails when its turn comes.
    diesel::update(replies::table)
        .filter(replies::room_id.eq(work.id))
        .filter(replies::settled_at.is_null())
        .filter(replies::asker_id.eq(StoredId(row.id.0)))
        .filter(replies::state.eq(ReplyState::Streaming.as_str()))
        .set(replies::stop_requested.eq(true))
        .execute(work.conn)?;
    work.set_role(row.id, None);
    work.log(LogKind::Removed, Some(row), None, data)
}

/// Refuses to take a room its last owner.
pub(super) fn require_another_owner(work: &mut RoomWork<'_>) -> Work<()> {
    match has_two_owners(work)? {
        true => Ok(()),
        false => Err(ErrorCode::LastOwner.into()),
    }
}

/// Whether an owner may go and leave another.
pub(super) fn has_two_owners(work: &mut RoomWork<'_>) -> Work<bool> {
    let owners: i64 = memberships::table
        .filter(memberships::room_id.eq(work.id))
        .filter(memberships::role.eq(Role::Owner.as_str()))
        .count()
        .get_result(work.conn)?;
    Ok(owners >= 2)
}
