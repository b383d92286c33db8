//! Indexes for searches what was written before there was an index, piece by piece, and then has nothing to do. Every instance
//! does it; the database gives each another piece.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::db::Store;
use crate::limits;

/// Runs until `stop`.
pub async fn run(store: Arc<dyn Store>, stop: CancellationToken) {
    loop {
        let wait = match store.index_older(limits::INDEX_MESSAGES).await {
            Ok(true) => limits::INDEX_PAUSE,
            Ok(false) => limits::SWEEP_INTERVAL,
            Err(error) => {
                tracing::warn!(%error, "older messages could not be indexed");
                limits::SWEEP_INTERVAL
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}
