//! The checks: what each demands stands at the head of its file. All are pure: a history and its replay go in, violations
//! come out. C3 and C4, and the parts of C9 and C10 that one socket can tell, are judged while replaying (`crate::replay`).

mod agreement;
mod archived;
mod changes;
mod convergence;
mod duplicates;
mod durable;
mod gapless;
mod ids;
mod logs;
mod order;
mod pages;
mod presence;
mod removal;
mod replies;
mod resolved;
mod resources;
mod seen;

use crate::history::History;
use crate::replay::Replay;
use crate::report::Report;
use seen::Sightings;

/// Applies all of them.
pub(crate) fn all(history: &History, replay: &Replay, report: &mut Report) {
    let sightings = Sightings::gather(history, report);
    durable::check(history, report);
    changes::check(history, report);
    gapless::check(history, &sightings, report);
    duplicates::check(history, replay, report);
    pages::check(history, replay, &sightings, report);
    agreement::check(history, replay, &sightings, report);
    ids::check(history, &sightings, report);
    order::check(history, &sightings, report);
    removal::check(history, replay, report);
    archived::check(history, &sightings, report);
    replies::check(history, report);
    convergence::check(history, replay, &sightings, report);
    resources::check(history, report);
    logs::check(history, report);
    resolved::check(history, report);
}
