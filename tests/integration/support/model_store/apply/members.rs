//! Versioned changes of membership in the model.

use salon::db::accounts::heir;
use salon::db::rows::{LogKind, ReplyState, UserKind, UserRow, Visibility};
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
        let row = self.user(user);
        let row = row.filter(|row| row.kind != UserKind::Deleted);
        let row = row.ok_or(ErrorCode::UserNotFound)?.clone();
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
        let taker = self.user(user);
        let taker = taker.filter(|row| row.kind != UserKind::Deleted);
        let taker = taker.ok_or(ErrorCode::UserNotFound)?.clone();
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
        match present {
            // Everybody may go, a bot that was removed too.
            _ if actor == user => self.standing(actor).map(drop)?,
            Some(Role::Owner) => self.require(actor, Action::ManageOwners)?,
            _ => self.require(actor, Action::ManageMembers)?,
        }
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
        for reply in self.room.replies.values_mut() {
            reply.stop_requested |= reply.asker == user && reply.state == ReplyState::Streaming;
        }
        let row = self.user(user).cloned();
        self.room.log(LogKind::Removed, row, None, data)
    }

    fn require_another_owner(&self) -> Judged<()> {
        match self.has_two_owners() {
            true => Ok(()),
            false => Err(ErrorCode::LastOwner.into()),
        }
    }

    fn has_two_owners(&self) -> bool {
        let roles = self.room.members.values();
        roles.filter(|role| **role == Role::Owner).nth(1).is_some()
    }

    /// Ends the membership of one whose account is deleted.
    pub(super) fn depart(&mut self, user: UserId) -> Judged<Version> {
        if !self.users.get(&user).is_some_and(|user| user.leaving) {
            return Err(ErrorCode::Forbidden.into());
        }
        let Some(role) = self.room.members.get(&user).copied() else {
            return Ok(self.room.head.version);
        };
        let is_direct = self.room.row.visibility == Visibility::Direct;
        if !is_direct && (role != Role::Owner || self.has_two_owners()) {
            return Ok(self.take_out(user, json!({})));
        }
        match heir(self.people_beside(user)) {
            Some(heir) if !is_direct => {
                self.put_member(heir, Role::Owner);
                Ok(self.take_out(user, json!({})))
            }
            Some(_) => Ok(self.take_out(user, json!({}))),
            None => {
                self.take_out(user, json!({}));
                Ok(self.end_room())
            }
        }
    }

    fn people_beside(&self, user: UserId) -> Vec<(UserRow, Role)> {
        let beside = self.room.members.iter().filter(|(id, _)| **id != user);
        beside
            .filter_map(|(id, role)| Some((self.users.get(id)?, *role)))
            .filter(|(user, _)| user.disabled.is_none() && user.owner.is_none())
            .filter(|(user, _)| user.row.kind != UserKind::Assistant)
            .map(|(user, role)| (user.row.clone(), role))
            .collect()
    }
}
