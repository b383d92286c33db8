//! The bounds of what rooms live by beside their messages: who is there, what was read, searches, exports, retention.

use std::time::Duration;

// --- typing and presence

/// One socket's `typing` is passed on once in so long; more often it is dropped. A client shows it a little longer.
pub const TYPING_INTERVAL: Duration = Duration::from_secs(3);
/// Of one room so many `typing` are told to its readers in a second; more are dropped, since nobody reads so many names.
pub const TYPING_PER_SECOND: u32 = 3;
/// And so many at once.
pub const TYPING_BURST: u32 = 6;
/// Rooms whose `typing` are counted; past twice as many the oldest start anew.
pub const TYPING_ROOMS: usize = 10_000;
/// `typing` of all rooms between two ticks; above it they are dropped.
pub const TYPING_PER_TICK: usize = 1_000;
/// How often what changed is looked at, and `typing` passed on.
pub const PRESENCE_TICK: Duration = Duration::from_millis(250);
/// A room's readers are told who is there at most once in so long; the last state is always told.
pub const PRESENCE_INTERVAL: Duration = Duration::from_secs(2);
/// Other instances hear of rooms that changed at most once in so long.
pub const PRESENCE_CHANGES: Duration = Duration::from_secs(1);
/// Other instances hear of all rooms with somebody in them so often.
pub const PRESENCE_WHOLE: Duration = Duration::from_secs(15);
/// What another instance told holds for so long: it was to come twice more meanwhile.
pub const PRESENCE_LIFETIME: Duration = Duration::from_secs(42);
/// What an instance told holds for so long after its goodbye, while its sockets come back elsewhere.
pub const PRESENCE_GRACE: Duration = Duration::from_secs(5);
/// Members named in a `presence` frame: the first by id. `count` counts all.
pub const PRESENCE_NAMED: usize = 50;
/// Users of one room that an instance tells the others of one by one; above it the rest is only counted, so that one who is
/// on several instances may be counted twice.
pub const PRESENCE_USERS: usize = 1_000;
/// Rooms in one publication of presence; above it there are several.
pub const PRESENCE_ROOMS: usize = 1_000;
/// Bytes in one publication of presence; above it there are several.
pub const PRESENCE_BYTES: usize = 256 * 1024;
/// Users of other instances, in all rooms, that are remembered one by one; above it they are only counted.
pub const PRESENCE_HELD: usize = 1_000_000;
/// Rooms of other instances that are remembered; above it they are passed over.
pub const PRESENCE_HELD_ROOMS: usize = 500_000;

// --- reading

/// Places of one message that may mention a member, and members it mentions; more are only text.
pub const MENTIONS_PER_MESSAGE: usize = 20;
/// Names that one place may mean: `@ada`, `@ada lovelace`, …
pub const MENTION_READINGS: usize = 8;
/// Unread mentions are counted up to here, in each room.
pub const MENTIONS_COUNTED: i64 = 100;
/// Members mentioned of late that are still to be told of it, once for each room; above it they find it in their lists.
pub const MENTIONS_WAITING: usize = 100_000;
/// What was marked as read is written so often, all of it together.
pub const READ_INTERVAL: Duration = Duration::from_millis(1_000);
/// Marks that wait to be written, one for each user and room; above it `busy`.
pub const READ_MARKS: usize = 100_000;
/// Marks in one statement.
pub const READ_MARKS_PER_STATEMENT: usize = 1_000;
/// In rooms of at most so many members each hears how far the others have read.
pub const RECEIPT_MEMBERS: i64 = 50;

// --- search

/// A search, in characters: longer ones are pasted texts.
pub const SEARCH_CHARS: usize = 256;
/// Words and phrases in one search: each is a look-up in the index.
pub const SEARCH_TERMS: usize = 16;
/// A word of so many letters also finds those that begin with it; shorter ones begin too many.
pub const SEARCH_BEGINNING_CHARS: usize = 3;
/// So many words of one search, the first, are beginnings: each costs a look at every word that begins so.
pub const SEARCH_BEGINNINGS: usize = 4;
/// Messages found at once.
pub const SEARCH_HITS: i64 = 50;
/// The same where none is asked for.
pub const SEARCH_HITS_DEFAULT: i64 = 20;
/// Searches at once in one process: they leave the database's connections to those who read and write, SQLite's readers too.
pub const SEARCHES: usize = 3;
/// A search waits so long for its turn, then it is refused `busy`.
pub const SEARCH_WAIT: Duration = Duration::from_secs(3);
/// Rooms one search goes through: those joined last.
pub const SEARCH_ROOMS: i64 = 5_000;
/// Messages one search looks through of the newest, in steps: a frequent word is met in the first.
pub const SEARCH_LOOKS: [i64; 2] = [1_000, 9_000];
/// And in a last step, where the index of words is of no use.
pub const SEARCH_LAST_LOOK: i64 = 30_000;
/// Of a look's messages so many bytes of index each, on average: longer ones count as several.
pub const SEARCH_WORDS_BYTES: i64 = 512;
/// Where at most one in so many of these has all the words, the index of words is asked for all that do.
pub const SEARCH_SPARSE: i64 = 100;
/// Messages it may give; where more have the words, the search goes on in steps.
pub const SEARCH_CANDIDATES: i64 = 5_000;
/// It gathers all messages with words of a frequent beginning before it gives the first: after so long the search goes on in steps.
pub const SEARCH_INDEX_MS: u64 = 1_000;
/// Messages looked through for one page, in all; found or not, the next page goes on behind them.
pub const SEARCH_LOOKED: i64 = 45_000;
/// Messages that are indexed in one transaction: whoever edits one of them waits for it.
pub const INDEX_MESSAGES: i64 = 500;
/// Bytes of text in it, where messages are long; of each room one more message.
pub const INDEX_BYTES: i64 = 1024 * 1024;
/// Rooms in it.
pub const INDEX_ROOMS: usize = 100;
/// Between two of them, at least, so that others get their turn.
pub const INDEX_PAUSE: Duration = Duration::from_millis(20);
/// And at least so many times as long as the one before took: a server with all hands full writes messages first.
pub const INDEX_REST: u32 = 2;
/// What was written to is looked at so often: nothing is done for a message by itself.
pub const INDEX_INTERVAL: Duration = Duration::from_millis(500);
/// After the database said no.
pub const INDEX_RETRY: Duration = Duration::from_secs(3);
/// Rooms that were written to and wait for it; above it every room is looked at.
pub const INDEX_ROOMS_NOTED: usize = 100_000;
/// Every room is looked at so often, for what an instance that died, or one of another release, left.
pub const INDEX_SCAN: Duration = Duration::from_secs(30);
/// Rooms found by one such look; where there are more, the next comes at once.
pub const INDEX_SCAN_ROOMS: i64 = 10_000;
/// Between two parts of what was written before there was an index.
pub const INDEX_OLDER_PAUSE: Duration = Duration::from_millis(100);

// --- export

/// Exports at once in one process; above it they are refused `busy`.
pub const EXPORTS: usize = 4;
/// Messages in one page of an export; `PAGE_BYTES` of text bound it too, so its memory is flat.
pub const EXPORT_PAGE: i64 = 500;
/// A page that cannot be read is tried so often again, each time after a longer wait; then the export ends and says so.
pub const EXPORT_TRIES: u32 = 5;
/// A reader of an export that takes nothing for so long is cut off.
pub const EXPORT_STALL: Duration = Duration::from_secs(30);

// --- retention

/// The longest time a room may be told to keep its messages, in days; without one it keeps them for ever.
pub const RETENTION_DAYS: i32 = 36_500;
/// The most messages a room may be told to keep; without a number it keeps any.
pub const RETENTION_KEPT: i64 = 1_000_000_000;
/// Messages removed in one transaction, so that a room's lock is short.
pub const RETENTION_MESSAGES: i64 = 1_000;
/// Between two of them.
pub const RETENTION_PAUSE: Duration = Duration::from_millis(500);
/// What retention could not read or remove is tried again after so long.
pub const RETENTION_RETRY: Duration = Duration::from_secs(5);

// --- deleted rooms

/// What a deleted room held is removed after so long: its feeds have told of the deletion by then, a frozen instance's too once
/// it thaws, since that entry stays.
pub const PURGE_DELAY_S: i64 = 120;
/// Messages removed in one transaction.
pub const PURGE_MESSAGES: i64 = 500;
/// Between two of them.
pub const PURGE_PAUSE: Duration = Duration::from_millis(100);
/// Deleted rooms are looked for so often.
pub const PURGE_INTERVAL: Duration = Duration::from_secs(60);
