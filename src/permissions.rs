//! Who may do what in a room: the one table of role × action. Pure. Judged inside the transaction by the
//! stores, so a right is never older than the change it allows; nothing else may decide by role.

use serde::{Deserialize, Serialize};

/// What a member is in a room.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything, including deleting the room.
    Owner,
    /// Keeps order: removes members, stops anyone's reply.
    Moderator,
    /// Reads and writes.
    Member,
    /// Reads.
    Reader,
}

impl Role {
    /// Every role there is.
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

    /// The role of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

/// What a member may want to do in a room.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Action {
    /// See the room, its members and all of its history; leave it.
    Read,
    /// Post a message, and with it prompt the assistant.
    Post,
    /// Edit or delete a message of one's own.
    ChangeOwnMessage,
    /// Delete anybody's message.
    DeleteAnyMessage,
    /// Read what anybody's message said before it was edited; one's own, every member may.
    ReadAnyEdits,
    /// Put a reaction on a message, or take one's own away.
    React,
    /// Pin a message, or unpin it.
    Pin,
    /// Let the others see that one writes. Nothing is stored, so it is judged by a proof of membership made for it.
    Type,
    /// Stop or retry a reply that one's own message asked for.
    SteerOwnReply,
    /// Stop or retry anybody's reply.
    SteerAnyReply,
    /// Add a member or change a member's role below owner.
    ManageMembers,
    /// Make, list and revoke the room's webhooks.
    ManageIntegrations,
    /// Make an owner, or take that role from one.
    ManageOwners,
    /// Change the room's name, topic or visibility, archive it or open it again.
    EditRoom,
    /// Delete the room.
    DeleteRoom,
}

impl Action {
    /// Every action there is.
    pub const ALL: [Self; 15] = [
        Self::Read,
        Self::Post,
        Self::Type,
        Self::ChangeOwnMessage,
        Self::DeleteAnyMessage,
        Self::ReadAnyEdits,
        Self::React,
        Self::Pin,
        Self::SteerOwnReply,
        Self::SteerAnyReply,
        Self::ManageMembers,
        Self::ManageIntegrations,
        Self::ManageOwners,
        Self::EditRoom,
        Self::DeleteRoom,
    ];
}

/// The table.
#[must_use]
pub const fn allows(role: Role, action: Action) -> bool {
    match action {
        Action::Read => true,
        Action::Post
        | Action::Type
        | Action::ChangeOwnMessage
        | Action::React
        | Action::SteerOwnReply => {
            matches!(role, Role::Owner | Role::Moderator | Role::Member)
        }
        Action::DeleteAnyMessage
        | Action::ReadAnyEdits
        | Action::Pin
        | Action::SteerAnyReply
        | Action::ManageMembers
        | Action::ManageIntegrations => {
            matches!(role, Role::Owner | Role::Moderator)
        }
        Action::ManageOwners | Action::EditRoom | Action::DeleteRoom => matches!(role, Role::Owner),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_higher_role_may_do_all_that_a_lower_one_may() {
        for pair in Role::ALL.windows(2) {
            for action in Action::ALL {
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
        }
        assert_eq!(Role::from_name("root"), None);
    }
}
