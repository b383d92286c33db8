//! Changes above a cursor: what feeds and readers that come back are filled from.

use salon::db::changes::{Change, NewPost, RoomEdit};
use salon::db::rows::{MessageState, StoredChange};
use salon::error::ErrorCode;
use salon::ids::{InstanceId, RoomId, Version};
use salon::limits::{BODY_BYTES, PAGE_BYTES};
use salon::permissions::Role;

use super::fixtures::{TestStore, mention, message, refused, settlement};

fn versions(changes: &[StoredChange]) -> Vec<Version> {
    changes.iter().map(StoredChange::version).collect()
}

pub(super) async fn changes_are_what_was_applied(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let ada = store.person("ada").await;
    let assistant = store.assistant().await.unwrap();
    let done = store
        .write(
            room,
            vec![
                Change::Post(message(&owner, "one")),
                Change::SetMember {
                    actor: owner.id,
                    user: ada.id,
                    role: Role::Moderator,
                },
                Change::Post(mention(&ada, &assistant, "@assistant two")),
                Change::EditRoom {
                    actor: owner.id,
                    edit: RoomEdit {
                        name: Some("x".into()),
                        ..RoomEdit::default()
                    },
                },
                Change::RemoveMember {
                    actor: owner.id,
                    user: ada.id,
                },
                Change::Post(NewPost {
                    html: Some("<b>three</b>".into()),
                    reply_to: Some(1),
                    ..message(&owner, "three")
                }),
            ],
        )
        .await;
    assert_eq!((done.from, done.head.version), (0, 7));
    assert_eq!(versions(&done.changes), [1, 2, 3, 4, 5, 6, 7]);
    for after in 0..=7 {
        let read = store.changes_after(room, after, 100).await.unwrap();
        assert_eq!(read.head, done.head);
        assert!(read.complete);
        assert_eq!(
            read.changes,
            done.changes[after as usize..],
            "after {after}"
        );
    }
    let beyond = store.changes_after(room, 99, 100).await.unwrap();
    assert_eq!((beyond.head, beyond.complete), (done.head, true));
    assert_eq!(beyond.changes, []);
}

pub(super) async fn changes_come_in_pages(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    for turn in 0..4 {
        let name = Some(format!("name {turn}"));
        let mut changes = vec![Change::EditRoom {
            actor: owner.id,
            edit: RoomEdit {
                name,
                ..RoomEdit::default()
            },
        }];
        changes.extend((0..turn).map(|_| Change::Post(message(&owner, "x"))));
        store.write(room, changes).await;
    }
    let all = versions(&store.all_changes(room, 0).await);
    assert_eq!(all, (1..=10).collect::<Vec<_>>());
    for limit in 1..=11 {
        let mut read = Vec::new();
        let mut after = 0;
        loop {
            let page = store.changes_after(room, after, limit).await.unwrap();
            assert!(page.changes.len() as i64 <= limit);
            read.extend(versions(&page.changes));
            if page.complete {
                break;
            }
            assert_eq!(
                page.changes.len() as i64,
                limit,
                "cut only where it is full"
            );
            after = *read.last().unwrap();
        }
        assert_eq!(read, all, "in pages of {limit}");
    }
    assert!(store.changes_after(room, 0, 10).await.unwrap().complete);
    assert!(!store.changes_after(room, 0, 9).await.unwrap().complete);
}

pub(super) async fn a_superseded_version_is_left_out(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    store.prompt(room, &owner).await;
    let runner = InstanceId::new();
    let claimed = store.claim_one(runner).await;
    store.post(room, message(&owner, "between")).await;
    let last_word = settlement(runner, &claimed, MessageState::Complete, "done");
    let done = store.write(room, vec![last_word]).await;
    let read = store.changes_after(room, 0, 100).await.unwrap();
    assert_eq!(versions(&read.changes), [1, 3, 4], "2 was superseded by 4");
    assert_eq!(read.changes[2], done.changes[0]);
    assert_eq!((read.head.version, read.head.last_seq), (4, 3));

    // Both versions of one batch are told by the batch, the last one by the room.
    let assistant = store.assistant().await.unwrap();
    let ask = Change::Post(mention(&owner, &assistant, "@assistant"));
    let stop = Change::StopReply {
        actor: owner.id,
        seq: 5,
    };
    let done = store.write(room, vec![ask, stop]).await;
    assert_eq!(versions(&done.changes), [5, 6, 7]);
    let read = store.changes_after(room, 4, 100).await.unwrap();
    assert_eq!(versions(&read.changes), [5, 7]);
}

pub(super) async fn a_page_of_changes_is_bounded_by_its_text(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let body = "b".repeat(BODY_BYTES);
    let fits = PAGE_BYTES / BODY_BYTES;
    for _ in 0..fits + 2 {
        store.post(room, message(&owner, &body)).await;
    }
    let edit = Change::EditRoom {
        actor: owner.id,
        edit: RoomEdit {
            name: Some("last".into()),
            ..RoomEdit::default()
        },
    };
    store.write(room, vec![edit]).await;
    let page = store.changes_after(room, 0, 100).await.unwrap();
    assert!(!page.complete);
    assert_eq!(
        versions(&page.changes),
        (1..=fits as Version).collect::<Vec<_>>()
    );
    let rest = store
        .changes_after(room, fits as Version, 100)
        .await
        .unwrap();
    assert!(rest.complete);
    let first = fits as Version + 1;
    assert_eq!(versions(&rest.changes), [first, first + 1, first + 2]);
}

pub(super) async fn changes_of_a_room_that_never_was_are_refused(store: &TestStore) {
    let nowhere = store.changes_after(RoomId::new(), 0, 9).await;
    assert_eq!(refused(nowhere), ErrorCode::RoomNotFound);
}

pub(super) async fn readers_see_whole_batches(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let write = async {
        for _ in 0..30 {
            let posts = (0..5).map(|_| Change::Post(message(&owner, "x"))).collect();
            store.write(room, posts).await;
        }
    };
    let read = async {
        loop {
            let read = store.changes_after(room, 0, 1_000).await.unwrap();
            let head = read.head;
            assert_eq!(
                versions(&read.changes),
                (1..=head.version).collect::<Vec<_>>()
            );
            assert_eq!((head.version % 5, head.last_seq), (0, head.version));
            let page = store.latest_page(room, 1).await.unwrap();
            assert_eq!(
                page.messages.last().map_or(0, |last| last.seq),
                page.head.last_seq
            );
            if head.version == 150 {
                break;
            }
        }
    };
    tokio::join!(write, read, read_again(store, room));
}

async fn read_again(store: &TestStore, room: RoomId) {
    let mut seen = 0;
    while seen < 150 {
        let head = store.heads(&[room]).await.unwrap()[0];
        assert!(head.version >= seen, "a head never goes back");
        seen = head.version;
    }
}
