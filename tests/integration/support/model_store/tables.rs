//! What the model holds, as maps. Each noun's file next door adds what can be done with it; nothing here judges.

use std::collections::{BTreeMap, BTreeSet};

use salon::db::accounts::Revocation;
use salon::db::assistants::RoomAssistant;
use salon::db::changes::{RoomDone, SessionOrigin};
use salon::db::integrations::{HookRow, TokenRow};
use salon::db::reply_life::Standing;
use salon::db::rows::{
    EditRow, Head, Keep, LogKind, LogRow, MessageRow, ReplyChunk, ReplyState, RoomRow,
    StoredChange, UserKind, UserRow, Visibility,
};
use salon::db::variants::{VariantRow, Variants};
use salon::db::{ASSISTANT, LOBBY};
use salon::ids::{
    Attempt, BatchId, ChunkNumber, Epoch, HookId, InstanceId, InviteId, RoomId, Seq, SessionId,
    UserId, Version, WebhookId,
};
use salon::permissions::Role;

use super::Moment;
use super::administration::Audited;
use super::usage::Spending;
use super::webhooks::Webhook;

/// A database.
#[derive(Debug)]
pub(crate) struct Tables {
    pub(crate) users: BTreeMap<UserId, User>,
    pub(crate) sessions: BTreeMap<SessionId, Session>,
    /// The log of revocations, with the time of each, and the number of the latest there ever was.
    pub(crate) revocations: Vec<(Moment, Revocation)>,
    pub(crate) revoked: i64,
    /// Names of deleted accounts, as names are compared: nobody gets them.
    pub(crate) former_names: BTreeSet<String>,
    pub(crate) tickets: BTreeMap<[u8; 32], Ticket>,
    /// By issuer and subject.
    pub(crate) identities: BTreeMap<(String, String), UserId>,
    pub(crate) tokens: BTreeMap<SessionId, Token>,
    pub(crate) hooks: BTreeMap<HookId, Hook>,
    /// Deleted ones too: an address is never used twice.
    pub(crate) rooms: BTreeMap<RoomId, Room>,
    /// What batches were answered, for their reruns.
    pub(crate) batches: BTreeMap<BatchId, (Moment, BTreeMap<RoomId, RoomDone>)>,
    pub(crate) webhooks: BTreeMap<WebhookId, Webhook>,
    pub(crate) audit: Vec<Audited>,
    /// What attempts used, and what is counted of it.
    pub(crate) spending: Spending,
}

/// Somebody.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) row: UserRow,
    pub(crate) password_hash: Option<String>,
    /// Guests have none, nor have the authors of webhooks' messages.
    pub(crate) has_own_name: bool,
    /// Whose bot it is, and since when.
    pub(crate) owner: Option<(UserId, Moment)>,
    /// Kept out, deleted, or a bot that was removed.
    pub(crate) disabled: Option<Moment>,
    /// Deleted, and maybe still a member of rooms.
    pub(crate) leaving: bool,
    /// Whether it administers the server.
    pub(crate) admin: bool,
    pub(crate) created_at: Moment,
}

impl User {
    /// Somebody with a name and nothing else.
    pub(crate) fn of(row: UserRow, created_at: Moment) -> Self {
        Self {
            row,
            password_hash: None,
            has_own_name: true,
            owner: None,
            disabled: None,
            leaving: false,
            admin: false,
            created_at,
        }
    }
}

/// A token.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) user: UserId,
    pub(crate) hash: [u8; 32],
    pub(crate) row: TokenRow,
}

impl Token {
    /// Whether it has not run out.
    pub(crate) fn lives(&self, now: Moment) -> bool {
        self.row.expires_at.is_none_or(|end| end > now)
    }
}

/// An incoming webhook.
#[derive(Debug)]
pub(crate) struct Hook {
    pub(crate) room: RoomId,
    pub(crate) hash: [u8; 32],
    pub(crate) row: HookRow,
}

/// A sign-in.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) user: UserId,
    pub(crate) token_hash: [u8; 32],
    pub(crate) expires_at: Moment,
    /// Whether what it stands for is a claim.
    pub(crate) claimed: bool,
    pub(crate) ends_at: Moment,
    pub(crate) created_at: Moment,
    pub(crate) last_seen_at: Moment,
    pub(crate) origin: SessionOrigin,
}

/// A single-use ticket.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) session: SessionId,
    pub(crate) expires_at: Moment,
}

/// A room with all that is in it.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) row: RoomRow,
    /// Those of a direct room, ascending: a user and the assistant, or people.
    pub(crate) direct: Option<Vec<UserId>>,
    pub(crate) deleted: bool,
    /// All that a deleted one held is gone.
    pub(crate) purged: bool,
    /// What of its messages it keeps.
    pub(crate) keep: Keep,
    pub(crate) head: Head,
    /// The time of the latest change: `created_at` never goes back.
    pub(crate) last_at: Moment,
    pub(crate) members: BTreeMap<UserId, Role>,
    /// Who is kept out.
    pub(crate) bans: BTreeMap<UserId, Ban>,
    pub(crate) invites: BTreeMap<InviteId, Invite>,
    /// Those who want to be left alone by it.
    pub(crate) muted: BTreeSet<UserId>,
    /// How far each member has read.
    pub(crate) read: BTreeMap<UserId, Seq>,
    pub(crate) messages: BTreeMap<Seq, Message>,
    /// Every version that was not superseded.
    pub(crate) changes: BTreeMap<Version, Change>,
    pub(crate) replies: BTreeMap<Seq, Reply>,
    /// Those that the room says something of, as they were added.
    pub(crate) assistants: Vec<RoomAssistant>,
    /// Every version there ever was, as it was written: no store has this, judges do.
    pub(crate) written: Vec<StoredChange>,
}

/// That somebody is kept out.
#[derive(Debug)]
pub(crate) struct Ban {
    pub(crate) by: UserId,
    pub(crate) reason: String,
    pub(crate) created_at: Moment,
}

/// A link that lets its holders in.
#[derive(Debug)]
pub(crate) struct Invite {
    pub(crate) token_hash: [u8; 32],
    pub(crate) role: Role,
    pub(crate) by: UserId,
    pub(crate) created_at: Moment,
    pub(crate) expires_at: Moment,
    pub(crate) max_uses: i32,
    pub(crate) uses: i32,
    pub(crate) revoked: bool,
}

/// What stands at a version.
#[derive(Debug)]
pub(crate) enum Change {
    /// The present form of this message.
    Message(Seq),
    /// Anything else.
    Log(LogRow),
}

/// A message.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) row: MessageRow,
    /// What its version was at first: a repeat is answered with it.
    pub(crate) created_version: Version,
    /// Its former texts.
    pub(crate) edits: Vec<EditRow>,
    /// Everybody who reacted, by kind, the first first.
    pub(crate) reactors: BTreeMap<String, Vec<UserId>>,
    /// When it was pinned, as a version.
    pub(crate) pin: Option<Version>,
}

/// The making of a reply.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) prompt_seq: Seq,
    pub(crate) asker: UserId,
    pub(crate) state: ReplyState,
    pub(crate) attempt: Attempt,
    pub(crate) shown: bool,
    pub(crate) stop_requested: bool,
    pub(crate) lease: Option<(InstanceId, Moment)>,
    pub(crate) queued_at: Moment,
    pub(crate) settled_at: Option<Moment>,
    pub(crate) context_from: Option<Seq>,
    /// By attempt and first number.
    pub(crate) chunks: BTreeMap<(Attempt, ChunkNumber), ReplyChunk>,
    pub(crate) variants: Variants,
    /// The texts that its message is not.
    pub(crate) others: BTreeMap<i32, VariantRow>,
}

impl Tables {
    /// What every database holds.
    pub(super) fn new(now: Moment) -> Self {
        let mut tables = Self {
            users: BTreeMap::new(),
            sessions: BTreeMap::new(),
            revocations: Vec::new(),
            revoked: 0,
            former_names: BTreeSet::new(),
            tickets: BTreeMap::new(),
            identities: BTreeMap::new(),
            tokens: BTreeMap::new(),
            hooks: BTreeMap::new(),
            rooms: BTreeMap::new(),
            batches: BTreeMap::new(),
            webhooks: BTreeMap::new(),
            audit: Vec::new(),
            spending: Spending::default(),
        };
        let row = RoomRow {
            id: RoomId::new(),
            slug: LOBBY.into(),
            name: "Lobby".into(),
            visibility: Visibility::Public,
            created_at: now,
            topic: String::new(),
            archived: false,
            people: 0,
        };
        tables.rooms.insert(row.id, Room::new(row, None));
        let row = UserRow {
            id: UserId::new(),
            name: ASSISTANT.into(),
            kind: UserKind::Assistant,
        };
        tables.users.insert(row.id, User::of(row, now));
        tables
    }

    /// A user as everybody sees it.
    pub(crate) fn user(&self, user: UserId) -> Option<&UserRow> {
        self.users.get(&user).map(|user| &user.row)
    }

    /// Whether a user, or whose bot it is, was disabled or deleted.
    pub(crate) fn is_disabled(&self, user: UserId) -> bool {
        is_disabled(&self.users, user)
    }

    /// A room by its address, deleted or not.
    pub(crate) fn by_slug(&self, slug: &str) -> Option<&Room> {
        self.rooms.values().find(|room| room.row.slug == slug)
    }
}

/// Whether a user, or whose bot it is, was disabled or deleted.
pub(super) fn is_disabled(users: &BTreeMap<UserId, User>, user: UserId) -> bool {
    let Some(user) = users.get(&user) else {
        return false;
    };
    let owner = user.owner.and_then(|(owner, _)| users.get(&owner));
    user.disabled.is_some() || owner.is_some_and(|owner| owner.disabled.is_some())
}

impl Room {
    /// A room without members and without history.
    pub(super) fn new(row: RoomRow, direct: Option<Vec<UserId>>) -> Self {
        let head = Head {
            room: row.id,
            epoch: Epoch::random(),
            version: 0,
            last_seq: 0,
            first_seq: 1,
            floor: 0,
        };
        Self {
            direct,
            deleted: false,
            purged: false,
            keep: Keep::default(),
            head,
            last_at: row.created_at,
            row,
            members: BTreeMap::new(),
            bans: BTreeMap::new(),
            invites: BTreeMap::new(),
            muted: BTreeSet::new(),
            read: BTreeMap::new(),
            messages: BTreeMap::new(),
            changes: BTreeMap::new(),
            replies: BTreeMap::new(),
            assistants: Vec::new(),
            written: Vec::new(),
        }
    }

    /// Makes somebody a member, who has read what is there, or gives a member another role.
    pub(super) fn seat(&mut self, user: UserId, role: Role) {
        if self.members.insert(user, role).is_none() {
            self.read.insert(user, self.head.last_seq);
        }
    }

    /// Stores a message at the next version, new or in place of its former form.
    pub(super) fn put(&mut self, mut row: MessageRow) -> Version {
        self.head.version += 1;
        let version = self.head.version;
        row.version = version;
        let seq = row.seq;
        self.written
            .push(StoredChange::Message(Box::new(row.clone())));
        self.changes.insert(version, Change::Message(seq));
        if let Some(known) = self.messages.get_mut(&seq) {
            self.changes.remove(&known.row.version);
            known.row = row;
            return version;
        }
        let message = Message {
            row,
            created_version: version,
            edits: Vec::new(),
            reactors: BTreeMap::new(),
            pin: None,
        };
        self.messages.insert(seq, message);
        version
    }

    /// Stores any other change at the next version.
    pub(super) fn log(
        &mut self,
        kind: LogKind,
        user: Option<UserRow>,
        role: Option<Role>,
        data: serde_json::Value,
    ) -> Version {
        self.head.version += 1;
        let row = LogRow {
            version: self.head.version,
            kind,
            user,
            role,
            data,
        };
        self.written.push(StoredChange::Log(row.clone()));
        self.changes.insert(row.version, Change::Log(row));
        self.head.version
    }

    /// The replies that wait or run.
    pub(super) fn unsettled(&self) -> impl Iterator<Item = (&Seq, &Reply)> {
        self.replies
            .iter()
            .filter(|(_, reply)| reply.state != ReplyState::Settled)
    }
}

impl Reply {
    /// The saved chunks of an attempt from number `from` on; a run that holds `from` comes whole.
    pub(crate) fn chunks(&self, attempt: Attempt, from: ChunkNumber) -> Vec<ReplyChunk> {
        let runs = self
            .chunks
            .range((attempt, 0)..=(attempt, ChunkNumber::MAX));
        runs.map(|(_, run)| run)
            .filter(|run| run.first + run.count > from)
            .cloned()
            .collect()
    }

    /// The saved text of the present attempt, and the number of its last chunk.
    pub(crate) fn saved(&self) -> (ChunkNumber, String) {
        let runs = self.chunks(self.attempt, 1);
        let last = runs.last().map_or(0, |run| run.first + run.count - 1);
        (last, runs.into_iter().map(|run| run.text).collect())
    }

    /// What all that is done to it is judged by.
    pub(super) fn standing(&self, now: Moment) -> Standing {
        Standing {
            state: self.state,
            attempt: self.attempt,
            shown: self.shown,
            owner: self.lease.map(|(owner, _)| owner),
            expired: self.has_run_out(now),
            stop_requested: self.stop_requested,
        }
    }

    /// Whether the lease of a streaming reply has run out.
    pub(super) fn has_run_out(&self, now: Moment) -> bool {
        self.state == ReplyState::Streaming && self.lease.is_some_and(|(_, until)| until <= now)
    }
}
