//! A room as the server tells of it, part of [`super::server`]. Borrowed, as all that is sent.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::server::millis;
use crate::db::rows::{RoomView, Visibility};
use crate::ids::{RoomId, Seq, Version};
use crate::permissions::Role;

/// A room in `room.joined` and in HTTP answers.
#[derive(Serialize, Debug, utoipa::ToSchema)]
pub struct RoomBody<'a> {
    /// Its id.
    pub id: RoomId,
    /// Its address.
    pub slug: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Who may enter.
    pub visibility: Visibility,
    /// What it is about; may be empty.
    pub topic: &'a str,
    /// It takes nothing new.
    pub archived: bool,
    /// For how many people this direct room is; 0 for any other room.
    pub people: i32,
    /// What the asking user is in it; null for a public room one has not joined.
    pub role: Option<Role>,
    /// In `room.joined` the cursor; in HTTP answers the room's present version.
    pub version: Version,
    /// The latest message's seq.
    pub last_seq: Seq,
    /// The oldest kept message's seq.
    pub first_seq: Seq,
    /// Up to where the asking user has read; null for a room one is not in.
    pub last_read_seq: Option<Seq>,
    /// Messages above it.
    pub unread: i64,
    /// Those of them that mention the asking user, counted up to 100.
    pub mentions: i64,
    /// When it was made.
    #[serde(serialize_with = "millis")]
    pub created_at: DateTime<Utc>,
}

impl<'a> RoomBody<'a> {
    /// A room as `view` saw it.
    #[must_use]
    pub fn new(view: &'a RoomView) -> Self {
        Self {
            id: view.room.id,
            slug: &view.room.slug,
            name: &view.room.name,
            visibility: view.room.visibility,
            topic: &view.room.topic,
            archived: view.room.archived,
            people: view.room.people,
            role: view.role,
            version: view.head.version,
            last_seq: view.head.last_seq,
            first_seq: view.head.first_seq,
            last_read_seq: view.read.map(|read| read.seq),
            unread: view.unread(),
            mentions: view.read.map_or(0, |read| read.mentions),
            created_at: view.room.created_at,
        }
    }
}
