//! Posting: numbers, repeats, refusals, reruns.

use futures_util::future::join_all;
use salon::db::changes::{Batch, Change, NewPost, Posted, RoomEdit};
use salon::db::rows::{StoredChange, Visibility};
use salon::error::ErrorCode;
use salon::ids::{RoomId, UserId};
use salon::permissions::Role;

use super::fixtures::{TestStore, batch, changed, code, done, message, posted};

pub(super) async fn numbers_have_no_hole_whoever_writes(store: &TestStore) {
    let owner = store.person("owner").await;
    let mut rooms = Vec::new();
    for slug in ["one", "two", "three"] {
        rooms.push(
            store
                .make_room(&owner, slug, Visibility::Public)
                .await
                .room
                .id,
        );
    }
    let writer = async |number: usize| {
        let mut accepted = Vec::new();
        for turn in 0..12 {
            // Posts, some of them refused, and now and then a change that is not a post.
            let room = rooms[(number + turn) % rooms.len()];
            let mut changes: Vec<Change> = (0..=turn % 4)
                .map(|_| Change::Post(message(&owner, "hello")))
                .collect();
            changes.insert(
                0,
                Change::Post(NewPost {
                    over_rate: true,
                    ..message(&owner, "no")
                }),
            );
            if turn % 5 == 0 {
                let name = format!("name {number} {turn}");
                changes.push(Change::EditRoom {
                    actor: owner.id,
                    edit: RoomEdit {
                        name: Some(name),
                        ..RoomEdit::default()
                    },
                });
            }
            let done = store.write(room, changes).await;
            assert_eq!(done.changes.len() as i64, done.head.version - done.from);
            accepted.push((room, done));
        }
        accepted
    };
    let written: Vec<_> = join_all((0..8).map(writer))
        .await
        .into_iter()
        .flatten()
        .collect();
    for room in rooms {
        let mut ranges: Vec<_> = written.iter().filter(|(of, _)| *of == room).collect();
        ranges.sort_by_key(|(_, done)| done.from);
        let mut version = 0;
        for (_, done) in ranges {
            assert_eq!(done.from, version, "ranges follow each other");
            version = done.head.version;
        }
        let changes = store.all_changes(room, 0).await;
        let versions: Vec<_> = changes.iter().map(StoredChange::version).collect();
        assert_eq!(versions, (1..=version).collect::<Vec<_>>());
        let seqs: Vec<_> = changes
            .iter()
            .filter_map(|change| match change {
                StoredChange::Message(message) => Some(message.seq),
                StoredChange::Log(_) => None,
            })
            .collect();
        assert_eq!(seqs, (1..=seqs.len() as i64).collect::<Vec<_>>());
        let head = store.heads(&[room]).await.unwrap()[0];
        assert_eq!((head.version, head.last_seq), (version, seqs.len() as i64));
    }
}

pub(super) async fn a_batch_is_numbered_in_its_order(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let ada = store.member(room, &owner, "ada", Role::Member).await;
    let posts = [
        message(&owner, "first"),
        message(&ada, "second"),
        message(&owner, "third"),
    ];
    let done = store
        .write(room, posts.iter().cloned().map(Change::Post).collect())
        .await;
    assert_eq!(
        (done.from, done.head.version, done.head.last_seq),
        (1, 4, 3)
    );
    for (place, (outcome, post)) in done.outcomes.into_iter().zip(&posts).enumerate() {
        let place = place as i64;
        let posted = posted(outcome);
        assert_eq!((posted.seq, posted.version), (place + 1, place + 2));
        assert!(!posted.duplicate);
        assert_eq!((posted.reply_seq, posted.reply_refused), (None, None));
        let StoredChange::Message(stored) = &done.changes[place as usize] else {
            panic!("a message");
        };
        assert_eq!((stored.seq, stored.version), (posted.seq, posted.version));
        assert_eq!(stored.created_at, posted.created_at);
        assert_eq!((&stored.body, stored.author.id), (&post.body, post.author));
        assert_eq!(stored.client_id, Some(post.client_id));
    }
}

pub(super) async fn one_batch_writes_several_rooms(store: &TestStore) {
    let owner = store.person("ada").await;
    let one = store
        .make_room(&owner, "one", Visibility::Public)
        .await
        .room
        .id;
    let two = store
        .make_room(&owner, "two", Visibility::Private)
        .await
        .room
        .id;
    let unknown = RoomId::new();
    let post = || Change::Post(message(&owner, "hello"));
    let wanted = vec![
        (two, vec![post(), post()]),
        (unknown, vec![post()]),
        (one, vec![post()]),
    ];
    let applied = store.apply(batch(wanted)).await.unwrap();
    let rooms: Vec<_> = applied.rooms.into_iter().map(done).collect();
    let summary: Vec<_> = rooms
        .iter()
        .map(|room| {
            (
                room.head.room,
                room.from,
                room.head.version,
                room.changes.len(),
            )
        })
        .collect();
    assert_eq!(
        summary,
        [(two, 0, 2, 2), (unknown, 0, 0, 0), (one, 0, 1, 1)]
    );
    assert_eq!(code(rooms[1].outcomes[0].clone()), ErrorCode::RoomNotFound);
}

fn is_repeat_of(repeat: &Posted, first: &Posted) {
    assert!(repeat.duplicate);
    assert_eq!((repeat.seq, repeat.version), (first.seq, first.version));
    assert_eq!(repeat.created_at, first.created_at);
}

pub(super) async fn a_repeat_is_answered_with_the_first(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let ada = store.member(room, &owner, "ada", Role::Member).await;
    let twice = message(&owner, "once");
    // The same id of another author, or in another room, is another message.
    let same_id = NewPost {
        author: ada.id,
        ..twice.clone()
    };
    let changes = [&twice, &same_id, &twice].map(|post| Change::Post(post.clone()));
    let done = store.write(room, changes.to_vec()).await;
    assert_eq!(done.changes.len(), 2);
    let mut outcomes = done.outcomes.into_iter().map(posted);
    let (first, other, repeat) = (
        outcomes.next().unwrap(),
        outcomes.next().unwrap(),
        outcomes.next().unwrap(),
    );
    assert!(!first.duplicate && !other.duplicate);
    assert_ne!(first.seq, other.seq);
    is_repeat_of(&repeat, &first);

    let later = store
        .write(
            room,
            vec![Change::Post(NewPost {
                body: "changed".into(),
                ..twice.clone()
            })],
        )
        .await;
    assert_eq!((later.from, later.changes.len()), (later.head.version, 0));
    is_repeat_of(&posted(later.outcomes[0].clone()), &first);
    assert_eq!(
        store
            .message(owner.id, "den", first.seq)
            .await
            .unwrap()
            .body,
        "once"
    );

    let elsewhere = store
        .make_room(&owner, "elsewhere", Visibility::Public)
        .await;
    assert!(!store.post(elsewhere.room.id, twice).await.duplicate);
}

pub(super) async fn racing_repeats_store_one_message(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let post = message(&owner, "once");
    let sent = join_all((0..8).map(|_| store.post(room, post.clone()))).await;
    assert_eq!(sent.iter().filter(|posted| !posted.duplicate).count(), 1);
    assert!(sent.iter().all(|posted| posted.seq == 1));
    assert_eq!(store.heads(&[room]).await.unwrap()[0].version, 1);
}

pub(super) async fn a_repeat_is_answered_before_rights_and_rate(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let ada = store.member(room, &owner, "ada", Role::Member).await;
    let post = message(&ada, "mine");
    let first = store.post(room, post.clone()).await;
    let fast = NewPost {
        over_rate: true,
        ..post.clone()
    };
    is_repeat_of(&store.post(room, fast).await, &first);
    let remove = Change::RemoveMember {
        actor: owner.id,
        user: ada.id,
    };
    changed(store.change(room, remove).await);
    is_repeat_of(&store.post(room, post).await, &first);
    let new = Change::Post(message(&ada, "new"));
    assert_eq!(code(store.change(room, new).await), ErrorCode::NotAMember);
}

pub(super) async fn a_refused_post_takes_no_number(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let reader = store.member(room, &owner, "reader", Role::Reader).await;
    let stranger = store.person("eve").await;
    let start = store.heads(&[room]).await.unwrap()[0];
    let nobody = NewPost {
        author: UserId::new(),
        ..message(&owner, "x")
    };
    let refusals = [
        (message(&stranger, "x"), ErrorCode::NotAMember),
        (nobody, ErrorCode::NotAMember),
        (message(&reader, "x"), ErrorCode::Forbidden),
        (
            NewPost {
                over_rate: true,
                ..message(&owner, "x")
            },
            ErrorCode::RateLimited,
        ),
        // Membership is judged before the rate, and the rate before what is answered.
        (
            NewPost {
                over_rate: true,
                ..message(&reader, "x")
            },
            ErrorCode::Forbidden,
        ),
        (
            NewPost {
                over_rate: true,
                reply_to: Some(9),
                ..message(&owner, "x")
            },
            ErrorCode::RateLimited,
        ),
        (
            NewPost {
                reply_to: Some(99),
                ..message(&owner, "x")
            },
            ErrorCode::MessageNotFound,
        ),
    ];
    let mut changes = vec![Change::Post(message(&owner, "before"))];
    changes.extend(refusals.iter().map(|(post, _)| Change::Post(post.clone())));
    changes.push(Change::Post(message(&owner, "after")));
    let done = store.write(room, changes).await;
    assert_eq!(done.head.version, start.version + 2);
    let mut outcomes = done.outcomes.into_iter();
    assert_eq!(posted(outcomes.next().unwrap()).seq, 1);
    for (place, (_, expected)) in refusals.iter().enumerate() {
        assert_eq!(code(outcomes.next().unwrap()), *expected, "refusal {place}");
    }
    assert_eq!(posted(outcomes.next().unwrap()).seq, 2);

    let secret = store.make_room(&owner, "secret", Visibility::Private).await;
    let unseen = Change::Post(message(&stranger, "x"));
    let outcome = store.change(secret.room.id, unseen).await;
    assert_eq!(code(outcome), ErrorCode::RoomNotFound);
}

pub(super) async fn a_post_answers_a_message_that_exists(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let first = message(&owner, "question");
    let answer = NewPost {
        reply_to: Some(1),
        html: Some("<p>answer</p>".into()),
        ..message(&owner, "answer")
    };
    // Within one batch too.
    let done = store
        .write(room, vec![Change::Post(first), Change::Post(answer)])
        .await;
    assert_eq!(posted(done.outcomes[1].clone()).seq, 2);
    let stored = store.message(owner.id, "den", 2).await.unwrap();
    assert_eq!(stored.reply_to, Some(1));
    assert_eq!(stored.html.as_deref(), Some("<p>answer</p>"));
    assert_eq!((stored.edited_at, stored.deleted_at), (None, None));
}

pub(super) async fn nobody_answers_a_tombstone(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    store.post(room, message(&owner, "kept")).await;
    store.post(room, message(&owner, "deleted")).await;
    store.back_end.bury(room, 2).await;
    let read = store.message(owner.id, "den", 2).await.unwrap();
    assert!(read.deleted_at.is_some() && read.body.is_empty());
    let answer = NewPost {
        reply_to: Some(2),
        ..message(&owner, "to what?")
    };
    let outcome = store.change(room, Change::Post(answer)).await;
    assert_eq!(code(outcome), ErrorCode::MessageNotFound);
    let context = store.context(room, 2, 9).await.unwrap();
    assert_eq!(context.len(), 1, "a prompt is not built from it");
}

pub(super) async fn times_never_go_back(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let many = |_| {
        let changes = (0..10)
            .map(|_| Change::Post(message(&owner, "tick")))
            .collect();
        store.write(room, changes)
    };
    join_all((0..6).map(many)).await;
    let page = store.latest_page(room, 100).await.unwrap();
    assert_eq!(page.messages.len(), 60);
    for pair in page.messages.windows(2) {
        assert!(pair[0].created_at <= pair[1].created_at);
    }
    let age = chrono::Utc::now() - page.messages[59].created_at;
    assert!(age.num_seconds().abs() < 60, "a clock like ours");
    store.back_end.set_clock_back(1_000).await;
    let last = store.message(owner.id, "den", 60).await.unwrap();
    let next = store.post(room, message(&owner, "tock")).await;
    assert!(next.created_at >= last.created_at);
}

pub(super) async fn a_room_that_never_was_refuses_everything(store: &TestStore) {
    let owner = store.person("ada").await;
    let done = store
        .write(
            RoomId::new(),
            vec![
                Change::Post(message(&owner, "x")),
                Change::DeleteRoom { actor: owner.id },
                Change::StopReply {
                    actor: owner.id,
                    seq: 1,
                },
            ],
        )
        .await;
    assert_eq!(
        (done.from, done.head.version, done.changes.len()),
        (0, 0, 0)
    );
    for outcome in done.outcomes {
        assert_eq!(code(outcome), ErrorCode::RoomNotFound);
    }
}

pub(super) async fn a_rerun_answers_as_the_first_run(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let ada = store.person("ada").await;
    let assistant = store.assistant().await.unwrap();
    let prompt = super::fixtures::mention(&owner, &assistant, "@assistant");
    let first = batch(vec![(
        room,
        vec![
            Change::Post(prompt),
            Change::SetMember {
                actor: owner.id,
                user: ada.id,
                role: Role::Member,
            },
            Change::RemoveMember {
                actor: ada.id,
                user: owner.id,
            },
            Change::Post(NewPost {
                over_rate: true,
                ..message(&ada, "fast")
            }),
        ],
    )]);
    let rerun = Batch {
        rerun: true,
        ..first.clone()
    };
    let before = done(store.apply(first).await.unwrap().rooms.remove(0));
    assert_eq!(before.changes.len(), 3);
    store.post(room, message(&owner, "meanwhile")).await;
    let after = done(store.apply(rerun).await.unwrap().rooms.remove(0));
    assert_eq!(after.outcomes, before.outcomes);
    assert_eq!(after.changes, [], "readers fill from the database");
    assert_eq!(after.head.room, room);
    assert_eq!(after.head.epoch, before.head.epoch);
    let head = store.heads(&[room]).await.unwrap()[0];
    assert_eq!(head.version, before.head.version + 1, "nothing ran twice");

    let posts = batch(vec![(
        room,
        vec![Change::Post(message(&owner, "only posts"))],
    )]);
    let rerun = Batch {
        rerun: true,
        ..posts.clone()
    };
    let before = done(store.apply(posts).await.unwrap().rooms.remove(0));
    let after = done(store.apply(rerun).await.unwrap().rooms.remove(0));
    let (before, after) = (
        posted(before.outcomes[0].clone()),
        posted(after.outcomes[0].clone()),
    );
    assert_eq!((after.seq, after.version), (before.seq, before.version));
    assert_eq!(after.created_at, before.created_at);
}

pub(super) async fn a_rerun_of_what_was_lost_writes_it(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let ada = store.person("ada").await;
    let lost = Batch {
        rerun: true,
        ..batch(vec![(
            room,
            vec![
                Change::Post(message(&owner, "lost")),
                Change::SetMember {
                    actor: owner.id,
                    user: ada.id,
                    role: Role::Reader,
                },
            ],
        )])
    };
    let done = done(store.apply(lost).await.unwrap().rooms.remove(0));
    assert_eq!(
        (done.from, done.head.version, done.changes.len()),
        (0, 2, 2)
    );
    assert!(!posted(done.outcomes[0].clone()).duplicate);
    assert_eq!(changed(done.outcomes[1].clone()), 2);
}
