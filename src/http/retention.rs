//! `/api/rooms/{slug}/retention`: how long a room keeps its messages.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::Problem;
use super::extract::{Caller, JsonBody, RoomPath};
use super::rooms::Changed;
use crate::app::App;
use crate::error::{ErrorCode, Refusal};
use crate::limits;

/// How long messages are kept.
#[derive(Deserialize, Serialize, ToSchema)]
pub struct Retention {
    /// So many days, 1 to 36,500; null: for ever. Never left out: that must not mean for ever.
    #[serde(deserialize_with = "Option::deserialize")]
    days: Option<i32>,
}

/// How long a room keeps its messages.
#[utoipa::path(get, path = "/api/rooms/{slug}/retention", tag = "rooms", params(("slug" = String, Path)),
    responses((status = 200, description = "How long", body = Retention), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn show_retention(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    RoomPath(slug): RoomPath,
) -> Result<Json<Retention>, Problem> {
    let days = app.chat.retention(&who, &slug).await?;
    Ok(Json(Retention { days }))
}

/// Sets how long a room keeps its messages (owners). What is older goes within minutes, and does not come back.
#[utoipa::path(put, path = "/api/rooms/{slug}/retention", tag = "rooms", request_body = Retention, params(("slug" = String, Path)),
    responses((status = 200, description = "Set", body = Changed), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn set_retention(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    RoomPath(slug): RoomPath,
    JsonBody(wanted): JsonBody<Retention>,
) -> Result<Json<Changed>, Problem> {
    let in_range = |days: i32| (1..=limits::RETENTION_DAYS).contains(&days);
    if !wanted.days.is_none_or(in_range) {
        let sentence = "`days` is from 1 to 36500, or null.";
        return Err(Refusal::with_message(ErrorCode::BadRequest, sentence).into());
    }
    let version = app.chat.set_retention(&who, &slug, wanted.days).await?;
    Ok(Json(Changed { version }))
}
