//! [`Identities`] on SQLite: users that others vouch for, and the sessions of their claims. Only SHA-256s of claims are here.

use async_trait::async_trait;
use diesel::prelude::*;

use super::SqliteStore;
use super::accounts::{self, UserColumns, user_row};
use super::columns::{Micros, StoredId, now, storable, time};
use super::failure::Work;
use super::schema::{identities, sessions, users};
use crate::db::StoreResult;
use crate::db::changes::NewAccount;
use crate::db::identities::{Identities, IdentityUser, NewClaim, NewIdentity};
use crate::db::rows::Identity;
use crate::error::ErrorCode;
use crate::ids::SessionId;
use crate::limits;
use crate::permissions::Scope;

fn find(conn: &mut SqliteConnection, issuer: &str, subject: &str) -> Work<Option<IdentityUser>> {
    type Columns = (UserColumns, Option<Micros>);
    let found = identities::table
        .inner_join(users::table)
        .filter(identities::issuer.eq(storable(issuer)?))
        .filter(identities::subject.eq(storable(subject)?))
        .select((
            (users::id, users::name, users::kind, users::owner_id),
            users::disabled_at,
        ))
        .first::<Columns>(conn)
        .optional()?;
    found
        .map(|(user, disabled_at)| {
            Ok(IdentityUser {
                user: user_row(user)?,
                disabled: disabled_at.is_some(),
            })
        })
        .transpose()
}

fn create(conn: &mut SqliteConnection, identity: NewIdentity) -> Work<IdentityUser> {
    if let Some(found) = find(conn, &identity.issuer, &identity.subject)? {
        return Ok(found);
    }
    let at = now();
    let account = NewAccount {
        user: identity.user,
        password_hash: None,
        admin: false,
    };
    accounts::introduce(conn, &account, at)?;
    diesel::insert_into(identities::table)
        .values((
            identities::issuer.eq(&identity.issuer),
            identities::subject.eq(&identity.subject),
            identities::user_id.eq(StoredId(account.user.id.0)),
            identities::created_at.eq(at),
        ))
        .execute(conn)?;
    Ok(IdentityUser {
        user: account.user,
        disabled: false,
    })
}

fn claim(conn: &mut SqliteConnection, claim_hash: &[u8; 32]) -> Work<Option<Identity>> {
    type Columns = (StoredId, Micros, UserColumns);
    let found = sessions::table
        .inner_join(users::table)
        .filter(sessions::token_hash.eq(claim_hash.as_slice()))
        .filter(sessions::claimed)
        .filter(sessions::expires_at.gt(now()))
        .filter(users::disabled_at.is_null())
        .select((
            sessions::id,
            sessions::expires_at,
            (users::id, users::name, users::kind, users::owner_id),
        ))
        .first::<Columns>(conn)
        .optional()?;
    found
        .map(|(session, expires_at, user)| {
            Ok(Identity {
                session: SessionId(session.0),
                user: user_row(user)?,
                expires_at: Some(time(expires_at)?),
                scope: Some(Scope::Write),
            })
        })
        .transpose()
}

fn create_claim(conn: &mut SqliteConnection, new: &NewClaim) -> Work<Identity> {
    if let Some(found) = claim(conn, &new.claim_hash)? {
        return Ok(found);
    }
    let at = now();
    let user = StoredId(new.user.0);
    let may_come: i64 = users::table
        .find(user)
        .filter(users::disabled_at.is_null())
        .count()
        .get_result(conn)?;
    if may_come == 0 {
        return Err(ErrorCode::UserNotFound.into());
    }
    let others: i64 = sessions::table
        .filter(sessions::user_id.eq(user))
        .filter(sessions::claimed)
        .filter(sessions::expires_at.gt(at))
        .count()
        .get_result(conn)?;
    if others >= limits::CLAIMS_PER_USER {
        return Err(ErrorCode::TooMany.into());
    }
    // One that has ended is not swept yet: the same claim does not live again.
    diesel::insert_or_ignore_into(sessions::table)
        .values((
            sessions::id.eq(StoredId(new.session.0)),
            sessions::user_id.eq(user),
            sessions::token_hash.eq(new.claim_hash.as_slice()),
            sessions::created_at.eq(at),
            sessions::expires_at.eq(new.expires_at.timestamp_micros()),
            sessions::claimed.eq(true),
        ))
        .execute(conn)?;
    claim(conn, &new.claim_hash)?.ok_or_else(|| ErrorCode::UserNotFound.into())
}

#[async_trait]
impl Identities for SqliteStore {
    async fn identity_user(
        &self,
        issuer: &str,
        subject: &str,
    ) -> StoreResult<Option<IdentityUser>> {
        let (issuer, subject) = (issuer.to_owned(), subject.to_owned());
        self.read(move |conn| find(conn, &issuer, &subject)).await
    }

    async fn create_identity(&self, identity: NewIdentity) -> StoreResult<IdentityUser> {
        self.write(move |conn| create(conn, identity)).await
    }

    async fn claim_identity(&self, claim_hash: &[u8; 32]) -> StoreResult<Option<Identity>> {
        let claim_hash = *claim_hash;
        self.read(move |conn| claim(conn, &claim_hash)).await
    }

    async fn create_claim(&self, new: NewClaim) -> StoreResult<Identity> {
        self.write(move |conn| create_claim(conn, &new)).await
    }
}
