//! The log of revocations on SQLite. Called by `account_store.rs` inside a transaction, and at the end of theirs by those that
//! end sessions.

use diesel::prelude::*;

use super::columns::{Micros, SECOND, StoredId, named, now, time};
use super::failure::Work;
use super::schema::{revocation_head, revocations, users};
use crate::db::accounts::{Revocation, RevocationKind, Revocations};
use crate::db::rows::UserKind;
use crate::ids::{SessionId, UserId};
use crate::limits;

/// Adds an entry.
pub(super) fn add(
    conn: &mut SqliteConnection,
    kind: RevocationKind,
    user: UserId,
    session: Option<SessionId>,
) -> Work<()> {
    diesel::update(revocation_head::table)
        .set(revocation_head::number.eq(revocation_head::number + 1))
        .execute(conn)?;
    let number: i64 = revocation_head::table
        .select(revocation_head::number)
        .first(conn)?;
    diesel::insert_into(revocations::table)
        .values((
            revocations::number.eq(number),
            revocations::kind.eq(kind.as_str()),
            revocations::user_id.eq(StoredId(user.0)),
            revocations::session_id.eq(session.map(|session| StoredId(session.0))),
            revocations::at.eq(now()),
        ))
        .execute(conn)?;
    Ok(())
}

/// What is above a number.
pub(super) fn read(conn: &mut SqliteConnection, after: i64) -> Work<Revocations> {
    let head: i64 = revocation_head::table
        .select(revocation_head::number)
        .first(conn)?;
    let first: Option<i64> = revocations::table
        .select(diesel::dsl::min(revocations::number))
        .first(conn)?;
    let rows = revocations::table
        .filter(revocations::number.gt(after))
        .order(revocations::number)
        .limit(limits::REVOCATIONS_PER_READ)
        .select((
            revocations::number,
            revocations::kind,
            revocations::user_id,
            revocations::session_id,
        ))
        .load::<(i64, String, StoredId, Option<StoredId>)>(conn)?;
    let mut entries = Vec::with_capacity(rows.len());
    for (number, kind, user, session) in rows {
        let bots = match session {
            Some(_) => Vec::new(),
            None => bots(conn, user)?,
        };
        entries.push(Revocation {
            number,
            kind: named(RevocationKind::from_name, &kind)?,
            user: UserId(user.0),
            bots,
            session: session.map(|session| SessionId(session.0)),
        });
    }
    Ok(Revocations {
        head,
        forgotten: first.map_or(head, |first| first - 1),
        now: time(now())?,
        entries,
    })
}

/// Those of a user that may hold tokens, removed ones too.
fn bots(conn: &mut SqliteConnection, owner: StoredId) -> Work<Vec<UserId>> {
    let bots = users::table
        .filter(users::owner_id.eq(owner))
        .filter(users::kind.ne(UserKind::Guest.as_str()))
        .select(users::id)
        .load::<StoredId>(conn)?;
    Ok(bots.into_iter().map(|id| UserId(id.0)).collect())
}

/// Removes entries that everybody has read, or will not read one by one.
pub(super) fn sweep(conn: &mut SqliteConnection, at: Micros) -> Work<()> {
    let old = at - limits::REVOCATIONS_S * SECOND;
    diesel::delete(revocations::table.filter(revocations::at.lt(old))).execute(conn)?;
    Ok(())
}
