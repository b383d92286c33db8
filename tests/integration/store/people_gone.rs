//! People who are gone, for a while or for good, as every store keeps what they leave.

use salon::db::LOBBY;
use salon::db::accounts::{DELETED_NAME, Seen};
use salon::db::changes::{Change, NewSession, VerifiedHash};
use salon::db::integrations::{NewHook, NewToken};
use salon::db::rows::{
    ClaimedReply, LogKind, MessageState, StoredChange, UserKind, UserRow, Visibility,
};
use salon::error::ErrorCode;
use salon::ids::{HookId, InstanceId, RoomId, SessionId, UserId};
use salon::permissions::{Role, Scope};

use super::account_ends::sign_in;
use super::fixtures::{
    TestStore, account, append, changed, code, living, message, new_room, posted, refused,
    session_of, settlement,
};

/// Somebody with everything that one may have: a session, a token, a bot with one, a webhook of a room.
struct Somebody {
    user: UserRow,
    session: NewSession,
    token: NewToken,
    bot: UserRow,
    bot_token: NewToken,
    hook: NewHook,
}

fn bot_named(name: &str) -> UserRow {
    UserRow {
        id: UserId::new(),
        name: name.into(),
        kind: UserKind::Bot,
    }
}

fn token_of(user: UserId) -> NewToken {
    NewToken {
        id: SessionId::new(),
        user,
        name: "ci".into(),
        scope: Scope::Write,
        token_hash: rand::random(),
        lifetime_s: None,
    }
}

impl Somebody {
    /// A moderator of the room `den`, whose bot is a member of it.
    async fn make(store: &TestStore, owner: &UserRow, room: RoomId) -> Self {
        let user = store.member(room, owner, "Ada", Role::Moderator).await;
        let bot = bot_named("builder");
        store.create_bot(user.id, bot.clone()).await.unwrap();
        let set = Change::SetMember {
            actor: owner.id,
            user: bot.id,
            role: Role::Member,
        };
        changed(store.change(room, set).await);
        let (token, bot_token) = (token_of(user.id), token_of(bot.id));
        for token in [&token, &bot_token] {
            store.create_token(user.id, token.clone()).await.unwrap();
        }
        let hook = NewHook {
            id: HookId::new(),
            user: bot_named("news"),
            secret_hash: rand::random(),
        };
        store
            .create_hook(user.id, "den", hook.clone())
            .await
            .unwrap();
        Self {
            session: sign_in(store, &user).await,
            user,
            token,
            bot,
            bot_token,
            hook,
        }
    }

    fn ids(&self) -> [SessionId; 3] {
        [self.session.id, self.token.id, self.bot_token.id]
    }

    /// Nothing of it lets anybody in.
    async fn is_kept_out(&self, store: &TestStore) {
        assert_eq!(living(store, &self.ids()).await, []);
        let found = store.identity(&self.session.token_hash).await.unwrap();
        assert!(found.is_none());
        for token in [&self.token, &self.bot_token] {
            let found = store.token_identity(&token.token_hash).await.unwrap();
            assert_eq!(found, None);
        }
        let found = store.hook_by_secret(&self.hook.secret_hash).await.unwrap();
        assert_eq!(found, None);
        let credentials = store.credentials("ada").await.unwrap();
        assert!(credentials.is_none_or(|found| found.disabled));
        let made = store.create_session(session_of(self.user.id)).await;
        assert_eq!(refused(made), ErrorCode::UserNotFound);
        let fresh = new_room("other", Visibility::Public);
        let made = store.create_room(fresh, self.user.id).await;
        assert_eq!(refused(made), ErrorCode::UserNotFound);
    }

    /// What was on its way is judged by what holds now, of whatever kind and whoever's bot it is.
    async fn is_refused(&self, store: &TestStore, room: RoomId, owner: &UserRow) {
        let (actor, bot) = (self.user.id, self.hook.user.id);
        let on_their_way = [
            Change::Post(message(&self.user, "after")),
            Change::Post(message(&self.hook.user, "from outside")),
            Change::DeleteMessage { actor, seq: 1 },
            Change::SetMember {
                actor,
                user: owner.id,
                role: Role::Reader,
            },
            Change::RemoveMember { actor, user: bot },
            Change::Ban {
                actor,
                user: bot,
                reason: String::new(),
            },
        ];
        for change in on_their_way {
            let outcome = store.change(room, change).await;
            assert_eq!(code(outcome), ErrorCode::Unauthenticated);
        }
    }
}

pub(super) async fn who_is_disabled_can_do_nothing_until_enabled(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let ada = Somebody::make(store, &owner, room).await;
    let mine = posted(
        store
            .change(room, Change::Post(message(&ada.user, "before")))
            .await,
    );
    let id = ada.user.id;
    assert!(store.disable_user(id).await.unwrap());
    assert!(!store.disable_user(id).await.unwrap());
    ada.is_kept_out(store).await;
    ada.is_refused(store, room, &owner).await;
    store.make_room(&owner, "open", Visibility::Public).await;
    let joined = store.join_room(id, "open").await;
    assert_eq!(refused(joined), ErrorCode::Banned);
    let shown = store.message(owner.id, "den", mine.seq).await.unwrap();
    assert_eq!(shown.author, ada.user);

    assert!(store.enable_user(id).await.unwrap());
    assert!(!store.enable_user(id).await.unwrap());
    let live = living(store, &ada.ids()).await;
    assert_eq!(live.len(), 2, "tokens work again, sessions ended");
    store.create_session(session_of(id)).await.unwrap();
    store.post(room, message(&ada.user, "again")).await;
    let found = store.hook_by_secret(&ada.hook.secret_hash).await.unwrap();
    assert!(found.is_some());
    let assistant = store.assistant().await.unwrap().id;
    for nobody in [ada.bot.id, assistant, UserId::new()] {
        let disabled = store.disable_user(nobody).await;
        assert_eq!(refused(disabled), ErrorCode::UserNotFound);
        let enabled = store.enable_user(nobody).await;
        assert_eq!(refused(enabled), ErrorCode::UserNotFound);
    }
}

/// Ends what somebody deleted is a member of; the rooms.
async fn depart(store: &TestStore, user: UserId) -> Vec<RoomId> {
    let mut left = Vec::new();
    loop {
        let found = store.departures(Some(user), 2).await.unwrap();
        assert!(found.len() <= 2, "as many as asked for");
        if found.is_empty() {
            return left;
        }
        for (room, user) in found {
            changed(store.change(room, Change::Depart { user }).await);
            left.push(room);
        }
    }
}

/// Who was removed from a room above a version, and nothing else.
async fn removed_above(store: &TestStore, room: RoomId, version: i64) -> Vec<UserId> {
    let changes = store.all_changes(room, version).await;
    let removed = changes.iter().map(|change| match change {
        StoredChange::Log(row) if row.kind == LogKind::Removed => row.user.clone().unwrap().id,
        other => panic!("{other:?}"),
    });
    let mut removed: Vec<UserId> = removed.collect();
    removed.sort();
    removed
}

pub(super) async fn a_deleted_account_leaves_its_words_and_nothing_else(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let ada = Somebody::make(store, &owner, room).await;
    let id = ada.user.id;
    let ticket: [u8; 32] = rand::random();
    let session = ada.session.id;
    store.create_ticket(session, &ticket, 30).await.unwrap();
    let said = store.post(room, message(&ada.user, "my words")).await;
    for wrong in [Seen::Hash(VerifiedHash("another".into())), Seen::NoPassword] {
        let wrong = store.delete_account(id, wrong).await;
        assert_eq!(refused(wrong), ErrorCode::BadCredentials);
    }
    let hash = Seen::Hash(VerifiedHash("hash of Ada".into()));
    assert!(store.delete_account(id, hash).await.unwrap());
    ada.is_kept_out(store).await;
    ada.is_refused(store, room, &owner).await;
    assert!(store.redeem_ticket(&ticket).await.unwrap().is_none());

    let before = store.heads(&[room]).await.unwrap()[0].version;
    let mut left = depart(store, id).await;
    left.sort();
    let lobby = store.room(owner.id, LOBBY).await.unwrap().room.id;
    let mut expected = vec![room, room, room, lobby];
    expected.sort();
    assert_eq!(left, expected, "its bots leave too");
    let mut gone = vec![id, ada.bot.id, ada.hook.user.id];
    gone.sort();
    assert_eq!(removed_above(store, room, before).await, gone);
    let shown = store.message(owner.id, "den", said.seq).await.unwrap();
    assert_eq!((shown.body.as_str(), shown.author.id), ("my words", id));
    assert_eq!(shown.author.name, DELETED_NAME);
    assert_eq!(shown.author.kind, UserKind::Deleted);
    let members = store.members(owner.id, "den", None, 10).await.unwrap();
    assert_eq!(members.len(), 1, "{members:?}");
}

pub(super) async fn nobody_gets_a_deleted_accounts_name_or_meets_it(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let ada = store.person("Ada").await;
    assert!(store.delete_account(ada.id, Seen::Operator).await.unwrap());
    let found = store.user_by_name("ada").await;
    assert_eq!(refused(found), ErrorCode::UserNotFound);
    let found = store.account("ada").await;
    assert_eq!(refused(found), ErrorCode::UserNotFound);
    let enabled = store.enable_user(ada.id).await;
    assert_eq!(refused(enabled), ErrorCode::UserNotFound);
    let (twin, session) = account("ADA", UserKind::User);
    let made = store.create_account(twin, session).await;
    assert_eq!(refused(made), ErrorCode::NameTaken);
    let made = store.create_bot(owner.id, bot_named("ada")).await;
    assert_eq!(refused(made), ErrorCode::NameTaken);
    let set = Change::SetMember {
        actor: owner.id,
        user: ada.id,
        role: Role::Member,
    };
    assert_eq!(code(store.change(room, set).await), ErrorCode::UserNotFound);
    let (both, fresh) = ([owner.id, ada.id], new_room("pair", Visibility::Direct));
    let made = store.people_room(owner.id, &both, fresh).await;
    assert_eq!(refused(made), ErrorCode::UserNotFound);
}

pub(super) async fn a_deleted_guest_leaves_its_words_too(store: &TestStore) {
    let owner = store.person("owner").await;
    let (guest, session) = account("gus", UserKind::Guest);
    let guest = store
        .create_account(guest, session.clone())
        .await
        .unwrap()
        .identity
        .user;
    let lobby = store.room(owner.id, LOBBY).await.unwrap().room.id;
    let said = store.post(lobby, message(&guest, "hello")).await;
    assert!(
        store
            .delete_account(guest.id, Seen::Operator)
            .await
            .unwrap()
    );
    assert!(store.identity(&session.token_hash).await.unwrap().is_none());
    assert_eq!(depart(store, guest.id).await, [lobby]);
    let shown = store.message(owner.id, LOBBY, said.seq).await.unwrap();
    assert_eq!(
        (shown.author.name.as_str(), shown.author.kind),
        (DELETED_NAME, UserKind::Deleted)
    );
    // It had no name of its own.
    let (next, session) = account("gus", UserKind::User);
    store.create_account(next, session).await.unwrap();
    for nobody in [store.assistant().await.unwrap().id, UserId::new()] {
        let deleted = store.delete_account(nobody, Seen::Operator).await;
        assert_eq!(refused(deleted), ErrorCode::UserNotFound);
    }
}

async fn role_of(store: &TestStore, asker: &UserRow, slug: &str, user: &UserRow) -> Option<Role> {
    let members = store.members(asker.id, slug, None, 50).await.unwrap();
    let found = members.into_iter().find(|member| member.user.id == user.id);
    found.map(|member| member.role)
}

/// An operator deletes an account, and its memberships end.
async fn goes(store: &TestStore, user: UserId) {
    let deleted = store.delete_account(user, Seen::Operator).await;
    deleted.unwrap();
    depart(store, user).await;
}

pub(super) async fn a_room_whose_owner_is_deleted_goes_to_another(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let (guest, session) = account("gus", UserKind::Guest);
    let guest = store
        .create_account(guest, session)
        .await
        .unwrap()
        .identity
        .user;
    let set = Change::SetMember {
        actor: owner.id,
        user: guest.id,
        role: Role::Moderator,
    };
    store.change(room, set).await.unwrap();
    let reader = store.member(room, &owner, "reader", Role::Reader).await;
    let member = store.member(room, &owner, "member", Role::Member).await;
    let kept_out = store
        .member(room, &owner, "kept out", Role::Moderator)
        .await;
    store.disable_user(kept_out.id).await.unwrap();
    let second = store.member(room, &owner, "second", Role::Owner).await;

    goes(store, owner.id).await;
    assert_eq!(
        role_of(store, &member, "den", &second).await,
        Some(Role::Owner)
    );
    assert_eq!(
        role_of(store, &member, "den", &member).await,
        Some(Role::Member)
    );
    let before = store.heads(&[room]).await.unwrap()[0].version;
    goes(store, second.id).await;
    let changes = store.all_changes(room, before).await;
    let told: Vec<_> = changes
        .iter()
        .map(|change| match change {
            StoredChange::Log(row) => (row.kind, row.user.clone().unwrap().id, row.role),
            StoredChange::Message(row) => panic!("{row:?}"),
        })
        .collect();
    let expected = [
        (LogKind::Role, member.id, Some(Role::Owner)),
        (LogKind::Removed, second.id, None),
    ];
    assert_eq!(
        told, expected,
        "one who is there, before a guest and one who is disabled"
    );
    goes(store, member.id).await;
    assert_eq!(
        role_of(store, &reader, "den", &reader).await,
        Some(Role::Owner)
    );
    goes(store, reader.id).await;
    assert_eq!(
        role_of(store, &guest, "den", &guest).await,
        Some(Role::Owner)
    );
}

pub(super) async fn a_room_with_nobody_left_goes_with_its_owner(store: &TestStore) {
    let (ada, bob) = (store.person("ada").await, store.person("bob").await);
    let alone = store
        .make_room(&ada, "alone", Visibility::Private)
        .await
        .room
        .id;
    let assistant = store.assistant().await.unwrap();
    let own = store
        .direct_room(ada.id, assistant.id, new_room("own", Visibility::Direct))
        .await
        .unwrap();
    let both = [ada.id, bob.id];
    let pair = store
        .people_room(ada.id, &both, new_room("pair", Visibility::Direct))
        .await
        .unwrap();
    let said = store.post(pair.room.id, message(&ada, "to bob")).await;
    store.delete_account(ada.id, Seen::Operator).await.unwrap();
    assert_eq!(depart(store, ada.id).await.len(), 4, "the lobby too");
    for room in [alone, own.room.id] {
        let changes = store.all_changes(room, 0).await;
        match changes.last().unwrap() {
            StoredChange::Log(row) => assert_eq!(row.kind, LogKind::Deleted),
            StoredChange::Message(row) => panic!("{row:?}"),
        }
    }
    let seen = store.message(bob.id, "pair", said.seq).await.unwrap();
    assert_eq!(
        (seen.body.as_str(), seen.author.name.as_str()),
        ("to bob", DELETED_NAME)
    );
    store.post(pair.room.id, message(&bob, "still mine")).await;
    store.delete_account(bob.id, Seen::Operator).await.unwrap();
    depart(store, bob.id).await;
    let changes = store.all_changes(pair.room.id, 0).await;
    match changes.last().unwrap() {
        StoredChange::Log(row) => assert_eq!(row.kind, LogKind::Deleted),
        StoredChange::Message(row) => panic!("{row:?}"),
    }
}

pub(super) async fn what_somebody_gone_asked_is_stopped_or_fails(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let runner = InstanceId::new();
    let stopped = async |claimed: &ClaimedReply| {
        let renewed = store
            .append_chunks(runner, vec![append(claimed, 1, 1, None)])
            .await;
        let state = renewed.unwrap().remove(0);
        assert!(state.held);
        state.stop_requested
    };
    // Disabled, deleted, removed from the room: what runs is asked to stop, what waits may not be written.
    for (number, name) in ["disabled", "deleted", "removed"].into_iter().enumerate() {
        let asker = store.member(room, &owner, name, Role::Member).await;
        store.prompt(room, &asker).await;
        let running = store.claim_one(runner).await;
        assert!(running.asker_may_prompt);
        assert!(!stopped(&running).await);
        store.prompt(room, &asker).await;
        match number {
            0 => assert!(store.disable_user(asker.id).await.unwrap()),
            1 => assert!(
                store
                    .delete_account(asker.id, Seen::Operator)
                    .await
                    .unwrap()
            ),
            _ => {
                let remove = Change::RemoveMember {
                    actor: owner.id,
                    user: asker.id,
                };
                changed(store.change(room, remove).await);
            }
        }
        assert!(stopped(&running).await, "{name}");
        let waiting = store.claim_one(runner).await;
        assert!(!waiting.asker_may_prompt, "{name}");
        for claimed in [running, waiting] {
            let settle = settlement(runner, &claimed, MessageState::Stopped, "");
            changed(store.change(room, settle).await);
        }
    }
    // Who signs out keeps the right to what it asked.
    let session = sign_in(store, &owner).await;
    store.prompt(room, &owner).await;
    let running = store.claim_one(runner).await;
    store.delete_session(session.id).await.unwrap();
    store.end_sessions(owner.id, None).await.unwrap();
    assert!(!stopped(&running).await);
}

pub(super) async fn only_who_is_deleted_departs(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let ada = store.member(room, &owner, "ada", Role::Member).await;
    assert_eq!(store.departures(None, 10).await.unwrap(), []);
    for user in [ada.id, owner.id, UserId::new()] {
        let outcome = store.change(room, Change::Depart { user }).await;
        assert_eq!(code(outcome), ErrorCode::Forbidden);
    }
    store.delete_account(ada.id, Seen::Operator).await.unwrap();
    assert_eq!(store.departures(Some(owner.id), 10).await.unwrap(), []);
    assert_eq!(store.departures(None, 10).await.unwrap().len(), 2);
    let before = store.heads(&[room]).await.unwrap()[0].version;
    changed(store.change(room, Change::Depart { user: ada.id }).await);
    let again = changed(store.change(room, Change::Depart { user: ada.id }).await);
    assert_eq!(again, before + 1, "one who is gone takes no version");
}
