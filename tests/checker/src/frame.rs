//! The frames of the wire that matter to a check, in a compact form. `docs/protocol.md` of Salon says what they mean.
//! Frames and fields that no check looks at are passed over, as clients must.

use serde::Deserialize;
use serde::de::IgnoredAny;

pub(crate) use crate::either::{Either, Text};
use crate::message::{MarkChange, Message, RawMessage};
use crate::names::{Name, Names};

/// Messages in a page of history that does not say how many.
const PAGE_MESSAGES: i64 = 100;

/// What a room's settings are from a version on; an older server does not tell all of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Settings {
    pub(crate) name: Option<Name>,
    pub(crate) topic: Option<Name>,
    pub(crate) visibility: Option<Name>,
    pub(crate) archived: Option<bool>,
}

/// A frame, sent or received.
#[derive(Debug)]
pub(crate) enum Seen {
    /// Sent: enter a room, or come back to it.
    Join {
        room: Name,
        reference: Option<Name>,
        after: Option<i64>,
        epoch: Option<Name>,
    },
    /// Sent: hear no more of a room.
    Leave { room: Name, reference: Option<Name> },
    /// Sent: read a page of history.
    Ask {
        room: Name,
        reference: Option<Name>,
        at: PageAt,
        limit: i64,
    },
    /// A room was joined.
    Joined(Box<Joined>),
    /// A message as it is from a version on.
    Message {
        room: Name,
        version: i64,
        prev: i64,
        message: Message,
    },
    /// Of a message, what changed at a version.
    Partial {
        room: Name,
        version: i64,
        prev: i64,
        seq: i64,
        change: Box<MarkChange>,
    },
    /// Another versioned change.
    Changed {
        room: Name,
        version: i64,
        prev: i64,
        change: Name,
        user: Option<Name>,
        /// What a change of settings says.
        settings: Option<Settings>,
    },
    /// The last frame of a room.
    Removed { room: Name, version: i64 },
    /// A piece of a reply.
    Delta {
        room: Name,
        seq: i64,
        attempt: i64,
        chunk: i64,
        count: i64,
        text: Name,
    },
    /// A page of history; whether there is more on its sides, where that is told.
    Page {
        room: Name,
        reference: Option<Name>,
        messages: Box<[Message]>,
        older: Option<bool>,
        newer: Option<bool>,
    },
    /// `ok`: what had this `ref` is done.
    Done { reference: Option<Name> },
    /// An ack.
    Accepted { room: Name, id: Name, seq: i64 },
    /// A typed no.
    Error {
        room: Option<Name>,
        reference: Option<Name>,
        code: Name,
    },
    /// Anything else.
    Other,
}

/// Where a page of history is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PageAt {
    Latest,
    Before(i64),
    After(i64),
    Around(i64),
}

/// `room.joined`.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) room: Name,
    pub(crate) reference: Option<Name>,
    pub(crate) epoch: Name,
    pub(crate) version: i64,
    pub(crate) head: i64,
    pub(crate) last_seq: i64,
    pub(crate) private: bool,
    pub(crate) reset: bool,
    pub(crate) messages: Box<[Message]>,
    pub(crate) replies: Box<[Running]>,
}

/// A reply that was not settled, in `room.joined`.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) seq: i64,
    pub(crate) attempt: i64,
    pub(crate) chunks: i64,
    pub(crate) body: Option<Name>,
}

/// Every field of every frame that a check looks at.
#[derive(Deserialize)]
pub(crate) struct RawFrame<'a> {
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
    #[serde(rename = "ref", borrow, default)]
    reference: Option<Text<'a>>,
    #[serde(borrow, default)]
    room: Either<'a, RawRoom<'a>>,
    #[serde(borrow, default)]
    rooms: Vec<RawJoin<'a>>,
    after: Option<i64>,
    before: Option<i64>,
    around: Option<i64>,
    limit: Option<i64>,
    older: Option<bool>,
    newer: Option<bool>,
    #[serde(borrow, default)]
    epoch: Option<Text<'a>>,
    head: Option<i64>,
    version: Option<i64>,
    prev: Option<i64>,
    #[serde(default)]
    partial: bool,
    seq: Option<i64>,
    attempt: Option<i64>,
    chunk: Option<i64>,
    count: Option<IgnoredOr>,
    #[serde(borrow, default)]
    text: Option<Text<'a>>,
    #[serde(borrow, default)]
    message: Either<'a, RawMessage<'a>>,
    #[serde(borrow, default)]
    messages: Vec<RawMessage<'a>>,
    #[serde(borrow, default)]
    replies: Vec<RawRunning<'a>>,
    #[serde(borrow, default)]
    reset: Option<Text<'a>>,
    #[serde(borrow, default)]
    change: Option<Text<'a>>,
    #[serde(borrow, default)]
    user: Either<'a, RawUser<'a>>,
    #[serde(borrow, default)]
    data: Either<'a, RawSettings<'a>>,
    #[serde(borrow, default)]
    code: Option<Text<'a>>,
    #[serde(borrow, default)]
    client_id: Option<Text<'a>>,
}

/// A number, or something that is passed over.
#[derive(Deserialize)]
#[serde(untagged)]
enum IgnoredOr {
    Number(i64),
    Other(IgnoredAny),
}

#[derive(Deserialize)]
struct RawRoom<'a> {
    #[serde(borrow)]
    slug: Text<'a>,
    version: Option<i64>,
    last_seq: Option<i64>,
    #[serde(borrow, default)]
    visibility: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct RawJoin<'a> {
    #[serde(borrow)]
    room: Text<'a>,
    after: Option<i64>,
    #[serde(borrow, default)]
    epoch: Option<Text<'a>>,
}

#[derive(Deserialize)]
pub(crate) struct RawUser<'a> {
    #[serde(borrow, default)]
    id: Option<Text<'a>>,
}

/// The `data` of a change of settings; that of any other change has none of it.
#[derive(Deserialize)]
struct RawSettings<'a> {
    #[serde(borrow, default)]
    name: Option<Text<'a>>,
    #[serde(borrow, default)]
    topic: Option<Text<'a>>,
    #[serde(borrow, default)]
    visibility: Option<Text<'a>>,
    archived: Option<bool>,
}

#[derive(Deserialize)]
struct RawRunning<'a> {
    seq: i64,
    attempt: i64,
    #[serde(default)]
    chunks: i64,
    #[serde(borrow, default)]
    body: Option<Text<'a>>,
}

impl<T> Either<'_, T> {
    fn object(&self) -> Result<&T, String> {
        match self {
            Either::Object(object) => Ok(object),
            Either::Text(_) | Either::Neither => Err("an object is missing".to_owned()),
        }
    }
}

fn needed<T: Copy>(value: Option<T>, field: &str) -> Result<T, String> {
    value.ok_or_else(|| format!("the frame has no `{field}`"))
}

impl Text<'_> {
    pub(crate) fn name(&self, names: &mut Names) -> Name {
        names.name(&self.0)
    }
}

pub(crate) fn name(text: Option<&Text<'_>>, names: &mut Names) -> Option<Name> {
    text.map(|text| text.name(names))
}

fn needed_name(text: Option<&Text<'_>>, field: &str, names: &mut Names) -> Result<Name, String> {
    name(text, names).ok_or_else(|| format!("the frame has no `{field}`"))
}

impl RawFrame<'_> {
    /// What a client sent: a join for each room it names.
    pub(crate) fn sent(&self, names: &mut Names) -> Result<Vec<Seen>, String> {
        let reference = name(self.reference.as_ref(), names);
        Ok(match self.kind.0.as_ref() {
            "room.join" if self.rooms.is_empty() => vec![Seen::Join {
                room: self.slug(names)?,
                reference,
                after: self.after,
                epoch: name(self.epoch.as_ref(), names),
            }],
            "room.join" => self
                .rooms
                .iter()
                .map(|join| Seen::Join {
                    room: join.room.name(names),
                    reference,
                    after: join.after,
                    epoch: name(join.epoch.as_ref(), names),
                })
                .collect(),
            "room.leave" => vec![Seen::Leave {
                room: self.slug(names)?,
                reference,
            }],
            "message.history" => vec![Seen::Ask {
                room: self.slug(names)?,
                reference,
                at: self.page_at(),
                limit: self.limit.unwrap_or(PAGE_MESSAGES),
            }],
            _ => Vec::new(),
        })
    }

    /// What a client received.
    pub(crate) fn received(&self, names: &mut Names) -> Result<Seen, String> {
        Ok(match self.kind.0.as_ref() {
            "room.joined" => Seen::Joined(Box::new(self.joined(names)?)),
            "message" if self.partial => {
                let message = self.message.object()?;
                Seen::Partial {
                    room: self.slug(names)?,
                    version: needed(self.version, "version")?,
                    prev: needed(self.prev, "prev")?,
                    seq: message.seq,
                    change: Box::new(message.change(names)),
                }
            }
            "message" => Seen::Message {
                room: self.slug(names)?,
                version: needed(self.version, "version")?,
                prev: needed(self.prev, "prev")?,
                message: self.message.object()?.message(names),
            },
            "room.changed" => Seen::Changed {
                room: self.slug(names)?,
                version: needed(self.version, "version")?,
                prev: needed(self.prev, "prev")?,
                change: needed_name(self.change.as_ref(), "change", names)?,
                user: user_of(&self.user, names),
                settings: self.settings(names),
            },
            "room.removed" => Seen::Removed {
                room: self.slug(names)?,
                version: needed(self.version, "version")?,
            },
            "reply.delta" => self.delta(names)?,
            "ok" => Seen::Done {
                reference: name(self.reference.as_ref(), names),
            },
            "message.page" => Seen::Page {
                room: self.slug(names)?,
                reference: name(self.reference.as_ref(), names),
                older: self.older,
                newer: self.newer,
                messages: self
                    .messages
                    .iter()
                    .map(|message| message.message(names))
                    .collect(),
            },
            "message.accepted" => Seen::Accepted {
                room: self.slug(names)?,
                id: needed_name(self.client_id.as_ref(), "client_id", names)?,
                seq: needed(self.seq, "seq")?,
            },
            "error" => Seen::Error {
                room: self.slug(names).ok(),
                reference: name(self.reference.as_ref(), names),
                code: needed_name(self.code.as_ref(), "code", names)?,
            },
            _ => Seen::Other,
        })
    }

    fn page_at(&self) -> PageAt {
        match (self.before, self.after, self.around) {
            (Some(seq), ..) => PageAt::Before(seq),
            (_, Some(seq), _) => PageAt::After(seq),
            (.., Some(seq)) => PageAt::Around(seq),
            (None, None, None) => PageAt::Latest,
        }
    }

    fn settings(&self, names: &mut Names) -> Option<Settings> {
        let Either::Object(data) = &self.data else {
            return None;
        };
        (self.change.as_ref()?.0 == "settings").then(|| Settings {
            name: name(data.name.as_ref(), names),
            topic: name(data.topic.as_ref(), names),
            visibility: name(data.visibility.as_ref(), names),
            archived: data.archived,
        })
    }

    fn slug(&self, names: &mut Names) -> Result<Name, String> {
        match &self.room {
            Either::Text(slug) => Ok(slug.name(names)),
            Either::Object(room) => Ok(room.slug.name(names)),
            Either::Neither => Err("the frame has no `room`".to_owned()),
        }
    }

    fn joined(&self, names: &mut Names) -> Result<Joined, String> {
        let room = self.room.object()?;
        let version = needed(room.version, "room.version")?;
        Ok(Joined {
            room: room.slug.name(names),
            reference: name(self.reference.as_ref(), names),
            epoch: needed_name(self.epoch.as_ref(), "epoch", names)?,
            version,
            head: self.head.unwrap_or(version),
            last_seq: room.last_seq.unwrap_or(0),
            private: room
                .visibility
                .as_ref()
                .is_some_and(|visibility| visibility.0 == "private"),
            reset: self.reset.is_some(),
            messages: self
                .messages
                .iter()
                .map(|message| message.message(names))
                .collect(),
            replies: self
                .replies
                .iter()
                .map(|reply| Running {
                    seq: reply.seq,
                    attempt: reply.attempt,
                    chunks: reply.chunks,
                    body: name(reply.body.as_ref(), names),
                })
                .collect(),
        })
    }

    fn delta(&self, names: &mut Names) -> Result<Seen, String> {
        let count = match self.count {
            Some(IgnoredOr::Number(count)) => count,
            Some(IgnoredOr::Other(_)) | None => return Err("the frame has no `count`".to_owned()),
        };
        let chunk = needed(self.chunk, "chunk")?;
        if chunk < 1 || count < 1 || chunk.checked_add(count).is_none() {
            return Err("`chunk` and `count` are no numbers of chunks".to_owned());
        }
        Ok(Seen::Delta {
            room: self.slug(names)?,
            seq: needed(self.seq, "seq")?,
            attempt: needed(self.attempt, "attempt")?,
            chunk,
            count,
            text: needed_name(self.text.as_ref(), "text", names)?,
        })
    }
}

pub(crate) fn user_of(user: &Either<'_, RawUser<'_>>, names: &mut Names) -> Option<Name> {
    match user {
        Either::Object(user) => name(user.id.as_ref(), names),
        Either::Text(id) => Some(id.name(names)),
        Either::Neither => None,
    }
}

/// Whether a frame is of a type that a check looks at. Any other may have any form.
pub(crate) fn is_known(frame: &serde_json::Value) -> bool {
    let kind = frame.get("type").and_then(serde_json::Value::as_str);
    kind.is_none_or(|kind| {
        matches!(
            kind,
            "room.joined"
                | "message"
                | "room.changed"
                | "room.removed"
                | "reply.delta"
                | "message.page"
                | "message.accepted"
                | "ok"
                | "error"
        )
    })
}
