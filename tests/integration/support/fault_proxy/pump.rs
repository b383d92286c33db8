//! Carries one connection's bytes, both ways, under the rules of its proxy. Called by [`super`] only.
//!
//! A reader takes bytes off one side and stamps when they are due; a writer gives them to the other side when the rules
//! let it. Between them is a short queue: when nothing goes out, the sender's own window fills, as over a dead link.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::resp::{MessageSplitter, Part};
use super::{Orders, Rules, Shared, Way};

/// Pieces between a reader and a writer.
const QUEUE: usize = 64;
/// The largest piece.
const PIECE: usize = 16 * 1024;

/// What goes from a reader to a writer.
struct Piece {
    due: Instant,
    bytes: Vec<u8>,
    /// May come whenever it is due, whatever is before it: a whole message of Redis.
    loose: bool,
    /// The connection is cut behind it.
    last: bool,
}

/// A connection that is to be reset.
struct Cut;

/// A half that says that nothing more comes only when it is told to: dropping tokio's own says so before a reset.
struct Outgoing(Option<OwnedWriteHalf>);

impl Outgoing {
    fn half(&mut self) -> std::io::Result<&mut OwnedWriteHalf> {
        self.0
            .as_mut()
            .ok_or_else(|| std::io::ErrorKind::NotConnected.into())
    }

    async fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.half()?.write_all(bytes).await
    }

    async fn shutdown(&mut self) -> std::io::Result<()> {
        self.half()?.shutdown().await
    }

    /// Closing it is a reset from now on.
    fn break_off(&mut self) {
        if let Ok(half) = self.half() {
            let _ = half.as_ref().set_zero_linger();
        }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        if let Some(half) = self.0.take() {
            half.forget();
        }
    }
}

/// Runs until both ways have ended, or the connection is cut.
pub(super) async fn run(
    client: TcpStream,
    server: TcpStream,
    shared: &Shared,
    orders: watch::Receiver<Orders>,
) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (to_client, to_server) = (Outgoing(Some(to_client)), Outgoing(Some(to_server)));
    let asked = carry(from_client, to_server, shared, Way::ToServer, &orders);
    let answered = carry(from_server, to_client, shared, Way::ToClient, &orders);
    // Both halves of both sides stay until both ways are over, or one is cut.
    let _ = tokio::try_join!(asked, answered);
}

/// One way. Gives its halves back: the other way's halves of the same sockets may still be needed.
async fn carry(
    mut from: OwnedReadHalf,
    mut to: Outgoing,
    shared: &Shared,
    way: Way,
    orders: &watch::Receiver<Orders>,
) -> Result<(OwnedReadHalf, Outgoing), Cut> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let ended = tokio::select! {
        biased;
        () = was_cut(orders.clone()) => Err(Cut),
        // The reader ends first and closes the queue; the writer then writes what is left.
        ended = async {
            tokio::try_join!(
                read(&mut from, sender, shared, way),
                write(&mut to, receiver, shared, way, orders.clone()),
            )
        } => ended.map(|_| ()),
    };
    if ended.is_err() {
        let _ = from.as_ref().set_zero_linger();
        to.break_off();
    }
    ended.map(|()| (from, to))
}

async fn was_cut(mut orders: watch::Receiver<Orders>) {
    let before = orders.borrow().cuts;
    if orders.wait_for(|now| now.cuts > before).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn was_half_closed(mut orders: watch::Receiver<Orders>, way: Way, before: u64) {
    let closed = |now: &Orders| now.half_closes[way as usize] > before;
    if orders.wait_for(closed).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn swallowing_is_over(mut rules: watch::Receiver<Rules>) {
    let _ = rules.wait_for(|now| !now.swallowing).await;
}

/// An error when the connection broke.
async fn read(
    from: &mut OwnedReadHalf,
    queue: mpsc::Sender<Piece>,
    shared: &Shared,
    way: Way,
) -> Result<(), Cut> {
    let mut buffer = vec![0; PIECE];
    let mut splitter = (shared.redis && way == Way::ToClient).then(MessageSplitter::default);
    loop {
        let length = match from.read(&mut buffer).await {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(_) => return Err(Cut),
        };
        let allowed = shared.allowed(way, length);
        let bytes = &buffer[..allowed];
        let delay = shared.rules(way).borrow().delay;
        let due = Instant::now() + delay;
        let pieces = match &mut splitter {
            None => vec![piece(due, bytes.to_vec())],
            Some(splitter) => {
                let parts = splitter.push(bytes, shared.tampering.borrow().as_ref());
                parts.into_iter().map(|part| stamped(part, due)).collect()
            }
        };
        let used_up = (allowed < length).then(|| Piece {
            last: true,
            ..piece(due, Vec::new())
        });
        for piece in pieces.into_iter().chain(used_up) {
            if queue.send(piece).await.is_err() {
                return Err(Cut);
            }
        }
    }
}

/// Bytes in their place.
fn piece(due: Instant, bytes: Vec<u8>) -> Piece {
    Piece {
        due,
        bytes,
        loose: false,
        last: false,
    }
}

fn stamped(part: Part, due: Instant) -> Piece {
    match part {
        Part::Next(bytes) => piece(due, bytes),
        Part::Late(late, bytes) => Piece {
            loose: true,
            ..piece(due + late, bytes)
        },
    }
}

/// What a writer keeps of its connection.
struct Writer<'a> {
    to: &'a mut Outgoing,
    rules: watch::Receiver<Rules>,
    orders: watch::Receiver<Orders>,
    shared: &'a Shared,
    /// Messages that come when they are due, between pieces.
    loose: BTreeMap<(Instant, u64), Vec<u8>>,
    loose_count: u64,
    /// The last bytes that went by, for a pattern over two pieces.
    tail: Vec<u8>,
    swallowed: bool,
    closed: bool,
}

/// An error when the connection is to be cut.
async fn write(
    to: &mut Outgoing,
    mut queue: mpsc::Receiver<Piece>,
    shared: &Shared,
    way: Way,
    orders: watch::Receiver<Orders>,
) -> Result<(), Cut> {
    let mut writer = Writer {
        to,
        rules: shared.rules(way).subscribe(),
        orders,
        shared,
        loose: BTreeMap::new(),
        loose_count: 0,
        tail: Vec::new(),
        swallowed: false,
        closed: false,
    };
    let half_closes = writer.orders.borrow().half_closes[way as usize];
    loop {
        let next_loose = writer.loose.first_key_value().map(|((due, _), _)| *due);
        let (told, ruled) = (writer.orders.clone(), writer.rules.clone());
        let going = tokio::select! {
            biased;
            () = at(next_loose) => match writer.loose.pop_first() {
                Some((_, bytes)) => writer.give(&bytes).await,
                None => true,
            },
            piece = queue.recv() => match piece {
                Some(piece) => writer.take(piece).await,
                None => break,
            },
            () = was_half_closed(told, way, half_closes), if !writer.closed => {
                writer.closed = true;
                let _ = writer.to.shutdown().await;
                true
            }
            // Wakes to see that swallowing has ended.
            () = swallowing_is_over(ruled), if writer.swallowed => false,
        };
        if !going {
            return Err(Cut);
        }
    }
    writer.passable().await;
    if writer.swallowed {
        return Err(Cut);
    }
    let _ = writer.to.shutdown().await;
    Ok(())
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

impl Writer<'_> {
    async fn take(&mut self, piece: Piece) -> bool {
        if piece.loose {
            self.loose_count += 1;
            self.loose
                .insert((piece.due, self.loose_count), piece.bytes);
            return true;
        }
        tokio::time::sleep_until(piece.due).await;
        self.give(&piece.bytes).await && !piece.last
    }

    /// Waits until something may pass.
    async fn passable(&mut self) {
        // The sender lives as long as the proxy.
        let _ = self.rules.wait_for(|rules| !rules.stalled).await;
    }

    /// Writes bytes as the rules want it; false when the connection is to be cut.
    async fn give(&mut self, bytes: &[u8]) -> bool {
        self.passable().await;
        if self.holds(bytes) {
            self.wait_for_release().await;
            self.passable().await;
        }
        let (swallowing, pace) = {
            let rules = self.rules.borrow();
            (rules.swallowing, rules.bytes_per_second)
        };
        if swallowing {
            self.swallowed = true;
            return true;
        }
        if self.swallowed {
            return false;
        }
        if self.closed {
            return true;
        }
        match pace {
            None => self.to.write_all(bytes).await.is_ok(),
            Some(pace) => self.drip(bytes, pace).await,
        }
    }

    /// At this pace, in twentieths of a second.
    async fn drip(&mut self, bytes: &[u8], pace: u32) -> bool {
        let step = usize::try_from(pace / 20).unwrap_or(usize::MAX).max(1);
        for part in bytes.chunks(step) {
            if self.to.write_all(part).await.is_err() {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        true
    }

    /// Whether this must stay here; counts it.
    fn holds(&mut self, bytes: &[u8]) -> bool {
        let Some(hold) = self.rules.borrow().hold.clone() else {
            self.tail.clear();
            return false;
        };
        let overlap = hold.pattern.len().saturating_sub(1);
        self.tail.extend_from_slice(bytes);
        let found = self
            .tail
            .windows(hold.pattern.len().max(1))
            .any(|window| window == hold.pattern);
        let keep = self.tail.len().saturating_sub(overlap);
        self.tail.drain(..keep);
        found
            && self
                .shared
                .held
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |held| {
                    (held < hold.connections).then_some(held + 1)
                })
                .is_ok()
    }

    async fn wait_for_release(&mut self) {
        let before = self.orders.borrow().releases;
        let _ = self
            .orders
            .clone()
            .wait_for(|now| now.releases > before)
            .await;
    }
}
