//! A guest becomes an account. Called by [`super::PostgresStore`]. Its row is locked first, so that of two who ask one comes second.

use uuid::Uuid;

use super::pool::Pools;
use super::records::name_key;
use super::statement::statement;
use super::{revocations, sessions};
use crate::db::accounts::{GuestUpgrade, RevocationKind};
use crate::db::audit::{Act, NewAudit};
use crate::db::changes::NewSession;
use crate::db::rows::UserKind;
use crate::db::{SignedIn, StoreError, StoreResult};
use crate::error::ErrorCode;
use crate::looks::look;

statement!(
    /// Somebody who may come in, locked: what it is. Whoever has an owner is a bot, whatever its row says.
    LockGuest { user: Uuid } -> (bool,),
    "SELECT kind = 'guest' AND owner_id IS NULL FROM users WHERE id = $1 AND disabled_at IS NULL FOR NO KEY UPDATE"
);
statement!(
    /// A name of its own and a password, or nothing when the name is taken.
    UpgradeGuest {
        user: Uuid,
        kind: String,
        name: String,
        name_key: String,
        look: String,
        password_hash: String,
    } -> (Uuid,),
    "UPDATE users SET kind = $2, name = $3, name_key = $4, look = $5, password_hash = $6 WHERE id = $1 \
     AND NOT EXISTS (SELECT FROM users WHERE name_key = $4 AND kind <> 'guest') \
     AND NOT EXISTS (SELECT FROM users WHERE look = $5) RETURNING id"
);

pub(super) async fn upgrade(
    pools: &Pools,
    upgrade: GuestUpgrade,
    session: NewSession,
) -> StoreResult<SignedIn> {
    let user = upgrade.user.0;
    let mut connection = pools.shared().await?;
    let locked = connection.begin_with(LockGuest { user }).await?;
    let refusal = match locked.first() {
        Some((true,)) => None,
        Some((false,)) => Some(ErrorCode::NotAGuest),
        None => Some(ErrorCode::Unauthenticated),
    };
    if let Some(code) = refusal {
        connection.rollback().await;
        return refused(code);
    }
    // Of two who take one name at once, the second fails by the index: `errors` calls that taken too.
    let taken = connection
        .run(UpgradeGuest {
            user,
            kind: UserKind::User.as_str().into(),
            name_key: name_key(&upgrade.name),
            look: look(&upgrade.name),
            name: upgrade.name,
            password_hash: upgrade.password_hash,
        })
        .await?;
    if taken.is_empty() {
        connection.rollback().await;
        return refused(ErrorCode::NameTaken);
    }
    connection
        .run(sessions::delete_all(upgrade.user, None))
        .await?;
    let made = connection.run(sessions::making(session)).await?;
    let Some(columns) = made.into_iter().next() else {
        connection.rollback().await;
        return Err(StoreError::Broken(
            "a guest that is locked has no session".into(),
        ));
    };
    let identity = sessions::identity(columns)?;
    connection.note(NewAudit::of(Act::GuestUpgraded).concerning(upgrade.user));
    revocations::log_and_commit(connection, RevocationKind::Sessions, user, None).await?;
    Ok(SignedIn { identity })
}

fn refused<T>(code: ErrorCode) -> StoreResult<T> {
    Err(StoreError::Refused(code.into()))
}
