//! C7: a sender's id stands in one row at most; every ack of it, and everybody who saw it, names one seq; and a resend of
//! what was acked is never refused for good by whoever may still ask (a repeat is looked up before rights and rate).

use std::collections::HashMap;

use super::seen::Sightings;
use crate::history::{Act, History, How};
use crate::names::Name;
use crate::report::{Check, Report};

/// Refusals that say nothing of the message: the asker may not ask here any more, or not yet.
const ELSEWHERE: &[&str] = &[
    "unauthenticated",
    "not_joined",
    "room_not_found",
    "not_a_member",
];

/// Applies it.
pub(super) fn check(history: &History, sightings: &Sightings, report: &mut Report) {
    for (room, stored) in &history.rooms {
        let mut rows: HashMap<(Name, Name), (i64, u32)> = HashMap::new();
        for row in &stored.messages {
            let Some(id) = row.id else {
                continue;
            };
            let (seq, line) = *rows.entry((row.author, id)).or_insert((row.seq, row.line));
            if seq != row.seq {
                report.add(Check::C7, &[line, row.line], || {
                    let (id, slug) = (history.names.text(id), history.names.text(*room));
                    let second = row.seq;
                    format!("{id} has two rows in {slug}: messages {seq} and {second}")
                });
            }
        }
    }
    for (room, id, [first, second], lines) in &sightings.torn {
        report.add(Check::C7, lines, || {
            let (id, slug) = (history.names.text(*id), history.names.text(*room));
            format!("{id} in {slug} was named as message {first} and as message {second}")
        });
    }
    resends(history, report);
}

fn resends(history: &History, report: &mut Report) {
    let mut acked: HashMap<(usize, Name, Name), (u64, u32)> = HashMap::new();
    for op in &history.ops {
        if let (Act::Send { room, id, .. }, Some((end, _))) = (op.act, op.ok()) {
            let first = acked
                .entry((op.client, room, id))
                .or_insert((end.t, end.line));
            if end.t < first.0 {
                *first = (end.t, end.line);
            }
        }
    }
    for op in &history.ops {
        let (Act::Send { room, id, .. }, Some(end)) = (op.act, op.end) else {
            continue;
        };
        let How::Fail(code) = end.how else {
            continue;
        };
        let code = history.names.text(code);
        let Some((t, line)) = acked.get(&(op.client, room, id)) else {
            continue;
        };
        if *t < op.t && !ELSEWHERE.contains(&code) {
            report.add(Check::C7, &[*line, op.line, end.line], || {
                let (id, slug) = (history.names.text(id), history.names.text(room));
                format!("{id} in {slug} was acked; sent again it was refused ({code})")
            });
        }
    }
}
