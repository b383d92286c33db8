//! The server's pings, and what becomes of a peer that no longer answers. Time is paused: a minute takes a moment.

use std::time::Duration;

use salon::limits;
use serde_json::json;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use crate::support::instance::Instance;

#[tokio::test]
async fn the_server_pings_and_a_peer_that_answers_stays() {
    let (salon, _database) = Instance::alone().await;
    let mut socket = salon.arrive("ada").await;
    tokio::time::pause();
    let begun = Instant::now();
    let mut pings = Vec::new();
    // Reading answers each ping.
    while begun.elapsed() < Duration::from_secs(100) {
        let next = tokio::time::timeout(Duration::from_secs(30), socket.next_message()).await;
        match next.expect("no ping in 30 s").expect("the socket stays") {
            Message::Ping(_) => pings.push(begun.elapsed().as_millis()),
            other => panic!("{other:?}"),
        }
    }
    let gaps: Vec<u128> = pings.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(
        pings[0] <= 15_100 && gaps.iter().all(|gap| (14_900..15_200).contains(gap)),
        "{pings:?}"
    );
    tokio::time::resume();
    assert_eq!(socket.ask(json!({"type": "ping"})).await["type"], "pong");
}

#[tokio::test]
async fn f30_a_dead_peer_is_freed_within_25_seconds() {
    let (salon, _database) = Instance::alone().await;
    let ada = salon.user("ada").await;
    let (mut socket, serving) = salon.connect_raw(&ada, 4_096).await;
    assert_eq!(socket.receive_json_from().await["type"], "welcome");
    let before = salon.consumers.connections.count();
    tokio::time::pause();
    let begun = Instant::now();
    // It neither reads nor writes, and its end of the pipe stays open.
    tokio::time::timeout(Duration::from_secs(60), serving)
        .await
        .unwrap()
        .unwrap();
    let took = begun.elapsed();
    assert!(
        took <= Duration::from_secs(25) && took > limits::PING_INTERVAL,
        "{took:?}"
    );
    assert_eq!(salon.consumers.connections.count(), before - 1);
    drop(socket);
}
