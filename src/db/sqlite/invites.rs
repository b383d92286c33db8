//! Invites and bans as they are read on SQLite. Called by `contract.rs` inside a transaction. They are written in
//! `apply/invites.rs` and `apply/bans.rs`.

use diesel::prelude::*;

use super::accounts;
use super::columns::{Micros, StoredId, named, now, time};
use super::failure::{Failure, Work};
use super::rooms;
use super::schema::{bans, invites, memberships, rooms as room_rows};
use crate::db::invites::{BanRow, InviteRow, InviteView, works};
use crate::db::rows::UserRow;
use crate::error::ErrorCode;
use crate::ids::{InviteId, RoomId, UserId};
use crate::limits;
use crate::permissions::{Action, Role, allows};

/// An invite by its columns: id, room, role, maker, made at, ends at, for how many, uses.
type InviteColumns = (
    StoredId,
    StoredId,
    String,
    StoredId,
    Micros,
    Micros,
    i32,
    i32,
);

/// Whether somebody is kept out.
pub(super) fn is_banned(conn: &mut SqliteConnection, room: RoomId, user: UserId) -> Work<bool> {
    let count: i64 = bans::table
        .filter(bans::room_id.eq(StoredId(room.0)))
        .filter(bans::user_id.eq(StoredId(user.0)))
        .count()
        .get_result(conn)?;
    Ok(count > 0)
}

/// The invite of a token, while it works.
pub(super) fn find(conn: &mut SqliteConnection, token_hash: &[u8; 32]) -> Work<InviteView> {
    let columns = living()
        .filter(invites::token_hash.eq(token_hash.as_slice()))
        .first::<InviteColumns>(conn)
        .optional()?
        .ok_or(ErrorCode::InviteInvalid)?;
    let room = columns.1;
    let row = invite_row(conn, columns)?;
    let place = room_rows::table
        .find(room)
        .filter(room_rows::deleted_at.is_null())
        .select((room_rows::slug, room_rows::name))
        .first::<(String, String)>(conn)
        .optional()?;
    match place {
        Some((slug, name)) if row.works => Ok(InviteView {
            id: row.id,
            room: RoomId(room.0),
            slug,
            name,
            by: row.by,
            role: row.role,
            expires_at: row.expires_at,
        }),
        _ => Err(ErrorCode::InviteInvalid.into()),
    }
}

/// Those of a room that have not ended.
pub(super) fn list(conn: &mut SqliteConnection, user: UserId, slug: &str) -> Work<Vec<InviteRow>> {
    let room = required(conn, user, slug, Action::Invite)?;
    let found = living()
        .filter(invites::room_id.eq(StoredId(room.0)))
        .order((invites::created_at.desc(), invites::id.desc()))
        .limit(limits::INVITES_PER_ROOM)
        .load::<InviteColumns>(conn)?;
    let rows = found.into_iter().map(|columns| invite_row(conn, columns));
    rows.collect()
}

/// Who is kept out of a room.
pub(super) fn bans(conn: &mut SqliteConnection, user: UserId, slug: &str) -> Work<Vec<BanRow>> {
    let room = required(conn, user, slug, Action::Ban)?;
    let found = bans::table
        .filter(bans::room_id.eq(StoredId(room.0)))
        .order((bans::created_at.desc(), bans::user_id.desc()))
        .limit(limits::BANS_PER_ROOM)
        .select((
            bans::user_id,
            bans::banned_by,
            bans::reason,
            bans::created_at,
        ))
        .load::<(StoredId, StoredId, String, Micros)>(conn)?;
    let rows = found.into_iter().map(|(banned, by, reason, at)| {
        Ok(BanRow {
            user: known_user(conn, banned)?,
            by: known_user(conn, by)?,
            reason,
            created_at: time(at)?,
        })
    });
    rows.collect()
}

/// The room, for a member who may.
fn required(conn: &mut SqliteConnection, user: UserId, slug: &str, action: Action) -> Work<RoomId> {
    let (view, role) = rooms::of_member(conn, user, slug)?;
    if !allows(role, action) {
        return Err(ErrorCode::Forbidden.into());
    }
    Ok(view.room.id)
}

/// Invites that have not ended.
#[diesel::dsl::auto_type]
fn living() -> _ {
    let now: Micros = now();
    invites::table
        .filter(invites::expires_at.gt(now))
        .filter(invites::uses.lt(invites::max_uses))
        .filter(invites::revoked_at.is_null())
        .select((
            invites::id,
            invites::room_id,
            invites::role,
            invites::made_by,
            invites::created_at,
            invites::expires_at,
            invites::max_uses,
            invites::uses,
        ))
}

fn invite_row(conn: &mut SqliteConnection, columns: InviteColumns) -> Work<InviteRow> {
    let (id, room, role, maker, created_at, expires_at, max_uses, uses) = columns;
    let role = named(Role::from_name, &role)?;
    let maker_role = memberships::table
        .find((room, maker))
        .select(memberships::role)
        .first::<String>(conn)
        .optional()?
        .map(|role| named(Role::from_name, &role))
        .transpose()?;
    let is_disabled = accounts::is_disabled(conn, UserId(maker.0))?;
    let maker_role = maker_role.filter(|_| !is_disabled);
    Ok(InviteRow {
        id: InviteId(id.0),
        role,
        by: known_user(conn, maker)?,
        created_at: time(created_at)?,
        expires_at: time(expires_at)?,
        max_uses,
        uses,
        works: works(role, maker_role),
    })
}

fn known_user(conn: &mut SqliteConnection, id: StoredId) -> Work<UserRow> {
    accounts::by_id(conn, UserId(id.0))?
        .ok_or_else(|| Failure::Corrupt(format!("user {} is missing", id.0)))
}
