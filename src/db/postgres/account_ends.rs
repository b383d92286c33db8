//! What an account comes to: another password, kept out and let in again, the right to administer, the end. Called by
//! [`super::PostgresStore`]. Each locks the user's row first and writes the log of revocations last.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::administration::LockAdmins;
use super::pool::{Conn, Pools};
use super::records::{name_key, user_kind, user_row};
use super::statement::statement;
use super::{revocations, sessions};
use crate::db::accounts::{AccountRow, DELETED_NAME, NewPassword, RevocationKind, Seen};
use crate::db::administration::AccountAct;
use crate::db::audit::{Act, NewAudit};
use crate::db::{StoreError, StoreResult};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{RoomId, UserId};

statement!(
    /// Whoever has a name of its own, disabled or not.
    FindAccount { name_key: String } -> (Uuid, String, String, bool, DateTime<Utc>, Option<DateTime<Utc>>),
    concat!("SELECT id, name, ", user_kind!("users"), ", admin, created_at, disabled_at FROM users \
     WHERE name_key = $1 AND kind <> 'guest' AND deleted_at IS NULL")
);
statement!(
    /// What a user's password is checked against.
    FindHash { user: Uuid } -> (Option<String>,),
    "SELECT password_hash FROM users WHERE id = $1 AND disabled_at IS NULL"
);
statement!(
    /// A person, locked: what it is, its hash, since when it is disabled or deleted, whether it administers.
    LockPerson { user: Uuid } -> (String, Option<String>, bool, bool, bool),
    "SELECT kind, password_hash, disabled_at IS NOT NULL, deleted_at IS NOT NULL, admin FROM users \
     WHERE id = $1 AND owner_id IS NULL AND kind <> 'assistant' FOR NO KEY UPDATE"
);
statement!(
    /// Another password.
    SetHash { user: Uuid, hash: String },
    "UPDATE users SET password_hash = $2 WHERE id = $1"
);
statement!(
    /// Kept out, or let in.
    SetDisabled { user: Uuid, disabled: bool },
    "UPDATE users SET disabled_at = CASE WHEN $2 THEN clock_timestamp() END WHERE id = $1"
);
statement!(
    /// What a user and its bots asked the assistant stops. Locked in the order in which runners lock.
    StopReplies { user: Uuid },
    "WITH asked AS ( \
         SELECT room_id, seq FROM replies WHERE state <> 'settled' \
         AND asker_id IN (SELECT id FROM users WHERE id = $1 OR owner_id = $1) ORDER BY room_id, seq FOR UPDATE \
     ) \
     UPDATE replies r SET stop_requested = true FROM asked WHERE r.room_id = asked.room_id AND r.seq = asked.seq"
);
statement!(
    /// The person becomes nobody in particular. A guest's name was never its own; any other stays taken.
    ForgetPerson { user: Uuid, name: String },
    "UPDATE users SET name = $2, name_key = CASE kind WHEN 'guest' THEN '' ELSE name_key END, password_hash = NULL, \
     admin = false, disabled_at = coalesce(disabled_at, clock_timestamp()), deleted_at = clock_timestamp(), leaving = true \
     WHERE id = $1"
);
statement!(
    /// What goes with a person.
    ForgetBelongings { user: Uuid },
    "WITH bots AS ( \
         UPDATE users SET disabled_at = coalesce(disabled_at, clock_timestamp()), leaving = true \
         WHERE owner_id = $1 RETURNING id \
     ), tokens AS ( \
         DELETE FROM api_tokens t WHERE t.user_id = $1 OR t.user_id IN (SELECT id FROM bots) \
     ), hooks AS ( \
         DELETE FROM incoming_hooks h WHERE h.user_id IN (SELECT id FROM bots) \
     ), mentioned AS ( \
         DELETE FROM mentions m WHERE m.user_id = $1 \
     ), vouched AS ( \
         DELETE FROM identities i WHERE i.user_id = $1 \
     ) \
     DELETE FROM outgoing_webhooks w WHERE w.created_by = $1"
);
statement!(
    /// Those who have left every room.
    EndLeaving {},
    "UPDATE users u SET leaving = false WHERE u.leaving AND NOT EXISTS ( \
         SELECT FROM memberships m JOIN rooms r ON r.id = m.room_id WHERE m.user_id = u.id AND r.deleted_at IS NULL)"
);
statement!(
    /// Rooms that somebody is still to leave.
    FindDepartures { user: Option<Uuid>, limit: i64 } -> (Uuid, Uuid),
    "SELECT m.room_id, m.user_id FROM users u JOIN memberships m ON m.user_id = u.id \
     JOIN rooms r ON r.id = m.room_id AND r.deleted_at IS NULL \
     WHERE u.leaving AND ($1 IS NULL OR u.id = $1 OR u.owner_id = $1) ORDER BY m.user_id, m.room_id LIMIT $2"
);

/// What is known of a person whose row is locked.
struct Person {
    connection: Conn,
    kind: String,
    hash: Option<String>,
    disabled: bool,
    deleted: bool,
    admin: bool,
    other_admins: usize,
}

impl Person {
    /// Locks a person for itself or for the operator.
    async fn lock(pools: &Pools, user: UserId) -> StoreResult<Self> {
        Self::lock_for(pools, None, user).await
    }

    /// The same for an administrator, as long as it is one.
    async fn lock_for(pools: &Pools, actor: Option<UserId>, user: UserId) -> StoreResult<Self> {
        let mut connection = pools.shared().await?;
        // First, and in order: of two who take the last two administrators, one comes second.
        let admins = connection.begin_with(LockAdmins { user: user.0 }).await?;
        if actor.is_some_and(|actor| !administers(&admins, actor)) {
            connection.rollback().await;
            return Err(StoreError::Refused(Refusal::not_an_administrator()));
        }
        let others = admins.iter().filter(|(id, ..)| *id != user.0);
        let other_admins = others
            .filter(|(_, admin, enabled)| *admin && *enabled)
            .count();
        let found = connection.run(LockPerson { user: user.0 }).await?;
        let Some((kind, hash, disabled, deleted, admin)) = found.into_iter().next() else {
            connection.rollback().await;
            return refused(ErrorCode::UserNotFound);
        };
        Ok(Self {
            connection,
            kind,
            hash,
            disabled,
            deleted,
            admin,
            other_admins,
        })
    }

    /// Nothing was changed.
    async fn leave<T>(self, answer: StoreResult<T>) -> StoreResult<T> {
        self.connection.rollback().await;
        answer
    }

    /// Whether the server would have no administrator without it.
    const fn is_last_administrator(&self) -> bool {
        self.admin && !self.disabled && self.other_admins == 0
    }

    /// Whether the password is still as it was seen.
    fn is_still(&self, seen: &Seen) -> bool {
        seen.is_so(self.hash.as_deref())
    }
}

/// Whether somebody is an administrator among these, and not disabled.
pub(super) fn administers(admins: &[(Uuid, bool, bool)], wanted: UserId) -> bool {
    let mut rows = admins.iter();
    rows.any(|(id, admin, enabled)| *id == wanted.0 && *admin && *enabled)
}

fn refused<T>(code: ErrorCode) -> StoreResult<T> {
    Err(StoreError::Refused(code.into()))
}

pub(super) async fn account(pools: &Pools, name: &str) -> StoreResult<AccountRow> {
    let wanted = FindAccount {
        name_key: name_key(name),
    };
    let found = pools.read(wanted).await?;
    let Some((id, name, kind, admin, created_at, disabled_at)) = found.into_iter().next() else {
        return refused(ErrorCode::UserNotFound);
    };
    Ok(AccountRow {
        user: user_row(id, name, &kind)?,
        admin,
        created_at,
        disabled_at,
    })
}

pub(super) async fn password_hash(pools: &Pools, user: UserId) -> StoreResult<Option<String>> {
    let found = pools.read(FindHash { user: user.0 }).await?;
    match found.into_iter().next() {
        Some((hash,)) => Ok(hash),
        None => refused(ErrorCode::Unauthenticated),
    }
}

pub(super) async fn set_password(
    pools: &Pools,
    user: UserId,
    password: NewPassword,
) -> StoreResult<u64> {
    let mut person = Person::lock(pools, user).await?;
    if person.deleted || person.kind == "guest" {
        return person.leave(refused(ErrorCode::UserNotFound)).await;
    }
    if !person.is_still(&password.seen) {
        return person.leave(refused(ErrorCode::BadCredentials)).await;
    }
    let connection = &mut person.connection;
    let (user_id, hash) = (user.0, password.hash);
    let set = SetHash {
        user: user_id,
        hash,
    };
    connection.run(set).await?;
    let ended = connection
        .run(sessions::delete_all(user, password.keep))
        .await?;
    person
        .connection
        .note(NewAudit::of(Act::PasswordSet).concerning(user));
    revocations::log_and_commit(person.connection, RevocationKind::Password, user.0, None).await?;
    Ok(sessions::lived(&ended))
}

/// Keeps a user out; by the operator where there is no actor.
pub(super) async fn disable(
    pools: &Pools,
    actor: Option<UserId>,
    user: UserId,
) -> StoreResult<bool> {
    let mut person = Person::lock_for(pools, actor, user).await?;
    if person.deleted {
        return person.leave(refused(ErrorCode::UserNotFound)).await;
    }
    if person.disabled {
        return person.leave(Ok(false)).await;
    }
    if person.is_last_administrator() {
        return person.leave(refused(ErrorCode::LastAdministrator)).await;
    }
    let connection = &mut person.connection;
    let set = SetDisabled {
        user: user.0,
        disabled: true,
    };
    connection.run(set).await?;
    connection.run(sessions::delete_all(user, None)).await?;
    connection.run(StopReplies { user: user.0 }).await?;
    person
        .connection
        .note(NewAudit::of(Act::UserDisabled).concerning(user));
    revocations::log_and_commit(person.connection, RevocationKind::Disabled, user.0, None).await?;
    Ok(true)
}

/// Lets one in again; by the operator where there is no actor.
pub(super) async fn enable(
    pools: &Pools,
    actor: Option<UserId>,
    user: UserId,
) -> StoreResult<bool> {
    let mut person = Person::lock_for(pools, actor, user).await?;
    if person.deleted {
        return person.leave(refused(ErrorCode::UserNotFound)).await;
    }
    if !person.disabled {
        return person.leave(Ok(false)).await;
    }
    let set = SetDisabled {
        user: user.0,
        disabled: false,
    };
    person
        .connection
        .note(NewAudit::of(Act::UserEnabled).concerning(user));
    person.connection.commit_with(set).await?;
    Ok(true)
}

/// What an administrator does to an account.
pub(super) async fn administer(
    pools: &Pools,
    actor: UserId,
    user: UserId,
    act: AccountAct,
) -> StoreResult<bool> {
    match act {
        AccountAct::Disable => disable(pools, Some(actor), user).await,
        AccountAct::Enable => enable(pools, Some(actor), user).await,
        AccountAct::EndSessions => end_sessions(pools, actor, user).await,
    }
}

/// Ends all sessions of somebody, as an administrator.
async fn end_sessions(pools: &Pools, actor: UserId, user: UserId) -> StoreResult<bool> {
    let mut connection = pools.shared().await?;
    let locked = connection.begin_with(LockAdmins { user: user.0 }).await?;
    let refusal = match locked.iter().any(|(id, ..)| *id == user.0) {
        _ if !administers(&locked, actor) => Some(Refusal::not_an_administrator()),
        false => Some(ErrorCode::UserNotFound.into()),
        true => None,
    };
    if let Some(refusal) = refusal {
        connection.rollback().await;
        return Err(StoreError::Refused(refusal));
    }
    let ended = connection.run(sessions::delete_all(user, None)).await?;
    if ended.is_empty() {
        connection.rollback().await;
        return Ok(false);
    }
    connection.note(NewAudit::of(Act::SessionsEnded).concerning(user));
    revocations::log_and_commit(connection, RevocationKind::Sessions, user.0, None).await?;
    Ok(true)
}

pub(super) async fn delete(pools: &Pools, user: UserId, seen: Seen) -> StoreResult<bool> {
    let mut person = Person::lock(pools, user).await?;
    if person.deleted {
        return person.leave(Ok(false)).await;
    }
    if !person.is_still(&seen) {
        return person.leave(refused(ErrorCode::BadCredentials)).await;
    }
    if person.is_last_administrator() {
        return person.leave(refused(ErrorCode::LastAdministrator)).await;
    }
    let connection = &mut person.connection;
    // Before the person's bots are told apart no more: what they asked stops too.
    connection.run(StopReplies { user: user.0 }).await?;
    let forget = ForgetPerson {
        user: user.0,
        name: DELETED_NAME.into(),
    };
    connection.run(forget).await?;
    connection.run(sessions::delete_all(user, None)).await?;
    connection.run(ForgetBelongings { user: user.0 }).await?;
    person
        .connection
        .note(NewAudit::of(Act::UserDeleted).concerning(user));
    revocations::log_and_commit(person.connection, RevocationKind::Deleted, user.0, None).await?;
    Ok(true)
}

pub(super) async fn departures(
    pools: &Pools,
    user: Option<UserId>,
    limit: i64,
) -> StoreResult<Vec<(RoomId, UserId)>> {
    let user = user.map(|user| user.0);
    let found = pools.read(FindDepartures { user, limit }).await?;
    if found.is_empty() {
        pools.write(EndLeaving {}).await?;
    }
    Ok(found
        .into_iter()
        .map(|(room, user)| (RoomId(room), UserId(user)))
        .collect())
}
