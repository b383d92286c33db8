//! Every bound of Salon, its unit in its name and its reason beside it. What happens at each bound is a typed
//! refusal or a documented close code (P11); relations between bounds hold at compile time, below.
//!
//! These are fixed. What an operator may change is a setting in `config.rs`.

mod administration;
mod assistants;
mod integrations;
mod organisations;
mod quotas;
mod replies;
mod room_life;
mod sessions;
mod usage;
mod webhooks;

use std::time::Duration;

pub use administration::*;
pub use assistants::*;
pub use integrations::*;
pub use organisations::*;
pub use quotas::*;
pub use replies::*;
pub use room_life::*;
pub use sessions::*;
pub use usage::*;
pub use webhooks::*;

// --- frames and bodies

/// A message's text, in bytes of UTF-8. Long enough for a page of prose, short enough to fan out.
pub const BODY_BYTES: usize = 16 * 1024;
/// A reply's text. Above every model's usual longest answer of prose.
pub const REPLY_BYTES: usize = 128 * 1024;
/// One frame, and one message, from a client (close code 1009 above it).
pub const CLIENT_FRAME_BYTES: usize = 64 * 1024;
/// The messages of one page, so that one read cannot fill an outbox.
pub const PAGE_BYTES: usize = 256 * 1024;
/// Messages in one page.
pub const PAGE_MESSAGES: i64 = 100;
/// Above this a message's HTML is left out of frames; the page renders the text itself.
pub const HTML_BYTES: usize = 32 * 1024;
/// The body of one HTTP request. A message's text with JSON escapes fits.
pub const REQUEST_BYTES: usize = 128 * 1024;
/// The headers of one HTTP request, hyper's read buffer (431 above it).
pub const HEADER_BYTES: usize = 16 * 1024;
/// Headers of one HTTP request.
pub const HEADER_COUNT: usize = 64;
/// A `ref` of a client frame, in characters.
pub const REF_CHARS: usize = 64;
/// A user's or a room's display name, in characters.
pub const NAME_CHARS: usize = 64;
/// What a room is about, in characters.
pub const TOPIC_CHARS: usize = 256;
/// A room's address, in characters of `[a-z0-9-]`.
pub const SLUG_CHARS: usize = 64;
/// A password, in characters: at least.
pub const PASSWORD_MIN_CHARS: usize = 8;
/// A password, in bytes: at most. Hashing cost does not grow with it.
pub const PASSWORD_MAX_BYTES: usize = 1024;

/// Edits of one message: each keeps the text before it.
pub const EDITS_PER_MESSAGE: i64 = 50;
/// Texts of one reply: each is kept.
pub const VARIANTS_PER_REPLY: i32 = 10;
/// Kinds of reactions on one message.
pub const REACTION_KINDS: usize = 20;
/// Of those who reacted alike, so many are named with a message; the others are counted.
pub const REACTION_USERS: usize = 20;
/// One reaction, in bytes of UTF-8: the longest emoji of several people and their skin tones fits.
pub const REACTION_BYTES: usize = 48;
/// Pinned messages of one room: what is pinned is meant to be found at a glance.
pub const PINS_PER_ROOM: i64 = 50;

// --- one socket

/// Bytes waiting for one slow reader; above it the socket closes with 4008 and comes back with its cursor.
pub const OUTBOX_BYTES: usize = 1024 * 1024;
/// Whoever fills an outbox with pages and texts waits until less than this waits in it. Where so little waits, any single
/// frame is taken.
pub const OUTBOX_ROOM_BYTES: usize = OUTBOX_BYTES / 16;
/// What one join adds to an outbox at once; where a `room.joined` and the recent changes are more, the changes come in
/// pages. A sixteenth is left for what else comes meanwhile.
pub const ATTACH_BYTES: usize = OUTBOX_BYTES - OUTBOX_BYTES / 8;
/// Frames waiting for one slow reader.
pub const OUTBOX_FRAMES: usize = 4096;
/// Rooms one socket may be in.
pub const ROOMS_PER_SOCKET: usize = 200;
/// Rooms in one `room.join`.
pub const ROOMS_PER_JOIN: usize = 100;
/// Answers one socket may be waiting for; above it sends are refused `busy`, other requests too.
pub const IN_FLIGHT_PER_SOCKET: usize = 256;
/// Rooms in which one socket may have had a send refused before the room was known to it.
pub const REFUSED_EARLY: usize = 16;
/// Times that one socket's sends to one room came again, as long as sends of before may still wait for their turn.
pub const REFUSED_RANGES: usize = 64;
/// Settled sends that one socket's order in one room remembers: as many as may be under way, for one of them may be a copy.
pub const SETTLED_SENDS: usize = IN_FLIGHT_PER_SOCKET;
/// Bytes of tungstenite's read buffer. Its default of 128 KiB is really resident, for every socket.
pub const READ_BUFFER_BYTES: usize = 1024;
/// What the kernel holds for one socket that does not read, half of what it then sets aside; its own bound is megabytes.
pub const SEND_BUFFER_BYTES: u32 = 128 * 1024;
/// Connections the kernel takes before the server does: a storm's first moment; its own bound may be lower.
pub const BACKLOG: u32 = 4_096;
/// The server's ping, and `heartbeat_ms` of `welcome`.
pub const PING_INTERVAL: Duration = Duration::from_secs(15);
/// A peer from which nothing came for so long is dead.
pub const PEER_TIMEOUT: Duration = Duration::from_secs(22);
/// A peer that takes nothing for so long is closed as slow.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(8);
/// A close handshake: then the stream is dropped.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// How many sockets one process holds; above it an upgrade is refused 503.
pub const SOCKETS: usize = 100_000;
/// HTTP connections at once, sockets not counted; above it a connection is closed at once.
pub const HTTP_CONNECTIONS: usize = 20_000;
/// Of the files a process may open, one in so many is kept from clients: for the database, Redis, providers, `/metrics`.
pub const DESCRIPTORS_KEPT: usize = 8;
/// At least so many of them.
pub const DESCRIPTORS_KEPT_MIN: usize = 64;
/// At most so many of them.
pub const DESCRIPTORS_KEPT_MAX: usize = 4_096;
/// Reading the headers of a request (slow loris).
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Reading the body of a request: at most [`REQUEST_BYTES`], so whoever needs longer is slow on purpose or has no network.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(8);
/// One HTTP request that is not a stream and not `/api/chat`.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// Event streams and calls of `/api/chat` at once; above it they are refused `busy`.
pub const EVENT_STREAMS: usize = 10_000;
/// Runs of frames waiting for one event stream; above it, it lets go and reads the database.
pub const EVENT_STREAM_FRAMES: usize = 256;
/// Bytes waiting for one event stream.
pub const EVENT_STREAM_BYTES: usize = 1024 * 1024;
/// Bytes in flight between the consumer of a room's event stream and the connection: a pipe in memory, kept small since what it once
/// held stays resident; what waits above it waits in the outbox, which has its bound.
pub const EVENT_PIPE_BYTES: usize = 16 * 1024;
/// The event stream of a reply, or a call of `/api/chat`, ends after so long: the longest reply and a margin for its queue. Below what
/// `deploy/haproxy.cfg` allows, so that the answer is ours.
pub const EVENT_STREAM_TIME: Duration = Duration::from_secs(645);
/// A quiet event stream gets a comment so often, so that nothing between takes it for dead.
pub const EVENT_STREAM_COMMENT: Duration = Duration::from_secs(15);
/// A stopping process lets a call of `/api/chat` wait so long: replies that run are settled by then.
pub const CHAT_GRACE: Duration = Duration::from_secs(18);

/// Look-ups of who comes, at once: a storm of handshakes leaves the database's connections to those who are there.
pub const LOOKUPS: usize = 4;
/// Look-ups waiting for their turn; above it a handshake or request is refused `busy`.
pub const LOOKUP_QUEUE: usize = 4_000;
/// A look-up waits so long for its turn, then it is refused `busy`.
pub const LOOKUP_WAIT: Duration = Duration::from_secs(3);

/// What `/readyz` waits for the database.
pub const READY_TIMEOUT: Duration = Duration::from_secs(2);
/// The database's durability is looked at so often, asked for or not: its settings may change while it runs.
pub const DURABILITY_INTERVAL: Duration = Duration::from_secs(10);
/// Users, and client addresses, of whom one instance counts what they do; past twice as many, those that hold no socket and have
/// not come for the longest start anew.
pub const RATE_KEYS: usize = 50_000;

// --- writer

/// Lanes of the writer on Postgres: transactions in flight at once. SQLite has one writer and so one lane.
pub const LANES: usize = 4;
/// Changes waiting in one lane; above it a send is refused `busy`.
pub const LANE_QUEUE: usize = 4096;
/// Bytes waiting in all lanes; above it a send is refused `busy`.
pub const LANE_QUEUE_BYTES: usize = 32 * 1024 * 1024;
/// Changes in one transaction.
pub const BATCH_CHANGES: usize = 512;
/// Text in one transaction, so that a batch of large messages commits soon.
pub const BATCH_BYTES: usize = 384 * 1024;
/// Waiting for one room's head lock when it is written alone.
pub const LOCK_WAIT_MS: u64 = 2_000;
/// Rooms that wait for a head lock at once, per process, each on a connection.
pub const LOCKED_ROOMS: usize = 2;
/// A change waits so long for its lane's turn, then it is refused `unavailable`: what waits longer is not kept up with.
pub const WRITER_WAIT: Duration = Duration::from_millis(2_000);
/// Writing one batch, connecting and waiting for a lock included; a database that takes longer is unavailable.
pub const WRITE_MS: u64 = 2_800;
/// How long a lost COMMIT is settled, counted from the begin of its batch, before the answer is `outcome_unknown` (P5).
pub const OUTCOME_TIMEOUT: Duration = Duration::from_secs(5);
/// Any other unit of work, connecting included; a database that takes longer is unavailable.
pub const DATABASE_MS: u64 = 4_500;
/// A transaction's longest time on the server (statement and idle timeouts follow from it).
pub const TRANSACTION_MS: u64 = 5_000;
/// One statement's longest time on the server, below the transaction's.
pub const STATEMENT_MS: u64 = 4_000;
/// Connections to Postgres that only probes and head checks use, so that a busy pool cannot block them.
pub const RESERVED_CONNECTIONS: usize = 2;
/// Reads and other work waiting for a connection; above it they are refused `busy`. The writer has its own part of the pool.
pub const DATABASE_QUEUE: usize = 4_000;
/// What a retryable refusal proposes.
pub const RETRY_HINT_MS: u64 = 500;

// --- embedded database

/// Connections that read SQLite, beside the one that writes and the one kept for probes: as many as its disk and two
/// cores can use.
pub const SQLITE_READERS: u32 = 4;

// --- feed and channel layer

/// What a feed's channel holds before it lags (then it reads the database).
pub const CHANNEL_CAPACITY: usize = 1024;
/// Bytes a channel holds before it lags; an empty one takes any single message.
pub const CHANNEL_BYTES: usize = 8 * 1024 * 1024;
/// Commands waiting for one feed; senders wait.
pub const FEED_COMMANDS: usize = 256;
/// An early range is held so long before the hole below it is filled.
pub const EARLY_HOLD: Duration = Duration::from_millis(25);
/// A reader that has read more than its room's feed waits so long for the feed to have read it too; then it is refused.
pub const ATTACH_WAIT: Duration = Duration::from_secs(5);
/// What a feed reads as it starts, and what is asked of a feed, takes no longer: then it has not started, and who asked is refused.
pub const ATTACH_DEADLINE: Duration = Duration::from_secs(12);
/// A head seen ahead of the feed waits so long for its publication.
pub const HEAD_GRACE: Duration = Duration::from_millis(50);
/// Every room with a feed has its head read once in so long.
pub const HEAD_CHECK_INTERVAL: Duration = Duration::from_millis(1000);
/// Rooms (or sessions) in one statement of the head check.
pub const HEADS_PER_STATEMENT: usize = 2_000;
/// Ranges held early by one feed; above it it fills at once.
pub const EARLY_RANGES: usize = 64;
/// Bytes of recent ranges a feed keeps for sockets that come back.
pub const RING_BYTES: usize = 512 * 1024;
/// Recent ranges a feed keeps.
pub const RING_RANGES: usize = 1024;
/// Deltas held for one reply until their numbering joins.
pub const EARLY_DELTAS: usize = 256;
/// A feed without readers ends after so long.
pub const FEED_LINGER: Duration = Duration::from_secs(10);
/// Feeds in one process; above it a join is refused `busy`.
pub const FEEDS: usize = 50_000;
/// Proofs of many sockets wait so long for each other to share a statement.
pub const PROOF_WINDOW: Duration = Duration::from_millis(3);
/// Proofs in one statement.
pub const PROOFS_PER_STATEMENT: usize = 500;
/// Proofs waiting; above it a join is refused `busy`.
pub const PROOF_QUEUE: usize = 20_000;
/// A latest page is shared by joins for so long.
pub const PAGE_SHARE: Duration = Duration::from_millis(500);
/// Latest pages shared at once.
pub const SHARED_PAGES: usize = 1_000;
/// A page of catching up begins at a multiple of so many versions, so that readers who stand near each other share it.
pub const CATCH_UP_STEP: i64 = 64;
/// Only pages that end so near to the head are kept for others who come soon, so that one reader far behind does not
/// leave its whole way in memory.
pub const CATCH_UP_NEAR: i64 = 1_000;
/// Pages of catching up read at once in one process, so that a storm leaves connections to the others.
pub const CATCH_UPS: usize = 4;
/// A tick late by so much means that the process was frozen: it reads sessions and heads before it goes on.
pub const FROZEN: Duration = Duration::from_secs(2);
/// What comes from a client while a process that stood still cannot look at sessions and heads waits so long; then it is
/// refused: everybody is answered within 5 s.
pub const STALE_WAIT: Duration = Duration::from_secs(4);
/// How often a process notes that it is alive.
pub const BEAT: Duration = Duration::from_millis(250);
/// The log of revocations is read so often, Redis or not (P7: ≤ 5 s).
pub const SESSION_CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Messages waiting to be published to Redis; above it they are dropped and counted, and readers fill.
pub const PUBLISH_QUEUE: usize = 8192;
/// Bytes waiting to be published to Redis.
pub const PUBLISH_QUEUE_BYTES: usize = 32 * 1024 * 1024;
/// One message on the layer. A batch above it is published as a hint to read.
pub const LAYER_MESSAGE_BYTES: usize = 1024 * 1024 + 64 * 1024;
/// One publication to Redis; past it the connection counts as dead.
pub const PUBLISH_TIMEOUT: Duration = Duration::from_millis(500);
/// How often the layer's liveness probe goes round through Redis.
pub const PROBE_INTERVAL: Duration = Duration::from_millis(500);
/// A probe that did not come back for so long means a connection that is open but dead.
pub const PROBE_TIMEOUT: Duration = Duration::from_millis(1500);
/// Connecting to Redis, handshake included.
pub const LAYER_CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The first wait before connecting to Redis again; doubled at each failure, a random part of it is waited.
pub const LAYER_BACKOFF_FIRST: Duration = Duration::from_millis(50);
/// The longest such wait, so that all heals within 3 s of Redis (P6).
pub const LAYER_BACKOFF_MAX: Duration = Duration::from_secs(1);
/// How long joining a group waits for Redis to confirm; past it the receiver goes on and gets a `Resync`.
pub const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(2);
/// Groups in one command to Redis.
pub const SUBSCRIBE_GROUPS: usize = 1_000;
/// Messages published to Redis in one round trip.
pub const PUBLISH_BATCH: usize = 256;
/// Bytes published to Redis in one round trip, or one message.
pub const PUBLISH_BATCH_BYTES: usize = 1024 * 1024;
/// What waited longer for Redis is announced as lost: its readers have read the database long since.
pub const PUBLISH_STALE: Duration = Duration::from_secs(1);
/// Groups whose last number this process remembers; a forgotten one costs its readers one read.
pub const NUMBERED_GROUPS: usize = 65_536;
/// Instances whose numbers are remembered for one group; the oldest goes first.
pub const GROUP_ORIGINS: usize = 64;
/// What cannot be authenticated makes a group's readers read at most once in so long.
pub const REFUSED_INTERVAL: Duration = Duration::from_secs(1);
/// A closing layer writes out what was sent, for at most so long.
pub const LAYER_CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

// --- accounts and rooms

/// A socket ticket lives so long.
pub const TICKET_S: i64 = 30;
/// Password hashes at once: each takes 19 MiB.
pub const HASHES: usize = 2;
/// Password checks waiting; above it `busy`.
pub const HASH_QUEUE: usize = 64;
/// Rooms one user may own.
pub const ROOMS_PER_OWNER: i64 = 1_000;
/// Rooms of one page of a user's list.
pub const ROOMS_LISTED: i64 = 500;
/// Of the last message, so many characters stand in the list of rooms: what fits a line or two.
pub const PREVIEW_CHARS: i64 = 120;
/// Public rooms found at once: each counts its members.
pub const PUBLIC_ROOMS_LISTED: i64 = 50;
/// What public rooms are searched for, in characters.
pub const ROOM_QUERY_CHARS: usize = 100;
/// People of one direct room: above it a room with a name is the better place.
pub const DIRECT_PEOPLE: usize = 10;
/// Members listed at once.
pub const MEMBERS_LISTED: i64 = 200;
/// Invites of one room that have not ended.
pub const INVITES_PER_ROOM: i64 = 50;
/// An invite works so long at most.
pub const INVITE_S: i64 = 30 * 24 * 3600;
/// The same where nothing is said.
pub const INVITE_DEFAULT_S: i64 = 7 * 24 * 3600;
/// The shortest an invite may work: less is a mistake.
pub const INVITE_SHORTEST_S: i64 = 60;
/// One invite is for so many at most.
pub const INVITE_USES: i32 = 1_000;
/// Users kept out of one room: the list is read whole.
pub const BANS_PER_ROOM: i64 = 1_000;
/// Why somebody is kept out, in characters.
pub const BAN_REASON_CHARS: usize = 200;
/// How long a batch's id is kept for its rerun.
pub const BATCH_ID_S: i64 = 3_600;

// --- log

/// Lines waiting for standard error; above it they are dropped and counted.
pub const LOG_LINES: usize = 8_192;
/// A stopping process waits so long for its last lines.
pub const LOG_FLUSH: Duration = Duration::from_secs(1);

/// What has run out is removed so often.
pub const SWEEP_INTERVAL: Duration = Duration::from_secs(600);

// --- shutdown

/// Readiness is gone for so long before connections are refused, where there is a balancer to see it.
pub const DRAIN_NOTICE: Duration = Duration::from_millis(1_500);

/// A stopping process waits so long for what is in flight.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(20);
/// Running replies may go on for so long while the process stops; then they settle `interrupted`.
pub const REPLY_GRACE: Duration = Duration::from_secs(10);
/// Settling them takes at most so long.
pub const DRAIN_SETTLE: Duration = Duration::from_secs(5);
/// Sockets are closed spread over so long, so that they do not come back all at once.
pub const CLOSE_SPREAD: Duration = Duration::from_secs(2);

const _: () = assert!(
    BODY_BYTES * 2 < CLIENT_FRAME_BYTES,
    "a body with escapes fits a frame"
);
const _: () = assert!(
    PAGE_BYTES + REPLY_BYTES * 2 < OUTBOX_BYTES,
    "an outbox always admits one largest frame"
);
const _: () = assert!(
    OUTBOX_ROOM_BYTES + PAGE_BYTES * 2 + PAGE_BYTES < ATTACH_BYTES,
    "a room.joined fits: a page with every character escaped once, running texts counted as they are on the wire"
);
const _: () = assert!(
    OUTBOX_ROOM_BYTES + REPLY_BYTES * 6 < OUTBOX_BYTES
        && OUTBOX_ROOM_BYTES + RING_BYTES < ATTACH_BYTES
        && OUTBOX_ROOM_BYTES + ATTACH_BYTES < OUTBOX_BYTES,
    "what is handed out at once fits: one running text with escapes, a ring, one join"
);
const _: () = assert!(
    LEASE_OWN.as_millis() < LEASE_MS as u128,
    "a runner stops before its lease ends"
);
const _: () = assert!(
    PEER_TIMEOUT.as_secs() + CLOSE_TIMEOUT.as_secs() < 25
        && PING_INTERVAL.as_millis() < PEER_TIMEOUT.as_millis(),
    "a dead peer is freed in 25 s"
);
const _: () = assert!(
    WRITE_TIMEOUT.as_secs() + CLOSE_TIMEOUT.as_secs() <= 10,
    "a slow reader is closed in 10 s"
);
const _: () = assert!(
    LAYER_BACKOFF_MAX.as_millis() + LAYER_CONNECT_TIMEOUT.as_millis() < 3_000,
    "the layer is back within 3 s of Redis"
);
const _: () = assert!(
    PRESENCE_LIFETIME.as_millis() + PRESENCE_TICK.as_millis() * 2 + PRESENCE_INTERVAL.as_millis()
        <= 45_000
        && PRESENCE_LIFETIME.as_millis() > PRESENCE_WHOLE.as_millis() * 2,
    "presence is right 45 s after an instance died, and one lost publication changes nothing"
);
const _: () = assert!(
    PRESENCE_GRACE.as_millis() > DRAIN_NOTICE.as_millis() + CLOSE_SPREAD.as_millis(),
    "who comes back from a stopping instance was never away"
);
const _: () = assert!(
    PRESENCE_USERS * 16 + PRESENCE_NAMED * (NAME_CHARS * 4 + 19) + 64 < PRESENCE_BYTES
        && PRESENCE_BYTES < LAYER_MESSAGE_BYTES
        && PRESENCE_NAMED < 256
        && PRESENCE_USERS < 65_536,
    "the largest room fits a publication"
);
const _: () = assert!(
    HEADER_TIMEOUT.as_secs() <= 10 && BODY_TIMEOUT.as_secs() + 2 <= 10,
    "who sends slowly is ended in 10 s"
);
const _: () = assert!(
    LOOKUP_WAIT.as_millis() + (DATABASE_MS as u128) < HEADER_TIMEOUT.as_millis(),
    "a handshake in a storm is answered before a balancer gives it up"
);
const _: () = assert!(
    LOCK_WAIT_MS < WRITE_MS
        && STATEMENT_MS < DATABASE_MS
        && DATABASE_MS < 5_000
        && WRITER_WAIT.as_millis() + (WRITE_MS as u128) < 5_000,
    "a database that hangs is answered for in 5 s"
);
const _: () = assert!(
    LOCK_WAIT_MS < STATEMENT_MS && STATEMENT_MS < TRANSACTION_MS,
    "a lock is given up before its statement, a statement before its transaction"
);
const _: () = assert!(
    EVENT_STREAMS < HTTP_CONNECTIONS,
    "event streams leave connections to other requests"
);
const _: () = assert!(
    EVENT_STREAM_TIME.as_secs() > PROVIDER_TOTAL_TIMEOUT.as_secs(),
    "an event stream outlives the longest reply"
);
const _: () = assert!(
    CHAT_GRACE.as_millis()
        > DRAIN_NOTICE.as_millis() + REPLY_GRACE.as_millis() + DRAIN_SETTLE.as_millis(),
    "a call of /api/chat hears how its reply was settled"
);
