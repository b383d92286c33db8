//! REPLACED on main: here only what the command line needs to compile.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::config::Config;
use crate::db::Store;
use crate::shutdown::Shutdown;

/// Why nothing was started: a sentence for the operator.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(pub String);

/// One process.
pub struct Server(SocketAddr);

#[expect(missing_docs, clippy::unused_async, reason = "replaced on main")]
impl Server {
    pub async fn bind(config: Config) -> Result<Self, StartError> {
        Err(StartError(format!("{} is not served yet", config.listen)))
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0
    }

    pub async fn run(self, shutdown: Shutdown) {
        shutdown.stopping().await;
    }
}

/// The store of these settings.
#[expect(clippy::unused_async, reason = "replaced on main")]
pub async fn open_store(_config: &Config) -> Result<Arc<dyn Store>, StartError> {
    Err(StartError("no store yet".into()))
}

/// Brings the database of these settings up to date.
#[expect(clippy::unused_async, reason = "replaced on main")]
pub async fn migrate(_config: &Config) -> Result<(), StartError> {
    Err(StartError("no store yet".into()))
}
