//! The part of the contract on a simulated connection that administrators and the audit log use.

use async_trait::async_trait;
use salon::db::StoreResult;
use salon::db::administration::{AccountAct, Administration, RoomOverview, UserAccount};
use salon::db::audit::{AuditFilter, AuditLog, AuditRow, NewAudit};
use salon::db::rows::UserRow;
use salon::ids::{RoomId, UserId};
use salon::permissions::Role;

use super::contract::{commit, read};
use super::database::{Fate, SimStore};

#[async_trait]
impl Administration for SimStore {
    async fn is_admin(&self, user: UserId) -> StoreResult<bool> {
        read!(self.is_admin(user))
    }
    async fn user_accounts(
        &self,
        text: &str,
        after: Option<UserId>,
        limit: i64,
    ) -> StoreResult<Vec<UserAccount>> {
        read!(self.user_accounts(text, after, limit))
    }
    async fn user_account(&self, user: UserId) -> StoreResult<UserAccount> {
        read!(self.user_account(user))
    }
    async fn user_account_by_name(&self, name: &str) -> StoreResult<UserAccount> {
        read!(self.user_account_by_name(name))
    }
    async fn set_admin(
        &self,
        actor: Option<UserId>,
        user: UserId,
        admin: bool,
    ) -> StoreResult<bool> {
        commit!(self.set_admin(actor, user, admin))
    }
    async fn administer_account(
        &self,
        actor: UserId,
        user: UserId,
        act: AccountAct,
    ) -> StoreResult<bool> {
        commit!(self.administer_account(actor, user, act))
    }
    async fn all_rooms(
        &self,
        text: &str,
        after: Option<&str>,
        limit: i64,
    ) -> StoreResult<Vec<RoomOverview>> {
        read!(self.all_rooms(text, after, limit))
    }
    async fn any_room(&self, slug: &str) -> StoreResult<RoomOverview> {
        read!(self.any_room(slug))
    }
    async fn members_of(
        &self,
        room: RoomId,
        after: Option<UserId>,
        limit: i64,
    ) -> StoreResult<Vec<(UserRow, Role)>> {
        read!(self.members_of(room, after, limit))
    }
    async fn renew_epochs(&self, slug: Option<&str>) -> StoreResult<u64> {
        commit!(self.renew_epochs(slug))
    }
}

#[async_trait]
impl AuditLog for SimStore {
    async fn note(&self, rows: Vec<NewAudit>) -> StoreResult<()> {
        commit!(self.note(rows))
    }
    async fn audit(&self, filter: AuditFilter) -> StoreResult<Vec<AuditRow>> {
        read!(self.audit(filter))
    }
    async fn sweep_audit(&self, days: u32) -> StoreResult<u64> {
        commit!(self.sweep_audit(days))
    }
}
