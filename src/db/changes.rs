//! What the writer asks of a store: batches of changes, each room's under its head lock. Stores judge rights, repeats and counters
//! inside the transaction; see the contract on `Store::apply`.

use chrono::{DateTime, Utc};

pub use super::administration::Administered;
use super::assistants::{AssistantEdit, NewAssistant};
use super::invites::NewInvite;
use super::marks::Mark;
pub use super::new_accounts::{NewAccount, NewSession, SessionOrigin, VerifiedHash};
use super::rows::{Head, MessageState, ReplyMeta, ReplyRefused, StoredChange, Visibility};
use crate::error::Refusal;
use crate::ids::{Attempt, BatchId, ClientId, InstanceId, InviteId, RoomId, Seq, UserId, Version};
use crate::origin::Origin;
use crate::permissions::Role;
use crate::spending::Caps;

/// Changes of some rooms, to be written in one transaction.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Inserted into `batches` when any change is not a post, so that a rerun finds it.
    pub id: BatchId,
    /// True when this is the second try of a batch whose COMMIT's answer was lost.
    pub rerun: bool,
    /// In any order; the store locks them in the order of their ids.
    pub rooms: Vec<RoomChanges>,
}

/// The changes of one room, in the order they must be numbered.
#[derive(Clone, Debug)]
pub struct RoomChanges {
    /// Which room.
    pub room: RoomId,
    /// What to do, first come first.
    pub changes: Vec<Change>,
    /// Where those come from that the audit log tells of, by their place above; of any other, the server itself.
    pub origins: Vec<(usize, Origin)>,
}

impl RoomChanges {
    /// Where the change at this place comes from.
    #[must_use]
    pub fn origin(&self, place: usize) -> Origin {
        let found = self.origins.iter().find(|(known, _)| *known == place);
        found.map(|(_, origin)| *origin).unwrap_or_default()
    }
}

/// One change.
#[derive(Clone, PartialEq, Debug)]
pub enum Change {
    /// A new message.
    Post(NewPost),
    /// A message's text changes. Versioned; its author's alone.
    EditMessage(NewText),
    /// A message goes: a tombstone stays, its text is nowhere any more. Versioned.
    DeleteMessage {
        /// Who does it.
        actor: UserId,
        /// Which message.
        seq: Seq,
    },
    /// A member puts a mark onto a message. Versioned, unless it is there.
    Mark {
        /// Who does it.
        actor: UserId,
        /// Which message.
        seq: Seq,
        /// Which mark.
        mark: Mark,
    },
    /// A mark is taken off: the actor's own reaction, or the pin. Versioned, unless it is not there.
    Unmark {
        /// Who does it.
        actor: UserId,
        /// Which message.
        seq: Seq,
        /// Which mark.
        mark: Mark,
    },
    /// `user` becomes a member with `role`, or gets another role. Versioned (`role`).
    SetMember {
        /// Who does it.
        actor: UserId,
        /// To whom.
        user: UserId,
        /// From now on.
        role: Role,
    },
    /// `user` is no longer a member. Versioned (`removed`). Anyone may remove oneself.
    RemoveMember {
        /// Who does it.
        actor: UserId,
        /// Whom.
        user: UserId,
    },
    /// `actor` becomes a moderator and `user`, a member, an owner. Versioned: a `role` for each of the two that gets another.
    TransferRoom {
        /// Who does it.
        actor: UserId,
        /// To whom.
        user: UserId,
    },
    /// `user` is kept out until it is unbanned, and no longer a member. Versioned (`removed`, with `banned`) where it was one.
    Ban {
        /// Who does it.
        actor: UserId,
        /// Whom.
        user: UserId,
        /// Why; may be empty.
        reason: String,
    },
    /// `user` may come again. Takes no version.
    Unban {
        /// Who does it.
        actor: UserId,
        /// Whom.
        user: UserId,
    },
    /// A new invite. Takes no version.
    MakeInvite {
        /// Who does it.
        actor: UserId,
        /// What it is.
        invite: NewInvite,
    },
    /// An invite works no more. Takes no version.
    RevokeInvite {
        /// Who does it.
        actor: UserId,
        /// Which.
        invite: InviteId,
    },
    /// `user` comes by an invite. Versioned (`role`), and a use of it, unless the user is a member already.
    AcceptInvite {
        /// Who comes.
        user: UserId,
        /// By which.
        invite: InviteId,
    },
    /// `user`, whose account is deleted, leaves whatever the room is. Versioned (`removed`). The last owner's room goes to
    /// [another](super::accounts::heir) (`role`); with no other person left it goes (`deleted`), and a direct room too.
    Depart {
        /// Who.
        user: UserId,
    },
    /// Settings change. Versioned (`settings`).
    EditRoom {
        /// Who does it.
        actor: UserId,
        /// What changes.
        edit: RoomEdit,
    },
    /// What of its messages a room keeps. Versioned (`settings`).
    SetRetention {
        /// Who does it.
        actor: UserId,
        /// How many days, from now on; none: for ever.
        days: Option<i32>,
        /// How many of the latest; none: any number; left out: as it is.
        messages: Option<Option<i64>>,
    },
    /// Removes the oldest messages that the room does not keep: at most so many, none behind one that stays or a reply that is
    /// not settled. Versioned (`settings`, with the new `first_seq`) where any went.
    Retain {
        /// How many at most.
        limit: i64,
    },
    /// The room goes. Versioned (`deleted`), the last version it has.
    DeleteRoom {
        /// Who does it.
        actor: UserId,
    },
    /// An administrator's, whatever its role in the room; never in a direct room but to delete it. Versioned as what it does.
    Administer {
        /// Who does it; none is the operator, at the command line.
        actor: Option<UserId>,
        /// What.
        act: Administered,
    },
    /// A room gets another assistant. Versioned (`settings`).
    AddAssistant(NewAssistant),
    /// What a room says of one of its assistants changes. Versioned (`settings`).
    EditAssistant {
        /// Who does it.
        actor: UserId,
        /// Which.
        assistant: UserId,
        /// What changes.
        edit: AssistantEdit,
    },
    /// An assistant is no longer the room's; the server's own is as it was at first. Versioned (`settings`), unless it is so.
    RemoveAssistant {
        /// Who does it.
        actor: UserId,
        /// Which.
        assistant: UserId,
    },
    /// Ask a running reply to stop; a queued one settles `stopped` here and now.
    StopReply {
        /// Who does it.
        actor: UserId,
        /// Which reply.
        seq: Seq,
    },
    /// Put a `stopped`, `failed` or `interrupted` reply back to `queued` with an empty text.
    RetryReply {
        /// Who does it.
        actor: UserId,
        /// Which reply.
        seq: Seq,
        /// Refused (`spend_limit_reached`) where they are full for whoever asked for it at first.
        caps: Caps,
    },
    /// Put a settled reply back to `queued` as another variant; its text stays the one before. Versioned.
    RegenerateReply {
        /// Who does it.
        actor: UserId,
        /// Which reply.
        seq: Seq,
        /// See [`Self::RetryReply`].
        caps: Caps,
    },
    /// Make a variant of a settled reply its message, for everybody. Versioned, unless it is that already.
    SelectVariant {
        /// Who does it.
        actor: UserId,
        /// Which reply.
        seq: Seq,
        /// Which of its texts.
        variant: i32,
    },
    /// The runner's last word on its attempt. Refused (`reply_settled`) unless `owner` still holds `attempt`.
    SettleReply(Settlement),
    /// A dead runner's reply, with the text that was saved. Refused unless the lease of `attempt` has run out and something was shown.
    InterruptReply {
        /// Which reply.
        seq: Seq,
        /// The attempt seen to have run out.
        attempt: Attempt,
    },
}

impl Change {
    /// Who does what an archived room refuses of its members: all that adds to it. A post is not told here: it is judged after its repeat.
    #[must_use]
    pub fn adds_to_room(&self) -> Option<UserId> {
        match self {
            Self::EditMessage(text) => Some(text.actor),
            Self::Mark { actor, .. }
            | Self::Unmark { actor, .. }
            | Self::RetryReply { actor, .. }
            | Self::RegenerateReply { actor, .. }
            | Self::SelectVariant { actor, .. } => Some(*actor),
            Self::Post(_)
            | Self::DeleteMessage { .. }
            | Self::SetMember { .. }
            | Self::RemoveMember { .. }
            | Self::TransferRoom { .. }
            | Self::Ban { .. }
            | Self::Unban { .. }
            | Self::MakeInvite { .. }
            | Self::RevokeInvite { .. }
            | Self::AcceptInvite { .. }
            | Self::Depart { .. }
            | Self::EditRoom { .. }
            | Self::AddAssistant(_)
            | Self::EditAssistant { .. }
            | Self::RemoveAssistant { .. }
            | Self::SetRetention { .. }
            | Self::Retain { .. }
            | Self::DeleteRoom { .. }
            | Self::Administer { .. }
            | Self::StopReply { .. }
            | Self::SettleReply(_)
            | Self::InterruptReply { .. } => None,
        }
    }
}

/// What changes of a room's settings; what is left out stays.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RoomEdit {
    /// The new display name.
    pub name: Option<String>,
    /// Who may find and enter it from now on; never to or from `direct`.
    pub visibility: Option<Visibility>,
    /// What it is about from now on.
    pub topic: Option<String>,
    /// Whether it takes anything new.
    pub archived: Option<bool>,
}

/// A message to be posted.
#[derive(Clone, PartialEq, Debug)]
pub struct NewPost {
    /// Who writes.
    pub author: UserId,
    /// The author's id of the message (P4).
    pub client_id: ClientId,
    /// The text; checked for size, NUL and emptiness before it comes here.
    pub body: String,
    /// Its sanitised HTML, when it is more than plain text.
    pub html: Option<String>,
    /// The message it answers; refused (`message_not_found`) unless it exists and is not deleted.
    pub reply_to: Option<Seq>,
    /// Whether it asks the assistant, and which.
    pub prompt: Option<NewPrompt>,
    /// Where it may mention somebody: for each place the names it may mean, as names are compared, the longest first.
    /// The first that a member of the room has is meant; bounded by [`crate::limits::MENTIONS_PER_MESSAGE`].
    pub mentions: Vec<Vec<String>>,
    /// The sender was too fast: a repeat is still answered, anything new is refused (`rate_limited`).
    pub over_rate: bool,
}

/// A message's text as it is to be.
#[derive(Clone, PartialEq, Debug)]
pub struct NewText {
    /// Who edits.
    pub actor: UserId,
    /// Which message.
    pub seq: Seq,
    /// The text; checked as that of a post.
    pub body: String,
    /// Its sanitised HTML, when it is more than plain text.
    pub html: Option<String>,
    /// A version at which the message's text was what the editor saw; refused (`version_conflict`) when the text is another.
    pub if_version: Option<Version>,
    /// Where what answers it is written again, each reply to it as another variant: under these caps, as [`Change::RetryReply`].
    pub resend: Option<Caps>,
}

/// Whom a post mentions: at each place the members of the longest name that one has, each once, never the author; `members` knows them.
pub fn resolve_mentions(
    post: &NewPost,
    mut members: impl FnMut(&str) -> Vec<UserId>,
) -> Vec<UserId> {
    let mut found: Vec<UserId> = Vec::new();
    for readings in &post.mentions {
        let named = readings.iter().map(|name| members(name));
        for user in named
            .into_iter()
            .find(|users| !users.is_empty())
            .into_iter()
            .flatten()
        {
            if user != post.author
                && !found.contains(&user)
                && found.len() < crate::limits::MENTIONS_PER_MESSAGE
            {
                found.push(user);
            }
        }
    }
    found
}

/// The part of a post that asks for a reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewPrompt {
    /// Who answers.
    pub assistant: UserId,
    /// False for "only in a direct room", where every message asks.
    pub mentioned: bool,
    /// The author has prompted too much: a repeat is still answered, anything new that asks is refused (`rate_limited`).
    pub over_rate: bool,
    /// What may be spent: where it is, nobody answers (`spend_limit_reached`).
    pub caps: Caps,
}

impl NewPrompt {
    /// Whether a message of such a room asks.
    #[must_use]
    pub fn asks(&self, visibility: Visibility, people: i32) -> bool {
        self.mentioned || (visibility == Visibility::Direct && people == 0)
    }
}

impl NewPost {
    /// Whether its author is over a rate that this post would need, in such a room.
    #[must_use]
    pub fn is_over_rate(&self, visibility: Visibility, people: i32) -> bool {
        let prompts = |prompt: &NewPrompt| prompt.over_rate && prompt.asks(visibility, people);
        self.over_rate || self.prompt.as_ref().is_some_and(prompts)
    }

    /// Whether it may turn out to be.
    #[must_use]
    pub fn may_be_over_rate(&self) -> bool {
        self.over_rate || self.prompt.is_some_and(|prompt| prompt.over_rate)
    }
}

/// How a reply ended.
#[derive(Clone, PartialEq, Debug)]
pub struct Settlement {
    /// Which reply.
    pub seq: Seq,
    /// The fencing token.
    pub attempt: Attempt,
    /// Who holds the lease.
    pub owner: InstanceId,
    /// `Complete`, `Stopped`, `Failed` or `Interrupted`.
    pub state: MessageState,
    /// The whole text.
    pub body: String,
    /// Its sanitised HTML.
    pub html: Option<String>,
    /// What the message tells of its making.
    pub meta: ReplyMeta,
}

/// What became of a batch; `rooms` in the order they were given.
#[derive(Clone, Debug)]
pub struct Applied {
    /// One for each room of the batch.
    pub rooms: Vec<RoomApplied>,
}

/// What became of one room's part.
#[derive(Clone, Debug)]
pub enum RoomApplied {
    /// Its changes were judged, and those allowed are committed.
    Done(RoomDone),
    /// Another transaction holds its head: nothing was done; try it alone.
    Locked,
}

/// A room's part that was judged.
#[derive(Clone, Debug)]
pub struct RoomDone {
    /// The counters after it.
    pub head: Head,
    /// The version before it: the range is (from, head.version].
    pub from: Version,
    /// One for each change, in order.
    pub outcomes: Vec<Result<Outcome, Refusal>>,
    /// What was written, one for each version of the range, ascending. Empty when this was a rerun that found
    /// its batch committed: readers then fill from the database.
    pub changes: Vec<StoredChange>,
}

/// A change that was allowed.
#[derive(Clone, PartialEq, Debug)]
pub enum Outcome {
    /// A post.
    Posted(Posted),
    /// Anything else; the version it took, or the room's version when nothing had to change.
    Changed {
        /// The version.
        version: Version,
    },
}

/// What a sender is told of its message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Posted {
    /// Its place.
    pub seq: Seq,
    /// The version it was created at.
    pub version: Version,
    /// When.
    pub created_at: DateTime<Utc>,
    /// True when this `client_id` was stored before.
    pub duplicate: bool,
    /// The reply it asked for: the first, of several.
    pub reply_seq: Option<Seq>,
    /// The replies behind the first, of whom else it asked.
    pub more_replies: Vec<Seq>,
    /// Why it gets none, or one of those it asked does not answer.
    pub reply_refused: Option<ReplyRefused>,
    /// Until when, where that is known.
    pub refused_until: Option<DateTime<Utc>>,
}

/// A room to be made.
#[derive(Clone, Debug)]
pub struct NewRoom {
    /// Its id.
    pub id: RoomId,
    /// Its address.
    pub slug: String,
    /// Its display name.
    pub name: String,
    /// Who may find and enter it.
    pub visibility: Visibility,
}

/// Chunks a runner has published and now saves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChunkAppend {
    /// Where.
    pub room: RoomId,
    /// Its message.
    pub seq: Seq,
    /// The fencing token.
    pub attempt: Attempt,
    /// The new chunks, joined; none to renew the lease only.
    pub chunk: Option<super::rows::ReplyChunk>,
}
