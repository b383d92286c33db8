//! Which replies are taken next, on Postgres: what `db::queue` says, in SQL. Called by [`super::PostgresStore`]. Leases count
//! in the database's time.

use uuid::Uuid;

use super::pool::Pools;
use super::records::{user_kind, word};
use super::replies::lease_ms;
use super::statement::statement;
use crate::db::StoreResult;
use crate::db::queue::{QueuedReply, ReplyCaps};
use crate::db::rows::{ClaimedReply, UserKind, UserRow};
use crate::ids::{InstanceId, RoomId, Seq, UserId};
use crate::limits;
use crate::permissions::{Action, Role, allows};

/// All that is not settled, with whether it waits and, of what waits, its asker's turn.
macro_rules! turns {
    () => {
        "open AS ( \
             SELECT r.room_id, r.seq, r.asker_id, r.queued_at, \
                 (r.state = 'queued' OR (NOT r.shown AND r.lease_until < clock_timestamp())) AS waits \
             FROM replies r JOIN rooms ON rooms.id = r.room_id AND rooms.deleted_at IS NULL \
             WHERE r.state <> 'settled' \
         ), ended AS ( \
             SELECT a.asker_id, ( \
                 SELECT e.settled_at FROM replies e WHERE e.asker_id = a.asker_id AND e.settled_at IS NOT NULL AND e.attempt > 0 \
                 ORDER BY e.settled_at DESC LIMIT 1 \
             ) AS ended_at FROM (SELECT DISTINCT asker_id FROM open WHERE waits) a \
         ), by_user AS ( \
             SELECT open.*, greatest(queued_at, ended_at) AS since, count(*) FILTER (WHERE NOT waits) OVER (PARTITION BY asker_id) \
                 + row_number() OVER (PARTITION BY asker_id, waits ORDER BY queued_at, room_id, seq) AS turn \
             FROM open LEFT JOIN ended USING (asker_id) \
         )"
    };
}

statement!(
    /// One claim at a time: what a second one counts must hold what the first took. It ends with the transaction, so a
    /// transaction pooler may stand between.
    OneAtATime {} -> (bool,),
    "SELECT true FROM pg_advisory_xact_lock(7355608)"
);
statement!(
    /// Takes what waits, and what an instance took and lost before it showed anything.
    Claim {
        owner: Uuid,
        limit: i64,
        lease_ms: i64,
        of_user: i64,
        of_room: i64,
        in_all: i64,
        except_rooms: Vec<Uuid>,
        except_seqs: Vec<i64>,
    }
        -> (Uuid, i64, i64, i32, Uuid, Option<String>),
    concat!(
        "WITH ", turns!(), ", by_room AS ( \
             SELECT *, count(*) FILTER (WHERE NOT waits) OVER (PARTITION BY room_id) + row_number() OVER \
                 (PARTITION BY room_id, waits AND turn <= $4 ORDER BY turn, since, room_id, seq) AS room_turn \
             FROM by_user \
         ), next AS ( \
             SELECT room_id, seq FROM by_room WHERE waits AND turn <= $4 AND room_turn <= $5 \
                AND (room_id, seq) NOT IN (SELECT e.room_id, e.seq FROM unnest($7, $8) AS e (room_id, seq)) \
             ORDER BY turn, since, room_id, seq \
             LIMIT greatest(0, least($2, $6 - (SELECT count(*) FROM open WHERE NOT waits))) \
         ), picked AS ( \
             SELECT r.room_id, r.seq FROM replies r JOIN next USING (room_id, seq) \
             WHERE r.state = 'queued' OR (r.state = 'streaming' AND NOT r.shown AND r.lease_until < clock_timestamp()) \
             FOR UPDATE OF r SKIP LOCKED \
         ) \
         UPDATE replies r SET state = 'streaming', attempt = r.attempt + 1, lease_owner = $1, \
             lease_until = clock_timestamp() + $3 * interval '1 millisecond' \
         FROM picked WHERE r.room_id = picked.room_id AND r.seq = picked.seq \
         RETURNING r.room_id, r.seq, r.prompt_seq, r.attempt, r.asker_id, \
             (SELECT m.role FROM memberships m JOIN users u ON u.id = m.user_id AND u.disabled_at IS NULL \
              LEFT JOIN users o ON o.id = u.owner_id \
              WHERE o.disabled_at IS NULL AND m.room_id = r.room_id AND m.user_id = r.asker_id)"
    )
);
statement!(
    /// What of some rooms waits, with its place in the whole queue.
    Queued { rooms: Vec<Uuid>, of_each: i64 } -> (Uuid, i64, i64, Uuid, String, String),
    concat!(
        "WITH ", turns!(), ", placed AS ( \
             SELECT *, row_number() OVER (ORDER BY turn, since, room_id, seq) AS position \
             FROM by_user WHERE waits \
         ), told AS ( \
             SELECT *, row_number() OVER (PARTITION BY room_id ORDER BY position) AS of_room \
             FROM placed WHERE room_id = ANY($1) \
         ) \
         SELECT t.room_id, t.seq, t.position, users.id, users.name, ", user_kind!("users"), " \
         FROM told t JOIN users ON users.id = t.asker_id WHERE t.of_room <= $2 ORDER BY t.room_id, t.position"
    )
);

pub(super) async fn claim(
    pools: &Pools,
    owner: InstanceId,
    limit: i64,
    caps: ReplyCaps,
    except: Vec<(RoomId, Seq)>,
) -> StoreResult<Vec<ClaimedReply>> {
    let mut connection = pools.shared().await?;
    connection.begin_with(OneAtATime {}).await?;
    let rows = connection
        .commit_with(Claim {
            owner: owner.0,
            limit,
            lease_ms: lease_ms(),
            of_user: caps.user,
            of_room: caps.room,
            in_all: caps.fleet,
            except_rooms: except.iter().map(|(room, _)| room.0).collect(),
            except_seqs: except.iter().map(|(_, seq)| *seq).collect(),
        })
        .await?;
    rows.into_iter()
        .map(|(room, seq, prompt_seq, attempt, asker, role)| {
            let role = role.map(|role| word(&role, Role::from_name)).transpose()?;
            Ok(ClaimedReply {
                room: RoomId(room),
                seq,
                prompt_seq,
                attempt,
                asker: UserId(asker),
                asker_may_prompt: role.is_some_and(|role| allows(role, Action::Post)),
            })
        })
        .collect()
}

pub(super) async fn queued(pools: &Pools, rooms: Vec<RoomId>) -> StoreResult<Vec<QueuedReply>> {
    let asked = Queued {
        rooms: rooms.into_iter().map(|room| room.0).collect(),
        of_each: i64::try_from(limits::QUEUE_TOLD).unwrap_or(i64::MAX),
    };
    pools
        .read(asked)
        .await?
        .into_iter()
        .map(|(room, seq, position, id, name, kind)| {
            let kind = word(&kind, UserKind::from_name)?;
            Ok(QueuedReply {
                room: RoomId(room),
                seq,
                position,
                asker: UserRow {
                    id: UserId(id),
                    name,
                    kind,
                },
            })
        })
        .collect()
}
