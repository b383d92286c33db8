//! C1 and C6 for edits and deletions. What was acked holds at the end: the text of the latest acked edit stands, unless one
//! of unknown outcome or a deletion came; a deleted message has no text. What was refused for good has left nothing, and
//! nothing is deleted that nobody deleted.

use std::collections::{HashMap, HashSet};

use crate::history::{Act, History, How, Row};
use crate::names::{Name, fnv};
use crate::report::{Check, Report};

/// All that was asked of one message.
#[derive(Default)]
pub(super) struct Asked {
    /// Acked edits: version, text, line.
    edits: Vec<(i64, u64, u32)>,
    /// Texts that may stand or not.
    unknown: Vec<u64>,
    /// Texts that were refused for good, with their lines.
    refused: Vec<(u64, u32)>,
    /// The line of an acked deletion.
    deleted: Option<u32>,
    /// Whether a deletion may have been.
    may_be_deleted: bool,
}

impl Asked {
    /// Whether a text may be that of an edit.
    pub(super) fn edited_to(&self, digest: u64) -> bool {
        self.unknown.contains(&digest) || self.edits.iter().any(|(_, text, _)| *text == digest)
    }

    /// Whether it may be a tombstone.
    pub(super) fn may_be_gone(&self) -> bool {
        self.deleted.is_some() || self.may_be_deleted
    }
}

/// What was asked of each message that was changed.
pub(super) fn asked(history: &History) -> HashMap<(Name, i64), Asked> {
    let mut all: HashMap<(Name, i64), Asked> = HashMap::new();
    for op in &history.ops {
        let end = op.end.map(|end| (end.how, end.line));
        match (op.act, end) {
            (Act::Edit { room, seq, digest }, end) => {
                let asked = all.entry((room, seq)).or_default();
                match end {
                    Some((How::Ok(acked), line)) => {
                        let version = acked.version.unwrap_or(0);
                        asked.edits.push((version, digest, line));
                    }
                    Some((How::Fail(_), line)) => asked.refused.push((digest, line)),
                    Some((How::Info, _)) | None => asked.unknown.push(digest),
                }
            }
            (Act::Delete { room, seq }, end) => {
                let asked = all.entry((room, seq)).or_default();
                match end {
                    Some((How::Ok(_), line)) => asked.deleted = Some(line),
                    Some((How::Fail(_), _)) => {}
                    Some((How::Info, _)) | None => asked.may_be_deleted = true,
                }
            }
            _ => {}
        }
    }
    all
}

/// Applies it.
pub(super) fn check(history: &History, report: &mut Report) {
    let all = asked(history);
    for ((room, seq), asked) in &all {
        let stored = history.rooms.get(room);
        if let Some(row) = stored.and_then(|stored| stored.row(*seq)) {
            one(history.names.text(*room), row, asked, report);
        }
    }
    for (room, stored) in &history.rooms {
        for row in stored.messages.iter().filter(|row| row.deleted) {
            let asked = all.get(&(*room, row.seq));
            if asked.is_none_or(|asked| !asked.may_be_gone()) {
                report.add(Check::C6, &[row.line], || {
                    let (slug, seq) = (history.names.text(*room), row.seq);
                    format!("message {seq} of {slug} is deleted, and nobody deleted it")
                });
            }
        }
    }
}

fn one(slug: &str, row: &Row, asked: &Asked, report: &mut Report) {
    let seq = row.seq;
    if let Some(line) = asked.deleted {
        if !row.deleted {
            report.add(Check::C1, &[line, row.line], || {
                format!("message {seq} of {slug} was deleted, and is still there")
            });
        } else if row.digest != fnv(b"") {
            report.add(Check::C1, &[line, row.line], || {
                format!("message {seq} of {slug} was deleted, and its text is still there")
            });
        }
        return;
    }
    if row.deleted {
        return;
    }
    if let Some((_, line)) = asked.refused.iter().find(|(text, _)| *text == row.digest)
        && !asked.edited_to(row.digest)
    {
        report.add(Check::C6, &[*line, row.line], || {
            format!("message {seq} of {slug} has the text of an edit that was refused for good")
        });
    }
    let last = asked.edits.iter().max_by_key(|(version, ..)| *version);
    if let Some((version, text, line)) = last
        && *text != row.digest
        && !asked.unknown.contains(&row.digest)
    {
        report.add(Check::C1, &[*line, row.line], || {
            format!("the edit of message {seq} of {slug} acked at version {version} is lost")
        });
    }
}

/// The version each message was made at, as the acks told.
pub(super) fn made_at(history: &History, room: Name) -> HashMap<i64, i64> {
    let mut made = HashMap::new();
    for op in &history.ops {
        if let (Act::Send { room: of, .. }, Some((_, acked))) = (op.act, op.ok())
            && let (Some(seq), Some(version)) = (acked.seq, acked.version)
            && of == room
        {
            made.insert(seq, version);
        }
    }
    made
}

/// Messages that may have been changed after they were made.
pub(super) fn changed(history: &History, room: Name) -> HashSet<i64> {
    let mut changed = HashSet::new();
    for op in &history.ops {
        if let Act::Edit { room: of, seq, .. }
        | Act::Delete { room: of, seq }
        | Act::Mark { room: of, seq } = op.act
            && of == room
            && !matches!(op.end.map(|end| end.how), Some(How::Fail(_)))
        {
            changed.insert(seq);
        }
    }
    changed
}
