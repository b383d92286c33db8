//! What deleted rooms held: it goes part by part, nothing of another room does, and that the room was deleted stays.

use std::sync::Arc;
use std::time::Duration;

use salon::db::assistants::{AssistantSettings, NewAssistant};
use salon::db::changes::{Change, NewText};
use salon::db::invites::NewInvite;
use salon::db::marks::Mark;
use salon::db::rows::{LogKind, StoredChange, UserRow, Visibility};
use salon::error::ErrorCode;
use salon::ids::{InstanceId, InviteId, RoomId, UserId};
use salon::permissions::Role;
use salon::{jobs, limits};
use tokio_util::sync::CancellationToken;

use super::fixtures::{TestStore, append, changed, message, new_room, posted, refused};
use super::message_changes::react;

/// A room with something in every table.
async fn full_room(store: &TestStore, owner: &UserRow, slug: &str) -> RoomId {
    let room = store.make_room(owner, slug, Visibility::Public).await;
    let room = room.room.id;
    let member = store
        .member(room, owner, &format!("of {slug}"), Role::Member)
        .await;
    let noisy = store
        .member(room, owner, &format!("noisy {slug}"), Role::Member)
        .await;
    let mut named = message(owner, "the kettle sings, said ada");
    named.mentions = vec![vec![member.name.clone()]];
    store.post(room, named).await;
    store.post(room, message(&member, "so it does")).await;
    let actor = owner.id;
    for change in [
        Change::EditMessage(NewText {
            actor,
            seq: 1,
            body: "the kettle sang".into(),
            html: None,
            if_version: None,
            resend: None,
        }),
        react(&member, 1, "👍"),
        Change::Mark {
            actor,
            seq: 1,
            mark: Mark::Pin,
        },
        Change::SetRetention {
            actor,
            days: Some(9),
            messages: Some(Some(1_000)),
        },
        Change::MakeInvite {
            actor,
            invite: NewInvite {
                id: InviteId::new(),
                token_hash: rand::random(),
                role: Role::Member,
                lifetime_s: 3_600,
                max_uses: 1,
            },
        },
        Change::Ban {
            actor,
            user: noisy.id,
            reason: "noise".into(),
        },
        Change::AddAssistant(NewAssistant {
            actor,
            id: UserId::new(),
            name: format!("helper {slug}"),
            settings: AssistantSettings::default(),
        }),
    ] {
        changed(store.change(room, change).await);
    }
    store.prompt(room, &member).await;
    let runner = InstanceId::new();
    let claimed = store.claim_one(runner).await;
    store
        .append_chunks(runner, vec![append(&claimed, 1, 1, Some("It sa"))])
        .await
        .unwrap();
    store.index().await;
    room
}

/// Removes everything there is to remove, two messages at a time; in how many parts.
async fn purge(store: &TestStore) -> usize {
    let mut parts = 0;
    while store.purge_deleted_rooms(0, 2).await.unwrap() {
        parts += 1;
        assert!(parts < 100, "it has an end");
    }
    parts
}

async fn delete(store: &TestStore, owner: &UserRow, room: RoomId) {
    let actor = owner.id;
    changed(store.change(room, Change::DeleteRoom { actor }).await);
}

pub(super) async fn all_that_a_deleted_room_held_goes_part_by_part(store: &TestStore) {
    let owner = store.person("owner").await;
    let kept = full_room(store, &owner, "kept").await;
    let room = full_room(store, &owner, "gone").await;
    let beside = store.back_end.rows_of(kept).await;
    assert_eq!(purge(store).await, 0, "nothing was deleted");
    delete(store, &owner, room).await;
    let age = limits::PURGE_DELAY_S;
    assert!(!store.purge_deleted_rooms(age, 2).await.unwrap(), "not yet");

    assert!(store.purge_deleted_rooms(0, 2).await.unwrap());
    let head = store.heads(&[room]).await.unwrap()[0];
    assert_eq!((head.first_seq, head.last_seq), (3, 4));
    assert!(purge(store).await >= 2, "two messages more, then all else");
    let behind = store.rooms_behind_index(100).await.unwrap();
    assert!(!behind.contains(&room), "nothing is left to index");
    let left = store.back_end.rows_of(room).await;
    assert_eq!(left, [("room_log".to_owned(), 1)]);
    assert_eq!(store.back_end.rows_of(kept).await, beside);

    // A feed that was cut off still learns why, and nobody gets the address.
    for after in [0, 3, head.version - 1] {
        let changes = store.changes_after(room, after, 9).await.unwrap();
        let [StoredChange::Log(log)] = changes.changes.as_slice() else {
            panic!("{changes:?}");
        };
        assert_eq!((log.kind, log.version), (LogKind::Deleted, head.version));
    }
    let again = store.create_room(new_room("gone", Visibility::Public), owner.id);
    assert_eq!(refused(again.await), ErrorCode::SlugTaken);
    let gone = refused(store.history(owner.id, "gone", None, 9).await);
    assert_eq!(gone, ErrorCode::RoomNotFound);
    assert_eq!(store.context(room, 9, 9).await.unwrap(), []);
    posted(
        store
            .change(kept, Change::Post(message(&owner, "on")))
            .await,
    );
}

pub(super) async fn a_direct_room_that_was_deleted_names_nobody(store: &TestStore) {
    let ada = store.person("ada").await;
    let assistant = store.assistant().await.unwrap();
    let own = |slug| store.direct_room(ada.id, assistant.id, new_room(slug, Visibility::Direct));
    let first = own("first").await.unwrap().room.id;
    store.post(first, message(&ada, "to myself")).await;
    delete(store, &ada, first).await;
    let second = own("second").await.unwrap().room.id;
    assert_ne!(first, second);
    assert!(purge(store).await >= 2);
    let left = store.back_end.rows_of(first).await;
    assert_eq!(left, [("room_log".to_owned(), 1)]);
    assert_eq!(own("third").await.unwrap().room.id, second);
}

/// The job itself, over the model: nobody has to ask.
#[tokio::test(start_paused = true)]
async fn the_job_removes_what_deleted_rooms_held() {
    let store = super::model::fresh().await;
    let owner = store.person("owner").await;
    let room = full_room(&store, &owner, "gone").await;
    delete(&store, &owner, room).await;
    let stop = CancellationToken::new();
    let job = tokio::spawn(jobs::purge::run(Arc::clone(&store.store), stop.clone()));
    tokio::time::sleep(limits::PURGE_INTERVAL * 3).await;
    assert!(store.back_end.rows_of(room).await.len() > 1, "too soon");
    store.age(limits::PURGE_DELAY_S + 1).await;
    let wait = limits::PURGE_INTERVAL + Duration::from_secs(5);
    tokio::time::sleep(wait).await;
    let left = store.back_end.rows_of(room).await;
    assert_eq!(left, [("room_log".to_owned(), 1)]);
    stop.cancel();
    job.await.unwrap();
}
