//! The [`Store`] contract on SQLite: which unit of work each method is, and which connection it runs on. Nothing
//! else: the SQL is in the nouns' files.

use async_trait::async_trait;

use super::{
    SqliteStore, accounts, apply, history, invites, jobs, members, messages, purge, reading,
    replies, room_lists, rooms, runners, search, sessions,
};
use crate::db::changes::{Applied, Batch, ChunkAppend, NewAccount, NewRoom, NewSession};
use crate::db::invites::{BanRow, InviteRow, InviteView};
use crate::db::queue::{QueuedReply, ReplyCaps};
use crate::db::rows::{
    Changes, ClaimedReply, Credentials, EditRow, ExpiredReply, Head, HistoryPage, Identity, Keep,
    LatestPage, LeaseState, ListPlace, ListedRoom, MemberRow, MessageRow, Proof, PublicRoom,
    ReadMark, ReadMoved, ReplyChunk, RoomView, RunningReply, Unread, UserRow,
};
use crate::db::search::{Search, SearchPage};
use crate::db::{SignedIn, Store, StoreResult, Swept};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{Attempt, ChunkNumber, InstanceId, RoomId, Seq, SessionId, UserId, Version};

#[async_trait]
impl Store for SqliteStore {
    async fn ping(&self) -> StoreResult<()> {
        self.read_reserved(rooms::ping).await
    }

    async fn create_account(
        &self,
        account: NewAccount,
        session: NewSession,
    ) -> StoreResult<SignedIn> {
        self.write(move |conn| accounts::create(conn, &account, &session))
            .await
    }

    async fn credentials(&self, name: &str) -> StoreResult<Option<Credentials>> {
        let name = name.to_owned();
        self.read(move |conn| accounts::credentials(conn, &name))
            .await
    }

    async fn create_session(&self, session: NewSession) -> StoreResult<SignedIn> {
        self.write(move |conn| sessions::create(conn, &session))
            .await
    }

    async fn identity(&self, token_hash: &[u8; 32]) -> StoreResult<Option<Identity>> {
        let token_hash = *token_hash;
        self.read(move |conn| sessions::identity(conn, &token_hash))
            .await
    }

    async fn delete_session(&self, session: SessionId) -> StoreResult<bool> {
        self.write(move |conn| sessions::delete(conn, session, None))
            .await
    }

    async fn create_ticket(
        &self,
        session: SessionId,
        ticket_hash: &[u8; 32],
        lifetime_s: i64,
    ) -> StoreResult<()> {
        let ticket_hash = *ticket_hash;
        self.write(move |conn| sessions::create_ticket(conn, session, &ticket_hash, lifetime_s))
            .await
    }

    async fn redeem_ticket(&self, ticket_hash: &[u8; 32]) -> StoreResult<Option<Identity>> {
        let ticket_hash = *ticket_hash;
        self.write(move |conn| sessions::redeem_ticket(conn, &ticket_hash))
            .await
    }

    async fn assistant(&self) -> StoreResult<UserRow> {
        self.read(accounts::assistant).await
    }

    async fn user_by_name(&self, name: &str) -> StoreResult<UserRow> {
        let name = name.to_owned();
        self.read(move |conn| accounts::by_name(conn, &name)).await
    }

    async fn fellows(&self, user: UserId, wanted: &[UserId]) -> StoreResult<Vec<UserRow>> {
        let wanted = wanted.to_vec();
        self.read(move |conn| members::fellows(conn, user, &wanted))
            .await
    }

    async fn create_room(&self, room: NewRoom, owner: UserId) -> StoreResult<RoomView> {
        self.write(move |conn| rooms::create(conn, &room, owner))
            .await
    }

    async fn direct_room(
        &self,
        user: UserId,
        assistant: UserId,
        fresh: NewRoom,
    ) -> StoreResult<RoomView> {
        self.write(move |conn| rooms::direct(conn, user, assistant, &fresh))
            .await
    }

    async fn people_room(
        &self,
        user: UserId,
        people: &[UserId],
        fresh: NewRoom,
    ) -> StoreResult<RoomView> {
        let people = people.to_vec();
        self.write(move |conn| room_lists::people_room(conn, user, &people, &fresh))
            .await
    }

    async fn rooms(
        &self,
        user: UserId,
        after: Option<ListPlace>,
        limit: i64,
    ) -> StoreResult<Vec<ListedRoom>> {
        self.read(move |conn| room_lists::own(conn, user, after, limit))
            .await
    }

    async fn public_rooms(
        &self,
        user: UserId,
        text: &str,
        after: Option<&str>,
        limit: i64,
    ) -> StoreResult<Vec<PublicRoom>> {
        let (text, after) = (text.to_owned(), after.map(str::to_owned));
        self.read(move |conn| room_lists::public(conn, user, &text, after.as_deref(), limit))
            .await
    }

    async fn set_muted(&self, user: UserId, slug: &str, muted: bool) -> StoreResult<()> {
        let slug = slug.to_owned();
        self.write(move |conn| room_lists::mute(conn, user, &slug, muted))
            .await
    }

    async fn room(&self, user: UserId, slug: &str) -> StoreResult<RoomView> {
        let slug = slug.to_owned();
        self.read(move |conn| rooms::visible(conn, user, &slug))
            .await
    }

    async fn join_room(&self, user: UserId, slug: &str) -> StoreResult<Proof> {
        let slug = slug.to_owned();
        // Most joins are by members already: they need no writer.
        let known = slug.clone();
        let found = self
            .read(move |conn| members::prove(conn, user, &known))
            .await?;
        match found {
            Ok(proof) => Ok(proof),
            Err(refusal) if refusal.code == ErrorCode::NotAMember => {
                self.write(move |conn| members::join(conn, user, &slug))
                    .await
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    async fn prove(&self, wanted: &[(UserId, String)]) -> StoreResult<Vec<Result<Proof, Refusal>>> {
        let wanted = wanted.to_vec();
        self.read(move |conn| {
            wanted
                .iter()
                .map(|(user, slug)| members::prove(conn, *user, slug))
                .collect()
        })
        .await
    }

    async fn members(
        &self,
        user: UserId,
        slug: &str,
        after: Option<UserId>,
        limit: i64,
    ) -> StoreResult<Vec<MemberRow>> {
        let slug = slug.to_owned();
        self.read(move |conn| members::list(conn, user, &slug, after, limit))
            .await
    }

    async fn invite(&self, token_hash: &[u8; 32]) -> StoreResult<InviteView> {
        let token_hash = *token_hash;
        self.read(move |conn| invites::find(conn, &token_hash))
            .await
    }

    async fn invites(&self, user: UserId, slug: &str) -> StoreResult<Vec<InviteRow>> {
        let slug = slug.to_owned();
        self.read(move |conn| invites::list(conn, user, &slug))
            .await
    }

    async fn bans(&self, user: UserId, slug: &str) -> StoreResult<Vec<BanRow>> {
        let slug = slug.to_owned();
        self.read(move |conn| invites::bans(conn, user, &slug))
            .await
    }

    async fn unread(&self, members: &[(UserId, RoomId)]) -> StoreResult<Vec<Unread>> {
        let members = members.to_vec();
        self.read(move |conn| reading::unread_of(conn, &members))
            .await
    }

    async fn mark_read(&self, marks: &[ReadMark]) -> StoreResult<Vec<ReadMoved>> {
        let marks = marks.to_vec();
        self.write(move |conn| reading::mark(conn, &marks)).await
    }

    async fn heads(&self, rooms: &[RoomId]) -> StoreResult<Vec<Head>> {
        let wanted = rooms.to_vec();
        self.read_reserved(move |conn| rooms::heads(conn, &wanted))
            .await
    }

    async fn changes_after(
        &self,
        room: RoomId,
        after: Version,
        limit: i64,
    ) -> StoreResult<Changes> {
        self.read(move |conn| history::changes_after(conn, room, after, limit))
            .await
    }

    async fn latest_page(&self, room: RoomId, limit: i64) -> StoreResult<LatestPage> {
        self.read(move |conn| history::latest_page(conn, room, limit))
            .await
    }

    async fn history(
        &self,
        user: UserId,
        slug: &str,
        before: Option<Seq>,
        limit: i64,
    ) -> StoreResult<HistoryPage> {
        let slug = slug.to_owned();
        self.read(move |conn| history::before(conn, user, &slug, before, limit))
            .await
    }

    async fn history_after(
        &self,
        user: UserId,
        slug: &str,
        after: Seq,
        limit: i64,
    ) -> StoreResult<HistoryPage> {
        let slug = slug.to_owned();
        self.read(move |conn| history::after(conn, user, &slug, after, limit))
            .await
    }

    async fn history_around(
        &self,
        user: UserId,
        slug: &str,
        seq: Seq,
        limit: i64,
    ) -> StoreResult<HistoryPage> {
        let slug = slug.to_owned();
        self.read(move |conn| history::around(conn, user, &slug, seq, limit))
            .await
    }

    async fn message(&self, user: UserId, slug: &str, seq: Seq) -> StoreResult<MessageRow> {
        let slug = slug.to_owned();
        self.read(move |conn| history::message(conn, user, &slug, seq))
            .await
    }

    async fn edits(&self, user: UserId, slug: &str, seq: Seq) -> StoreResult<Vec<EditRow>> {
        let slug = slug.to_owned();
        self.read(move |conn| history::edits(conn, user, &slug, seq))
            .await
    }

    async fn pins(&self, user: UserId, slug: &str) -> StoreResult<Vec<MessageRow>> {
        let slug = slug.to_owned();
        self.read(move |conn| history::pins(conn, user, &slug))
            .await
    }

    async fn search(&self, user: UserId, search: Search) -> StoreResult<SearchPage> {
        self.read(move |conn| search::search(conn, user, &search))
            .await
    }

    async fn index_older(&self, count: i64) -> StoreResult<bool> {
        // All was indexed when the file was opened.
        let _ = count;
        Ok(false)
    }

    async fn apply(&self, batch: Batch) -> StoreResult<Applied> {
        self.write(move |conn| apply::apply(conn, &batch)).await
    }

    async fn claim_replies_but(
        &self,
        owner: InstanceId,
        limit: i64,
        caps: ReplyCaps,
        except: &[(RoomId, Seq)],
    ) -> StoreResult<Vec<ClaimedReply>> {
        let except = except.to_vec();
        self.write(move |conn| runners::claim(conn, owner, limit, caps, &except))
            .await
    }

    async fn queued_replies(&self, rooms: &[RoomId]) -> StoreResult<Vec<QueuedReply>> {
        let rooms = rooms.to_vec();
        self.read(move |conn| runners::queued(conn, &rooms)).await
    }

    async fn mark_shown(
        &self,
        owner: InstanceId,
        room: RoomId,
        seq: Seq,
        attempt: Attempt,
        context_from: Option<Seq>,
    ) -> StoreResult<bool> {
        self.write(move |conn| runners::mark_shown(conn, owner, (room, seq, attempt), context_from))
            .await
    }

    async fn append_chunks(
        &self,
        owner: InstanceId,
        appends: Vec<ChunkAppend>,
    ) -> StoreResult<Vec<LeaseState>> {
        self.write(move |conn| runners::append(conn, owner, &appends))
            .await
    }

    async fn release_replies(
        &self,
        owner: InstanceId,
        replies: &[(RoomId, Seq, Attempt)],
    ) -> StoreResult<Vec<(RoomId, Seq)>> {
        let given_back = replies.to_vec();
        self.write(move |conn| runners::release(conn, owner, &given_back))
            .await
    }

    async fn reply_chunks(
        &self,
        room: RoomId,
        seq: Seq,
        attempt: Attempt,
        from: ChunkNumber,
    ) -> StoreResult<Vec<ReplyChunk>> {
        self.read(move |conn| replies::chunks(conn, room, seq, attempt, from))
            .await
    }

    async fn running_replies(&self, room: RoomId) -> StoreResult<Vec<RunningReply>> {
        self.read(move |conn| replies::running(conn, room)).await
    }

    async fn room_slug(&self, room: RoomId) -> StoreResult<String> {
        self.read(move |conn| rooms::slug(conn, room)).await
    }

    async fn expired_replies(&self, limit: i64) -> StoreResult<Vec<ExpiredReply>> {
        self.read(move |conn| replies::expired(conn, limit)).await
    }

    async fn context(
        &self,
        room: RoomId,
        prompt_seq: Seq,
        limit: i64,
    ) -> StoreResult<Vec<MessageRow>> {
        self.read(move |conn| messages::context(conn, room, prompt_seq, limit))
            .await
    }

    async fn retention(&self, user: UserId, slug: &str) -> StoreResult<Keep> {
        let slug = slug.to_owned();
        self.read(move |conn| jobs::retention(conn, user, &slug))
            .await
    }

    async fn rooms_past_retention(&self, limit: i64) -> StoreResult<Vec<(RoomId, String)>> {
        self.read(move |conn| jobs::past_retention(conn, limit))
            .await
    }

    async fn purge_deleted_rooms(&self, age_s: i64, limit: i64) -> StoreResult<bool> {
        self.write(move |conn| purge::purge(conn, age_s, limit))
            .await
    }

    async fn sweep(&self) -> StoreResult<Swept> {
        self.write(jobs::sweep).await
    }
}
