//! The bounds of outgoing webhooks: how many, how much in one delivery, how long a receiver is waited for.

use std::time::Duration;

/// Outgoing webhooks of one room: each is a reader of all that is written in it.
pub const WEBHOOKS_PER_ROOM: i64 = 10;
/// A target's URL, in bytes.
pub const WEBHOOK_URL_BYTES: usize = 2_048;
/// Changes of a room read for one delivery; `PAGE_BYTES` of text bound it too.
pub const WEBHOOK_CHANGES: i64 = 100;
/// Deliveries at once in one process: each holds one delivery's text, and none a connection to the database.
pub const WEBHOOK_DELIVERIES: usize = 32;
/// Connecting to a receiver, looking its name up and TLS included.
pub const WEBHOOK_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Names of targets looked up at once: each look-up takes a thread of the process' blocking ones, which passwords and the embedded
/// database need too, for as long as the system lets it.
pub const WEBHOOK_LOOKUPS: usize = 16;
/// One delivery, from the look-up of the name to the receiver's status.
pub const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(10);
/// After the status, the receiver's text is waited for so long; it is only shown.
pub const WEBHOOK_ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// Of a receiver's answer so much is read and kept.
pub const WEBHOOK_ANSWER_BYTES: usize = 4 * 1024;
/// A delivery is the instance's that claimed it for so long; then another may send it again.
pub const WEBHOOK_LEASE_MS: u64 = 30_000;
/// How often an instance looks for deliveries of changes that others committed, and for those to be tried again.
pub const WEBHOOK_POLL: Duration = Duration::from_secs(2);
/// After a change so much is waited for more of them: one delivery takes all.
pub const WEBHOOK_GATHER: Duration = Duration::from_millis(50);
/// The wait after the first failure; doubles with each.
pub const WEBHOOK_RETRY_FIRST: Duration = Duration::from_secs(1);
/// What that doubling stops at, and the longest wait that a receiver may ask for.
pub const WEBHOOK_RETRY_LONGEST: Duration = Duration::from_secs(3_600);
/// A webhook that has failed for so long, in seconds, is switched off.
pub const WEBHOOK_GIVE_UP_S: i64 = 3 * 24 * 3_600;
/// Attempts of one webhook that are kept to be looked at.
pub const WEBHOOK_ATTEMPTS: i64 = 50;
/// After a new secret the former one signs too for so long, in seconds.
pub const WEBHOOK_SECRET_OVERLAP_S: i64 = 24 * 3_600;
/// Replies that a webhook remembers to be waiting for; past it the oldest come as changes.
pub const WEBHOOK_AWAITED: usize = 64;
/// Rooms with webhooks of which an instance hears each commit; above it, of every room's.
pub const WEBHOOK_ROOMS: i64 = 10_000;
/// Test events one room may send in a minute, on each instance: each is a request to somebody else.
pub const WEBHOOK_TESTS_PER_MINUTE: u32 = 10;

/// Test events on their way at once in one process.
pub const WEBHOOK_TESTS: usize = 16;

const _: () = assert!(
    WEBHOOK_TIMEOUT.as_millis() + WEBHOOK_ANSWER_TIMEOUT.as_millis() + 2 * 5_000
        < WEBHOOK_LEASE_MS as u128,
    "a delivery ends, with what it reads before and writes after, before another may begin it"
);
const _: () = assert!(
    WEBHOOK_TIMEOUT.as_millis() + WEBHOOK_ANSWER_TIMEOUT.as_millis()
        < super::REQUEST_TIMEOUT.as_millis(),
    "who sends a test event hears what came of it"
);
