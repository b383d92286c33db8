//! A guest's session is no account's: line 18.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::raw;
use crate::support::communicator::SocketClient;
use crate::support::server::TestServer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s18_a_guest_that_becomes_an_account_leaves_what_it_came_by_behind() {
    let server = TestServer::start(&[]).await;
    let none = Value::Null;
    // Whoever planted this session holds its token, a socket and a ticket of it.
    let planted = server.guest("Ada").await;
    let mut spying = server.connect(&planted).await;
    spying.join("lobby").await;
    let (status, ticket) = server
        .request("POST", "/api/tickets", Some(&planted), &none)
        .await;
    assert_eq!(status, 201, "{ticket}");
    let mut bob = server.connect(&server.guest("Bob").await).await;
    bob.join("lobby").await;

    let wanted = json!({"name": "Lady Ada", "password": "correct horse"});
    let path = "/api/me/account";
    let (status, kept) = server.request("POST", path, Some(&planted), &wanted).await;
    assert_eq!(status, 201, "{kept}");
    let begun = Instant::now();
    let token = kept["token"].as_str().unwrap();
    assert_ne!(token, planted);
    assert_eq!(spying.closed().await, 4501);
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
    let (status, _) = server
        .request("GET", "/api/me", Some(&planted), &none)
        .await;
    assert_eq!(status, 401);
    let ticket = ticket["ticket"].as_str().unwrap();
    let asked = format!(
        "GET /ws?ticket={ticket} HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let opened = raw(server.port, asked.as_bytes()).await;
    assert!(opened.starts_with("HTTP/1.1 401 "), "{opened}");

    // Who goes on with the new one is the account, to everybody.
    let mut ada = SocketClient::connect(server.port, token).await;
    let welcome = ada.expect("welcome").await;
    assert_eq!(welcome["user"], kept["user"]);
    assert_eq!(welcome["user"]["kind"], "user");
    ada.join("lobby").await;
    ada.send("lobby", "it is still me").await;
    let heard = bob.expect_where("message", |frame| {
        frame["message"]["body"] == "it is still me"
    });
    assert_eq!(heard.await["message"]["author"], kept["user"]);
    server.shutdown.stop();
}
