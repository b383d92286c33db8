//! Accounts and sessions that are to be made. Used through [`super::changes`].

use super::rows::UserRow;
use crate::ids::UserId;

/// A user to be made with its first session.
#[derive(Clone)]
pub struct NewAccount {
    /// The user.
    pub user: UserRow,
    /// The argon2id PHC string; none for guests.
    pub password_hash: Option<String>,
    /// May administer the server.
    pub admin: bool,
}

/// A session to be made. Only the SHA-256 of its token is ever stored.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Its id.
    pub id: crate::ids::SessionId,
    /// Whose.
    pub user: UserId,
    /// SHA-256 of the token.
    pub token_hash: [u8; 32],
    /// How long it lives at most, in seconds from the database's now.
    pub lifetime_s: i64,
    /// How long it lives without being used.
    pub idle_s: i64,
    /// Where it comes from.
    pub origin: SessionOrigin,
    /// What a password was checked against: no session is made when it is another by then.
    pub verified: Option<VerifiedHash>,
}

/// Where a session comes from, for those who look through their sessions.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SessionOrigin {
    /// The client's address.
    pub address: Option<String>,
    /// What its program calls itself; bounded by [`crate::limits::USER_AGENT_CHARS`].
    pub user_agent: Option<String>,
}

/// The hash that a password was checked against. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifiedHash(pub String);

impl std::fmt::Debug for VerifiedHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("VerifiedHash")
    }
}
