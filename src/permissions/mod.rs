//! Who may do what in a room: the one table of role × action, and beside it what each way into the server needs
//! ([`access`]). Pure. Judged inside the transaction by the stores, so a right is never older than the change it allows;
//! nothing else may decide by role. `docs/permissions.md` is written from it, and a test asks a server for every cell.

pub mod access;

use serde::{Deserialize, Serialize};

/// What a member is in a room.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything, including deleting the room.
    Owner,
    /// Keeps order: invites, removes and bans members, stops anyone's reply.
    Moderator,
    /// Reads and writes.
    Member,
    /// Reads.
    Reader,
}

impl Role {
    /// Every role there is, the highest first.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Moderator, Self::Member, Self::Reader];

    /// The role as stored and sent.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Moderator => "moderator",
            Self::Member => "member",
            Self::Reader => "reader",
        }
    }

    /// Whether it is `other`, or a higher one.
    #[must_use]
    pub const fn is_at_least(self, other: Self) -> bool {
        self.rank() >= other.rank()
    }

    const fn rank(self) -> u8 {
        match self {
            Self::Owner => 3,
            Self::Moderator => 2,
            Self::Member => 1,
            Self::Reader => 0,
        }
    }

    /// The role of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

/// What a token may be used for. A session is not limited; a token is limited by this and by its user's roles.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Reads: lists, history, search, exports, and rooms as they change. It joins no room its user is not in.
    Read,
    /// All that its user may do in rooms; never the account, its sessions or tokens.
    Write,
}

impl Scope {
    /// Every scope there is.
    pub const ALL: [Self; 2] = [Self::Read, Self::Write];

    /// The scope as stored and sent.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }

    /// The scope of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }
}

/// Declares the table: an action, what it is, and who may.
macro_rules! actions {
    ($($action:ident: $($role:ident)+, $says:literal;)*) => {
        /// What a member may want to do in a room.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        pub enum Action { $(#[doc = $says] $action,)* }

        impl Action {
            /// Every action there is.
            pub const ALL: &'static [Self] = &[$(Self::$action,)*];

            /// What it is, in a sentence.
            #[must_use]
            pub const fn says(self) -> &'static str {
                match self { $(Self::$action => $says,)* }
            }
        }

        /// The table.
        #[must_use]
        pub const fn allows(role: Role, action: Action) -> bool {
            match action { $(Action::$action => matches!(role, $(Role::$role)|+),)* }
        }
    };
}

#[rustfmt::skip]
actions! {
    Read:             Owner Moderator Member Reader, "See the room, its members and all of its history; leave it.";
    Post:             Owner Moderator Member,        "Post a message, and with it prompt the assistant.";
    Type:             Owner Moderator Member,        "Let the others see that one writes. Nothing is stored, so it is judged by a proof of membership made for it.";
    ChangeOwnMessage: Owner Moderator Member,        "Edit or delete a message of one's own.";
    DeleteAnyMessage: Owner Moderator,               "Delete anybody's message.";
    ReadAnyEdits:     Owner Moderator,               "Read what anybody's message said before it was edited; one's own, every member may.";
    React:            Owner Moderator Member,        "Put a reaction on a message, or take one's own away.";
    Pin:              Owner Moderator,               "Pin a message, or unpin it.";
    SteerOwnReply:    Owner Moderator Member,        "Stop or retry a reply that one's own message asked for, have it written another way, or select one of its variants.";
    SteerAnyReply:    Owner Moderator,               "The same with anybody's reply.";
    ManageMembers:    Owner Moderator,               "Add or remove a member, or change a member's role below owner.";
    ManageOwners:     Owner,                         "Make an owner, take that role from one, or give the room away.";
    Invite:           Owner Moderator,               "Make invites for members and readers, list the room's invites and withdraw them.";
    InviteModerators: Owner,                         "Make invites for moderators.";
    Ban:              Owner Moderator,               "Ban members, readers and those who are not there, list the bans and lift them.";
    BanModerators:    Owner,                         "Ban moderators and owners.";
    EditRoom:         Owner,                         "Change the room's name, topic, visibility or retention, archive it or open it again.";
    ManageIntegrations: Owner Moderator,             "Make, list and revoke the room's webhooks.";
    ReadUsage:        Owner Moderator,               "See what the room's replies used and cost.";
    ManageAssistants: Owner,                         "Add, set up or take away the room's assistants.";
    DeleteRoom:       Owner,                         "Delete the room.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_higher_role_may_do_all_that_a_lower_one_may() {
        for pair in Role::ALL.windows(2) {
            for action in Action::ALL.iter().copied() {
                assert!(
                    allows(pair[0], action) || !allows(pair[1], action),
                    "{pair:?} {action:?}"
                );
            }
        }
    }

    #[test]
    fn names_are_read_back() {
        for role in Role::ALL {
            assert_eq!(Role::from_name(role.as_str()), Some(role));
            let higher = Role::ALL.into_iter().filter(|one| one.is_at_least(role));
            assert!(
                higher.eq(Role::ALL
                    .into_iter()
                    .take_while(|one| *one != role)
                    .chain([role]))
            );
        }
        assert_eq!(Role::from_name("root"), None);
        for scope in Scope::ALL {
            assert_eq!(Scope::from_name(scope.as_str()), Some(scope));
        }
        assert_eq!(Scope::from_name("admin"), None);
    }
}
