//! C5 and C6 against the database. C5: what anybody saw at the version at which a message stands is what the database has
//! there. C6: whatever was seen was committed. A version above the head, a message that is not there, one at a higher
//! version than it ever had, a change that the log does not have: none of them was. A send refused for good leaves nothing
//! (unless another try of the same id ended otherwise).
//! Versions that were superseded cannot be compared with the database; two clients that saw them are compared as they are
//! gathered (`seen`).

use std::collections::HashMap;

use super::seen::{Sighting, Sightings, final_epoch};
use crate::history::{Act, Head, History, How, Row, Stored};
use crate::names::Name;
use crate::replay::Replay;
use crate::report::{Check, Report};

/// Applies both.
pub(super) fn check(
    history: &History,
    replay: &Replay,
    sightings: &Sightings,
    report: &mut Report,
) {
    changed(history, replay, sightings, report);
    for ((room, epoch, version), seen) in &sightings.all {
        let stored = history.rooms.get(room);
        let Some((stored, head)) = stored.and_then(|stored| Some((stored, stored.head?))) else {
            continue;
        };
        if final_epoch(history, *room) == *epoch {
            let slug = history.names.text(*room);
            committed(history, (slug, *version), seen, stored, head, report);
        }
    }
    for ((room, epoch), (version, line)) in &sightings.heads {
        let head = history.rooms.get(room).and_then(|stored| stored.head);
        if let Some(head) = head.filter(|head| head.epoch == *epoch && *version > head.version) {
            let slug = history.names.text(*room);
            report.add(Check::C6, &[*line, head.line], || {
                let head = head.version;
                format!("room.joined of {slug} speaks of version {version}, above the head {head}")
            });
        }
    }
    refused(history, sightings, report);
}

/// What somebody held after a frame that told only what changed is what stood at its version.
fn changed(history: &History, replay: &Replay, sightings: &Sightings, report: &mut Report) {
    for held in &replay.partials {
        let (room, version, line) = (held.room, held.version, held.line);
        let seen = sightings.all.get(&(room, held.epoch, version));
        let whole = seen.filter(|seen| seen.digest.is_some());
        let row = history.rooms.get(&room).and_then(|stored| {
            let is_final = final_epoch(history, room) == held.epoch;
            stored
                .row(held.seq)
                .filter(|row| is_final && row.version == version)
        });
        let others = [
            whole.map(|seen| (seen.digest, seen.marks.as_ref(), seen.line)),
            row.map(|row| (Some(row.digest), Some(&row.marks), row.line)),
        ];
        for (digest, marks, other) in others.into_iter().flatten() {
            if digest.is_some_and(|digest| digest != held.digest)
                || marks.is_some_and(|marks| *marks != held.marks)
            {
                report.add(Check::C5, &[held.base, line, other], || {
                    let (slug, seq) = (history.names.text(room), held.seq);
                    format!("what changed about message {seq} of {slug} at version {version} was told to one who held it otherwise than it was")
                });
            }
        }
    }
}

fn committed(
    history: &History,
    (slug, version): (&str, i64),
    seen: &Sighting,
    stored: &Stored,
    head: Head,
    report: &mut Report,
) {
    if version > head.version {
        report.add(Check::C6, &[seen.line, head.line], || {
            let head = head.version;
            format!("version {version} of {slug} was seen, above the head {head}")
        });
        return;
    }
    let Some(seq) = seen.seq else {
        logged(history, (slug, version), seen, stored, head, report);
        return;
    };
    if seq < head.first_seq && seq > 0 {
        return;
    }
    match stored.row(seq) {
        None => report.add(Check::C6, &[seen.line, head.line], || {
            format!(
                "message {seq} of {slug} was seen at version {version}, but is not in the database"
            )
        }),
        Some(row) if row.version < version => {
            report.add(Check::C6, &[seen.line, row.line], || {
                let stands = row.version;
                format!(
                    "message {seq} of {slug} was seen at version {version}, but stands at {stands}"
                )
            });
        }
        Some(row) if row.version == version => {
            if let Some(field) = differs(seen, row) {
                report.add(Check::C5, &[seen.line, row.line], || {
                    format!("message {seq} of {slug} at version {version} was seen with another {field} than the database has")
                });
            }
        }
        Some(row) => {
            if let Some((before, line)) = stored.entry(version).map(|entry| (version, entry.line)) {
                report.add(Check::C5, &[seen.line, line, row.line], || {
                    format!("version {before} of {slug} was seen as message {seq}; in the log it is something else")
                });
            }
        }
    }
}

fn logged(
    history: &History,
    (slug, version): (&str, i64),
    seen: &Sighting,
    stored: &Stored,
    head: Head,
    report: &mut Report,
) {
    if version <= head.floor {
        return;
    }
    let Some((kind, user)) = seen.change else {
        return;
    };
    match stored.entry(version) {
        None => report.add(Check::C6, &[seen.line, head.line], || {
            let kind = history.names.text(kind);
            format!("{slug} was seen to change ({kind}) at version {version}, which the log does not have")
        }),
        Some(entry) if entry.kind != kind || (entry.user.is_some() && entry.user != user) => {
            report.add(Check::C5, &[seen.line, entry.line], || {
                format!("the change of {slug} at version {version} was seen as another than the log has")
            });
        }
        Some(_) => {}
    }
}

/// In what a sighting differs from the row at the same version.
fn differs(seen: &Sighting, row: &Row) -> Option<&'static str> {
    if seen.digest.is_some_and(|digest| digest != row.digest) {
        return Some("body");
    }
    if seen.marks.as_ref().is_some_and(|marks| *marks != row.marks) {
        return Some("reactions or pin");
    }
    if seen.state.is_some_and(|state| state != row.state) {
        return Some("state");
    }
    if seen.author.is_some_and(|author| author != row.author) {
        return Some("author");
    }
    (seen.id.is_some() && seen.id != row.id).then_some("client_id")
}

/// Sends of which every try was refused for good.
fn refused(history: &History, sightings: &Sightings, report: &mut Report) {
    let mut failed: HashMap<(Name, Name), u32> = HashMap::new();
    for op in &history.ops {
        if let (Act::Send { room, id, .. }, Some(How::Fail(_))) =
            (op.act, op.end.map(|end| end.how))
        {
            failed.insert((room, id), op.end.map_or(op.line, |end| end.line));
        }
    }
    for op in &history.ops {
        if let Act::Send { room, id, .. } = op.act
            && !matches!(op.end.map(|end| end.how), Some(How::Fail(_)))
        {
            failed.remove(&(room, id));
        }
    }
    if failed.is_empty() {
        return;
    }
    for (room, stored) in &history.rooms {
        for row in &stored.messages {
            let line = row.id.and_then(|id| failed.get(&(*room, id)));
            if let Some(line) = line {
                report.add(Check::C6, &[*line, row.line], || {
                    let (slug, seq) = (history.names.text(*room), row.seq);
                    format!("message {seq} of {slug} is in the database though its send was refused for good")
                });
            }
        }
    }
    for ((room, id), line) in &failed {
        if let Some((seq, seen)) = sightings.ids.get(&(*room, *id)) {
            report.add(Check::C6, &[*line, *seen], || {
                let slug = history.names.text(*room);
                format!("message {seq} of {slug} was seen though its send was refused for good")
            });
        }
    }
}
