//! What the sweeping job removes on SQLite. Called by `contract.rs` inside a transaction. It removes no message.

use diesel::prelude::*;

use super::columns::{SECOND, now};
use super::failure::Work;
use super::schema::{batches, sessions, tickets};
use crate::db::Swept;
use crate::limits::BATCH_ID_S;

/// Removes sessions and tickets past their end, and batch ids too old for a rerun.
pub(super) fn sweep(conn: &mut SqliteConnection) -> Work<Swept> {
    let at = now();
    // Tickets first: those of a session would go uncounted with it.
    let tickets =
        diesel::delete(tickets::table.filter(tickets::expires_at.le(at))).execute(conn)?;
    let sessions =
        diesel::delete(sessions::table.filter(sessions::expires_at.le(at))).execute(conn)?;
    let old = at - BATCH_ID_S * SECOND;
    let batches =
        diesel::delete(batches::table.filter(batches::created_at.le(old))).execute(conn)?;
    Ok(Swept {
        sessions: sessions as u64,
        tickets: tickets as u64,
        batches: batches as u64,
    })
}
