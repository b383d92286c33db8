//! What deleted rooms held, on Postgres. Called by [`super::PostgresStore`] for the job that removes it. It touches no room that
//! is not deleted, and leaves a deleted one's row, its head and the entry of its log that tells of the deletion: a feed that was
//! cut off still learns why.

use uuid::Uuid;

use super::pool::Pools;
use super::statement::statement;
use crate::db::StoreResult;

statement!(
    /// The oldest messages of one deleted room, with all that is kept beside them; which room, and how many went. A room that
    /// another instance is at is skipped, and any of the oldest may be next: one that fails keeps none waiting.
    PurgeMessages { age_s: i64, limit: i64 } -> (Uuid, i64),
    "WITH room AS ( \
         SELECT id FROM rooms WHERE deleted_at IS NOT NULL AND purged_at IS NULL \
             AND deleted_at <= clock_timestamp() - $1 * interval '1 second' \
             AND id = (SELECT id FROM ( \
                 SELECT id FROM rooms WHERE deleted_at IS NOT NULL AND purged_at IS NULL \
                     AND deleted_at <= clock_timestamp() - $1 * interval '1 second' \
                 ORDER BY deleted_at LIMIT 32) old ORDER BY random() LIMIT 1) \
         FOR UPDATE SKIP LOCKED \
     ), gone AS ( \
         DELETE FROM messages m USING ( \
             SELECT o.room_id, o.seq FROM room JOIN LATERAL \
                 (SELECT room_id, seq FROM messages WHERE room_id = room.id ORDER BY seq LIMIT $2) o ON true) old \
         WHERE m.room_id = old.room_id AND m.seq = old.seq RETURNING m.room_id, m.seq, m.meta \
     ), chunks AS ( \
         DELETE FROM reply_chunks c USING gone WHERE c.room_id = gone.room_id AND c.seq = gone.seq \
     ), variants AS ( \
         DELETE FROM reply_variants v USING gone WHERE v.room_id = gone.room_id AND v.seq = gone.seq \
     ), gone_replies AS ( \
         DELETE FROM replies r USING gone WHERE r.room_id = gone.room_id AND r.seq = gone.seq \
     ), gone_mentions AS ( \
         DELETE FROM mentions n USING gone, jsonb_array_elements_text(gone.meta -> 'mentions') AS named (id) \
         WHERE n.user_id = named.id::uuid AND n.room_id = gone.room_id AND n.seq = gone.seq \
     ), gone_edits AS ( \
         DELETE FROM message_edits e USING gone WHERE e.room_id = gone.room_id AND e.seq = gone.seq \
     ), gone_reactions AS ( \
         DELETE FROM message_reactions a USING gone WHERE a.room_id = gone.room_id AND a.seq = gone.seq \
     ), gone_pins AS ( \
         DELETE FROM message_pins p USING gone WHERE p.room_id = gone.room_id AND p.seq = gone.seq \
     ), moved AS ( \
         UPDATE room_heads h SET first_seq = last.seq + 1 \
         FROM (SELECT room_id, max(seq) AS seq FROM gone GROUP BY room_id) last WHERE h.room_id = last.room_id \
     ) SELECT room.id, (SELECT count(*) FROM gone) FROM room"
);
statement!(
    /// Members of a deleted room that has no message any more, with what of them pointed into it, and its log but for the entry of
    /// the deletion; how many rows of both went.
    PurgePeople { room: Uuid, limit: i64 } -> (i64,),
    "WITH members AS ( \
         DELETE FROM memberships WHERE room_id = $1 AND user_id IN \
             (SELECT user_id FROM memberships WHERE room_id = $1 LIMIT $2) RETURNING user_id \
     ), gone_mentions AS ( \
         DELETE FROM mentions n USING members WHERE n.user_id = members.user_id AND n.room_id = $1 \
     ), log AS ( \
         DELETE FROM room_log WHERE room_id = $1 AND version IN \
             (SELECT version FROM room_log WHERE room_id = $1 AND kind <> 'deleted' ORDER BY version LIMIT $2) RETURNING version \
     ) SELECT (SELECT count(*) FROM members) + (SELECT count(*) FROM log)"
);
statement!(
    /// All else of a deleted room that has neither messages nor members any more.
    PurgeRest { room: Uuid },
    "WITH chunks AS (DELETE FROM reply_chunks WHERE room_id = $1), \
     variants AS (DELETE FROM reply_variants WHERE room_id = $1), \
     gone_replies AS (DELETE FROM replies WHERE room_id = $1), \
     gone_invites AS (DELETE FROM invites WHERE room_id = $1), \
     gone_bans AS (DELETE FROM bans WHERE room_id = $1), \
     hooks AS (DELETE FROM incoming_hooks WHERE room_id = $1), \
     webhooks AS (DELETE FROM outgoing_webhooks WHERE room_id = $1), \
     assistants AS (DELETE FROM room_assistants WHERE room_id = $1), \
     days AS (DELETE FROM room_retention WHERE room_id = $1), \
     counts AS (DELETE FROM room_retention_counts WHERE room_id = $1), \
     progress AS (DELETE FROM search_progress WHERE room_id = $1), \
     backfill AS (DELETE FROM search_backfill WHERE room_id = $1) \
     UPDATE rooms SET purged_at = clock_timestamp(), name = slug, topic = '', direct_user_id = NULL, \
         direct_assistant_id = NULL, direct_key = NULL \
     WHERE id = $1 AND deleted_at IS NOT NULL"
);

/// One part. Whether there was one.
pub(super) async fn purge(pools: &Pools, age_s: i64, limit: i64) -> StoreResult<bool> {
    let removed = pools.write(PurgeMessages { age_s, limit }).await?;
    let Some((room, messages)) = removed.first().copied() else {
        return Ok(false);
    };
    if messages > 0 {
        return Ok(true);
    }
    let people = pools.write(PurgePeople { room, limit }).await?;
    if people.first().is_none_or(|(rows,)| *rows == 0) {
        pools.write(PurgeRest { room }).await?;
    }
    Ok(true)
}
