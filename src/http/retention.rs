//! `/api/rooms/{slug}/retention`: how long, and how many of its messages a room keeps.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::error::Problem;
use super::extract::{Caller, JsonBody, RoomPath};
use super::rooms::Changed;
use crate::app::App;
use crate::error::{ErrorCode, Refusal};
use crate::limits;

/// What of its messages a room keeps.
#[derive(Serialize, ToSchema)]
pub struct Retention {
    /// Those of so many days; null: for ever.
    days: Option<i32>,
    /// The latest, so many; null: any number.
    messages: Option<i64>,
}

/// What of its messages a room is to keep.
#[derive(Deserialize, ToSchema)]
pub struct RetentionWish {
    /// Those of so many days, 1 to 36,500; null: for ever. Never left out: that must not mean for ever.
    #[serde(deserialize_with = "Option::deserialize")]
    days: Option<i32>,
    /// The latest, 1 to 1,000,000,000; null: any number; left out: as it is.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<i64>)]
    messages: Option<Option<i64>>,
}

/// What is there, were it null.
fn given<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<i64>>, D::Error> {
    Option::deserialize(value).map(Some)
}

/// What of its messages a room keeps.
#[utoipa::path(get, path = "/api/rooms/{slug}/retention", tag = "rooms", params(("slug" = String, Path)),
    responses((status = 200, description = "How long, and how many", body = Retention), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn show_retention(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    RoomPath(slug): RoomPath,
) -> Result<Json<Retention>, Problem> {
    let kept = app.chat.retention(&who, &slug).await?;
    Ok(Json(Retention {
        days: kept.days,
        messages: kept.messages,
    }))
}

/// Sets how long, and how many of its messages a room keeps (owners). What is older, or too many, goes at once, and does
/// not come back.
#[utoipa::path(put, path = "/api/rooms/{slug}/retention", tag = "rooms", request_body = RetentionWish, params(("slug" = String, Path)),
    responses((status = 200, description = "Set", body = Changed), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn set_retention(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    RoomPath(slug): RoomPath,
    JsonBody(wanted): JsonBody<RetentionWish>,
) -> Result<Json<Changed>, Problem> {
    let in_range = |days: i32| (1..=limits::RETENTION_DAYS).contains(&days);
    if !wanted.days.is_none_or(in_range) {
        let sentence = "`days` is from 1 to 36500, or null.";
        return Err(Refusal::with_message(ErrorCode::BadRequest, sentence).into());
    }
    let in_number = |count: i64| (1..=limits::RETENTION_KEPT).contains(&count);
    if !wanted.messages.flatten().is_none_or(in_number) {
        let sentence = "`messages` is from 1 to 1000000000, or null.";
        return Err(Refusal::with_message(ErrorCode::BadRequest, sentence).into());
    }
    let set = app
        .chat
        .set_retention(&who, &slug, wanted.days, wanted.messages);
    let version = set.await?;
    Ok(Json(Changed { version }))
}
