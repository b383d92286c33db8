//! How much of a reply one reader has, and what a piece of it adds. Pure: the delta rule of `docs/protocol.md`, kept on the
//! server's side of an event stream, so that a reader who only appends gets every character once.

use std::borrow::Cow;
use std::fmt;

use crate::error::{ErrorCode, Refusal};
use crate::ids::{Attempt, ChunkNumber};

/// The end of what a reader has, and the id of its events: `attempt:chunk:bytes`. Chunks alone would not do: what is
/// saved of a reply joins them, and only the length of the text tells where the rest begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Place {
    attempt: Attempt,
    chunks: ChunkNumber,
    bytes: usize,
}

/// A piece of a reply, as in `reply.delta`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Piece<'a> {
    /// A higher one than the reader's starts over.
    pub attempt: Attempt,
    /// The number of the first chunk it covers; 1 replaces what the reader has.
    pub chunk: ChunkNumber,
    /// How many it covers.
    pub count: ChunkNumber,
    /// Their text.
    pub text: Cow<'a, str>,
}

/// What became of a piece.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Taken<'a> {
    /// The reader has all of it.
    Known,
    /// Something before it is missing: ask for the whole text.
    Missed,
    /// This is for the reader.
    New(Piece<'a>),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.attempt, self.chunks, self.bytes)
    }
}

impl Place {
    /// The place that a `Last-Event-ID` names. Without its last part, `attempt:chunk`, it says where the reader is but
    /// not where the rest of the text begins; then the whole text comes, from chunk 1.
    ///
    /// # Errors
    /// `bad_request` for anything else.
    pub fn parse(id: &str) -> Result<Self, Refusal> {
        let numbers: Option<Vec<i32>> =
            id.trim().split(':').map(|part| part.parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[attempt, chunks, bytes]) if attempt >= 0 && chunks >= 0 && bytes >= 0 => {
                Ok(Self {
                    attempt,
                    chunks,
                    bytes: usize::try_from(bytes).unwrap_or(0),
                })
            }
            Some(&[attempt, chunks]) if attempt >= 0 && chunks >= 0 => Ok(Self {
                attempt,
                ..Self::default()
            }),
            _ => Err(Refusal::with_message(
                ErrorCode::BadRequest,
                "`Last-Event-ID` is the id of an event of this stream.",
            )),
        }
    }

    /// Moves over a piece and tells what of it the reader lacks.
    pub fn take<'a>(&mut self, piece: Piece<'a>) -> Taken<'a> {
        if piece.attempt < self.attempt {
            return Taken::Known;
        }
        if piece.attempt > self.attempt {
            *self = Self {
                attempt: piece.attempt,
                ..Self::default()
            };
        }
        let last = piece.chunk.saturating_add(piece.count).saturating_sub(1);
        if last <= self.chunks {
            return Taken::Known;
        }
        if piece.chunk == self.chunks + 1 {
            self.chunks = last;
            self.bytes += piece.text.len();
            return Taken::New(piece);
        }
        if piece.chunk != 1 {
            return Taken::Missed;
        }
        let (known_chunks, known_bytes) = (self.chunks, self.bytes);
        self.chunks = last;
        self.bytes = piece.text.len();
        // A place that nobody was ever told does not fit the text: then the whole text replaces whatever is there.
        let Some(rest) = piece.text.get(known_bytes..) else {
            return Taken::New(piece);
        };
        Taken::New(Piece {
            chunk: known_chunks + 1,
            count: last - known_chunks,
            text: Cow::Owned(rest.to_owned()),
            ..piece
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn piece(attempt: Attempt, chunk: ChunkNumber, count: ChunkNumber, text: &str) -> Piece<'_> {
        let text = Cow::Borrowed(text);
        Piece {
            attempt,
            chunk,
            count,
            text,
        }
    }

    #[test]
    fn pieces_follow_the_rule_of_deltas() {
        let mut place = Place::default();
        assert_eq!(
            place.take(piece(1, 1, 1, "Hé")),
            Taken::New(piece(1, 1, 1, "Hé"))
        );
        assert_eq!(place.take(piece(1, 1, 1, "Hé")), Taken::Known);
        assert_eq!(place.take(piece(1, 3, 1, "o")), Taken::Missed);
        assert_eq!(place.to_string(), "1:1:3");
        assert_eq!(
            place.take(piece(1, 1, 4, "Héllo!")),
            Taken::New(piece(1, 2, 3, "llo!"))
        );
        assert_eq!(place.take(piece(2, 2, 1, "late")), Taken::Missed);
        assert_eq!(place.take(piece(1, 5, 1, "old")), Taken::Known);
        assert_eq!(
            place.take(piece(2, 1, 2, "new")),
            Taken::New(piece(2, 1, 2, "new"))
        );
        assert_eq!(place.to_string(), "2:2:3");
    }

    #[test]
    fn a_place_is_read_back_and_nothing_else_is_one() {
        for id in ["1:2:30", "0:0:0"] {
            assert_eq!(Place::parse(id).unwrap().to_string(), id);
        }
        assert_eq!(Place::parse("3:7").unwrap().to_string(), "3:0:0");
        for id in ["", "1", "a:b", "1:-2", "1:2:3:4", "1:2:x", "99999999999:1"] {
            assert_eq!(
                Place::parse(id).unwrap_err().code,
                ErrorCode::BadRequest,
                "{id}"
            );
        }
    }

    #[test]
    fn a_made_up_place_gets_the_whole_text() {
        for id in ["1:1:400", "1:1:2"] {
            let mut place = Place::parse(id).unwrap();
            assert_eq!(
                place.take(piece(1, 1, 2, "aé")),
                Taken::New(piece(1, 1, 2, "aé")),
                "{id}"
            );
        }
    }

    proptest! {
        /// A reader who is cut off anywhere and resumes at its last id gets every character once, in order.
        #[test]
        fn nothing_is_lost_or_doubled_over_any_cuts(
            words in prop::collection::vec("[aé€]{1,4}", 1..20),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let whole = words.concat();
            let (mut id, mut got) = (Place::default().to_string(), String::new());
            let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(words.len()) + 1).collect();
            ends.push(words.len());
            ends.sort_unstable();
            for end in ends {
                let mut place = Place::parse(&id).unwrap();
                let so_far = words[..end].concat();
                if let Taken::New(new) = place.take(piece(1, 1, i32::try_from(end).unwrap(), &so_far)) {
                    got.push_str(&new.text);
                }
                id = place.to_string();
            }
            prop_assert_eq!(got, whole);
        }
    }
}
