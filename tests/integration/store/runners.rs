//! What runners of replies do: claim, fence, save, give back.

use futures_util::future::join_all;
use salon::db::changes::{Change, ChunkAppend};
use salon::db::rows::{MessageState, ReplyChunk, ReplyState, Visibility};
use salon::error::ErrorCode;
use salon::ids::InstanceId;
use salon::permissions::Role;

use super::fixtures::{CAPS, TestStore, append, changed, code, message, settlement};

pub(super) async fn a_reply_is_claimed_by_one(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    assert_eq!(
        store
            .claim_replies(InstanceId::new(), 9, CAPS)
            .await
            .unwrap(),
        []
    );
    let mut queued = Vec::new();
    for _ in 0..6 {
        queued.push(store.prompt(room, &owner).await);
    }
    let head = store.heads(&[room]).await.unwrap()[0];
    let runners: Vec<InstanceId> = (0..6).map(|_| InstanceId::new()).collect();
    let claims = join_all(
        runners
            .iter()
            .map(|runner| store.claim_replies(*runner, 2, CAPS)),
    )
    .await;
    let mut claimed: Vec<_> = claims.into_iter().flat_map(Result::unwrap).collect();
    // A runner that found rows locked took fewer; what is left is there for the next.
    claimed.extend(store.claim_replies(runners[0], 9, CAPS).await.unwrap());
    claimed.sort_by_key(|reply| reply.seq);
    let seqs: Vec<_> = claimed.iter().map(|reply| reply.seq).collect();
    assert_eq!(seqs, queued, "each once");
    for reply in &claimed {
        assert_eq!((reply.room, reply.attempt), (room, 1));
        assert_eq!(reply.prompt_seq, reply.seq - 1);
        assert_eq!((reply.asker, reply.asker_may_prompt), (owner.id, true));
    }
    assert_eq!(
        store.heads(&[room]).await.unwrap()[0],
        head,
        "a claim takes no version"
    );
    let message = store.message(owner.id, "den", queued[0]).await.unwrap();
    assert_eq!(message.state, MessageState::Queued);
}

pub(super) async fn claims_take_the_oldest_first(store: &TestStore) {
    let owner = store.person("owner").await;
    let one = store
        .make_room(&owner, "one", Visibility::Public)
        .await
        .room
        .id;
    let two = store
        .make_room(&owner, "two", Visibility::Public)
        .await
        .room
        .id;
    let mut asked = Vec::new();
    for room in [two, one, two] {
        asked.push((room, store.prompt(room, &owner).await));
    }
    for expected in asked {
        let claimed = store
            .claim_replies(InstanceId::new(), 1, CAPS)
            .await
            .unwrap();
        assert_eq!(claimed.len(), 1);
        assert_eq!((claimed[0].room, claimed[0].seq), expected);
    }
}

pub(super) async fn a_claim_tells_whether_the_asker_may_still_prompt(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let ada = store.member(room, &owner, "ada", Role::Member).await;
    let bob = store.member(room, &owner, "bob", Role::Member).await;
    for asker in [&ada, &bob] {
        store.prompt(room, asker).await;
    }
    let removed = Change::RemoveMember {
        actor: owner.id,
        user: ada.id,
    };
    let muted = Change::SetMember {
        actor: owner.id,
        user: bob.id,
        role: Role::Reader,
    };
    changed(store.change(room, removed).await);
    changed(store.change(room, muted).await);
    store.prompt(room, &owner).await;
    let claimed = store
        .claim_replies(InstanceId::new(), 9, CAPS)
        .await
        .unwrap();
    let answers: Vec<_> = claimed
        .iter()
        .map(|reply| (reply.asker, reply.asker_may_prompt))
        .collect();
    assert_eq!(
        answers,
        [(ada.id, false), (bob.id, false), (owner.id, true)]
    );
}

pub(super) async fn a_lost_lease_fences_its_runner(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let seq = store.prompt(room, &owner).await;
    let (old, new) = (InstanceId::new(), InstanceId::new());
    let first = store.claim_one(old).await;
    assert_eq!(store.expired_replies(9).await.unwrap(), [], "it lives");
    assert_eq!(store.claim_replies(new, 9, CAPS).await.unwrap(), []);
    store.age(100).await;
    let expired = store.expired_replies(9).await.unwrap();
    assert_eq!((expired[0].seq, expired[0].shown), (seq, false));
    let second = store.claim_one(new).await;
    assert_eq!((second.seq, second.attempt), (seq, 2));

    assert!(!store.mark_shown(old, room, seq, 1, None).await.unwrap());
    assert!(
        !store.mark_shown(old, room, seq, 2, None).await.unwrap(),
        "not its attempt"
    );
    assert!(
        !store.mark_shown(new, room, seq, 1, None).await.unwrap(),
        "not of this attempt"
    );
    let lost = store
        .append_chunks(old, vec![append(&first, 1, 1, Some("old"))])
        .await
        .unwrap();
    assert!(!lost[0].held);
    let late = settlement(old, &first, MessageState::Complete, "old");
    assert_eq!(
        code(store.change(room, late).await),
        ErrorCode::ReplySettled
    );
    let stolen = settlement(old, &second, MessageState::Complete, "old");
    assert_eq!(
        code(store.change(room, stolen).await),
        ErrorCode::ReplySettled
    );
    store
        .release_replies(old, &[(room, seq, 1), (room, seq, 2)])
        .await
        .unwrap();
    assert!(store.mark_shown(new, room, seq, 2, None).await.unwrap());
    assert_eq!(store.reply_chunks(room, seq, 1, 1).await.unwrap(), []);
}

pub(super) async fn an_expired_lease_nobody_took_is_renewed(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let seq = store.prompt(room, &owner).await;
    let runner = InstanceId::new();
    let claimed = store.claim_one(runner).await;
    store.age(100).await;
    let renewed = store
        .append_chunks(runner, vec![append(&claimed, 1, 1, None)])
        .await
        .unwrap();
    assert!(renewed[0].held);
    assert_eq!((renewed[0].room, renewed[0].seq), (room, seq));
    assert_eq!(store.expired_replies(9).await.unwrap(), []);
    assert_eq!(
        store
            .claim_replies(InstanceId::new(), 9, CAPS)
            .await
            .unwrap(),
        []
    );
}

pub(super) async fn what_was_shown_is_not_claimed_again(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let seq = store.prompt(room, &owner).await;
    let runner = InstanceId::new();
    store.claim_one(runner).await;
    assert!(store.mark_shown(runner, room, seq, 1, None).await.unwrap());
    assert!(store.mark_shown(runner, room, seq, 1, None).await.unwrap());
    store.age(100).await;
    assert_eq!(
        store
            .claim_replies(InstanceId::new(), 9, CAPS)
            .await
            .unwrap(),
        []
    );
    assert_eq!(store.expired_replies(0).await.unwrap(), []);
    assert!(store.expired_replies(9).await.unwrap()[0].shown);
}

pub(super) async fn chunks_are_saved_under_their_attempt(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let (one, two) = (
        store.prompt(room, &owner).await,
        store.prompt(room, &owner).await,
    );
    let runner = InstanceId::new();
    let claimed = store.claim_replies(runner, 9, CAPS).await.unwrap();
    let unknown = ChunkAppend {
        seq: 99,
        ..append(&claimed[0], 1, 1, Some("x"))
    };
    let appends = vec![
        append(&claimed[1], 1, 2, Some("zwei")),
        unknown,
        append(&claimed[0], 1, 3, Some("e i ")),
        append(&claimed[0], 4, 1, Some("ns")),
    ];
    let states = store.append_chunks(runner, appends).await.unwrap();
    let answers: Vec<_> = states.iter().map(|state| (state.seq, state.held)).collect();
    assert_eq!(
        answers,
        [(two, true), (99, false), (one, true), (one, true)]
    );
    let run = |first, count, text: &str| ReplyChunk {
        first,
        count,
        text: text.into(),
    };
    let all = [run(1, 3, "e i "), run(4, 1, "ns")];
    for (from, expected) in [
        (0, &all[..]),
        (1, &all),
        (3, &all),
        (4, &all[1..]),
        (5, &[]),
    ] {
        let chunks = store.reply_chunks(room, one, 1, from).await.unwrap();
        assert_eq!(chunks, expected, "from {from}");
    }
    assert_eq!(
        store.reply_chunks(room, two, 1, 1).await.unwrap(),
        [run(1, 2, "zwei")]
    );
    assert_eq!(store.reply_chunks(room, one, 2, 1).await.unwrap(), []);
    assert_eq!(store.append_chunks(runner, vec![]).await.unwrap(), []);
}

pub(super) async fn a_repeated_append_saves_once(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let seq = store.prompt(room, &owner).await;
    let runner = InstanceId::new();
    let claimed = store.claim_one(runner).await;
    for _ in 0..2 {
        let again = vec![append(&claimed, 1, 1, Some("once"))];
        assert!(store.append_chunks(runner, again).await.unwrap()[0].held);
    }
    assert_eq!(store.reply_chunks(room, seq, 1, 1).await.unwrap().len(), 1);
    // A runner that got no answer sends the same run again with what followed it.
    let grown = vec![append(&claimed, 1, 3, Some("once more"))];
    assert!(store.append_chunks(runner, grown).await.unwrap()[0].held);
    let running = store.running_replies(room).await.unwrap();
    assert_eq!(
        (running[0].chunks, running[0].body.as_str()),
        (3, "once more")
    );
}

pub(super) async fn a_released_reply_waits_again(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let (one, two) = (
        store.prompt(room, &owner).await,
        store.prompt(room, &owner).await,
    );
    let (stopping, next) = (InstanceId::new(), InstanceId::new());
    store.claim_replies(stopping, 9, CAPS).await.unwrap();
    assert!(
        store
            .mark_shown(stopping, room, two, 1, None)
            .await
            .unwrap()
    );
    store
        .release_replies(stopping, &[(room, one, 1), (room, two, 1), (room, 99, 1)])
        .await
        .unwrap();
    let running = store.running_replies(room).await.unwrap();
    let states: Vec<_> = running
        .iter()
        .map(|reply| (reply.seq, reply.state))
        .collect();
    assert_eq!(
        states,
        [(one, ReplyState::Queued), (two, ReplyState::Streaming)]
    );
    let claimed = store.claim_one(next).await;
    assert_eq!(
        (claimed.seq, claimed.attempt),
        (one, 2),
        "the attempt stays counted"
    );
}

/// Of a give-back and a stop that meet, one comes first: either way the reply ends at once, and waits for no other runner.
pub(super) async fn a_reply_that_is_to_be_stopped_is_not_given_back(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let [one, two, three] = [
        store.prompt(room, &owner).await,
        store.prompt(room, &owner).await,
        store.prompt(room, &owner).await,
    ];
    let runner = InstanceId::new();
    let claimed = store.claim_replies(runner, 9, CAPS).await.unwrap();
    assert_eq!(claimed.len(), 3);
    let stop = |seq| Change::StopReply {
        actor: owner.id,
        seq,
    };
    changed(store.change(room, stop(two)).await);
    let all = [one, two, three].map(|seq| (room, seq, 1));
    let elses = store.release_replies(InstanceId::new(), &all).await;
    assert_eq!(elses.unwrap(), [], "who does not hold it learns nothing");
    let stopped = store.release_replies(runner, &all).await.unwrap();
    assert_eq!(stopped, [(room, two)]);
    // It is still its runner's, who says the last word.
    let mine = claimed.iter().find(|reply| reply.seq == two).unwrap();
    let told = store.append_chunks(runner, vec![append(mine, 1, 1, None)]);
    let told = told.await.unwrap();
    assert!(told[0].held && told[0].stop_requested);
    let last = settlement(runner, mine, MessageState::Stopped, "");
    changed(store.change(room, last).await);
    // What waits again is stopped here and now.
    changed(store.change(room, stop(three)).await);
    let message = store.message(owner.id, "den", three).await.unwrap();
    assert_eq!(message.state, MessageState::Stopped);
    assert_eq!(store.claim_one(InstanceId::new()).await.seq, one);
}

pub(super) async fn running_replies_tell_their_text(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let head = async || store.heads(&[room]).await.unwrap()[0].version;
    let one = store.prompt(room, &owner).await;
    let queued_one = head().await;
    let runner = InstanceId::new();
    let claimed = store.claim_one(runner).await;
    let two = store.prompt(room, &owner).await;
    let queued_two = head().await;
    store.post(room, message(&owner, "meanwhile")).await;
    for (first, count, text) in [(1, 1, "Once "), (2, 3, "upon a ")] {
        store
            .append_chunks(runner, vec![append(&claimed, first, count, Some(text))])
            .await
            .unwrap();
    }
    let running = store.running_replies(room).await.unwrap();
    assert_eq!(running.len(), 2);
    assert_eq!((running[0].seq, running[0].prompt_seq), (one, one - 1));
    assert_eq!(
        (running[0].state, running[0].attempt),
        (ReplyState::Streaming, 1)
    );
    assert_eq!(
        (running[0].chunks, running[0].body.as_str()),
        (4, "Once upon a ")
    );
    assert_eq!(
        (running[1].seq, running[1].state),
        (two, ReplyState::Queued)
    );
    assert_eq!((running[1].chunks, running[1].body.as_str()), (0, ""));
    // Since the version that queued each: other changes move nothing, nor does a request to stop.
    let since = async || {
        let running = store.running_replies(room).await.unwrap();
        let since: Vec<_> = running.iter().map(|one| (one.seq, one.since)).collect();
        since
    };
    assert_eq!(since().await, [(one, queued_one), (two, queued_two)]);
    let stop = Change::StopReply {
        actor: owner.id,
        seq: one,
    };
    changed(store.change(room, stop).await);
    assert_eq!(since().await, [(one, queued_one), (two, queued_two)]);
    let end = settlement(runner, &claimed, MessageState::Stopped, "Once");
    changed(store.change(room, end).await);
    let retry = Change::RetryReply {
        actor: owner.id,
        seq: one,
        caps: salon::spending::Caps::default(),
    };
    let again = changed(store.change(room, retry).await);
    assert_eq!(since().await, [(one, again), (two, queued_two)]);
}
