//! What a search is: its query in words and phrases, its filters, where its next page begins, and what it finds. Pure, and the
//! same for every store.
//!
//! A word is a run of letters and digits, without case; whatever else stands between words only separates them. A
//! message is found when it has every word and every phrase, and none of what is excluded. A word that is not quoted and long
//! enough stands for all that begin with it.

mod query;
mod rendered;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Datelike, Utc};
use uuid::Uuid;

use super::rows::MessageRow;
use crate::error::{ErrorCode, Refusal};
use crate::ids::{RoomId, Seq};

pub use query::{SearchQuery, Term};

/// A search of one user, over the rooms that user is a member of.
#[derive(Clone, PartialEq, Debug)]
pub struct Search {
    /// What to look for.
    pub query: SearchQuery,
    /// Only in the room of this slug.
    pub room: Option<String>,
    /// Only by authors of this name, whatever its case.
    pub author: Option<String>,
    /// Only before this time.
    pub before: Option<DateTime<Utc>>,
    /// Only at this time or after it.
    pub after: Option<DateTime<Utc>>,
    /// Only what is older than what stood here: `next` of the page before.
    pub from: Option<SearchPlace>,
    /// How many at most.
    pub limit: i64,
}

/// A message that was found.
#[derive(Clone, PartialEq, Debug)]
pub struct SearchHit {
    /// The address of its room.
    pub room: String,
    /// The name of its room.
    pub room_name: String,
    /// The message as it is now.
    pub message: MessageRow,
    /// Where it stands among what is found.
    pub place: SearchPlace,
}

/// A page of what was found, newest first. One search looks at a bounded number of messages, so a page may be short, or empty,
/// with a next one behind it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct SearchPage {
    /// The messages.
    pub hits: Vec<SearchHit>,
    /// Where the next page begins; none when everything older was looked through.
    pub next: Option<SearchPlace>,
}

/// A room with something that is not indexed yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Behind {
    /// Which.
    pub room: RoomId,
    /// How long ago the oldest of it was written; nothing where somebody else is indexing that room just now.
    pub age: Option<Duration>,
}

/// Where a message stands among all: by its time, then room, then seq.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SearchPlace {
    /// When it was stored.
    pub at: DateTime<Utc>,
    /// Where.
    pub room: RoomId,
    /// Its place there.
    pub seq: Seq,
}

impl Search {
    /// What is looked for is older than this: `from` and `before` in one.
    #[must_use]
    pub fn until(&self) -> SearchPlace {
        let before = self.before.map(|at| SearchPlace {
            at,
            room: RoomId(Uuid::nil()),
            seq: 0,
        });
        let newest = SearchPlace {
            at: END_OF_TIME,
            room: RoomId(Uuid::max()),
            seq: Seq::MAX,
        };
        newest
            .min(self.from.unwrap_or(newest))
            .min(before.unwrap_or(newest))
    }
}

impl fmt::Display for SearchPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{}.{}",
            self.at.timestamp_micros(),
            self.room.0.simple(),
            self.seq
        )
    }
}

impl FromStr for SearchPlace {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let mut parts = text.split('.');
        let mut next = || parts.next().unwrap_or_default();
        let (at, room, seq) = (
            next().parse().ok(),
            next().parse().ok(),
            next().parse().ok(),
        );
        match (
            at.and_then(DateTime::from_timestamp_micros)
                .filter(is_storable),
            room,
            seq,
            parts.next(),
        ) {
            (Some(at), Some(room), Some(seq), None) => Ok(Self { at, room, seq }),
            _ => Err(bad("`cursor` is one that a page of results gave.")),
        }
    }
}

/// No message is of a later time (`9999-12-31T00:00:00Z`); every database can hold it.
const END_OF_TIME: DateTime<Utc> = match DateTime::from_timestamp(253_402_214_400, 0) {
    Some(at) => at,
    None => DateTime::<Utc>::MAX_UTC,
};

/// Whether a database can hold a time: Postgres fails on what is far off.
#[must_use]
pub fn is_storable(at: &DateTime<Utc>) -> bool {
    (0..10_000).contains(&at.year())
}

fn bad(sentence: &'static str) -> Refusal {
    Refusal::with_message(ErrorCode::BadRequest, sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_told_and_none_is_out_of_a_databases_reach() {
        let place = SearchPlace {
            at: DateTime::from_timestamp_micros(1_769_860_680_000_001).unwrap(),
            room: RoomId::new(),
            seq: 12,
        };
        assert_eq!(place.to_string().parse(), Ok(place));
        let room = place.room.0.simple();
        for text in [
            "",
            "1.2.3",
            &format!("x.{room}.1"),
            &format!("1.{room}.1.1"),
            // The years 200000 and -200000.
            &format!("6249221107200000000.{room}.1"),
            &format!("-6373616000000000000.{room}.1"),
        ] {
            assert!(text.parse::<SearchPlace>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_cursor_survives_the_wire() {
        let place = SearchPlace {
            at: DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap(),
            room: RoomId::new(),
            seq: 7,
        };
        assert_eq!(place.to_string().parse::<SearchPlace>().unwrap(), place);
        for bad in ["", "1", "1.2.3", "x", "1.2.3.4"] {
            assert!(bad.parse::<SearchPlace>().is_err(), "{bad}");
        }
    }
}
