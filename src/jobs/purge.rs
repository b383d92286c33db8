//! Removes what deleted rooms held, a part at a time: from the deletion on nobody sees it, and minutes later it is gone. Every
//! instance does it; a part that one has taken is skipped by the others. Started by the server.

use std::sync::Arc;

use rand::Rng;
use tokio_util::sync::CancellationToken;

use crate::db::Store;
use crate::limits;

/// Runs until `stop`.
pub async fn run(store: Arc<dyn Store>, stop: CancellationToken) {
    let mut wait = limits::PURGE_INTERVAL.mul_f64(crate::randomness::rng().random_range(0.0..1.0));
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        let removed = store.purge_deleted_rooms(limits::PURGE_DELAY_S, limits::PURGE_MESSAGES);
        wait = match removed.await {
            Ok(true) => limits::PURGE_PAUSE,
            Ok(false) => limits::PURGE_INTERVAL,
            Err(error) => {
                tracing::warn!(%error, "what deleted rooms held could not be removed");
                limits::PURGE_INTERVAL
            }
        };
    }
}
