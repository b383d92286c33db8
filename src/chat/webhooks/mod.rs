//! Outgoing webhooks: who may make one, and how what is written in a room is delivered. Called by `http/webhooks` and, for the
//! deliveries, by `jobs/webhooks`. A secret leaves it twice: to whoever had it made, and as a signature.
//!
//! [`batch`] is what one delivery holds and [`signature`] how it is signed, both pure. No connection to the database is held
//! while a receiver is waited for.

pub mod batch;
pub mod signature;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::Utc;
use rand::Rng;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

use crate::db::webhooks::{
    AttemptRow, ClaimedWebhook, NewWebhook, WebhookEdit, WebhookEvents, WebhookOutcome, WebhookRow,
    WebhookSettled, WebhookTarget,
};
use crate::db::{Store, StoreError};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{InstanceId, UserId, WebhookId};
use crate::limits;
use crate::outbound::{Outbound, PostError, TargetError};
use crate::rate_limit::{KeyedLimiter, Rate};
use crate::writer::watched::WatchedRooms;
use batch::{Batch, next_batch, test_body};

/// A status that says: never again.
const GONE: u16 = 410;

/// Outgoing webhooks of one process.
pub struct Webhooks {
    store: Arc<dyn Store>,
    watched: Arc<WatchedRooms>,
    outbound: Outbound,
    /// Test events, by room.
    tests: KeyedLimiter<String>,
    /// And of all rooms at once: whoever asks waits for the receiver.
    test_turns: Semaphore,
    /// The owner of this process's claims.
    instance: InstanceId,
}

/// What came of one attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tried {
    /// How it ended.
    pub outcome: WebhookOutcome,
    /// The receiver's status, where it answered.
    pub status: Option<u16>,
    /// What the receiver said, or what went wrong.
    pub detail: String,
    /// How long it took.
    pub took: Duration,
    /// How long the receiver asks to be left alone.
    retry_after: Option<Duration>,
}

impl Webhooks {
    /// Webhooks that are sent by `outbound`, and heard of by `watched`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, watched: Arc<WatchedRooms>, outbound: Outbound) -> Self {
        let tests = Rate::per_minute(limits::WEBHOOK_TESTS_PER_MINUTE);
        Self {
            store,
            watched,
            outbound,
            tests: KeyedLimiter::new(tests, limits::RATE_KEYS),
            test_turns: Semaphore::new(limits::WEBHOOK_TESTS),
            instance: InstanceId::new(),
        }
    }

    /// The rooms whose commits deliveries wait for.
    #[must_use]
    pub fn watched(&self) -> &WatchedRooms {
        &self.watched
    }

    /// Makes a webhook, and the secret it signs with, which is told here and never again.
    ///
    /// # Errors
    /// `target_refused`, `too_many`, `forbidden`, or as every change of a room.
    pub async fn create(
        &self,
        user: UserId,
        slug: &str,
        url: &str,
        events: WebhookEvents,
    ) -> Result<(WebhookRow, SecretString), Refusal> {
        // Whoever may not make one learns nothing about targets.
        self.list(user, slug).await?;
        let webhook = NewWebhook {
            id: WebhookId::new(),
            url: self.checked(url).await?,
            events,
            secret: signature::new_secret(),
        };
        let secret = webhook.secret.clone();
        let made = self.store.create_webhook(user, slug, webhook).await;
        let row = made.map_err(StoreError::into_refusal)?;
        self.look_now().await;
        Ok((row, secret))
    }

    /// The webhooks of a room.
    ///
    /// # Errors
    /// `forbidden`, or as every read.
    pub async fn list(&self, user: UserId, slug: &str) -> Result<Vec<WebhookRow>, Refusal> {
        let found = self.store.webhooks(user, slug).await;
        found.map_err(StoreError::into_refusal)
    }

    /// Changes a webhook.
    ///
    /// # Errors
    /// `target_refused`, `webhook_not_found`, `forbidden`.
    pub async fn edit(
        &self,
        user: UserId,
        slug: &str,
        id: WebhookId,
        mut edit: WebhookEdit,
    ) -> Result<WebhookRow, Refusal> {
        if let Some(url) = edit.url.take() {
            self.list(user, slug).await?;
            edit.url = Some(self.checked(&url).await?);
        }
        let edited = self.store.edit_webhook(user, slug, id, edit).await;
        let row = edited.map_err(StoreError::into_refusal)?;
        self.look_now().await;
        Ok(row)
    }

    /// What was written since, and what is written next, is heard of at once.
    async fn look_now(&self) {
        self.look().await;
        self.watched.ring();
    }

    /// Gives a webhook a new secret; the former one signs too for a day.
    ///
    /// # Errors
    /// `webhook_not_found`, `forbidden`.
    pub async fn rotate(
        &self,
        user: UserId,
        slug: &str,
        id: WebhookId,
    ) -> Result<SecretString, Refusal> {
        let secret = signature::new_secret();
        let edit = WebhookEdit {
            secret: Some(secret.clone()),
            ..WebhookEdit::default()
        };
        let edited = self.store.edit_webhook(user, slug, id, edit).await;
        edited.map_err(StoreError::into_refusal)?;
        Ok(secret)
    }

    /// Removes a webhook.
    ///
    /// # Errors
    /// `webhook_not_found`, `forbidden`.
    pub async fn delete(&self, user: UserId, slug: &str, id: WebhookId) -> Result<(), Refusal> {
        let deleted = self.store.delete_webhook(user, slug, id).await;
        deleted.map_err(StoreError::into_refusal)
    }

    /// The last attempts of a webhook.
    ///
    /// # Errors
    /// `webhook_not_found`, `forbidden`.
    pub async fn attempts(
        &self,
        user: UserId,
        slug: &str,
        id: WebhookId,
    ) -> Result<Vec<AttemptRow>, Refusal> {
        let found = self.store.webhook_attempts(user, slug, id).await;
        found.map_err(StoreError::into_refusal)
    }

    /// Sends a test event, signed as others are, and waits for what comes of it. It is no delivery: nothing is noted.
    ///
    /// # Errors
    /// `webhook_not_found`, `forbidden`, `rate_limited`; `busy` when [`limits::WEBHOOK_TESTS`] are on their way.
    pub async fn test(&self, user: UserId, slug: &str, id: WebhookId) -> Result<Tried, Refusal> {
        let target = self.store.webhook_target(user, slug, id).await;
        let target = target.map_err(StoreError::into_refusal)?;
        let turn = self.tests.take(slug.to_owned(), Instant::now());
        turn.map_err(|wait| {
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            Refusal::from(ErrorCode::RateLimited).retry_after_ms(wait_ms)
        })?;
        let Ok(_turn) = self.test_turns.try_acquire() else {
            return Err(Refusal::from(ErrorCode::Busy).retry_after_ms(limits::RETRY_HINT_MS));
        };
        let delivery = format!("{id}_test_{}", Utc::now().timestamp_millis());
        let body = test_body(id, &delivery, slug);
        Ok(self.post(&target, &delivery, body).await)
    }

    async fn checked(&self, url: &str) -> Result<String, Refusal> {
        let checked = self.outbound.check(url).await;
        checked.map_err(|error| {
            let code = match error {
                TargetError::NotAUrl | TargetError::TooLong | TargetError::UserInfo => {
                    ErrorCode::BadRequest
                }
                TargetError::NotAllowed => ErrorCode::TargetRefused,
            };
            Refusal::with_message(code, error.to_string())
        })
    }

    /// Claims up to `limit` webhooks that have something to deliver.
    pub async fn claim(&self, limit: usize) -> Vec<ClaimedWebhook> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let claimed = self.store.claim_webhooks(self.instance, limit).await;
        claimed.unwrap_or_else(|error| {
            tracing::warn!(%error, "webhooks could not be claimed");
            Vec::new()
        })
    }

    /// Which rooms to watch from now on; whether there are any.
    pub async fn look(&self) -> bool {
        match self.store.rooms_with_webhooks(limits::WEBHOOK_ROOMS).await {
            Ok(rooms) => {
                let any = !rooms.is_empty();
                let every =
                    i64::try_from(rooms.len()).is_ok_and(|all| all >= limits::WEBHOOK_ROOMS);
                self.watched.watch(rooms.into_iter().collect(), every);
                any
            }
            Err(error) => {
                tracing::warn!(%error, "rooms with webhooks could not be read");
                false
            }
        }
    }

    /// One attempt for a claimed webhook: reads, posts, and notes what came of it.
    pub async fn deliver(&self, hook: &ClaimedWebhook) {
        let changes = self
            .store
            .changes_after(hook.room, hook.place.version, limits::WEBHOOK_CHANGES)
            .await;
        let changes = match changes {
            Ok(changes) => changes,
            Err(error) => {
                tracing::warn!(webhook = %hook.id, %error, "a webhook's changes could not be read");
                let wait_ms = millis(limits::WEBHOOK_RETRY_FIRST);
                return self
                    .settle(hook, WebhookSettled::Released { wait_ms }, None)
                    .await;
            }
        };
        let batch = next_batch(hook, &changes);
        let Some(body) = batch.body.clone() else {
            let settled = WebhookSettled::Advanced(batch.place);
            return self.settle(hook, settled, None).await;
        };
        // What is begun ends there in every later attempt: its id stands for it.
        if hook.sending_to.is_none() && !self.begin(hook, &batch).await {
            return;
        }
        let tried = self.post(&hook.target, &batch.id, body).await;
        metrics::counter!("salon_webhook_attempts_total", "outcome" => tried.outcome.as_str())
            .increment(1);
        let row = AttemptRow {
            at: Utc::now(),
            from: batch.from,
            to: batch.to,
            events: i32::try_from(batch.events).unwrap_or(i32::MAX),
            outcome: tried.outcome,
            status: tried.status.map(i32::from),
            detail: tried.detail.clone(),
            took_ms: i32::try_from(tried.took.as_millis()).unwrap_or(i32::MAX),
        };
        let settled = if tried.outcome == WebhookOutcome::Delivered {
            WebhookSettled::Advanced(batch.place)
        } else {
            WebhookSettled::Failed {
                wait_ms: millis(wait_after(hook.failures, tried.retry_after)),
                gone: tried.status == Some(GONE),
            }
        };
        self.settle(hook, settled, Some(row)).await;
    }

    async fn begin(&self, hook: &ClaimedWebhook, batch: &Batch) -> bool {
        let begun = self
            .store
            .begin_delivery(self.instance, hook.id, hook.attempt, batch.to)
            .await;
        match begun {
            Ok(held) => held,
            Err(error) => {
                // The lease runs out, and somebody claims it again.
                tracing::warn!(webhook = %hook.id, %error, "a delivery could not be begun");
                false
            }
        }
    }

    async fn settle(
        &self,
        hook: &ClaimedWebhook,
        settled: WebhookSettled,
        tried: Option<AttemptRow>,
    ) {
        let result = self
            .store
            .settle_webhook(self.instance, hook.id, hook.attempt, settled, tried)
            .await;
        match result {
            Ok(true) => {}
            Ok(false) => tracing::debug!(webhook = %hook.id, "another took this delivery over"),
            Err(error) => {
                tracing::warn!(webhook = %hook.id, %error, "what came of a delivery could not be noted; it is sent again");
            }
        }
    }

    async fn post(&self, target: &WebhookTarget, id: &str, body: Bytes) -> Tried {
        let timestamp = Utc::now().timestamp();
        let signature = signature::sign(&target.secrets, id, timestamp, &body);
        let headers = [
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", timestamp.to_string()),
            ("webhook-signature", signature),
        ];
        let began = Instant::now();
        let posted = self.outbound.post(&target.url, &headers, body).await;
        let took = began.elapsed();
        let (outcome, detail) = match posted {
            Ok(answer) => {
                let outcome = if (200..300).contains(&answer.status) {
                    WebhookOutcome::Delivered
                } else {
                    WebhookOutcome::Refused
                };
                return Tried {
                    outcome,
                    status: Some(answer.status),
                    detail: answer.text,
                    took,
                    retry_after: answer.retry_after,
                };
            }
            Err(PostError::Blocked(cause)) => (WebhookOutcome::Blocked, cause.to_string()),
            Err(PostError::Timeout) => (WebhookOutcome::Timeout, "No answer in time.".to_owned()),
            Err(PostError::Unreachable(cause)) => (WebhookOutcome::Unreachable, cause),
        };
        Tried {
            outcome,
            status: None,
            detail,
            took,
            retry_after: None,
        }
    }
}

/// A new secret's text, for whoever had it made.
#[must_use]
pub fn reveal(secret: &SecretString) -> String {
    secret.expose_secret().to_owned()
}

/// How long to wait after so many failures in a row before this one, and what the receiver asked for.
fn wait_after(failures: i32, retry_after: Option<Duration>) -> Duration {
    let doubled = 2_u32.saturating_pow(u32::try_from(failures.clamp(0, 20)).unwrap_or(0));
    let wait = limits::WEBHOOK_RETRY_FIRST.saturating_mul(doubled);
    let wait = wait.min(limits::WEBHOOK_RETRY_LONGEST);
    // Fewer at once where many failed together; never sooner than was asked for, nor later than the longest.
    let wait = wait.mul_f64(crate::randomness::rng().random_range(0.8..1.2));
    wait.max(retry_after.unwrap_or_default())
        .min(limits::WEBHOOK_RETRY_LONGEST)
}

fn millis(wait: Duration) -> i64 {
    i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_an_hour_and_respect_the_receiver() {
        let within = |wait: Duration, seconds: f64| {
            let ratio = wait.as_secs_f64() / seconds;
            assert!((0.8..1.2).contains(&ratio), "{wait:?} for {seconds} s");
        };
        within(wait_after(0, None), 1.0);
        within(wait_after(3, None), 8.0);
        within(wait_after(40, None), 3_600.0);
        let hour = Duration::from_secs(3_600);
        for _ in 0..100 {
            assert!(wait_after(40, None) <= hour);
            let asked = Duration::from_secs(90);
            assert_eq!(
                wait_after(0, Some(asked)),
                asked,
                "not sooner than was asked for"
            );
            assert_eq!(wait_after(0, Some(Duration::from_secs(1 << 40))), hour);
        }
    }
}
