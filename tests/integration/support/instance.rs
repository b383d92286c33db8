//! One instance of Salon inside the test's process: the handles and actors that a server starts, over a store, a layer and
//! a model of the test's choice, without a port. Several over one store and connected layers are several instances.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use salon::app::App;
use salon::channel_layer::ChannelLayer;
use salon::channel_layer::counters::Counters;
use salon::channel_layer::counters::in_memory::InMemoryCounters;
use salon::channel_layer::in_memory::InMemoryLayer;
use salon::chat::Chat;
use salon::chat::assistant::{Assistant, AssistantParts};
use salon::config::Config;
use salon::consumer::transport::{Transport, pipe};
use salon::consumer::watch::SessionWatch;
use salon::consumer::{Consumers, user_frames};
use salon::db::Store;
use salon::db::changes::{Change, NewAccount, NewSession, Outcome};
use salon::db::rows::{Identity, RoomView, UserKind, UserRow, Visibility};
use salon::db::sqlite::SqliteStore;
use salon::error::Refusal;
use salon::feed::{Feeds, heads, presence, queue};
use salon::ids::{InstanceId, RoomRef, SessionId, UserId};
use salon::jobs;
use salon::llm::registry::Providers;
use salon::llm::scripted::ScriptedProvider;
use salon::llm::{DeltaStream, LlmError, LlmProvider, Prompt};
use salon::permissions::Role;
use salon::quotas::{Client, Quotas};
use salon::shutdown::Shutdown;
use salon::writer::Writer;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::app::config;
use super::communicator::WebsocketCommunicator;

/// Bytes in flight on a pipe: about what a kernel buffers.
const PIPE_BYTES: usize = 64 * 1024;

/// A database of a test's own.
pub(crate) struct TestDatabase {
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) folder: tempfile::TempDir,
}

impl TestDatabase {
    /// An empty one.
    pub(crate) async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path()).await.unwrap();
        Self { store, folder }
    }

    /// Makes every lease look so many seconds older.
    pub(crate) fn age_leases(&self, seconds: i64) {
        let micros = seconds * 1_000_000;
        self.run(&format!(
            "UPDATE replies SET lease_until = lease_until - {micros} WHERE lease_until IS NOT NULL"
        ));
    }

    /// Makes every message so many seconds older than it is.
    pub(crate) fn age_messages(&self, seconds: i64) {
        let micros = seconds * 1_000_000;
        self.run(&format!(
            "UPDATE messages SET created_at = created_at - {micros}"
        ));
    }

    fn run(&self, sql: &str) {
        let path = self.folder.path().join("salon.sqlite3");
        let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        conn.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
        conn.batch_execute(sql).unwrap();
    }
}

/// What an instance is built of.
pub(crate) struct Build {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) layer: Arc<dyn ChannelLayer>,
    pub(crate) provider: Arc<dyn LlmProvider>,
    pub(crate) flags: Vec<&'static str>,
    pub(crate) lanes: usize,
    /// Whether it runs replies.
    pub(crate) runs: bool,
    /// Whether it tells who is here, who writes, and users of their own affairs.
    pub(crate) presence: bool,
    /// Who counts for the fleet.
    pub(crate) counters: Arc<dyn Counters>,
}

impl Build {
    /// Over a store: its own layer, the demo without delays, high rates.
    pub(crate) fn over(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            layer: InMemoryLayer::new(),
            provider: Arc::new(ScriptedProvider::new(Duration::ZERO)),
            flags: vec![
                "--rate-sends",
                "100000",
                "--rate-sends-burst",
                "100000",
                "--rate-frames",
                "100000",
                "--replies-per-user",
                "1000",
                "--replies-per-room",
                "1000",
                "--rate-joins",
                "100000",
                "--rate-prompts",
                "100000",
                "--rate-rooms",
                "100000",
                "--rate-invites",
                "100000",
                "--rate-tries",
                "100000",
            ],
            lanes: 1,
            runs: true,
            presence: false,
            counters: InMemoryCounters::new(),
        }
    }
}

/// A running instance; dropping it is killing it.
pub(crate) struct Instance {
    pub(crate) app: Arc<App>,
    pub(crate) consumers: Arc<Consumers>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) writer: Arc<Writer>,
    pub(crate) feeds: Feeds,
    pub(crate) assistant: Arc<Assistant>,
    pub(crate) stop: CancellationToken,
    /// Begins to leave: says goodbye to the others.
    pub(crate) leaving: CancellationToken,
    tasks: Vec<AbortOnDropHandle<()>>,
    /// The runners have a runtime of their own, so that they can die as a process dies.
    runners: Option<tokio::runtime::Runtime>,
}

impl Instance {
    /// Starts one.
    pub(crate) fn start(build: Build) -> Self {
        let Build {
            store,
            layer,
            provider,
            flags,
            lanes,
            runs,
            presence: tells,
            counters,
        } = build;
        let prompts = Arc::default();
        let writer = Arc::new(Writer::start(
            Arc::clone(&store),
            Arc::clone(&layer),
            Arc::clone(&prompts),
            lanes,
        ));
        let feeds = Feeds::new(Arc::clone(&store), Arc::clone(&layer));
        let chat = Arc::new(Chat::new(
            Arc::clone(&store),
            Arc::clone(&writer),
            feeds.clone(),
            Arc::clone(&layer),
        ));
        let config = Arc::new(config(&flags));
        let providers = Providers::only(provider);
        let consumers = consumers_of(&chat, counters, &config);
        let quotas = Arc::clone(&consumers.quotas);
        let assistant = Assistant::new(AssistantParts {
            store: Arc::clone(&store),
            writer: Arc::clone(&writer),
            layer: Arc::clone(&layer),
            providers: Arc::clone(&providers),
            instance: InstanceId::new(),
            caps: salon::chat::assistant::caps(&config),
            spend_gate: salon::chat::assistant::SpendGate::new(config.spending.caps()),
            prompts,
        });
        let stop = CancellationToken::new();
        let mut tasks = start_tasks(&store, &writer, &feeds, &consumers, &stop);
        let leaving = CancellationToken::new();
        if tells {
            tasks.extend(start_telling(&layer, &chat, &consumers, &leaving, &stop));
        }
        let runners = runtime_of_runners();
        if runs {
            runners.spawn(Arc::clone(&assistant).run(stop.clone()));
        }
        Self {
            app: App::new(
                config,
                Arc::clone(&store),
                layer,
                chat,
                quotas,
                providers,
                Shutdown::new(),
            ),
            consumers,
            store,
            writer,
            feeds,
            assistant,
            stop,
            leaving,
            runners: Some(runners),
            tasks,
        }
    }

    /// One over a database of its own.
    pub(crate) async fn alone() -> (Self, TestDatabase) {
        let database = TestDatabase::open().await;
        (Self::start(Build::over(database.store.clone())), database)
    }

    /// A new user, signed in.
    pub(crate) async fn user(&self, name: &str) -> Identity {
        let user = UserRow {
            id: UserId::new(),
            name: name.to_owned(),
            kind: UserKind::User,
        };
        let session = NewSession {
            id: SessionId::new(),
            user: user.id,
            token_hash: rand::random(),
            lifetime_s: 3_600,
            idle_s: 1_000_000,
            origin: salon::db::changes::SessionOrigin::default(),
            verified: None,
        };
        let account = NewAccount {
            user,
            password_hash: None,
            admin: false,
        };
        self.store
            .create_account(account, session)
            .await
            .unwrap()
            .identity
    }

    /// A socket of a signed-in user, welcomed.
    pub(crate) async fn connect(&self, identity: &Identity) -> WebsocketCommunicator {
        let (mut socket, _) = self.connect_raw(identity, PIPE_BYTES).await;
        assert_eq!(socket.receive_json_from().await["type"], "welcome");
        socket
    }

    /// Whose budgets pay for what a user does here.
    pub(crate) fn client_of(&self, identity: &Identity) -> Client {
        let address = Ipv4Addr::LOCALHOST.into();
        self.consumers.quotas.client(identity.user.id, address)
    }

    /// A socket over a pipe of this capacity, not yet welcomed, and the consumer's task.
    pub(crate) async fn connect_raw(
        &self,
        identity: &Identity,
        capacity: usize,
    ) -> (WebsocketCommunicator, tokio::task::JoinHandle<()>) {
        let (server, client) = pipe(capacity);
        let serving = Arc::clone(&self.consumers).serve(
            (identity.clone(), self.client_of(identity)),
            Transport::Memory(server),
            Vec::new(),
        );
        let serving = tokio::spawn(serving);
        (WebsocketCommunicator::connect(client).await, serving)
    }

    /// A new user on a new socket.
    pub(crate) async fn arrive(&self, name: &str) -> WebsocketCommunicator {
        let identity = self.user(name).await;
        self.connect(&identity).await
    }

    /// A room of that owner.
    pub(crate) async fn make_room(
        &self,
        owner: &Identity,
        slug: &str,
        visibility: Visibility,
    ) -> RoomView {
        self.app
            .chat
            .create_room(owner, slug, slug, visibility)
            .await
            .unwrap()
    }

    /// Changes a room past any socket.
    pub(crate) async fn change(&self, room: &RoomView, change: Change) -> Result<Outcome, Refusal> {
        let room = RoomRef {
            id: room.room.id,
            slug: room.room.slug.as_str().into(),
        };
        self.writer.write(room, change).await
    }

    /// Makes somebody a member.
    pub(crate) async fn add(&self, room: &RoomView, owner: &Identity, user: &Identity) {
        let change = Change::SetMember {
            actor: owner.user.id,
            user: user.user.id,
            role: Role::Member,
        };
        self.change(room, change).await.unwrap();
    }

    /// Ends somebody's membership; the version.
    pub(crate) async fn remove(&self, room: &RoomView, owner: &Identity, user: &Identity) -> i64 {
        let change = Change::RemoveMember {
            actor: owner.user.id,
            user: user.user.id,
        };
        match self.change(room, change).await.unwrap() {
            Outcome::Changed { version } => version,
            Outcome::Posted(_) => panic!("a removal is no post"),
        }
    }

    /// Kills its runners where they stand: nothing is settled, nothing given back.
    pub(crate) fn kill_runners(&mut self) {
        if let Some(runners) = self.runners.take() {
            runners.shutdown_background();
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.kill_runners();
    }
}

fn consumers_of(chat: &Arc<Chat>, counters: Arc<dyn Counters>, config: &Config) -> Arc<Consumers> {
    let quotas = Quotas::new(config, counters);
    let consumers = Consumers::new(Arc::clone(chat), Arc::default(), quotas, config);
    Arc::new(consumers)
}

/// A model whose answers the test writes: called with the number of the request, from 0.
pub(crate) struct FakeModel {
    calls: AtomicU64,
    answer: Box<dyn Fn(u64) -> DeltaStream + Send + Sync>,
}

impl FakeModel {
    /// A model that answers so.
    pub(crate) fn new(answer: impl Fn(u64) -> DeltaStream + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            calls: AtomicU64::new(0),
            answer: Box::new(answer),
        })
    }

    /// How often it was asked.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl LlmProvider for FakeModel {
    fn model(&self) -> &str {
        "fake"
    }

    async fn answer(&self, _: Prompt) -> Result<DeltaStream, LlmError> {
        Ok((self.answer)(self.calls.fetch_add(1, Ordering::SeqCst)))
    }
}

/// Words, one each `pause`, then the given end.
pub(crate) fn words(
    count: usize,
    pause: Duration,
    end: impl FnOnce() -> BoxFuture<'static, Option<Result<salon::llm::Delta, LlmError>>>
    + Send
    + 'static,
) -> DeltaStream {
    let words = futures_util::stream::iter(0..count).then(move |number| async move {
        tokio::time::sleep(pause).await;
        Ok(salon::llm::Delta::Text(format!("wörd{number} ")))
    });
    let end = futures_util::stream::once(async move { end().await }).filter_map(std::future::ready);
    words.chain(end).boxed()
}

fn runtime_of_runners() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

/// What tells who is here, who writes, and users of their own affairs.
fn start_telling(
    layer: &Arc<dyn ChannelLayer>,
    chat: &Arc<Chat>,
    consumers: &Consumers,
    leaving: &CancellationToken,
    stop: &CancellationToken,
) -> Vec<AbortOnDropHandle<()>> {
    let (layer, feeds) = (|| Arc::clone(layer), || chat.feeds.clone());
    let connections = Arc::clone(&consumers.connections);
    let tasks = [
        tokio::spawn(presence::run(
            feeds(),
            layer(),
            leaving.clone(),
            stop.clone(),
        )),
        tokio::spawn(user_frames::run(
            layer(),
            connections,
            feeds(),
            stop.clone(),
        )),
        tokio::spawn(Arc::clone(&chat.reading).run(stop.clone())),
        tokio::spawn(Arc::clone(&consumers.quotas).run(stop.clone())),
    ];
    tasks.into_iter().map(AbortOnDropHandle::new).collect()
}

/// What runs beside the requests: the head check, the watch over sessions, the care for orphans.
fn start_tasks(
    store: &Arc<dyn Store>,
    writer: &Arc<Writer>,
    feeds: &Feeds,
    consumers: &Consumers,
    stop: &CancellationToken,
) -> Vec<AbortOnDropHandle<()>> {
    let watch = SessionWatch::new(Arc::clone(&consumers.connections), Arc::clone(store));
    let tasks = [
        tokio::spawn(heads::check_heads(
            feeds.clone(),
            Arc::clone(store),
            stop.clone(),
        )),
        tokio::spawn(queue::tell_queues(
            feeds.clone(),
            Arc::clone(store),
            stop.clone(),
        )),
        tokio::spawn(Arc::new(watch).run(stop.clone())),
        tokio::spawn(jobs::orphans::run(
            Arc::clone(store),
            Arc::clone(writer),
            stop.clone(),
        )),
        tokio::spawn(Arc::clone(&consumers.quotas).run(stop.clone())),
    ];
    tasks.into_iter().map(AbortOnDropHandle::new).collect()
}
