//! What the server sends, as types that serialise to the documented JSON. Borrowed throughout: a frame lives
//! only until it is encoded. Nothing in a frame depends on its reader, except answers to that reader.

use std::borrow::Cow;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};

use super::announced::Limits;
use super::partial::{PartialBody, PinBody};
use crate::db::marks::Reaction;
use crate::db::rows::{LogKind, MessageKind, MessageRow, MessageState, ReplyMeta, UserRow};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{Attempt, ChunkNumber, ClientId, ConnectionId, Epoch, Seq, UserId, Version};
use crate::limits;

pub use super::accepted::Accepted;
use crate::permissions::Role;

pub use super::reply_body::{QueuedBody, ReplyBody};
pub use super::room_body::RoomBody;

/// Any frame the server sends.
#[derive(Serialize, Debug)]
#[serde(tag = "type")]
pub enum ServerFrame<'a> {
    /// The first frame of every socket.
    #[serde(rename = "welcome")]
    Welcome {
        /// [`super::PROTOCOL`].
        protocol: u32,
        /// What this server can do beyond the core.
        features: &'a [&'a str],
        /// This socket's id, for the log.
        connection: ConnectionId,
        /// Who you are.
        user: &'a UserRow,
        /// The server pings this often.
        heartbeat_ms: u64,
        /// The bounds a client should know.
        limits: &'a Limits,
    },
    /// The answer to `room.join`, for each room.
    #[serde(rename = "room.joined")]
    Joined(Joined<'a>),
    /// The answer to `message.send` and `reply.continue`: it is committed.
    #[serde(rename = "message.accepted")]
    Accepted(Accepted<'a>),
    /// A message as it is from `version` on.
    #[serde(rename = "message")]
    Message {
        /// The slug.
        room: &'a str,
        /// The version this frame brings the reader to.
        version: Version,
        /// The version of the frame before it in the range read.
        prev: Version,
        /// The message.
        message: MessageBody<'a>,
    },
    /// The same, to readers who hold the message as it was: what changed and nothing else.
    #[serde(rename = "message")]
    Partial {
        /// The slug.
        room: &'a str,
        /// As in `message`.
        version: Version,
        /// As in `message`.
        prev: Version,
        /// Always true.
        partial: bool,
        /// What changed.
        message: &'a PartialBody,
    },
    /// A versioned change that is not a message.
    #[serde(rename = "room.changed")]
    Changed {
        /// The slug.
        room: &'a str,
        /// As in `message`.
        version: Version,
        /// As in `message`.
        prev: Version,
        /// What happened.
        change: LogKind,
        /// To whom.
        #[serde(skip_serializing_if = "Option::is_none")]
        user: Option<&'a UserRow>,
        /// The role from now on.
        #[serde(skip_serializing_if = "Option::is_none")]
        role: Option<Role>,
        /// More about it.
        data: &'a serde_json::Value,
    },
    /// The last frame of a room for somebody who is no longer a member.
    #[serde(rename = "room.removed")]
    Removed {
        /// The slug.
        room: &'a str,
        /// The removal's version.
        version: Version,
        /// `removed`, `banned` or `deleted`.
        reason: &'a str,
    },
    /// A piece of a reply.
    #[serde(rename = "reply.delta")]
    Delta {
        /// The slug.
        room: &'a str,
        /// The reply's message.
        seq: Seq,
        /// A higher one resets the text.
        attempt: Attempt,
        /// The number of the first chunk covered.
        chunk: ChunkNumber,
        /// How many are covered.
        count: ChunkNumber,
        /// Their text.
        text: &'a str,
        /// With the first chunk: the oldest message that the assistant was told of, where older ones were left out.
        #[serde(skip_serializing_if = "Option::is_none")]
        context_from: Option<Seq>,
    },
    /// Who is in a room, told when it changes. It has no version.
    #[serde(rename = "presence")]
    Presence {
        /// The slug.
        room: &'a str,
        /// How many users.
        count: usize,
        /// The first [`limits::PRESENCE_NAMED`] of them by id.
        users: &'a [UserRow],
    },
    /// Which replies wait for a runner, told while any does and once when none does any more. It has no version.
    #[serde(rename = "reply.queue")]
    Queue {
        /// The slug.
        room: &'a str,
        /// The next ones, in order; at most [`limits::QUEUE_TOLD`].
        waiting: Vec<QueuedBody<'a>>,
    },
    /// Somebody writes. It has no version and runs out by itself.
    #[serde(rename = "typing")]
    Typing {
        /// The slug.
        room: &'a str,
        /// Who.
        user: &'a UserRow,
    },
    /// A member of a small room has read on. It has no version.
    #[serde(rename = "read")]
    Read {
        /// The slug.
        room: &'a str,
        /// Who, by id.
        user: UserId,
        /// Up to there.
        seq: Seq,
    },
    /// One has read on, here or on another socket.
    #[serde(rename = "user.read")]
    UserRead {
        /// The slug.
        room: &'a str,
        /// Up to there.
        seq: Seq,
        /// Messages above it.
        unread: i64,
        /// Those of them that mention one, counted up to [`limits::MENTIONS_COUNTED`].
        mentions: i64,
    },
    /// One is in a room from now on, or no longer.
    #[serde(rename = "user.rooms")]
    UserRooms {
        /// Slugs.
        gained: &'a [&'a str],
        /// Slugs.
        lost: &'a [&'a str],
    },
    /// One wants to be left alone by a room, or no more.
    #[serde(rename = "user.muted")]
    UserMuted {
        /// The slug.
        room: &'a str,
        /// Whether one does.
        muted: bool,
    },
    /// Somebody mentioned one: what one has unread there.
    #[serde(rename = "user.mentioned")]
    UserMentioned {
        /// The slug.
        room: &'a str,
        /// The room's last message by then.
        last_seq: Seq,
        /// Messages above what one has read.
        unread: i64,
        /// Those of them that mention one, counted up to [`limits::MENTIONS_COUNTED`].
        mentions: i64,
    },
    /// The answer to `message.history`.
    #[serde(rename = "message.page")]
    Page {
        /// The client's.
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a str>,
        /// The slug.
        room: &'a str,
        /// Ascending by seq.
        messages: Vec<MessageBody<'a>>,
        /// Whether there are more the way that was asked for: newer ones after `after`, else older ones.
        more: bool,
        /// Whether there are messages below the page.
        older: bool,
        /// Whether there are messages above it.
        newer: bool,
    },
    /// The answer to what has no other.
    #[serde(rename = "ok")]
    Ok {
        /// The client's.
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a str>,
        /// The slug, where it is about a room.
        #[serde(skip_serializing_if = "Option::is_none")]
        room: Option<&'a str>,
        /// The version the change took, where it took one.
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<Version>,
    },
    /// This instance is stopping: connect again after so long.
    #[serde(rename = "drain")]
    Drain {
        /// Wait so long, different for every socket.
        reconnect_after_ms: u64,
    },
    /// The answer to `ping`.
    #[serde(rename = "pong")]
    Pong {
        /// The client's.
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a str>,
    },
    /// A typed no.
    #[serde(rename = "error")]
    Error {
        /// The client's.
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a str>,
        /// The slug, where it is about a room.
        #[serde(skip_serializing_if = "Option::is_none")]
        room: Option<&'a str>,
        /// The message it is about, where it is about a send.
        #[serde(skip_serializing_if = "Option::is_none")]
        client_id: Option<ClientId>,
        /// What to branch on.
        code: ErrorCode,
        /// What to show.
        message: &'a str,
        /// When to try again, where that is known.
        retry_after_ms: Option<u64>,
        /// Of a `version_conflict`: the message's present version.
        #[serde(skip_serializing_if = "Option::is_none", rename = "version")]
        present: Option<Version>,
    },
}

impl<'a> ServerFrame<'a> {
    /// The `error` frame of a refusal.
    #[must_use]
    pub fn error(
        reference: Option<&'a str>,
        room: Option<&'a str>,
        client_id: Option<ClientId>,
        refusal: &'a Refusal,
    ) -> Self {
        Self::Error {
            reference,
            room,
            client_id,
            code: refusal.code,
            message: &refusal.message,
            retry_after_ms: refusal.retry_after_ms,
            present: refusal.version,
        }
    }
}

/// `room.joined`.
#[derive(Serialize, Debug)]
pub struct Joined<'a> {
    /// The client's.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<&'a str>,
    /// The room; its `version` is the cursor to hold after applying `messages`.
    pub room: RoomBody<'a>,
    /// The history the versions count in.
    pub epoch: Epoch,
    /// The room's present version; what lies between follows as frames.
    pub head: Version,
    /// The latest page by seq, or none when `after` was given and served.
    pub messages: &'a [Box<serde_json::value::RawValue>],
    /// Every reply that is not settled.
    pub replies: Vec<ReplyBody<'a>>,
    /// Why what is held of the room must be dropped (`epoch`, `ahead`, `retention`), or null.
    pub reset: Option<&'static str>,
}

/// A message inside a frame or an HTTP answer.
#[derive(Serialize, Debug, utoipa::ToSchema)]
pub struct MessageBody<'a> {
    /// Its place.
    pub seq: Seq,
    /// Its latest change.
    pub version: Version,
    /// The sender's id of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    /// Who wrote it.
    pub kind: MessageKind,
    /// By name.
    pub author: &'a UserRow,
    /// As written.
    pub body: &'a str,
    /// As sanitised HTML, when it is more than plain text and not above `limits::HTML_BYTES`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub html: Option<&'a str>,
    /// Where it stands.
    pub state: MessageState,
    /// The message it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Seq>,
    /// The members it mentions, by id.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub mentions: &'a [UserId],
    /// Of a reply only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ReplyMeta>)]
    pub reply: Option<Cow<'a, ReplyMeta>>,
    /// What members put onto it, each kind with its count and the first 20 users.
    #[serde(skip_serializing_if = "<[Reaction]>::is_empty")]
    pub reactions: &'a [Reaction],
    /// Whether it is pinned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned: Option<PinBody>,
    /// When it was stored.
    #[serde(serialize_with = "millis")]
    pub created_at: DateTime<Utc>,
    /// When its text last changed by hand.
    #[serde(
        serialize_with = "optional_millis",
        skip_serializing_if = "Option::is_none"
    )]
    pub edited_at: Option<DateTime<Utc>>,
    /// When it was deleted.
    #[serde(
        serialize_with = "optional_millis",
        skip_serializing_if = "Option::is_none"
    )]
    pub deleted_at: Option<DateTime<Utc>>,
}

/// HTML as it is shown: not above [`limits::HTML_BYTES`].
#[must_use]
pub fn shown_html(html: Option<&str>) -> Option<&str> {
    html.filter(|html| html.len() <= limits::HTML_BYTES)
}

impl<'a> From<&'a MessageRow> for MessageBody<'a> {
    fn from(row: &'a MessageRow) -> Self {
        Self {
            seq: row.seq,
            version: row.version,
            client_id: row.client_id,
            kind: row.kind,
            author: &row.author,
            body: &row.body,
            html: shown_html(row.html.as_deref()),
            state: row.state,
            reply_to: row.reply_to,
            mentions: &row.meta.mentions,
            reply: row.meta.reply.as_ref().map(|reply| reply.told(row.state)),
            reactions: &row.marks.reactions,
            pinned: row.marks.pinned.map(PinBody::from),
            created_at: row.created_at,
            edited_at: row.edited_at,
            deleted_at: row.deleted_at,
        }
    }
}

/// A user in an HTTP answer.
#[derive(Serialize, Debug)]
pub struct UserBody {
    /// Its id.
    pub id: UserId,
    /// Its name.
    pub name: String,
}

/// RFC 3339 in UTC with milliseconds: the one form of a time on the wire.
///
/// # Errors
/// As the serialiser's.
pub fn millis<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

fn optional_millis<S: Serializer>(
    time: &Option<DateTime<Utc>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => millis(time, serializer),
        None => serializer.serialize_none(),
    }
}
