//! What the stores return: plain rows, the same for every back end. No SQL, no diesel, no wire format.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::marks::MessageMarks;
pub use super::reply_meta::{MessageMeta, ReplyMeta, Usage};
use crate::error::ErrorCode;
use crate::ids::{Attempt, ChunkNumber, ClientId, Epoch, RoomId, Seq, UserId, Version};
use crate::permissions::Role;

pub use super::account_rows::{Credentials, Identity};
pub use super::room_rows::{
    Keep, LastMessage, ListPlace, ListedRoom, PublicRoom, RoomRow, RoomSettings, Unread,
};

/// Enums that are stored and sent under the same lower-case name.
macro_rules! named_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)* }

        impl $name {
            /// Every value there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The value as stored and sent.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The value of that name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)* _ => None }
            }
        }
    };
}
pub(super) use named_enum;

named_enum!(
    /// What a user is.
    UserKind {
        /// Has a name of its own and a password.
        User = "user",
        /// Came by name only; ends with its session.
        Guest = "guest",
        /// A language model.
        Assistant = "assistant",
        /// A program: somebody's bot, or the author of an incoming webhook's messages.
        Bot = "bot",
        /// Somebody who deleted the account: the author of what stays.
        Deleted = "deleted",
    }
);
named_enum!(
    /// Who may find and enter a room.
    Visibility {
        /// Anybody signed in finds it and becomes a member by joining.
        Public = "public",
        /// Members only; to others it does not exist.
        Private = "private",
        /// One user and the assistant, or two users; every message of a user prompts a present assistant.
        Direct = "direct",
    }
);
named_enum!(
    /// Who wrote a message.
    MessageKind {
        /// A person, a guest or a bot.
        User = "user",
        /// A language model: a reply.
        Assistant = "assistant",
    }
);
named_enum!(
    /// Where a message stands. Anything but a reply is complete from its first version.
    MessageState {
        /// A reply that is not settled: waiting or being written.
        Queued = "queued",
        /// All there.
        Complete = "complete",
        /// A reply that somebody stopped: the text up to there.
        Stopped = "stopped",
        /// A reply whose provider failed: the text up to there, maybe none.
        Failed = "failed",
        /// A reply whose runner died: the text that was saved.
        Interrupted = "interrupted",
    }
);
named_enum!(
    /// Where a reply stands for its runners; `messages.state` shows less (see [`MessageState`]).
    ReplyState {
        /// Waits for a runner.
        Queued = "queued",
        /// A runner holds its lease.
        Streaming = "streaming",
        /// Ended; the message tells how.
        Settled = "settled",
    }
);
named_enum!(
    /// A versioned change of a room that is not a message.
    LogKind {
        /// `user` is no longer a member.
        Removed = "removed",
        /// `user` has `role` from now on.
        Role = "role",
        /// A setting changed; `data` holds what all of them are now (see [`RoomSettings`]).
        Settings = "settings",
        /// The room is gone.
        Deleted = "deleted",
    }
);

/// A user as everybody may see it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UserRow {
    /// Its id.
    pub id: UserId,
    /// Its display name.
    pub name: String,
    /// What it is.
    pub kind: UserKind,
}

/// A room's counters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// Whose counters.
    pub room: RoomId,
    /// The history they count in.
    pub epoch: Epoch,
    /// The version of the latest change; 0 before the first.
    pub version: Version,
    /// The seq of the latest message; 0 before the first.
    pub last_seq: Seq,
    /// The seq of the oldest message kept; 1 until retention removed any.
    pub first_seq: Seq,
    /// The highest version that retention removed; 0 until it did.
    pub floor: Version,
}

/// A room, its counters, and what the asking user is in it; `None` for a public room one has not joined.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomView {
    /// The room.
    pub room: RoomRow,
    /// Its counters, from the same statement.
    pub head: Head,
    /// The asking user's role, from the same statement.
    pub role: Option<Role>,
    /// What a member has read; there whenever `role` is.
    pub read: Option<ReadState>,
}

impl RoomView {
    /// Messages above what the user has read; 0 for one who is no member.
    #[must_use]
    pub fn unread(&self) -> i64 {
        self.read.map_or(0, |read| {
            unread(self.head.last_seq, self.head.first_seq, read.seq)
        })
    }
}

/// How many of a room's messages lie above `read`.
#[must_use]
pub fn unread(last_seq: Seq, first_seq: Seq, read: Seq) -> i64 {
    (last_seq - read.max(first_seq - 1)).max(0)
}

/// How far a member has read in a room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReadState {
    /// Up to this message.
    pub seq: Seq,
    /// Messages above it that mention the user; at most [`crate::limits::MENTIONS_COUNTED`].
    pub mentions: i64,
}

/// That a user has read up to a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReadMark {
    /// Who.
    pub user: UserId,
    /// Where.
    pub room: RoomId,
    /// Up to there.
    pub seq: Seq,
}

/// A mark that moved what its user has read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadMoved {
    /// Who.
    pub user: UserId,
    /// Where.
    pub room: RoomId,
    /// The room's address.
    pub slug: String,
    /// Where it stands now, and what mentions the user above it.
    pub read: ReadState,
    /// Messages above it.
    pub unread: i64,
    /// The room's members; more than [`crate::limits::RECEIPT_MEMBERS`] are not counted on.
    pub members: i64,
}

/// That a user was a member of a room when its head stood at `view.head`: everything up to that version may be
/// shown to it, and a removal above it ends this proof. `view.role` is always there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proof {
    /// Who.
    pub user: UserId,
    /// The user's role in the room.
    pub role: Role,
    /// Where, and up to which version.
    pub view: RoomView,
}

/// A member of a room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberRow {
    /// Who.
    pub user: UserRow,
    /// What it is in the room.
    pub role: Role,
}

/// A message as it is at `version`.
#[derive(Clone, PartialEq, Debug)]
pub struct MessageRow {
    /// Its place in the room.
    pub seq: Seq,
    /// Its latest change.
    pub version: Version,
    /// The author.
    pub author: UserRow,
    /// The sender's id of it; none for replies.
    pub client_id: Option<ClientId>,
    /// Who wrote it.
    pub kind: MessageKind,
    /// Where it stands.
    pub state: MessageState,
    /// Its text, as written.
    pub body: String,
    /// Its text as sanitised HTML, when Markdown is more than plain text.
    pub html: Option<String>,
    /// The message it answers.
    pub reply_to: Option<Seq>,
    /// More about it.
    pub meta: MessageMeta,
    /// What members put onto it.
    pub marks: MessageMarks,
    /// When it was stored: the database's clock, never going back within a room.
    pub created_at: DateTime<Utc>,
    /// When its text last changed by hand.
    pub edited_at: Option<DateTime<Utc>>,
    /// When it was deleted; its text is empty then.
    pub deleted_at: Option<DateTime<Utc>>,
}

/// What a message said before one of its edits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EditRow {
    /// The version of the edit that replaced it.
    pub version: Version,
    /// The text that was replaced.
    pub body: String,
    /// When that text was written.
    pub written_at: DateTime<Utc>,
    /// When it was replaced.
    pub replaced_at: DateTime<Utc>,
}

/// A versioned change that is not a message.
#[derive(Clone, PartialEq, Debug)]
pub struct LogRow {
    /// Its place in the room's changes.
    pub version: Version,
    /// What happened.
    pub kind: LogKind,
    /// To whom, where it is about somebody.
    pub user: Option<UserRow>,
    /// The role from now on, where it is about one.
    pub role: Option<Role>,
    /// More about it: an object.
    pub data: serde_json::Value,
}

/// One change of a room in the form it has now.
#[derive(Clone, PartialEq, Debug)]
pub enum StoredChange {
    /// A message that is new or changed. Boxed: a log row is a fraction of its size.
    Message(Box<MessageRow>),
    /// Anything else.
    Log(LogRow),
}

impl StoredChange {
    /// The change's version.
    #[must_use]
    pub fn version(&self) -> Version {
        match self {
            Self::Message(message) => message.version,
            Self::Log(log) => log.version,
        }
    }
}

/// What `changes_after` read, all from one statement.
#[derive(Clone, PartialEq, Debug)]
pub struct Changes {
    /// The counters in the same snapshot. A cursor below `head.floor` cannot be served from here.
    pub head: Head,
    /// Ascending by version; versions between two of them were superseded.
    pub changes: Vec<StoredChange>,
    /// False when the bounds cut it: then it ends at the last version it holds, else at the head.
    pub complete: bool,
}

/// The latest messages of a room, all from one statement, so they are the room as it was at `head.version`.
#[derive(Clone, PartialEq, Debug)]
pub struct LatestPage {
    /// The counters in the same snapshot.
    pub head: Head,
    /// Ascending by seq, without a hole.
    pub messages: Vec<MessageRow>,
}

/// A piece of a member's history.
#[derive(Clone, PartialEq, Debug)]
pub struct HistoryPage {
    /// Ascending by seq, without a hole.
    pub messages: Vec<MessageRow>,
    /// Whether there are more the way that was asked for: older ones, or newer ones when asked for what follows.
    pub more: bool,
    /// Whether there are messages below the page.
    pub older: bool,
    /// Whether there are messages above it.
    pub newer: bool,
}

/// A reply that is not settled, as far as the database knows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunningReply {
    /// Its message.
    pub seq: Seq,
    /// The message that asked.
    pub prompt_seq: Seq,
    /// The version that queued it, or queued it again: its message's, which nothing else moves while it is not settled.
    pub since: Version,
    /// Queued or streaming.
    pub state: ReplyState,
    /// The current try.
    pub attempt: Attempt,
    /// The highest chunk number saved; 0 for none.
    pub chunks: ChunkNumber,
    /// The saved chunks of the attempt, joined.
    pub body: String,
    /// The oldest message that its prompt held, where older ones were left out of it; once text was shown.
    pub context_from: Option<Seq>,
}

/// A run of chunks of one attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReplyChunk {
    /// The number of the first chunk it holds.
    pub first: ChunkNumber,
    /// How many it holds.
    pub count: ChunkNumber,
    /// Their text, joined.
    pub text: String,
}

/// A reply that a runner has just taken: its lease and its fencing token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClaimedReply {
    /// Where.
    pub room: RoomId,
    /// Its message.
    pub seq: Seq,
    /// The message that asked.
    pub prompt_seq: Seq,
    /// The fencing token: every later write names it.
    pub attempt: Attempt,
    /// Who asked.
    pub asker: UserId,
    /// Whether the asker is still a member who may prompt; if not the reply settles `failed` (`not_a_member`).
    pub asker_may_prompt: bool,
}

/// Whether a runner still holds a lease, told when it renews.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LeaseState {
    /// Where.
    pub room: RoomId,
    /// Its message.
    pub seq: Seq,
    /// False: another attempt, a settle or a stop took it; write nothing more. Says nothing while it is busy.
    pub held: bool,
    /// Somebody is changing it at this moment: nothing was saved, renewed or learnt, so that nobody else's save waits for
    /// that. Ask again.
    pub busy: bool,
    /// Somebody asked to stop.
    pub stop_requested: bool,
}

/// A streaming reply whose lease has run out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct ExpiredReply {
    /// Where.
    pub room: RoomId,
    /// Its message.
    pub seq: Seq,
    /// The attempt that ran out.
    pub attempt: Attempt,
    /// Whether any of its text was shown: then it settles `interrupted`, else it is claimed again.
    pub shown: bool,
}

/// Why a send that asked the assistant got no reply message.
pub type ReplyRefused = ErrorCode;
