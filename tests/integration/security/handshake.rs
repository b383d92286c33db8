//! The upgrade to a socket, and what is believed of a request before anybody is known: lines 2 to 9, and 26.

use std::time::Duration;

use axum::http::Method;
use salon::auth::Auth;
use salon::auth::token::Token;
use salon::db::Store as _;
use salon::db::changes::NewSession;
use salon::ids::SessionId;
use serde_json::{Value, json};

use super::{must, raw, status};
use crate::support::app::{Answer, ORIGIN, TestApp, ask, person};
use crate::support::event_stream::ApiClient;
use crate::support::process::eventually;
use crate::support::salon::SalonProcess;
use crate::support::server::TestServer;

/// The answer to an upgrade at this address with these headers besides those of the handshake.
async fn upgrade(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = app
        .request(Method::GET, path)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.send().await
}

#[tokio::test]
async fn s02_an_origin_that_only_looks_like_ours_opens_no_socket() {
    let app = TestApp::start(&["--public-origin", "https://chat.example.org"]).await;
    let cookie = format!("__Host-salon={}", app.guest("Bo").await);
    let own = ("origin", "https://chat.example.org");
    let opened = upgrade(&app, "/ws", &[("cookie", &cookie), own]).await;
    assert_eq!(opened.status, 101, "{opened:?}");
    for origin in [
        "null",
        "",
        "https://chat.example.org.evil.example",
        "https://evil-chat.example.org",
        "https://evilchat.example.org",
        "https://sub.chat.example.org",
        "https://example.org",
        "https://chat.example.org:8443",
        "https://chat.example.org:443",
        "http://chat.example.org",
        "https://CHAT.example.org",
        "HTTPS://chat.example.org",
        "https://chat.example.org/",
        "https://chat.example.org@evil.example",
        "https://chat.example.org, https://evil.example",
        "file://",
        ORIGIN,
    ] {
        let refused = upgrade(&app, "/ws", &[("cookie", &cookie), ("origin", origin)]).await;
        assert_eq!(
            (refused.status.as_u16(), refused.code().as_str()),
            (403, "origin_refused"),
            "{origin}"
        );
    }
    for second in ["https://evil.example", "https://chat.example.org"] {
        let twice = [("cookie", cookie.as_str()), own, ("origin", second)];
        assert_eq!(upgrade(&app, "/ws", &twice).await.status, 403, "{second}");
        let reversed = [("cookie", cookie.as_str()), ("origin", second), own];
        assert_eq!(
            upgrade(&app, "/ws", &reversed).await.status,
            403,
            "{second}"
        );
    }
}

#[tokio::test]
async fn s03_a_cookie_without_an_origin_opens_no_socket() {
    let app = TestApp::start(&[]).await;
    let token = app.guest("Bo").await;
    let cookie = format!("salon={token}");
    let ways: [&[(&str, &str)]; 3] = [
        &[],
        &[("sec-fetch-site", "same-origin")],
        &[("referer", ORIGIN)],
    ];
    for more in ways {
        let mut headers = vec![("cookie", cookie.as_str())];
        headers.extend(more);
        let refused = upgrade(&app, "/ws", &headers).await;
        assert_eq!(refused.code(), "origin_refused", "{more:?}");
    }
    let bearer = format!("Bearer {token}");
    let program = upgrade(&app, "/ws", &[("authorization", &bearer)]).await;
    assert_eq!(program.status, 101);
    // A header that is no token does not let the cookie in either.
    let mixed = [
        ("cookie", cookie.as_str()),
        ("authorization", "Bearer "),
        ("origin", "https://evil.example"),
    ];
    assert_eq!(upgrade(&app, "/ws", &mixed).await.status, 401);
}

#[tokio::test]
async fn s04_no_socket_without_a_living_credential() {
    let app = TestApp::start(&[]).await;
    let gone = app.guest("Bo").await;
    must(&app, &gone, "DELETE /api/sessions/current", Value::Null).await;
    let bob = app.guest("bob").await;
    let me = must(&app, &bob, "GET /api/me", Value::Null).await;
    let expired = Token::random();
    let session = NewSession {
        id: SessionId::new(),
        user: serde_json::from_value(me["user"]["id"].clone()).unwrap(),
        token_hash: expired.sha256(),
        lifetime_s: -1,
        idle_s: 1_000_000,
        origin: salon::db::changes::SessionOrigin::default(),
        verified: None,
    };
    app.store.create_session(session).await.unwrap();
    let upper = bob.to_uppercase();
    for token in [
        "",
        "ffff",
        gone.as_str(),
        expired.reveal(),
        &upper,
        &bob[1..],
        &"0".repeat(64),
    ] {
        let bearer = format!("Bearer {token}");
        let cookie = format!("salon={token}");
        let ways: [&[(&str, &str)]; 2] = [
            &[("authorization", &bearer)],
            &[("cookie", &cookie), ("origin", ORIGIN)],
        ];
        for headers in ways {
            let refused = upgrade(&app, "/ws", headers).await;
            assert_eq!(
                (refused.status.as_u16(), refused.code().as_str()),
                (401, "unauthenticated"),
                "{headers:?}"
            );
        }
    }
    assert_eq!(upgrade(&app, "/ws", &[]).await.status, 401);
}

#[tokio::test]
async fn s05_a_token_in_an_address_is_refused() {
    let app = TestApp::start(&[]).await;
    let session = person(&app, "bo").await;
    let wanted = json!({"name": "ci", "scope": "write"});
    let made = must(&app, &session, "POST /api/tokens", wanted).await;
    let program = made["secret"].as_str().unwrap();
    for token in [session.as_str(), program] {
        for name in ["token", "access_token", "ticket", "authorization", "bearer"] {
            let socket = upgrade(&app, &format!("/ws?{name}={token}"), &[]).await;
            assert_eq!(socket.status, 401, "{name}");
            let path = format!("/api/me?{name}={token}");
            let me = app.request(Method::GET, &path).send().await;
            assert_eq!(me.status, 401, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s05_no_query_is_in_the_log() {
    let server = SalonProcess::start(&[("SALON_LOG", "trace")]).await;
    let bo = ApiClient::guest(&server, "bo").await;
    let (_, made) = bo.post("/api/tickets", &json!({})).await;
    let ticket = made["ticket"].as_str().unwrap();
    for secret in [ticket, bo.token()] {
        let asked = format!(
            "GET /ws?ticket={secret} HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        let answer = raw(server.port(), asked.as_bytes()).await;
        let expected = if secret == ticket { 101 } else { 401 };
        assert_eq!(status(&answer), expected, "{answer}");
        assert!(!answer.contains(secret));
    }
    assert_eq!(bo.get("/api/rooms/last-of-all").await.0, 404);
    let logged = async || server.log_text().contains("/api/rooms/last-of-all");
    eventually("requests are logged", Duration::from_secs(5), logged).await;
    let log = server.log_text();
    for secret in [ticket, bo.token()] {
        assert!(!log.contains(secret), "a secret of a query is in the log");
    }
    assert!(!log.contains("ticket="), "no query is logged at all");
}

#[tokio::test]
async fn s06_a_ticket_opens_one_socket_soon() {
    let app = TestApp::start(&[]).await;
    let token = app.guest("Bo").await;
    let ticket = async || {
        let made = must(&app, &token, "POST /api/tickets", Value::Null).await;
        assert!(made["expires_in_s"].as_i64().unwrap() <= 30);
        made["ticket"].as_str().unwrap().to_owned()
    };
    let first = ticket().await;
    let path = format!("/ws?ticket={first}");
    assert_eq!(upgrade(&app, &path, &[]).await.status, 101);
    assert_eq!(upgrade(&app, &path, &[]).await.status, 401, "twice");
    // Another instance over the same database.
    let other = Auth::new(app.store.clone());
    assert_eq!(other.redeem_ticket(&first).await.unwrap(), None);
    let second = ticket().await;
    assert!(other.redeem_ticket(&second).await.unwrap().is_some());
    let path = format!("/ws?ticket={second}");
    assert_eq!(upgrade(&app, &path, &[]).await.status, 401, "elsewhere");
    // Of two at once one is let in.
    let third = ticket().await;
    let (one, two) = tokio::join!(
        app.app.auth.redeem_ticket(&third),
        other.redeem_ticket(&third)
    );
    let opened = [one.unwrap(), two.unwrap()];
    assert_eq!(opened.iter().flatten().count(), 1);
    // Too late.
    let session = opened.iter().flatten().next().unwrap().session;
    let late = Token::random();
    let made = app.store.create_ticket(session, &late.sha256(), -1).await;
    made.unwrap();
    let path = format!("/ws?ticket={}", late.reveal());
    assert_eq!(upgrade(&app, &path, &[]).await.status, 401, "late");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s08_who_one_is_is_not_for_the_client_to_say() {
    let app = TestApp::start(&[]).await;
    let token = app.guest("Bo").await;
    let me = app.request(Method::GET, "/api/me").bearer(&token);
    let claimed = me
        .header("x-user", "admin")
        .header("x-user-id", "018f0000-0000-7000-8000-000000000000")
        .header("x-role", "owner")
        .header("x-scopes", "admin")
        .header("remote-user", "admin")
        .send()
        .await;
    let plain = ask(&app, &token, "GET /api/me", Value::Null).await;
    assert_eq!(claimed.json(), plain.json());

    let server = TestServer::start(&[]).await;
    let (ada, bob) = (server.guest("ada").await, server.guest("bob").await);
    let (_, me) = server
        .request("GET", "/api/me", Some(&ada), &Value::Null)
        .await;
    let mut socket = server.connect(&bob).await;
    let hello = json!({"type": "hello", "user": me["user"]["id"], "role": "owner", "token": "x"});
    assert_eq!(socket.ask(hello).await["code"], "unknown_type");
    let join = json!({"type": "room.join", "room": "lobby", "role": "owner", "user": me["user"], "scopes": ["admin"]});
    assert_eq!(socket.ask(join).await["type"], "room.joined");
    let send = json!({"type": "message.send", "room": "lobby", "client_id": salon::ids::ClientId::new(), "body": "hi", "author": me["user"], "user": me["user"], "seq": 99});
    assert_eq!(socket.ask(send).await["type"], "message.accepted");
    let told = socket.expect("message").await;
    assert_eq!(
        (&told["message"]["author"]["name"], &told["message"]["seq"]),
        (&json!("bob"), &json!(1)),
        "{told}"
    );
    let (_, room) = server
        .request("GET", "/api/rooms/lobby/members", Some(&bob), &Value::Null)
        .await;
    for member in room["members"].as_array().unwrap() {
        assert_ne!(member["role"], "owner", "{room}");
    }
    server.shutdown.stop();
}

#[tokio::test]
async fn s26_a_claim_that_carries_its_own_proof_is_no_token() {
    let app = TestApp::start(&[]).await;
    let token = app.guest("Bo").await;
    for claim in [
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.",
        "eyJhbGciOiJIUzI1NiIsImtpZCI6Imh0dHA6Ly8xMjcuMC4wLjE6MS9rIn0.eyJzdWIiOiJhZG1pbiJ9.c2lnbmF0dXJl",
        &format!("{token}.e30."),
        &format!("eyJhbGciOiJub25lIn0.{token}."),
    ] {
        let bearer = format!("Bearer {claim}");
        let refused = upgrade(&app, "/ws", &[("authorization", &bearer)]).await;
        assert_eq!(refused.code(), "unauthenticated", "{claim}");
        assert_eq!(
            ask(&app, claim, "GET /api/me", Value::Null).await.status,
            401
        );
    }
}

#[tokio::test]
async fn s09_forwarded_hosts_and_schemes_are_not_believed() {
    let app = TestApp::start(&["--trusted-proxies", "10.0.0.0/8"]).await;
    let cookie = format!("salon={}", app.guest("Bo").await);
    for peer in ["9.9.9.9", "10.0.0.1"] {
        let claims = [
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "https"),
            ("x-original-host", "evil.example"),
            ("forwarded", "host=evil.example;proto=https"),
        ];
        let claiming = |method, path: &str| {
            let mut request = app.request(method, path).peer(peer);
            for (name, value) in claims {
                request = request.header(name, value);
            }
            request
        };
        for origin in ["https://evil.example", "http://evil.example"] {
            let change = claiming(Method::POST, "/api/tickets")
                .header("cookie", &cookie)
                .header("origin", origin);
            assert_eq!(change.send().await.code(), "origin_refused", "{origin}");
        }
        let made = claiming(Method::POST, "/api/rooms")
            .header("cookie", &cookie)
            .header("origin", ORIGIN)
            .json(&json!({"slug": format!("den-{}", peer.len())}))
            .send()
            .await;
        let location = made.headers["location"].to_str().unwrap();
        assert!(location.starts_with("/api/rooms/"), "{location}");
    }
}
