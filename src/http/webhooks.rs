//! `/api/rooms/{slug}/outgoing-webhooks`: where what is written in a room is sent on to. For those who manage its integrations.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::Problem;
use super::extract::{JsonBody, RoomPath, SignedInCaller, WebhookPath};
use crate::app::App;
use crate::chat::webhooks::reveal;
use crate::db::webhooks::{
    AttemptRow, WebhookDisabled, WebhookEdit, WebhookEvent, WebhookEvents, WebhookOutcome,
    WebhookRow,
};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{UserId, Version, WebhookId};
use crate::protocol::server::millis;

/// A webhook to be made.
#[derive(Deserialize, ToSchema)]
pub struct NewWebhook {
    /// Where to: https on port 443 and a public address, or what the operator allows.
    url: String,
    /// What of, at least one; left out: `message`.
    events: Option<Vec<WebhookEvent>>,
}

/// What of a webhook is to change; what is left out stays.
#[derive(Deserialize, ToSchema)]
pub struct WebhookChange {
    /// Where to.
    url: Option<String>,
    /// What of, at least one.
    events: Option<Vec<WebhookEvent>>,
    /// On or off. Switched on it goes on where it stopped.
    enabled: Option<bool>,
}

/// A webhook. Its secret is never shown again.
#[derive(Serialize, ToSchema)]
pub struct Webhook {
    /// Its id.
    id: WebhookId,
    /// Who made it.
    created_by: UserId,
    /// When.
    #[serde(serialize_with = "millis")]
    created_at: chrono::DateTime<chrono::Utc>,
    /// Where to.
    url: String,
    /// What of.
    events: Vec<WebhookEvent>,
    /// Whether it is on.
    enabled: bool,
    /// Why not, where the server switched it off.
    disabled_reason: Option<WebhookDisabled>,
    /// Everything up to this version of the room is delivered.
    version: Version,
    /// Attempts that failed since the last that did not.
    failures: i32,
    /// The last attempt.
    last: Option<DeliveryAttempt>,
}

/// One attempt to deliver.
#[derive(Serialize, ToSchema)]
pub struct DeliveryAttempt {
    /// When it ended.
    #[serde(serialize_with = "millis")]
    at: chrono::DateTime<chrono::Utc>,
    /// The changes above this version,
    from: Version,
    /// up to this one.
    to: Version,
    /// How many events it held.
    events: i32,
    /// How it ended.
    outcome: WebhookOutcome,
    /// The receiver's status, where it answered.
    status: Option<i32>,
    /// What the receiver said, at most 4 KiB, or what went wrong.
    detail: String,
    /// How long it took.
    took_ms: i32,
}

/// A webhook just made.
#[derive(Serialize, ToSchema)]
pub struct MadeWebhook {
    /// It.
    webhook: Webhook,
    /// What it signs with, shown this once.
    secret: String,
}

/// A new secret.
#[derive(Serialize, ToSchema)]
pub struct WebhookSecret {
    /// What it signs with from now on, shown this once. The former one signs too for 24 hours.
    secret: String,
}

/// The webhooks of a room.
#[derive(Serialize, ToSchema)]
pub struct WebhookList {
    /// The oldest first.
    webhooks: Vec<Webhook>,
}

/// What was tried.
#[derive(Serialize, ToSchema)]
pub struct AttemptList {
    /// At most 50, the latest first.
    attempts: Vec<DeliveryAttempt>,
}

/// What came of a test event.
#[derive(Serialize, ToSchema)]
pub struct TestResult {
    /// How it ended.
    outcome: WebhookOutcome,
    /// The receiver's status, where it answered.
    status: Option<u16>,
    /// What the receiver said, or what went wrong.
    detail: String,
    /// How long it took.
    took_ms: u64,
}

impl From<AttemptRow> for DeliveryAttempt {
    fn from(row: AttemptRow) -> Self {
        Self {
            at: row.at,
            from: row.from,
            to: row.to,
            events: row.events,
            outcome: row.outcome,
            status: row.status,
            detail: row.detail,
            took_ms: row.took_ms,
        }
    }
}

impl From<WebhookRow> for Webhook {
    fn from(row: WebhookRow) -> Self {
        Self {
            id: row.id,
            created_by: row.created_by,
            created_at: row.created_at,
            url: row.url,
            events: row.events.list(),
            enabled: row.enabled,
            disabled_reason: row.disabled_reason,
            version: row.version,
            failures: row.failures,
            last: row.last.map(DeliveryAttempt::from),
        }
    }
}

fn events_of(events: &[WebhookEvent]) -> Result<WebhookEvents, Problem> {
    if events.is_empty() {
        let sentence = "`events` names at least one of message, message.changed, room.changed.";
        return Err(Refusal::with_message(ErrorCode::BadRequest, sentence).into());
    }
    Ok(WebhookEvents::of(events))
}

/// The webhooks of a room (owners and moderators).
#[utoipa::path(get, path = "/api/rooms/{slug}/outgoing-webhooks", tag = "webhooks", params(("slug" = String, Path)),
    responses((status = 200, description = "Webhooks", body = WebhookList), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn list_webhooks(
    State(app): State<Arc<App>>,
    SignedInCaller(who): SignedInCaller,
    RoomPath(slug): RoomPath,
) -> Result<Json<WebhookList>, Problem> {
    let rows = app.webhooks.list(who.user.id, &slug).await?;
    let webhooks = rows.into_iter().map(Webhook::from).collect();
    Ok(Json(WebhookList { webhooks }))
}

/// Makes a webhook (owners and moderators). It is told of what is written from now on.
#[utoipa::path(post, path = "/api/rooms/{slug}/outgoing-webhooks", tag = "webhooks", request_body = NewWebhook, params(("slug" = String, Path)),
    responses((status = 201, description = "Made", body = MadeWebhook), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn create_webhook(
    State(app): State<Arc<App>>,
    SignedInCaller(who): SignedInCaller,
    RoomPath(slug): RoomPath,
    JsonBody(wanted): JsonBody<NewWebhook>,
) -> Result<(StatusCode, Json<MadeWebhook>), Problem> {
    let events = wanted.events.unwrap_or_else(|| vec![WebhookEvent::Message]);
    let events = events_of(&events)?;
    let made = app.webhooks.create(who.user.id, &slug, &wanted.url, events);
    let (row, secret) = made.await?;
    let made = MadeWebhook {
        webhook: row.into(),
        secret: reveal(&secret),
    };
    Ok((StatusCode::CREATED, Json(made)))
}

/// Changes a webhook (owners and moderators).
#[utoipa::path(patch, path = "/api/rooms/{slug}/outgoing-webhooks/{id}", tag = "webhooks", request_body = WebhookChange,
    params(("slug" = String, Path), ("id" = WebhookId, Path)),
    responses((status = 200, description = "Changed", body = Webhook), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn edit_webhook(
    State(app): State<Arc<App>>,
    SignedInCaller(who): SignedInCaller,
    WebhookPath { slug, id }: WebhookPath,
    JsonBody(wanted): JsonBody<WebhookChange>,
) -> Result<Json<Webhook>, Problem> {
    let events = wanted.events.as_deref().map(events_of).transpose()?;
    let edit = WebhookEdit {
        url: wanted.url,
        events,
        enabled: wanted.enabled,
        secret: None,
    };
    let row = app.webhooks.edit(who.user.id, &slug, id, edit).await?;
    Ok(Json(row.into()))
}

/// Removes a webhook with its secrets and its log (owners and moderators).
#[utoipa::path(delete, path = "/api/rooms/{slug}/outgoing-webhooks/{id}", tag = "webhooks", params(("slug" = String, Path), ("id" = WebhookId, Path)),
    responses((status = 204, description = "Removed"), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn delete_webhook(
    State(app): State<Arc<App>>,
    SignedInCaller(who): SignedInCaller,
    WebhookPath { slug, id }: WebhookPath,
) -> Result<StatusCode, Problem> {
    app.webhooks.delete(who.user.id, &slug, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a webhook a new secret (owners and moderators).
#[utoipa::path(post, path = "/api/rooms/{slug}/outgoing-webhooks/{id}/secret", tag = "webhooks", params(("slug" = String, Path), ("id" = WebhookId, Path)),
    responses((status = 200, description = "The new secret", body = WebhookSecret), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn rotate_secret(
    State(app): State<Arc<App>>,
    SignedInCaller(who): SignedInCaller,
    WebhookPath { slug, id }: WebhookPath,
) -> Result<Json<WebhookSecret>, Problem> {
    let secret = app.webhooks.rotate(who.user.id, &slug, id).await?;
    let secret = reveal(&secret);
    Ok(Json(WebhookSecret { secret }))
}

/// Sends a test event now, and says what came of it (owners and moderators).
#[utoipa::path(post, path = "/api/rooms/{slug}/outgoing-webhooks/{id}/test", tag = "webhooks", params(("slug" = String, Path), ("id" = WebhookId, Path)),
    responses((status = 200, description = "What came of it", body = TestResult), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn test_webhook(
    State(app): State<Arc<App>>,
    SignedInCaller(who): SignedInCaller,
    WebhookPath { slug, id }: WebhookPath,
) -> Result<Json<TestResult>, Problem> {
    let tried = app.webhooks.test(who.user.id, &slug, id).await?;
    Ok(Json(TestResult {
        outcome: tried.outcome,
        status: tried.status,
        detail: tried.detail,
        took_ms: u64::try_from(tried.took.as_millis()).unwrap_or(u64::MAX),
    }))
}

/// The last attempts of a webhook (owners and moderators).
#[utoipa::path(get, path = "/api/rooms/{slug}/outgoing-webhooks/{id}/attempts", tag = "webhooks", params(("slug" = String, Path), ("id" = WebhookId, Path)),
    responses((status = 200, description = "Attempts", body = AttemptList), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn list_attempts(
    State(app): State<Arc<App>>,
    SignedInCaller(who): SignedInCaller,
    WebhookPath { slug, id }: WebhookPath,
) -> Result<Json<AttemptList>, Problem> {
    let rows = app.webhooks.attempts(who.user.id, &slug, id).await?;
    let attempts = rows.into_iter().map(DeliveryAttempt::from).collect();
    Ok(Json(AttemptList { attempts }))
}
