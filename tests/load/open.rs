//! How long a member waits for a room of a filled database, and how often the server asks the database for it.

use std::time::{Duration, Instant};

use tokio_postgres::NoTls;

use crate::Target;
use crate::client;
use crate::search::{quantiles, reader};

/// The database counts what ended with some delay.
const COUNTED_LATE: Duration = Duration::from_secs(2);

pub(crate) async fn run(target: &Target, database: &str, rooms: usize, count: usize) {
    let token = reader(target, rooms).await;
    let (database, connection) = tokio_postgres::connect(database, NoTls)
        .await
        .expect("the database");
    tokio::spawn(connection);
    let mut sockets = Vec::with_capacity(count);
    for _ in 0..count {
        sockets.push(client::connect(&target.server, &token).await);
    }
    tokio::time::sleep(COUNTED_LATE).await;
    let (before, began) = (transactions(&database).await, Instant::now());
    let mut took = Vec::with_capacity(count);
    for (number, socket) in sockets.iter_mut().enumerate() {
        let room = format!("fill-{}", 1 + number % rooms);
        let asked = Instant::now();
        client::join(socket, &room).await;
        took.push(asked.elapsed());
        // Nobody else is there: what one before read is not at hand.
        client::send(
            socket,
            &serde_json::json!({ "type": "room.leave", "room": room }),
        )
        .await;
        client::expect(socket, "ok").await;
    }
    let elapsed = began.elapsed();
    tokio::time::sleep(COUNTED_LATE).await;
    let during = transactions(&database).await - before;
    // What the server asks anyway: the same time without anybody.
    let before = transactions(&database).await;
    tokio::time::sleep(elapsed + COUNTED_LATE).await;
    let anyway = transactions(&database).await - before;
    println!(
        "{count} joins: {}; {:.2} transactions each",
        quantiles(&mut took),
        (during - anyway) as f64 / count as f64
    );
}

/// A read of the server is one statement in a transaction of its own.
async fn transactions(database: &tokio_postgres::Client) -> i64 {
    let question = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()";
    let row = database.query_one(question, &[]).await.expect("a count");
    row.get(0)
}
