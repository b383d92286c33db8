//! Users, sessions and tickets, as every store keeps them.

use salon::db::rows::UserKind;
use salon::db::{ASSISTANT, LOBBY};
use salon::error::ErrorCode;
use salon::ids::{SessionId, UserId};
use salon::permissions::Role;

use super::fixtures::{TestStore, account, living, refused, same_session, session_of};

pub(super) async fn an_account_comes_with_a_session_and_the_lobby(store: &TestStore) {
    let (account, session) = account("Ada", UserKind::User);
    let signed_in = store
        .create_account(account.clone(), session.clone())
        .await
        .unwrap();
    assert!(same_session(&signed_in.identity, &session));
    assert_eq!(signed_in.identity.user, account.user);
    let found = store.identity(&session.token_hash).await.unwrap().unwrap();
    assert_eq!(found, signed_in.identity);
    let lobby = store.room(account.user.id, LOBBY).await.unwrap();
    assert_eq!(lobby.role, Some(Role::Member));
    assert_eq!(lobby.head.version, 0, "it takes no version");
}

pub(super) async fn names_are_compared_without_case(store: &TestStore) {
    for (first, second) in [("Ada", "aDA"), ("Ünal", "ünal"), ("ЖУК", "жук")] {
        let user = store.person(first).await;
        let (again, session) = account(second, UserKind::User);
        assert_eq!(
            refused(store.create_account(again, session.clone()).await),
            ErrorCode::NameTaken
        );
        assert_eq!(store.identity(&session.token_hash).await.unwrap(), None);
        assert_eq!(store.user_by_name(second).await.unwrap(), user);
        let credentials = store.credentials(second).await.unwrap().unwrap();
        assert_eq!(credentials.user, user, "the name as it was given");
        assert_eq!(credentials.password_hash, format!("hash of {first}"));
    }
    assert_eq!(
        refused(store.user_by_name("nobody").await),
        ErrorCode::UserNotFound
    );
}

pub(super) async fn names_that_look_alike_are_one(store: &TestStore) {
    let mary = store.person("mary").await;
    for alike in ["rnary", "RNARY", "m\u{430}ry"] {
        for kind in [UserKind::User, UserKind::Guest] {
            let (again, session) = account(alike, kind);
            assert_eq!(
                refused(store.create_account(again, session).await),
                ErrorCode::NameTaken,
                "{alike}"
            );
        }
        let (bot, _) = account(alike, UserKind::Bot);
        let made = store.create_bot(mary.id, bot.user).await;
        assert_eq!(refused(made), ErrorCode::NameTaken, "a bot {alike}");
        // It is still another name: nobody is found by it.
        assert_eq!(
            refused(store.user_by_name(alike).await),
            ErrorCode::UserNotFound
        );
        assert!(store.credentials(alike).await.unwrap().is_none());
    }
    // A bot's name is somebody's own as well, and a guest's is nobody's.
    let (bot, _) = account("Helper", UserKind::Bot);
    store.create_bot(mary.id, bot.user).await.unwrap();
    let (again, session) = account("He1per", UserKind::User);
    let made = store.create_account(again, session).await;
    assert_eq!(refused(made), ErrorCode::NameTaken);
    let (guest, session) = account("scope", UserKind::Guest);
    store.create_account(guest, session).await.unwrap();
    let (other, session) = account("sc\u{43e}pe", UserKind::User);
    store.create_account(other, session).await.unwrap();
}

pub(super) async fn guests_may_share_a_name_but_not_take_one(store: &TestStore) {
    for _ in 0..2 {
        let (guest, session) = account("Bob", UserKind::Guest);
        store.create_account(guest, session).await.unwrap();
    }
    // A guest's name is free for an account, whose name is then taken for guests too.
    store.person("bob").await;
    for (name, kind) in [
        ("BOB", UserKind::Guest),
        ("BOB", UserKind::User),
        (ASSISTANT, UserKind::Guest),
        ("Assistant", UserKind::User),
    ] {
        let (taken, session) = account(name, kind);
        assert_eq!(
            refused(store.create_account(taken, session).await),
            ErrorCode::NameTaken,
            "{name} {kind:?}"
        );
    }
}

pub(super) async fn only_accounts_with_a_password_have_credentials(store: &TestStore) {
    let (guest, session) = account("gus", UserKind::Guest);
    store.create_account(guest, session).await.unwrap();
    for name in ["gus", ASSISTANT, "nobody", ""] {
        assert!(
            store.credentials(name).await.unwrap().is_none(),
            "{name} has none"
        );
    }
}

pub(super) async fn a_session_ends_once(store: &TestStore) {
    let user = store.person("ada").await;
    let (one, two) = (session_of(user.id), session_of(user.id));
    store.create_session(one.clone()).await.unwrap();
    let second = store.create_session(two.clone()).await.unwrap();
    assert!(same_session(&second.identity, &two));
    assert!(store.delete_session(one.id).await.unwrap());
    assert!(!store.delete_session(one.id).await.unwrap());
    assert!(!store.delete_session(SessionId::new()).await.unwrap());
    assert_eq!(store.identity(&one.token_hash).await.unwrap(), None);
    assert!(store.identity(&two.token_hash).await.unwrap().is_some());
    let asked = [one.id, two.id, SessionId::new()];
    assert_eq!(living(store, &asked).await, [two.id]);
    assert_eq!(living(store, &[]).await, []);
}

pub(super) async fn sessions_run_out(store: &TestStore) {
    let user = store.person("ada").await;
    let session = session_of(user.id);
    store.create_session(session.clone()).await.unwrap();
    store.age(3_500).await;
    assert!(store.identity(&session.token_hash).await.unwrap().is_some());
    store.age(200).await;
    assert_eq!(store.identity(&session.token_hash).await.unwrap(), None);
    assert_eq!(living(store, &[session.id]).await, []);
    assert!(!store.delete_session(session.id).await.unwrap());
}

pub(super) async fn a_session_needs_a_user(store: &TestStore) {
    let session = session_of(UserId::new());
    assert_eq!(
        refused(store.create_session(session).await),
        ErrorCode::UserNotFound
    );
}

pub(super) async fn a_ticket_stands_for_its_session_once(store: &TestStore) {
    let user = store.person("ada").await;
    let session = session_of(user.id);
    let identity = store
        .create_session(session.clone())
        .await
        .unwrap()
        .identity;
    let ticket: [u8; 32] = rand::random();
    store.create_ticket(session.id, &ticket, 30).await.unwrap();
    assert_eq!(store.redeem_ticket(&rand::random()).await.unwrap(), None);
    // Of many at once, one gets it.
    let tries = futures_util::future::join_all((0..8).map(|_| store.redeem_ticket(&ticket))).await;
    let redeemed: Vec<_> = tries.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(redeemed, [identity]);
    assert_eq!(store.redeem_ticket(&ticket).await.unwrap(), None);
}

pub(super) async fn tickets_end_with_their_time_and_their_session(store: &TestStore) {
    let user = store.person("ada").await;
    let session = session_of(user.id);
    store.create_session(session.clone()).await.unwrap();
    let (late, orphan): ([u8; 32], [u8; 32]) = (rand::random(), rand::random());
    store.create_ticket(session.id, &late, 30).await.unwrap();
    store.age(31).await;
    assert_eq!(store.redeem_ticket(&late).await.unwrap(), None);
    store.create_ticket(session.id, &orphan, 30).await.unwrap();
    store.delete_session(session.id).await.unwrap();
    assert_eq!(store.redeem_ticket(&orphan).await.unwrap(), None);
    assert!(
        store
            .create_ticket(session.id, &rand::random(), 30)
            .await
            .is_err(),
        "an ended session gives no tickets"
    );
}

pub(super) async fn the_sweep_removes_what_has_run_out(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    store.member(room, &owner, "ada", Role::Member).await;
    let mut session = session_of(owner.id);
    session.lifetime_s = 20_000;
    store.create_session(session.clone()).await.unwrap();
    for _ in 0..3 {
        let ticket: [u8; 32] = rand::random();
        store.create_ticket(session.id, &ticket, 30).await.unwrap();
    }
    assert_eq!(store.sweep().await.unwrap(), Default::default());
    store.age(3_700).await;
    let swept = store.sweep().await.unwrap();
    assert_eq!(swept.sessions, 2, "the first sessions of both");
    assert_eq!(swept.tickets, 3);
    assert_eq!(swept.batches, 1, "the batch that was not only posts");
    assert_eq!(store.sweep().await.unwrap(), Default::default());
    assert_eq!(living(store, &[session.id]).await, [session.id]);
}

pub(super) async fn the_assistant_is_there(store: &TestStore) {
    let assistant = store.assistant().await.unwrap();
    assert_eq!(assistant.name, ASSISTANT);
    assert_eq!(assistant.kind, UserKind::Assistant);
    assert_eq!(store.user_by_name("ASSISTANT").await.unwrap(), assistant);
    assert_eq!(
        refused(
            store
                .prove(&[(assistant.id, LOBBY.into())])
                .await
                .unwrap()
                .remove(0)
                .map_err(salon::db::StoreError::Refused)
        ),
        ErrorCode::NotAMember
    );
    store.ping().await.unwrap();
}
