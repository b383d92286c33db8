//! Removes what rooms no longer keep: the oldest messages past the room's days, or beyond how many it keeps, through the writer, a part at a time. Every instance
//! does it; under the room's lock the second finds nothing to do and takes no version.

use std::sync::Arc;

use rand::Rng;
use tokio_util::sync::CancellationToken;

use crate::chat::Chat;
use crate::db::changes::Change;
use crate::db::{Store, StoreResult};
use crate::ids::{RoomId, RoomRef};
use crate::limits;
use crate::writer::Writer;

/// Rooms looked at in one go.
const ROOMS: i64 = 100;

/// Runs until `stop`; looks at once when it is told that a room's retention was set.
pub async fn run(store: Arc<dyn Store>, chat: Arc<Chat>, stop: CancellationToken) {
    let set = chat.retention_set();
    let mut wait = limits::SWEEP_INTERVAL.mul_f64(crate::randomness::rng().random_range(0.0..0.5));
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = set.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
        wait = match look(&store, &chat.writer).await {
            Some(true) => limits::RETENTION_PAUSE,
            Some(false) => limits::SWEEP_INTERVAL,
            None => limits::RETENTION_RETRY,
        };
    }
}

/// Takes one part of each room that has something to remove; whether there is more, as far as that could be read. A room that keeps
/// its latest messages has something to remove after each new one: that can wait for the next time.
pub async fn retain_once(store: &Arc<dyn Store>, writer: &Writer) -> bool {
    look(store, writer).await.unwrap_or_default()
}

/// The same; none when something could not be read or removed now.
async fn look(store: &Arc<dyn Store>, writer: &Writer) -> Option<bool> {
    match retain(store, writer).await {
        Ok(more) => more,
        Err(error) => {
            tracing::warn!(%error, "rooms past their retention could not be read");
            None
        }
    }
}

async fn retain(store: &Arc<dyn Store>, writer: &Writer) -> StoreResult<Option<bool>> {
    let rooms = store.rooms_past_retention(ROOMS).await?;
    let ids: Vec<RoomId> = rooms.iter().map(|(id, _)| *id).collect();
    let before = store.heads(&ids).await?;
    let mut more = i64::try_from(rooms.len()).is_ok_and(|found| found >= ROOMS);
    let mut failed = false;
    for (id, slug) in rooms {
        let room = RoomRef {
            id,
            slug: slug.into(),
        };
        let change = Change::Retain {
            limit: limits::RETENTION_MESSAGES,
        };
        if let Err(refusal) = writer.write(room, change).await {
            tracing::warn!(room = %id, %refusal, "a room's retention has to wait");
            failed = true;
        }
    }
    for head in store.heads(&ids).await? {
        let first = before.iter().find(|before| before.room == head.room);
        let removed = first.map_or(0, |before| head.first_seq - before.first_seq);
        more |= removed >= limits::RETENTION_MESSAGES;
    }
    Ok((!failed).then_some(more))
}
