//! Resident memory per idle socket that has joined a room.

use crate::Target;
use crate::client;

pub(crate) async fn run(target: &Target, sockets: usize) {
    let token = client::guest(&target.server, "load").await;
    let room = client::room(&target.server, &token).await;
    // The first few pay for what all share.
    let mut held = open(target, &token, &room, 100).await;
    let before = client::resident_kib(target.pid);
    held.extend(open(target, &token, &room, sockets).await);
    tokio::time::sleep(target.duration()).await;
    let after = client::resident_kib(target.pid);
    println!(
        "{sockets} idle joined sockets: {:.2} KiB each ({before} KiB before, {after} KiB after)",
        after.saturating_sub(before) as f64 / sockets as f64
    );
    drop(held);
}

async fn open(target: &Target, token: &str, room: &str, count: usize) -> Vec<client::Socket> {
    let mut sockets = Vec::with_capacity(count);
    for _ in 0..count {
        let mut socket = client::connect(&target.server, token).await;
        client::join(&mut socket, room).await;
        sockets.push(socket);
    }
    sockets
}
