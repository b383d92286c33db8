//! C14: a send whose outcome stayed unknown is tried again under the same id until it is known, and then stands in exactly
//! one row, unless retention took it. Tried again and refused for good, it may stand in one row or none. A client that went for good, or was lost,
//! cannot try again; C11 says what it says of the lost. Sends that the history does not see end count as unknown.

use std::collections::HashMap;

use super::presence::{Presence, presences};
use crate::history::{Act, History, How};
use crate::names::Name;
use crate::report::{Check, Report};

/// What is known of a send whose outcome was unknown at least once.
struct Unknown {
    /// When the last try of unknown outcome began, and the line of its end.
    since: u64,
    line: u32,
    /// A later try ended so: whether it was acked.
    resolved: Option<bool>,
    /// As which message.
    seq: Option<i64>,
}

/// Applies it.
pub(super) fn check(history: &History, report: &mut Report) {
    let presences = presences(history);
    let mut all: HashMap<(usize, Name, Name), Unknown> = HashMap::new();
    for op in &history.ops {
        let Act::Send { room, id, .. } = op.act else {
            continue;
        };
        let line = match op.end {
            None => op.line,
            Some(end) if end.how == How::Info => end.line,
            Some(_) => continue,
        };
        // By their `t`, so the last try stays.
        let unknown = Unknown {
            since: op.t,
            line,
            resolved: None,
            seq: None,
        };
        all.insert((op.client, room, id), unknown);
    }
    if all.is_empty() {
        return;
    }
    for op in &history.ops {
        let Act::Send { room, id, .. } = op.act else {
            continue;
        };
        let Some(unknown) = all.get_mut(&(op.client, room, id)) else {
            continue;
        };
        // An ack that came before settles it as well: the send is known.
        match op.end.map(|end| end.how) {
            Some(How::Ok(acked)) => (unknown.resolved, unknown.seq) = (Some(true), acked.seq),
            Some(How::Fail(_)) if op.t >= unknown.since => {
                unknown.resolved.get_or_insert(false);
            }
            _ => {}
        }
    }
    let rows = rows(history);
    for ((client, room, id), unknown) in all {
        let there = presences
            .get(client)
            .is_some_and(|presence| matches!(presence, Presence::There));
        let found = rows.get(&(room, id)).copied().unwrap_or(0);
        let slug = history.names.text(room);
        let id = history.names.text(id);
        match unknown.resolved {
            None if there => report.add(Check::C14, &[unknown.line], || {
                format!("the outcome of {id} in {slug} stayed unknown: it was never tried again")
            }),
            Some(true) if found == 0 && is_past_retention(history, room, unknown.seq) => {}
            Some(true) if found != 1 && history.rooms.contains_key(&room) => {
                report.add(Check::C14, &[unknown.line], || {
                    format!("{id} in {slug}, once unknown, was acked and has {found} rows")
                });
            }
            _ if found > 1 => report.add(Check::C14, &[unknown.line], || {
                format!("{id} in {slug}, once unknown, has {found} rows")
            }),
            _ => {}
        }
    }
}

/// Whether a message is one of those that retention took.
fn is_past_retention(history: &History, room: Name, seq: Option<i64>) -> bool {
    let head = history.rooms.get(&room).and_then(|stored| stored.head);
    head.zip(seq)
        .is_some_and(|(head, seq)| seq > 0 && seq < head.first_seq)
}

/// How many rows each id has.
fn rows(history: &History) -> HashMap<(Name, Name), u32> {
    let mut rows = HashMap::new();
    for (room, stored) in &history.rooms {
        for id in stored.messages.iter().filter_map(|row| row.id) {
            *rows.entry((*room, id)).or_insert(0) += 1;
        }
    }
    rows
}
