//! Each limit with its refusal, over the socket and by HTTP, and what it leaves to others.

use std::net::Ipv4Addr;
use std::sync::Arc;

use salon::channel_layer::counters::in_memory::InMemoryCounters;
use salon::ids::ClientId;
use serde_json::{Value, json};

use crate::support::app::{Answer, TestApp, ask, person};
use crate::support::communicator::WebsocketCommunicator;
use crate::support::instance::{Build, Instance, TestDatabase};

async fn instance(flags: &[&'static str]) -> (Instance, TestDatabase) {
    let database = TestDatabase::open().await;
    let mut build = Build::over(database.store.clone());
    build.flags = flags.to_vec();
    (Instance::start(build), database)
}

fn expect_limited(answer: &Answer) {
    assert_eq!(answer.code(), "rate_limited", "{answer:?}");
    assert!(answer.headers.contains_key("retry-after"));
    assert!(answer.json()["retry_after_ms"].as_u64() > Some(0));
}

fn expect_limited_frame(frame: &Value) {
    assert_eq!(frame["code"], "rate_limited", "{frame}");
    assert!(frame["retry_after_ms"].as_u64() > Some(0), "{frame}");
}

/// Asks so often; how many were answered, and the last answer.
async fn times(app: &TestApp, token: &str, what: &str, bodies: &[Value]) -> (usize, Answer) {
    let mut answered = 0;
    let mut last = None;
    for body in bodies {
        let answer = ask(app, token, what, body.clone()).await;
        answered += usize::from(answer.status.is_success());
        last = Some(answer);
    }
    (answered, last.unwrap())
}

#[tokio::test]
async fn rooms_invites_and_searches_are_bounded_by_user_and_by_address() {
    let flags = [
        "--rate-rooms",
        "3",
        "--rate-invites",
        "3",
        "--rate-searches",
        "3",
        "--rate-share-address",
        "2",
    ];
    let app = TestApp::start(&flags).await;
    let users = [
        app.guest("ada").await,
        app.guest("bo").await,
        app.guest("cy").await,
    ];
    let rooms = |user: usize| -> Vec<Value> {
        let room = |number| json!({"slug": format!("r-{user}-{number}"), "visibility": "private"});
        (0..5).map(room).collect()
    };
    let (made, refused) = times(&app, &users[0], "POST /api/rooms", &rooms(0)).await;
    assert_eq!(made, 3);
    expect_limited(&refused);
    // The second has its own; then the address has none left for the third.
    let (made, _) = times(&app, &users[1], "POST /api/rooms", &rooms(1)).await;
    assert_eq!(made, 3);
    let (made, refused) = times(&app, &users[2], "POST /api/rooms", &rooms(2)).await;
    assert_eq!(made, 0);
    expect_limited(&refused);
    let direct = ask(
        &app,
        &users[2],
        "POST /api/direct",
        json!({"users": ["ada"]}),
    )
    .await;
    expect_limited(&direct);
    let what = "POST /api/rooms/r-0-0/invites";
    let (made, refused) = times(&app, &users[0], what, &vec![json!({}); 5]).await;
    assert_eq!(made, 3);
    expect_limited(&refused);
    let nothing = vec![Value::Null; 5];
    let what = "GET /api/search?q=tides";
    for (user, expected) in users.iter().zip([3, 3, 0]) {
        let (found, refused) = times(&app, user, what, &nothing).await;
        assert_eq!(found, expected);
        expect_limited(&refused);
    }
}

#[tokio::test]
async fn two_instances_have_one_budget_and_one_address_cannot_use_up_anothers() {
    let counters = InMemoryCounters::new();
    let flags = ["--rate-sign-ins", "4"];
    let one = TestApp::counted_by(&flags, counters.clone()).await;
    let two = TestApp::counted_by(&flags, counters.another_instance()).await;
    let guest = async |app: &TestApp, address: &str| {
        let request = app.request("POST".parse().unwrap(), "/api/guests");
        let request = request.json(&json!({"name": "Bo"})).peer(address);
        request.send().await
    };
    for app in [&one, &two, &one, &two] {
        assert_eq!(guest(app, "9.9.9.9").await.status, 201);
    }
    for app in [&one, &two] {
        expect_limited(&guest(app, "9.9.9.9").await);
        assert_eq!(guest(app, "8.8.8.8").await.status, 201);
        // A whole network of IPv6 is one address.
        assert_eq!(guest(app, "2001:db8::1").await.status, 201);
        assert_eq!(guest(app, "2001:db8::2").await.status, 201);
    }
    expect_limited(&guest(&one, "2001:db8::3").await);
}

#[tokio::test]
async fn joins_are_bounded_by_socket_and_by_user() {
    let flags = [
        "--rate-joins",
        "1",
        "--rate-share-user",
        "2",
        "--rate-frames",
        "100000",
    ];
    let (salon, _database) = instance(&flags).await;
    let ada = salon.user("ada").await;
    let mut sockets = Vec::new();
    for _ in 0..3 {
        sockets.push(salon.connect(&ada).await);
    }
    // Each socket has its burst of 400, the user those of two.
    let mut joined = [0; 3];
    for (socket, joined) in sockets.iter_mut().zip(&mut joined) {
        for _ in 0..420 {
            let answer = socket
                .ask(json!({"type": "room.join", "room": "lobby"}))
                .await;
            match answer["type"].as_str() {
                Some("room.joined") => *joined += 1,
                _ => expect_limited_frame(&answer),
            }
        }
    }
    assert!((400..=420).contains(&joined[0]), "{joined:?}");
    assert!(
        (800..=860).contains(&joined.iter().sum::<usize>()),
        "{joined:?}"
    );
    // Somebody else joins.
    salon.arrive("bo").await.join("lobby").await;
}

async fn prompt(socket: &mut WebsocketCommunicator, room: &str, body: &str) -> Value {
    socket.send_as(room, ClientId::new(), body).await
}

#[tokio::test]
async fn prompts_are_bounded_and_what_calls_nobody_is_not() {
    let (salon, _database) = instance(&["--rate-prompts", "3"]).await;
    let mut ada = salon.arrive("ada").await;
    ada.join("lobby").await;
    for number in 0..3 {
        let answer = prompt(&mut ada, "lobby", &format!("@assistant {number}")).await;
        assert_eq!(answer["type"], "message.accepted", "{answer}");
    }
    let client_id = ClientId::new();
    let refused = ada.send_as("lobby", client_id, "@assistant four").await;
    expect_limited_frame(&refused);
    assert!(
        refused["retry_after_ms"].as_u64() > Some(5_000),
        "a prompt's, not a send's"
    );
    // On another socket of the same user likewise; what calls nobody goes through there.
    let identity = salon.user("bo").await;
    let mut bo = salon.connect(&identity).await;
    bo.join("lobby").await;
    bo.send("lobby", "hello").await;
    assert_eq!(
        prompt(&mut bo, "lobby", "@assistant hi").await["type"],
        "message.accepted"
    );
}

#[tokio::test]
async fn every_message_of_a_direct_room_is_a_prompt_and_among_people_none_is() {
    let app = TestApp::start(&["--rate-prompts", "3"]).await;
    let ada = app.guest("ada").await;
    person(&app, "bo").await;
    let room = async |with: &str| {
        let made = ask(&app, &ada, "POST /api/direct", json!({"users": [with]})).await;
        assert_eq!(made.status, 200, "{made:?}");
        made.json()["slug"].as_str().unwrap().to_owned()
    };
    let (alone, people) = (room("assistant").await, room("bo").await);
    let hello = vec![json!({"body": "hello"}); 5];
    let what = format!("POST /api/rooms/{alone}/messages");
    let (sent, refused) = times(&app, &ada, &what, &hello).await;
    assert_eq!(sent, 3);
    expect_limited(&refused);
    assert!(refused.json()["retry_after_ms"].as_u64() > Some(5_000));
    let what = format!("POST /api/rooms/{people}/messages");
    assert_eq!(times(&app, &ada, &what, &hello).await.0, 5);
    expect_limited(&ask(&app, &ada, "POST /api/chat", json!({"message": "hi"})).await);
    let retry = format!("POST /api/rooms/{alone}/replies/2/retry");
    expect_limited(&ask(&app, &ada, &retry, Value::Null).await);
}

#[tokio::test]
async fn a_message_that_is_stored_is_answered_whatever_the_budgets_say() {
    let flags = [
        "--rate-sends",
        "1",
        "--rate-sends-burst",
        "2",
        "--rate-share-user",
        "1",
    ];
    let (salon, _database) = instance(&flags).await;
    let ada = salon.user("ada").await;
    let (mut one, mut two) = (salon.connect(&ada).await, salon.connect(&ada).await);
    one.join("lobby").await;
    two.join("lobby").await;
    let ids = [ClientId::new(), ClientId::new()];
    for id in ids {
        assert_eq!(
            one.send_as("lobby", id, "x").await["type"],
            "message.accepted"
        );
    }
    // The other socket has its own burst, but the user has none left.
    let refused = two.send_as("lobby", ClientId::new(), "y").await;
    expect_limited_frame(&refused);
    let mut three = salon.connect(&ada).await;
    three.join("lobby").await;
    let again = three.send_as("lobby", ids[0], "x").await;
    assert_eq!(
        (&again["seq"], &again["duplicate"]),
        (&json!(1), &json!(true)),
        "{again}"
    );
}

#[tokio::test]
async fn streams_have_places_among_the_sockets() {
    let app = TestApp::start(&["--sockets-per-user", "2"]).await;
    let token = app.guest("ada").await;
    let me = ask(&app, &token, "GET /api/me", Value::Null).await.json();
    let user = me["user"]["id"].as_str().unwrap().parse().unwrap();
    let client = app.app.quotas.client(user, Ipv4Addr::LOCALHOST.into());
    let places = [client.open().await.unwrap(), client.open().await.unwrap()];
    ask(&app, &token, "POST /api/rooms/lobby/join", Value::Null).await;
    for what in ["GET /api/rooms/lobby/events", "GET /api/rooms/lobby/export"] {
        let refused = ask(&app, &token, what, Value::Null).await;
        assert_eq!(refused.code(), "too_many", "{what}");
        assert!(refused.headers.contains_key("retry-after"));
    }
    drop(places);
    let what = "GET /api/rooms/lobby/export";
    assert_eq!(ask(&app, &token, what, Value::Null).await.status, 200);
    let quotas = Arc::clone(&app.app.quotas);
    let again = quotas.client(user, Ipv4Addr::LOCALHOST.into());
    assert!(again.open().await.is_ok());
}
