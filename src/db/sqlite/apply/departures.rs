//! The last change of a member whose account was deleted, on SQLite. Called by `apply`.

use diesel::prelude::*;
use serde_json::json;

use super::room::RoomWork;
use super::{members, settings};
use crate::db::accounts::heir;
use crate::db::rows::{UserKind, UserRow, Visibility};
use crate::db::sqlite::accounts::{UserColumns, user_row};
use crate::db::sqlite::columns::{StoredId, named};
use crate::db::sqlite::failure::Work;
use crate::db::sqlite::schema::{memberships, users};
use crate::error::ErrorCode;
use crate::ids::{UserId, Version};
use crate::permissions::Role;

/// Ends the membership of one who is to leave.
pub(super) fn depart(work: &mut RoomWork<'_>, user: UserId) -> Work<Version> {
    let leaving = users::table
        .find(StoredId(user.0))
        .select(users::leaving)
        .first::<bool>(work.conn)
        .optional()?;
    if leaving != Some(true) {
        return Err(ErrorCode::Forbidden.into());
    }
    let Some(role) = work.role(user)? else {
        return Ok(work.head.version);
    };
    let row = work.known_user(user)?;
    let is_direct = work.settings.visibility == Visibility::Direct;
    let is_last_owner = role == Role::Owner && !members::has_two_owners(work)?;
    if !is_direct && !is_last_owner {
        return members::take_out(work, row, json!({}));
    }
    match heir(people_beside(work, user)?) {
        Some(heir) if !is_direct => {
            members::put(work, heir, Role::Owner)?;
            members::take_out(work, row, json!({}))
        }
        Some(_) => members::take_out(work, row, json!({})),
        None => {
            members::take_out(work, row, json!({}))?;
            settings::end(work)
        }
    }
}

/// The people in the room beside one, who are not disabled.
fn people_beside(work: &mut RoomWork<'_>, user: UserId) -> Work<Vec<(UserRow, Role)>> {
    let found = memberships::table
        .inner_join(users::table)
        .filter(memberships::room_id.eq(work.id))
        .filter(memberships::user_id.ne(StoredId(user.0)))
        .filter(users::owner_id.is_null())
        .filter(users::disabled_at.is_null())
        .filter(users::kind.ne(UserKind::Assistant.as_str()))
        .select((
            (users::id, users::name, users::kind, users::owner_id),
            memberships::role,
        ))
        .load::<(UserColumns, String)>(work.conn)?;
    found
        .into_iter()
        .map(|(user, role)| Ok((user_row(user)?, named(Role::from_name, &role)?)))
        .collect()
}
