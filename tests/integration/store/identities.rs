//! Users that others vouch for, and the sessions of their claims, as every store keeps them.

use chrono::{TimeDelta, Utc};
use futures_util::future::join_all;
use salon::db::LOBBY;
use salon::db::accounts::Seen;
use salon::db::identities::{IdentityUser, NewClaim, NewIdentity};
use salon::db::rows::{UserKind, UserRow};
use salon::error::ErrorCode;
use salon::ids::{SessionId, UserId};
use salon::limits::CLAIMS_PER_USER;
use salon::permissions::{Role, Scope};

use super::fixtures::{TestStore, refused};

const ISSUER: &str = "https://id.example";

fn identity(subject: &str, name: &str) -> NewIdentity {
    NewIdentity {
        issuer: ISSUER.to_owned(),
        subject: subject.to_owned(),
        user: UserRow {
            id: UserId::new(),
            name: name.to_owned(),
            kind: UserKind::User,
        },
    }
}

fn claim(user: UserId, seconds: i64) -> NewClaim {
    NewClaim {
        session: SessionId::new(),
        user,
        claim_hash: rand::random(),
        expires_at: Utc::now() + TimeDelta::seconds(seconds),
    }
}

async fn newcomer(store: &TestStore, subject: &str) -> UserRow {
    let made = store.create_identity(identity(subject, subject)).await;
    made.unwrap().user
}

pub(super) async fn an_identity_is_one_user_in_the_lobby(store: &TestStore) {
    assert_eq!(store.identity_user(ISSUER, "1").await.unwrap(), None);
    let new = identity("1", "Ada");
    let made = store.create_identity(new.clone()).await.unwrap();
    let expected = IdentityUser {
        user: new.user.clone(),
        disabled: false,
    };
    assert_eq!(made, expected);
    assert_eq!(
        store.identity_user(ISSUER, "1").await.unwrap(),
        Some(expected.clone())
    );
    // Whatever it would be called now, it is the same.
    let again = store.create_identity(identity("1", "Renamed")).await;
    assert_eq!(again.unwrap(), expected);
    let again = store.create_identity(identity("1", "ADA")).await;
    assert_eq!(again.unwrap(), expected);
    assert_eq!(
        refused(store.user_by_name("renamed").await),
        ErrorCode::UserNotFound
    );
    let lobby = store.room(made.user.id, LOBBY).await.unwrap();
    assert_eq!(lobby.role, Some(Role::Member));
    assert_eq!(lobby.head.version, 0, "it takes no version");
    assert_eq!(store.user_by_name("ada").await.unwrap(), made.user);
    assert!(store.credentials("Ada").await.unwrap().is_none());
}

pub(super) async fn racing_first_sign_ins_make_one_user(store: &TestStore) {
    let tries = (0..8).map(|number| store.create_identity(identity("1", &format!("Ada {number}"))));
    let made: Vec<_> = join_all(tries)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert!(made.iter().all(|one| one == &made[0]), "{made:?}");
    let mut found = 0;
    for number in 0..8 {
        let name = format!("Ada {number}");
        found += usize::from(store.user_by_name(&name).await.is_ok());
    }
    assert_eq!(found, 1, "the others left nothing");
}

pub(super) async fn an_identity_takes_nobodys_name(store: &TestStore) {
    store.person("Ada").await;
    newcomer(store, "bob").await;
    for taken in ["Ada", "aDA", "Bob", salon::db::ASSISTANT] {
        assert_eq!(
            refused(store.create_identity(identity("1", taken)).await),
            ErrorCode::NameTaken,
            "{taken}"
        );
    }
    assert_eq!(store.identity_user(ISSUER, "1").await.unwrap(), None);
    store.create_identity(identity("1", "Ada 2")).await.unwrap();
}

pub(super) async fn identities_are_compared_byte_for_byte(store: &TestStore) {
    let user = newcomer(store, "Ada").await;
    for (issuer, subject) in [
        (ISSUER, "ada"),
        (ISSUER, "Ada "),
        (ISSUER, ""),
        ("https://ID.example", "Ada"),
        ("https://id.example/", "Ada"),
    ] {
        let found = store.identity_user(issuer, subject).await.unwrap();
        assert_eq!(found, None, "{issuer} {subject}");
    }
    let other = store.create_identity(identity("ada", "Other")).await;
    assert_ne!(user.id, other.unwrap().user.id);
}

pub(super) async fn a_claim_has_one_session_until_it_ends(store: &TestStore) {
    let user = newcomer(store, "ada").await;
    let first = claim(user.id, 100);
    assert_eq!(store.claim_identity(&first.claim_hash).await.unwrap(), None);
    let made = store.create_claim(first.clone()).await.unwrap();
    assert_eq!((made.session, &made.user), (first.session, &user));
    assert_eq!(made.scope, Some(Scope::Write));
    let ends = made.expires_at.unwrap();
    assert!((ends - first.expires_at).num_milliseconds().abs() < 2);
    let again = NewClaim {
        session: SessionId::new(),
        ..first.clone()
    };
    assert_eq!(store.create_claim(again).await.unwrap(), made);
    let found = store.claim_identity(&first.claim_hash).await.unwrap();
    assert_eq!(found, Some(made));
    let live = store.live_sessions(&[first.session]).await.unwrap();
    let live: Vec<SessionId> = live.iter().map(|live| live.id).collect();
    assert_eq!(live, [first.session]);
    store.age(200).await;
    assert_eq!(store.claim_identity(&first.claim_hash).await.unwrap(), None);
    assert_eq!(store.live_sessions(&[first.session]).await.unwrap(), []);
    assert_eq!(
        refused(store.create_claim(claim(UserId::new(), 100)).await),
        ErrorCode::UserNotFound
    );
}

pub(super) async fn racing_claims_make_one_session(store: &TestStore) {
    let user = newcomer(store, "ada").await;
    let one = claim(user.id, 100);
    let tries = (0..8).map(|_| {
        store.create_claim(NewClaim {
            session: SessionId::new(),
            ..one.clone()
        })
    });
    let made: Vec<_> = join_all(tries)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert!(made.iter().all(|each| each == &made[0]), "{made:?}");
}

pub(super) async fn claims_of_one_user_are_bounded(store: &TestStore) {
    let (user, other) = (newcomer(store, "ada").await, newcomer(store, "bob").await);
    let first = claim(user.id, 100);
    store.create_claim(first.clone()).await.unwrap();
    for _ in 1..CLAIMS_PER_USER {
        store.create_claim(claim(user.id, 100)).await.unwrap();
    }
    assert_eq!(
        refused(store.create_claim(claim(user.id, 100)).await),
        ErrorCode::TooMany
    );
    assert!(store.create_claim(first).await.is_ok(), "one that is there");
    store.create_claim(claim(other.id, 100)).await.unwrap();
    store.age(200).await;
    store.create_claim(claim(user.id, 1_000)).await.unwrap();
}

pub(super) async fn a_claims_ticket_ends_with_it(store: &TestStore) {
    let user = newcomer(store, "ada").await;
    let one = claim(user.id, 100);
    store.create_claim(one.clone()).await.unwrap();
    let (now, late): ([u8; 32], [u8; 32]) = (rand::random(), rand::random());
    store.create_ticket(one.session, &now, 30).await.unwrap();
    store
        .create_ticket(one.session, &late, 1_000)
        .await
        .unwrap();
    let redeemed = store.redeem_ticket(&now).await.unwrap().unwrap();
    assert_eq!((redeemed.session, redeemed.user), (one.session, user));
    store.age(200).await;
    assert_eq!(store.redeem_ticket(&late).await.unwrap(), None);
}

pub(super) async fn who_deleted_an_account_comes_as_somebody_new(store: &TestStore) {
    let first = newcomer(store, "ada-1").await;
    assert!(
        store
            .delete_account(first.id, Seen::Operator)
            .await
            .unwrap()
    );
    let known = store.identity_user(ISSUER, "ada-1").await.unwrap();
    assert_eq!(known, None);
    // The name stays that of whoever wrote under it.
    let again = store.create_identity(identity("ada-1", "ada-1")).await;
    assert_eq!(refused(again), ErrorCode::NameTaken);
    let again = store.create_identity(identity("ada-1", "ada 2")).await;
    let again = again.unwrap();
    assert_ne!(again.user.id, first.id);
    assert!(!again.disabled);
}
