//! Invites and bans in the model: who may come by a link, who is kept out, and how both are listed.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use salon::db::StoreResult;
use salon::db::invites::{BanRow, InviteRow, InviteView, NewInvite, inviting, works};
use salon::db::rows::{UserKind, Visibility};
use salon::error::ErrorCode;
use salon::ids::{InviteId, RoomId, UserId, Version};
use salon::limits::{BANS_PER_ROOM, INVITES_PER_ROOM};
use salon::permissions::{Action, Role, allows};
use serde_json::json;

use super::apply::{Judged, Work};
use super::tables::{Ban, Invite, Room, Tables, User, is_disabled};
use super::{Moment, no};

impl Invite {
    fn has_ended(&self, now: Moment) -> bool {
        self.revoked || self.uses >= self.max_uses || self.expires_at <= now
    }

    fn works(&self, room: &Room, users: &BTreeMap<UserId, User>, now: Moment) -> bool {
        let maker = room.members.get(&self.by).copied();
        let maker = maker.filter(|_| !is_disabled(users, self.by));
        !self.has_ended(now) && works(self.role, maker)
    }
}

impl Work<'_> {
    /// Makes an invite; those that have ended go.
    pub(super) fn make_invite(&mut self, actor: UserId, invite: &NewInvite) -> Judged<Version> {
        let action = inviting(invite.role);
        self.require(actor, action.unwrap_or(Action::Invite))?;
        if action.is_none() || self.room.row.visibility == Visibility::Direct {
            return Err(ErrorCode::Forbidden.into());
        }
        let now = self.now;
        self.room.invites.retain(|_, known| !known.has_ended(now));
        if self.room.invites.len() as i64 >= INVITES_PER_ROOM {
            return Err(ErrorCode::TooMany.into());
        }
        let made = Invite {
            token_hash: invite.token_hash,
            role: invite.role,
            by: actor,
            created_at: now,
            expires_at: now + TimeDelta::seconds(invite.lifetime_s),
            max_uses: invite.max_uses,
            uses: 0,
            revoked: false,
        };
        self.room.invites.insert(invite.id, made);
        Ok(self.room.head.version)
    }

    /// Withdraws one.
    pub(super) fn revoke_invite(&mut self, actor: UserId, invite: InviteId) -> Judged<Version> {
        self.require(actor, Action::Invite)?;
        if let Some(invite) = self.room.invites.get_mut(&invite) {
            invite.revoked = true;
        }
        Ok(self.room.head.version)
    }

    /// Lets somebody in by one.
    pub(super) fn accept_invite(&mut self, user: UserId, invite: InviteId) -> Judged<Version> {
        self.require_enabled(user)?;
        let now = self.now;
        let found = self.room.invites.get(&invite);
        let found = found.filter(|invite| invite.works(self.room, self.users, now));
        let Some(role) = found.map(|invite| invite.role) else {
            return Err(ErrorCode::InviteInvalid.into());
        };
        if self.room.bans.contains_key(&user) {
            return Err(ErrorCode::Banned.into());
        }
        let row = self.user(user).ok_or(ErrorCode::UserNotFound)?.clone();
        if self.room.members.contains_key(&user) {
            return Ok(self.room.head.version);
        }
        if let Some(invite) = self.room.invites.get_mut(&invite) {
            invite.uses += 1;
        }
        Ok(self.put_member(row, role))
    }

    /// Keeps somebody out, and ends a membership that is there.
    pub(super) fn ban(&mut self, actor: UserId, user: UserId, reason: &str) -> Judged<Version> {
        let present = self.room.members.get(&user).copied();
        let action = match present {
            Some(Role::Owner | Role::Moderator) => Action::BanModerators,
            _ => Action::Ban,
        };
        self.require(actor, action)?;
        if actor == user || self.room.row.visibility == Visibility::Direct {
            return Err(ErrorCode::Forbidden.into());
        }
        let row = self.user(user).ok_or(ErrorCode::UserNotFound)?.clone();
        if row.kind == UserKind::Assistant {
            return Err(ErrorCode::Forbidden.into());
        }
        if self.room.bans.contains_key(&user) {
            return Ok(self.room.head.version);
        }
        if self.room.bans.len() as i64 >= BANS_PER_ROOM {
            return Err(ErrorCode::TooMany.into());
        }
        let ban = Ban {
            by: actor,
            reason: reason.to_owned(),
            created_at: self.now,
        };
        self.room.bans.insert(user, ban);
        if present.is_none() {
            return Ok(self.room.head.version);
        }
        Ok(self.take_out(user, json!({ "banned": true })))
    }

    /// Lets somebody come again.
    pub(super) fn unban(&mut self, actor: UserId, user: UserId) -> Judged<Version> {
        self.require(actor, Action::Ban)?;
        self.room.bans.remove(&user);
        Ok(self.room.head.version)
    }
}

impl Tables {
    /// The invite of a token, while it works.
    pub(super) fn invite(&self, token_hash: &[u8; 32], now: Moment) -> StoreResult<InviteView> {
        let rooms = self.rooms.values().filter(|room| !room.deleted);
        let mut all = rooms.flat_map(|room| room.invites.iter().map(move |pair| (room, pair)));
        let found = all.find(|(_, (_, invite))| invite.token_hash == *token_hash);
        match found {
            Some((room, (id, invite))) if invite.works(room, &self.users, now) => Ok(InviteView {
                id: *id,
                room: room.row.id,
                slug: room.row.slug.clone(),
                name: room.row.name.clone(),
                by: self.users[&invite.by].row.clone(),
                role: invite.role,
                expires_at: invite.expires_at,
            }),
            _ => no(ErrorCode::InviteInvalid),
        }
    }

    /// Those of a room that have not ended, the latest first.
    pub(super) fn invites(
        &self,
        user: UserId,
        slug: &str,
        now: Moment,
    ) -> StoreResult<Vec<InviteRow>> {
        let room = &self.rooms[&self.required(user, slug, Action::Invite)?];
        let living = room.invites.iter();
        let living = living.filter(|(_, invite)| !invite.has_ended(now));
        let mut rows: Vec<InviteRow> = living
            .map(|(id, invite)| InviteRow {
                id: *id,
                role: invite.role,
                by: self.users[&invite.by].row.clone(),
                created_at: invite.created_at,
                expires_at: invite.expires_at,
                max_uses: invite.max_uses,
                uses: invite.uses,
                works: invite.works(room, &self.users, now),
            })
            .collect();
        rows.sort_by_key(|row| std::cmp::Reverse((row.created_at, row.id)));
        Ok(rows)
    }

    /// Who is kept out of a room, the latest first.
    pub(super) fn bans(&self, user: UserId, slug: &str) -> StoreResult<Vec<BanRow>> {
        let room = &self.rooms[&self.required(user, slug, Action::Ban)?];
        let rows = room.bans.iter().map(|(banned, ban)| BanRow {
            user: self.users[banned].row.clone(),
            by: self.users[&ban.by].row.clone(),
            reason: ban.reason.clone(),
            created_at: ban.created_at,
        });
        let mut rows: Vec<BanRow> = rows.collect();
        rows.sort_by_key(|row| std::cmp::Reverse((row.created_at, row.user.id)));
        Ok(rows)
    }

    fn required(&self, user: UserId, slug: &str, action: Action) -> StoreResult<RoomId> {
        let (room, role) = self.of_member(user, slug)?;
        match allows(role, action) {
            true => Ok(room.row.id),
            false => no(ErrorCode::Forbidden),
        }
    }
}
