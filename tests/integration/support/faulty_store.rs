//! A store with faults that a test injects into `apply`: each call takes the next [`Fault`] of the plan, and none when
//! the plan is empty. Everything else goes straight to the real store below.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use salon::db::changes::{
    Applied, Batch, Change, ChunkAppend, NewAccount, NewRoom, NewSession, RoomApplied,
};
use salon::db::invites::{BanRow, InviteRow, InviteView};
use salon::db::queue::{QueuedReply, ReplyCaps};
use salon::db::rows::{
    Changes, ClaimedReply, Credentials, EditRow, ExpiredReply, Head, HistoryPage, Identity, Keep,
    LatestPage, LeaseState, ListPlace, ListedRoom, MemberRow, MessageRow, Proof, PublicRoom,
    ReadMark, ReadMoved, ReplyChunk, RoomView, RunningReply, Unread, UserRow,
};
use salon::db::search::{Behind, Search, SearchPage};
use salon::db::{SignedIn, Store, StoreError, StoreResult, Swept};
use salon::error::Refusal;
use salon::ids::{Attempt, ChunkNumber, InstanceId, RoomId, Seq, SessionId, UserId, Version};
use tokio::sync::watch;

/// What happens to one call of `apply`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// None: the call goes through.
    Pass,
    /// Nothing is written, and the caller is told so.
    Unavailable,
    /// Everything is written, but the answer is lost.
    CommittedUnknown,
    /// Nothing is written, and the answer is lost.
    LostUnknown,
}

/// The store.
pub(crate) struct FaultyStore {
    pub(crate) inner: Arc<dyn Store>,
    plan: Mutex<VecDeque<Fault>>,
    /// What happens when the plan is empty.
    otherwise: Mutex<Fault>,
    /// A post with this body makes its whole batch `Broken`.
    poison: Mutex<Option<String>>,
    /// Rooms whose head another transaction holds: `Locked` in a batch of several, waited for when alone.
    locked: watch::Sender<HashSet<RoomId>>,
    /// While true, `apply` waits before it does anything.
    held: watch::Sender<bool>,
    applies: AtomicUsize,
    /// While true, `release_replies` waits; and how many do.
    held_back: watch::Sender<bool>,
    releases: watch::Sender<usize>,
    /// The method that panics.
    panics: Mutex<Option<&'static str>>,
}

impl FaultyStore {
    /// Over a real store, without faults.
    pub(crate) fn over(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            plan: Mutex::default(),
            otherwise: Mutex::new(Fault::Pass),
            poison: Mutex::default(),
            locked: watch::Sender::new(HashSet::new()),
            held: watch::Sender::new(false),
            applies: AtomicUsize::new(0),
            held_back: watch::Sender::new(false),
            releases: watch::Sender::new(0),
            panics: Mutex::default(),
        })
    }

    /// What the next calls meet, in order.
    pub(crate) fn plan(&self, faults: impl IntoIterator<Item = Fault>) {
        self.plan.lock().unwrap().extend(faults);
    }

    /// What calls beyond the plan meet.
    pub(crate) fn otherwise(&self, fault: Fault) {
        *self.otherwise.lock().unwrap() = fault;
    }

    /// A text that the database cannot store.
    pub(crate) fn poison(&self, body: &str) {
        *self.poison.lock().unwrap() = Some(body.to_owned());
    }

    /// Makes the next call of a method panic, on whatever task calls it: `assistant` or `history`.
    pub(crate) fn panic_in(&self, method: &'static str) {
        *self.panics.lock().unwrap() = Some(method);
    }

    fn may_panic(&self, method: &str) {
        let planned = self
            .panics
            .lock()
            .unwrap()
            .take_if(|named| *named == method);
        if planned.is_some() {
            panic!("injected in {method}");
        }
    }

    /// Another transaction takes a room's head.
    pub(crate) fn lock_room(&self, room: RoomId) {
        self.locked.send_modify(|locked| {
            locked.insert(room);
        });
    }

    /// It lets go.
    pub(crate) fn unlock_room(&self, room: RoomId) {
        self.locked.send_modify(|locked| {
            locked.remove(&room);
        });
    }

    /// Makes calls of `apply` wait, so that what is sent meanwhile gathers in one batch.
    pub(crate) fn hold(&self) {
        self.held.send_replace(true);
    }

    /// Lets them go on.
    pub(crate) fn release(&self) {
        self.held.send_replace(false);
    }

    /// Makes runners that give a reply back wait before they do.
    pub(crate) fn hold_releases(&self) {
        self.held_back.send_replace(true);
    }

    /// Waits until one does.
    pub(crate) async fn wait_for_release(&self) {
        let mut releases = self.releases.subscribe();
        releases.wait_for(|count| *count > 0).await.unwrap();
    }

    /// Lets them go on.
    pub(crate) fn let_releases_go(&self) {
        self.held_back.send_replace(false);
    }

    /// How often `apply` was called.
    pub(crate) fn applies(&self) -> usize {
        self.applies.load(Ordering::SeqCst)
    }

    async fn faulty_apply(&self, batch: Batch) -> StoreResult<Applied> {
        self.applies.fetch_add(1, Ordering::SeqCst);
        let _ = self.held.subscribe().wait_for(|held| !held).await;
        if self.is_poisoned(&batch) {
            return Err(StoreError::Broken("poison".into()));
        }
        let fault = self.plan.lock().unwrap().pop_front();
        let fault = fault.unwrap_or(*self.otherwise.lock().unwrap());
        match fault {
            Fault::Pass => self.apply_unlocked(batch).await,
            Fault::Unavailable => Err(StoreError::Unavailable("injected".into())),
            Fault::LostUnknown => Err(StoreError::CommitUnknown("injected".into())),
            Fault::CommittedUnknown => {
                self.apply_unlocked(batch).await?;
                Err(StoreError::CommitUnknown("injected".into()))
            }
        }
    }

    fn is_poisoned(&self, batch: &Batch) -> bool {
        let poison = self.poison.lock().unwrap();
        let mut changes = batch.rooms.iter().flat_map(|room| &room.changes);
        poison.as_ref().is_some_and(|poison| {
            changes.any(|change| matches!(change, Change::Post(post) if post.body == *poison))
        })
    }

    /// SKIP LOCKED for several rooms, waiting for one.
    async fn apply_unlocked(&self, batch: Batch) -> StoreResult<Applied> {
        if batch.rooms.len() == 1 {
            let room = batch.rooms[0].room;
            let mut locked = self.locked.subscribe();
            let _ = locked.wait_for(|locked| !locked.contains(&room)).await;
            return self.inner.apply(batch).await;
        }
        let locked = self.locked.borrow().clone();
        let order: Vec<RoomId> = batch.rooms.iter().map(|room| room.room).collect();
        let free = batch.rooms.into_iter();
        let free = free.filter(|room| !locked.contains(&room.room)).collect();
        let batch = Batch {
            rooms: free,
            id: batch.id,
            rerun: batch.rerun,
        };
        let mut applied = self.inner.apply(batch).await?.rooms.into_iter();
        let rooms = order.iter().map(|room| match locked.contains(room) {
            true => RoomApplied::Locked,
            false => applied.next().unwrap(),
        });
        Ok(Applied {
            rooms: rooms.collect(),
        })
    }
}

#[async_trait]
impl Store for FaultyStore {
    async fn ping(&self) -> StoreResult<()> {
        self.inner.ping().await
    }
    async fn not_durable(&self) -> StoreResult<Vec<&'static str>> {
        self.inner.not_durable().await
    }
    async fn create_account(
        &self,
        account: NewAccount,
        session: NewSession,
    ) -> StoreResult<SignedIn> {
        self.inner.create_account(account, session).await
    }
    async fn credentials(&self, name: &str) -> StoreResult<Option<Credentials>> {
        self.inner.credentials(name).await
    }
    async fn create_session(&self, session: NewSession) -> StoreResult<SignedIn> {
        self.inner.create_session(session).await
    }
    async fn identity(&self, token_hash: &[u8; 32]) -> StoreResult<Option<Identity>> {
        self.inner.identity(token_hash).await
    }
    async fn delete_session(&self, session: SessionId) -> StoreResult<bool> {
        self.inner.delete_session(session).await
    }
    async fn create_ticket(
        &self,
        session: SessionId,
        ticket_hash: &[u8; 32],
        lifetime_s: i64,
    ) -> StoreResult<()> {
        self.inner
            .create_ticket(session, ticket_hash, lifetime_s)
            .await
    }
    async fn redeem_ticket(&self, ticket_hash: &[u8; 32]) -> StoreResult<Option<Identity>> {
        self.inner.redeem_ticket(ticket_hash).await
    }
    async fn assistant(&self) -> StoreResult<UserRow> {
        self.may_panic("assistant");
        self.inner.assistant().await
    }
    async fn user_by_name(&self, name: &str) -> StoreResult<UserRow> {
        self.inner.user_by_name(name).await
    }
    async fn fellows(&self, user: UserId, wanted: &[UserId]) -> StoreResult<Vec<UserRow>> {
        self.inner.fellows(user, wanted).await
    }
    async fn create_room(&self, room: NewRoom, owner: UserId) -> StoreResult<RoomView> {
        self.inner.create_room(room, owner).await
    }
    async fn direct_room(
        &self,
        user: UserId,
        assistant: UserId,
        fresh: NewRoom,
    ) -> StoreResult<RoomView> {
        self.inner.direct_room(user, assistant, fresh).await
    }
    async fn people_room(
        &self,
        user: UserId,
        people: &[UserId],
        fresh: NewRoom,
    ) -> StoreResult<RoomView> {
        self.inner.people_room(user, people, fresh).await
    }

    async fn rooms(
        &self,
        user: UserId,
        after: Option<ListPlace>,
        limit: i64,
    ) -> StoreResult<Vec<ListedRoom>> {
        self.inner.rooms(user, after, limit).await
    }

    async fn public_rooms(
        &self,
        user: UserId,
        text: &str,
        after: Option<&str>,
        limit: i64,
    ) -> StoreResult<Vec<PublicRoom>> {
        self.inner.public_rooms(user, text, after, limit).await
    }

    async fn set_muted(&self, user: UserId, slug: &str, muted: bool) -> StoreResult<()> {
        self.inner.set_muted(user, slug, muted).await
    }
    async fn room(&self, user: UserId, slug: &str) -> StoreResult<RoomView> {
        self.inner.room(user, slug).await
    }
    async fn join_room(&self, user: UserId, slug: &str) -> StoreResult<Proof> {
        self.inner.join_room(user, slug).await
    }
    async fn prove(&self, wanted: &[(UserId, String)]) -> StoreResult<Vec<Result<Proof, Refusal>>> {
        self.inner.prove(wanted).await
    }
    async fn members(
        &self,
        user: UserId,
        slug: &str,
        after: Option<UserId>,
        limit: i64,
    ) -> StoreResult<Vec<MemberRow>> {
        self.inner.members(user, slug, after, limit).await
    }
    async fn invite(&self, token_hash: &[u8; 32]) -> StoreResult<InviteView> {
        self.inner.invite(token_hash).await
    }

    async fn invites(&self, user: UserId, slug: &str) -> StoreResult<Vec<InviteRow>> {
        self.inner.invites(user, slug).await
    }

    async fn bans(&self, user: UserId, slug: &str) -> StoreResult<Vec<BanRow>> {
        self.inner.bans(user, slug).await
    }

    async fn unread(&self, members: &[(UserId, RoomId)]) -> StoreResult<Vec<Unread>> {
        self.inner.unread(members).await
    }

    async fn mark_read(&self, marks: &[ReadMark]) -> StoreResult<Vec<ReadMoved>> {
        self.inner.mark_read(marks).await
    }
    async fn heads(&self, rooms: &[RoomId]) -> StoreResult<Vec<Head>> {
        self.inner.heads(rooms).await
    }
    async fn changes_after(
        &self,
        room: RoomId,
        after: Version,
        limit: i64,
    ) -> StoreResult<Changes> {
        self.inner.changes_after(room, after, limit).await
    }
    async fn latest_page(&self, room: RoomId, limit: i64) -> StoreResult<LatestPage> {
        self.inner.latest_page(room, limit).await
    }
    async fn history(
        &self,
        user: UserId,
        slug: &str,
        before: Option<Seq>,
        limit: i64,
    ) -> StoreResult<HistoryPage> {
        self.may_panic("history");
        self.inner.history(user, slug, before, limit).await
    }
    async fn history_after(
        &self,
        user: UserId,
        slug: &str,
        after: Seq,
        limit: i64,
    ) -> StoreResult<HistoryPage> {
        self.inner.history_after(user, slug, after, limit).await
    }
    async fn history_around(
        &self,
        user: UserId,
        slug: &str,
        seq: Seq,
        limit: i64,
    ) -> StoreResult<HistoryPage> {
        self.inner.history_around(user, slug, seq, limit).await
    }
    async fn message(&self, user: UserId, slug: &str, seq: Seq) -> StoreResult<MessageRow> {
        self.inner.message(user, slug, seq).await
    }
    async fn edits(&self, user: UserId, slug: &str, seq: Seq) -> StoreResult<Vec<EditRow>> {
        self.inner.edits(user, slug, seq).await
    }
    async fn pins(&self, user: UserId, slug: &str) -> StoreResult<Vec<MessageRow>> {
        self.inner.pins(user, slug).await
    }
    async fn search(&self, user: UserId, search: Search) -> StoreResult<SearchPage> {
        self.inner.search(user, search).await
    }

    async fn index_older(&self, count: i64) -> StoreResult<bool> {
        self.inner.index_older(count).await
    }
    async fn index_new(&self, rooms: &[RoomId], count: i64) -> StoreResult<Vec<Behind>> {
        self.inner.index_new(rooms, count).await
    }
    async fn rooms_behind_index(&self, limit: i64) -> StoreResult<Vec<RoomId>> {
        self.inner.rooms_behind_index(limit).await
    }

    async fn apply(&self, batch: Batch) -> StoreResult<Applied> {
        self.faulty_apply(batch).await
    }
    async fn apply_unless_locked(&self, batch: Batch) -> StoreResult<Applied> {
        if let [only] = batch.rooms.as_slice()
            && self.locked.borrow().contains(&only.room)
        {
            let rooms = vec![RoomApplied::Locked];
            return Ok(Applied { rooms });
        }
        self.faulty_apply(batch).await
    }
    async fn claim_replies_but(
        &self,
        owner: InstanceId,
        limit: i64,
        caps: ReplyCaps,
        except: &[(RoomId, Seq)],
    ) -> StoreResult<Vec<ClaimedReply>> {
        self.inner
            .claim_replies_but(owner, limit, caps, except)
            .await
    }

    async fn queued_replies(&self, rooms: &[RoomId]) -> StoreResult<Vec<QueuedReply>> {
        self.inner.queued_replies(rooms).await
    }
    async fn mark_shown(
        &self,
        owner: InstanceId,
        room: RoomId,
        seq: Seq,
        attempt: Attempt,
        context_from: Option<Seq>,
    ) -> StoreResult<bool> {
        self.inner
            .mark_shown(owner, room, seq, attempt, context_from)
            .await
    }
    async fn append_chunks(
        &self,
        owner: InstanceId,
        appends: Vec<ChunkAppend>,
    ) -> StoreResult<Vec<LeaseState>> {
        self.inner.append_chunks(owner, appends).await
    }
    async fn release_replies(
        &self,
        owner: InstanceId,
        replies: &[(RoomId, Seq, Attempt)],
    ) -> StoreResult<Vec<(RoomId, Seq)>> {
        self.releases.send_modify(|count| *count += 1);
        let _ = self.held_back.subscribe().wait_for(|held| !held).await;
        self.inner.release_replies(owner, replies).await
    }
    async fn reply_chunks(
        &self,
        room: RoomId,
        seq: Seq,
        attempt: Attempt,
        from: ChunkNumber,
    ) -> StoreResult<Vec<ReplyChunk>> {
        self.inner.reply_chunks(room, seq, attempt, from).await
    }
    async fn running_replies(&self, room: RoomId) -> StoreResult<Vec<RunningReply>> {
        self.inner.running_replies(room).await
    }
    async fn room_slug(&self, room: RoomId) -> StoreResult<String> {
        self.inner.room_slug(room).await
    }
    async fn expired_replies(&self, limit: i64) -> StoreResult<Vec<ExpiredReply>> {
        self.inner.expired_replies(limit).await
    }
    async fn context(
        &self,
        room: RoomId,
        prompt_seq: Seq,
        limit: i64,
    ) -> StoreResult<Vec<MessageRow>> {
        self.inner.context(room, prompt_seq, limit).await
    }
    async fn retention(&self, user: UserId, slug: &str) -> StoreResult<Keep> {
        self.inner.retention(user, slug).await
    }

    async fn purge_deleted_rooms(&self, age_s: i64, limit: i64) -> StoreResult<bool> {
        self.inner.purge_deleted_rooms(age_s, limit).await
    }

    async fn rooms_past_retention(&self, limit: i64) -> StoreResult<Vec<(RoomId, String)>> {
        self.inner.rooms_past_retention(limit).await
    }

    async fn sweep(&self) -> StoreResult<Swept> {
        self.inner.sweep().await
    }
}
