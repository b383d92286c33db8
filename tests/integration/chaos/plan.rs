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
        Self {
            seed: number("SALON_CHAOS_SEED").unwrap_or(SEED),
            title: "in brief".to_owned(),
            talkers: 16,
            rate: 150.0,
            acked: 20_500,
            faults: 49,
            kinds: 30,
            rows: Vec::new(),
            bound: Duration::from_secs(15),
            at_most: Duration::from_secs(300),
        }
        .with_wanted_size()
    }

    /// One segment of the long run with this seed.
    pub(crate) fn segment(run: u64, number: u64) -> Self {
        Self {
            seed: segment_seed(run, number),
            title: format!("segment {number} of the run with seed {run}"),
            rate: 430.0,
            acked: 40_000,
            faults: 20,
            kinds: 15,
            at_most: Duration::from_secs(600),
            ..Self::brief()
        }
        .with_wanted_size()
    }

    /// What the environment says of its size.
    fn with_wanted_size(mut self) -> Self {
        if let Ok(rows) = std::env::var("SALON_CHAOS_ROWS") {
            self.rows = rows.split(',').map(str::to_owned).collect();
            self.kinds = 1;
        }
        if let Some(faults) = self::number("SALON_CHAOS_FAULTS") {
            self.faults = usize::try_from(faults).unwrap();
            self.kinds = self.kinds.min(self.faults);
        }
        self.acked = self::number("SALON_CHAOS_ACKED").unwrap_or(self.acked);
        self
    }
}

/// The seed of one segment: of its own, and the same for the same run.
fn segment_seed(run: u64, number: u64) -> u64 {
    // SplitMix64's step: neighbours come out unlike.
    let mut mixed = run.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    // Short enough to be typed.
    (mixed ^ (mixed >> 31)) >> 24
}

/// The long run that the environment asks for, if it does.
pub(crate) struct Long {
    pub(crate) seed: u64,
    pub(crate) segments: u64,
    /// This one alone.
    pub(crate) only: Option<u64>,
    /// No segment begins later than this.
    pub(crate) time: Duration,
    /// Where histories, logs and verdicts are.
    pub(crate) folder: PathBuf,
}

impl Long {
    /// From `SALON_CHAOS_SEGMENTS` and its companions, which `tests/chaos` sets.
    pub(crate) fn wanted() -> Option<Self> {
        let segments = number("SALON_CHAOS_SEGMENTS")?;
        let minutes = number("SALON_CHAOS_MINUTES").unwrap_or(120);
        Some(Self {
            seed: number("SALON_CHAOS_SEED").unwrap_or(SEED),
            segments,
            only: number("SALON_CHAOS_ONLY"),
            time: Duration::from_secs(minutes * 60),
            folder: folder(),
        })
    }
}

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}: {text}")))
}

/// Whether the environment asks to keep histories of runs that went well.
pub(crate) fn keeps() -> bool {
    std::env::var_os("SALON_CHAOS_KEEP").is_some()
}

/// Where folders of runs are made.
pub(crate) fn folder() -> PathBuf {
    std::env::var_os("SALON_CHAOS_FOLDER").map_or_else(std::env::temp_dir, PathBuf::from)
}
