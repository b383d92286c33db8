//! Bounds of replies: their runners, their queue, and what a provider may take. Part of [`super`].

use std::time::Duration;

/// A runner's lease on a reply, in the database's time.
pub const LEASE_MS: u64 = 8_000;
/// A runner stops publishing by its own clock so long after the last renewal it began.
pub const LEASE_OWN: Duration = Duration::from_millis(6_500);
/// Chunks are saved and leases renewed so often.
pub const APPEND_INTERVAL: Duration = Duration::from_millis(500);
/// Unsettled replies of one asker, in all rooms together.
pub const REPLIES_PER_USER: i64 = 100;
/// Rooms are told of those of their replies that wait, so often.
pub const QUEUE_TICK: Duration = Duration::from_millis(1000);
/// And again when so much has passed: somebody may have come meanwhile.
pub const QUEUE_TOLD_AGAIN: Duration = Duration::from_secs(3);
/// Waiting replies that a room is told of, the next ones.
pub const QUEUE_TOLD: usize = 16;
/// Unsettled replies in one room.
pub const REPLIES_PER_ROOM: i64 = 16;
/// Replies one process runs at once.
pub const REPLIES_PER_INSTANCE: usize = 1_000;
/// Queued replies are looked for so often, nudged or not.
pub const CLAIM_INTERVAL: Duration = Duration::from_millis(1000);
/// Expired leases are looked for so often.
pub const ORPHAN_INTERVAL: Duration = Duration::from_millis(1500);
/// A lease must be seen expired twice, so far apart, before it is judged dead.
pub const ORPHAN_GRACE: Duration = Duration::from_secs(3);
/// The shortest time between two deltas in the first second of a reply (25 a second).
pub const DELTA_INTERVAL_FIRST: Duration = Duration::from_millis(40);
/// The shortest time between two deltas after it (15 a second).
pub const DELTA_INTERVAL: Duration = Duration::from_millis(67);
/// Messages a prompt is built from.
pub const CONTEXT_MESSAGES: i64 = 100;
/// Text a prompt is built from.
pub const CONTEXT_BYTES: usize = 256 * 1024;
/// Text read for a prompt: one message more than it may hold, so that it is known whether something is left out.
pub const CONTEXT_READ_BYTES: usize = CONTEXT_BYTES + super::REPLY_BYTES;
/// Tokens asked of a provider at most, where it wants a number.
pub const REPLY_TOKENS: u32 = 8_192;
/// Connecting to a provider.
pub const PROVIDER_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// From the request to a provider's first byte of stream.
pub const PROVIDER_FIRST_TIMEOUT: Duration = Duration::from_secs(30);
/// Between two bytes of a provider's stream; pings count. Above a minute, which models think for without a word.
pub const PROVIDER_IDLE_TIMEOUT: Duration = Duration::from_secs(90);
/// One reply in all.
pub const PROVIDER_TOTAL_TIMEOUT: Duration = Duration::from_secs(600);
/// One line of a provider's event stream.
pub const PROVIDER_LINE_BYTES: usize = 1024 * 1024;
/// Blocks of one answer that a provider has open at once; real ones have one.
pub const PROVIDER_BLOCKS: usize = 256;
/// Tokens that a provider may say it counted; what is above is not believed.
pub const PROVIDER_TOKENS: i64 = 1_000_000_000;
/// An error body of a provider, read for its type and no further.
pub const PROVIDER_ERROR_BYTES: usize = 64 * 1024;
/// Tries at one reply before anything is shown.
pub const PROVIDER_TRIES: u32 = 3;
/// The wait before the second of them, where the provider names none; it doubles with each.
pub const PROVIDER_RETRY_FIRST: Duration = Duration::from_millis(500);
/// What that doubling stops at.
pub const PROVIDER_RETRY_LONGEST: Duration = Duration::from_secs(8);
/// The longest `retry-after` of a provider that is waited for.
pub const PROVIDER_RETRY_AFTER: Duration = Duration::from_secs(60);
/// Answers in a row that fail at a provider before it is left alone. Each had its tries; a hiccup is not one of these.
pub const PROVIDER_CIRCUIT_FAILURES: u32 = 5;
/// A provider is left alone for so long before one answer tries it: what a provider's incident lasts at least, and what
/// somebody who asks again may be refused for.
pub const PROVIDER_CIRCUIT_OPEN: Duration = Duration::from_secs(15);

/// Waiting for a place at a provider that writes as many answers as it may, as a reply that runs. Then it waits in the queue.
pub const PROVIDER_PLACE_WAIT: Duration = Duration::from_secs(5);
/// A reply that found no place is left in the queue so long, unless there is one before.
pub const PROVIDER_PLACE_HOLD: Duration = Duration::from_secs(30);
/// Answers that one provider writes at once, where its `calls` do not say: what an instance's descriptors and an account's
/// rate bear.
pub const PROVIDER_CALLS: usize = 256;
/// Counting the tokens of a prompt. The reply waits for it, and can do without.
pub const PROVIDER_COUNT_TIMEOUT: Duration = Duration::from_secs(5);
/// What `salon check` waits for a provider.
pub const PROVIDER_PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// Providers in the file of `SALON_PROVIDERS`.
pub const PROVIDERS: usize = 32;
/// Models of one provider.
pub const PROVIDER_MODELS: usize = 64;
/// That file.
pub const PROVIDER_FILE_BYTES: u64 = 256 * 1024;
/// A model's context: the least that holds who it is, a message and an answer; the most that anybody has.
pub const MODEL_CONTEXT_TOKENS: std::ops::RangeInclusive<u32> = 2_048..=100_000_000;
