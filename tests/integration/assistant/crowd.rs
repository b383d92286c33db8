//! How long a piece of text takes from the provider to those who read: in a room that a thousand sockets read on three
//! instances, and the first piece of each of many replies that are written at once.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::reader::stamps_of;
use super::size::{self, Times};
use super::support::fake_provider::Answer;
use super::support::fake_provider::script::clock;
use super::talk::askers;
use super::world::{DEADLINE, Person, World};

/// Sockets that connect at the same time.
const TOGETHER: usize = 25;
/// Replies in flight in one room; one less than there may be, so that there is place for the next.
const PER_ROOM: usize = 15;

/// A socket that costs its side little: it looks at the text of deltas and at nothing else.
struct Lean(WebSocketStream<TcpStream>);

impl Lean {
    async fn join(port: u16, person: &Person, room: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut request = format!("ws://127.0.0.1:{port}/ws")
            .into_client_request()
            .unwrap();
        let bearer = format!("Bearer {}", person.token).parse().unwrap();
        request.headers_mut().insert("authorization", bearer);
        let upgrade = tokio::time::timeout(DEADLINE, client_async(request, stream)).await;
        let mut lean = Self(upgrade.expect("an upgrade in time").unwrap().0);
        lean.send(&json!({ "type": "room.join", "room": room }))
            .await;
        while !lean.next().await.starts_with(r#"{"type":"room.joined""#) {}
        lean
    }

    async fn send(&mut self, frame: &Value) {
        let message = Message::text(frame.to_string());
        self.0.send(message).await.unwrap();
    }

    async fn next(&mut self) -> Utf8Bytes {
        self.next_within(DEADLINE).await.expect("a frame in time")
    }

    async fn next_within(&mut self, within: Duration) -> Option<Utf8Bytes> {
        let deadline = tokio::time::Instant::now() + within;
        loop {
            let message = tokio::time::timeout_at(deadline, self.0.next())
                .await
                .ok()?;
            if let Message::Text(text) = message.expect("an open socket").unwrap() {
                return Some(text);
            }
        }
    }
}

/// A delta's text.
fn text_of(frame: &str) -> Option<&str> {
    let rest = frame.strip_prefix(r#"{"type":"reply.delta""#)?;
    let (_, text) = rest.split_once(r#""text":""#)?;
    Some(text.split_once('"')?.0)
}

fn since(stamp: u64) -> Duration {
    Duration::from_micros(clock().saturating_sub(stamp))
}

#[tokio::test(flavor = "multi_thread")]
async fn text_is_read_by_a_thousand_sockets_on_three_instances_in_time() {
    let sockets = size::count(90, 1_000);
    // 50 tokens a second.
    let pieces = size::count(250, 1_000);
    let world = World::start(3, &[]).await;
    let answer = Answer::stream().stamps(pieces as u32, Duration::from_millis(20));
    world.provider.otherwise(answer.finish("end"));
    let mut asker = askers(&world, 1, false).await.remove(0);
    let crowd = world.person("crowd").await;
    let mut all = Vec::new();
    while all.len() < sockets {
        let together = TOGETHER.min(sockets - all.len());
        let joining = (0..together).map(|number| {
            let port = world.port((all.len() + number) % 3);
            Lean::join(port, &crowd, &asker.room)
        });
        all.extend(join_all(joining).await);
    }
    let listening: Vec<_> = all
        .into_iter()
        .map(|lean| tokio::spawn(listen(lean, pieces)))
        .collect();
    asker.ask(1).await;
    let (mut times, mut firsts) = (Times::default(), Times::default());
    for task in listening {
        let (first, heard) = task.await.unwrap();
        assert_eq!(heard.len(), pieces, "every piece came to everyone");
        firsts.push(first);
        times.extend(&heard);
    }
    eprintln!(
        "{sockets} sockets on three instances read {pieces} pieces each: {}; the first piece: {}",
        times.told(),
        firsts.told()
    );
    assert!(
        times.percentile(99) <= size::bound(800, 120),
        "{}",
        times.told()
    );
}

/// How long the first piece took to come, and all.
async fn listen(mut lean: Lean, pieces: usize) -> (Duration, Times) {
    let mut times = Times::default();
    let mut first = None;
    while times.len() < pieces {
        let frame = lean.next().await;
        let Some(text) = text_of(&frame) else {
            continue;
        };
        for stamp in stamps_of(text) {
            let took = since(stamp);
            first.get_or_insert(took);
            times.push(took);
        }
    }
    (first.unwrap(), times)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_piece_comes_at_once_while_hundreds_of_replies_are_written() {
    let concurrent = size::count(45, 300);
    let lasts = Duration::from_secs(if size::is_full() { 10 } else { 3 });
    let every = Duration::from_millis(50);
    let pieces = (lasts.as_millis() / every.as_millis()) as u32;
    let world = World::start(3, &[]).await;
    world
        .provider
        .otherwise(Answer::stream().stamps(pieces, every).finish("end"));
    let rooms = askers(&world, concurrent / PER_ROOM, true).await;
    let until = Instant::now() + 3 * lasts;
    let running = rooms.into_iter().enumerate().map(|(number, asker)| {
        let port = world.port(number % 3);
        tokio::spawn(async move {
            let lean = Lean::join(port, &asker.person, &asker.room).await;
            // Two sockets would read everything twice.
            drop(asker.reader);
            keep_running(lean, asker.room, lasts, until).await
        })
    });
    let running: Vec<_> = running.collect();
    let mut times = Times::default();
    for task in running {
        times.extend(&task.await.unwrap());
    }
    eprintln!(
        "the first piece with {concurrent} replies at once: {}",
        times.told()
    );
    assert!(times.len() >= concurrent, "{}", times.told());
    assert!(
        times.percentile(50) <= size::bound(150, 15),
        "{}",
        times.told()
    );
    assert!(
        times.percentile(99) <= size::bound(900, 40),
        "{}",
        times.told()
    );
}

/// Keeps [`PER_ROOM`] replies running, begun one after the other over the time that one lasts; how long the first piece of
/// each took, once all of them run.
async fn keep_running(mut lean: Lean, room: String, lasts: Duration, until: Instant) -> Times {
    let mut times = Times::default();
    let (mut asked, filled) = (0, Instant::now() + lasts);
    let mut next = Instant::now();
    while Instant::now() < until {
        if asked < PER_ROOM && Instant::now() >= next {
            asked += 1;
            next += lasts / PER_ROOM as u32;
            ask(&mut lean, &room).await;
        }
        let Some(frame) = lean.next_within(Duration::from_millis(20)).await else {
            continue;
        };
        if let Some(text) = text_of(&frame) {
            if frame.contains(r#""chunk":1,"#) && Instant::now() > filled {
                times.push(since(stamps_of(text).next().unwrap()));
            }
            continue;
        }
        let frame: Value = serde_json::from_str(&frame).unwrap();
        if frame["message"]["reply"].is_object() && frame["message"]["state"] != "queued" {
            assert_eq!(frame["message"]["state"], "complete", "{frame}");
            ask(&mut lean, &room).await;
        }
    }
    times
}

async fn ask(lean: &mut Lean, room: &str) {
    let id = uuid::Uuid::new_v4();
    let body = "@assistant go on";
    let send = json!({"type": "message.send", "room": room, "client_id": id, "body": body});
    lean.send(&send).await;
}
