//! What accounts of the model come to, their sessions, and the log of revocations.

use async_trait::async_trait;
use chrono::TimeDelta;
use salon::db::accounts::{
    AccountRow, Accounts, DELETED_NAME, GuestUpgrade, LiveSession, NewPassword, Revocation,
    RevocationKind, Revocations, Seen, SessionRow,
};
use salon::db::administration::AccountAct;
use salon::db::audit::{Act, NewAudit};
use salon::db::changes::NewSession;
use salon::db::rows::{ReplyState, UserKind, UserRow};
use salon::db::{SignedIn, StoreResult};
use salon::error::ErrorCode;
use salon::ids::{RoomId, SessionId, UserId};
use salon::limits::{REVOCATIONS_PER_READ, SESSIONS_LISTED};

use super::accounts::end;
use super::tables::{Change, Tables, User};
use super::{ModelStore, Moment, no, storable};

#[async_trait]
impl Accounts for ModelStore {
    async fn account(&self, name: &str) -> StoreResult<AccountRow> {
        storable(name)?;
        self.unit(|tables, _| {
            let user = tables.holder(name);
            match user.filter(|user| user.row.kind != UserKind::Deleted) {
                Some(user) => Ok(AccountRow {
                    user: user.row.clone(),
                    admin: user.admin,
                    created_at: user.created_at,
                    disabled_at: user.disabled,
                }),
                None => no(ErrorCode::UserNotFound),
            }
        })
    }

    async fn password_hash(&self, user: UserId) -> StoreResult<Option<String>> {
        self.unit(|tables, _| {
            let user = tables.users.get(&user);
            match user.filter(|user| user.disabled.is_none()) {
                Some(user) => Ok(user.password_hash.clone()),
                None => no(ErrorCode::Unauthenticated),
            }
        })
    }

    async fn set_password(&self, user: UserId, password: NewPassword) -> StoreResult<u64> {
        self.unit(|tables, now| {
            let person = tables.living(user)?;
            if person.row.kind == UserKind::Guest {
                return no(ErrorCode::UserNotFound);
            }
            require_still(person, &password.seen)?;
            person.password_hash = Some(password.hash);
            let ended = tables.end_sessions(user, password.keep, now);
            tables.note(NewAudit::of(Act::PasswordSet).concerning(user), now);
            tables.revoke(RevocationKind::Password, user, None, now);
            Ok(ended)
        })
    }

    async fn upgrade_guest(
        &self,
        upgrade: GuestUpgrade,
        session: NewSession,
    ) -> StoreResult<SignedIn> {
        self.unit(|tables, now| tables.upgrade_guest(upgrade, &session, now))
    }

    async fn sessions(&self, user: UserId) -> StoreResult<Vec<SessionRow>> {
        Ok(self.unit(|tables, now| {
            let own = tables.sessions.iter();
            let own = own.filter(|(_, row)| row.user == user && row.expires_at > now);
            let mut rows: Vec<SessionRow> = own
                .map(|(id, row)| SessionRow {
                    id: *id,
                    created_at: row.created_at,
                    expires_at: row.expires_at,
                    last_seen_at: row.last_seen_at,
                    address: row.origin.address.clone(),
                    user_agent: row.origin.user_agent.clone(),
                    claimed: row.claimed,
                })
                .collect();
            rows.sort_by_key(|row| (std::cmp::Reverse(row.created_at), row.id));
            rows.truncate(usize::try_from(SESSIONS_LISTED).unwrap());
            rows
        }))
    }

    async fn end_session(&self, user: UserId, session: SessionId) -> StoreResult<bool> {
        Ok(self.unit(|tables, now| {
            let owner = tables.sessions.get(&session).map(|row| row.user);
            owner == Some(user) && tables.delete_session(session, now)
        }))
    }

    async fn end_sessions(&self, user: UserId, keep: Option<SessionId>) -> StoreResult<u64> {
        Ok(self.unit(|tables, now| tables.end_all_sessions(user, keep, now)))
    }

    async fn live_sessions(&self, sessions: &[SessionId]) -> StoreResult<Vec<LiveSession>> {
        Ok(self.unit(|tables, now| {
            let living = sessions.iter().filter_map(|id| {
                let token = tables.tokens.get(id);
                let token = token.filter(|token| token.lives(now));
                let expires_at = match token {
                    Some(token) if tables.is_disabled(token.user) => return None,
                    Some(token) => token.row.expires_at,
                    None if tables.lives(*id, now) => Some(tables.sessions.get(id)?.expires_at),
                    None => return None,
                };
                Some(LiveSession {
                    id: *id,
                    expires_at,
                })
            });
            living.collect()
        }))
    }

    async fn note_seen(
        &self,
        sessions: &[SessionId],
        idle_s: i64,
        quiet_ms: i64,
    ) -> StoreResult<()> {
        self.unit(|tables, now| {
            let quiet_since = now - TimeDelta::milliseconds(quiet_ms.clamp(0, 1_000_000_000));
            for session in sessions {
                let row = tables.sessions.get_mut(session);
                let due = row.filter(|row| row.expires_at > now && row.last_seen_at <= quiet_since);
                if let Some(row) = due {
                    row.last_seen_at = now;
                    row.expires_at = row.ends_at.min(end(now, idle_s));
                }
            }
            Ok(())
        })
    }

    async fn revocations_after(&self, number: i64) -> StoreResult<Revocations> {
        Ok(self.unit(|tables, now| {
            let entries = tables.revocations.iter().map(|(_, entry)| entry);
            let first = tables.revocations.first().map(|(_, entry)| entry.number);
            let above = entries.filter(|entry| entry.number > number);
            Revocations {
                head: tables.revoked,
                forgotten: first.map_or(tables.revoked, |first| first - 1),
                now,
                entries: above
                    .take(usize::try_from(REVOCATIONS_PER_READ).unwrap())
                    .cloned()
                    .collect(),
            }
        }))
    }

    async fn disable_user(&self, user: UserId) -> StoreResult<bool> {
        self.unit(|tables, now| tables.disable(user, now))
    }

    async fn enable_user(&self, user: UserId) -> StoreResult<bool> {
        self.unit(|tables, now| tables.enable(user, now))
    }

    async fn delete_account(&self, user: UserId, seen: Seen) -> StoreResult<bool> {
        self.unit(|tables, now| {
            let person = tables.person(user)?;
            if person.row.kind == UserKind::Deleted {
                return Ok(false);
            }
            require_still(person, &seen)?;
            tables.require_another_admin(user)?;
            tables.note(NewAudit::of(Act::UserDeleted).concerning(user), now);
            tables.stop_replies(user);
            tables.end_sessions(user, None, now);
            tables.forget(user, now);
            tables.identities.retain(|_, held| *held != user);
            tables.revoke(RevocationKind::Deleted, user, None, now);
            Ok(true)
        })
    }

    async fn departures(
        &self,
        user: Option<UserId>,
        limit: i64,
    ) -> StoreResult<Vec<(RoomId, UserId)>> {
        Ok(self.unit(|tables, _| {
            let found = tables.departures(user);
            if found.is_empty() {
                let rest = tables.departures(None);
                for (id, user) in &mut tables.users {
                    user.leaving &= rest.iter().any(|(_, leaver)| leaver == id);
                }
            }
            let limit = usize::try_from(limit.max(0)).unwrap();
            found.into_iter().take(limit).collect()
        }))
    }
}

fn require_still(person: &User, seen: &Seen) -> StoreResult<()> {
    match seen {
        Seen::NoPassword if person.password_hash.is_some() => no(ErrorCode::BadCredentials),
        Seen::Hash(hash) if person.password_hash.as_ref() != Some(&hash.0) => {
            no(ErrorCode::BadCredentials)
        }
        _ => Ok(()),
    }
}

impl Tables {
    /// What an administrator does to an account.
    pub(super) fn administer_account(
        &mut self,
        user: UserId,
        act: AccountAct,
        now: Moment,
    ) -> StoreResult<bool> {
        match act {
            AccountAct::Disable => self.disable(user, now),
            AccountAct::Enable => self.enable(user, now),
            AccountAct::EndSessions if self.users.contains_key(&user) => {
                Ok(self.end_all_sessions(user, None, now) > 0)
            }
            AccountAct::EndSessions => no(ErrorCode::UserNotFound),
        }
    }

    fn disable(&mut self, user: UserId, now: Moment) -> StoreResult<bool> {
        if self.living(user)?.disabled.is_some() {
            return Ok(false);
        }
        self.require_another_admin(user)?;
        self.living(user)?.disabled = Some(now);
        self.note(NewAudit::of(Act::UserDisabled).concerning(user), now);
        self.end_sessions(user, None, now);
        self.stop_replies(user);
        self.revoke(RevocationKind::Disabled, user, None, now);
        Ok(true)
    }

    fn enable(&mut self, user: UserId, now: Moment) -> StoreResult<bool> {
        let was = self.living(user)?.disabled.take().is_some();
        if was {
            self.note(NewAudit::of(Act::UserEnabled).concerning(user), now);
        }
        Ok(was)
    }

    fn end_all_sessions(&mut self, user: UserId, keep: Option<SessionId>, now: Moment) -> u64 {
        let ended = self.end_sessions(user, keep, now);
        if ended > 0 {
            self.note(NewAudit::of(Act::SessionsEnded).concerning(user), now);
            self.revoke(RevocationKind::Sessions, user, None, now);
        }
        ended
    }
}

impl Tables {
    /// Adds to the log.
    pub(super) fn revoke(
        &mut self,
        kind: RevocationKind,
        user: UserId,
        session: Option<SessionId>,
        now: Moment,
    ) {
        self.revoked += 1;
        let owns =
            |bot: &&User| bot.has_own_name && bot.owner.is_some_and(|(owner, _)| owner == user);
        let bots = match session {
            Some(_) => Vec::new(),
            None => (self.users.values().filter(owns))
                .map(|bot| bot.row.id)
                .collect(),
        };
        let entry = Revocation {
            number: self.revoked,
            kind,
            user,
            bots,
            session,
        };
        self.revocations.push((now, entry));
    }

    /// Whoever is neither a bot nor the assistant; deleted ones too.
    fn person(&mut self, user: UserId) -> StoreResult<&mut User> {
        let user = self.users.get_mut(&user);
        let is_person =
            |user: &&mut User| user.owner.is_none() && user.row.kind != UserKind::Assistant;
        user.filter(is_person)
            .map_or_else(|| no(ErrorCode::UserNotFound), Ok)
    }

    /// The same, still there.
    fn living(&mut self, user: UserId) -> StoreResult<&mut User> {
        let person = self.person(user)?;
        match person.row.kind {
            UserKind::Deleted => no(ErrorCode::UserNotFound),
            _ => Ok(person),
        }
    }

    /// Ends a user's sessions; how many of them had lived.
    pub(super) fn end_sessions(
        &mut self,
        user: UserId,
        keep: Option<SessionId>,
        now: Moment,
    ) -> u64 {
        let before = self.sessions.len();
        let mut ended = 0;
        self.sessions.retain(|id, row| {
            let stays = row.user != user || Some(*id) == keep;
            ended += u64::from(!stays && row.expires_at > now);
            stays
        });
        if self.sessions.len() < before {
            let sessions = &self.sessions;
            self.tickets
                .retain(|_, ticket| sessions.contains_key(&ticket.session));
        }
        ended
    }

    fn is_of(&self, user: UserId, owner: UserId) -> bool {
        let bot = self.users.get(&user).and_then(|user| user.owner);
        user == owner || bot.is_some_and(|(holder, _)| holder == owner)
    }

    /// What a user and its bots asked the assistant stops.
    fn stop_replies(&mut self, user: UserId) {
        let askers: Vec<UserId> = (self.users.keys().copied())
            .filter(|asker| self.is_of(*asker, user))
            .collect();
        for room in self.rooms.values_mut() {
            for reply in room.replies.values_mut() {
                reply.stop_requested |=
                    askers.contains(&reply.asker) && reply.state != ReplyState::Settled;
            }
        }
    }

    /// The person becomes nobody in particular, and what goes with it goes.
    fn forget(&mut self, user: UserId, now: Moment) {
        let own: Vec<UserId> = (self.users.keys().copied())
            .filter(|one| self.is_of(*one, user))
            .collect();
        for one in &own {
            let row = self.users.get_mut(one).unwrap();
            row.disabled = row.disabled.or(Some(now));
            row.leaving = true;
        }
        self.tokens.retain(|_, token| !own.contains(&token.user));
        self.hooks
            .retain(|_, hook| !own.contains(&hook.row.user.id));
        self.forget_webhooks_of(user);
        let person = self.users.get_mut(&user).unwrap();
        // Its name stays taken: what it is compared by is kept apart from what is shown.
        if person.has_own_name {
            self.former_names.insert(person.row.name.to_lowercase());
        }
        person.password_hash = None;
        person.admin = false;
        person.row = UserRow {
            id: user,
            name: DELETED_NAME.into(),
            kind: UserKind::Deleted,
        };
        let row = person.row.clone();
        self.rename(&row);
    }

    /// Shows a user by another name wherever it stands.
    pub(super) fn rename(&mut self, row: &UserRow) {
        for room in self.rooms.values_mut() {
            for message in room.messages.values_mut() {
                if message.row.author.id == row.id {
                    message.row.author = row.clone();
                }
            }
            for change in room.changes.values_mut() {
                if let Change::Log(log) = change
                    && log.user.as_ref().is_some_and(|user| user.id == row.id)
                {
                    log.user = Some(row.clone());
                }
            }
        }
    }

    fn departures(&self, user: Option<UserId>) -> Vec<(RoomId, UserId)> {
        let living = self.rooms.values().filter(|room| !room.deleted);
        let members = living.flat_map(|room| {
            let members = room.members.keys();
            members.map(|member| (room.row.id, *member))
        });
        members
            .filter(|(_, member)| self.users.get(member).is_some_and(|user| user.leaving))
            .filter(|(_, member)| user.is_none_or(|user| self.is_of(*member, user)))
            .collect()
    }
}
