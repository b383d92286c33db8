//! The [`Store`] contract on the model: which table operation each unit of work is.

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
use salon::error::{ErrorCode, Refusal};
use salon::ids::{Attempt, ChunkNumber, InstanceId, RoomId, Seq, SessionId, UserId, Version};

use super::{ModelStore, no};

#[async_trait]
impl Store for ModelStore {
    async fn ping(&self) -> StoreResult<()> {
        Ok(())
    }

    async fn create_account(
        &self,
        account: NewAccount,
        session: NewSession,
    ) -> StoreResult<SignedIn> {
        self.unit(|tables, now| tables.create_account(account, &session, now))
    }

    async fn credentials(&self, name: &str) -> StoreResult<Option<Credentials>> {
        self.unit(|tables, _| tables.credentials(name))
    }

    async fn create_session(&self, session: NewSession) -> StoreResult<SignedIn> {
        self.unit(|tables, now| tables.create_session(&session, now))
    }

    async fn identity(&self, token_hash: &[u8; 32]) -> StoreResult<Option<Identity>> {
        Ok(self.unit(|tables, now| tables.identity(token_hash, now)))
    }

    async fn delete_session(&self, session: SessionId) -> StoreResult<bool> {
        Ok(self.unit(|tables, now| tables.delete_session(session, now)))
    }

    async fn create_ticket(
        &self,
        session: SessionId,
        ticket_hash: &[u8; 32],
        lifetime_s: i64,
    ) -> StoreResult<()> {
        self.unit(|tables, now| tables.create_ticket(session, ticket_hash, lifetime_s, now))
    }

    async fn redeem_ticket(&self, ticket_hash: &[u8; 32]) -> StoreResult<Option<Identity>> {
        Ok(self.unit(|tables, now| tables.redeem_ticket(ticket_hash, now)))
    }

    async fn assistant(&self) -> StoreResult<UserRow> {
        self.unit(|tables, _| tables.assistant())
    }

    async fn user_by_name(&self, name: &str) -> StoreResult<UserRow> {
        self.unit(|tables, _| tables.user_by_name(name))
    }

    async fn fellows(&self, user: UserId, wanted: &[UserId]) -> StoreResult<Vec<UserRow>> {
        self.unit(|tables, _| Ok(tables.fellows(user, wanted)))
    }

    async fn create_room(&self, room: NewRoom, owner: UserId) -> StoreResult<RoomView> {
        self.unit(|tables, now| tables.create_room(&room, owner, now))
    }

    async fn direct_room(
        &self,
        user: UserId,
        assistant: UserId,
        fresh: NewRoom,
    ) -> StoreResult<RoomView> {
        self.unit(|tables, now| tables.direct_room(user, assistant, &fresh, now))
    }

    async fn people_room(
        &self,
        user: UserId,
        people: &[UserId],
        fresh: NewRoom,
    ) -> StoreResult<RoomView> {
        self.unit(|tables, now| tables.people_room(user, people, &fresh, now))
    }

    async fn rooms(
        &self,
        user: UserId,
        after: Option<ListPlace>,
        limit: i64,
    ) -> StoreResult<Vec<ListedRoom>> {
        Ok(self.unit(|tables, _| tables.list_rooms(user, after.as_ref(), limit)))
    }

    async fn public_rooms(
        &self,
        user: UserId,
        text: &str,
        after: Option<&str>,
        limit: i64,
    ) -> StoreResult<Vec<PublicRoom>> {
        Ok(self.unit(|tables, _| tables.public_rooms(user, text, after, limit)))
    }

    async fn set_muted(&self, user: UserId, slug: &str, muted: bool) -> StoreResult<()> {
        self.unit(|tables, _| tables.set_muted(user, slug, muted))
    }

    async fn room(&self, user: UserId, slug: &str) -> StoreResult<RoomView> {
        self.unit(|tables, _| Ok(tables.visible(user, slug)?.view(user)))
    }

    async fn join_room(&self, user: UserId, slug: &str) -> StoreResult<Proof> {
        self.unit(|tables, _| tables.join(user, slug))
    }

    async fn prove(&self, wanted: &[(UserId, String)]) -> StoreResult<Vec<Result<Proof, Refusal>>> {
        Ok(self.unit(|tables, _| {
            let wanted = wanted.iter();
            wanted
                .map(|(user, slug)| tables.prove(*user, slug))
                .collect()
        }))
    }

    async fn members(
        &self,
        user: UserId,
        slug: &str,
        after: Option<UserId>,
        limit: i64,
    ) -> StoreResult<Vec<MemberRow>> {
        self.unit(|tables, _| tables.list_members(user, slug, after, limit))
    }

    async fn invite(&self, token_hash: &[u8; 32]) -> StoreResult<InviteView> {
        self.unit(|tables, now| tables.invite(token_hash, now))
    }

    async fn invites(&self, user: UserId, slug: &str) -> StoreResult<Vec<InviteRow>> {
        self.unit(|tables, now| tables.invites(user, slug, now))
    }

    async fn bans(&self, user: UserId, slug: &str) -> StoreResult<Vec<BanRow>> {
        self.unit(|tables, _| tables.bans(user, slug))
    }

    async fn unread(&self, members: &[(UserId, RoomId)]) -> StoreResult<Vec<Unread>> {
        Ok(self.unit(|tables, _| tables.unread(members)))
    }

    async fn mark_read(&self, marks: &[ReadMark]) -> StoreResult<Vec<ReadMoved>> {
        Ok(self.unit(|tables, _| tables.mark_read(marks)))
    }

    async fn heads(&self, rooms: &[RoomId]) -> StoreResult<Vec<Head>> {
        Ok(self.unit(|tables, _| {
            let known = rooms.iter().filter_map(|room| tables.rooms.get(room));
            known.map(|room| room.head).collect()
        }))
    }

    async fn changes_after(
        &self,
        room: RoomId,
        after: Version,
        limit: i64,
    ) -> StoreResult<Changes> {
        self.unit(|tables, _| tables.changes_after(room, after, limit))
    }

    async fn latest_page(&self, room: RoomId, limit: i64) -> StoreResult<LatestPage> {
        self.unit(|tables, _| tables.latest_page(room, limit))
    }

    async fn history(
        &self,
        user: UserId,
        slug: &str,
        before: Option<Seq>,
        limit: i64,
    ) -> StoreResult<HistoryPage> {
        self.unit(|tables, _| tables.history(user, slug, before, limit))
    }

    async fn history_after(
        &self,
        user: UserId,
        slug: &str,
        after: Seq,
        limit: i64,
    ) -> StoreResult<HistoryPage> {
        self.unit(|tables, _| tables.history_after(user, slug, after, limit))
    }

    async fn history_around(
        &self,
        user: UserId,
        slug: &str,
        seq: Seq,
        limit: i64,
    ) -> StoreResult<HistoryPage> {
        self.unit(|tables, _| tables.history_around(user, slug, seq, limit))
    }

    async fn message(&self, user: UserId, slug: &str, seq: Seq) -> StoreResult<MessageRow> {
        self.unit(|tables, _| tables.message(user, slug, seq))
    }

    async fn edits(&self, user: UserId, slug: &str, seq: Seq) -> StoreResult<Vec<EditRow>> {
        self.unit(|tables, _| tables.edits(user, slug, seq))
    }

    async fn pins(&self, user: UserId, slug: &str) -> StoreResult<Vec<MessageRow>> {
        self.unit(|tables, _| tables.pins(user, slug))
    }

    async fn search(&self, user: UserId, search: Search) -> StoreResult<SearchPage> {
        Ok(self.unit(|tables, _| tables.search(user, &search)))
    }

    async fn index_older(&self, count: i64) -> StoreResult<bool> {
        let _ = count;
        Ok(false)
    }

    async fn apply(&self, batch: Batch) -> StoreResult<Applied> {
        self.apply_now(&batch)
    }

    async fn claim_replies_but(
        &self,
        owner: InstanceId,
        limit: i64,
        caps: ReplyCaps,
        except: &[(RoomId, Seq)],
    ) -> StoreResult<Vec<ClaimedReply>> {
        Ok(self.unit(|tables, now| tables.claim_replies(owner, limit, caps, except, now)))
    }

    async fn queued_replies(&self, rooms: &[RoomId]) -> StoreResult<Vec<QueuedReply>> {
        Ok(self.unit(|tables, now| tables.queued_replies(rooms, now)))
    }

    async fn mark_shown(
        &self,
        owner: InstanceId,
        room: RoomId,
        seq: Seq,
        attempt: Attempt,
        context_from: Option<Seq>,
    ) -> StoreResult<bool> {
        Ok(self.unit(|tables, _| tables.mark_shown(owner, (room, seq, attempt), context_from)))
    }

    async fn append_chunks(
        &self,
        owner: InstanceId,
        appends: Vec<ChunkAppend>,
    ) -> StoreResult<Vec<LeaseState>> {
        self.unit(|tables, now| tables.append_chunks(owner, appends, now))
    }

    async fn release_replies(
        &self,
        owner: InstanceId,
        replies: &[(RoomId, Seq, Attempt)],
    ) -> StoreResult<Vec<(RoomId, Seq)>> {
        Ok(self.unit(|tables, _| tables.release_replies(owner, replies)))
    }

    async fn reply_chunks(
        &self,
        room: RoomId,
        seq: Seq,
        attempt: Attempt,
        from: ChunkNumber,
    ) -> StoreResult<Vec<ReplyChunk>> {
        Ok(self.unit(|tables, _| {
            let reply = tables
                .rooms
                .get(&room)
                .and_then(|room| room.replies.get(&seq));
            reply.map_or_else(Vec::new, |reply| reply.chunks(attempt, from))
        }))
    }

    async fn running_replies(&self, room: RoomId) -> StoreResult<Vec<RunningReply>> {
        Ok(self.unit(|tables, _| tables.running_replies(room)))
    }

    async fn room_slug(&self, room: RoomId) -> StoreResult<String> {
        self.unit(|tables, _| match tables.rooms.get(&room) {
            Some(room) => Ok(room.row.slug.clone()),
            None => no(ErrorCode::RoomNotFound),
        })
    }

    async fn expired_replies(&self, limit: i64) -> StoreResult<Vec<ExpiredReply>> {
        Ok(self.unit(|tables, now| tables.expired_replies(limit, now)))
    }

    async fn context(
        &self,
        room: RoomId,
        prompt_seq: Seq,
        limit: i64,
    ) -> StoreResult<Vec<MessageRow>> {
        Ok(self.unit(|tables, _| tables.context(room, prompt_seq, limit)))
    }

    async fn retention(&self, user: UserId, slug: &str) -> StoreResult<Keep> {
        self.unit(|tables, _| Ok(tables.of_member(user, slug)?.0.keep))
    }

    async fn rooms_past_retention(&self, limit: i64) -> StoreResult<Vec<(RoomId, String)>> {
        Ok(self.unit(|tables, now| tables.past_retention(limit, now)))
    }

    async fn purge_deleted_rooms(&self, age_s: i64, limit: i64) -> StoreResult<bool> {
        Ok(self.unit(|tables, now| tables.purge(age_s, limit, now)))
    }

    async fn sweep(&self) -> StoreResult<Swept> {
        Ok(self.unit(|tables, now| tables.sweep(now)))
    }
}
