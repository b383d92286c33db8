//! The life of a reply's message: stopped, retried, settled, interrupted.

use salon::db::changes::{Change, Settlement};
use salon::db::rows::{
    MessageRow, MessageState, ReplyMeta, ReplyState, StoredChange, Usage, UserRow,
};
use salon::error::ErrorCode;
use salon::ids::{InstanceId, RoomId, Seq, UserId};
use salon::permissions::Role;

use super::fixtures::{CAPS, TestStore, append, changed, code, settlement};

fn stop(actor: &UserRow, seq: Seq) -> Change {
    Change::StopReply {
        actor: actor.id,
        seq,
    }
}

fn retry(actor: &UserRow, seq: Seq) -> Change {
    Change::RetryReply {
        actor: actor.id,
        seq,
        caps: salon::spending::Caps::default(),
    }
}

/// The one message a change wrote.
async fn written(store: &TestStore, room: RoomId, change: Change) -> MessageRow {
    let done = store.write(room, vec![change]).await;
    let version = changed(done.outcomes.into_iter().next().unwrap());
    assert_eq!(version, done.head.version);
    match done.changes.as_slice() {
        [StoredChange::Message(message)] => {
            assert_eq!(message.version, version);
            (**message).clone()
        }
        other => panic!("one message: {other:?}"),
    }
}

fn attempt(message: &MessageRow) -> i32 {
    message.meta.reply.as_ref().unwrap().attempt
}

pub(super) async fn a_reply_settles_once(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let seq = store.prompt(room, &owner).await;
    let runner = InstanceId::new();
    let claimed = store.claim_one(runner).await;
    store
        .append_chunks(runner, vec![append(&claimed, 1, 2, Some("Hel"))])
        .await
        .unwrap();
    let meta = ReplyMeta {
        prompt_seq: claimed.prompt_seq,
        attempt: claimed.attempt,
        model: Some("scripted".into()),
        error: None,
        usage: Some(Usage {
            input_tokens: 7,
            output_tokens: 5,
            cached_tokens: 3,
            estimated: true,
        }),
        stop_reason: Some("end".into()),
        stopped_by: None,
        cost_micros: Some(120),
        first_token_ms: Some(350),
        retry_at: None,
        context_from: Some(1),
        variants: None,
    };
    let last_word = Change::SettleReply(Settlement {
        seq,
        attempt: claimed.attempt,
        owner: runner,
        state: MessageState::Complete,
        body: "Hello *you*".into(),
        html: Some("Hello <em>you</em>".into()),
        meta: meta.clone(),
    });
    let message = written(store, room, last_word.clone()).await;
    assert_eq!((message.seq, message.version), (seq, 3));
    assert_eq!(message.state, MessageState::Complete);
    assert_eq!(message.body, "Hello *you*");
    assert_eq!(message.html.as_deref(), Some("Hello <em>you</em>"));
    assert_eq!(message.meta.reply, Some(meta));
    assert_eq!(store.message(owner.id, "den", seq).await.unwrap(), message);

    assert_eq!(
        code(store.change(room, last_word).await),
        ErrorCode::ReplySettled
    );
    assert_eq!(store.running_replies(room).await.unwrap(), []);
    assert_eq!(store.reply_chunks(room, seq, 1, 1).await.unwrap(), []);
    assert_eq!(store.claim_replies(runner, 9, CAPS).await.unwrap(), []);
    store.age(100).await;
    assert_eq!(store.claim_replies(runner, 9, CAPS).await.unwrap(), []);
    assert_eq!(store.expired_replies(9).await.unwrap(), []);
}

pub(super) async fn every_way_to_end_is_stored(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let runner = InstanceId::new();
    for state in [
        MessageState::Complete,
        MessageState::Stopped,
        MessageState::Failed,
        MessageState::Interrupted,
    ] {
        let seq = store.prompt(room, &owner).await;
        let claimed = store.claim_one(runner).await;
        let message = written(store, room, settlement(runner, &claimed, state, "so far")).await;
        assert_eq!((message.seq, message.state), (seq, state));
        assert_eq!(message.body, "so far");
    }
}

pub(super) async fn a_queued_reply_stops_at_once(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let seq = store.prompt(room, &owner).await;
    let message = written(store, room, stop(&owner, seq)).await;
    assert_eq!(message.state, MessageState::Stopped);
    assert_eq!((message.body.as_str(), attempt(&message)), ("", 0));
    assert_eq!(stopped_by(&message), Some(owner.id));
    assert_eq!(
        code(store.change(room, stop(&owner, seq)).await),
        ErrorCode::ReplySettled
    );
    assert_eq!(
        store
            .claim_replies(InstanceId::new(), 9, CAPS)
            .await
            .unwrap(),
        []
    );
}

pub(super) async fn a_running_reply_is_asked_to_stop(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let seq = store.prompt(room, &owner).await;
    let runner = InstanceId::new();
    let claimed = store.claim_one(runner).await;
    let renewed = store
        .append_chunks(runner, vec![append(&claimed, 1, 1, None)])
        .await
        .unwrap();
    assert!(renewed[0].held && !renewed[0].stop_requested);
    let before = store.heads(&[room]).await.unwrap()[0];
    for _ in 0..2 {
        let version = changed(store.change(room, stop(&owner, seq)).await);
        assert_eq!(version, before.version, "asking takes no version");
    }
    assert_eq!(store.heads(&[room]).await.unwrap()[0], before);
    let told = store
        .append_chunks(runner, vec![append(&claimed, 1, 1, Some("x"))])
        .await
        .unwrap();
    assert!(told[0].held && told[0].stop_requested);
    // Whoever asked first is told of, once it has ended so; and a retry knows nothing of it.
    let moderator = store
        .member(room, &owner, "moderator", Role::Moderator)
        .await;
    changed(store.change(room, stop(&moderator, seq)).await);
    let last_word = settlement(runner, &claimed, MessageState::Stopped, "x");
    let stopped = written(store, room, last_word).await;
    assert_eq!(stopped.state, MessageState::Stopped);
    assert_eq!(stopped_by(&stopped), Some(owner.id));
    assert_eq!(
        store.message(owner.id, "den", seq).await.unwrap(),
        stopped,
        "as it was told"
    );
    let again = written(store, room, retry(&owner, seq)).await;
    assert_eq!(stopped_by(&again), None);
}

pub(super) async fn one_that_ends_otherwise_was_stopped_by_nobody(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let seq = store.prompt(room, &owner).await;
    let runner = InstanceId::new();
    let claimed = store.claim_one(runner).await;
    changed(store.change(room, stop(&owner, seq)).await);
    let last_word = settlement(runner, &claimed, MessageState::Complete, "x");
    let complete = written(store, room, last_word).await;
    assert_eq!(stopped_by(&complete), None);
}

fn stopped_by(message: &MessageRow) -> Option<UserId> {
    message.meta.reply.as_ref().unwrap().stopped_by
}

pub(super) async fn who_asked_may_steer_and_who_keeps_order(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let asker = store.member(room, &owner, "asker", Role::Member).await;
    let other = store.member(room, &owner, "other", Role::Member).await;
    let moderator = store
        .member(room, &owner, "moderator", Role::Moderator)
        .await;
    let stranger = store.person("stranger").await;
    let seq = store.prompt(room, &asker).await;
    let refusals = async |change: fn(&UserRow, Seq) -> Change| {
        for (actor, seq, expected) in [
            (&other, seq, ErrorCode::Forbidden),
            (&stranger, seq, ErrorCode::NotAMember),
            (&asker, seq - 1, ErrorCode::ReplyNotFound),
            (&asker, 99, ErrorCode::ReplyNotFound),
        ] {
            assert_eq!(code(store.change(room, change(actor, seq)).await), expected);
        }
    };
    refusals(stop).await;
    written(store, room, stop(&asker, seq)).await;
    refusals(retry).await;
    written(store, room, retry(&asker, seq)).await;
    written(store, room, stop(&moderator, seq)).await;
    written(store, room, retry(&moderator, seq)).await;
    let reader = Change::SetMember {
        actor: owner.id,
        user: asker.id,
        role: Role::Reader,
    };
    changed(store.change(room, reader).await);
    assert_eq!(
        code(store.change(room, stop(&asker, seq)).await),
        ErrorCode::Forbidden
    );
}

pub(super) async fn a_retry_starts_again_from_nothing(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let seq = store.prompt(room, &owner).await;
    let runner = InstanceId::new();
    let first = store.claim_one(runner).await;
    assert!(
        store
            .mark_shown(runner, room, seq, first.attempt, None)
            .await
            .unwrap()
    );
    changed(store.change(room, stop(&owner, seq)).await);
    let ended = written(
        store,
        room,
        settlement(runner, &first, MessageState::Failed, "half"),
    )
    .await;
    assert_eq!(attempt(&ended), 1);

    let queued = written(store, room, retry(&owner, seq)).await;
    assert_eq!((queued.seq, queued.state), (seq, MessageState::Queued));
    assert_eq!((queued.body.as_str(), &queued.html), ("", &None));
    assert_eq!(attempt(&queued), 1, "the last attempt that is over");
    assert_eq!(queued.created_at, ended.created_at);
    assert_eq!(
        code(store.change(room, retry(&owner, seq)).await),
        ErrorCode::ReplyRunning
    );

    let second = store.claim_one(runner).await;
    assert_eq!((second.seq, second.attempt), (seq, 2));
    let state = store
        .append_chunks(runner, vec![append(&second, 1, 1, Some("new"))])
        .await
        .unwrap();
    assert!(
        state[0].held && !state[0].stop_requested,
        "an old stop is forgotten"
    );
    // What was shown is forgotten too: a runner that dies now is replaced.
    store.age(100).await;
    assert_eq!(store.claim_one(runner).await.attempt, 3);
    let late = settlement(runner, &first, MessageState::Complete, "late");
    assert_eq!(
        code(store.change(room, late).await),
        ErrorCode::ReplySettled
    );
}

pub(super) async fn only_what_ended_early_is_retried(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let runner = InstanceId::new();
    let seq = store.prompt(room, &owner).await;
    assert_eq!(
        code(store.change(room, retry(&owner, seq)).await),
        ErrorCode::ReplyRunning
    );
    let claimed = store.claim_one(runner).await;
    assert_eq!(
        code(store.change(room, retry(&owner, seq)).await),
        ErrorCode::ReplyRunning
    );
    written(
        store,
        room,
        settlement(runner, &claimed, MessageState::Complete, "all"),
    )
    .await;
    assert_eq!(
        code(store.change(room, retry(&owner, seq)).await),
        ErrorCode::ReplySettled
    );
    for state in [
        MessageState::Stopped,
        MessageState::Failed,
        MessageState::Interrupted,
    ] {
        let seq = store.prompt(room, &owner).await;
        let claimed = store.claim_one(runner).await;
        written(store, room, settlement(runner, &claimed, state, "")).await;
        let queued = written(store, room, retry(&owner, seq)).await;
        assert_eq!(queued.state, MessageState::Queued);
        written(store, room, stop(&owner, seq)).await;
    }
}

pub(super) async fn a_dead_runners_text_is_kept(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let seq = store.prompt(room, &owner).await;
    let dead = InstanceId::new();
    let claimed = store.claim_one(dead).await;
    assert!(store.mark_shown(dead, room, seq, 1, Some(1)).await.unwrap());
    for (first, text) in [(1, "It was "), (3, "a dark "), (5, "night")] {
        store
            .append_chunks(dead, vec![append(&claimed, first, 2, Some(text))])
            .await
            .unwrap();
    }
    let running = store.running_replies(room).await.unwrap();
    assert_eq!(running[0].context_from, Some(1));
    store.age(100).await;
    let expired = store.expired_replies(9).await.unwrap();
    assert_eq!(expired.len(), 1);
    assert_eq!((expired[0].room, expired[0].seq), (room, seq));
    assert_eq!((expired[0].attempt, expired[0].shown), (1, true));
    let message = written(store, room, Change::InterruptReply { seq, attempt: 1 }).await;
    assert_eq!(message.state, MessageState::Interrupted);
    assert_eq!(message.body, "It was a dark night");
    let told = message.meta.reply.as_ref();
    assert_eq!(told.and_then(|reply| reply.context_from), Some(1));
    assert_eq!((message.html.as_deref(), attempt(&message)), (None, 1));
    assert_eq!(store.expired_replies(9).await.unwrap(), []);
    assert_eq!(store.reply_chunks(room, seq, 1, 1).await.unwrap(), []);
    let late = settlement(dead, &claimed, MessageState::Complete, "late");
    assert_eq!(
        code(store.change(room, late).await),
        ErrorCode::ReplySettled
    );
}

pub(super) async fn only_a_dead_runners_shown_reply_is_interrupted(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let seq = store.prompt(room, &owner).await;
    let runner = InstanceId::new();
    let interrupt = async |attempt| {
        store
            .change(room, Change::InterruptReply { seq, attempt })
            .await
    };
    assert!(interrupt(0).await.is_err(), "still queued");
    let first = store.claim_one(runner).await;
    store.age(100).await;
    assert!(interrupt(first.attempt).await.is_err(), "nothing shown");
    let second = store.claim_one(runner).await;
    assert!(
        store
            .mark_shown(runner, room, seq, second.attempt, None)
            .await
            .unwrap()
    );
    assert!(interrupt(second.attempt).await.is_err(), "the lease holds");
    store.age(100).await;
    assert!(
        interrupt(first.attempt).await.is_err(),
        "of another attempt"
    );
    let last_word = settlement(runner, &second, MessageState::Complete, "in time");
    assert_eq!(written(store, room, last_word).await.body, "in time");
    assert_eq!(
        code(interrupt(second.attempt).await),
        ErrorCode::ReplySettled
    );
}

pub(super) async fn deleting_a_room_ends_its_replies(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    store.prompt(room, &owner).await;
    let runner = InstanceId::new();
    let claimed = store.claim_one(runner).await;
    store.prompt(room, &owner).await;
    changed(
        store
            .change(room, Change::DeleteRoom { actor: owner.id })
            .await,
    );
    let state = store
        .append_chunks(runner, vec![append(&claimed, 1, 1, Some("x"))])
        .await
        .unwrap();
    assert!(!state[0].held);
    assert!(
        !store
            .mark_shown(runner, room, claimed.seq, 1, None)
            .await
            .unwrap()
    );
    let last_word = settlement(runner, &claimed, MessageState::Complete, "x");
    assert_eq!(
        code(store.change(room, last_word).await),
        ErrorCode::RoomNotFound
    );
    store.age(100).await;
    assert_eq!(store.claim_replies(runner, 9, CAPS).await.unwrap(), []);
    assert_eq!(store.expired_replies(9).await.unwrap(), []);
    let running = store.running_replies(room).await.unwrap();
    assert!(
        running
            .iter()
            .all(|reply| reply.state == ReplyState::Settled),
        "{running:?}"
    );
}
