//! What a history holds, in numbers. No judgement.

use std::collections::BTreeMap;

use crate::frame::Seen;
use crate::history::{Act, History, How};
use crate::record::Phase;
use crate::replay::Replay;

/// Percentiles of some times.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Latency {
    /// How many there were.
    pub count: u64,
    /// Half took no longer, in microseconds.
    pub p50_us: u64,
    /// 95 of 100 took no longer.
    pub p95_us: u64,
    /// 99 of 100 took no longer.
    pub p99_us: u64,
    /// None took longer.
    pub max_us: u64,
}

impl Latency {
    fn of(mut nanoseconds: Vec<u64>) -> Self {
        nanoseconds.sort_unstable();
        let at = |percent: usize| {
            let index = nanoseconds.len().saturating_sub(1) * percent / 100;
            nanoseconds.get(index).copied().unwrap_or(0) / 1_000
        };
        Self {
            count: nanoseconds.len() as u64,
            p50_us: at(50),
            p95_us: at(95),
            p99_us: at(99),
            max_us: at(100),
        }
    }
}

/// What a history holds.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// The run's title.
    pub title: String,
    /// What its schedule was drawn from.
    pub seed: u64,
    /// Lines.
    pub records: u64,
    /// Its length in milliseconds.
    pub length_ms: u64,
    /// Users' sessions.
    pub clients: u64,
    /// Sockets.
    pub sockets: u64,
    /// Closes, by who and with which code.
    pub closes: BTreeMap<String, u64>,
    /// Operations begun.
    pub operations: u64,
    /// Sends among them, tries of the same id counted apart.
    pub sends: u64,
    /// Sends that were acked, each id once.
    pub acked: u64,
    /// Acks that said the message had been there.
    pub duplicate_acks: u64,
    /// Operations of unknown outcome.
    pub unknown: u64,
    /// Operations that the history does not see end.
    pub unfinished: u64,
    /// Operations refused for good, by code.
    pub failed: BTreeMap<String, u64>,
    /// Refusals of operations that went on.
    pub refusals: u64,
    /// Frames received.
    pub received: u64,
    /// Versioned frames that moved a cursor.
    pub applied: u64,
    /// Versioned frames at or below the cursor.
    pub duplicates: u64,
    /// Versioned frames that came while a join was unanswered.
    pub ignored: u64,
    /// Pieces of replies.
    pub deltas: u64,
    /// Pieces of replies that the socket did not know of.
    pub unknown_deltas: u64,
    /// Settled replies of which a socket had been shown less than was stored.
    pub short_replies: u64,
    /// Joins that were answered.
    pub joins: u64,
    /// Joins of a room that the socket had joined.
    pub rejoins: u64,
    /// Faults begun, by the row of the matrix.
    pub faults: BTreeMap<String, u64>,
    /// Messages in the database.
    pub stored: u64,
    /// Replies in the database.
    pub replies: u64,
    /// From a send's beginning to its ack.
    pub ack: Latency,
    /// From a send's ack to its frame at each other client.
    pub delivery: Latency,
    /// From `healed` until each client stood at the head of all its rooms; clients that stood there before are 0.
    pub convergence: Latency,
}

/// Counts everything.
pub(crate) fn summarise(history: &History, replay: &Replay) -> Summary {
    let mut summary = Summary {
        records: history.records,
        length_ms: history.end / 1_000_000,
        clients: history.clients.len() as u64,
        sockets: history.sockets.len() as u64,
        operations: history.ops.len() as u64,
        refusals: history.refusals,
        applied: replay.applied.values().sum(),
        duplicates: replay.duplicates.values().map(|(count, _)| count).sum(),
        ignored: replay.ignored,
        unknown_deltas: replay.unknown_deltas,
        short_replies: replay.short_replies,
        joins: replay.joins.len() as u64,
        rejoins: replay.rejoins,
        stored: history
            .rooms
            .values()
            .map(|room| room.messages.len() as u64)
            .sum(),
        replies: history
            .rooms
            .values()
            .map(|room| room.replies.len() as u64)
            .sum(),
        delivery: Latency::of(replay.delivery.clone()),
        convergence: convergence(history, replay),
        ..Summary::default()
    };
    if let Some((title, seed)) = &history.run {
        (summary.title, summary.seed) = (title.clone(), *seed);
    }
    operations(history, &mut summary);
    for fault in history
        .faults
        .iter()
        .filter(|fault| fault.phase == Phase::Begin)
    {
        let row = history.names.text(fault.row).to_owned();
        *summary.faults.entry(row).or_default() += 1;
    }
    for socket in &history.sockets {
        if let Some(closed) = socket.closed {
            let code = closed
                .code
                .map_or_else(|| "none".to_owned(), |code| code.to_string());
            let name = format!("{:?} {code}", closed.by).to_lowercase();
            *summary.closes.entry(name).or_default() += 1;
        }
        for event in &socket.events {
            let sent = matches!(event.seen, Seen::Join { .. } | Seen::Leave { .. });
            summary.received += u64::from(!sent);
            summary.deltas += u64::from(matches!(event.seen, Seen::Delta { .. }));
        }
    }
    summary
}

fn operations(history: &History, summary: &mut Summary) {
    let mut acks = Vec::new();
    let mut acked = std::collections::HashSet::new();
    for op in &history.ops {
        let id = match op.act {
            Act::Send { room, id, .. } => Some((room, id)),
            _ => None,
        };
        summary.sends += u64::from(id.is_some());
        let Some(end) = op.end else {
            summary.unfinished += 1;
            continue;
        };
        match (end.how, id) {
            (How::Ok(ack), Some(id)) => {
                acks.push(end.t.saturating_sub(op.t));
                summary.duplicate_acks += u64::from(ack.duplicate);
                acked.insert(id);
            }
            (How::Ok(_), None) => {}
            (How::Info, _) => summary.unknown += 1,
            (How::Fail(code), _) => {
                let code = history.names.text(code).to_owned();
                *summary.failed.entry(code).or_default() += 1;
            }
        }
    }
    summary.acked = acked.len() as u64;
    summary.ack = Latency::of(acks);
}

fn convergence(history: &History, replay: &Replay) -> Latency {
    let Some(healed) = history.healed else {
        return Latency::default();
    };
    let mut clients = std::collections::HashMap::new();
    for ((client, ..), book) in &replay.books {
        if let Some(reached) = book.reached {
            let took = reached.saturating_sub(healed.t);
            let slowest = clients.entry(*client).or_insert(took);
            *slowest = took.max(*slowest);
        }
    }
    Latency::of(clients.into_values().collect())
}
