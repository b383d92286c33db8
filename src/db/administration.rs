//! What an administrator of the server is told and may do beyond rooms of its own: the rows and the part of the store's contract. What
//! changes a room is a change of that room ([`Administered`]). It never reads a message.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::StoreResult;
use super::audit::AuditLog;
use super::rows::{UserRow, Visibility};
use crate::ids::{RoomId, RoomRef, UserId};
use crate::permissions::Role;

/// A user as administrators see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserAccount {
    /// Who.
    pub user: UserRow,
    /// Whether it administers the server.
    pub admin: bool,
    /// Since when.
    pub created_at: DateTime<Utc>,
    /// Since when it may not sign in any more.
    pub disabled_at: Option<DateTime<Utc>>,
    /// Sessions that live.
    pub sessions: i64,
}

/// A room as administrators see it: nothing of what is said in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomOverview {
    /// Both of its names.
    pub room: RoomRef,
    /// Its display name.
    pub name: String,
    /// Who may find and enter it.
    pub visibility: Visibility,
    /// Whether it takes nothing new.
    pub archived: bool,
    /// Since when.
    pub created_at: DateTime<Utc>,
    /// How many are in it.
    pub members: i64,
    /// How many messages were ever written in it.
    pub messages: i64,
    /// Who owns it, by id; at most [`crate::limits::OWNERS_SHOWN`].
    pub owners: Vec<UserRow>,
}

/// What an administrator does to a room that need not be its own. Nothing of it lets one read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Administered {
    /// `user` becomes an owner; refused (`room_has_owner`) while the room has one who may sign in.
    TakeOver {
        /// Who.
        user: UserId,
    },
    /// `user` has this role from now on. The operator's alone.
    SetRole {
        /// Who.
        user: UserId,
        /// From now on.
        role: Role,
    },
    /// Whether it takes anything new.
    Archive {
        /// From now on.
        archived: bool,
    },
    /// It goes.
    Delete,
}

impl Administered {
    /// Whether only the operator may.
    #[must_use]
    pub const fn is_operators(&self) -> bool {
        matches!(self, Self::SetRole { .. })
    }

    /// To whom it is done.
    #[must_use]
    pub const fn user(&self) -> Option<UserId> {
        match self {
            Self::TakeOver { user } | Self::SetRole { user, .. } => Some(*user),
            Self::Archive { .. } | Self::Delete => None,
        }
    }
}

/// What an administrator does to an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccountAct {
    /// As [`Accounts::disable_user`](super::accounts::Accounts::disable_user).
    Disable,
    /// As [`Accounts::enable_user`](super::accounts::Accounts::enable_user).
    Enable,
    /// All its sessions end.
    EndSessions,
}

/// Administration. The rules of [`Store`](super::Store) hold.
#[async_trait]
pub trait Administration: AuditLog {
    /// Whether somebody administers the server now.
    async fn is_admin(&self, user: UserId) -> StoreResult<bool>;

    /// Users by id after `after`, guests, bots and disabled ones too, whose name begins with `text`, whatever its case; at most
    /// `limit`.
    async fn user_accounts(
        &self,
        text: &str,
        after: Option<UserId>,
        limit: i64,
    ) -> StoreResult<Vec<UserAccount>>;

    /// One user.
    ///
    /// # Errors
    /// `user_not_found`.
    async fn user_account(&self, user: UserId) -> StoreResult<UserAccount>;

    /// One user by the name that only it has, disabled or not.
    ///
    /// # Errors
    /// `user_not_found`, also for a guest.
    async fn user_account_by_name(&self, name: &str) -> StoreResult<UserAccount>;

    /// Makes somebody an administrator, or one no more. `actor` is `None` for the operator. False when it is so already.
    ///
    /// # Errors
    /// `forbidden` for an actor that is none; `user_not_found`; `bad_request` for whoever has no password; `last_administrator`.
    async fn set_admin(
        &self,
        actor: Option<UserId>,
        user: UserId,
        admin: bool,
    ) -> StoreResult<bool>;

    /// Does this to an account; whether `actor` administers is judged in the same transaction. False when it is so already, or no
    /// session was left.
    ///
    /// # Errors
    /// `forbidden` for an actor that is no administrator, or no more; `user_not_found`; `last_administrator`.
    async fn administer_account(
        &self,
        actor: UserId,
        user: UserId,
        act: AccountAct,
    ) -> StoreResult<bool>;

    /// Rooms by slug after `after` whose slug begins with `text`, private ones too, not direct ones: who talks with whom is
    /// nobody else's. At most `limit`.
    async fn all_rooms(
        &self,
        text: &str,
        after: Option<&str>,
        limit: i64,
    ) -> StoreResult<Vec<RoomOverview>>;

    /// One room, direct ones too.
    ///
    /// # Errors
    /// `room_not_found`.
    async fn any_room(&self, slug: &str) -> StoreResult<RoomOverview>;

    /// Who is in a room, by id after `after`; at most `limit`. For the operator.
    async fn members_of(
        &self,
        room: RoomId,
        after: Option<UserId>,
        limit: i64,
    ) -> StoreResult<Vec<(UserRow, Role)>>;

    /// Gives a room, or all, another epoch: whoever follows one comes again and drops what it holds. How many.
    ///
    /// # Errors
    /// `room_not_found`.
    async fn renew_epochs(&self, slug: Option<&str>) -> StoreResult<u64>;
}
