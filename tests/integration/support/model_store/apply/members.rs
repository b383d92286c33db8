//! Versioned changes of membership in the model.

use salon::db::rows::{LogKind, Visibility};
use salon::error::ErrorCode;
use salon::ids::{UserId, Version};
use salon::permissions::{Action, Role};
use serde_json::json;

use super::{Judged, Work};

impl Work<'_> {
    /// Gives a user a role; whoever is no member becomes one.
    pub(super) fn set_member(
        &mut self,
        actor: UserId,
        user: UserId,
        role: Role,
    ) -> Judged<Version> {
        let present = self.room.members.get(&user).copied();
        let touches_owners = role == Role::Owner || present == Some(Role::Owner);
        let action = match touches_owners {
            true => Action::ManageOwners,
            false => Action::ManageMembers,
        };
        self.require(actor, action)?;
        let row = self.user(user).ok_or(ErrorCode::UserNotFound)?.clone();
        if present.is_none() && self.room.row.visibility == Visibility::Direct {
            // A conversation of these has nobody else.
            return Err(ErrorCode::Forbidden.into());
        }
        if present == Some(role) {
            return Ok(self.room.head.version);
        }
        if present == Some(Role::Owner) {
            self.require_another_owner()?;
        }
        self.room.seat(user, role);
        Ok(self
            .room
            .log(LogKind::Role, Some(row), Some(role), json!({})))
    }

    /// Ends a membership.
    pub(super) fn remove_member(&mut self, actor: UserId, user: UserId) -> Judged<Version> {
        let present = self.room.members.get(&user).copied();
        let action = match present {
            _ if actor == user => Action::Read,
            Some(Role::Owner) => Action::ManageOwners,
            _ => Action::ManageMembers,
        };
        self.require(actor, action)?;
        if present.is_none() {
            return Ok(self.room.head.version);
        }
        if self.room.row.people == 2 {
            // A conversation of two is of both.
            return Err(ErrorCode::Forbidden.into());
        }
        if present == Some(Role::Owner) {
            self.require_another_owner()?;
        }
        self.room.members.remove(&user);
        self.room.muted.remove(&user);
        let row = self.user(user).cloned();
        Ok(self.room.log(LogKind::Removed, row, None, json!({})))
    }

    fn require_another_owner(&self) -> Judged<()> {
        let mut owners = self
            .room
            .members
            .values()
            .filter(|role| **role == Role::Owner);
        match owners.nth(1) {
            Some(_) => Ok(()),
            None => Err(ErrorCode::LastOwner.into()),
        }
    }
}
