//! Incoming webhooks on SQLite. Called by `integrations.rs` inside a transaction. Secrets never come here, only their
//! SHA-256.

use diesel::prelude::*;

use super::accounts::{self, UserColumns, user_row};
use super::audit;
use super::columns::{Micros, SECOND, StoredId, name_key, now, storable, time};
use super::failure::Work;
use super::rooms as room_rows;
use super::schema::{incoming_hooks, rooms, users};
use crate::db::audit::{Act, NewAudit};
use crate::db::integrations::{HookRow, HookUse, NewHook};
use crate::db::rows::{UserKind, UserRow};
use crate::error::ErrorCode;
use crate::ids::{HookId, RoomId, UserId};
use crate::limits::{HOOKS_PER_ROOM, LAST_USED_S};
use crate::permissions::{Action, Role, allows};

/// A webhook's columns: itself, who made it, its user.
type HookColumns = (StoredId, Micros, Option<Micros>, StoredId, UserColumns);

/// A webhook, its user, and that one's membership.
pub(super) fn create(
    conn: &mut SqliteConnection,
    actor: UserId,
    slug: &str,
    hook: &NewHook,
) -> Work<HookRow> {
    let room = managed(conn, actor, slug)?;
    let count: i64 = incoming_hooks::table
        .filter(incoming_hooks::room_id.eq(StoredId(room.0)))
        .count()
        .get_result(conn)?;
    if count >= HOOKS_PER_ROOM {
        return Err(ErrorCode::TooMany.into());
    }
    let at = now();
    // A `guest` shares its name with whoever has it.
    diesel::insert_into(users::table)
        .values((
            users::id.eq(StoredId(hook.user.id.0)),
            users::kind.eq(UserKind::Guest.as_str()),
            users::name.eq(storable(&hook.user.name)?),
            users::name_key.eq(name_key(&hook.user.name)),
            users::admin.eq(false),
            users::created_at.eq(at),
            users::owner_id.eq(StoredId(actor.0)),
        ))
        .execute(conn)?;
    room_rows::insert_member(conn, room, hook.user.id, Role::Member)?;
    diesel::insert_into(incoming_hooks::table)
        .values((
            incoming_hooks::id.eq(StoredId(hook.id.0)),
            incoming_hooks::room_id.eq(StoredId(room.0)),
            incoming_hooks::user_id.eq(StoredId(hook.user.id.0)),
            incoming_hooks::created_by.eq(StoredId(actor.0)),
            incoming_hooks::secret_hash.eq(hook.secret_hash.as_slice()),
            incoming_hooks::created_at.eq(at),
        ))
        .execute(conn)?;
    note(conn, Act::HookMade, actor, room, hook.user.id)?;
    one(conn, room, hook.id)
}

/// The webhooks of a room.
pub(super) fn list(conn: &mut SqliteConnection, actor: UserId, slug: &str) -> Work<Vec<HookRow>> {
    let room = managed(conn, actor, slug)?;
    of_room(conn, room)
}

/// Another secret.
pub(super) fn rotate(
    conn: &mut SqliteConnection,
    actor: UserId,
    slug: &str,
    hook: HookId,
    secret_hash: &[u8; 32],
) -> Work<HookRow> {
    let room = managed(conn, actor, slug)?;
    let row = one(conn, room, hook)?;
    diesel::update(incoming_hooks::table.find(StoredId(hook.0)))
        .set(incoming_hooks::secret_hash.eq(secret_hash.as_slice()))
        .execute(conn)?;
    note(conn, Act::HookRotated, actor, room, row.user.id)?;
    Ok(row)
}

/// Ends one; its user is a bot that is gone.
pub(super) fn delete(
    conn: &mut SqliteConnection,
    actor: UserId,
    slug: &str,
    hook: HookId,
) -> Work<UserRow> {
    let room = managed(conn, actor, slug)?;
    let row = one(conn, room, hook)?;
    diesel::delete(incoming_hooks::table.find(StoredId(hook.0))).execute(conn)?;
    diesel::update(users::table.find(StoredId(row.user.id.0)))
        .set(users::disabled_at.eq(now()))
        .execute(conn)?;
    note(conn, Act::HookRemoved, actor, room, row.user.id)?;
    Ok(row.user)
}

/// What the audit log says of it.
fn note(
    conn: &mut SqliteConnection,
    act: Act,
    actor: UserId,
    room: RoomId,
    user: UserId,
) -> Work<()> {
    let note = NewAudit::of(act).by(actor).to(user).in_room(room);
    audit::insert(conn, &note)
}

/// Whose secret it is, and whether its last use is to be noted.
pub(super) fn by_secret(
    conn: &mut SqliteConnection,
    secret_hash: &[u8; 32],
) -> Work<Option<HookUse>> {
    let found = incoming_hooks::table
        .inner_join(users::table)
        .inner_join(rooms::table)
        .filter(incoming_hooks::secret_hash.eq(secret_hash.as_slice()))
        .filter(rooms::deleted_at.is_null())
        .select((
            incoming_hooks::id,
            incoming_hooks::last_used_at,
            rooms::slug,
            (users::id, users::name, users::kind, users::owner_id),
        ))
        .first::<(StoredId, Option<Micros>, String, UserColumns)>(conn)
        .optional()?;
    let Some((hook, last_used_at, slug, user)) = found else {
        return Ok(None);
    };
    let user = user_row(user)?;
    // Its user is nobody's but its maker's.
    if accounts::is_disabled(conn, user.id)? {
        return Ok(None);
    }
    Ok(Some(HookUse {
        hook: HookId(hook.0),
        user,
        slug,
        note_due: last_used_at.is_none_or(|last| last < now() - LAST_USED_S * SECOND),
    }))
}

/// Notes a use.
pub(super) fn note_used(conn: &mut SqliteConnection, hook: HookId) -> Work<()> {
    diesel::update(incoming_hooks::table.find(StoredId(hook.0)))
        .set(incoming_hooks::last_used_at.eq(now()))
        .execute(conn)?;
    Ok(())
}

/// The room, for one who may manage its webhooks.
fn managed(conn: &mut SqliteConnection, actor: UserId, slug: &str) -> Work<RoomId> {
    let (view, role) = room_rows::of_member(conn, actor, slug)?;
    if allows(role, Action::ManageIntegrations) {
        Ok(view.room.id)
    } else {
        Err(ErrorCode::Forbidden.into())
    }
}

fn one(conn: &mut SqliteConnection, room: RoomId, hook: HookId) -> Work<HookRow> {
    let mut rows = of_room(conn, room)?.into_iter();
    let found = rows.find(|row| row.id == hook);
    found.ok_or_else(|| ErrorCode::NotFound.into())
}

/// Few enough to be read whole.
fn of_room(conn: &mut SqliteConnection, room: RoomId) -> Work<Vec<HookRow>> {
    let rows = incoming_hooks::table
        .inner_join(users::table)
        .filter(incoming_hooks::room_id.eq(StoredId(room.0)))
        .order(incoming_hooks::id)
        .select((
            incoming_hooks::id,
            incoming_hooks::created_at,
            incoming_hooks::last_used_at,
            incoming_hooks::created_by,
            (users::id, users::name, users::kind, users::owner_id),
        ))
        .load::<HookColumns>(conn)?;
    let row = |(id, created_at, last_used_at, created_by, user): HookColumns| {
        let created_by = accounts::by_id(conn, UserId(created_by.0))?;
        Ok(HookRow {
            id: HookId(id.0),
            user: user_row(user)?,
            created_by: created_by.ok_or(ErrorCode::UserNotFound)?,
            created_at: time(created_at)?,
            last_used_at: last_used_at.map(time).transpose()?,
        })
    };
    rows.into_iter().map(row).collect()
}
