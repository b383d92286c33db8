//! Tells rooms which of their replies wait for a runner, and at which place of the whole queue. It is best effort and has no
//! version, like presence; the database is asked only while some reply here has shown nothing. Started by the server.

use std::collections::HashMap;
use std::sync::Arc;

use rand::Rng;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Feeds;
use super::presence::{Audience, Telling};
use crate::db::Store;
use crate::db::queue::QueuedReply;
use crate::ids::{RoomId, RoomRef};
use crate::limits;
use crate::protocol::frame::Frame;
use crate::protocol::server::{QueuedBody, ServerFrame};

/// What a room was told last, and when.
type Told = HashMap<RoomId, (RoomRef, Vec<QueuedReply>, Instant)>;

/// Runs until `stop`; a database that does not answer is asked again the next second.
pub async fn tell_queues(feeds: Feeds, store: Arc<dyn Store>, stop: CancellationToken) {
    let mut told = Told::new();
    loop {
        // Instances that started together must not ask together.
        let wait = limits::QUEUE_TICK.mul_f64(crate::randomness::rng().random_range(0.9..1.1));
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        let waiting = feeds.waiting_rooms();
        if waiting.is_empty() && told.is_empty() {
            continue;
        }
        for part in waiting.chunks(limits::HEADS_PER_STATEMENT) {
            let ids: Vec<RoomId> = part.iter().map(|room| room.id).collect();
            match store.queued_replies(&ids).await {
                Ok(queued) => tell_some(&feeds, &mut told, part, &queued),
                Err(error) => tracing::warn!(%error, "the queue of replies could not be read"),
            }
        }
        told.retain(|id, (room, last, _)| {
            let waits = waiting.binary_search_by_key(id, |room| room.id).is_ok();
            // A feed that had too much to do is told the next time.
            waits || !(last.is_empty() || tell(&feeds, room, &[]))
        });
    }
}

/// Tells these rooms of theirs, where it is news, or was told long ago: somebody may have come since.
fn tell_some(feeds: &Feeds, told: &mut Told, rooms: &[RoomRef], queued: &[QueuedReply]) {
    let now = Instant::now();
    for room in rooms {
        let start = queued.partition_point(|reply| reply.room < room.id);
        let all = queued.get(start..).unwrap_or_default();
        let end = all.partition_point(|reply| reply.room == room.id);
        let own = all.get(..end).unwrap_or_default();
        let is_news = match told.get(&room.id) {
            Some((_, last, at)) => {
                last != own || (!own.is_empty() && now >= *at + limits::QUEUE_TOLD_AGAIN)
            }
            None => !own.is_empty(),
        };
        if is_news {
            // What a feed had too much to do for is news the next time too.
            if tell(feeds, room, own) {
                told.insert(room.id, (room.clone(), own.to_vec(), now));
            }
        }
    }
}

/// False when the feed has too much to do just now.
fn tell(feeds: &Feeds, room: &RoomRef, queued: &[QueuedReply]) -> bool {
    let body = |reply| QueuedBody::from(reply);
    let frame = Frame::encode(&ServerFrame::Queue {
        room: &room.slug,
        waiting: queued.iter().map(body).collect(),
    });
    feeds.tell(Telling {
        room: room.id,
        audience: Audience::Passing,
        frame,
    })
}
