//! The part of the contract on a simulated connection that counts what replies use.

use async_trait::async_trait;
use salon::db::StoreResult;
use salon::db::usage::{AttemptEnd, NewAttempt, SumsWanted, UsagePage, UsageStore, UsageSums};
use salon::ids::{AttemptId, UserId};
use salon::spending::{Caps, Verdict};

use super::contract::{commit, read};
use super::database::{Fate, SimStore};

#[async_trait]
impl UsageStore for SimStore {
    async fn begin_attempt(&self, attempt: NewAttempt, caps: Caps) -> StoreResult<Verdict> {
        commit!(self.begin_attempt(attempt, caps))
    }
    async fn end_attempt(&self, end: AttemptEnd) -> StoreResult<bool> {
        commit!(self.end_attempt(end))
    }
    async fn end_lost_attempts(&self, limit: i64) -> StoreResult<u64> {
        commit!(self.end_lost_attempts(limit))
    }
    async fn own_usage(
        &self,
        user: UserId,
        before: Option<AttemptId>,
        limit: i64,
    ) -> StoreResult<UsagePage> {
        read!(self.own_usage(user, before, limit))
    }
    async fn room_usage(
        &self,
        user: UserId,
        slug: &str,
        before: Option<AttemptId>,
        limit: i64,
    ) -> StoreResult<UsagePage> {
        read!(self.room_usage(user, slug, before, limit))
    }
    async fn usage_sums(&self, wanted: SumsWanted) -> StoreResult<UsageSums> {
        read!(self.usage_sums(wanted))
    }
    async fn sweep_usage(&self, days: u32) -> StoreResult<u64> {
        commit!(self.sweep_usage(days))
    }
}
