//! What the replay of one socket must know of the rest of the history: who was removed when, when each message was acked,
//! when each piece of a reply was first seen by anybody.

use std::collections::{HashMap, HashSet};

use crate::frame::Seen;
use crate::history::{Act, History};
use crate::names::Name;

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
