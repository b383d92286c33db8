//! Versioned changes of membership and settings, and who may make them.

use salon::db::changes::{Change, Outcome, RoomEdit};
use salon::db::rows::{LogKind, LogRow, StoredChange, UserRow, Visibility};
use salon::error::{ErrorCode, Refusal};
use salon::ids::{RoomId, UserId};
use salon::permissions::Role;

use super::fixtures::{TestStore, changed, code, message, new_room, posted, refused};

fn set(actor: &UserRow, user: &UserRow, role: Role) -> Change {
    Change::SetMember {
        actor: actor.id,
        user: user.id,
        role,
    }
}

fn remove(actor: &UserRow, user: &UserRow) -> Change {
    Change::RemoveMember {
        actor: actor.id,
        user: user.id,
    }
}

fn log(change: &StoredChange) -> &LogRow {
    match change {
        StoredChange::Log(log) => log,
        StoredChange::Message(message) => panic!("not a log entry: {message:?}"),
    }
}

async fn role_of(store: &TestStore, user: &UserRow, slug: &str) -> Option<Role> {
    store
        .room(user.id, slug)
        .await
        .ok()
        .and_then(|view| view.role)
}

pub(super) async fn a_role_is_given_and_taken_at_a_version(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let ada = store.person("ada").await;
    let done = store
        .write(
            room,
            vec![
                set(&owner, &ada, Role::Reader),
                set(&owner, &ada, Role::Moderator),
                remove(&owner, &ada),
            ],
        )
        .await;
    let versions: Vec<_> = done.outcomes.into_iter().map(changed).collect();
    assert_eq!(versions, [1, 2, 3]);
    let entries: Vec<_> = done.changes.iter().map(log).collect();
    let expected = [
        (1, LogKind::Role, Some(Role::Reader)),
        (2, LogKind::Role, Some(Role::Moderator)),
        (3, LogKind::Removed, None),
    ];
    for (entry, (version, kind, role)) in entries.iter().zip(expected) {
        assert_eq!(
            (entry.version, entry.kind, entry.role),
            (version, kind, role)
        );
        assert_eq!(entry.user.as_ref(), Some(&ada));
        assert!(entry.data.is_object());
    }
    assert_eq!(done.head.last_seq, 0, "none of it is a message");
    assert_eq!(role_of(store, &ada, "den").await, None);
}

fn rename(actor: &UserRow, name: &str) -> Change {
    let edit = RoomEdit {
        name: Some(name.into()),
        ..RoomEdit::default()
    };
    let actor = actor.id;
    Change::EditRoom { actor, edit }
}

pub(super) async fn roles_bound_what_a_member_may_manage(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let moderator = store
        .member(room, &owner, "moderator", Role::Moderator)
        .await;
    let member = store.member(room, &owner, "member", Role::Member).await;
    let reader = store.member(room, &owner, "reader", Role::Reader).await;
    let stranger = store.person("stranger").await;
    let nobody = UserRow {
        id: UserId::new(),
        ..stranger.clone()
    };
    let start = store.heads(&[room]).await.unwrap()[0];
    let rename = rename(&moderator, "x");
    for (change, expected) in [
        (rename, ErrorCode::Forbidden),
        (
            set(&moderator, &stranger, Role::Owner),
            ErrorCode::Forbidden,
        ),
        (set(&moderator, &owner, Role::Member), ErrorCode::Forbidden),
        (remove(&moderator, &owner), ErrorCode::Forbidden),
        (set(&member, &stranger, Role::Reader), ErrorCode::Forbidden),
        (set(&member, &member, Role::Moderator), ErrorCode::Forbidden),
        (remove(&member, &reader), ErrorCode::Forbidden),
        (
            set(&stranger, &stranger, Role::Member),
            ErrorCode::NotAMember,
        ),
        (remove(&stranger, &member), ErrorCode::NotAMember),
        (set(&owner, &nobody, Role::Member), ErrorCode::UserNotFound),
        (
            Change::DeleteRoom {
                actor: moderator.id,
            },
            ErrorCode::Forbidden,
        ),
        (
            Change::DeleteRoom { actor: stranger.id },
            ErrorCode::NotAMember,
        ),
    ] {
        assert_eq!(
            code(store.change(room, change.clone()).await),
            expected,
            "{change:?}"
        );
    }
    assert_eq!(store.heads(&[room]).await.unwrap()[0], start);
    for change in [
        set(&moderator, &stranger, Role::Member),
        set(&moderator, &reader, Role::Member),
        remove(&moderator, &member),
        set(&owner, &reader, Role::Owner),
        remove(&reader, &owner),
    ] {
        changed(store.change(room, change).await);
    }
    assert_eq!(
        role_of(store, &owner, "den").await,
        None,
        "one owner may remove another"
    );
    assert_eq!(role_of(store, &reader, "den").await, Some(Role::Owner));
}

pub(super) async fn a_room_keeps_an_owner(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let ada = store.member(room, &owner, "ada", Role::Member).await;
    for change in [remove(&owner, &owner), set(&owner, &owner, Role::Member)] {
        assert_eq!(code(store.change(room, change).await), ErrorCode::LastOwner);
    }
    changed(store.change(room, set(&owner, &ada, Role::Owner)).await);
    changed(store.change(room, set(&owner, &owner, Role::Member)).await);
    assert_eq!(
        code(store.change(room, remove(&ada, &ada)).await),
        ErrorCode::LastOwner
    );
    assert_eq!(role_of(store, &owner, "den").await, Some(Role::Member));
}

pub(super) async fn a_removal_holds_within_its_own_batch(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let ada = store.member(room, &owner, "ada", Role::Member).await;
    let post = |body| Change::Post(message(&ada, body));
    let done = store
        .write(
            room,
            vec![
                post("before"),
                remove(&owner, &ada),
                post("after"),
                set(&owner, &ada, Role::Reader),
                post("as a reader"),
                set(&owner, &ada, Role::Member),
                post("again"),
            ],
        )
        .await;
    let outcomes: Vec<Result<Outcome, Refusal>> = done.outcomes;
    assert_eq!(posted(outcomes[0].clone()).seq, 1);
    assert_eq!(changed(outcomes[1].clone()), 3);
    assert_eq!(code(outcomes[2].clone()), ErrorCode::NotAMember);
    assert_eq!(changed(outcomes[3].clone()), 4);
    assert_eq!(code(outcomes[4].clone()), ErrorCode::Forbidden);
    assert_eq!(changed(outcomes[5].clone()), 5);
    assert_eq!(posted(outcomes[6].clone()).version, 6);
    assert_eq!(done.changes.len(), 5);
}

pub(super) async fn anyone_may_leave_and_come_back(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let ada = store.member(room, &owner, "ada", Role::Reader).await;
    let left = changed(store.change(room, remove(&ada, &ada)).await);
    assert_eq!(
        refused(store.history(ada.id, "den", None, 9).await),
        ErrorCode::NotAMember
    );
    assert_eq!(
        code(store.change(room, remove(&ada, &ada)).await),
        ErrorCode::NotAMember
    );
    let proof = store.join_room(ada.id, "den").await.unwrap();
    assert_eq!((proof.role, proof.view.head.version), (Role::Member, left));

    let secret = store
        .make_room(&owner, "secret", Visibility::Private)
        .await
        .room
        .id;
    changed(store.change(secret, set(&owner, &ada, Role::Member)).await);
    changed(store.change(secret, remove(&owner, &ada)).await);
    assert_eq!(
        refused(store.join_room(ada.id, "secret").await),
        ErrorCode::RoomNotFound
    );
}

pub(super) async fn what_changes_nothing_takes_no_version(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let ada = store.member(room, &owner, "ada", Role::Member).await;
    let eve = store.person("eve").await;
    let view = store.room(owner.id, "den").await.unwrap();
    let edit = |name: Option<&str>, visibility| Change::EditRoom {
        actor: owner.id,
        edit: RoomEdit {
            name: name.map(str::to_owned),
            visibility,
            ..RoomEdit::default()
        },
    };
    let done = store
        .write(
            room,
            vec![
                set(&owner, &ada, Role::Member),
                set(&owner, &owner, Role::Owner),
                remove(&owner, &eve),
                edit(None, None),
                edit(Some(&view.room.name), Some(Visibility::Public)),
            ],
        )
        .await;
    for outcome in done.outcomes {
        assert_eq!(changed(outcome), view.head.version);
    }
    assert_eq!((done.head, done.changes.len()), (view.head, 0));
}

pub(super) async fn settings_are_edited_by_owners(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let eve = store.person("eve").await;
    let edit = |name: Option<&str>, visibility| Change::EditRoom {
        actor: owner.id,
        edit: RoomEdit {
            name: name.map(str::to_owned),
            visibility,
            ..RoomEdit::default()
        },
    };
    let done = store
        .write(
            room,
            vec![
                edit(Some("Lair"), None),
                edit(None, Some(Visibility::Private)),
            ],
        )
        .await;
    let last = log(done.changes.last().unwrap());
    assert_eq!((last.version, last.kind), (2, LogKind::Settings));
    assert_eq!(
        last.data,
        serde_json::json!({"name": "Lair", "visibility": "private", "topic": "", "archived": false})
    );
    let view = store.room(owner.id, "den").await.unwrap();
    assert_eq!(
        (view.room.name.as_str(), view.room.visibility),
        ("Lair", Visibility::Private)
    );
    assert_eq!(
        refused(store.room(eve.id, "den").await),
        ErrorCode::RoomNotFound
    );

    assert!(
        store
            .change(room, edit(None, Some(Visibility::Direct)))
            .await
            .is_err()
    );
    let assistant = store.assistant().await.unwrap();
    let direct = store
        .direct_room(owner.id, assistant.id, new_room("ours", Visibility::Direct))
        .await
        .unwrap();
    let opened = edit(None, Some(Visibility::Public));
    assert!(store.change(direct.room.id, opened).await.is_err());
    assert_eq!(
        refused(store.room(eve.id, "ours").await),
        ErrorCode::RoomNotFound
    );
}

pub(super) async fn a_direct_room_takes_no_third(store: &TestStore) {
    let owner = store.person("owner").await;
    let eve = store.person("eve").await;
    let assistant = store.assistant().await.unwrap();
    let direct = store
        .direct_room(owner.id, assistant.id, new_room("ours", Visibility::Direct))
        .await
        .unwrap();
    let third = set(&owner, &eve, Role::Reader);
    assert_eq!(
        code(store.change(direct.room.id, third).await),
        ErrorCode::Forbidden
    );
}

pub(super) async fn a_deleted_room_is_gone_but_tells_so(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let kept = message(&owner, "before");
    let done = store
        .write(
            room,
            vec![
                Change::Post(kept.clone()),
                Change::DeleteRoom { actor: owner.id },
                Change::Post(message(&owner, "after")),
                Change::DeleteRoom { actor: owner.id },
            ],
        )
        .await;
    assert_eq!(changed(done.outcomes[1].clone()), 2);
    assert_eq!(code(done.outcomes[2].clone()), ErrorCode::RoomNotFound);
    assert_eq!(code(done.outcomes[3].clone()), ErrorCode::RoomNotFound);
    assert_eq!(done.head.version, 2, "the deletion is the last version");
    assert_eq!(log(&done.changes[1]).kind, LogKind::Deleted);

    let gone = ErrorCode::RoomNotFound;
    let again = Change::Post(kept);
    assert_eq!(code(store.change(room, again).await), gone);
    assert_eq!(refused(store.room(owner.id, "den").await), gone);
    assert_eq!(refused(store.join_room(owner.id, "den").await), gone);
    assert_eq!(refused(store.history(owner.id, "den", None, 9).await), gone);
    assert_eq!(refused(store.message(owner.id, "den", 1).await), gone);
    let proof = store
        .prove(&[(owner.id, "den".into())])
        .await
        .unwrap()
        .remove(0);
    assert_eq!(proof.unwrap_err().code, gone);
    let rooms = store.rooms(owner.id, None, 9).await.unwrap();
    assert!(rooms.iter().all(|listed| listed.view.room.id != room));
    // A feed that was cut off still learns why.
    let changes = store.changes_after(room, 1, 9).await.unwrap();
    assert_eq!(changes.changes, done.changes[1..]);
    let unknown: RoomId = RoomId::new();
    assert_eq!(refused(store.latest_page(unknown, 9).await), gone);
}
