//! How many tokens a text is, for models whose provider does not count. Used to keep prompts within a model's context
//! ([`crate::chat::prompt`]), so it must never be too low: it is an upper bound, not a guess. Pure.
//!
//! Outside ASCII every byte counts as a token, which no tokenizer with byte fallback exceeds. Within it the costs lie above
//! what six tokenizers of the field need for prose, code, random letters, keys and numbers (`tests/fixtures/tokens`).
//! English prose comes out at about two and a half times its real count: the price of never being refused.

use super::Prompt;
pub use crate::spending::usual_tokens as usual;

/// Around each turn, and around the whole: roles, separators, what a template of a local model adds.
pub const PER_TURN: u64 = 12;

/// A small letter behind another one, in hundredths of a token.
const SMALL_LETTER: u64 = 66;

/// What everything else costs, in hundredths of a token.
const WHOLE: u64 = 100;

/// Tokens of a text at most.
#[must_use]
pub fn at_most(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let mut hundredths = 0;
    let mut before = b' ';
    for (index, byte) in bytes.iter().enumerate() {
        let after = bytes.get(index + 1).copied().unwrap_or_default();
        hundredths += match byte {
            b'a'..=b'z' if before.is_ascii_lowercase() => SMALL_LETTER,
            // One space belongs to the word behind it; before other scripts some keep it apart.
            b' ' if after.is_ascii_alphabetic() && !before.is_ascii_whitespace() => 0,
            _ => WHOLE,
        };
        before = *byte;
    }
    u64::div_ceil(hundredths, WHOLE)
}

/// Tokens of a whole prompt at most.
#[must_use]
pub fn of_prompt(prompt: &Prompt) -> u64 {
    let turns = prompt.turns.iter().map(|turn| at_most(&turn.text));
    turns.fold(at_most(&prompt.system) + PER_TURN, |sum, turn| {
        sum + turn + PER_TURN
    })
}

/// A text of at most so many tokens: its beginning and its end, where it is too long. The same text gives the same.
#[must_use]
pub fn cut(text: &str, tokens: u64) -> String {
    const GAP: &str = "\n[…]\n";
    if at_most(text) <= tokens {
        return text.to_owned();
    }
    // A token is a byte at least, so so many bytes are never too many.
    let bytes = usize::try_from(tokens).unwrap_or(usize::MAX);
    let half = bytes.saturating_sub(GAP.len()) / 2;
    let begin = text.get(..text.floor_char_boundary(half));
    let from = text.len().saturating_sub(half);
    let end = text.get(text.ceil_char_boundary(from)..);
    [begin.unwrap_or_default(), GAP, end.unwrap_or_default()].concat()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Counted {
        kind: String,
        text: String,
        tokens: BTreeMap<String, u64>,
    }

    fn counted() -> Vec<Counted> {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/tokens/counted.json");
        serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
    }

    #[test]
    fn no_tokenizer_counts_more() {
        let all = counted();
        assert!(all.len() > 100 && all.iter().all(|counted| counted.tokens.len() == 6));
        for counted in all {
            let most = counted.tokens.values().max().unwrap();
            let estimate = at_most(&counted.text);
            assert!(
                estimate >= *most,
                "{}: {estimate} < {most} {:?}",
                counted.kind,
                counted.text
            );
            assert!(estimate <= counted.text.len() as u64 + 1);
        }
    }

    #[test]
    fn prose_and_code_are_not_counted_threefold_more() {
        for kind in ["english", "code"] {
            let (mut estimated, mut real) = (0, 0);
            for counted in counted().iter().filter(|counted| counted.kind == kind) {
                estimated += at_most(&counted.text);
                real += counted.tokens.values().max().unwrap();
            }
            assert!(estimated <= 3 * real, "{kind}: {estimated} of {real}");
        }
    }

    #[test]
    fn what_is_cut_fits_and_keeps_both_ends() {
        let text = format!("ada: {} what is this?", "schöne 世界 ".repeat(400));
        for tokens in [30, 31, 32, 33, 100, 1_000] {
            let cut = cut(&text, tokens);
            assert!(at_most(&cut) <= tokens, "{tokens}: {cut}");
            assert!(cut.starts_with("ada: ") && cut.ends_with("this?"), "{cut}");
        }
        assert_eq!(cut("short", 5), "short");
        assert!(!cut(&text, 0).trim().is_empty());
    }
}
