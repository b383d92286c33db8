//! Replays every socket by the rule that clients follow (`docs/protocol.md`, "What a client must do"), and says where the
//! server broke its side of it: C3, C4, C9 and C10 as far as one socket can tell. What each client ended with is handed to
//! the checks. `socket` holds the rule of the cursor, `joins` that of `room.joined`, `text` that of deltas.

mod ends;
mod facts;
mod joins;
mod pages;
mod socket;
mod text;

use std::collections::HashMap;

use crate::frame::PageAt;
use crate::history::History;
use crate::message::Marks;
use crate::names::Name;
use crate::report::{Check, Report};
use facts::Facts;

/// What came of replaying everything.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    /// What each client holds of each room and epoch.
    pub(crate) books: HashMap<BookKey, Book>,
    /// Where each socket stood in each room when it ended.
    pub(crate) standings: Vec<Standing>,
    /// Every answered join.
    pub(crate) joins: Vec<Join>,
    /// Versioned frames that each client applied.
    pub(crate) applied: HashMap<usize, u64>,
    /// Versioned frames at or below the cursor, and a line that shows one.
    pub(crate) duplicates: HashMap<usize, (u64, u32)>,
    /// Joins of a room that the socket had joined.
    pub(crate) rejoins: u64,
    /// Versioned frames ignored while a join was unanswered.
    pub(crate) ignored: u64,
    /// Deltas of replies that the socket did not know.
    pub(crate) unknown_deltas: u64,
    /// Settled replies of which a socket held less than was stored.
    pub(crate) short_replies: u64,
    /// Nanoseconds from the ack of a message to its frame at each client, live or after coming back.
    pub(crate) delivery: Vec<u64>,
    /// What was held after each frame that told only what changed.
    pub(crate) partials: Vec<Changed>,
    /// Pages of history that were asked for.
    pub(crate) pages: Vec<Page>,
}

/// A page of history with its question.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) client: usize,
    pub(crate) room: Name,
    /// Of the room as it is joined on the socket; none when it was never joined there.
    pub(crate) epoch: Option<Name>,
    pub(crate) at: PageAt,
    pub(crate) limit: i64,
    /// When and where it was asked for.
    pub(crate) asked: (u64, u32),
    pub(crate) line: u32,
    /// Seq and version of each message.
    pub(crate) messages: Vec<(i64, i64)>,
    pub(crate) older: Option<bool>,
    pub(crate) newer: Option<bool>,
}

/// A message as it was held after a frame that told only what changed.
#[derive(Clone, Debug)]
pub(crate) struct Changed {
    pub(crate) room: Name,
    pub(crate) epoch: Option<Name>,
    pub(crate) seq: i64,
    pub(crate) version: i64,
    pub(crate) digest: u64,
    pub(crate) marks: Marks,
    /// The line of what was held before, and the frame's.
    pub(crate) base: u32,
    pub(crate) line: u32,
}

/// A client, a room and which of its histories.
pub(crate) type BookKey = (usize, Name, Option<Name>);

/// What a client holds of a room.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// By seq.
    pub(crate) held: HashMap<i64, Held>,
    /// The highest cursor it ever had in this epoch.
    pub(crate) top: i64,
    /// Whether it was ever given this history.
    pub(crate) known: bool,
    /// When it first stood at the final head.
    pub(crate) reached: Option<u64>,
    /// Cursors it joined with: version, line.
    pub(crate) named: Vec<(i64, u32)>,
}

/// A message as a client holds it.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) version: i64,
    pub(crate) digest: u64,
    pub(crate) marks: Marks,
    pub(crate) line: u32,
}

/// How a socket stood to a room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// Never joined.
    Never,
    /// Joined and in step.
    Joined,
    /// Joined, then out of step: what comes is ignored until the next `room.joined`.
    Deaf,
    /// Left.
    Left,
    /// Told that it is no longer a member.
    Removed,
    /// A join was refused for good.
    Refused,
}

/// Where a socket stood in a room when it ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) socket: usize,
    pub(crate) client: usize,
    pub(crate) room: Name,
    pub(crate) state: State,
    pub(crate) epoch: Option<Name>,
    pub(crate) cursor: i64,
    /// `head` of the last `room.joined`.
    pub(crate) proof: i64,
    /// The last line about the room.
    pub(crate) line: u32,
    /// The time of it.
    pub(crate) t: u64,
}

/// An answered join.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Join {
    pub(crate) client: usize,
    pub(crate) room: Name,
    /// When and where it was asked; the answer's when the history does not say.
    pub(crate) asked: (u64, u32),
    pub(crate) t: u64,
    pub(crate) line: u32,
    pub(crate) head: i64,
    pub(crate) private: bool,
}

/// Replays all sockets, each client's together: they share what it holds.
pub(crate) fn replay(history: &History, report: &mut Report) -> Replay {
    let facts = Facts::new(history);
    let mut replay = Replay::default();
    let mut order: Vec<(usize, u64, usize)> = history
        .sockets
        .iter()
        .enumerate()
        .filter_map(|(index, socket)| Some((socket.client?, socket.opened, index)))
        .collect();
    order.sort_unstable();
    for own in order.chunk_by(|(one, ..), (other, ..)| one == other) {
        let Some((client, ..)) = own.first() else {
            continue;
        };
        let own = own.iter().filter_map(|(_, _, index)| {
            let socket = history.sockets.get(*index)?;
            Some((*index, socket))
        });
        let sockets: Vec<_> = own.collect();
        socket::SocketReplay::new(history, &facts, report, &mut replay, *client).run(&sockets);
    }
    named_cursors(history, &replay, report);
    replay
}

/// A client that names a cursor it never had has lost what lies between, or its history is not whole.
fn named_cursors(history: &History, replay: &Replay, report: &mut Report) {
    for ((client, room, _), book) in &replay.books {
        for (after, line) in &book.named {
            // Of a history that it was never shown nothing can be said: what the question is of may be another file's.
            if book.known && *after > book.top {
                let client = history.clients.get(*client).map(|client| client.name);
                report.add(Check::C3, &[*line], || {
                    format!(
                        "{} came back to {} with cursor {after}, but had only reached {}",
                        history.names.optional(client),
                        history.names.text(*room),
                        book.top
                    )
                });
            }
        }
    }
}
