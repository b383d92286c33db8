//! What a search is: its query in words and phrases, its filters, where its next page begins, and what it finds. Pure, and the
//! same for every store; each turns a query into its own index's words.
//!
//! A word is a run of letters and digits, without case; whatever else stands between words only separates them. A
//! message is found when it has every word and every phrase, and none of what is excluded.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Datelike, Utc};
use uuid::Uuid;

use super::rows::MessageRow;
use crate::error::{ErrorCode, Refusal};
use crate::ids::{RoomId, Seq};
use crate::limits;

/// A word, or several in a row.
pub type Term = Vec<String>;

/// What the text of a message must have, and must not.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SearchQuery {
    /// Each must be there; at least one.
    pub all: Vec<Term>,
    /// None may be there.
    pub none: Vec<Term>,
}

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

impl SearchQuery {
    /// Reads `words "a phrase" -excluded -"a phrase"`.
    ///
    /// # Errors
    /// `too_large` or `bad_request` for one that is too long or asks for nothing.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if text.chars().count() > limits::SEARCH_CHARS {
            return Err(Refusal::with_message(
                ErrorCode::TooLarge,
                "A search has at most 256 characters.",
            ));
        }
        let mut query = Self::default();
        let mut rest = text;
        while let Some((excluded, part, after)) = next_part(rest) {
            rest = after;
            let term: Term = words(part).map(|(_, word)| word).collect();
            if term.is_empty() {
                continue;
            }
            if excluded {
                &mut query.none
            } else {
                &mut query.all
            }
            .push(term);
        }
        if query.all.is_empty() {
            return Err(bad("Say at least one word to look for."));
        }
        if query.all.len() + query.none.len() > limits::SEARCH_TERMS {
            return Err(Refusal::with_message(
                ErrorCode::TooLarge,
                "A search has at most 16 words and phrases.",
            ));
        }
        Ok(query)
    }

    /// Every word that must be there, as a search for them anywhere: what an index of words can tell by itself.
    #[must_use]
    pub fn words(&self) -> Self {
        let mut words: Vec<Term> = self
            .all
            .iter()
            .flatten()
            .map(|word| vec![word.clone()])
            .collect();
        words.sort_unstable();
        words.dedup();
        Self {
            all: words,
            none: Vec::new(),
        }
    }

    /// Whether a text is found.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let words: Vec<(Range<usize>, String)> = words(text).collect();
        let has = |term: &Term| !places_of(&words, term).is_empty();
        self.all.iter().all(has) && !self.none.iter().any(has)
    }

    /// The places in a text to be marked: where what was looked for stands, ascending, without overlaps.
    #[must_use]
    pub fn places(&self, text: &str) -> Vec<Range<usize>> {
        let words: Vec<(Range<usize>, String)> = words(text).collect();
        let mut places: Vec<Range<usize>> = self
            .all
            .iter()
            .flat_map(|term| places_of(&words, term))
            .collect();
        places.sort_unstable_by_key(|place| (place.start, place.end));
        let mut merged: Vec<Range<usize>> = Vec::with_capacity(places.len());
        for place in places {
            match merged.last_mut() {
                Some(last) if place.start <= last.end => last.end = last.end.max(place.end),
                _ => merged.push(place),
            }
        }
        merged
    }
}

/// The next part of a query: whether it is excluded, its text, and what follows. Every part is a phrase: what is written
/// without a space between (`e-mail`) was meant as one.
fn next_part(text: &str) -> Option<(bool, &str, &str)> {
    let text = text.trim_start();
    let (excluded, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if let Some(quoted) = text.strip_prefix('"') {
        let (phrase, after) = quoted.split_once('"').unwrap_or((quoted, ""));
        return Some((excluded, phrase, after));
    }
    if text.is_empty() {
        return None;
    }
    let end = text
        .find(|c: char| c.is_whitespace() || c == '"')
        .unwrap_or(text.len());
    let (word, after) = text.split_at(end);
    Some((excluded, word, after))
}

/// The words of a text, each with where it stands.
fn words(text: &str) -> impl Iterator<Item = (Range<usize>, String)> {
    let mut rest = text.char_indices().peekable();
    std::iter::from_fn(move || {
        let (start, _) = rest.find(|(_, c)| c.is_alphanumeric())?;
        while rest.next_if(|(_, c)| c.is_alphanumeric()).is_some() {}
        let end = rest.peek().map_or(text.len(), |(end, _)| *end);
        let word = text.get(start..end).unwrap_or_default().to_lowercase();
        Some((start..end, word))
    })
}

/// Where a term stands among words.
fn places_of(words: &[(Range<usize>, String)], term: &Term) -> Vec<Range<usize>> {
    if term.is_empty() {
        return Vec::new();
    }
    let is_here = |window: &&[(Range<usize>, String)]| window.iter().map(|(_, word)| word).eq(term);
    let place =
        |window: &[(Range<usize>, String)]| Some(window.first()?.0.start..window.last()?.0.end);
    words
        .windows(term.len())
        .filter(is_here)
        .filter_map(place)
        .collect()
}

fn bad(sentence: &'static str) -> Refusal {
    Refusal::with_message(ErrorCode::BadRequest, sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> SearchQuery {
        SearchQuery::parse(text).unwrap()
    }

    fn terms(terms: &[&[&str]]) -> Vec<Term> {
        terms
            .iter()
            .map(|term| term.iter().map(|word| (*word).to_owned()).collect())
            .collect()
    }

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
    fn words_phrases_and_exclusions_are_read() {
        let read = query(r#"Tea "the Kettle, boils" -coffee -"no milk" e-mail --x"#);
        assert_eq!(
            read.all,
            terms(&[&["tea"], &["the", "kettle", "boils"], &["e", "mail"]])
        );
        assert_eq!(read.none, terms(&[&["coffee"], &["no", "milk"], &["x"]]));
        assert_eq!(
            query(r#"or "unclosed phrase"#).all,
            terms(&[&["or"], &["unclosed", "phrase"]])
        );
        assert_eq!(
            query(r#"a"b c"d"#).all,
            terms(&[&["a"], &["b", "c"], &["d"]])
        );
        for nothing in ["", "  ", "-x", "\"\"", "- ' &", "\"-"] {
            assert_eq!(
                SearchQuery::parse(nothing).unwrap_err().code,
                ErrorCode::BadRequest,
                "{nothing}"
            );
        }
        for long in ["x".repeat(257), "x ".repeat(17)] {
            assert_eq!(
                SearchQuery::parse(&long).unwrap_err().code,
                ErrorCode::TooLarge
            );
        }
    }

    #[test]
    fn a_text_is_found_by_all_and_none() {
        let text = "The kettle boils; don't touch the HÄUSER (e-mail: x@y.example).";
        for found in [
            "kettle",
            "häuser",
            "\"the kettle\"",
            "don't",
            "e-mail",
            "mail -tea",
            "y.example",
            "the boils",
        ] {
            assert!(query(found).matches(text), "{found}");
        }
        for missed in [
            "kettl",
            "\"kettle the\"",
            "kettle -boils",
            "the -\"touch the\"",
            "tea kettle",
        ] {
            assert!(!query(missed).matches(text), "{missed}");
        }
    }

    #[test]
    fn places_are_marked_once_and_whole() {
        let places = query("the \"the kettle\"").places("The kettle and the…");
        assert_eq!(places, [0..10, 15..18]);
        let places = query("ÄÖ").places("x äö");
        assert_eq!((places.len(), places.first()), (1, Some(&(2..6))));
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
