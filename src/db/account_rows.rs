//! Who somebody is, as every store returns it. Plain; used through [`super::rows`].

use chrono::{DateTime, Utc};

use super::rows::UserRow;
use crate::ids::SessionId;
use crate::permissions::Scope;

/// A user and the session or token that says so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The session or token; sockets close when it ends.
    pub session: SessionId,
    /// Who it is.
    pub user: UserRow,
    /// When it ends at the latest; a token may have no end.
    pub expires_at: Option<DateTime<Utc>>,
    /// Of a token: what it may be used for. A session is not limited.
    pub scope: Option<Scope>,
}

impl Identity {
    /// Whether it may change anything.
    #[must_use]
    pub fn may_write(&self) -> bool {
        self.scope != Some(Scope::Read)
    }
}

/// What a password is checked against. `Debug` shows no hash.
#[derive(Clone)]
pub struct Credentials {
    /// Whose they are.
    pub user: UserRow,
    /// An argon2id PHC string.
    pub password_hash: String,
    /// Whether an administrator keeps the user out; told to who knows the password, and to nobody else.
    pub disabled: bool,
}
