//! Reading what was said.

use salon::db::changes::{Change, NewPost};
use salon::db::rows::{HistoryPage, MessageState, Visibility};
use salon::error::ErrorCode;
use salon::ids::{InstanceId, Seq};
use salon::limits::{BODY_BYTES, CONTEXT_READ_BYTES, PAGE_BYTES};
use salon::permissions::Role;

use super::fixtures::{TestStore, changed, message, refused, settlement};

fn seqs(page: &HistoryPage) -> (Vec<Seq>, bool) {
    (
        page.messages.iter().map(|message| message.seq).collect(),
        page.more,
    )
}

pub(super) async fn pages_go_down_and_up(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let empty = store.history(owner.id, "den", None, 9).await.unwrap();
    assert_eq!(seqs(&empty), (vec![], false));
    let posts = (1..=7).map(|n| Change::Post(message(&owner, &format!("{n}"))));
    store.write(room, posts.collect()).await;
    for (before, limit, expected) in [
        (None, 3, (vec![5, 6, 7], true)),
        (Some(5), 3, (vec![2, 3, 4], true)),
        (Some(2), 3, (vec![1], false)),
        (Some(4), 3, (vec![1, 2, 3], false)),
        (Some(1), 3, (vec![], false)),
        (Some(99), 9, (vec![1, 2, 3, 4, 5, 6, 7], false)),
    ] {
        let page = store.history(owner.id, "den", before, limit).await.unwrap();
        assert_eq!(seqs(&page), expected, "before {before:?}");
        for message in page.messages {
            assert_eq!(message.body, message.seq.to_string());
        }
    }
    for (after, limit, expected) in [
        (0, 3, (vec![1, 2, 3], true)),
        (3, 4, (vec![4, 5, 6, 7], false)),
        (3, 3, (vec![4, 5, 6], true)),
        (7, 3, (vec![], false)),
    ] {
        let page = store
            .history_after(owner.id, "den", after, limit)
            .await
            .unwrap();
        assert_eq!(seqs(&page), expected, "after {after}");
    }
}

pub(super) async fn a_page_lies_around_a_message(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let posts = (1..=9).map(|n| Change::Post(message(&owner, &format!("{n}"))));
    store.write(room, posts.collect()).await;
    let around = async |seq, limit| store.history_around(owner.id, "den", seq, limit).await;
    for (seq, limit, expected, older, newer) in [
        (5, 4, vec![4, 5, 6, 7], true, true),
        (5, 5, vec![3, 4, 5, 6, 7], true, true),
        (5, 1, vec![5], true, true),
        (1, 4, vec![1, 2, 3], false, true),
        (2, 4, vec![1, 2, 3, 4], false, true),
        (9, 4, vec![8, 9], true, false),
        (5, 99, (1..=9).collect(), false, false),
    ] {
        let page = around(seq, limit).await.unwrap();
        assert_eq!(seqs(&page), (expected, older), "around {seq}, {limit}");
        assert_eq!((page.older, page.newer), (older, newer), "around {seq}");
    }
    for nowhere in [10, 0, -1, Seq::MAX] {
        assert_eq!(
            refused(around(nowhere, 4).await),
            ErrorCode::MessageNotFound
        );
    }
    // The other pages tell of both sides too.
    let before = store.history(owner.id, "den", Some(5), 2).await.unwrap();
    assert_eq!(
        (seqs(&before), before.older, before.newer),
        ((vec![3, 4], true), true, true)
    );
    let latest = store.history(owner.id, "den", None, 2).await.unwrap();
    assert_eq!(
        (latest.more, latest.older, latest.newer),
        (true, true, false)
    );
    let after = store.history_after(owner.id, "den", 8, 2).await.unwrap();
    assert_eq!(
        (seqs(&after), after.older, after.newer),
        ((vec![9], false), true, false)
    );
    let nothing = store.history_after(owner.id, "den", 9, 2).await.unwrap();
    assert_eq!((seqs(&nothing), nothing.older), ((vec![], false), true));
}

pub(super) async fn a_page_around_a_message_is_bounded_on_both_sides(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let body = "b".repeat(BODY_BYTES);
    for _ in 0..30 {
        store.post(room, message(&owner, &body)).await;
    }
    let page = store
        .history_around(owner.id, "den", 15, 100)
        .await
        .unwrap();
    let side = (PAGE_BYTES / 2 / BODY_BYTES) as Seq;
    let expected = (15 - side + 1..=15 + side).collect();
    assert_eq!(seqs(&page), (expected, true));
    assert!(page.newer);
}

pub(super) async fn history_is_for_members(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    store.post(room, message(&owner, "old")).await;
    let reader = store.member(room, &owner, "reader", Role::Reader).await;
    let page = store.history(reader.id, "den", None, 9).await.unwrap();
    assert_eq!(
        seqs(&page),
        (vec![1], false),
        "a new member sees what was before it"
    );
    let removed = Change::RemoveMember {
        actor: owner.id,
        user: reader.id,
    };
    changed(store.change(room, removed).await);
    assert_eq!(
        refused(store.history(reader.id, "den", None, 9).await),
        ErrorCode::NotAMember
    );
    assert_eq!(
        refused(store.history_after(reader.id, "den", 0, 9).await),
        ErrorCode::NotAMember
    );
    assert_eq!(
        refused(store.message(reader.id, "den", 1).await),
        ErrorCode::NotAMember
    );
    assert_eq!(
        refused(store.history_around(reader.id, "den", 1, 9).await),
        ErrorCode::NotAMember
    );
}

pub(super) async fn a_message_is_read_by_its_place(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let post = message(&owner, "hello ✨ \u{202e}world\r\n\t");
    let posted = store.post(room, post.clone()).await;
    let read = store.message(owner.id, "den", 1).await.unwrap();
    assert_eq!((read.seq, read.version), (posted.seq, posted.version));
    assert_eq!(
        (read.body, read.client_id),
        (post.body, Some(post.client_id))
    );
    assert_eq!(
        (read.author, read.created_at),
        (owner.clone(), posted.created_at)
    );
    assert_eq!(read.meta, Default::default());
    for nowhere in [0, 2, -1] {
        let missing = store.message(owner.id, "den", nowhere).await;
        assert_eq!(refused(missing), ErrorCode::MessageNotFound);
    }
    let other = store.make_room(&owner, "other", Visibility::Public).await;
    assert_eq!(other.head.last_seq, 0);
    assert_eq!(
        refused(store.message(owner.id, "other", 1).await),
        ErrorCode::MessageNotFound
    );
}

pub(super) async fn the_latest_page_is_the_room_at_its_head(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let posts = (1..=5).map(|n| Change::Post(message(&owner, &format!("{n}"))));
    store.write(room, posts.collect()).await;
    let page = store.latest_page(room, 2).await.unwrap();
    assert_eq!(page.head, store.heads(&[room]).await.unwrap()[0]);
    let bodies: Vec<_> = page
        .messages
        .iter()
        .map(|message| message.body.as_str())
        .collect();
    assert_eq!(bodies, ["4", "5"]);
    assert_eq!(
        store.latest_page(room, 100).await.unwrap().messages.len(),
        5
    );
}

pub(super) async fn a_page_is_bounded_by_its_text(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let large = NewPost {
        html: Some("h".repeat(BODY_BYTES)),
        ..message(&owner, &"b".repeat(BODY_BYTES))
    };
    let fits = PAGE_BYTES / (2 * BODY_BYTES);
    for _ in 0..fits + 3 {
        let post = NewPost {
            client_id: salon::ids::ClientId::new(),
            ..large.clone()
        };
        store.post(room, post).await;
    }
    let last = (fits + 3) as Seq;
    let down = store.history(owner.id, "den", None, 100).await.unwrap();
    assert_eq!(
        seqs(&down),
        ((4..=last).collect(), true),
        "the latest that fit"
    );
    let up = store.history_after(owner.id, "den", 0, 100).await.unwrap();
    assert_eq!(seqs(&up), ((1..=fits as Seq).collect(), true));
    let latest = store.latest_page(room, 100).await.unwrap();
    assert_eq!(latest.messages.len(), fits);
    assert_eq!(latest.messages[0].seq, 4);
}

pub(super) async fn a_prompt_is_built_from_settled_text(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let runner = InstanceId::new();
    store.post(room, message(&owner, "first")).await;
    for (state, body) in [
        (MessageState::Complete, "an answer"),
        (MessageState::Stopped, ""),
        (MessageState::Failed, "half an answer"),
    ] {
        store.prompt(room, &owner).await;
        let claimed = store.claim_one(runner).await;
        changed(
            store
                .change(room, settlement(runner, &claimed, state, body))
                .await,
        );
    }
    let waiting = store.prompt(room, &owner).await;
    let last = store.prompt(room, &owner).await;
    store.post(room, message(&owner, "too late")).await;
    let context = store.context(room, last - 1, 100).await.unwrap();
    let read: Vec<_> = context
        .iter()
        .map(|message| (message.seq, message.body.as_str()))
        .collect();
    let asked = "@assistant hello";
    assert_eq!(
        read,
        [
            (1, "first"),
            (2, asked),
            (3, "an answer"),
            (4, asked),
            (6, asked),
            (7, "half an answer"),
            (waiting - 1, asked),
            (last - 1, asked),
        ]
    );
}

pub(super) async fn a_context_is_bounded(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let body = "b".repeat(BODY_BYTES);
    let fits = CONTEXT_READ_BYTES / BODY_BYTES;
    for _ in 0..fits + 2 {
        store.post(room, message(&owner, &body)).await;
    }
    let last = (fits + 2) as Seq;
    let context = store.context(room, last, 100).await.unwrap();
    assert_eq!(context.len(), fits);
    assert_eq!(context.last().unwrap().seq, last, "the prompt is the last");
    let context = store.context(room, last - 1, 3).await.unwrap();
    let seqs: Vec<_> = context.iter().map(|message| message.seq).collect();
    assert_eq!(seqs, [last - 3, last - 2, last - 1]);
}
