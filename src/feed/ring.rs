//! The recent ranges of one room, for sockets that come back with a cursor and for those that join: bounded in
//! ranges and bytes. Kept by the feed; a cursor older than the ring reads pages from the database instead.

use std::collections::VecDeque;

use crate::ids::{UserId, Version};
use crate::limits;
use crate::protocol::frame::Frame;
use crate::protocol::publication::{ChangeRange, Effect};

/// Recent ranges, each beginning where the one before it ended.
#[derive(Debug)]
pub struct Ring {
    ranges: VecDeque<ChangeRange>,
    bytes: usize,
    /// A cursor below this cannot be served.
    start: Version,
}

impl Ring {
    /// A ring that begins at a version with nothing in it.
    #[must_use]
    pub const fn new(start: Version) -> Self {
        Self {
            ranges: VecDeque::new(),
            bytes: 0,
            start,
        }
    }

    /// The lowest cursor that can be served.
    #[must_use]
    pub const fn start(&self) -> Version {
        self.start
    }

    /// Adds the range just emitted. A tombstone in it cuts everything below: what was deleted is not replayed.
    /// What is replayed is whole: who comes back may lack what a shorter frame builds on.
    pub fn push(&mut self, mut range: ChangeRange) {
        range.short = Vec::new();
        if let Some(tombstone) = range
            .entries
            .iter()
            .rev()
            .find(|entry| entry.effect == Effect::Tombstone)
        {
            self.start = tombstone.version - 1;
            self.ranges.clear();
            self.bytes = 0;
        }
        self.bytes += range.frames.len();
        self.ranges.push_back(range);
        while self.bytes > limits::RING_BYTES || self.ranges.len() > limits::RING_RANGES {
            let Some(oldest) = self.ranges.pop_front() else {
                break;
            };
            self.bytes -= oldest.frames.len();
            self.start = self.start.max(oldest.to);
        }
    }

    /// The frames above a cursor, as runs in order; `None` when the cursor is older than the ring.
    #[must_use]
    pub fn above(&self, cursor: Version) -> Option<Vec<Frame>> {
        if cursor < self.start {
            return None;
        }
        Some(
            self.ranges
                .iter()
                .filter(|range| range.to > cursor)
                .map(|range| range.frames_above(cursor))
                .filter(|run| !run.is_empty())
                .collect(),
        )
    }

    /// Whether the user was removed above the version its proof was made at, or the room was deleted.
    #[must_use]
    pub fn ends_proof(&self, user: UserId, proof: Version) -> bool {
        self.ranges
            .iter()
            .filter(|range| range.to > proof)
            .flat_map(|range| &range.entries)
            .any(|entry| {
                entry.version > proof
                    && match entry.effect {
                        Effect::Removed { user: removed, .. } => removed == user,
                        Effect::RoomDeleted => true,
                        _ => false,
                    }
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::rows::{LogKind, LogRow, StoredChange, UserKind, UserRow};
    use crate::ids::Epoch;

    fn range(from: Version, to: Version, removed: Option<UserId>, padding: usize) -> ChangeRange {
        let changes: Vec<StoredChange> = (from + 1..=to)
            .map(|version| {
                let user = removed.map(|id| UserRow {
                    id,
                    name: "ada".into(),
                    kind: UserKind::User,
                });
                let kind = if user.is_some() {
                    LogKind::Removed
                } else {
                    LogKind::Settings
                };
                let data = serde_json::json!({ "padding": "x".repeat(padding) });
                StoredChange::Log(LogRow {
                    version,
                    kind,
                    user,
                    role: None,
                    data,
                })
            })
            .collect();
        ChangeRange::encode("r", Epoch(1), from, to, &changes)
    }

    #[test]
    fn it_serves_what_it_holds_and_knows_what_it_does_not() {
        let mut ring = Ring::new(10);
        ring.push(range(10, 12, None, 0));
        ring.push(range(12, 15, None, 0));
        assert!(ring.above(9).is_none());
        let frames = |cursor| {
            ring.above(cursor)
                .unwrap()
                .iter()
                .map(|run| run.payloads().count())
                .sum::<usize>()
        };
        assert_eq!(
            (frames(10), frames(11), frames(14), frames(15), frames(99)),
            (5, 4, 1, 0, 0)
        );
    }

    #[test]
    fn it_forgets_the_oldest_at_its_bound() {
        let mut ring = Ring::new(0);
        for version in 0..30 {
            ring.push(range(version, version + 1, None, limits::RING_BYTES / 10));
        }
        assert!(ring.bytes <= limits::RING_BYTES);
        assert!(
            ring.start() > 15
                && ring.above(ring.start()).is_some()
                && ring.above(ring.start() - 1).is_none()
        );
    }

    #[test]
    fn a_removal_ends_older_proofs_only() {
        let (ada, bob) = (UserId::new(), UserId::new());
        let mut ring = Ring::new(0);
        ring.push(range(0, 1, Some(ada), 0));
        assert!(ring.ends_proof(ada, 0));
        assert!(!ring.ends_proof(ada, 1));
        assert!(!ring.ends_proof(bob, 0));
    }
}
