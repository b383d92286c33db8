//! REPLACED on main: the smallest server that the command line can be tried with.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use crate::app::App;
use crate::channel_layer::in_memory::InMemoryLayer;
use crate::chat::Chat;
use crate::config::Config;
use crate::db::Store;
use crate::db::sqlite::SqliteStore;
use crate::feed::Feeds;
use crate::shutdown::Shutdown;
use crate::writer::Writer;

/// Why nothing was started: a sentence for the operator.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(pub String);

/// One process.
pub struct Server {
    config: Config,
    listener: TcpListener,
    store: Arc<dyn Store>,
}

#[expect(missing_docs, reason = "replaced on main")]
impl Server {
    pub async fn bind(config: Config) -> Result<Self, StartError> {
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|error| StartError(format!("cannot listen on {}: {error}", config.listen)))?;
        let store = open_store(&config).await?;
        Ok(Self {
            config,
            listener,
            store,
        })
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap_or(self.config.listen)
    }

    pub async fn run(self, shutdown: Shutdown) {
        let layer = InMemoryLayer::new();
        let config = Arc::new(self.config);
        let feeds = Feeds::new(Arc::clone(&self.store), layer.clone());
        let prompts = Arc::new(tokio::sync::Notify::new());
        let writer = Writer::start(Arc::clone(&self.store), layer.clone(), prompts, 1);
        let chat = Chat::new(
            Arc::clone(&self.store),
            Arc::new(writer),
            feeds,
            layer.clone(),
        );
        let app = App::new(config, self.store, layer, Arc::new(chat), shutdown.clone());
        let service =
            crate::routes::router(app).into_make_service_with_connect_info::<SocketAddr>();
        let stopped = async move { shutdown.stopping().await };
        if let Err(error) = axum::serve(self.listener, service)
            .with_graceful_shutdown(stopped)
            .await
        {
            tracing::error!(%error, "the server failed");
        }
    }
}

/// The store of these settings.
pub async fn open_store(config: &Config) -> Result<Arc<dyn Store>, StartError> {
    match SqliteStore::open(&config.data).await {
        Ok(store) => Ok(store),
        Err(error) => Err(StartError(error.to_string())),
    }
}

/// Brings the database of these settings up to date.
pub async fn migrate(config: &Config) -> Result<(), StartError> {
    open_store(config).await.map(|_store| ())
}
