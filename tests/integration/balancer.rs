//! `deploy/haproxy.cfg` does what a deployment counts on: it spreads, it stops sending to an instance that is not ready,
//! it leaves that instance's open sockets alone, and a dead instance costs nobody a request.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::support::haproxy::HaproxyServer;
use super::support::process::eventually;

const DEADLINE: Duration = Duration::from_secs(10);
/// The pair of RFC 6455 §1.3: HAProxy checks them.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A stand-in for an instance: `/readyz`, an upgrade that echoes, and its name for everything else.
struct Instance {
    port: u16,
    ready: Arc<AtomicBool>,
    server: JoinHandle<()>,
}

impl Instance {
    async fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let ready = Arc::new(AtomicBool::new(true));
        let is_ready = Arc::clone(&ready);
        let server = tokio::spawn(async move {
            // The connections end with the set when the server is aborted.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(answer(stream, name, Arc::clone(&is_ready)));
            }
        });
        Self {
            port,
            ready,
            server,
        }
    }
}

async fn answer(stream: TcpStream, name: &str, ready: Arc<AtomicBool>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await? == 0 {
            return Ok(());
        }
    }
    if head.starts_with("GET /ws ") {
        let upgrade = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
        );
        stream.write_all(upgrade.as_bytes()).await?;
        let mut byte = [0];
        while stream.read(&mut byte).await? == 1 {
            stream.write_all(&byte).await?;
        }
        return Ok(());
    }
    let status = if head.starts_with("GET /readyz ") && !ready.load(Ordering::SeqCst) {
        "503 Service Unavailable"
    } else {
        "200 OK"
    };
    let length = name.len();
    let text =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{name}");
    stream.write_all(text.as_bytes()).await
}

/// The whole answer to a GET.
async fn get(port: u16, path: &str) -> String {
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: salon\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    };
    tokio::time::timeout(DEADLINE, exchange).await.unwrap()
}

/// The instances that answered ten requests; each must be answered.
async fn who_answers(port: u16) -> HashSet<String> {
    let mut names = HashSet::new();
    for _ in 0..10 {
        let answer = get(port, "/").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        names.insert(answer.lines().last().unwrap_or_default().to_owned());
    }
    names
}

async fn open_tunnel(port: u16) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: salon\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101"));
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn the_balancer_follows_readiness_and_keeps_open_sockets() {
    let (one, two) = (Instance::start("one").await, Instance::start("two").await);
    let both: HashSet<String> = ["one", "two"].map(str::to_owned).into();
    let balancer = HaproxyServer::start(&[one.port, two.port]).await;
    eventually("both answer", DEADLINE, async || {
        who_answers(balancer.port()).await == both
    })
    .await;
    // Round robin: of two tunnels each instance has one.
    let mut tunnels = [
        open_tunnel(balancer.port()).await,
        open_tunnel(balancer.port()).await,
    ];

    one.ready.store(false, Ordering::SeqCst);
    eventually("only the ready one answers", DEADLINE, async || {
        who_answers(balancer.port()).await == ["two".to_owned()].into()
    })
    .await;
    for tunnel in &mut tunnels {
        tunnel.write_all(b"x").await.unwrap();
        let echo = tokio::time::timeout(DEADLINE, tunnel.read_u8()).await;
        assert_eq!(echo.unwrap().unwrap(), b'x');
    }

    one.ready.store(true, Ordering::SeqCst);
    eventually("both answer again", DEADLINE, async || {
        who_answers(balancer.port()).await == both
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_instance_costs_nobody_a_request() {
    let (one, two) = (Instance::start("one").await, Instance::start("two").await);
    let mut balancer = HaproxyServer::start(&[one.port, two.port]).await;
    assert!(!who_answers(balancer.port()).await.is_empty());
    one.server.abort();
    // Dead for good: a task that is told to end may take one more connection.
    let _ = one.server.await;
    // From the first moment on, before any check can have noticed.
    for _ in 0..5 {
        who_answers(balancer.port()).await;
    }
    // The balancer itself comes back on its port.
    balancer.kill();
    balancer.restart().await;
    eventually("the living one answers", DEADLINE, async || {
        get(balancer.port(), "/").await.ends_with("two")
    })
    .await;
}
