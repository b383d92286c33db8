//! [`Accounts`] on Postgres: which function each unit of work is. The SQL is in [`super::account_ends`],
//! [`super::guest_upgrades`], [`super::sessions`] and [`super::revocations`].

use async_trait::async_trait;

use super::run::run;
use super::{PostgresStore, account_ends, guest_upgrades, revocations, sessions};
use crate::db::accounts::{
    AccountRow, Accounts, GuestUpgrade, LiveSession, NewPassword, Revocations, Seen, SessionRow,
};
use crate::db::changes::NewSession;
use crate::db::{SignedIn, StoreResult};
use crate::ids::{RoomId, SessionId, UserId};

#[async_trait]
impl Accounts for PostgresStore {
    async fn account(&self, name: &str) -> StoreResult<AccountRow> {
        let name = name.to_owned();
        run!(self, |pools| account_ends::account(pools, &name))
    }

    async fn password_hash(&self, user: UserId) -> StoreResult<Option<String>> {
        run!(self, |pools| account_ends::password_hash(pools, user))
    }

    async fn set_password(&self, user: UserId, password: NewPassword) -> StoreResult<u64> {
        run!(self, |pools| account_ends::set_password(
            pools, user, password
        ))
    }

    async fn upgrade_guest(
        &self,
        upgrade: GuestUpgrade,
        session: NewSession,
    ) -> StoreResult<SignedIn> {
        run!(self, |pools| guest_upgrades::upgrade(
            pools, upgrade, session
        ))
    }

    async fn sessions(&self, user: UserId) -> StoreResult<Vec<SessionRow>> {
        run!(self, |pools| sessions::list(pools, user))
    }

    async fn end_session(&self, user: UserId, session: SessionId) -> StoreResult<bool> {
        run!(self, |pools| sessions::delete(pools, session, Some(user)))
    }

    async fn end_sessions(&self, user: UserId, keep: Option<SessionId>) -> StoreResult<u64> {
        run!(self, |pools| sessions::end_all(pools, user, keep))
    }

    async fn live_sessions(&self, sessions: &[SessionId]) -> StoreResult<Vec<LiveSession>> {
        let sessions = sessions.to_vec();
        run!(self, |pools| sessions::live(pools, &sessions))
    }

    async fn note_seen(
        &self,
        sessions: &[SessionId],
        idle_s: i64,
        quiet_ms: i64,
    ) -> StoreResult<()> {
        let sessions = sessions.to_vec();
        run!(self, |pools| sessions::note_seen(
            pools, &sessions, idle_s, quiet_ms
        ))
    }

    async fn revocations_after(&self, number: i64) -> StoreResult<Revocations> {
        run!(self, |pools| revocations::read(pools, number))
    }

    async fn disable_user(&self, user: UserId) -> StoreResult<bool> {
        run!(self, |pools| account_ends::disable(pools, None, user))
    }

    async fn enable_user(&self, user: UserId) -> StoreResult<bool> {
        run!(self, |pools| account_ends::enable(pools, None, user))
    }

    async fn delete_account(&self, user: UserId, seen: Seen) -> StoreResult<bool> {
        run!(self, |pools| account_ends::delete(pools, user, seen))
    }

    async fn departures(
        &self,
        user: Option<UserId>,
        limit: i64,
    ) -> StoreResult<Vec<(RoomId, UserId)>> {
        run!(self, |pools| account_ends::departures(pools, user, limit))
    }
}
