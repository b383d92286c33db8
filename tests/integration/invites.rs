//! Invites, bans and owners over two instances of one database, embedded and Postgres: however many come at once, each
//! race ends in one outcome, and a ban cuts its reader as exactly as a removal (P7).

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use salon::channel_layer::in_memory::InMemoryLayer;
use salon::db::Store;
use salon::db::invites::NewInvite;
use salon::db::rows::{Identity, RoomView, Visibility};
use salon::error::ErrorCode;
use salon::ids::InviteId;
use salon::permissions::Role;
use serde_json::{Value, json};

use crate::store::postgres::store_at;
use crate::support::instance::{Build, Instance, TestDatabase};
use crate::support::postgres;
use crate::support::server::TestServer;

/// Tries of each race.
const TRIES: usize = 1_000;
/// Of them at once.
const AT_ONCE: usize = 50;

/// Two instances that hear each other.
fn instances(one: Arc<dyn Store>, two: Arc<dyn Store>) -> [Instance; 2] {
    let layer = InMemoryLayer::new();
    let other = layer.another_instance();
    let start = |store, layer| {
        Instance::start(Build {
            layer,
            runs: false,
            ..Build::over(store)
        })
    };
    [start(one, layer), start(two, other)]
}

/// Two instances over the embedded database.
async fn embedded() -> ([Instance; 2], TestDatabase) {
    let database = TestDatabase::open().await;
    (
        instances(database.store.clone(), database.store.clone()),
        database,
    )
}

/// Two instances over Postgres, each with connections of its own.
async fn pooled() -> ([Instance; 2], postgres::TestDatabase) {
    let database = postgres::TestDatabase::shared().await;
    let url = database.url();
    (instances(store_at(&url), store_at(&url)), database)
}

async fn room(salon: &Instance) -> (Identity, RoomView) {
    let owner = salon.user("owner").await;
    let room = salon.make_room(&owner, "den", Visibility::Public).await;
    (owner, room)
}

/// Makes an invite; the hash of its token.
async fn invite(salon: &Instance, owner: &Identity, max_uses: i32) -> [u8; 32] {
    let token_hash = rand::random();
    let invite = NewInvite {
        id: InviteId::new(),
        token_hash,
        role: Role::Member,
        lifetime_s: 3_600,
        max_uses,
    };
    let made = salon.app.chat.make_invite(owner, "den", invite).await;
    assert_eq!(made.unwrap().slug, "den");
    token_hash
}

async fn people(salon: &Instance, count: usize) -> Vec<Identity> {
    let mut people = Vec::with_capacity(count);
    for number in 0..count {
        people.push(salon.user(&format!("person {number}")).await);
    }
    people
}

async fn members(salon: &Instance, owner: &Identity) -> usize {
    let members = salon.app.chat.members(owner, "den", None).await.unwrap();
    members.len()
}

async fn a_thousand_follow_an_invite_for_one(salons: [Instance; 2]) {
    let (owner, _) = room(&salons[0]).await;
    let token = invite(&salons[1], &owner, 1).await;
    let people = people(&salons[0], TRIES).await;
    let mut came = 0;
    for (round, people) in people.chunks(AT_ONCE).enumerate() {
        let tries = people.iter().enumerate().map(|(number, who)| {
            let salon = &salons[(round + number) % 2];
            async move { salon.app.chat.accept_invite(who, &token).await }
        });
        for answer in join_all(tries).await {
            match answer {
                Ok(view) => {
                    assert_eq!(view.role, Some(Role::Member));
                    came += 1;
                }
                Err(refusal) => assert_eq!(refusal.code, ErrorCode::InviteInvalid),
            }
        }
    }
    assert_eq!(came, 1, "of {TRIES} one came");
    assert_eq!(members(&salons[0], &owner).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_one_follows_an_invite_for_one() {
    let (salons, _database) = embedded().await;
    a_thousand_follow_an_invite_for_one(salons).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_one_follows_an_invite_for_one_on_postgres() {
    let (salons, database) = pooled().await;
    a_thousand_follow_an_invite_for_one(salons).await;
    database.drop().await;
}

/// In each try one instance bans whom another lets in.
async fn bans_race_joins(salons: [Instance; 2]) {
    const PEOPLE: usize = 20;
    let (owner, _) = room(&salons[0]).await;
    let token = invite(&salons[0], &owner, 1_000).await;
    let people = people(&salons[0], PEOPLE).await;
    let mut turned_away = 0;
    for round in 0..TRIES / PEOPLE {
        let tries = people.iter().enumerate().map(|(number, who)| {
            let (one, two) = (
                &salons[number % 2].app.chat,
                &salons[(number + 1) % 2].app.chat,
            );
            let owner = &owner;
            async move {
                let come = async {
                    match (round + number) % 3 {
                        0 => two.join(who, "den").await.is_ok(),
                        1 => two.accept_invite(who, &token).await.is_ok(),
                        _ => two
                            .set_member(owner, "den", &who.user.name, Role::Member)
                            .await
                            .is_ok(),
                    }
                };
                let ban = one.ban(owner, "den", who.user.id, String::new());
                let (came, banned) = futures_util::join!(come, ban);
                banned.unwrap();
                came
            }
        });
        turned_away += join_all(tries)
            .await
            .into_iter()
            .filter(|came| !came)
            .count();
        // Whichever came first, all are banned now, and none is a member.
        let chat = &salons[round % 2].app.chat;
        assert_eq!(chat.bans(&owner, "den").await.unwrap().len(), PEOPLE);
        assert_eq!(
            members(&salons[round % 2], &owner).await,
            1,
            "round {round}"
        );
        for who in &people {
            assert!(chat.prove(who.user.id, "den").await.is_err());
            chat.unban(&owner, "den", who.user.id).await.unwrap();
        }
    }
    assert!(turned_away > 0, "no ban was ever first");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_banned_and_a_member_at_once() {
    let (salons, _database) = embedded().await;
    bans_race_joins(salons).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_banned_and_a_member_at_once_on_postgres() {
    let (salons, database) = pooled().await;
    bans_race_joins(salons).await;
    database.drop().await;
}

/// Two owners leave at once, each by another instance; one of them stays.
async fn owners_race(salons: [Instance; 2]) {
    /// Each with two owners of its own.
    const ROOMS: usize = 8;
    let rooms = (0..ROOMS).map(|room| owners_race_in(&salons, room, TRIES / ROOMS));
    join_all(rooms).await;
}

async fn owners_race_in(salons: &[Instance; 2], room: usize, tries: usize) {
    let [one, two] = [&salons[0].app.chat, &salons[1].app.chat];
    let slug = format!("room-{room}");
    let mut stays = salons[0].user(&format!("owner {room}")).await;
    let mut goes = salons[0].user(&format!("other {room}")).await;
    salons[0].make_room(&stays, &slug, Visibility::Public).await;
    let make = async |owner: &Identity, user: &Identity| {
        let made = one.set_role(owner, &slug, user.user.id, Role::Owner);
        made.await.unwrap();
    };
    make(&stays, &goes).await;
    for number in 0..tries {
        let other = async {
            match number % 2 {
                0 => two.remove_member(&goes, &slug, goes.user.id).await,
                _ => two.set_role(&goes, &slug, goes.user.id, Role::Reader).await,
            }
        };
        let both = futures_util::join!(one.remove_member(&stays, &slug, stays.user.id), other);
        match both {
            (Ok(_), Err(refusal)) => {
                assert_eq!(refusal.code, ErrorCode::LastOwner);
                std::mem::swap(&mut stays, &mut goes);
            }
            (Err(refusal), Ok(_)) => assert_eq!(refusal.code, ErrorCode::LastOwner),
            other => panic!("{other:?}"),
        }
        let view = two.room(&stays, &slug).await.unwrap();
        assert_eq!(view.role, Some(Role::Owner));
        make(&stays, &goes).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_owners_who_leave_at_once_one_stays() {
    let (salons, _database) = embedded().await;
    owners_race(salons).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_owners_who_leave_at_once_one_stays_on_postgres() {
    let (salons, database) = pooled().await;
    owners_race(salons).await;
    database.drop().await;
}

#[tokio::test]
async fn a_ban_cuts_its_reader_on_every_instance() {
    let (salons, _database) = embedded().await;
    let (owner, den) = room(&salons[0]).await;
    let ada = salons[0].user("ada").await;
    salons[0].add(&den, &owner, &ada).await;
    let mut sockets = Vec::new();
    for salon in &salons {
        let mut socket = salon.connect(&ada).await;
        socket.join("den").await;
        sockets.push(socket);
    }
    let mut writing = salons[0].connect(&owner).await;
    writing.join("den").await;
    let reason = "because".to_owned();
    let banned = salons[1].app.chat.ban(&owner, "den", ada.user.id, reason);
    let version = banned.await.unwrap();
    let told = writing.expect("room.changed").await;
    assert_eq!(
        (&told["change"], &told["version"], &told["data"]),
        (&json!("removed"), &json!(version), &json!({"banned": true}))
    );
    writing.send("den", "secret").await;
    for socket in &mut sockets {
        let last = socket.expect("room.removed").await;
        assert_eq!(last["version"], json!(version));
        assert_eq!(last["reason"], "banned");
        socket.receive_nothing(Duration::from_millis(150)).await;
        let join = json!({"type": "room.join", "room": "den"});
        assert_eq!(socket.ask(join).await["code"], "banned");
    }
    let chat = &salons[0].app.chat;
    chat.unban(&owner, "den", ada.user.id).await.unwrap();
    sockets[0].join("den").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ban_tells_nothing_to_somebody_who_was_never_there() {
    let server = TestServer::start(&[]).await;
    let (owner, eve) = (server.guest("owner").await, server.guest("eve").await);
    let mut socket = server.connect(&eve).await;
    let (_, me) = server
        .request("GET", "/api/me", Some(&eve), &Value::Null)
        .await;
    let id = me["user"]["id"].as_str().unwrap();
    for slug in ["secret", "club"] {
        let room = json!({"slug": slug, "name": slug, "visibility": "private"});
        let made = server.request("POST", "/api/rooms", Some(&owner), &room);
        assert_eq!(made.await.0, 201);
    }
    let ban = format!("/api/rooms/secret/bans/{id}");
    let banned = server.request("PUT", &ban, Some(&owner), &json!({})).await;
    assert_eq!(banned.0, 200, "{}", banned.1);
    // News of one user come in order: what the ban told would come first.
    let add = json!({"user": id, "role": "member"});
    let added = server.request("POST", "/api/rooms/club/members", Some(&owner), &add);
    assert_eq!(added.await.0, 200);
    let told = socket.expect("user.rooms").await;
    assert_eq!(
        (&told["gained"], &told["lost"]),
        (&json!(["club"]), &json!([]))
    );
    server.shutdown.stop();
}
