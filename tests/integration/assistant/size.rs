//! How large a run is and how strict: in brief, or, where `SALON_ASSISTANT=full` says so, at the size that is promised. Read
//! by every test of this crate.

use std::fmt::Write as _;
use std::time::Duration;

/// Whether the run is at full size, against the program that `SALON_PROGRAM` names.
pub(crate) fn is_full() -> bool {
    std::env::var("SALON_ASSISTANT").is_ok_and(|size| size == "full")
}

/// How many of something.
pub(crate) fn count(in_brief: usize, full: usize) -> usize {
    if is_full() { full } else { in_brief }
}

/// How long something takes at most: as promised at full size; in brief a debug build shares its cores with others.
pub(crate) fn bound(in_brief_ms: u64, promised_ms: u64) -> Duration {
    Duration::from_millis(if is_full() { promised_ms } else { in_brief_ms })
}

/// Times that were taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    /// One more.
    pub(crate) fn push(&mut self, took: Duration) {
        self.0.push(took);
    }

    /// Those of another too.
    pub(crate) fn extend(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// What so many in a hundred did not exceed.
    pub(crate) fn percentile(&self, hundredth: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let place = (sorted.len() * hundredth / 100).min(sorted.len().saturating_sub(1));
        sorted.get(place).copied().unwrap_or_default()
    }

    /// For the figures that a run prints.
    pub(crate) fn told(&self) -> String {
        let mut told = format!("{} taken", self.len());
        for hundredth in [50, 99, 100] {
            let _ = write!(told, ", p{hundredth} {:.1?}", self.percentile(hundredth));
        }
        told
    }
}
