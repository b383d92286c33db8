//! Who somebody is: passwords, tokens, sign-up, sign-in and sign-out, to an [`Identity`]. Called by `http/` and by the
//! command line. Knows nothing of HTTP, cookies or sockets.
//!
//! A token is the whole secret of a session: 256 random bits that only its holder has; the store keeps a SHA-256.
//! A sign-in costs the same work whether the name exists or not, so time does not tell which names do.

mod admission;
mod common_passwords;
mod integrations;
pub mod names;
pub mod password;
pub mod token;

use std::sync::Arc;

use crate::db::changes::{NewAccount, NewSession};
use crate::db::rows::{Identity, UserKind, UserRow};
use crate::db::{Store, StoreError};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{SessionId, UserId};
use crate::limits;
use admission::Admission;
pub use integrations::{HookCaller, WantedToken, client_id_of};
use password::Passwords;
use token::{Purpose, Token};

/// Somebody who has just signed in: who it is, and the token that proves it from now on.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Given to the client once; nobody else ever sees it again.
    pub token: Token,
    /// Who, and which session.
    pub identity: Identity,
}

/// Whether a new user may administer the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Everybody who signs up.
    Ordinary,
    /// Made by the operator on the command line only.
    Admin,
}

/// The accounts of this server.
pub struct Auth {
    store: Arc<dyn Store>,
    passwords: Passwords,
    admission: Admission,
}

impl Auth {
    /// Accounts kept in `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            passwords: Passwords::new(),
            admission: Admission::new(),
        }
    }

    /// A new user with a password, signed in.
    ///
    /// # Errors
    /// `bad_request` for a name or password against the rules, `name_taken`, `busy` when too many hashes wait.
    pub async fn sign_up(&self, name: &str, password: &str) -> Result<SignedIn, Refusal> {
        self.create_user(name, password, Standing::Ordinary).await
    }

    /// A new user of the given standing, signed in.
    ///
    /// # Errors
    /// As [`Auth::sign_up`].
    pub async fn create_user(
        &self,
        name: &str,
        password: &str,
        standing: Standing,
    ) -> Result<SignedIn, Refusal> {
        let name = names::user_name(name)?;
        password::check_rules(&name, password)?;
        let password_hash = Some(self.passwords.hash(password).await?);
        let account = NewAccount {
            user: fresh_user(name, UserKind::User),
            password_hash,
            admin: standing == Standing::Admin,
        };
        self.create_account(account, limits::SESSION_S).await
    }

    /// A guest: a name and a session, no password. Guests may share a name.
    ///
    /// # Errors
    /// `bad_request` for a name against the rules.
    pub async fn guest(&self, name: &str) -> Result<SignedIn, Refusal> {
        let account = NewAccount {
            user: fresh_user(names::user_name(name)?, UserKind::Guest),
            password_hash: None,
            admin: false,
        };
        self.create_account(account, limits::GUEST_SESSION_S).await
    }

    /// One more session of somebody who knows the password.
    ///
    /// # Errors
    /// `bad_credentials`, the same for an unknown name and a wrong password; `busy` when too many hashes wait.
    pub async fn sign_in(&self, name: &str, password: &str) -> Result<SignedIn, Refusal> {
        if password.len() > limits::PASSWORD_MAX_BYTES {
            return Err(ErrorCode::BadCredentials.into());
        }
        // A name against the rules has no account, but it costs the same hash.
        let credentials = match names::user_name(name) {
            Ok(name) => self.store.credentials(&name).await,
            Err(_) => Ok(None),
        }
        .map_err(StoreError::into_refusal)?;
        let (user, hash) = match credentials {
            Some(found) => (Some(found.user), Some(found.password_hash)),
            None => (None, None),
        };
        let matches = self.passwords.verify(password, hash).await?;
        let tried = user.as_ref().map(|user| user.id);
        let Some(user) = user.filter(|_| matches) else {
            // Never the name as it was typed: people type their password there too.
            match tried {
                Some(user) => tracing::info!(%user, "a sign-in was refused"),
                None => tracing::info!("a sign-in of an unknown name was refused"),
            }
            return Err(ErrorCode::BadCredentials.into());
        };
        let (token, session) = fresh_session(user.id, limits::SESSION_S);
        match self.store.create_session(session).await {
            Ok(made) => Ok(signed_in(token, made.identity)),
            // Deleted between the two reads: as if it had never been.
            Err(StoreError::Refused(refusal)) if refusal.code == ErrorCode::UserNotFound => {
                Err(ErrorCode::BadCredentials.into())
            }
            Err(error) => Err(error.into_refusal()),
        }
    }

    /// Who holds this token; `None` when it is no token of a living session, and none that a program was given.
    ///
    /// # Errors
    /// `unavailable` when the store could not be asked: that is not a "no"; `busy` when too many ask.
    pub async fn authenticate(&self, token: &str) -> Result<Option<Identity>, Refusal> {
        if let Some(token) = Token::parse_for(Purpose::Api, token) {
            return self.authenticate_program(&token).await;
        }
        let Some(token) = Token::parse(token) else {
            return Ok(None);
        };
        let _turn = self.admission.turn().await?;
        self.store
            .identity(&token.sha256())
            .await
            .map_err(StoreError::into_refusal)
    }

    /// Ends a session; false when it had ended before. Its sockets close when the feeds next look (P7).
    ///
    /// # Errors
    /// `unavailable` when the store could not be asked.
    pub async fn sign_out(&self, session: SessionId) -> Result<bool, Refusal> {
        let ended = self
            .store
            .delete_session(session)
            .await
            .map_err(StoreError::into_refusal)?;
        tracing::info!(%session, "signed out");
        Ok(ended)
    }

    /// A single-use ticket for this session, living [`limits::TICKET_S`] seconds, for sockets that cannot carry
    /// a header or a cookie.
    ///
    /// # Errors
    /// `unavailable` when the store could not be asked.
    pub async fn create_ticket(&self, session: SessionId) -> Result<Token, Refusal> {
        let ticket = Token::random();
        self.store
            .create_ticket(session, &ticket.sha256(), limits::TICKET_S)
            .await
            .map_err(StoreError::into_refusal)?;
        Ok(ticket)
    }

    /// Uses a ticket up: whom it stands for, the first time; `None` ever after.
    ///
    /// # Errors
    /// `unavailable` when the store could not be asked, `busy` when too many ask.
    pub async fn redeem_ticket(&self, ticket: &str) -> Result<Option<Identity>, Refusal> {
        let Some(ticket) = Token::parse(ticket) else {
            return Ok(None);
        };
        let _turn = self.admission.turn().await?;
        self.store
            .redeem_ticket(&ticket.sha256())
            .await
            .map_err(StoreError::into_refusal)
    }

    async fn create_account(
        &self,
        account: NewAccount,
        lifetime_s: i64,
    ) -> Result<SignedIn, Refusal> {
        let (token, session) = fresh_session(account.user.id, lifetime_s);
        let made = self
            .store
            .create_account(account, session)
            .await
            .map_err(StoreError::into_refusal)?;
        Ok(signed_in(token, made.identity))
    }
}

fn fresh_user(name: String, kind: UserKind) -> UserRow {
    UserRow {
        id: UserId::new(),
        name,
        kind,
    }
}

fn fresh_session(user: UserId, lifetime_s: i64) -> (Token, NewSession) {
    let token = Token::random();
    let session = NewSession {
        id: SessionId::new(),
        user,
        token_hash: token.sha256(),
        lifetime_s,
    };
    (token, session)
}

fn signed_in(token: Token, identity: Identity) -> SignedIn {
    tracing::info!(user = %identity.user.id, kind = identity.user.kind.as_str(), session = %identity.session, "signed in");
    SignedIn { token, identity }
}
