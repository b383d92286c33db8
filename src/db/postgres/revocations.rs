//! The log of revocations: adding to it, reading it, sweeping it. Called by [`super::PostgresStore`] and, at the end of their
//! transactions, by those that end sessions.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::pool::{Conn, Pools};
use super::records::word;
use super::statement::statement;
use crate::db::accounts::{Revocation, RevocationKind, Revocations};
use crate::db::{StoreError, StoreResult};
use crate::ids::{SessionId, UserId};
use crate::limits;

statement!(
    /// The next entry. Whoever comes second waits here for the first's commit, so that numbers appear in their order.
    AddRevocation { kind: String, user: Uuid, session: Option<Uuid> },
    "WITH next AS (UPDATE revocation_head SET number = number + 1 RETURNING number) \
     INSERT INTO revocations (number, kind, user_id, session_id) SELECT next.number, $1, $2, $3 FROM next"
);
statement!(
    /// The counter, the clock, and what is above a number; a row without an entry where there is none.
    ReadRevocations { after: i64, limit: i64 }
        -> (i64, i64, DateTime<Utc>, Option<i64>, Option<String>, Option<Uuid>, Option<Uuid>, Vec<Uuid>),
    "SELECT h.number, coalesce((SELECT min(number) - 1 FROM revocations), h.number), clock_timestamp(), \
            r.number, r.kind, r.user_id, r.session_id, \
            ARRAY(SELECT b.id FROM users b WHERE b.owner_id = r.user_id AND r.session_id IS NULL AND b.kind <> 'guest') \
     FROM revocation_head h LEFT JOIN LATERAL ( \
         SELECT * FROM revocations WHERE number > $1 ORDER BY number LIMIT $2 \
     ) r ON true ORDER BY r.number"
);
statement!(
    /// Entries that everybody has read, or will not read one by one.
    SweepRevocations { age_s: i64 },
    "DELETE FROM revocations WHERE number <= \
     (SELECT max(number) FROM revocations WHERE at < clock_timestamp() - $1 * interval '1 second')"
);

/// Adds an entry as the last statement of a transaction, and commits.
pub(super) async fn log_and_commit(
    connection: Conn,
    kind: RevocationKind,
    user: Uuid,
    session: Option<SessionId>,
) -> StoreResult<()> {
    let entry = AddRevocation {
        kind: kind.as_str().into(),
        user,
        session: session.map(|session| session.0),
    };
    connection.commit_with(entry).await.map(drop)
}

/// On a reserved connection: a busy pool must not keep a revoked session's sockets open.
pub(super) async fn read(pools: &Pools, after: i64) -> StoreResult<Revocations> {
    let wanted = ReadRevocations {
        after,
        limit: limits::REVOCATIONS_PER_READ,
    };
    let rows = pools.reserved().await?.read(wanted).await?;
    let Some(&(head, forgotten, now, ..)) = rows.first() else {
        return Err(StoreError::Broken("no counter of revocations".into()));
    };
    let entries = rows
        .into_iter()
        .filter_map(|(_, _, _, number, kind, user, session, bots)| {
            let (number, kind, user) = (number?, kind?, user?);
            Some(
                word(&kind, RevocationKind::from_name).map(|kind| Revocation {
                    number,
                    kind,
                    user: UserId(user),
                    bots: bots.into_iter().map(UserId).collect(),
                    session: session.map(SessionId),
                }),
            )
        })
        .collect::<StoreResult<_>>()?;
    Ok(Revocations {
        head,
        forgotten,
        now,
        entries,
    })
}

pub(super) async fn sweep(pools: &Pools) -> StoreResult<()> {
    let age_s = limits::REVOCATIONS_S;
    pools.write(SweepRevocations { age_s }).await.map(drop)
}
