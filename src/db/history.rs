//! Which page of a room's history is meant, and what a page says of what it leaves out: the same arithmetic for every
//! store. Pure.

use super::rows::{HistoryPage, MessageRow};
use crate::ids::Seq;

/// Which page of a room's history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageAt {
    /// The latest messages.
    Latest,
    /// Those before this one, the latest of them.
    Before(Seq),
    /// Those after this one, the oldest of them.
    After(Seq),
    /// This one with what stands around it: half of the page up to and with it, half above it.
    Around(Seq),
}

/// How many messages, and how much of their text, a page around a message takes on each side of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sides {
    /// Messages up to and with the one in the middle.
    pub below: i64,
    /// Messages above it.
    pub above: i64,
    /// Bytes of text on each side; the first message of a side always fits.
    pub bytes: usize,
}

impl Sides {
    /// The sides of a page of so many messages and so much text.
    #[must_use]
    pub const fn of(limit: i64, bytes: usize) -> Self {
        Self {
            below: limit - limit / 2,
            above: limit / 2,
            bytes: bytes / 2,
        }
    }
}

impl HistoryPage {
    /// The page of these messages, of a room that holds `first_seq` to `last_seq` without a hole between.
    #[must_use]
    pub fn new(messages: Vec<MessageRow>, at: PageAt, first_seq: Seq, last_seq: Seq) -> Self {
        // What an empty page stands between.
        let (below, above) = match at {
            PageAt::Latest => (last_seq, last_seq.saturating_add(1)),
            PageAt::Before(seq) => (seq.saturating_sub(1), seq),
            PageAt::After(seq) | PageAt::Around(seq) => (seq, seq.saturating_add(1)),
        };
        let below = messages.first().map_or(below, |first| first.seq - 1);
        let above = messages.last().map_or(above, |last| last.seq + 1);
        let is_any = first_seq <= last_seq;
        let (older, newer) = (is_any && below >= first_seq, is_any && above <= last_seq);
        let more = match at {
            PageAt::After(_) => newer,
            _ => older,
        };
        Self {
            messages,
            more,
            older,
            newer,
        }
    }
}
