//! Hostile input by HTTP: lines 42, 49 and 52.

use std::time::{Duration, Instant};

use axum::http::Method;
use serde_json::{Value, json};

use super::{RATES, answering_routes, make_den, must, request, text};
use crate::support::app::{TestApp, ask, person};

/// Bodies of a message that are made to cost: what they are, and whether one is a message all the same.
#[expect(clippy::too_many_lines, reason = "a table")]
fn bombs() -> Vec<(&'static str, Vec<u8>, bool)> {
    let within = |extra: &str| format!(r#"{{"body":"hi","extra":{extra}}}"#).into_bytes();
    let keys = |name: &dyn Fn(usize) -> String| {
        let keys: Vec<String> = (0..10_000)
            .map(|at| format!("\"{}\":1", name(at)))
            .collect();
        format!("{{{}}}", keys.join(","))
    };
    vec![
        ("100,000 arrays", vec![b'['; 100_000], false),
        ("20,000 objects", br#"{"a":"#.repeat(20_000), false),
        (
            "60,000 arrays in a field nobody reads",
            within(&format!("{}{}", "[".repeat(60_000), "]".repeat(60_000))),
            true,
        ),
        (
            "20,000 objects in a field nobody reads",
            within(&format!(
                "{}1{}",
                r#"{"a":"#.repeat(20_000),
                "}".repeat(20_000)
            )),
            true,
        ),
        ("100,000 digits", within(&"9".repeat(100_000)), true),
        (
            "100,000 digits where a number is read",
            format!(r#"{{"body":"hi","reply_to":{}}}"#, "9".repeat(100_000)).into_bytes(),
            false,
        ),
        (
            "100,000 places",
            within(&format!("0.{}", "9".repeat(100_000))),
            true,
        ),
        ("a huge exponent", within("1e999999999"), true),
        (
            "a huge exponent where a number is read",
            br#"{"body":"hi","reply_to":1e999999999}"#.to_vec(),
            false,
        ),
        ("10,000 keys", within(&keys(&|at| format!("k{at}"))), true),
        ("10,000 times one key", within(&keys(&|_| "k".into())), true),
        (
            "one field twice",
            br#"{"body":"hi","body":"ho"}"#.to_vec(),
            false,
        ),
        ("bad UTF-8", b"{\"body\":\"\xff\xfe\"}".to_vec(), false),
        (
            "an overlong form",
            b"{\"body\":\"\xc0\x80\"}".to_vec(),
            false,
        ),
        ("a lone surrogate", br#"{"body":"\ud800"}"#.to_vec(), false),
        ("a zero", br#"{"body":"a\u0000b"}"#.to_vec(), false),
        (
            "20,000 escapes too many",
            format!(r#"{{"body":"{}"}}"#, r"\u0041".repeat(20_000)).into_bytes(),
            false,
        ),
        (
            "a string without an end",
            [br#"{"body":""#.as_slice(), &[b'x'; 100_000]].concat(),
            false,
        ),
        (
            "100,000 blanks",
            [vec![b' '; 100_000], br#"{"body":"hi"}"#.to_vec()].concat(),
            true,
        ),
    ]
}

#[tokio::test]
async fn s42_no_json_costs_50_ms() {
    let app = TestApp::start(RATES).await;
    let ada = person(&app, "ada").await;
    must(&app, &ada, "POST /api/rooms/lobby/join", Value::Null).await;
    for (what, body, passes) in bombs() {
        let mut fastest = Duration::MAX;
        // The least of several tries: the machine is busy with other tests.
        for _ in 0..5 {
            let request = app
                .request(Method::POST, "/api/rooms/lobby/messages")
                .bearer(&ada)
                .header("content-type", "application/json")
                .body(body.clone());
            let began = Instant::now();
            let answer = request.send().await;
            fastest = fastest.min(began.elapsed());
            if answer.status.is_success() {
                assert!(passes, "{what}");
            } else {
                let code = answer.code();
                let refused = ["bad_request", "too_large"].contains(&code.as_str());
                assert!(refused, "{what}: {answer:?}");
                assert!(answer.bytes.len() < 1_000, "{what}: an answer stays short");
            }
        }
        assert!(fastest < Duration::from_millis(50), "{what}: {fastest:?}");
    }
}

/// What is SQL, a pattern or a template somewhere.
#[rustfmt::skip]
const INJECTIONS: &[&str] = &[
    "' OR '1'='1",
    "'; DROP TABLE users; --",
    "\"; DROP TABLE messages; --",
    "') UNION SELECT password_hash FROM users --",
    "1; UPDATE users SET admin = 1",
    "%",
    "_____",
    "%%_%%",
    "\\",
    "\\' OR 1=1 --",
    "$1 ?1 :name @name",
    "{{7*7}} ${7*7} #{7*7}",
    "a NEAR b AND c*",
    "\"unclosed",
];

/// A text as part of a query.
fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "every text there is")]
async fn s49_sql_in_every_text_is_only_text() {
    let app = TestApp::start(RATES).await;
    let ada = person(&app, "ada").await;
    make_den(&app, &ada).await;
    for (number, text) in INJECTIONS.iter().enumerate() {
        let named = |answer: &Value| answer["user"]["name"].as_str().unwrap().to_owned();
        let guest = app.guest(text).await;
        assert_eq!(
            named(&must(&app, &guest, "GET /api/me", Value::Null).await),
            *text
        );
        let account = json!({"name": text, "password": format!("{text} and {number} words")});
        let made = app
            .request(Method::POST, "/api/users")
            .json(&account)
            .send()
            .await;
        assert_eq!(named(&made.json()), *text);
        let entered = app
            .request(Method::POST, "/api/sessions")
            .json(&account)
            .send()
            .await;
        assert_eq!(entered.status, 201, "{text}");
        let stranger = json!({"name": format!("ada{text}"), "password": "correct horse"});
        let refused = app
            .request(Method::POST, "/api/sessions")
            .json(&stranger)
            .send()
            .await;
        assert_eq!(refused.code(), "bad_credentials", "{text}");

        let slug = format!("room-{number}");
        let room = json!({"slug": slug, "name": text});
        let made = must(&app, &ada, "POST /api/rooms", room).await;
        assert_eq!(made["name"], *text);
        let topic = json!({"topic": text, "name": text});
        must(&app, &ada, &format!("PATCH /api/rooms/{slug}"), topic).await;
        let read = must(&app, &ada, &format!("GET /api/rooms/{slug}"), Value::Null).await;
        assert_eq!(
            (&read["topic"], &read["name"]),
            (&json!(text), &json!(text))
        );
        let slugs = json!({"slug": text});
        assert_eq!(
            ask(&app, &ada, "POST /api/rooms", slugs).await.status,
            400,
            "{text}"
        );

        let path = format!("/api/rooms/{slug}/messages");
        must(&app, &ada, &format!("POST {path}"), json!({"body": text})).await;
        must(
            &app,
            &ada,
            &format!("PATCH {path}/1"),
            json!({"body": format!("{text} edited")}),
        )
        .await;
        let read = must(&app, &ada, &format!("GET {path}/1"), Value::Null).await;
        assert_eq!(read["body"], format!("{text} edited"));
        for query in [
            format!("GET /api/search?q={0}&author={0}&room=den", escaped(text)),
            format!("GET /api/search?q=edited&author={}", escaped(text)),
            format!("GET /api/search?q=edited&cursor={}", escaped(text)),
            format!("GET /api/rooms/public?q={0}&after={0}", escaped(text)),
            format!("GET /api/rooms?after={}", escaped(text)),
            format!("GET /api/rooms/{}", escaped(text)),
            format!("PUT {path}/1/reactions/{}", escaped(text)),
        ] {
            let answer = ask(&app, &ada, &query, Value::Null).await;
            assert!(!answer.status.is_server_error(), "{query}: {answer:?}");
        }
        let member = json!({"name": text, "role": "reader"});
        must(
            &app,
            &ada,
            &format!("POST /api/rooms/{slug}/members"),
            member,
        )
        .await;
        let hook = json!({"name": text});
        must(
            &app,
            &ada,
            &format!("POST /api/rooms/{slug}/incoming-hooks"),
            hook,
        )
        .await;
        let token = json!({"name": text, "scope": "read"});
        must(&app, &ada, "POST /api/tokens", token).await;
    }
    let den = must(&app, &ada, "GET /api/rooms/den", Value::Null).await;
    assert_eq!((&den["name"], &den["slug"]), (&json!("Den"), &json!("den")));
}

#[tokio::test]
async fn s49_wildcards_are_letters() {
    let app = TestApp::start(RATES).await;
    let ada = person(&app, "ada").await;
    for (slug, name) in [
        ("plain", "Plain"),
        ("percent", "100% sure"),
        ("score", "snake_case"),
        ("slash", "back\\slash"),
    ] {
        must(
            &app,
            &ada,
            "POST /api/rooms",
            json!({"slug": slug, "name": name}),
        )
        .await;
        let body = json!({"body": format!("tea for {name}")});
        must(
            &app,
            &ada,
            &format!("POST /api/rooms/{slug}/messages"),
            body,
        )
        .await;
    }
    let rooms = async |query: &str| {
        let path = format!("GET /api/rooms/public?q={}", escaped(query));
        let found = must(&app, &ada, &path, Value::Null).await;
        let rooms = found["rooms"].as_array().unwrap().clone();
        let slug = |room: &Value| room["slug"].as_str().unwrap().to_owned();
        rooms.iter().map(slug).collect::<Vec<_>>()
    };
    assert_eq!(rooms("plain").await, ["plain"]);
    for pattern in [
        "p%n", "p_ain", "%%", "____", "pl.in", "p*n", "pl\\ain", "[p]lain",
    ] {
        let found = rooms(pattern).await;
        assert!(!found.contains(&"plain".to_owned()), "{pattern}: {found:?}");
    }
    let messages = async |query: &str| {
        let path = format!("GET /api/search?{query}");
        let answer = ask(&app, &ada, &path, Value::Null).await;
        match answer.status.is_success() {
            true => answer.json()["results"].as_array().unwrap().len(),
            false => 0,
        }
    };
    assert_eq!(messages("q=tea").await, 4);
    for query in [
        "q=t%25a",
        "q=t_a",
        "q=te*",
        "q=%25",
        "q=*",
        "q=tea&author=%25",
        "q=tea&author=___",
        "q=tea&room=%25",
    ] {
        assert_eq!(messages(query).await, 0, "{query}");
    }
}

/// What would tell how the server is made.
#[rustfmt::skip]
const INNARDS: &[&str] = &[
    "sqlite", "postgres", "diesel", "select ", "insert ", "update ", "delete from", ".rs:", "src/", "panicked", "backtrace", "/tmp",
    "salon-data", "unwrap", "poison", "thread '",
];

#[tokio::test]
async fn s52_no_error_tells_how_the_server_is_made() {
    let app = TestApp::start(RATES).await;
    let ada = person(&app, "ada").await;
    make_den(&app, &ada).await;
    let check = |what: &str, answer: &crate::support::app::Answer| {
        let said = text(answer).to_lowercase();
        for word in INNARDS {
            assert!(!said.contains(word), "{what}: {word} in {said}");
        }
        for (name, value) in &answer.headers {
            let value = value.to_str().unwrap_or_default().to_lowercase();
            assert!(
                !value.contains("salon/") && name != "server" && name != "x-powered-by",
                "{name}"
            );
        }
    };
    // Of the wrong form.
    for route in answering_routes().filter(|route| !matches!(route.method, "get" | "delete")) {
        let what = format!("{} {}", route.method, route.path);
        for wrong in [
            "",
            "{",
            "[]",
            "7",
            "{\"name\":[],\"body\":{},\"user\":7,\"slug\":{},\"token\":[],\"url\":7}",
        ] {
            let asked = app
                .request(
                    route.method.to_uppercase().parse().unwrap(),
                    &super::filled(route.path, "den"),
                )
                .bearer(&ada)
                .header("content-type", "application/json")
                .body(wrong);
            check(&what, &asked.send().await);
        }
    }
    // And without its database: it fails closed.
    app.store.close().await;
    for route in answering_routes().filter(|route| !route.path.starts_with("/api/openapi")) {
        let what = format!("{} {} without a database", route.method, route.path);
        let answer = request(&app, route, "den").bearer(&ada).send().await;
        check(&what, &answer);
        let lets_nobody_in = answer.status.is_client_error() || answer.status == 503;
        assert!(
            lets_nobody_in || route.path == "/livez",
            "{what}: {answer:?}"
        );
    }
}
