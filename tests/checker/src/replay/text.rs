//! Running replies on one socket, by the rule of deltas: within an attempt the chunks join without a hole, attempts never go
//! down, nothing comes of a reply that has settled, and what was assembled is a prefix of what was stored.

use std::collections::HashMap;

use super::facts::Facts;
use crate::frame::{Joined, Seen};
use crate::history::{Event, History};
use crate::message::Message;
use crate::names::Name;

/// What became of a delta.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Took {
    /// Its reply is known.
    Known,
    /// Its reply is not: a client ignores it.
    Unknown,
}

/// The lines that show it, and what is wrong.
pub(super) type Wrong<L> = (L, String);

/// One reply.
#[derive(Debug, Default)]
struct Growing {
    attempt: i64,
    /// Attempts up to this one are over.
    over: i64,
    chunks: i64,
    text: String,
    /// Where each piece begins: its first chunk and the offset of its text.
    starts: Vec<(i64, usize)>,
    settled: bool,
    /// A hole was reported: nothing more is until the next join.
    lost: bool,
    line: u32,
}

/// All of a room on one socket.
#[derive(Debug, Default)]
pub(super) struct Texts {
    replies: HashMap<i64, Growing>,
}

impl Texts {
    /// The room is joined (again): what runs will be named.
    pub(super) fn rejoined(&mut self, reset: bool) {
        self.replies.retain(|_, reply| reply.settled && !reset);
    }

    /// What `room.joined` says of replies.
    pub(super) fn joined(&mut self, history: &History, joined: &Joined, event: &Event) {
        for message in joined.messages.iter().filter(|message| message.is_reply) {
            let reply = self.replies.entry(message.seq).or_default();
            reply.attempt = message.attempt.unwrap_or(0);
            reply.settled = history.names.text(message.state) != "queued";
            reply.line = event.line;
        }
        for running in &joined.replies {
            let body = running.body.map(|body| history.names.text(body));
            let chunks = if body.is_some() { running.chunks } else { 0 };
            let reply = Growing {
                attempt: running.attempt,
                over: running.attempt.saturating_sub(1),
                chunks,
                text: body.unwrap_or_default().to_owned(),
                starts: vec![(1, 0)],
                line: event.line,
                ..Growing::default()
            };
            self.replies.insert(running.seq, reply);
        }
    }

    /// A piece came.
    pub(super) fn delta(&mut self, history: &History, event: &Event) -> Result<Took, Wrong<u32>> {
        let Seen::Delta {
            seq,
            attempt,
            chunk,
            count,
            text,
            ..
        } = event.seen
        else {
            return Ok(Took::Known);
        };
        let Some(reply) = self.replies.get_mut(&seq) else {
            return Ok(Took::Unknown);
        };
        if reply.settled {
            return Err((
                reply.line,
                "a delta came after the reply had settled".to_owned(),
            ));
        }
        if attempt < reply.attempt || attempt <= reply.over {
            let held = reply.attempt.max(reply.over);
            return Err((
                reply.line,
                format!("attempt {attempt} came after attempt {held}"),
            ));
        }
        if attempt > reply.attempt {
            reply.restart(attempt);
        }
        let before = std::mem::replace(&mut reply.line, event.line);
        reply
            .take(chunk, count, history.names.text(text))
            .map(|()| Took::Known)
            .map_err(|said| (before, said))
    }

    /// The reply's message came. Whether less was held than was stored.
    pub(super) fn message(
        &mut self,
        history: &History,
        facts: &Facts,
        room: Name,
        message: &Message,
        event: &Event,
    ) -> Result<bool, Wrong<Vec<u32>>> {
        let attempt = message.attempt.unwrap_or(0);
        let state = history.names.text(message.state);
        if state == "queued" {
            // The greeting told of a later attempt than the version that is caught up on: that one runs on.
            let held = self.replies.get(&message.seq);
            if held.is_some_and(|held| !held.settled && held.attempt > attempt) {
                return Ok(false);
            }
            let reply = Growing {
                attempt,
                over: attempt,
                line: event.line,
                ..Growing::default()
            };
            self.replies.insert(message.seq, reply);
            return Ok(false);
        }
        let settled = Growing {
            attempt,
            settled: true,
            line: event.line,
            ..Growing::default()
        };
        let Some(held) = self.replies.insert(message.seq, settled) else {
            return Ok(false);
        };
        if held.settled || held.lost || message.deleted {
            return Ok(false);
        }
        let is_earlier = message
            .attempt
            .is_some_and(|attempt| attempt < held.attempt);
        // What was being written has ended, and another variant was selected, both while nothing was heard: the version that
        // settled it was superseded, so there is nothing to compare.
        if is_earlier && message.has_variants {
            return Ok(false);
        }
        let lines = vec![held.line, event.line];
        let seq = message.seq;
        if is_earlier && held.chunks > 0 {
            let shown = held.attempt;
            let said =
                format!("reply {seq} settled as attempt {attempt} after attempt {shown} was shown");
            return Err((lines, said));
        }
        let stored = history.rooms.get(&room).and_then(|stored| stored.row(seq));
        let stored = stored
            .filter(|row| row.version == message.version)
            .and_then(|row| row.body);
        let Some(body) = message.text.or(stored).map(|body| history.names.text(body)) else {
            return Ok(false);
        };
        if body.starts_with(&held.text) {
            return Ok(held.text.len() < body.len());
        }
        if state != "interrupted" {
            let said = format!(
                "what was assembled of reply {seq} is no prefix of what was stored ({state})"
            );
            return Err((lines, said));
        }
        if !held.text.starts_with(body) {
            let said =
                format!("what was assembled of reply {seq} and what was stored of it differ");
            return Err((lines, said));
        }
        if let Some(ms) = held.lost_too_much(facts, room, seq, body.len()) {
            let said = format!("the interrupted reply {seq} lost text that was shown over {ms} ms");
            return Err((lines, said));
        }
        Ok(false)
    }
}

impl Growing {
    fn restart(&mut self, attempt: i64) {
        self.attempt = attempt;
        self.chunks = 0;
        self.text.clear();
        self.starts.clear();
        self.lost = false;
    }

    fn take(&mut self, chunk: i64, count: i64, text: &str) -> Result<(), String> {
        if self.lost {
            return Ok(());
        }
        let last = chunk + count - 1;
        if last <= self.chunks {
            let at = self.starts.iter().find(|(first, _)| *first == chunk);
            let held = at.and_then(|(_, offset)| self.text.get(*offset..));
            return match held {
                Some(held) if !held.starts_with(text) => {
                    self.lost = true;
                    Err(format!(
                        "chunk {chunk} of attempt {} came again with other text",
                        self.attempt
                    ))
                }
                _ => Ok(()),
            };
        }
        if chunk == 1 {
            if !text.starts_with(&self.text) {
                self.lost = true;
                return Err(format!(
                    "attempt {} began anew with other text",
                    self.attempt
                ));
            }
            text.clone_into(&mut self.text);
            self.starts = vec![(1, 0)];
        } else if chunk == self.chunks + 1 {
            self.starts.push((chunk, self.text.len()));
            self.text.push_str(text);
        } else {
            self.lost = true;
            let (attempt, held) = (self.attempt, self.chunks);
            return Err(format!(
                "chunk {chunk} of attempt {attempt} came after chunk {held}"
            ));
        }
        self.chunks = last;
        Ok(())
    }

    /// Over how many milliseconds the text beyond `stored` bytes was in the making, where that is more than may be lost.
    fn lost_too_much(&self, facts: &Facts, room: Name, seq: i64, stored: usize) -> Option<u64> {
        let (first, last) = self.lost(facts, room, seq, stored)?;
        let lost = last.saturating_sub(first);
        (lost > facts.may_lose_ns(first, last)).then_some(lost / 1_000_000)
    }

    /// From when to when the text beyond `stored` bytes was in the making, by when anybody first saw its pieces.
    fn lost(&self, facts: &Facts, room: Name, seq: i64, stored: usize) -> Option<(u64, u64)> {
        let seen = |chunk: i64| facts.pieces.get(&(room, seq, self.attempt, chunk)).copied();
        let ends = self
            .starts
            .iter()
            .skip(1)
            .map(|(_, offset)| *offset)
            .chain([self.text.len()]);
        let first = self
            .starts
            .iter()
            .zip(ends)
            .find(|(_, end)| *end > stored)
            .and_then(|((chunk, _), _)| seen(*chunk));
        let last = self.starts.last().and_then(|(chunk, _)| seen(*chunk));
        first.zip(last)
    }
}
