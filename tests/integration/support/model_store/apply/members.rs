//! Versioned changes of membership in the model.

use salon::db::rows::{LogKind, UserRow, Visibility};
use salon::error::{ErrorCode, Refusal};
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
        if present.is_none() && self.room.bans.contains_key(&user) {
            return Err(Refusal::user_is_banned());
        }
        if present == Some(Role::Owner) {
            self.require_another_owner()?;
        }
        Ok(self.put_member(row, role))
    }

    /// Writes a user's role, and the version that tells it.
    pub(in super::super) fn put_member(&mut self, row: UserRow, role: Role) -> Version {
        self.room.seat(row.id, role);
        self.room
            .log(LogKind::Role, Some(row), Some(role), json!({}))
    }

    /// Gives the room away.
    pub(super) fn transfer_room(&mut self, actor: UserId, user: UserId) -> Judged<Version> {
        self.require(actor, Action::ManageOwners)?;
        if self.room.row.visibility == Visibility::Direct {
            return Err(ErrorCode::Forbidden.into());
        }
        let giver = self.user(actor).ok_or(ErrorCode::UserNotFound)?.clone();
        let taker = self.user(user).ok_or(ErrorCode::UserNotFound)?.clone();
        let Some(present) = self.room.members.get(&user).copied() else {
            return Err(Refusal::user_is_no_member());
        };
        if actor == user {
            return Ok(self.room.head.version);
        }
        if present != Role::Owner {
            self.put_member(taker, Role::Owner);
        }
        Ok(self.put_member(giver, Role::Moderator))
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
        Ok(self.take_out(user, json!({})))
    }

    /// Ends a membership, at a version.
    pub(in super::super) fn take_out(&mut self, user: UserId, data: serde_json::Value) -> Version {
        self.room.members.remove(&user);
        self.room.muted.remove(&user);
        let row = self.user(user).cloned();
        self.room.log(LogKind::Removed, row, None, data)
    }

    pub(super) fn require_another_owner(&self) -> Judged<()> {
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
