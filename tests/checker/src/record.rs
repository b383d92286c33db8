//! The form of a history file: one [`Record`] a line, as JSON. Whoever drives a run writes these; the checks read them.
//! A history says only what was seen from outside: what clients sent and received, what the database held at the end, what
//! was broken when. It never says what anybody concluded from it.
//!
//! `FORMAT.md` beside the crate is the same for people.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of this form, in [`What::Run`].
pub const FORMAT: u32 = 1;

/// One line: when, and what.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Nanoseconds since the run began, of one monotonic clock for the whole file. Lines may be out of order by a little;
    /// this is what orders them.
    pub t: u64,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// The first line.
    Run {
        /// [`FORMAT`].
        format: u32,
        /// What the schedule and the load were drawn from.
        seed: u64,
        /// What was run, for people.
        title: String,
    },
    /// A client: one user with one session, over any number of sockets, one after the other or several at once.
    Client {
        /// Its name in this file.
        client: String,
        /// The user's id.
        user: String,
    },
    /// A socket was welcomed.
    Opened {
        /// Its name in this file; never used twice.
        socket: String,
        /// Whose.
        client: String,
        /// `connection` of `welcome`.
        connection: String,
    },
    /// A socket ended.
    Closed {
        /// Which.
        socket: String,
        /// The close code, when there was a close frame.
        code: Option<u16>,
        /// Who ended it.
        by: Side,
    },
    /// A client sent a frame (only those that matter to a check: joins, leaves, questions for a page of history).
    Sent {
        /// Over which socket.
        socket: String,
        /// The frame, whole.
        frame: Value,
    },
    /// A client received a frame (all of them but `pong`), in the order of its socket.
    Received {
        /// Over which socket.
        socket: String,
        /// The frame, whole. In a message of kind `user` the harness may leave out `html` and put `hash` for `body`.
        frame: Value,
    },
    /// A client began an operation.
    Invoke {
        /// Its name in this file; never used twice.
        op: String,
        /// Who.
        client: String,
        /// What.
        #[serde(flatten)]
        action: Action,
    },
    /// It succeeded, as the server said.
    Ok {
        /// Which.
        op: String,
        /// Where the message stands; sends only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seq: Option<i64>,
        /// The version it took.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<i64>,
        /// Whether the server said that it had it before.
        #[serde(default)]
        duplicate: bool,
        /// The reply that a prompt got.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply_seq: Option<i64>,
    },
    /// It was refused for good: it must never take effect. (A retryable refusal ends nothing: the operation goes on.)
    Fail {
        /// Which.
        op: String,
        /// The public code.
        code: String,
    },
    /// Nobody knows: it may have taken effect or not.
    Info {
        /// Which.
        op: String,
        /// Why.
        cause: String,
    },
    /// A retryable refusal of an operation that goes on; counted, never a violation.
    Refused {
        /// Which.
        op: String,
        /// The public code.
        code: String,
    },
    /// A fault begins or ends.
    Fault {
        /// The row of the fault matrix, such as `F7`.
        row: String,
        /// What is done to what, for people.
        what: String,
        /// Begins or healed.
        phase: Phase,
    },
    /// Every fault is healed and no new operation begins: from here on everybody must reach the head.
    Healed {
        /// Within so many milliseconds.
        bound_ms: u64,
    },
    /// A room's head as the database has it at the end.
    DbHead {
        /// The room's slug.
        room: String,
        /// The history's number, as on the wire.
        epoch: String,
        /// The highest version.
        version: i64,
        /// The first seq that is kept.
        first_seq: i64,
        /// The highest seq.
        last_seq: i64,
        /// The highest version that retention removed.
        floor: i64,
    },
    /// A message as the database has it at the end.
    DbMessage {
        /// The room's slug.
        room: String,
        /// Its place.
        seq: i64,
        /// The version of its last change.
        version: i64,
        /// The author's user id.
        author: String,
        /// The sender's id for it; replies have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_id: Option<String>,
        /// `complete`, `queued`, …
        state: String,
        /// [`crate::hash`] of the body.
        hash: String,
        /// The whole text; replies only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<String>,
        /// Whether it is a tombstone.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        deleted: bool,
        /// Its reactions, in their order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        reactions: Vec<Reaction>,
        /// Who pinned it, while it is pinned.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pinned: Option<String>,
    },
    /// An entry of the room's log as the database has it at the end.
    DbLog {
        /// The room's slug.
        room: String,
        /// Its version.
        version: i64,
        /// `member_removed`, …
        kind: String,
        /// Whom it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
    },
    /// A reply as the database has it at the end.
    DbReply {
        /// The room's slug.
        room: String,
        /// Its place.
        seq: i64,
        /// The message that asked.
        prompt_seq: i64,
        /// `complete`, `stopped`, …
        state: String,
        /// How many tries.
        attempt: i64,
    },
    /// A measure of one process or server. Taken before the first fault and after everything healed.
    Resource {
        /// Before the faults or after.
        moment: Moment,
        /// Of what: `salon-0`, `postgres`, …
        of: String,
        /// Of which kind: `descriptors`, `rss_bytes`, `tasks`, `connections`, `idle_in_transaction`, `locks`, …
        kind: String,
        /// How much.
        value: f64,
        /// What it may be at the end, however much it was at the start; none is twice the start.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_most: Option<f64>,
    },
    /// A line of a process's log.
    Log {
        /// Whose.
        of: String,
        /// The line.
        line: String,
    },
    /// A text that no log may hold: a token, a key, a message's text.
    Secret {
        /// Of which kind.
        kind: String,
        /// The text.
        text: String,
    },
}

/// What a client wants.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Action {
    /// Post a message. A resend after an outcome that stayed unknown is an operation of its own with the same `id`.
    Send {
        /// Where.
        room: String,
        /// The `client_id`.
        id: String,
        /// [`crate::hash`] of the body.
        hash: String,
        /// Whether it calls the assistant.
        #[serde(default)]
        prompt: bool,
    },
    /// Take a member out of a room.
    Remove {
        /// Where.
        room: String,
        /// Whom, by user id.
        user: String,
    },
    /// Put a user into a room.
    Add {
        /// Where.
        room: String,
        /// Whom, by user id.
        user: String,
    },
    /// End a client's session.
    Revoke {
        /// Whose.
        of: String,
        /// All its sockets are closed, and nothing of it is accepted, so many milliseconds after the `ok`.
        bound_ms: u64,
    },
    /// Stop a reply.
    Stop {
        /// Where.
        room: String,
        /// Which.
        seq: i64,
    },
    /// Ask the assistant to go on with a reply: a message of one's own, whose text the server makes. Tried again with the same
    /// `id` it is an operation of its own, as a send is.
    Continue {
        /// Where.
        room: String,
        /// Which reply.
        seq: i64,
        /// The `client_id`.
        id: String,
    },
    /// Write a reply again.
    Retry {
        /// Where.
        room: String,
        /// Which.
        seq: i64,
    },
    /// Give a message another text.
    Edit {
        /// Where.
        room: String,
        /// Which.
        seq: i64,
        /// [`crate::hash`] of the new text, which no other edit and no send has.
        hash: String,
    },
    /// Delete a message.
    Delete {
        /// Where.
        room: String,
        /// Which.
        seq: i64,
    },
    /// React to a message, or take that back.
    React {
        /// Where.
        room: String,
        /// Which.
        seq: i64,
        /// How.
        emoji: String,
        /// Whether it is taken back.
        #[serde(default)]
        back: bool,
    },
    /// Pin a message, or unpin it.
    Pin {
        /// Where.
        room: String,
        /// Which.
        seq: i64,
        /// Whether it is unpinned.
        #[serde(default)]
        back: bool,
    },
}

/// One kind of reaction on a message.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Reaction {
    /// Which.
    pub emoji: String,
    /// How many.
    pub count: i64,
    /// The first of them.
    pub users: Vec<String>,
}

/// Who ended a socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// A close frame came.
    Server,
    /// This client wanted it.
    Client,
    /// It broke.
    Network,
}

/// A fault begins or ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// From now on.
    Begin,
    /// Until now.
    Heal,
}

/// When a measure was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// Before the first fault.
    Before,
    /// After everything healed.
    After,
}
