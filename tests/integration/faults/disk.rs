//! Postgres' disk is full: sends are refused, reads and sockets live, and all goes on by itself when there is space again.
//! Its log of changes (WAL) is on another disk: without space for that Postgres ends itself, which is the crash of F17.

use std::time::{Duration, Instant};

use super::asking::{Asker, check_refusals, counts, guest};
use super::postgres::{BACK, REFUSED};
use crate::cluster::DEADLINE;
use crate::support::cluster::{Cluster, Postgres, ROOM, empty_database};
use crate::support::postgres::PostgresServer;
use crate::support::salon::http_status;
use crate::support::truth::read_postgres;

#[tokio::test(flavor = "multi_thread")]
async fn f27_a_full_disk_refuses_sends_and_heals_without_hands() {
    let Some(server) = PostgresServer::start_on_small_disk(160).await else {
        eprintln!("F27: skipped, needs root (a file system of its own is mounted)");
        return;
    };
    let database = empty_database(&server).await;
    let mut cluster = Cluster::over(Postgres::Own(server, database), 2, &[]).await;
    let port = cluster.instances[0].port();
    let token = guest(port, "reader").await;
    let mut reader = Asker::with(cluster.instances[1].port(), &token, ROOM).await;
    let mut asker = Asker::enter(port, "asker", ROOM).await;
    asker.until_acked(DEADLINE).await;

    cluster.own_postgres().fill_disk();
    // What tables have left over is used up first.
    let mut answers = Vec::new();
    let filling = Instant::now();
    while !answers
        .iter()
        .any(|answer: &super::asking::Answered| !answer.is_ack())
    {
        assert!(
            filling.elapsed() < Duration::from_secs(60),
            "it never fills"
        );
        answers.extend(asker.ask_many(20, &random_text()).await);
    }
    let full = Instant::now();
    let mut refused = Vec::new();
    while full.elapsed() < Duration::from_secs(4) {
        refused.push(asker.ask_again(&random_text()).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    eprintln!(
        "F27: {} while it filled, {} when full",
        counts(&answers),
        counts(&refused)
    );
    check_refusals(&answers, REFUSED);
    check_refusals(&refused, REFUSED);
    assert!(!refused.iter().any(super::asking::Answered::is_ack));
    // Sockets and reads live.
    reader
        .socket
        .send_json_to(&serde_json::json!({"type": "ping", "ref": "p"}))
        .await;
    assert_eq!(reader.socket.answer("p").await["type"], "pong");
    let page = reqwest::Client::new()
        .get(format!("http://127.0.0.1:{port}/api/rooms/{ROOM}/messages"))
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    assert_eq!(page.status(), 200, "history is read");
    assert_eq!(http_status(port, "/livez").await, Some(200));

    cluster.own_postgres().free_disk();
    let took = asker.until_acked(BACK).await;
    eprintln!("F27: the first good send {took:?} after there is space");
    assert!(took < BACK);
    let truth = read_postgres(&cluster.database_url(), ROOM).await;
    truth.check_gapless();
    assert!(
        cluster
            .instances
            .iter_mut()
            .all(|instance| instance.is_running())
    );
}

/// Text that does not compress: the table would make it small.
fn random_text() -> String {
    std::iter::repeat_with(|| char::from(rand::random_range(b'a'..=b'z')))
        .take(15_000)
        .collect()
}
