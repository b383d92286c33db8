//! The [`Store`] contract on a simulated connection: which calls only read, which commit, which wait for a lock.

use async_trait::async_trait;
use salon::db::changes::{Applied, Batch, ChunkAppend, NewAccount, NewRoom, NewSession};
use salon::db::invites::{BanRow, InviteRow, InviteView};
use salon::db::queue::{QueuedReply, ReplyCaps};
use salon::db::rows::{
    Changes, ClaimedReply, Credentials, EditRow, ExpiredReply, Head, HistoryPage, Identity, Keep,
    LatestPage, LeaseState, ListPlace, ListedRoom, MemberRow, MessageRow, Proof, PublicRoom,
    ReadMark, ReadMoved, ReplyChunk, RoomView, RunningReply, Unread, UserRow,
};
use salon::db::search::{Search, SearchPage};
use salon::db::{SignedIn, Store, StoreResult, Swept};
use salon::error::Refusal;
use salon::ids::{Attempt, ChunkNumber, InstanceId, RoomId, Seq, SessionId, UserId, Version};

use super::database::{Fate, SimStore};

/// A call that reads.
macro_rules! read {
    ($store:ident.$($call:tt)*) => {{
        let fate = $store.arrive(false).await?;
        let answer = $store.database.model.$($call)*.await;
        $store.answer(fate, answer).await
    }};
}

/// A call that commits.
macro_rules! commit {
    ($store:ident.$($call:tt)*) => {{
        let fate = $store.arrive(true).await?;
        let answer = match fate {
            Fate::NotDone | Fate::Late => Err(super::database::unknown()),
            _ => $store.database.model.$($call)*.await,
        };
        $store.answer(fate, answer).await
    }};
}
pub(super) use {commit, read};

#[async_trait]
impl Store for SimStore {
    async fn ping(&self) -> StoreResult<()> {
        read!(self.ping())
    }

    async fn create_account(
        &self,
        account: NewAccount,
        session: NewSession,
    ) -> StoreResult<SignedIn> {
        commit!(self.create_account(account, session))
    }

    async fn credentials(&self, name: &str) -> StoreResult<Option<Credentials>> {
        read!(self.credentials(name))
    }

    async fn create_session(&self, session: NewSession) -> StoreResult<SignedIn> {
        commit!(self.create_session(session))
    }

    async fn identity(&self, token_hash: &[u8; 32]) -> StoreResult<Option<Identity>> {
        read!(self.identity(token_hash))
    }

    async fn delete_session(&self, session: SessionId) -> StoreResult<bool> {
        commit!(self.delete_session(session))
    }

    async fn create_ticket(
        &self,
        session: SessionId,
        ticket_hash: &[u8; 32],
        lifetime_s: i64,
    ) -> StoreResult<()> {
        commit!(self.create_ticket(session, ticket_hash, lifetime_s))
    }

    async fn redeem_ticket(&self, ticket_hash: &[u8; 32]) -> StoreResult<Option<Identity>> {
        commit!(self.redeem_ticket(ticket_hash))
    }

    async fn assistant(&self) -> StoreResult<UserRow> {
        read!(self.assistant())
    }

    async fn user_by_name(&self, name: &str) -> StoreResult<UserRow> {
        read!(self.user_by_name(name))
    }

    async fn fellows(&self, user: UserId, wanted: &[UserId]) -> StoreResult<Vec<UserRow>> {
        read!(self.fellows(user, wanted))
    }

    async fn create_room(&self, room: NewRoom, owner: UserId) -> StoreResult<RoomView> {
        commit!(self.create_room(room, owner))
    }

    async fn direct_room(
        &self,
        user: UserId,
        assistant: UserId,
        fresh: NewRoom,
    ) -> StoreResult<RoomView> {
        commit!(self.direct_room(user, assistant, fresh))
    }

    async fn people_room(
        &self,
        user: UserId,
        people: &[UserId],
        fresh: NewRoom,
    ) -> StoreResult<RoomView> {
        commit!(self.people_room(user, people, fresh))
    }

    async fn rooms(
        &self,
        user: UserId,
        after: Option<ListPlace>,
        limit: i64,
    ) -> StoreResult<Vec<ListedRoom>> {
        read!(self.rooms(user, after, limit))
    }

    async fn public_rooms(
        &self,
        user: UserId,
        text: &str,
        after: Option<&str>,
        limit: i64,
    ) -> StoreResult<Vec<PublicRoom>> {
        read!(self.public_rooms(user, text, after, limit))
    }

    async fn set_muted(&self, user: UserId, slug: &str, muted: bool) -> StoreResult<()> {
        commit!(self.set_muted(user, slug, muted))
    }

    async fn room(&self, user: UserId, slug: &str) -> StoreResult<RoomView> {
        read!(self.room(user, slug))
    }

    async fn join_room(&self, user: UserId, slug: &str) -> StoreResult<Proof> {
        let fate = self.arrive(true).await?;
        let room = self.database.model.room(user, slug).await;
        if let Ok(room) = room.as_ref().map(|view| view.room.id) {
            self.lock_room(room).await?;
        }
        let answer = match fate {
            Fate::NotDone | Fate::Late => Err(super::database::unknown()),
            _ => self.database.model.join_room(user, slug).await,
        };
        self.answer(fate, answer).await
    }

    async fn prove(&self, wanted: &[(UserId, String)]) -> StoreResult<Vec<Result<Proof, Refusal>>> {
        read!(self.prove(wanted))
    }

    async fn members(
        &self,
        user: UserId,
        slug: &str,
        after: Option<UserId>,
        limit: i64,
    ) -> StoreResult<Vec<MemberRow>> {
        read!(self.members(user, slug, after, limit))
    }

    async fn invite(&self, token_hash: &[u8; 32]) -> StoreResult<InviteView> {
        read!(self.invite(token_hash))
    }

    async fn invites(&self, user: UserId, slug: &str) -> StoreResult<Vec<InviteRow>> {
        read!(self.invites(user, slug))
    }

    async fn bans(&self, user: UserId, slug: &str) -> StoreResult<Vec<BanRow>> {
        read!(self.bans(user, slug))
    }

    async fn unread(&self, members: &[(UserId, RoomId)]) -> StoreResult<Vec<Unread>> {
        read!(self.unread(members))
    }

    async fn mark_read(&self, marks: &[ReadMark]) -> StoreResult<Vec<ReadMoved>> {
        commit!(self.mark_read(marks))
    }

    async fn heads(&self, rooms: &[RoomId]) -> StoreResult<Vec<Head>> {
        read!(self.heads(rooms))
    }

    async fn changes_after(
        &self,
        room: RoomId,
        after: Version,
        limit: i64,
    ) -> StoreResult<Changes> {
        read!(self.changes_after(room, after, limit))
    }

    async fn latest_page(&self, room: RoomId, limit: i64) -> StoreResult<LatestPage> {
        read!(self.latest_page(room, limit))
    }

    async fn history(
        &self,
        user: UserId,
        slug: &str,
        before: Option<Seq>,
        limit: i64,
    ) -> StoreResult<HistoryPage> {
        read!(self.history(user, slug, before, limit))
    }

    async fn history_after(
        &self,
        user: UserId,
        slug: &str,
        after: Seq,
        limit: i64,
    ) -> StoreResult<HistoryPage> {
        read!(self.history_after(user, slug, after, limit))
    }

    async fn history_around(
        &self,
        user: UserId,
        slug: &str,
        seq: Seq,
        limit: i64,
    ) -> StoreResult<HistoryPage> {
        read!(self.history_around(user, slug, seq, limit))
    }

    async fn message(&self, user: UserId, slug: &str, seq: Seq) -> StoreResult<MessageRow> {
        read!(self.message(user, slug, seq))
    }

    async fn edits(&self, user: UserId, slug: &str, seq: Seq) -> StoreResult<Vec<EditRow>> {
        read!(self.edits(user, slug, seq))
    }

    async fn pins(&self, user: UserId, slug: &str) -> StoreResult<Vec<MessageRow>> {
        read!(self.pins(user, slug))
    }

    async fn search(&self, user: UserId, search: Search) -> StoreResult<SearchPage> {
        read!(self.search(user, search))
    }

    async fn index_older(&self, count: i64) -> StoreResult<bool> {
        commit!(self.index_older(count))
    }

    async fn apply(&self, batch: Batch) -> StoreResult<Applied> {
        self.apply_batch(batch, false).await
    }

    async fn apply_unless_locked(&self, batch: Batch) -> StoreResult<Applied> {
        self.apply_batch(batch, true).await
    }

    async fn claim_replies_but(
        &self,
        owner: InstanceId,
        limit: i64,
        caps: ReplyCaps,
        except: &[(RoomId, Seq)],
    ) -> StoreResult<Vec<ClaimedReply>> {
        commit!(self.claim_replies_but(owner, limit, caps, except))
    }

    async fn queued_replies(&self, rooms: &[RoomId]) -> StoreResult<Vec<QueuedReply>> {
        read!(self.queued_replies(rooms))
    }

    async fn mark_shown(
        &self,
        owner: InstanceId,
        room: RoomId,
        seq: Seq,
        attempt: Attempt,
        context_from: Option<Seq>,
    ) -> StoreResult<bool> {
        commit!(self.mark_shown(owner, room, seq, attempt, context_from))
    }

    async fn append_chunks(
        &self,
        owner: InstanceId,
        appends: Vec<ChunkAppend>,
    ) -> StoreResult<Vec<LeaseState>> {
        commit!(self.append_chunks(owner, appends))
    }

    async fn release_replies(
        &self,
        owner: InstanceId,
        replies: &[(RoomId, Seq, Attempt)],
    ) -> StoreResult<Vec<(RoomId, Seq)>> {
        commit!(self.release_replies(owner, replies))
    }

    async fn reply_chunks(
        &self,
        room: RoomId,
        seq: Seq,
        attempt: Attempt,
        from: ChunkNumber,
    ) -> StoreResult<Vec<ReplyChunk>> {
        read!(self.reply_chunks(room, seq, attempt, from))
    }

    async fn running_replies(&self, room: RoomId) -> StoreResult<Vec<RunningReply>> {
        read!(self.running_replies(room))
    }

    async fn room_slug(&self, room: RoomId) -> StoreResult<String> {
        read!(self.room_slug(room))
    }

    async fn expired_replies(&self, limit: i64) -> StoreResult<Vec<ExpiredReply>> {
        read!(self.expired_replies(limit))
    }

    async fn context(
        &self,
        room: RoomId,
        prompt_seq: Seq,
        limit: i64,
    ) -> StoreResult<Vec<MessageRow>> {
        read!(self.context(room, prompt_seq, limit))
    }

    async fn retention(&self, user: UserId, slug: &str) -> StoreResult<Keep> {
        read!(self.retention(user, slug))
    }

    async fn rooms_past_retention(&self, limit: i64) -> StoreResult<Vec<(RoomId, String)>> {
        read!(self.rooms_past_retention(limit))
    }

    async fn purge_deleted_rooms(&self, age_s: i64, limit: i64) -> StoreResult<bool> {
        commit!(self.purge_deleted_rooms(age_s, limit))
    }

    async fn sweep(&self) -> StoreResult<Swept> {
        commit!(self.sweep())
    }
}
