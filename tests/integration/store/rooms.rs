//! Rooms: made, found, joined, listed and proved.

use futures_util::future::join_all;
use salon::db::LOBBY;
use salon::db::changes::Change;
use salon::db::rows::{ListedRoom, UserRow, Visibility};
use salon::error::ErrorCode;
use salon::ids::{RoomId, UserId};
use salon::limits::ROOMS_PER_OWNER;
use salon::permissions::Role;

use super::fixtures::{TestStore, changed, message, new_room, refused};

pub(super) async fn a_new_room_has_its_owner_and_no_history(store: &TestStore) {
    let owner = store.person("ada").await;
    let wanted = new_room("den", Visibility::Private);
    let view = store.create_room(wanted.clone(), owner.id).await.unwrap();
    assert_eq!((view.room.id, view.head.room), (wanted.id, wanted.id));
    assert_eq!(
        (&view.room.slug, &view.room.name),
        (&wanted.slug, &wanted.name)
    );
    assert_eq!(view.room.visibility, Visibility::Private);
    assert_eq!(view.role, Some(Role::Owner));
    let head = view.head;
    assert_eq!(
        (head.version, head.last_seq, head.first_seq, head.floor),
        (0, 0, 1, 0)
    );
    assert_eq!(store.room(owner.id, "den").await.unwrap(), view);
    let other = store.make_room(&owner, "other", Visibility::Public).await;
    assert_ne!(other.head.epoch, head.epoch, "each history has its own");
    let changes = store.changes_after(wanted.id, 0, 10).await.unwrap();
    assert_eq!((changes.head, changes.complete), (head, true));
    assert_eq!(changes.changes, []);
}

pub(super) async fn an_address_is_never_used_twice(store: &TestStore) {
    let owner = store.person("ada").await;
    let room = store.make_room(&owner, "den", Visibility::Public).await;
    let again = || store.create_room(new_room("den", Visibility::Private), owner.id);
    assert_eq!(refused(again().await), ErrorCode::SlugTaken);
    let delete = Change::DeleteRoom { actor: owner.id };
    changed(store.change(room.room.id, delete).await);
    assert_eq!(refused(again().await), ErrorCode::SlugTaken);
    assert_eq!(
        refused(store.room(owner.id, "den").await),
        ErrorCode::RoomNotFound
    );
}

pub(super) async fn a_private_room_does_not_exist_for_others(store: &TestStore) {
    let owner = store.person("ada").await;
    let stranger = store.person("eve").await.id;
    store.make_room(&owner, "secret", Visibility::Private).await;
    store.make_room(&owner, "open", Visibility::Public).await;
    for slug in ["secret", "nowhere"] {
        let gone = ErrorCode::RoomNotFound;
        assert_eq!(refused(store.room(stranger, slug).await), gone);
        assert_eq!(refused(store.join_room(stranger, slug).await), gone);
        assert_eq!(refused(store.members(stranger, slug, None, 9).await), gone);
        assert_eq!(refused(store.history(stranger, slug, None, 9).await), gone);
        assert_eq!(
            refused(store.history_after(stranger, slug, 0, 9).await),
            gone
        );
        assert_eq!(refused(store.message(stranger, slug, 1).await), gone);
    }
    assert_eq!(store.room(stranger, "open").await.unwrap().role, None);
    let outside = ErrorCode::NotAMember;
    assert_eq!(
        refused(store.members(stranger, "open", None, 9).await),
        outside
    );
    assert_eq!(
        refused(store.history(stranger, "open", None, 9).await),
        outside
    );
    assert_eq!(
        refused(store.history_after(stranger, "open", 0, 9).await),
        outside
    );
    assert_eq!(refused(store.message(stranger, "open", 1).await), outside);
}

pub(super) async fn joining_a_public_room_takes_no_version(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let guest = store.person("ada").await;
    let proof = store.join_room(guest.id, "den").await.unwrap();
    assert_eq!((proof.user, proof.role), (guest.id, Role::Member));
    assert_eq!(proof.view.role, Some(Role::Member));
    assert_eq!((proof.view.room.id, proof.view.head.version), (room, 0));
    assert_eq!(store.join_room(guest.id, "den").await.unwrap(), proof);
    let own = store.join_room(owner.id, "den").await.unwrap();
    assert_eq!(own.role, Role::Owner, "joining never changes a role");
}

pub(super) async fn racing_joins_make_one_member(store: &TestStore) {
    let (_, _) = store.owner_and_room().await;
    let guest = store.person("ada").await;
    let proofs = join_all((0..8).map(|_| store.join_room(guest.id, "den"))).await;
    for proof in proofs {
        assert_eq!(proof.unwrap().role, Role::Member);
    }
    let members = store.members(guest.id, "den", None, 9).await.unwrap();
    assert_eq!(members.len(), 2);
}

pub(super) async fn who_shares_a_room_is_a_fellow(store: &TestStore) {
    let [ada, bob, eve] = [
        store.person("ada").await,
        store.person("bob").await,
        store.person("eve").await,
    ];
    let nobody = UserId::new();
    let fellows = async |user: &UserRow, wanted: &[UserId]| {
        let mut found = store.fellows(user.id, wanted).await.unwrap();
        found.sort_by(|one, other| one.name.cmp(&other.name));
        found
    };
    let wanted = [eve.id, bob.id, nobody];
    let lobby = [bob.clone(), eve.clone()];
    assert_eq!(fellows(&ada, &wanted).await, lobby, "all are in the lobby");
    assert_eq!(fellows(&ada, &[]).await, []);
    let lobby = store.room(ada.id, LOBBY).await.unwrap().room.id;
    for user in [&bob, &eve] {
        let leave = Change::RemoveMember {
            actor: user.id,
            user: user.id,
        };
        changed(store.change(lobby, leave).await);
    }
    assert_eq!(fellows(&ada, &wanted).await, []);
    assert_eq!(fellows(&eve, &[ada.id, bob.id]).await, []);
    let den = store.make_room(&ada, "den", Visibility::Public).await;
    store.join_room(bob.id, "den").await.unwrap();
    assert_eq!(fellows(&ada, &wanted).await, std::slice::from_ref(&bob));
    assert_eq!(fellows(&bob, &wanted[..1]).await, []);
    let delete = Change::DeleteRoom { actor: ada.id };
    changed(store.change(den.room.id, delete).await);
    assert_eq!(fellows(&ada, &wanted).await, [], "that room is gone");
}

pub(super) async fn a_direct_room_is_made_once(store: &TestStore) {
    let user = store.person("ada").await;
    let other = store.person("bob").await;
    let assistant = store.assistant().await.unwrap();
    let slugs: Vec<String> = (0..8).map(|turn| format!("direct-{turn}")).collect();
    let fresh = |slug: &str| new_room(slug, Visibility::Direct);
    let views = join_all(
        slugs
            .iter()
            .map(|slug| store.direct_room(user.id, assistant.id, fresh(slug))),
    )
    .await;
    let views: Vec<_> = views.into_iter().map(Result::unwrap).collect();
    assert!(views.windows(2).all(|pair| pair[0].room == pair[1].room));
    assert_eq!(views[0].room.visibility, Visibility::Direct);
    assert!(views[0].role.is_some_and(|role| role != Role::Reader));
    let theirs = store
        .direct_room(other.id, assistant.id, fresh("theirs"))
        .await
        .unwrap();
    assert_ne!(theirs.room.id, views[0].room.id);
    assert_eq!(
        refused(store.room(other.id, &views[0].room.slug).await),
        ErrorCode::RoomNotFound
    );
}

pub(super) async fn own_rooms_are_listed_before_public_ones(store: &TestStore) {
    let owner = store.person("ada").await;
    let other = store.person("bob").await;
    for (slug, visibility) in [
        ("zoo", Visibility::Private),
        ("bar", Visibility::Public),
        ("attic", Visibility::Public),
    ] {
        store.make_room(&owner, slug, visibility).await;
    }
    store.join_room(other.id, "bar").await.unwrap();
    let slugs = async |user: &UserRow, limit| {
        let rooms = store.rooms(user.id, None, limit).await.unwrap();
        rooms
            .into_iter()
            .map(|listed| (listed.view.room.slug, listed.view.role))
            .collect::<Vec<_>>()
    };
    let own = |slug: &str| (slug.to_owned(), Some(Role::Owner));
    let of = |slug: &str| (slug.to_owned(), Some(Role::Member));
    let open = |slug: &str| (slug.to_owned(), None);
    // A room without a message is as old as itself, and the lobby is the oldest.
    assert_eq!(
        slugs(&owner, 10).await,
        [own("attic"), own("bar"), own("zoo"), of(LOBBY)]
    );
    assert_eq!(
        slugs(&other, 10).await,
        [of("bar"), of(LOBBY), open("attic")]
    );
    assert_eq!(slugs(&other, 2).await, [of("bar"), of(LOBBY)]);
    assert_eq!(slugs(&other, 0).await, []);
}

pub(super) async fn members_are_listed_by_name_in_pages(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    for name in ["Zoe", "adam", "Bob"] {
        store.member(room, &owner, name, Role::Reader).await;
    }
    let mut names = Vec::new();
    let mut after = None;
    loop {
        let page = store.members(owner.id, "den", after, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.user.id);
        names.extend(
            page.into_iter()
                .map(|member| (member.user.name, member.role)),
        );
    }
    let expected = [
        ("adam", Role::Reader),
        ("Bob", Role::Reader),
        ("owner", Role::Owner),
        ("Zoe", Role::Reader),
    ];
    assert_eq!(names, expected.map(|(name, role)| (name.to_owned(), role)));
}

pub(super) async fn proofs_come_in_the_order_asked(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    store.make_room(&owner, "secret", Visibility::Private).await;
    let eve = store.person("eve").await;
    let wanted = [
        (eve.id, "secret".to_owned()),
        (owner.id, "den".to_owned()),
        (eve.id, "den".to_owned()),
        (UserId::new(), "den".to_owned()),
        (eve.id, "nowhere".to_owned()),
        (owner.id, "den".to_owned()),
        (owner.id, "secret".to_owned()),
    ];
    let answers = store.prove(&wanted).await.unwrap();
    let summary: Vec<_> = answers
        .iter()
        .map(|answer| match answer {
            Ok(proof) => Ok((proof.user, proof.role, proof.view.room.slug.as_str())),
            Err(refusal) => Err(refusal.code),
        })
        .collect();
    assert_eq!(
        summary,
        [
            Err(ErrorCode::RoomNotFound),
            Ok((owner.id, Role::Owner, "den")),
            Err(ErrorCode::NotAMember),
            Err(ErrorCode::NotAMember),
            Err(ErrorCode::RoomNotFound),
            Ok((owner.id, Role::Owner, "den")),
            Ok((owner.id, Role::Owner, "secret")),
        ]
    );
    let proof = answers[1].as_ref().unwrap();
    assert_eq!(proof.view.head, store.heads(&[room]).await.unwrap()[0]);
    assert_eq!(store.prove(&[]).await.unwrap().len(), 0);
}

pub(super) async fn heads_leave_out_what_never_was(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let gone = store.make_room(&owner, "gone", Visibility::Public).await;
    let delete = Change::DeleteRoom { actor: owner.id };
    changed(store.change(gone.room.id, delete).await);
    let heads = store
        .heads(&[RoomId::new(), room, gone.room.id])
        .await
        .unwrap();
    assert_eq!(heads.len(), 2);
    let head = |id| heads.iter().find(|head| head.room == id).unwrap();
    assert_eq!(head(room).version, 0);
    assert_eq!(
        head(gone.room.id).version,
        1,
        "a deleted room keeps its head"
    );
    assert_eq!(store.heads(&[]).await.unwrap(), []);
}

pub(super) async fn an_owner_has_a_bounded_number_of_rooms(store: &TestStore) {
    let owner = store.person("ada").await;
    let create = |number: i64| {
        store.create_room(
            new_room(&format!("room-{number}"), Visibility::Private),
            owner.id,
        )
    };
    let numbers: Vec<i64> = (0..ROOMS_PER_OWNER).collect();
    for some in numbers.chunks(50) {
        for made in join_all(some.iter().map(|number| create(*number))).await {
            made.unwrap();
        }
    }
    assert_eq!(refused(create(ROOMS_PER_OWNER).await), ErrorCode::TooMany);
}

pub(super) async fn own_rooms_come_in_pages(store: &TestStore) {
    let (ada, eve) = (store.person("ada").await, store.person("eve").await);
    let mut rooms = Vec::new();
    for number in 0..7 {
        let slug = format!("own-{number}");
        let made = store.make_room(&ada, &slug, Visibility::Private).await;
        rooms.push(made.room.id);
        let slug = format!("open-{number}");
        store.make_room(&eve, &slug, Visibility::Public).await;
    }
    for room in [3, 5, 1] {
        store.post(rooms[room], message(&ada, "hello")).await;
    }
    let whole = store.rooms(ada.id, None, 100).await.unwrap();
    assert_eq!(whole.len(), 15, "and the lobby");
    for limit in 1..=whole.len() {
        let (mut read, mut after) = (Vec::new(), None);
        loop {
            let page = store.rooms(ada.id, after, limit as i64).await.unwrap();
            after = page.last().map(ListedRoom::place);
            read.extend(page);
            if after.is_none() {
                break;
            }
        }
        assert_eq!(read, whole, "by pages of {limit}");
    }
    // Where one left, another place in the list is still a place.
    let after = whole[2].place();
    store.post(rooms[3], message(&ada, "again")).await;
    let rest = store.rooms(ada.id, Some(after), 100).await.unwrap();
    assert_eq!(rest, whole[3..]);
}
