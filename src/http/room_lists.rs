//! What rooms there are: one's own with what was said last, and public ones to be found; and muting one. Called by
//! `routes.rs`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::Problem;
use super::extract::{Caller, JsonBody, QueryOf, RoomPath};
use crate::app::App;
use crate::auth::names;
use crate::db::rows::{LastMessage, ListPlace, ListedRoom, PublicRoom};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{Seq, UserId};
use crate::limits;
use crate::permissions::Role;
use crate::protocol::server::{RoomBody, millis};

/// Rooms.
#[derive(Serialize, ToSchema)]
pub struct RoomList<'a> {
    /// Those one is a member of, the latest message first, then public ones one is not, by address: at most `limit`.
    rooms: Vec<ListedBody<'a>>,
    /// Whether there are more: ask again with `after` this page's `next`.
    more: bool,
    /// Where the next page begins; null where there is none.
    next: Option<String>,
}

/// Which part of the list.
#[derive(Deserialize, IntoParams)]
pub struct RoomsQuery {
    /// The `next` of the page before.
    after: Option<String>,
    /// How many: 1 to 500; left out: 500.
    limit: Option<i64>,
}

/// A place in the list as a page tells it: `own:<microseconds>:<slug>` or `public:<slug>`.
#[must_use]
pub fn place_text(place: &ListPlace) -> String {
    match place {
        ListPlace::Own { at, slug } => format!("own:{}:{slug}", at.timestamp_micros()),
        ListPlace::Public { slug } => format!("public:{slug}"),
    }
}

/// The place of such a text, if it is one.
#[must_use]
pub fn place(text: &str) -> Option<ListPlace> {
    let place = match text.split_once(':')? {
        ("own", rest) => {
            let (at, slug) = rest.split_once(':')?;
            let at = DateTime::from_timestamp_micros(at.parse().ok()?)?;
            // What a database can hold.
            if !(1970..10_000).contains(&at.year()) {
                return None;
            }
            ListPlace::Own {
                at,
                slug: slug.to_owned(),
            }
        }
        ("public", slug) => ListPlace::Public {
            slug: slug.to_owned(),
        },
        _ => return None,
    };
    let (ListPlace::Own { slug, .. } | ListPlace::Public { slug }) = &place;
    names::is_slug(slug).then_some(place)
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
    /// The author's id, since guests may be called alike.
    author_id: UserId,
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
            author_id: last.author_id,
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

/// The rooms one is in, and the public ones, by pages.
#[utoipa::path(get, path = "/api/rooms", tag = "rooms", params(RoomsQuery),
    responses((status = 200, description = "Rooms", body = RoomList<'_>), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn list_rooms(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    QueryOf(query): QueryOf<RoomsQuery>,
) -> Result<Response, Problem> {
    let bad = |sentence: &'static str| Refusal::with_message(ErrorCode::BadRequest, sentence);
    let limit = query.limit.unwrap_or(limits::ROOMS_LISTED);
    if !(1..=limits::ROOMS_LISTED).contains(&limit) {
        return Err(bad("`limit` is a number from 1 to 500.").into());
    }
    let after = match query.after.as_deref() {
        Some(text) => {
            Some(place(text).ok_or_else(|| bad("`after` is the `next` of a page of rooms."))?)
        }
        None => None,
    };
    let (listed, more) = app.chat.rooms(&who, after, limit).await?;
    let last = listed.last().filter(|_| more);
    let list = RoomList {
        rooms: listed.iter().map(ListedBody::new).collect(),
        more,
        next: last.map(|last| place_text(&last.place())),
    };
    Ok(Json(list).into_response())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_told_and_nothing_else_is_one() {
        let at = DateTime::from_timestamp_micros(1_770_000_000_000_001).unwrap();
        let slug = "den".to_owned();
        for told in [
            ListPlace::Own {
                at,
                slug: slug.clone(),
            },
            ListPlace::Public { slug },
        ] {
            assert_eq!(place(&place_text(&told)), Some(told));
        }
        for bad in [
            "",
            "den",
            "own:den",
            "own:1:",
            "own::den",
            "own:x:den",
            "public:",
            "public:A b",
            "own:999999999999999999:den",
            "own:-1:den",
            "other:den",
        ] {
            assert_eq!(place(bad), None, "{bad}");
        }
    }
}
