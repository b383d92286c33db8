//! Readers that are slow, far behind, or gone without a word: bounded, freed in time, and nobody else's trouble. More of it,
//! over a pipe, is in [`crate::slow_reader`] and [`crate::heartbeat`].

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use salon::db::postgres::{PostgresSettings, PostgresStore};
use salon::ids::ClientId;
use salon::limits;
use secrecy::SecretString;

use super::asking::{guest, percentile};
use crate::support::cluster::{GENEROUS, ROOM};
use crate::support::communicator::{SocketClient, WebsocketCommunicator, message};
use crate::support::fault_proxy::FaultProxy;
use crate::support::instance::{Build, Instance};
use crate::support::postgres::TestDatabase;
use crate::support::process::{eventually, free_port};
use crate::support::salon::{SalonProcess, http_body};

/// What a crowd of slow readers may add to what the others wait, and what a clock on a busy machine cannot tell apart.
const SLOWER: f64 = 1.10;
const RESOLUTION: Duration = Duration::from_millis(1);
/// A peer that vanished is freed.
const FREED: Duration = Duration::from_secs(25);

/// An instance in this process over Postgres, so that what it holds can be looked at.
async fn over_postgres() -> (Instance, TestDatabase) {
    let database = TestDatabase::shared().await;
    let store = PostgresStore::connect(&PostgresSettings {
        url: SecretString::from(database.url()),
        pool_size: 10,
        wait: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(5),
    })
    .unwrap();
    (Instance::start(Build::over(store)), database)
}

/// Watches the most that waits for one socket.
fn watch_held(salon: &Instance) -> Arc<AtomicUsize> {
    let most: Arc<AtomicUsize> = Arc::default();
    let (connections, seen) = (
        Arc::clone(&salon.consumers.connections),
        Arc::downgrade(&most),
    );
    tokio::spawn(async move {
        while let Some(most) = seen.upgrade() {
            most.fetch_max(connections.held().1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    most
}

#[tokio::test(flavor = "multi_thread")]
async fn f29_readers_that_stopped_do_not_slow_the_others() {
    const ROUNDS: usize = 12;
    let (salon, _database) = over_postgres().await;
    let held = watch_held(&salon);
    let mut writer = salon.arrive("writer").await;
    writer.join(ROOM).await;
    let mut reader = salon.arrive("reader").await;
    reader.join(ROOM).await;
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    round(&mut writer, &mut reader).await;
    for turn in 0..ROUNDS {
        alone.push(round(&mut writer, &mut reader).await);
        let mut slow = Vec::new();
        for number in 0..2 {
            let identity = salon.user(&format!("slow {turn}-{number}")).await;
            let (mut socket, serving) = salon.connect_raw(&identity, 8 * 1024).await;
            socket.expect("welcome").await;
            socket
                .send_json_to(&serde_json::json!({"type": "room.join", "room": ROOM}))
                .await;
            slow.push((socket, serving));
        }
        // The page of their join does not fit their pipes: they have stopped.
        eventually("all of them stopped", FREED, async || {
            salon.consumers.connections.held().0 > 0
        })
        .await;
        beside.push(round(&mut writer, &mut reader).await);
        for (socket, serving) in slow {
            drop(socket);
            serving.await.unwrap();
        }
    }
    // The quarter of the rounds that the rest of the machine disturbed least.
    let (alone, beside) = (percentile(&alone, 25), percentile(&beside, 25));
    let held = held.load(Ordering::Relaxed);
    eprintln!(
        "F29: deliveries' p99 {alone:?} alone, {beside:?} beside 2 readers that stopped (≤ + 10 %); {held} bytes held for one"
    );
    assert!(
        beside <= alone.mul_f64(SLOWER) + RESOLUTION,
        "{alone:?} {beside:?}"
    );
    assert!(held > 0 && held <= limits::OUTBOX_BYTES, "{held}");
}

/// The p99 from send to delivery of a few hundred messages, 600 KB in all.
async fn round(writer: &mut WebsocketCommunicator, reader: &mut WebsocketCommunicator) -> Duration {
    let body = "x".repeat(2_000);
    let mut took = Vec::new();
    for _ in 0..200 {
        let began = Instant::now();
        writer
            .send_json_to(&message(ROOM, ClientId::new(), &body))
            .await;
        reader.expect("message").await;
        took.push(began.elapsed());
        writer.expect("message.accepted").await;
        writer.expect("message").await;
    }
    percentile(&took, 99)
}

#[tokio::test(flavor = "multi_thread")]
async fn f29_a_client_100000_messages_behind_catches_up_without_a_hole_and_little_is_held_for_it() {
    const BEHIND: i64 = 100_000;
    let (salon, database) = over_postgres().await;
    let author = salon.user("author").await;
    // One in a hundred is large. Nobody follows the room yet.
    database
        .execute(&format!(
            "INSERT INTO messages (room_id, seq, version, created_version, author_id, client_id, kind, state, body, created_at) \
             SELECT r.id, n, n, n, u.id, gen_random_uuid(), 'user', 'complete', \
                 CASE n % 100 WHEN 0 THEN repeat('large ', 2500) ELSE 'message ' || n END, now() \
             FROM rooms r, users u, generate_series(1, {BEHIND}) n WHERE r.slug = '{ROOM}' AND u.name = 'author'; \
             UPDATE room_heads h SET version = {BEHIND}, last_seq = {BEHIND} FROM rooms r \
             WHERE r.id = h.room_id AND r.slug = '{ROOM}'; ANALYZE messages"
        ))
        .await;
    let mut author = salon.connect(&author).await;
    let epoch = author.join(ROOM).await["epoch"].clone();
    let identity = salon.user("far behind").await;
    let mut socket = salon.connect(&identity).await;
    // Others talk on meanwhile.
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let talking = tokio::spawn(async move {
        let mut stopped = std::pin::pin!(stopped);
        loop {
            author.send(ROOM, "meanwhile").await;
            tokio::select! {
                _ = &mut stopped => return author.send(ROOM, "the last").await["version"].as_i64().unwrap(),
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
        }
    });
    let held = watch_held(&salon);
    let began = Instant::now();
    socket.join_after(ROOM, &epoch, 0).await;
    let mut stop = Some(stop);
    let mut cursor = 0;
    let mut last = None;
    let mut talking = Some(talking);
    while last.is_none_or(|last| cursor < last) {
        let frame = socket.receive_json_from().await;
        if frame["type"] != "message" {
            continue;
        }
        let (version, prev) = (
            frame["version"].as_i64().unwrap(),
            frame["prev"].as_i64().unwrap(),
        );
        assert_eq!(
            (prev, version),
            (cursor, cursor + 1),
            "no message was changed: each comes once"
        );
        assert_eq!(frame["message"]["seq"], version);
        cursor = version;
        if cursor == BEHIND {
            let _ = stop.take().unwrap().send(());
            last = Some(talking.take().unwrap().await.unwrap());
        }
    }
    let held = held.load(Ordering::Relaxed);
    eprintln!(
        "F29: {cursor} messages caught up in {:?} with at most {held} bytes held (≤ {})",
        began.elapsed(),
        limits::OUTBOX_BYTES
    );
    assert!(held <= limits::OUTBOX_BYTES, "{held}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f30_sockets_whose_network_is_gone_are_freed_within_25_s() {
    const SOCKETS: usize = 20;
    let metrics = free_port();
    let listen = format!("127.0.0.1:{metrics}");
    let mut settings = vec![("SALON_METRICS_LISTEN", listen.as_str())];
    settings.extend(GENEROUS);
    let salon = SalonProcess::start(&settings).await;
    let proxy = FaultProxy::start(salon.port()).await;
    let token = guest(salon.port(), "ada").await;
    let mut there = SocketClient::connect(salon.port(), &token).await;
    there.join(ROOM).await;
    let mut gone = Vec::new();
    for _ in 0..SOCKETS {
        let mut socket = SocketClient::connect(proxy.port(), &token).await;
        socket.join(ROOM).await;
        gone.push(socket);
    }
    let sockets = async || {
        let text = http_body(metrics, "/metrics").await?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("salon_sockets "))?;
        line.parse::<usize>().ok()
    };
    assert_eq!(sockets().await, Some(SOCKETS + 1));
    let files = || {
        // Sockets only: the database may open files of its own meanwhile.
        std::fs::read_dir(format!("/proc/{}/fd", salon.pid()))
            .unwrap()
            .filter_map(|file| std::fs::read_link(file.ok()?.path()).ok())
            .filter(|target| target.to_string_lossy().starts_with("socket:"))
            .count()
    };
    let before = files();
    proxy.stall();
    let cut = Instant::now();
    // What is written to them goes nowhere; whoever is there still talks.
    eventually("all are freed", FREED, async || {
        there.send(ROOM, "is anybody there?").await;
        sockets().await == Some(1)
    })
    .await;
    eprintln!(
        "F30: {SOCKETS} half-open sockets freed {:?} after their network went (≤ {FREED:?})",
        cut.elapsed()
    );
    eventually(
        "their files are closed",
        Duration::from_secs(2),
        async || files() <= before - SOCKETS,
    )
    .await;
}
