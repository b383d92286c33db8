//! Where the audit log says that something came from, and what it does not name: a stream that is refused, and rooms of two.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::process::eventually;
use crate::support::server::TestServer;

/// The longest wait for a refusal to be in the log: it is written off the path.
const SOON: Duration = Duration::from_secs(20);

async fn refusals(server: &TestServer, root: &str, user: &str) -> Vec<Value> {
    let path = format!("/api/admin/audit?act=refused&user={user}");
    let (status, page) = server.request("GET", &path, Some(root), &Value::Null).await;
    assert_eq!(status, 200, "{page}");
    page["rows"].as_array().unwrap().clone()
}

async fn account(server: &TestServer, name: &str) -> (String, String) {
    let account = json!({"name": name, "password": "correct horse"});
    let (status, made) = server.request("POST", "/api/users", None, &account).await;
    assert_eq!(status, 201, "{made}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&made["token"]), text(&made["user"]["id"]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_refused_is_noted_once_with_its_address() {
    let (server, root) = TestServer::start_with_admin(&[]).await;
    let (ada, _) = account(&server, "Ada").await;
    let (bob, bob_id) = account(&server, "Bob").await;
    let hidden = json!({"slug": "hidden", "name": "Hidden", "visibility": "private"});
    server
        .request("POST", "/api/rooms", Some(&ada), &hidden)
        .await;
    let path = "/api/rooms/hidden/events";
    let (status, refused) = server.request("GET", path, Some(&bob), &Value::Null).await;
    assert_eq!((status, &refused["code"]), (404, &json!("room_not_found")));
    eventually("it is noted", SOON, async || {
        !refusals(&server, &root, &bob_id).await.is_empty()
    })
    .await;
    // What is noted later than another is written later: a second refusal is the fence.
    server
        .request("GET", "/api/rooms/hidden", Some(&bob), &Value::Null)
        .await;
    eventually("the next one too", SOON, async || {
        let rows = refusals(&server, &root, &bob_id).await;
        rows.iter()
            .any(|row| row["detail"] == "get /api/rooms/{slug}")
    })
    .await;
    let rows = refusals(&server, &root, &bob_id).await;
    let of_streams: Vec<&Value> = rows
        .iter()
        .filter(|row| row["detail"] != "get /api/rooms/{slug}")
        .collect();
    let [row] = of_streams.as_slice() else {
        panic!("{rows:?}");
    };
    assert_eq!(row["detail"], "get /api/rooms/{slug}/events");
    assert_eq!(
        (&row["way"], &row["address"]),
        (&json!("http"), &json!("127.0.0.1"))
    );
    assert_eq!((&row["room"], &row["times"]), (&json!("hidden"), &json!(1)));
    server.shutdown.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_names_no_direct_room() {
    let (server, root) = TestServer::start_with_admin(&[]).await;
    let (ada, ada_id) = account(&server, "Ada").await;
    let (bob, bob_id) = account(&server, "Bob").await;
    let (eve, eve_id) = account(&server, "Eve").await;
    let wanted = json!({ "users": ["Bob"] });
    let (status, room) = server
        .request("POST", "/api/direct", Some(&ada), &wanted)
        .await;
    assert!(status < 300, "{room}");
    let slug = room["slug"]
        .as_str()
        .or(room["room"]["slug"].as_str())
        .unwrap()
        .to_owned();
    // Both export it, both are refused something in it, and so is somebody who is not there.
    for token in [&ada, &bob] {
        let path = format!("/api/rooms/{slug}/export");
        let (status, _) = server
            .request("GET", &path, Some(token), &Value::Null)
            .await;
        assert_eq!(status, 200);
    }
    for token in [&ada, &bob, &eve] {
        let path = format!("/api/rooms/{slug}");
        let (status, _) = server
            .request("DELETE", &path, Some(token), &Value::Null)
            .await;
        assert!(status == 403 || status == 404, "{status}");
    }
    for user in [&ada_id, &bob_id, &eve_id] {
        eventually("it is noted", SOON, async || {
            !refusals(&server, &root, user).await.is_empty()
        })
        .await;
        assert_eq!(refusals(&server, &root, user).await[0]["room"], "(direct)");
    }
    let path = "/api/admin/audit";
    let (_, all) = server.request("GET", path, Some(&root), &Value::Null).await;
    let exports = all["rows"].as_array().unwrap().iter();
    let exports: Vec<&Value> = exports
        .filter(|row| row["act"] == "room.exported")
        .collect();
    assert_eq!(exports.len(), 2, "{all}");
    assert!(
        exports
            .iter()
            .all(|row| row["room"] == "(direct)" && row["whom"].is_null())
    );
    assert!(!all.to_string().contains(&slug), "{all}");
    server.shutdown.stop();
}
