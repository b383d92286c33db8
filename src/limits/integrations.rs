//! The bounds of what programs use: tokens, bots and webhooks.

// --- tokens and bots

/// Tokens one user has, and each of its bots.
pub const TOKENS_PER_USER: i64 = 20;
/// A token lives at most so long where it is given an end, in seconds: ten years.
pub const TOKEN_S: i64 = 10 * 365 * 24 * 3600;
/// When a token or a webhook was last used is written at most once in so many seconds.
pub const LAST_USED_S: i64 = 60;
/// Bots one user has; removed ones are not counted.
pub const BOTS_PER_USER: i64 = 20;
/// Bots and incoming webhooks one user makes in a minute, on each instance: what was removed leaves its row, and a bot its name.
pub const BOTS_PER_MINUTE: u32 = 20;

// --- incoming webhooks

/// Incoming webhooks of one room.
pub const HOOKS_PER_ROOM: i64 = 20;
/// Messages of one incoming webhook in a minute on one instance, about; above it they are refused `rate_limited`. A program in a loop must not
/// drown a room.
pub const HOOK_POSTS_PER_MINUTE: u32 = 60;
/// And so many at once.
pub const HOOK_BURST: u32 = 30;
/// An `Idempotency-Key`, in bytes.
pub const IDEMPOTENCY_KEY_BYTES: usize = 255;
