//! Who somebody is to others: users that an organisation's sign-in or an embedding application vouches for, known by issuer and
//! subject, and the sessions that a signed claim stands for. A part of the [`Store`](super::Store) contract in a trait of its own.
//! Called by `auth`, after it has checked the claim; nothing here can judge one.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::StoreResult;
use super::rows::{Identity, UserRow};
use crate::ids::{SessionId, UserId};

/// An identity to be made, with its user.
#[derive(Clone, Debug)]
pub struct NewIdentity {
    /// Who vouches; compared byte for byte, as the subject.
    pub issuer: String,
    /// Whom it is about, never given to somebody else by the issuer.
    pub subject: String,
    /// The user to be made for it, without a password.
    pub user: UserRow,
}

/// The user of an identity.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdentityUser {
    /// Who.
    pub user: UserRow,
    /// May not come in, whoever vouches.
    pub disabled: bool,
}

/// A session to be made for a signed claim.
#[derive(Clone, Debug)]
pub struct NewClaim {
    /// Its id.
    pub session: SessionId,
    /// Whom the claim is about.
    pub user: UserId,
    /// SHA-256 of the claim as it was sent.
    pub claim_hash: [u8; 32],
    /// When the claim ends.
    pub expires_at: DateTime<Utc>,
}

/// Identities and claims. The rules of [`Store`](super::Store) hold.
#[async_trait]
pub trait Identities: Send + Sync + 'static {
    /// The user of an identity; `None` for one that has not come yet.
    async fn identity_user(&self, issuer: &str, subject: &str)
    -> StoreResult<Option<IdentityUser>>;

    /// A user, its membership in the lobby and its identity, in one transaction. Of two at once for one identity one makes the
    /// user, and both get it.
    ///
    /// # Errors
    /// `name_taken` when another user (not a guest) has the name.
    async fn create_identity(&self, identity: NewIdentity) -> StoreResult<IdentityUser>;

    /// Whom a claim of this SHA-256 stands for, if it came before and has not ended; never somebody who is disabled.
    async fn claim_identity(&self, claim_hash: &[u8; 32]) -> StoreResult<Option<Identity>>;

    /// The session of a claim, which may have tickets and is among [`super::accounts::Accounts::live_sessions`] until the claim ends. Of two at
    /// once for one claim one makes it, and both get it.
    ///
    /// # Errors
    /// `user_not_found` for a user that is not or is disabled; `too_many` above [`crate::limits::CLAIMS_PER_USER`].
    async fn create_claim(&self, claim: NewClaim) -> StoreResult<Identity>;
}
