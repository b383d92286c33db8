//! Ends what is left of the memberships of deleted accounts: those of an instance that died in the middle of it, and of rooms that
//! could not be written then. Every instance does it; under a room's lock the second finds nothing to do.

use std::sync::Arc;

use rand::Rng;
use tokio_util::sync::CancellationToken;

use crate::chat::Chat;
use crate::limits;

/// Runs until `stop`.
pub async fn run(chat: Arc<Chat>, stop: CancellationToken) {
    loop {
        let jitter = crate::randomness::rng().random_range(0.5..1.0);
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(limits::DEPARTURES_INTERVAL.mul_f64(jitter)) => {}
        }
        chat.end_departures(None).await;
    }
}
