//! The part of the contract on a [`FaultyStore`] that administrators and the audit log use: it passes everything on.

use async_trait::async_trait;
use salon::db::StoreResult;
use salon::db::administration::{AccountAct, Administration, RoomOverview, UserAccount};
use salon::db::audit::{AuditFilter, AuditLog, AuditRow, NewAudit};
use salon::db::rows::UserRow;
use salon::ids::{RoomId, UserId};
use salon::permissions::Role;

use super::faulty_store::FaultyStore;

#[async_trait]
impl Administration for FaultyStore {
    async fn is_admin(&self, user: UserId) -> StoreResult<bool> {
        self.inner.is_admin(user).await
    }
    async fn user_accounts(
        &self,
        text: &str,
        after: Option<UserId>,
        limit: i64,
    ) -> StoreResult<Vec<UserAccount>> {
        self.inner.user_accounts(text, after, limit).await
    }
    async fn user_account(&self, user: UserId) -> StoreResult<UserAccount> {
        self.inner.user_account(user).await
    }
    async fn user_account_by_name(&self, name: &str) -> StoreResult<UserAccount> {
        self.inner.user_account_by_name(name).await
    }
    async fn set_admin(
        &self,
        actor: Option<UserId>,
        user: UserId,
        admin: bool,
    ) -> StoreResult<bool> {
        self.inner.set_admin(actor, user, admin).await
    }
    async fn administer_account(
        &self,
        actor: UserId,
        user: UserId,
        act: AccountAct,
    ) -> StoreResult<bool> {
        self.inner.administer_account(actor, user, act).await
    }
    async fn all_rooms(
        &self,
        text: &str,
        after: Option<&str>,
        limit: i64,
    ) -> StoreResult<Vec<RoomOverview>> {
        self.inner.all_rooms(text, after, limit).await
    }
    async fn any_room(&self, slug: &str) -> StoreResult<RoomOverview> {
        self.inner.any_room(slug).await
    }
    async fn members_of(
        &self,
        room: RoomId,
        after: Option<UserId>,
        limit: i64,
    ) -> StoreResult<Vec<(UserRow, Role)>> {
        self.inner.members_of(room, after, limit).await
    }
    async fn renew_epochs(&self, slug: Option<&str>) -> StoreResult<u64> {
        self.inner.renew_epochs(slug).await
    }
}

#[async_trait]
impl AuditLog for FaultyStore {
    async fn note(&self, rows: Vec<NewAudit>) -> StoreResult<()> {
        self.inner.note(rows).await
    }
    async fn audit(&self, filter: AuditFilter) -> StoreResult<Vec<AuditRow>> {
        self.inner.audit(filter).await
    }
    async fn sweep_audit(&self, days: u32) -> StoreResult<u64> {
        self.inner.sweep_audit(days).await
    }
}
