//! C1: every acked send is in the database at the end, in its room at the seq that the ack named, with its id, its author
//! and its text, unless that was edited or deleted since (`changes`). What retention took (a seq below the first that is kept) is passed over; sends that stayed unknown may be
//! there or not.

use std::collections::HashMap;

use super::changes::{Asked, asked};
use crate::history::{Acked, Act, History, Op, Row};
use crate::names::Name;
use crate::report::{Check, Report};

/// Applies it.
pub(super) fn check(history: &History, report: &mut Report) {
    let changed = asked(history);
    for op in &history.ops {
        if let (Act::Send { .. }, Some((_, acked))) = (op.act, op.ok()) {
            one(history, op, acked, &changed, report);
        }
    }
}

fn one(
    history: &History,
    op: &Op,
    acked: Acked,
    changed: &HashMap<(Name, i64), Asked>,
    report: &mut Report,
) {
    let Act::Send { room, id, digest } = op.act else {
        return;
    };
    let end = op.end.map_or(0, |end| end.line);
    let slug = history.names.text(room);
    let id_text = history.names.text(id);
    let Some(seq) = acked.seq else {
        report.add(Check::C1, &[op.line, end], || {
            format!("the ack of {id_text} in {slug} names no seq")
        });
        return;
    };
    let stored = history.rooms.get(&room);
    let Some((stored, head)) = stored.and_then(|stored| Some((stored, stored.head?))) else {
        report.add(Check::C1, &[op.line, end], || {
            format!("{slug} has acked messages, but the history does not say what the database holds of it")
        });
        return;
    };
    if seq < head.first_seq && seq > 0 {
        return;
    }
    let Some(row) = stored.row(seq) else {
        report.add(Check::C1, &[op.line, end], || {
            format!(
                "{id_text} was acked as message {seq} of {slug}, which the database does not have"
            )
        });
        return;
    };
    let author = history
        .clients
        .get(op.client)
        .and_then(|client| client.user);
    let lines = [op.line, end, row.line];
    if row.id != Some(id) {
        let other = history.names.optional(row.id);
        report.add(Check::C1, &lines, || {
            format!(
                "{id_text} was acked as message {seq} of {slug}, where the database has {other}"
            )
        });
    } else if digest.is_some_and(|digest| digest != row.digest)
        && !is_changed(changed.get(&(room, seq)), row)
    {
        report.add(Check::C1, &lines, || {
            format!("message {seq} of {slug} was acked with another text than the database has")
        });
    } else if author.is_some_and(|author| author != row.author) {
        report.add(Check::C1, &lines, || {
            format!("message {seq} of {slug} is another author's in the database")
        });
    }
}

/// Whether a message may say something else by now.
fn is_changed(asked: Option<&Asked>, row: &Row) -> bool {
    asked.is_some_and(|asked| asked.edited_to(row.digest) || (row.deleted && asked.may_be_gone()))
}
