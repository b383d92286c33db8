//! Invites, bans and giving a room away: who may, what they leave behind, and that races end in one outcome.

use salon::db::changes::Change;
use salon::db::invites::NewInvite;
use salon::db::rows::{LogKind, StoredChange, UserRow, Visibility};
use salon::error::ErrorCode;
use salon::ids::{InviteId, RoomId, UserId};
use salon::limits::INVITES_PER_ROOM;
use salon::permissions::Role;

use super::fixtures::{TestStore, changed, code, new_room, refused};

/// Tries of each race, ten at a time.
const TRIES: usize = 1_000;
const AT_ONCE: usize = 10;

fn invite(role: Role, max_uses: i32) -> NewInvite {
    NewInvite {
        id: InviteId::new(),
        token_hash: rand::random(),
        role,
        lifetime_s: 3_600,
        max_uses,
    }
}

fn make(actor: &UserRow, invite: &NewInvite) -> Change {
    let (actor, invite) = (actor.id, invite.clone());
    Change::MakeInvite { actor, invite }
}

fn revoke(actor: &UserRow, invite: &NewInvite) -> Change {
    let (actor, invite) = (actor.id, invite.id);
    Change::RevokeInvite { actor, invite }
}

fn accept(user: &UserRow, invite: &NewInvite) -> Change {
    let (user, invite) = (user.id, invite.id);
    Change::AcceptInvite { user, invite }
}

fn ban(actor: &UserRow, user: &UserRow) -> Change {
    Change::Ban {
        actor: actor.id,
        user: user.id,
        reason: "because".into(),
    }
}

fn unban(actor: &UserRow, user: &UserRow) -> Change {
    let (actor, user) = (actor.id, user.id);
    Change::Unban { actor, user }
}

fn give(actor: &UserRow, user: &UserRow) -> Change {
    let (actor, user) = (actor.id, user.id);
    Change::TransferRoom { actor, user }
}

fn set(actor: &UserRow, user: &UserRow, role: Role) -> Change {
    Change::SetMember {
        actor: actor.id,
        user: user.id,
        role,
    }
}

fn remove(actor: &UserRow, user: &UserRow) -> Change {
    let (actor, user) = (actor.id, user.id);
    Change::RemoveMember { actor, user }
}

async fn role_of(store: &TestStore, user: &UserRow, slug: &str) -> Option<Role> {
    let view = store.room(user.id, slug).await.ok();
    view.and_then(|view| view.role)
}

async fn version(store: &TestStore, room: RoomId) -> i64 {
    store.heads(&[room]).await.unwrap()[0].version
}

/// An owner, a private room of its own called `den`, and a moderator of it.
async fn den(store: &TestStore) -> (UserRow, RoomId, UserRow) {
    let owner = store.person("owner").await;
    let room = store.make_room(&owner, "den", Visibility::Private).await;
    let room = room.room.id;
    let moderator = store
        .member(room, &owner, "moderator", Role::Moderator)
        .await;
    (owner, room, moderator)
}

pub(super) async fn an_invite_lets_in_so_many(store: &TestStore) {
    let (owner, room, _) = den(store).await;
    let made = invite(Role::Reader, 2);
    let before = version(store, room).await;
    assert_eq!(
        changed(store.change(room, make(&owner, &made)).await),
        before
    );
    let told = store.invite(&made.token_hash).await.unwrap();
    assert_eq!((told.id, told.room), (made.id, room));
    assert_eq!((told.slug.as_str(), told.name.as_str()), ("den", "The den"));
    assert_eq!((&told.by, told.role), (&owner, Role::Reader));
    let nobody = store.invite(&[7; 32]).await;
    assert_eq!(refused(nobody), ErrorCode::InviteInvalid);

    let [ada, bo, cy] = [
        store.person("ada").await,
        store.person("bo").await,
        store.person("cy").await,
    ];
    let done = store.write(room, vec![accept(&ada, &made)]).await;
    assert_eq!(changed(done.outcomes[0].clone()), before + 1);
    let StoredChange::Log(log) = &done.changes[0] else {
        panic!("{:?}", done.changes)
    };
    assert_eq!(
        (log.kind, log.role, log.user.as_ref()),
        (LogKind::Role, Some(Role::Reader), Some(&ada))
    );
    // Who is a member already stays what it is, and leaves the invite to others.
    for member in [&ada, &owner] {
        let again = store.change(room, accept(member, &made)).await;
        assert_eq!(changed(again), before + 1);
    }
    assert_eq!(role_of(store, &owner, "den").await, Some(Role::Owner));
    let listed = store.invites(owner.id, "den").await.unwrap();
    assert_eq!(
        (listed.len(), listed[0].uses, listed[0].max_uses),
        (1, 1, 2)
    );
    assert!(listed[0].works && listed[0].expires_at > listed[0].created_at);
    changed(store.change(room, accept(&bo, &made)).await);
    let late = store.change(room, accept(&cy, &made)).await;
    assert_eq!(code(late), ErrorCode::InviteInvalid);
    assert_eq!(role_of(store, &cy, "den").await, None);
    assert_eq!(store.invites(owner.id, "den").await.unwrap(), []);
    let used_up = store.invite(&made.token_hash).await;
    assert_eq!(refused(used_up), ErrorCode::InviteInvalid);
}

pub(super) async fn an_invite_ends_with_its_time_and_when_withdrawn(store: &TestStore) {
    let (owner, room, moderator) = den(store).await;
    let ada = store.person("ada").await;
    let (old, kept) = (invite(Role::Member, 9), invite(Role::Member, 9));
    changed(store.change(room, make(&owner, &old)).await);
    store.age(3_601).await;
    changed(store.change(room, make(&moderator, &kept)).await);
    let ended = store.change(room, accept(&ada, &old)).await;
    assert_eq!(code(ended), ErrorCode::InviteInvalid);
    let listed = store.invites(moderator.id, "den").await.unwrap();
    assert_eq!((listed.len(), listed[0].id), (1, kept.id));
    // Anybody who may invite withdraws; a second time changes nothing.
    for _ in 0..2 {
        changed(store.change(room, revoke(&owner, &kept)).await);
    }
    let withdrawn = store.change(room, accept(&ada, &kept)).await;
    assert_eq!(code(withdrawn), ErrorCode::InviteInvalid);
    for gone in [&old, &kept] {
        let told = store.invite(&gone.token_hash).await;
        assert_eq!(refused(told), ErrorCode::InviteInvalid);
    }
    // An invite is of its room: another room's lane does not know it.
    let other = store.make_room(&owner, "other", Visibility::Private).await;
    let elsewhere = invite(Role::Member, 1);
    changed(store.change(room, make(&owner, &elsewhere)).await);
    let wrong = store.change(other.room.id, accept(&ada, &elsewhere)).await;
    assert_eq!(code(wrong), ErrorCode::InviteInvalid);
    changed(
        store
            .change(other.room.id, revoke(&owner, &elsewhere))
            .await,
    );
    changed(
        store
            .change(room, Change::DeleteRoom { actor: owner.id })
            .await,
    );
    let of_gone_room = store.invite(&elsewhere.token_hash).await;
    assert_eq!(refused(of_gone_room), ErrorCode::InviteInvalid);
    let of_gone_room = store.change(room, accept(&ada, &elsewhere)).await;
    assert_eq!(code(of_gone_room), ErrorCode::RoomNotFound);
}

pub(super) async fn an_invite_works_while_its_maker_may_invite(store: &TestStore) {
    let (owner, room, moderator) = den(store).await;
    let ada = store.person("ada").await;
    let made = invite(Role::Member, 9);
    changed(store.change(room, make(&moderator, &made)).await);
    changed(
        store
            .change(room, set(&owner, &moderator, Role::Member))
            .await,
    );
    let asleep = store.change(room, accept(&ada, &made)).await;
    assert_eq!(code(asleep), ErrorCode::InviteInvalid);
    let told = store.invite(&made.token_hash).await;
    assert_eq!(refused(told), ErrorCode::InviteInvalid);
    assert!(!store.invites(owner.id, "den").await.unwrap()[0].works);
    let done = store
        .write(
            room,
            vec![
                set(&owner, &moderator, Role::Moderator),
                accept(&ada, &made),
                remove(&owner, &moderator),
                accept(&store.person("bo").await, &made),
            ],
        )
        .await;
    assert!(done.outcomes[1].is_ok(), "{:?}", done.outcomes);
    assert_eq!(code(done.outcomes[3].clone()), ErrorCode::InviteInvalid);
    assert_eq!(role_of(store, &ada, "den").await, Some(Role::Member));
}

pub(super) async fn who_keeps_order_invites_and_bans(store: &TestStore) {
    let (owner, room, moderator) = den(store).await;
    let member = store.member(room, &owner, "member", Role::Member).await;
    let reader = store.member(room, &owner, "reader", Role::Reader).await;
    let second = store.member(room, &owner, "second", Role::Moderator).await;
    let stranger = store.person("stranger").await;
    let nobody = UserRow {
        id: UserId::new(),
        ..stranger.clone()
    };
    let assistant = store.assistant().await.unwrap();
    let start = version(store, room).await;
    let plain = invite(Role::Member, 1);
    let (no, gone) = (ErrorCode::Forbidden, ErrorCode::RoomNotFound);
    for (change, expected) in [
        (make(&member, &plain), no),
        (make(&reader, &plain), no),
        (make(&stranger, &plain), gone),
        (make(&moderator, &invite(Role::Moderator, 1)), no),
        (make(&owner, &invite(Role::Owner, 1)), no),
        (revoke(&member, &plain), no),
        (ban(&member, &reader), no),
        (ban(&stranger, &reader), gone),
        (ban(&moderator, &owner), no),
        (ban(&moderator, &second), no),
        (ban(&moderator, &moderator), no),
        (ban(&owner, &owner), no),
        (ban(&owner, &assistant), no),
        (ban(&owner, &nobody), ErrorCode::UserNotFound),
        (unban(&member, &stranger), no),
        (give(&moderator, &owner), no),
        (give(&owner, &stranger), ErrorCode::UserNotFound),
        (give(&owner, &nobody), ErrorCode::UserNotFound),
    ] {
        let answer = store.change(room, change.clone()).await;
        assert_eq!(code(answer), expected, "{change:?}");
    }
    assert_eq!(version(store, room).await, start);
    for (user, expected) in [(&member, no), (&reader, no), (&stranger, gone)] {
        assert_eq!(refused(store.invites(user.id, "den").await), expected);
        assert_eq!(refused(store.bans(user.id, "den").await), expected);
    }
    for change in [
        make(&owner, &invite(Role::Moderator, 1)),
        make(&moderator, &invite(Role::Reader, 1)),
        ban(&moderator, &stranger),
        ban(&owner, &second),
    ] {
        changed(store.change(room, change).await);
    }
    let direct = store
        .direct_room(owner.id, assistant.id, new_room("ours", Visibility::Direct))
        .await
        .unwrap();
    for change in [
        make(&owner, &plain),
        ban(&owner, &member),
        give(&owner, &owner),
    ] {
        let answer = store.change(direct.room.id, change).await;
        assert_eq!(code(answer), no, "a direct room has nobody else");
    }
}

/// Whether the list of a user's rooms and both ways to find public ones offer the den.
async fn offered(store: &TestStore, user: &UserRow) -> [bool; 3] {
    let rooms = store.rooms(user.id, None, 50).await.unwrap();
    let all = store.public_rooms(user.id, "", None, 50).await.unwrap();
    let found = store.public_rooms(user.id, "den", None, 50).await.unwrap();
    [
        rooms.iter().any(|one| one.view.room.slug == "den"),
        all.iter().any(|one| one.room.slug == "den"),
        found.iter().any(|one| one.room.slug == "den"),
    ]
}

pub(super) async fn a_banned_user_comes_by_no_way(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let ada = store.member(room, &owner, "ada", Role::Member).await;
    let made = invite(Role::Member, 9);
    changed(store.change(room, make(&owner, &made)).await);
    let done = store
        .write(room, vec![ban(&owner, &ada), ban(&owner, &ada)])
        .await;
    let StoredChange::Log(log) = &done.changes[0] else {
        panic!("{:?}", done.changes)
    };
    assert_eq!(
        (log.kind, log.user.as_ref()),
        (LogKind::Removed, Some(&ada))
    );
    assert_eq!(log.data, serde_json::json!({"banned": true}));
    assert_eq!(done.changes.len(), 1, "a second time changes nothing");
    let bans = store.bans(owner.id, "den").await.unwrap();
    assert_eq!((bans.len(), &bans[0].user, &bans[0].by), (1, &ada, &owner));
    assert_eq!(bans[0].reason, "because");

    assert_eq!(
        refused(store.join_room(ada.id, "den").await),
        ErrorCode::Banned
    );
    let added = store.change(room, set(&owner, &ada, Role::Member)).await;
    assert_eq!(code(added), ErrorCode::Banned);
    let invited = store.change(room, accept(&ada, &made)).await;
    assert_eq!(
        code(invited),
        ErrorCode::Banned,
        "the invite works, but not for who is banned"
    );
    assert_eq!(role_of(store, &ada, "den").await, None);
    // Nothing offers the room to who cannot come; to others it is there.
    for (user, lists) in [(&ada, false), (&store.person("cy").await, true)] {
        assert_eq!(offered(store, user).await, [lists; 3], "{}", user.name);
    }
    // A ban of somebody who is not there takes no version.
    let bo = store.person("bo").await;
    let before = version(store, room).await;
    assert_eq!(changed(store.change(room, ban(&owner, &bo)).await), before);
    assert_eq!(
        refused(store.join_room(bo.id, "den").await),
        ErrorCode::Banned
    );

    for user in [&ada, &bo] {
        assert_eq!(
            changed(store.change(room, unban(&owner, user)).await),
            before
        );
    }
    assert_eq!(store.bans(owner.id, "den").await.unwrap(), []);
    changed(store.change(room, accept(&ada, &made)).await);
    assert_eq!(
        store.join_room(bo.id, "den").await.unwrap().role,
        Role::Member
    );
}

pub(super) async fn a_room_is_given_away_at_once(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let ada = store.member(room, &owner, "ada", Role::Reader).await;
    let start = version(store, room).await;
    let itself = store.change(room, give(&owner, &owner)).await;
    assert_eq!(changed(itself), start);
    let done = store.write(room, vec![give(&owner, &ada)]).await;
    assert_eq!(changed(done.outcomes[0].clone()), start + 2);
    let told: Vec<_> = done
        .changes
        .iter()
        .map(|change| match change {
            StoredChange::Log(log) => (log.user.clone().unwrap().id, log.role.unwrap()),
            StoredChange::Message(message) => panic!("{message:?}"),
        })
        .collect();
    assert_eq!(told, [(ada.id, Role::Owner), (owner.id, Role::Moderator)]);
    assert_eq!(store.all_changes(room, start).await, done.changes);
    assert_eq!(role_of(store, &ada, "den").await, Some(Role::Owner));
    assert_eq!(role_of(store, &owner, "den").await, Some(Role::Moderator));
    let back = store.change(room, give(&owner, &ada)).await;
    assert_eq!(code(back), ErrorCode::Forbidden);
    // To one who is an owner already it is only a step down.
    changed(store.change(room, set(&ada, &owner, Role::Owner)).await);
    assert_eq!(
        changed(store.change(room, give(&ada, &owner)).await),
        start + 4
    );
    let alone = store.change(room, remove(&owner, &owner)).await;
    assert_eq!(code(alone), ErrorCode::LastOwner);
}

pub(super) async fn invites_of_a_room_are_bounded(store: &TestStore) {
    let (owner, room, _) = den(store).await;
    let made: Vec<NewInvite> = (0..INVITES_PER_ROOM)
        .map(|_| invite(Role::Member, 1))
        .collect();
    let changes = made.iter().map(|invite| make(&owner, invite)).collect();
    let done = store.write(room, changes).await;
    assert!(done.outcomes.iter().all(Result::is_ok));
    let one_more = invite(Role::Member, 1);
    let answer = store.change(room, make(&owner, &one_more)).await;
    assert_eq!(code(answer), ErrorCode::TooMany);
    changed(store.change(room, revoke(&owner, &made[3])).await);
    changed(store.change(room, make(&owner, &one_more)).await);
    let listed = store.invites(owner.id, "den").await.unwrap();
    assert_eq!(listed.len() as i64, INVITES_PER_ROOM);
    assert!(listed.iter().all(|row| row.id != made[3].id));
}

pub(super) async fn a_rerun_counts_no_second_use(store: &TestStore) {
    let (owner, room, _) = den(store).await;
    let ada = store.person("ada").await;
    let made = invite(Role::Member, 2);
    changed(store.change(room, make(&owner, &made)).await);
    let mut batch = super::fixtures::batch(vec![(room, vec![accept(&ada, &made)])]);
    store.apply(batch.clone()).await.unwrap();
    batch.rerun = true;
    store.apply(batch).await.unwrap();
    let listed = store.invites(owner.id, "den").await.unwrap();
    assert_eq!(listed[0].uses, 1);
}

/// Nobody is ever banned and a member at once, whichever of the two comes first.
pub(super) async fn racing_bans_and_joins_end_in_one_outcome(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let made = invite(Role::Member, 1_000);
    changed(store.change(room, make(&owner, &made)).await);
    let mut people = Vec::new();
    for number in 0..AT_ONCE {
        people.push(store.person(&format!("person {number}")).await);
    }
    let (mut kept_out, mut in_first) = (0, 0);
    for round in 0..TRIES / AT_ONCE {
        let tries = people.iter().enumerate().map(|(number, user)| {
            let (made, owner) = (&made, &owner);
            async move {
                let come = async {
                    match (round + number) % 3 {
                        0 => store.join_room(user.id, "den").await.map(drop).is_ok(),
                        1 => store.change(room, accept(user, made)).await.is_ok(),
                        _ => store
                            .change(room, set(owner, user, Role::Member))
                            .await
                            .is_ok(),
                    }
                };
                let keep_out = store.change(room, ban(owner, user));
                let (came, banned) = match (round + number) % 2 {
                    0 => futures_util::join!(come, keep_out),
                    _ => {
                        let (banned, came) = futures_util::join!(keep_out, come);
                        (came, banned)
                    }
                };
                changed(banned);
                came
            }
        });
        for came in futures_util::future::join_all(tries).await {
            match came {
                true => in_first += 1,
                false => kept_out += 1,
            }
        }
        let banned = store.bans(owner.id, "den").await.unwrap();
        assert_eq!(banned.len(), AT_ONCE);
        let members = store.members(owner.id, "den", None, 99).await.unwrap();
        assert_eq!(members.len(), 1, "round {round}: {members:?}");
        let lift = people.iter().map(|user| unban(&owner, user)).collect();
        store.write(room, lift).await;
    }
    assert!(kept_out > 0, "{kept_out} kept out, {in_first} in first");
}

/// Two owners leave at once: one of them stays, every time. (Over two instances it is tried a thousand times.)
pub(super) async fn racing_owners_leave_one(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let ada = store.member(room, &owner, "ada", Role::Owner).await;
    let (mut stays, mut comes) = (owner, ada);
    for number in 0..TRIES / 5 {
        let leave = |user: &UserRow| match number % 3 {
            0 => remove(user, user),
            1 => set(user, user, Role::Member),
            _ => remove(user, user),
        };
        let (one, other) = futures_util::join!(
            store.change(room, leave(&stays)),
            store.change(room, leave(&comes)),
        );
        match (one, other) {
            (Ok(_), Err(refusal)) => {
                assert_eq!(refusal.code, ErrorCode::LastOwner);
                std::mem::swap(&mut stays, &mut comes);
            }
            (Err(refusal), Ok(_)) => assert_eq!(refusal.code, ErrorCode::LastOwner),
            both => panic!("{both:?}"),
        }
        assert_eq!(role_of(store, &stays, "den").await, Some(Role::Owner));
        changed(store.change(room, set(&stays, &comes, Role::Owner)).await);
    }
}
