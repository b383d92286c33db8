//! `/api/rooms`, `/api/rooms/{slug}` and `/api/direct`: making, changing, joining and deleting a room. What rooms there
//! are is in `room_lists.rs`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::Problem;
use super::extract::{Caller, JsonBody, Payer, RoomPath};
use crate::app::App;
use crate::auth::names;
use crate::db::changes;
use crate::db::rows::{RoomView, Visibility};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{UserId, Version};
use crate::protocol::server::RoomBody;
use crate::quotas::Operation;

/// A room to be made.
#[derive(Deserialize, ToSchema)]
pub struct NewRoom {
    /// Its address, for good: 1 to 64 of a-z, 0-9 and dashes.
    slug: String,
    /// Its display name; left out: the address.
    name: Option<String>,
    /// `public` or `private`; left out: `public`.
    visibility: Option<Visibility>,
}

/// What is to change.
#[derive(Deserialize, ToSchema)]
pub struct RoomEdit {
    /// The new display name.
    name: Option<String>,
    /// `public` or `private`.
    visibility: Option<Visibility>,
    /// What it is about, at most 256 characters; may be empty.
    topic: Option<String>,
    /// Whether it takes anything new.
    archived: Option<bool>,
}

/// With whom.
#[derive(Deserialize, ToSchema)]
pub struct DirectWith {
    /// The names of the others; compared without case. Guests have no name of their own: they are named in `user_ids`.
    #[serde(default)]
    users: Vec<String>,
    /// The ids of others, who share a room with one. At most 9 in both.
    #[serde(default)]
    user_ids: Vec<UserId>,
}

/// The version a change took.
#[derive(Serialize, ToSchema)]
pub struct Changed {
    /// In the room's count.
    pub version: Version,
}

/// Makes a room; one is its owner.
#[utoipa::path(post, path = "/api/rooms", tag = "rooms", request_body = NewRoom,
    responses((status = 201, description = "Made", body = RoomBody<'_>), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn create_room(
    State(app): State<Arc<App>>,
    Payer(who, client): Payer,
    JsonBody(wanted): JsonBody<NewRoom>,
) -> Result<Response, Problem> {
    names::check_slug(&wanted.slug)?;
    let name = names::display_name(wanted.name.as_deref().unwrap_or(&wanted.slug))?;
    let visibility = wanted.visibility.unwrap_or(Visibility::Public);
    check_visibility(Some(visibility))?;
    client.take(Operation::Room).await?;
    let made = app
        .chat
        .create_room(&who, &wanted.slug, &name, visibility)
        .await?;
    let location: [(HeaderName, String); 1] =
        [(header::LOCATION, format!("/api/rooms/{}", made.room.slug))];
    Ok((StatusCode::CREATED, location, room_json(&made)).into_response())
}

/// One's direct room with these people, made when there is none.
#[utoipa::path(post, path = "/api/direct", tag = "rooms", request_body = DirectWith,
    responses((status = 200, description = "The room", body = RoomBody<'_>), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn direct_room(
    State(app): State<Arc<App>>,
    Payer(who, client): Payer,
    JsonBody(with): JsonBody<DirectWith>,
) -> Result<Response, Problem> {
    // What cannot be a name is nobody's.
    let named = with.users.iter().map(|name| names::display_name(name));
    let named: Vec<String> = named
        .collect::<Result<_, _>>()
        .map_err(|_rule| ErrorCode::UserNotFound)?;
    client.take(Operation::Room).await?;
    let with = app.chat.direct_room_with(&who, &named, &with.user_ids);
    Ok(room_json(&with.await?))
}

/// One room.
#[utoipa::path(get, path = "/api/rooms/{slug}", tag = "rooms", params(("slug" = String, Path)),
    responses((status = 200, description = "The room", body = RoomBody<'_>), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn show_room(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    RoomPath(slug): RoomPath,
) -> Result<Response, Problem> {
    Ok(room_json(&app.chat.room(&who, &slug).await?))
}

/// Makes one a member of a public room.
#[utoipa::path(post, path = "/api/rooms/{slug}/join", tag = "rooms", params(("slug" = String, Path)),
    responses((status = 200, description = "The room", body = RoomBody<'_>), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn join_room(
    State(app): State<Arc<App>>,
    Payer(who, client): Payer,
    RoomPath(slug): RoomPath,
) -> Result<Response, Problem> {
    client.take_now(Operation::Join)?;
    Ok(room_json(&app.chat.join(&who, &slug).await?))
}

/// Changes a room's name, topic or visibility, archives it or opens it again.
#[utoipa::path(patch, path = "/api/rooms/{slug}", tag = "rooms", request_body = RoomEdit, params(("slug" = String, Path)),
    responses((status = 200, description = "The room as it is now", body = RoomBody<'_>), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn edit_room(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    RoomPath(slug): RoomPath,
    JsonBody(edit): JsonBody<RoomEdit>,
) -> Result<Response, Problem> {
    check_visibility(edit.visibility)?;
    let edit = changes::RoomEdit {
        name: edit.name.as_deref().map(names::display_name).transpose()?,
        visibility: edit.visibility,
        topic: edit.topic.as_deref().map(names::topic).transpose()?,
        archived: edit.archived,
    };
    if edit == changes::RoomEdit::default() {
        return Err(Refusal::with_message(
            ErrorCode::BadRequest,
            "Say what is to change: `name`, `topic`, `visibility` or `archived`.",
        )
        .into());
    }
    let view = app.chat.edit_room(&who, &slug, edit).await?;
    Ok(room_json(&view))
}

/// Deletes a room for good; its address is not used again.
#[utoipa::path(delete, path = "/api/rooms/{slug}", tag = "rooms", params(("slug" = String, Path)),
    responses((status = 200, description = "Deleted", body = Changed), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn delete_room(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    RoomPath(slug): RoomPath,
) -> Result<Json<Changed>, Problem> {
    let version = app.chat.delete_room(&who, &slug).await?;
    Ok(Json(Changed { version }))
}

/// A room as one sees it.
pub(super) fn room_json(view: &RoomView) -> Response {
    Json(RoomBody::new(view)).into_response()
}

fn check_visibility(visibility: Option<Visibility>) -> Result<(), Refusal> {
    match visibility {
        Some(Visibility::Direct) => Err(Refusal::with_message(
            ErrorCode::BadRequest,
            "`visibility` is `public` or `private`.",
        )),
        _ => Ok(()),
    }
}
