//! Users. Called by [`super::PostgresStore`].

use uuid::Uuid;

use super::pool::Pools;
use super::records::{name_key, user_kind, user_row};
use super::statement::statement;
use crate::db::audit::{Act, NewAudit};
use crate::db::changes::{NewAccount, NewSession};
use crate::db::rows::{Credentials, Identity, UserKind, UserRow};
use crate::db::{ASSISTANT, LOBBY, SignedIn, StoreError, StoreResult};
use crate::error::ErrorCode;
use crate::looks::look;

statement!(
    /// Takes the head lock of the room that every account begins in: joins take it, without a version.
    LockLobby { slug: String } -> (Uuid,),
    "SELECT h.room_id FROM room_heads h JOIN rooms r ON r.id = h.room_id \
     WHERE r.slug = $1 AND r.visibility = 'public' AND r.deleted_at IS NULL FOR NO KEY UPDATE OF h"
);
statement!(
    /// User, membership and session, or nothing when the name is taken.
    CreateAccount {
        id: Uuid,
        name: String,
        name_key: String,
        kind: String,
        password_hash: Option<String>,
        admin: bool,
        session: Uuid,
        token_hash: Vec<u8>,
        lifetime_s: i64,
        lobby: String,
        idle_s: i64,
        address: Option<String>,
        user_agent: Option<String>,
        look: String,
    } -> (chrono::DateTime<chrono::Utc>,),
    "WITH made AS ( \
         INSERT INTO users (id, name, name_key, kind, password_hash, admin, look) \
         SELECT $1, $2, $3, $4, $5, $6, CASE WHEN $4 <> 'guest' THEN $14 END \
         WHERE NOT EXISTS (SELECT FROM users WHERE name_key = $3 AND kind <> 'guest') \
         AND NOT EXISTS (SELECT FROM users WHERE look = $14) \
         ON CONFLICT DO NOTHING RETURNING id \
     ), first_room AS ( \
         INSERT INTO memberships (room_id, user_id, role, last_read_seq) \
         SELECT r.id, made.id, 'member', h.last_seq FROM made, rooms r JOIN room_heads h ON h.room_id = r.id \
         WHERE r.slug = $10 AND r.visibility = 'public' AND r.deleted_at IS NULL \
     ) \
     INSERT INTO sessions (id, user_id, token_hash, created_at, expires_at, ends_at, last_seen_at, address, user_agent) \
     SELECT $7, made.id, $8, now, now + least($9, $11) * interval '1 second', now + $9 * interval '1 second', now, $12, $13 \
     FROM made, clock_timestamp() AS now RETURNING expires_at"
);
statement!(
    /// What a password is checked against.
    FindCredentials { name_key: String } -> (Uuid, String, String, String, bool),
    "SELECT id, name, kind, password_hash, disabled_at IS NOT NULL FROM users \
     WHERE name_key = $1 AND kind <> 'guest' AND password_hash IS NOT NULL"
);
statement!(
    /// Whoever has a name of its own and is still there.
    FindUser { name_key: String } -> (Uuid, String, String),
    concat!("SELECT id, name, ", user_kind!("users"), " FROM users \
     WHERE name_key = $1 AND kind <> 'guest' AND disabled_at IS NULL")
);

pub(super) async fn create(
    pools: &Pools,
    account: NewAccount,
    session: NewSession,
) -> StoreResult<SignedIn> {
    let NewAccount {
        user,
        password_hash,
        admin,
    } = account;
    let mut connection = pools.shared().await?;
    connection
        .begin_with(LockLobby { slug: LOBBY.into() })
        .await?;
    let made = connection
        .run(CreateAccount {
            id: user.id.0,
            name: user.name.clone(),
            name_key: name_key(&user.name),
            kind: user.kind.as_str().into(),
            password_hash,
            admin,
            session: session.id.0,
            token_hash: session.token_hash.to_vec(),
            lifetime_s: session.lifetime_s,
            lobby: LOBBY.into(),
            idle_s: session.idle_s,
            address: session.origin.address,
            user_agent: session.origin.user_agent,
            look: look(&user.name),
        })
        .await?;
    let Some((expires_at,)) = made.into_iter().next() else {
        connection.rollback().await;
        return Err(StoreError::Refused(ErrorCode::NameTaken.into()));
    };
    let act = match user.kind {
        UserKind::Guest => Act::GuestCame,
        UserKind::User | UserKind::Bot | UserKind::Assistant | UserKind::Deleted => {
            Act::UserCreated
        }
    };
    let detail = if admin { "administrator" } else { "" };
    connection.note(NewAudit::of(act).concerning(user.id).saying(detail));
    connection.commit().await?;
    Ok(SignedIn {
        identity: Identity {
            session: session.id,
            user,
            expires_at: Some(expires_at),
            scope: None,
        },
    })
}

pub(super) async fn credentials(pools: &Pools, name: &str) -> StoreResult<Option<Credentials>> {
    let found = pools
        .read(FindCredentials {
            name_key: name_key(name),
        })
        .await?;
    found
        .into_iter()
        .next()
        .map(|(id, name, kind, password_hash, disabled)| {
            Ok(Credentials {
                user: user_row(id, name, &kind)?,
                password_hash,
                disabled,
            })
        })
        .transpose()
}

pub(super) async fn assistant(pools: &Pools) -> StoreResult<UserRow> {
    let user = by_name(pools, ASSISTANT).await?;
    if user.kind == UserKind::Assistant {
        Ok(user)
    } else {
        Err(StoreError::Broken(
            "the user `assistant` is no assistant".into(),
        ))
    }
}

pub(super) async fn by_name(pools: &Pools, name: &str) -> StoreResult<UserRow> {
    let found = pools
        .read(FindUser {
            name_key: name_key(name),
        })
        .await?;
    match found.into_iter().next() {
        Some((id, name, kind)) => user_row(id, name, &kind),
        None => Err(StoreError::Refused(ErrorCode::UserNotFound.into())),
    }
}
