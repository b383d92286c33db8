//! `/api/rooms/{slug}/bans` and `/api/rooms/{slug}/transfer`: who is kept out of a room, and giving it away.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::Problem;
use super::extract::{Caller, JsonBody, MemberPath, RoomPath};
use super::rooms::Changed;
use crate::app::App;
use crate::auth::names;
use crate::db::rows::UserRow;
use crate::error::{ErrorCode, Refusal};
use crate::ids::UserId;
use crate::limits;

/// Why somebody is banned.
#[derive(Deserialize, ToSchema)]
pub struct BanWanted {
    /// At most 200 characters, for those who may ban; may be left out.
    reason: Option<String>,
}

/// Who is to be kept out, by name: of whoever is not there one knows no id.
#[derive(Deserialize, ToSchema)]
pub struct NamedBan {
    /// The user's name; compared without case. Guests have no name of their own: they are banned by their id.
    name: String,
    /// At most 200 characters, for those who may ban; may be left out.
    reason: Option<String>,
}

/// Somebody who is kept out.
#[derive(Serialize, ToSchema)]
pub struct Ban {
    /// Who.
    user: UserRow,
    /// By whom.
    by: UserRow,
    /// Why; may be empty.
    reason: String,
    /// Since when.
    created_at: DateTime<Utc>,
}

/// Bans, the latest first.
#[derive(Serialize, ToSchema)]
pub struct BanList {
    /// At most 1,000.
    bans: Vec<Ban>,
}

/// To whom.
#[derive(Deserialize, ToSchema)]
pub struct TransferWanted {
    /// A member of the room.
    user: UserId,
}

/// Who is kept out of a room.
#[utoipa::path(get, path = "/api/rooms/{slug}/bans", tag = "members", params(("slug" = String, Path)),
    responses((status = 200, description = "Bans", body = BanList), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn list_bans(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    RoomPath(slug): RoomPath,
) -> Result<Json<BanList>, Problem> {
    let rows = app.chat.bans(&who, &slug).await?;
    let bans = rows.into_iter().map(|row| Ban {
        user: row.user,
        by: row.by,
        reason: row.reason,
        created_at: row.created_at,
    });
    let bans = bans.collect();
    Ok(Json(BanList { bans }))
}

/// Keeps somebody out, member or not.
#[utoipa::path(put, path = "/api/rooms/{slug}/bans/{user}", tag = "members", request_body = BanWanted, params(("slug" = String, Path), ("user" = UserId, Path)),
    responses((status = 200, description = "Banned", body = Changed), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn ban_user(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    MemberPath { slug, user }: MemberPath,
    JsonBody(BanWanted { reason }): JsonBody<BanWanted>,
) -> Result<Json<Changed>, Problem> {
    let reason = reason_of(reason)?;
    let version = app.chat.ban(&who, &slug, user, reason).await?;
    Ok(Json(Changed { version }))
}

/// Keeps somebody out by name, member or not.
#[utoipa::path(post, path = "/api/rooms/{slug}/bans", tag = "members", request_body = NamedBan, params(("slug" = String, Path)),
    responses((status = 200, description = "Banned", body = Changed), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn ban_by_name(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    RoomPath(slug): RoomPath,
    JsonBody(NamedBan { name, reason }): JsonBody<NamedBan>,
) -> Result<Json<Changed>, Problem> {
    let reason = reason_of(reason)?;
    // What cannot be a name is nobody's.
    let name = names::display_name(&name).map_err(|_rule| ErrorCode::UserNotFound)?;
    let version = app.chat.ban_by_name(&who, &slug, &name, reason).await?;
    Ok(Json(Changed { version }))
}

/// Why somebody is banned, as it is kept.
fn reason_of(reason: Option<String>) -> Result<String, Refusal> {
    let reason = reason.unwrap_or_default().trim().to_owned();
    if reason.chars().count() > limits::BAN_REASON_CHARS || reason.contains('\0') {
        let sentence = "`reason` has at most 200 characters and no NUL.";
        return Err(Refusal::with_message(ErrorCode::BadRequest, sentence));
    }
    Ok(reason)
}

/// Lets somebody come again.
#[utoipa::path(delete, path = "/api/rooms/{slug}/bans/{user}", tag = "members", params(("slug" = String, Path), ("user" = UserId, Path)),
    responses((status = 200, description = "Not banned", body = Changed), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn unban_user(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    MemberPath { slug, user }: MemberPath,
) -> Result<Json<Changed>, Problem> {
    let version = app.chat.unban(&who, &slug, user).await?;
    Ok(Json(Changed { version }))
}

/// Gives the room to another member; one is its moderator from now on.
#[utoipa::path(post, path = "/api/rooms/{slug}/transfer", tag = "members", request_body = TransferWanted, params(("slug" = String, Path)),
    responses((status = 200, description = "Given", body = Changed), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn transfer_room(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    RoomPath(slug): RoomPath,
    JsonBody(to): JsonBody<TransferWanted>,
) -> Result<Json<Changed>, Problem> {
    let version = app.chat.transfer_room(&who, &slug, to.user).await?;
    Ok(Json(Changed { version }))
}
