//! The Postgres store: diesel-async over pooled connections, for one instance or many. Works behind `PgBouncer` 1.21 or
//! later in transaction mode: no session state, no LISTEN, no session locks. Built by `app`, called through [`Store`].
//!
//! One file per noun: [`accounts`] with [`account_ends`], [`sessions`], [`revocations`], [`tokens`], [`integrations`] with [`hooks`], [`rooms`], [`invites`], [`history`], [`search`] with
//! [`search_walk`] and [`search_index`], [`apply`] (all that takes a version), [`replies`], [`reading`], [`webhooks`], [`usage`] with [`usage_reports`], [`jobs`]. Below them [`pool`] (connections and
//! transactions), [`mod@statement`] (SQL as types), [`records`]
//! (rows as they come), [`errors`] and [`tls`]. [`migrate`] and [`durability`] stand beside.

mod account_ends;
mod account_store;
mod accounts;
mod administration;
mod apply;
mod assistants;
mod audit;
mod begin;
mod durability;
mod errors;
mod guest_upgrades;
mod history;
mod hooks;
mod identities;
mod integrations;
mod invites;
mod jobs;
mod migrate;
mod people_rooms;
mod pool;
mod purge;
mod reading;
mod records;
mod replies;
mod reply_queue;
mod revocations;
mod room_lists;
mod rooms;
mod run;
mod search;
mod search_index;
mod search_walk;
mod sessions;
mod statement;
mod tls;
mod tokens;
mod usage;
mod usage_reports;
mod variants;
mod webhooks;

use std::sync::Arc;

use async_trait::async_trait;
use secrecy::ExposeSecret;

pub use durability::ServerDescription;
pub use migrate::{describe, migrate, pending};
pub use pool::PostgresSettings;

use super::changes::{Applied, Batch, ChunkAppend, NewAccount, NewRoom, NewSession};
use super::invites::{BanRow, InviteRow, InviteView};
use super::queue::{QueuedReply, ReplyCaps};
use super::rows::{
    Changes, ClaimedReply, Credentials, EditRow, ExpiredReply, Head, HistoryPage, Identity, Keep,
    LatestPage, LeaseState, ListPlace, ListedRoom, MemberRow, MessageRow, Proof, PublicRoom,
    ReadMark, ReadMoved, ReplyChunk, RoomView, RunningReply, Unread, UserRow,
};
use super::search::{Behind, Search, SearchPage};
use super::{SignedIn, Store, StoreResult, Swept};
use crate::error::Refusal;
use crate::ids::{Attempt, ChunkNumber, InstanceId, RoomId, Seq, SessionId, UserId, Version};
use pool::Pools;
use run::run;
use statement::statement;

statement!(
    /// Whether anybody is there.
    Ping {} -> (i32,), "SELECT 1"
);

/// The store.
pub struct PostgresStore {
    pools: Arc<Pools>,
}

impl PostgresStore {
    /// A store that connects when it is first asked something: a database that is down makes a server that is not
    /// ready, not one that does not start.
    ///
    /// # Errors
    /// A sentence for the operator when the URL is not understood; never the URL itself.
    pub fn connect(settings: &PostgresSettings) -> Result<Arc<Self>, String> {
        let target = tls::Target::parse(settings.url.expose_secret())?;
        let pools = Arc::new(Pools::new(&target, settings)?);
        Ok(Arc::new(Self { pools }))
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn ping(&self) -> StoreResult<()> {
        run!(self, |pools| async {
            pools.reserved().await?.read(Ping {}).await.map(drop)
        })
    }

    async fn not_durable(&self) -> StoreResult<Vec<&'static str>> {
        run!(self, |pools| durability::not_durable(pools))
    }

    async fn create_account(
        &self,
        account: NewAccount,
        session: NewSession,
    ) -> StoreResult<SignedIn> {
        run!(self, |pools| accounts::create(pools, account, session))
    }

    async fn credentials(&self, name: &str) -> StoreResult<Option<Credentials>> {
        let name = name.to_owned();
        run!(self, |pools| accounts::credentials(pools, &name))
    }

    async fn create_session(&self, session: NewSession) -> StoreResult<SignedIn> {
        run!(self, |pools| sessions::create(pools, session))
    }

    async fn identity(&self, token_hash: &[u8; 32]) -> StoreResult<Option<Identity>> {
        let token_hash = *token_hash;
        run!(self, |pools| sessions::find(pools, &token_hash))
    }

    async fn delete_session(&self, session: SessionId) -> StoreResult<bool> {
        run!(self, |pools| sessions::delete(pools, session, None))
    }

    async fn create_ticket(
        &self,
        session: SessionId,
        ticket_hash: &[u8; 32],
        lifetime_s: i64,
    ) -> StoreResult<()> {
        let ticket_hash = *ticket_hash;
        run!(self, |pools| sessions::create_ticket(
            pools,
            session,
            &ticket_hash,
            lifetime_s
        ))
    }

    async fn redeem_ticket(&self, ticket_hash: &[u8; 32]) -> StoreResult<Option<Identity>> {
        let ticket_hash = *ticket_hash;
        run!(self, |pools| sessions::redeem_ticket(pools, &ticket_hash))
    }

    async fn assistant(&self) -> StoreResult<UserRow> {
        run!(self, |pools| accounts::assistant(pools))
    }

    async fn user_by_name(&self, name: &str) -> StoreResult<UserRow> {
        let name = name.to_owned();
        run!(self, |pools| accounts::by_name(pools, &name))
    }

    async fn fellows(&self, user: UserId, wanted: &[UserId]) -> StoreResult<Vec<UserRow>> {
        let wanted = wanted.to_vec();
        run!(self, |pools| people_rooms::fellows(pools, user, &wanted))
    }

    async fn create_room(&self, room: NewRoom, owner: UserId) -> StoreResult<RoomView> {
        run!(self, |pools| rooms::create(pools, room, owner))
    }

    async fn direct_room(
        &self,
        user: UserId,
        assistant: UserId,
        fresh: NewRoom,
    ) -> StoreResult<RoomView> {
        run!(self, |pools| rooms::direct(pools, user, assistant, fresh))
    }

    async fn people_room(
        &self,
        user: UserId,
        people: &[UserId],
        fresh: NewRoom,
    ) -> StoreResult<RoomView> {
        let people = people.to_vec();
        run!(self, |pools| people_rooms::find_or_make(
            pools, user, people, fresh
        ))
    }

    async fn rooms(
        &self,
        user: UserId,
        after: Option<ListPlace>,
        limit: i64,
    ) -> StoreResult<Vec<ListedRoom>> {
        run!(self, |pools| room_lists::own(pools, user, after, limit))
    }

    async fn public_rooms(
        &self,
        user: UserId,
        text: &str,
        after: Option<&str>,
        limit: i64,
    ) -> StoreResult<Vec<PublicRoom>> {
        let (text, after) = (text.to_owned(), after.map(str::to_owned));
        run!(self, |pools| room_lists::public(
            pools, user, text, after, limit
        ))
    }

    async fn set_muted(&self, user: UserId, slug: &str, muted: bool) -> StoreResult<()> {
        let slug = slug.to_owned();
        run!(self, |pools| room_lists::mute(pools, user, slug, muted))
    }

    async fn room(&self, user: UserId, slug: &str) -> StoreResult<RoomView> {
        let slug = slug.to_owned();
        run!(self, |pools| rooms::find(pools, user, &slug))
    }

    async fn join_room(&self, user: UserId, slug: &str) -> StoreResult<Proof> {
        let slug = slug.to_owned();
        run!(self, |pools| rooms::join(pools, user, &slug))
    }

    async fn prove(&self, wanted: &[(UserId, String)]) -> StoreResult<Vec<Result<Proof, Refusal>>> {
        let wanted = wanted.to_vec();
        run!(self, |pools| rooms::prove(pools, &wanted))
    }

    async fn members(
        &self,
        user: UserId,
        slug: &str,
        after: Option<UserId>,
        limit: i64,
    ) -> StoreResult<Vec<MemberRow>> {
        let slug = slug.to_owned();
        run!(self, |pools| rooms::members(
            pools, user, &slug, after, limit
        ))
    }

    async fn invite(&self, token_hash: &[u8; 32]) -> StoreResult<InviteView> {
        let token_hash = *token_hash;
        run!(self, |pools| invites::find(pools, &token_hash))
    }

    async fn invites(&self, user: UserId, slug: &str) -> StoreResult<Vec<InviteRow>> {
        let slug = slug.to_owned();
        run!(self, |pools| invites::list(pools, user, slug))
    }

    async fn bans(&self, user: UserId, slug: &str) -> StoreResult<Vec<BanRow>> {
        let slug = slug.to_owned();
        run!(self, |pools| invites::bans(pools, user, slug))
    }

    async fn unread(&self, members: &[(UserId, RoomId)]) -> StoreResult<Vec<Unread>> {
        let members = members.to_vec();
        run!(self, |pools| reading::unread_of(pools, &members))
    }

    async fn mark_read(&self, marks: &[ReadMark]) -> StoreResult<Vec<ReadMoved>> {
        let marks = marks.to_vec();
        run!(self, |pools| reading::mark(pools, &marks))
    }

    async fn heads(&self, rooms: &[RoomId]) -> StoreResult<Vec<Head>> {
        let rooms = rooms.to_vec();
        run!(self, |pools| history::heads(pools, &rooms))
    }

    async fn changes_after(
        &self,
        room: RoomId,
        after: Version,
        limit: i64,
    ) -> StoreResult<Changes> {
        run!(self, |pools| history::changes_after(
            pools, room, after, limit
        ))
    }

    async fn latest_page(&self, room: RoomId, limit: i64) -> StoreResult<LatestPage> {
        run!(self, |pools| history::latest_page(pools, room, limit))
    }

    async fn history(
        &self,
        user: UserId,
        slug: &str,
        before: Option<Seq>,
        limit: i64,
    ) -> StoreResult<HistoryPage> {
        let slug = slug.to_owned();
        run!(self, |pools| history::before(
            pools, user, &slug, before, limit
        ))
    }

    async fn history_after(
        &self,
        user: UserId,
        slug: &str,
        after: Seq,
        limit: i64,
    ) -> StoreResult<HistoryPage> {
        let slug = slug.to_owned();
        run!(self, |pools| history::after(
            pools, user, &slug, after, limit
        ))
    }

    async fn history_around(
        &self,
        user: UserId,
        slug: &str,
        seq: Seq,
        limit: i64,
    ) -> StoreResult<HistoryPage> {
        let slug = slug.to_owned();
        run!(self, |pools| history::around(
            pools, user, &slug, seq, limit
        ))
    }

    async fn message(&self, user: UserId, slug: &str, seq: Seq) -> StoreResult<MessageRow> {
        let slug = slug.to_owned();
        run!(self, |pools| history::message(pools, user, &slug, seq))
    }

    async fn edits(&self, user: UserId, slug: &str, seq: Seq) -> StoreResult<Vec<EditRow>> {
        let slug = slug.to_owned();
        run!(self, |pools| history::edits(pools, user, &slug, seq))
    }

    async fn pins(&self, user: UserId, slug: &str) -> StoreResult<Vec<MessageRow>> {
        let slug = slug.to_owned();
        run!(self, |pools| history::pins(pools, user, &slug))
    }

    async fn search(&self, user: UserId, search: Search) -> StoreResult<SearchPage> {
        run!(self, |pools| search::search(pools, user, search))
    }

    async fn index_older(&self, count: i64) -> StoreResult<bool> {
        run!(self, |pools| search_index::index_older(pools, count))
    }

    async fn index_new(&self, rooms: &[RoomId], count: i64) -> StoreResult<Vec<Behind>> {
        let rooms = rooms.to_vec();
        run!(self, |pools| search_index::index_new(pools, &rooms, count))
    }

    async fn rooms_behind_index(&self, limit: i64) -> StoreResult<Vec<RoomId>> {
        run!(self, |pools| search_index::rooms_behind(pools, limit))
    }

    async fn apply(&self, batch: Batch) -> StoreResult<Applied> {
        run!(self, |pools| apply::apply(pools, &batch))
    }

    async fn apply_unless_locked(&self, batch: Batch) -> StoreResult<Applied> {
        run!(self, |pools| apply::apply_unless_locked(pools, &batch))
    }

    async fn claim_replies_but(
        &self,
        owner: InstanceId,
        limit: i64,
        caps: ReplyCaps,
        except: &[(RoomId, Seq)],
    ) -> StoreResult<Vec<ClaimedReply>> {
        let except = except.to_vec();
        run!(self, |pools| reply_queue::claim(
            pools, owner, limit, caps, except
        ))
    }

    async fn queued_replies(&self, rooms: &[RoomId]) -> StoreResult<Vec<QueuedReply>> {
        let rooms = rooms.to_vec();
        run!(self, |pools| reply_queue::queued(pools, rooms))
    }

    async fn mark_shown(
        &self,
        owner: InstanceId,
        room: RoomId,
        seq: Seq,
        attempt: Attempt,
        context_from: Option<Seq>,
    ) -> StoreResult<bool> {
        run!(self, |pools| replies::mark_shown(
            pools,
            owner,
            (room, seq, attempt),
            context_from
        ))
    }

    async fn append_chunks(
        &self,
        owner: InstanceId,
        appends: Vec<ChunkAppend>,
    ) -> StoreResult<Vec<LeaseState>> {
        run!(self, |pools| replies::append(pools, owner, appends))
    }

    async fn release_replies(
        &self,
        owner: InstanceId,
        replies: &[(RoomId, Seq, Attempt)],
    ) -> StoreResult<Vec<(RoomId, Seq)>> {
        let replies = replies.to_vec();
        run!(self, |pools| replies::release(pools, owner, &replies))
    }

    async fn reply_chunks(
        &self,
        room: RoomId,
        seq: Seq,
        attempt: Attempt,
        from: ChunkNumber,
    ) -> StoreResult<Vec<ReplyChunk>> {
        run!(self, |pools| replies::chunks(
            pools, room, seq, attempt, from
        ))
    }

    async fn running_replies(&self, room: RoomId) -> StoreResult<Vec<RunningReply>> {
        run!(self, |pools| replies::running(pools, room))
    }

    async fn room_slug(&self, room: RoomId) -> StoreResult<String> {
        run!(self, |pools| rooms::slug(pools, room))
    }

    async fn expired_replies(&self, limit: i64) -> StoreResult<Vec<ExpiredReply>> {
        run!(self, |pools| replies::expired(pools, limit))
    }

    async fn context(
        &self,
        room: RoomId,
        prompt_seq: Seq,
        limit: i64,
    ) -> StoreResult<Vec<MessageRow>> {
        run!(self, |pools| history::context(
            pools, room, prompt_seq, limit
        ))
    }

    async fn retention(&self, user: UserId, slug: &str) -> StoreResult<Keep> {
        let slug = slug.to_owned();
        run!(self, |pools| jobs::retention(pools, user, &slug))
    }

    async fn rooms_past_retention(&self, limit: i64) -> StoreResult<Vec<(RoomId, String)>> {
        run!(self, |pools| jobs::past_retention(pools, limit))
    }

    async fn purge_deleted_rooms(&self, age_s: i64, limit: i64) -> StoreResult<bool> {
        run!(self, |pools| purge::purge(pools, age_s, limit))
    }

    async fn sweep(&self) -> StoreResult<Swept> {
        run!(self, |pools| jobs::sweep(pools))
    }
}
