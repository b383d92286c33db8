//! The database: the [`Store`] contract, its rows, and its two implementations, [`sqlite`] (the embedded default)
//! and [`postgres`]. All SQL of Salon is below this folder; diesel is named nowhere else.
//!
//! A store method is a whole unit of work. It runs on a task of its own, so that no caller that goes away can
//! leave a transaction half done; a connection found with an open transaction is thrown away. Called by the
//! writer, the feeds, the chat rules, auth and the jobs. A store never calls anything of Salon back, and nothing
//! but SQL is awaited while a connection is held.

mod account_rows;
pub mod accounts;
pub mod administration;
pub mod assistants;
pub mod audit;
pub mod changes;
mod failure;
pub mod history;
pub mod identities;
pub mod integrations;
pub mod invites;
pub mod marks;
mod new_accounts;
pub mod postgres;
pub mod queue;
pub mod reply_life;
mod reply_meta;
mod room_rows;
pub mod rows;
pub mod search;
pub mod sqlite;
pub mod usage;
pub mod variants;
pub mod webhooks;

use async_trait::async_trait;

use crate::error::Refusal;
use crate::ids::{Attempt, ChunkNumber, InstanceId, RoomId, Seq, SessionId, UserId, Version};
use changes::{Applied, Batch, ChunkAppend, NewAccount, NewRoom, NewSession};
pub(crate) use failure::uncancelled;
pub use failure::{StoreError, StoreResult};
use invites::{BanRow, InviteRow, InviteView};
use queue::{QueuedReply, ReplyCaps};
use rows::{
    Changes, ClaimedReply, Credentials, EditRow, ExpiredReply, Head, HistoryPage, Identity, Keep,
    LatestPage, LeaseState, ListPlace, ListedRoom, MemberRow, MessageRow, Proof, PublicRoom,
    ReadMark, ReadMoved, ReplyChunk, RoomView, RunningReply, Unread, UserRow,
};

/// The slug of the public room that every new database has.
pub const LOBBY: &str = "lobby";

/// The name of the assistant that every new database has.
pub const ASSISTANT: &str = "assistant";

/// What the last sweep removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Swept {
    /// Sessions past their end.
    pub sessions: u64,
    /// Tickets past their end.
    pub tickets: u64,
    /// Batch ids older than an hour.
    pub batches: u64,
    /// Outgoing webhooks of rooms that are gone.
    pub webhooks: u64,
    /// Texts of replies that are deleted or removed, which a release that knew of no variants left behind.
    pub variants: u64,
}

/// How a fresh session came to be, for [`Store::create_account`] and [`Store::create_session`].
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Who.
    pub identity: Identity,
}

/// The database, as everything above it sees it.
///
/// Rules for every implementation:
/// - Every versioned change takes its room's head lock first, in a statement of its own, and reads membership,
///   repeats and counters in later statements, so that it sees what the lock waited for.
/// - `created_at` is the database's clock after the lock and never before the room's last.
/// - Reads that name a user join membership in the same statement; a room the user may not see is
///   `room_not_found`, a public room it has not joined is `not_a_member`. A deleted room is `room_not_found`.
/// - Lists are bounded by the `limit` given and by the byte bounds of `limits.rs`.
/// - Names are compared without case. Slugs are never reused, also not after deletion (`slug_taken`).
#[async_trait]
pub trait Store:
    accounts::Accounts
    + assistants::AssistantStore
    + integrations::Integrations
    + identities::Identities
    + webhooks::WebhookStore
    + administration::Administration
    + usage::UsageStore
{
    /// Whether the database answers, on a way of its own that a busy pool cannot block.
    async fn ping(&self) -> StoreResult<()>;

    /// The database's own settings without which what it confirms may be lost (P1), by name, as they are now; empty
    /// when an ack is durable. A database that cannot be set so answers as [`Store::ping`] does, on the same way.
    async fn not_durable(&self) -> StoreResult<Vec<&'static str>> {
        self.ping().await.map(|()| Vec::new())
    }

    // --- accounts

    /// A user, its membership in the lobby and its first session, in one transaction.
    ///
    /// # Errors
    /// `name_taken` when a user (not a guest) has the name, whatever its case. Guests may share a name.
    async fn create_account(
        &self,
        account: NewAccount,
        session: NewSession,
    ) -> StoreResult<SignedIn>;

    /// What to check a password against, of somebody disabled too; `None` when nobody with a password has this name.
    async fn credentials(&self, name: &str) -> StoreResult<Option<Credentials>>;

    /// One more session of an existing user.
    ///
    /// # Errors
    /// `user_not_found`.
    async fn create_session(&self, session: NewSession) -> StoreResult<SignedIn>;

    /// Who holds the token of this SHA-256; `None` when the session has ended.
    async fn identity(&self, token_hash: &[u8; 32]) -> StoreResult<Option<Identity>>;

    /// Ends a session and its tickets; false when it had ended before.
    async fn delete_session(&self, session: SessionId) -> StoreResult<bool>;

    /// A single-use ticket for `session`, living `lifetime_s` seconds.
    async fn create_ticket(
        &self,
        session: SessionId,
        ticket_hash: &[u8; 32],
        lifetime_s: i64,
    ) -> StoreResult<()>;

    /// Uses a ticket up: whom it stands for, once; `None` ever after, or when it or its session has ended.
    async fn redeem_ticket(&self, ticket_hash: &[u8; 32]) -> StoreResult<Option<Identity>>;

    /// The assistant's user.
    async fn assistant(&self) -> StoreResult<UserRow>;

    /// Users by name, for adding members.
    ///
    /// # Errors
    /// `user_not_found`.
    async fn user_by_name(&self, name: &str) -> StoreResult<UserRow>;

    /// Those of these users, in any order, that are members of some room that `user` is a member of; none who is gone.
    async fn fellows(&self, user: UserId, wanted: &[UserId]) -> StoreResult<Vec<UserRow>>;

    // --- rooms

    /// A room with its owner as first member, its head at version 0 and a fresh epoch.
    ///
    /// # Errors
    /// `slug_taken`; `too_many` when the owner owns [`crate::limits::ROOMS_PER_OWNER`].
    async fn create_room(&self, room: NewRoom, owner: UserId) -> StoreResult<RoomView>;

    /// The direct room of `user` and `assistant`, made from `fresh` when there is none yet; one wins a race.
    async fn direct_room(
        &self,
        user: UserId,
        assistant: UserId,
        fresh: NewRoom,
    ) -> StoreResult<RoomView>;

    /// The direct room of exactly these people, `user` among them, made from `fresh` when there is none yet; one wins
    /// a race. All are members, nobody owns it. One who left comes back by it (without a version, as by joining).
    ///
    /// # Errors
    /// `user_not_found`; `bad_request` with an assistant among them.
    async fn people_room(
        &self,
        user: UserId,
        people: &[UserId],
        fresh: NewRoom,
    ) -> StoreResult<RoomView>;

    /// The rooms the user is a member of, the latest message first (a room without one is as old as itself), then
    /// public ones it is neither in nor banned from, by slug; at most `limit`, from behind `after`. A room that moves up while somebody reads pages
    /// is not met below.
    async fn rooms(
        &self,
        user: UserId,
        after: Option<ListPlace>,
        limit: i64,
    ) -> StoreResult<Vec<ListedRoom>>;

    /// Public rooms that the user is not banned from, by slug after the given one, with their members counted; at most `limit`. With a `text` those only
    /// whose slug, name or topic contains it; `A` is as `a` then, other letters are compared as they are.
    async fn public_rooms(
        &self,
        user: UserId,
        text: &str,
        after: Option<&str>,
        limit: i64,
    ) -> StoreResult<Vec<PublicRoom>>;

    /// Whether a member wants to be left alone by a room. No version: it is nobody else's.
    ///
    /// # Errors
    /// `not_a_member`, `room_not_found`.
    async fn set_muted(&self, user: UserId, slug: &str, muted: bool) -> StoreResult<()>;

    /// One room as the user sees it: a member's, or a public one (then `role` is `None`).
    ///
    /// # Errors
    /// `room_not_found`.
    async fn room(&self, user: UserId, slug: &str) -> StoreResult<RoomView>;

    /// Makes the user a `member` of a public room if it is not one yet (under the head lock, without a version) and
    /// proves membership. Every new member has read what was written before it came.
    ///
    /// # Errors
    /// `room_not_found` for a private room one is not in; `banned`.
    async fn join_room(&self, user: UserId, slug: &str) -> StoreResult<Proof>;

    /// Proves membership of many at once, in one statement; answers in the order asked.
    ///
    /// Each answer's refusal is `not_a_member` (public, could join) or `room_not_found`.
    async fn prove(&self, wanted: &[(UserId, String)]) -> StoreResult<Vec<Result<Proof, Refusal>>>;

    /// The members of a room, by name, after the given user id's place; at most `limit`.
    async fn members(
        &self,
        user: UserId,
        slug: &str,
        after: Option<UserId>,
        limit: i64,
    ) -> StoreResult<Vec<MemberRow>>;

    /// The invite of this SHA-256, while it works.
    ///
    /// # Errors
    /// `invite_invalid`, whyever it does not work.
    async fn invite(&self, token_hash: &[u8; 32]) -> StoreResult<InviteView>;

    /// A room's invites that have not ended, the latest first; at most [`crate::limits::INVITES_PER_ROOM`].
    ///
    /// # Errors
    /// `forbidden` unless the user may [invite](crate::permissions::Action::Invite); as every read.
    async fn invites(&self, user: UserId, slug: &str) -> StoreResult<Vec<InviteRow>>;

    /// Who is kept out of a room, the latest first; at most [`crate::limits::BANS_PER_ROOM`].
    ///
    /// # Errors
    /// `forbidden` unless the user may [ban](crate::permissions::Action::Ban); as every read.
    async fn bans(&self, user: UserId, slug: &str) -> StoreResult<Vec<BanRow>>;

    /// Moves what users have read forward: never back, never above a room's last message, and takes no version. Answers
    /// only for the marks that moved something; one of a user who is no member, or of a deleted room, moves nothing.
    async fn mark_read(&self, marks: &[ReadMark]) -> StoreResult<Vec<ReadMoved>>;

    /// What members have unread in rooms, each pair once; nothing of those who are none, or of rooms that are gone.
    async fn unread(&self, members: &[(UserId, RoomId)]) -> StoreResult<Vec<Unread>>;

    // --- history

    /// The counters of the given rooms (at most [`crate::limits::HEADS_PER_STATEMENT`]), in any order, without
    /// those that do not exist; a deleted room still has them. Runs on a reserved connection.
    async fn heads(&self, rooms: &[RoomId]) -> StoreResult<Vec<Head>>;

    /// Every change above `after` and the head, from one statement; cut (`complete: false`) after `limit`
    /// changes or [`crate::limits::PAGE_BYTES`] of text. Knows no reader: feeds and shared pages call it.
    ///
    /// # Errors
    /// `room_not_found`.
    async fn changes_after(&self, room: RoomId, after: Version, limit: i64)
    -> StoreResult<Changes>;

    /// The latest `limit` messages, fewer when they pass [`crate::limits::PAGE_BYTES`]. Knows no reader: show it only
    /// to one whose proof is not older than it.
    async fn latest_page(&self, room: RoomId, limit: i64) -> StoreResult<LatestPage>;

    /// The `limit` messages before `before` (or the latest).
    async fn history(
        &self,
        user: UserId,
        slug: &str,
        before: Option<Seq>,
        limit: i64,
    ) -> StoreResult<HistoryPage>;

    /// The `limit` messages after `after`, upwards.
    async fn history_after(
        &self,
        user: UserId,
        slug: &str,
        after: Seq,
        limit: i64,
    ) -> StoreResult<HistoryPage>;

    /// `seq` with what stands around it: see [`history::Sides`].
    ///
    /// # Errors
    /// `message_not_found`, or as every read.
    async fn history_around(
        &self,
        user: UserId,
        slug: &str,
        seq: Seq,
        limit: i64,
    ) -> StoreResult<HistoryPage>;

    /// One message.
    ///
    /// # Errors
    /// `message_not_found`, or as every read.
    async fn message(&self, user: UserId, slug: &str, seq: Seq) -> StoreResult<MessageRow>;

    /// What a message said before each of its edits, the oldest first.
    ///
    /// # Errors
    /// `forbidden` unless it is the user's own or the user [may read anybody's](crate::permissions::Action::ReadAnyEdits);
    /// `message_not_found`, also of a deleted one.
    async fn edits(&self, user: UserId, slug: &str, seq: Seq) -> StoreResult<Vec<EditRow>>;

    /// The room's pinned messages, the latest pin first; at most [`crate::limits::PINS_PER_ROOM`].
    async fn pins(&self, user: UserId, slug: &str) -> StoreResult<Vec<MessageRow>>;

    /// What of the rooms the user is a member of fits a search, newest first. It looks at a bounded number of messages, and its page
    /// says where the next one goes on. Tombstones, and replies that are not
    /// settled, are never found. A new message may be found only once [`Store::index_new`] has come to it; what changes one
    /// that is found holds at once.
    async fn search(&self, user: UserId, search: search::Search)
    -> StoreResult<search::SearchPage>;

    /// Indexes up to `count` messages written before there was an index; false when there was nothing to do.
    async fn index_older(&self, count: i64) -> StoreResult<bool>;

    /// Indexes for search what was posted into the given rooms: about `count` messages of all of them, the oldest of each room
    /// first. Answers those to ask for again: with more to index, or being indexed by somebody else just now. Any number may do
    /// it at once, and no writer waits longer than for a part. A store that indexes what it writes as it writes it has
    /// nothing to do.
    async fn index_new(&self, rooms: &[RoomId], count: i64) -> StoreResult<Vec<search::Behind>> {
        let _ = (rooms, count);
        Ok(Vec::new())
    }

    /// Rooms with messages that [`Store::index_new`] has not come to, whoever wrote them; at most `limit`.
    async fn rooms_behind_index(&self, limit: i64) -> StoreResult<Vec<RoomId>> {
        let _ = limit;
        Ok(Vec::new())
    }

    // --- writes

    /// Writes a batch: locks the heads, then judges and numbers each room's changes in order, and commits.
    ///
    /// With several rooms the locks are taken with SKIP LOCKED and a room not got is [`rows`]' `Locked`; with one
    /// room the lock is waited for up to [`crate::limits::LOCK_WAIT_MS`], then `Unavailable`.
    /// For each post, in this order: a repeat of `(room, author, client_id)`, also within the batch, answers with the
    /// first seq and its own reply; then membership and role; then whether the room takes anything (`room_archived`);
    /// then `over_rate`; then `reply_to`. A post that prompts
    /// inserts its reply (`queued`, the next seq and version) unless the room has
    /// [`crate::limits::REPLIES_PER_ROOM`] unsettled ones (`reply_refused`). The members it mentions are found among
    /// those of the room, never its author; each is noted for counting.
    /// After membership an archived room refuses ([`changes::Change::adds_to_room`]) with `room_archived`.
    /// An edit, a deletion and a mark are judged in this order: membership; that the message is there and not deleted
    /// (`message_not_found`; a deletion of what is deleted changes nothing); the right to it; that no reply is in the
    /// way (`reply_running`); that it changes anything (otherwise no version is taken); `if_version`; the bounds
    /// (`too_many`). A deletion takes the text wherever it is kept: former texts, variants, marks, chunks.
    /// An edit that asks again begins another variant of each reply that is not deleted; what is in the way of one refuses it all.
    /// Nobody who is banned becomes a member (`banned`; by an invite that does not work `invite_invalid`, as everybody),
    /// whichever way and whoever does it.
    /// A deleted room refuses everything (`room_not_found`).
    /// A refused change takes no version and does not fail the others.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when nothing was committed, [`StoreError::CommitUnknown`] when that is not known:
    /// then call again with the same batch and `rerun: true`. [`StoreError::Broken`]: one of the changes cannot be
    /// stored; bisect.
    async fn apply(&self, batch: Batch) -> StoreResult<Applied>;

    /// The same, but a room that is locked is `Locked` also when it is the only one: for a caller with others to write
    /// meanwhile. A database without locks of rooms has nothing to skip.
    ///
    /// # Errors
    /// As [`Store::apply`].
    async fn apply_unless_locked(&self, batch: Batch) -> StoreResult<Applied> {
        self.apply(batch).await
    }

    // --- replies

    /// Takes up to `limit` replies that wait, in the order of [`queue`] and within `caps`: queued ones, and streaming
    /// ones whose lease ran out before anything was shown (those under the next attempt). Each comes back `streaming`,
    /// leased to `owner` for `limits::LEASE_MS` of database time. Attempts count from 1. Two that claim at once take one
    /// after the other, so the caps hold.
    async fn claim_replies(
        &self,
        owner: InstanceId,
        limit: i64,
        caps: ReplyCaps,
    ) -> StoreResult<Vec<ClaimedReply>> {
        self.claim_replies_but(owner, limit, caps, &[]).await
    }

    /// The same, but none of these; they keep their turns.
    async fn claim_replies_but(
        &self,
        owner: InstanceId,
        limit: i64,
        caps: ReplyCaps,
        except: &[(RoomId, Seq)],
    ) -> StoreResult<Vec<ClaimedReply>>;

    /// The queued replies of these rooms, at most [`crate::limits::QUEUE_TOLD`] of each, each with its place in the whole
    /// queue: by room, then place.
    async fn queued_replies(&self, rooms: &[RoomId]) -> StoreResult<Vec<QueuedReply>>;

    /// Notes that text of this attempt is about to be shown, and from which message on its prompt was told where older ones were left
    /// out; false when the attempt is no longer `owner`'s.
    async fn mark_shown(
        &self,
        owner: InstanceId,
        room: RoomId,
        seq: Seq,
        attempt: Attempt,
        context_from: Option<Seq>,
    ) -> StoreResult<bool>;

    /// Appends chunks, renews the leases and tells of each whether it is still held and asked to stop, all in
    /// one statement, in their order. An expired lease nobody took may be renewed. One that is being changed is not waited for.
    async fn append_chunks(
        &self,
        owner: InstanceId,
        appends: Vec<ChunkAppend>,
    ) -> StoreResult<Vec<LeaseState>>;

    /// Gives back claimed replies of which nothing was shown: queued again, for anyone, the attempt kept counted. Those that
    /// somebody asked to stop meanwhile are not given back but named, and are still `owner`'s: to be settled at once.
    async fn release_replies(
        &self,
        owner: InstanceId,
        replies: &[(RoomId, Seq, Attempt)],
    ) -> StoreResult<Vec<(RoomId, Seq)>>;

    /// The saved chunks of an attempt from number `from` on, in order.
    async fn reply_chunks(
        &self,
        room: RoomId,
        seq: Seq,
        attempt: Attempt,
        from: ChunkNumber,
    ) -> StoreResult<Vec<ReplyChunk>>;

    /// The room's replies that are not settled, with their saved text, by seq.
    async fn running_replies(&self, room: RoomId) -> StoreResult<Vec<RunningReply>>;

    /// The slug of a room, deleted or not, for those who have only its id; it never changes.
    ///
    /// # Errors
    /// `room_not_found`.
    async fn room_slug(&self, room: RoomId) -> StoreResult<String>;

    /// Streaming replies whose lease has run out; at most `limit`.
    async fn expired_replies(&self, limit: i64) -> StoreResult<Vec<ExpiredReply>>;

    /// What a prompt is built from: the messages up to and including `prompt_seq`, the latest `limit` of them and at
    /// most `limits::CONTEXT_READ_BYTES` of text, ascending; no tombstones, no unsettled or empty replies.
    async fn context(
        &self,
        room: RoomId,
        prompt_seq: Seq,
        limit: i64,
    ) -> StoreResult<Vec<MessageRow>>;

    // --- jobs

    /// What of its messages a room keeps.
    async fn retention(&self, user: UserId, slug: &str) -> StoreResult<Keep>;

    /// Rooms that do not keep their oldest message, which may go, with their slugs; at most `limit`.
    async fn rooms_past_retention(&self, limit: i64) -> StoreResult<Vec<(RoomId, String)>>;

    /// Removes at most `limit` messages, with all kept beside them, of one room that was deleted `age_s` seconds ago or earlier,
    /// or, when it has none any more, all else it held but its slug and that it was deleted. Whether there was such a room:
    /// then there may be more.
    async fn purge_deleted_rooms(&self, age_s: i64, limit: i64) -> StoreResult<bool>;

    /// Removes what has run out.
    async fn sweep(&self) -> StoreResult<Swept>;
}
