//! Signing out ends the session's sockets at once, and only those (P7).

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::server::TestServer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_out_closes_the_sessions_sockets_within_a_second() {
    let server = TestServer::start(&[]).await;
    let account = json!({"name": "ada", "password": "correct horse"});
    let (status, made) = server.request("POST", "/api/users", None, &account).await;
    assert_eq!(status, 201, "{made}");
    let (status, again) = server
        .request("POST", "/api/sessions", None, &account)
        .await;
    assert_eq!(status, 201, "{again}");
    let (first, second) = (
        made["token"].as_str().unwrap(),
        again["token"].as_str().unwrap(),
    );
    let mut ending = [server.connect(first).await, server.connect(first).await];
    let mut staying = [
        server.connect(second).await,
        server.connect(&server.guest("bob").await).await,
    ];
    for socket in ending.iter_mut().chain(&mut staying) {
        socket.join("lobby").await;
    }
    let (status, _) = server
        .request("DELETE", "/api/sessions/current", Some(first), &Value::Null)
        .await;
    let signed_out = Instant::now();
    assert_eq!(status, 204);
    for socket in &mut ending {
        assert_eq!(socket.closed().await, 4501);
    }
    assert!(
        signed_out.elapsed() < Duration::from_secs(1),
        "{:?}",
        signed_out.elapsed()
    );
    let (status, _) = server
        .request("GET", "/api/me", Some(first), &Value::Null)
        .await;
    assert_eq!(status, 401);
    for socket in &mut staying {
        socket.send("lobby", "still here").await;
    }
    server.shutdown.stop();
}
