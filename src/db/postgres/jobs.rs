//! Sweeps. Called by [`super::PostgresStore`]; each is one statement that takes a bounded number of rows, and the
//! next sweep takes the rest.

use uuid::Uuid;

use super::pool::Pools;
use super::statement::statement;
use crate::db::rows::Keep;
use crate::db::{StoreError, StoreResult, Swept};
use crate::error::ErrorCode;
use crate::ids::{RoomId, UserId};
use crate::limits;

statement!(
    /// Sessions past their end.
    SweepSessions {},
    "DELETE FROM sessions WHERE id IN \
     (SELECT id FROM sessions WHERE expires_at < clock_timestamp() ORDER BY id LIMIT 5000 FOR UPDATE SKIP LOCKED)"
);
statement!(
    /// Tokens past their end.
    SweepTokens {},
    "DELETE FROM api_tokens WHERE id IN \
     (SELECT id FROM api_tokens WHERE expires_at < clock_timestamp() ORDER BY id LIMIT 5000 FOR UPDATE SKIP LOCKED)"
);
statement!(
    /// Invites into rooms that are gone.
    SweepInvites {},
    "DELETE FROM invites i USING rooms r WHERE r.id = i.room_id AND r.deleted_at IS NOT NULL"
);
statement!(
    /// Who was kept out of rooms that are gone, and why.
    SweepBans {},
    "DELETE FROM bans b USING rooms r WHERE r.id = b.room_id AND r.deleted_at IS NOT NULL"
);
statement!(
    /// Incoming webhooks of rooms that are gone; their bots stay, as the authors of what they said.
    SweepHooks {},
    "DELETE FROM incoming_hooks h USING rooms r WHERE r.id = h.room_id AND r.deleted_at IS NOT NULL"
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

statement!(
    /// Other texts of replies that are gone: a release that knew of none left them, as it deleted the message.
    SweepVariants {},
    "DELETE FROM reply_variants WHERE (room_id, seq, variant) IN \
     (SELECT v.room_id, v.seq, v.variant FROM reply_variants v \
      LEFT JOIN messages m ON m.room_id = v.room_id AND m.seq = v.seq \
      WHERE m.seq IS NULL OR m.deleted_at IS NOT NULL LIMIT 5000)"
);

statement!(
    /// A member's right to know, and what is kept.
    FindRetention { user: Uuid, slug: String } -> (Option<String>, Option<i32>, Option<i64>),
    "SELECT own.role, t.days, c.messages FROM rooms r \
     LEFT JOIN memberships own ON own.room_id = r.id AND own.user_id = $1 \
     LEFT JOIN room_retention t ON t.room_id = r.id \
     LEFT JOIN room_retention_counts c ON c.room_id = r.id \
     WHERE r.slug = $2 AND r.deleted_at IS NULL AND (own.role IS NOT NULL OR r.visibility = 'public')"
);
statement!(
    /// Rooms whose oldest message may go; in no order, so that each has its turn where there are many.
    PastRetention { limit: i64 } -> (Uuid, String),
    "SELECT r.id, r.slug FROM (SELECT room_id FROM room_retention UNION SELECT room_id FROM room_retention_counts) k \
     JOIN rooms r ON r.id = k.room_id AND r.deleted_at IS NULL \
     JOIN room_heads h ON h.room_id = k.room_id \
     LEFT JOIN room_retention t ON t.room_id = k.room_id \
     LEFT JOIN room_retention_counts c ON c.room_id = k.room_id \
     JOIN messages m ON m.room_id = k.room_id AND m.seq = h.first_seq AND m.state <> 'queued' \
         AND (m.created_at < clock_timestamp() - t.days * interval '1 day' OR m.seq <= h.last_seq - c.messages) \
     ORDER BY random() LIMIT $1"
);

pub(super) async fn retention(pools: &Pools, user: UserId, slug: &str) -> StoreResult<Keep> {
    let slug = slug.to_owned();
    let found = pools.read(FindRetention { user: user.0, slug }).await?;
    match found.first() {
        None => Err(StoreError::Refused(ErrorCode::RoomNotFound.into())),
        Some((None, ..)) => Err(StoreError::Refused(ErrorCode::NotAMember.into())),
        Some((Some(_), days, messages)) => Ok(Keep {
            days: *days,
            messages: *messages,
        }),
    }
}

pub(super) async fn past_retention(
    pools: &Pools,
    limit: i64,
) -> StoreResult<Vec<(RoomId, String)>> {
    let found = pools.read(PastRetention { limit }).await?;
    Ok(found
        .into_iter()
        .map(|(id, slug)| (RoomId(id), slug))
        .collect())
}

pub(super) async fn sweep(pools: &Pools) -> StoreResult<Swept> {
    // Tickets first: a session takes its tickets with it, uncounted.
    let tickets = pools.write(SweepTickets {}).await?;
    let sessions = pools.write(SweepSessions {}).await?;
    pools.write(SweepTokens {}).await?;
    pools.write(SweepInvites {}).await?;
    pools.write(SweepBans {}).await?;
    pools.write(SweepHooks {}).await?;
    let batches = pools
        .write(SweepBatches {
            age_s: limits::BATCH_ID_S,
        })
        .await?;
    super::revocations::sweep(pools).await?;
    let webhooks = super::webhooks::sweep(pools).await?;
    let variants = pools.write(SweepVariants {}).await?;
    Ok(Swept {
        sessions: sessions as u64,
        tickets: tickets as u64,
        batches: batches as u64,
        webhooks: webhooks as u64,
        variants: variants as u64,
    })
}
