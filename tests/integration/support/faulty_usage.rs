//! The part of the contract on a [`FaultyStore`] that counts what replies use: it passes everything on.

use async_trait::async_trait;
use salon::db::StoreResult;
use salon::db::usage::{AttemptEnd, NewAttempt, SumsWanted, UsagePage, UsageStore, UsageSums};
use salon::ids::{AttemptId, UserId};
use salon::spending::{Caps, Verdict};

use super::faulty_store::FaultyStore;

#[async_trait]
impl UsageStore for FaultyStore {
    async fn begin_attempt(&self, attempt: NewAttempt, caps: Caps) -> StoreResult<Verdict> {
        self.inner.begin_attempt(attempt, caps).await
    }
    async fn end_attempt(&self, end: AttemptEnd) -> StoreResult<bool> {
        self.inner.end_attempt(end).await
    }
    async fn end_lost_attempts(&self, limit: i64) -> StoreResult<u64> {
        self.inner.end_lost_attempts(limit).await
    }
    async fn own_usage(
        &self,
        user: UserId,
        before: Option<AttemptId>,
        limit: i64,
    ) -> StoreResult<UsagePage> {
        self.inner.own_usage(user, before, limit).await
    }
    async fn room_usage(
        &self,
        user: UserId,
        slug: &str,
        before: Option<AttemptId>,
        limit: i64,
    ) -> StoreResult<UsagePage> {
        self.inner.room_usage(user, slug, before, limit).await
    }
    async fn usage_sums(&self, wanted: SumsWanted) -> StoreResult<UsageSums> {
        self.inner.usage_sums(wanted).await
    }
    async fn sweep_usage(&self, days: u32) -> StoreResult<u64> {
        self.inner.sweep_usage(days).await
    }
}
