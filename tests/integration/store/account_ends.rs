//! What accounts and their sessions come to, and the log of revocations, as every store keeps them.

use futures_util::future::join_all;
use salon::db::LOBBY;
use salon::db::accounts::{DELETED_NAME, NewPassword, RevocationKind};
use salon::db::changes::{Change, NewSession, SessionOrigin, VerifiedHash};
use salon::db::integrations::{NewHook, NewToken};
use salon::db::rows::{LogKind, MessageState, StoredChange, UserKind, UserRow, Visibility};
use salon::error::ErrorCode;
use salon::ids::{HookId, InstanceId, RoomId, SessionId, UserId};
use salon::limits;
use salon::permissions::{Role, Scope};

use super::fixtures::{
    TestStore, account, append, changed, code, living, message, new_room, posted, refused,
    session_of,
};

async fn sign_in(store: &TestStore, user: &UserRow) -> NewSession {
    let session = session_of(user.id);
    store.create_session(session.clone()).await.unwrap();
    session
}

async fn head(store: &TestStore) -> i64 {
    store.revocations_after(i64::MAX).await.unwrap().head
}

/// The kinds, users and sessions logged above a number.
async fn logged(
    store: &TestStore,
    after: i64,
) -> Vec<(i64, RevocationKind, UserId, Option<SessionId>)> {
    let told = store.revocations_after(after).await.unwrap();
    let entries = told.entries.into_iter();
    entries
        .map(|entry| (entry.number, entry.kind, entry.user, entry.session))
        .collect()
}

fn password(hash: &str, verified: Option<&str>, keep: Option<SessionId>) -> NewPassword {
    NewPassword {
        hash: hash.into(),
        verified: verified.map(|hash| VerifiedHash(hash.into())),
        keep,
    }
}

pub(super) async fn sessions_are_listed_with_where_they_come_from(store: &TestStore) {
    let ada = store.person("ada").await;
    let origin = SessionOrigin {
        address: Some("192.0.2.7".into()),
        user_agent: Some("Browser 1".into()),
    };
    let session = NewSession {
        origin: origin.clone(),
        ..session_of(ada.id)
    };
    store.age(60).await;
    store.create_session(session.clone()).await.unwrap();
    let listed = store.sessions(ada.id).await.unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[0].id, session.id, "the latest made first");
    assert_eq!(listed[0].address, origin.address);
    assert_eq!(listed[0].user_agent, origin.user_agent);
    assert_eq!(listed[0].last_seen_at, listed[0].created_at);
    assert_eq!(
        (listed[1].address.clone(), listed[1].user_agent.clone()),
        (None, None)
    );
    assert!(listed[0].created_at > listed[1].created_at);
    store.age(3_600 - 30).await;
    let listed = store.sessions(ada.id).await.unwrap();
    assert_eq!(listed.len(), 1, "one that ran out is none");
    assert_eq!(store.sessions(UserId::new()).await.unwrap(), []);
}

pub(super) async fn one_session_or_all_others_are_ended_by_their_owner_only(store: &TestStore) {
    let (ada, bob) = (store.person("ada").await, store.person("bob").await);
    let (one, two, three) = (
        sign_in(store, &ada).await,
        sign_in(store, &ada).await,
        sign_in(store, &ada).await,
    );
    let theirs = sign_in(store, &bob).await;
    assert!(!store.end_session(bob.id, one.id).await.unwrap());
    assert!(store.end_session(ada.id, one.id).await.unwrap());
    assert!(!store.end_session(ada.id, one.id).await.unwrap());
    let asked = [one.id, two.id, three.id, theirs.id];
    assert_eq!(living(store, &asked).await.len(), 3);
    // The first session of the account too.
    assert_eq!(store.end_sessions(ada.id, Some(two.id)).await.unwrap(), 2);
    let mut left = living(store, &asked).await;
    left.sort();
    let mut expected = [two.id, theirs.id];
    expected.sort();
    assert_eq!(left, expected);
    assert_eq!(store.end_sessions(ada.id, Some(two.id)).await.unwrap(), 0);
    assert_eq!(store.end_sessions(ada.id, None).await.unwrap(), 1);
    assert_eq!(living(store, &asked).await, [theirs.id]);
}

pub(super) async fn a_session_that_is_not_used_ends_and_use_moves_only_that_end(store: &TestStore) {
    let ada = store.person("ada").await;
    let session = NewSession {
        lifetime_s: 1_000,
        idle_s: 100,
        ..session_of(ada.id)
    };
    store.create_session(session.clone()).await.unwrap();
    let unused = NewSession {
        lifetime_s: 1_000,
        idle_s: 100,
        ..session_of(ada.id)
    };
    store.create_session(unused.clone()).await.unwrap();
    let both = [session.id, unused.id];
    let end = async |id: SessionId| {
        let live = store.live_sessions(&[id]).await.unwrap();
        live.first().and_then(|live| live.expires_at)
    };
    let first_end = end(session.id).await.unwrap();
    store.note_seen(&[session.id], 100, 50_000).await.unwrap();
    assert_eq!(end(session.id).await.unwrap(), first_end, "noted just now");
    store.age(60).await;
    store.note_seen(&[session.id], 100, 50_000).await.unwrap();
    let listed = store.sessions(ada.id).await.unwrap();
    let row = listed.iter().find(|row| row.id == session.id).unwrap();
    assert!((row.last_seen_at - row.created_at).num_seconds() >= 60);
    store.age(60).await;
    assert_eq!(
        living(store, &both).await,
        [session.id],
        "the other was not used"
    );
    assert!(store.identity(&unused.token_hash).await.unwrap().is_none());
    assert!(store.identity(&session.token_hash).await.unwrap().is_some());
    // Used without end, it ends all the same.
    for _ in 0..13 {
        store.note_seen(&both, 100, 0).await.unwrap();
        store.age(70).await;
    }
    assert_eq!(living(store, &both).await, []);
    store.note_seen(&both, 100, 0).await.unwrap();
    assert_eq!(living(store, &both).await, [], "what has ended is not used");
    assert_eq!(head(store).await, 0, "no revocation ended them");
}

pub(super) async fn a_password_is_changed_by_who_knows_it_and_ends_other_sessions(
    store: &TestStore,
) {
    let ada = store.person("ada").await;
    let (keep, other) = (sign_in(store, &ada).await, sign_in(store, &ada).await);
    let hash = store.password_hash(ada.id).await.unwrap().unwrap();
    assert_eq!(hash, "hash of ada");
    let wrong = store.set_password(ada.id, password("new", Some("other"), Some(keep.id)));
    assert_eq!(refused(wrong.await), ErrorCode::BadCredentials);
    let set = store.set_password(ada.id, password("new", Some(&hash), Some(keep.id)));
    assert_eq!(set.await.unwrap(), 2, "the account's first session too");
    assert_eq!(living(store, &[keep.id, other.id]).await, [keep.id]);
    let credentials = store.credentials("ada").await.unwrap().unwrap();
    assert_eq!(credentials.password_hash, "new");
    let by_operator = store.set_password(ada.id, password("third", None, None));
    assert_eq!(by_operator.await.unwrap(), 1);
    let (guest, session) = account("gus", UserKind::Guest);
    let guest = store.create_account(guest, session).await.unwrap().identity;
    assert_eq!(store.password_hash(guest.user.id).await.unwrap(), None);
    let bot = UserRow {
        id: UserId::new(),
        name: "builder".into(),
        kind: UserKind::Bot,
    };
    store.create_bot(ada.id, bot.clone()).await.unwrap();
    let assistant = store.assistant().await.unwrap().id;
    for nobody in [guest.user.id, bot.id, assistant, UserId::new()] {
        let set = store.set_password(nobody, password("x", None, None)).await;
        assert_eq!(refused(set), ErrorCode::UserNotFound);
    }
    let missing = store.password_hash(UserId::new()).await;
    assert_eq!(refused(missing), ErrorCode::Unauthenticated);
}

pub(super) async fn nobody_signs_in_with_a_password_that_was_changed_meanwhile(store: &TestStore) {
    let ada = store.person("ada").await;
    let checked = store.credentials("ada").await.unwrap().unwrap();
    let session = NewSession {
        verified: Some(VerifiedHash(checked.password_hash)),
        ..session_of(ada.id)
    };
    store.create_session(session.clone()).await.unwrap();
    let set = store
        .set_password(ada.id, password("new", None, None))
        .await;
    set.unwrap();
    let late = NewSession {
        id: SessionId::new(),
        token_hash: rand::random(),
        ..session
    };
    let made = store.create_session(late.clone()).await;
    assert_eq!(refused(made), ErrorCode::UserNotFound);
    assert!(store.identity(&late.token_hash).await.unwrap().is_none());
}

pub(super) async fn every_end_is_logged_under_the_next_number(store: &TestStore) {
    use RevocationKind::{Deleted, Disabled, Password, Role, Session, Sessions};
    assert_eq!(head(store).await, 0);
    let ada = store.person("ada").await;
    let sessions = [
        sign_in(store, &ada).await.id,
        sign_in(store, &ada).await.id,
        sign_in(store, &ada).await.id,
    ];
    assert!(store.delete_session(sessions[0]).await.unwrap());
    assert!(store.end_session(ada.id, sessions[1]).await.unwrap());
    store.end_sessions(ada.id, Some(sessions[2])).await.unwrap();
    let set = password("new", None, None);
    store.set_password(ada.id, set).await.unwrap();
    assert!(store.set_admin(ada.id, true).await.unwrap());
    assert!(store.set_admin(ada.id, false).await.unwrap());
    let bot = UserRow {
        id: UserId::new(),
        name: "builder".into(),
        kind: UserKind::Bot,
    };
    store.create_bot(ada.id, bot.clone()).await.unwrap();
    let token = NewToken {
        id: SessionId::new(),
        user: bot.id,
        name: "ci".into(),
        scope: Scope::Write,
        token_hash: rand::random(),
        lifetime_s: None,
    };
    store.create_token(ada.id, token.clone()).await.unwrap();
    assert!(store.delete_token(ada.id, token.id).await.unwrap());
    assert!(store.disable_user(ada.id).await.unwrap());
    assert!(store.enable_user(ada.id).await.unwrap());
    assert!(store.remove_bot(ada.id, bot.id).await.unwrap());
    assert!(store.delete_account(ada.id, None).await.unwrap());
    let expected = [
        (1, Session, ada.id, Some(sessions[0])),
        (2, Session, ada.id, Some(sessions[1])),
        (3, Sessions, ada.id, None),
        (4, Password, ada.id, None),
        (5, Role, ada.id, None),
        (6, Session, bot.id, Some(token.id)),
        (7, Disabled, ada.id, None),
        (8, Deleted, bot.id, None),
        (9, Deleted, ada.id, None),
    ];
    assert_eq!(logged(store, 0).await, expected);
    assert_eq!(logged(store, 7).await, expected[7..]);
    let told = store.revocations_after(6).await.unwrap();
    assert_eq!((told.head, told.forgotten), (9, 0));
    assert_eq!(told.entries[0].bots, [bot.id], "its bots are looked at too");
    // What changes nothing is not logged.
    assert!(!store.delete_session(sessions[0]).await.unwrap());
    assert!(!store.delete_token(ada.id, token.id).await.unwrap());
    assert!(!store.delete_account(ada.id, None).await.unwrap());
    assert_eq!(store.end_sessions(ada.id, None).await.unwrap(), 0);
    assert_eq!(head(store).await, 9);
}

pub(super) async fn the_log_is_read_in_parts_and_forgotten_with_time(store: &TestStore) {
    let ada = store.person("ada").await;
    let count = limits::REVOCATIONS_PER_READ + 5;
    for _ in 0..count {
        let set = password("new", None, None);
        store.set_password(ada.id, set).await.unwrap();
    }
    let first = store.revocations_after(0).await.unwrap();
    assert_eq!(first.entries.len() as i64, limits::REVOCATIONS_PER_READ);
    assert_eq!(first.head, count);
    let rest = logged(store, first.entries.last().unwrap().number).await;
    assert_eq!(rest.len(), 5);
    store.age(limits::REVOCATIONS_S - 60).await;
    let set = password("newer", None, None);
    store.set_password(ada.id, set).await.unwrap();
    store.sweep().await.unwrap();
    assert_eq!(store.revocations_after(0).await.unwrap().forgotten, 0);
    store.age(120).await;
    store.sweep().await.unwrap();
    let told = store.revocations_after(0).await.unwrap();
    assert_eq!((told.head, told.forgotten), (count + 1, count));
    assert_eq!(told.entries.len(), 1);
    store.age(limits::REVOCATIONS_S).await;
    store.sweep().await.unwrap();
    let told = store.revocations_after(0).await.unwrap();
    assert_eq!((told.head, told.forgotten), (count + 1, count + 1));
    assert_eq!(told.entries, []);
}

pub(super) async fn numbers_of_racing_ends_have_no_hole(store: &TestStore) {
    let ada = store.person("ada").await;
    let sessions = join_all((0..20).map(|_| sign_in(store, &ada))).await;
    let ends = sessions
        .iter()
        .map(|session| store.delete_session(session.id));
    let read = async {
        // A reader that asks all the time: what it has read up to a number is all there is up to it.
        let mut seen = Vec::new();
        while seen.len() < 20 {
            let after = seen.last().copied().unwrap_or(0);
            let told = store.revocations_after(after).await.unwrap();
            seen.extend(told.entries.iter().map(|entry| entry.number));
            tokio::task::yield_now().await;
        }
        seen
    };
    let (ended, seen) = futures_util::join!(join_all(ends), read);
    assert!(ended.into_iter().all(|ended| ended.unwrap()));
    assert_eq!(seen, (1..=20).collect::<Vec<_>>());
}

pub(super) async fn who_is_disabled_can_do_nothing_until_enabled(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let ada = store.member(room, &owner, "ada", Role::Moderator).await;
    let session = sign_in(store, &ada).await;
    let token = NewToken {
        id: SessionId::new(),
        user: ada.id,
        name: "ci".into(),
        scope: Scope::Write,
        token_hash: rand::random(),
        lifetime_s: None,
    };
    store.create_token(ada.id, token.clone()).await.unwrap();
    let bot = UserRow {
        id: UserId::new(),
        name: "builder".into(),
        kind: UserKind::Bot,
    };
    store.create_bot(ada.id, bot.clone()).await.unwrap();
    let bot_token = NewToken {
        id: SessionId::new(),
        user: bot.id,
        token_hash: rand::random(),
        ..token.clone()
    };
    store.create_token(ada.id, bot_token.clone()).await.unwrap();
    let hook = NewHook {
        id: HookId::new(),
        user: UserRow {
            id: UserId::new(),
            name: "news".into(),
            kind: UserKind::Bot,
        },
        secret_hash: rand::random(),
    };
    store
        .create_hook(ada.id, "den", hook.clone())
        .await
        .unwrap();
    let mine = posted(
        store
            .change(room, Change::Post(message(&ada, "before")))
            .await,
    );

    assert!(store.disable_user(ada.id).await.unwrap());
    assert!(!store.disable_user(ada.id).await.unwrap());
    let ids = [session.id, token.id, bot_token.id];
    assert_eq!(living(store, &ids).await, []);
    assert!(store.identity(&session.token_hash).await.unwrap().is_none());
    for hash in [&token.token_hash, &bot_token.token_hash] {
        assert_eq!(store.token_identity(hash).await.unwrap(), None);
    }
    assert_eq!(store.hook_by_secret(&hook.secret_hash).await.unwrap(), None);
    assert!(store.credentials("ada").await.unwrap().is_none());
    let made = store.create_session(session_of(ada.id)).await;
    assert_eq!(refused(made), ErrorCode::UserNotFound);
    let made = store
        .create_room(new_room("other", Visibility::Public), ada.id)
        .await;
    assert_eq!(refused(made), ErrorCode::UserNotFound);
    let other = store.make_room(&owner, "open", Visibility::Public).await;
    assert_eq!(
        refused(store.join_room(ada.id, "open").await),
        ErrorCode::Banned
    );
    // What was on its way is judged by what holds now, of whatever kind and whoever's bot it is.
    let actor = ada.id;
    let on_their_way = [
        Change::Post(message(&ada, "after")),
        Change::Post(message(&hook.user, "from outside")),
        Change::DeleteMessage {
            actor,
            seq: mine.seq,
        },
        Change::SetMember {
            actor,
            user: owner.id,
            role: Role::Reader,
        },
        Change::RemoveMember {
            actor,
            user: hook.user.id,
        },
        Change::Ban {
            actor,
            user: bot.id,
            reason: String::new(),
        },
    ];
    for change in on_their_way {
        let outcome = store.change(room, change).await;
        assert_eq!(code(outcome), ErrorCode::Unauthenticated);
    }
    assert_eq!(store.heads(&[other.room.id]).await.unwrap()[0].version, 0);
    let shown = store.message(owner.id, "den", mine.seq).await.unwrap();
    assert_eq!(
        (shown.author.name.as_str(), shown.author.kind),
        ("ada", UserKind::User)
    );

    assert!(store.enable_user(ada.id).await.unwrap());
    assert!(!store.enable_user(ada.id).await.unwrap());
    assert_eq!(
        living(store, &ids).await.len(),
        2,
        "tokens work again, sessions ended"
    );
    store.create_session(session_of(ada.id)).await.unwrap();
    store.post(room, message(&ada, "again")).await;
    assert!(
        store
            .hook_by_secret(&hook.secret_hash)
            .await
            .unwrap()
            .is_some()
    );
    for nobody in [bot.id, store.assistant().await.unwrap().id, UserId::new()] {
        assert_eq!(
            refused(store.disable_user(nobody).await),
            ErrorCode::UserNotFound
        );
        assert_eq!(
            refused(store.enable_user(nobody).await),
            ErrorCode::UserNotFound
        );
    }
}

pub(super) async fn who_administers_no_more_signs_in_again(store: &TestStore) {
    let ada = store.person("ada").await;
    let session = sign_in(store, &ada).await;
    let seen = store.account("ADA").await.unwrap();
    assert_eq!(
        (seen.user.clone(), seen.admin, seen.disabled_at),
        (ada.clone(), false, None)
    );
    assert!(store.set_admin(ada.id, true).await.unwrap());
    assert!(!store.set_admin(ada.id, true).await.unwrap());
    assert!(store.account("ada").await.unwrap().admin);
    assert_eq!(living(store, &[session.id]).await, [session.id]);
    assert!(store.set_admin(ada.id, false).await.unwrap());
    assert_eq!(living(store, &[session.id]).await, []);
    assert!(!store.account("ada").await.unwrap().admin);
    store.disable_user(ada.id).await.unwrap();
    assert!(store.account("ada").await.unwrap().disabled_at.is_some());
    assert_eq!(
        refused(store.account("nobody").await),
        ErrorCode::UserNotFound
    );
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

pub(super) async fn a_deleted_account_leaves_its_words_and_nothing_else(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let ada = store.member(room, &owner, "Ada", Role::Moderator).await;
    let session = sign_in(store, &ada).await;
    let ticket: [u8; 32] = rand::random();
    store.create_ticket(session.id, &ticket, 30).await.unwrap();
    let bot = UserRow {
        id: UserId::new(),
        name: "builder".into(),
        kind: UserKind::Bot,
    };
    store.create_bot(ada.id, bot.clone()).await.unwrap();
    let set = Change::SetMember {
        actor: owner.id,
        user: bot.id,
        role: Role::Member,
    };
    store.change(room, set).await.unwrap();
    let token = NewToken {
        id: SessionId::new(),
        user: bot.id,
        name: "ci".into(),
        scope: Scope::Write,
        token_hash: rand::random(),
        lifetime_s: None,
    };
    store.create_token(ada.id, token.clone()).await.unwrap();
    let hook = NewHook {
        id: HookId::new(),
        user: UserRow {
            id: UserId::new(),
            name: "news".into(),
            kind: UserKind::Bot,
        },
        secret_hash: rand::random(),
    };
    store
        .create_hook(ada.id, "den", hook.clone())
        .await
        .unwrap();
    let said = store.post(room, message(&ada, "my words")).await;

    let hash = VerifiedHash("another".into());
    let wrong = store.delete_account(ada.id, Some(hash)).await;
    assert_eq!(refused(wrong), ErrorCode::BadCredentials);
    let hash = VerifiedHash("hash of Ada".into());
    assert!(store.delete_account(ada.id, Some(hash)).await.unwrap());
    assert_eq!(living(store, &[session.id, token.id]).await, []);
    assert!(store.redeem_ticket(&ticket).await.unwrap().is_none());
    assert_eq!(store.token_identity(&token.token_hash).await.unwrap(), None);
    assert_eq!(store.hook_by_secret(&hook.secret_hash).await.unwrap(), None);
    assert!(store.credentials("ada").await.unwrap().is_none());
    assert_eq!(
        refused(store.user_by_name("ada").await),
        ErrorCode::UserNotFound
    );
    assert_eq!(refused(store.account("ada").await), ErrorCode::UserNotFound);
    assert_eq!(
        refused(store.enable_user(ada.id).await),
        ErrorCode::UserNotFound
    );
    let late = store
        .change(room, Change::Post(message(&ada, "late")))
        .await;
    assert_eq!(code(late), ErrorCode::Unauthenticated);

    let before = store.heads(&[room]).await.unwrap()[0].version;
    let mut left = depart(store, ada.id).await;
    left.sort();
    let lobby = store.room(owner.id, LOBBY).await.unwrap().room.id;
    let mut expected = vec![room, room, room, lobby];
    expected.sort();
    assert_eq!(left, expected, "its bots leave too");
    let changes = store.all_changes(room, before).await;
    let mut removed: Vec<UserId> = changes
        .iter()
        .map(|change| match change {
            StoredChange::Log(row) if row.kind == LogKind::Removed => row.user.clone().unwrap().id,
            other => panic!("{other:?}"),
        })
        .collect();
    removed.sort();
    let mut gone = vec![ada.id, bot.id, hook.user.id];
    gone.sort();
    assert_eq!(removed, gone);
    let shown = store.message(owner.id, "den", said.seq).await.unwrap();
    assert_eq!(shown.body, "my words");
    assert_eq!(shown.author.id, ada.id);
    assert_eq!(
        (shown.author.name.as_str(), shown.author.kind),
        (DELETED_NAME, UserKind::Deleted)
    );
    let members = store.members(owner.id, "den", None, 10).await.unwrap();
    assert_eq!(members.len(), 1, "{members:?}");
    assert_eq!(
        refused(
            store.prove(&[(ada.id, "den".into())]).await.unwrap()[0]
                .clone()
                .map_err(Into::into)
        ),
        ErrorCode::NotAMember
    );
    // Nobody gets the name, nor the account.
    let (twin, session) = account("ADA", UserKind::User);
    assert_eq!(
        refused(store.create_account(twin, session).await),
        ErrorCode::NameTaken
    );
    let set = Change::SetMember {
        actor: owner.id,
        user: ada.id,
        role: Role::Member,
    };
    assert_eq!(code(store.change(room, set).await), ErrorCode::UserNotFound);
    let both = [owner.id, ada.id];
    let made = store
        .people_room(owner.id, &both, new_room("pair", Visibility::Direct))
        .await;
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
    assert!(store.delete_account(guest.id, None).await.unwrap());
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
        let deleted = store.delete_account(nobody, None).await;
        assert_eq!(refused(deleted), ErrorCode::UserNotFound);
    }
}

async fn role_of(store: &TestStore, asker: &UserRow, slug: &str, user: &UserRow) -> Option<Role> {
    let members = store.members(asker.id, slug, None, 50).await.unwrap();
    let found = members.into_iter().find(|member| member.user.id == user.id);
    found.map(|member| member.role)
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

    store.delete_account(owner.id, None).await.unwrap();
    depart(store, owner.id).await;
    assert_eq!(
        role_of(store, &member, "den", &second).await,
        Some(Role::Owner)
    );
    assert_eq!(
        role_of(store, &member, "den", &member).await,
        Some(Role::Member)
    );
    let before = store.heads(&[room]).await.unwrap()[0].version;
    store.delete_account(second.id, None).await.unwrap();
    depart(store, second.id).await;
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
    store.delete_account(member.id, None).await.unwrap();
    depart(store, member.id).await;
    assert_eq!(
        role_of(store, &reader, "den", &reader).await,
        Some(Role::Owner)
    );
    store.delete_account(reader.id, None).await.unwrap();
    depart(store, reader.id).await;
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
    store.delete_account(ada.id, None).await.unwrap();
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
    store.delete_account(bob.id, None).await.unwrap();
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
    let stopped = async |claimed: &salon::db::rows::ClaimedReply| {
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
            1 => assert!(store.delete_account(asker.id, None).await.unwrap()),
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
            let settle = super::fixtures::settlement(runner, &claimed, MessageState::Stopped, "");
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
    store.delete_account(ada.id, None).await.unwrap();
    assert_eq!(store.departures(Some(owner.id), 10).await.unwrap(), []);
    assert_eq!(store.departures(None, 10).await.unwrap().len(), 2);
    let before = store.heads(&[room]).await.unwrap()[0].version;
    changed(store.change(room, Change::Depart { user: ada.id }).await);
    let again = changed(store.change(room, Change::Depart { user: ada.id }).await);
    assert_eq!(again, before + 1, "one who is gone takes no version");
}
