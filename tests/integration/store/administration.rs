//! Administration and the audit log, as every store keeps them.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use salon::db::audit::{Act, AuditFilter, AuditRoom, AuditRow, NewAudit};
use salon::db::changes::{Administered, Batch, Change, RoomChanges};
use salon::db::integrations::NewToken;
use salon::db::rows::{UserKind, UserRow, Visibility};
use salon::error::ErrorCode;
use salon::ids::{BatchId, RoomId, SessionId, UserId};
use salon::origin::{Origin, Way};
use salon::permissions::{Role, Scope};

use super::fixtures::{TestStore, account, changed, code, message, posted, refused};

/// Somebody who administers the server.
pub(super) async fn administrator(store: &TestStore, name: &str) -> UserRow {
    let (mut account, session) = account(name, UserKind::User);
    account.admin = true;
    let made = store.create_account(account, session).await.unwrap();
    made.identity.user
}

async fn rows(store: &TestStore, filter: AuditFilter) -> Vec<AuditRow> {
    let limit = 100;
    store.audit(AuditFilter { limit, ..filter }).await.unwrap()
}

/// The acts of a room, the first first.
async fn acts(store: &TestStore, slug: &str) -> Vec<&'static str> {
    let room = Some(slug.to_owned());
    let filter = AuditFilter {
        room,
        ..AuditFilter::default()
    };
    let rows = rows(store, filter).await;
    rows.iter().rev().map(|row| row.act.as_str()).collect()
}

fn administer(actor: Option<UserId>, act: Administered) -> Change {
    Change::Administer { actor, act }
}

pub(super) async fn what_changes_a_room_is_noted_with_it_and_messages_are_not(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let ada = store.member(room, &owner, "ada", Role::Member).await;
    posted(
        store
            .change(room, Change::Post(message(&ada, "hello")))
            .await,
    );
    let ban = Change::Ban {
        actor: ada.id,
        user: owner.id,
        reason: "none".into(),
    };
    assert_eq!(code(store.change(room, ban).await), ErrorCode::Forbidden);
    let again = Change::SetMember {
        actor: owner.id,
        user: ada.id,
        role: Role::Member,
    };
    changed(store.change(room, again).await);
    let remove = Change::RemoveMember {
        actor: owner.id,
        user: ada.id,
    };
    let batch = Batch {
        id: BatchId::new(),
        rerun: false,
        rooms: vec![RoomChanges {
            room,
            changes: vec![Change::Post(message(&ada, "bye")), remove],
            origins: vec![(
                1,
                Origin {
                    way: Way::Http,
                    address: Some(IpAddr::from([192, 0, 2, 7])),
                    acting: None,
                },
            )],
        }],
    };
    store.apply(batch.clone()).await.unwrap();
    let rerun = Batch {
        rerun: true,
        ..batch
    };
    store.apply(rerun).await.unwrap();
    let wanted = ["room.created", "member.role", "member.removed"];
    assert_eq!(acts(store, "den").await, wanted, "each once, no message");
    let removed = rows(
        store,
        AuditFilter {
            act: Some(Act::MemberRemoved),
            ..AuditFilter::default()
        },
    )
    .await;
    let [row] = removed.as_slice() else {
        panic!("{removed:?}");
    };
    assert_eq!(
        (row.who.as_ref(), row.whom.as_ref()),
        (Some(&owner), Some(&ada))
    );
    assert_eq!(
        (row.way, row.address.as_deref()),
        (Way::Http, Some("192.0.2.7"))
    );
    assert_eq!((row.outcome.as_deref(), row.times), (None, 1));
}

pub(super) async fn accounts_sessions_and_tokens_are_noted(store: &TestStore) {
    let origin = Origin {
        way: Way::Http,
        address: Some(IpAddr::from([192, 0, 2, 8])),
        acting: None,
    };
    let (wanted, session) = account("ada", UserKind::User);
    let ada = origin.of(store.create_account(wanted, session.clone()));
    let ada = ada.await.unwrap().identity.user;
    let token = NewToken {
        id: SessionId::new(),
        user: ada.id,
        name: "ci".into(),
        scope: Scope::Read,
        token_hash: rand::random(),
        lifetime_s: None,
    };
    store.create_token(ada.id, token.clone()).await.unwrap();
    assert!(store.delete_token(ada.id, token.id).await.unwrap());
    assert!(!store.delete_token(ada.id, token.id).await.unwrap());
    assert!(store.delete_session(session.id).await.unwrap());
    assert!(!store.delete_session(session.id).await.unwrap());
    let user = Some(ada.id);
    let found = rows(
        store,
        AuditFilter {
            user,
            ..AuditFilter::default()
        },
    )
    .await;
    let acts: Vec<&str> = found.iter().rev().map(|row| row.act.as_str()).collect();
    let wanted = [
        "user.created",
        "token.made",
        "token.removed",
        "session.ended",
    ];
    assert_eq!(acts, wanted);
    let made = found.last().unwrap();
    assert_eq!(
        (made.way, made.address.as_deref()),
        (Way::Http, Some("192.0.2.8"))
    );
    assert!(
        found.iter().all(|row| !row.detail.contains("ci")),
        "{found:?}"
    );
}

pub(super) async fn the_audit_log_is_read_in_pages_and_swept(store: &TestStore) {
    let began = Instant::now();
    let ada = store.person("ada").await;
    for number in 1..=5 {
        let note = NewAudit {
            outcome: Some(ErrorCode::Forbidden),
            room: AuditRoom::named("nowhere"),
            times: number,
            ..NewAudit::of(Act::Refused).by(ada.id).saying("get /api")
        };
        store.note(vec![note]).await.unwrap();
    }
    store.note(Vec::new()).await.unwrap();
    let filter = AuditFilter {
        act: Some(Act::Refused),
        since: Some(Utc::now() - TimeDelta::hours(1)),
        room: Some("nowhere".into()),
        limit: 2,
        ..AuditFilter::default()
    };
    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let page = store
            .audit(AuditFilter {
                before,
                ..filter.clone()
            })
            .await
            .unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        seen.extend(page.iter().map(|row| row.times));
    }
    assert_eq!(seen, [5, 4, 3, 2, 1], "the latest first");
    for odd in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
        let since = Some(odd);
        let filter = AuditFilter {
            since,
            ..AuditFilter::default()
        };
        rows(store, filter).await;
    }
    let future = AuditFilter {
        since: Some(Utc::now() + TimeDelta::hours(1)),
        ..AuditFilter::default()
    };
    assert_eq!(rows(store, future).await, []);
    assert_eq!(store.sweep_audit(1).await.unwrap(), 0);
    // Those of this very millisecond stay for the next one.
    let mut swept = 0;
    while !rows(store, AuditFilter::default()).await.is_empty() {
        swept += store.sweep_audit(0).await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(20), "{swept} swept");
    }
    assert!(swept > 5, "{swept}");
}

pub(super) async fn there_is_always_an_administrator(store: &TestStore) {
    let root = administrator(store, "root").await;
    let ada = store.person("ada").await;
    assert!(store.is_admin(root.id).await.unwrap());
    assert!(!store.is_admin(ada.id).await.unwrap());
    let last = store.set_admin(Some(root.id), root.id, false).await;
    assert_eq!(refused(last), ErrorCode::LastAdministrator);
    let stranger = store.set_admin(Some(ada.id), ada.id, true).await;
    assert_eq!(refused(stranger), ErrorCode::Forbidden);
    let (guest, session) = account("guest", UserKind::Guest);
    let guest = store.create_account(guest, session).await.unwrap();
    let guest = guest.identity.user;
    let guest = store.set_admin(None, guest.id, true).await;
    assert_eq!(refused(guest), ErrorCode::BadRequest);
    let nobody = store.set_admin(None, UserId::new(), true).await;
    assert_eq!(refused(nobody), ErrorCode::UserNotFound);
    assert!(store.set_admin(Some(root.id), ada.id, true).await.unwrap());
    assert!(!store.set_admin(Some(root.id), ada.id, true).await.unwrap());
    assert!(store.set_admin(Some(ada.id), root.id, false).await.unwrap());
    assert!(!store.is_admin(root.id).await.unwrap());
    let last = store.set_admin(None, ada.id, false).await;
    assert_eq!(
        refused(last),
        ErrorCode::LastAdministrator,
        "the operator too"
    );
    let given = rows(
        store,
        AuditFilter {
            act: Some(Act::AdminGiven),
            ..AuditFilter::default()
        },
    )
    .await;
    assert_eq!(given.len(), 1);
    assert_eq!(given.first().unwrap().whom.as_ref(), Some(&ada));
}

pub(super) async fn users_and_rooms_are_listed_in_pages_without_direct_ones(store: &TestStore) {
    let root = administrator(store, "Root").await;
    let ada = store.person("Ada").await;
    let adam = store.person("adam").await;
    let found = store.user_accounts("AD", None, 10).await.unwrap();
    let names: Vec<&str> = found.iter().map(|it| it.user.name.as_str()).collect();
    assert_eq!(names, ["Ada", "adam"]);
    assert_eq!((found[0].admin, found[0].sessions), (false, 1));
    let next = store.user_accounts("ad", Some(ada.id), 1).await.unwrap();
    assert_eq!(next.len(), 1);
    assert_eq!(next[0].user, adam);
    assert!(store.user_account(root.id).await.unwrap().admin);
    let named = store.user_account_by_name("ROOT").await.unwrap();
    assert_eq!(named.user, root);
    let nobody = store.user_account_by_name("nobody").await;
    assert_eq!(refused(nobody), ErrorCode::UserNotFound);

    let hidden = store.make_room(&ada, "hidden", Visibility::Private).await;
    store.make_room(&ada, "hall", Visibility::Public).await;
    let assistant = store.assistant().await.unwrap();
    let fresh = super::fixtures::new_room("direct-1", Visibility::Direct);
    store
        .direct_room(ada.id, assistant.id, fresh)
        .await
        .unwrap();
    let all = store.all_rooms("", None, 10).await.unwrap();
    let slugs: Vec<&str> = all.iter().map(|it| &*it.room.slug).collect();
    assert_eq!(slugs, ["hall", "hidden", "lobby"]);
    let page = store.all_rooms("h", Some("hall"), 10).await.unwrap();
    let [room] = page.as_slice() else {
        panic!("{page:?}");
    };
    assert_eq!((room.room.id, room.members), (hidden.room.id, 1));
    assert_eq!(room.owners, std::slice::from_ref(&ada));
    let members = store.members_of(hidden.room.id, None, 10).await.unwrap();
    assert_eq!(members, [(ada, Role::Owner)]);
    let missing = store.any_room("nowhere").await;
    assert_eq!(refused(missing), ErrorCode::RoomNotFound);
}

/// The owner, a bot so that it can be gone, and its room.
async fn deserted(store: &TestStore, keeper: &UserRow) -> RoomId {
    let bot = UserRow {
        id: UserId::new(),
        name: "keeper".into(),
        kind: UserKind::Bot,
    };
    let bot = store.create_bot(keeper.id, bot).await.unwrap().user;
    let room = store.make_room(&bot, "deserted", Visibility::Private).await;
    assert!(store.remove_bot(keeper.id, bot.id).await.unwrap());
    room.room.id
}

pub(super) async fn an_administrator_takes_over_only_what_nobody_owns(store: &TestStore) {
    let root = administrator(store, "root").await;
    let (owner, owned) = store.owner_and_room().await;
    let take = |user: &UserRow| Administered::TakeOver { user: user.id };
    let by_root = Some(root.id);
    let other = store.person("other").await;
    let kept = store.change(owned, administer(by_root, take(&other))).await;
    assert_eq!(code(kept), ErrorCode::RoomHasOwner);
    let room = deserted(store, &owner).await;
    let itself = store.change(room, administer(by_root, take(&root))).await;
    assert_eq!(
        code(itself),
        ErrorCode::Forbidden,
        "it lets nobody in but others"
    );
    let stranger = administer(Some(owner.id), take(&owner));
    assert_eq!(
        code(store.change(room, stranger).await),
        ErrorCode::Forbidden
    );
    let operators = Administered::SetRole {
        user: owner.id,
        role: Role::Owner,
    };
    let refused_role = store
        .change(room, administer(by_root, operators.clone()))
        .await;
    assert_eq!(code(refused_role), ErrorCode::Forbidden);
    let hidden = store.room(root.id, "deserted").await;
    assert_eq!(refused(hidden), ErrorCode::RoomNotFound, "it reads nothing");
    changed(store.change(room, administer(by_root, take(&owner))).await);
    let seen = store.room(owner.id, "deserted").await.unwrap();
    assert_eq!(seen.role, Some(Role::Owner));
    changed(store.change(owned, administer(None, operators)).await);
    let acts = acts(store, "deserted").await;
    assert_eq!(acts, ["room.created", "room.taken_over"]);
}

pub(super) async fn an_administrator_archives_and_deletes_any_room(store: &TestStore) {
    let root = administrator(store, "root").await;
    let (owner, room) = store.owner_and_room().await;
    let by_root = |act| administer(Some(root.id), act);
    let archive = Administered::Archive { archived: true };
    let version = changed(store.change(room, by_root(archive.clone())).await);
    let again = changed(store.change(room, by_root(archive.clone())).await);
    assert_eq!(version, again, "nothing changed");
    let late = store
        .change(room, Change::Post(message(&owner, "late")))
        .await;
    assert_eq!(code(late), ErrorCode::RoomArchived);
    changed(store.change(room, by_root(Administered::Delete)).await);
    let gone = store.room(owner.id, "den").await;
    assert_eq!(refused(gone), ErrorCode::RoomNotFound);
    let acts = acts(store, "den").await;
    assert_eq!(acts, ["room.created", "room.changed", "room.deleted"]);

    let assistant = store.assistant().await.unwrap();
    let fresh = super::fixtures::new_room("direct-1", Visibility::Direct);
    let direct = store
        .direct_room(owner.id, assistant.id, fresh)
        .await
        .unwrap();
    let refused_archive = store.change(direct.room.id, by_root(archive)).await;
    assert_eq!(code(refused_archive), ErrorCode::Forbidden);
}

pub(super) async fn rooms_get_another_epoch(store: &TestStore) {
    let (_, room) = store.owner_and_room().await;
    let epochs = async || {
        let mut heads = store.heads(&[room]).await.unwrap();
        heads.remove(0).epoch
    };
    let first = epochs().await;
    assert_eq!(store.renew_epochs(Some("den")).await.unwrap(), 1);
    let second = epochs().await;
    assert_ne!(first, second);
    assert_eq!(store.renew_epochs(None).await.unwrap(), 2, "the lobby too");
    assert_ne!(epochs().await, second);
    let missing = store.renew_epochs(Some("nowhere")).await;
    assert_eq!(refused(missing), ErrorCode::RoomNotFound);
    assert_eq!(acts(store, "den").await, ["room.created", "room.new_epoch"]);
}
