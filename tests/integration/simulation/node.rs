//! One simulated instance: the real actors on a single-threaded runtime of its own, whose clock stands still unless
//! the world lets it go on. Dropping the runtime is killing the process; not running it is freezing it.

use std::net::Ipv4Addr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use salon::channel_layer::ChannelLayer;
use salon::channel_layer::counters::in_memory::InMemoryCounters;
use salon::chat::Chat;
use salon::chat::assistant::{Assistant, AssistantParts};
use salon::config::Config;
use salon::consumer::Consumers;
use salon::consumer::transport::{MemoryStream, Transport, pipe};
use salon::consumer::watch::SessionWatch;
use salon::db::Store;
use salon::db::changes::Change;
use salon::db::queue::ReplyCaps;
use salon::db::rows::Identity;
use salon::feed::{Feeds, gate, heads};
use salon::ids::{InstanceId, RoomRef};
use salon::jobs;
use salon::llm::LlmProvider;
use salon::llm::registry::Providers;
use salon::quotas::Quotas;
use salon::server::nudges;
use salon::writer::Writer;
use tokio::runtime::Runtime;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::database::{Database, SimStore};
use super::wire::Wire;
use crate::support::app::config;

/// Lanes of an instance's writer: more than one, so that rooms overtake each other.
const LANES: usize = 2;

/// A running instance.
pub(super) struct Node {
    /// Dropped first: every task ends where it stands.
    runtime: Runtime,
    began: Instant,
    began_ms: u64,
    consumers: Arc<Consumers>,
    writer: Arc<Writer>,
    layer: Arc<dyn ChannelLayer>,
}

/// What an instance is built of.
pub(super) struct Parts {
    pub(super) number: usize,
    pub(super) database: Arc<Database>,
    pub(super) wire: Arc<Wire>,
    pub(super) provider: Arc<dyn LlmProvider>,
    pub(super) now_ms: u64,
}

/// Rates that nobody reaches.
fn settings() -> &'static Config {
    static SETTINGS: OnceLock<Config> = OnceLock::new();
    let flags = ["--rate-sends", "100000", "--rate-sends-burst", "100000"];
    let more = ["--rate-joins", "100000", "--rate-prompts", "100000"];
    SETTINGS.get_or_init(|| config(&[&flags[..], &more, &["--rate-frames", "100000"]].concat()))
}

impl Node {
    /// Starts one.
    pub(super) fn start(parts: Parts) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let Parts {
            number,
            database,
            wire,
            provider,
            now_ms,
        } = parts;
        let (began, consumers, writer, layer) = runtime.block_on(async {
            let began = Instant::now();
            let store: Arc<dyn Store> = SimStore::new(database, began, now_ms);
            let layer: Arc<dyn ChannelLayer> = wire.connect(number);
            let (consumers, writer) = start_actors(&store, &layer, provider);
            (began, consumers, writer, layer)
        });
        Self {
            runtime,
            began,
            began_ms: now_ms,
            consumers,
            writer,
            layer,
        }
    }

    /// Lets its clock go on until then, and with it everything in it.
    pub(super) fn run_until(&self, now_ms: u64) {
        let until = self.began + Duration::from_millis(now_ms - self.began_ms);
        self.runtime
            .block_on(async { tokio::time::sleep_until(until).await });
    }

    /// It stood still until then: the clock jumps, and only then anything runs.
    pub(super) fn thaw(&self, now_ms: u64) {
        let now = self.began + Duration::from_millis(now_ms - self.began_ms);
        self.runtime.block_on(async {
            tokio::time::advance(now.saturating_duration_since(Instant::now())).await;
        });
    }

    /// A socket of somebody who is signed in, over a pipe that holds so many bytes.
    pub(super) fn accept(&self, identity: &Identity, pipe_bytes: usize) -> MemoryStream {
        let (server, client) = pipe(pipe_bytes);
        let quotas = &self.consumers.quotas;
        let payer = quotas.client(identity.user.id, Ipv4Addr::LOCALHOST.into());
        let serving = Arc::clone(&self.consumers).serve(
            (identity.clone(), payer),
            Transport::Memory(server),
            Vec::new(),
        );
        self.runtime.spawn(serving);
        client
    }

    /// Changes a room past any socket, as an HTTP request would.
    pub(super) fn change(&self, room: &RoomRef, change: Change) {
        let (writer, room) = (Arc::clone(&self.writer), room.clone());
        self.runtime.spawn(async move {
            // Whoever asked does not wait: the database is what judges look at.
            let _ = writer.write(room, change).await;
        });
    }

    /// Its layer, for nudges.
    pub(super) fn layer(&self) -> &Arc<dyn ChannelLayer> {
        &self.layer
    }

    /// How many sockets it holds.
    pub(super) fn sockets(&self) -> usize {
        self.consumers.connections.count()
    }
}

/// What a server starts, over a store and a layer.
fn start_actors(
    store: &Arc<dyn Store>,
    layer: &Arc<dyn ChannelLayer>,
    provider: Arc<dyn LlmProvider>,
) -> (Arc<Consumers>, Arc<Writer>) {
    let prompts = Arc::default();
    let (store, layer) = (|| Arc::clone(store), || Arc::clone(layer));
    let writer = Writer::start(store(), layer(), Arc::clone(&prompts), LANES);
    let writer = Arc::new(writer);
    let feeds = Feeds::new(store(), layer());
    let chat = Chat::new(store(), Arc::clone(&writer), feeds.clone(), layer());
    let quotas = Quotas::new(settings(), InMemoryCounters::new());
    let consumers = Consumers::new(Arc::new(chat), Arc::default(), quotas, settings());
    let connections = Arc::clone(&consumers.connections);
    let assistant = Assistant::new(AssistantParts {
        store: store(),
        writer: Arc::clone(&writer),
        layer: layer(),
        providers: Providers::only(provider),
        instance: InstanceId::new(),
        caps: ReplyCaps {
            user: 3,
            room: 6,
            fleet: 12,
        },
        spend_gate: salon::chat::assistant::SpendGate::new(salon::spending::Caps::default()),
        prompts,
    });
    let stop = CancellationToken::new;
    tokio::spawn(Arc::clone(&assistant).run(stop()));
    tokio::spawn(heads::check_heads(feeds.clone(), store(), stop()));
    tokio::spawn(jobs::orphans::run(store(), Arc::clone(&writer), stop()));
    tokio::spawn(nudges::listen(
        layer(),
        Arc::clone(&connections),
        assistant,
        stop(),
    ));
    let watch = Arc::new(SessionWatch::new(connections, store()));
    tokio::spawn(Arc::clone(&watch).run(stop()));
    let heads = store();
    tokio::spawn(async move {
        let recheck = || async { watch.look().await && heads::check_once(&feeds, &heads).await };
        gate::keep(feeds.gate(), recheck, stop()).await;
    });
    (Arc::new(consumers), writer)
}
