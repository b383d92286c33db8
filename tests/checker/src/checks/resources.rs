//! C12: what a process or server holds after everything healed is at most `at_most`, where the history says so, else at most
//! twice what it held before the first fault; and no connection idles in a transaction. A measure without a counterpart and
//! without a bound is passed over.

use std::collections::HashMap;

use crate::history::{History, Measure};
use crate::names::Name;
use crate::record::Moment;
use crate::report::{Check, Report};

/// Applies it.
pub(super) fn check(history: &History, report: &mut Report) {
    let mut before: HashMap<(Name, Name), &Measure> = HashMap::new();
    let mut after: HashMap<(Name, Name), &Measure> = HashMap::new();
    for measure in &history.resources {
        let key = (measure.of, measure.kind);
        match measure.moment {
            Moment::Before => {
                let highest = before.entry(key).or_insert(measure);
                if highest.value < measure.value {
                    *highest = measure;
                }
            }
            // The last one: it had the longest to come back.
            Moment::After => {
                after.insert(key, measure);
            }
        }
    }
    for (key, measure) in after {
        let start = before.get(&key).copied();
        let kind = history.names.text(measure.kind);
        let bound = if kind == "idle_in_transaction" {
            Some(0.0)
        } else {
            let named = measure.at_most.or(start.and_then(|start| start.at_most));
            named.or(start.map(|start| start.value * 2.0))
        };
        if let Some(bound) = bound.filter(|bound| measure.value > *bound) {
            let lines = [start.map_or(0, |start| start.line), measure.line];
            report.add(Check::C12, &lines, || {
                let (of, value) = (history.names.text(measure.of), measure.value);
                format!("{kind} of {of} is {value} at the end; it may be {bound}")
            });
        }
    }
}
