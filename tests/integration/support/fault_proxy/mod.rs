//! A TCP proxy before one port of this machine, which a test can make as bad as a network can be: slow, silent, deaf,
//! cut, half closed, throttled, or holding one answer back. Chaos runs and the tests of the fault matrix stand one between
//! every pair of processes. It knows nothing of what it carries, but for Redis, whose published messages it can double,
//! delay, reorder and replay ([`resp`]).

mod pump;
pub(crate) mod resp;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use resp::Tampering;

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    /// From who connected to the target.
    ToServer,
    /// From the target to who connected.
    ToClient,
}

/// What befalls bytes of one way, on every connection.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Rules {
    /// Every byte comes so much later.
    pub(crate) delay: Duration,
    /// Nothing comes, not even the end of a connection; what was sent meanwhile comes when this ends.
    pub(crate) stalled: bool,
    /// What is sent disappears. Connections that lost something are cut when this ends.
    pub(crate) swallowing: bool,
    /// At most so many bytes a second, each connection.
    pub(crate) bytes_per_second: Option<u32>,
    /// What holds this stays, with all that follows on its connection, until it is released or cut.
    pub(crate) hold: Option<Hold>,
}

/// Which bytes are held back.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Hold {
    /// What they hold.
    pub(crate) pattern: Vec<u8>,
    /// On so many connections at the most.
    pub(crate) connections: usize,
}

/// A running proxy. Every connection through it ends with it.
pub(crate) struct FaultProxy {
    port: u16,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// What all connections of a proxy look at.
pub(crate) struct Shared {
    target: AtomicU16,
    refusing: AtomicBool,
    /// Whether it carries Redis, whose messages are told apart from the first byte on.
    redis: bool,
    to_server: watch::Sender<Rules>,
    to_client: watch::Sender<Rules>,
    tampering: watch::Sender<Option<Tampering>>,
    /// One-time orders to the connections of this moment.
    orders: watch::Sender<Orders>,
    /// Bytes that may still pass before one connection is cut; [`usize::MAX`]: any.
    budget: [AtomicUsize; 2],
    held: AtomicUsize,
    open: AtomicUsize,
    accepted: AtomicUsize,
}

/// Counters: a connection that sees one grow does as told.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Orders {
    cuts: u64,
    half_closes: [u64; 2],
    releases: u64,
}

impl FaultProxy {
    /// Forwards a free port to `target`.
    pub(crate) async fn start(target: u16) -> Self {
        Self::listen(target, false).await
    }

    /// The same before a Redis, whose published messages it can tamper with.
    pub(crate) async fn start_redis(target: u16) -> Self {
        Self::listen(target, true).await
    }

    async fn listen(target: u16, redis: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            target: AtomicU16::new(target),
            refusing: AtomicBool::new(false),
            redis,
            to_server: watch::Sender::default(),
            to_client: watch::Sender::default(),
            tampering: watch::Sender::default(),
            orders: watch::Sender::default(),
            budget: [AtomicUsize::new(usize::MAX), AtomicUsize::new(usize::MAX)],
            held: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            accepted: AtomicUsize::new(0),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { port, shared, task }
    }

    /// Where it listens, on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// From the next connection on it leads there.
    pub(crate) fn lead_to(&self, target: u16) {
        self.shared.target.store(target, Ordering::SeqCst);
    }

    /// Connections through it now.
    pub(crate) fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// Connections there ever were.
    pub(crate) fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Changes the rules of one way, for connections of now and later.
    pub(crate) fn change(&self, way: Way, change: impl FnOnce(&mut Rules)) {
        self.shared.rules(way).send_modify(change);
    }

    /// Both ways come so much later.
    pub(crate) fn delay(&self, delay: Duration) {
        self.both(|rules| rules.delay = delay);
    }

    /// A black hole: nothing comes through either way, and nobody is told. New connections are taken and stay silent.
    pub(crate) fn stall(&self) {
        self.both(|rules| rules.stalled = true);
    }

    /// At most so many bytes a second, each way.
    pub(crate) fn throttle(&self, bytes_per_second: u32) {
        self.both(|rules| rules.bytes_per_second = Some(bytes_per_second));
    }

    /// The first so many connections on which this comes keep it back, with all that follows.
    pub(crate) fn hold(&self, way: Way, pattern: &[u8], connections: usize) {
        self.shared.held.store(0, Ordering::SeqCst);
        self.change(way, |rules| {
            rules.hold = Some(Hold {
                pattern: pattern.to_vec(),
                connections,
            });
        });
    }

    /// On how many connections something is, or was, held back since [`Self::hold`].
    pub(crate) fn held(&self) -> usize {
        self.shared.held.load(Ordering::SeqCst)
    }

    /// What is held goes on, and nothing more is held.
    pub(crate) fn release(&self) {
        self.both(|rules| rules.hold = None);
        self.order(|orders| orders.releases += 1);
    }

    /// Breaks every connection of now, both sides, with a reset.
    pub(crate) fn cut(&self) {
        self.order(|orders| orders.cuts += 1);
    }

    /// Every connection of now says on this way that nothing more comes; the other way goes on.
    pub(crate) fn half_close(&self, way: Way) {
        self.order(|orders| orders.half_closes[way as usize] += 1);
    }

    /// The connection on which the so manieth byte from now would pass is cut before it. Once.
    pub(crate) fn cut_after(&self, way: Way, bytes: usize) {
        self.shared.budget[way as usize].store(bytes, Ordering::SeqCst);
    }

    /// New connections are reset at once.
    pub(crate) fn refuse(&self, refusing: bool) {
        self.shared.refusing.store(refusing, Ordering::SeqCst);
    }

    /// Doubles, delays, reorders and replays what Redis publishes, from now on.
    pub(crate) fn tamper(&self, tampering: Tampering) {
        assert!(self.shared.redis, "only what carries Redis");
        self.shared.tampering.send_replace(Some(tampering));
    }

    /// All is well again; what was held or stalled goes on.
    pub(crate) fn heal(&self) {
        self.refuse(false);
        for way in [Way::ToServer, Way::ToClient] {
            self.cut_after(way, usize::MAX);
        }
        self.shared.tampering.send_replace(None);
        self.both(|rules| *rules = Rules::default());
        self.order(|orders| orders.releases += 1);
    }

    fn both(&self, change: impl Fn(&mut Rules)) {
        self.change(Way::ToServer, &change);
        self.change(Way::ToClient, &change);
    }

    fn order(&self, order: impl FnOnce(&mut Orders)) {
        self.shared.orders.send_modify(order);
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn rules(&self, way: Way) -> &watch::Sender<Rules> {
        match way {
            Way::ToServer => &self.to_server,
            Way::ToClient => &self.to_client,
        }
    }

    /// How many of these bytes may pass before their connection is to be cut; all of them as a rule.
    fn allowed(&self, way: Way, length: usize) -> usize {
        let budget = &self.budget[way as usize];
        let take = |left: usize| match left {
            usize::MAX => None,
            left if left < length => Some(usize::MAX),
            left => Some(left - length),
        };
        match budget.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take) {
            Ok(left) if left < length => left,
            _ => length,
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { return };
                shared.accepted.fetch_add(1, Ordering::SeqCst);
                if shared.refusing.load(Ordering::SeqCst) {
                    let _ = client.set_zero_linger();
                    continue;
                }
                connections.spawn(forward(client, Arc::clone(&shared)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection, until both ways have ended or it is cut.
async fn forward(client: TcpStream, shared: Arc<Shared>) {
    // What the connection must obey from its beginning on.
    let orders = shared.orders.subscribe();
    let target = shared.target.load(Ordering::SeqCst);
    let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await else {
        let _ = client.set_zero_linger();
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let _open = Open::new(&shared);
    pump::run(client, server, &shared, orders).await;
}

/// Counts a connection while it is there.
struct Open<'a>(&'a Shared);

impl<'a> Open<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.open.fetch_add(1, Ordering::SeqCst);
        Self(shared)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}
