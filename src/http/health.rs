//! What a balancer or a supervisor asks. Says ok, or the name of the part that is not, and nothing more: these answer
//! anybody. The server looks at the database's durability by itself as well, for those who ask nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::State;
use axum::http::StatusCode;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::limits;

/// `/livez`: the process answers. Asks nobody, so that a dead database does not get every instance restarted.
pub async fn live() -> &'static str {
    "ok\n"
}

/// `/readyz`: whether a balancer should send new work here: not draining, the database answers, and what it confirms
/// is durable. Redis is not asked: without it everything still works (P6).
pub async fn ready(State(app): State<Arc<App>>) -> (StatusCode, String) {
    if app.shutdown.is_draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n".to_owned());
    }
    match look(&app).await {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

/// Looks at the database now and then, until `stop`: the log and the metrics are to say that its acks are not durable
/// also where no balancer asks.
pub async fn watch_durability(app: Arc<App>, stop: CancellationToken) {
    loop {
        // What it says is in the log and the metrics.
        let _ = look(&app).await;
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(limits::DURABILITY_INTERVAL) => {}
        }
    }
}

/// What keeps this instance from serving, if anything.
async fn look(app: &App) -> Result<(), String> {
    let asked = tokio::time::timeout(limits::READY_TIMEOUT, app.store.not_durable()).await;
    let not_durable = match asked {
        Ok(Ok(not_durable)) => not_durable,
        Ok(Err(error)) => {
            tracing::warn!(%error, "not ready: the database refused a ping");
            return Err("database".to_owned());
        }
        Err(_) => {
            tracing::warn!("not ready: the database did not answer a ping in time");
            return Err("database".to_owned());
        }
    };
    let is_durable = not_durable.is_empty();
    metrics::gauge!("salon_database_durable").set(if is_durable { 1.0 } else { 0.0 });
    let settings = not_durable.join(", ");
    let allowed = app.config.allow_data_loss.is_on();
    tell_once(&app.told_not_durable, is_durable, &settings, allowed);
    if is_durable || allowed {
        Ok(())
    } else {
        Err(format!("database not durable: {settings} off"))
    }
}

/// Probes come twice a second: the log hears of each change once.
fn tell_once(told: &AtomicBool, is_durable: bool, settings: &str, allowed: bool) {
    if told.swap(!is_durable, Ordering::Relaxed) != is_durable {
        return;
    }
    if is_durable {
        tracing::info!("what the database confirms is durable again");
    } else if allowed {
        tracing::warn!(
            %settings,
            "off: what the database confirms may be lost, and SALON_ALLOW_DATA_LOSS allows it"
        );
    } else {
        tracing::error!(%settings, "not ready: off, so what the database confirms may be lost");
    }
}
