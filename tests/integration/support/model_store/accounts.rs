//! Users, sessions and tickets of the model.

use chrono::TimeDelta;
use salon::db::accounts::RevocationKind;
use salon::db::audit::{Act, NewAudit};
use salon::db::changes::{NewAccount, NewSession};
use salon::db::rows::{Credentials, Identity, UserKind, UserRow};
use salon::db::{ASSISTANT, LOBBY, SignedIn, StoreError, StoreResult, Swept};
use salon::error::ErrorCode;
use salon::ids::SessionId;
use salon::limits::{BATCH_ID_S, REVOCATIONS_S};
use salon::looks::looks_like;
use salon::permissions::Role;

use super::tables::{Session, Tables, Ticket, User};
use super::{Moment, no, storable};

/// The longest life of anything: a time that can be written.
const CENTURY_S: i64 = 100 * 366 * 24 * 3600;

impl Tables {
    /// A user, its place in the lobby and its first session.
    pub(super) fn create_account(
        &mut self,
        account: NewAccount,
        session: &NewSession,
        now: Moment,
    ) -> StoreResult<SignedIn> {
        self.add_account(account, now)?;
        self.insert_session(session, now)
    }

    /// A user and its place in the lobby.
    pub(super) fn add_account(&mut self, account: NewAccount, now: Moment) -> StoreResult<()> {
        storable(&account.user.name)?;
        if self.is_taken(&account.user.name) {
            return no(ErrorCode::NameTaken);
        }
        let id = account.user.id;
        let user = User {
            has_own_name: account.user.kind != UserKind::Guest,
            password_hash: account.password_hash,
            admin: account.admin,
            ..User::of(account.user, now)
        };
        let act = match user.row.kind {
            UserKind::Guest => Act::GuestCame,
            UserKind::User | UserKind::Bot | UserKind::Assistant | UserKind::Deleted => {
                Act::UserCreated
            }
        };
        let detail = if user.admin { "administrator" } else { "" };
        self.users.insert(id, user);
        self.note(NewAudit::of(act).concerning(id).saying(detail), now);
        let mut rooms = self.rooms.values_mut();
        if let Some(lobby) = rooms.find(|room| room.row.slug == LOBBY && !room.deleted) {
            lobby.seat(id, Role::Member);
        }
        Ok(())
    }

    /// Who, not being a guest, holds a name, whatever its case.
    pub(super) fn holder(&self, name: &str) -> Option<&User> {
        let key = name.to_lowercase();
        let living = self.users.values();
        let living = living.filter(|user| user.row.kind != UserKind::Deleted);
        let mut named = living.filter(|user| user.has_own_name);
        named.find(|user| user.row.name.to_lowercase() == key)
    }

    /// Whether somebody, not being a guest, has or had a name or one that looks like it.
    pub(super) fn is_taken(&self, name: &str) -> bool {
        let mut named = self.users.values().filter(|user| user.has_own_name);
        let mut former = self.former_names.iter();
        self.holder(name).is_some()
            || named.any(|user| looks_like(&user.row.name, name))
            || former.any(|former| looks_like(former, name))
    }

    pub(super) fn credentials(&self, name: &str) -> StoreResult<Option<Credentials>> {
        storable(name)?;
        Ok(self.holder(name).and_then(|user| {
            Some(Credentials {
                user: user.row.clone(),
                password_hash: user.password_hash.clone()?,
                disabled: user.disabled.is_some(),
            })
        }))
    }

    pub(super) fn user_by_name(&self, name: &str) -> StoreResult<UserRow> {
        storable(name)?;
        match self.holder(name).filter(|user| user.disabled.is_none()) {
            Some(user) => Ok(user.row.clone()),
            None => no(ErrorCode::UserNotFound),
        }
    }

    pub(super) fn assistant(&self) -> StoreResult<UserRow> {
        self.user_by_name(ASSISTANT)
    }

    pub(super) fn create_session(
        &mut self,
        session: &NewSession,
        now: Moment,
    ) -> StoreResult<SignedIn> {
        let made = self.insert_session(session, now)?;
        self.note(NewAudit::of(Act::SignedIn).by(session.user), now);
        Ok(made)
    }

    pub(super) fn insert_session(
        &mut self,
        session: &NewSession,
        now: Moment,
    ) -> StoreResult<SignedIn> {
        let user = self.users.get(&session.user);
        let user = user.filter(|user| user.disabled.is_none());
        let has_still = |user: &User| match &session.verified {
            Some(hash) => user.password_hash.as_ref() == Some(&hash.0),
            None => true,
        };
        if !user.is_some_and(has_still) {
            return no(ErrorCode::UserNotFound);
        }
        let row = Session {
            user: session.user,
            token_hash: session.token_hash,
            expires_at: end(now, session.lifetime_s.min(session.idle_s)),
            ends_at: end(now, session.lifetime_s),
            created_at: now,
            last_seen_at: now,
            origin: session.origin.clone(),
            claimed: false,
        };
        self.sessions.insert(session.id, row);
        match self.identity_of(session.id, now) {
            Some(identity) => Ok(SignedIn { identity }),
            None => Err(StoreError::Broken("a session that has ended".into())),
        }
    }

    /// Whom a session that lives stands for.
    fn identity_of(&self, session: SessionId, now: Moment) -> Option<Identity> {
        let row = self
            .sessions
            .get(&session)
            .filter(|row| row.expires_at > now && !self.is_disabled(row.user))?;
        Some(Identity {
            session,
            user: self.user(row.user)?.clone(),
            expires_at: Some(row.expires_at),
            scope: None,
        })
    }

    pub(super) fn identity(&self, token_hash: &[u8; 32], now: Moment) -> Option<Identity> {
        let mut sessions = self.sessions.iter();
        let (session, _) = sessions.find(|(_, row)| row.token_hash == *token_hash)?;
        self.identity_of(*session, now)
    }

    /// Whether a session lives.
    pub(crate) fn lives(&self, session: SessionId, now: Moment) -> bool {
        self.identity_of(session, now).is_some()
    }

    /// Ends a session and its tickets; whether it had lived.
    pub(super) fn delete_session(&mut self, session: SessionId, now: Moment) -> bool {
        let lived = self.lives(session, now);
        if let Some(row) = self.sessions.remove(&session) {
            if lived {
                self.note(NewAudit::of(Act::SignedOut).concerning(row.user), now);
            }
            self.revoke(RevocationKind::Session, row.user, Some(session), now);
        }
        self.tickets.retain(|_, ticket| ticket.session != session);
        lived
    }

    pub(super) fn create_ticket(
        &mut self,
        session: SessionId,
        ticket_hash: &[u8; 32],
        lifetime_s: i64,
        now: Moment,
    ) -> StoreResult<()> {
        if !self.lives(session, now) {
            return no(ErrorCode::Unauthenticated);
        }
        let expires_at = end(now, lifetime_s);
        let ticket = Ticket {
            session,
            expires_at,
        };
        self.tickets.insert(*ticket_hash, ticket);
        Ok(())
    }

    /// Uses a ticket up.
    pub(super) fn redeem_ticket(
        &mut self,
        ticket_hash: &[u8; 32],
        now: Moment,
    ) -> Option<Identity> {
        let ticket = self.tickets.remove(ticket_hash)?;
        if ticket.expires_at <= now {
            return None;
        }
        self.identity_of(ticket.session, now)
    }

    /// Removes what has run out.
    pub(super) fn sweep(&mut self, now: Moment) -> Swept {
        let before = (self.sessions.len(), self.tickets.len(), self.batches.len());
        self.tickets.retain(|_, ticket| ticket.expires_at > now);
        let tickets = before.1 - self.tickets.len();
        self.sessions.retain(|_, session| session.expires_at > now);
        self.tokens.retain(|_, token| token.lives(now));
        let sessions = &self.sessions;
        self.tickets
            .retain(|_, ticket| sessions.contains_key(&ticket.session));
        let forgotten = now - TimeDelta::seconds(REVOCATIONS_S);
        self.revocations.retain(|(at, _)| *at >= forgotten);
        let oldest = now - TimeDelta::seconds(BATCH_ID_S);
        self.batches.retain(|_, (kept_at, _)| *kept_at > oldest);
        Swept {
            sessions: (before.0 - self.sessions.len()) as u64,
            tickets: tickets as u64,
            batches: (before.2 - self.batches.len()) as u64,
            webhooks: self.sweep_webhooks(),
            variants: self.sweep_variants(),
        }
    }
}

/// The end of a life of so many seconds.
pub(super) fn end(from: Moment, lifetime_s: i64) -> Moment {
    from + TimeDelta::seconds(lifetime_s.clamp(-CENTURY_S, CENTURY_S))
}
