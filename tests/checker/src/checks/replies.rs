//! C10 as the database tells it at the end: every reply is settled (`complete`, `stopped`, `failed` or `interrupted`), its
//! row and its message agree, a prompt has one reply of an assistant at most, a prompt whose ack named a reply has exactly that one, and one that was
//! accepted without a reply has none (which is told of what asks a reply to go on: any other message may get one by an edit).
//! What sockets saw of replies while they grew is judged in the replay.

use std::collections::HashMap;

use crate::history::{Acked, Act, End, History, Stored};
use crate::names::Name;
use crate::report::{Check, Report};

const ENDS: &[&str] = &["complete", "stopped", "failed", "interrupted"];

/// Applies it.
pub(super) fn check(history: &History, report: &mut Report) {
    for (room, stored) in &history.rooms {
        rows(history, history.names.text(*room), stored, report);
    }
    for op in &history.ops {
        let (Act::Send { room, digest, .. }, Some((end, acked))) = (op.act, op.ok()) else {
            continue;
        };
        if digest.is_none() {
            unasked(history, room, end, acked, report);
        }
        let (Some(seq), Some(prompt)) = (acked.reply_seq, acked.seq) else {
            continue;
        };
        let Some(stored) = history
            .rooms
            .get(&room)
            .filter(|stored| stored.head.is_some())
        else {
            continue;
        };
        if stored
            .head
            .is_some_and(|head| seq < head.first_seq && seq > 0)
        {
            continue;
        }
        let at = stored.replies.partition_point(|reply| reply.seq < seq);
        let reply = stored.replies.get(at).filter(|reply| reply.seq == seq);
        let slug = history.names.text(room);
        match reply {
            None => report.add(Check::C10, &[op.line, end.line], || {
                format!("the ack of message {prompt} of {slug} named reply {seq}, which is not in the database")
            }),
            Some(reply) if reply.prompt_seq != prompt => {
                report.add(Check::C10, &[op.line, end.line, reply.line], || {
                    let other = reply.prompt_seq;
                    format!("the ack of message {prompt} of {slug} named reply {seq}, which answers {other}")
                });
            }
            Some(_) => {}
        }
    }
}

/// What asked a reply to go on, and was told that none comes.
fn unasked(history: &History, room: Name, end: End, acked: Acked, report: &mut Report) {
    let (Some(seq), None, Some(stored)) = (acked.seq, acked.reply_seq, history.rooms.get(&room))
    else {
        return;
    };
    let mut replies = stored.replies.iter();
    if let Some(reply) = replies.find(|reply| reply.prompt_seq == seq) {
        report.add(Check::C10, &[end.line, reply.line], || {
            let (slug, reply) = (history.names.text(room), reply.seq);
            format!("the ack of message {seq} of {slug} named no reply, but {reply} answers it")
        });
    }
}

fn rows(history: &History, slug: &str, stored: &Stored, report: &mut Report) {
    // Several assistants may answer one message, each once.
    let mut prompts: HashMap<(i64, Option<Name>), (i64, u32)> = HashMap::new();
    for reply in &stored.replies {
        let (seq, prompt) = (reply.seq, reply.prompt_seq);
        let author = stored.row(seq).map(|row| row.author);
        if let Some((other, line)) = prompts.insert((prompt, author), (seq, reply.line)) {
            report.add(Check::C10, &[line, reply.line], || {
                format!("message {prompt} of {slug} has two replies: {other} and {seq}")
            });
        }
        let state = history.names.text(reply.state);
        if state != "settled" && !ENDS.contains(&state) {
            let attempt = reply.attempt;
            report.add(Check::C10, &[reply.line], || {
                format!("reply {seq} of {slug} is {state} at the end, in attempt {attempt}")
            });
        }
        match stored.row(seq) {
            None => report.add(Check::C10, &[reply.line], || {
                format!("reply {seq} of {slug} has no message")
            }),
            Some(row) if ENDS.contains(&state) && row.state != reply.state => {
                report.add(Check::C10, &[reply.line, row.line], || {
                    let message = history.names.text(row.state);
                    format!("reply {seq} of {slug} is {state}, its message {message}")
                });
            }
            Some(_) => {}
        }
    }
    for row in &stored.messages {
        let state = history.names.text(row.state);
        if !ENDS.contains(&state) {
            report.add(Check::C10, &[row.line], || {
                let seq = row.seq;
                format!("message {seq} of {slug} is {state} at the end")
            });
        }
    }
}
