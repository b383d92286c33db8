//! The bounds of usage and spending. Part of [`super`].

use std::time::Duration;

/// Attempts, or sums, in one page.
pub const USAGE_PAGE: i64 = 100;
/// The same in CSV: what a sheet shows and an instance holds in its memory for a moment.
pub const USAGE_CSV_ROWS: i64 = 5_000;
/// The longest that attempts may be kept, in days.
pub const USAGE_DAYS: u32 = 36_500;
/// Attempts removed in one transaction.
pub const USAGE_SWEEP_ROWS: i64 = 5_000;
/// Such statements in one sweep: as many as it takes, up to here.
pub const USAGE_SWEEPS: usize = 1_000;
/// Lost attempts ended in one go.
pub const LOST_ATTEMPTS: i64 = 100;
/// How often a store is tried again whose counters of a new day are not there yet.
pub const SPENDING_TRIES: usize = 3;
/// Replies of one instance that are judged at once. They take turns at the same counters anyway, and connections are few.
pub const SPENDING_JUDGED: usize = 2;
/// A reply that fits only once others gave back what they hold looks again after about so long,
pub const SPENDING_RETRY: Duration = Duration::from_millis(250);
/// then after twice that, and so on up to this: many may wait, and each look takes the counters for a moment,
pub const SPENDING_RETRY_LONGEST: Duration = Duration::from_secs(2);
/// and gives up after so long: longer than most answers take. It then fails with `spend_limit_reached`.
pub const SPENDING_WAIT: Duration = Duration::from_secs(60);
/// Tries at counting what an attempt used, while the database does not answer; then whoever looks for lost attempts ends it.
pub const ATTEMPT_END_TRIES: usize = 20;
