//! What a room goes through: its topic, being archived, its place in the lists, being muted; and direct rooms of people.

use futures_util::future::join_all;
use salon::db::LOBBY;
use salon::db::changes::{Change, NewText, RoomEdit};
use salon::db::marks::Mark;
use salon::db::rows::{LogKind, RoomView, StoredChange, UserKind, UserRow, Visibility};
use salon::error::ErrorCode;
use salon::ids::{RoomId, UserId};
use salon::limits::PREVIEW_CHARS;
use salon::permissions::Role;
use salon::spending::Caps;

use super::fixtures::{
    TestStore, account, changed, code, mention, message, new_room, posted, refused,
};

fn edit(actor: &UserRow, edit: RoomEdit) -> Change {
    let actor = actor.id;
    Change::EditRoom { actor, edit }
}

fn archive(actor: &UserRow, archived: bool) -> Change {
    let archived = Some(archived);
    edit(
        actor,
        RoomEdit {
            archived,
            ..RoomEdit::default()
        },
    )
}

fn topic(actor: &UserRow, topic: &str) -> Change {
    let topic = Some(topic.to_owned());
    edit(
        actor,
        RoomEdit {
            topic,
            ..RoomEdit::default()
        },
    )
}

pub(super) async fn topic_and_archive_are_versioned_settings(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let ada = store.member(room, &owner, "ada", Role::Moderator).await;
    let before = store.room(owner.id, "den").await.unwrap();
    assert_eq!(
        (before.room.topic.as_str(), before.room.archived),
        ("", false)
    );
    for change in [topic(&ada, "x"), archive(&ada, true)] {
        assert_eq!(code(store.change(room, change).await), ErrorCode::Forbidden);
    }
    let changes = vec![
        topic(&owner, "The sea"),
        topic(&owner, "The sea"),
        archive(&owner, true),
        topic(&owner, ""),
    ];
    let done = store.write(room, changes).await;
    let versions: Vec<_> = done.outcomes.into_iter().map(changed).collect();
    assert_eq!(versions, [2, 2, 3, 4], "what is so already takes none");
    let said: Vec<_> = done
        .changes
        .iter()
        .map(|change| match change {
            StoredChange::Log(log) if log.kind == LogKind::Settings => {
                (log.data["topic"].clone(), log.data["archived"].clone())
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        said,
        [("The sea", false), ("The sea", true), ("", true)]
            .map(|(topic, archived)| (topic.into(), archived.into()))
    );
    let after = store.room(ada.id, "den").await.unwrap();
    assert_eq!((after.room.topic.as_str(), after.room.archived), ("", true));
    assert_eq!(store.all_changes(room, 1).await, done.changes);
}

pub(super) async fn an_archived_room_takes_nothing_new(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let ada = store.member(room, &owner, "ada", Role::Member).await;
    let eve = store.person("eve").await;
    let first = message(&ada, "one");
    let one = store.post(room, first.clone()).await;
    let reply = store.prompt(room, &ada).await;
    let reaction = || Mark::Reaction("👍".into());
    let mark = |seq| Change::Mark {
        actor: ada.id,
        seq,
        mark: reaction(),
    };
    changed(store.change(room, mark(one.seq)).await);
    changed(store.change(room, archive(&owner, true)).await);

    let again = posted(store.change(room, Change::Post(first)).await);
    assert!(again.duplicate, "a repeat is answered before anything else");
    let (actor, seq, caps) = (ada.id, one.seq, Caps::default());
    let text = NewText {
        actor,
        seq,
        body: "two".into(),
        html: None,
        if_version: None,
        resend: None,
    };
    let assistant = store.assistant().await.unwrap();
    let refusals = vec![
        Change::Post(message(&ada, "two")),
        Change::Post(mention(&ada, &assistant, "@assistant two")),
        Change::EditMessage(text),
        mark(one.seq + 1),
        Change::Unmark {
            actor,
            seq,
            mark: reaction(),
        },
        Change::Mark {
            actor: owner.id,
            seq,
            mark: Mark::Pin,
        },
        Change::RetryReply {
            actor,
            seq: reply,
            caps,
        },
    ];
    let done = store.write(room, refusals).await;
    for outcome in done.outcomes {
        assert_eq!(code(outcome), ErrorCode::RoomArchived);
    }
    assert_eq!(done.from, done.head.version);
    let stranger = Change::Post(message(&eve, "two"));
    assert_eq!(
        code(store.change(room, stranger).await),
        ErrorCode::NotAMember
    );

    let opened = vec![archive(&owner, false), Change::Post(message(&ada, "two"))];
    for outcome in store.write(room, opened).await.outcomes {
        outcome.unwrap();
    }
    let closed = vec![archive(&owner, true), Change::Post(message(&ada, "three"))];
    let outcome = store.write(room, closed).await.outcomes.remove(1);
    assert_eq!(
        code(outcome),
        ErrorCode::RoomArchived,
        "judged in its batch"
    );
}

pub(super) async fn an_archived_room_is_read_and_tidied(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let ada = store.member(room, &owner, "ada", Role::Member).await;
    let eve = store.person("eve").await;
    let seq = store.post(room, message(&ada, "one")).await.seq;
    let reply = store.prompt(room, &ada).await;
    changed(store.change(room, archive(&owner, true)).await);
    let actor = ada.id;
    // What is there can be read and taken away, and people come and go.
    changed(
        store
            .change(room, Change::StopReply { actor, seq: reply })
            .await,
    );
    changed(
        store
            .change(room, Change::DeleteMessage { actor, seq })
            .await,
    );
    assert_eq!(
        store.join_room(eve.id, "den").await.unwrap().role,
        Role::Member
    );
    let leave = Change::RemoveMember {
        actor: eve.id,
        user: eve.id,
    };
    changed(store.change(room, leave).await);
    let page = store.history(ada.id, "den", None, 9).await.unwrap();
    assert_eq!(page.messages.len(), 3);
}

pub(super) async fn own_rooms_are_listed_by_their_last_message(store: &TestStore) {
    let owner = store.person("ada").await;
    let other = store.person("bob").await;
    let mut rooms = Vec::new();
    for slug in ["attic", "bar", "cave"] {
        rooms.push(
            store
                .make_room(&owner, slug, Visibility::Public)
                .await
                .room
                .id,
        );
    }
    let list = async |user: &UserRow| {
        let listed = store.rooms(user.id, None, 9).await.unwrap();
        listed
            .into_iter()
            .filter(|listed| listed.view.room.slug != LOBBY)
            .map(|listed| {
                let last = listed
                    .last
                    .map(|last| (last.seq, last.author, last.text, last.deleted));
                (listed.view.room.slug, last)
            })
            .collect::<Vec<_>>()
    };
    let line = |slug: &str, last: Option<(i64, &str, &str, bool)>| {
        let last = last
            .map(|(seq, author, text, deleted)| (seq, author.to_owned(), text.to_owned(), deleted));
        (slug.to_owned(), last)
    };
    let long = "ä".repeat(usize::try_from(PREVIEW_CHARS).unwrap() + 5);
    let cut = "ä".repeat(usize::try_from(PREVIEW_CHARS).unwrap());
    store.post(rooms[1], message(&owner, "first")).await;
    store.post(rooms[0], message(&owner, &long)).await;
    store.join_room(other.id, "attic").await.unwrap();
    store.join_room(other.id, "cave").await.unwrap();
    store.post(rooms[2], message(&other, "last")).await;
    let theirs = [
        line("cave", Some((1, "bob", "last", false))),
        line("attic", Some((1, "ada", &cut, false))),
    ];
    let own = [
        &theirs[..],
        &[line("bar", Some((1, "ada", "first", false)))],
    ]
    .concat();
    assert_eq!(list(&owner).await, own);
    let strangers = [&theirs[..], &[line("bar", None)]].concat();
    assert_eq!(
        list(&other).await,
        strangers,
        "only members see what is said"
    );
    // Anything but a message leaves the order as it is.
    changed(store.change(rooms[1], topic(&owner, "x")).await);
    assert_eq!(list(&owner).await, own);
    let delete = Change::DeleteMessage {
        actor: owner.id,
        seq: 1,
    };
    store.post(rooms[1], message(&owner, "second")).await;
    changed(store.change(rooms[0], delete).await);
    let now = [
        line("bar", Some((2, "ada", "second", false))),
        line("cave", Some((1, "bob", "last", false))),
        line("attic", Some((1, "ada", "", true))),
    ];
    assert_eq!(list(&owner).await, now);
    assert_eq!(store.rooms(owner.id, None, 2).await.unwrap().len(), 2);
}

pub(super) async fn public_rooms_are_found_in_pages(store: &TestStore) {
    let owner = store.person("ada").await;
    let eve = store.person("eve").await;
    for slug in ["sea-a", "sea-b", "sea-c", "wood"] {
        store.make_room(&owner, slug, Visibility::Public).await;
    }
    let wood = store.room(owner.id, "wood").await.unwrap().room.id;
    changed(store.change(wood, topic(&owner, "Not the SEA, ÄSTE")).await);
    store.make_room(&owner, "sea-x", Visibility::Private).await;
    let gone = store.make_room(&owner, "sea-y", Visibility::Public).await;
    let delete = Change::DeleteRoom { actor: owner.id };
    changed(store.change(gone.room.id, delete).await);
    store.join_room(eve.id, "sea-b").await.unwrap();

    let find = async |text: &str, after: Option<&str>, limit| {
        let found = store
            .public_rooms(eve.id, text, after, limit)
            .await
            .unwrap();
        let rooms = found.into_iter();
        rooms
            .map(|found| (found.room.slug, found.role, found.members))
            .collect::<Vec<_>>()
    };
    let of = |slug: &str, members| (slug.to_owned(), None, members);
    let joined = ("sea-b".to_owned(), Some(Role::Member), 2);
    assert_eq!(
        find("Sea", None, 9).await,
        [
            of("sea-a", 1),
            joined.clone(),
            of("sea-c", 1),
            of("wood", 1)
        ]
    );
    assert_eq!(find("sea", None, 2).await, [of("sea-a", 1), joined]);
    assert_eq!(
        find("sea", Some("sea-b"), 9).await,
        [of("sea-c", 1), of("wood", 1)]
    );
    assert_eq!(find("", Some("sea-c"), 9).await, [of("wood", 1)]);
    assert_eq!(find("the wood", None, 9).await, [of("wood", 1)], "its name");
    assert_eq!(find("ÄSTE", None, 9).await, [of("wood", 1)]);
    for one in ["ea-c", "a-c", "-c"] {
        assert_eq!(find(one, None, 9).await, [of("sea-c", 1)], "{one}");
    }
    assert_eq!(find("T", Some("sea-c"), 9).await, [of("wood", 1)]);
    assert_eq!(find("SEA, Ä", None, 9).await, [of("wood", 1)]);
    for nothing in [
        "\"",
        "sea\"",
        "sea OR wood",
        "äste",
        "s%a",
        "s_a",
        "\\",
        "sea-x",
    ] {
        assert_eq!(find(nothing, None, 9).await, [], "{nothing}");
    }
    assert_eq!(find("", None, 0).await, []);
}

pub(super) async fn muting_is_ones_own(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let ada = store.member(room, &owner, "ada", Role::Reader).await;
    let eve = store.person("eve").await;
    let muted = async |user: &UserRow| {
        let listed = store.rooms(user.id, None, 9).await.unwrap();
        let den = listed
            .into_iter()
            .find(|listed| listed.view.room.id == room);
        den.unwrap().muted
    };
    let head = store.room(ada.id, "den").await.unwrap().head;
    store.set_muted(ada.id, "den", true).await.unwrap();
    store.set_muted(ada.id, "den", true).await.unwrap();
    assert!(muted(&ada).await);
    assert!(!muted(&owner).await);
    assert_eq!(store.room(ada.id, "den").await.unwrap().head, head);
    for (slug, expected) in [
        ("den", ErrorCode::NotAMember),
        ("nowhere", ErrorCode::RoomNotFound),
    ] {
        assert_eq!(refused(store.set_muted(eve.id, slug, true).await), expected);
    }
    let set = Change::SetMember {
        actor: owner.id,
        user: ada.id,
        role: Role::Member,
    };
    changed(store.change(room, set).await);
    assert!(muted(&ada).await, "another role leaves it");
    store.set_muted(ada.id, "den", false).await.unwrap();
    assert!(!muted(&ada).await);
    store.set_muted(ada.id, "den", true).await.unwrap();
    let leave = Change::RemoveMember {
        actor: ada.id,
        user: ada.id,
    };
    changed(store.change(room, leave).await);
    store.join_room(ada.id, "den").await.unwrap();
    assert!(!muted(&ada).await, "who comes back hears the room again");
}

async fn people_room(
    store: &TestStore,
    user: &UserRow,
    people: &[&UserRow],
    slug: &str,
) -> RoomView {
    let people: Vec<UserId> = people.iter().map(|user| user.id).collect();
    let fresh = new_room(slug, Visibility::Direct);
    store.people_room(user.id, &people, fresh).await.unwrap()
}

pub(super) async fn each_set_of_people_has_one_direct_room(store: &TestStore) {
    let [ada, bob, eve] = [
        store.person("ada").await,
        store.person("bob").await,
        store.person("eve").await,
    ];
    let assistant = store.assistant().await.unwrap();
    let slugs: Vec<String> = (0..8).map(|turn| format!("direct-{turn}")).collect();
    let views = join_all(slugs.iter().enumerate().map(|(turn, slug)| {
        let (user, people) = match turn % 2 {
            0 => (&ada, [&ada, &bob]),
            _ => (&bob, [&bob, &ada]),
        };
        async move { people_room(store, user, &people, slug).await }
    }));
    let views = views.await;
    let pair: RoomId = views[0].room.id;
    assert!(views.iter().all(|view| view.room.id == pair));
    let room = &views[0].room;
    assert_eq!((room.visibility, room.people), (Visibility::Direct, 2));
    assert!(views.iter().all(|view| view.role == Some(Role::Member)));
    let members = store.members(bob.id, &room.slug, None, 9).await.unwrap();
    assert_eq!(members.len(), 2);

    let three = people_room(store, &eve, &[&ada, &bob, &eve], "three").await;
    assert_ne!(three.room.id, pair);
    assert_eq!(three.room.people, 3);
    assert_eq!(
        refused(store.room(eve.id, &room.slug).await),
        ErrorCode::RoomNotFound
    );
    for (people, expected) in [
        ([ada.id, UserId::new()], ErrorCode::UserNotFound),
        ([ada.id, assistant.id], ErrorCode::BadRequest),
    ] {
        let fresh = new_room("none", Visibility::Direct);
        assert_eq!(
            refused(store.people_room(ada.id, &people, fresh).await),
            expected
        );
    }
    let alone = new_room("alone", Visibility::Direct);
    let alone = store
        .direct_room(ada.id, assistant.id, alone)
        .await
        .unwrap();
    assert_eq!(alone.room.people, 0);
}

pub(super) async fn two_stay_and_others_may_leave_and_come_back(store: &TestStore) {
    let [ada, bob] = [store.person("ada").await, store.person("bob").await];
    let (guest, session) = account("guest", UserKind::Guest);
    let guest = store.create_account(guest, session).await.unwrap();
    let guest = guest.identity.user;
    let pair = people_room(store, &ada, &[&ada, &bob], "pair")
        .await
        .room
        .id;
    let three = [&ada, &bob, &guest];
    let group = people_room(store, &ada, &three, "group").await.room.id;
    let remove = |actor: &UserRow, user: &UserRow| Change::RemoveMember {
        actor: actor.id,
        user: user.id,
    };
    let set = |user: &UserRow, role| Change::SetMember {
        actor: ada.id,
        user: user.id,
        role,
    };
    for (room, change) in [
        (pair, remove(&ada, &bob)),
        (pair, remove(&ada, &ada)),
        (pair, set(&bob, Role::Reader)),
        (pair, set(&guest, Role::Member)),
        (pair, archive(&ada, true)),
        (group, remove(&ada, &bob)),
        (group, set(&ada, Role::Owner)),
    ] {
        assert_eq!(code(store.change(room, change).await), ErrorCode::Forbidden);
    }
    changed(store.change(group, remove(&guest, &guest)).await);
    assert_eq!(
        refused(store.room(guest.id, "group").await),
        ErrorCode::RoomNotFound
    );
    let again = people_room(store, &ada, &three, "again").await;
    assert_eq!(again.room.id, group, "it stays the room of that set");
    assert_eq!(
        store.members(ada.id, "group", None, 9).await.unwrap().len(),
        2
    );
    let back = people_room(store, &guest, &three, "back").await;
    assert_eq!((back.room.id, back.role), (group, Some(Role::Member)));

    // The assistant is not in it: it answers when it is called, and only then.
    let assistant = store.assistant().await.unwrap();
    let mut unasked = mention(&ada, &assistant, "hello");
    unasked.prompt = unasked.prompt.map(|prompt| salon::db::changes::NewPrompt {
        mentioned: false,
        ..prompt
    });
    assert_eq!(store.post(pair, unasked).await.reply_seq, None);
    let called = store
        .post(pair, mention(&ada, &assistant, "@assistant"))
        .await;
    assert_eq!(called.reply_seq, Some(3));
}
