//! Tokens and bots over the wire: what a scope allows, how a token ends, and that the assistant answers no bot.

use std::time::Duration;

use salon::auth::WantedToken;
use salon::ids::ClientId;
use salon::permissions::Scope;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::communicator::{SocketClient, message};
use crate::support::event_stream::ApiClient;
use crate::support::instance::Instance;
use crate::support::server::TestServer;

/// An account of this name: its session's token.
async fn account(server: &TestServer, name: &str) -> String {
    let wanted = json!({"name": name, "password": "correct horse"});
    let (status, made) = server.request("POST", "/api/users", None, &wanted).await;
    assert_eq!(status, 201, "{made}");
    made["token"].as_str().unwrap().to_owned()
}

/// A token made at this address: its secret and its id.
async fn token_at(
    server: &TestServer,
    session: &str,
    path: &str,
    wanted: &Value,
) -> (String, String) {
    let (status, made) = server.request("POST", path, Some(session), wanted).await;
    assert_eq!(status, 201, "{made}");
    let secret = made["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("salon_") && secret.len() == 70);
    (secret, made["token"]["id"].as_str().unwrap().to_owned())
}

async fn token(server: &TestServer, session: &str, scope: &str) -> (String, String) {
    let wanted = json!({"name": "ci", "scope": scope});
    token_at(server, session, "/api/tokens", &wanted).await
}

/// Status and code.
async fn code(
    server: &TestServer,
    method: &str,
    path: &str,
    token: &str,
    body: Value,
) -> (u16, Value) {
    let (status, answer) = server.request(method, path, Some(token), &body).await;
    (status, answer["code"].clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_may_read_only_reads() {
    let server = TestServer::start(&[]).await;
    let session = account(&server, "ada").await;
    let (read, _) = token(&server, &session, "read").await;
    let (status, me) = server
        .request("GET", "/api/me", Some(&read), &Value::Null)
        .await;
    assert_eq!((status, &me["scope"]), (200, &json!("read")));
    assert_eq!(me["expires_at"], Value::Null);
    for path in [
        "/api/rooms",
        "/api/rooms/lobby/messages",
        "/api/search?q=word",
    ] {
        assert_eq!(
            code(&server, "GET", path, &read, Value::Null).await.0,
            200,
            "{path}"
        );
    }
    let said = json!({"body": "hello"});
    for (method, path, body) in [
        ("POST", "/api/rooms/lobby/messages", said),
        (
            "POST",
            "/api/rooms",
            json!({"slug": "den", "name": "Den", "visibility": "public"}),
        ),
        ("PUT", "/api/rooms/lobby/mute", json!({"muted": true})),
        ("POST", "/api/chat", json!({"message": "hello"})),
    ] {
        let refused = code(&server, method, path, &read, body).await;
        assert_eq!(refused, (403, json!("scope_missing")), "{path}");
    }
    // The same on a socket; what it refuses holds nothing else back.
    let mut socket = server.connect(&read).await;
    socket.join("lobby").await;
    for frame in [
        message("lobby", ClientId::new(), "hello"),
        json!({"type": "read.mark", "room": "lobby", "seq": 1}),
        json!({"type": "typing", "room": "lobby"}),
        json!({"type": "reaction.add", "room": "lobby", "seq": 1, "emoji": "👍"}),
    ] {
        let refused = socket.ask(frame).await;
        assert_eq!(
            (&refused["type"], &refused["code"]),
            (&json!("error"), &json!("scope_missing"))
        );
        assert_eq!(refused["room"], "lobby");
    }
    let page = json!({"type": "message.history", "room": "lobby"});
    assert_eq!(socket.ask(page).await["type"], "message.page");
    // Reading makes no member of a public room.
    let owner = account(&server, "owner").await;
    let den = json!({"slug": "den", "name": "Den", "visibility": "public"});
    assert_eq!(
        code(&server, "POST", "/api/rooms", &owner, den).await.0,
        201
    );
    let refused = socket
        .ask(json!({"type": "room.join", "room": "den"}))
        .await;
    assert_eq!(refused["code"], "not_a_member");
    let (write, _) = token(&server, &session, "write").await;
    let mut socket = server.connect(&write).await;
    socket.join("den").await;
    assert_eq!(
        socket.send("den", "hello").await["type"],
        "message.accepted"
    );
    server.shutdown.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_token_touches_the_account() {
    let server = TestServer::start(&[]).await;
    let session = account(&server, "ada").await;
    let (write, id) = token(&server, &session, "write").await;
    let den = json!({"slug": "den", "name": "Den", "visibility": "private"});
    assert_eq!(
        code(&server, "POST", "/api/rooms", &write, den).await.0,
        201
    );
    let wanted = json!({"name": "another", "scope": "write"});
    for (method, path, body) in [
        ("GET", "/api/tokens", Value::Null),
        ("POST", "/api/tokens", wanted),
        ("DELETE", &format!("/api/tokens/{id}"), Value::Null),
        ("GET", "/api/bots", Value::Null),
        ("POST", "/api/bots", json!({"name": "robot"})),
        ("POST", "/api/tickets", Value::Null),
        ("DELETE", "/api/sessions/current", Value::Null),
        ("GET", "/api/rooms/den/incoming-hooks", Value::Null),
        (
            "POST",
            "/api/rooms/den/incoming-hooks",
            json!({"name": "ci"}),
        ),
    ] {
        let refused = code(&server, method, path, &write, body).await;
        assert_eq!(refused, (403, json!("session_required")), "{method} {path}");
    }
    // A guest has a session, and nothing that outlives it.
    let guest = server.guest("gus").await;
    for (path, body) in [
        ("/api/tokens", json!({"name": "t", "scope": "read"})),
        ("/api/bots", json!({"name": "robot"})),
    ] {
        let refused = code(&server, "POST", path, &guest, body).await;
        assert_eq!(refused, (403, json!("forbidden")), "{path}");
    }
    for wanted in [
        json!({"name": "t", "scope": "admin"}),
        json!({"name": " ", "scope": "read"}),
        json!({"name": "t", "scope": "read", "expires_in_s": 0}),
        json!({"name": "t", "scope": "read", "expires_in_s": 315_360_001}),
    ] {
        let refused = code(&server, "POST", "/api/tokens", &session, wanted).await;
        assert_eq!(refused, (400, json!("bad_request")));
    }
    let (_, listed) = server
        .request("GET", "/api/tokens", Some(&session), &Value::Null)
        .await;
    let listed = &listed["tokens"];
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert!(listed[0]["last_used_at"].is_string());
    assert!(
        !listed.to_string().contains(&write[6..]),
        "never the secret"
    );
    server.shutdown.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revoking_a_token_closes_what_is_open_by_it_within_a_second() {
    let server = TestServer::start(&[]).await;
    let session = account(&server, "ada").await;
    let ((first, id), (second, _)) = (
        token(&server, &session, "write").await,
        token(&server, &session, "read").await,
    );
    let mut ending = [server.connect(&first).await, server.connect(&first).await];
    let mut staying = [
        server.connect(&second).await,
        server.connect(&session).await,
    ];
    for socket in ending.iter_mut().chain(&mut staying) {
        socket.join("lobby").await;
    }
    let reader = ApiClient::with_token(format!("http://127.0.0.1:{}", server.port), &first);
    let mut events = reader.room_events("lobby", None).await;
    events.expect("room.joined").await;
    let path = format!("/api/tokens/{id}");
    let stranger = account(&server, "bob").await;
    let refused = code(&server, "DELETE", &path, &stranger, Value::Null).await;
    assert_eq!(refused, (404, json!("not_found")));
    let (status, _) = server
        .request("DELETE", &path, Some(&session), &Value::Null)
        .await;
    let revoked = Instant::now();
    assert_eq!(status, 204);
    for socket in &mut ending {
        assert_eq!(socket.closed().await, 4501);
    }
    let rest = events.rest().await;
    assert!(
        revoked.elapsed() < Duration::from_secs(1),
        "{:?}",
        revoked.elapsed()
    );
    assert_eq!(rest.last().unwrap().data["code"], "unauthenticated");
    assert_eq!(
        code(&server, "GET", "/api/me", &first, Value::Null).await.0,
        401
    );
    assert_eq!(
        staying[1].send("lobby", "still here").await["type"],
        "message.accepted"
    );
    staying[0].expect("message").await;
    server.shutdown.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_ran_out_closes_its_sockets() {
    let server = TestServer::start(&[]).await;
    let session = account(&server, "ada").await;
    let wanted = json!({"name": "short", "scope": "read", "expires_in_s": 1});
    let (short, _) = token_at(&server, &session, "/api/tokens", &wanted).await;
    let mut socket = server.connect(&short).await;
    let opened = Instant::now();
    assert_eq!(socket.closed().await, 4501);
    // Its second, the interval of looking, and a margin.
    assert!(
        opened.elapsed() < Duration::from_secs(6),
        "{:?}",
        opened.elapsed()
    );
    assert_eq!(
        code(&server, "GET", "/api/me", &short, Value::Null).await.0,
        401
    );
    server.shutdown.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_revoked_elsewhere_is_noticed_without_a_word() {
    let (salon, _database) = Instance::alone().await;
    let owner = salon.user("ada").await;
    let wanted = WantedToken {
        name: "ci".into(),
        scope: Scope::Write,
        expires_in_s: None,
    };
    let made = salon.app.auth.create_token(&owner, owner.user.id, wanted);
    let (secret, row) = made.await.unwrap();
    let identity = salon.app.auth.authenticate(secret.reveal()).await.unwrap();
    let mut socket = salon.connect(&identity.unwrap()).await;
    socket.join("lobby").await;
    // As another instance does it while Redis is dead: nobody is nudged.
    assert!(
        salon
            .store
            .delete_token(owner.user.id, row.id)
            .await
            .unwrap()
    );
    let revoked = Instant::now();
    assert_eq!(socket.closed().await, 4501);
    assert!(
        revoked.elapsed() < Duration::from_secs(5),
        "{:?}",
        revoked.elapsed()
    );
}

/// A bot called Robot of this session's user: its id, and a token that may write.
async fn robot(server: &TestServer, session: &str) -> (String, String) {
    let wanted = json!({"name": "Robot"});
    let (status, bot) = server
        .request("POST", "/api/bots", Some(session), &wanted)
        .await;
    assert_eq!((status, &bot["user"]["kind"]), (201, &json!("bot")));
    let id = bot["user"]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/bots/{id}/tokens");
    let wanted = json!({"name": "main", "scope": "write"});
    let (secret, _) = token_at(server, session, &path, &wanted).await;
    (id, secret)
}

/// Makes the private room `den` with Robot in it; a socket of its owner's there.
async fn den_with_robot(server: &TestServer, session: &str) -> SocketClient {
    let den = json!({"slug": "den", "name": "Den", "visibility": "private"});
    let made = code(server, "POST", "/api/rooms", session, den).await;
    assert_eq!(made.0, 201);
    let member = json!({"name": "robot"});
    let added = code(server, "POST", "/api/rooms/den/members", session, member).await;
    assert_eq!(added.0, 200);
    let mut owner = server.connect(session).await;
    owner.join("den").await;
    owner
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_talks_and_no_bot_is_answered() {
    let server = TestServer::start(&[]).await;
    let session = account(&server, "ada").await;
    let (_, secret) = robot(&server, &session).await;
    let password = json!({"name": "robot", "password": "correct horse"});
    let (status, _) = server
        .request("POST", "/api/sessions", None, &password)
        .await;
    assert_eq!(status, 401, "nobody signs in as it");
    let mut owner = den_with_robot(&server, &session).await;
    let mut robot = server.connect(&secret).await;
    // A public room it joins by itself.
    robot.join("lobby").await;
    robot.join("den").await;
    let asked = robot.send("den", "@assistant tell me more").await;
    assert_eq!(asked["type"], "message.accepted");
    assert_eq!(asked["reply_seq"], Value::Null);
    assert_eq!(asked["reply_refused"], "bots_not_answered");
    let seen = owner.expect("message").await;
    assert_eq!(seen["message"]["author"]["kind"], "bot");
    assert_eq!(seen["message"]["author"]["name"], "Robot");
    let chat = json!({"message": "hello"});
    let refused = code(&server, "POST", "/api/chat", &secret, chat).await;
    assert_eq!(refused, (409, json!("bots_not_answered")));
    server.shutdown.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_bot_is_gone_from_the_rooms_and_from_the_wire() {
    let server = TestServer::start(&[]).await;
    let session = account(&server, "ada").await;
    let (id, secret) = robot(&server, &session).await;
    let mut owner = den_with_robot(&server, &session).await;
    let mut robot = server.connect(&secret).await;
    robot.join("den").await;
    robot.send("den", "hello").await;
    let path = format!("/api/bots/{id}");
    let (status, _) = server
        .request("DELETE", &path, Some(&session), &Value::Null)
        .await;
    let removed = Instant::now();
    assert_eq!(status, 204);
    assert_eq!(robot.closed().await, 4501);
    assert!(
        removed.elapsed() < Duration::from_secs(1),
        "{:?}",
        removed.elapsed()
    );
    let gone = owner.expect("room.changed").await;
    assert_eq!(gone["change"], "removed");
    assert_eq!(gone["user"]["id"], id.as_str());
    let show = async |path: &str| {
        server
            .request("GET", path, Some(&session), &Value::Null)
            .await
            .1
    };
    let members = show("/api/rooms/den/members").await;
    assert_eq!(members["members"].as_array().unwrap().len(), 1, "{members}");
    // What it said stays.
    let kept = show("/api/rooms/den/messages/1").await;
    assert_eq!(kept["author"]["name"], "Robot");
    server.shutdown.stop();
}
