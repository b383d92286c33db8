//! What deliveries hold, whatever was superseded, cut or restored between two of them.

use chrono::Utc;
use serde_json::Value;

use super::*;
use crate::db::marks::MessageMarks;
use crate::db::rows::{Head, LogKind, LogRow, MessageKind, MessageMeta, UserKind, UserRow};
use crate::db::webhooks::{WebhookEvents, WebhookTarget};
use crate::ids::{RoomId, Seq, UserId};

const EPOCH: Epoch = Epoch(7);

fn hook(version: Version, seen_seq: Seq) -> ClaimedWebhook {
    ClaimedWebhook {
        id: WebhookId::new(),
        room: RoomId::new(),
        slug: "den".into(),
        attempt: 1,
        target: WebhookTarget {
            url: String::new(),
            secrets: Vec::new(),
        },
        events: WebhookEvents::of(WebhookEvent::ALL),
        place: WebhookPlace {
            epoch: EPOCH,
            version,
            seen_seq,
            awaited: Vec::new(),
        },
        sending_to: None,
        failures: 0,
    }
}

fn message(seq: Seq, version: Version, body: &str) -> StoredChange {
    StoredChange::Message(Box::new(MessageRow {
        seq,
        version,
        author: UserRow {
            id: UserId::new(),
            name: "ada".into(),
            kind: UserKind::User,
        },
        client_id: None,
        kind: MessageKind::User,
        state: MessageState::Complete,
        body: body.into(),
        html: None,
        reply_to: None,
        meta: MessageMeta::default(),
        marks: MessageMarks::default(),
        created_at: Utc::now(),
        edited_at: None,
        deleted_at: None,
    }))
}

fn queued(seq: Seq, version: Version) -> StoredChange {
    let StoredChange::Message(mut row) = message(seq, version, "") else {
        unreachable!("a message")
    };
    row.state = MessageState::Queued;
    row.kind = MessageKind::Assistant;
    StoredChange::Message(row)
}

fn tombstone(seq: Seq, version: Version) -> StoredChange {
    let StoredChange::Message(mut row) = message(seq, version, "") else {
        unreachable!("a message")
    };
    row.deleted_at = Some(row.created_at);
    StoredChange::Message(row)
}

fn read(version: Version, last_seq: Seq, changes: Vec<StoredChange>, complete: bool) -> Changes {
    let head = Head {
        room: RoomId::new(),
        epoch: EPOCH,
        version,
        last_seq,
        first_seq: 1,
        floor: 0,
    };
    Changes {
        head,
        changes,
        complete,
    }
}

fn events(batch: &Batch) -> Vec<(String, i64)> {
    let Some(body) = &batch.body else {
        return Vec::new();
    };
    let body: Value = serde_json::from_slice(body).unwrap();
    assert_eq!(body["delivery"], batch.id.as_str());
    let events = body["events"].as_array().unwrap();
    let event = |event: &Value| {
        assert_eq!(event["version"], event["frame"]["version"]);
        (
            event["event"].as_str().unwrap().to_owned(),
            event["version"].as_i64().unwrap(),
        )
    };
    events.iter().map(event).collect()
}

fn of(pairs: &[(&str, i64)]) -> Vec<(String, i64)> {
    let owned = pairs
        .iter()
        .map(|(name, version)| ((*name).to_owned(), *version));
    owned.collect()
}

#[test]
fn what_is_new_and_what_changed_is_told_apart() {
    let log = StoredChange::Log(LogRow {
        version: 9,
        kind: LogKind::Settings,
        user: None,
        role: None,
        data: serde_json::json!({"topic": "tea"}),
    });
    let changes = vec![
        message(1, 6, "edited"),
        message(3, 7, "new"),
        tombstone(4, 8),
        log,
    ];
    let batch = next_batch(&hook(5, 2), &read(9, 4, changes, true));
    assert_eq!(
        events(&batch),
        of(&[
            ("message.changed", 6),
            ("message", 7),
            ("message.changed", 8),
            ("room.changed", 9)
        ])
    );
    assert_eq!(
        (batch.from, batch.to, batch.place.seen_seq, batch.more),
        (5, 9, 4, false)
    );
    let body: Value = serde_json::from_slice(&batch.body.unwrap()).unwrap();
    assert_eq!(body["events"][1]["frame"]["prev"], 6);
    assert_eq!(body["events"][1]["frame"]["message"]["body"], "new");
    assert_eq!(body["events"][3]["frame"]["type"], "room.changed");
}

#[test]
fn only_what_is_wanted_is_sent_and_the_rest_is_passed() {
    let mut hook = hook(0, 0);
    hook.events = WebhookEvents::of(&[WebhookEvent::RoomChanged]);
    let batch = next_batch(
        &hook,
        &read(2, 2, vec![message(1, 1, "a"), message(2, 2, "b")], true),
    );
    assert_eq!((batch.body, batch.to), (None, 2));
}

#[test]
fn a_change_of_what_was_never_told_is_told_to_those_who_want_changes_only() {
    let mut hook = hook(3, 2);
    hook.events = WebhookEvents::of(&[WebhookEvent::MessageChanged]);
    let StoredChange::Message(mut edited) = message(3, 5, "better") else {
        unreachable!("a message")
    };
    edited.edited_at = Some(edited.created_at);
    let changes = vec![StoredChange::Message(edited), message(4, 6, "new")];
    let batch = next_batch(&hook, &read(6, 4, changes, true));
    assert_eq!(events(&batch), of(&[("message.changed", 5)]));
}

#[test]
fn a_message_superseded_beyond_the_end_of_a_delivery_is_still_new_in_the_next() {
    // Message 1 was written at version 1 and edited at 9, after the part that is read.
    let first = next_batch(&hook(0, 0), &read(9, 3, vec![message(2, 2, "b")], false));
    assert_eq!((first.to, first.more, first.place.seen_seq), (2, true, 0));
    let mut second = hook(2, 0);
    second.place = first.place;
    let changes = vec![message(3, 3, "c"), message(1, 9, "a, edited")];
    let batch = next_batch(&second, &read(9, 3, changes, true));
    assert_eq!(events(&batch), of(&[("message", 3), ("message", 9)]));
    assert_eq!(batch.place.seen_seq, 3);
}

#[test]
fn a_reply_comes_as_its_settled_message() {
    let first = next_batch(
        &hook(0, 0),
        &read(2, 2, vec![message(1, 1, "ask"), queued(2, 2)], true),
    );
    assert_eq!(events(&first), of(&[("message", 1)]));
    assert_eq!(first.place.awaited, [2]);
    let mut second = hook(2, 2);
    second.place = first.place;
    let batch = next_batch(&second, &read(3, 2, vec![message(2, 3, "answer")], true));
    assert_eq!(events(&batch), of(&[("message", 3)]));
    assert!(batch.place.awaited.is_empty());
    let mut third = hook(3, 2);
    third.place = batch.place;
    let batch = next_batch(&third, &read(4, 2, vec![message(2, 4, "answer")], true));
    assert_eq!(
        events(&batch),
        of(&[("message.changed", 4)]),
        "a reaction, say"
    );
}

#[test]
fn an_attempt_after_one_that_failed_ends_where_that_ended() {
    let mut hook = hook(0, 0);
    hook.sending_to = Some(2);
    let changes = vec![message(1, 1, "a"), message(2, 2, "b"), message(3, 3, "c")];
    let batch = next_batch(&hook, &read(3, 3, changes, true));
    assert_eq!(events(&batch), of(&[("message", 1), ("message", 2)]));
    assert_eq!((batch.to, batch.more, batch.place.seen_seq), (2, true, 0));
    let id = batch.id;
    // What was deleted meanwhile is not in it any more.
    let changes = vec![message(2, 2, "b"), message(3, 3, "c"), tombstone(1, 4)];
    let batch = next_batch(&hook, &read(4, 3, changes, true));
    assert_eq!((events(&batch), batch.id), (of(&[("message", 2)]), id));
}

#[test]
fn another_history_and_a_removed_prefix_are_told() {
    let reset = |batch: &Batch| {
        let body: Value = serde_json::from_slice(batch.body.as_ref().unwrap()).unwrap();
        body["reset"].as_str().map(str::to_owned)
    };
    let mut restored = read(4, 4, vec![message(4, 4, "d")], true);
    restored.head.epoch = Epoch(8);
    let batch = next_batch(&hook(3, 3), &restored);
    assert_eq!((reset(&batch).as_deref(), batch.events), (Some("epoch"), 0));
    assert_eq!(
        (batch.place.epoch, batch.place.version, batch.place.seen_seq),
        (Epoch(8), 4, 4)
    );
    let batch = next_batch(&hook(9, 3), &read(4, 4, Vec::new(), true));
    assert_eq!(reset(&batch).as_deref(), Some("ahead"));
    let mut kept = read(9, 9, vec![message(9, 9, "i")], true);
    kept.head.floor = 7;
    let batch = next_batch(&hook(3, 3), &kept);
    assert_eq!(
        (reset(&batch).as_deref(), batch.events, batch.to),
        (Some("retention"), 1, 9)
    );
}
