//! What came of one segment: its figures, what it must have reached, and the checker's word on its history.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::plan::Plan;
use super::tally::{Tally, Times};

/// The verdict, as its file has it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) seed: u64,
    pub(crate) seconds: f64,
    pub(crate) acked: u64,
    pub(crate) duplicates: u64,
    pub(crate) failed: BTreeMap<String, u64>,
    pub(crate) refused: BTreeMap<String, u64>,
    pub(crate) refused_at_first: u64,
    pub(crate) unknown: u64,
    pub(crate) faults: BTreeMap<String, u64>,
    pub(crate) received: u64,
    pub(crate) sockets: u64,
    pub(crate) closed: BTreeMap<u16, u64>,
    pub(crate) acks_ms: Times,
    pub(crate) deliveries_ms: Times,
    /// From the last heal until everybody had everything.
    pub(crate) caught_up_ms: Option<u64>,
    /// What the checker found.
    pub(crate) violations: Vec<String>,
    /// What the run itself did not reach.
    pub(crate) complaints: Vec<String>,
}

impl Verdict {
    /// The figures of a run, and whether it was large enough.
    pub(crate) fn of(plan: &Plan, mut tally: Tally, took: Duration) -> Self {
        let (acks_ms, deliveries_ms) = (tally.acks(), tally.deliveries());
        let mut complaints = Vec::new();
        if tally.acked < plan.acked {
            complaints.push(format!("{} acked, {} wanted", tally.acked, plan.acked));
        }
        let faults: u64 = tally.faults.values().sum();
        if faults < plan.faults as u64 || tally.faults.len() < plan.kinds {
            complaints.push(format!("{faults} faults: {:?}", tally.faults));
        }
        Self {
            seed: plan.seed,
            seconds: took.as_secs_f64(),
            acked: tally.acked,
            duplicates: tally.duplicates,
            failed: tally.failed,
            refused: tally.refused,
            refused_at_first: tally.refused_at_first,
            unknown: tally.unknown,
            faults: tally.faults,
            received: tally.received,
            sockets: tally.sockets,
            closed: tally.closed,
            acks_ms,
            deliveries_ms,
            caught_up_ms: None,
            violations: Vec::new(),
            complaints,
        }
    }

    /// Has the checker judge the history.
    pub(crate) fn judge(&mut self, history: &Path) {
        let report = salon_checker::check_file(history).unwrap();
        let file = File::open(history).unwrap();
        let lines = salon_checker::show::lines_of(&report, BufReader::new(file)).unwrap();
        std::fs::write(
            history.with_file_name("judgement.txt"),
            salon_checker::show::text(&report, &lines),
        )
        .unwrap();
        let violations = report.violations.iter();
        self.violations = violations
            .map(|violation| format!("{:?}: {}", violation.check, violation.said))
            .collect();
        let malformed = report.malformed.iter();
        self.complaints
            .extend(malformed.map(|bad| format!("line {}: {}", bad.line, bad.said)));
        if self.caught_up_ms.is_none() {
            self.complaints.push("not everybody caught up".to_owned());
        }
    }

    /// Fails when anything is wrong.
    pub(crate) fn check(&self) {
        assert!(
            self.is_good(),
            "seed {}: {:#?} {:#?}",
            self.seed,
            self.violations,
            self.complaints
        );
    }

    /// Whether nothing at all is wrong.
    pub(crate) fn is_good(&self) -> bool {
        self.violations.is_empty() && self.complaints.is_empty()
    }
}
