//! Invites made, withdrawn and followed, on SQLite. Called by `apply`.

use diesel::prelude::*;

use super::room::RoomWork;
use super::{bans, members};
use crate::db::invites::{NewInvite, inviting, works};
use crate::db::rows::Visibility;
use crate::db::sqlite::accounts;
use crate::db::sqlite::columns::{SECOND, StoredId, named};
use crate::db::sqlite::failure::Work;
use crate::db::sqlite::schema::invites;
use crate::error::ErrorCode;
use crate::ids::{InviteId, UserId, Version};
use crate::limits;
use crate::permissions::{Action, Role};

/// Makes one; those of the room that have ended go.
pub(super) fn make(work: &mut RoomWork<'_>, actor: UserId, invite: &NewInvite) -> Work<Version> {
    work.require(actor, inviting(invite.role).unwrap_or(Action::Invite))?;
    if inviting(invite.role).is_none() || work.settings.visibility == Visibility::Direct {
        return Err(ErrorCode::Forbidden.into());
    }
    let ended = invites::expires_at
        .le(work.now)
        .or(invites::uses.ge(invites::max_uses))
        .or(invites::revoked_at.is_not_null());
    diesel::delete(
        invites::table
            .filter(invites::room_id.eq(work.id))
            .filter(ended),
    )
    .execute(work.conn)?;
    let count: i64 = invites::table
        .filter(invites::room_id.eq(work.id))
        .count()
        .get_result(work.conn)?;
    if count >= limits::INVITES_PER_ROOM {
        return Err(ErrorCode::TooMany.into());
    }
    diesel::insert_into(invites::table)
        .values((
            invites::id.eq(StoredId(invite.id.0)),
            invites::room_id.eq(work.id),
            invites::token_hash.eq(invite.token_hash.as_slice()),
            invites::role.eq(invite.role.as_str()),
            invites::made_by.eq(StoredId(actor.0)),
            invites::created_at.eq(work.now),
            invites::expires_at.eq(work.now + invite.lifetime_s * SECOND),
            invites::max_uses.eq(invite.max_uses),
        ))
        .execute(work.conn)?;
    Ok(work.head.version)
}

/// Withdraws one; what is not there is withdrawn already.
pub(super) fn revoke(work: &mut RoomWork<'_>, actor: UserId, invite: InviteId) -> Work<Version> {
    work.require(actor, Action::Invite)?;
    let one = invites::table
        .filter(invites::room_id.eq(work.id))
        .filter(invites::id.eq(StoredId(invite.0)))
        .filter(invites::revoked_at.is_null());
    diesel::update(one)
        .set(invites::revoked_at.eq(work.now))
        .execute(work.conn)?;
    Ok(work.head.version)
}

/// Lets somebody in by one. A member stays what it is, and no use is counted.
pub(super) fn accept(work: &mut RoomWork<'_>, user: UserId, invite: InviteId) -> Work<Version> {
    work.require_enabled(user)?;
    let found = invites::table
        .filter(invites::room_id.eq(work.id))
        .filter(invites::id.eq(StoredId(invite.0)))
        .filter(invites::expires_at.gt(work.now))
        .filter(invites::uses.lt(invites::max_uses))
        .filter(invites::revoked_at.is_null())
        .select((invites::role, invites::made_by))
        .first::<(String, StoredId)>(work.conn)
        .optional()?;
    let (role, maker) = found.ok_or(ErrorCode::InviteInvalid)?;
    let role = named(Role::from_name, &role)?;
    let maker = UserId(maker.0);
    let maker = match accounts::is_disabled(work.conn, maker)? {
        true => None,
        false => work.role(maker)?,
    };
    if !works(role, maker) {
        return Err(ErrorCode::InviteInvalid.into());
    }
    if bans::is_banned(work, user)? {
        return Err(ErrorCode::Banned.into());
    }
    let row = work.user(user)?.ok_or(ErrorCode::UserNotFound)?;
    if work.role(user)?.is_some() {
        return Ok(work.head.version);
    }
    diesel::update(invites::table.find(StoredId(invite.0)))
        .set(invites::uses.eq(invites::uses + 1))
        .execute(work.conn)?;
    members::put(work, row, role)
}
