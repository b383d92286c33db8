//! Users on SQLite: making one, and finding one by name. Called by `contract.rs` inside a transaction, and by the other
//! nouns for author names. It checks no password.

use diesel::prelude::*;

use super::columns::{Micros, StoredId, name_key, named, now, storable};
use super::failure::{Failure, Work};
use super::schema::{rooms, users};
use super::{audit, sessions};
use crate::db::audit::{Act, NewAudit};
use crate::db::changes::{NewAccount, NewSession};
use crate::db::rows::{Credentials, UserKind, UserRow};
use crate::db::{ASSISTANT, LOBBY, SignedIn};
use crate::error::ErrorCode;
use crate::ids::{RoomId, UserId};
use crate::looks::look;
use crate::permissions::Role;

/// The columns of a [`UserRow`], as loaded.
pub(super) type UserColumns = (StoredId, String, String, Option<StoredId>);

/// A user's columns as everybody else has them. Whoever has an owner is a bot, whatever else the row says.
pub(super) fn user_row((id, name, kind, owner): UserColumns) -> Work<UserRow> {
    let kind = match owner {
        Some(_) => UserKind::Bot,
        None => named(UserKind::from_name, &kind)?,
    };
    Ok(UserRow {
        id: UserId(id.0),
        name,
        kind,
    })
}

/// One user by id.
pub(super) fn by_id(conn: &mut SqliteConnection, user: UserId) -> Work<Option<UserRow>> {
    users::table
        .find(StoredId(user.0))
        .select((users::id, users::name, users::kind, users::owner_id))
        .first::<UserColumns>(conn)
        .optional()?
        .map(user_row)
        .transpose()
}

/// Whether a user, or whose bot it is, was disabled or deleted.
pub(super) fn is_disabled(conn: &mut SqliteConnection, user: UserId) -> Work<bool> {
    let found: Option<(Option<Micros>, Option<StoredId>)> = users::table
        .find(StoredId(user.0))
        .select((users::disabled_at, users::owner_id))
        .first(conn)
        .optional()?;
    match found {
        Some((None, None)) | None => Ok(false),
        Some((Some(_), _)) => Ok(true),
        Some((None, Some(owner))) => {
            let owners: i64 = users::table
                .find(owner)
                .filter(users::disabled_at.is_not_null())
                .count()
                .get_result(conn)?;
            Ok(owners > 0)
        }
    }
}

/// A user with its first session and its place in the lobby.
pub(super) fn create(
    conn: &mut SqliteConnection,
    account: &NewAccount,
    session: &NewSession,
) -> Work<SignedIn> {
    introduce(conn, account, now())?;
    sessions::insert(conn, session)
}

/// A new user with its place in the lobby, and a line in the audit log.
pub(super) fn introduce(conn: &mut SqliteConnection, account: &NewAccount, at: Micros) -> Work<()> {
    insert(conn, account, at)?;
    enter_lobby(conn, account.user.id)?;
    let act = match account.user.kind {
        UserKind::Guest => Act::GuestCame,
        UserKind::User | UserKind::Bot | UserKind::Assistant | UserKind::Deleted => {
            Act::UserCreated
        }
    };
    let detail = if account.admin { "administrator" } else { "" };
    let note = NewAudit::of(act).concerning(account.user.id).saying(detail);
    audit::insert(conn, &note)
}

/// Makes a new user a member of the room that every account begins in, while it is there.
fn enter_lobby(conn: &mut SqliteConnection, user: UserId) -> Work<()> {
    let lobby = rooms::table
        .filter(rooms::slug.eq(LOBBY).and(rooms::deleted_at.is_null()))
        .select(rooms::id)
        .first::<StoredId>(conn)
        .optional()?;
    if let Some(lobby) = lobby {
        super::rooms::insert_member(conn, RoomId(lobby.0), user, Role::Member)?;
    }
    Ok(())
}

/// A user alone.
pub(super) fn insert(conn: &mut SqliteConnection, account: &NewAccount, at: Micros) -> Work<()> {
    let key = name_key(storable(&account.user.name)?);
    let look = look(&account.user.name);
    if is_taken(conn, &key, &look)? {
        return Err(ErrorCode::NameTaken.into());
    }
    let own_look = (account.user.kind != UserKind::Guest).then_some(&look);
    let unique_name = (account.user.kind != UserKind::Guest).then_some(&key);
    diesel::insert_into(users::table)
        .values((
            users::id.eq(StoredId(account.user.id.0)),
            users::kind.eq(account.user.kind.as_str()),
            users::name.eq(&account.user.name),
            users::name_key.eq(&key),
            users::unique_name.eq(unique_name),
            users::look.eq(own_look),
            users::password_hash.eq(account.password_hash.as_deref()),
            users::admin.eq(account.admin),
            users::created_at.eq(at),
        ))
        .execute(conn)?;
    Ok(())
}

/// What to check a password against.
pub(super) fn credentials(conn: &mut SqliteConnection, name: &str) -> Work<Option<Credentials>> {
    let Some((user, Some(password_hash))) = held(conn, &name_key(storable(name)?))? else {
        return Ok(None);
    };
    let user = user_row(user)?;
    Ok(Some(Credentials {
        disabled: is_disabled(conn, user.id)?,
        user,
        password_hash,
    }))
}

/// The user of that name. Guests are not found by name: several may have the same; nor is a bot that was removed.
pub(super) fn by_name(conn: &mut SqliteConnection, name: &str) -> Work<UserRow> {
    let (user, _) = held(conn, &name_key(storable(name)?))?.ok_or(ErrorCode::UserNotFound)?;
    let removed: i64 = users::table
        .find(user.0)
        .filter(users::disabled_at.is_not_null())
        .count()
        .get_result(conn)?;
    if removed > 0 {
        return Err(ErrorCode::UserNotFound.into());
    }
    user_row(user)
}

/// The assistant, which has had its name since the database was made.
pub(super) fn assistant(conn: &mut SqliteConnection) -> Work<UserRow> {
    let (user, _) = held(conn, &name_key(ASSISTANT))?
        .ok_or_else(|| Failure::Corrupt("there is no assistant".into()))?;
    user_row(user)
}

/// Whether somebody, not being a guest, holds a name or one that looks like it.
pub(super) fn is_taken(conn: &mut SqliteConnection, key: &str, look: &str) -> Work<bool> {
    if held(conn, key)?.is_some() {
        return Ok(true);
    }
    let alike: i64 = users::table
        .filter(users::look.eq(look))
        .count()
        .get_result(conn)?;
    Ok(alike > 0)
}

/// Writes what names look like that are older than their column. Of two that look alike since before there was a rule, one
/// keeps none.
pub(super) fn write_looks(conn: &mut SqliteConnection) -> Work<()> {
    let lookless: Vec<(StoredId, String)> = users::table
        .filter(users::look.is_null().and(users::unique_name.is_not_null()))
        .select((users::id, users::name))
        .load(conn)?;
    for (id, name) in lookless {
        let look = look(&name);
        let alike: i64 = users::table
            .filter(users::look.eq(&look))
            .count()
            .get_result(conn)?;
        if alike == 0 {
            diesel::update(users::table.find(id))
                .set(users::look.eq(look))
                .execute(conn)?;
        }
    }
    Ok(())
}

/// Who, not being a guest, holds a name, and with which password.
pub(super) fn held(
    conn: &mut SqliteConnection,
    key: &str,
) -> Work<Option<(UserColumns, Option<String>)>> {
    Ok(users::table
        .filter(users::unique_name.eq(key))
        .select((
            (users::id, users::name, users::kind, users::owner_id),
            users::password_hash,
        ))
        .first(conn)
        .optional()?)
}
