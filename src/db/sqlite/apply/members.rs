//! Versioned changes of membership on SQLite: roles given and taken, members removed. Called by `apply`. Becoming a
//! member of a public room by oneself is in `db/sqlite/members.rs`: it takes no version.

use diesel::prelude::*;
use serde_json::json;

use super::room::RoomWork;
use crate::db::rows::{LogKind, Visibility};
use crate::db::sqlite::columns::StoredId;
use crate::db::sqlite::failure::Work;
use crate::db::sqlite::rooms;
use crate::db::sqlite::schema::memberships;
use crate::error::ErrorCode;
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
    let row = work.user(user)?.ok_or(ErrorCode::UserNotFound)?;
    if present.is_none() && work.settings.visibility == Visibility::Direct {
        // A conversation of these has nobody else.
        return Err(ErrorCode::Forbidden.into());
    }
    if present == Some(role) {
        return Ok(work.head.version);
    }
    if present == Some(Role::Owner) {
        require_another_owner(work)?;
    }
    if present.is_some() {
        diesel::update(memberships::table.find((work.id, StoredId(user.0))))
            .set(memberships::role.eq(role.as_str()))
            .execute(work.conn)?;
    } else {
        rooms::insert_member(work.conn, RoomId(work.id.0), user, role)?;
    }
    work.set_role(user, Some(role));
    work.log(LogKind::Role, Some(row), Some(role), json!({}))
}

/// Ends a membership.
pub(super) fn remove(work: &mut RoomWork<'_>, actor: UserId, user: UserId) -> Work<Version> {
    let present = work.role(user)?;
    let action = match present {
        _ if actor == user => Action::Read,
        Some(Role::Owner) => Action::ManageOwners,
        _ => Action::ManageMembers,
    };
    work.require(actor, action)?;
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
    diesel::delete(memberships::table.find((work.id, StoredId(user.0)))).execute(work.conn)?;
    work.set_role(user, None);
    work.log(LogKind::Removed, Some(row), None, json!({}))
}

fn require_another_owner(work: &mut RoomWork<'_>) -> Work<()> {
    let owners: i64 = memberships::table
        .filter(memberships::room_id.eq(work.id))
        .filter(memberships::role.eq(Role::Owner.as_str()))
        .count()
        .get_result(work.conn)?;
    if owners < 2 {
        return Err(ErrorCode::LastOwner.into());
    }
    Ok(())
}
