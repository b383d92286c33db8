//! The audit log on Postgres. Nouns hand their rows to the connection ([`super::pool::Conn::note`]), which writes them before its
//! COMMIT.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types as sql;
use uuid::Uuid;

use super::pool::Pools;
use super::records::{user_kind, user_row, word};
use super::statement::statement;
use crate::db::StoreResult;
use crate::db::audit::{Act, AuditFilter, AuditRoom, AuditRow, DIRECT, NewAudit, first_id};
use crate::db::rows::UserRow;
use crate::ids::AuditId;
use crate::limits::AUDIT_SWEEP_ROWS;
use crate::origin::Way;

statement!(
    /// Rows, in one go.
    InsertAudit {
        ids: Vec<Uuid>,
        acts: Vec<String>,
        outcomes: Vec<Option<String>>,
        ways: Vec<String>,
        addresses: Vec<Option<String>>,
        whos: Vec<Option<Uuid>>,
        whoms: Vec<Option<Uuid>>,
        slugs: Vec<Option<String>>,
        rooms: Vec<Option<Uuid>>,
        details: Vec<String>,
        times: Vec<i32>,
    },
    "INSERT INTO audit_log (id, act, outcome, way, address, who, whom, room, detail, times) \
     SELECT a.id, a.act, a.outcome, a.way, a.address, a.who, a.whom, \
         CASE WHEN r.visibility = 'direct' THEN '(direct)' ELSE coalesce(a.slug, r.slug) END, a.detail, a.times \
     FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::uuid[], $8::text[], \
         $9::uuid[], $10::text[], $11::integer[]) \
         AS a (id, act, outcome, way, address, who, whom, slug, room, detail, times) \
     LEFT JOIN rooms r ON r.id = a.room OR r.slug = a.slug"
);
const _: () = assert!(
    matches!(DIRECT.as_bytes(), b"(direct)"),
    "as the statement says"
);
statement!(
    /// Rows of a time, of a user, an act, a room; the latest first.
    ListAudit {
        from: Uuid,
        to: Uuid,
        since: Option<DateTime<Utc>>,
        user: Option<Uuid>,
        act: Option<String>,
        room: Option<String>,
        limit: i64,
    } -> struct AuditRecord,
    concat!("SELECT a.id, a.at, a.act, a.outcome, a.way, a.address, a.room, a.detail, a.times, \
     a.who, u.name AS who_name, ", user_kind!("u"), " AS who_kind, a.whom, v.name AS whom_name, ", user_kind!("v"), " AS whom_kind \
     FROM audit_log a LEFT JOIN users u ON u.id = a.who LEFT JOIN users v ON v.id = a.whom \
     WHERE a.id >= $1 AND a.id < $2 AND ($3::timestamptz IS NULL OR a.at >= $3) \
     AND ($4::uuid IS NULL OR a.who = $4 OR a.whom = $4) AND ($5::text IS NULL OR a.act = $5) \
     AND ($6::text IS NULL OR a.room = $6) ORDER BY a.id DESC LIMIT $7")
);
statement!(
    /// What is too old, a part of it.
    SweepAudit { before: Uuid, rows: i64 },
    "DELETE FROM audit_log WHERE id IN \
     (SELECT id FROM audit_log WHERE id < $1 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED)"
);

#[derive(QueryableByName, Debug)]
pub(super) struct AuditRecord {
    #[diesel(sql_type = sql::Uuid)]
    id: Uuid,
    #[diesel(sql_type = sql::Timestamptz)]
    at: DateTime<Utc>,
    #[diesel(sql_type = sql::Text)]
    act: String,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    outcome: Option<String>,
    #[diesel(sql_type = sql::Text)]
    way: String,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    address: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::Uuid>)]
    who: Option<Uuid>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    who_name: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    who_kind: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::Uuid>)]
    whom: Option<Uuid>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    whom_name: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    whom_kind: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    room: Option<String>,
    #[diesel(sql_type = sql::Text)]
    detail: String,
    #[diesel(sql_type = sql::Integer)]
    times: i32,
}

impl AuditRecord {
    fn into_row(self) -> StoreResult<AuditRow> {
        Ok(AuditRow {
            id: AuditId(self.id),
            at: self.at,
            act: word(&self.act, Act::from_name)?,
            outcome: self.outcome,
            way: word(&self.way, Way::from_name)?,
            address: self.address,
            who: user(self.who, self.who_name, self.who_kind)?,
            whom: user(self.whom, self.whom_name, self.whom_kind)?,
            room: self.room,
            detail: self.detail,
            times: self.times,
        })
    }
}

fn user(
    id: Option<Uuid>,
    name: Option<String>,
    kind: Option<String>,
) -> StoreResult<Option<UserRow>> {
    match (id, name, kind) {
        (Some(id), Some(name), Some(kind)) => user_row(id, name, &kind).map(Some),
        _ => Ok(None),
    }
}

impl InsertAudit {
    /// These rows.
    pub(super) fn of(rows: &[NewAudit]) -> Self {
        fn each<T>(rows: &[NewAudit], value: impl Fn(&NewAudit) -> T) -> Vec<T> {
            rows.iter().map(value).collect()
        }
        Self {
            ids: each(rows, |_| AuditId::new().0),
            acts: each(rows, |row| row.act.as_str().into()),
            outcomes: each(rows, |row| row.outcome.map(|code| code.as_str().into())),
            ways: each(rows, |row| row.origin.way.as_str().into()),
            addresses: each(rows, |row| row.origin.address.map(|it| it.to_string())),
            whos: each(rows, |row| row.who.map(|user| user.0)),
            whoms: each(rows, |row| row.whom.map(|user| user.0)),
            slugs: each(rows, |row| match &row.room {
                AuditRoom::Slug(slug) => Some(slug.clone()),
                AuditRoom::Id(_) | AuditRoom::None => None,
            }),
            rooms: each(rows, |row| match row.room {
                AuditRoom::Id(room) => Some(room.0),
                AuditRoom::Slug(_) | AuditRoom::None => None,
            }),
            details: each(rows, |row| row.detail.clone()),
            times: each(rows, |row| row.times),
        }
    }
}

pub(super) async fn note(pools: &Pools, rows: &[NewAudit]) -> StoreResult<()> {
    if rows.is_empty() {
        return Ok(());
    }
    pools.write(InsertAudit::of(rows)).await.map(drop)
}

pub(super) async fn list(pools: &Pools, filter: AuditFilter) -> StoreResult<Vec<AuditRow>> {
    let (from, to) = filter.ids();
    let found = pools
        .read(ListAudit {
            from: from.0,
            to: to.0,
            since: filter.since(),
            user: filter.user.map(|user| user.0),
            act: filter.act.map(|act| act.as_str().into()),
            room: filter.room,
            limit: filter.limit.max(0),
        })
        .await?;
    found.into_iter().map(AuditRecord::into_row).collect()
}

pub(super) async fn sweep(pools: &Pools, days: u32) -> StoreResult<u64> {
    let oldest = Utc::now() - chrono::TimeDelta::days(i64::from(days));
    let sweep = SweepAudit {
        before: first_id(oldest),
        rows: AUDIT_SWEEP_ROWS,
    };
    Ok(pools.write(sweep).await? as u64)
}
