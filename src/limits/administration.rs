//! The bounds of administration and of the audit log. Part of [`super`].

use std::time::Duration;

/// Users, rooms or rows of the audit log in one page.
pub const ADMIN_PAGE: i64 = 100;
/// Owners shown of a room.
pub const OWNERS_SHOWN: i64 = 20;
/// What a name or an address is searched by, in characters.
pub const ADMIN_SEARCH_CHARS: usize = 64;
/// Refusals of different kinds that the ledger gathers between two writes; above it they are counted only, and the count is written.
pub const LEDGER_KINDS: usize = 1_000;
/// The ledger gathers for so long: refusals of one kind by one asker are one row.
pub const LEDGER_INTERVAL: Duration = Duration::from_secs(1);
/// Rows of the audit log removed in one transaction.
pub const AUDIT_SWEEP_ROWS: i64 = 5_000;
/// The longest that rows of the audit log may be kept, in days.
pub const AUDIT_DAYS: u32 = 36_500;
/// Such statements in one sweep: as many as it takes, up to here.
pub const AUDIT_SWEEPS: usize = 1_000;
