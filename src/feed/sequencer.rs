//! The heart of the feed, pure: turns ranges that arrive late, twice, out of order or not at all into the
//! ordered stream of P3, and says when the database must be read. It knows no sockets, no clock and no I/O: the
//! feed hands in ranges and the time, and sends what comes out.
//!
//! What it holds to, whatever comes in: what it emits ascends in version, without a repeat and without a hole that a
//! later change does not cover; it asks for a fill whenever something it was told of is missing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::ids::{Cursor, Epoch, Version};
use crate::limits;
use crate::protocol::publication::ChangeRange;

/// The state of one room's stream on one instance.
#[derive(Debug)]
pub struct Sequencer {
    epoch: Epoch,
    version: Version,
    /// Ranges that begin above `version`, by where they begin, and when they came.
    early: BTreeMap<Version, (ChangeRange, Instant)>,
    /// Something may have been missed since the last fill began.
    dirty: bool,
    /// The highest head seen above `version`, and until when its publication may still come.
    head: Option<(Version, Instant)>,
    /// A fill did not come: then it is asked for again.
    retry: Option<Instant>,
    /// A range or a head of another epoch was seen: only the database can tell which holds.
    other_epoch: bool,
}

/// When to read the database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FillDue {
    /// Nothing is known to be missing.
    Never,
    /// At once.
    Now,
    /// Then, unless what is missing comes before.
    At(Instant),
}

impl Sequencer {
    /// A stream that begins at what was read from the database.
    #[must_use]
    pub fn new(start: Cursor) -> Self {
        Self {
            epoch: start.epoch,
            version: start.version,
            early: BTreeMap::new(),
            dirty: false,
            head: None,
            retry: None,
            other_epoch: false,
        }
    }

    /// The history it follows.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The version up to which everything was emitted.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Takes a range, published or filled, and returns what can be emitted now, in order. Each returned range begins
    /// where the one before it ended (a first `prev` may lie lower: what is known is dropped).
    #[must_use]
    pub fn accept(&mut self, range: ChangeRange, now: Instant) -> Vec<ChangeRange> {
        if range.epoch != self.epoch {
            self.other_epoch = true;
            self.dirty = true;
            return Vec::new();
        }
        if range.to <= self.version {
            return Vec::new();
        }
        if range.from > self.version {
            self.hold(range, now);
            return Vec::new();
        }
        let mut ready = vec![self.advance(range)];
        while let Some((&from, _)) = self.early.first_key_value() {
            if from > self.version {
                break;
            }
            if let Some((_, (range, _))) = self.early.pop_first()
                && range.to > self.version
            {
                ready.push(self.advance(range));
            }
        }
        if self.head.is_some_and(|(head, _)| head <= self.version) {
            self.head = None;
        }
        ready
    }

    /// Something may have been missed: a lost connection, a full channel, a message nobody could vouch for.
    pub const fn mark_dirty(&mut self) {
        self.dirty = true;
    }

    /// The database's head was seen; its publication has `limits::HEAD_GRACE` to come.
    pub fn head_seen(&mut self, head: Cursor, now: Instant) {
        if head.epoch != self.epoch {
            self.other_epoch = true;
            self.dirty = true;
        } else if head.version > self.version {
            let deadline = self
                .head
                .map_or(now + limits::HEAD_GRACE, |(_, deadline)| deadline);
            let version = self
                .head
                .map_or(head.version, |(seen, _)| seen.max(head.version));
            self.head = Some((version, deadline));
        }
    }

    /// When the database must be read.
    #[must_use]
    pub fn fill_due(&self) -> FillDue {
        if self.dirty {
            return FillDue::Now;
        }
        let early = self
            .early
            .values()
            .map(|(_, came)| *came + limits::EARLY_HOLD)
            .min();
        let head = self.head.map(|(_, deadline)| deadline);
        let due = [early, head, self.retry].into_iter().flatten().min();
        due.map_or(FillDue::Never, FillDue::At)
    }

    /// A fill begins: read what follows the returned version. What goes wrong from here on asks for another.
    pub fn begin_fill(&mut self) -> Version {
        self.dirty = false;
        self.retry = None;
        self.version
    }

    /// The fill did not come; ask again after `delay`.
    pub fn fill_failed(&mut self, now: Instant, delay: Duration) {
        // Nothing need be missing at all: only that it is not known is remembered, and that until the next fill.
        self.retry = Some(now + delay);
        if let Some((_, deadline)) = &mut self.head {
            *deadline = now + delay;
        }
        for (_, came) in self.early.values_mut() {
            *came = now + delay;
        }
    }

    /// A complete fill was taken that ended at `head`: nothing below it is missing any more.
    pub fn fill_complete(&mut self, head: Cursor) {
        if head.epoch == self.epoch && head.version <= self.version {
            self.other_epoch = false;
            self.head = self.head.filter(|(seen, _)| *seen > self.version);
        }
    }

    fn hold(&mut self, range: ChangeRange, now: Instant) {
        if self.early.len() >= limits::EARLY_RANGES {
            self.dirty = true;
            return;
        }
        match self.early.get(&range.from) {
            Some((held, _)) if held.to >= range.to => {}
            _ => {
                self.early.insert(range.from, (range, now));
            }
        }
    }

    /// Moves to the end of a range that joins, cutting off what was emitted before.
    fn advance(&mut self, range: ChangeRange) -> ChangeRange {
        let above = self.version;
        self.version = range.to;
        if range.from == above {
            return range;
        }
        let first = range
            .entries
            .partition_point(|entry| entry.version <= above);
        let entries = range.entries.get(first..).unwrap_or_default();
        let start = entries
            .first()
            .map_or(range.frames.len(), |entry| entry.offset);
        let short = range.short.into_iter();
        ChangeRange {
            epoch: range.epoch,
            from: above,
            to: range.to,
            short: short.filter(|short| short.version > above).collect(),
            frames: range.frames.slice(start..),
            entries: entries
                .iter()
                .map(|entry| crate::protocol::publication::Entry {
                    offset: entry.offset - start,
                    ..*entry
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::rows::{LogKind, LogRow, StoredChange};
    use proptest::prelude::*;

    const EPOCH: Epoch = Epoch(1);

    fn range_of(
        versions: impl IntoIterator<Item = Version>,
        from: Version,
        to: Version,
    ) -> ChangeRange {
        let changes: Vec<StoredChange> = versions
            .into_iter()
            .map(|version| {
                StoredChange::Log(LogRow {
                    version,
                    kind: LogKind::Settings,
                    user: None,
                    role: None,
                    data: serde_json::json!({}),
                })
            })
            .collect();
        ChangeRange::encode("r", EPOCH, from, to, &changes)
    }

    fn range(from: Version, to: Version) -> ChangeRange {
        range_of(from + 1..=to, from, to)
    }

    fn emitted(ranges: &[ChangeRange]) -> Vec<Version> {
        ranges
            .iter()
            .flat_map(|range| range.entries.iter().map(|entry| entry.version))
            .collect()
    }

    #[test]
    fn what_continues_is_emitted_and_what_is_known_is_dropped() {
        let now = Instant::now();
        let mut sequencer = Sequencer::new(Cursor {
            epoch: EPOCH,
            version: 0,
        });
        assert_eq!(emitted(&sequencer.accept(range(0, 3), now)), [1, 2, 3]);
        assert!(emitted(&sequencer.accept(range(1, 3), now)).is_empty());
        let part = sequencer.accept(range(1, 5), now);
        assert_eq!(emitted(&part), [4, 5]);
        assert_eq!(part[0].frames_above(0).payloads().count(), 2);
        assert_eq!(sequencer.fill_due(), FillDue::Never);
    }

    #[test]
    fn what_is_early_waits_and_then_asks_for_a_fill() {
        let now = Instant::now();
        let mut sequencer = Sequencer::new(Cursor {
            epoch: EPOCH,
            version: 0,
        });
        assert!(sequencer.accept(range(2, 4), now).is_empty());
        assert_eq!(sequencer.fill_due(), FillDue::At(now + limits::EARLY_HOLD));
        assert_eq!(emitted(&sequencer.accept(range(0, 2), now)), [1, 2, 3, 4]);
        assert_eq!(sequencer.fill_due(), FillDue::Never);
    }

    #[test]
    fn a_head_without_its_publication_asks_for_a_fill() {
        let now = Instant::now();
        let mut sequencer = Sequencer::new(Cursor {
            epoch: EPOCH,
            version: 4,
        });
        sequencer.head_seen(
            Cursor {
                epoch: EPOCH,
                version: 4,
            },
            now,
        );
        assert_eq!(sequencer.fill_due(), FillDue::Never);
        sequencer.head_seen(
            Cursor {
                epoch: EPOCH,
                version: 6,
            },
            now,
        );
        assert_eq!(sequencer.fill_due(), FillDue::At(now + limits::HEAD_GRACE));
        assert_eq!(sequencer.begin_fill(), 4);
        // Version 5 was superseded by 6: the fill jumps over it.
        assert_eq!(emitted(&sequencer.accept(range_of([6], 4, 6), now)), [6]);
        assert_eq!(sequencer.fill_due(), FillDue::Never);
    }

    #[test]
    fn a_failed_fill_is_asked_for_again_and_then_no_more() {
        let now = Instant::now();
        let start = Cursor {
            epoch: EPOCH,
            version: 4,
        };
        let mut sequencer = Sequencer::new(start);
        sequencer.mark_dirty();
        assert_eq!(sequencer.begin_fill(), 4);
        let delay = Duration::from_millis(500);
        sequencer.fill_failed(now, delay);
        assert_eq!(sequencer.fill_due(), FillDue::At(now + delay));
        // Nothing was missing: the next one that comes is the last.
        assert_eq!(sequencer.begin_fill(), 4);
        sequencer.fill_complete(start);
        assert_eq!(sequencer.fill_due(), FillDue::Never);
    }

    #[test]
    fn another_epoch_is_never_emitted() {
        let now = Instant::now();
        let mut sequencer = Sequencer::new(Cursor {
            epoch: EPOCH,
            version: 0,
        });
        let mut other = range(0, 1);
        other.epoch = Epoch(2);
        assert!(sequencer.accept(other, now).is_empty());
        assert_eq!(sequencer.fill_due(), FillDue::Now);
    }

    proptest! {
        /// Any loss, duplication, reordering and replay of ranges in, the stream of P3 out.
        #[test]
        fn the_stream_is_whole_whatever_arrives(
            sizes in prop::collection::vec(1_i64..5, 1..40),
            moves in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..4), 0..120),
        ) {
            let mut ranges = Vec::new();
            let mut top = 0;
            for size in sizes {
                ranges.push(range(top, top + size));
                top += size;
            }
            let now = Instant::now();
            let mut sequencer = Sequencer::new(Cursor { epoch: EPOCH, version: 0 });
            let mut seen = Vec::new();
            for (index, kind) in moves {
                let picked = index.get(&ranges).clone();
                match kind {
                    0..=2 => seen.extend(emitted(&sequencer.accept(picked, now))),
                    _ => {
                        // A fill of what follows, cut at the picked range, with the odd versions superseded.
                        let from = sequencer.begin_fill();
                        if picked.to > from {
                            let kept = (from + 1..=picked.to).filter(|v| v % 2 == 0 || *v == picked.to);
                            seen.extend(emitted(&sequencer.accept(range_of(kept, from, picked.to), now)));
                        }
                    }
                }
            }
            sequencer.head_seen(Cursor { epoch: EPOCH, version: top }, now);
            if sequencer.version() < top {
                prop_assert_ne!(sequencer.fill_due(), FillDue::Never);
            }
            let from = sequencer.begin_fill();
            seen.extend(emitted(&sequencer.accept(range(from, top), now)));
            prop_assert_eq!(sequencer.version(), top);
            prop_assert_eq!(seen.last().copied(), Some(top));
            prop_assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "ascending, no repeats: {:?}", seen);
            prop_assert!(sequencer.early.is_empty());
            // A hole is only ever an odd version that a fill left out as superseded.
            for version in 1..=top {
                prop_assert!(seen.contains(&version) || version % 2 == 1);
            }
        }
    }
}
