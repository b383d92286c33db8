//! `/api/rooms` and `/api/rooms/{slug}`: what rooms there are, and making, changing, joining and deleting one.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::Problem;
use super::extract::{Caller, JsonBody, RoomPath};
use crate::app::App;
use crate::auth::names;
use crate::db::rows::{RoomView, Visibility};
use crate::error::{ErrorCode, Refusal};
use crate::ids::Version;
use crate::protocol::server::RoomBody;

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
}

/// Rooms.
#[derive(Serialize, ToSchema)]
pub struct RoomList<'a> {
    /// Those one is a member of, then public ones one is not; each by address.
    rooms: Vec<RoomBody<'a>>,
}

/// The version a change took.
#[derive(Serialize, ToSchema)]
pub struct Changed {
    /// In the room's count.
    pub version: Version,
}

/// The rooms one is in, and the public ones.
#[utoipa::path(get, path = "/api/rooms", tag = "rooms",
    responses((status = 200, description = "Rooms", body = RoomList<'_>), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn list_rooms(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
) -> Result<Response, Problem> {
    let views = app.chat.rooms(&who).await?;
    let rooms = views.iter().map(RoomBody::new).collect();
    Ok(Json(RoomList { rooms }).into_response())
}

/// Makes a room; one is its owner.
#[utoipa::path(post, path = "/api/rooms", tag = "rooms", request_body = NewRoom,
    responses((status = 201, description = "Made", body = RoomBody<'_>), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn create_room(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    JsonBody(wanted): JsonBody<NewRoom>,
) -> Result<Response, Problem> {
    names::check_slug(&wanted.slug)?;
    let name = names::display_name(wanted.name.as_deref().unwrap_or(&wanted.slug))?;
    let visibility = wanted.visibility.unwrap_or(Visibility::Public);
    check_visibility(Some(visibility))?;
    let made = app
        .chat
        .create_room(&who, &wanted.slug, &name, visibility)
        .await?;
    let location: [(HeaderName, String); 1] =
        [(header::LOCATION, format!("/api/rooms/{}", made.room.slug))];
    Ok((StatusCode::CREATED, location, room_json(&made)).into_response())
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
    Caller(who): Caller,
    RoomPath(slug): RoomPath,
) -> Result<Response, Problem> {
    Ok(room_json(&app.chat.join(&who, &slug).await?))
}

/// Changes a room's name or visibility.
#[utoipa::path(patch, path = "/api/rooms/{slug}", tag = "rooms", request_body = RoomEdit, params(("slug" = String, Path)),
    responses((status = 200, description = "The room as it is now", body = RoomBody<'_>), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn edit_room(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    RoomPath(slug): RoomPath,
    JsonBody(edit): JsonBody<RoomEdit>,
) -> Result<Response, Problem> {
    let name = edit.name.as_deref().map(names::display_name).transpose()?;
    check_visibility(edit.visibility)?;
    if name.is_none() && edit.visibility.is_none() {
        return Err(Refusal::with_message(
            ErrorCode::BadRequest,
            "Say what is to change: `name`, `visibility` or both.",
        )
        .into());
    }
    let view = app
        .chat
        .edit_room(&who, &slug, name, edit.visibility)
        .await?;
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

fn room_json(view: &RoomView) -> Response {
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
