//! The part of the contract on a simulated connection that accounts are.

use async_trait::async_trait;
use salon::db::accounts::{
    AccountRow, Accounts, GuestUpgrade, LiveSession, NewPassword, Revocations, Seen, SessionRow,
};
use salon::db::changes::NewSession;
use salon::db::{SignedIn, StoreResult};
use salon::ids::{RoomId, SessionId, UserId};

use super::contract::{commit, read};
use super::database::{Fate, SimStore};

#[async_trait]
impl Accounts for SimStore {
    async fn account(&self, name: &str) -> StoreResult<AccountRow> {
        read!(self.account(name))
    }
    async fn password_hash(&self, user: UserId) -> StoreResult<Option<String>> {
        read!(self.password_hash(user))
    }
    async fn set_password(&self, user: UserId, password: NewPassword) -> StoreResult<u64> {
        commit!(self.set_password(user, password))
    }
    async fn upgrade_guest(
        &self,
        upgrade: GuestUpgrade,
        session: NewSession,
    ) -> StoreResult<SignedIn> {
        commit!(self.upgrade_guest(upgrade, session))
    }
    async fn sessions(&self, user: UserId) -> StoreResult<Vec<SessionRow>> {
        read!(self.sessions(user))
    }
    async fn end_session(&self, user: UserId, session: SessionId) -> StoreResult<bool> {
        commit!(self.end_session(user, session))
    }
    async fn end_sessions(&self, user: UserId, keep: Option<SessionId>) -> StoreResult<u64> {
        commit!(self.end_sessions(user, keep))
    }
    async fn live_sessions(&self, sessions: &[SessionId]) -> StoreResult<Vec<LiveSession>> {
        read!(self.live_sessions(sessions))
    }
    async fn note_seen(
        &self,
        sessions: &[SessionId],
        idle_s: i64,
        quiet_ms: i64,
    ) -> StoreResult<()> {
        commit!(self.note_seen(sessions, idle_s, quiet_ms))
    }
    async fn revocations_after(&self, number: i64) -> StoreResult<Revocations> {
        read!(self.revocations_after(number))
    }
    async fn disable_user(&self, user: UserId) -> StoreResult<bool> {
        commit!(self.disable_user(user))
    }
    async fn enable_user(&self, user: UserId) -> StoreResult<bool> {
        commit!(self.enable_user(user))
    }
    async fn delete_account(&self, user: UserId, seen: Seen) -> StoreResult<bool> {
        commit!(self.delete_account(user, seen))
    }
    async fn departures(
        &self,
        user: Option<UserId>,
        limit: i64,
    ) -> StoreResult<Vec<(RoomId, UserId)>> {
        read!(self.departures(user, limit))
    }
}
