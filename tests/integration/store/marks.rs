//! Reactions and pins.

use salon::db::changes::Change;
use salon::db::marks::Mark;
use salon::db::rows::{MessageState, UserRow};
use salon::error::ErrorCode;
use salon::ids::{InstanceId, Seq, UserId};
use salon::limits::{PINS_PER_ROOM, REACTION_KINDS, REACTION_USERS};
use salon::permissions::Role;

use super::fixtures::{TestStore, changed, code, message, settlement};
use super::message_changes::{delete, react, written};

fn unreact(actor: &UserRow, seq: Seq, emoji: &str) -> Change {
    Change::Unmark {
        actor: actor.id,
        seq,
        mark: Mark::Reaction(emoji.into()),
    }
}

fn pin(actor: &UserRow, seq: Seq) -> Change {
    Change::Mark {
        actor: actor.id,
        seq,
        mark: Mark::Pin,
    }
}

fn unpin(actor: &UserRow, seq: Seq) -> Change {
    Change::Unmark {
        actor: actor.id,
        seq,
        mark: Mark::Pin,
    }
}

pub(super) async fn reactions_are_counted_and_the_first_are_named(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    store.post(room, message(&owner, "hello")).await;
    let mut people = Vec::new();
    for number in 0..REACTION_USERS + 2 {
        let name = format!("member {number}");
        people.push(store.member(room, &owner, &name, Role::Member).await);
    }
    let all = people.iter().map(|person| react(person, 1, "👍"));
    let done = store.write(room, all.collect()).await;
    assert!(done.outcomes.iter().all(Result::is_ok));
    let first = |people: &[UserRow]| -> Vec<UserId> {
        people
            .iter()
            .take(REACTION_USERS)
            .map(|user| user.id)
            .collect()
    };
    let row = store.message(owner.id, "den", 1).await.unwrap();
    let reaction = row.marks.reaction("👍").unwrap();
    assert_eq!(reaction.count as usize, people.len());
    assert_eq!(reaction.users, first(&people));
    assert_eq!((row.body.as_str(), row.edited_at), ("hello", None));
    // Who goes makes room for the next; who was not named changes the count only.
    let gone = people.remove(3);
    let row = written(store, room, unreact(&gone, 1, "👍")).await;
    assert_eq!(row.marks.reaction("👍").unwrap().users, first(&people));
    let last = people.pop().unwrap();
    let row = written(store, room, unreact(&last, 1, "👍")).await;
    assert_eq!(row.marks.reaction("👍").unwrap().users, first(&people));
    // Another kind stands behind, and goes with its last.
    let row = written(store, room, react(&owner, 1, "🎉")).await;
    assert_eq!(row.marks.reactions[1].users, [owner.id]);
    let row = written(store, room, unreact(&owner, 1, "🎉")).await;
    assert_eq!(row.marks.reactions.len(), 1);
}

pub(super) async fn what_is_so_already_takes_no_version(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    store.post(room, message(&owner, "hello")).await;
    for nothing in [unreact(&owner, 1, "👍"), unpin(&owner, 1)] {
        assert_eq!(changed(store.change(room, nothing).await), 1);
    }
    written(store, room, react(&owner, 1, "👍")).await;
    written(store, room, pin(&owner, 1)).await;
    for nothing in [
        react(&owner, 1, "👍"),
        pin(&owner, 1),
        unreact(&owner, 1, "👎"),
    ] {
        assert_eq!(changed(store.change(room, nothing).await), 3);
    }
    assert_eq!(store.heads(&[room]).await.unwrap()[0].version, 3);
}

pub(super) async fn kinds_of_reactions_are_bounded(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let other = store.member(room, &owner, "other", Role::Member).await;
    let seq = store.post(room, message(&owner, "hello")).await.seq;
    let kinds: Vec<String> = ('😀'..).take(REACTION_KINDS).map(String::from).collect();
    let all = kinds.iter().map(|kind| react(&owner, seq, kind));
    let done = store.write(room, all.collect()).await;
    assert!(done.outcomes.iter().all(Result::is_ok));
    let more = store.change(room, react(&owner, seq, "🦀")).await;
    assert_eq!(code(more), ErrorCode::TooMany);
    // Of the kinds there are, anybody may have more.
    written(store, room, react(&other, seq, &kinds[0])).await;
    written(store, room, unreact(&owner, seq, &kinds[1])).await;
    let row = written(store, room, react(&owner, seq, "🦀")).await;
    assert_eq!(row.marks.reactions.len(), REACTION_KINDS);
}

pub(super) async fn readers_and_strangers_put_no_marks(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let reader = store.member(room, &owner, "reader", Role::Reader).await;
    let member = store.member(room, &owner, "member", Role::Member).await;
    let stranger = store.person("stranger").await;
    let seq = store.post(room, message(&owner, "hello")).await.seq;
    for (change, expected) in [
        (react(&reader, seq, "👍"), ErrorCode::Forbidden),
        (unreact(&reader, seq, "👍"), ErrorCode::Forbidden),
        (react(&stranger, seq, "👍"), ErrorCode::NotAMember),
        (pin(&member, seq), ErrorCode::Forbidden),
        (unpin(&member, seq), ErrorCode::Forbidden),
        (pin(&stranger, seq), ErrorCode::NotAMember),
        (react(&member, 99, "👍"), ErrorCode::MessageNotFound),
        (pin(&owner, 99), ErrorCode::MessageNotFound),
    ] {
        let refusal = code(store.change(room, change.clone()).await);
        assert_eq!(refusal, expected, "{change:?}");
    }
    written(store, room, react(&member, seq, "👍")).await;
}

pub(super) async fn what_is_not_settled_or_gone_takes_no_marks(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let reply = store.prompt(room, &owner).await;
    for change in [react(&owner, reply, "👍"), pin(&owner, reply)] {
        let refusal = code(store.change(room, change).await);
        assert_eq!(refusal, ErrorCode::ReplyRunning);
    }
    written(store, room, react(&owner, reply - 1, "👍")).await;
    let runner = InstanceId::new();
    let claimed = store.claim_one(runner).await;
    let last = settlement(runner, &claimed, MessageState::Complete, "yes");
    changed(store.change(room, last).await);
    written(store, room, pin(&owner, reply)).await;
    written(store, room, delete(&owner, reply)).await;
    for change in [
        react(&owner, reply, "👍"),
        unreact(&owner, reply, "👍"),
        pin(&owner, reply),
        unpin(&owner, reply),
    ] {
        let refusal = code(store.change(room, change).await);
        assert_eq!(refusal, ErrorCode::MessageNotFound);
    }
}

pub(super) async fn pins_are_listed_the_latest_first(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    for body in ["one", "two", "three"] {
        store.post(room, message(&owner, body)).await;
    }
    assert_eq!(store.pins(owner.id, "den").await.unwrap(), []);
    let row = written(store, room, pin(&owner, 3)).await;
    let pinned = row.marks.pinned.unwrap();
    assert_eq!(pinned.by, owner.id);
    assert!(pinned.at >= row.created_at);
    written(store, room, pin(&owner, 1)).await;
    written(store, room, react(&owner, 3, "👍")).await;
    let pins = store.pins(owner.id, "den").await.unwrap();
    let seqs: Vec<Seq> = pins.iter().map(|row| row.seq).collect();
    assert_eq!(seqs, [1, 3]);
    assert_eq!(pins[1], store.message(owner.id, "den", 3).await.unwrap());
    let row = written(store, room, unpin(&owner, 1)).await;
    assert_eq!(row.marks.pinned, None);
    assert_eq!(store.pins(owner.id, "den").await.unwrap().len(), 1);
    let stranger = store.person("stranger").await;
    for (slug, expected) in [
        ("den", ErrorCode::NotAMember),
        ("nowhere", ErrorCode::RoomNotFound),
    ] {
        let refusal = super::fixtures::refused(store.pins(stranger.id, slug).await);
        assert_eq!(refusal, expected);
    }
}

pub(super) async fn pins_of_a_room_are_bounded(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let posts = (0..=PINS_PER_ROOM).map(|_| Change::Post(message(&owner, "pin me")));
    store.write(room, posts.collect()).await;
    let all = (1..=PINS_PER_ROOM).map(|seq| pin(&owner, seq));
    let done = store.write(room, all.collect()).await;
    assert!(done.outcomes.iter().all(Result::is_ok));
    let more = store.change(room, pin(&owner, PINS_PER_ROOM + 1)).await;
    assert_eq!(code(more), ErrorCode::TooMany);
    assert_eq!(
        store.pins(owner.id, "den").await.unwrap().len() as i64,
        PINS_PER_ROOM
    );
    written(store, room, delete(&owner, 7)).await;
    written(store, room, pin(&owner, PINS_PER_ROOM + 1)).await;
}

pub(super) async fn marks_stay_when_a_reply_starts_again(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let runner = InstanceId::new();
    let reply = store.prompt(room, &owner).await;
    let claimed = store.claim_one(runner).await;
    let last = settlement(runner, &claimed, MessageState::Failed, "half");
    changed(store.change(room, last).await);
    let marked = written(store, room, react(&owner, reply, "😢")).await;
    let retry = Change::RetryReply {
        actor: owner.id,
        seq: reply,
        caps: salon::spending::Caps::default(),
    };
    let row = written(store, room, retry).await;
    assert_eq!(row.marks, marked.marks);
    let claimed = store.claim_one(runner).await;
    let last = settlement(runner, &claimed, MessageState::Complete, "whole");
    let row = written(store, room, last).await;
    assert_eq!((row.marks, row.body.as_str()), (marked.marks, "whole"));
}
