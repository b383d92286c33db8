//! The part of the contract on a [`FaultyStore`] that accounts are: it passes everything on.

use async_trait::async_trait;
use salon::db::accounts::{
    AccountRow, Accounts, GuestUpgrade, LiveSession, NewPassword, Revocations, Seen, SessionRow,
};
use salon::db::changes::NewSession;
use salon::db::{SignedIn, StoreResult};
use salon::ids::{RoomId, SessionId, UserId};

use super::faulty_store::FaultyStore;

#[async_trait]
impl Accounts for FaultyStore {
    async fn account(&self, name: &str) -> StoreResult<AccountRow> {
        self.inner.account(name).await
    }
    async fn password_hash(&self, user: UserId) -> StoreResult<Option<String>> {
        self.inner.password_hash(user).await
    }
    async fn set_password(&self, user: UserId, password: NewPassword) -> StoreResult<u64> {
        self.inner.set_password(user, password).await
    }
    async fn upgrade_guest(
        &self,
        upgrade: GuestUpgrade,
        session: NewSession,
    ) -> StoreResult<SignedIn> {
        self.inner.upgrade_guest(upgrade, session).await
    }
    async fn sessions(&self, user: UserId) -> StoreResult<Vec<SessionRow>> {
        self.inner.sessions(user).await
    }
    async fn end_session(&self, user: UserId, session: SessionId) -> StoreResult<bool> {
        self.inner.end_session(user, session).await
    }
    async fn end_sessions(&self, user: UserId, keep: Option<SessionId>) -> StoreResult<u64> {
        self.inner.end_sessions(user, keep).await
    }
    async fn live_sessions(&self, sessions: &[SessionId]) -> StoreResult<Vec<LiveSession>> {
        self.inner.live_sessions(sessions).await
    }
    async fn note_seen(
        &self,
        sessions: &[SessionId],
        idle_s: i64,
        quiet_ms: i64,
    ) -> StoreResult<()> {
        self.inner.note_seen(sessions, idle_s, quiet_ms).await
    }
    async fn revocations_after(&self, number: i64) -> StoreResult<Revocations> {
        self.inner.revocations_after(number).await
    }
    async fn disable_user(&self, user: UserId) -> StoreResult<bool> {
        self.inner.disable_user(user).await
    }
    async fn enable_user(&self, user: UserId) -> StoreResult<bool> {
        self.inner.enable_user(user).await
    }
    async fn delete_account(&self, user: UserId, seen: Seen) -> StoreResult<bool> {
        self.inner.delete_account(user, seen).await
    }
    async fn departures(
        &self,
        user: Option<UserId>,
        limit: i64,
    ) -> StoreResult<Vec<(RoomId, UserId)>> {
        self.inner.departures(user, limit).await
    }
}
