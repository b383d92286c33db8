//! The writer over a database that fails in every way it may: what was committed is known, a resend finds it, nothing is
//! guessed, and a room that cannot be written leaves the others alone (P1, P4, P5).

use std::sync::Arc;
use std::time::Duration;

use salon::db::rows::Visibility;
use salon::ids::ClientId;
use salon::limits;
use serde_json::{Value, json};

use crate::support::client::RoomClient;
use crate::support::communicator::{WebsocketCommunicator, message};
use crate::support::faulty_store::{Fault, FaultyStore};
use crate::support::instance::{Build, Instance, TestDatabase};

async fn faulty() -> (Instance, Arc<FaultyStore>, TestDatabase) {
    let database = TestDatabase::open().await;
    let store = FaultyStore::over(database.store.clone());
    (Instance::start(Build::over(store.clone())), store, database)
}

/// Waits until the store was asked to write so often.
async fn applied(store: &FaultyStore, count: usize) {
    let begun = tokio::time::Instant::now();
    while store.applies() < count {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "the writer did not come"
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The room's bodies as the database has them.
async fn stored(salon: &Instance, room: &str) -> Vec<String> {
    let reader = salon
        .user(&format!("reader{}", rand::random::<u32>()))
        .await;
    salon.store.join_room(reader.user.id, room).await.unwrap();
    let page = salon
        .store
        .history(reader.user.id, room, None, 100)
        .await
        .unwrap();
    page.messages
        .into_iter()
        .map(|message| message.body)
        .collect()
}

fn code(answer: &Value) -> &str {
    answer["code"].as_str().unwrap_or("accepted")
}

#[tokio::test]
async fn a_database_that_is_away_refuses_and_the_resend_is_taken_once() {
    let (salon, store, _database) = faulty().await;
    let mut socket = salon.arrive("ada").await;
    socket.join("lobby").await;
    store.plan([Fault::Unavailable]);
    let client_id = ClientId::new();
    let refused = socket.send_as("lobby", client_id, "hello").await;
    assert_eq!(
        (code(&refused), &refused["client_id"]),
        ("unavailable", &json!(client_id))
    );
    assert!(refused["retry_after_ms"].as_u64().is_some());
    assert_eq!(
        code(&socket.send_as("lobby", ClientId::new(), "after").await),
        "behind"
    );
    let ack = socket.send_as("lobby", client_id, "hello").await;
    assert_eq!((&ack["seq"], &ack["duplicate"]), (&json!(1), &json!(false)));
    assert_eq!(stored(&salon, "lobby").await, ["hello"]);
}

#[tokio::test]
async fn nothing_is_shown_of_what_is_not_committed() {
    let (salon, store, _database) = faulty().await;
    let (mut ada, mut bob) = (salon.arrive("ada").await, salon.arrive("bob").await);
    for socket in [&mut ada, &mut bob] {
        socket.join("lobby").await;
    }
    store.plan([Fault::Unavailable]);
    let client_id = ClientId::new();
    let refused = ada.send_as("lobby", client_id, "kept").await;
    assert_eq!(code(&refused), "unavailable");
    bob.receive_nothing(Duration::from_millis(200)).await;
    store.hold();
    ada.send_json_to(&message("lobby", client_id, "kept")).await;
    applied(&store, 2).await;
    bob.receive_nothing(Duration::from_millis(200)).await;
    store.release();
    let shown = bob.expect("message").await;
    assert_eq!(
        (&shown["version"], &shown["message"]["body"]),
        (&json!(1), &json!("kept"))
    );
}

#[tokio::test]
async fn a_lost_commit_is_settled_by_running_it_again() {
    for fault in [Fault::CommittedUnknown, Fault::LostUnknown] {
        let (salon, store, _database) = faulty().await;
        let mut reading = salon.arrive("bob").await;
        let mut client = RoomClient::new("lobby");
        client.take(&reading.join("lobby").await);
        let mut socket = salon.arrive("ada").await;
        socket.join("lobby").await;
        // Twice lost, and the database away in between.
        store.plan([fault, Fault::Unavailable, fault]);
        let ack = socket.send_as("lobby", ClientId::new(), "once").await;
        assert_eq!(
            (code(&ack), &ack["seq"]),
            ("accepted", &json!(1)),
            "{fault:?}"
        );
        while client.cursor < 1 {
            client.take(&reading.receive_json_from().await);
        }
        client.check();
        assert_eq!(client.bodies(), ["once"]);
        assert_eq!(socket.send("lobby", "next").await["seq"], 2);
    }
}

#[tokio::test]
async fn a_lost_commit_of_anything_else_is_answered_as_it_was() {
    let (salon, store, _database) = faulty().await;
    let owner = salon.user("owner").await;
    let room = salon.make_room(&owner, "club", Visibility::Private).await;
    let ada = salon.user("ada").await;
    store.plan([Fault::CommittedUnknown]);
    salon.add(&room, &owner, &ada).await;
    store.plan([Fault::CommittedUnknown]);
    let removal = salon.remove(&room, &owner, &ada).await;
    assert_eq!(removal, 2, "each took one version, once");
    let head = salon.store.heads(&[room.room.id]).await.unwrap()[0];
    assert_eq!(head.version, 2);
}

#[tokio::test]
async fn what_stays_unknown_is_said_to_be_unknown_after_five_seconds() {
    let database = TestDatabase::open().await;
    let store = FaultyStore::over(database.store.clone());
    let mut build = Build::over(store.clone());
    // Runners, on a runtime of their own, would hold the one writing connection while time flies here.
    build.runs = false;
    let salon = Instance::start(build);
    let mut socket = salon.arrive("ada").await;
    socket.join("lobby").await;
    for (fault, rerun) in [(Fault::CommittedUnknown, true), (Fault::LostUnknown, false)] {
        store.otherwise(fault);
        tokio::time::pause();
        let begun = tokio::time::Instant::now();
        let client_id = ClientId::new();
        let answer = socket.send_as("lobby", client_id, "maybe").await;
        let took = begun.elapsed();
        tokio::time::resume();
        assert_eq!(code(&answer), "outcome_unknown", "{fault:?}");
        assert!(
            took >= limits::OUTCOME_TIMEOUT && took < Duration::from_secs(6),
            "{took:?}"
        );
        store.otherwise(Fault::Pass);
        // What was pipelined behind is held back; the resend tells.
        assert_eq!(
            code(&socket.send_as("lobby", ClientId::new(), "after").await),
            "behind"
        );
        let ack = socket.send_as("lobby", client_id, "maybe").await;
        assert_eq!(
            (code(&ack), &ack["duplicate"]),
            ("accepted", &json!(rerun)),
            "{fault:?}"
        );
    }
    assert_eq!(stored(&salon, "lobby").await, ["maybe", "maybe"]);
}

#[tokio::test]
async fn a_change_that_cannot_be_stored_fails_alone() {
    let (salon, store, _database) = faulty().await;
    let mut sockets = Vec::new();
    let owner = salon.user("owner").await;
    for slug in ["a", "b", "c"] {
        salon.make_room(&owner, slug, Visibility::Public).await;
        let mut socket = salon.arrive(slug).await;
        socket.join(slug).await;
        sockets.push((slug, socket));
    }
    store.poison("poison");
    store.hold();
    let mut first = salon.arrive("first").await;
    first.join("a").await;
    first
        .send_json_to(&message("a", ClientId::new(), "first"))
        .await;
    applied(&store, 1).await;
    // All of these gather in one batch.
    for (slug, socket) in &mut sockets {
        for number in 0..5 {
            let body = if *slug == "b" && number == 2 {
                "poison".to_owned()
            } else {
                format!("{number}")
            };
            let mut frame = message(slug, ClientId::new(), &body);
            frame["ref"] = json!(format!("{number}"));
            socket.send_json_to(&frame).await;
        }
        socket.ask(json!({"type": "ping"})).await;
    }
    store.release();
    for (slug, socket) in &mut sockets {
        for number in 0..5 {
            let answer = socket.answer(&number.to_string()).await;
            let expected = if *slug == "b" && number == 2 {
                "internal"
            } else {
                "accepted"
            };
            assert_eq!(code(&answer), expected, "{slug} {number}");
        }
    }
    assert_eq!(stored(&salon, "b").await, ["0", "1", "3", "4"]);
    assert_eq!(
        stored(&salon, "a").await,
        ["first", "0", "1", "2", "3", "4"]
    );
    assert_eq!(stored(&salon, "c").await, ["0", "1", "2", "3", "4"]);
}

async fn room_with_socket(
    salon: &Instance,
    slug: &str,
) -> (salon::ids::RoomId, WebsocketCommunicator) {
    let owner = salon.user(&format!("{slug}-owner")).await;
    let room = salon.make_room(&owner, slug, Visibility::Public).await;
    let mut socket = salon.connect(&owner).await;
    socket.join(slug).await;
    (room.room.id, socket)
}

#[tokio::test]
async fn a_locked_room_stalls_no_other_and_keeps_its_order() {
    let (salon, store, _database) = faulty().await;
    let (locked_id, mut locked) = room_with_socket(&salon, "locked").await;
    let (_, mut free) = room_with_socket(&salon, "free").await;
    store.hold();
    free.send_json_to(&message("free", ClientId::new(), "first"))
        .await;
    applied(&store, 1).await;
    store.lock_room(locked_id);
    // One batch of both rooms.
    for number in 0..3 {
        locked
            .send_json_to(&message("locked", ClientId::new(), &format!("{number}")))
            .await;
        free.send_json_to(&message("free", ClientId::new(), &format!("{number}")))
            .await;
    }
    locked.ask(json!({"type": "ping"})).await;
    free.ask(json!({"type": "ping"})).await;
    store.release();
    for _ in 0..4 {
        free.expect("message.accepted").await;
    }
    // More of both, while the lock is held.
    for number in 3..6 {
        locked
            .send_json_to(&message("locked", ClientId::new(), &format!("{number}")))
            .await;
        free.send("free", &format!("{number}")).await;
    }
    assert_eq!(stored(&salon, "locked").await, Vec::<String>::new());
    store.unlock_room(locked_id);
    for number in 1..=6 {
        assert_eq!(locked.expect("message.accepted").await["seq"], number);
    }
    assert_eq!(
        stored(&salon, "locked").await,
        ["0", "1", "2", "3", "4", "5"]
    );
    assert_eq!(locked.send("locked", "after").await["seq"], 7);
}

#[tokio::test]
async fn a_locked_room_that_is_alone_in_its_batch_stalls_no_other_either() {
    let (salon, store, _database) = faulty().await;
    let (locked_id, mut locked) = room_with_socket(&salon, "locked").await;
    let (_, mut free) = room_with_socket(&salon, "free").await;
    store.lock_room(locked_id);
    locked
        .send_json_to(&message("locked", ClientId::new(), "waits"))
        .await;
    locked.ask(json!({"type": "ping"})).await;
    // One lane writes both rooms.
    assert_eq!(free.send("free", "goes").await["seq"], 1);
    store.unlock_room(locked_id);
    assert_eq!(locked.expect("message.accepted").await["seq"], 1);
}

#[tokio::test]
async fn what_waits_too_long_for_its_turn_is_refused_and_nothing_overtakes_it() {
    let (salon, store, _database) = faulty().await;
    let mut socket = salon.arrive("ada").await;
    socket.join("lobby").await;
    store.hold();
    let ids = [ClientId::new(), ClientId::new(), ClientId::new()];
    let send = |id: ClientId, body: &str| message("lobby", id, body);
    socket.send_json_to(&send(ids[0], "in flight")).await;
    applied(&store, 1).await;
    let began = std::time::Instant::now();
    socket.send_json_to(&send(ids[1], "second")).await;
    socket.send_json_to(&send(ids[2], "third")).await;
    for _ in 0..2 {
        let refused = socket.expect("error").await;
        assert_eq!(code(&refused), "unavailable");
        assert!(refused["retry_after_ms"].is_u64(), "{refused}");
    }
    let took = began.elapsed();
    assert!(
        took >= limits::WRITER_WAIT && took < limits::WRITER_WAIT + Duration::from_secs(2),
        "{took:?}"
    );
    store.release();
    assert_eq!(socket.expect("message.accepted").await["seq"], 1);
    // The third only after the second, as they were sent.
    let third = socket.send_as("lobby", ids[2], "third").await;
    assert_eq!(code(&third), "behind");
    for (id, body) in [(ids[1], "second"), (ids[2], "third")] {
        assert_eq!(code(&socket.send_as("lobby", id, body).await), "accepted");
    }
    assert_eq!(
        stored(&salon, "lobby").await,
        ["in flight", "second", "third"]
    );
}

#[tokio::test]
async fn what_came_before_a_send_refused_at_once_is_not_held_back_by_it() {
    let (salon, store, _database) = faulty().await;
    let many = limits::IN_FLIGHT_PER_SOCKET;
    let mut socket = salon.arrive("ada").await;
    socket.join("lobby").await;
    store.hold();
    let ids: Vec<ClientId> = (0..many + 3).map(|_| ClientId::new()).collect();
    for (number, id) in ids.iter().enumerate() {
        let mut frame = message("lobby", *id, &format!("{number}"));
        frame["ref"] = json!(format!("{number}"));
        socket.send_json_to(&frame).await;
    }
    // So many may be unanswered; the others are told at once.
    for number in many..many + 3 {
        assert_eq!(code(&socket.answer(&number.to_string()).await), "busy");
    }
    store.release();
    for number in 0..many {
        let answer = socket.answer(&number.to_string()).await;
        assert_eq!(answer["seq"], json!(number + 1), "{answer}");
    }
    // And those keep their order.
    assert_eq!(
        code(&socket.send_as("lobby", ids[many + 1], "later").await),
        "behind"
    );
    for (number, id) in ids.iter().enumerate().skip(many) {
        let answer = socket.send_as("lobby", *id, &format!("{number}")).await;
        assert_eq!(answer["seq"], json!(number + 1), "{answer}");
    }
}

#[tokio::test]
async fn a_closing_writer_writes_what_it_took_and_refuses_the_rest() {
    let (salon, store, _database) = faulty().await;
    let mut socket = salon.arrive("ada").await;
    socket.join("lobby").await;
    store.hold();
    for number in 0..20 {
        socket
            .send_json_to(&message("lobby", ClientId::new(), &format!("{number}")))
            .await;
    }
    socket.ask(json!({"type": "ping"})).await;
    let writer = Arc::clone(&salon.writer);
    let closing = tokio::spawn(async move { writer.close().await });
    tokio::task::yield_now().await;
    store.release();
    tokio::time::timeout(Duration::from_secs(10), closing)
        .await
        .unwrap()
        .unwrap();
    for number in 1..=20 {
        assert_eq!(socket.expect("message.accepted").await["seq"], number);
    }
    assert_eq!(
        code(&socket.send_as("lobby", ClientId::new(), "late").await),
        "shutting_down"
    );
}
