//! Every route, asked wrongly in every way: each time the documented problem, and the server goes on.

use axum::http::Method;
use serde_json::json;

use super::guarded::GUARDED;
use crate::support::app::{Answer, HOST, RATES, TestApp};

/// Those that let somebody in, and the one that tells where an invite leads.
const OPEN: &[&str] = &[
    "/api/users",
    "/api/guests",
    "/api/sessions",
    "/api/invites/look",
];

fn method(name: &str) -> Method {
    name.parse().unwrap()
}

fn check(what: &str, answer: &Answer, status: u16, code: &str) {
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (status, code),
        "{what}: {answer:?}"
    );
}

#[tokio::test]
async fn the_table_holds_every_documented_route() {
    let app = TestApp::start(&[]).await;
    let document = app
        .request(Method::GET, "/api/openapi.json")
        .send()
        .await
        .json();
    let mut count = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for name in operations.as_object().unwrap().keys() {
            let open = OPEN.contains(&path.as_str())
                || path == "/api/config"
                || path == "/api/openapi.json"
                // A browser goes there signed out, and what it brings is tried in `organisations/`.
                || path.starts_with("/api/oidc/")
                // Its address is its credential: `incoming_hooks.rs`.
                || path == "/api/hooks/{secret}";
            let matches = |tried: &str| {
                let tried = tried.split('?').next().unwrap();
                path.split('/').count() == tried.split('/').count()
                    && path
                        .split('/')
                        .zip(tried.split('/'))
                        .all(|(part, given)| part.starts_with('{') || part == given)
            };
            let listed = GUARDED
                .iter()
                .any(|(method, tried, _)| method.eq_ignore_ascii_case(name) && matches(tried));
            assert!(
                open || listed,
                "{name} {path} is not in the table of bad input"
            );
            count += 1;
        }
    }
    assert_eq!(count, GUARDED.len() + OPEN.len() + 5);
}

#[tokio::test]
async fn nobody_gets_anything_without_a_credential() {
    let app = TestApp::start(&[]).await;
    for (name, path, takes_json) in GUARDED {
        for credential in [
            None,
            Some("Bearer "),
            Some("Bearer ffff"),
            Some("Basic YTpi"),
        ] {
            let mut request = app.request(method(name), path);
            if let Some(credential) = credential {
                request = request.header("authorization", credential);
            }
            if *takes_json {
                request = request.json(&json!({}));
            }
            let answer = request.send().await;
            check(
                &format!("{name} {path} {credential:?}"),
                &answer,
                401,
                "unauthenticated",
            );
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
        }
    }
}

#[tokio::test]
async fn a_change_by_another_page_is_refused() {
    let app = TestApp::start(&[]).await;
    let cookie = format!("salon={}", app.guest("Bo").await);
    for (name, path, _) in GUARDED.iter().filter(|(name, _, _)| *name != "GET") {
        for origin in [
            Some("https://evil.example"),
            Some("null"),
            Some("http://127.0.0.1:8001"),
            None,
        ] {
            let mut request = app.request(method(name), path).header("cookie", &cookie);
            if let Some(origin) = origin {
                request = request.header("origin", origin);
            }
            check(
                &format!("{name} {path} {origin:?}"),
                &request.send().await,
                403,
                "origin_refused",
            );
        }
    }
    for path in OPEN {
        let answer = app
            .request(Method::POST, path)
            .header("origin", "https://evil.example")
            .json(&json!({"name": "Eve"}))
            .send()
            .await;
        check(path, &answer, 403, "origin_refused");
    }
}

/// Bodies that no route takes: what it is, its content type, its bytes, the answer.
#[rustfmt::skip]
const BODIES: &[(&str, &str, &[u8], u16, &str)] = &[
    ("no type", "", b"{}", 415, "unsupported_media_type"),
    ("a form", "application/x-www-form-urlencoded", b"a=b", 415, "unsupported_media_type"),
    ("text that is JSON", "text/plain", b"{}", 415, "unsupported_media_type"),
    ("nothing", "application/json", b"", 400, "bad_request"),
    ("half", "application/json", b"{\"name\":", 400, "bad_request"),
    ("an array", "application/json", b"[]", 400, "bad_request"),
    ("a number", "application/json", b"17", 400, "bad_request"),
    ("bad UTF-8", "application/json", b"{\"name\":\"\xff\xfe\"}", 400, "bad_request"),
    ("a lone surrogate", "application/json", br#"{"name":"\ud800","slug":"\ud800","body":"\ud800","password":""}"#, 400, "bad_request"),
    ("a field twice", "application/json", br#"{"name":"a","name":"b","body":"a","body":"b"}"#, 400, "bad_request"),
    ("100,000 levels", "application/json", &[b'['; 100_000], 400, "bad_request"),
    ("200,000 bytes", "application/json", &[b' '; 200_000], 413, "too_large"),
];

#[tokio::test]
async fn a_body_is_json_and_bounded() {
    let app = TestApp::start(RATES).await;
    let token = app.guest("Bo").await;
    let guarded = GUARDED.iter().filter(|(_, _, takes_json)| *takes_json);
    let guarded = guarded.map(|(name, path, _)| (*name, *path));
    for (name, path) in guarded.chain(OPEN.iter().map(|path| ("POST", *path))) {
        for (what, kind, body, status, code) in BODIES {
            let mut request = app.request(method(name), path).bearer(&token).body(*body);
            if !kind.is_empty() {
                request = request.header("content-type", kind);
            }
            let what = format!("{name} {path}: {what}");
            check(&what, &request.send().await, *status, code);
        }
        let request = app.request(method(name), path).bearer(&token);
        let zipped = request
            .header("content-encoding", "gzip")
            .json(&json!({}))
            .send()
            .await;
        check(path, &zipped, 415, "unsupported_media_type");
    }
}

/// Bodies of the right form with a field against the rules; `LONG` stands for too many characters of any text.
#[rustfmt::skip]
const FIELDS: &[(&str, &str, &str, u16, &str)] = &[
    ("POST", "/api/users", r#"{"name": "", "password": "correct horse"}"#, 400, "bad_request"),
    ("POST", "/api/users", r#"{"name": "LONG", "password": "correct horse"}"#, 400, "bad_request"),
    ("POST", "/api/users", r#"{"name": "a\u0000b", "password": "correct horse"}"#, 400, "bad_request"),
    ("POST", "/api/users", r#"{"name": "\u202enimda", "password": "correct horse"}"#, 400, "bad_request"),
    ("POST", "/api/users", r#"{"name": "Assistant", "password": "correct horse"}"#, 409, "name_taken"),
    ("POST", "/api/users", r#"{"name": "Ada", "password": "short"}"#, 400, "bad_request"),
    ("POST", "/api/users", r#"{"name": "Ada", "password": "LONG"}"#, 400, "bad_request"),
    ("POST", "/api/users", r#"{"name": 7, "password": "correct horse"}"#, 400, "bad_request"),
    ("POST", "/api/users", r#"{"name": "Ada"}"#, 400, "bad_request"),
    ("POST", "/api/guests", r#"{"name": "\n"}"#, 400, "bad_request"),
    ("POST", "/api/guests", r#"{"name": "aSSistant"}"#, 409, "name_taken"),
    ("POST", "/api/sessions", r#"{"name": "Ada", "password": "LONG"}"#, 401, "bad_credentials"),
    ("POST", "/api/rooms", r#"{"slug": ""}"#, 400, "bad_request"),
    ("POST", "/api/rooms", r#"{"slug": "Upper"}"#, 400, "bad_request"),
    ("POST", "/api/rooms", r#"{"slug": "a/b"}"#, 400, "bad_request"),
    ("POST", "/api/rooms", r#"{"slug": "-a"}"#, 400, "bad_request"),
    ("POST", "/api/rooms", r#"{"slug": "LONG"}"#, 400, "bad_request"),
    ("POST", "/api/rooms", r#"{"slug": "a", "name": "LONG"}"#, 400, "bad_request"),
    ("POST", "/api/rooms", r#"{"slug": "a", "name": "a\u200b"}"#, 400, "bad_request"),
    ("POST", "/api/rooms", r#"{"slug": "a", "visibility": "direct"}"#, 400, "bad_request"),
    ("POST", "/api/rooms", r#"{"slug": "a", "visibility": "secret"}"#, 400, "bad_request"),
    ("PATCH", "/api/rooms/lobby", r"{}", 400, "bad_request"),
    ("PATCH", "/api/rooms/lobby", r#"{"name": ""}"#, 400, "bad_request"),
    ("PATCH", "/api/rooms/lobby", r#"{"visibility": "direct"}"#, 400, "bad_request"),
    ("POST", "/api/rooms/lobby/members", r#"{"name": "a\u0000"}"#, 404, "user_not_found"),
    ("POST", "/api/rooms/lobby/members", r#"{"name": "Ada", "role": "emperor"}"#, 400, "bad_request"),
    ("POST", "/api/rooms/lobby/invites", r#"{"role": "owner"}"#, 400, "bad_request"),
    ("POST", "/api/rooms/lobby/invites", r#"{"role": "emperor"}"#, 400, "bad_request"),
    ("POST", "/api/rooms/lobby/invites", r#"{"expires_in_s": 59}"#, 400, "bad_request"),
    ("POST", "/api/rooms/lobby/invites", r#"{"expires_in_s": 2592001}"#, 400, "bad_request"),
    ("POST", "/api/rooms/lobby/invites", r#"{"max_uses": 0}"#, 400, "bad_request"),
    ("POST", "/api/rooms/lobby/invites", r#"{"max_uses": 1001}"#, 400, "bad_request"),
    ("POST", "/api/rooms/lobby/invites", r"[]", 400, "bad_request"),
    ("POST", "/api/invites/look", r#"{"token": "LONG"}"#, 404, "invite_invalid"),
    ("POST", "/api/invites/accept", r#"{"token": ""}"#, 404, "invite_invalid"),
    ("POST", "/api/rooms/lobby/transfer", r#"{"user": "ada"}"#, 400, "bad_request"),
    ("PUT", "/api/rooms/lobby/bans/018f0000-0000-7000-8000-000000000000", r#"{"reason": "LONG"}"#, 400, "bad_request"),
    ("PUT", "/api/rooms/lobby/bans/018f0000-0000-7000-8000-000000000000", r#"{"reason": "a\u0000b"}"#, 400, "bad_request"),
    ("PUT", "/api/rooms/lobby/bans/018f0000-0000-7000-8000-000000000000", r"[]", 400, "bad_request"),
    ("DELETE", "/api/rooms/lobby/bans/ada", r"", 400, "bad_request"),
    ("POST", "/api/rooms/lobby/bans", r"{}", 400, "bad_request"),
    ("POST", "/api/rooms/lobby/bans", r#"{"name": "a\u0000"}"#, 404, "user_not_found"),
    ("POST", "/api/rooms/lobby/bans", r#"{"name": "Ada", "reason": "LONG"}"#, 400, "bad_request"),
    ("POST", "/api/rooms/lobby/messages", r#"{"body": ""}"#, 400, "bad_request"),
    ("POST", "/api/rooms/lobby/messages", r#"{"body": " \n "}"#, 400, "bad_request"),
    ("POST", "/api/rooms/lobby/messages", r#"{"body": "a\u0000b"}"#, 400, "bad_request"),
    ("POST", "/api/rooms/lobby/messages", r#"{"body": "LONG"}"#, 413, "too_large"),
    ("POST", "/api/rooms/lobby/messages", r#"{"body": "a", "client_id": "7"}"#, 400, "bad_request"),
    ("POST", "/api/rooms/lobby/messages", r#"{"body": "a", "reply_to": 1e30}"#, 400, "bad_request"),
];

#[tokio::test]
async fn fields_against_the_rules_are_refused() {
    let app = TestApp::start(RATES).await;
    let token = app.guest("Bo").await;
    let long = "x".repeat(16 * 1024 + 1);
    for (name, path, body, status, code) in FIELDS {
        let request = app.request(method(name), path).bearer(&token);
        let request = request.header("content-type", "application/json");
        let answer = request.body(body.replace("LONG", &long)).send().await;
        check(&format!("{name} {path} {body}"), &answer, *status, code);
    }
}

/// Addresses that are not what they should be.
#[rustfmt::skip]
const ADDRESSES: &[(&str, &str, u16, &str)] = &[
    ("GET", "/api/rooms/UPPER", 404, "room_not_found"),
    ("GET", "/api/rooms/a%00b", 404, "room_not_found"),
    ("GET", "/api/rooms/%ff", 404, "room_not_found"),
    ("GET", "/api/rooms/a%2fb/messages", 404, "room_not_found"),
    ("GET", "/api/rooms/..%2f..%2fetc", 404, "room_not_found"),
    ("GET", "/api/rooms/lobby/messages/0", 400, "bad_request"),
    ("GET", "/api/rooms/lobby/messages/-1", 400, "bad_request"),
    ("GET", "/api/rooms/lobby/messages/one", 400, "bad_request"),
    ("GET", "/api/rooms/lobby/messages/99999999999999999999", 400, "bad_request"),
    ("GET", "/api/rooms/lobby/messages?limit=0", 400, "bad_request"),
    ("GET", "/api/rooms/lobby/messages?limit=101", 400, "bad_request"),
    ("GET", "/api/rooms/lobby/messages?limit=many", 400, "bad_request"),
    ("GET", "/api/rooms/lobby/messages?before=0", 400, "bad_request"),
    ("GET", "/api/rooms/lobby/messages?after=-1", 400, "bad_request"),
    ("GET", "/api/rooms/lobby/messages?before=5&after=2", 400, "bad_request"),
    ("GET", "/api/rooms/lobby/messages?limit=1&limit=2", 400, "bad_request"),
    ("GET", "/api/rooms/lobby/members?after=ada", 400, "bad_request"),
    ("DELETE", "/api/rooms/lobby/members/ada", 400, "bad_request"),
    ("POST", "/api/rooms/lobby/replies/x/stop", 400, "bad_request"),
    ("GET", "/api/rooms/lobby/usage?before=ada", 400, "bad_request"),
    ("GET", "/api/me/usage?limit=0", 400, "bad_request"),
    ("GET", "/api/nothing", 404, "not_found"),
    ("POST", "/api/nothing", 404, "not_found"),
    ("GET", "/api", 404, "not_found"),
    ("GET", "/metrics", 404, "not_found"),
    ("GET", "/../Cargo.toml", 404, "not_found"),
    ("GET", "/%2e%2e/Cargo.toml", 404, "not_found"),
    ("GET", "//etc/passwd", 404, "not_found"),
    ("PUT", "/api/rooms", 405, "method_not_allowed"),
    ("GET", "/api/users", 405, "method_not_allowed"),
    ("GET", "/api/tickets", 405, "method_not_allowed"),
    ("OPTIONS", "/api/users", 405, "method_not_allowed"),
    ("TRACE", "/api/me", 405, "method_not_allowed"),
    ("POST", "/robots.txt", 405, "method_not_allowed"),
];

#[tokio::test]
async fn addresses_and_queries_are_judged() {
    let app = TestApp::start(&[]).await;
    let token = app.guest("Bo").await;
    for (name, path, status, code) in ADDRESSES {
        let request = app.request(method(name), path).bearer(&token);
        let answer = request.send().await;
        check(&format!("{name} {path}"), &answer, *status, code);
        let allows = answer.headers.contains_key("allow");
        assert_eq!(allows, *status == 405, "{name} {path}");
        assert!(answer.headers.contains_key("x-request-id"));
    }
}

#[tokio::test]
async fn a_dead_database_is_unavailable_and_says_no_more() {
    let app = TestApp::start(&[]).await;
    let token = app.guest("Bo").await;
    app.store.close().await;
    let me = app
        .request(Method::GET, "/api/me")
        .bearer(&token)
        .header("host", HOST)
        .send()
        .await;
    check("me", &me, 503, "unavailable");
    assert!(me.headers.contains_key("retry-after"));
    let text = String::from_utf8_lossy(&me.bytes).to_lowercase();
    assert!(
        !text.contains("sqlite") && !text.contains("sql") && !text.contains("/tmp"),
        "{text}"
    );
}
