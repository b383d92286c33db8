//! Webhooks of the simulated database: nobody there has any, so they go straight to the model.

use async_trait::async_trait;
use salon::db::StoreResult;
use salon::db::webhooks::{
    AttemptRow, ClaimedWebhook, NewWebhook, WebhookEdit, WebhookRow, WebhookSettled, WebhookStore,
    WebhookTarget,
};
use salon::ids::{InstanceId, RoomId, UserId, Version, WebhookId};

use super::database::SimStore;

#[async_trait]
impl WebhookStore for SimStore {
    async fn create_webhook(
        &self,
        user: UserId,
        slug: &str,
        webhook: NewWebhook,
    ) -> StoreResult<WebhookRow> {
        self.database
            .model
            .create_webhook(user, slug, webhook)
            .await
    }

    async fn webhooks(&self, user: UserId, slug: &str) -> StoreResult<Vec<WebhookRow>> {
        self.database.model.webhooks(user, slug).await
    }

    async fn edit_webhook(
        &self,
        user: UserId,
        slug: &str,
        id: WebhookId,
        edit: WebhookEdit,
    ) -> StoreResult<WebhookRow> {
        self.database.model.edit_webhook(user, slug, id, edit).await
    }

    async fn delete_webhook(&self, user: UserId, slug: &str, id: WebhookId) -> StoreResult<()> {
        self.database.model.delete_webhook(user, slug, id).await
    }

    async fn webhook_attempts(
        &self,
        user: UserId,
        slug: &str,
        id: WebhookId,
    ) -> StoreResult<Vec<AttemptRow>> {
        self.database.model.webhook_attempts(user, slug, id).await
    }

    async fn webhook_target(
        &self,
        user: UserId,
        slug: &str,
        id: WebhookId,
    ) -> StoreResult<WebhookTarget> {
        self.database.model.webhook_target(user, slug, id).await
    }

    async fn rooms_with_webhooks(&self, limit: i64) -> StoreResult<Vec<RoomId>> {
        self.database.model.rooms_with_webhooks(limit).await
    }

    async fn claim_webhooks(
        &self,
        owner: InstanceId,
        limit: i64,
    ) -> StoreResult<Vec<ClaimedWebhook>> {
        self.database.model.claim_webhooks(owner, limit).await
    }

    async fn begin_delivery(
        &self,
        owner: InstanceId,
        id: WebhookId,
        attempt: i64,
        to: Version,
    ) -> StoreResult<bool> {
        self.database
            .model
            .begin_delivery(owner, id, attempt, to)
            .await
    }

    async fn settle_webhook(
        &self,
        owner: InstanceId,
        id: WebhookId,
        attempt: i64,
        settled: WebhookSettled,
        tried: Option<AttemptRow>,
    ) -> StoreResult<bool> {
        self.database
            .model
            .settle_webhook(owner, id, attempt, settled, tried)
            .await
    }
}
