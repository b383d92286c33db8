//! Joining: where a socket starts, what it gets from there, and where that ends (P3, P7).

use std::time::Duration;

use salon::channel_layer::in_memory::InMemoryLayer;
use salon::db::rows::{Identity, Visibility};
use salon::ids::ClientId;
use salon::limits;
use serde_json::{Value, json};

use crate::support::client::RoomClient;
use crate::support::communicator::{WebsocketCommunicator, message};
use crate::support::instance::{Build, Instance, TestDatabase};

fn seqs(joined: &Value) -> Vec<i64> {
    joined["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["seq"].as_i64().unwrap())
        .collect()
}

/// Sends many messages, pipelined, and waits until all are stored.
async fn send_many(socket: &mut WebsocketCommunicator, room: &str, count: usize) {
    let mut done = 0;
    while done < count {
        let part = (count - done).min(200);
        for number in done..done + part {
            socket
                .send_json_to(&message(room, ClientId::new(), &format!("{number}")))
                .await;
        }
        for _ in 0..part {
            socket.expect("message.accepted").await;
        }
        done += part;
    }
}

/// Reads until the client holds everything up to `version`.
pub(crate) async fn read_up_to(
    socket: &mut WebsocketCommunicator,
    client: &mut RoomClient,
    version: i64,
) {
    while client.cursor < version {
        client.take(&socket.receive_json_from().await);
    }
    client.check();
}

#[tokio::test]
async fn a_first_join_gets_the_latest_page_and_then_what_follows() {
    let (salon, _database) = Instance::alone().await;
    let mut ada = salon.arrive("ada").await;
    ada.join("lobby").await;
    send_many(&mut ada, "lobby", 130).await;
    let mut bob = salon.arrive("bob").await;
    // The page may be half a second old; what followed it then comes as frames.
    tokio::time::sleep(limits::PAGE_SHARE).await;
    let joined = bob.join("lobby").await;
    assert_eq!(seqs(&joined), (31..=130).collect::<Vec<_>>());
    assert_eq!(
        (&joined["reset"], &joined["replies"]),
        (&Value::Null, &json!([]))
    );
    assert_eq!(joined["room"]["last_seq"], 130);
    assert_eq!(joined["room"]["role"], "member");
    let mut client = RoomClient::new("lobby");
    client.take(&joined);
    ada.send("lobby", "more").await;
    read_up_to(&mut bob, &mut client, 131).await;
    assert_eq!(client.bodies().last(), Some(&"more"));
}

#[tokio::test]
async fn a_cursor_gets_exactly_what_lies_above_it() {
    let (salon, _database) = Instance::alone().await;
    let ada = salon.user("ada").await;
    let mut socket = salon.connect(&ada).await;
    let epoch = socket.join("lobby").await["epoch"].clone();
    send_many(&mut socket, "lobby", 10).await;
    for after in [0, 4, 10] {
        let mut back = salon.connect(&ada).await;
        let joined = back.join_after("lobby", &epoch, after).await;
        assert_eq!(
            (seqs(&joined), &joined["room"]["version"]),
            (vec![], &json!(after))
        );
        assert_eq!(
            (&joined["head"], &joined["reset"]),
            (&json!(10), &Value::Null)
        );
        let mut client = RoomClient::new("lobby");
        client.take(&joined);
        read_up_to(&mut back, &mut client, 10).await;
        assert_eq!(client.applied, (after + 1..=10).collect::<Vec<_>>());
        back.receive_nothing(Duration::from_millis(30)).await;
    }
}

#[tokio::test]
async fn a_cursor_older_than_the_ring_reads_pages_without_a_hole() {
    let (salon, _database) = Instance::alone().await;
    let ada = salon.user("ada").await;
    let mut writing = salon.connect(&ada).await;
    let epoch = writing.join("lobby").await["epoch"].clone();
    // One change a range, as a slow room has them.
    let count = limits::RING_RANGES + 300;
    for number in 0..count {
        writing.send("lobby", &format!("{number}")).await;
    }
    let head = i64::try_from(count).unwrap();
    for after in [0, 7, head - 1_100] {
        let mut back = salon.connect(&ada).await;
        let mut client = RoomClient::new("lobby");
        client.take(&back.join_after("lobby", &epoch, after).await);
        // Others write on meanwhile.
        let more = writing.send("lobby", "meanwhile").await["version"]
            .as_i64()
            .unwrap();
        read_up_to(&mut back, &mut client, more).await;
        assert_eq!(client.applied, (after + 1..=more).collect::<Vec<_>>());
        let last = writing.send("lobby", "live").await["version"]
            .as_i64()
            .unwrap();
        read_up_to(&mut back, &mut client, last).await;
    }
}

#[tokio::test]
async fn a_cursor_of_another_history_or_of_the_future_is_reset() {
    let (salon, _database) = Instance::alone().await;
    let ada = salon.user("ada").await;
    let mut socket = salon.connect(&ada).await;
    let epoch = socket.join("lobby").await["epoch"].clone();
    send_many(&mut socket, "lobby", 3).await;
    for (epoch, after, reason) in [
        (json!("00000000deadbeef"), 2, "epoch"),
        (epoch, 99, "ahead"),
    ] {
        let mut back = salon.connect(&ada).await;
        let joined = back.join_after("lobby", &epoch, after).await;
        assert_eq!(joined["reset"], reason);
        let mut client = RoomClient::new("lobby");
        client.take(&joined);
        let head = joined["head"].as_i64().unwrap();
        read_up_to(&mut back, &mut client, head).await;
        assert_eq!(client.bodies()[..3], ["0", "1", "2"]);
        let last = socket.send("lobby", "live").await["version"]
            .as_i64()
            .unwrap();
        read_up_to(&mut back, &mut client, last).await;
    }
}

#[tokio::test]
async fn many_rooms_in_one_join_are_each_answered_for_themselves() {
    let (salon, _database) = Instance::alone().await;
    let ada = salon.user("ada").await;
    for number in 0..20 {
        salon
            .make_room(&ada, &format!("room{number}"), Visibility::Public)
            .await;
    }
    let bob = salon.user("bob").await;
    salon.make_room(&bob, "secret", Visibility::Private).await;
    let mut socket = salon.connect(&ada).await;
    let mut rooms: Vec<Value> = (0..20)
        .map(|number| json!({"room": format!("room{number}")}))
        .collect();
    rooms.push(json!({"room": "secret"}));
    rooms.push(json!({"room": "nowhere"}));
    socket
        .send_json_to(&json!({"type": "room.join", "ref": "all", "rooms": rooms}))
        .await;
    let (mut joined, mut refused) = (Vec::new(), Vec::new());
    for _ in 0..22 {
        let answer = socket.answer("all").await;
        match answer["type"].as_str().unwrap() {
            "room.joined" => joined.push(answer["room"]["slug"].as_str().unwrap().to_owned()),
            _ => {
                assert_eq!(answer["code"], "room_not_found");
                refused.push(answer["room"].as_str().unwrap().to_owned());
            }
        }
    }
    joined.sort();
    joined.dedup();
    refused.sort();
    assert_eq!(joined.len(), 20);
    assert_eq!(refused, ["nowhere", "secret"]);
}

#[tokio::test]
async fn joining_a_public_room_makes_a_member_and_a_private_one_is_not_found() {
    let (salon, _database) = Instance::alone().await;
    let owner = salon.user("owner").await;
    salon.make_room(&owner, "open", Visibility::Public).await;
    let closed = salon.make_room(&owner, "closed", Visibility::Private).await;
    let ada = salon.user("ada").await;
    let mut socket = salon.connect(&ada).await;
    let joined = socket.join("open").await;
    assert_eq!(
        (&joined["room"]["role"], &joined["room"]["version"]),
        (&json!("member"), &json!(0))
    );
    socket.send("open", "hello").await;
    let answer = socket
        .ask(json!({"type": "room.join", "room": "closed"}))
        .await;
    assert_eq!(
        (&answer["code"], &answer["room"]),
        (&json!("room_not_found"), &json!("closed"))
    );
    salon.add(&closed, &owner, &ada).await;
    assert_eq!(socket.join("closed").await["room"]["role"], "member");
}

#[tokio::test]
async fn leaving_ends_the_stream_and_keeps_the_membership() {
    let (salon, _database) = Instance::alone().await;
    let mut ada = salon.arrive("ada").await;
    let mut bob = salon.arrive("bob").await;
    let epoch = ada.join("lobby").await["epoch"].clone();
    bob.join("lobby").await;
    let leave = json!({"type": "room.leave", "room": "lobby"});
    assert_eq!(ada.ask(leave.clone()).await["type"], "ok");
    assert_eq!(ada.ask(leave).await["code"], "not_joined");
    bob.send("lobby", "unheard").await;
    bob.expect("message").await;
    ada.receive_nothing(Duration::from_millis(100)).await;
    // Still a member: it may write, and come back.
    ada.send("lobby", "from outside").await;
    let mut client = RoomClient::new("lobby");
    client.take(&ada.join_after("lobby", &epoch, 0).await);
    read_up_to(&mut ada, &mut client, 2).await;
    assert_eq!(client.bodies(), ["unheard", "from outside"]);
}

#[tokio::test]
async fn two_joins_of_one_room_at_once_leave_the_socket_joined() {
    let (salon, _database) = Instance::alone().await;
    let mut writer = salon.arrive("writer").await;
    writer.join("lobby").await;
    for round in 0..15 {
        let mut socket = salon.arrive(&format!("ada{round}")).await;
        for number in 0..3 {
            socket
                .send_json_to(
                    &json!({"type": "room.join", "ref": format!("j{number}"), "room": "lobby"}),
                )
                .await;
        }
        for number in 0..3 {
            let answer = socket.answer(&format!("j{number}")).await;
            assert_eq!(answer["type"], "room.joined", "{answer}");
        }
        // Whatever the joins still do behind their answers.
        assert_eq!(socket.ask(json!({"type": "ping"})).await["type"], "pong");
        tokio::time::sleep(Duration::from_millis(20)).await;
        let version = writer.send("lobby", "hello").await["version"].clone();
        socket
            .expect_where("message", |frame| frame["version"] == version)
            .await;
    }
}

#[tokio::test]
async fn a_leave_that_overtakes_a_join_wins() {
    let (salon, _database) = Instance::alone().await;
    let mut writer = salon.arrive("writer").await;
    writer.join("lobby").await;
    for round in 0..15 {
        let mut socket = salon.arrive(&format!("ada{round}")).await;
        socket.join("lobby").await;
        socket
            .send_json_to(&json!({"type": "room.join", "ref": "j", "room": "lobby"}))
            .await;
        socket
            .send_json_to(&json!({"type": "room.leave", "ref": "l", "room": "lobby"}))
            .await;
        assert_eq!(socket.answer("l").await["type"], "ok");
        assert_eq!(socket.answer("j").await["type"], "room.joined");
        // What the join does behind its answer is over when the next one is through.
        socket
            .ask(json!({"type": "room.join", "room": "nowhere"}))
            .await;
        let again = socket
            .ask(json!({"type": "room.leave", "room": "lobby"}))
            .await;
        // The join may have begun after the leave was done; then this one ends it.
        assert!(again["type"] == "ok" || again["code"] == "not_joined");
        while socket
            .receive_within(Duration::from_millis(20))
            .await
            .is_some()
        {}
        writer.send("lobby", "unheard").await;
        socket.receive_nothing(Duration::from_millis(40)).await;
    }
}

#[tokio::test]
async fn joining_while_others_write_on_another_instance_shows_everything_once() {
    let database = TestDatabase::open().await;
    let layer = InMemoryLayer::new();
    let mut build = Build::over(database.store.clone());
    build.layer = layer.clone();
    let one = Instance::start(build);
    let mut build = Build::over(database.store.clone());
    build.layer = layer.another_instance();
    let two = Instance::start(build);
    let mut writing = one.arrive("writer").await;
    writing.join("lobby").await;
    let flow = tokio::spawn(async move {
        send_many(&mut writing, "lobby", 1_500).await;
        writing.send("lobby", "last").await["version"]
            .as_i64()
            .unwrap()
    });
    let ada: Identity = two.user("ada").await;
    let mut joined = Vec::new();
    for round in 0..12 {
        let mut socket = if round % 2 == 0 { &two } else { &one }.connect(&ada).await;
        let mut client = RoomClient::new("lobby");
        client.take(&socket.join("lobby").await);
        // Half of them drop out and come back with their cursor, to the other instance.
        if round % 3 == 0 {
            while client.applied.len() < 20 && !flow.is_finished() {
                if let Some(frame) = socket.receive_within(Duration::from_millis(50)).await {
                    client.take(&frame);
                }
            }
            drop(socket);
            socket = if round % 2 == 0 { &one } else { &two }.connect(&ada).await;
            let (epoch, cursor) = (client.epoch.clone(), client.cursor);
            client.take(&socket.join_after("lobby", &epoch, cursor).await);
        }
        joined.push((socket, client));
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let last = flow.await.unwrap();
    for (socket, client) in &mut joined {
        read_up_to(socket, client, last).await;
        let held: Vec<i64> = client.messages.keys().copied().collect();
        let first = held[0];
        assert_eq!(held, (first..=last).collect::<Vec<_>>(), "no hole");
    }
}

#[tokio::test]
async fn a_socket_follows_so_many_rooms_and_leaving_makes_room() {
    let (salon, _database) = Instance::alone().await;
    let ada = salon.user("ada").await;
    let mut socket = salon.connect(&ada).await;
    for number in 0..limits::ROOMS_PER_SOCKET {
        let slug = format!("room{number}");
        salon.make_room(&ada, &slug, Visibility::Public).await;
        socket.join(&slug).await;
    }
    let refused = socket
        .ask(json!({"type": "room.join", "room": "lobby"}))
        .await;
    assert_eq!(
        (&refused["code"], &refused["room"]),
        (&json!("too_many"), &json!("lobby"))
    );
    socket
        .ask(json!({"type": "room.leave", "room": "room7"}))
        .await;
    socket.join("lobby").await;
}

#[tokio::test]
async fn a_join_of_many_full_rooms_comes_at_the_readers_pace() {
    const ROOMS: usize = 12;
    let (salon, _database) = Instance::alone().await;
    let ada = salon.user("ada").await;
    let mut writing = salon.connect(&ada).await;
    let body = "x".repeat(2_000);
    let slugs: Vec<String> = (0..ROOMS).map(|number| format!("room{number}")).collect();
    for slug in &slugs {
        salon.make_room(&ada, slug, Visibility::Public).await;
        for _ in 0..100 {
            writing
                .send_json_to(&message(slug, ClientId::new(), &body))
                .await;
        }
        for _ in 0..100 {
            writing.expect("message.accepted").await;
        }
    }
    // Twice what an outbox holds, over a pipe that holds little.
    let (mut socket, _serving) = salon.connect_raw(&ada, 8 * 1024).await;
    let rooms: Vec<Value> = slugs.iter().map(|slug| json!({"room": slug})).collect();
    socket
        .send_json_to(&json!({"type": "room.join", "rooms": rooms}))
        .await;
    let mut messages = 0;
    for _ in 0..ROOMS {
        messages += seqs(&socket.expect("room.joined").await).len();
    }
    assert_eq!(messages, ROOMS * 100);
}
