//! Removal is exact: everything up to it, a last word, and nothing above (P7).

use std::sync::Arc;
use std::time::Duration;

use salon::channel_layer::in_memory::InMemoryLayer;
use salon::db::rows::Visibility;
use salon::ids::ClientId;
use salon::limits;
use serde_json::json;

use crate::joins::read_up_to;
use crate::support::client::RoomClient;
use crate::support::communicator::message;
use crate::support::instance::{Build, Instance, TestDatabase};

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story on two instances")]
async fn a_removed_member_gets_all_up_to_the_removal_and_nothing_above() {
    let database = TestDatabase::open().await;
    let layer = InMemoryLayer::new();
    let start = |layer: Arc<InMemoryLayer>| {
        let mut build = Build::over(database.store.clone());
        build.layer = layer;
        Instance::start(build)
    };
    let (one, two) = (start(layer.clone()), start(layer.another_instance()));
    let owner = one.user("owner").await;
    let room = one.make_room(&owner, "club", Visibility::Private).await;
    let ada = one.user("ada").await;
    one.add(&room, &owner, &ada).await;
    let mut sockets = Vec::new();
    for salon in [&one, &two] {
        let mut socket = salon.connect(&ada).await;
        let mut client = RoomClient::new("club");
        client.take(&socket.join("club").await);
        sockets.push((socket, client));
    }
    let mut writing = one.connect(&owner).await;
    writing.join("club").await;
    let flow = tokio::spawn(async move {
        for number in 0..200 {
            writing
                .send_json_to(&message("club", ClientId::new(), &format!("{number}")))
                .await;
            if number % 10 == 0 {
                tokio::task::yield_now().await;
            }
        }
        for _ in 0..200 {
            writing.expect("message.accepted").await;
        }
        writing
    });
    let removal = two.remove(&room, &owner, &ada).await;
    let mut writing = flow.await.unwrap();
    writing.send("club", "secret").await;
    for (socket, client) in &mut sockets {
        let last = loop {
            let frame = socket.receive_json_from().await;
            client.take(&frame);
            if client.removed {
                break frame;
            }
        };
        assert_eq!(
            (&last["version"], &last["reason"]),
            (&json!(removal), &json!("removed"))
        );
        client.check();
        assert_eq!(client.cursor, removal - 1, "all up to the removal");
        socket.receive_nothing(Duration::from_millis(150)).await;
        assert_eq!(
            socket.send_as("club", ClientId::new(), "x").await["code"],
            "room_not_found"
        );
        assert_eq!(
            socket
                .ask(json!({"type": "room.join", "room": "club"}))
                .await["code"],
            "room_not_found"
        );
        assert_eq!(
            socket
                .ask(json!({"type": "message.history", "room": "club"}))
                .await["code"],
            "room_not_found"
        );
    }
    // Coming back as a member one gets it all again.
    one.add(&room, &owner, &ada).await;
    let mut socket = two.connect(&ada).await;
    let mut client = RoomClient::new("club");
    let joined = socket.join("club").await;
    client.take(&joined);
    let head = joined["head"].as_i64().unwrap();
    read_up_to(&mut socket, &mut client, head).await;
    assert_eq!(client.bodies().last(), Some(&"secret"));
    let live = writing.send("club", "live").await["version"]
        .as_i64()
        .unwrap();
    read_up_to(&mut socket, &mut client, live).await;
}

#[tokio::test]
async fn a_removal_during_catching_up_cuts_there() {
    let (salon, _database) = Instance::alone().await;
    let owner = salon.user("owner").await;
    let room = salon.make_room(&owner, "club", Visibility::Private).await;
    let ada = salon.user("ada").await;
    salon.add(&room, &owner, &ada).await;
    let mut writing = salon.connect(&owner).await;
    let epoch = writing.join("club").await["epoch"].clone();
    for _ in 0..limits::RING_RANGES + 200 {
        writing.send("club", "x").await;
    }
    let mut socket = salon.connect(&ada).await;
    let mut client = RoomClient::new("club");
    client.take(&socket.join_after("club", &epoch, 0).await);
    let removal = salon.remove(&room, &owner, &ada).await;
    writing.send("club", "secret").await;
    while !client.removed {
        client.take(&socket.receive_json_from().await);
    }
    client.check();
    assert_eq!(client.cursor, removal - 1);
    socket.receive_nothing(Duration::from_millis(150)).await;
}
