//! A search's query: what is typed, read into words and phrases, and where a text has them. Pure; the stores say it in their own
//! languages ([`rendered`](super::rendered)), the model and the snippets ask it itself.
//!
//! What is made here is bounded by the length of what is typed: at most [`limits::SEARCH_TERMS`] terms, a word for every second of
//! [`limits::SEARCH_CHARS`] characters, and nothing in a word but letters and digits (and marks that belong to one).

use std::ops::Range;

use super::bad;
use crate::error::{ErrorCode, Refusal};
use crate::limits;

/// A word, or several in a row. Made by [`SearchQuery::parse`] alone, so never without a word, and a word never with anything that
/// could be syntax.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Term {
    /// In their order.
    pub(super) words: Vec<String>,
    /// Whether a word that only begins as the last one is found too.
    pub(super) begins: bool,
}

/// What the text of a message must have, and must not.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SearchQuery {
    /// Each must be there; at least one.
    pub(super) all: Vec<Term>,
    /// None may be there.
    pub(super) none: Vec<Term>,
}

/// A part of what is typed.
struct Part<'a> {
    text: &'a str,
    /// After a `-`.
    is_excluded: bool,
    /// Within quotes.
    is_quoted: bool,
}

/// A word of a text, and where it stands.
type Placed = (Range<usize>, String);

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
        let (mut rest, mut beginnings) = (text, 0);
        while let Some((part, after)) = next_part(rest) {
            rest = after;
            let Some(mut term) = Term::read(&part) else {
                continue;
            };
            beginnings += usize::from(term.begins);
            term.begins &= beginnings <= limits::SEARCH_BEGINNINGS;
            if part.is_excluded {
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

    /// Every word that must be there, as a search for them anywhere: what an index of words can tell by itself. What another of
    /// them implies is left out: each beginning costs a look at every word that begins so.
    #[must_use]
    pub fn words(&self) -> Self {
        let mut words: Vec<Term> = self.all.iter().flat_map(Term::single).collect();
        words.sort_unstable();
        Self {
            all: needed(&words),
            none: Vec::new(),
        }
    }

    /// The same search without what another part of it implies.
    pub(super) fn without_repeats(&self) -> Self {
        Self {
            all: needed(&self.all),
            none: self.none.clone(),
        }
    }

    /// Whether there is nothing to it but words that must be there, wherever.
    #[must_use]
    pub fn is_only_words(&self) -> bool {
        self.none.is_empty() && self.all.iter().all(|term| term.words.len() == 1)
    }

    /// Whether a text is found.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let words: Vec<Placed> = words(text).collect();
        let has = |term: &Term| term.places(&words).next().is_some();
        self.all.iter().all(has) && !self.none.iter().any(has)
    }

    /// The places in a text to be marked: where what was looked for stands, whole words, ascending, without overlaps.
    #[must_use]
    pub fn places(&self, text: &str) -> Vec<Range<usize>> {
        let words: Vec<Placed> = words(text).collect();
        let mut places: Vec<Range<usize>> = self
            .all
            .iter()
            .flat_map(|term| term.places(&words))
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

/// Those that no other implies, each once, in their order.
fn needed(terms: &[Term]) -> Vec<Term> {
    let is_needed = |&(at, term): &(usize, &Term)| {
        !terms.iter().take(at).any(|other| other == term)
            && !terms.iter().any(|other| other.implies(term))
    };
    let needed = terms.iter().enumerate().filter(is_needed);
    needed.map(|(_, term)| term.clone()).collect()
}

impl Term {
    /// What a part asks for, if it has a word. What is written without a space between (`e-mail`) was meant as a phrase, of which
    /// the last word may still be being typed.
    fn read(part: &Part<'_>) -> Option<Self> {
        let words: Vec<String> = words(part.text).map(|(_, word)| word).collect();
        let last = words.last()?;
        let is_long = last.chars().count() >= limits::SEARCH_BEGINNING_CHARS;
        Some(Self {
            begins: is_long && !part.is_excluded && !part.is_quoted,
            words,
        })
    }

    /// Each word as a term of its own.
    fn single(&self) -> impl Iterator<Item = Self> + '_ {
        let last = self.words.len().saturating_sub(1);
        let words = self.words.iter().enumerate();
        words.map(move |(at, word)| Self {
            words: vec![word.clone()],
            begins: self.begins && at == last,
        })
    }

    /// Whether a text that has this word has the other, which is another one: a beginning of it.
    fn implies(&self, other: &Self) -> bool {
        let is_beginning = match (self.words.as_slice(), other.words.as_slice()) {
            ([word], [beginning]) => word.starts_with(beginning.as_str()),
            _ => false,
        };
        self != other && other.begins && is_beginning
    }

    /// Where it stands among words.
    fn places(&self, words: &[Placed]) -> impl Iterator<Item = Range<usize>> {
        let last = self.words.len().saturating_sub(1);
        let is_here = move |window: &&[Placed]| {
            let mut both = window.iter().zip(&self.words).enumerate();
            both.all(|(at, ((_, word), sought))| {
                word == sought || (self.begins && at == last && word.starts_with(sought.as_str()))
            })
        };
        let place = |window: &[Placed]| Some(window.first()?.0.start..window.last()?.0.end);
        words
            .windows(self.words.len().max(1))
            .filter(is_here)
            .filter_map(place)
    }
}

/// The next part of a query, and what follows it.
fn next_part(text: &str) -> Option<(Part<'_>, &str)> {
    let text = text.trim_start();
    let (is_excluded, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let part = |text, is_quoted| Part {
        text,
        is_excluded,
        is_quoted,
    };
    if let Some(quoted) = text.strip_prefix('"') {
        let (phrase, after) = quoted.split_once('"').unwrap_or((quoted, ""));
        return Some((part(phrase, true), after));
    }
    if text.is_empty() {
        return None;
    }
    let end = text
        .find(|c: char| c.is_whitespace() || c == '"')
        .unwrap_or(text.len());
    let (word, after) = text.split_at(end);
    Some((part(word, false), after))
}

/// The words of a text, each with where it stands.
fn words(text: &str) -> impl Iterator<Item = Placed> {
    let mut rest = text.char_indices().peekable();
    std::iter::from_fn(move || {
        let (start, _) = rest.find(|(_, c)| c.is_alphanumeric())?;
        while rest.next_if(|(_, c)| c.is_alphanumeric()).is_some() {}
        let end = rest.peek().map_or(text.len(), |(end, _)| *end);
        let word = text.get(start..end).unwrap_or_default().to_lowercase();
        Some((start..end, word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> SearchQuery {
        SearchQuery::parse(text).unwrap()
    }

    /// Terms as they are typed, a `*` behind those that may go on.
    fn shown(terms: &[Term]) -> Vec<String> {
        let show = |term: &Term| {
            let mark = if term.begins { "*" } else { "" };
            format!("{}{mark}", term.words.join(" "))
        };
        terms.iter().map(show).collect()
    }

    #[test]
    fn words_phrases_and_exclusions_are_read() {
        let read = query(r#"Tea "the Kettle, boils" -coffee -"no milk" e-mail --x on"#);
        assert_eq!(
            shown(&read.all),
            ["tea*", "the kettle boils", "e mail*", "on"]
        );
        assert_eq!(shown(&read.none), ["coffee", "no milk", "x"]);
        let read = query(r#"or "unclosed phrase"#);
        assert_eq!(shown(&read.all), ["or", "unclosed phrase"]);
        assert_eq!(shown(&query(r#"a"b c"d"#).all), ["a", "b c", "d"]);
        assert_eq!(
            shown(&query("über 天気 今日は").all),
            ["über*", "天気", "今日は*"]
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
    fn what_the_index_is_asked_for_has_no_word_that_another_implies() {
        for (typed, asked) in [
            ("tea kettle", &["kettle*", "tea*"][..]),
            ("rel release releas", &["release*"]),
            ("rel \"release notes\"", &["notes", "release"]),
            ("tea \"tea\"", &["tea"]),
            ("on once", &["on", "once*"]),
            ("\"the kettle\" \"the tea\" -no", &["kettle", "tea", "the"]),
            ("e-mail mailing", &["e", "mailing*"]),
        ] {
            let words = query(typed).words();
            assert_eq!(shown(&words.all), asked, "{typed}");
            assert!(words.is_only_words());
        }
        assert!(query("tea on").is_only_words());
        assert!(!query("e-mail").is_only_words() && !query("tea -on").is_only_words());
    }

    #[test]
    fn a_text_is_found_by_all_and_none() {
        let text = "The kettle boils; don't touch the HÄUSER (e-mail: x@y.example).";
        for found in [
            "kettle",
            "kettl",
            "ket boi -boil",
            "häu",
            "häuser",
            "\"the kettle\"",
            "don't",
            "e-mail",
            "e-mai",
            "mail -tea",
            "kettle -kettl",
            "y.example",
            "y.exam",
            "the boils",
        ] {
            assert!(query(found).matches(text), "{found}");
        }
        for missed in [
            "ke",
            "ettle",
            "kettles",
            "\"kettl\"",
            "\"the kettl\"",
            "\"kettle the\"",
            "ket-boils",
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
        // A word that only begins so is marked to its end.
        let places = query("releas \"note\"").places("Released: release-notes");
        assert_eq!(places, [0..8, 10..17]);
        let places = query("release-not").places("x release-notes");
        assert_eq!((places.len(), places.first()), (1, Some(&(2..15))));
        assert!(query("release-no").places("x release-notes").is_empty());
    }
}
