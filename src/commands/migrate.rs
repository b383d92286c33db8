//! `salon migrate`: brings the database up to date and exits; for deployments that keep it apart from serving.

use salon::config::Config;
use salon::server;
use salon::telemetry;

use super::{Failure, say};

/// Runs the migrations that are not there yet.
pub(crate) async fn migrate(config: Config) -> Result<(), Failure> {
    config.check().map_err(Failure::Starting)?;
    let _log = telemetry::start(&config).map_err(Failure::Starting)?;
    server::migrate(&config).await?;
    say("The database is up to date.");
    Ok(())
}
