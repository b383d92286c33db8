//! C4, the wire: versioned frames at or below the cursor do no harm, but each was promised once. On all sockets of a client
//! together they may be a hundredth of the frames it applied, and ten. What comes while a join is unanswered is ignored by
//! clients and not counted here. That nobody is *shown* a message twice is judged in the replay.

use crate::history::History;
use crate::replay::Replay;
use crate::report::{Check, Report};

/// Duplicates that are nothing to speak of.
const FREE: u64 = 10;
/// One in so many applied frames may come twice.
const ONE_IN: u64 = 100;

/// Applies it.
pub(super) fn check(history: &History, replay: &Replay, report: &mut Report) {
    for (client, (count, line)) in &replay.duplicates {
        let applied = replay.applied.get(client).copied().unwrap_or(0);
        if *count > FREE + applied / ONE_IN {
            let name = history.clients.get(*client).map(|client| client.name);
            report.add(Check::C4, &[*line], || {
                let name = history.names.optional(name);
                format!("{name} got {count} frames at or below its cursor, and {applied} above it")
            });
        }
    }
}
