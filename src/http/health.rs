//! What a balancer or a supervisor asks. Says ok, or the name of the part that is not, and nothing more: these answer
//! anybody.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;

use crate::app::App;
use crate::limits;

/// `/livez`: the process answers. Asks nobody, so that a dead database does not get every instance restarted.
pub async fn live() -> &'static str {
    "ok\n"
}

/// `/readyz`: whether a balancer should send new work here: not draining, and the database answers. Redis is not
/// asked: without it everything still works (P6).
pub async fn ready(State(app): State<Arc<App>>) -> (StatusCode, &'static str) {
    if app.shutdown.is_draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n");
    }
    match tokio::time::timeout(limits::READY_TIMEOUT, app.store.ping()).await {
        Ok(Ok(())) => (StatusCode::OK, "ok\n"),
        Ok(Err(error)) => {
            tracing::warn!(%error, "not ready: the database refused a ping");
            (StatusCode::SERVICE_UNAVAILABLE, "database\n")
        }
        Err(_) => {
            tracing::warn!("not ready: the database did not answer a ping in time");
            (StatusCode::SERVICE_UNAVAILABLE, "database\n")
        }
    }
}
