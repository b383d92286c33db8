//! What happened in a simulation: a hash of everything, to compare two runs of a seed, and the last lines, to read why
//! one failed.

use std::collections::VecDeque;
use std::fmt::{Arguments, Write};
use std::hash::{DefaultHasher, Hasher};

use super::setting;

/// Lines that are kept, unless `SALON_SIM_LINES` says otherwise.
const KEPT: u64 = 80;

/// The record of one run.
pub(super) struct Trace {
    hasher: DefaultHasher,
    lines: VecDeque<String>,
    kept: usize,
    pub(super) now_ms: u64,
}

impl Trace {
    pub(super) fn new() -> Self {
        Self {
            hasher: DefaultHasher::new(),
            lines: VecDeque::new(),
            kept: usize::try_from(setting("SALON_SIM_LINES").unwrap_or(KEPT)).unwrap(),
            now_ms: 0,
        }
    }

    /// Notes what happened now.
    pub(super) fn note(&mut self, what: Arguments<'_>) {
        let mut line = match self.lines.len() < self.kept {
            true => String::new(),
            false => self.lines.pop_front().unwrap_or_default(),
        };
        line.clear();
        let _ = write!(line, "{:>7} ms  {what}", self.now_ms);
        self.hasher.write(line.as_bytes());
        self.lines.push_back(line);
    }

    /// Two runs with one hash were the same.
    pub(super) fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    /// The last lines.
    pub(super) fn tail(&self) -> String {
        let lines: Vec<&str> = self.lines.iter().map(String::as_str).collect();
        lines.join("\n")
    }
}
