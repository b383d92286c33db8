//! [`Identities`] on Postgres: users that others vouch for, and the sessions of their claims. Only SHA-256s of claims are here.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::PostgresStore;
use super::accounts::LockLobby;
use super::pool::Pools;
use super::records::{name_key, user_row};
use super::statement::statement;
use crate::db::audit::{Act, NewAudit};
use crate::db::identities::{Identities, IdentityUser, NewClaim, NewIdentity};
use crate::db::rows::Identity;
use crate::db::{LOBBY, StoreError, StoreResult, uncancelled};
use crate::error::ErrorCode;
use crate::ids::SessionId;
use crate::limits;
use crate::looks::look;
use crate::permissions::Scope;

statement!(
    /// Whose identity it is, and whether that one may not come in.
    FindIdentityUser { issuer: String, subject: String } -> (Uuid, String, String, bool),
    "SELECT u.id, u.name, u.kind, u.disabled_at IS NOT NULL FROM identities i JOIN users u ON u.id = i.user_id \
     WHERE i.issuer = $1 AND i.subject = $2"
);
statement!(
    /// User, membership and identity. Tells whether the name was free, and whether the identity was new.
    CreateIdentity {
        id: Uuid,
        name: String,
        name_key: String,
        kind: String,
        issuer: String,
        subject: String,
        lobby: String,
        look: String,
    } -> (bool, bool),
    "WITH made AS ( \
         INSERT INTO users (id, name, name_key, kind, look) SELECT $1, $2, $3, $4, $8 \
         WHERE NOT EXISTS (SELECT FROM users WHERE name_key = $3 AND kind <> 'guest') \
         AND NOT EXISTS (SELECT FROM users WHERE look = $8) \
         ON CONFLICT DO NOTHING RETURNING id \
     ), first_room AS ( \
         INSERT INTO memberships (room_id, user_id, role, last_read_seq) \
         SELECT r.id, made.id, 'member', h.last_seq FROM made, rooms r JOIN room_heads h ON h.room_id = r.id \
         WHERE r.slug = $7 AND r.visibility = 'public' AND r.deleted_at IS NULL \
     ), linked AS ( \
         INSERT INTO identities (issuer, subject, user_id) SELECT $5, $6, made.id FROM made \
         ON CONFLICT (issuer, subject) DO NOTHING RETURNING user_id \
     ) SELECT EXISTS (SELECT FROM made), EXISTS (SELECT FROM linked)"
);
statement!(
    /// Whom a claim stands for.
    FindClaim { claim_hash: Vec<u8> } -> (Uuid, Uuid, String, String, DateTime<Utc>),
    "SELECT s.id, u.id, u.name, u.kind, s.expires_at FROM sessions s JOIN users u ON u.id = s.user_id \
     WHERE s.token_hash = $1 AND s.claimed AND s.expires_at > clock_timestamp() AND u.disabled_at IS NULL"
);
statement!(
    /// A user that may come in. Orders what is made for one.
    LockUser { user: Uuid } -> (Uuid,),
    "SELECT id FROM users WHERE id = $1 AND disabled_at IS NULL FOR NO KEY UPDATE"
);
statement!(
    /// Claims of a user that have not ended, without this one.
    CountClaims { user: Uuid, claim_hash: Vec<u8> } -> (i64,),
    "SELECT count(*) FROM sessions WHERE user_id = $1 AND claimed AND token_hash <> $2 AND expires_at > clock_timestamp()"
);
statement!(
    /// The session of a claim, unless it is there.
    InsertClaim { id: Uuid, user: Uuid, claim_hash: Vec<u8>, expires_at: DateTime<Utc> },
    "INSERT INTO sessions (id, user_id, token_hash, expires_at, claimed) VALUES ($1, $2, $3, $4, true) \
     ON CONFLICT (token_hash) DO NOTHING"
);

async fn find(pools: &Pools, issuer: &str, subject: &str) -> StoreResult<Option<IdentityUser>> {
    let found = pools
        .read(FindIdentityUser {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
        })
        .await?;
    let row = found.into_iter().next();
    row.map(|(id, name, kind, disabled)| {
        let user = user_row(id, name, &kind)?;
        Ok(IdentityUser { user, disabled })
    })
    .transpose()
}

async fn create(pools: &Pools, identity: NewIdentity) -> StoreResult<IdentityUser> {
    let NewIdentity {
        issuer,
        subject,
        user,
    } = identity;
    let mut connection = pools.shared().await?;
    connection
        .begin_with(LockLobby { slug: LOBBY.into() })
        .await?;
    let made = connection
        .run(CreateIdentity {
            id: user.id.0,
            name: user.name.clone(),
            name_key: name_key(&user.name),
            kind: user.kind.as_str().into(),
            issuer: issuer.clone(),
            subject: subject.clone(),
            lobby: LOBBY.into(),
            look: look(&user.name),
        })
        .await?;
    if let Some((true, true)) = made.first() {
        connection.note(NewAudit::of(Act::UserCreated).concerning(user.id));
        connection.commit().await?;
        return Ok(IdentityUser {
            user,
            disabled: false,
        });
    }
    connection.rollback().await;
    // Another call may have made this very identity meanwhile, perhaps by the same name.
    match find(pools, &issuer, &subject).await? {
        Some(found) => Ok(found),
        None => Err(StoreError::Refused(ErrorCode::NameTaken.into())),
    }
}

async fn claim(pools: &Pools, claim_hash: &[u8; 32]) -> StoreResult<Option<Identity>> {
    let found = pools
        .read(FindClaim {
            claim_hash: claim_hash.to_vec(),
        })
        .await?;
    let row = found.into_iter().next();
    row.map(|(session, user, name, kind, expires_at)| {
        Ok(Identity {
            session: SessionId(session),
            user: user_row(user, name, &kind)?,
            expires_at: Some(expires_at),
            scope: Some(Scope::Write),
        })
    })
    .transpose()
}

async fn create_claim(pools: &Pools, new: NewClaim) -> StoreResult<Identity> {
    let mut connection = pools.shared().await?;
    let user = new.user.0;
    let held = connection.begin_with(LockUser { user }).await?;
    if held.is_empty() {
        connection.rollback().await;
        return Err(StoreError::Refused(ErrorCode::UserNotFound.into()));
    }
    let claim_hash = new.claim_hash.to_vec();
    let others = connection
        .run(CountClaims {
            user,
            claim_hash: claim_hash.clone(),
        })
        .await?;
    if others
        .first()
        .is_some_and(|(count,)| *count >= limits::CLAIMS_PER_USER)
    {
        connection.rollback().await;
        return Err(StoreError::Refused(ErrorCode::TooMany.into()));
    }
    connection
        .run(InsertClaim {
            id: new.session.0,
            user,
            claim_hash,
            expires_at: new.expires_at,
        })
        .await?;
    connection.commit().await?;
    match claim(pools, &new.claim_hash).await? {
        Some(identity) => Ok(identity),
        // It ended meanwhile, or its user was disabled.
        None => Err(StoreError::Refused(ErrorCode::UserNotFound.into())),
    }
}

#[async_trait]
impl Identities for PostgresStore {
    async fn identity_user(
        &self,
        issuer: &str,
        subject: &str,
    ) -> StoreResult<Option<IdentityUser>> {
        let pools = Arc::clone(&self.pools);
        let (issuer, subject) = (issuer.to_owned(), subject.to_owned());
        uncancelled(async move { find(&pools, &issuer, &subject).await }).await
    }

    async fn create_identity(&self, identity: NewIdentity) -> StoreResult<IdentityUser> {
        let pools = Arc::clone(&self.pools);
        uncancelled(async move { create(&pools, identity).await }).await
    }

    async fn claim_identity(&self, claim_hash: &[u8; 32]) -> StoreResult<Option<Identity>> {
        let (pools, claim_hash) = (Arc::clone(&self.pools), *claim_hash);
        uncancelled(async move { claim(&pools, &claim_hash).await }).await
    }

    async fn create_claim(&self, new: NewClaim) -> StoreResult<Identity> {
        let pools = Arc::clone(&self.pools);
        uncancelled(async move { create_claim(&pools, new).await }).await
    }
}
