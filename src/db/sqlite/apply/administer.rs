//! What an administrator, or the operator, does to a room without being in it, on SQLite. Called by `apply`.

use diesel::prelude::*;

use super::room::RoomWork;
use super::{bans, members, settings};
use crate::db::changes::{Administered, RoomEdit};
use crate::db::rows::Visibility;
use crate::db::sqlite::administration;
use crate::db::sqlite::failure::Work;
use crate::db::sqlite::schema::{memberships, users};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{UserId, Version};
use crate::permissions::Role;

/// Judges and does it; no actor is the operator.
pub(super) fn run(
    work: &mut RoomWork<'_>,
    actor: Option<UserId>,
    act: &Administered,
) -> Work<Version> {
    match actor {
        Some(actor) if !administration::is_admin(work.conn, actor)? => {
            return Err(Refusal::not_an_administrator().into());
        }
        Some(_) if act.is_operators() => return Err(Refusal::not_an_administrator().into()),
        _ => {}
    }
    if work.settings.visibility == Visibility::Direct && *act != Administered::Delete {
        return Err(ErrorCode::Forbidden.into());
    }
    match act {
        // Who administers does not let itself in.
        Administered::TakeOver { user } if actor == Some(*user) => Err(ErrorCode::Forbidden.into()),
        Administered::TakeOver { user } => {
            if has_owner(work)? {
                return Err(ErrorCode::RoomHasOwner.into());
            }
            set_role(work, *user, Role::Owner)
        }
        Administered::SetRole { user, role } => set_role(work, *user, *role),
        Administered::Archive { archived } => {
            let archived = Some(*archived);
            let edit = RoomEdit {
                archived,
                ..RoomEdit::default()
            };
            settings::change(work, &edit)
        }
        Administered::Delete => settings::end(work),
    }
}

/// Whether any owner may still sign in.
fn has_owner(work: &mut RoomWork<'_>) -> Work<bool> {
    let owners: i64 = memberships::table
        .inner_join(users::table)
        .filter(memberships::room_id.eq(work.id))
        .filter(memberships::role.eq(Role::Owner.as_str()))
        .filter(users::disabled_at.is_null())
        .count()
        .get_result(work.conn)?;
    Ok(owners > 0)
}

fn set_role(work: &mut RoomWork<'_>, user: UserId, role: Role) -> Work<Version> {
    let row = work.user(user)?.ok_or(ErrorCode::UserNotFound)?;
    let present = work.role(user)?;
    if present == Some(role) {
        return Ok(work.head.version);
    }
    if present.is_none() && bans::is_banned(work, user)? {
        return Err(Refusal::user_is_banned().into());
    }
    if present == Some(Role::Owner) {
        members::require_another_owner(work)?;
    }
    members::put(work, row, role)
}
