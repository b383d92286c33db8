//! What the store tests share: a store they own, people and rooms in it, and short ways to write and to read.

use std::ops::Deref;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use salon::db::changes::{
    Batch, Change, ChunkAppend, NewAccount, NewPost, NewPrompt, NewRoom, NewSession, Outcome,
    Posted, RoomApplied, RoomChanges, RoomDone, Settlement,
};
use salon::db::queue::ReplyCaps;
use salon::db::rows::{
    ClaimedReply, Identity, MessageState, ReplyChunk, ReplyMeta, RoomView, StoredChange, UserKind,
    UserRow, Visibility,
};
use salon::db::{Store, StoreError};
use salon::error::{ErrorCode, Refusal};
use salon::ids::{BatchId, ClientId, InstanceId, RoomId, Seq, SessionId, UserId, Version};
use salon::permissions::Role;

/// What a back end lends a test.
pub(crate) trait BackEnd: Send + Sync {
    /// Makes leases, sessions, tickets, invites and batch ids so many seconds older than they are.
    fn age(&self, seconds: i64) -> BoxFuture<'_, ()>;
    /// Moves the last change of every room so many seconds ahead, as if the clock had been set back since.
    fn set_clock_back(&self, seconds: i64) -> BoxFuture<'_, ()>;
    /// Makes every message so many seconds older than it is.
    fn age_messages(&self, seconds: i64) -> BoxFuture<'_, ()>;
    /// Makes a message a tombstone: without text, deleted now.
    fn bury(&self, room: RoomId, seq: Seq) -> BoxFuture<'_, ()>;
    /// How many rows each table has of that room, but for its own and its head; those with none are left out.
    fn rows_of(&self, room: RoomId) -> BoxFuture<'_, Vec<(String, usize)>>;
    /// Closes the store and removes what it kept.
    fn end(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// A fresh store that one test owns; a `&dyn Store` in all but name.
pub(crate) struct TestStore {
    /// The store under test.
    pub(crate) store: Arc<dyn Store>,
    /// What keeps it alive.
    pub(crate) back_end: Box<dyn BackEnd>,
}

impl Deref for TestStore {
    type Target = dyn Store;
    fn deref(&self) -> &Self::Target {
        &*self.store
    }
}

impl TestStore {
    /// Ends the test's store.
    pub(crate) async fn end(self) {
        drop(self.store);
        self.back_end.end().await;
    }

    /// Lets so many seconds pass for whatever runs out.
    pub(crate) async fn age(&self, seconds: i64) {
        self.back_end.age(seconds).await;
    }

    /// A person with an account.
    pub(crate) async fn person(&self, name: &str) -> UserRow {
        let (account, session) = account(name, UserKind::User);
        self.create_account(account, session)
            .await
            .unwrap()
            .identity
            .user
    }

    /// A room of that owner.
    pub(crate) async fn make_room(
        &self,
        owner: &UserRow,
        slug: &str,
        visibility: Visibility,
    ) -> RoomView {
        self.create_room(new_room(slug, visibility), owner.id)
            .await
            .unwrap()
    }

    /// A person, and a public room that person owns.
    pub(crate) async fn owner_and_room(&self) -> (UserRow, RoomId) {
        let owner = self.person("owner").await;
        let room = self.make_room(&owner, "den", Visibility::Public).await;
        (owner, room.room.id)
    }

    /// A person who is in the room with that role, put there by its owner.
    pub(crate) async fn member(
        &self,
        room: RoomId,
        owner: &UserRow,
        name: &str,
        role: Role,
    ) -> UserRow {
        let user = self.person(name).await;
        let set = Change::SetMember {
            actor: owner.id,
            user: user.id,
            role,
        };
        self.change(room, set).await.unwrap();
        user
    }

    /// Writes changes of one room as one batch.
    pub(crate) async fn write(&self, room: RoomId, changes: Vec<Change>) -> RoomDone {
        let applied = self.apply(batch(vec![(room, changes)])).await.unwrap();
        done(applied.rooms.into_iter().next().unwrap())
    }

    /// Writes one change.
    pub(crate) async fn change(&self, room: RoomId, change: Change) -> Result<Outcome, Refusal> {
        let done = self.write(room, vec![change]).await;
        done.outcomes.into_iter().next().unwrap()
    }

    /// Writes one post that must be accepted.
    pub(crate) async fn post(&self, room: RoomId, post: NewPost) -> Posted {
        posted(self.change(room, Change::Post(post)).await)
    }

    /// Posts a mention of the assistant; the reply's seq.
    pub(crate) async fn prompt(&self, room: RoomId, asker: &UserRow) -> Seq {
        let assistant = self.assistant().await.unwrap();
        let post = mention(asker, &assistant, "@assistant hello");
        self.post(room, post).await.reply_seq.unwrap()
    }

    /// Claims the one reply that waits.
    pub(crate) async fn claim_one(&self, owner: InstanceId) -> ClaimedReply {
        let mut claimed = self.claim_replies(owner, 10, CAPS).await.unwrap();
        assert_eq!(claimed.len(), 1, "one reply waits");
        claimed.remove(0)
    }

    /// Every change of the room above `after`, page by page.
    pub(crate) async fn all_changes(&self, room: RoomId, mut after: Version) -> Vec<StoredChange> {
        let mut all = Vec::new();
        loop {
            let page = self.changes_after(room, after, 50).await.unwrap();
            all.extend(page.changes);
            if page.complete {
                return all;
            }
            after = all.last().unwrap().version();
        }
    }
}

/// So many replies at once as no test has.
pub(crate) const CAPS: ReplyCaps = ReplyCaps {
    user: 1_000,
    room: 1_000,
    fleet: 1_000,
};

/// A new account of that kind and its first session.
pub(crate) fn account(name: &str, kind: UserKind) -> (NewAccount, NewSession) {
    let user = UserRow {
        id: UserId::new(),
        name: name.into(),
        kind,
    };
    let session = session_of(user.id);
    let password_hash = (kind == UserKind::User).then(|| format!("hash of {name}"));
    let account = NewAccount {
        user,
        password_hash,
        admin: false,
    };
    (account, session)
}

/// A session of an hour.
pub(crate) fn session_of(user: UserId) -> NewSession {
    NewSession {
        id: SessionId::new(),
        user,
        token_hash: rand::random(),
        lifetime_s: 3_600,
        idle_s: 1_000_000,
        origin: salon::db::changes::SessionOrigin::default(),
        verified: None,
    }
}

/// Those of the given sessions and tokens that live.
pub(crate) async fn living(store: &TestStore, sessions: &[SessionId]) -> Vec<SessionId> {
    let living = store.live_sessions(sessions).await.unwrap();
    living.into_iter().map(|live| live.id).collect()
}

/// A room to be made.
pub(crate) fn new_room(slug: &str, visibility: Visibility) -> NewRoom {
    NewRoom {
        id: RoomId::new(),
        slug: slug.into(),
        name: format!("The {slug}"),
        visibility,
    }
}

/// A message that asks nobody.
pub(crate) fn message(author: &UserRow, body: &str) -> NewPost {
    NewPost {
        author: author.id,
        client_id: ClientId::new(),
        body: body.into(),
        html: None,
        reply_to: None,
        mentions: Vec::new(),
        prompt: None,
        over_rate: false,
    }
}

/// A message that asks the assistant.
pub(crate) fn mention(author: &UserRow, assistant: &UserRow, body: &str) -> NewPost {
    NewPost {
        prompt: Some(NewPrompt {
            assistant: assistant.id,
            mentioned: true,
            over_rate: false,
            caps: Default::default(),
        }),
        ..message(author, body)
    }
}

/// A batch of several rooms.
pub(crate) fn batch(rooms: Vec<(RoomId, Vec<Change>)>) -> Batch {
    Batch {
        id: BatchId::new(),
        rerun: false,
        rooms: rooms
            .into_iter()
            .map(|(room, changes)| RoomChanges {
                room,
                changes,
                origins: Vec::new(),
            })
            .collect(),
    }
}

/// A room's part that was judged.
pub(crate) fn done(applied: RoomApplied) -> RoomDone {
    match applied {
        RoomApplied::Done(done) => done,
        RoomApplied::Locked => panic!("nobody else holds this room"),
    }
}

/// What an accepted post was told.
pub(crate) fn posted(outcome: Result<Outcome, Refusal>) -> Posted {
    match outcome {
        Ok(Outcome::Posted(posted)) => posted,
        other => panic!("not posted: {other:?}"),
    }
}

/// The version an allowed change took.
pub(crate) fn changed(outcome: Result<Outcome, Refusal>) -> Version {
    match outcome {
        Ok(Outcome::Changed { version }) => version,
        other => panic!("not changed: {other:?}"),
    }
}

/// The code of a refused change.
pub(crate) fn code(outcome: Result<Outcome, Refusal>) -> ErrorCode {
    outcome.unwrap_err().code
}

/// The code of a refused call.
pub(crate) fn refused<T>(result: Result<T, StoreError>) -> ErrorCode {
    match result {
        Err(StoreError::Refused(refusal)) => refusal.code,
        Err(other) => panic!("failed: {other}"),
        Ok(_) => panic!("not refused"),
    }
}

/// Who a session belongs to, as it would be asked.
pub(crate) fn same_session(identity: &Identity, session: &NewSession) -> bool {
    identity.session == session.id && identity.user.id == session.user
}

/// A run of chunks to be saved; none to renew the lease.
pub(crate) fn append(
    claimed: &ClaimedReply,
    first: i32,
    count: i32,
    text: Option<&str>,
) -> ChunkAppend {
    ChunkAppend {
        room: claimed.room,
        seq: claimed.seq,
        attempt: claimed.attempt,
        chunk: text.map(|text| ReplyChunk {
            first,
            count,
            text: text.into(),
        }),
    }
}

/// A runner's last word.
pub(crate) fn settlement(
    owner: InstanceId,
    claimed: &ClaimedReply,
    state: MessageState,
    body: &str,
) -> Change {
    Change::SettleReply(Settlement {
        seq: claimed.seq,
        attempt: claimed.attempt,
        owner,
        state,
        body: body.into(),
        html: None,
        meta: ReplyMeta {
            prompt_seq: claimed.prompt_seq,
            attempt: claimed.attempt,
            ..ReplyMeta::default()
        },
    })
}
