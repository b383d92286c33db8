//! Rows that tell of rooms: what owners set, and what lists show. No SQL, no wire format. Called by every store; part of
//! [`super::rows`], which names them to everybody else.

use chrono::{DateTime, Utc};

use super::changes::RoomEdit;
use super::rows::{RoomView, Visibility};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{RoomId, Seq, UserId};
use crate::permissions::Role;

/// A room as a member (or, if public, anyone) sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomRow {
    /// Its id.
    pub id: RoomId,
    /// Its address: `[a-z0-9-]`, never changed, never reused.
    pub slug: String,
    /// Its display name.
    pub name: String,
    /// Who may find and enter it.
    pub visibility: Visibility,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// What it is about; may be empty.
    pub topic: String,
    /// It takes nothing new.
    pub archived: bool,
    /// For how many people this direct room is; 0 for any other room, one's own with the assistant too.
    pub people: i32,
}

/// What an owner sets of a room. An entry `settings` of the log holds all of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomSettings {
    /// Its display name.
    pub name: String,
    /// Who may find and enter it.
    pub visibility: Visibility,
    /// What it is about.
    pub topic: String,
    /// It takes nothing new.
    pub archived: bool,
}

impl RoomSettings {
    /// The settings after an edit.
    ///
    /// # Errors
    /// `bad_request`: a room never becomes or stops being a direct one.
    pub fn edited(&self, edit: &RoomEdit) -> Result<Self, Refusal> {
        let edit = edit.clone();
        let after = Self {
            name: edit.name.unwrap_or_else(|| self.name.clone()),
            visibility: edit.visibility.unwrap_or(self.visibility),
            topic: edit.topic.unwrap_or_else(|| self.topic.clone()),
            archived: edit.archived.unwrap_or(self.archived),
        };
        let direct = |visibility| visibility == Visibility::Direct;
        if direct(after.visibility) == direct(self.visibility) {
            return Ok(after);
        }
        Err(Refusal::with_message(
            ErrorCode::BadRequest,
            "A room never becomes or stops being a direct one.",
        ))
    }

    /// The `data` of the log's entry.
    #[must_use]
    pub fn data(&self) -> serde_json::Value {
        serde_json::json!({
            "name": self.name,
            "visibility": self.visibility.as_str(),
            "topic": self.topic,
            "archived": self.archived,
        })
    }
}

/// A room in a user's list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedRoom {
    /// The room as the user sees it.
    pub view: RoomView,
    /// What was said last; none before the first message, and none to those who are not in the room.
    pub last: Option<LastMessage>,
    /// The user wants to be left alone by it.
    pub muted: bool,
}

/// Where a page of a user's list ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ListPlace {
    /// Among its own rooms.
    Own {
        /// When the last message of the room was stored; without one, when the room was made.
        at: DateTime<Utc>,
        /// The room.
        slug: String,
    },
    /// Among the public ones it is not in.
    Public {
        /// The room.
        slug: String,
    },
}

impl ListedRoom {
    /// Where it stands in the list.
    #[must_use]
    pub fn place(&self) -> ListPlace {
        let (room, slug) = (&self.view.room, self.view.room.slug.clone());
        match self.view.role {
            Some(_) => ListPlace::Own {
                at: self
                    .last
                    .as_ref()
                    .map_or(room.created_at, |last| last.created_at),
                slug,
            },
            None => ListPlace::Public { slug },
        }
    }
}

/// What a room keeps of its messages; by default all, for ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Keep {
    /// Those of so many days.
    pub days: Option<i32>,
    /// The latest, so many.
    pub messages: Option<i64>,
}

impl Keep {
    /// The `data` of the log's entry.
    #[must_use]
    pub fn data(self) -> serde_json::Value {
        serde_json::json!({ "retention_days": self.days, "retention_messages": self.messages })
    }
}

/// The beginning of a room's last message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LastMessage {
    /// Its place.
    pub seq: Seq,
    /// The author's name.
    pub author: String,
    /// Who that is: names may be alike.
    pub author_id: UserId,
    /// At most [`crate::limits::PREVIEW_CHARS`] characters of its text; empty of a deleted one.
    pub text: String,
    /// When it was stored.
    pub created_at: DateTime<Utc>,
    /// Only its tombstone is left.
    pub deleted: bool,
}

/// What a member has unread in a room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unread {
    /// Who.
    pub user: UserId,
    /// The room's address.
    pub slug: String,
    /// The room's last message.
    pub last_seq: Seq,
    /// Messages above what it has read.
    pub unread: i64,
    /// Those of them that mention it, counted up to [`crate::limits::MENTIONS_COUNTED`].
    pub mentions: i64,
}

/// A public room that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicRoom {
    /// The room.
    pub room: RoomRow,
    /// What the asking user is in it.
    pub role: Option<Role>,
    /// How many are in it.
    pub members: i64,
}
