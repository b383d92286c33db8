//! The figures of one run, counted as its history is written: what was acknowledged and refused, how long answers and
//! deliveries took, which faults there were.

use std::collections::{BTreeMap, HashMap};

use salon_checker::record::{Action, Phase, Record, What};
use serde::{Deserialize, Serialize};

/// What was counted.
#[derive(Default)]
pub(crate) struct Tally {
    /// Messages acknowledged.
    pub(crate) acked: u64,
    /// Sends refused for good.
    pub(crate) failed: BTreeMap<String, u64>,
    /// Retryable refusals, by code.
    pub(crate) refused: BTreeMap<String, u64>,
    /// Operations whose first answer was a retryable refusal.
    pub(crate) refused_at_first: u64,
    /// Operations that nobody knows the outcome of.
    pub(crate) unknown: u64,
    /// Answers to sends that had been stored before.
    pub(crate) duplicates: u64,
    /// Faults begun, by row.
    pub(crate) faults: BTreeMap<String, u64>,
    /// Frames received.
    pub(crate) received: u64,
    /// Sockets that were welcomed.
    pub(crate) sockets: u64,
    /// Close codes, 0 for none.
    pub(crate) closed: BTreeMap<u16, u64>,
    /// From a send's first try to its ack, in milliseconds, faults and all.
    acks_ms: Vec<u32>,
    /// From a send's first try to each of its live deliveries.
    deliveries_ms: Vec<u32>,
    /// Operations without an answer.
    open: HashMap<String, Open>,
    /// When each `client_id` was first sent, and whether it was acknowledged.
    sent: HashMap<String, (u64, bool)>,
}

/// An operation without an answer.
struct Open {
    at: u64,
    refused: bool,
    /// Of a send.
    id: Option<String>,
}

/// The middle and the far end of some times, in milliseconds.
#[derive(Clone, Copy, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Times {
    pub(crate) count: usize,
    pub(crate) p50: u32,
    pub(crate) p99: u32,
    pub(crate) max: u32,
}

impl Tally {
    /// Counts one record.
    pub(crate) fn take(&mut self, record: &Record) {
        let t = record.t;
        match &record.what {
            What::Invoke { op, action, .. } => {
                let id = match action {
                    Action::Send { id, .. } => Some(id.clone()),
                    _ => None,
                };
                if let Some(id) = &id {
                    // One that was given up counts anew when it is taken up again.
                    self.sent.entry(id.clone()).or_insert((t, false)).0 = t;
                }
                let open = Open {
                    at: t,
                    refused: false,
                    id,
                };
                self.open.insert(op.clone(), open);
            }
            What::Ok { op, duplicate, .. } => {
                self.duplicates += u64::from(*duplicate);
                if let Some(open) = self.open.remove(op)
                    && let Some((_, acked)) = open.id.and_then(|id| self.sent.get_mut(&id))
                {
                    self.acked += u64::from(!*acked);
                    *acked = true;
                    self.acks_ms.push(millis(open.at, t));
                }
            }
            What::Fail { op, code } => {
                self.open.remove(op);
                *self.failed.entry(code.clone()).or_default() += 1;
            }
            What::Info { op, .. } => {
                self.open.remove(op);
                self.unknown += 1;
            }
            What::Refused { op, code } => {
                *self.refused.entry(code.clone()).or_default() += 1;
                if let Some(open) = self.open.get_mut(op) {
                    self.refused_at_first += u64::from(!open.refused);
                    open.refused = true;
                }
            }
            What::Received { frame, .. } => {
                self.received += 1;
                let id = frame["message"]["client_id"].as_str();
                if let Some((at, _)) = id.and_then(|id| self.sent.get(id)) {
                    self.deliveries_ms.push(millis(*at, t));
                }
            }
            What::Opened { .. } => self.sockets += 1,
            What::Closed { code, .. } => {
                *self.closed.entry(code.unwrap_or_default()).or_default() += 1;
            }
            What::Fault {
                row,
                phase: Phase::Begin,
                ..
            } => *self.faults.entry(row.clone()).or_default() += 1,
            _ => {}
        }
    }

    /// How long acks took.
    pub(crate) fn acks(&mut self) -> Times {
        times(&mut self.acks_ms)
    }

    /// How long deliveries took.
    pub(crate) fn deliveries(&mut self) -> Times {
        times(&mut self.deliveries_ms)
    }
}

fn millis(from: u64, to: u64) -> u32 {
    u32::try_from(to.saturating_sub(from) / 1_000_000).unwrap_or(u32::MAX)
}

fn times(all: &mut [u32]) -> Times {
    all.sort_unstable();
    let at = |part: usize| {
        let index = (all.len() * part / 100).min(all.len().saturating_sub(1));
        all.get(index).copied().unwrap_or_default()
    };
    Times {
        count: all.len(),
        p50: at(50),
        p99: at(99),
        max: all.last().copied().unwrap_or_default(),
    }
}
