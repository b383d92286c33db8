//! The replies that run in one room, as far as its feed has shown them: text, attempt and chunk number of each.
//! Pure. Deltas go in as they come, the frames to send come out; what is missing is filled from the database.
//!
//! A delta is held until the version that created its reply was emitted and until its numbering joins. Nothing
//! of a settled reply or of a lower attempt ever comes out.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use crate::db::rows::{ReplyState, RunningReply};
use crate::ids::{Attempt, ChunkNumber, Seq, Version};
use crate::limits;
use crate::protocol::frame::Frame;
use crate::protocol::publication::{DeltaPiece, Effect, Entry};
use crate::protocol::server::ReplyBody;

/// One reply that is not settled.
#[derive(Debug)]
struct Running {
    prompt_seq: Seq,
    /// The version that created it, or put it back: whoever stands below has seen another end of it, or nothing yet.
    since: Version,
    /// Attempts up to this one ended in a settled version.
    over: Attempt,
    attempt: Attempt,
    chunks: ChunkNumber,
    text: String,
    /// The oldest message that its assistant was told of, where older ones were left out; told with the first chunk.
    context_from: Option<Seq>,
    /// All of the text as one delta, once somebody needed it; for all who come before it grows.
    whole: Option<Frame>,
    /// Pieces that came before their time, by their first chunk.
    early: BTreeMap<ChunkNumber, DeltaPiece>,
}

/// A frame with a piece of a reply's text, and which reply it is of.
pub type Delta = (Seq, Frame);

/// All of a room.
#[derive(Debug, Default)]
pub struct Replies {
    running: HashMap<Seq, Running>,
    /// Pieces of replies not known yet, in the order they came; bounded, the oldest go.
    unknown: Vec<DeltaPiece>,
}

impl Replies {
    /// Whether any reply is running or waited for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Whether one of them has shown nothing yet.
    #[must_use]
    pub fn any_waits(&self) -> bool {
        self.running.values().any(|reply| reply.chunks == 0)
    }

    /// Whether a piece is missing that will not come by itself.
    #[must_use]
    pub fn has_gap(&self) -> bool {
        self.running.values().any(|reply| !reply.early.is_empty())
    }

    /// The version that creates (or puts back) a reply was emitted. Returns the frames that waited for it.
    pub fn queued(
        &mut self,
        seq: Seq,
        prompt_seq: Seq,
        after_attempt: Attempt,
        since: Version,
    ) -> Vec<Delta> {
        let reply = self.running.entry(seq).or_insert(Running {
            prompt_seq,
            since,
            over: after_attempt,
            attempt: after_attempt,
            chunks: 0,
            text: String::new(),
            context_from: None,
            whole: None,
            early: BTreeMap::new(),
        });
        reply.since = since;
        reply.over = after_attempt;
        if reply.attempt <= after_attempt {
            reply.attempt = after_attempt;
            reply.restart();
        }
        let (known, unknown) = std::mem::take(&mut self.unknown)
            .into_iter()
            .partition(|piece| piece.seq == seq);
        self.unknown = unknown;
        let known: Vec<DeltaPiece> = known;
        known
            .into_iter()
            .flat_map(|piece| self.delta(piece))
            .collect()
    }

    /// A range was emitted: replies begin and end in it. Returns the frames that waited for it; none of a reply that
    /// also ended in it, for they would come behind its end.
    pub fn emitted(&mut self, entries: &[Entry]) -> Vec<Delta> {
        let mut frames = Vec::new();
        for entry in entries {
            match entry.effect {
                Effect::ReplyQueued {
                    seq,
                    prompt_seq,
                    after_attempt,
                } => frames.extend(self.queued(seq, prompt_seq, after_attempt, entry.version)),
                Effect::ReplySettled { seq } => {
                    frames.retain(|(of, _)| *of != seq);
                    self.settled(seq);
                }
                _ => {}
            }
        }
        frames
    }

    /// A reply ended: its message's new version was emitted.
    pub fn settled(&mut self, seq: Seq) {
        self.running.remove(&seq);
        self.unknown.retain(|piece| piece.seq != seq);
    }

    /// A piece came. Returns the frames to send now, in order.
    pub fn delta(&mut self, piece: DeltaPiece) -> Vec<Delta> {
        let seq = piece.seq;
        let Some(reply) = self.running.get_mut(&seq) else {
            if self.unknown.len() >= limits::EARLY_DELTAS {
                self.unknown.remove(0);
            }
            self.unknown.push(piece);
            return Vec::new();
        };
        if piece.attempt < reply.attempt || piece.attempt <= reply.over {
            return Vec::new();
        }
        if piece.attempt > reply.attempt {
            reply.attempt = piece.attempt;
            reply.restart();
        }
        let frames = reply.take(piece).into_iter();
        frames.map(|frame| (seq, frame)).collect()
    }

    /// What the database knows of the room's replies: fills what is missing. Returns the frames to send now.
    pub fn fill(&mut self, slug: &str, known: Vec<RunningReply>) -> Vec<Delta> {
        let mut frames = Vec::new();
        for saved in known {
            let Some(reply) = self.running.get_mut(&saved.seq) else {
                continue;
            };
            if saved.attempt > reply.attempt {
                reply.attempt = saved.attempt;
                reply.restart();
            }
            if saved.attempt < reply.attempt || saved.chunks <= reply.chunks {
                continue;
            }
            // The text of an attempt only ever grows, so ours is a prefix of what was saved.
            let Some(rest) = saved.body.strip_prefix(&reply.text) else {
                continue;
            };
            let (first, count) = (reply.chunks + 1, saved.chunks - reply.chunks);
            let of = (saved.seq, saved.attempt, saved.context_from);
            let piece = DeltaPiece::encode_from(slug, of, (first, count), rest);
            let taken = reply.take(piece).into_iter();
            frames.extend(taken.map(|frame| (saved.seq, frame)));
        }
        frames
    }

    /// All of a reply's text so far as one delta from chunk 1; none of one that has no text, or does not run.
    pub fn whole_text(&mut self, slug: &str, seq: Seq) -> Option<Frame> {
        let reply = self.running.get_mut(&seq)?;
        if reply.chunks == 0 {
            return None;
        }
        let whole = reply.whole.get_or_insert_with(|| {
            let of = (seq, reply.attempt, reply.context_from);
            let piece = DeltaPiece::encode_from(slug, of, (1, reply.chunks), &reply.text);
            Frame::from_encoded(piece.frame)
        });
        Some(whole.clone())
    }

    /// The replies that have shown something, by seq.
    #[must_use]
    pub fn shown(&self) -> Vec<Seq> {
        let shown = self.running.iter().filter(|(_, reply)| reply.chunks > 0);
        let mut all: Vec<Seq> = shown.map(|(&seq, _)| seq).collect();
        all.sort_unstable();
        all
    }

    /// The running replies with their text so far, by seq, for the `room.joined` of somebody that stands at `version`. What began
    /// above it, a retry maybe, is not told: the end of the attempt before it is still to come.
    #[must_use]
    pub fn snapshot(&self, version: Version) -> Vec<RunningReply> {
        let mut all: Vec<RunningReply> = self
            .running
            .iter()
            .filter(|(_, reply)| reply.since <= version)
            .map(|(&seq, reply)| RunningReply {
                seq,
                prompt_seq: reply.prompt_seq,
                since: reply.since,
                state: if reply.chunks > 0 {
                    ReplyState::Streaming
                } else {
                    ReplyState::Queued
                },
                attempt: reply.attempt,
                chunks: reply.chunks,
                body: reply.text.clone(),
                context_from: reply.context_from,
            })
            .collect();
        all.sort_unstable_by_key(|reply| reply.seq);
        all
    }

    /// Starts over from what the database knows, when the feed begins. Some of it may have begun above the feed's own version: it is
    /// told of to whoever has come as far.
    pub fn restore(&mut self, known: Vec<RunningReply>) {
        for saved in known {
            self.running.insert(
                saved.seq,
                Running {
                    prompt_seq: saved.prompt_seq,
                    since: saved.since,
                    // A queued reply's attempt is over; a streaming one's is not.
                    over: if saved.state == ReplyState::Streaming {
                        saved.attempt - 1
                    } else {
                        saved.attempt
                    },
                    attempt: saved.attempt,
                    chunks: saved.chunks,
                    text: saved.body,
                    context_from: saved.context_from,
                    whole: None,
                    early: BTreeMap::new(),
                },
            );
        }
    }
}

impl Running {
    fn restart(&mut self) {
        self.chunks = 0;
        self.text.clear();
        self.context_from = None;
        self.whole = None;
        self.early.clear();
    }

    fn take(&mut self, piece: DeltaPiece) -> Vec<Frame> {
        let mut frames = Vec::new();
        let mut next = Some(piece);
        while let Some(piece) = next.take() {
            let last = piece.first + piece.count - 1;
            if piece.first == self.chunks + 1 {
                if piece.first == 1 {
                    self.context_from = piece.context_from;
                }
                // Publications are checked to be UTF-8 when they are read.
                self.text
                    .push_str(std::str::from_utf8(&piece.text).unwrap_or_default());
                self.chunks = last;
                self.whole = None;
                frames.push(Frame::from_encoded(Bytes::clone(&piece.frame)));
            } else if last > self.chunks && self.early.len() < limits::EARLY_DELTAS {
                self.early.insert(piece.first, piece);
            }
            // What lies wholly below is known by now; what overlaps would need a cut and waits for the fill.
            self.early.retain(|_, held| held.first > self.chunks);
            if self
                .early
                .first_key_value()
                .is_some_and(|(&first, _)| first == self.chunks + 1)
            {
                next = self.early.pop_first().map(|(_, held)| held);
            }
        }
        frames
    }
}

/// The replies for `room.joined`: once `limit` bytes of text are told, as they are on the wire, the others' text is left out.
pub(super) fn bodies_within(replies: &[RunningReply], limit: usize) -> Vec<ReplyBody<'_>> {
    let mut told = 0;
    let body_of = |reply: &RunningReply| {
        told += encoded_bytes(&reply.body);
        told <= limit
    };
    let fits: Vec<bool> = replies.iter().map(body_of).collect();
    replies
        .iter()
        .zip(fits)
        .map(|(reply, fits)| ReplyBody {
            body: fits.then_some(reply.body.as_str()),
            ..ReplyBody::from(reply)
        })
        .collect()
}

/// What a text is as JSON, without its quotes: escapes make it up to six times as long.
fn encoded_bytes(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(escaped).sum()
}

#[cfg(test)]
mod tests;
