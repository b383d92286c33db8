//! Rooms, members and messages over HTTP, by several people with different rights.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::support::app::{Answer, TestApp};

/// Somebody with a token.
struct Person<'a> {
    app: &'a TestApp,
    token: String,
    id: String,
}

impl<'a> Person<'a> {
    /// Signs up.
    async fn new(app: &'a TestApp, name: &str) -> Self {
        let wanted = json!({"name": name, "password": "correct horse"});
        let request = app.request("POST".parse().unwrap(), "/api/users");
        let made = request.json(&wanted).send().await.json();
        Self {
            app,
            token: made["token"].as_str().unwrap().to_owned(),
            id: made["user"]["id"].as_str().unwrap().to_owned(),
        }
    }

    /// `ask` is a method and a path; a null body is none.
    async fn ask(&self, ask: &str, body: &Value) -> Answer {
        let (method, path) = ask.split_once(' ').unwrap();
        let request = self.app.request(method.parse().unwrap(), path);
        let request = request.bearer(&self.token);
        match body {
            Value::Null => request.send().await,
            body => request.json(body).send().await,
        }
    }

    /// The seqs and `more` of a page of the lobby's messages.
    async fn page(&self, query: &str) -> (Vec<i64>, bool) {
        let ask = format!("GET /api/rooms/lobby/messages{query}");
        let page = self.ask(&ask, &Value::Null).await.json();
        let messages = page["messages"].as_array().unwrap();
        let seqs = messages
            .iter()
            .map(|message| message["seq"].as_i64().unwrap());
        (seqs.collect(), page["more"].as_bool().unwrap())
    }
}

/// The JSON given, or null.
macro_rules! body {
    () => {
        Value::Null
    };
    ($body:tt) => {
        json!($body)
    };
}

/// What somebody is answered; it must be a success.
macro_rules! ok {
    ($who:expr, $ask:expr $(, $body:tt)?) => {{
        let answer = $who.ask(&$ask, &body!($($body)?)).await;
        assert!(answer.status.is_success(), "{}: {answer:?}", $ask);
        answer.json()
    }};
}

/// Somebody is refused with this status and code.
macro_rules! no {
    ($who:expr, $ask:expr $(, $body:tt)? => $status:literal $code:literal) => {{
        let answer = $who.ask(&$ask, &body!($($body)?)).await;
        let got = (answer.status.as_u16(), answer.code());
        assert_eq!(got, ($status, $code.to_owned()), "{}: {answer:?}", $ask);
    }};
}

#[tokio::test]
async fn a_room_is_made_changed_and_deleted_by_its_owner() {
    let app = TestApp::start(&[]).await;
    let ada = Person::new(&app, "Ada").await;
    let bo = Person::new(&app, "Bo").await;
    assert_eq!(ok!(ada, "GET /api/rooms")["rooms"][0]["slug"], "lobby");

    let wanted = json!({"slug": "garden", "name": " The  Garden "});
    let made = ada.ask("POST /api/rooms", &wanted).await;
    assert_eq!(made.status, StatusCode::CREATED);
    assert_eq!(made.headers["location"], "/api/rooms/garden");
    let room = made.json();
    assert_eq!(
        (&room["name"], &room["visibility"]),
        (&json!("The Garden"), &json!("public"))
    );
    assert_eq!(
        (&room["role"], &room["version"]),
        (&json!("owner"), &json!(0))
    );
    no!(bo, "POST /api/rooms", {"slug": "garden"} => 409 "slug_taken");

    assert_eq!(
        ok!(bo, "GET /api/rooms/garden")["role"],
        Value::Null,
        "seen, not joined"
    );
    no!(bo, "GET /api/rooms/garden/messages" => 403 "not_a_member");
    assert_eq!(ok!(bo, "POST /api/rooms/garden/join")["role"], "member");
    no!(bo, "PATCH /api/rooms/garden", {"name": "Mine"} => 403 "forbidden");
    no!(bo, "DELETE /api/rooms/garden" => 403 "forbidden");

    let edited = ok!(ada, "PATCH /api/rooms/garden", {"name": "Park", "visibility": "private"});
    assert_eq!(
        (&edited["name"], &edited["visibility"]),
        (&json!("Park"), &json!("private"))
    );
    assert_eq!(edited["version"], 1);
    assert_eq!(ok!(ada, "DELETE /api/rooms/garden"), json!({"version": 2}));
    no!(ada, "GET /api/rooms/garden" => 404 "room_not_found");
    no!(ada, "POST /api/rooms", {"slug": "garden"} => 409 "slug_taken");
}

#[tokio::test]
async fn a_private_room_does_not_exist_for_others() {
    let app = TestApp::start(&[]).await;
    let ada = Person::new(&app, "Ada").await;
    let eve = Person::new(&app, "Eve").await;
    ok!(ada, "POST /api/rooms", {"slug": "den", "visibility": "private"});
    ok!(ada, "POST /api/rooms/den/messages", {"body": "secret"});
    assert_eq!(
        ok!(eve, "GET /api/rooms")["rooms"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let member = format!("DELETE /api/rooms/den/members/{}", ada.id);
    let asks = [
        ("GET /api/rooms/den", Value::Null),
        ("GET /api/rooms/den/messages", Value::Null),
        ("GET /api/rooms/den/messages/1", Value::Null),
        ("GET /api/rooms/den/messages?after=0", Value::Null),
        ("GET /api/rooms/den/members", Value::Null),
        ("POST /api/rooms/den/join", Value::Null),
        ("POST /api/rooms/den/messages", json!({"body": "hi"})),
        ("POST /api/rooms/den/members", json!({"name": "Eve"})),
        ("POST /api/rooms/den/replies/1/stop", Value::Null),
        ("POST /api/rooms/den/replies/1/retry", Value::Null),
        ("PATCH /api/rooms/den", json!({"name": "x"})),
        ("DELETE /api/rooms/den", Value::Null),
        (&member, Value::Null),
    ];
    for (ask, body) in asks {
        let hidden = eve.ask(ask, &body).await;
        let missing = eve.ask(&ask.replace("den", "none"), &body).await;
        assert_eq!(hidden.code(), "room_not_found", "{ask}");
        assert_eq!(
            hidden.json(),
            missing.json(),
            "{ask}: hidden and missing look the same"
        );
    }
}

#[tokio::test]
async fn members_come_and_change() {
    let app = TestApp::start(&[]).await;
    let ada = Person::new(&app, "Ada").await;
    let bo = Person::new(&app, "Bo").await;
    let cy = Person::new(&app, "Cy").await;
    ok!(ada, "POST /api/rooms", {"slug": "den", "visibility": "private"});
    let add = "POST /api/rooms/den/members";
    assert_eq!(
        ok!(ada, add, {"name": "bo", "role": "moderator"}),
        json!({"version": 1})
    );
    assert_eq!(
        ok!(bo, add, {"name": "Cy", "role": "reader"}),
        json!({"version": 2})
    );
    no!(bo, add, {"name": "Cy", "role": "owner"} => 403 "forbidden");
    no!(ada, add, {"name": "Nobody"} => 404 "user_not_found");
    no!(ada, add, {"name": "Ada", "role": "member"} => 409 "last_owner");
    no!(cy, "POST /api/rooms/den/messages", {"body": "hi"} => 403 "forbidden");

    let listed = ok!(cy, "GET /api/rooms/den/members");
    let listed = listed["members"].as_array().unwrap();
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let listed: Vec<String> = listed
        .iter()
        .map(|member| {
            format!(
                "{} {}",
                word(&member["user"]["name"]),
                word(&member["role"])
            )
        })
        .collect();
    assert_eq!(listed, ["Ada owner", "Bo moderator", "Cy reader"]);
    let after = ok!(cy, format!("GET /api/rooms/den/members?after={}", bo.id));
    assert_eq!(after["members"].as_array().unwrap().len(), 1);
    assert_eq!(after["more"], false);
}

#[tokio::test]
async fn members_leave_and_are_removed() {
    let app = TestApp::start(&[]).await;
    let ada = Person::new(&app, "Ada").await;
    let bo = Person::new(&app, "Bo").await;
    ok!(ada, "POST /api/rooms", {"slug": "den", "visibility": "private"});
    ok!(ada, "POST /api/rooms/den/members", {"name": "Bo"});
    let remove = |person: &Person<'_>| format!("DELETE /api/rooms/den/members/{}", person.id);
    no!(bo, remove(&ada) => 403 "forbidden");
    no!(ada, remove(&ada) => 409 "last_owner");
    assert_eq!(ok!(ada, remove(&bo)), json!({"version": 2}));
    no!(bo, "GET /api/rooms/den/messages" => 404 "room_not_found");
    ok!(ada, "POST /api/rooms/den/members", {"name": "Bo", "role": "owner"});
    assert_eq!(
        ok!(ada, remove(&ada)),
        json!({"version": 4}),
        "anyone may leave"
    );
    no!(ada, "GET /api/rooms/den" => 404 "room_not_found");
}

#[tokio::test]
async fn a_message_is_posted_once() {
    let app = TestApp::start(&[]).await;
    let ada = Person::new(&app, "Ada").await;
    let post = "POST /api/rooms/lobby/messages";
    let client_id = "018f0000-0000-7000-8000-000000000001";
    let sent = json!({"body": "hello", "client_id": client_id, "author": "root", "seq": 99});
    let first = ada.ask(post, &sent).await;
    assert_eq!(first.status, StatusCode::CREATED);
    assert_eq!(first.headers["location"], "/api/rooms/lobby/messages/1");
    let accepted = first.json();
    assert_eq!(
        (&accepted["seq"], &accepted["version"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(
        (&accepted["duplicate"], &accepted["reply_seq"]),
        (&json!(false), &Value::Null)
    );

    let again = ada.ask(post, &sent).await;
    assert_eq!(again.status, StatusCode::OK);
    assert_eq!(
        (&again.json()["seq"], &again.json()["duplicate"]),
        (&json!(1), &json!(true))
    );

    let one = ok!(ada, "GET /api/rooms/lobby/messages/1");
    assert_eq!(
        (&one["body"], &one["author"]["name"]),
        (&json!("hello"), &json!("Ada"))
    );
    assert_eq!(
        (&one["client_id"], &one["state"]),
        (&json!(client_id), &json!("complete"))
    );
    no!(ada, "GET /api/rooms/lobby/messages/77" => 404 "message_not_found");
    no!(ada, post, {"body": "x", "reply_to": 77} => 404 "message_not_found");
}

#[tokio::test]
async fn history_is_paged_both_ways() {
    let app = TestApp::start(&[]).await;
    let ada = Person::new(&app, "Ada").await;
    for number in 1..=5 {
        let body = format!("number {number}");
        ok!(ada, "POST /api/rooms/lobby/messages", {"body": body});
    }
    assert_eq!(ada.page("").await, (vec![1, 2, 3, 4, 5], false));
    assert_eq!(ada.page("?limit=2").await, (vec![4, 5], true));
    assert_eq!(ada.page("?limit=2&before=4").await, (vec![2, 3], true));
    assert_eq!(ada.page("?limit=2&before=2").await, (vec![1], false));
    assert_eq!(ada.page("?limit=2&after=0").await, (vec![1, 2], true));
    assert_eq!(ada.page("?after=3").await, (vec![4, 5], false));
    assert_eq!(ada.page("?after=5").await, (vec![], false));
    assert_eq!(ada.page("?around=3&limit=2").await, (vec![3, 4], true));
    let around = ok!(ada, "GET /api/rooms/lobby/messages?around=2&limit=4");
    assert_eq!(
        (&around["older"], &around["newer"]),
        (&json!(false), &json!(true))
    );
    no!(ada, "GET /api/rooms/lobby/messages?around=6" => 404 "message_not_found");
    for bad in [
        "around=0",
        "before=0",
        "after=-1",
        "before=3&after=1",
        "around=3&before=4",
    ] {
        let path = format!("GET /api/rooms/lobby/messages?{bad}");
        assert_eq!(
            ada.ask(&path, &Value::Null).await.code(),
            "bad_request",
            "{bad}"
        );
    }
}

#[tokio::test]
async fn a_reply_is_stopped_and_asked_for_again() {
    let app = TestApp::start(&[]).await;
    let ada = Person::new(&app, "Ada").await;
    let bo = Person::new(&app, "Bo").await;
    let prompt = ok!(ada, "POST /api/rooms/lobby/messages", {"body": "@assistant are you there?"});
    assert_eq!(prompt["reply_seq"], 2);
    assert_eq!(
        ok!(ada, "GET /api/rooms/lobby/messages/2")["state"],
        "queued"
    );
    let stop = "POST /api/rooms/lobby/replies/2/stop";
    no!(bo, stop => 403 "forbidden");
    no!(ada, "POST /api/rooms/lobby/replies/1/stop" => 404 "reply_not_found");
    assert_eq!(ok!(ada, stop), json!({"version": 3}));
    assert_eq!(
        ok!(ada, "GET /api/rooms/lobby/messages/2")["state"],
        "stopped"
    );
    no!(ada, stop => 409 "reply_settled");
    let retry = "POST /api/rooms/lobby/replies/2/retry";
    no!(bo, retry => 403 "forbidden");
    assert_eq!(ok!(ada, retry), json!({"version": 4}));
    no!(ada, retry => 409 "reply_running");
}

#[tokio::test]
async fn one_user_cannot_ask_or_send_without_end() {
    let app = TestApp::start(&[
        "--rate-sends",
        "1",
        "--rate-sends-burst",
        "2",
        "--rate-frames",
        "5",
    ])
    .await;
    let ada = Person::new(&app, "Ada").await;
    let bo = Person::new(&app, "Bo").await;
    let post = "POST /api/rooms/lobby/messages";
    ok!(ada, post, {"body": "one"});
    ok!(ada, post, {"body": "two"});
    let refused = ada.ask(post, &json!({"body": "three"})).await;
    assert_eq!(refused.code(), "rate_limited");
    assert!(refused.json()["retry_after_ms"].as_u64().unwrap() <= 1_000);
    ok!(bo, post, {"body": "others are not held up"});
    let mut answers = Vec::new();
    for _ in 0..20 {
        answers.push(bo.ask("GET /api/me", &Value::Null).await.status);
    }
    assert!(
        answers.contains(&StatusCode::TOO_MANY_REQUESTS),
        "{answers:?}"
    );
}
