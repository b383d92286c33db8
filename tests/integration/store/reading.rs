//! What members have read, and who is mentioned: marks that only move forward, counts that follow from them.

use futures_util::future::join_all;
use salon::db::changes::{Change, NewPost};
use salon::db::rows::{
    MessageRow, ReadMark, ReadState, StoredChange, UserKind, UserRow, Visibility,
};
use salon::ids::{RoomId, Seq, UserId};
use salon::limits::{MENTIONS_COUNTED, RECEIPT_MEMBERS};
use salon::permissions::Role;

use super::fixtures::{TestStore, account, message};

const fn mark(user: &UserRow, room: RoomId, seq: Seq) -> ReadMark {
    ReadMark {
        user: user.id,
        room,
        seq,
    }
}

/// A message that may mention these, each name in a place of its own.
fn naming(author: &UserRow, names: &[&[&str]]) -> NewPost {
    let place = |names: &&[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    NewPost {
        mentions: names.iter().map(place).collect(),
        ..message(author, "@somebody")
    }
}

async fn read(store: &TestStore, user: &UserRow) -> (Option<ReadState>, i64) {
    let view = store.room(user.id, "den").await.unwrap();
    (view.read, view.unread())
}

const fn state(seq: Seq, mentions: i64) -> Option<ReadState> {
    Some(ReadState { seq, mentions })
}

async fn say(store: &TestStore, room: RoomId, author: &UserRow, count: usize) {
    let posts = (0..count).map(|_| Change::Post(message(author, "x")));
    store.write(room, posts.collect()).await;
}

/// Whom the message mentions, as every way of reading it tells.
async fn mentioned(store: &TestStore, room: RoomId, reader: &UserRow, seq: Seq) -> Vec<UserId> {
    let row = store.message(reader.id, "den", seq).await.unwrap();
    let changes = store.all_changes(room, 0).await;
    let change = changes.iter().find_map(|change| match change {
        StoredChange::Message(message) if message.seq == seq => Some(message),
        _ => None,
    });
    assert_eq!(**change.unwrap(), row);
    let page = store.latest_page(room, 9).await.unwrap();
    let of_page = page.messages.into_iter().find(|row| row.seq == seq);
    assert_eq!(
        of_page.map(|row: MessageRow| row.meta),
        Some(row.meta.clone())
    );
    row.meta.mentions
}

pub(super) async fn a_new_member_has_read_what_was_there(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    assert_eq!(read(store, &owner).await, (state(0, 0), 0));
    say(store, room, &owner, 3).await;
    let joins = store.person("joins").await;
    assert_eq!(read(store, &joins).await, (None, 0));
    let proof = store.join_room(joins.id, "den").await.unwrap();
    assert_eq!((proof.view.read, proof.view.unread()), (state(3, 0), 0));
    let put = store.member(room, &owner, "put", Role::Reader).await;
    for member in [&joins, &put] {
        assert_eq!(read(store, member).await, (state(3, 0), 0));
    }
    assert_eq!(
        read(store, &owner).await,
        (state(0, 0), 3),
        "one writes, one has not read"
    );
    // Another role changes nothing about it; coming back begins anew.
    say(store, room, &owner, 2).await;
    let promote = Change::SetMember {
        actor: owner.id,
        user: put.id,
        role: Role::Member,
    };
    store.change(room, promote).await.unwrap();
    assert_eq!(read(store, &put).await, (state(3, 0), 2));
    let leave = Change::RemoveMember {
        actor: joins.id,
        user: joins.id,
    };
    store.change(room, leave).await.unwrap();
    store.join_room(joins.id, "den").await.unwrap();
    assert_eq!(read(store, &joins).await, (state(5, 0), 0));
    // So does the lobby for a new account.
    let lobby = store.room(owner.id, "lobby").await.unwrap();
    say(store, lobby.room.id, &owner, 4).await;
    let (account, session) = account("late", UserKind::Guest);
    let late = store.create_account(account, session).await.unwrap();
    let view = store.room(late.identity.user.id, "lobby").await.unwrap();
    assert_eq!((view.read, view.unread()), (state(4, 0), 0));
}

pub(super) async fn marks_move_forward_and_never_past_the_end(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    say(store, room, &owner, 5).await;
    let version = store.heads(&[room]).await.unwrap()[0].version;
    for (seq, stands) in [
        (2, Some(2)),
        (1, None),
        (2, None),
        (4, Some(4)),
        (99, Some(5)),
        (5, None),
    ] {
        let moved = store.mark_read(&[mark(&owner, room, seq)]).await.unwrap();
        let told = moved.iter().map(|moved| {
            assert_eq!((moved.user, moved.room), (owner.id, room));
            assert_eq!((moved.slug.as_str(), moved.members), ("den", 1));
            assert_eq!(moved.unread, 5 - moved.read.seq);
            moved.read.seq
        });
        assert_eq!(told.collect::<Vec<_>>(), Vec::from_iter(stands), "{seq}");
    }
    assert_eq!(read(store, &owner).await, (state(5, 0), 0));
    let head = store.heads(&[room]).await.unwrap()[0];
    assert_eq!(head.version, version, "no mark takes a version");
}

pub(super) async fn marks_of_strangers_and_of_gone_rooms_move_nothing(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    say(store, room, &owner, 2).await;
    let stranger = store.person("stranger").await;
    let nowhere = RoomId::new();
    let marks = [
        mark(&stranger, room, 1),
        mark(&owner, nowhere, 1),
        mark(&owner, room, -7),
    ];
    assert_eq!(store.mark_read(&marks).await.unwrap(), []);
    assert_eq!(store.mark_read(&[]).await.unwrap(), []);
    let delete = Change::DeleteRoom { actor: owner.id };
    store.change(room, delete).await.unwrap();
    assert_eq!(store.mark_read(&[mark(&owner, room, 2)]).await.unwrap(), []);
}

pub(super) async fn many_marks_are_written_together(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let members = RECEIPT_MEMBERS + 3;
    let mut marks = vec![
        mark(&owner, room, 1),
        mark(&owner, room, 3),
        mark(&owner, room, 2),
    ];
    for number in 1..members {
        let member = store.person(&format!("member {number}")).await;
        store.join_room(member.id, "den").await.unwrap();
        marks.push(mark(&member, room, 3));
    }
    say(store, room, &owner, 3).await;
    let moved = store.mark_read(&marks).await.unwrap();
    assert_eq!(moved.len() as i64, members, "one for each user");
    for moved in moved {
        assert_eq!((moved.read.seq, moved.unread), (3, 0));
        assert_eq!(moved.members, RECEIPT_MEMBERS + 1, "counted no further");
    }
}

pub(super) async fn racing_marks_end_at_the_highest(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let other = store.member(room, &owner, "other", Role::Member).await;
    say(store, room, &owner, 40).await;
    let racing = (1..=40).map(|seq| {
        let mut marks = vec![mark(&owner, room, seq), mark(&other, room, 41 - seq)];
        if seq % 2 == 0 {
            marks.reverse();
        }
        async move { store.mark_read(&marks).await }
    });
    for moved in join_all(racing).await {
        moved.unwrap();
    }
    for user in [&owner, &other] {
        assert_eq!(read(store, user).await, (state(40, 0), 0));
    }
}

pub(super) async fn mentions_are_found_among_the_members(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let ada = store.member(room, &owner, "Ada", Role::Reader).await;
    store.person("Stranger").await;
    let guests = [
        account("twin", UserKind::Guest),
        account("Twin", UserKind::Guest),
    ];
    let mut twins = Vec::new();
    for (account, session) in guests {
        let user = store
            .create_account(account, session)
            .await
            .unwrap()
            .identity
            .user;
        store.join_room(user.id, "den").await.unwrap();
        twins.push(user.id);
    }
    twins.sort_unstable();
    let post = naming(
        &owner,
        &[
            &["stranger"],
            &["ada"],
            &["owner"],
            &["twin"],
            &["ada"],
            &["nobody"],
        ],
    );
    let seq = store.post(room, post.clone()).await.seq;
    let expected = vec![ada.id, twins[0], twins[1]];
    assert_eq!(mentioned(store, room, &owner, seq).await, expected);
    // A repeat mentions nobody again; what mentions nobody says nothing.
    assert!(store.post(room, post).await.duplicate);
    let plain = store.post(room, message(&owner, "hello")).await.seq;
    assert_eq!(mentioned(store, room, &owner, plain).await, []);
    for user in expected {
        let view = store.room(user, "den").await.unwrap();
        assert_eq!(view.read.unwrap().mentions, 1);
    }
    // Within one batch, and in two rooms at once.
    let attic = store.make_room(&owner, "attic", Visibility::Public).await;
    let applied = store
        .apply(super::fixtures::batch(vec![
            (room, vec![Change::Post(naming(&owner, &[&["ada"]]))]),
            (
                attic.room.id,
                vec![Change::Post(naming(&owner, &[&["ada"]]))],
            ),
        ]))
        .await
        .unwrap();
    assert_eq!(applied.rooms.len(), 2);
    let view = store.room(ada.id, "den").await.unwrap();
    assert_eq!(view.read.unwrap().mentions, 2);
    let other = store.message(owner.id, "attic", 1).await.unwrap();
    assert_eq!(other.meta.mentions, [], "she is not in the attic");
}

pub(super) async fn the_longest_name_is_meant(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let ada = store.member(room, &owner, "ada", Role::Member).await;
    let full = store
        .member(room, &owner, "Ada Lovelace", Role::Member)
        .await;
    for (readings, meant) in [
        (&["ada lovelace, hi", "ada lovelace", "ada"][..], full.id),
        (&["ada byron", "ada"][..], ada.id),
    ] {
        let seq = store.post(room, naming(&owner, &[readings])).await.seq;
        assert_eq!(mentioned(store, room, &owner, seq).await, [meant]);
    }
}

pub(super) async fn mentions_are_counted_above_what_was_read(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let ada = store.member(room, &owner, "ada", Role::Member).await;
    let post = || Change::Post(naming(&owner, &[&["ada"]]));
    store
        .write(
            room,
            vec![post(), Change::Post(message(&owner, "x")), post(), post()],
        )
        .await;
    assert_eq!(read(store, &ada).await, (state(0, 3), 4));
    let moved = store.mark_read(&[mark(&ada, room, 3)]).await.unwrap();
    assert_eq!(
        (moved[0].read, moved[0].unread),
        (
            ReadState {
                seq: 3,
                mentions: 1
            },
            1
        )
    );
    let listed = store.rooms(ada.id, None, 9).await.unwrap();
    let mut views = listed.iter().map(|listed| &listed.view);
    let den = views.find(|view| view.room.id == room).unwrap();
    assert_eq!((den.read, den.unread()), (state(3, 1), 1));
    let proofs = store.prove(&[(ada.id, "den".into())]).await.unwrap();
    assert_eq!(proofs[0].as_ref().unwrap().view.read, state(3, 1));
    let many = (0..MENTIONS_COUNTED + 5).map(|_| post());
    store.write(room, many.collect()).await;
    assert_eq!(read(store, &ada).await.0, state(3, MENTIONS_COUNTED));
}

pub(super) async fn a_deleted_message_mentions_nobody(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let ada = store.member(room, &owner, "ada", Role::Member).await;
    let seq = store.post(room, naming(&owner, &[&["ada"]])).await.seq;
    store.post(room, naming(&owner, &[&["ada"]])).await;
    assert_eq!(read(store, &ada).await, (state(0, 2), 2));
    let actor = owner.id;
    let deletion = Change::DeleteMessage { actor, seq };
    store.write(room, vec![deletion]).await;
    assert_eq!(read(store, &ada).await, (state(0, 1), 2));
    assert_eq!(mentioned(store, room, &owner, seq).await, []);
    assert_eq!(mentioned(store, room, &owner, seq + 1).await, [ada.id]);
}
