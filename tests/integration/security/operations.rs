//! The public side, secrets, the log, and what the project promises to who finds a hole: lines 71, 72, 74, 75, 78 and 80.

use std::time::Duration;

use axum::http::Method;
use serde_json::json;

use super::{raw, status, text, texts_below};
use crate::support::app::{TestApp, config};
use crate::support::event_stream::ApiClient;
use crate::support::process::eventually;
use crate::support::salon::SalonProcess;

/// Where other servers keep what is not for everybody, and where a careless one of ours would.
#[rustfmt::skip]
const PRIVATE: &[&str] = &[
    "/metrics", "/api/metrics", "/admin", "/api/admin", "/debug", "/debug/pprof/", "/debug/vars", "/health", "/healthz", "/status",
    "/server-status", "/actuator", "/actuator/env", "/config", "/env", "/.env", "/.git/config", "/.git/HEAD", "/Cargo.toml",
    "/salon.sqlite3", "/salon-data/salon.sqlite3", "/data/salon.sqlite3", "/index.html.bak", "/js/", "/css", "/console", "/graphql",
];

#[tokio::test]
async fn s71_nothing_of_the_operators_is_on_the_public_side() {
    let app = TestApp::start(&["--metrics-listen", "127.0.0.1:0"]).await;
    for path in PRIVATE {
        let answer = app.request(Method::GET, path).send().await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (404, "not_found"),
            "{path}"
        );
    }
    for path in ["/livez", "/readyz"] {
        assert_eq!(text(&app.request(Method::GET, path).send().await), "ok\n");
    }
    app.store.close().await;
    let not_ready = app.request(Method::GET, "/readyz").send().await;
    assert_eq!(
        (not_ready.status.as_u16(), text(&not_ready).as_str()),
        (503, "database\n")
    );
}

#[test]
fn s72_empty_and_short_secrets_do_not_start() {
    let cluster = [
        "--redis-url",
        "redis://127.0.0.1:1",
        "--database-url",
        "postgres://a@b/c",
    ];
    let refused: &[(&[&str], &str)] = &[
        (
            &["--llm", "anthropic", "--anthropic-api-key", ""],
            "ANTHROPIC_API_KEY",
        ),
        (
            &["--llm", "openai", "--openai-api-key", ""],
            "OPENAI_API_KEY",
        ),
        (&cluster, "SALON_CLUSTER_SECRET"),
        (
            &[&cluster[..], &["--cluster-secret", ""]].concat(),
            "SALON_CLUSTER_SECRET",
        ),
        (
            &[&cluster[..], &["--cluster-secret", "changeme"]].concat(),
            "SALON_CLUSTER_SECRET",
        ),
        (
            &[
                &cluster[..],
                &["--cluster-secret", "0123456789012345678901234567890"],
            ]
            .concat(),
            "SALON_CLUSTER_SECRET",
        ),
        (
            &[
                &cluster[..],
                &["--cluster-secret", "01234567890123456789012345678901,short"],
            ]
            .concat(),
            "SALON_CLUSTER_SECRET",
        ),
    ];
    for (flags, named) in refused {
        let sentence = config(flags).check().unwrap_err();
        assert!(sentence.contains(named), "{flags:?}: {sentence}");
        assert!(!sentence.contains("changeme"));
    }
    let long = ["--cluster-secret", "01234567890123456789012345678901"];
    config(&[&cluster[..], &long].concat()).check().unwrap();
    // What deployments start from has no secret of its own.
    let compose = include_str!("../../../deploy/compose.yaml");
    for line in compose
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
    {
        for name in ["POSTGRES_PASSWORD: ", "SALON_CLUSTER_SECRET: "] {
            if let Some((_, value)) = line.split_once(name) {
                assert!(value.starts_with("${") && value.contains(":?"), "{line}");
            }
        }
    }
}

/// What a line of the text log begins with: the time.
fn begins_a_line(line: &str) -> bool {
    line.get(..5).is_some_and(|year| {
        year.ends_with('-')
            && year
                .trim_end_matches('-')
                .chars()
                .all(|c| c.is_ascii_digit())
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s74_nobody_writes_a_line_of_the_log() {
    let server = SalonProcess::start(&[("SALON_LOG", "debug")]).await;
    let bo = ApiClient::guest(&server, "bo").await;
    let forged =
        "x\n2026-01-01T00:00:00Z  INFO FORGED\r\n\u{1b}[31mFORGED\u{1b}[0m\u{9b}31m\u{2028}FORGED";
    for path in ["/api/sessions", "/api/guests", "/api/users"] {
        let body = json!({"name": forged, "password": forged.repeat(4)});
        assert_ne!(bo.post(path, &body).await.0, 201, "{path}");
    }
    let path = "/%0a2026-01-01T00:00:00Z%20INFO%20FORGED%1b[31m";
    for path in [
        path.to_owned(),
        format!("/api/rooms{path}"),
        format!("/api/rooms/lobby/messages?q={path}"),
    ] {
        assert_ne!(bo.get(&path).await.0, 500);
    }
    let body = json!({"body": forged});
    assert_eq!(bo.post("/api/rooms/lobby/messages", &body).await.0, 201);
    let head = "GET /\x1b[31mFORGED HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(status(&raw(server.port(), head.as_bytes()).await), 400);
    let head = "GET /livez HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1 FORGED\r\nUser-Agent: FORGED\r\n\r\n";
    assert_eq!(status(&raw(server.port(), head.as_bytes()).await), 200);
    assert_eq!(bo.get("/api/rooms/last-of-all").await.0, 404);
    let logged = async || server.log_text().contains("/api/rooms/last-of-all");
    eventually("requests are logged", Duration::from_secs(5), logged).await;
    let log = server.log_text();
    assert!(
        !log.contains('\u{1b}') && !log.contains('\u{9b}') && !log.contains('\u{2028}'),
        "{log:?}"
    );
    // One tells people where it is.
    for line in log.lines().filter(|line| !line.starts_with("Salon is at")) {
        assert!(begins_a_line(line), "{line:?}");
        assert!(!line.starts_with("2026-01-01"), "{line:?}");
    }
    let lock = include_str!("../../../Cargo.lock");
    let (_, after) = lock
        .split_once("name = \"tracing-subscriber\"\nversion = \"0.3.")
        .unwrap();
    let patch: u32 = after.split('"').next().unwrap().parse().unwrap();
    assert!(
        patch >= 20,
        "older ones write control characters as they are"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s75_what_matters_is_logged_with_who_and_where_and_no_secret() {
    let server = SalonProcess::start(&[("SALON_RATE_SIGN_INS", "6")]).await;
    let ada = ApiClient::account(&server, "ada").await;
    let (_, me) = ada.get("/api/me").await;
    let (user, session) = (
        me["user"]["id"].as_str().unwrap(),
        me["session"].as_str().unwrap(),
    );
    let wrong = json!({"name": "ada", "password": "wrong canary"});
    assert_eq!(ada.post("/api/sessions", &wrong).await.0, 401);
    let unknown = json!({"name": "typed-canary", "password": "wrong canary"});
    assert_eq!(ada.post("/api/sessions", &unknown).await.0, 401);
    let wanted = json!({"name": "ci", "scope": "write"});
    let (_, made) = ada.post("/api/tokens", &wanted).await;
    let token = made["token"]["id"].as_str().unwrap();
    let secret = made["secret"].as_str().unwrap().rsplit('_').next().unwrap();
    assert_eq!(ada.delete(&format!("/api/tokens/{token}")).await.0, 204);
    let body = json!({"body": "a body canary"});
    assert_eq!(ada.post("/api/rooms/lobby/messages", &body).await.0, 201);
    let foreign = format!(
        "POST /api/tickets HTTP/1.1\r\nHost: a\r\nCookie: salon={0}\r\nOrigin: https://evil.example\r\nContent-Length: 0\r\n\r\n",
        ada.token()
    );
    assert_eq!(status(&raw(server.port(), foreign.as_bytes()).await), 403);
    let socket = format!(
        "GET /ws HTTP/1.1\r\nHost: a\r\nCookie: salon={0}\r\nOrigin: https://evil.example\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        ada.token()
    );
    assert_eq!(status(&raw(server.port(), socket.as_bytes()).await), 403);
    let mut limited = false;
    for _ in 0..10 {
        limited |= ada.post("/api/sessions", &wrong).await.0 == 429;
    }
    assert!(limited);
    assert_eq!(ada.delete("/api/sessions/current").await.0, 204);
    let logged = async || server.log_text().contains("signed out");
    eventually("it is logged", Duration::from_secs(5), logged).await;
    let log = server.log_text();
    let token_made = format!("token={token}");
    let events: &[(&str, &[&str])] = &[
        ("signed in", &[user, session]),
        ("a sign-in was refused", &[user]),
        ("a sign-in of an unknown name was refused", &[]),
        ("a token was made", &[user, &token_made]),
        ("a token was revoked", &[user, &token_made]),
        ("a changing request of another origin was refused", &[]),
        ("a socket of another origin was refused", &[]),
        ("too many sign-ins of one address", &[]),
        ("signed out", &[session]),
    ];
    for (event, parts) in events {
        let line = log.lines().find(|line| line.contains(event));
        let line = line.unwrap_or_else(|| panic!("{event} is not logged:\n{log}"));
        assert!(
            line.contains("client=127.0.0.1") && begins_a_line(line),
            "{line}"
        );
        for part in *parts {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
    for hidden in ["canary", "correct horse", secret, ada.token()] {
        assert!(!log.contains(hidden), "{hidden} is in the log");
    }
}

#[test]
fn s78_what_may_panic_or_is_unsafe_is_forbidden_by_lint() {
    let manifest = include_str!("../../../Cargo.toml");
    for wanted in [
        "unsafe_code = \"forbid\"",
        "unwrap_used = \"warn\"",
        "expect_used = \"warn\"",
        "indexing_slicing = \"warn\"",
        "allow_attributes = \"warn\"",
        "cast_possible_truncation = \"warn\"",
        "cast_sign_loss = \"warn\"",
        "cast_possible_wrap = \"warn\"",
        "cast_lossless = \"warn\"",
    ] {
        assert!(manifest.contains(wanted), "{wanted}");
    }
    for crate_of_ours in [manifest, include_str!("../../checker/Cargo.toml")] {
        assert!(crate_of_ours.contains("[lints]\nworkspace = true"));
    }
    // No module takes a lint back for itself: what is expected, it says at one place and why.
    let files = texts_below("src");
    for (path, text) in &files {
        let takes_back =
            text.contains("#![expect(\n    clippy::cast") || text.contains("#![allow(clippy::cast");
        assert!(!takes_back, "{path}");
    }
    assert!(files.len() > 100, "{}", files.len());
    // A warning fails: `tests/run` denies them.
    let run = include_str!("../../run");
    assert!(run.contains("--deny warnings") || run.contains("-D warnings"));
}

#[tokio::test]
async fn s80_whom_to_tell_is_true_where_it_is_said() {
    let silent = TestApp::start(&[]).await;
    let path = "/.well-known/security.txt";
    let nothing = silent.request(Method::GET, path).send().await;
    assert_eq!(nothing.code(), "not_found", "nobody's address is made up");
    let app = TestApp::start(&[
        "--security-contact",
        "mailto:security@example.org",
        "--public-origin",
        "https://chat.example.org",
    ])
    .await;
    let file = app.request(Method::GET, path).send().await;
    assert_eq!(file.status, 200);
    assert_eq!(file.headers["content-type"], "text/plain; charset=utf-8");
    let said = text(&file);
    let field = |name: &str| {
        let mut lines = said.lines().filter_map(|line| line.strip_prefix(name));
        let value = lines.next().unwrap_or_else(|| panic!("{name} in {said}"));
        assert_eq!(lines.next(), None, "{name} once");
        value.to_owned()
    };
    assert_eq!(field("Contact: "), "mailto:security@example.org");
    assert_eq!(
        field("Canonical: "),
        "https://chat.example.org/.well-known/security.txt"
    );
    let expires: chrono::DateTime<chrono::Utc> = field("Expires: ").parse().unwrap();
    let left = expires - chrono::Utc::now();
    assert!(left.num_days() >= 29 && left.num_days() <= 365, "{left}");
    for wrong in [
        "",
        "security@example.org",
        "mailto:",
        "http://example.org",
        "mailto:a@b\nExpires: never",
        "javascript:alert(1)",
    ] {
        let sentence = config(&["--security-contact", wrong]).check().unwrap_err();
        assert!(sentence.contains("SALON_SECURITY_CONTACT"), "{wrong:?}");
    }
    let document = include_str!("../../../docs/security.md");
    for heading in [
        "## Reporting a problem",
        "## Supported versions",
        "## Threat model",
    ] {
        assert!(document.contains(heading), "{heading}");
    }
    let version = env!("CARGO_PKG_VERSION").rsplit_once('.').unwrap().0;
    let (_, supported) = document.split_once("## Supported versions").unwrap();
    assert!(supported.contains(version), "the version there is");
}
