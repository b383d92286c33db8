//! What one run does: its seed, how large it is, what it must reach. The same plan gives the same schedule of faults.

use std::path::PathBuf;
use std::time::Duration;

/// The seed of the run in `tests/run`.
const SEED: u64 = 20_261_125;

/// One segment: a deployment, a load, a schedule of faults, a verdict.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Everything random follows from it.
    pub(crate) seed: u64,
    /// For people.
    pub(crate) title: String,
    /// Users that talk.
    pub(crate) talkers: usize,
    /// Sends per second, of all together.
    pub(crate) rate: f64,
    /// Acknowledged messages before the load ends.
    pub(crate) acked: u64,
    /// Faults.
    pub(crate) faults: usize,
    /// Kinds that must be among them.
    pub(crate) kinds: usize,
    /// Only these rows of the matrix; all when empty.
    pub(crate) rows: Vec<String>,
    /// After the last fault is healed everybody has everything within this.
    pub(crate) bound: Duration,
    /// The longest that load and faults may take; past it the run has failed.
    pub(crate) at_most: Duration,
}

impl Plan {
    /// The run in `tests/run`: small, but with everything in it.
    pub(crate) fn brief() -> Self {
        let rows = std::env::var("SALON_CHAOS_ROWS").unwrap_or_default();
        Self {
            seed: number("SALON_CHAOS_SEED").unwrap_or(SEED),
            title: "in brief".to_owned(),
            talkers: 16,
            rate: 150.0,
            acked: number("SALON_CHAOS_ACKED").unwrap_or(20_500),
            faults: usize::try_from(number("SALON_CHAOS_FAULTS").unwrap_or(44)).unwrap(),
            kinds: if rows.is_empty() { 30 } else { 1 },
            rows: rows
                .split(',')
                .filter(|row| !row.is_empty())
                .map(str::to_owned)
                .collect(),
            bound: Duration::from_secs(20),
            at_most: Duration::from_secs(300),
        }
    }
}

/// A number from the environment.
pub(crate) fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}: {text}")))
}

/// Whether the environment asks to keep histories of runs that went well.
pub(crate) fn keeps() -> bool {
    std::env::var_os("SALON_CHAOS_KEEP").is_some()
}

/// Where a run's folder is made.
pub(crate) fn folder() -> PathBuf {
    std::env::var_os("SALON_CHAOS_FOLDER").map_or_else(std::env::temp_dir, PathBuf::from)
}
