//! A room as server-sent events: the promises of a socket over another transport. Cursors across instances, removals,
//! sign-outs, drains and readers that stop reading (P3, P7, P11).

use std::net::Ipv4Addr;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use futures_util::StreamExt;
use salon::channel_layer::in_memory::InMemoryLayer;
use salon::db::rows::{Identity, Visibility};
use salon::ids::ClientId;
use salon::limits;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::time::Instant;
use tower::ServiceExt;

use crate::support::app::HOST;
use crate::support::client::RoomClient;
use crate::support::communicator::message;
use crate::support::event_stream::{ApiClient, EventStream, StreamEvent};
use crate::support::instance::{Build, Instance, TestDatabase};
use crate::support::server::TestServer;

/// Asks an instance; what it answers, whatever it is.
async fn ask(
    salon: &Instance,
    token: &str,
    path: &str,
    last_id: Option<&str>,
) -> axum::response::Response {
    let router = salon::routes::router(salon.app.clone(), salon.consumers.clone());
    let mut request = Request::get(path)
        .header(header::HOST, HOST)
        .header(header::AUTHORIZATION, format!("Bearer {token}"));
    if let Some(id) = last_id {
        request = request.header("last-event-id", id);
    }
    router
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap()
}

/// The room's events from an instance.
async fn open(salon: &Instance, token: &str, room: &str, last_id: Option<&str>) -> EventStream {
    let answer = ask(salon, token, &format!("/api/rooms/{room}/events"), last_id).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    EventStream::of(
        answer
            .into_body()
            .into_data_stream()
            .map(|bytes| bytes.unwrap()),
    )
}

/// The code of a refusal.
async fn code(answer: axum::response::Response) -> Value {
    let bytes = axum::body::to_bytes(answer.into_body(), 10_000)
        .await
        .unwrap();
    serde_json::from_slice::<Value>(&bytes).unwrap()["code"].clone()
}

/// A guest of the store that all instances share, as identity and token.
async fn guest(salon: &Instance, name: &str) -> (Identity, String) {
    let signed_in = salon
        .app
        .auth
        .guest(name, Default::default())
        .await
        .unwrap();
    (signed_in.identity, signed_in.token.reveal().to_owned())
}

/// Two instances over one database.
async fn two() -> (Instance, Instance, TestDatabase) {
    let database = TestDatabase::open().await;
    let layer = InMemoryLayer::new();
    let other = layer.another_instance();
    let start = |layer| {
        let mut build = Build::over(database.store.clone());
        build.layer = layer;
        Instance::start(build)
    };
    (start(layer), start(other), database)
}

/// Takes events up to a version; the last id.
async fn read_up_to(events: &mut EventStream, client: &mut RoomClient, version: i64) -> String {
    let mut last_id = String::new();
    while client.cursor < version {
        let event = events.next().await.expect("the stream ended");
        take(client, &event, &mut last_id);
    }
    client.check();
    last_id
}

/// Takes one event, whose id must be the cursor that it brings its reader to.
fn take(client: &mut RoomClient, event: &StreamEvent, last_id: &mut String) {
    assert_eq!(event.data["type"], event.name.as_str(), "{event:?}");
    client.take(&event.data);
    if let Some(id) = &event.id {
        assert_eq!(
            *id,
            format!("{}:{}", client.epoch.as_str().unwrap(), client.cursor)
        );
        last_id.clone_from(id);
    }
}

#[tokio::test]
async fn a_cursor_is_served_by_any_instance() {
    let (one, two, _database) = two().await;
    let (_, token) = guest(&one, "ada").await;
    let mut writing = one.arrive("writer").await;
    writing.join("lobby").await;
    writing.send("lobby", "before").await;
    let mut events = open(&one, &token, "lobby", None).await;
    let mut client = RoomClient::new("lobby");
    let first = events.expect("room.joined").await;
    take(&mut client, &first, &mut String::new());
    writing.send("lobby", "live").await;
    let last_id = read_up_to(&mut events, &mut client, 2).await;
    assert_eq!(client.bodies(), ["before", "live"]);
    drop(events);
    for number in 0..30 {
        writing.send("lobby", &format!("missed {number}")).await;
    }
    // By the header, at another instance; and by the query, at the first.
    let mut elsewhere = open(&two, &token, "lobby", Some(&last_id)).await;
    let mut again = RoomClient::new("lobby");
    let query = format!("/api/rooms/lobby/events?after={last_id}");
    let answer = ask(&one, &token, &query, None).await;
    let mut by_query = EventStream::of(
        answer
            .into_body()
            .into_data_stream()
            .map(|bytes| bytes.unwrap()),
    );
    for (events, client) in [(&mut elsewhere, &mut client), (&mut by_query, &mut again)] {
        let joined = events.expect("room.joined").await;
        assert_eq!(
            (&joined.data["messages"], &joined.data["reset"]),
            (&json!([]), &Value::Null)
        );
        take(client, &joined, &mut String::new());
        read_up_to(events, client, 32).await;
    }
    assert_eq!(client.bodies().len(), 32);
    assert_eq!(again.bodies().len(), 30, "what followed the cursor");
    // What comes now reaches both.
    writing.send("lobby", "to all").await;
    read_up_to(&mut elsewhere, &mut client, 33).await;
    read_up_to(&mut by_query, &mut again, 33).await;
    // A cursor of another history is told so.
    let mut reset = open(&two, &token, "lobby", Some("1:5")).await;
    let joined = reset.expect("room.joined").await;
    assert_eq!(joined.data["reset"], "epoch");
    let mut anew = RoomClient::new("lobby");
    take(&mut anew, &joined, &mut String::new());
    read_up_to(&mut reset, &mut anew, 33).await;
    assert_eq!(anew.bodies(), client.bodies());
}

#[tokio::test]
async fn a_cursor_older_than_the_ring_is_caught_up_without_a_hole() {
    let (salon, _database) = Instance::alone().await;
    let (_, token) = guest(&salon, "ada").await;
    let mut writing = salon.arrive("writer").await;
    let joined = writing.join("lobby").await;
    let count = limits::RING_RANGES as i64 + 300;
    for _ in 0..count {
        writing.send("lobby", &"long ".repeat(100)).await;
    }
    let start = format!("{}:0", joined["epoch"].as_str().unwrap());
    let mut events = open(&salon, &token, "lobby", Some(&start)).await;
    let mut client = RoomClient::new("lobby");
    read_up_to(&mut events, &mut client, count).await;
    assert_eq!(client.applied, (1..=count).collect::<Vec<_>>());
    let live = writing.send("lobby", "live").await["version"]
        .as_i64()
        .unwrap();
    read_up_to(&mut events, &mut client, live).await;
}

#[tokio::test]
async fn a_removal_ends_it_exactly_there() {
    let (one, two, _database) = two().await;
    let owner = one.user("owner").await;
    let room = one.make_room(&owner, "club", Visibility::Private).await;
    let (ada, token) = guest(&one, "ada").await;
    one.add(&room, &owner, &ada).await;
    let mut streams = Vec::new();
    for salon in [&one, &two] {
        streams.push((
            open(salon, &token, "club", None).await,
            RoomClient::new("club"),
        ));
    }
    let mut writing = one.connect(&owner).await;
    writing.join("club").await;
    for number in 0..100 {
        let body = format!("{number}");
        writing
            .send_json_to(&message("club", ClientId::new(), &body))
            .await;
    }
    let removal = two.remove(&room, &owner, &ada).await;
    for _ in 0..100 {
        writing.expect("message.accepted").await;
    }
    writing.send("club", "secret").await;
    for (events, client) in &mut streams {
        let all = events.rest().await;
        let last = all.last().unwrap();
        assert_eq!(
            (last.name.as_str(), &last.id),
            ("room.removed", &None),
            "{last:?}"
        );
        assert_eq!(last.data["version"], removal);
        let mut last_id = String::new();
        all.iter()
            .for_each(|event| take(client, event, &mut last_id));
        client.check();
        assert_eq!(
            client.cursor,
            removal - 1,
            "all up to the removal, and nothing above"
        );
        // Coming back with the last id is refused before any event.
        for salon in [&one, &two] {
            let refused = ask(salon, &token, "/api/rooms/club/events", Some(&last_id)).await;
            assert_eq!(code(refused).await, "room_not_found");
        }
    }
}

#[tokio::test]
async fn reading_makes_nobody_a_member_and_a_bad_id_is_refused() {
    let (salon, _database) = Instance::alone().await;
    let owner = salon.user("owner").await;
    salon.make_room(&owner, "open", Visibility::Public).await;
    let (_, token) = guest(&salon, "ada").await;
    let events = async |path: &str, id| code(ask(&salon, &token, path, id).await).await;
    assert_eq!(events("/api/rooms/open/events", None).await, "not_a_member");
    assert_eq!(
        events("/api/rooms/none/events", None).await,
        "room_not_found"
    );
    assert_eq!(
        events("/api/rooms/lobby/events", Some("7")).await,
        "bad_request"
    );
    assert_eq!(
        events("/api/rooms/lobby/events?after=x:1", None).await,
        "bad_request"
    );
    salon.app.shutdown.drain();
    assert_eq!(
        events("/api/rooms/lobby/events", None).await,
        "shutting_down"
    );
    assert_eq!(
        salon.consumers.connections.count(),
        0,
        "nothing is left of them"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_out_and_a_drain_end_it_with_a_word() {
    let server = TestServer::start(&[]).await;
    let url = format!("http://127.0.0.1:{}", server.port);
    let ada = ApiClient::guest_at(url.clone(), "ada").await;
    let bob = ApiClient::guest_at(url, "bob").await;
    let mut ending = ada.room_events("lobby", None).await;
    let mut staying = bob.room_events("lobby", None).await;
    ending.expect("room.joined").await;
    staying.expect("room.joined").await;
    let signed_out = Instant::now();
    ada.delete("/api/sessions/current").await;
    let last = ending.rest().await;
    assert!(
        signed_out.elapsed() < Duration::from_secs(1),
        "{:?}",
        signed_out.elapsed()
    );
    // Who else came may be told at the last moment.
    let last: Vec<_> = last
        .into_iter()
        .filter(|event| event.name != "presence")
        .collect();
    assert_eq!(last.len(), 1, "{last:?}");
    assert_eq!(
        (last[0].name.as_str(), &last[0].data["code"]),
        ("error", &json!("unauthenticated"))
    );
    let posted = bob
        .post("/api/rooms/lobby/messages", &json!({"body": "still here"}))
        .await;
    assert_eq!(posted.0, 201);
    assert_eq!(
        staying.expect("message").await.data["message"]["body"],
        "still here"
    );
    server.shutdown.stop();
    let drain = staying.expect("drain").await;
    assert_eq!(drain.retry, drain.data["reconnect_after_ms"].as_u64());
    let rest = staying.rest().await;
    let last = rest.last().unwrap();
    assert_eq!(last.data["code"], "shutting_down", "{rest:?}");
    server.stopped(Duration::from_secs(15)).await;
}

/// What is whole of the events in what a connection got, without the pieces of the transfer.
fn whole_events(text: &str) -> Vec<Value> {
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter_map(|data| serde_json::from_str(data).ok())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stops_is_ended_and_comes_back_with_its_cursor() {
    let server = TestServer::start(&["--rate-sends", "10000", "--rate-sends-burst", "10000"]).await;
    let url = format!("http://127.0.0.1:{}", server.port);
    let ada = ApiClient::guest_at(url, "ada").await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let address = (Ipv4Addr::LOCALHOST, server.port).into();
    let mut slow = socket.connect(address).await.unwrap();
    let request = format!(
        "GET /api/rooms/lobby/events HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {}\r\n\r\n",
        ada.token()
    );
    slow.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 8];
    slow.read_exact(&mut head).await.unwrap();
    let mut writing = server.connect(&server.guest("writer").await).await;
    writing.join("lobby").await;
    let begun = Instant::now();
    // More than a pipe, an outbox and two kernels' buffers hold.
    let count = 300;
    for number in 0..count {
        writing
            .send("lobby", &format!("{number} {}", "x".repeat(10_000)))
            .await;
    }
    let metric = || server.request("GET", "/api/config", None, &Value::Null);
    assert_eq!(metric().await.0, 200, "others are served");
    // Ended by the server, though this end never reads and never closes.
    let mut rest = Vec::new();
    let deadline = limits::WRITE_TIMEOUT + limits::CLOSE_TIMEOUT + Duration::from_secs(3);
    tokio::time::sleep_until(begun + deadline).await;
    let read = tokio::time::timeout(Duration::from_secs(5), slow.read_to_end(&mut rest)).await;
    // A reset is an end too.
    let _ended = read.expect("the connection goes on");
    let mut held = RoomClient::new("lobby");
    let text = String::from_utf8_lossy(&rest).into_owned();
    for frame in whole_events(&text) {
        held.take(&frame);
    }
    held.check();
    assert!(
        held.cursor < count,
        "it was not read to the end: {}",
        held.cursor
    );
    let last_id = format!("{}:{}", held.epoch.as_str().unwrap(), held.cursor);
    let mut back = ada.room_events("lobby", Some(&last_id)).await;
    read_up_to(&mut back, &mut held, count).await;
    assert_eq!(held.bodies().len(), count as usize);
    server.shutdown.stop();
    drop(back);
    server.stopped(Duration::from_secs(15)).await;
}
