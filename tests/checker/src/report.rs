//! What a check of a history came to. Built by the checks, shown by [`crate::show`].

use std::collections::BTreeMap;

use crate::summary::Summary;

/// Violations of one check that are kept whole; the rest are only counted. A broken promise often breaks for every
/// message, and nobody reads more.
const KEPT: usize = 100;
/// Lines of bad form that are kept.
const MALFORMED_KEPT: usize = 100;

/// The checks; what each says is in the README beside the crate.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Check {
    /// Every acked message is in the database.
    C1,
    /// Seqs and versions have no hole.
    C2,
    /// Every client gets every change, in order.
    C3,
    /// Nobody sees a message twice.
    C4,
    /// Everybody agrees on what stands where.
    C5,
    /// Nothing is seen that was not committed.
    C6,
    /// One row for each id; each resend gets its seq.
    C7,
    /// The order of senders and of real time.
    C8,
    /// Nothing after a removal or a revocation, nothing new in an archived room.
    C9,
    /// Each prompt has one reply, and everybody the same words of it.
    C10,
    /// All reach the head in time after everything healed.
    C11,
    /// Resources go back to where they were.
    C12,
    /// Logs hold no secret and no panic; every close has a reason.
    C13,
    /// What stayed unknown resolves to exactly one row.
    C14,
}

impl Check {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::C1,
        Self::C2,
        Self::C3,
        Self::C4,
        Self::C5,
        Self::C6,
        Self::C7,
        Self::C8,
        Self::C9,
        Self::C10,
        Self::C11,
        Self::C12,
        Self::C13,
        Self::C14,
    ];

    /// What it demands, in a few words.
    #[must_use]
    pub const fn demand(self) -> &'static str {
        match self {
            Self::C1 => "every acked message is in the database",
            Self::C2 => "seqs and versions have no hole",
            Self::C3 => "every client gets every change, in order",
            Self::C4 => "nobody is shown a message twice",
            Self::C5 => "everybody agrees on what stands where",
            Self::C6 => "nothing is seen that was not committed",
            Self::C7 => "one row for each id, one seq for each resend",
            Self::C8 => "senders' order and real-time order",
            Self::C9 => "nothing after a removal or a revocation",
            Self::C10 => "one reply for each prompt, the same words for everyone",
            Self::C11 => "all reach the head in time once everything is healed",
            Self::C12 => "resources go back to where they were",
            Self::C13 => "logs hold no secret and no panic, closes have a reason",
            Self::C14 => "what stayed unknown resolves to exactly one row",
        }
    }
}

/// A promise that was broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Which check says so.
    pub check: Check,
    /// What happened, for people.
    pub said: String,
    /// The lines of the history that show it, counted from 1.
    pub lines: Vec<u32>,
}

/// A line that is no record of this form, or contradicts another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Malformed {
    /// Which, counted from 1.
    pub line: u32,
    /// What is wrong with it.
    pub said: String,
}

/// What a check of a history came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Violations, the first hundred of each check.
    pub violations: Vec<Violation>,
    /// How many each check found.
    pub found: BTreeMap<Check, u64>,
    /// Lines that could not be taken, the first hundred.
    pub malformed: Vec<Malformed>,
    /// How many there were.
    pub malformed_found: u64,
    /// What the history holds.
    pub summary: Summary,
}

impl Report {
    /// Whether no promise was broken and every line could be read.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.found.is_empty() && self.malformed_found == 0
    }

    /// How many violations a check found.
    #[must_use]
    pub fn count(&self, check: Check) -> u64 {
        self.found.get(&check).copied().unwrap_or(0)
    }

    /// Adds a violation. Its words are made only when it is kept.
    pub(crate) fn add(&mut self, check: Check, lines: &[u32], said: impl FnOnce() -> String) {
        let count = self.found.entry(check).or_default();
        *count += 1;
        if *count <= KEPT as u64 {
            let mut lines: Vec<u32> = lines.iter().copied().filter(|line| *line > 0).collect();
            lines.sort_unstable();
            lines.dedup();
            let said = said();
            self.violations.push(Violation { check, said, lines });
        }
    }

    /// Takes over what the reading found; the violations then go by their check.
    pub(crate) fn take_malformed(&mut self, mut malformed: Vec<Malformed>) {
        self.malformed_found = malformed.len() as u64;
        malformed.sort_by_key(|bad| bad.line);
        malformed.truncate(MALFORMED_KEPT);
        self.malformed = malformed;
        self.violations.sort_by_key(|violation| violation.check);
    }
}
