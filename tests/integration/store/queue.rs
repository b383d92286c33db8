//! In which order replies are taken, how many at once, and what rooms are told of those that wait.

use futures_util::future::join_all;
use salon::db::changes::Change;
use salon::db::queue::ReplyCaps;
use salon::db::rows::{MessageState, UserRow, Visibility};
use salon::error::ErrorCode;
use salon::ids::{InstanceId, RoomId, Seq};
use salon::limits::{QUEUE_TOLD, REPLIES_PER_ROOM, REPLIES_PER_USER};
use salon::permissions::Role;

use super::fixtures::{CAPS, TestStore, mention, settlement};

async fn room_of(store: &TestStore, owner: &UserRow, slug: &str) -> RoomId {
    let made = store.make_room(owner, slug, Visibility::Public).await;
    made.room.id
}

/// As many prompts as one asker may have waiting, over as many rooms as that takes.
pub(super) async fn fill(store: &TestStore, asker: &UserRow) -> Vec<(RoomId, Seq)> {
    let mut asked = Vec::new();
    let mut number = 0;
    while asked.len() < usize::try_from(REPLIES_PER_USER).unwrap() {
        let room = room_of(store, asker, &format!("room-{number}")).await;
        number += 1;
        for _ in 0..REPLIES_PER_ROOM.min(REPLIES_PER_USER - asked.len() as i64) {
            asked.push((room, store.prompt(room, asker).await));
        }
    }
    asked
}

pub(super) async fn a_newcomer_waits_for_one_though_each_reply_ends_before_the_next_is_taken(
    store: &TestStore,
) {
    let (many, one) = (store.person("many").await, store.person("one").await);
    let rooms = [
        room_of(store, &many, "theirs").await,
        room_of(store, &one, "own").await,
    ];
    let mut asked = [Vec::new(), Vec::new()];
    for _ in 0..5 {
        asked[0].push((rooms[0], store.prompt(rooms[0], &many).await));
    }
    let mut taken = Vec::new();
    for number in 0..6 {
        let runner = InstanceId::new();
        let claimed = store
            .claim_replies(runner, 1, CAPS)
            .await
            .unwrap()
            .remove(0);
        taken.push((claimed.room, claimed.seq));
        if number == 0 {
            // While their first is written. A stop of what was never begun moves nobody back.
            for _ in 0..3 {
                asked[1].push((rooms[1], store.prompt(rooms[1], &one).await));
            }
            let (actor, seq) = (one.id, asked[1].remove(0).1);
            let stop = Change::StopReply { actor, seq };
            store.change(rooms[1], stop).await.unwrap();
        }
        let last = settlement(runner, &claimed, MessageState::Complete, "done");
        store.change(claimed.room, last).await.unwrap();
    }
    let [theirs, own] = asked;
    assert_eq!(
        taken,
        [theirs[0], own[0], theirs[1], own[1], theirs[2], theirs[3]]
    );
}

async fn claim_one(store: &TestStore) -> (RoomId, Seq) {
    let claimed = store.claim_replies(InstanceId::new(), 1, CAPS).await;
    let claimed = claimed.unwrap();
    assert_eq!(claimed.len(), 1);
    (claimed[0].room, claimed[0].seq)
}

pub(super) async fn a_hundred_prompts_of_one_delay_anothers_first_by_one(store: &TestStore) {
    let many = store.person("many").await;
    let asked = fill(store, &many).await;
    let one = store.person("one").await;
    let own = room_of(store, &one, "own").await;
    assert_eq!(claim_one(store).await, asked[0]);
    let mut others = Vec::new();
    for _ in 0..2 {
        others.push((own, store.prompt(own, &one).await));
    }
    // One of theirs runs; the newcomer's first comes before their second, its second in turn with theirs.
    let mut taken = Vec::new();
    for _ in 0..4 {
        taken.push(claim_one(store).await);
    }
    assert_eq!(taken, [others[0], asked[1], others[1], asked[2]]);
}

pub(super) async fn an_asker_has_a_bounded_number_of_replies(store: &TestStore) {
    let many = store.person("many").await;
    let asked = fill(store, &many).await;
    let assistant = store.assistant().await.unwrap();
    let room = room_of(store, &many, "another").await;
    let ask = || mention(&many, &assistant, "@assistant");
    let refused = store.post(room, ask()).await;
    assert_eq!(refused.reply_seq, None, "the message itself is stored");
    assert_eq!(refused.reply_refused, Some(ErrorCode::TooManyPrompts));
    let other = store.member(room, &many, "other", Role::Member).await;
    assert!(
        store.prompt(room, &other).await > 0,
        "others are not held up"
    );
    let (place, seq) = asked[0];
    let stop = Change::StopReply {
        actor: many.id,
        seq,
    };
    store.change(place, stop).await.unwrap();
    assert!(store.post(room, ask()).await.reply_seq.is_some());
    let last = store.post(room, ask()).await;
    assert_eq!(last.reply_refused, Some(ErrorCode::TooManyPrompts));
}

pub(super) async fn what_is_left_out_of_a_claim_keeps_its_turn(store: &TestStore) {
    let (ada, bob) = (store.person("ada").await, store.person("bob").await);
    let here = room_of(store, &ada, "here").await;
    let there = room_of(store, &bob, "there").await;
    let first = (here, store.prompt(here, &ada).await);
    let second = (here, store.prompt(here, &ada).await);
    let others = (there, store.prompt(there, &bob).await);
    let claim = async |except: &[(RoomId, Seq)], user| {
        let caps = ReplyCaps { user, ..CAPS };
        let claimed = store.claim_replies_but(InstanceId::new(), 9, caps, except);
        let claimed = claimed.await.unwrap().into_iter();
        claimed
            .map(|reply| (reply.room, reply.seq))
            .collect::<Vec<_>>()
    };
    assert!(claim(&[first, second, others], 9).await.is_empty());
    // Ada may have one at once, and has it: it only waits.
    assert_eq!(claim(&[first], 1).await, [others]);
    assert!(claim(&[first], 1).await.is_empty());
    let told = store.queued_replies(&[here]).await.unwrap();
    let places: Vec<(Seq, i64)> = told.iter().map(|it| (it.seq, it.position)).collect();
    assert_eq!(places, [(first.1, 1), (second.1, 2)]);
    // Another process knows nothing of it.
    assert_eq!(claim(&[], 1).await, [first]);
    assert_eq!(claim(&[(there, 1_000)], 2).await, [second]);
}

pub(super) async fn no_more_run_at_once_than_may(store: &TestStore) {
    let (ada, bob) = (store.person("ada").await, store.person("bob").await);
    let here = room_of(store, &ada, "here").await;
    let there = room_of(store, &bob, "there").await;
    for (room, asker, count) in [(here, &ada, 5), (there, &bob, 8)] {
        for _ in 0..count {
            store.prompt(room, asker).await;
        }
    }
    let claim = async |user, room, fleet| {
        let caps = ReplyCaps { user, room, fleet };
        let runners: Vec<InstanceId> = (0..6).map(|_| InstanceId::new()).collect();
        let claims = runners
            .iter()
            .map(|runner| store.claim_replies(*runner, 9, caps));
        let mut rooms: Vec<RoomId> = join_all(claims)
            .await
            .into_iter()
            .flat_map(Result::unwrap)
            .map(|reply| reply.room)
            .collect();
        rooms.sort_by_key(|room| *room != here);
        rooms
    };
    // Six at once, and again: together they take what one may.
    assert_eq!(claim(2, 9, 9).await, [here, here, there, there]);
    assert_eq!(claim(2, 9, 9).await, []);
    assert_eq!(claim(9, 3, 9).await, [here, there]);
    assert_eq!(claim(9, 9, 8).await.len(), 2, "six run");
    assert_eq!(claim(9, 9, 8).await, []);
    assert_eq!(claim(0, 9, 99).await, []);
    let rest = claim(99, 99, 99).await;
    assert_eq!(rest.len(), 5);
}

pub(super) async fn rooms_are_told_what_waits_and_where(store: &TestStore) {
    let (ada, bob) = (store.person("ada").await, store.person("bob").await);
    let here = room_of(store, &ada, "here").await;
    let there = room_of(store, &bob, "there").await;
    let guest = store.member(here, &ada, "guest", Role::Member).await;
    let mut asked = Vec::new();
    for (room, asker) in [(here, &ada), (here, &ada), (there, &bob), (here, &guest)] {
        asked.push((room, store.prompt(room, asker).await));
    }
    let told = async |rooms: &[RoomId]| {
        let queued = store.queued_replies(rooms).await.unwrap();
        let place = |reply: salon::db::queue::QueuedReply| {
            ((reply.room, reply.seq), reply.position, reply.asker.name)
        };
        queued.into_iter().map(place).collect::<Vec<_>>()
    };
    let own = [
        (asked[0], 1, "ada".to_owned()),
        (asked[3], 3, "guest".to_owned()),
        (asked[1], 4, "ada".to_owned()),
    ];
    assert_eq!(told(&[here]).await, own);
    let mut all = own.to_vec();
    all.push((asked[2], 2, "bob".to_owned()));
    all.sort_by_key(|((room, _), position, _)| (*room, *position));
    assert_eq!(told(&[there, here]).await, all);
    assert_eq!(told(&[]).await, []);
    assert_eq!(told(&[RoomId::new()]).await, []);
    assert_eq!(claim_one(store).await, asked[0]);
    // One of ada's runs: the other two are before her second.
    let rest = [
        (asked[3], 2, "guest".to_owned()),
        (asked[1], 3, "ada".to_owned()),
    ];
    assert_eq!(told(&[here]).await, rest);
    let count = QUEUE_TOLD.min(usize::try_from(REPLIES_PER_ROOM).unwrap());
    for _ in 0..count - 3 {
        store.prompt(here, &guest).await;
    }
    assert!(told(&[here]).await.len() <= QUEUE_TOLD);
}
