//! Who somebody is: passwords, tokens, sign-up, sign-in and sign-out, and whom others vouch for, to an [`Identity`]. Called by `http/` and by the
//! command line. Knows nothing of HTTP, cookies or sockets.
//!
//! A token is the whole secret of a session: 256 random bits that only its holder has; the store keeps a SHA-256.
//! A sign-in costs the same work whether the name exists or not, so time does not tell which names do.

mod account;
mod admission;
mod application;
mod common_passwords;
mod device;
mod identities;
mod integrations;
mod jwt;
pub mod names;
pub mod oidc;
pub mod password;
mod renewed;
pub mod seen;
pub mod token;
mod upgrade;

use std::net::IpAddr;
use std::sync::Arc;

use crate::db::changes::{NewAccount, NewSession, SessionOrigin, VerifiedHash};
use crate::db::rows::{Credentials, Identity, UserKind, UserRow};
use crate::db::{Store, StoreError};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{SessionId, UserId};
use crate::limits;
use crate::origin::Parties;
use crate::quotas::attempts::{Attempt, Attempts, Source};
use admission::Admission;
pub use device::Device;
pub use identities::{Organisations, Person};
pub use integrations::{HookCaller, WantedToken, client_id_of};
use password::Passwords;
use seen::Seen;
use token::{Purpose, Token};

/// Somebody who has just signed in: who it is, and the token that proves it from now on.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Given to the client once; nobody else ever sees it again.
    pub token: Token,
    /// Who, and which session.
    pub identity: Identity,
    /// What tells this device from a stranger's at the next sign-in; only accounts with a password have one.
    pub device: Option<Device>,
}

/// Where a sign-in comes from.
#[derive(Clone, Copy)]
pub struct SignInFrom<'a> {
    /// The budgets of tries.
    pub attempts: &'a Attempts,
    /// Its address, as it is counted.
    pub address: IpAddr,
    /// What the client says are devices it signed in with before.
    pub devices: &'a [Device],
}

/// Whether a new user may administer the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Everybody who signs up.
    Ordinary,
    /// Made by the operator on the command line only.
    Admin,
}

/// How long sessions live.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lifetimes {
    /// At most, in seconds; a guest's at most [`limits::GUEST_SESSION_S`].
    pub max_s: i64,
    /// Without being used, in seconds.
    pub idle_s: i64,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            max_s: limits::SESSION_S,
            idle_s: limits::SESSION_IDLE_S,
        }
    }
}

impl Lifetimes {
    /// How long a session of such a user lives at most.
    #[must_use]
    pub fn max_of(self, kind: UserKind) -> i64 {
        match kind {
            UserKind::Guest => self.max_s.min(limits::GUEST_SESSION_S),
            _ => self.max_s,
        }
    }
}

/// The accounts of this server.
pub struct Auth {
    store: Arc<dyn Store>,
    passwords: Passwords,
    admission: Admission,
    organisations: Organisations,
    lifetimes: Lifetimes,
    seen: Arc<Seen>,
}

impl Auth {
    /// Accounts kept in `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self::with(store, Lifetimes::default(), Organisations::default())
    }

    /// The same, with these lives of sessions, and those whom others vouch for.
    #[must_use]
    pub fn with(store: Arc<dyn Store>, lifetimes: Lifetimes, organisations: Organisations) -> Self {
        Self {
            seen: Arc::new(Seen::new(Arc::clone(&store), lifetimes.idle_s)),
            store,
            passwords: Passwords::new(),
            admission: Admission::new(),
            organisations,
            lifetimes,
        }
    }

    /// How long sessions live.
    #[must_use]
    pub const fn lifetimes(&self) -> Lifetimes {
        self.lifetimes
    }

    /// Which sessions are in use, for those who see it.
    #[must_use]
    pub fn seen(&self) -> Arc<Seen> {
        Arc::clone(&self.seen)
    }

    /// A new user with a password, signed in.
    ///
    /// # Errors
    /// `bad_request` for a name or password against the rules, `name_taken`, `busy` when too many hashes wait.
    pub async fn sign_up(
        &self,
        name: &str,
        password: &str,
        origin: SessionOrigin,
    ) -> Result<SignedIn, Refusal> {
        self.make_user(name, password, Standing::Ordinary, origin)
            .await
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
        self.make_user(name, password, standing, SessionOrigin::default())
            .await
    }

    async fn make_user(
        &self,
        name: &str,
        password: &str,
        standing: Standing,
        origin: SessionOrigin,
    ) -> Result<SignedIn, Refusal> {
        let name = names::user_name(name)?;
        password::check_rules(&name, password)?;
        let password_hash = self.passwords.hash(password).await?;
        let user = fresh_user(name, UserKind::User);
        let device = Device::new(user.id, &password_hash);
        let account = NewAccount {
            user,
            password_hash: Some(password_hash),
            admin: standing == Standing::Admin,
        };
        let made = self.create_account(account, origin).await?;
        Ok(SignedIn {
            device: Some(device),
            ..made
        })
    }

    /// A guest: a name and a session, no password. Guests may share a name.
    ///
    /// # Errors
    /// `bad_request` for a name against the rules.
    pub async fn guest(&self, name: &str, origin: SessionOrigin) -> Result<SignedIn, Refusal> {
        let account = NewAccount {
            user: fresh_user(names::user_name(name)?, UserKind::Guest),
            password_hash: None,
            admin: false,
        };
        self.create_account(account, origin).await
    }

    /// One more session of somebody who knows the password, tried from `from`. Without one, such as on the command line, tries
    /// are not counted.
    ///
    /// # Errors
    /// `bad_credentials`, the same for an unknown name and a wrong password; `account_disabled` for the right password of
    /// somebody who is kept out; `rate_limited` for too many tries; `busy` when too many hashes wait.
    pub async fn sign_in(
        &self,
        name: &str,
        password: &str,
        from: Option<SignInFrom<'_>>,
        origin: SessionOrigin,
    ) -> Result<SignedIn, Refusal> {
        // A name against the rules has no account, but it costs the same hash.
        let account = names::user_name(name);
        let credentials = match &account {
            Ok(name) => self.store.credentials(name).await,
            Err(_) => Ok(None),
        }
        .map_err(StoreError::into_refusal)?;
        let Some(from) = from else {
            return self.judge(credentials, password, origin).await;
        };
        let key = account.unwrap_or_else(|_| name.chars().take(limits::NAME_CHARS).collect());
        let attempt = from.begin(&key, credentials.as_ref()).await?;
        let judged = self.judge(credentials, password, origin).await;
        match &judged {
            Err(refusal) if refusal.code == ErrorCode::BadCredentials => {}
            // It was right, or nobody looked at it.
            _ => attempt.give_back().await,
        }
        judged
    }

    async fn judge(
        &self,
        credentials: Option<Credentials>,
        password: &str,
        origin: SessionOrigin,
    ) -> Result<SignedIn, Refusal> {
        if password.len() > limits::PASSWORD_MAX_BYTES {
            return Err(ErrorCode::BadCredentials.into());
        }
        let disabled = credentials.as_ref().is_some_and(|found| found.disabled);
        let (user, hash) = match credentials {
            Some(found) => (Some(found.user), Some(found.password_hash)),
            None => (None, None),
        };
        let verified = hash.clone().map(VerifiedHash);
        let matches = self.passwords.verify(password, hash.clone()).await?;
        let tried = user.as_ref().map(|user| user.id);
        let Some(user) = user.filter(|_| matches) else {
            // Never the name as it was typed: people type their password there too.
            match tried {
                Some(user) => {
                    Parties::name_whom(user);
                    tracing::info!(%user, "a sign-in was refused");
                }
                None => tracing::info!("a sign-in of an unknown name was refused"),
            }
            return Err(ErrorCode::BadCredentials.into());
        };
        // Behind the password: who does not know it is told the same of every name.
        if disabled {
            Parties::name_whom(user.id);
            tracing::info!(user = %user.id, "a sign-in of somebody disabled was refused");
            return Err(ErrorCode::AccountDisabled.into());
        }
        let (token, session) = self.fresh_session(&user, origin);
        let session = NewSession {
            verified,
            ..session
        };
        match self.store.create_session(session).await {
            Ok(made) => {
                self.end_surplus_sessions(&made.identity).await;
                Ok(SignedIn {
                    device: hash.map(|hash| Device::new(made.identity.user.id, &hash)),
                    ..signed_in(token, made.identity)
                })
            }
            // Deleted, disabled or given another password between the two reads: nobody knows which, and the next try says it.
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
        let found = self.store.identity(&token.sha256()).await;
        let found = found.map_err(StoreError::into_refusal)?;
        if let Some(identity) = &found {
            self.seen.note(identity.session);
        }
        Ok(found)
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

    fn fresh_session(&self, user: &UserRow, origin: SessionOrigin) -> (Token, NewSession) {
        let token = Token::random();
        let session = NewSession {
            id: SessionId::new(),
            user: user.id,
            token_hash: token.sha256(),
            lifetime_s: self.lifetimes.max_of(user.kind),
            idle_s: self.lifetimes.idle_s,
            origin,
            verified: None,
        };
        (token, session)
    }

    async fn create_account(
        &self,
        account: NewAccount,
        origin: SessionOrigin,
    ) -> Result<SignedIn, Refusal> {
        let (token, session) = self.fresh_session(&account.user, origin);
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

fn signed_in(token: Token, identity: Identity) -> SignedIn {
    tracing::info!(user = %identity.user.id, kind = identity.user.kind.as_str(), session = %identity.session, "signed in");
    SignedIn {
        token,
        identity,
        device: None,
    }
}

impl<'a> SignInFrom<'a> {
    /// Admits a try at an account.
    async fn begin(
        &self,
        account: &str,
        credentials: Option<&Credentials>,
    ) -> Result<Attempt<'a>, Refusal> {
        let known = credentials.and_then(|found| {
            let mut devices = self.devices.iter();
            devices.find(|device| device.is_of(found.user.id, &found.password_hash))
        });
        let source = match known {
            Some(device) => Source::Device(device.id()),
            None => Source::Address(self.address),
        };
        let begun = self.attempts.begin(account, source).await;
        if begun.is_err() {
            match credentials {
                Some(found) => {
                    tracing::info!(user = %found.user.id, "too many tries at an account");
                }
                None => tracing::info!("too many tries at an unknown name"),
            }
        }
        begun
    }
}
