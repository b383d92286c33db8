//! Attacks by the number of their line in `docs/security.md`, and that document itself. What other tests show already is
//! not shown again here: the document names it.

mod accounts;
mod asvs;
mod bill_of_materials;
mod browser;
mod database;
mod deletion;
mod document;
mod floods;
mod guest_accounts;
mod handshake;
mod injections;
mod input;
mod limits;
mod networks;
mod operations;
mod prompts;
mod rights;
mod sessions;
mod wire;

use std::time::Duration;

use axum::http::Method;
use salon::permissions::access::{Kind, ROUTES, Route};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(super) use crate::support::app::RATES;
use crate::support::app::{Answer, TestApp, TestRequest, ask};

/// What is answered once, and not by the socket.
pub(super) fn answering_routes() -> impl Iterator<Item = &'static Route> {
    ROUTES
        .iter()
        .filter(|route| route.kind == Kind::Answer && route.path != "/metrics")
}

/// The path with a room's address and something for each other blank.
pub(super) fn filled(path: &str, slug: &str) -> String {
    let id = "018f0000-0000-7000-8000-000000000000";
    let mut filled = path
        .replace("{slug}", slug)
        .replace("{seq}", "1")
        .replace("{emoji}", "%F0%9F%91%8D")
        .replace("{secret}", "salon_hook_none");
    for blank in ["{user}", "{invite}", "{token}", "{bot}", "{hook}", "{id}"] {
        filled = filled.replace(blank, id);
    }
    filled
}

/// A body that the route takes.
pub(super) fn fitting(route: &Route) -> Value {
    match (route.method, route.path) {
        ("get" | "delete", _) => Value::Null,
        (_, path) if path.ends_with("/mute") => json!({"muted": true}),
        ("patch", "/api/rooms/{slug}") => json!({"topic": "tides"}),
        (_, path) if path.ends_with("/retention") => json!({"days": 9}),
        (_, path) if path.ends_with("/members") => json!({"name": "ada"}),
        ("post", path) if path.ends_with("/bans") => json!({"name": "ada"}),
        (_, path) if path.ends_with("/transfer") => {
            json!({"user": "018f0000-0000-7000-8000-000000000000"})
        }
        (_, path) if path.ends_with("/messages") || path.ends_with("/messages/{seq}") => {
            json!({"body": "hi"})
        }
        ("post", path) if path.ends_with("/outgoing-webhooks") => {
            json!({"url": "https://hooks.example.org/", "events": ["message"]})
        }
        ("patch", path) if path.contains("/outgoing-webhooks/") => json!({"enabled": false}),
        ("post", path) if path.ends_with("/assistants") => json!({"name": "helper"}),
        ("patch", path) if path.contains("/assistants/") => json!({"enabled": false}),
        (_, path) if path.ends_with("/select") => json!({"variant": 1}),
        (_, path) if path.ends_with("/incoming-hooks") => json!({"name": "builds"}),
        _ => json!({}),
    }
}

/// A request of that route, without a credential.
pub(super) fn request<'a>(app: &'a TestApp, route: &Route, slug: &str) -> TestRequest<'a> {
    let method: Method = route.method.to_uppercase().parse().unwrap();
    let request = app.request(method, &filled(route.path, slug));
    match fitting(route) {
        Value::Null => request,
        body => request.json(&body),
    }
}

/// Asks with a token for what must work.
pub(super) async fn must(app: &TestApp, token: &str, what: &str, body: Value) -> Value {
    let answer = ask(app, token, what, body).await;
    assert!(answer.status.is_success(), "{what}: {answer:?}");
    answer.json()
}

/// A private room `den` of that owner.
pub(super) async fn make_den(app: &TestApp, owner: &str) {
    let room = json!({"slug": "den", "name": "Den", "visibility": "private"});
    must(app, owner, "POST /api/rooms", room).await;
}

/// Every file below a folder of the project: its path from the root, and its text.
pub(super) fn texts_below(folder: &str) -> Vec<(String, String)> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join(folder)];
    let mut texts = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(root).unwrap();
            texts.push((path.to_str().unwrap().to_owned(), text));
        }
    }
    texts
}

/// The text of an answer.
pub(super) fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.bytes).into_owned()
}

/// Sends bytes as they are; the head of the answer, or what came before the connection ended.
pub(super) async fn raw(port: u16, bytes: &[u8]) -> String {
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        // The server may have closed before it took all.
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = stream.read(&mut buffer).await {
            answer.extend_from_slice(&buffer[..length]);
            if answer.windows(4).any(|end| end == b"\r\n\r\n") {
                break;
            }
        }
        String::from_utf8_lossy(&answer).into_owned()
    };
    let answer = tokio::time::timeout(Duration::from_secs(15), exchange).await;
    answer.expect("no answer in time")
}

/// The status of such an answer; 0 for none.
pub(super) fn status(answer: &str) -> u16 {
    let status = answer.split_whitespace().nth(1);
    status.and_then(|text| text.parse().ok()).unwrap_or(0)
}
