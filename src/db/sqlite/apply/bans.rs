//! Who is kept out of a room, on SQLite. Called by `apply`. Everything that makes a member asks here, in the same
//! transaction: so nobody is ever banned and a member at once.

use diesel::prelude::*;
use serde_json::json;

use super::members;
use super::room::RoomWork;
use crate::db::rows::{UserKind, Visibility};
use crate::db::sqlite::columns::{StoredId, storable};
use crate::db::sqlite::failure::Work;
use crate::db::sqlite::invites;
use crate::db::sqlite::schema::bans;
use crate::error::ErrorCode;
use crate::ids::{RoomId, UserId, Version};
use crate::limits;
use crate::permissions::{Action, Role};

/// Whether somebody is kept out.
pub(super) fn is_banned(work: &mut RoomWork<'_>, user: UserId) -> Work<bool> {
    invites::is_banned(work.conn, RoomId(work.id.0), user)
}

/// Keeps somebody out, and ends a membership that is there.
pub(super) fn ban(
    work: &mut RoomWork<'_>,
    actor: UserId,
    user: UserId,
    reason: &str,
) -> Work<Version> {
    let present = work.role(user)?;
    let action = match present {
        Some(Role::Owner | Role::Moderator) => Action::BanModerators,
        _ => Action::Ban,
    };
    work.require(actor, action)?;
    if actor == user || work.settings.visibility == Visibility::Direct {
        return Err(ErrorCode::Forbidden.into());
    }
    let row = work.user(user)?.ok_or(ErrorCode::UserNotFound)?;
    if row.kind == UserKind::Assistant {
        return Err(ErrorCode::Forbidden.into());
    }
    if !is_banned(work, user)? {
        insert(work, actor, user, reason)?;
    }
    // Whoever is banned and a member all the same came in by a release that knew no bans.
    if present.is_none() {
        return Ok(work.head.version);
    }
    members::take_out(work, row, json!({ "banned": true }))
}

fn insert(work: &mut RoomWork<'_>, actor: UserId, user: UserId, reason: &str) -> Work<()> {
    let count: i64 = bans::table
        .filter(bans::room_id.eq(work.id))
        .count()
        .get_result(work.conn)?;
    if count >= limits::BANS_PER_ROOM {
        return Err(ErrorCode::TooMany.into());
    }
    diesel::insert_into(bans::table)
        .values((
            bans::room_id.eq(work.id),
            bans::user_id.eq(StoredId(user.0)),
            bans::banned_by.eq(StoredId(actor.0)),
            bans::reason.eq(storable(reason)?),
            bans::created_at.eq(work.now),
        ))
        .execute(work.conn)?;
    Ok(())
}

/// Lets somebody come again.
pub(super) fn unban(work: &mut RoomWork<'_>, actor: UserId, user: UserId) -> Work<Version> {
    work.require(actor, Action::Ban)?;
    diesel::delete(bans::table.find((work.id, StoredId(user.0)))).execute(work.conn)?;
    Ok(work.head.version)
}
