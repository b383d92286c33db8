//! Outgoing webhooks against a scripted receiver: what comes, in which order, signed how, and what happens when the receiver
//! does not take it.

mod faults;
mod receiver;

use std::time::Duration;

use salon::limits;
use serde_json::{Value, json};

use crate::support::process::eventually;
use crate::support::server::TestServer;
use receiver::{Receiver, Record, Reply};

const DEADLINE: Duration = Duration::from_secs(30);
const ALLOW: [&str; 2] = ["--webhook-allow", "127.0.0.1"];

/// A server, its owner's token, and the room `den`.
pub(super) struct World {
    pub(super) server: TestServer,
    pub(super) token: String,
}

impl World {
    async fn start(flags: &[&str]) -> Self {
        let server = TestServer::start(flags).await;
        let account = json!({"name": "ada", "password": "correct horse"});
        let (status, made) = server.request("POST", "/api/users", None, &account).await;
        assert_eq!(status, 201, "{made}");
        let token = made["token"].as_str().unwrap().to_owned();
        let world = Self { server, token };
        world
            .ok("POST /api/rooms", json!({"slug": "den", "name": "Den"}))
            .await;
        world
    }

    async fn ask(&self, what: &str, body: Value) -> (u16, Value) {
        let (method, path) = what.split_once(' ').unwrap();
        self.server
            .request(method, path, Some(&self.token), &body)
            .await
    }

    async fn ok(&self, what: &str, body: Value) -> Value {
        let (status, answer) = self.ask(what, body).await;
        assert!((200..300).contains(&status), "{what}: {status} {answer}");
        answer
    }

    /// A webhook of these events; its id and its secret.
    async fn hook(&self, url: &str, events: Value) -> (String, String) {
        let wanted = json!({"url": url, "events": events});
        let made = self
            .ok("POST /api/rooms/den/outgoing-webhooks", wanted)
            .await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&made["webhook"]["id"]), text(&made["secret"]))
    }

    async fn post(&self, body: &str) -> Value {
        self.ok("POST /api/rooms/den/messages", json!({"body": body}))
            .await
    }

    /// The webhook as it is listed.
    async fn shown(&self) -> Value {
        let list = self
            .ok("GET /api/rooms/den/outgoing-webhooks", Value::Null)
            .await;
        list["webhooks"][0].clone()
    }

    async fn wait_until_shown(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        eventually(what, DEADLINE, async || holds(&self.shown().await)).await;
        self.shown().await
    }
}

/// Those that `docs/protocol.md` tells.
pub(crate) fn limits_of_webhooks() -> [(&'static str, i64); 7] {
    let ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap();
    let url_bytes = i64::try_from(limits::WEBHOOK_URL_BYTES).unwrap();
    let tests = i64::from(limits::WEBHOOK_TESTS_PER_MINUTE);
    [
        ("WEBHOOKS_PER_ROOM", limits::WEBHOOKS_PER_ROOM),
        ("WEBHOOK_URL_BYTES", url_bytes),
        ("WEBHOOK_CHANGES", limits::WEBHOOK_CHANGES),
        ("WEBHOOK_TIMEOUT", ms(limits::WEBHOOK_TIMEOUT)),
        ("WEBHOOK_RETRY_LONGEST", ms(limits::WEBHOOK_RETRY_LONGEST)),
        ("WEBHOOK_ATTEMPTS", limits::WEBHOOK_ATTEMPTS),
        ("WEBHOOK_TESTS_PER_MINUTE", tests),
    ]
}

fn all() -> Value {
    json!(["message", "message.changed", "room.changed"])
}

fn status(status: u16) -> Reply {
    Reply::Status(status, Vec::new(), "said")
}

/// Checks that each delivery is signed, of its form, and continues the one before; all events in order.
fn continuous(records: &[Record], id: &str, secret: &str) -> Vec<(String, i64)> {
    let mut place = 1;
    let mut versions = Vec::new();
    for record in records {
        assert!(record.is_signed_with(secret));
        assert_eq!(
            (&record.body["type"], &record.body["webhook"]),
            (&json!("room.events"), &json!(id))
        );
        assert_eq!(record.header("webhook-id"), record.body["delivery"]);
        assert_eq!(record.header("content-type"), "application/json");
        assert_eq!(record.body["room"]["slug"], "den");
        assert_eq!(record.body["from"], place, "one continues the other");
        place = record.body["to"].as_i64().unwrap();
        versions.extend(record.events());
    }
    assert!(
        versions.windows(2).all(|pair| pair[0].1 < pair[1].1),
        "{versions:?}"
    );
    versions
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_comes_in_order_signed_and_soon() {
    let receiver = Receiver::start([]).await;
    let world = World::start(&ALLOW).await;
    world.post("before").await;
    let (id, secret) = world.hook(&receiver.url(), all()).await;
    let began = tokio::time::Instant::now();
    world.post("first").await;
    let records = receiver.wait_for(1).await;
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(
        records[0].bodies(),
        ["first"],
        "nothing of before it was made"
    );
    for number in 0..30 {
        world.post(&format!("message {number}")).await;
    }
    receiver
        .wait("all messages", |records| {
            records.last().is_some_and(|last| last.body["to"] == 32)
        })
        .await;
    world
        .ok(
            "PATCH /api/rooms/den/messages/2",
            json!({"body": "first, edited"}),
        )
        .await;
    world
        .ok("PUT /api/rooms/den/messages/3/pin", Value::Null)
        .await;
    world
        .ok("PATCH /api/rooms/den", json!({"topic": "tea"}))
        .await;
    let head = world.ok("GET /api/rooms/den", Value::Null).await["version"].clone();
    let records = receiver
        .wait("everything", |records| {
            records.last().is_some_and(|last| last.body["to"] == head)
        })
        .await;
    let versions = continuous(&records, &id, &secret);
    let last: Vec<&str> = versions
        .iter()
        .rev()
        .take(3)
        .rev()
        .map(|(event, _)| event.as_str())
        .collect();
    assert_eq!(last, ["message.changed", "message.changed", "room.changed"]);
    let new = versions
        .iter()
        .filter(|(event, _)| event == "message")
        .count();
    assert_eq!(new, 31, "each message is new once");
    let frame = &records.last().unwrap().body["events"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()["frame"];
    assert_eq!(
        (&frame["type"], &frame["data"]["topic"]),
        (&json!("room.changed"), &json!("tea"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_taken_is_sent_again_and_nothing_is_skipped() {
    let receiver = Receiver::start([status(500), Reply::Cut, status(302), status(204)]).await;
    let world = World::start(&ALLOW).await;
    let (id, secret) = world.hook(&receiver.url(), json!(["message"])).await;
    world.post("one").await;
    receiver.wait_for(1).await;
    world.post("two").await;
    let shown = world
        .wait_until_shown("it failed", |shown| shown["failures"] != 0)
        .await;
    assert_eq!(shown["last"]["status"], 500);
    assert_eq!(shown["last"]["detail"], "said");
    receiver
        .wait("all", |records| {
            records.iter().any(|it| it.bodies() == ["two"])
        })
        .await;
    let records = receiver.records();
    assert_eq!(records.len(), 5, "no redirect was followed");
    for record in &records[..4] {
        assert_eq!(
            record.bodies(),
            ["one"],
            "every attempt at one delivery ends where the first did"
        );
        assert_eq!(record.header("webhook-id"), records[0].header("webhook-id"));
        assert!(record.is_signed_with(&secret));
    }
    assert_ne!(
        records[4].header("webhook-id"),
        records[0].header("webhook-id")
    );
    let shown = world
        .wait_until_shown("it is delivered", |shown| shown["version"] == 2)
        .await;
    assert_eq!(
        (&shown["failures"], &shown["last"]["outcome"]),
        (&json!(0), &json!("delivered"))
    );
    let attempts = world
        .ok(
            &format!("GET /api/rooms/den/outgoing-webhooks/{id}/attempts"),
            Value::Null,
        )
        .await;
    let outcomes: Vec<&str> = attempts["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(
        outcomes,
        [
            "delivered",
            "delivered",
            "refused",
            "unreachable",
            "refused"
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_before_it_is_delivered_does_not_leave() {
    let receiver = Receiver::start([status(503)]).await;
    let world = World::start(&ALLOW).await;
    world.hook(&receiver.url(), all()).await;
    world.post("a secret said by mistake").await;
    receiver.wait_for(1).await;
    world
        .ok("DELETE /api/rooms/den/messages/1", Value::Null)
        .await;
    let records = receiver
        .wait("the deletion", |records| {
            records.last().is_some_and(|last| last.body["to"] == 2)
        })
        .await;
    for record in &records[1..] {
        assert!(!String::from_utf8_lossy(&record.bytes).contains("mistake"));
    }
    let told = records.last().unwrap();
    assert_eq!(told.events(), [("message.changed".to_owned(), 2)]);
    assert!(!told.body["events"][0]["frame"]["message"]["deleted_at"].is_null());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_of_the_assistant_comes_as_its_settled_message() {
    let receiver = Receiver::start([]).await;
    let world = World::start(&["--webhook-allow", "127.0.0.1", "--scripted-delay-ms", "5"]).await;
    world.hook(&receiver.url(), json!(["message"])).await;
    world.post("@assistant how do tides work?").await;
    let records = receiver
        .wait("the reply", |records| {
            records.iter().any(|it| it.body["to"] == 3)
        })
        .await;
    let events: Vec<Value> = records
        .iter()
        .flat_map(|it| it.body["events"].as_array().unwrap().clone())
        .collect();
    assert_eq!(
        events.len(),
        2,
        "the prompt and the reply, once each: {events:#?}"
    );
    let reply = &events[1]["frame"]["message"];
    assert_eq!(
        (&reply["state"], &reply["kind"]),
        (&json!("complete"), &json!("assistant"))
    );
    assert!(!reply["body"].as_str().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_gone_is_switched_off_and_who_asks_to_wait_is_left_alone() {
    let wait = vec![("retry-after", "3600".to_owned())];
    let receiver = Receiver::start([Reply::Status(503, wait, ""), status(410)]).await;
    let world = World::start(&ALLOW).await;
    let (id, _) = world.hook(&receiver.url(), all()).await;
    world.post("one").await;
    let shown = world
        .wait_until_shown("it failed", |shown| shown["failures"] == 1)
        .await;
    assert_eq!(shown["last"]["status"], 503);
    let one = format!("/api/rooms/den/outgoing-webhooks/{id}");
    // Switched on anew it does not wait.
    world
        .ok(&format!("PATCH {one}"), json!({"enabled": true}))
        .await;
    let shown = world
        .wait_until_shown("it is off", |shown| shown["enabled"] == false)
        .await;
    assert_eq!(
        (&shown["disabled_reason"], &shown["last"]["status"]),
        (&json!("gone"), &json!(410))
    );
    world.post("two").await;
    assert_eq!(receiver.records().len(), 2);
    world
        .ok(&format!("PATCH {one}"), json!({"enabled": true}))
        .await;
    let records = receiver
        .wait("the rest", |records| {
            records.iter().any(|it| it.taken && it.body["to"] == 2)
        })
        .await;
    assert!(records.len() <= 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_event_and_a_new_secret_are_signed() {
    let receiver = Receiver::start([status(200), status(204), status(418)]).await;
    let world = World::start(&ALLOW).await;
    let (id, first) = world.hook(&receiver.url(), all()).await;
    let one = format!("/api/rooms/den/outgoing-webhooks/{id}");
    let told = world.ok(&format!("POST {one}/test"), Value::Null).await;
    assert_eq!(
        (&told["outcome"], &told["status"], &told["detail"]),
        (&json!("delivered"), &json!(200), &json!("said"))
    );
    let second = world.ok(&format!("POST {one}/secret"), Value::Null).await;
    let second = second["secret"].as_str().unwrap().to_owned();
    world.ok(&format!("POST {one}/test"), Value::Null).await;
    let told = world.ok(&format!("POST {one}/test"), Value::Null).await;
    assert_eq!(
        (&told["outcome"], &told["status"]),
        (&json!("refused"), &json!(418))
    );
    let records = receiver.records();
    assert_eq!(
        (&records[0].body["type"], &records[0].body["events"]),
        (&json!("test"), &json!([]))
    );
    assert!(records[0].is_signed_with(&first) && !records[0].is_signed_with(&second));
    assert!(records[1].is_signed_with(&first) && records[1].is_signed_with(&second));
    assert_ne!(
        records[0].header("webhook-id"),
        records[1].header("webhook-id")
    );
    let list = world
        .ok("GET /api/rooms/den/outgoing-webhooks", Value::Null)
        .await
        .to_string();
    assert!(
        !list.contains(&first) && !list.contains(&second) && !list.contains("whsec_"),
        "{list}"
    );
    let mut refused = None;
    for _ in 0..limits::WEBHOOK_TESTS_PER_MINUTE {
        let (status, answer) = world.ask(&format!("POST {one}/test"), Value::Null).await;
        refused = (status == 429).then(|| answer["code"].clone()).or(refused);
    }
    assert_eq!(refused, Some(json!("rate_limited")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn private_targets_and_wrong_wishes_are_refused() {
    let receiver = Receiver::start([]).await;
    let world = World::start(&[]).await;
    let make = "POST /api/rooms/den/outgoing-webhooks";
    for (url, status, code) in [
        (receiver.url(), 400, "target_refused"),
        ("https://127.0.0.1/".into(), 400, "target_refused"),
        ("https://localhost/".into(), 400, "target_refused"),
        ("https://[::ffff:10.0.0.1]/".into(), 400, "target_refused"),
        (
            "https://ada:horse@93.184.216.34/".into(),
            400,
            "bad_request",
        ),
        ("ftp://93.184.216.34/".into(), 400, "bad_request"),
        (
            format!("https://93.184.216.34/{}", "x".repeat(2_048)),
            400,
            "bad_request",
        ),
    ] {
        let (got, answer) = world.ask(make, json!({"url": url})).await;
        assert_eq!(
            (got, answer["code"].as_str()),
            (status, Some(code)),
            "{url}"
        );
    }
    for events in [json!([]), json!(["presence"]), json!("message")] {
        let wanted = json!({"url": "https://93.184.216.34/", "events": events});
        assert_eq!(world.ask(make, wanted).await.0, 400, "{events}");
    }
    let made = world
        .ok(make, json!({"url": "https://93.184.216.34/x#y"}))
        .await;
    assert_eq!(
        (&made["webhook"]["url"], &made["webhook"]["events"]),
        (&json!("https://93.184.216.34/x"), &json!(["message"]))
    );
    let one = format!(
        "/api/rooms/den/outgoing-webhooks/{}",
        made["webhook"]["id"].as_str().unwrap()
    );
    let (status, answer) = world
        .ask(&format!("PATCH {one}"), json!({"url": receiver.url()}))
        .await;
    assert_eq!(
        (status, answer["code"].as_str()),
        (400, Some("target_refused"))
    );
    assert_eq!(world.ask(&format!("PATCH {one}x"), json!({})).await.0, 404);
    assert!(receiver.records().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_are_of_those_who_manage_the_room_and_not_many() {
    let world = World::start(&[]).await;
    let make = "POST /api/rooms/den/outgoing-webhooks";
    let made = world
        .ok(make, json!({"url": "https://93.184.216.34/"}))
        .await;
    let one = format!(
        "/api/rooms/den/outgoing-webhooks/{}",
        made["webhook"]["id"].as_str().unwrap()
    );
    let guest = world.server.guest("eve").await;
    let (status, answer) = world
        .server
        .request(
            "GET",
            "/api/rooms/den/outgoing-webhooks",
            Some(&guest),
            &Value::Null,
        )
        .await;
    assert_eq!(
        (status, answer["code"].as_str()),
        (403, Some("not_a_member"))
    );
    for _ in 1..limits::WEBHOOKS_PER_ROOM {
        world
            .ok(make, json!({"url": "https://93.184.216.34/"}))
            .await;
    }
    let (status, answer) = world
        .ask(make, json!({"url": "https://93.184.216.34/"}))
        .await;
    assert_eq!((status, answer["code"].as_str()), (429, Some("too_many")));
    world.ok(&format!("DELETE {one}"), Value::Null).await;
}
