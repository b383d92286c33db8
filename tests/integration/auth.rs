//! Accounts without HTTP: what is stored of a secret, and what a sign-in costs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use salon::auth::{Auth, Standing};
use salon::db::Store;
use salon::db::changes::SessionOrigin;
use salon::db::rows::UserKind;
use salon::db::sqlite::SqliteStore;
use salon::error::ErrorCode;

/// Accounts over an embedded store, and its folder.
async fn accounts() -> (Auth, Arc<SqliteStore>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).await.unwrap();
    (Auth::new(store.clone()), store, folder)
}

#[tokio::test]
async fn a_session_lives_from_sign_in_to_sign_out() {
    let (auth, _store, _folder) = accounts().await;
    let made = auth
        .sign_up(
            "  Ada  Lovelace ",
            "correct horse",
            SessionOrigin::default(),
        )
        .await
        .unwrap();
    assert_eq!(made.identity.user.name, "Ada Lovelace");
    assert_eq!(made.identity.user.kind, UserKind::User);
    let entered = auth
        .sign_in("ada lovelace", "correct horse", SessionOrigin::default())
        .await
        .unwrap();
    assert_ne!(entered.identity.session, made.identity.session);

    let token = entered.token.reveal();
    let seen = auth.authenticate(token).await.unwrap().unwrap();
    assert_eq!(seen.session, entered.identity.session);
    assert!(auth.sign_out(seen.session).await.unwrap());
    assert!(!auth.sign_out(seen.session).await.unwrap());
    assert_eq!(auth.authenticate(token).await.unwrap(), None);
    assert!(
        auth.authenticate(made.token.reveal())
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn nothing_stored_is_a_secret() {
    let (auth, store, folder) = accounts().await;
    let made = auth
        .create_user("Ada", "correct horse", Standing::Admin)
        .await
        .unwrap();
    let ticket = auth.create_ticket(made.identity.session).await.unwrap();
    let stored = store.credentials("ada").await.unwrap().unwrap();
    assert!(stored.password_hash.starts_with("$argon2id$"));
    store.close().await;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for secret in ["correct horse", made.token.reveal(), ticket.reveal()] {
            let found = bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!found, "a secret is in the data folder");
        }
    }
}

#[tokio::test]
async fn an_ended_session_takes_its_tickets_along() {
    let (auth, _store, _folder) = accounts().await;
    let guest = auth.guest("Bo", SessionOrigin::default()).await.unwrap();
    let ticket = auth.create_ticket(guest.identity.session).await.unwrap();
    auth.sign_out(guest.identity.session).await.unwrap();
    assert_eq!(auth.redeem_ticket(ticket.reveal()).await.unwrap(), None);
}

#[tokio::test]
async fn guests_share_names_and_never_sign_in() {
    let (auth, _store, _folder) = accounts().await;
    let first = auth.guest("Bo", SessionOrigin::default()).await.unwrap();
    let second = auth.guest("Bo", SessionOrigin::default()).await.unwrap();
    assert_ne!(first.identity.user.id, second.identity.user.id);
    let refusal = auth
        .sign_in("Bo", "anything at all", SessionOrigin::default())
        .await
        .unwrap_err();
    assert_eq!(refusal.code, ErrorCode::BadCredentials);
}

/// Two passes over 19 MiB take more than 4 ms on any machine, a lookup alone takes a fraction of one. Measured against
/// a floor and not against the known name, since a busy machine may hold up either.
#[tokio::test]
async fn an_unknown_name_costs_a_hash_too() {
    let (auth, _store, _folder) = accounts().await;
    auth.sign_up("Ada", "correct horse", SessionOrigin::default())
        .await
        .unwrap();
    for name in ["Ada", "Nobody", "not\u{0}a name"] {
        let mut fastest = Duration::MAX;
        for _ in 0..5 {
            let began = Instant::now();
            let refusal = auth
                .sign_in(name, "wrong horse", SessionOrigin::default())
                .await
                .unwrap_err();
            assert_eq!(refusal.code, ErrorCode::BadCredentials);
            fastest = fastest.min(began.elapsed());
        }
        assert!(fastest > Duration::from_millis(4), "{name:?}: {fastest:?}");
    }
}
