//! A history in memory: compact, joined up by names, with the number of the line each part came from. Made by `read`,
//! looked at by `replay`, the checks and the summary; nobody changes it.

use std::collections::HashMap;

use crate::frame::Seen;
use crate::message::Marks;
use crate::names::{Name, Names, digest};
use crate::record::{Action, Moment, Phase, Side};
use crate::report::Malformed;

/// The whole history.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Every string.
    pub(crate) names: Names,
    /// What could not be taken.
    pub(crate) malformed: Vec<Malformed>,
    /// By [`Socket::client`] and [`Op::client`].
    pub(crate) clients: Vec<Client>,
    /// In the order they were first named.
    pub(crate) sockets: Vec<Socket>,
    /// In the order of their `t`.
    pub(crate) ops: Vec<Op>,
    /// In the order of the file.
    pub(crate) faults: Vec<Fault>,
    /// When everything was healed.
    pub(crate) healed: Option<Healed>,
    /// What the database held at the end.
    pub(crate) rooms: HashMap<Name, Stored>,
    /// Measures.
    pub(crate) resources: Vec<Measure>,
    /// Lines of logs.
    pub(crate) logs: Vec<LogLine>,
    /// What no log may hold.
    pub(crate) secrets: Vec<Secret>,
    /// The highest `t`.
    pub(crate) end: u64,
    /// Retryable refusals of operations that went on.
    pub(crate) refusals: u64,
    /// Lines, blank ones not counted.
    pub(crate) records: u64,
    /// `title` and `seed` of the run.
    pub(crate) run: Option<(String, u64)>,
}

/// One user's session.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) name: Name,
    /// None when the history never said.
    pub(crate) user: Option<Name>,
    pub(crate) line: u32,
}

/// One socket.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) name: Name,
    /// Index into [`History::clients`]; none when it was never opened.
    pub(crate) client: Option<usize>,
    pub(crate) opened: u64,
    pub(crate) line: u32,
    pub(crate) closed: Option<Closed>,
    /// Sent and received, in the order of the file.
    pub(crate) events: Vec<Event>,
}

/// A socket's end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closed {
    pub(crate) t: u64,
    pub(crate) line: u32,
    pub(crate) code: Option<u16>,
    pub(crate) by: Side,
}

/// Something on a socket.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) t: u64,
    pub(crate) line: u32,
    pub(crate) seen: Seen,
}

/// One operation.
#[derive(Debug)]
pub(crate) struct Op {
    pub(crate) name: Name,
    pub(crate) client: usize,
    pub(crate) t: u64,
    pub(crate) line: u32,
    pub(crate) act: Act,
    /// None when the history ends before.
    pub(crate) end: Option<End>,
}

/// What an operation wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// What asks a reply to go on has no text of its own.
    Send {
        room: Name,
        id: Name,
        digest: Option<u64>,
    },
    Remove {
        room: Name,
        user: Name,
    },
    Add {
        room: Name,
        user: Name,
    },
    Revoke {
        of: Name,
        bound_ms: u64,
    },
    Stop {
        room: Name,
    },
    Retry {
        room: Name,
    },
    Edit {
        room: Name,
        seq: i64,
        digest: u64,
    },
    Delete {
        room: Name,
        seq: i64,
    },
    /// A reaction or a pin, put on or taken off.
    Mark {
        room: Name,
        seq: i64,
    },
}

impl Act {
    /// What a client wants, as the history has it.
    pub(crate) fn of(action: &Action, names: &mut Names) -> Self {
        match action {
            Action::Send { room, id, hash, .. } => Self::Send {
                room: names.name(room),
                id: names.name(id),
                digest: Some(digest(hash)),
            },
            Action::Continue { room, id, .. } => Self::Send {
                room: names.name(room),
                id: names.name(id),
                digest: None,
            },
            Action::Remove { room, user } => Self::Remove {
                room: names.name(room),
                user: names.name(user),
            },
            Action::Add { room, user } => Self::Add {
                room: names.name(room),
                user: names.name(user),
            },
            Action::Revoke { of, bound_ms } => Self::Revoke {
                of: names.name(of),
                bound_ms: *bound_ms,
            },
            Action::Stop { room, .. } => Self::Stop {
                room: names.name(room),
            },
            Action::Retry { room, .. } => Self::Retry {
                room: names.name(room),
            },
            Action::Edit { room, seq, hash } => Self::Edit {
                room: names.name(room),
                seq: *seq,
                digest: digest(hash),
            },
            Action::Delete { room, seq } => Self::Delete {
                room: names.name(room),
                seq: *seq,
            },
            Action::React { room, seq, .. } | Action::Pin { room, seq, .. } => Self::Mark {
                room: names.name(room),
                seq: *seq,
            },
        }
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) t: u64,
    pub(crate) line: u32,
    pub(crate) how: How,
}

/// How an operation ended.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum How {
    Ok(Acked),
    Fail(Name),
    Info,
}

/// What the server said of a success.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Acked {
    pub(crate) seq: Option<i64>,
    pub(crate) version: Option<i64>,
    pub(crate) duplicate: bool,
    pub(crate) reply_seq: Option<i64>,
}

impl Op {
    /// When and where it succeeded.
    pub(crate) fn ok(&self) -> Option<(End, Acked)> {
        let end = self.end?;
        match end.how {
            How::Ok(acked) => Some((end, acked)),
            How::Fail(_) | How::Info => None,
        }
    }
}

/// A fault begins or ends.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) t: u64,
    pub(crate) row: Name,
    pub(crate) phase: Phase,
}

/// The end of all faults.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Healed {
    pub(crate) t: u64,
    pub(crate) line: u32,
    pub(crate) bound_ns: u64,
}

/// A room in the database at the end.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    pub(crate) head: Option<Head>,
    /// By seq.
    pub(crate) messages: Vec<Row>,
    /// By version.
    pub(crate) log: Vec<Entry>,
    /// By seq.
    pub(crate) replies: Vec<Reply>,
    /// Every version that is in `messages` or `log`, ascending, with its line.
    pub(crate) versions: Vec<(i64, u32)>,
}

/// A room's counters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) epoch: Name,
    pub(crate) version: i64,
    pub(crate) first_seq: i64,
    pub(crate) last_seq: i64,
    pub(crate) floor: i64,
    pub(crate) line: u32,
}

/// A message's row.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) seq: i64,
    pub(crate) version: i64,
    pub(crate) author: Name,
    pub(crate) id: Option<Name>,
    pub(crate) state: Name,
    pub(crate) digest: u64,
    pub(crate) body: Option<Name>,
    pub(crate) deleted: bool,
    pub(crate) marks: Marks,
    pub(crate) line: u32,
}

/// A log's row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) version: i64,
    pub(crate) kind: Name,
    pub(crate) user: Option<Name>,
    pub(crate) line: u32,
}

/// A reply's row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reply {
    pub(crate) seq: i64,
    pub(crate) prompt_seq: i64,
    pub(crate) state: Name,
    pub(crate) attempt: i64,
    pub(crate) line: u32,
}

impl Stored {
    /// The row at a seq (the first, were there two).
    pub(crate) fn row(&self, seq: i64) -> Option<&Row> {
        let at = self.messages.partition_point(|row| row.seq < seq);
        self.messages.get(at).filter(|row| row.seq == seq)
    }

    /// The log's entry at a version.
    pub(crate) fn entry(&self, version: i64) -> Option<&Entry> {
        let at = self.log.partition_point(|entry| entry.version < version);
        self.log.get(at).filter(|entry| entry.version == version)
    }

    /// The first version that still stands strictly between two, with its line.
    pub(crate) fn standing_between(&self, above: i64, below: i64) -> Option<(i64, u32)> {
        let at = self
            .versions
            .partition_point(|(version, _)| *version <= above);
        self.versions
            .get(at)
            .copied()
            .filter(|(version, _)| *version < below)
    }

    /// Puts everything in order once all lines are read.
    pub(crate) fn sort(&mut self) {
        self.messages.sort_by_key(|row| (row.seq, row.line));
        self.log.sort_by_key(|entry| (entry.version, entry.line));
        self.replies.sort_by_key(|reply| (reply.seq, reply.line));
        self.versions = self
            .messages
            .iter()
            .map(|row| (row.version, row.line))
            .chain(self.log.iter().map(|entry| (entry.version, entry.line)))
            .collect();
        self.versions.sort_unstable();
    }
}

/// A measure.
#[derive(Debug)]
pub(crate) struct Measure {
    pub(crate) moment: Moment,
    pub(crate) of: Name,
    pub(crate) kind: Name,
    pub(crate) value: f64,
    pub(crate) at_most: Option<f64>,
    pub(crate) line: u32,
}

/// A line of a log.
#[derive(Debug)]
pub(crate) struct LogLine {
    pub(crate) t: u64,
    pub(crate) of: Name,
    pub(crate) text: Box<str>,
    pub(crate) line: u32,
}

/// A text that no log may hold.
#[derive(Debug)]
pub(crate) struct Secret {
    pub(crate) kind: Name,
    pub(crate) text: Box<str>,
    pub(crate) line: u32,
}
