//! What the replay of one socket must know of the rest of the history: who was removed when, when each message was acked,
//! when each piece of a reply was first seen by anybody.

use std::collections::{HashMap, HashSet};

use crate::frame::Seen;
use crate::history::{Act, History};
use crate::names::Name;
use crate::record::Phase;

/// How much longer than what was stored the text shown of an interrupted reply may have been in the making: the half second
/// between two saves, and what one delivery may take longer than another.
const LOST_NS: u64 = 500_000_000 + 300_000_000;
/// The same while an instance hears nothing from the others: then a delivery may take a second and a half.
const LOST_UNHEARD_NS: u64 = 500_000_000 + 1_500_000_000;
/// Rows of faults by which instances do not hear each other (Redis), stand still, or cannot save (the database).
const UNHEARD: &[&str] = &[
    "F2", "F6", "F7", "F8", "F9", "F10", "F11", "F12", "F13", "F14", "F15", "F16", "F17", "F18",
    "F19", "F20", "F21", "F22", "F23", "F24", "F25", "F26", "F48", "F55",
];
/// After such a fault all is as before within so long.
const HEARD_AGAIN_NS: u64 = 3_000_000_000;

/// A piece of a reply: room, seq, attempt, first chunk.
pub(crate) type Piece = (Name, i64, i64, i64);

/// All of it.
pub(crate) struct Facts {
    removals: HashMap<(Name, Name), Vec<(i64, u32)>>,
    deletions: HashMap<Name, (i64, u32)>,
    pub(crate) acked: HashMap<(Name, i64), u64>,
    pub(crate) pieces: HashMap<Piece, u64>,
    /// Messages that may have been marked.
    pub(crate) marked: HashSet<(Name, i64)>,
    /// Messages whose deletion was acked: when, at which version, in which line.
    pub(crate) gone: HashMap<(Name, i64), (u64, i64, u32)>,
    /// When instances may not have heard each other, or may not have saved.
    unheard: Vec<(u64, u64)>,
}

impl Facts {
    /// Gathers them.
    pub(crate) fn new(history: &History) -> Self {
        let mut facts = Self {
            removals: HashMap::new(),
            deletions: HashMap::new(),
            acked: HashMap::new(),
            pieces: HashMap::new(),
            marked: HashSet::new(),
            gone: HashMap::new(),
            unheard: unheard(history),
        };
        for (room, stored) in &history.rooms {
            for entry in &stored.log {
                match (history.names.text(entry.kind), entry.user) {
                    ("removed" | "member_removed", Some(user)) => facts
                        .removals
                        .entry((*room, user))
                        .or_default()
                        .push((entry.version, entry.line)),
                    ("deleted", _) => {
                        facts.deletions.insert(*room, (entry.version, entry.line));
                    }
                    _ => {}
                }
            }
        }
        for op in &history.ops {
            match (op.act, op.ok()) {
                (Act::Mark { room, seq }, _) => drop(facts.marked.insert((room, seq))),
                (Act::Delete { room, seq }, Some((end, acked))) => {
                    let version = acked.version.unwrap_or(0);
                    let gone = (end.t, version, end.line);
                    facts.gone.entry((room, seq)).or_insert(gone);
                }
                _ => {}
            }
            if let (Act::Send { room, .. }, Some((end, acked))) = (op.act, op.ok())
                && let Some(seq) = acked.seq
            {
                facts.acked.entry((room, seq)).or_insert(end.t);
            }
        }
        for event in history.sockets.iter().flat_map(|socket| &socket.events) {
            if let Seen::Delta {
                room,
                seq,
                attempt,
                chunk,
                ..
            } = event.seen
            {
                let first = facts
                    .pieces
                    .entry((room, seq, attempt, chunk))
                    .or_insert(event.t);
                *first = event.t.min(*first);
            }
        }
        facts
    }

    /// For how long text that was shown between these times may have been in the making and be lost.
    pub(crate) fn may_lose_ns(&self, first: u64, last: u64) -> u64 {
        let mut times = self.unheard.iter();
        match times.any(|(from, to)| *from <= last && first <= *to) {
            true => LOST_UNHEARD_NS,
            false => LOST_NS,
        }
    }

    /// The first removal of a user above one version and below another, with its line. The end of the room is everybody's.
    pub(crate) fn removed_between(
        &self,
        room: Name,
        user: Option<Name>,
        above: i64,
        below: i64,
    ) -> Option<(i64, u32)> {
        let removals = user.and_then(|user| self.removals.get(&(room, user)));
        removals
            .into_iter()
            .flatten()
            .chain(self.deletions.get(&room))
            .copied()
            .filter(|(version, _)| above < *version && *version < below)
            .min()
    }
}

/// The times of the faults by which instances do not hear each other or cannot save.
fn unheard(history: &History) -> Vec<(u64, u64)> {
    let mut begun: HashMap<Name, Vec<u64>> = HashMap::new();
    let mut times = Vec::new();
    for fault in &history.faults {
        if !UNHEARD.contains(&history.names.text(fault.row)) {
            continue;
        }
        match fault.phase {
            Phase::Begin => begun.entry(fault.row).or_default().push(fault.t),
            Phase::Heal => {
                let from = begun.entry(fault.row).or_default().pop();
                times.push((from.unwrap_or(0), fault.t.saturating_add(HEARD_AGAIN_NS)));
            }
        }
    }
    // What nobody mended lasts.
    let lasting = begun.into_values().flatten();
    times.extend(lasting.map(|from| (from, u64::MAX)));
    times
}
