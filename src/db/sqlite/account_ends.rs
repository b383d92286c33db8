//! What an account comes to on SQLite: another password, kept out and let in again, the right to administer, the end. Called by
//! `account_store.rs` inside a transaction.

use diesel::prelude::*;

use super::accounts::{UserColumns, held, user_row};
use super::columns::{Micros, StoredId, name_key, now, storable, time};
use super::failure::Work;
use super::schema::{
    api_tokens, identities, incoming_hooks, memberships, mentions, outgoing_webhooks, replies,
    rooms, users,
};
use super::{administration, audit, revocations, sessions};
use crate::db::accounts::{AccountRow, DELETED_NAME, NewPassword, RevocationKind, Seen};
use crate::db::audit::{Act, NewAudit};
use crate::db::rows::UserKind;
use crate::error::ErrorCode;
use crate::ids::{RoomId, UserId};

/// What is known of a person.
struct Person {
    id: StoredId,
    kind: UserKind,
    hash: Option<String>,
    disabled: bool,
}

impl Person {
    /// Whoever is neither a bot nor the assistant; deleted ones too.
    fn find(conn: &mut SqliteConnection, user: UserId) -> Work<Self> {
        let id = StoredId(user.0);
        let (columns, hash, disabled_at) = users::table
            .find(id)
            .filter(users::owner_id.is_null())
            .select((
                (users::id, users::name, users::kind, users::owner_id),
                users::password_hash,
                users::disabled_at,
            ))
            .first::<(UserColumns, Option<String>, Option<Micros>)>(conn)
            .optional()?
            .ok_or(ErrorCode::UserNotFound)?;
        let kind = user_row(columns)?.kind;
        if kind == UserKind::Assistant {
            return Err(ErrorCode::UserNotFound.into());
        }
        Ok(Self {
            id,
            kind,
            hash,
            disabled: disabled_at.is_some(),
        })
    }

    /// The same, still there.
    fn living(conn: &mut SqliteConnection, user: UserId) -> Work<Self> {
        let person = Self::find(conn, user)?;
        match person.kind {
            UserKind::Deleted => Err(ErrorCode::UserNotFound.into()),
            _ => Ok(person),
        }
    }

    /// Refuses when the password is no longer as it was seen.
    fn require_still(&self, seen: &Seen) -> Work<()> {
        match seen.is_so(self.hash.as_deref()) {
            true => Ok(()),
            false => Err(ErrorCode::BadCredentials.into()),
        }
    }
}

/// Whoever has a name of its own, disabled or not.
pub(super) fn account(conn: &mut SqliteConnection, name: &str) -> Work<AccountRow> {
    let (columns, _) = held(conn, &name_key(storable(name)?))?.ok_or(ErrorCode::UserNotFound)?;
    let user = user_row(columns)?;
    if user.kind == UserKind::Deleted {
        return Err(ErrorCode::UserNotFound.into());
    }
    let (admin, created_at, disabled_at): (bool, Micros, Option<Micros>) = users::table
        .find(StoredId(user.id.0))
        .select((users::admin, users::created_at, users::disabled_at))
        .first(conn)?;
    Ok(AccountRow {
        user,
        admin,
        created_at: time(created_at)?,
        disabled_at: disabled_at.map(time).transpose()?,
    })
}

/// What a user's password is checked against.
pub(super) fn password_hash(conn: &mut SqliteConnection, user: UserId) -> Work<Option<String>> {
    let found = users::table
        .find(StoredId(user.0))
        .filter(users::disabled_at.is_null())
        .select(users::password_hash)
        .first::<Option<String>>(conn)
        .optional()?;
    Ok(found.ok_or(ErrorCode::Unauthenticated)?)
}

/// Another password; all sessions but one end.
pub(super) fn set_password(
    conn: &mut SqliteConnection,
    user: UserId,
    password: &NewPassword,
) -> Work<u64> {
    let person = Person::living(conn, user)?;
    if person.kind == UserKind::Guest {
        return Err(ErrorCode::UserNotFound.into());
    }
    person.require_still(&password.seen)?;
    diesel::update(users::table.find(person.id))
        .set(users::password_hash.eq(&password.hash))
        .execute(conn)?;
    let ended = sessions::delete_all(conn, user, password.keep)?;
    audit::insert(conn, &NewAudit::of(Act::PasswordSet).concerning(user))?;
    revocations::add(conn, RevocationKind::Password, user, None)?;
    Ok(ended)
}

/// Keeps a user out.
pub(super) fn disable(conn: &mut SqliteConnection, user: UserId) -> Work<bool> {
    let person = Person::living(conn, user)?;
    if person.disabled {
        return Ok(false);
    }
    administration::require_another(conn, user)?;
    diesel::update(users::table.find(person.id))
        .set(users::disabled_at.eq(now()))
        .execute(conn)?;
    sessions::delete_all(conn, user, None)?;
    stop_replies(conn, person.id)?;
    audit::insert(conn, &NewAudit::of(Act::UserDisabled).concerning(user))?;
    revocations::add(conn, RevocationKind::Disabled, user, None)?;
    Ok(true)
}

/// Lets one in again.
pub(super) fn enable(conn: &mut SqliteConnection, user: UserId) -> Work<bool> {
    let person = Person::living(conn, user)?;
    diesel::update(users::table.find(person.id))
        .set(users::disabled_at.eq(None::<Micros>))
        .execute(conn)?;
    if person.disabled {
        audit::insert(conn, &NewAudit::of(Act::UserEnabled).concerning(user))?;
    }
    Ok(person.disabled)
}

/// The person becomes nobody in particular, and what goes with it goes.
pub(super) fn delete(conn: &mut SqliteConnection, user: UserId, seen: &Seen) -> Work<bool> {
    let person = Person::find(conn, user)?;
    if person.kind == UserKind::Deleted {
        return Ok(false);
    }
    person.require_still(seen)?;
    administration::require_another(conn, user)?;
    stop_replies(conn, person.id)?;
    if person.kind == UserKind::Guest {
        // It was never its own.
        diesel::update(users::table.find(person.id))
            .set(users::name_key.eq(""))
            .execute(conn)?;
    }
    let at = now();
    diesel::update(users::table.find(person.id))
        .set((
            users::name.eq(DELETED_NAME),
            users::kind.eq(UserKind::Deleted.as_str()),
            users::password_hash.eq(None::<String>),
            users::admin.eq(false),
            users::deleted_at.eq(at),
            users::leaving.eq(true),
        ))
        .execute(conn)?;
    let own = users::id.eq(person.id).or(users::owner_id
        .assume_not_null()
        .eq(person.id)
        .and(users::owner_id.is_not_null()));
    let ids: Vec<StoredId> = users::table.filter(own).select(users::id).load(conn)?;
    for id in &ids {
        diesel::update(users::table.find(*id))
            .filter(users::disabled_at.is_null())
            .set(users::disabled_at.eq(at))
            .execute(conn)?;
        diesel::update(users::table.find(*id))
            .set(users::leaving.eq(true))
            .execute(conn)?;
    }
    sessions::delete_all(conn, user, None)?;
    diesel::delete(api_tokens::table.filter(api_tokens::user_id.eq_any(&ids))).execute(conn)?;
    diesel::delete(incoming_hooks::table.filter(incoming_hooks::user_id.eq_any(&ids)))
        .execute(conn)?;
    diesel::delete(mentions::table.filter(mentions::user_id.eq(person.id))).execute(conn)?;
    diesel::delete(identities::table.filter(identities::user_id.eq(person.id))).execute(conn)?;
    diesel::delete(outgoing_webhooks::table.filter(outgoing_webhooks::created_by.eq(person.id)))
        .execute(conn)?;
    audit::insert(conn, &NewAudit::of(Act::UserDeleted).concerning(user))?;
    revocations::add(conn, RevocationKind::Deleted, user, None)?;
    Ok(true)
}

/// What a user and its bots asked the assistant stops.
fn stop_replies(conn: &mut SqliteConnection, user: StoredId) -> Work<()> {
    let askers: Vec<StoredId> = users::table
        .filter(users::owner_id.eq(user))
        .select(users::id)
        .load(conn)?;
    let asked = replies::asker_id
        .eq(user)
        .or(replies::asker_id.eq_any(&askers));
    diesel::update(replies::table)
        .filter(replies::settled_at.is_null())
        .filter(asked)
        .set(replies::stop_requested.eq(true))
        .execute(conn)?;
    Ok(())
}

/// Rooms that somebody is still to leave; whoever has left all is done.
pub(super) fn departures(
    conn: &mut SqliteConnection,
    user: Option<UserId>,
    limit: i64,
) -> Work<Vec<(RoomId, UserId)>> {
    let mut wanted = memberships::table
        .inner_join(users::table)
        .inner_join(rooms::table)
        .filter(users::leaving.eq(true))
        .filter(rooms::deleted_at.is_null())
        .order((memberships::user_id, memberships::room_id))
        .limit(limit.max(0))
        .select((memberships::room_id, memberships::user_id))
        .into_boxed();
    if let Some(user) = user {
        let user = StoredId(user.0);
        wanted = wanted.filter(
            users::id
                .eq(user)
                .or(users::owner_id.assume_not_null().eq(user)),
        );
    }
    let found = wanted.load::<(StoredId, StoredId)>(conn)?;
    if found.is_empty() {
        let still = memberships::table
            .inner_join(rooms::table)
            .filter(rooms::deleted_at.is_null())
            .select(memberships::user_id);
        diesel::update(users::table)
            .filter(users::leaving.eq(true))
            .filter(users::id.ne_all(still))
            .set(users::leaving.eq(false))
            .execute(conn)?;
    }
    Ok(found
        .into_iter()
        .map(|(room, user)| (RoomId(room.0), UserId(user.0)))
        .collect())
}
