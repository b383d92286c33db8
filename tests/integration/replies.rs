//! The assistant's replies on the wire: from the prompt to the last word, whoever stops, fails or dies (P8, P9).

use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use salon::channel_layer::in_memory::InMemoryLayer;
use salon::db::Store as _;
use salon::error::ErrorCode;
use salon::llm::http::Timeouts;
use salon::llm::openai::{OpenAiProvider, OpenAiSettings};
use salon::llm::{Completion, Delta, DeltaStream, LlmError, LlmProvider};
use serde_json::{Value, json};

use crate::support::client::RoomClient;
use crate::support::communicator::WebsocketCommunicator;
use crate::support::fake_provider::{Answer, Ending, FakeProvider};
use crate::support::instance::{Build, FakeModel, Instance, TestDatabase, words};

fn done() -> Option<Result<Delta, LlmError>> {
    Some(Ok(Delta::Done(Completion {
        stop_reason: "end".into(),
        ..Completion::default()
    })))
}

pub(crate) fn answer(count: usize, pause: Duration) -> DeltaStream {
    words(count, pause, || std::future::ready(done()).boxed())
}

/// A model that talks until it is stopped.
pub(crate) fn endless() -> DeltaStream {
    answer(100_000, Duration::from_millis(20))
}

/// A model that says nothing and does not end.
pub(crate) fn silent() -> DeltaStream {
    futures_util::stream::pending().boxed()
}

pub(crate) fn build(database: &TestDatabase, provider: Arc<dyn LlmProvider>) -> Build {
    let mut build = Build::over(database.store.clone());
    build.provider = provider;
    build
}

/// An instance with that model.
pub(crate) async fn salon_with(provider: Arc<dyn LlmProvider>) -> (Instance, TestDatabase) {
    let database = TestDatabase::open().await;
    (Instance::start(build(&database, provider)), database)
}

fn openai(server: &FakeProvider) -> Arc<dyn LlmProvider> {
    let settings = OpenAiSettings {
        base_url: server.openai_url(),
        api_key: "sk-test".into(),
        model: "model-o".into(),
        timeouts: Timeouts {
            retry_first: Duration::from_millis(10),
            retry_longest: Duration::from_millis(20),
            ..Timeouts::default()
        },
        reach: crate::llm::on_this_machine(),
    };
    Arc::new(OpenAiProvider::new(settings).unwrap())
}

/// A socket in the lobby and what its client holds.
pub(crate) async fn enter(
    mut socket: WebsocketCommunicator,
) -> (WebsocketCommunicator, RoomClient) {
    let mut client = RoomClient::new("lobby");
    client.take(&socket.join("lobby").await);
    (socket, client)
}

/// Reads until the reply stands in a state that is not `queued`; the message.
pub(crate) async fn read_settled(
    socket: &mut WebsocketCommunicator,
    client: &mut RoomClient,
    seq: i64,
) -> Value {
    loop {
        if let Some(message) = client.messages.get(&seq)
            && message["state"] != "queued"
        {
            client.check();
            return message.clone();
        }
        client.take(&socket.receive_json_from().await);
    }
}

/// Reads until the reply has some text.
pub(crate) async fn read_text(
    socket: &mut WebsocketCommunicator,
    client: &mut RoomClient,
    seq: i64,
) -> String {
    loop {
        if let Some(reply) = client.replies.get(&seq)
            && !reply.text.is_empty()
        {
            return reply.text.clone();
        }
        client.take(&socket.receive_json_from().await);
    }
}

#[tokio::test]
async fn a_prompt_is_queued_written_and_settled_as_it_was_shown() {
    let model = FakeModel::new(|_| answer(60, Duration::from_millis(10)));
    let (salon, database) = salon_with(model).await;
    let ada = salon.user("ada").await;
    let (mut socket, mut client) = enter(salon.connect(&ada).await).await;
    let seq = socket.prompt("lobby", "tell me").await;
    assert_eq!(seq, 2);
    while client.cursor < 2 {
        client.take(&socket.receive_json_from().await);
    }
    let queued = client.messages[&seq].clone();
    assert_eq!(
        (&queued["state"], &queued["body"]),
        (&json!("queued"), &json!(""))
    );
    assert_eq!(queued["reply"]["prompt_seq"], 1);
    let (mut text, mut chunks) = (String::new(), 0);
    let settled = loop {
        let frame = socket.receive_json_from().await;
        client.take(&frame);
        match frame["type"].as_str().unwrap() {
            "reply.delta" => {
                assert_eq!(
                    (&frame["chunk"], &frame["attempt"]),
                    (&json!(chunks + 1), &json!(1))
                );
                chunks += frame["count"].as_i64().unwrap();
                text.push_str(frame["text"].as_str().unwrap());
            }
            "message" if frame["message"]["seq"] == seq => break frame["message"].clone(),
            _ => {}
        }
    };
    assert!(chunks > 3, "it came in pieces: {chunks}");
    assert_eq!(
        (&settled["state"], settled["body"].as_str().unwrap()),
        (&json!("complete"), text.as_str())
    );
    assert_eq!(text.split_whitespace().count(), 60);
    let reply = &settled["reply"];
    assert_eq!(
        (&reply["attempt"], &reply["model"], &reply["stop_reason"]),
        (&json!(1), &json!("fake"), &json!("end"))
    );
    let stored = database
        .store
        .message(ada.user.id, "lobby", seq)
        .await
        .unwrap();
    assert_eq!(stored.body, text);
    socket.receive_nothing(Duration::from_millis(100)).await;
    client.check();
}

#[tokio::test]
async fn only_a_mention_calls_the_assistant() {
    let (salon, _database) = salon_with(FakeModel::new(|_| silent())).await;
    let mut socket = salon.arrive("ada").await;
    socket.join("lobby").await;
    for body in [
        "hello",
        "mail me: x@assistant.example",
        "assistant?",
        "@assistants",
    ] {
        assert_eq!(
            socket.send("lobby", body).await["reply_seq"],
            Value::Null,
            "{body}"
        );
    }
    assert!(socket.send("lobby", "what says @assistant, then?").await["reply_seq"].is_i64());
}

#[tokio::test]
async fn stopping_keeps_what_was_shown_and_closes_the_provider() {
    let server = FakeProvider::start([Answer::stream().endless(Duration::from_millis(10))]);
    let (salon, _database) = salon_with(openai(&server)).await;
    let (mut socket, mut client) = enter(salon.arrive("ada").await).await;
    let seq = socket.prompt("lobby", "go on").await;
    read_text(&mut socket, &mut client, seq).await;
    let stop = json!({"type": "reply.stop", "room": "lobby", "seq": seq});
    assert_eq!(socket.ask(stop.clone()).await["type"], "ok");
    let settled = read_settled(&mut socket, &mut client, seq).await;
    assert_eq!(settled["state"], "stopped");
    assert!(settled["body"].as_str().unwrap().starts_with("again "));
    assert_eq!(server.ending(0).await, Ending::ClosedByClient);
    assert_eq!(socket.ask(stop).await["code"], "reply_settled");
}

#[tokio::test]
async fn a_queued_reply_stops_at_once() {
    let database = TestDatabase::open().await;
    let mut build = build(&database, FakeModel::new(|_| endless()));
    build.runs = false;
    let salon = Instance::start(build);
    let (mut socket, mut client) = enter(salon.arrive("ada").await).await;
    let seq = socket.prompt("lobby", "wait").await;
    assert_eq!(
        socket
            .ask(json!({"type": "reply.stop", "room": "lobby", "seq": seq}))
            .await["type"],
        "ok"
    );
    let settled = read_settled(&mut socket, &mut client, seq).await;
    assert_eq!(
        (&settled["state"], &settled["body"]),
        (&json!("stopped"), &json!(""))
    );
}

#[tokio::test]
async fn who_may_not_steer_a_reply_is_refused() {
    let (salon, _database) = salon_with(FakeModel::new(|_| endless())).await;
    let (mut ada, _) = enter(salon.arrive("ada").await).await;
    let (mut bob, _) = enter(salon.arrive("bob").await).await;
    let seq = ada.prompt("lobby", "go").await;
    let stop = |seq: i64| json!({"type": "reply.stop", "room": "lobby", "seq": seq});
    let retry = |seq: i64| json!({"type": "reply.retry", "room": "lobby", "seq": seq});
    assert_eq!(bob.ask(stop(seq)).await["code"], "forbidden");
    assert_eq!(bob.ask(retry(seq)).await["code"], "forbidden");
    assert_eq!(ada.ask(retry(seq)).await["code"], "reply_running");
    for missing in [1, 77] {
        assert_eq!(ada.ask(stop(missing)).await["code"], "reply_not_found");
        assert_eq!(ada.ask(retry(missing)).await["code"], "reply_not_found");
    }
    assert_eq!(ada.ask(stop(seq)).await["type"], "ok");
}

#[tokio::test]
async fn a_retry_writes_the_same_reply_anew() {
    let model = FakeModel::new(|call| match call {
        0 => endless(),
        _ => answer(12, Duration::from_millis(5)),
    });
    let (salon, _database) = salon_with(model).await;
    let (mut socket, mut client) = enter(salon.arrive("ada").await).await;
    let seq = socket.prompt("lobby", "go").await;
    read_text(&mut socket, &mut client, seq).await;
    socket
        .ask(json!({"type": "reply.stop", "room": "lobby", "seq": seq}))
        .await;
    read_settled(&mut socket, &mut client, seq).await;
    let retried = socket
        .ask(json!({"type": "reply.retry", "room": "lobby", "seq": seq}))
        .await;
    assert_eq!(retried["type"], "ok", "{retried}");
    while client.cursor < retried["version"].as_i64().unwrap() {
        client.take(&socket.receive_json_from().await);
    }
    assert_eq!(client.messages[&seq]["body"], "");
    let settled = read_settled(&mut socket, &mut client, seq).await;
    assert_eq!(
        (&settled["state"], &settled["reply"]["attempt"]),
        (&json!("complete"), &json!(2))
    );
    assert_eq!(
        settled["body"].as_str().unwrap().split_whitespace().count(),
        12
    );
}

#[tokio::test]
async fn going_on_is_a_new_message_that_quotes_the_end() {
    let model = FakeModel::new(|call| match call {
        1 => answer(3, Duration::ZERO),
        _ => endless(),
    });
    let (salon, _database) = salon_with(model).await;
    let (mut socket, mut client) = enter(salon.arrive("ada").await).await;
    let seq = socket.prompt("lobby", "go").await;
    read_text(&mut socket, &mut client, seq).await;
    let client_id = salon::ids::ClientId::new();
    let go_on =
        json!({"type": "reply.continue", "room": "lobby", "seq": seq, "client_id": client_id});
    assert_eq!(socket.ask(go_on.clone()).await["code"], "reply_running");
    socket
        .ask(json!({"type": "reply.stop", "room": "lobby", "seq": seq}))
        .await;
    read_settled(&mut socket, &mut client, seq).await;
    let ack = socket.ask(go_on.clone()).await;
    assert_eq!(
        (&ack["type"], &ack["client_id"]),
        (&json!("message.accepted"), &json!(client_id))
    );
    let next = ack["reply_seq"].as_i64().unwrap();
    let settled = read_settled(&mut socket, &mut client, next).await;
    assert_eq!(settled["state"], "complete");
    let asked = &client.messages[&ack["seq"].as_i64().unwrap()];
    assert_eq!(asked["reply_to"], seq);
    assert!(asked["body"].as_str().unwrap().contains("> wörd0"));
    assert_eq!(socket.ask(go_on.clone()).await["duplicate"], true);
    // A repeat finds its message, also when the reply runs again; another is refused.
    let retry = json!({"type": "reply.retry", "room": "lobby", "seq": seq});
    assert_eq!(socket.ask(retry).await["type"], "ok");
    let again = socket.ask(go_on.clone()).await;
    assert_eq!(
        (&again["duplicate"], &again["seq"]),
        (&json!(true), &ack["seq"])
    );
    let mut other = go_on;
    other["client_id"] = json!(salon::ids::ClientId::new());
    assert_eq!(socket.ask(other).await["code"], "reply_running");
}

#[tokio::test]
async fn a_late_joiner_gets_the_text_so_far_and_then_the_rest() {
    let database = TestDatabase::open().await;
    let layer = InMemoryLayer::new();
    let model = || FakeModel::new(|_| answer(120, Duration::from_millis(15)));
    let mut first = build(&database, model());
    first.layer = layer.clone();
    let one = Instance::start(first);
    let mut second = build(&database, model());
    second.layer = layer.another_instance();
    // It only reads, so its feed starts in the middle of the reply.
    second.runs = false;
    let two = Instance::start(second);
    let (mut ada, mut ada_client) = enter(one.arrive("ada").await).await;
    let seq = ada.prompt("lobby", "tell").await;
    read_text(&mut ada, &mut ada_client, seq).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    let mut late = Vec::new();
    for (salon, name) in [(&one, "late"), (&two, "later")] {
        let mut socket = salon.arrive(name).await;
        let mut client = RoomClient::new("lobby");
        let joined = socket.join("lobby").await;
        client.take(&joined);
        // By the greeting, or behind the version that began it where the page was read before.
        read_text(&mut socket, &mut client, seq).await;
        late.push((socket, client));
    }
    let whole = read_settled(&mut ada, &mut ada_client, seq).await["body"].clone();
    for (socket, client) in &mut late {
        let mut text = String::new();
        while client
            .messages
            .get(&seq)
            .is_none_or(|message| message["state"] == "queued")
        {
            if let Some(reply) = client.replies.get(&seq) {
                text.clone_from(&reply.text);
            }
            client.take(&socket.receive_json_from().await);
        }
        client.check();
        assert_eq!(client.messages[&seq]["body"], whole);
        assert_eq!(
            text,
            whole.as_str().unwrap(),
            "all of it was assembled from the pieces"
        );
    }
}

#[tokio::test]
async fn a_reply_is_seen_alike_on_two_instances() {
    let database = TestDatabase::open().await;
    let layer = InMemoryLayer::new();
    let model = FakeModel::new(|_| answer(40, Duration::from_millis(10)));
    let mut first = build(&database, model.clone());
    first.layer = layer.clone();
    let mut second = build(&database, model.clone());
    second.layer = layer.another_instance();
    let (one, two) = (Instance::start(first), Instance::start(second));
    let (mut ada, mut ada_client) = enter(one.arrive("ada").await).await;
    let (mut bob, mut bob_client) = enter(two.arrive("bob").await).await;
    for _ in 0..4 {
        let seq = ada.prompt("lobby", "tell").await;
        let here = read_settled(&mut ada, &mut ada_client, seq).await;
        let there = read_settled(&mut bob, &mut bob_client, seq).await;
        assert_eq!(here, there);
        assert_eq!(here["state"], "complete");
    }
    assert_eq!(model.calls(), 4, "each prompt was answered once");
}

#[tokio::test]
async fn a_provider_that_fails_leaves_its_text_and_a_public_code() {
    let cases = [
        (Answer::status(401, "invalid_key"), "", "provider_auth"),
        (
            Answer::status(402, "insufficient_quota"),
            "",
            "provider_quota",
        ),
        (
            Answer::stream()
                .piece("so ")
                .piece("far")
                .delay(Duration::from_millis(80))
                .cut(),
            "so far",
            "provider_truncated",
        ),
        (
            Answer::stream()
                .piece("part")
                .delay(Duration::from_millis(80))
                .error("server_error"),
            "part",
            "provider_unavailable",
        ),
    ];
    let server = FakeProvider::start(cases.iter().map(|(answer, ..)| answer.clone()));
    let (salon, _database) = salon_with(openai(&server)).await;
    let (mut socket, mut client) = enter(salon.arrive("ada").await).await;
    for (number, (_, text, code)) in cases.iter().enumerate() {
        let seq = socket.prompt("lobby", "try").await;
        let settled = read_settled(&mut socket, &mut client, seq).await;
        assert_eq!(
            (settled["state"].as_str(), settled["body"].as_str()),
            (Some("failed"), Some(*text)),
            "{number}"
        );
        let told = settled["reply"]["error"].as_str().unwrap();
        assert_eq!(told, *code, "{number}");
        assert!(ErrorCode::from_code(told).is_some());
        assert!(!settled.to_string().contains("sk-secret-key"));
    }
    // A failed one may be tried again.
    server.push(Answer::text(&["at ", "last"]));
    let seq = client.messages.keys().copied().max().unwrap();
    assert_eq!(
        socket
            .ask(json!({"type": "reply.retry", "room": "lobby", "seq": seq}))
            .await["type"],
        "ok"
    );
    while client.messages[&seq]["state"] != "queued" {
        client.take(&socket.receive_json_from().await);
    }
    let settled = read_settled(&mut socket, &mut client, seq).await;
    assert_eq!(
        (&settled["state"], &settled["body"]),
        (&json!("complete"), &json!("at last"))
    );
    assert_eq!(settled["reply"].get("error"), None);
}

#[tokio::test]
async fn deltas_come_at_the_promised_pace_however_fast_the_model_is() {
    let (salon, _database) =
        salon_with(FakeModel::new(|_| answer(1_500, Duration::from_millis(1)))).await;
    let (mut socket, mut client) = enter(salon.arrive("ada").await).await;
    let seq = socket.prompt("lobby", "fast").await;
    let mut came = Vec::new();
    while client
        .messages
        .get(&seq)
        .is_none_or(|message| message["state"] == "queued")
    {
        let frame = socket.receive_json_from().await;
        if frame["type"] == "reply.delta" {
            came.push(tokio::time::Instant::now());
        }
        client.take(&frame);
    }
    client.check();
    let seconds = came.last().unwrap().duration_since(came[0]).as_secs_f64();
    let most = 25.0 + 15.0 * (seconds - 1.0).max(0.0) + 3.0;
    assert!(came.len() as f64 <= most, "{} in {seconds} s", came.len());
    assert!(came.len() > 5);
}

/// A feed that starts between a piece and its saving sees neither; nothing after it shows the hole.
#[tokio::test]
async fn a_feed_that_starts_while_the_model_pauses_shows_what_was_said() {
    let database = TestDatabase::open().await;
    let layer = InMemoryLayer::new();
    let model = || FakeModel::new(|_| words(1, Duration::ZERO, || std::future::pending().boxed()));
    let mut first = build(&database, model());
    first.layer = layer.clone();
    let one = Instance::start(first);
    let mut second = build(&database, model());
    (second.layer, second.runs) = (layer.another_instance(), false);
    let two = Instance::start(second);
    let mut reader = two.arrive("reader").await;
    let (mut ada, mut ada_client) = enter(one.arrive("ada").await).await;
    let seq = ada.prompt("lobby", "tell").await;
    let said = read_text(&mut ada, &mut ada_client, seq).await;
    let mut client = RoomClient::new("lobby");
    client.take(&reader.join("lobby").await);
    assert_eq!(read_text(&mut reader, &mut client, seq).await, said);
    client.check();
}
