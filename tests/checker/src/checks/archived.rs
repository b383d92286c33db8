//! C9 for rooms that take nothing new: no send and no edit is acked at a version at which its room is archived. What settles,
//! goes or is marked may have a version there: a reply ends, a message is deleted, and a mark that was there is acked at
//! the version its message has. Settings that nobody was shown are not guessed.

use crate::history::{Act, History, Stored};
use crate::names::Name;
use crate::report::{Check, Report};

use super::seen::Sightings;

/// Applies it.
pub(super) fn check(history: &History, sightings: &Sightings, report: &mut Report) {
    for op in &history.ops {
        let (Act::Send { room, .. } | Act::Edit { room, .. }, Some((end, acked))) =
            (op.act, op.ok())
        else {
            continue;
        };
        let Some(version) = acked.version else {
            continue;
        };
        let Some(stored) = history.rooms.get(&room) else {
            continue;
        };
        if let Some((at, line)) = archived_at(history, sightings, (room, stored), version) {
            report.add(Check::C9, &[line, end.line], || {
                let slug = history.names.text(room);
                format!("a change of {slug} was acked at version {version}, which is archived since version {at}")
            });
        }
    }
}

/// Since which version the room is archived at a version, with the line that shows it; none when it is open there, or
/// nobody can tell.
fn archived_at(
    history: &History,
    sightings: &Sightings,
    (room, stored): (Name, &Stored),
    version: i64,
) -> Option<(i64, u32)> {
    let epoch = stored.head?.epoch;
    // An ack does not say of which epoch it is.
    if sightings
        .heads
        .keys()
        .any(|(of, seen)| *of == room && *seen != epoch)
    {
        return None;
    }
    let before = stored.log.iter().rev();
    let mut settings = before
        .filter(|entry| entry.version <= version && history.names.text(entry.kind) == "settings");
    let last = settings.next()?.version;
    let seen = sightings.all.get(&(room, Some(epoch), last))?;
    (seen.settings?.archived == Some(true)).then_some((last, seen.line))
}
