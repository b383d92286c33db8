//! Guests that become accounts, as every store keeps them.

use futures_util::future::join_all;
use salon::db::accounts::{GuestUpgrade, NewPassword, RevocationKind, Seen};
use salon::db::audit::{Act, AuditFilter};
use salon::db::changes::NewSession;
use salon::db::identities::NewIdentity;
use salon::db::integrations::NewHook;
use salon::db::rows::{ReadMark, UserKind, UserRow, Visibility};
use salon::db::{LOBBY, SignedIn, StoreResult};
use salon::error::ErrorCode;
use salon::ids::{HookId, UserId};
use salon::permissions::Role;

use super::account_ends::sign_in;
use super::fixtures::{TestStore, account, living, message, refused, same_session, session_of};

async fn guest(store: &TestStore, name: &str) -> (UserRow, NewSession) {
    let (guest, session) = account(name, UserKind::Guest);
    store
        .create_account(guest.clone(), session.clone())
        .await
        .unwrap();
    (guest.user, session)
}

/// The guest as an account of that name, with a session of its own.
async fn upgrade(
    store: &TestStore,
    user: UserId,
    name: &str,
) -> (NewSession, StoreResult<SignedIn>) {
    let session = session_of(user);
    let wanted = GuestUpgrade {
        user,
        name: name.into(),
        password_hash: format!("hash of {name}"),
    };
    let made = store.upgrade_guest(wanted, session.clone()).await;
    (session, made)
}

pub(super) async fn a_guest_becomes_an_account_with_all_it_has(store: &TestStore) {
    let (guest, first) = guest(store, "Ada").await;
    let second = sign_in(store, &guest).await;
    let ticket = [7; 32];
    store.create_ticket(second.id, &ticket, 60).await.unwrap();
    let room = store.make_room(&guest, "den", Visibility::Private).await;
    let seq = store.post(room.room.id, message(&guest, "mine")).await.seq;
    let mark = ReadMark {
        user: guest.id,
        room: room.room.id,
        seq,
    };
    store.mark_read(&[mark]).await.unwrap();
    let before = store.room(guest.id, "den").await.unwrap();
    let log = store.revocations_after(i64::MAX).await.unwrap().head;

    let (fresh, made) = upgrade(store, guest.id, "Lady Ada").await;
    let SignedIn { identity } = made.unwrap();
    let ada = UserRow {
        id: guest.id,
        name: "Lady Ada".into(),
        kind: UserKind::User,
    };
    assert!(same_session(&identity, &fresh));
    assert_eq!(identity.user, ada);
    let found = store.identity(&fresh.token_hash).await.unwrap();
    assert_eq!(found, Some(identity));
    // What let the guest in lets nobody in any more, and every instance is told to look.
    let asked = [first.id, second.id, fresh.id];
    assert_eq!(living(store, &asked).await, [fresh.id]);
    for gone in [&first, &second] {
        assert_eq!(store.identity(&gone.token_hash).await.unwrap(), None);
    }
    assert_eq!(store.redeem_ticket(&ticket).await.unwrap(), None);
    let told = store.revocations_after(log).await.unwrap().entries;
    let told: Vec<_> = told.iter().map(|entry| (entry.kind, entry.user)).collect();
    assert_eq!(told, [(RevocationKind::Sessions, ada.id)]);
    // What it had is still its own, by its new name.
    let after = store.room(ada.id, "den").await.unwrap();
    assert_eq!((after.role, after.read), (Some(Role::Owner), before.read));
    assert_eq!(after.head, before.head, "it takes no version");
    assert_eq!(store.message(ada.id, "den", seq).await.unwrap().author, ada);
    let lobby = store.room(ada.id, LOBBY).await.unwrap();
    assert_eq!(lobby.role, Some(Role::Member));
    let members = store.members(ada.id, "den", None, 9).await.unwrap();
    assert!(members.iter().any(|member| member.user == ada));
    // It is found by its name, and by its password it comes in.
    assert_eq!(store.user_by_name("lady ADA").await.unwrap(), ada);
    let credentials = store.credentials("lady ada").await.unwrap().unwrap();
    assert_eq!(credentials.password_hash, "hash of Lady Ada");
    assert_eq!(store.account("lady ada").await.unwrap().user, ada);
    let filter = AuditFilter {
        act: Some(Act::GuestUpgraded),
        limit: 9,
        ..AuditFilter::default()
    };
    let rows = store.audit(filter).await.unwrap();
    let who: Vec<_> = rows.into_iter().map(|row| (row.who, row.whom)).collect();
    assert_eq!(who, [(Some(ada), None)]);
}

/// What a guest may do that has no password, it may not when it has become an account meanwhile.
pub(super) async fn an_account_does_not_end_by_what_its_guest_asked(store: &TestStore) {
    let (bob, _) = guest(store, "Bob").await;
    assert_eq!(store.password_hash(bob.id).await.unwrap(), None);
    let (fresh, made) = upgrade(store, bob.id, "Bob").await;
    made.unwrap();
    let late = store.delete_account(bob.id, Seen::NoPassword).await;
    assert_eq!(refused(late), ErrorCode::BadCredentials);
    let late = NewPassword {
        hash: "another".into(),
        seen: Seen::NoPassword,
        keep: None,
    };
    let late = store.set_password(bob.id, late).await;
    assert_eq!(refused(late), ErrorCode::BadCredentials);
    assert_eq!(living(store, &[fresh.id]).await, [fresh.id]);
    let hash = store.password_hash(bob.id).await.unwrap();
    assert_eq!(hash.as_deref(), Some("hash of Bob"));
    // A guest that is still one needs none.
    let (eve, _) = guest(store, "Eve").await;
    let deleted = store.delete_account(eve.id, Seen::NoPassword).await;
    assert!(deleted.unwrap());
    // Nor does the operator.
    assert!(store.delete_account(bob.id, Seen::Operator).await.unwrap());
}

pub(super) async fn a_guest_takes_nobodys_name_with_it(store: &TestStore) {
    store.person("mary").await;
    let (first, session) = guest(store, "Bob").await;
    let (second, _) = guest(store, "bob").await;
    for taken in ["MARY", "rnary", "Assistant"] {
        let (fresh, made) = upgrade(store, first.id, taken).await;
        assert_eq!(refused(made), ErrorCode::NameTaken, "{taken}");
        assert_eq!(living(store, &[session.id, fresh.id]).await, [session.id]);
    }
    let identity = store.identity(&session.token_hash).await.unwrap().unwrap();
    assert_eq!(identity.user, first, "nothing has changed");
    // The name that guests share is whose account is the first.
    upgrade(store, first.id, "Bob").await.1.unwrap();
    let (_, late) = upgrade(store, second.id, "bob").await;
    assert_eq!(refused(late), ErrorCode::NameTaken);
    let (third, session) = account("BOB", UserKind::Guest);
    let come = store.create_account(third, session).await;
    assert_eq!(
        refused(come),
        ErrorCode::NameTaken,
        "nor comes a guest by it"
    );
    upgrade(store, second.id, "bobby").await.1.unwrap();
}

pub(super) async fn racing_guests_take_one_name_once(store: &TestStore) {
    let mut guests = Vec::new();
    for _ in 0..6 {
        guests.push(guest(store, "gus").await.0);
    }
    // Names that are the same, and that only look so.
    let names = ["Gus", "gus", "Gu\u{455}"];
    let all = guests.iter().zip(names.into_iter().cycle());
    let all = join_all(all.map(|(guest, name)| upgrade(store, guest.id, name))).await;
    let (made, taken): (Vec<_>, Vec<_>) = all
        .into_iter()
        .map(|(_, made)| made)
        .partition(Result::is_ok);
    assert_eq!(made.len(), 1);
    for refusal in taken {
        assert_eq!(refused(refusal), ErrorCode::NameTaken);
    }
    // One that asks twice at once becomes one account, with one session.
    let (twice, _) = guest(store, "hal").await;
    let both = join_all([(); 2].map(|()| upgrade(store, twice.id, "hal"))).await;
    let sessions: Vec<_> = both.iter().map(|(session, _)| session.id).collect();
    let (made, refusals): (Vec<_>, Vec<_>) = both
        .into_iter()
        .map(|(_, made)| made)
        .partition(Result::is_ok);
    assert_eq!(made.len(), 1);
    for refusal in refusals {
        assert_eq!(refused(refusal), ErrorCode::NotAGuest);
    }
    assert_eq!(living(store, &sessions).await.len(), 1);
}

pub(super) async fn only_a_guest_that_is_there_becomes_an_account(store: &TestStore) {
    let (ada, _) = store.owner_and_room().await;
    let (bot, _) = account("helper", UserKind::Bot);
    store.create_bot(ada.id, bot.user.clone()).await.unwrap();
    let (author, _) = account("news", UserKind::Bot);
    let hook = NewHook {
        id: HookId::new(),
        user: author.user.clone(),
        secret_hash: rand::random(),
    };
    store.create_hook(ada.id, "den", hook).await.unwrap();
    let assistant = store.assistant().await.unwrap();
    let vouched = NewIdentity {
        issuer: "https://issuer.test".into(),
        subject: "ada".into(),
        user: account("vouched", UserKind::User).0.user,
    };
    let vouched = store.create_identity(vouched).await.unwrap().user;
    for other in [
        ada.id,
        bot.user.id,
        author.user.id,
        assistant.id,
        vouched.id,
    ] {
        let (fresh, made) = upgrade(store, other, "somebody").await;
        assert_eq!(refused(made), ErrorCode::NotAGuest);
        assert_eq!(living(store, &[fresh.id]).await, []);
    }
    let (kept_out, _) = guest(store, "mallory").await;
    assert!(store.disable_user(kept_out.id).await.unwrap());
    let (deleted, _) = guest(store, "gone").await;
    assert!(
        store
            .delete_account(deleted.id, Seen::Operator)
            .await
            .unwrap()
    );
    for gone in [kept_out.id, deleted.id, UserId::new()] {
        let (_, made) = upgrade(store, gone, "somebody").await;
        assert_eq!(refused(made), ErrorCode::Unauthenticated);
    }
    assert_eq!(
        refused(store.user_by_name("somebody").await),
        ErrorCode::UserNotFound
    );
    // Who is let in again may.
    assert!(store.enable_user(kept_out.id).await.unwrap());
    upgrade(store, kept_out.id, "somebody").await.1.unwrap();
}
