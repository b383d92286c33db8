//! Bytes that no well-made client sends before or instead of a socket: lines 10, 12, 40, 45 and 46.

use std::time::{Duration, Instant};

use salon::limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{raw, status};
use crate::support::event_stream::ApiClient;
use crate::support::haproxy::HaproxyServer;
use crate::support::process::eventually;
use crate::support::salon::SalonProcess;
use crate::support::server::TestServer;

/// Requests whose head two parsers might read differently, and what stands in it.
#[rustfmt::skip]
const SPLIT: &[(&str, &[u8])] = &[
    ("a vertical tab", b"GET /livez HTTP/1.1\r\nHost: a\r\nX-A: b\x0bOrigin: c\r\n\r\n"),
    ("a form feed", b"GET /livez HTTP/1.1\r\nHost: a\r\nX-A: b\x0cOrigin: c\r\n\r\n"),
    ("a file separator", b"GET /livez HTTP/1.1\r\nHost: a\r\nX-A: b\x1cOrigin: c\r\n\r\n"),
    ("a group separator", b"GET /livez HTTP/1.1\r\nHost: a\r\nX-A: b\x1dOrigin: c\r\n\r\n"),
    ("a record separator", b"GET /livez HTTP/1.1\r\nHost: a\r\nX-A: b\x1eOrigin: c\r\n\r\n"),
    ("a zero", b"GET /livez HTTP/1.1\r\nHost: a\r\nX-A: b\x00c\r\n\r\n"),
    ("a lone CR", b"GET /livez HTTP/1.1\r\nHost: a\r\nX-A: b\rOrigin: c\r\n\r\n"),
    ("a blank before the colon", b"GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\n"),
    ("0x85 in a name", b"GET /livez HTTP/1.1\r\nHost: a\r\nX-A\x85: b\r\n\r\n"),
    ("two lengths", b"POST /api/guests HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x"),
    ("a signed length", b"POST /api/guests HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\n{}"),
    ("an unknown coding", b"POST /api/guests HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    ("a bad chunk", b"POST /api/guests HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s10_what_parsers_might_split_differently_is_refused_by_each() {
    let salon = SalonProcess::start(&[]).await;
    let balancer = HaproxyServer::start(&[salon.port()]).await;
    let fine = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n";
    eventually("the balancer serves", Duration::from_secs(10), async || {
        status(&raw(balancer.port(), fine).await) == 200
    })
    .await;
    for (what, bytes) in SPLIT {
        for (who, port) in [("salon", salon.port()), ("balancer", balancer.port())] {
            let answer = raw(port, bytes).await;
            // Closing without a word is a refusal too.
            assert!(
                matches!(status(&answer), 0 | 400 | 501),
                "{what} at the {who}: {answer}"
            );
        }
    }
    // What the balancer unfolds is one header for both, and what is folded is none for the server.
    let folded = b"POST /api/guests HTTP/1.1\r\nHost: a\r\nX-A: b\r\n Origin: https://evil.example\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(status(&raw(salon.port(), folded).await), 400);
    let unfolded = raw(balancer.port(), folded).await;
    assert_eq!(status(&unfolded), 415, "no Origin is seen: {unfolded}");
    // What is text but not ASCII is no origin of ours.
    let bo = ApiClient::guest(&salon, "bo").await;
    for port in [salon.port(), balancer.port()] {
        let mut asked = format!(
            "POST /api/tickets HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: salon={}\r\nContent-Length: 0\r\n\
            Origin: http://127.0.0.1:{port}",
            bo.token()
        )
        .into_bytes();
        asked.extend(b"\x85\r\n\r\n");
        assert_eq!(status(&raw(port, &asked).await), 403);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s10_a_refused_upgrade_leaves_no_tunnel_through_the_balancer() {
    let salon = SalonProcess::start(&[]).await;
    let balancer = HaproxyServer::start(&[salon.port()]).await;
    let fine = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n";
    eventually("the balancer serves", Duration::from_secs(10), async || {
        status(&raw(balancer.port(), fine).await) == 200
    })
    .await;
    // Behind a tunnel the second request would reach the instance as it is, with the address it claims.
    let asked = b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let answer = raw(balancer.port(), asked).await;
    assert_eq!(status(&answer), 426, "{answer}");
    assert!(!answer.contains(" 101 "));
    let log = salon.log_text();
    assert!(!log.contains("panicked"), "{log}");
}

#[tokio::test]
async fn s12_what_is_no_handshake_is_no_socket() {
    let server = TestServer::start(&[]).await;
    let token = server.guest("bo").await;
    let asked = |version: &str, key: &str, more: &str| {
        format!(
            "GET /ws HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
            {version}{key}{more}\r\n"
        )
    };
    let (thirteen, key) = (
        "Sec-WebSocket-Version: 13\r\n",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    );
    for version in [
        "",
        "Sec-WebSocket-Version: 8\r\n",
        "Sec-WebSocket-Version: 14\r\n",
        "Sec-WebSocket-Version: x\r\n",
    ] {
        let answer = raw(server.port, asked(version, key, "").as_bytes()).await;
        assert_eq!(status(&answer), 426, "{answer}");
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        assert!(body.contains("\"status\":426"), "{body}");
        assert!(answer.to_lowercase().contains("sec-websocket-version: 13"));
    }
    let twice = format!("{key}{key}");
    for key in [
        "",
        "Sec-WebSocket-Key: \r\n",
        "Sec-WebSocket-Key: short\r\n",
        "Sec-WebSocket-Key: ????????????????????????\r\n",
        &twice,
    ] {
        let answer = raw(server.port, asked(thirteen, key, "").as_bytes()).await;
        assert_eq!(status(&answer), 400, "{answer}");
    }
    let plain = asked(thirteen, key, "").replace("Upgrade: websocket\r\n", "");
    assert_eq!(status(&raw(server.port, plain.as_bytes()).await), 426);
    for unasked in ["", "Sec-WebSocket-Protocol: chat, superchat\r\n"] {
        let answer = raw(server.port, asked(thirteen, key, unasked).as_bytes()).await;
        assert_eq!(status(&answer), 101, "{answer}");
        assert!(!answer.to_lowercase().contains("sec-websocket-protocol"));
    }
    server.shutdown.stop();
}

#[tokio::test]
async fn s40_no_compression_of_frames_is_offered() {
    let server = TestServer::start(&[]).await;
    let token = server.guest("bo").await;
    let asked = format!(
        "GET /ws HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
    );
    let answer = raw(server.port, asked.as_bytes()).await;
    assert_eq!(status(&answer), 101, "{answer}");
    assert!(!answer.to_lowercase().contains("extensions"), "{answer}");
    server.shutdown.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s46_a_head_of_megabytes_is_refused_early() {
    let server = TestServer::start(&[]).await;
    let head = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n";
    let long = format!("{head}X-Long: {}\r\n\r\n", "x".repeat(4 << 20));
    let endless = format!("{head}X-Long: {}", "x".repeat(4 << 20));
    let many = format!("{head}{}\r\n", "a: b\r\n".repeat(limits::HEADER_COUNT));
    let address = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(4 << 20));
    for asked in [long, endless, many, address] {
        let began = Instant::now();
        let answer = raw(server.port, asked.as_bytes()).await;
        assert!(
            matches!(status(&answer), 0 | 400 | 414 | 431),
            "{}: {answer}",
            &asked[..60]
        );
        assert!(began.elapsed() < Duration::from_secs(5), "{}", &asked[..60]);
    }
    let token = server.guest("bo").await;
    server.connect(&token).await.join("lobby").await;
    server.shutdown.stop();
}

/// Sends this and one byte more now and then, until the server ends the connection; what it said and how long it took.
async fn drip(port: u16, bytes: &[u8], more: &[u8]) -> (String, Duration) {
    let began = Instant::now();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while began.elapsed() < Duration::from_secs(40) {
        match tokio::time::timeout(Duration::from_secs(1), stream.read(&mut buffer)).await {
            Ok(Ok(length @ 1..)) => {
                answer.extend_from_slice(&buffer[..length]);
                // An answer to a body that never came is the end for us.
                break;
            }
            Ok(_) => break,
            Err(_) => {
                let _ = stream.write_all(more).await;
            }
        }
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    (answer, began.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s45_who_sends_slowly_is_ended_in_time() {
    let server = TestServer::start(&[]).await;
    let port = server.port;
    let head = b"GET /livez HTTP/1.1\r\nHost: a\r\nX-Slow: ";
    let body = b"POST /api/guests HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n{";
    let (silent, half, slow, bodiless) = tokio::join!(
        drip(port, b"", b""),
        drip(port, head, b""),
        drip(port, head, b"x"),
        drip(port, body, b" "),
    );
    let late = limits::HEADER_TIMEOUT + Duration::from_secs(5);
    for (what, (answer, took)) in [
        ("silent", silent),
        ("half a head", half),
        ("a slow head", slow),
    ] {
        assert!(took < late, "{what}: {took:?} {answer}");
        assert!(matches!(status(&answer), 0 | 400 | 408), "{what}: {answer}");
    }
    let (answer, took) = bodiless;
    assert!(
        took < limits::BODY_TIMEOUT + Duration::from_secs(5),
        "{took:?}"
    );
    assert!(matches!(status(&answer), 0 | 400), "{answer}");
    server.shutdown.stop();
}
