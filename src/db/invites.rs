//! What the stores return and take of invites and bans: plain rows, the same for every back end, and the rules of
//! invites that need no database. No SQL, no wire format.

use chrono::{DateTime, Utc};

use super::rows::UserRow;
use crate::ids::{InviteId, RoomId};
use crate::permissions::{Action, Role, allows};

/// An invite to be made. Only the SHA-256 of its token is ever stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewInvite {
    /// Its id.
    pub id: InviteId,
    /// SHA-256 of the token.
    pub token_hash: [u8; 32],
    /// What it makes of those who come.
    pub role: Role,
    /// How long it works, in seconds from the database's now.
    pub lifetime_s: i64,
    /// For how many.
    pub max_uses: i32,
}

/// An invite, as those see it who may invite.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InviteRow {
    /// Its id.
    pub id: InviteId,
    /// What it makes of those who come.
    pub role: Role,
    /// Who made it.
    pub by: UserRow,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When it ends at the latest.
    pub expires_at: DateTime<Utc>,
    /// For how many it was made.
    pub max_uses: i32,
    /// How many came by it.
    pub uses: i32,
    /// False while the one who made it may no longer invite.
    pub works: bool,
}

/// An invite that works, as its holder sees it before coming.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InviteView {
    /// Its id.
    pub id: InviteId,
    /// The room it leads to.
    pub room: RoomId,
    /// That room's address.
    pub slug: String,
    /// That room's name.
    pub name: String,
    /// Who made it.
    pub by: UserRow,
    /// What it makes of those who come.
    pub role: Role,
    /// When it ends at the latest.
    pub expires_at: DateTime<Utc>,
}

/// Somebody who is kept out of a room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BanRow {
    /// Who.
    pub user: UserRow,
    /// By whom.
    pub by: UserRow,
    /// Why; may be empty.
    pub reason: String,
    /// Since when.
    pub created_at: DateTime<Utc>,
}

/// What inviting into a role takes; nobody invites an owner.
#[must_use]
pub const fn inviting(role: Role) -> Option<Action> {
    match role {
        Role::Owner => None,
        Role::Moderator => Some(Action::InviteModerators),
        Role::Member | Role::Reader => Some(Action::Invite),
    }
}

/// Whether an invite into `role` works while the one who made it is `maker` in the room.
#[must_use]
pub fn works(role: Role, maker: Option<Role>) -> bool {
    let action = inviting(role);
    maker
        .zip(action)
        .is_some_and(|(maker, action)| allows(maker, action))
}
