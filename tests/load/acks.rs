//! Acked messages per second: every sender sends its next message when one is acknowledged.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::Target;
use crate::client;

pub(crate) async fn run(
    target: &Target,
    senders: usize,
    rooms: usize,
    in_flight: usize,
    joined: bool,
) {
    let owner = client::guest(&target.server, "load owner").await;
    let mut slugs = Vec::new();
    for _ in 0..rooms {
        slugs.push(client::room(&target.server, &owner).await);
    }
    let mut sockets = Vec::new();
    for sender in 0..senders {
        let token = client::guest(&target.server, &format!("sender {sender}")).await;
        let mut socket = client::connect(&target.server, &token).await;
        let room = slugs[sender % rooms].clone();
        client::join(&mut socket, &room).await;
        if !joined {
            client::send(
                &mut socket,
                &serde_json::json!({ "type": "room.leave", "room": room }),
            )
            .await;
            client::expect(&mut socket, "ok").await;
        }
        sockets.push((socket, room));
    }
    let acked = Arc::new(AtomicU64::new(0));
    let deadline = Instant::now() + target.duration();
    let (began, cpu_before) = (Instant::now(), client::cpu(target.pid));
    let tasks: Vec<_> = sockets
        .into_iter()
        .map(|(socket, room)| {
            tokio::spawn(send(socket, room, in_flight, deadline, Arc::clone(&acked)))
        })
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.expect("a sender"));
    }
    let (elapsed, cpu) = (
        began.elapsed().as_secs_f64(),
        client::cpu(target.pid) - cpu_before,
    );
    latencies.sort_unstable();
    let total = acked.load(Ordering::Relaxed);
    let at = |share: f64| {
        latencies
            .get((latencies.len() as f64 * share) as usize)
            .copied()
            .unwrap_or_default()
    };
    println!(
        "senders {senders}, rooms {rooms}, in flight {in_flight}, joined {joined}: {:.0} acked/s, p50 {:.2?}, p99 {:.2?}, server CPU {:.1} µs/message",
        total as f64 / elapsed,
        at(0.5),
        at(0.99),
        cpu.as_secs_f64() * 1e6 / total as f64,
    );
}

/// One sender; how long each ack took.
async fn send(
    mut socket: client::Socket,
    room: String,
    in_flight: usize,
    deadline: Instant,
    acked: Arc<AtomicU64>,
) -> Vec<Duration> {
    let mut latencies = Vec::new();
    let mut sent = VecDeque::new();
    for _ in 0..in_flight {
        sent.push_back(Instant::now());
        client::send(&mut socket, &client::message(&room)).await;
    }
    while Instant::now() < deadline {
        client::expect(&mut socket, "message.accepted").await;
        acked.fetch_add(1, Ordering::Relaxed);
        latencies.extend(sent.pop_front().map(|at| at.elapsed()));
        sent.push_back(Instant::now());
        client::send(&mut socket, &client::message(&room)).await;
    }
    latencies
}
