//! Claims that an embedding application signs, as bearer tokens of the API and of the socket.

use std::io::Write;
use std::time::{Duration, Instant};

use axum::http::{Method, StatusCode};
use salon::limits;
use serde_json::{Value, json};

use crate::support::app::{ORIGIN, TestApp, ask};
use crate::support::communicator::SocketClient;
use crate::support::fake_openid::{FakeOpenId, Reply};
use crate::support::process::eventually;
use crate::support::server::TestServer;
use crate::support::signer::{AUDIENCE, ISSUER, Signer, claims};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const EXPECTED: [&str; 4] = ["--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE];

fn by_secret() -> Vec<&'static str> {
    [EXPECTED.as_slice(), &["--jwt-secret", SECRET]].concat()
}

fn signer() -> Signer {
    Signer::secret(SECRET.as_bytes())
}

async fn me(app: &TestApp, token: &str) -> (StatusCode, Value) {
    let answer = ask(app, token, "GET /api/me", Value::Null).await;
    (answer.status, answer.json())
}

#[tokio::test]
async fn a_claim_is_its_user_from_the_first_use_on() {
    let app = TestApp::start(&by_secret()).await;
    let token = signer().sign(&claims("u-1", 300, &json!({"name": "Ada"})));
    let (status, first) = me(&app, &token).await;
    assert_eq!(status, StatusCode::OK, "{first}");
    assert_eq!(first["user"]["name"], "Ada");
    assert_eq!(first["user"]["kind"], "user");
    assert_eq!(first["scope"], "write");
    assert_eq!(me(&app, &token).await.1, first, "the same session");
    let later = signer().sign(&claims("u-1", 600, &json!({"name": "Renamed"})));
    let (_, second) = me(&app, &later).await;
    assert_eq!(second["user"], first["user"]);
    assert_ne!(second["session"], first["session"]);
    assert!(second["expires_at"].as_str() > first["expires_at"].as_str());
    let other = signer().sign(&claims("u-2", 300, &json!({"name": "ada"})));
    assert_eq!(me(&app, &other).await.1["user"]["name"], "ada 2");
    let nameless = signer().sign(&claims("u-3", 300, &json!({"name": null})));
    assert_eq!(me(&app, &nameless).await.1["user"]["name"], "Newcomer");

    let sent = ask(
        &app,
        &token,
        "POST /api/rooms/lobby/messages",
        json!({"body": "hi"}),
    )
    .await;
    assert_eq!(sent.status, StatusCode::CREATED);
    // Nothing that would outlive it.
    for closed in [
        "GET /api/tokens",
        "POST /api/bots",
        "DELETE /api/sessions/current",
    ] {
        let refused = ask(&app, &token, closed, json!({"name": "x"})).await;
        assert_eq!(refused.code(), "session_required", "{closed}");
    }
}

#[tokio::test]
async fn many_at_once_make_one_user_and_one_session() {
    let app = TestApp::start(&by_secret()).await;
    let token = signer().sign(&claims("u-1", 300, &json!({})));
    let all = futures_util::future::join_all((0..20).map(|_| me(&app, &token))).await;
    assert!(all.iter().all(|one| one == &all[0]), "{all:?}");
    assert_eq!(all[0].0, StatusCode::OK);
}

#[tokio::test]
async fn s26_a_claim_is_believed_only_for_us_of_now_and_by_the_named_key() {
    let app = TestApp::start(&by_secret()).await;
    let now = chrono::Utc::now().timestamp();
    for wrong in [
        json!({"iss": "https://shop.example/"}),
        json!({"iss": null}),
        json!({"iss": [ISSUER]}),
        json!({"aud": "another"}),
        json!({"aud": []}),
        json!({"aud": null}),
        json!({"sub": ""}),
        json!({"sub": null}),
        json!({"sub": 7}),
        json!({"sub": "a\0b"}),
        json!({"sub": "x".repeat(limits::SUBJECT_BYTES + 1)}),
        json!({"exp": now - 1}),
        json!({"exp": null}),
        json!({"exp": "never"}),
        json!({"exp": now + limits::JWT_LIFETIME_S + 60}),
        json!({"exp": 1e18}),
        json!({"nbf": now + 120}),
        json!({"iat": now + 120}),
        json!({"name": 7}),
    ] {
        let token = signer().sign(&claims("ada", 300, &wrong));
        assert_eq!(
            me(&app, &token).await.0,
            StatusCode::UNAUTHORIZED,
            "{wrong}"
        );
    }
    let right = claims("ada", 300, &json!({}));
    for (what, token) in [
        (
            "another secret",
            Signer::secret(b"0123456789abcdef0123456789abcdeX").sign(&right),
        ),
        ("an empty secret", Signer::secret(b"").sign(&right)),
        ("a public key", Signer::new("secret").sign(&right)),
        (
            "with spaces",
            format!(" {} ", signer().sign(&right)).replace('.', " ."),
        ),
    ] {
        assert_eq!(me(&app, &token).await.0, StatusCode::UNAUTHORIZED, "{what}");
    }
    for several in [
        json!({"aud": [AUDIENCE]}),
        json!({"aud": ["another", AUDIENCE]}),
    ] {
        let token = signer().sign(&claims("ada", 300, &several));
        assert_eq!(me(&app, &token).await.0, StatusCode::OK, "{several}");
    }
    // A browser sends a cookie by itself; a claim is never one, and no ticket.
    let token = signer().sign(&right);
    let cookie = app
        .request(Method::GET, "/api/me")
        .header("cookie", &format!("salon={token}"))
        .header("origin", ORIGIN);
    assert_eq!(cookie.send().await.code(), "unauthenticated");
    let ticket = app.request(Method::GET, &format!("/ws?ticket={token}"));
    let ticket = ticket
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(ticket.send().await.code(), "unauthenticated");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_lives_no_longer_than_its_claim() {
    let server = TestServer::start(&by_secret()).await;
    let ends = Instant::now() + Duration::from_secs(4);
    let token = signer().sign(&claims("ada", 4, &json!({})));
    let mut by_bearer = server.connect(&token).await;
    let (status, ticket) = server
        .request("POST", "/api/tickets", Some(&token), &Value::Null)
        .await;
    assert_eq!(status, 201, "{ticket}");
    let ticket = ticket["ticket"].as_str().unwrap();
    let mut by_ticket = SocketClient::connect_by_ticket(server.port, ticket).await;
    assert_eq!(by_ticket.receive_json_from().await["type"], "welcome");
    let join = json!({"type": "room.join", "room": "lobby"});
    assert_eq!(by_bearer.ask(join).await["type"], "room.joined");
    for socket in [&mut by_bearer, &mut by_ticket] {
        assert_eq!(socket.closed().await, 4501);
    }
    assert!(
        Instant::now() >= ends - Duration::from_secs(1),
        "not before it ends"
    );
    let (status, _) = server
        .request("GET", "/api/me", Some(&token), &Value::Null)
        .await;
    assert_eq!(status, 401);
    server.shutdown.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_come_from_a_file_or_an_address() {
    let signer = Signer::rsa("one");
    let mut set = tempfile::NamedTempFile::new().unwrap();
    set.write_all(signer.set().as_bytes()).unwrap();
    let provider = FakeOpenId::start(&signer).await;
    let address = format!("{}/keys", provider.issuer());
    for key in [
        ["--jwt-key", set.path().to_str().unwrap()],
        ["--jwks-url", &address],
    ] {
        let app = TestApp::start(&[EXPECTED.as_slice(), &key].concat()).await;
        let token = signer.sign(&claims("ada", 300, &json!({})));
        assert_eq!(me(&app, &token).await.0, StatusCode::OK, "{key:?}");
        // What is public is no secret.
        let forged = Signer::secret(signer.set().as_bytes()).sign(&claims("ada", 300, &json!({})));
        assert_eq!(me(&app, &forged).await.0, StatusCode::UNAUTHORIZED);
        let other = Signer::rsa("one").sign(&claims("ada", 300, &json!({})));
        assert_eq!(me(&app, &other).await.0, StatusCode::UNAUTHORIZED);
    }
    // A new key at that address.
    let app = TestApp::start(&[EXPECTED.as_slice(), &["--jwks-url", &address]].concat()).await;
    let new = Signer::new("two");
    let by_new = new.sign(&claims("ada", 300, &json!({})));
    let by_old = signer.sign(&claims("ada", 300, &json!({})));
    assert_eq!(me(&app, &by_old).await.0, StatusCode::OK);
    provider.reply("/keys", Reply::Text(200, new.set()));
    eventually(
        "the new key is known",
        Duration::from_secs(20),
        async || me(&app, &by_new).await.0 == StatusCode::OK,
    )
    .await;
    assert_eq!(me(&app, &by_old).await.0, StatusCode::UNAUTHORIZED);
    // Nobody is let in, and nobody is told that it is no token, while there are no keys.
    provider.reply("/keys", Reply::Text(500, String::new()));
    let app = TestApp::start(&[EXPECTED.as_slice(), &["--jwks-url", &address]].concat()).await;
    let refused = ask(&app, &by_new, "GET /api/me", Value::Null).await;
    assert_eq!(refused.code(), "unavailable");
}
