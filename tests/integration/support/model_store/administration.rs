//! Administration and the audit log of the model, and which operation each unit of work is.

use async_trait::async_trait;
use chrono::TimeDelta;
use salon::db::StoreResult;
use salon::db::accounts::RevocationKind;
use salon::db::administration::{AccountAct, Administration, RoomOverview, UserAccount};
use salon::db::audit::{Act, AuditFilter, AuditLog, AuditRoom, AuditRow, DIRECT, NewAudit};
use salon::db::rows::{UserKind, UserRow, Visibility};
use salon::error::{ErrorCode, Refusal};
use salon::ids::{AuditId, Epoch, RoomId, RoomRef, UserId};
use salon::limits::OWNERS_SHOWN;
use salon::permissions::Role;

use super::tables::{Room, Tables, User};
use super::{ModelStore, Moment, no, refuse};

/// A row, and who is in it.
#[derive(Debug)]
pub(crate) struct Audited {
    pub(crate) id: AuditId,
    pub(crate) at: Moment,
    pub(crate) row: NewAudit,
}

impl Tables {
    /// Writes a row.
    pub(super) fn note(&mut self, row: NewAudit, now: Moment) {
        let found = match &row.room {
            AuditRoom::Id(room) => self.rooms.get(room),
            AuditRoom::Slug(slug) => self.by_slug(slug),
            AuditRoom::None => None,
        };
        let row = NewAudit {
            room: match (found, row.room) {
                (Some(room), _) if room.row.visibility == Visibility::Direct => {
                    AuditRoom::Slug(DIRECT.to_owned())
                }
                (Some(room), _) => AuditRoom::Slug(room.row.slug.clone()),
                (None, AuditRoom::Id(_)) => AuditRoom::None,
                (None, other) => other,
            },
            ..row
        };
        let id = AuditId::new();
        self.audit.push(Audited { id, at: now, row });
    }

    fn administers(&self, user: UserId) -> bool {
        let found = self.users.get(&user);
        found.is_some_and(|user| user.admin && user.disabled.is_none())
    }

    fn account(&self, user: &User, now: Moment) -> UserAccount {
        let own = |session: &&super::tables::Session| {
            session.user == user.row.id && session.expires_at > now
        };
        UserAccount {
            user: user.row.clone(),
            admin: user.admin,
            created_at: user.created_at,
            disabled_at: user.disabled,
            sessions: self.sessions.values().filter(own).count() as i64,
        }
    }

    fn set_admin(
        &mut self,
        actor: Option<UserId>,
        user: UserId,
        admin: bool,
        now: Moment,
    ) -> StoreResult<bool> {
        if actor.is_some_and(|actor| !self.administers(actor)) {
            return refuse(Refusal::not_an_administrator());
        }
        let kept = self.require_another_admin(user);
        let Some(found) = self.users.get_mut(&user) else {
            return no(ErrorCode::UserNotFound);
        };
        if found.admin == admin {
            return Ok(false);
        }
        if admin && (found.row.kind != UserKind::User || found.disabled.is_some()) {
            return refuse(Refusal::cannot_administer());
        }
        if !admin {
            kept?;
        }
        found.admin = admin;
        let act = if admin {
            Act::AdminGiven
        } else {
            Act::AdminTaken
        };
        let note = NewAudit {
            who: actor,
            ..NewAudit::of(act).to(user)
        };
        self.note(note, now);
        if !admin {
            self.end_sessions(user, None, now);
            self.revoke(RevocationKind::Role, user, None, now);
        }
        Ok(true)
    }

    /// Refuses to take a server its last administrator.
    pub(super) fn require_another_admin(&self, user: UserId) -> StoreResult<()> {
        let mut others = self.users.keys();
        let has_another = others.any(|other| *other != user && self.administers(*other));
        match has_another || !self.administers(user) {
            true => Ok(()),
            false => no(ErrorCode::LastAdministrator),
        }
    }

    fn overview(&self, room: &Room) -> RoomOverview {
        let owners = room
            .members
            .iter()
            .filter(|(_, role)| **role == Role::Owner);
        let owners = owners.filter_map(|(user, _)| self.user(*user).cloned());
        RoomOverview {
            room: RoomRef {
                id: room.row.id,
                slug: room.row.slug.as_str().into(),
            },
            name: room.row.name.clone(),
            visibility: room.row.visibility,
            archived: room.row.archived,
            created_at: room.row.created_at,
            members: room.members.len() as i64,
            messages: room.head.last_seq,
            owners: owners.take(OWNERS_SHOWN as usize).collect(),
        }
    }

    fn any_room(&self, slug: &str) -> StoreResult<&Room> {
        let mut rooms = self.rooms.values();
        match rooms.find(|room| room.row.slug == slug && !room.deleted) {
            Some(room) => Ok(room),
            None => no(ErrorCode::RoomNotFound),
        }
    }

    fn renew_epochs(&mut self, slug: Option<&str>, now: Moment) -> StoreResult<u64> {
        let only = match slug {
            Some(slug) => Some(self.any_room(slug)?.row.id),
            None => None,
        };
        let epoch = Epoch::random();
        let mut renewed = 0;
        for room in self.rooms.values_mut() {
            if only.is_none_or(|only| only == room.row.id) {
                room.head.epoch = epoch;
                renewed += 1;
            }
        }
        let room = slug.map_or(AuditRoom::None, |slug| AuditRoom::Slug(slug.to_owned()));
        let note = NewAudit {
            room,
            ..NewAudit::of(Act::EpochRenewed)
        };
        self.note(note, now);
        Ok(renewed)
    }

    fn audited(&self, filter: &AuditFilter) -> Vec<AuditRow> {
        let fits = |it: &&Audited| {
            let user = filter.user;
            filter.before.is_none_or(|before| it.id < before)
                && filter.since.is_none_or(|since| it.at >= since)
                && user.is_none_or(|_| it.row.who == user || it.row.whom == user)
                && filter.act.is_none_or(|act| it.row.act == act)
                && filter
                    .room
                    .as_deref()
                    .is_none_or(|slug| slug_of(&it.row) == Some(slug))
        };
        let mut rows: Vec<&Audited> = self.audit.iter().filter(fits).collect();
        rows.sort_by_key(|it| std::cmp::Reverse(it.id));
        let rows = rows.into_iter().take(filter.limit.max(0) as usize);
        rows.map(|it| self.audit_row(it)).collect()
    }

    fn audit_row(&self, it: &Audited) -> AuditRow {
        let user = |id: Option<UserId>| id.and_then(|id| self.user(id).cloned());
        AuditRow {
            id: it.id,
            at: it.at,
            act: it.row.act,
            outcome: it.row.outcome.map(|code| code.as_str().to_owned()),
            way: it.row.origin.way,
            address: it.row.origin.address.map(|address| address.to_string()),
            who: user(it.row.who),
            whom: user(it.row.whom),
            room: slug_of(&it.row).map(str::to_owned),
            detail: it.row.detail.clone(),
            times: it.row.times,
        }
    }
}

fn slug_of(row: &NewAudit) -> Option<&str> {
    match &row.room {
        AuditRoom::Slug(slug) => Some(slug),
        AuditRoom::Id(_) | AuditRoom::None => None,
    }
}

#[async_trait]
impl Administration for ModelStore {
    async fn is_admin(&self, user: UserId) -> StoreResult<bool> {
        Ok(self.unit(|tables, _| tables.administers(user)))
    }

    async fn user_accounts(
        &self,
        text: &str,
        after: Option<UserId>,
        limit: i64,
    ) -> StoreResult<Vec<UserAccount>> {
        let text = text.to_lowercase();
        Ok(self.unit(|tables, now| {
            let users = tables.users.values();
            let users = users
                .filter(|user| after.is_none_or(|after| user.row.id > after))
                .filter(|user| user.row.name.to_lowercase().starts_with(&text));
            users
                .take(limit as usize)
                .map(|user| tables.account(user, now))
                .collect()
        }))
    }

    async fn user_account(&self, user: UserId) -> StoreResult<UserAccount> {
        self.unit(|tables, now| match tables.users.get(&user) {
            Some(user) => Ok(tables.account(user, now)),
            None => no(ErrorCode::UserNotFound),
        })
    }

    async fn user_account_by_name(&self, name: &str) -> StoreResult<UserAccount> {
        self.unit(|tables, now| match tables.holder(name) {
            Some(user) => Ok(tables.account(user, now)),
            None => no(ErrorCode::UserNotFound),
        })
    }

    async fn set_admin(
        &self,
        actor: Option<UserId>,
        user: UserId,
        admin: bool,
    ) -> StoreResult<bool> {
        self.unit(|tables, now| tables.set_admin(actor, user, admin, now))
    }

    async fn administer_account(
        &self,
        actor: UserId,
        user: UserId,
        act: AccountAct,
    ) -> StoreResult<bool> {
        self.unit(|tables, now| {
            if !tables.administers(actor) {
                return refuse(Refusal::not_an_administrator());
            }
            tables.administer_account(user, act, now)
        })
    }

    async fn all_rooms(
        &self,
        text: &str,
        after: Option<&str>,
        limit: i64,
    ) -> StoreResult<Vec<RoomOverview>> {
        Ok(self.unit(|tables, _| {
            let rooms = tables.rooms.values().filter(|room| {
                !room.deleted
                    && room.row.visibility != Visibility::Direct
                    && room.row.slug.starts_with(text)
                    && after.is_none_or(|after| room.row.slug.as_str() > after)
            });
            let mut rooms: Vec<&Room> = rooms.collect();
            rooms.sort_by(|one, other| one.row.slug.cmp(&other.row.slug));
            let rooms = rooms.into_iter().take(limit as usize);
            rooms.map(|room| tables.overview(room)).collect()
        }))
    }

    async fn any_room(&self, slug: &str) -> StoreResult<RoomOverview> {
        self.unit(|tables, _| Ok(tables.overview(tables.any_room(slug)?)))
    }

    async fn members_of(
        &self,
        room: RoomId,
        after: Option<UserId>,
        limit: i64,
    ) -> StoreResult<Vec<(UserRow, Role)>> {
        Ok(self.unit(|tables, _| {
            let members = tables.rooms.get(&room).into_iter();
            let members = members.flat_map(|room| &room.members);
            let members = members.filter(|(user, _)| after.is_none_or(|after| **user > after));
            let rows =
                members.filter_map(|(user, role)| Some((tables.user(*user)?.clone(), *role)));
            rows.take(limit as usize).collect()
        }))
    }

    async fn renew_epochs(&self, slug: Option<&str>) -> StoreResult<u64> {
        self.unit(|tables, now| tables.renew_epochs(slug, now))
    }
}

#[async_trait]
impl AuditLog for ModelStore {
    async fn note(&self, rows: Vec<NewAudit>) -> StoreResult<()> {
        self.unit(|tables, now| rows.into_iter().for_each(|row| tables.note(row, now)));
        Ok(())
    }

    async fn audit(&self, filter: AuditFilter) -> StoreResult<Vec<AuditRow>> {
        Ok(self.unit(|tables, _| tables.audited(&filter)))
    }

    async fn sweep_audit(&self, days: u32) -> StoreResult<u64> {
        Ok(self.unit(|tables, now| {
            let oldest = now - TimeDelta::days(i64::from(days));
            let before = tables.audit.len();
            tables.audit.retain(|it| it.at >= oldest);
            (before - tables.audit.len()) as u64
        }))
    }
}
