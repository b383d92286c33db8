//! Sweeps. Called by [`super::PostgresStore`]; each is one statement that takes a bounded number of rows, and the
//! next sweep takes the rest.

use super::pool::Pools;
use super::statement::statement;
use crate::db::{StoreResult, Swept};
use crate::limits;

statement!(
    /// Sessions past their end.
    SweepSessions {},
    "DELETE FROM sessions WHERE id IN \
     (SELECT id FROM sessions WHERE expires_at < clock_timestamp() ORDER BY id LIMIT 5000 FOR UPDATE SKIP LOCKED)"
);
statement!(
    /// Tickets past their end.
    SweepTickets {},
    "DELETE FROM tickets WHERE ticket_hash IN (SELECT ticket_hash FROM tickets \
     WHERE expires_at < clock_timestamp() ORDER BY ticket_hash LIMIT 5000 FOR UPDATE SKIP LOCKED)"
);
statement!(
    /// Batches whose rerun can no longer come.
    SweepBatches { age_s: i64 },
    "DELETE FROM batches WHERE id IN (SELECT id FROM batches \
     WHERE created_at < clock_timestamp() - $1 * interval '1 second' ORDER BY id LIMIT 5000 FOR UPDATE SKIP LOCKED)"
);

pub(super) async fn sweep(pools: &Pools) -> StoreResult<Swept> {
    // Tickets first: a session takes its tickets with it, uncounted.
    let tickets = pools.write(SweepTickets {}).await?;
    let sessions = pools.write(SweepSessions {}).await?;
    let batches = pools
        .write(SweepBatches {
            age_s: limits::BATCH_ID_S,
        })
        .await?;
    Ok(Swept {
        sessions: sessions as u64,
        tickets: tickets as u64,
        batches: batches as u64,
    })
}
