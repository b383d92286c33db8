//! What every command of the operator begins with: the database, opened as the server would, and a name for where its changes come
//! from. On Postgres a server may run meanwhile; the embedded database belongs to one process.

use std::sync::Arc;
use std::time::Duration;

use salon::config::Config;
use salon::db::{Store, StoreError};
use salon::origin::{Origin, Way};
use salon::server;

use super::Failure;

/// A server waits for its database; an operator wants to know.
const OPEN_WITHIN: Duration = Duration::from_secs(15);

/// Said when a server has the embedded database.
const IN_USE: &str = "The embedded database belongs to one process. To do this: stop that server, run this command again, start the server again. \
    An administrator that there is already does it meanwhile in the page's administration, or by `/api/admin`.";

/// Runs a command over the database of these settings. What it changes comes from the command line.
pub(crate) async fn with_store<Done>(
    config: &Config,
    command: impl AsyncFnOnce(Arc<dyn Store>) -> Result<Done, Failure>,
) -> Result<Done, Failure> {
    config.check().map_err(Failure::Starting)?;
    let opening = tokio::time::timeout(OPEN_WITHIN, server::open_store(config));
    let Ok(opened) = opening.await else {
        return Err(Failure::Running("the database does not answer".to_owned()));
    };
    let store = opened.map_err(|error| {
        let sentence = error.to_string();
        match config.database_url {
            None if sentence.contains("in use") => {
                Failure::Starting(format!("{sentence}. {IN_USE}"))
            }
            _ => Failure::Starting(sentence),
        }
    })?;
    let origin = Origin {
        way: Way::Command,
        address: None,
        acting: None,
    };
    origin.of(command(store)).await
}

/// What the store said, to the operator.
pub(crate) fn refused(error: StoreError) -> Failure {
    Failure::Running(match error {
        StoreError::Refused(refusal) => refusal.message.into_owned(),
        other => other.to_string(),
    })
}
