//! The proxy itself: each of its faults, before a server that says back what it hears.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::resp::{MessageSplitter, NotResp, Part, Tampering, value_length};
use super::{FaultProxy, Way};

const DEADLINE: Duration = Duration::from_secs(5);
/// Long enough that what would come on this machine had come.
const SILENCE: Duration = Duration::from_millis(150);

/// A server that echoes, a proxy before it, and a connection through it.
async fn echo() -> (FaultProxy, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.into_split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    let proxy = FaultProxy::start(port).await;
    let stream = connect(&proxy).await;
    (proxy, stream)
}

async fn connect(proxy: &FaultProxy) -> TcpStream {
    TcpStream::connect(("127.0.0.1", proxy.port()))
        .await
        .unwrap()
}

async fn hear(stream: &mut TcpStream, expected: &[u8]) {
    let mut heard = vec![0; expected.len()];
    timeout(DEADLINE, stream.read_exact(&mut heard))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(heard, expected);
}

async fn say_and_hear(stream: &mut TcpStream, text: &[u8]) {
    stream.write_all(text).await.unwrap();
    hear(stream, text).await;
}

async fn expect_silence(stream: &mut TcpStream) {
    let mut byte = [0];
    let read = timeout(SILENCE, stream.read(&mut byte)).await;
    assert!(read.is_err(), "{read:?}");
}

async fn expect_cut(stream: &mut TcpStream) {
    let mut byte = [0];
    let read = timeout(DEADLINE, stream.read(&mut byte)).await.unwrap();
    let error = read.expect_err("a reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_fault_proxy_carries_delays_and_stalls() {
    let (proxy, mut stream) = echo().await;
    say_and_hear(&mut stream, b"plain").await;
    proxy.delay(Duration::from_millis(60));
    let began = Instant::now();
    say_and_hear(&mut stream, b"slow").await;
    assert!(
        began.elapsed() >= Duration::from_millis(120),
        "{:?}",
        began.elapsed()
    );
    proxy.heal();
    proxy.stall();
    stream.write_all(b"waits").await.unwrap();
    expect_silence(&mut stream).await;
    let mut late = connect(&proxy).await;
    late.write_all(b"also").await.unwrap();
    expect_silence(&mut late).await;
    proxy.heal();
    hear(&mut stream, b"waits").await;
    hear(&mut late, b"also").await;
    assert_eq!((proxy.open(), proxy.accepted()), (2, 2));
}

#[tokio::test]
async fn a_fault_proxy_cuts_refuses_and_swallows() {
    let (proxy, mut stream) = echo().await;
    say_and_hear(&mut stream, b"one").await;
    proxy.cut();
    expect_cut(&mut stream).await;
    proxy.refuse(true);
    let mut refused = connect(&proxy).await;
    expect_cut(&mut refused).await;
    proxy.heal();
    let mut stream = connect(&proxy).await;
    say_and_hear(&mut stream, b"two").await;
    proxy.change(Way::ToServer, |rules| rules.swallowing = true);
    stream.write_all(b"lost").await.unwrap();
    expect_silence(&mut stream).await;
    proxy.heal();
    expect_cut(&mut stream).await;
    let mut stream = connect(&proxy).await;
    proxy.cut_after(Way::ToClient, 3);
    stream.write_all(b"threefour").await.unwrap();
    hear(&mut stream, b"thr").await;
    expect_cut(&mut stream).await;
    let mut stream = connect(&proxy).await;
    say_and_hear(&mut stream, b"five").await;
}

#[tokio::test]
async fn a_fault_proxy_holds_half_closes_and_throttles() {
    let (proxy, mut held) = echo().await;
    let mut free = connect(&proxy).await;
    proxy.hold(Way::ToClient, b"COMMIT", 1);
    held.write_all(b"BEGIN").await.unwrap();
    hear(&mut held, b"BEGIN").await;
    held.write_all(b"COM").await.unwrap();
    hear(&mut held, b"COM").await;
    held.write_all(b"MIT").await.unwrap();
    expect_silence(&mut held).await;
    assert_eq!(proxy.held(), 1);
    say_and_hear(&mut free, b"COMMIT").await;
    proxy.release();
    hear(&mut held, b"MIT").await;

    proxy.throttle(1000);
    let began = Instant::now();
    say_and_hear(&mut free, &[7; 300]).await;
    assert!(
        began.elapsed() >= Duration::from_millis(240),
        "{:?}",
        began.elapsed()
    );
    proxy.heal();
    proxy.half_close(Way::ToClient);
    let mut byte = [0];
    assert_eq!(
        timeout(DEADLINE, free.read(&mut byte))
            .await
            .unwrap()
            .unwrap(),
        0
    );
    free.write_all(b"still taken").await.unwrap();
}

#[test]
fn redis_values_are_told_apart_wherever_they_are_cut() {
    let stream: &[u8] =
        b"+OK\r\n:12\r\n$-1\r\n$3\r\na\r\n\r\n>3\r\n$7\r\nmessage\r\n$1\r\ng\r\n$2\r\nhi\r\n%1\r\n+a\r\n*2\r\n:1\r\n_\r\n";
    let mut at = 0;
    let mut values = 0;
    while at < stream.len() {
        at += value_length(&stream[at..]).unwrap().unwrap();
        values += 1;
    }
    assert_eq!(values, 6);
    assert_eq!(value_length(b"\x16\x03\x01"), Err(NotResp));
    for cut in 0..stream.len() {
        let mut splitter = MessageSplitter::default();
        let mut whole = Vec::new();
        for bytes in [&stream[..cut], &stream[cut..]] {
            for part in splitter.push(bytes, None) {
                match part {
                    Part::Next(bytes) => whole.extend(bytes),
                    Part::Late(..) => panic!("nobody asked for it"),
                }
            }
        }
        assert_eq!(whole, stream, "cut at {cut}");
    }
}

#[test]
fn redis_messages_are_doubled_and_delayed_and_nothing_else_is() {
    let message = b">3\r\n$7\r\nmessage\r\n$1\r\ng\r\n$2\r\nhi\r\n".to_vec();
    let tampering = Tampering {
        seed: 1,
        doubled: 1.0,
        delayed: 1.0,
        replayed: 0.0,
        dropped: 0.0,
        longest: Duration::from_millis(10),
    };
    let mut splitter = MessageSplitter::default();
    let parts = splitter.push(
        &[b"+OK\r\n".to_vec(), message.clone()].concat(),
        Some(&tampering),
    );
    assert_eq!(parts.len(), 3, "{parts:?}");
    assert_eq!(parts[0], Part::Next(b"+OK\r\n".to_vec()));
    for part in &parts[1..] {
        assert!(matches!(part, Part::Late(_, bytes) if *bytes == message));
    }
}
