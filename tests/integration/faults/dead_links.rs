//! Sockets whose link is gone, or whose reader stands still, over a real network stack: nobody is told, and all the same they
//! are freed, and little is held for them until then, in the process and in its kernel.

use std::time::{Duration, Instant};

use salon::limits;
use serde_json::{Value, json};

use super::asking::guest;
use crate::cluster::DEADLINE;
use crate::support::cluster::{GENEROUS, ROOM};
use crate::support::communicator::SocketClient;
use crate::support::network::Namespace;
use crate::support::process::{eventually, free_port};
use crate::support::salon::SalonProcess;

/// A dead peer is freed within this.
const FREED: Duration = Duration::from_secs(25);
/// A slow reader is closed within this, and a moment for the metric to be asked on a busy machine.
const CLOSED: Duration = Duration::from_secs(10 + 1);

#[tokio::test(flavor = "multi_thread")]
async fn f30_a_half_open_connection_is_freed_within_25_s() {
    let Some(namespace) = Namespace::create() else {
        eprintln!(
            "F30: skipped, network namespaces need root and `ip`; a black hole is tested all the same"
        );
        return;
    };
    let (port, metrics_port) = (free_port(), free_port());
    let (cut, control) = (namespace.cut_address(), namespace.control_address());
    let mut settings = vec![
        ("SALON_LISTEN", format!("0.0.0.0:{port}")),
        ("SALON_METRICS_LISTEN", format!("0.0.0.0:{metrics_port}")),
    ];
    settings.extend(GENEROUS.map(|(name, value)| (name, value.to_owned())));
    let _salon = namespace.run_salon(&settings);
    let (url, base) = (
        format!("http://{control}:{metrics_port}/metrics"),
        format!("http://{control}:{port}"),
    );
    eventually("it serves", DEADLINE, async || {
        let answer = reqwest::get(format!("{base}/readyz")).await;
        answer.is_ok_and(|answer| answer.status() == 200)
    })
    .await;
    let guest = reqwest::Client::new().post(format!("{base}/api/guests"));
    let guest = guest
        .json(&json!({ "name": "cut off" }))
        .send()
        .await
        .unwrap();
    let guest: Value = guest.json().await.unwrap();
    let mut socket = SocketClient::connect_at(cut, port, guest["token"].as_str().unwrap()).await;
    socket.expect("welcome").await;
    socket.join(ROOM).await;
    assert_eq!(metric(&url, "salon_sockets").await, Some(1.0));
    // The link is gone: neither side is told anything.
    namespace.cut();
    let began = Instant::now();
    eventually("the socket is freed", FREED, async || {
        metric(&url, "salon_sockets").await == Some(0.0)
    })
    .await;
    eprintln!(
        "F30: freed {:?} after its link went down (≤ {FREED:?})",
        began.elapsed()
    );
    assert_eq!(
        metric(&url, "salon_sockets_closed_total{code=\"4011\"}").await,
        Some(1.0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn f29_a_reader_that_stops_on_a_real_socket_is_closed_in_10_s_with_little_in_the_kernel() {
    let metrics_port = free_port();
    let listen = format!("127.0.0.1:{metrics_port}");
    let mut settings = vec![("SALON_METRICS_LISTEN", listen.as_str())];
    settings.extend(GENEROUS);
    let salon = SalonProcess::start(&settings).await;
    let url = format!("http://{listen}/metrics");
    let mut writer =
        SocketClient::connect(salon.port(), &guest(salon.port(), "writer").await).await;
    writer.join(ROOM).await;
    let token = guest(salon.port(), "slow").await;
    let mut slow = SocketClient::connect_with_small_buffer(salon.port(), &token).await;
    slow.join(ROOM).await;
    let body = "x".repeat(8_000);
    // It reads nothing: the kernels fill up, and then it takes nothing.
    let (mut in_kernel, mut unchanged) = (0, 0);
    while in_kernel == 0 || unchanged < 10 {
        // The ack may come before the delivery: one message that adds nothing does not tell.
        writer.send(ROOM, &body).await;
        let now = most_unsent_from(salon.port());
        unchanged = if now == in_kernel { unchanged + 1 } else { 0 };
        in_kernel = now;
    }
    let stopped = Instant::now();
    while metric(&url, "salon_sockets").await != Some(1.0) {
        assert!(
            stopped.elapsed() < CLOSED,
            "not closed after {:?}",
            stopped.elapsed()
        );
        writer.send(ROOM, &body).await;
        in_kernel = in_kernel.max(most_unsent_from(salon.port()));
    }
    let took = stopped.elapsed();
    let code = metric(&url, "salon_sockets_closed_total{code=\"4008\"}").await;
    eprintln!(
        "F29: closed {took:?} after it took nothing more (≤ {CLOSED:?}); at most {in_kernel} bytes of it were in the kernel"
    );
    assert_eq!(code, Some(1.0), "slow, and counted as such");
    // The kernel sets aside twice what it was told, for its own records too.
    assert!(
        in_kernel > 0 && in_kernel <= 2 * limits::SEND_BUFFER_BYTES as usize,
        "{in_kernel}"
    );
}

/// The most that waits in the kernel for one peer of a port of this machine.
fn most_unsent_from(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let local = format!(":{port:04X}");
    let rows = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.len() > 4 && row[1].ends_with(&local))
        .filter_map(|row| usize::from_str_radix(row[4].split(':').next()?, 16).ok())
        .max()
        .unwrap_or(0)
}

/// A line of the metrics by its whole name.
async fn metric(url: &str, name: &str) -> Option<f64> {
    let text = reqwest::get(url).await.ok()?.text().await.ok()?;
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    value.parse().ok()
}
