//! Settles the replies of runners that died: a lease seen expired twice, `limits::ORPHAN_GRACE` apart, under one
//! attempt. What was shown settles `interrupted` with the text that was saved; what was not is claimed again by any
//! runner, which needs no hand here. What the dead ones may have used is counted too.

use std::collections::HashMap;
use std::sync::Arc;

use rand::Rng;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::db::Store;
use crate::db::changes::Change;
use crate::db::rows::ExpiredReply;
use crate::ids::RoomRef;
use crate::limits;
use crate::writer::Writer;

/// Expired leases looked at in one go.
const LIMIT: i64 = 500;

/// Runs until `stop`.
pub async fn run(store: Arc<dyn Store>, writer: Arc<Writer>, stop: CancellationToken) {
    let mut seen: HashMap<ExpiredReply, Instant> = HashMap::new();
    loop {
        let wait = limits::ORPHAN_INTERVAL.mul_f64(crate::randomness::rng().random_range(0.7..1.0));
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        let expired = match store.expired_replies(LIMIT).await {
            Ok(expired) => expired,
            Err(error) => {
                tracing::warn!(%error, "expired leases could not be read");
                continue;
            }
        };
        match store.end_lost_attempts(limits::LOST_ATTEMPTS).await {
            Ok(0) => {}
            Ok(count) => tracing::warn!(
                count,
                "attempts were lost with their runners; the most they could use is counted"
            ),
            Err(error) => tracing::warn!(%error, "lost attempts could not be ended"),
        }
        let now = Instant::now();
        seen.retain(|reply, _| expired.contains(reply));
        for reply in expired.into_iter().filter(|reply| reply.shown) {
            let first_seen = *seen.entry(reply).or_insert(now);
            if now.duration_since(first_seen) >= limits::ORPHAN_GRACE {
                interrupt(&store, &writer, reply).await;
            }
        }
    }
}

/// Settles one; whoever was faster, or the runner that came back, is left alone by the store.
async fn interrupt(store: &Arc<dyn Store>, writer: &Writer, reply: ExpiredReply) {
    let slug = match store.room_slug(reply.room).await {
        Ok(slug) => slug,
        Err(error) => {
            tracing::warn!(%error, "an orphaned reply's room could not be read");
            return;
        }
    };
    let room = RoomRef {
        id: reply.room,
        slug: slug.into(),
    };
    let change = Change::InterruptReply {
        seq: reply.seq,
        attempt: reply.attempt,
    };
    match writer.write(room, change).await {
        Ok(_) => {
            metrics::counter!("salon_replies_orphaned_total").increment(1);
            tracing::warn!(room = %reply.room, seq = reply.seq, "a reply's runner died; what was saved is kept");
        }
        Err(refusal) => {
            tracing::debug!(room = %reply.room, seq = reply.seq, %refusal, "an orphan was left alone")
        }
    }
}
