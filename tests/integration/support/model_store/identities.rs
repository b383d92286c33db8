//! Identities and claims of the model, and which operation each unit of work is.

use async_trait::async_trait;
use salon::db::StoreResult;
use salon::db::changes::{NewAccount, SessionOrigin};
use salon::db::identities::{Identities, IdentityUser, NewClaim, NewIdentity};
use salon::db::rows::Identity;
use salon::error::ErrorCode;
use salon::limits::CLAIMS_PER_USER;
use salon::permissions::Scope;

use super::tables::{Session, Tables};
use super::{ModelStore, Moment, no, storable};

#[async_trait]
impl Identities for ModelStore {
    async fn identity_user(
        &self,
        issuer: &str,
        subject: &str,
    ) -> StoreResult<Option<IdentityUser>> {
        self.unit(|tables, _| tables.identity_user(issuer, subject))
    }

    async fn create_identity(&self, identity: NewIdentity) -> StoreResult<IdentityUser> {
        self.unit(|tables, now| tables.create_identity(identity, now))
    }

    async fn claim_identity(&self, claim_hash: &[u8; 32]) -> StoreResult<Option<Identity>> {
        Ok(self.unit(|tables, now| tables.claim(claim_hash, now)))
    }

    async fn create_claim(&self, claim: NewClaim) -> StoreResult<Identity> {
        self.unit(|tables, now| tables.create_claim(&claim, now))
    }
}

impl Tables {
    fn identity_user(&self, issuer: &str, subject: &str) -> StoreResult<Option<IdentityUser>> {
        storable(issuer)?;
        storable(subject)?;
        let held = self
            .identities
            .get(&(issuer.to_owned(), subject.to_owned()));
        let user = held.and_then(|user| self.users.get(user));
        Ok(user.map(|user| IdentityUser {
            user: user.row.clone(),
            disabled: user.disabled.is_some(),
        }))
    }

    fn create_identity(&mut self, identity: NewIdentity, now: Moment) -> StoreResult<IdentityUser> {
        if let Some(found) = self.identity_user(&identity.issuer, &identity.subject)? {
            return Ok(found);
        }
        let user = identity.user;
        self.add_account(
            NewAccount {
                user: user.clone(),
                password_hash: None,
                admin: false,
            },
            now,
        )?;
        self.identities
            .insert((identity.issuer, identity.subject), user.id);
        Ok(IdentityUser {
            user,
            disabled: false,
        })
    }

    fn claim(&self, claim_hash: &[u8; 32], now: Moment) -> Option<Identity> {
        let mut claims = self.sessions.iter().filter(|(_, row)| row.claimed);
        let (session, row) =
            claims.find(|(_, row)| row.token_hash == *claim_hash && row.expires_at > now)?;
        let user = self
            .users
            .get(&row.user)
            .filter(|user| user.disabled.is_none())?;
        Some(Identity {
            session: *session,
            user: user.row.clone(),
            expires_at: Some(row.expires_at),
            scope: Some(Scope::Write),
        })
    }

    fn create_claim(&mut self, new: &NewClaim, now: Moment) -> StoreResult<Identity> {
        if let Some(found) = self.claim(&new.claim_hash, now) {
            return Ok(found);
        }
        if self
            .users
            .get(&new.user)
            .is_none_or(|user| user.disabled.is_some())
        {
            return no(ErrorCode::UserNotFound);
        }
        let mut claims = 0;
        for row in self.sessions.values() {
            claims += i64::from(row.claimed && row.user == new.user && row.expires_at > now);
        }
        if claims >= CLAIMS_PER_USER {
            return no(ErrorCode::TooMany);
        }
        let mut hashes = self.sessions.values().map(|row| row.token_hash);
        if !hashes.any(|hash| hash == new.claim_hash) {
            let row = Session {
                user: new.user,
                token_hash: new.claim_hash,
                expires_at: new.expires_at,
                claimed: true,
                ends_at: new.expires_at,
                created_at: now,
                last_seen_at: now,
                origin: SessionOrigin::default(),
            };
            self.sessions.insert(new.session, row);
        }
        match self.claim(&new.claim_hash, now) {
            Some(identity) => Ok(identity),
            None => no(ErrorCode::UserNotFound),
        }
    }
}
