//! What rooms there are: one's own with what was said last, and public ones to be found; and muting one. Called by
//! `routes.rs`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::Problem;
use super::extract::{Caller, JsonBody, QueryOf, RoomPath};
use crate::app::App;
use crate::auth::names;
use crate::db::rows::{LastMessage, ListedRoom, PublicRoom};
use crate::error::{ErrorCode, Refusal};
use crate::ids::Seq;
use crate::limits;
use crate::permissions::Role;
use crate::protocol::server::{RoomBody, millis};

/// Rooms.
#[derive(Serialize, ToSchema)]
pub struct RoomList<'a> {
    /// Those one is a member of, the latest message first, then public ones one is not, by address.
    rooms: Vec<ListedBody<'a>>,
}

/// A room of the list.
#[derive(Serialize, ToSchema)]
pub struct ListedBody<'a> {
    /// The room.
    #[serde(flatten)]
    room: RoomBody<'a>,
    /// The last message; null before the first, and of rooms one is not in.
    last: Option<LastBody<'a>>,
    /// One wants to be left alone by it.
    muted: bool,
}

/// The beginning of a room's last message.
#[derive(Serialize, ToSchema)]
pub struct LastBody<'a> {
    /// Its place.
    seq: Seq,
    /// The author's name.
    author: &'a str,
    /// At most 120 characters of its text; empty of a deleted one.
    text: &'a str,
    /// When it was stored.
    #[serde(serialize_with = "millis")]
    created_at: DateTime<Utc>,
    /// Only its tombstone is left.
    deleted: bool,
}

impl<'a> ListedBody<'a> {
    fn new(listed: &'a ListedRoom) -> Self {
        Self {
            room: RoomBody::new(&listed.view),
            last: listed.last.as_ref().map(LastBody::new),
            muted: listed.muted,
        }
    }
}

impl<'a> LastBody<'a> {
    fn new(last: &'a LastMessage) -> Self {
        Self {
            seq: last.seq,
            author: &last.author,
            text: &last.text,
            created_at: last.created_at,
            deleted: last.deleted,
        }
    }
}

/// Which public rooms.
#[derive(Deserialize, IntoParams)]
pub struct PublicQuery {
    /// What the slug, name or topic holds, at most 100 characters; `A` is as `a`. Left out: all.
    q: Option<String>,
    /// The slug of the last room of the page before.
    after: Option<String>,
    /// How many: 1 to 50; left out: 50.
    limit: Option<i64>,
}

/// Public rooms, by address.
#[derive(Serialize, ToSchema)]
pub struct PublicList {
    /// At most `limit`.
    rooms: Vec<PublicBody>,
    /// Whether there may be more: ask again with `after` the last one's slug.
    more: bool,
}

/// A public room.
#[derive(Serialize, ToSchema)]
pub struct PublicBody {
    /// Its address.
    slug: String,
    /// Its name.
    name: String,
    /// What it is about.
    topic: String,
    /// It takes nothing new.
    archived: bool,
    /// How many are in it.
    members: i64,
    /// What one is in it; null for one that is not joined.
    role: Option<Role>,
}

impl From<PublicRoom> for PublicBody {
    fn from(found: PublicRoom) -> Self {
        Self {
            slug: found.room.slug,
            name: found.room.name,
            topic: found.room.topic,
            archived: found.room.archived,
            members: found.members,
            role: found.role,
        }
    }
}

/// Whether one wants to be left alone.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct Mute {
    /// True: yes.
    muted: bool,
}

/// The rooms one is in, and the public ones.
#[utoipa::path(get, path = "/api/rooms", tag = "rooms",
    responses((status = 200, description = "Rooms", body = RoomList<'_>), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn list_rooms(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
) -> Result<Response, Problem> {
    let listed = app.chat.rooms(&who).await?;
    let rooms = listed.iter().map(ListedBody::new).collect();
    Ok(Json(RoomList { rooms }).into_response())
}

/// Public rooms, all or those that hold a text.
#[utoipa::path(get, path = "/api/rooms/public", tag = "rooms", params(PublicQuery),
    responses((status = 200, description = "Rooms", body = PublicList), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn find_public_rooms(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    QueryOf(query): QueryOf<PublicQuery>,
) -> Result<Json<PublicList>, Problem> {
    let bad = |sentence: &'static str| Refusal::with_message(ErrorCode::BadRequest, sentence);
    let text = query.q.as_deref().unwrap_or_default().trim();
    if text.chars().count() > limits::ROOM_QUERY_CHARS || text.contains('\0') {
        return Err(bad("`q` is a text of at most 100 characters.").into());
    }
    let after = query.after.as_deref();
    if after.is_some_and(|slug| !names::is_slug(slug)) {
        return Err(bad("`after` is the slug of a room.").into());
    }
    let limit = query.limit.unwrap_or(limits::PUBLIC_ROOMS_LISTED);
    if !(1..=limits::PUBLIC_ROOMS_LISTED).contains(&limit) {
        return Err(bad("`limit` is a number from 1 to 50.").into());
    }
    let found = app.chat.public_rooms(&who, text, after, limit).await?;
    let more = i64::try_from(found.len()).is_ok_and(|count| count >= limit);
    let rooms = found.into_iter().map(PublicBody::from).collect();
    Ok(Json(PublicList { rooms, more }))
}

/// Mutes a room for oneself, or no more.
#[utoipa::path(put, path = "/api/rooms/{slug}/mute", tag = "rooms", request_body = Mute, params(("slug" = String, Path)),
    responses((status = 200, description = "Done", body = Mute), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn mute_room(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    RoomPath(slug): RoomPath,
    JsonBody(wish): JsonBody<Mute>,
) -> Result<Json<Mute>, Problem> {
    app.chat.set_muted(&who, &slug, wish.muted).await?;
    Ok(Json(wish))
}
