//! Searches: whatever is typed is words to every database, quoted and bounded, and finds what its words say.

use rand::Rng;
use rand::rngs::StdRng;
use salon::db::search::SearchQuery;
use salon::limits;

use super::engine::Target;

/// What the languages of searches are made of.
const WORDS: &[&str] = &[
    "\"", "-", "-\"", "'", "\\", ":*", "*", " & ", " | ", "!", "(", ")", "<->", " OR ", " AND ",
    " NOT ", "NEAR(", "body:", "^", "ⓐ", "ß", "İ", "ΟΣ", "e\u{301}", "مَك", "天気", "releas",
    " on ", "²",
];
/// A query in any database's language is no longer: each word with its quotes and what joins it.
const MOST_BYTES: usize = limits::SEARCH_CHARS * 16;

/// That a text is these words and operators, and quoted pieces of words.
fn is_quoted(said: &str, quote: char, operators: &[&str]) -> Result<(), String> {
    if said.len() > MOST_BYTES {
        return Err(format!("{} bytes", said.len()));
    }
    let mut rest = said;
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix(quote) {
            let Some((words, after)) = quoted.split_once(quote) else {
                return Err(format!("an open quote in {said}"));
            };
            // Lower case may leave a mark where a letter with one was.
            let is_word = |c: char| c.is_alphanumeric() || c == '\u{307}';
            if words.is_empty()
                || !words
                    .split(' ')
                    .all(|word| !word.is_empty() && word.chars().all(is_word))
            {
                return Err(format!("{words:?} is no word"));
            }
            rest = after;
        } else if let Some(operator) = operators
            .iter()
            .find(|operator| rest.starts_with(**operator))
        {
            rest = rest.get(operator.len()..).unwrap_or_default();
        } else {
            return Err(format!("{rest:?} is said of {said}"));
        }
    }
    Ok(())
}

/// A text has what is searched with the same text, and each of its words by every beginning that is long enough.
fn finds(text: &str, query: &SearchQuery, rng: &mut StdRng) -> Result<(), String> {
    if !text.contains('-') && !query.matches(text) {
        return Err("a text does not find itself".to_owned());
    }
    if query.matches(text) && (query.places(text).is_empty() || !query.words().matches(text)) {
        return Err("what is found has no place, or not its words".to_owned());
    }
    let words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric())
        .map(str::to_lowercase)
        .collect();
    let Some(word) = words.get(rng.random_range(0..words.len())) else {
        return Ok(());
    };
    let length = word.chars().count();
    if length < limits::SEARCH_BEGINNING_CHARS || !word.chars().all(char::is_alphanumeric) {
        return Ok(());
    }
    let beginning: String = word
        .chars()
        .take(rng.random_range(limits::SEARCH_BEGINNING_CHARS..=length))
        .collect();
    let found = |typed: &str| SearchQuery::parse(typed).is_ok_and(|query| query.matches(text));
    if !found(&beginning) {
        return Err(format!("{beginning:?} does not find {word:?}"));
    }
    if found(&format!("\"{beginning}\"")) != words.contains(&beginning) {
        return Err(format!("{beginning:?} in quotes is not exact"));
    }
    Ok(())
}

#[test]
fn fuzz_search() {
    let target = Target {
        name: "search",
        words: WORDS,
        max_bytes: 1_200,
        seeds: Vec::new(),
    };
    target.fuzz(|input, rng| {
        let text = String::from_utf8_lossy(input);
        let text: String = text.chars().take(limits::SEARCH_CHARS).collect();
        let Ok(query) = SearchQuery::parse(&text) else {
            return Ok(());
        };
        for query in [&query, &query.words()] {
            is_quoted(
                &query.tsquery(),
                '\'',
                &[" & ", " <-> ", "!", "(", ")", ":*"],
            )?;
            is_quoted(
                &query.fts5(),
                '"',
                &[" AND ", " OR ", " NOT ", "(", ")", "*"],
            )?;
        }
        finds(&text, &query, rng)
    });
}
