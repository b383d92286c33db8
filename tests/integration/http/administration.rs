//! `/api/admin` as administrators use it, and the audit log as it fills.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::communicator::SocketClient;
use crate::support::process::eventually;
use crate::support::server::TestServer;

/// The longest wait for a refusal to be in the log: it is written off the path.
const SOON: Duration = Duration::from_secs(20);

async fn get(server: &TestServer, token: &str, path: &str) -> Value {
    loop {
        let (status, body) = server.request("GET", path, Some(token), &Value::Null).await;
        // Whoever asks again and again is asked to wait.
        if status == 429 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        }
        assert_eq!(status, 200, "{path}: {body}");
        return body;
    }
}

async fn user(server: &TestServer, name: &str) -> (String, String) {
    let account = json!({"name": name, "password": "correct horse"});
    let (status, made) = server.request("POST", "/api/users", None, &account).await;
    assert_eq!(status, 201, "{made}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&made["token"]), text(&made["user"]["id"]))
}

/// Waits for a row of the log that fits.
async fn row(server: &TestServer, root: &str, query: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let path = format!("/api/admin/audit?{query}");
    let find = async || {
        let page = get(server, root, &path).await;
        page["rows"]
            .as_array()
            .unwrap()
            .iter()
            .find(|row| fits(row))
            .cloned()
    };
    eventually("the audit log tells of it", SOON, async || {
        find().await.is_some()
    })
    .await;
    find().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn administrators_see_users_and_rooms_but_no_message() {
    let (server, root) = TestServer::start_with_admin(&[]).await;
    let (ada, ada_id) = user(&server, "Ada").await;
    let hidden = json!({"slug": "hidden", "name": "Hidden", "visibility": "private"});
    let made = server
        .request("POST", "/api/rooms", Some(&ada), &hidden)
        .await;
    assert_eq!(made.0, 201, "{}", made.1);
    assert_eq!(get(&server, &root, "/api/me").await["admin"], true);
    assert_eq!(get(&server, &ada, "/api/me").await["admin"], false);
    let users = get(&server, &root, "/api/admin/users?text=a&limit=1").await;
    assert_eq!(users["users"][0]["user"]["name"], "assistant");
    assert_eq!(users["more"], true);
    let first = users["users"][0]["user"]["id"].as_str().unwrap();
    let users = get(
        &server,
        &root,
        &format!("/api/admin/users?text=a&after={first}"),
    )
    .await;
    assert_eq!(users["users"][0]["user"]["id"], ada_id.as_str());
    let rooms = get(&server, &root, "/api/admin/rooms?text=hid").await;
    assert_eq!(rooms["rooms"][0]["slug"], "hidden");
    assert_eq!(rooms["rooms"][0]["owners"][0]["name"], "Ada");
    for path in [
        "/api/rooms/hidden",
        "/api/rooms/hidden/messages",
        "/api/rooms/hidden/export",
    ] {
        let (status, body) = server.request("GET", path, Some(&root), &Value::Null).await;
        assert_eq!(
            (status, body["code"].as_str()),
            (404, Some("room_not_found")),
            "{path}"
        );
    }
    for path in ["/api/admin/users", "/api/admin/rooms", "/api/admin/audit"] {
        let (status, body) = server.request("GET", path, Some(&ada), &Value::Null).await;
        assert_eq!(
            (status, body["code"].as_str()),
            (403, Some("forbidden")),
            "{path}"
        );
        let (status, body) = server
            .request("GET", &format!("{path}?limit=0"), Some(&root), &Value::Null)
            .await;
        assert_eq!(
            (status, body["code"].as_str()),
            (400, Some("bad_request")),
            "{path}"
        );
    }
    server.shutdown.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rights_to_administer_are_given_and_taken_and_the_last_stays() {
    let (server, root) = TestServer::start_with_admin(&[]).await;
    let (ada, ada_id) = user(&server, "Ada").await;
    let root_id = get(&server, &root, "/api/me").await["user"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let set = async |token: &str, user: &str, admin: bool| {
        let path = format!("/api/admin/users/{user}/admin");
        server
            .request("PUT", &path, Some(token), &json!({"admin": admin}))
            .await
    };
    let last = set(&root, &root_id, false).await;
    assert_eq!(
        (last.0, last.1["code"].as_str()),
        (409, Some("last_administrator"))
    );
    let given = set(&root, &ada_id, true).await;
    assert_eq!(
        (given.0, &given.1["admin"]),
        (200, &json!(true)),
        "{}",
        given.1
    );
    assert_eq!(set(&ada, &root_id, false).await.0, 200);
    assert_eq!(
        set(&root, &root_id, true).await.0,
        401,
        "its sessions ended with the right"
    );
    let taken = row(&server, &ada, "act=admin.taken", |_| true).await;
    assert_eq!(taken["who"]["name"], "Ada");
    assert_eq!(taken["whom"]["name"], "Root");
    assert_eq!(
        (&taken["way"], &taken["address"]),
        (&json!("http"), &json!("127.0.0.1"))
    );
    server.shutdown.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s14_an_administrator_ends_all_sessions_of_somebody_and_the_sockets_close() {
    let (server, root) = TestServer::start_with_admin(&[]).await;
    let (ada, ada_id) = user(&server, "Ada").await;
    let mut socket = SocketClient::connect(server.port, &ada).await;
    socket.join("lobby").await;
    let path = format!("/api/admin/users/{ada_id}/sessions");
    let began = std::time::Instant::now();
    let ended = server
        .request("DELETE", &path, Some(&root), &Value::Null)
        .await;
    assert_eq!(
        (ended.0, &ended.1["sessions"]),
        (200, &json!(0)),
        "{}",
        ended.1
    );
    assert_eq!(socket.closed().await, 4501);
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    let asked = server
        .request("GET", "/api/me", Some(&ada), &Value::Null)
        .await;
    assert_eq!(asked.0, 401);
    let noted = row(&server, &root, "act=sessions.ended", |_| true).await;
    assert_eq!(
        (&noted["who"]["name"], &noted["whom"]["name"]),
        (&json!("Root"), &json!("Ada"))
    );
    server.shutdown.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disabled_user_is_out_until_it_is_let_in_again() {
    let (server, root) = TestServer::start_with_admin(&[]).await;
    let (ada, ada_id) = user(&server, "Ada").await;
    let root_id = get(&server, &root, "/api/me").await["user"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut socket = SocketClient::connect(server.port, &ada).await;
    socket.join("lobby").await;
    let set = async |user: &str, disabled: bool| {
        let path = format!("/api/admin/users/{user}/disabled");
        server
            .request("PUT", &path, Some(&root), &json!({"disabled": disabled}))
            .await
    };
    let last = set(&root_id, true).await;
    assert_eq!(
        (last.0, last.1["code"].as_str()),
        (409, Some("last_administrator"))
    );
    let disabled = set(&ada_id, true).await;
    assert_eq!(disabled.0, 200, "{}", disabled.1);
    assert!(disabled.1["disabled_at"].is_string(), "{}", disabled.1);
    assert_eq!(socket.closed().await, 4501);
    let account = json!({"name": "ada", "password": "correct horse"});
    let refused = server
        .request("POST", "/api/sessions", None, &account)
        .await;
    assert_eq!(
        (refused.0, refused.1["code"].as_str()),
        (403, Some("account_disabled"))
    );
    // Who does not know the password learns nothing: not that it is disabled, nor that it is there.
    let tried = async |name: &str| {
        let guess = json!({"name": name, "password": "battery staple"});
        let mut answer = server.request("POST", "/api/sessions", None, &guess).await;
        answer.1["request_id"].take();
        answer
    };
    let wrong = tried("ada").await;
    assert_eq!(
        (wrong.0, wrong.1["code"].as_str()),
        (401, Some("bad_credentials"))
    );
    assert_eq!(wrong, tried("nobody").await);
    assert_eq!(set(&ada_id, false).await.0, 200);
    let entered = server
        .request("POST", "/api/sessions", None, &account)
        .await;
    assert_eq!(entered.0, 201, "{}", entered.1);
    for act in ["user.disabled", "user.enabled"] {
        let noted = row(&server, &root, &format!("act={act}"), |_| true).await;
        assert_eq!(
            (&noted["who"]["name"], &noted["whom"]["name"]),
            (&json!("Root"), &json!("Ada"))
        );
    }
    server.shutdown.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_archives_and_deletes_a_room_it_is_not_in() {
    let (server, root) = TestServer::start_with_admin(&[]).await;
    let (ada, ada_id) = user(&server, "Ada").await;
    let club = json!({"slug": "club", "visibility": "private"});
    server
        .request("POST", "/api/rooms", Some(&ada), &club)
        .await;
    let mut socket = SocketClient::connect(server.port, &ada).await;
    let joined = socket
        .ask(json!({"type": "room.join", "room": "club"}))
        .await;
    assert_eq!(joined["type"], "room.joined");
    let path = "/api/admin/rooms/club";
    let owner = format!("{path}/owner");
    let kept = server
        .request("PUT", &owner, Some(&root), &json!({"user": ada_id}))
        .await;
    assert_eq!(
        (kept.0, kept.1["code"].as_str()),
        (409, Some("room_has_owner"))
    );
    let archived = server
        .request("PATCH", path, Some(&root), &json!({"archived": true}))
        .await;
    assert_eq!(archived.0, 200, "{}", archived.1);
    let said = json!({"body": "late"});
    let late = server
        .request("POST", "/api/rooms/club/messages", Some(&ada), &said)
        .await;
    assert_eq!(late.1["code"], "room_archived");
    let deleted = server
        .request("DELETE", path, Some(&root), &Value::Null)
        .await;
    assert_eq!(deleted.0, 200, "{}", deleted.1);
    let removed = socket.expect("room.removed").await;
    assert_eq!(removed["reason"], "deleted", "its sockets are told");
    let noted = row(&server, &root, "room=club&act=room.deleted", |_| true).await;
    assert_eq!(noted["who"]["name"], "Root");
    server.shutdown.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s75_refusals_and_changes_are_in_the_audit_log_with_who_where_and_when() {
    let (server, root) = TestServer::start_with_admin(&[]).await;
    let (ada, ada_id) = user(&server, "Ada").await;
    let wrong = json!({"name": "ada", "password": "secret canary"});
    for _ in 0..3 {
        assert_eq!(
            server
                .request("POST", "/api/sessions", None, &wrong)
                .await
                .0,
            401
        );
    }
    let failed = row(&server, &root, "act=session.started", |row| {
        row["outcome"] == "bad_credentials"
    })
    .await;
    assert_eq!(
        (&failed["whom"]["id"], &failed["who"]),
        (&json!(ada_id), &Value::Null)
    );
    assert_eq!(
        (&failed["way"], &failed["address"]),
        (&json!("http"), &json!("127.0.0.1"))
    );
    let edit = json!({"topic": "canary"});
    let refused = server
        .request("PATCH", "/api/rooms/lobby", Some(&ada), &edit)
        .await;
    assert_eq!(refused.0, 403);
    let query = format!("act=refused&user={ada_id}&room=lobby");
    let http = row(&server, &root, &query, |row| row["way"] == "http").await;
    assert_eq!(
        (&http["outcome"], &http["detail"]),
        (&json!("forbidden"), &json!("patch /api/rooms/{slug}"))
    );

    let mut socket = SocketClient::connect(server.port, &ada).await;
    let refused = socket.ask(json!({"type": "message.send", "room": "no-such-room", "client_id": "0191f0a0-0000-7000-8000-000000000000", "body": "canary"})).await;
    assert_eq!(refused["code"], "room_not_found");
    let query = format!("act=refused&user={ada_id}&room=no-such-room");
    let frame = row(&server, &root, &query, |row| row["way"] == "socket").await;
    assert_eq!(
        (&frame["outcome"], &frame["address"]),
        (&json!("room_not_found"), &json!("127.0.0.1"))
    );
    for _ in 0..1_000 {
        socket.send_json_to(&json!({"type": "ping"})).await;
    }
    let query = format!("act=refused&user={ada_id}");
    let limited = |row: &Value| row["outcome"] == "rate_limited" && row["way"] == "socket";
    let met = row(&server, &root, &query, limited).await;
    assert!(met["times"].as_i64().unwrap() >= 1, "{met}");
    let all = get(&server, &root, "/api/admin/audit").await.to_string();
    assert!(!all.contains("canary"), "{all}");
    server.shutdown.stop();
}
