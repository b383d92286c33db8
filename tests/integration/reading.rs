//! What one has read, on every socket of one's own; who is mentioned; and what the others hear of it.

use std::sync::Arc;
use std::time::Duration;

use salon::channel_layer::ChannelLayer;
use salon::db::rows::Visibility;
use salon::db::sqlite::SqliteStore;
use salon::limits;
use serde_json::{Value, json};

use crate::support::communicator::WebsocketCommunicator;
use crate::support::instance::{Build, Instance, TestDatabase};
use crate::support::lossy_layer::{Weather, lossy_pair};

async fn two_instances() -> (Instance, Instance, TestDatabase) {
    let database = TestDatabase::open().await;
    let weather = Weather {
        lost: 0.0,
        doubled: 0.0,
        delayed: 0.0,
    };
    let (first, second) = lossy_pair(weather, 1);
    let start = |layer: Arc<dyn ChannelLayer>| {
        let mut build = Build::over(database.store.clone());
        (build.layer, build.runs, build.presence) = (layer, false, true);
        Instance::start(build)
    };
    (start(first), start(second), database)
}

fn mark(room: &str, seq: i64) -> Value {
    json!({"type": "read.mark", "room": room, "seq": seq})
}

/// What a socket is told of its user's reading.
async fn told(socket: &mut WebsocketCommunicator) -> (i64, i64, i64) {
    let frame = socket.expect("user.read").await;
    let number = |field: &str| frame[field].as_i64().unwrap();
    (number("seq"), number("unread"), number("mentions"))
}

/// Checks that no frame of this type comes for so long.
async fn hear_no(socket: &mut WebsocketCommunicator, kind: &str, within: Duration) {
    let end = tokio::time::Instant::now() + within;
    while let Some(frame) = socket
        .receive_within(end - tokio::time::Instant::now())
        .await
    {
        assert_ne!(frame["type"], kind, "{frame}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_read_on_one_socket_is_read_on_all() {
    let (one, two, _database) = two_instances().await;
    let (ada, bob) = (one.user("ada").await, one.user("bob").await);
    let mut laptop = one.connect(&ada).await;
    let mut phone = two.connect(&ada).await;
    let joined = laptop.join("lobby").await;
    assert_eq!(
        [&joined["room"]["last_read_seq"], &joined["room"]["unread"]],
        [&json!(0), &json!(0)]
    );
    let mut other = two.connect(&bob).await;
    other.join("lobby").await;
    for number in 1..=4 {
        let body = if number == 3 { "hello @Ada" } else { "hello" };
        other.send("lobby", body).await;
    }
    let named = laptop
        .expect_where("message", |frame| frame["message"]["seq"] == 3)
        .await;
    assert_eq!(named["message"]["mentions"], json!([ada.user.id]));
    let plain = laptop
        .expect_where("message", |frame| frame["message"]["seq"] == 4)
        .await;
    assert!(plain["message"].get("mentions").is_none());
    let joined = phone.join("lobby").await;
    let room = &joined["room"];
    assert_eq!((&room["unread"], &room["mentions"]), (&json!(4), &json!(1)));

    laptop.send_json_to(&mark("lobby", 2)).await;
    for socket in [&mut laptop, &mut phone] {
        assert_eq!(told(socket).await, (2, 2, 1));
    }
    // A lower one is none, whether it comes in the same second or later.
    for seq in [4, 3, 1] {
        phone.send_json_to(&mark("lobby", seq)).await;
    }
    for socket in [&mut laptop, &mut phone] {
        assert_eq!(told(socket).await, (4, 0, 0));
    }
    let receipt = other.expect_where("read", |frame| frame["seq"] == 4).await;
    assert_eq!(receipt["user"], json!(ada.user.id));
    laptop.send_json_to(&mark("lobby", 99)).await;
    hear_no(&mut laptop, "user.read", limits::READ_INTERVAL * 2).await;
    let view = one.app.chat.room(&ada, "lobby").await.unwrap();
    assert_eq!(view.read.unwrap().seq, 4);
    let refused = laptop.ask(mark("nowhere", 1)).await;
    assert_eq!(refused["code"], "room_not_found");
    let refused = laptop.ask(mark("lobby", 0)).await;
    assert_eq!(refused["code"], "bad_request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_mentioned_or_mutes_hears_it_where_the_room_is_not_joined() {
    let (one, two, _database) = two_instances().await;
    let (ada, bob) = (one.user("ada").await, one.user("bob").await);
    let room = one.make_room(&bob, "den", Visibility::Private).await;
    one.add(&room, &bob, &ada).await;
    // In no room at all, and on another instance than where it is said.
    let mut window = two.connect(&ada).await;
    let mut other = one.connect(&bob).await;
    other.join("den").await;
    other.send("den", "hello").await;
    for _ in 0..5 {
        other.send("den", "hello @ada").await;
    }
    let mut frames = 0;
    loop {
        let told = window.expect("user.mentioned").await;
        frames += 1;
        assert_eq!(told["room"], "den");
        if told["mentions"] == 5 {
            assert_eq!((&told["last_seq"], &told["unread"]), (&json!(6), &json!(6)));
            break;
        }
    }
    assert!(frames <= 3, "coalesced, and not one for each: {frames}");
    // One that was counted while it was still on its way is told again.
    while window
        .receive_within(limits::READ_INTERVAL * 2)
        .await
        .is_some()
    {}
    // Words that mention nobody are no news, nor is a repeat or a mark on what did.
    let client_id = salon::ids::ClientId::new();
    other.send_as("den", client_id, "hello").await;
    other.send_as("den", client_id, "hello @ada").await;
    let mark = json!({"type": "reaction.add", "room": "den", "seq": 2, "emoji": "👍"});
    other.ask(mark).await;
    hear_no(&mut window, "user.mentioned", limits::READ_INTERVAL * 2).await;
    for muted in [true, false] {
        one.app.chat.set_muted(&ada, "den", muted).await.unwrap();
        let told = window.expect("user.muted").await;
        assert_eq!(
            (&told["room"], &told["muted"]),
            (&json!("den"), &json!(muted))
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_hears_everywhere_of_rooms_it_got_and_lost() {
    let (one, two, _database) = two_instances().await;
    let (owner, ada) = (one.user("owner").await, one.user("ada").await);
    let mut socket = two.connect(&ada).await;
    let mut bystander = two.connect(&owner).await;
    let chat = &one.app.chat;
    one.make_room(&owner, "club", Visibility::Private).await;
    let gained = bystander.expect("user.rooms").await;
    assert_eq!(gained["gained"], json!(["club"]));
    let member = salon::permissions::Role::Member;
    chat.set_member(&owner, "club", "ada", member)
        .await
        .unwrap();
    let gained = socket.expect("user.rooms").await;
    assert_eq!(
        (&gained["gained"], &gained["lost"]),
        (&json!(["club"]), &json!([]))
    );
    chat.remove_member(&owner, "club", ada.user.id)
        .await
        .unwrap();
    let lost = socket.expect("user.rooms").await;
    assert_eq!(
        (&lost["gained"], &lost["lost"]),
        (&json!([]), &json!(["club"]))
    );
    bystander.receive_nothing(Duration::from_millis(300)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_larger_room_has_no_receipts() {
    let (one, _two, _database) = two_instances().await;
    let ada = one.user("ada").await;
    let mut socket = one.connect(&ada).await;
    socket.join("lobby").await;
    for number in 0..limits::RECEIPT_MEMBERS {
        one.user(&format!("member {number}")).await;
    }
    socket.send("lobby", "hello").await;
    socket.expect("message").await;
    socket.send_json_to(&mark("lobby", 1)).await;
    assert_eq!(told(&mut socket).await, (1, 0, 0));
    hear_no(&mut socket, "read", Duration::from_millis(500)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_marked_last_is_written_when_a_server_stops() {
    let server = crate::support::server::TestServer::start(&[]).await;
    let token = server.guest("ada").await;
    let mut socket = server.connect(&token).await;
    socket.join("lobby").await;
    for _ in 0..3 {
        socket.send("lobby", "hello").await;
    }
    socket.send_json_to(&mark("lobby", 3)).await;
    // The answer comes behind the mark: it was taken.
    socket.ask(json!({"type": "ping"})).await;
    server.shutdown.stop();
    assert_eq!(socket.closed().await, 1012);
    let folder = server.stopped_with_data(Duration::from_secs(15)).await;
    // What still holds the store is about to let go.
    let data = folder.path().join("data");
    let mut store = SqliteStore::open(&data).await;
    for _ in 0..100 {
        if store.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        store = SqliteStore::open(&data).await;
    }
    let store = store.unwrap();
    let hash = salon::auth::token::Token::parse(&token).unwrap().sha256();
    let ada = salon::db::Store::identity(&*store, &hash)
        .await
        .unwrap()
        .unwrap();
    let view = salon::db::Store::room(&*store, ada.user.id, "lobby")
        .await
        .unwrap();
    assert_eq!(view.read.unwrap().seq, 3);
    store.close().await;
}
