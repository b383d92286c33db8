//! A TCP proxy before one port of this machine, whose answers a test can lose.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::postgres::USER;

/// A running proxy; every connection through it ends with it.
pub(crate) struct Proxy {
    port: u16,
    state: Arc<State>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    cut: AtomicBool,
    hold_commits: AtomicBool,
    held: AtomicUsize,
    was_cut: Notify,
}

impl Proxy {
    /// Forwards a free port to `target`.
    pub(crate) async fn start(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, target, Arc::clone(&shared)));
            }
        });
        Self { port, state, task }
    }

    /// A database behind it.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    /// From now on no answer comes through, and every client's connection is closed; what clients had sent has arrived
    /// and runs to its end.
    pub(crate) fn cut_answers(&self) {
        self.state.cut.store(true, Ordering::SeqCst);
        self.state.was_cut.notify_waiters();
    }

    /// From now on the answer to a COMMIT stays here, and all that follows it on its connection: the client waits.
    pub(crate) fn hold_commits(&self) {
        self.state.hold_commits.store(true, Ordering::SeqCst);
    }

    /// How many connections wait for the answer to a COMMIT.
    pub(crate) fn held(&self) -> usize {
        self.state.held.load(Ordering::SeqCst)
    }

    /// New connections work again.
    pub(crate) fn heal(&self) {
        self.state.cut.store(false, Ordering::SeqCst);
    }
}

impl State {
    /// Whether a server's answer says that a transaction was committed, and stays here.
    fn holds(&self, answer: &[u8]) -> bool {
        let tag = b"COMMIT\0";
        let holds = self.hold_commits.load(Ordering::SeqCst)
            && answer.windows(tag.len()).any(|window| window == tag);
        if holds {
            self.held.fetch_add(1, Ordering::SeqCst);
        }
        holds
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(client: TcpStream, target: u16, state: Arc<State>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await else {
        return;
    };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let asked = async {
        let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
    };
    let answered = async {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            match from_server.read(&mut buffer).await {
                Ok(1..) if state.cut.load(Ordering::SeqCst) => break,
                Ok(length @ 1..) if state.holds(&buffer[..length]) => {
                    std::future::pending::<()>().await;
                }
                Ok(length @ 1..) if to_client.write_all(&buffer[..length]).await.is_ok() => {}
                _ => break,
            }
        }
    };
    tokio::select! {
        () = state.was_cut.notified() => {}
        () = asked => {}
        () = answered => {}
    }
    // The server's side stays open until it has said all: it must not notice that nobody listens.
    drop((from_client, to_client));
    let mut rest = Vec::new();
    let waiting = from_server.read_to_end(&mut rest);
    let _ = tokio::time::timeout(std::time::Duration::from_secs(5), waiting).await;
}
