//! C2: in each room of the database the seqs are `first_seq` to `last_seq` without a hole, each once; no version stands for
//! two changes or above the head; and each version above `floor` up to the head is that of a message or of the log, or was
//! superseded. That a version was superseded must show: somebody saw it as a message that now stands at a higher one, or it
//! is the one at which a reply was made (right after its prompt, in the same commit), or a retry took it. A retry nobody
//! saw accounts for the two versions it takes (the end that it undoes, and its own). An edit, a deletion and a mark take the version their
//! ack names; one without an ack may take one.

use std::collections::HashSet;

use super::changes::{changed, made_at};
use super::seen::{Sightings, final_epoch};
use crate::history::{Act, Head, History, How, Stored};
use crate::names::Name;
use crate::report::{Check, Report};

/// Versions of one hole that are reported one by one.
const REPORTED: i64 = 20;

/// Applies it.
pub(super) fn check(history: &History, sightings: &Sightings, report: &mut Report) {
    for (room, stored) in &history.rooms {
        let slug = history.names.text(*room);
        let Some(head) = stored.head else {
            let line = stored.versions.first().map_or(0, |(_, line)| *line);
            report.add(Check::C2, &[line], || {
                format!("{slug} has rows in the database but no head")
            });
            continue;
        };
        seqs(slug, stored, head, report);
        twice(slug, stored, head, report);
        versions(history, sightings, *room, stored, head, report);
    }
}

fn seqs(slug: &str, stored: &Stored, head: Head, report: &mut Report) {
    let mut next = head.first_seq;
    for row in &stored.messages {
        let (seq, lines) = (row.seq, [head.line, row.line]);
        if seq > next {
            let missing = next;
            report.add(Check::C2, &lines, || {
                format!("{slug} has no message {missing}, but one at {seq}")
            });
        } else if seq < next {
            report.add(Check::C2, &lines, || {
                format!("{slug} has message {seq} twice or below the first")
            });
        }
        next = seq.saturating_add(1).max(next);
    }
    if next != head.last_seq.saturating_add(1) {
        let last = next.saturating_sub(1);
        report.add(Check::C2, &[head.line], || {
            let head = head.last_seq;
            format!("the messages of {slug} end at {last}, its head says {head}")
        });
    }
}

fn twice(slug: &str, stored: &Stored, head: Head, report: &mut Report) {
    let later = stored.versions.iter().skip(1);
    for ((version, line), (next, other)) in stored.versions.iter().zip(later) {
        if version == next {
            report.add(Check::C2, &[*line, *other], || {
                format!("two changes of {slug} have version {version}")
            });
        }
    }
    if let Some((version, line)) = stored.versions.last()
        && *version > head.version
    {
        report.add(Check::C2, &[*line, head.line], || {
            let head = head.version;
            format!("{slug} has version {version} above its head {head}")
        });
    }
}

fn versions(
    history: &History,
    sightings: &Sightings,
    room: Name,
    stored: &Stored,
    head: Head,
    report: &mut Report,
) {
    let slug = history.names.text(room);
    let epoch = final_epoch(history, room);
    // A history that goes on under another name has its older part under the name before.
    let epochs = sightings.epochs.get(&room).cloned().unwrap_or_default();
    let (taken, mut unseen) = accounted(history, room, stored);
    let mut below = head.floor;
    let ends = stored.versions.iter().map(|(version, _)| *version);
    for version in ends.chain([head.version.saturating_add(1)]) {
        let mut missing = below.saturating_add(1);
        let mut reported = 0;
        while missing < version && reported < REPORTED {
            let superseded = taken.contains(&missing)
                || epochs.iter().any(|epoch| {
                    let seen = sightings.all.get(&(room, *epoch, missing));
                    let row = seen.and_then(|seen| stored.row(seen.seq?));
                    row.is_some_and(|row| row.version > missing)
                });
            if !superseded && unseen > 0 {
                unseen -= 1;
            } else if !superseded {
                let line = sightings
                    .all
                    .get(&(room, epoch, missing))
                    .map_or(0, |seen| seen.line);
                reported += 1;
                report.add(Check::C2, &[head.line, line], || {
                    format!("version {missing} of {slug} is nowhere, and nothing shows that it was superseded")
                });
            }
            missing = missing.saturating_add(1);
        }
        below = version.max(below);
    }
}

/// Versions that replies took, as far as they are known, and how many more there may be.
fn accounted(history: &History, room: Name, stored: &Stored) -> (HashSet<i64>, u64) {
    let mut taken = HashSet::new();
    let mut unseen = 0;
    let made = made_at(history, room);
    let changed = changed(history, room);
    for reply in &stored.replies {
        match (made.get(&reply.prompt_seq), stored.row(reply.prompt_seq)) {
            (Some(version), _) => {
                taken.insert(version.saturating_add(1));
            }
            (None, Some(prompt)) if !changed.contains(&prompt.seq) => {
                taken.insert(prompt.version.saturating_add(1));
            }
            _ => unseen += 1,
        }
        // What ended it may have been superseded before anybody was told.
        unseen += u64::from(changed.contains(&reply.seq));
    }
    // So may what posted a message, where no answer told its version.
    let told = |seq: &&i64| !made.contains_key(*seq);
    unseen += changed.iter().filter(told).count() as u64;
    for op in &history.ops {
        match (op.act, op.end.map(|end| end.how)) {
            (Act::Retry { room: of }, end) if of == room => match end {
                Some(How::Ok(acked)) => {
                    unseen += 1;
                    taken.extend(acked.version);
                }
                Some(How::Info) | None => unseen += 2,
                Some(How::Fail(_)) => {}
            },
            (
                Act::Edit { room: of, .. }
                | Act::Delete { room: of, .. }
                | Act::Mark { room: of, .. },
                end,
            ) if of == room => match end {
                Some(How::Ok(acked)) => taken.extend(acked.version.filter(|version| {
                    stored
                        .versions
                        .binary_search_by_key(version, |(version, _)| *version)
                        .is_err()
                })),
                Some(How::Info) | None => unseen += 1,
                Some(How::Fail(_)) => {}
            },
            (Act::Stop { room: of }, Some(How::Ok(acked))) if of == room => {
                taken.extend(acked.version.filter(|version| {
                    stored
                        .versions
                        .binary_search_by_key(version, |(version, _)| *version)
                        .is_err()
                }));
            }
            _ => {}
        }
    }
    (taken, unseen)
}
