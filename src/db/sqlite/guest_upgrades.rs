//! A guest becomes an account on SQLite. Called by `account_store.rs` inside a transaction.

use diesel::prelude::*;

use super::columns::{StoredId, name_key, storable};
use super::failure::Work;
use super::schema::users;
use super::{accounts, audit, revocations, sessions};
use crate::db::SignedIn;
use crate::db::accounts::{GuestUpgrade, RevocationKind};
use crate::db::audit::{Act, NewAudit};
use crate::db::changes::NewSession;
use crate::db::rows::UserKind;
use crate::error::ErrorCode;
use crate::looks::look;

/// The same user, by a name of its own and with a password.
pub(super) fn upgrade(
    conn: &mut SqliteConnection,
    upgrade: &GuestUpgrade,
    session: &NewSession,
) -> Work<SignedIn> {
    let user = accounts::by_id(conn, upgrade.user)?.ok_or(ErrorCode::Unauthenticated)?;
    if accounts::is_disabled(conn, user.id)? {
        return Err(ErrorCode::Unauthenticated.into());
    }
    if user.kind != UserKind::Guest {
        return Err(ErrorCode::NotAGuest.into());
    }
    let key = name_key(storable(&upgrade.name)?);
    let look = look(&upgrade.name);
    if accounts::is_taken(conn, &key, &look)? {
        return Err(ErrorCode::NameTaken.into());
    }
    diesel::update(users::table.find(StoredId(user.id.0)))
        .set((
            users::kind.eq(UserKind::User.as_str()),
            users::name.eq(&upgrade.name),
            users::name_key.eq(&key),
            users::unique_name.eq(&key),
            users::look.eq(&look),
            users::password_hash.eq(&upgrade.password_hash),
        ))
        .execute(conn)?;
    sessions::delete_all(conn, user.id, None)?;
    let made = sessions::insert(conn, session)?;
    audit::insert(conn, &NewAudit::of(Act::GuestUpgraded).concerning(user.id))?;
    revocations::add(conn, RevocationKind::Sessions, user.id, None)?;
    Ok(made)
}
