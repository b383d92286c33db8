//! The head check: every room with a feed has its head read each second, always, whatever the layer says. It is what
//! makes Redis optional for correctness (P6): a publication that never came is found here. Started by the server.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use tokio_util::sync::CancellationToken;

use super::Feeds;
use crate::db::Store;
use crate::ids::{Cursor, RoomId};
use crate::limits;

/// Runs until `stop`; a database that does not answer is asked again the next second.
pub async fn check_heads(feeds: Feeds, store: Arc<dyn Store>, stop: CancellationToken) {
    let interval = limits::HEAD_CHECK_INTERVAL;
    // Instances that started together must not ask together.
    let mut wait = interval.mul_f64(crate::randomness::rng().random_range(0.1..1.0));
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        let began = tokio::time::Instant::now();
        check_once(&feeds, &store).await;
        let jitter = interval.mul_f64(crate::randomness::rng().random_range(-0.1..0.1_f64).abs());
        wait = interval
            .saturating_sub(began.elapsed())
            .saturating_sub(jitter)
            .max(Duration::from_millis(50));
    }
}

/// Reads every followed room's head and tells its feed; false when the database did not answer.
pub async fn check_once(feeds: &Feeds, store: &Arc<dyn Store>) -> bool {
    let rooms: Vec<RoomId> = feeds.rooms();
    for part in rooms.chunks(limits::HEADS_PER_STATEMENT) {
        match store.heads(part).await {
            Ok(heads) => {
                for head in heads {
                    feeds.tell_head(
                        head.room,
                        Cursor {
                            epoch: head.epoch,
                            version: head.version,
                        },
                    );
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the heads of rooms could not be checked");
                return false;
            }
        }
    }
    true
}
