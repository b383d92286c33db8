//! The addresses where clients hand back what they got: pages, searches, event streams, messages, invites, hooks, sessions,
//! tickets. Whatever stands there, the answer is no failure of the server's, and a refusal is a whole problem.

use axum::http::{HeaderValue, Method};
use serde_json::json;

use super::cursors::WORDS;
use super::engine::Target;
use crate::support::app::{Answer, TestApp, person};

/// Every byte but the plainest as `%xx`.
fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

/// Where clients hand something back, with `{}` for it.
const ADDRESSES: &[&str] = &[
    "/api/rooms?after={}",
    "/api/rooms/public?after={}",
    "/api/rooms/public?q={}",
    "/api/search?q=a&cursor={}",
    "/api/search?q=a&before={}",
    "/api/search?q=a&author={}",
    "/api/search?q={}",
    "/api/rooms/{}",
    "/api/rooms/nowhere/events?after={}",
    "/api/rooms/nowhere/replies/{}/events",
    "/api/rooms/lobby/messages/{}",
    "/api/rooms/lobby/messages?before={}",
    "/api/rooms/lobby/messages?around={}",
    "/api/rooms/lobby/messages/1/edits?after={}",
];

/// What makes a request one for a socket.
const HANDSHAKE: [(&str, &str); 4] = [
    ("connection", "upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// That an answer is no failure of the server's, and that a refusal is a whole problem.
async fn ask(app: &TestApp, token: &str, text: &str) {
    for address in ADDRESSES {
        let path = address.replace("{}", &escaped(text));
        let answer = app.request(Method::GET, &path).bearer(token).send().await;
        judge(&answer, &path);
    }
    for (method, address) in [
        (Method::DELETE, "/api/tokens/{}"),
        (Method::DELETE, "/api/rooms/lobby/invites/{}"),
        (Method::DELETE, "/api/rooms/lobby/members/{}"),
        (Method::PUT, "/api/rooms/lobby/messages/1/reactions/{}"),
    ] {
        let path = address.replace("{}", &escaped(text));
        let answer = app.request(method, &path).bearer(token).send().await;
        judge(&answer, &path);
    }
    for (path, body) in [
        ("/api/invites/look", json!({ "token": text })),
        ("/api/invites/accept", json!({ "token": text })),
    ] {
        let request = app.request(Method::POST, path).bearer(token);
        judge(&request.json(&body).send().await, path);
    }
    let path = format!("/ws?ticket={}", escaped(text));
    let mut socket = app.request(Method::GET, &path);
    for (name, value) in HANDSHAKE {
        socket = socket.header(name, value);
    }
    judge(&socket.send().await, &path);
    let path = format!("/api/hooks/{}", escaped(text));
    let hook = app
        .request(Method::POST, &path)
        .json(&json!({"text": "x"}))
        .send();
    judge(&hook.await, &path);
    if HeaderValue::from_str(text).is_ok() {
        let path = "/api/rooms/nowhere/events";
        let events = app.request(Method::GET, path).bearer(token);
        judge(&events.header("last-event-id", text).send().await, path);
        let me = app.request(Method::GET, "/api/me").bearer(text);
        judge(&me.send().await, "/api/me");
        let cookie = app.request(Method::GET, "/api/me");
        let cookie = cookie.header("cookie", &format!("salon={text}"));
        judge(&cookie.send().await, "/api/me by cookie");
    }
}

fn judge(answer: &Answer, path: &str) {
    let status = answer.status.as_u16();
    assert!(status < 500, "{path}: {answer:?}");
    if status >= 400 {
        // Checks the problem's form.
        answer.code();
    }
}

#[test]
fn fuzz_addresses() {
    let target = Target {
        name: "addresses",
        words: WORDS,
        max_bytes: 4_096,
        seeds: Vec::new(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let fast = [
        "--rate-frames",
        "1000000",
        "--rate-searches",
        "1000000",
        "--rate-rooms",
        "1000000",
        "--rate-joins",
        "1000000",
        "--rate-prompts",
        "1000000",
        "--rate-invites",
        "1000000",
        "--rate-tries",
        "1000000",
        "--rate-sign-ins",
        "1000000",
    ];
    let (app, token) = runtime.block_on(async {
        let app = TestApp::start(&fast).await;
        let token = person(&app, "ada").await;
        (app, token)
    });
    target.fuzz(|input, _| {
        let text = String::from_utf8_lossy(input);
        runtime.block_on(Box::pin(ask(&app, &token, &text)));
        Ok(())
    });
}
