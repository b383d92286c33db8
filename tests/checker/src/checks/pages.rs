//! Pages of history (C3, C4, C5): a page is what the room held in the range that was asked for, at one moment not before the
//! question. It has no hole and no message twice; it ends, begins or lies where it was asked to, with at least one message
//! where there is one; it lacks nothing that was acked before it was asked for; and no message in it is older than one moment
//! allows: where it shows version 9 of one, it does not show another as it was before its version 7. Versions count where
//! anybody saw them. A page may be shorter than asked, since texts are bounded too.

use std::collections::{HashMap, HashSet};

use super::seen::Sightings;
use crate::frame::PageAt;
use crate::history::{Act, Head, History};
use crate::names::Name;
use crate::replay::{Page, Replay};
use crate::report::{Check, Report};

/// A message of a room, in one of its epochs.
type InEpoch = (Name, Option<Name>, i64);
/// Where it was seen: version, line.
type Seen = (i64, u32);
/// What was acked: when, version or seq, line.
type Acked = (u64, i64, u32);

/// What is known beside a page.
struct Known {
    /// Versions at which each message was seen: room, epoch, seq.
    versions: HashMap<InEpoch, Vec<Seen>>,
    /// Acked changes of each message: when, version, line.
    changes: HashMap<(Name, i64), Vec<Acked>>,
    /// When which seq was the highest acked, ascending: time, seq, line.
    lasts: HashMap<Name, Vec<Acked>>,
}

/// Applies it.
pub(super) fn check(
    history: &History,
    replay: &Replay,
    sightings: &Sightings,
    report: &mut Report,
) {
    if replay.pages.is_empty() {
        return;
    }
    let known = Known::of(history, replay, sightings);
    for page in &replay.pages {
        let client = history.clients.get(page.client).map(|client| client.name);
        let judged = Judged {
            page,
            who: history.names.optional(client),
            slug: history.names.text(page.room),
            head: history.rooms.get(&page.room).and_then(|stored| stored.head),
        };
        judged.in_a_row(report);
        judged.in_place(report);
        judged.nothing_lacks(&known, report);
        judged.of_one_moment(&known, report);
    }
}

impl Known {
    fn of(history: &History, replay: &Replay, sightings: &Sightings) -> Self {
        let mut wanted = HashSet::new();
        for page in &replay.pages {
            let seqs = page.messages.iter().map(|(seq, _)| (page.room, *seq));
            wanted.extend(seqs);
        }
        let mut versions: HashMap<_, Vec<(i64, u32)>> = HashMap::new();
        for ((room, epoch, version), seen) in &sightings.all {
            if let Some(seq) = seen.seq.filter(|seq| wanted.contains(&(*room, *seq))) {
                let all = versions.entry((*room, *epoch, seq)).or_default();
                all.push((*version, seen.line));
            }
        }
        let mut changes: HashMap<_, Vec<(u64, i64, u32)>> = HashMap::new();
        let mut lasts: HashMap<Name, Vec<(u64, i64, u32)>> = HashMap::new();
        for op in &history.ops {
            let Some((end, acked)) = op.ok() else {
                continue;
            };
            match op.act {
                Act::Edit { room, seq, .. }
                | Act::Delete { room, seq }
                | Act::Mark { room, seq } => {
                    let version = acked.version.unwrap_or(0);
                    let all = changes.entry((room, seq)).or_default();
                    all.push((end.t, version, end.line));
                }
                Act::Send { room, .. } => {
                    if let Some(seq) = acked.seq {
                        let all = lasts.entry(room).or_default();
                        all.push((end.t, seq, end.line));
                    }
                }
                _ => {}
            }
        }
        for all in lasts.values_mut() {
            all.sort_unstable();
            let mut highest = 0;
            all.retain(|(_, seq, _)| {
                let is_higher = *seq > highest;
                highest = highest.max(*seq);
                is_higher
            });
        }
        Self {
            versions,
            changes,
            lasts,
        }
    }

    /// The highest seq that was acked before a time, with its line.
    fn last(&self, room: Name, t: u64) -> Option<(i64, u32)> {
        let all = self.lasts.get(&room)?;
        let before = all.partition_point(|(acked, ..)| *acked < t);
        let (_, seq, line) = all.get(before.checked_sub(1)?)?;
        Some((*seq, *line))
    }
}

/// One page.
struct Judged<'a> {
    page: &'a Page,
    who: &'a str,
    slug: &'a str,
    head: Option<Head>,
}

impl Judged<'_> {
    fn lines(&self) -> [u32; 2] {
        [self.page.asked.1, self.page.line]
    }

    /// The first seq that is kept in the end; at the page's time it was no higher.
    fn kept_from(&self) -> i64 {
        self.head.map_or(1, |head| head.first_seq)
    }

    fn first(&self) -> Option<i64> {
        self.page.messages.first().map(|(seq, _)| *seq)
    }

    fn last(&self) -> Option<i64> {
        self.page.messages.last().map(|(seq, _)| *seq)
    }

    fn in_a_row(&self, report: &mut Report) {
        let Self {
            page, who, slug, ..
        } = self;
        let following = page.messages.iter().skip(1);
        for ((seq, _), (next, _)) in page.messages.iter().zip(following) {
            if next == seq {
                report.add(Check::C4, &self.lines(), || {
                    format!("{who} was shown message {seq} of {slug} twice in one page of history")
                });
            } else if *next != seq.saturating_add(1) {
                report.add(Check::C3, &self.lines(), || {
                    format!("the page of history {who} got of {slug} goes from {seq} to {next}")
                });
            }
        }
        let count = i64::try_from(page.messages.len()).unwrap_or(i64::MAX);
        if count > page.limit {
            report.add(Check::C3, &self.lines(), || {
                let limit = page.limit;
                format!("{who} asked for {limit} messages of {slug} and got {count}")
            });
        }
    }

    fn in_place(&self, report: &mut Report) {
        let Self {
            page, who, slug, ..
        } = self;
        let (first, last) = (self.first(), self.last());
        let is_in_place = match page.at {
            PageAt::Latest => true,
            PageAt::Before(seq) => last.is_none_or(|last| last < seq),
            // What retention took was taken from the beginning.
            PageAt::After(seq) => first.is_none_or(|first| {
                first > seq && first <= self.kept_from().max(seq.saturating_add(1))
            }),
            PageAt::Around(seq) => page.messages.iter().any(|(shown, _)| *shown == seq),
        };
        if !is_in_place {
            report.add(Check::C3, &self.lines(), || {
                let at = page.at;
                format!("{who} asked {slug} for the page {at:?} and got {first:?} to {last:?}")
            });
        }
        let none_older = page.older == Some(false);
        if none_older && first.is_some_and(|first| first > self.kept_from()) {
            report.add(Check::C3, &self.lines(), || {
                format!("{who} was told that nothing of {slug} is older than {first:?}")
            });
        }
    }

    /// What was acked before the question, and is kept to the end, is there.
    fn nothing_lacks(&self, known: &Known, report: &mut Report) {
        let Self {
            page, who, slug, ..
        } = self;
        let Some((acked, line)) = known.last(page.room, page.asked.0) else {
            return;
        };
        let top = self.last();
        let wanted = match page.at {
            PageAt::Latest => acked,
            PageAt::Before(seq) => acked.min(seq.saturating_sub(1)),
            PageAt::After(seq) if acked > seq && top.is_none() => acked,
            PageAt::After(_) | PageAt::Around(_) => i64::MIN,
        };
        let [asked, shown] = self.lines();
        if wanted >= self.kept_from() && top.is_none_or(|top| top < wanted) {
            report.add(Check::C3, &[line, asked, shown], || {
                format!("the page of history {who} got of {slug} ends at {top:?}, and {acked} was acked before it was asked for")
            });
        }
        let none_newer = page.newer == Some(false);
        if none_newer && top.is_some_and(|top| top < acked) {
            report.add(Check::C3, &[line, asked, shown], || {
                format!("{who} was told that nothing of {slug} is newer than {top:?}, and {acked} was acked before")
            });
        }
    }

    fn of_one_moment(&self, known: &Known, report: &mut Report) {
        let Self {
            page, who, slug, ..
        } = self;
        let [asked, shown] = self.lines();
        let moment = page.messages.iter().map(|(_, version)| *version).max();
        let moment = moment.unwrap_or(0);
        for (seq, version) in &page.messages {
            let seen = known.versions.get(&(page.room, page.epoch, *seq));
            let seen = seen.map_or(&[][..], Vec::as_slice);
            let between = |(later, _): &&(i64, u32)| *version < *later && *later <= moment;
            if let Some((later, line)) = seen.iter().find(between) {
                report.add(Check::C5, &[*line, asked, shown], || {
                    format!("a page {who} got of {slug} shows version {moment}, but message {seq} as it was at {version}, before {later}")
                });
            }
            let changes = known.changes.get(&(page.room, *seq));
            // What was so already is acked at a version that is none of the message's.
            let is_its_own = |version: i64| seen.iter().any(|(seen, _)| *seen == version);
            let mut changes = changes.into_iter().flatten();
            if let Some((_, later, line)) = changes
                .find(|(t, later, _)| *t < page.asked.0 && version < later && is_its_own(*later))
            {
                report.add(Check::C3, &[*line, asked, shown], || {
                    format!("a page {who} got of {slug} shows message {seq} at version {version}; its change at {later} was acked before the question")
                });
            }
        }
    }
}
