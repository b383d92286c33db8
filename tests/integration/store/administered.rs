//! What an administrator does to accounts is judged in the transaction that does it; and what the log says of rooms of two.

use salon::db::administration::AccountAct;
use salon::db::audit::{Act, AuditFilter, AuditRoom, DIRECT, NewAudit};
use salon::db::rows::{UserKind, UserRow};
use salon::error::ErrorCode;
use salon::ids::UserId;

use super::fixtures::{TestStore, account, living, refused, session_of};

/// An administrator of the server.
async fn administrator(store: &TestStore, name: &str) -> UserRow {
    let (account, session) = account(name, UserKind::User);
    let account = salon::db::changes::NewAccount {
        admin: true,
        ..account
    };
    let made = store.create_account(account, session).await.unwrap();
    made.identity.user
}

pub(super) async fn who_administers_no_more_does_nothing_to_accounts(store: &TestStore) {
    let (root, second) = (
        administrator(store, "root").await,
        administrator(store, "second").await,
    );
    let ada = store.person("ada").await;
    let session = session_of(ada.id);
    store.create_session(session.clone()).await.unwrap();
    let acts = [
        AccountAct::Disable,
        AccountAct::Enable,
        AccountAct::EndSessions,
    ];
    let nobody = UserId::new();
    for act in acts {
        for actor in [ada.id, nobody] {
            let no = store.administer_account(actor, second.id, act).await;
            assert_eq!(refused(no), ErrorCode::Forbidden, "{act:?}");
        }
        let none = store.administer_account(root.id, nobody, act).await;
        assert_eq!(refused(none), ErrorCode::UserNotFound, "{act:?}");
    }
    let act = async |act| {
        store
            .administer_account(root.id, ada.id, act)
            .await
            .unwrap()
    };
    assert!(act(AccountAct::EndSessions).await);
    assert!(!act(AccountAct::EndSessions).await, "none is left");
    assert!(living(store, &[session.id]).await.is_empty());
    assert!(act(AccountAct::Disable).await);
    assert!(!act(AccountAct::Disable).await);
    assert!(act(AccountAct::Enable).await);
    assert!(!act(AccountAct::Enable).await);
    // Kept out itself by the other one, it keeps nobody out, and lets nobody in: not even itself.
    let out = store
        .administer_account(second.id, root.id, AccountAct::Disable)
        .await;
    assert!(out.unwrap());
    for one in acts {
        for user in [&ada, &root, &second] {
            let no = store.administer_account(root.id, user.id, one).await;
            assert_eq!(refused(no), ErrorCode::Forbidden, "{one:?}");
        }
    }
    let last = store
        .administer_account(second.id, second.id, AccountAct::Disable)
        .await;
    assert_eq!(refused(last), ErrorCode::LastAdministrator);
    assert!(
        store
            .user_account(ada.id)
            .await
            .unwrap()
            .disabled_at
            .is_none()
    );
}

pub(super) async fn the_audit_log_has_no_address_of_a_direct_room(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let assistant = store.assistant().await.unwrap();
    let new = super::fixtures::new_room("direct-x", salon::db::rows::Visibility::Direct);
    let direct = store
        .direct_room(owner.id, assistant.id, new)
        .await
        .unwrap();
    let id = direct.room.id;
    let row = |room| NewAudit {
        room,
        ..NewAudit::of(Act::RoomExported).by(owner.id)
    };
    let rows = vec![
        row(AuditRoom::Id(id)),
        row(AuditRoom::Slug(direct.room.slug.to_string())),
        row(AuditRoom::Id(room)),
        row(AuditRoom::Slug("den".into())),
        row(AuditRoom::Slug("nowhere".into())),
        row(AuditRoom::None),
    ];
    for row in rows {
        store.note(vec![row]).await.unwrap();
    }
    let filter = AuditFilter {
        act: Some(Act::RoomExported),
        limit: 10,
        ..AuditFilter::default()
    };
    let found = store.audit(filter).await.unwrap();
    let mut rooms: Vec<Option<&str>> = found.iter().map(|row| row.room.as_deref()).collect();
    rooms.sort_unstable();
    let expected = [
        None,
        Some(DIRECT),
        Some(DIRECT),
        Some("den"),
        Some("den"),
        Some("nowhere"),
    ];
    assert_eq!(rooms, expected);
}
