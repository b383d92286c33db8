//! What accounts and their sessions come to, and the log of revocations, as every store keeps them.

use futures_util::future::join_all;
use salon::db::accounts::{NewPassword, RevocationKind, Seen};
use salon::db::changes::{NewSession, SessionOrigin, VerifiedHash};
use salon::db::integrations::NewToken;
use salon::db::rows::{UserKind, UserRow};
use salon::error::ErrorCode;
use salon::ids::{SessionId, UserId};
use salon::limits;
use salon::permissions::Scope;

use super::administration::administrator;
use super::fixtures::{TestStore, account, living, refused, session_of};

pub(super) async fn sign_in(store: &TestStore, user: &UserRow) -> NewSession {
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

fn password(hash: &str, seen: Option<&str>, keep: Option<SessionId>) -> NewPassword {
    NewPassword {
        hash: hash.into(),
        seen: seen.map_or(Seen::Operator, |hash| Seen::Hash(VerifiedHash(hash.into()))),
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
    // A server keeps at least one.
    administrator(store, "root").await;
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
    assert!(store.set_admin(None, ada.id, true).await.unwrap());
    assert!(store.set_admin(None, ada.id, false).await.unwrap());
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
    assert!(store.delete_account(ada.id, Seen::Operator).await.unwrap());
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
    assert!(!store.delete_account(ada.id, Seen::Operator).await.unwrap());
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
    let sessions = join_all((0..10).map(|_| sign_in(store, &ada))).await;
    let ends = sessions
        .iter()
        .map(|session| store.delete_session(session.id));
    let over = std::sync::atomic::AtomicBool::new(false);
    let ends = async {
        let ended = join_all(ends).await;
        over.store(true, std::sync::atomic::Ordering::SeqCst);
        ended
    };
    // A reader that asks all the time: what it has read up to a number is all there is up to it.
    let read = async {
        let mut seen: Vec<i64> = Vec::new();
        loop {
            let last = over.load(std::sync::atomic::Ordering::SeqCst);
            let after = seen.last().copied().unwrap_or(0);
            let told = store.revocations_after(after).await.unwrap();
            seen.extend(told.entries.iter().map(|entry| entry.number));
            if last {
                return seen;
            }
            tokio::task::yield_now().await;
        }
    };
    let (ended, seen) = futures_util::join!(ends, read);
    let ended: Vec<bool> = ended.into_iter().map(Result::unwrap).collect();
    assert_eq!(ended, [true; 10]);
    assert_eq!(seen, (1..=10).collect::<Vec<_>>());
}

pub(super) async fn who_administers_no_more_signs_in_again(store: &TestStore) {
    // A server keeps at least one.
    administrator(store, "root").await;
    let ada = store.person("ada").await;
    let session = sign_in(store, &ada).await;
    let seen = store.account("ADA").await.unwrap();
    assert_eq!(
        (seen.user.clone(), seen.admin, seen.disabled_at),
        (ada.clone(), false, None)
    );
    assert!(store.set_admin(None, ada.id, true).await.unwrap());
    assert!(!store.set_admin(None, ada.id, true).await.unwrap());
    assert!(store.account("ada").await.unwrap().admin);
    assert_eq!(living(store, &[session.id]).await, [session.id]);
    assert!(store.set_admin(None, ada.id, false).await.unwrap());
    assert_eq!(living(store, &[session.id]).await, []);
    assert!(!store.account("ada").await.unwrap().admin);
    store.disable_user(ada.id).await.unwrap();
    assert!(store.account("ada").await.unwrap().disabled_at.is_some());
    assert_eq!(
        refused(store.account("nobody").await),
        ErrorCode::UserNotFound
    );
}
