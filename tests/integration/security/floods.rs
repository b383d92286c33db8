//! Who sends slowly, endlessly or in crumbs, at a program of its own whose memory is looked at: lines 39, 45 and 50.

use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use salon::limits;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{raw, status};
use crate::support::communicator::SocketClient;
use crate::support::event_stream::ApiClient;
use crate::support::process::eventually;
use crate::support::salon::{SalonProcess, http_body};

/// What a process has in memory, in kilobytes.
fn resident_kb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.unwrap().split_whitespace().nth(1).unwrap();
    number.parse().unwrap()
}

/// A frame as clients send it: masked, with a mask of zeros, so that the text stands there as it is.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![
        first,
        0x80 | u8::try_from(payload.len()).unwrap(),
        0,
        0,
        0,
        0,
    ];
    frame.extend(payload);
    frame
}

/// An upgraded connection as it is.
async fn upgraded(port: u16, token: &str) -> TcpStream {
    let asked = format!(
        "GET /ws HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(asked.as_bytes()).await.unwrap();
    let mut head = [0; 4_096];
    let length = stream.read(&mut head).await.unwrap();
    let head = String::from_utf8_lossy(&head[..length]).into_owned();
    assert_eq!(status(&head), 101, "{head}");
    stream
}

/// Reads to the end; the code of the close frame, which is the last that comes, or 0.
async fn close_code(stream: &mut TcpStream, within: Duration) -> u16 {
    let mut all = Vec::new();
    let ended = tokio::time::timeout(within, stream.read_to_end(&mut all)).await;
    assert!(ended.is_ok(), "it is still open after {within:?}");
    let close = all.windows(4).rfind(|bytes| bytes[0] == 0x88);
    close.map_or(0, |bytes| u16::from_be_bytes([bytes[2], bytes[3]]))
}

/// Somebody with a socket is served while others flood; the slowest answer.
async fn slowest_answer(socket: &mut SocketClient, count: usize) -> Duration {
    let mut slowest = Duration::ZERO;
    for number in 0..count {
        let began = Instant::now();
        let answer = socket.send("lobby", &format!("still here {number}")).await;
        assert_eq!(answer["type"], "message.accepted", "{answer}");
        slowest = slowest.max(began.elapsed());
    }
    slowest
}

async fn somebody(salon: &SalonProcess) -> SocketClient {
    let guest = ApiClient::guest(salon, "ada").await;
    let mut socket = SocketClient::connect(salon.port(), guest.token()).await;
    assert_eq!(socket.receive_json_from().await["type"], "welcome");
    socket.join("lobby").await;
    socket
}

const GENEROUS: [(&str, &str); 4] = [
    ("SALON_RATE_SIGN_INS", "100000"),
    ("SALON_RATE_FRAMES", "100000"),
    ("SALON_RATE_SENDS", "100000"),
    ("SALON_RATE_SENDS_BURST", "100000"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s39_millions_of_tiny_fragments_take_no_memory() {
    const SOCKETS: usize = 4;
    const EACH: usize = 500_000;
    let salon = SalonProcess::start(&GENEROUS).await;
    let bo = ApiClient::guest(&salon, "bo").await;
    let mut ada = somebody(&salon).await;
    slowest_answer(&mut ada, 20).await;
    let before = resident_kb(salon.pid());
    // Fragments without a byte never make the message too large: two million of them.
    let empty = frame(0x00, b"").repeat(1_000);
    let mut floods = JoinSet::new();
    for _ in 0..SOCKETS {
        let mut stream = upgraded(salon.port(), bo.token()).await;
        let empty = empty.clone();
        floods.spawn(async move {
            stream.write_all(&frame(0x01, b"{")).await.unwrap();
            for _ in 0..EACH / 1_000 {
                if stream.write_all(&empty).await.is_err() {
                    return (stream, false);
                }
            }
            (stream, true)
        });
    }
    let mut most = before;
    let mut streams = Vec::new();
    while !floods.is_empty() {
        let slowest = slowest_answer(&mut ada, 5).await;
        assert!(slowest < Duration::from_secs(2), "{slowest:?}");
        most = most.max(resident_kb(salon.pid()));
        while let Some(done) = floods.try_join_next() {
            streams.push(done.unwrap());
        }
    }
    most = most.max(resident_kb(salon.pid()));
    assert!(
        most < before + 24 * 1024,
        "{before} kB became {most} kB under two million fragments"
    );
    drop(streams);
    // Fragments of a byte: the message is too large when it is, and no sooner is it too much.
    let mut stream = upgraded(salon.port(), bo.token()).await;
    let crumbs = frame(0x00, b"x").repeat(1_000);
    stream.write_all(&frame(0x01, b"{")).await.unwrap();
    for _ in 0..=limits::CLIENT_FRAME_BYTES / 1_000 {
        if stream.write_all(&crumbs).await.is_err() {
            break;
        }
    }
    assert_eq!(close_code(&mut stream, Duration::from_secs(15)).await, 1009);
    let after = resident_kb(salon.pid());
    assert!(after < before + 24 * 1024, "{before} kB became {after} kB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s50_a_flood_of_pings_is_answered_within_bounds() {
    const PINGS: usize = 400_000;
    let salon = SalonProcess::start(&GENEROUS).await;
    let bo = ApiClient::guest(&salon, "bo").await;
    let mut ada = somebody(&salon).await;
    slowest_answer(&mut ada, 20).await;
    let before = resident_kb(salon.pid());
    let pings = frame(0x89, &[b'p'; 125]).repeat(500);
    // One that reads what comes back, and one that never does.
    let reading = upgraded(salon.port(), bo.token()).await;
    let (mut answers, mut asking) = reading.into_split();
    let reader = tokio::spawn(async move {
        let mut buffer = vec![0; 64 * 1024];
        let mut bytes = 0;
        while let Ok(length @ 1..) = answers.read(&mut buffer).await {
            bytes += length;
        }
        bytes
    });
    let mut deaf = upgraded(salon.port(), bo.token()).await;
    let deaf_pings = pings.clone();
    let deaf = tokio::spawn(async move {
        // It stands still when the server has had enough, or it is cut.
        let flood = async {
            for _ in 0..PINGS / 500 {
                if deaf.write_all(&deaf_pings).await.is_err() {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(20), flood).await;
        deaf
    });
    let mut most = before;
    let flood = tokio::spawn(async move {
        for _ in 0..PINGS / 500 {
            if asking.write_all(&pings).await.is_err() {
                break;
            }
        }
        asking
    });
    while !flood.is_finished() {
        let slowest = slowest_answer(&mut ada, 5).await;
        assert!(slowest < Duration::from_secs(2), "{slowest:?}");
        most = most.max(resident_kb(salon.pid()));
    }
    drop(flood.await.unwrap());
    let answered = reader.await.unwrap();
    assert!(answered > 0, "nobody answers a ping");
    assert!(
        answered <= PINGS * 127 + 4_096,
        "more than was asked for: {answered}"
    );
    let deaf = deaf.await.unwrap();
    most = most.max(resident_kb(salon.pid()));
    assert!(
        most < before + 24 * 1024,
        "{before} kB became {most} kB under a flood of pings"
    );
    drop(deaf);
    slowest_answer(&mut ada, 5).await;
}

/// What a slow one does, one of these to a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Slow {
    Silent,
    Head,
    Body,
    Reading,
}

/// Connects and is slow until the server has ended it; how long that took.
async fn be_slow(port: u16, how: Slow) -> Duration {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 * 1024).unwrap();
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = socket.connect(address).await.unwrap();
    let began = Instant::now();
    let head = match how {
        Slow::Silent => "",
        Slow::Head => "GET /livez HTTP/1.1\r\nHost: a\r\nX-Slow: ",
        Slow::Body => {
            "POST /api/guests HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n{"
        }
        Slow::Reading => "",
    };
    let _ = stream.write_all(head.as_bytes()).await;
    if how == Slow::Reading {
        return read_nothing(stream, began).await;
    }
    let mut buffer = [0; 512];
    loop {
        let wait = Duration::from_secs(2);
        match tokio::time::timeout(wait, stream.read(&mut buffer)).await {
            // What it says before it ends is not the end.
            Ok(Ok(1..)) => {}
            Ok(_) => return began.elapsed(),
            Err(_) if how != Slow::Silent => {
                let _ = stream.write_all(b" ").await;
            }
            Err(_) => {}
        }
        if began.elapsed() > Duration::from_secs(60) {
            return began.elapsed();
        }
    }
}

/// Asks for the same file again and again and takes none of it: when the pipes are full, the server waits for it.
async fn read_nothing(mut stream: TcpStream, began: Instant) -> Duration {
    let ask = "GET /js/room.js HTTP/1.1\r\nHost: a\r\n\r\n".repeat(200);
    loop {
        let wait = Duration::from_secs(2);
        match tokio::time::timeout(wait, stream.write_all(ask.as_bytes())).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return began.elapsed(),
            // Its side is full; a connection that was reset says so to whoever looks.
            Err(_) => {
                let mut byte = [0; 1];
                let peeked =
                    tokio::time::timeout(Duration::from_millis(10), stream.peek(&mut byte));
                if stream.take_error().ok().flatten().is_some()
                    || matches!(peeked.await, Ok(Err(_)))
                {
                    return began.elapsed();
                }
            }
        }
        if began.elapsed() > Duration::from_secs(60) {
            return began.elapsed();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s45_a_slow_body_and_a_slow_reader_are_ended_in_10_s() {
    let salon = SalonProcess::start(&GENEROUS).await;
    let (body, reading) = tokio::join!(
        be_slow(salon.port(), Slow::Body),
        be_slow(salon.port(), Slow::Reading),
    );
    assert!(body < Duration::from_secs(13), "a slow body: {body:?}");
    // Its time begins when nothing gets away any more.
    assert!(
        reading < Duration::from_secs(25),
        "slow reading: {reading:?}"
    );
    let body = "POST /api/guests HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 400\r\n\r\n{";
    let answer = raw(salon.port(), body.as_bytes()).await;
    assert!(matches!(status(&answer), 400 | 408), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s45_five_thousand_slow_connections_leave_others_as_before() {
    const SLOW: usize = 5_000;
    let held = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: held.maximum,
        maximum: held.maximum,
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    let metrics = crate::support::process::free_port();
    let listen = format!("127.0.0.1:{metrics}");
    let mut settings = vec![("SALON_METRICS_LISTEN", listen.as_str())];
    settings.extend(GENEROUS);
    let below = ["prlimit", "--nofile=16000:16000"];
    let salon = SalonProcess::start_below(&below, &settings).await;
    let mut ada = somebody(&salon).await;
    slowest_answer(&mut ada, 20).await;
    let before = median(&mut ada).await;
    let memory = resident_kb(salon.pid());
    let mut slow = JoinSet::new();
    for number in 0..SLOW {
        // What a slow reader left in the kernel is megabytes: a hundred of them are enough.
        let how = match number % 50 {
            0 => Slow::Reading,
            other => [Slow::Silent, Slow::Head, Slow::Body][other % 3],
        };
        let port = salon.port();
        slow.spawn(async move { (how, be_slow(port, how).await) });
        if number % 250 == 0 {
            // The queue of the listener is shorter than this crowd.
            slowest_answer(&mut ada, 1).await;
        }
    }
    let mut medians = Vec::new();
    let mut most = memory;
    while !slow.is_empty() {
        medians.push(median(&mut ada).await);
        most = most.max(resident_kb(salon.pid()));
        while let Some(done) = slow.try_join_next() {
            let (how, took) = done.unwrap();
            // The machine is busy with those who ask for files as well: three times what one takes alone.
            let late = Duration::from_secs(if how == Slow::Reading { 59 } else { 35 });
            assert!(took < late, "{how:?}: {took:?}");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    medians.sort();
    let typical = medians[medians.len() / 2];
    eprintln!(
        "median of a send: {before:?} before, {typical:?} among {SLOW} slow ones; {memory} kB became {most} kB"
    );
    assert!(
        typical < before * 20 + Duration::from_millis(100),
        "{before:?} became {typical:?}"
    );
    assert!(most < memory + 512 * 1024, "{memory} kB became {most} kB");
    let guest = ApiClient::guest(&salon, "late").await;
    let body = json!({"body": "hello"});
    assert_eq!(guest.post("/api/rooms/lobby/messages", &body).await.0, 201);
    eventually(
        "nothing of them is left",
        Duration::from_secs(20),
        async || {
            http_body(metrics, "/metrics")
                .await
                .is_some_and(|text| !text.contains("salon_accepting 0"))
        },
    )
    .await;
}

/// The time of a typical send of somebody else.
async fn median(socket: &mut SocketClient) -> Duration {
    let mut times = Vec::new();
    for number in 0..11 {
        let began = Instant::now();
        socket.send("lobby", &format!("among them {number}")).await;
        times.push(began.elapsed());
    }
    times.sort();
    times[5]
}
