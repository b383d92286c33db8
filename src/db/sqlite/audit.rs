//! The audit log on SQLite. Nouns write their rows through [`insert`], inside the transaction of what they tell of.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Integer, Nullable, Text};

use super::columns::{Micros, StoredId, named, now, storable, time};
use super::failure::Work;
use super::schema::{audit_log, rooms};
use crate::db::audit::{Act, AuditFilter, AuditRoom, AuditRow, DIRECT, NewAudit, first_id};
use crate::db::rows::{UserKind, UserRow, Visibility};
use crate::ids::{AuditId, UserId};
use crate::limits::AUDIT_SWEEP_ROWS;
use crate::origin::Way;

/// Writes one row.
pub(super) fn insert(conn: &mut SqliteConnection, row: &NewAudit) -> Work<()> {
    let columns = (rooms::slug, rooms::visibility);
    let (named, found) = match &row.room {
        AuditRoom::None => (None, None),
        AuditRoom::Slug(slug) => {
            let found = rooms::table.filter(rooms::slug.eq(storable(slug)?));
            let found = found.select(columns).first::<(String, String)>(conn);
            (Some(slug.clone()), found.optional()?)
        }
        AuditRoom::Id(room) => {
            let found = rooms::table.find(StoredId(room.0)).select(columns);
            (None, found.first::<(String, String)>(conn).optional()?)
        }
    };
    let room = match found {
        Some((_, visibility)) if visibility == Visibility::Direct.as_str() => {
            Some(DIRECT.to_owned())
        }
        Some((slug, _)) => Some(slug),
        None => named,
    };
    diesel::insert_into(audit_log::table)
        .values((
            audit_log::id.eq(StoredId(AuditId::new().0)),
            audit_log::at.eq(now()),
            audit_log::act.eq(row.act.as_str()),
            audit_log::outcome.eq(row.outcome.map(|code| code.as_str())),
            audit_log::way.eq(row.origin.way.as_str()),
            audit_log::address.eq(row.origin.address.map(|address| address.to_string())),
            audit_log::who.eq(row.who.map(|user| StoredId(user.0))),
            audit_log::whom.eq(row.whom.map(|user| StoredId(user.0))),
            audit_log::room.eq(room),
            audit_log::detail.eq(storable(&row.detail)?),
            audit_log::times.eq(row.times),
        ))
        .execute(conn)?;
    Ok(())
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Binary)]
    id: StoredId,
    #[diesel(sql_type = BigInt)]
    at: Micros,
    #[diesel(sql_type = Text)]
    act: String,
    #[diesel(sql_type = Nullable<Text>)]
    outcome: Option<String>,
    #[diesel(sql_type = Text)]
    way: String,
    #[diesel(sql_type = Nullable<Text>)]
    address: Option<String>,
    #[diesel(sql_type = Nullable<Binary>)]
    who: Option<StoredId>,
    #[diesel(sql_type = Nullable<Text>)]
    who_name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    who_kind: Option<String>,
    #[diesel(sql_type = Nullable<Binary>)]
    whom: Option<StoredId>,
    #[diesel(sql_type = Nullable<Text>)]
    whom_name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    whom_kind: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    room: Option<String>,
    #[diesel(sql_type = Text)]
    detail: String,
    #[diesel(sql_type = Integer)]
    times: i32,
}

/// Rows, the latest first.
pub(super) fn list(conn: &mut SqliteConnection, filter: &AuditFilter) -> Work<Vec<AuditRow>> {
    let (from, to) = filter.ids();
    let user = filter.user.map(|user| StoredId(user.0));
    let found = diesel::sql_query(
        "SELECT a.id, a.at, a.act, a.outcome, a.way, a.address, a.room, a.detail, a.times, \
         a.who, u.name AS who_name, CASE WHEN u.owner_id IS NULL THEN u.kind ELSE 'bot' END AS who_kind, \
         a.whom, v.name AS whom_name, CASE WHEN v.owner_id IS NULL THEN v.kind ELSE 'bot' END AS whom_kind \
         FROM audit_log a LEFT JOIN users u ON u.id = a.who LEFT JOIN users v ON v.id = a.whom \
         WHERE a.id >= ?1 AND a.id < ?2 AND (?3 IS NULL OR a.at >= ?3) \
         AND (?4 IS NULL OR a.who = ?4 OR a.whom = ?4) AND (?5 IS NULL OR a.act = ?5) AND (?6 IS NULL OR a.room = ?6) \
         ORDER BY a.id DESC LIMIT ?7",
    )
    .bind::<Binary, _>(StoredId(from.0))
    .bind::<Binary, _>(StoredId(to.0))
    .bind::<Nullable<BigInt>, _>(filter.since().map(|since| since.timestamp_micros()))
    .bind::<Nullable<Binary>, _>(user)
    .bind::<Nullable<Text>, _>(filter.act.map(Act::as_str))
    .bind::<Nullable<Text>, _>(filter.room.as_deref())
    .bind::<BigInt, _>(filter.limit.max(0))
    .load::<Found>(conn)?;
    found.into_iter().map(audit_row).collect()
}

fn audit_row(found: Found) -> Work<AuditRow> {
    Ok(AuditRow {
        id: AuditId(found.id.0),
        at: time(found.at)?,
        act: named(Act::from_name, &found.act)?,
        outcome: found.outcome,
        way: named(Way::from_name, &found.way)?,
        address: found.address,
        who: user(found.who, found.who_name, found.who_kind)?,
        whom: user(found.whom, found.whom_name, found.whom_kind)?,
        room: found.room,
        detail: found.detail,
        times: found.times,
    })
}

fn user(id: Option<StoredId>, name: Option<String>, kind: Option<String>) -> Work<Option<UserRow>> {
    let (Some(id), Some(name), Some(kind)) = (id, name, kind) else {
        return Ok(None);
    };
    Ok(Some(UserRow {
        id: UserId(id.0),
        name,
        kind: named(UserKind::from_name, &kind)?,
    }))
}

/// Removes what is older than so many days.
pub(super) fn sweep(conn: &mut SqliteConnection, days: u32) -> Work<u64> {
    let oldest = chrono::Utc::now() - chrono::TimeDelta::days(i64::from(days));
    let gone = diesel::sql_query(
        "DELETE FROM audit_log WHERE id IN (SELECT id FROM audit_log WHERE id < ?1 ORDER BY id LIMIT ?2)",
    )
    .bind::<Binary, _>(StoredId(first_id(oldest)))
    .bind::<BigInt, _>(AUDIT_SWEEP_ROWS)
    .execute(conn)?;
    Ok(gone as u64)
}
