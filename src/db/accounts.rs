//! Accounts and their sessions after the sign-in, as the stores keep them: what one is signed in with, what ends it, and the
//! log of revocations that every instance reads. A part of the [`Store`](super::Store) contract in a trait of its own, with
//! its rows. Called by `auth`, `consumer`, `chat` and the jobs.
//!
//! The log is numbered under one counter, whose row is locked by whoever adds to it: so a reader that has read up to a number
//! has missed nothing below it. It says only where to look: what has ended is what [`Accounts::live_sessions`] does not name.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::changes::{NewSession, VerifiedHash};
use super::rows::{UserKind, UserRow};
use super::{SignedIn, StoreResult};
use crate::ids::{RoomId, SessionId, UserId};
use crate::permissions::Role;

/// The name that everybody sees in the place of one who deleted the account.
pub const DELETED_NAME: &str = "Deleted user";

/// A session as whoever is signed in by it may see it; never its secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionRow {
    /// Its id: no secret.
    pub id: SessionId,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ends at the latest unless it is used before.
    pub expires_at: DateTime<Utc>,
    /// When it was last used, up to some minutes earlier than the truth.
    pub last_seen_at: DateTime<Utc>,
    /// The address it was made from, where that is known.
    pub address: Option<String>,
    /// What the program that made it called itself.
    pub user_agent: Option<String>,
    /// Whether an application has it by a claim of its own: these have a bound of their own, and their use is not noted.
    pub claimed: bool,
}

/// What was seen of somebody's password before something is done that takes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Seen {
    /// There was none to ask for.
    NoPassword,
    /// The one that was given was checked against this.
    Hash(VerifiedHash),
    /// Nothing: the operator needs no password.
    Operator,
}

impl Seen {
    /// Whether it is still so, with this hash in the user's locked row.
    #[must_use]
    pub fn is_so(&self, hash: Option<&str>) -> bool {
        match self {
            Self::NoPassword => hash.is_none(),
            Self::Hash(seen) => hash == Some(seen.0.as_str()),
            Self::Operator => true,
        }
    }
}

/// A session or token that lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LiveSession {
    /// Which.
    pub id: SessionId,
    /// When it ends, as things stand; a token may have no end.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Why somebody's sessions are to be looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RevocationKind {
    /// One session or token was ended.
    Session,
    /// Several sessions of one user were ended: everywhere, all others, or by an administrator.
    Sessions,
    /// The password was changed.
    Password,
    /// The user lost its right to administer.
    Role,
    /// The user was disabled.
    Disabled,
    /// The account, or a bot, was deleted.
    Deleted,
}

impl RevocationKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Session,
        Self::Sessions,
        Self::Password,
        Self::Role,
        Self::Disabled,
        Self::Deleted,
    ];

    /// As it is stored and logged.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Sessions => "sessions",
            Self::Password => "password",
            Self::Role => "role",
            Self::Disabled => "disabled",
            Self::Deleted => "deleted",
        }
    }

    /// Reads what [`RevocationKind::as_str`] gives.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// An entry of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Revocation {
    /// Its place in the log.
    pub number: i64,
    /// Why.
    pub kind: RevocationKind,
    /// Whose sessions are to be looked at.
    pub user: UserId,
    /// Those of its bots too; empty where one session is named.
    pub bots: Vec<UserId>,
    /// This one only, where it is named.
    pub session: Option<SessionId>,
}

/// What a reader of the log learns.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Revocations {
    /// The number of the latest entry there ever was.
    pub head: i64,
    /// Entries up to this number may be gone: who has read less looks at everything.
    pub forgotten: i64,
    /// The database's clock.
    pub now: DateTime<Utc>,
    /// What is above the number asked for, ascending; at most [`crate::limits::REVOCATIONS_PER_READ`].
    pub entries: Vec<Revocation>,
}

/// How a password is changed.
#[derive(Clone)]
pub struct NewPassword {
    /// Its argon2id PHC string. Shown by no `Debug`: there is none.
    pub hash: String,
    /// What was seen of the old one: nothing is changed when it is another by then.
    pub seen: Seen,
    /// The session that stays; none: all end.
    pub keep: Option<SessionId>,
}

/// A guest that is to be an account.
#[derive(Clone)]
pub struct GuestUpgrade {
    /// Which guest.
    pub user: UserId,
    /// Its name from now on: one of its own.
    pub name: String,
    /// The argon2id PHC string of its password. Shown by no `Debug`: there is none.
    pub password_hash: String,
}

/// Somebody as an operator sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccountRow {
    /// Who.
    pub user: UserRow,
    /// Whether it may administer the server.
    pub admin: bool,
    /// Since when.
    pub created_at: DateTime<Utc>,
    /// Since when it is kept out; of a removed bot too.
    pub disabled_at: Option<DateTime<Utc>>,
}

/// Who gets a room whose last owner is gone, of the other people in it: never a bot or somebody disabled; a guest only where
/// there is nobody else, then whoever had the higher role, then the older account.
#[must_use]
pub fn heir(people: Vec<(UserRow, Role)>) -> Option<UserRow> {
    let rank = |(user, role): &(UserRow, Role)| {
        let place = Role::ALL.iter().position(|known| known == role);
        (user.kind == UserKind::Guest, place, user.id)
    };
    let heir = people.into_iter().min_by_key(rank);
    heir.map(|(user, _)| user)
}

/// Accounts and sessions. The rules of [`Store`](super::Store) hold. What ends sessions writes the log in the same
/// transaction; a user that is disabled or deleted can do nothing from that commit on, whatever it had begun: writers judge it
/// under the room's lock (`unauthenticated`).
#[async_trait]
pub trait Accounts: Send + Sync + 'static {
    /// Somebody by name as an operator sees it, disabled ones too; guests and deleted ones have no name of their own.
    ///
    /// # Errors
    /// `user_not_found`.
    async fn account(&self, name: &str) -> StoreResult<AccountRow>;

    /// The hash that `user`'s password is checked against; `None` for one that has no password.
    ///
    /// # Errors
    /// `unauthenticated` for one that is not there, or is disabled or deleted.
    async fn password_hash(&self, user: UserId) -> StoreResult<Option<String>>;

    /// Sets a password and ends all sessions but the one that stays; how many ended.
    ///
    /// # Errors
    /// `user_not_found` for one that has no password of its own to be changed (a guest, a bot, the assistant, a deleted
    /// account); `bad_credentials` when the old one was changed meanwhile.
    async fn set_password(&self, user: UserId, password: NewPassword) -> StoreResult<u64>;

    /// A guest becomes an account: the same user, by a name of its own and with a password. All that it had stays but its sessions
    /// and their tickets, which end; the one given here is made in their place, by somebody who may have had no part in them.
    ///
    /// # Errors
    /// `unauthenticated` for one that is not there, or is disabled or deleted; `not_a_guest` for any other user; `name_taken` when
    /// another user (not a guest) has the name or one that looks like it.
    async fn upgrade_guest(
        &self,
        upgrade: GuestUpgrade,
        session: NewSession,
    ) -> StoreResult<SignedIn>;

    /// The sessions of a user that live, the latest made first; at most [`crate::limits::SESSIONS_LISTED`].
    async fn sessions(&self, user: UserId) -> StoreResult<Vec<SessionRow>>;

    /// Ends a session of `user`'s; false when it had ended before, or is another's.
    async fn end_session(&self, user: UserId, session: SessionId) -> StoreResult<bool>;

    /// Ends all sessions of a user but the one that stays; how many ended. Tokens stay.
    async fn end_sessions(&self, user: UserId, keep: Option<SessionId>) -> StoreResult<u64>;

    /// Those of the given sessions, and tokens, that live (at most [`crate::limits::HEADS_PER_STATEMENT`]).
    async fn live_sessions(&self, sessions: &[SessionId]) -> StoreResult<Vec<LiveSession>>;

    /// Notes that sessions are in use now (at most [`crate::limits::HEADS_PER_STATEMENT`]): each lives on for `idle_s`
    /// seconds, never beyond the end it was made with. One that was noted within the last `quiet_ms` is left as it is.
    async fn note_seen(
        &self,
        sessions: &[SessionId],
        idle_s: i64,
        quiet_ms: i64,
    ) -> StoreResult<()>;

    /// The log of revocations above a number. Runs on a reserved connection.
    async fn revocations_after(&self, number: i64) -> StoreResult<Revocations>;

    /// Keeps a user out: its sessions end, its tokens and its bots stop working, what it asked the assistant stops. False when
    /// it was so before.
    ///
    /// # Errors
    /// `user_not_found` for one that is not, is a bot or the assistant, or was deleted.
    async fn disable_user(&self, user: UserId) -> StoreResult<bool>;

    /// Lets a disabled user in again; false when it was not disabled. Its tokens and bots work again.
    ///
    /// # Errors
    /// As [`Accounts::disable_user`].
    async fn enable_user(&self, user: UserId) -> StoreResult<bool>;

    /// Deletes an account or a guest: password, sessions, tokens, bots and the webhooks it made go with it, what it asked the
    /// assistant stops. Its messages stay, by [`DELETED_NAME`]; its name stays taken. Its memberships end one by one
    /// ([`Accounts::departures`]): each at a version of its room. False when it was deleted before.
    ///
    /// # Errors
    /// `user_not_found` for one that is not, is a bot or the assistant; `bad_credentials` when its password is no
    /// longer as it was `seen`: another, or there is one now.
    async fn delete_account(&self, user: UserId, seen: Seen) -> StoreResult<bool>;

    /// Memberships, in rooms that are there, of those who are deleted (of `user`, or of anybody), with their bots'; at most
    /// `limit`. Each ends by a [`Depart`](super::changes::Change::Depart).
    async fn departures(
        &self,
        user: Option<UserId>,
        limit: i64,
    ) -> StoreResult<Vec<(RoomId, UserId)>>;
}
