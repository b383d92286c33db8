//! One Salon process: bind, build the handles, start the actors, serve, drain. Used by the command line and by every
//! test that needs a whole server. The only place that knows which store, layer and model a configuration means.

mod build;
mod files;
mod listen;
pub mod nudges;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;

pub use build::{migrate, open_layer, open_store};

use crate::app::App;
use crate::auth::Organisations;
use crate::channel_layer::ChannelLayer;
use crate::chat::assistant::Assistant;
use crate::config::Config;
use crate::consumer::Consumers;
use crate::consumer::connections::Connections;
use crate::consumer::user_frames;
use crate::consumer::watch::SessionWatch;
use crate::db::Store;
use crate::feed::{Feeds, gate, heads, presence, queue};
use crate::http::{assets, health};
use crate::jobs;
use crate::limits;
use crate::llm::registry::Providers;
use crate::metrics;
use crate::quotas::Quotas;
use crate::routes;
use crate::shutdown::Shutdown;
use crate::writer::Writer;
use files::Files;

/// Why nothing was started: a sentence for the operator.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(pub String);

/// One process, bound and built but not yet serving.
pub struct Server {
    config: Arc<Config>,
    listener: TcpListener,
    metrics_listener: Option<TcpListener>,
    address: SocketAddr,
    parts: Parts,
}

/// The handles a server starts and stops.
pub(crate) struct Parts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) layer: Arc<dyn ChannelLayer>,
    pub(crate) quotas: Arc<Quotas>,
    pub(crate) feeds: Feeds,
    pub(crate) writer: Arc<Writer>,
    pub(crate) assistant: Arc<Assistant>,
    pub(crate) chat: Arc<crate::chat::Chat>,
    pub(crate) providers: Arc<Providers>,
}

impl Server {
    /// Takes the ports, opens the database and builds everything; starts nothing.
    ///
    /// # Errors
    /// A port that is taken, settings that contradict each other, a database that cannot be opened.
    pub async fn bind(config: Config) -> Result<Self, StartError> {
        config.check().map_err(StartError)?;
        Organisations::new(&config).map_err(StartError)?;
        let listener = bind(config.listen, "SALON_LISTEN")?;
        let metrics_listener = match config.metrics_listen {
            Some(address) => {
                // Before anything is built, so that nothing is counted into the void.
                metrics::install().map_err(StartError)?;
                Some(bind(address, "SALON_METRICS_LISTEN")?)
            }
            None => None,
        };
        let address = listener
            .local_addr()
            .map_err(|error| StartError(error.to_string()))?;
        let parts = build::parts(&config).await?;
        Ok(Self {
            config: Arc::new(config),
            listener,
            metrics_listener,
            address,
            parts,
        })
    }

    /// Where it listens; the real port when the setting says 0.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` says stop, then drains, in this order: readiness is gone, sockets are told to come back
    /// elsewhere, replies settle, requests finish, actors end, connections close.
    pub async fn run(self, shutdown: Shutdown) {
        let Self {
            config,
            listener,
            metrics_listener,
            parts,
            ..
        } = self;
        let app = App::new(
            Arc::clone(&config),
            Arc::clone(&parts.store),
            Arc::clone(&parts.layer),
            Arc::clone(&parts.chat),
            Arc::clone(&parts.quotas),
            Arc::clone(&parts.providers),
            shutdown.clone(),
        );
        let connections: Arc<Connections> = Arc::default();
        let consumers = Consumers::new(
            Arc::clone(&parts.chat),
            Arc::clone(&connections),
            Arc::clone(&parts.quotas),
            &config,
        );
        let consumers = Arc::new(consumers.telling(app.auth.seen()));
        let actors = CancellationToken::new();
        let runners = CancellationToken::new();
        start_actors(&parts, &app, &consumers, &actors);
        let running = tokio::spawn(Arc::clone(&parts.assistant).run(runners.clone()));
        let counting = tokio::spawn(Arc::clone(&parts.quotas).run(actors.clone()));

        assets::prepare_beside();
        let closing = CancellationToken::new();
        let router = routes::router(app, Arc::clone(&consumers));
        let accepting = shutdown.spawn(
            "listener",
            listen::serve(
                listener,
                router,
                shutdown.clone(),
                closing.clone(),
                Files::of_clients(&connections),
            ),
        );
        if let Some(listener) = metrics_listener {
            serve_metrics(listener, &actors);
        }

        shutdown.stopping().await;
        if config.database_url.is_some() {
            // A balancer needs to see that readiness is gone before connections are refused.
            tokio::time::sleep(limits::DRAIN_NOTICE).await;
        }
        closing.cancel();
        runners.cancel();
        let began = tokio::time::Instant::now();
        let (_, settled, _) = tokio::join!(connections.drain(), running, accepting);
        if settled.is_err() {
            tracing::error!("the runners failed");
        }
        if let Err(late) = shutdown
            .finished(limits::SHUTDOWN_GRACE.saturating_sub(began.elapsed()))
            .await
        {
            tracing::warn!(%late, "the shutdown was cut");
        }
        actors.cancel();
        close(&parts).await;
        // It says goodbye, within a bound of its own.
        let _ = counting.await;
        tracing::info!("stopped");
    }
}

/// Ends what actors leave, in its order. The sockets are gone: nobody marks any more.
async fn close(parts: &Parts) {
    parts.chat.reading.flush().await;
    parts.chat.ledger.flush().await;
    parts.feeds.close().await;
    parts.writer.close().await;
    parts.layer.close().await;
}

/// `/metrics`, until the very end, on a listener of its own.
fn serve_metrics(listener: TcpListener, actors: &CancellationToken) {
    let router = routes::metrics_router();
    tokio::spawn(listen::serve(
        listener,
        router,
        Shutdown::new(),
        actors.clone(),
        Files::kept(),
    ));
    tokio::spawn(metrics::upkeep());
}

/// What runs beside the requests until the very end.
fn start_actors(
    parts: &Parts,
    app: &Arc<App>,
    consumers: &Arc<Consumers>,
    actors: &CancellationToken,
) {
    let shutdown = &app.shutdown;
    tokio::spawn(health::watch_durability(Arc::clone(app), actors.clone()));
    let store = || Arc::clone(&parts.store);
    tokio::spawn(heads::check_heads(
        parts.feeds.clone(),
        store(),
        actors.clone(),
    ));
    tokio::spawn(queue::tell_queues(
        parts.feeds.clone(),
        store(),
        actors.clone(),
    ));
    let watch = SessionWatch::new(Arc::clone(&consumers.connections), store());
    let watch = Arc::new(watch);
    let (sessions, feeds, heads) = (Arc::clone(&watch), parts.feeds.clone(), store());
    let stop = actors.clone();
    tokio::spawn(async move {
        let recheck = || async { sessions.look().await && heads::check_once(&feeds, &heads).await };
        gate::keep(feeds.gate(), recheck, stop).await;
    });
    tokio::spawn(watch.run(actors.clone()));
    tokio::spawn(app.auth.seen().run(actors.clone()));
    tokio::spawn(jobs::departures::run(
        Arc::clone(&parts.chat),
        shutdown.signal(),
    ));
    let connections = Arc::clone(&consumers.connections);
    tokio::spawn(nudges::listen(
        Arc::clone(&parts.layer),
        connections,
        Arc::clone(&parts.assistant),
        actors.clone(),
    ));
    tokio::spawn(Arc::clone(&parts.chat.reading).run(actors.clone()));
    tokio::spawn(user_frames::run(
        Arc::clone(&parts.layer),
        Arc::clone(&consumers.connections),
        parts.feeds.clone(),
        actors.clone(),
    ));
    tokio::spawn(presence::run(
        parts.feeds.clone(),
        Arc::clone(&parts.layer),
        shutdown.signal(),
        actors.clone(),
    ));
    tokio::spawn(jobs::orphans::run(
        store(),
        Arc::clone(&parts.writer),
        shutdown.signal(),
    ));
    tokio::spawn(jobs::sweep::run(
        store(),
        (app.config.audit_days, app.config.spending.usage_days),
        shutdown.signal(),
    ));
    tokio::spawn(jobs::retention::run(
        store(),
        Arc::clone(&app.chat),
        shutdown.signal(),
    ));
    tokio::spawn(jobs::purge::run(store(), shutdown.signal()));
    tokio::spawn(jobs::index::run(
        store(),
        parts.writer.written(),
        shutdown.signal(),
    ));
    // Deliveries on their way are waited for: one that is cut is sent again.
    let deliveries = jobs::webhooks::run(Arc::clone(&app.webhooks), shutdown.signal());
    shutdown.spawn("webhooks", deliveries);
}

fn bind(address: SocketAddr, setting: &str) -> Result<TcpListener, StartError> {
    listen(address)
        .map_err(|error| StartError(format!("{setting}: cannot listen on {address}: {error}.")))
}

/// With a bound on what the kernel holds for each connection: its own would grow to megabytes for one that does not read.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // As `TcpListener::bind` does: a restart must not wait for connections of the process before.
    socket.set_reuseaddr(true)?;
    // Every connection inherits it.
    socket.set_send_buffer_size(limits::SEND_BUFFER_BYTES)?;
    socket.bind(address)?;
    socket.listen(limits::BACKLOG)
}
