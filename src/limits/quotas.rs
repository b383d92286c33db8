//! The bounds of counting who does how much: how soon the fleet agrees, how long it is waited for, how much is remembered. The
//! rates themselves are settings.

use std::time::Duration;

/// Joins a socket may ask for at once: all of its rooms, and all again when it comes back soon.
pub const JOINS_BURST: u32 = 400;
const _: () = assert!(
    JOINS_BURST as usize == 2 * super::ROOMS_PER_SOCKET,
    "a socket may join all of its rooms twice"
);
/// What was sent, joined and prompted here is told to the fleet so often; an instance may let through so much more than there is.
pub const QUOTA_REPORT_INTERVAL: Duration = Duration::from_millis(250);
/// Budgets, or holdings, told in one round trip.
pub const QUOTA_REPORT: usize = 200;
/// What a socket that is one too many is told to wait before it comes again.
pub const SOCKET_RETRY_MS: u64 = 5_000;
/// All tries at one account from everywhere but its owner's devices, as a multiple of those from one address: so many at once, and
/// then as slowly as one address.
pub const ACCOUNT_TRIES_FACTOR: u32 = 10;
/// Devices of which one cookie knows: people share browsers.
pub const DEVICES_PER_COOKIE: usize = 4;
/// A device is known for so long, in seconds: as long as browsers keep a cookie.
pub const DEVICE_S: i64 = 400 * 24 * 3600;

/// The fleet's answer to one question is waited for so long; then the instance's own count decides.
pub const COUNTERS_WAIT: Duration = Duration::from_millis(50);
/// An answer nobody waits for (a report, a beat); past it the connection counts as dead.
pub const COUNTERS_TIMEOUT: Duration = Duration::from_millis(500);
/// An instance says so often that what it holds still counts.
pub const COUNTERS_BEAT: Duration = Duration::from_secs(2);
/// What an instance holds that says nothing any more counts for so long.
pub const COUNTERS_LIFETIME: Duration = Duration::from_secs(10);
/// Everything held is told anew so often, so that what is kept of it may expire.
pub const COUNTERS_RETELL: Duration = Duration::from_secs(600);
/// What is held is kept so long unless it is told again.
pub const COUNTERS_KEPT: Duration = Duration::from_secs(1_800);
/// A budget is never further behind than its burst and this: instances that all let through their burst at once pay it back, and
/// nobody is kept waiting for longer.
pub const COUNTERS_DEBT: Duration = Duration::from_secs(60);
/// Budgets remembered in memory; past twice as many the oldest start anew.
pub const COUNTERS: usize = 100_000;

const _: () = assert!(
    COUNTERS_BEAT.as_millis() * 2 + COUNTERS_TIMEOUT.as_millis() * 2
        < COUNTERS_LIFETIME.as_millis()
        && COUNTERS_RETELL.as_millis() * 2 < COUNTERS_KEPT.as_millis(),
    "one lost beat, and one lost telling, change nothing"
);
