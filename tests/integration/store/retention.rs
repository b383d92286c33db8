//! Retention: only a prefix goes, what is left says where it begins, and nothing points at what is gone.

use salon::db::changes::{Change, NewText};
use salon::db::marks::Mark;
use salon::db::rows::{Keep, LogKind, MessageState, StoredChange};
use salon::error::ErrorCode;
use salon::ids::{InstanceId, RoomId};
use salon::permissions::Role;
use serde_json::json;

use super::fixtures::{TestStore, changed, code, message, refused, settlement};

const DAY: i64 = 24 * 3_600;

impl TestStore {
    /// Removes up to `limit` messages past the room's days; the version it took, if any.
    async fn retain(&self, room: RoomId, limit: i64) -> Option<i64> {
        let done = self.write(room, vec![Change::Retain { limit }]).await;
        let version = changed(done.outcomes[0].clone());
        (done.head.version > done.from).then_some(version)
    }
}

pub(super) async fn owners_say_how_long_a_room_keeps(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let moderator = store
        .member(room, &owner, "moderator", Role::Moderator)
        .await;
    let set = |actor, days| Change::SetRetention {
        actor,
        days,
        messages: None,
    };
    assert_eq!(
        code(store.change(room, set(moderator.id, Some(1))).await),
        ErrorCode::Forbidden
    );
    assert_eq!(
        store.retention(owner.id, "den").await.unwrap(),
        Keep::default()
    );
    let done = store.write(room, vec![set(owner.id, Some(30))]).await;
    let StoredChange::Log(log) = &done.changes[0] else {
        panic!("a log entry")
    };
    assert_eq!(
        (log.kind, &log.data),
        (
            LogKind::Settings,
            &json!({"retention_days": 30, "retention_messages": null})
        )
    );
    assert_eq!(
        store.retention(moderator.id, "den").await.unwrap(),
        Keep {
            days: Some(30),
            messages: None
        }
    );
    let again = store.write(room, vec![set(owner.id, Some(30))]).await;
    assert_eq!(
        again.head.version, done.head.version,
        "what changes nothing takes no version"
    );
    let other = store
        .write(room, vec![set(owner.id, Some(7)), set(owner.id, None)])
        .await;
    assert_eq!(other.changes.len(), 2);
    assert_eq!(
        store.retention(owner.id, "den").await.unwrap(),
        Keep::default()
    );
    let stranger = store.person("stranger").await;
    assert_eq!(
        refused(store.retention(stranger.id, "den").await),
        ErrorCode::NotAMember
    );
    // Without a setting nothing goes.
    store.post(room, message(&owner, "old")).await;
    store.back_end.age_messages(1_000 * DAY).await;
    assert_eq!(store.rooms_past_retention(10).await.unwrap(), []);
    assert_eq!(store.retain(room, 10).await, None);
}

pub(super) async fn only_a_prefix_goes_and_history_tells_where_it_begins(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let first = message(&owner, "old tea");
    store.post(room, first.clone()).await;
    for _ in 0..4 {
        store.post(room, message(&owner, "old tea")).await;
    }
    store.back_end.age_messages(10 * DAY).await;
    changed(
        store
            .change(
                room,
                Change::SetRetention {
                    actor: owner.id,
                    days: Some(9),
                    messages: None,
                },
            )
            .await,
    );
    store.index().await;
    for body in ["new tea", "newer tea"] {
        store.post(room, message(&owner, body)).await;
    }
    assert_eq!(
        store.rooms_past_retention(10).await.unwrap(),
        [(room, "den".to_owned())]
    );
    // In parts.
    assert!(store.retain(room, 2).await.is_some());
    let head = store.heads(&[room]).await.unwrap()[0];
    assert_eq!((head.first_seq, head.floor, head.last_seq), (3, 2, 7));
    let version = store.retain(room, 100).await.unwrap();
    assert_eq!(store.rooms_past_retention(10).await.unwrap(), []);
    assert_eq!(store.retain(room, 100).await, None, "nothing is left to do");
    let head = store.heads(&[room]).await.unwrap()[0];
    assert_eq!((head.first_seq, head.floor, head.version), (6, 5, version));
    let page = store.history(owner.id, "den", None, 100).await.unwrap();
    let seqs: Vec<i64> = page.messages.iter().map(|message| message.seq).collect();
    assert_eq!((seqs, page.older), (vec![6, 7], false));
    assert_eq!(
        refused(store.message(owner.id, "den", 5).await),
        ErrorCode::MessageNotFound
    );
    assert_eq!(
        refused(store.history_around(owner.id, "den", 5, 9).await),
        ErrorCode::MessageNotFound
    );
    // Every version above the floor is there.
    let all = store.all_changes(room, head.floor).await;
    let versions: Vec<i64> = all.iter().map(StoredChange::version).collect();
    assert_eq!(versions, (6..=version).collect::<Vec<_>>());
    let StoredChange::Log(last) = all.last().unwrap() else {
        panic!("a log entry")
    };
    assert_eq!(
        (last.kind, &last.data),
        (LogKind::Settings, &json!({"first_seq": 6}))
    );
    store.index().await;
    let tea = super::search::search("tea");
    assert_eq!(
        store.search(owner.id, tea).await.unwrap().hits.len(),
        2,
        "nothing that is gone is found"
    );
    // Its client id is free again: it is unique for as long as the message exists.
    let again = store.post(room, first).await;
    assert_eq!((again.seq, again.duplicate), (8, false));
}

pub(super) async fn a_room_keeps_its_latest_messages(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let set = |days, messages| Change::SetRetention {
        actor: owner.id,
        days,
        messages,
    };
    for number in 1..=7 {
        store
            .post(room, message(&owner, &format!("tea {number}")))
            .await;
    }
    let done = store.write(room, vec![set(None, Some(Some(3)))]).await;
    let StoredChange::Log(log) = &done.changes[0] else {
        panic!("a log entry")
    };
    assert_eq!(
        log.data,
        json!({"retention_days": null, "retention_messages": 3})
    );
    // What is left out remains as it is; so is it with what there is already.
    assert_eq!(store.write(room, vec![set(None, None)]).await.changes, []);
    let kept = Keep {
        days: Some(40_000),
        messages: Some(3),
    };
    changed(store.change(room, set(kept.days, None)).await);
    assert_eq!(store.retention(owner.id, "den").await.unwrap(), kept);
    assert_eq!(
        store.rooms_past_retention(10).await.unwrap(),
        [(room, "den".to_owned())]
    );
    assert!(store.retain(room, 3).await.is_some(), "in parts");
    assert!(store.retain(room, 3).await.is_some());
    assert_eq!(store.rooms_past_retention(10).await.unwrap(), []);
    assert_eq!(store.retain(room, 3).await, None);
    let head = store.heads(&[room]).await.unwrap()[0];
    assert_eq!((head.first_seq, head.floor, head.last_seq), (5, 4, 7));
    // One more, and the oldest is one too many.
    store.post(room, message(&owner, "tea 8")).await;
    assert!(store.retain(room, 100).await.is_some());
    let page = store.history(owner.id, "den", None, 100).await.unwrap();
    let seqs: Vec<i64> = page.messages.iter().map(|message| message.seq).collect();
    assert_eq!(seqs, [6, 7, 8]);
    // Whichever comes first.
    store.back_end.age_messages(10 * DAY).await;
    changed(store.change(room, set(Some(9), None)).await);
    store.post(room, message(&owner, "tea 9")).await;
    assert!(store.retain(room, 100).await.is_some());
    let head = store.heads(&[room]).await.unwrap()[0];
    assert_eq!(head.first_seq, 9);
    changed(store.change(room, set(None, Some(None))).await);
    assert_eq!(
        store.retention(owner.id, "den").await.unwrap(),
        Keep::default()
    );
    assert_eq!(store.retain(room, 100).await, None);
}

pub(super) async fn a_reply_that_runs_is_not_removed_nor_what_follows_it(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    store.post(room, message(&owner, "first")).await;
    let reply = store.prompt(room, &owner).await;
    store.post(room, message(&owner, "behind it")).await;
    store.back_end.age_messages(10 * DAY).await;
    changed(
        store
            .change(
                room,
                Change::SetRetention {
                    actor: owner.id,
                    days: Some(1),
                    messages: None,
                },
            )
            .await,
    );
    assert!(store.retain(room, 100).await.is_some());
    let head = store.heads(&[room]).await.unwrap()[0];
    assert_eq!(head.first_seq, reply);
    assert_eq!(store.retain(room, 100).await, None);
    let runner = InstanceId::new();
    let claimed = store.claim_one(runner).await;
    let last_word = settlement(runner, &claimed, MessageState::Complete, "done");
    store.write(room, vec![last_word]).await;
    let settled = store.heads(&[room]).await.unwrap()[0].version;
    assert!(store.retain(room, 100).await.is_some());
    let head = store.heads(&[room]).await.unwrap()[0];
    assert_eq!(
        (head.first_seq, head.last_seq, head.floor),
        (5, 4, settled),
        "even all of it"
    );
    assert!(
        store
            .history(owner.id, "den", None, 9)
            .await
            .unwrap()
            .messages
            .is_empty()
    );
    let page = store.latest_page(room, 9).await.unwrap();
    assert_eq!((page.messages.len(), page.head.last_seq), (0, 4));
    assert_eq!(store.post(room, message(&owner, "on")).await.seq, 5);
}

pub(super) async fn what_was_kept_beside_a_message_goes_with_it(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let ada = store.member(room, &owner, "ada", Role::Member).await;
    let mut post = message(&owner, "old, @ada");
    post.mentions = vec![vec!["ada".to_owned()]];
    let old = store.post(room, post).await.seq;
    let (actor, seq) = (owner.id, old);
    let edit = NewText {
        actor,
        seq,
        body: "older".to_owned(),
        html: None,
        if_version: None,
        resend: None,
    };
    let mark = |mark| Change::Mark { actor, seq, mark };
    let changes = vec![
        Change::EditMessage(edit),
        mark(Mark::Pin),
        mark(Mark::Reaction("👍".to_owned())),
        Change::SetRetention {
            actor,
            days: Some(1),
            messages: None,
        },
    ];
    store.write(room, changes).await;
    let mentions = async || {
        let view = store.room(ada.id, "den").await.unwrap();
        view.read.unwrap().mentions
    };
    assert_eq!(mentions().await, 1);
    assert_eq!(store.pins(ada.id, "den").await.unwrap().len(), 1);
    store.back_end.age_messages(2 * DAY).await;
    assert!(store.retain(room, 10).await.is_some());
    assert_eq!(mentions().await, 0);
    assert_eq!(store.pins(ada.id, "den").await.unwrap(), []);
    let edits = store.edits(owner.id, "den", old).await;
    assert_eq!(refused(edits), ErrorCode::MessageNotFound);
    // Room for another that is pinned, and none of the old marks on it.
    let fresh = store.post(room, message(&owner, "new")).await.seq;
    assert_eq!(fresh, old + 1);
}
