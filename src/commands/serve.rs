//! `salon serve`: the server, until a signal ends it.

use salon::config::Config;
use salon::server::Server;
use salon::shutdown::Shutdown;
use salon::telemetry;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Failure, say};

/// Runs the server. The first SIGTERM or SIGINT stops it in order, the second at once.
pub(crate) async fn serve(config: Config) -> Result<(), Failure> {
    config.check().map_err(Failure::Starting)?;
    let _log = telemetry::start(&config).map_err(Failure::Starting)?;
    let mut signals = Signals::new().map_err(|error| Failure::Starting(error.to_string()))?;
    let server = Server::bind(config).await?;
    say(&format!("Salon is at http://{}", server.address()));
    let shutdown = Shutdown::new();
    let mut running = std::pin::pin!(server.run(shutdown.clone()));
    tokio::select! {
        () = &mut running => return Ok(()),
        () = signals.next() => {}
    }
    tracing::info!("stopping; once more stops at once");
    shutdown.stop();
    tokio::select! {
        () = running => Ok(()),
        () = signals.next() => Err(Failure::Running("stopped at once, by a second signal".to_owned())),
    }
}

/// The signals that stop the server.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
