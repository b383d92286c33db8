//! Removes what has run out: sessions, tickets, batch ids. Every instance does it now and then; doing it twice does
//! nothing.

use std::sync::Arc;

use rand::Rng;
use tokio_util::sync::CancellationToken;

use crate::db::Store;
use crate::limits;

/// Runs until `stop`.
pub async fn run(store: Arc<dyn Store>, stop: CancellationToken) {
    loop {
        let wait = limits::SWEEP_INTERVAL.mul_f64(rand::rng().random_range(0.5..1.0));
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        match store.sweep().await {
            Ok(swept) => tracing::debug!(?swept, "swept"),
            Err(error) => tracing::warn!(%error, "the sweep failed"),
        }
    }
}
