//! Stopping: readiness goes, sockets are told when to come back and closed with 1012, what was taken is finished, and the
//! data is whole when it starts again.

use std::time::Duration;

use salon::ids::ClientId;
use salon::limits;
use serde_json::Value;
use tokio::time::Instant;

use crate::support::communicator::message;
use crate::support::server::TestServer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_goes_before_anything_else() {
    let server = TestServer::start(&[]).await;
    let ready = async || server.request("GET", "/readyz", None, &Value::Null).await.0;
    assert_eq!(ready().await, 200);
    let token = server.guest("ada").await;
    let mut socket = server.connect(&token).await;
    socket.join("lobby").await;
    server.shutdown.drain();
    assert_eq!(ready().await, 503);
    assert_eq!(
        server.request("GET", "/livez", None, &Value::Null).await.0,
        200
    );
    // Those who are here are still served.
    socket.send("lobby", "still served").await;
    server.shutdown.stop();
    server.stopped(Duration::from_secs(15)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_are_told_to_come_back_and_what_they_sent_is_acked() {
    let server = TestServer::start(&["--rate-sends-burst", "1000"]).await;
    let mut sockets = Vec::new();
    for number in 0..8 {
        let token = server.guest(&format!("ada{number}")).await;
        let mut socket = server.connect(&token).await;
        socket.join("lobby").await;
        for count in 0..20 {
            socket
                .send_json_to(&message("lobby", ClientId::new(), &format!("{count}")))
                .await;
        }
        sockets.push(socket);
    }
    server.shutdown.stop();
    let told = Instant::now();
    for socket in &mut sockets {
        let drain = socket.expect("drain").await;
        let wait = drain["reconnect_after_ms"].as_u64().unwrap();
        assert!(u128::from(wait) <= limits::CLOSE_SPREAD.as_millis());
        assert_eq!(socket.closed().await, 1012);
        for _ in 0..20 {
            socket.expect("message.accepted").await;
        }
    }
    assert!(told.elapsed() < limits::CLOSE_SPREAD + Duration::from_secs(2));
    server.stopped(Duration::from_secs(15)).await;
    assert!(
        told.elapsed() < Duration::from_secs(8),
        "nothing was left to wait for: {:?}",
        told.elapsed()
    );
}
