//! Incoming webhooks over the wire: what is posted, what is refused, and that the secret is in no log.

use std::time::Duration;

use axum::http::Method;
use salon::limits;
use serde_json::{Value, json};

use crate::support::app::{Answer, TestApp, ask, person};
use crate::support::event_stream::ApiClient;
use crate::support::process::eventually;
use crate::support::salon::SalonProcess;

/// An owner's token, and the path and id of a webhook of its room `den`.
async fn den(app: &TestApp) -> (String, String, String) {
    let owner = person(app, "ada").await;
    let room = json!({"slug": "den", "name": "Den", "visibility": "private"});
    let made = ask(app, &owner, "POST /api/rooms", room).await;
    assert_eq!(made.status, 201);
    let (path, id) = hook(app, &owner).await;
    (owner, path, id)
}

async fn hook(app: &TestApp, owner: &str) -> (String, String) {
    let wanted = json!({"name": "CI"});
    let made = ask(app, owner, "POST /api/rooms/den/incoming-hooks", wanted).await;
    assert_eq!(made.status, 201, "{made:?}");
    let made = made.json();
    let path = made["path"].as_str().unwrap().to_owned();
    assert!(path.starts_with("/api/hooks/salon_hook_"), "{path}");
    (path, made["hook"]["id"].as_str().unwrap().to_owned())
}

async fn post(app: &TestApp, path: &str, body: &Value) -> Answer {
    app.request(Method::POST, path).json(body).send().await
}

#[tokio::test]
async fn a_webhook_posts_once_whatever_is_sent_again() {
    let app = TestApp::start(&[]).await;
    let (owner, path, _) = den(&app).await;
    let first = post(
        &app,
        &path,
        &json!({"text": "the build is **green**", "channel": "#ci"}),
    )
    .await;
    assert_eq!(first.status, 201, "{first:?}");
    let first = first.json();
    assert_eq!(
        (&first["seq"], &first["duplicate"]),
        (&json!(1), &json!(false))
    );
    let stored = ask(&app, &owner, "GET /api/rooms/den/messages/1", Value::Null)
        .await
        .json();
    assert_eq!(stored["body"], "the build is **green**");
    assert_eq!(
        (&stored["author"]["name"], &stored["author"]["kind"]),
        (&json!("CI"), &json!("bot"))
    );
    assert_eq!(stored["version"], first["version"]);
    // The text itself, and each way to say that it is the same post.
    let plain = |text: &str, key: &str| {
        app.request(Method::POST, &path)
            .header("content-type", "text/plain; charset=utf-8")
            .header("idempotency-key", key)
            .body(text.to_owned())
            .send()
    };
    let keyed = plain("hello", "build 17").await;
    assert_eq!(
        (keyed.status.as_u16(), &keyed.json()["seq"]),
        (201, &json!(2))
    );
    let again = plain("hello", "build 17").await;
    assert_eq!(again.status, 200);
    assert_eq!(
        (&again.json()["seq"], &again.json()["duplicate"]),
        (&json!(2), &json!(true))
    );
    assert_eq!(plain("hello", "build 18").await.json()["seq"], 3);
    let named = json!({"text": "once", "client_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7"});
    assert_eq!(post(&app, &path, &named).await.json()["seq"], 4);
    assert_eq!(post(&app, &path, &named).await.json()["seq"], 4);
    // It calls nobody.
    let asked = post(&app, &path, &json!({"text": "@assistant look"}))
        .await
        .json();
    assert_eq!(asked["reply_refused"], "bots_not_answered");
    let page = ask(&app, &owner, "GET /api/rooms/den/messages", Value::Null)
        .await
        .json();
    assert_eq!(page["messages"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn only_the_address_tells_who_posts() {
    let app = TestApp::start(&[]).await;
    let (_, path, _) = den(&app).await;
    let stranger = app.guest("gus").await;
    let text = json!({"text": "hello"});
    // Neither a page of another site, nor a cookie, nor a token that is somebody else's or nobody's.
    for (name, value) in [
        ("origin", "https://evil.example".to_owned()),
        ("cookie", format!("salon={stranger}")),
        ("authorization", format!("Bearer {stranger}")),
        ("authorization", "Basic eDp5".to_owned()),
    ] {
        let posted = app
            .request(Method::POST, &path)
            .header(name, &value)
            .json(&text)
            .send()
            .await;
        assert_eq!(posted.status, 201, "{name}: {posted:?}");
        assert!(posted.headers.get("access-control-allow-origin").is_none());
        assert!(posted.headers.get("set-cookie").is_none());
    }
    // It is good for nothing else.
    let secret = path.strip_prefix("/api/hooks/").unwrap();
    let me = ask(&app, secret, "GET /api/me", Value::Null).await;
    assert_eq!(me.code(), "unauthenticated");
    let read = app.request(Method::GET, &path).send().await;
    assert_eq!(read.code(), "method_not_allowed");
}

#[tokio::test]
async fn what_is_refused_has_a_code() {
    let app = TestApp::start(&[]).await;
    let (owner, path, _) = den(&app).await;
    let text = json!({"text": "hello"});
    let too_long = "x".repeat(limits::BODY_BYTES + 1);
    for (body, code) in [
        (json!({"text": too_long}), "too_large"),
        (json!({"text": " "}), "bad_request"),
        (json!({"text": 7}), "bad_request"),
        (json!({"body": "no text"}), "bad_request"),
        (json!({"text": "x", "client_id": "no uuid"}), "bad_request"),
    ] {
        assert_eq!(post(&app, &path, &body).await.code(), code);
    }
    let form = app
        .request(Method::POST, &path)
        .header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(
        form.body("text=hello").send().await.code(),
        "unsupported_media_type"
    );
    let plain = || {
        app.request(Method::POST, &path)
            .header("content-type", "text/plain")
    };
    assert_eq!(plain().body(vec![0xff]).send().await.code(), "bad_request");
    assert_eq!(
        plain()
            .body(vec![b'x'; limits::REQUEST_BYTES + 1])
            .send()
            .await
            .code(),
        "too_large"
    );
    let long_key = "k".repeat(limits::IDEMPOTENCY_KEY_BYTES + 1);
    let keyed = plain()
        .header("idempotency-key", &long_key)
        .body("x")
        .send()
        .await;
    assert_eq!(keyed.code(), "bad_request");
    let archived = json!({"archived": true});
    ask(&app, &owner, "PATCH /api/rooms/den", archived).await;
    assert_eq!(post(&app, &path, &text).await.code(), "room_archived");
    ask(
        &app,
        &owner,
        "PATCH /api/rooms/den",
        json!({"archived": false}),
    )
    .await;
    assert_eq!(post(&app, &path, &text).await.status, 201);
}

#[tokio::test]
async fn an_address_that_is_gone_is_one_that_never_was() {
    let app = TestApp::start(&[]).await;
    let (owner, path, id) = den(&app).await;
    let text = json!({"text": "hello"});
    let rotate = format!("POST /api/rooms/den/incoming-hooks/{id}/rotate");
    let rotated = ask(&app, &owner, &rotate, json!({})).await;
    assert_eq!(rotated.status, 200, "{rotated:?}");
    let fresh = rotated.json()["path"].as_str().unwrap().to_owned();
    let old = post(&app, &path, &text).await;
    let never = post(
        &app,
        &format!("/api/hooks/salon_hook_{}", "0".repeat(64)),
        &text,
    )
    .await;
    let other = post(&app, "/api/hooks/anything", &text).await;
    assert_eq!(post(&app, &fresh, &text).await.status, 201);
    let members = ask(&app, &owner, "GET /api/rooms/den/members", Value::Null)
        .await
        .json();
    assert_eq!(members["members"].as_array().unwrap().len(), 2);
    let revoke = format!("DELETE /api/rooms/den/incoming-hooks/{id}");
    assert_eq!(ask(&app, &owner, &revoke, Value::Null).await.status, 204);
    let revoked = post(&app, &fresh, &text).await;
    for answer in [&old, &never, &other, &revoked] {
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (404, "not_found")
        );
        assert_eq!(answer.bytes, old.bytes);
    }
    assert_eq!(
        ask(&app, &owner, &revoke, Value::Null).await.code(),
        "not_found"
    );
    let members = ask(&app, &owner, "GET /api/rooms/den/members", Value::Null)
        .await
        .json();
    assert_eq!(
        members["members"].as_array().unwrap().len(),
        1,
        "its bot left"
    );
}

#[tokio::test]
async fn a_webhook_in_a_loop_is_slowed_down() {
    let app = TestApp::start(&[]).await;
    let (owner, path, _) = den(&app).await;
    let (calm, _) = hook(&app, &owner).await;
    let text = json!({"text": "again"});
    let mut posted = 0;
    let refused = loop {
        let answer = post(&app, &path, &text).await;
        if answer.status != 201 {
            break answer;
        }
        posted += 1;
        assert!(
            posted <= limits::HOOK_BURST + 30,
            "it was never slowed down"
        );
    };
    assert!(posted >= limits::HOOK_BURST);
    assert_eq!(
        (refused.status.as_u16(), refused.code().as_str()),
        (429, "rate_limited")
    );
    assert!(refused.json()["retry_after_ms"].as_u64().unwrap() > 0);
    assert_eq!(
        post(&app, &calm, &text).await.status,
        201,
        "each has its own rate"
    );
}

#[tokio::test]
async fn webhooks_are_listed_without_their_secrets() {
    let app = TestApp::start(&[]).await;
    let (owner, path, id) = den(&app).await;
    let path_of_list = "GET /api/rooms/den/incoming-hooks";
    let listed = ask(&app, &owner, path_of_list, Value::Null).await.json();
    assert_eq!(listed["hooks"][0]["last_used_at"], Value::Null);
    post(&app, &path, &json!({"text": "hello"})).await;
    let listed = ask(&app, &owner, path_of_list, Value::Null).await.json();
    let one = &listed["hooks"][0];
    assert_eq!(
        (&one["id"], &one["user"]["name"]),
        (&json!(id), &json!("CI"))
    );
    assert_eq!(one["created_by"]["name"], "ada");
    assert!(one["last_used_at"].is_string());
    let secret = path.rsplit('_').next().unwrap();
    assert!(!listed.to_string().contains(secret));
    let bob = person(&app, "bob").await;
    let member = json!({"name": "bob"});
    ask(&app, &owner, "POST /api/rooms/den/members", member).await;
    assert_eq!(
        ask(&app, &bob, path_of_list, Value::Null).await.code(),
        "forbidden"
    );
    for name in ["", "assistant"] {
        let wanted = json!({"name": name});
        let refused = ask(&app, &owner, "POST /api/rooms/den/incoming-hooks", wanted).await;
        assert!(refused.status.is_client_error(), "{name:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_in_a_log_or_a_metric() {
    let metrics = format!("127.0.0.1:{}", crate::support::process::free_port());
    let server =
        SalonProcess::start(&[("SALON_LOG", "trace"), ("SALON_METRICS_LISTEN", &metrics)]).await;
    let ada = ApiClient::account(&server, "ada").await;
    let room = json!({"slug": "den", "name": "Den", "visibility": "private"});
    assert_eq!(ada.post("/api/rooms", &room).await.0, 201);
    let wanted = json!({"name": "CI"});
    let (_, made) = ada.post("/api/rooms/den/incoming-hooks", &wanted).await;
    let path = made["path"].as_str().unwrap();
    let wanted = json!({"name": "ci", "scope": "write"});
    let (_, token) = ada.post("/api/tokens", &wanted).await;
    let token = token["secret"].as_str().unwrap().to_owned();
    let program = ApiClient::with_token(server.url(), &token);
    let body = json!({"text": "a canary sings"});
    assert_eq!(ada.post(path, &body).await.0, 201);
    // Refused, mistyped and of the wrong method too; and the token where an address should be.
    assert_eq!(ada.post(path, &json!({"text": ""})).await.0, 400);
    assert_eq!(ada.get(path).await.0, 405);
    for mistyped in [
        format!("{path}/more"),
        path.replace("/api/", "/apis/"),
        path.replace("hooks", "rooms"),
    ] {
        assert_ne!(ada.post(&mistyped, &body).await.0, 201, "{mistyped}");
    }
    assert_eq!(program.get(&format!("/api/rooms/{token}")).await.0, 404);
    assert_eq!(program.get("/api/rooms/den").await.0, 200);
    assert_eq!(ada.get("/api/rooms/den/pins").await.0, 200);
    let secrets = [
        path.rsplit('_').next().unwrap(),
        token.rsplit('_').next().unwrap(),
    ];
    // The last request is logged: so are those before it.
    let logged = async || server.log_text().contains("/api/rooms/den/pins");
    eventually("requests are logged", Duration::from_secs(5), logged).await;
    let log = server.log_text();
    assert!(log.contains("/api/hooks/…"), "{log}");
    let shown = reqwest::get(format!("http://{metrics}/metrics"))
        .await
        .unwrap();
    let shown = shown.text().await.unwrap();
    assert!(shown.contains("/api/hooks/{secret}"), "{shown}");
    for secret in secrets {
        assert!(!log.contains(secret), "a secret is in the log");
        assert!(!shown.contains(secret), "a secret is in the metrics");
    }
    assert!(!log.contains("canary sings"));
}
