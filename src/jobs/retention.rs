//! Removes what rooms no longer keep: the oldest messages past the room's days, or beyond how many it keeps, through the writer, a part at a time. Every instance
//! does it; under the room's lock the second finds nothing to do and takes no version.

use std::sync::Arc;

use rand::Rng;
use tokio_util::sync::CancellationToken;

use crate::db::Store;
use crate::db::changes::Change;
use crate::ids::RoomRef;
use crate::limits;
use crate::writer::Writer;

/// Rooms looked at in one go.
const ROOMS: i64 = 100;

/// Runs until `stop`.
pub async fn run(store: Arc<dyn Store>, writer: Arc<Writer>, stop: CancellationToken) {
    let mut wait = limits::SWEEP_INTERVAL.mul_f64(crate::randomness::rng().random_range(0.0..0.5));
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = match retain_once(&store, &writer).await {
            // There may be more of the same rooms.
            true => limits::RETENTION_PAUSE,
            false => limits::SWEEP_INTERVAL,
        };
    }
}

/// Takes one part of each room that has something to remove; whether there was any.
pub async fn retain_once(store: &Arc<dyn Store>, writer: &Writer) -> bool {
    let rooms = match store.rooms_past_retention(ROOMS).await {
        Ok(rooms) => rooms,
        Err(error) => {
            tracing::warn!(%error, "rooms past their retention could not be read");
            return false;
        }
    };
    let mut any = false;
    for (id, slug) in rooms {
        let room = RoomRef {
            id,
            slug: slug.into(),
        };
        let change = Change::Retain {
            limit: limits::RETENTION_MESSAGES,
        };
        match writer.write(room, change).await {
            Ok(_) => any = true,
            Err(refusal) => tracing::warn!(room = %id, %refusal, "a room's retention has to wait"),
        }
    }
    any
}
