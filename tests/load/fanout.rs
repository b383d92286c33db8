//! Server CPU per delivery: one sender, many readers of one room, at a fixed rate or as fast as acks come.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::Target;
use crate::client;

/// Sends unanswered at once when saturating.
const WINDOW: usize = 32;

pub(crate) async fn run(target: &Target, width: usize, rate: u64) {
    let token = client::guest(&target.server, "load").await;
    let room = client::room(&target.server, &token).await;
    let delivered = Arc::new(AtomicU64::new(0));
    for _ in 0..width {
        let mut socket = client::connect(&target.server, &token).await;
        client::join(&mut socket, &room).await;
        let delivered = Arc::clone(&delivered);
        tokio::spawn(async move {
            while let Some(text) = client::next(&mut socket).await {
                if text.starts_with("{\"type\":\"message\"") {
                    delivered.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    let mut sender = client::connect(&target.server, &token).await;
    // Warm: caches, prepared statements, the feed.
    client::send(&mut sender, &client::message(&room)).await;
    client::expect(&mut sender, "message.accepted").await;
    wait_for(&delivered, width as u64).await;

    let (before, cpu_before, began) = (
        delivered.load(Ordering::Relaxed),
        client::cpu(target.pid),
        Instant::now(),
    );
    let sent = if rate == 0 {
        saturate(&mut sender, &room, began + target.duration()).await
    } else {
        paced(&mut sender, &room, rate, target.seconds).await
    };
    wait_for(&delivered, before + sent * width as u64).await;
    let (elapsed, cpu) = (
        began.elapsed().as_secs_f64(),
        client::cpu(target.pid) - cpu_before,
    );
    let deliveries = delivered.load(Ordering::Relaxed) - before;
    println!(
        "width {width}, rate {}: {sent} messages, {deliveries} deliveries, {:.0} deliveries/s, server CPU {:.2} µs/delivery",
        if rate == 0 {
            "saturated".to_owned()
        } else {
            format!("{rate}/s")
        },
        deliveries as f64 / elapsed,
        cpu.as_secs_f64() * 1e6 / deliveries as f64,
    );
}

async fn saturate(sender: &mut client::Socket, room: &str, deadline: Instant) -> u64 {
    let mut sent = 0;
    for _ in 0..WINDOW {
        client::send(sender, &client::message(room)).await;
        sent += 1;
    }
    while Instant::now() < deadline {
        client::expect(sender, "message.accepted").await;
        client::send(sender, &client::message(room)).await;
        sent += 1;
    }
    for _ in 0..WINDOW {
        client::expect(sender, "message.accepted").await;
    }
    sent
}

async fn paced(sender: &mut client::Socket, room: &str, rate: u64, seconds: u64) -> u64 {
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / rate as f64));
    let total = rate * seconds;
    for _ in 0..total {
        ticks.tick().await;
        client::send(sender, &client::message(room)).await;
        client::expect(sender, "message.accepted").await;
    }
    total
}

async fn wait_for(delivered: &AtomicU64, count: u64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while delivered.load(Ordering::Relaxed) < count {
        assert!(
            Instant::now() < deadline,
            "{} of {count} delivered",
            delivered.load(Ordering::Relaxed)
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
