//! Bounds of sessions, of the log of revocations, and of what accounts leave behind. Used through [`super`].

use std::time::Duration;

/// A session lives so long.
pub const SESSION_S: i64 = 30 * 24 * 3600;
/// A session that is not used ends after so long.
pub const SESSION_IDLE_S: i64 = 14 * 24 * 3600;
/// A guest's session lives so long.
pub const GUEST_SESSION_S: i64 = 7 * 24 * 3600;
/// When a session was last used is written at most once in so long, sooner where it ends sooner without use.
pub const SEEN_NOTE: Duration = Duration::from_secs(300);
/// Uses of sessions are written together, once in so long at the latest.
pub const SEEN_FLUSH: Duration = Duration::from_secs(20);
/// Sessions whose last use is remembered by an instance; one above it is noted later.
pub const SEEN_SESSIONS: usize = 100_000;
/// Sessions of one user: one more ends the one that was not used for longest.
pub const SESSIONS_PER_USER: usize = 100;
/// Sessions of one list, the latest. More than one user may have: sign-ins at the same time see each other late.
pub const SESSIONS_LISTED: i64 = 200;
/// Characters kept of what a program calls itself.
pub const USER_AGENT_CHARS: usize = 256;
/// Entries of the log of revocations in one read; the next read takes the rest.
pub const REVOCATIONS_PER_READ: i64 = 100;
/// Entries of the log of revocations are kept so long, in seconds: an instance that was away longer looks at every session it
/// has. It reads each second, so that only one that was frozen, or cut off from the database, is.
pub const REVOCATIONS_S: i64 = 6 * 3600;
/// Memberships of deleted accounts that were not ended at once are looked for so often.
pub const DEPARTURES_INTERVAL: Duration = Duration::from_secs(15);
/// The answer to a deletion of an account waits so long for its memberships to end; a job ends the rest.
pub const DEPARTURES_WAIT: Duration = Duration::from_secs(5);
/// Memberships of deleted accounts that are ended at once.
pub const DEPARTURES_PER_SWEEP: i64 = 100;
/// So many looks at the log of revocations, one of which asks after every session of the process.
pub const SESSION_RECHECKS: u32 = 60;
