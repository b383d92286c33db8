//! Accounts without HTTP: what is stored of a secret, and what a sign-in costs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use salon::auth::{Auth, Standing};
use salon::db::Store;
use salon::db::accounts::Accounts;
use salon::db::changes::{NewSession, SessionOrigin};
use salon::db::identities::{Identities, NewClaim};
use salon::db::rows::UserKind;
use salon::db::sqlite::SqliteStore;
use salon::error::ErrorCode;
use salon::ids::SessionId;
use salon::limits;

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
        .sign_in(
            "ada lovelace",
            "correct horse",
            None,
            SessionOrigin::default(),
        )
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
async fn one_session_too_many_ends_the_one_that_was_not_used_for_longest() {
    let (auth, store, _folder) = accounts().await;
    let origin = SessionOrigin::default;
    let made = auth
        .sign_up("Ada", "correct horse", origin())
        .await
        .unwrap();
    let user = made.identity.user.id;
    let session = |number: usize| NewSession {
        id: SessionId::new(),
        user,
        token_hash: std::array::from_fn(|byte| {
            number.to_le_bytes().get(byte).copied().unwrap_or(7)
        }),
        lifetime_s: 3_600,
        idle_s: 3_600,
        origin: origin(),
        verified: None,
    };
    // An application came in for the user before any of them.
    let claim = NewClaim {
        session: SessionId::new(),
        user,
        claim_hash: [9; 32],
        expires_at: Utc::now() + TimeDelta::hours(1),
    };
    let claimed = claim.session;
    store.create_claim(claim).await.unwrap();
    let mut others = Vec::new();
    for number in 2..=limits::SESSIONS_PER_USER {
        let other = session(number);
        others.push(other.id);
        store.create_session(other).await.unwrap();
    }
    // The first is used once more; the second is the one that was not.
    let first = made.identity.session;
    store.note_seen(&[first], 3_600, 0).await.unwrap();
    let entered = auth
        .sign_in("ada", "correct horse", None, origin())
        .await
        .unwrap();
    let living = store.sessions(user).await.unwrap();
    let lives = |session: SessionId| living.iter().any(|one| one.id == session);
    assert_eq!(living.len(), limits::SESSIONS_PER_USER + 1);
    assert!(lives(claimed), "it has a bound of its own");
    assert!(lives(first) && lives(entered.identity.session));
    assert!(!lives(others[0]) && lives(others[1]));
    // Sign-ins at the same time may have left more than one too many.
    for number in 1_001..=1_005 {
        store.create_session(session(number)).await.unwrap();
    }
    auth.sign_in("ada", "correct horse", None, origin())
        .await
        .unwrap();
    let living = store.sessions(user).await.unwrap();
    let (claims, sessions): (Vec<_>, Vec<_>) = living.iter().partition(|one| one.claimed);
    assert_eq!(sessions.len(), limits::SESSIONS_PER_USER);
    assert_eq!(claims.len(), 1);
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
        .sign_in("Bo", "anything at all", None, SessionOrigin::default())
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
                .sign_in(name, "wrong horse", None, SessionOrigin::default())
                .await
                .unwrap_err();
            assert_eq!(refusal.code, ErrorCode::BadCredentials);
            fastest = fastest.min(began.elapsed());
        }
        assert!(fastest > Duration::from_millis(4), "{name:?}: {fastest:?}");
    }
}
