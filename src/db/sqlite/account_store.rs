//! [`Accounts`] on SQLite: which unit of work each method is, and which connection it runs on. The SQL is in
//! [`super::account_ends`], [`super::guest_upgrades`], [`super::sessions`] and [`super::revocations`].

use async_trait::async_trait;

use super::{SqliteStore, account_ends, guest_upgrades, revocations, sessions};
use crate::db::accounts::{
    AccountRow, Accounts, GuestUpgrade, LiveSession, NewPassword, Revocations, Seen, SessionRow,
};
use crate::db::changes::NewSession;
use crate::db::{SignedIn, StoreResult};
use crate::ids::{RoomId, SessionId, UserId};

#[async_trait]
impl Accounts for SqliteStore {
    async fn account(&self, name: &str) -> StoreResult<AccountRow> {
        let name = name.to_owned();
        self.read(move |conn| account_ends::account(conn, &name))
            .await
    }

    async fn password_hash(&self, user: UserId) -> StoreResult<Option<String>> {
        self.read(move |conn| account_ends::password_hash(conn, user))
            .await
    }

    async fn set_password(&self, user: UserId, password: NewPassword) -> StoreResult<u64> {
        self.write(move |conn| account_ends::set_password(conn, user, &password))
            .await
    }

    async fn upgrade_guest(
        &self,
        upgrade: GuestUpgrade,
        session: NewSession,
    ) -> StoreResult<SignedIn> {
        self.write(move |conn| guest_upgrades::upgrade(conn, &upgrade, &session))
            .await
    }

    async fn sessions(&self, user: UserId) -> StoreResult<Vec<SessionRow>> {
        self.read(move |conn| sessions::list(conn, user)).await
    }

    async fn end_session(&self, user: UserId, session: SessionId) -> StoreResult<bool> {
        self.write(move |conn| sessions::delete(conn, session, Some(user)))
            .await
    }

    async fn end_sessions(&self, user: UserId, keep: Option<SessionId>) -> StoreResult<u64> {
        self.write(move |conn| sessions::end_all(conn, user, keep))
            .await
    }

    async fn live_sessions(&self, sessions: &[SessionId]) -> StoreResult<Vec<LiveSession>> {
        let sessions = sessions.to_vec();
        self.read_reserved(move |conn| sessions::live(conn, &sessions))
            .await
    }

    async fn note_seen(
        &self,
        sessions: &[SessionId],
        idle_s: i64,
        quiet_ms: i64,
    ) -> StoreResult<()> {
        let sessions = sessions.to_vec();
        self.write(move |conn| sessions::note_seen(conn, &sessions, idle_s, quiet_ms))
            .await
    }

    async fn revocations_after(&self, number: i64) -> StoreResult<Revocations> {
        self.read_reserved(move |conn| revocations::read(conn, number))
            .await
    }

    async fn disable_user(&self, user: UserId) -> StoreResult<bool> {
        self.write(move |conn| account_ends::disable(conn, user))
            .await
    }

    async fn enable_user(&self, user: UserId) -> StoreResult<bool> {
        self.write(move |conn| account_ends::enable(conn, user))
            .await
    }

    async fn delete_account(&self, user: UserId, seen: Seen) -> StoreResult<bool> {
        self.write(move |conn| account_ends::delete(conn, user, &seen))
            .await
    }

    async fn departures(
        &self,
        user: Option<UserId>,
        limit: i64,
    ) -> StoreResult<Vec<(RoomId, UserId)>> {
        self.write(move |conn| account_ends::departures(conn, user, limit))
            .await
    }
}
