//! Whether a message calls the assistant, and where it may mention a member. Pure; asked for each message that is sent.

use crate::limits;

/// Whether `body` holds `@name` as a word, in any case. Not inside a longer word (`@assistants`, `@assistant-bot`), an
/// e-mail address (`ada@assistant`, `ada@assistant.org`) or the path of a URL (`example.org/@assistant`).
#[must_use]
pub fn mentions_assistant(body: &str, name: &str) -> bool {
    if name.is_empty() {
        return false;
    }
    body.match_indices('@').any(|(place, at)| {
        let (before, rest) = body.split_at(place);
        let after_at = rest.strip_prefix(at).unwrap_or(rest);
        begins_a_word(before) && strip_prefix_in_any_case(after_at, name).is_some_and(ends_a_word)
    })
}

/// The places of `body` that may mention somebody: for each the names that may be meant, in lower case as names are
/// compared, the longest first. A name may hold blanks and marks, so that only who knows the members can tell.
#[must_use]
pub fn places(body: &str) -> Vec<Vec<String>> {
    let ats = body.match_indices('@').filter_map(|(place, at)| {
        let (before, rest) = body.split_at(place);
        let named = rest.strip_prefix(at)?;
        let readings = begins_a_word(before).then(|| readings(named))?;
        (!readings.is_empty()).then_some(readings)
    });
    ats.take(limits::MENTIONS_PER_MESSAGE).collect()
}

/// The beginnings of a text that may be a name: each ends a word, none is longer than a name or a line.
fn readings(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let ends = text
        .char_indices()
        .take(limits::NAME_CHARS)
        .take_while(|(_, character)| !matches!(character, '\n' | '@'));
    for (start, character) in ends {
        let (name, after) = text.split_at(start + character.len_utf8());
        if !character.is_whitespace() && ends_a_word(after) {
            found.push(name.to_lowercase());
            if found.len() == limits::MENTION_READINGS {
                break;
            }
        }
    }
    found.reverse();
    found
}

fn begins_a_word(before: &str) -> bool {
    let mut back = before.chars().rev();
    match back.next() {
        None => true,
        Some(last) if is_word(last) || matches!(last, '/' | '@') => false,
        // The local part of an address may end so: `ada+@…`, `ada-@…`.
        Some('+' | '-' | '%') => !back.next().is_some_and(is_word),
        Some(_) => true,
    }
}

fn ends_a_word(after: &str) -> bool {
    let mut forward = after.chars();
    match forward.next() {
        None => true,
        Some(first) if is_word(first) || first == '@' => false,
        // `@assistant.org` and `@assistant-bot` are names of others; `@assistant.` ends a sentence.
        Some('.' | '-') => !forward.next().is_some_and(is_word),
        Some(_) => true,
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn strip_prefix_in_any_case<'text>(text: &'text str, prefix: &str) -> Option<&'text str> {
    let mut rest = text.chars();
    for expected in prefix.chars() {
        let found = rest.next()?;
        if found != expected && !found.to_lowercase().eq(expected.to_lowercase()) {
            return None;
        }
    }
    Some(rest.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_mention_is_a_word_of_its_own() {
        for body in [
            "@assistant",
            "@assistant hello",
            "hello @assistant",
            "hello @ASSISTANT!",
            "@Assistant, please",
            "so (@assistant) and",
            "ask @assistant.",
            "ask @assistant. And",
            "@assistant: do",
            "@assistant's view",
            "line\n@assistant\nline",
            "x.@assistant",
            "-@assistant-",
            "**@assistant** and `@assistant`",
            "@assistants @assistant",
            "ada@assistant and @assistant",
            "你好，@assistant，谢谢",
            "@assistant…",
        ] {
            assert!(mentions_assistant(body, "assistant"), "{body}");
        }
    }

    #[test]
    fn parts_of_other_words_are_no_mention() {
        for body in [
            "",
            "@",
            "assistant",
            "@ assistant",
            "@assistan",
            "@assistants",
            "@assistant2",
            "@assistant_bot",
            "@assistant-bot",
            "@assistant.org",
            "@assistantä",
            "ada@assistant",
            "ada@assistant.org",
            "ada+@assistant",
            "a_@assistant",
            "https://example.org/@assistant",
            "@@assistant",
            "@assistant@example.org",
        ] {
            assert!(!mentions_assistant(body, "assistant"), "{body}");
        }
        assert!(!mentions_assistant("@", ""));
    }

    #[test]
    fn a_place_may_mean_longer_and_shorter_names() {
        assert_eq!(places("hi @Ada"), [["ada"]]);
        assert_eq!(places("@ada lovelace"), [["ada lovelace", "ada"]]);
        assert_eq!(
            places("(@Ada), you"),
            [["ada), you", "ada),", "ada)", "ada"]]
        );
        assert_eq!(places("@李小龍 🙂"), [["李小龍 🙂", "李小龍"]]);
        assert_eq!(places("@ada\nbob"), [["ada"]]);
        assert_eq!(places("@ada @bob"), [["ada"], ["bob"]]);
        for none in ["ada@bob", "@", "@ x", "https://x.org/@ada", "a@@b"] {
            assert_eq!(
                places(none).iter().flatten().find(|name| *name == "ada"),
                None
            );
        }
        let many = places(&"@ada ".repeat(100));
        assert_eq!(many.len(), limits::MENTIONS_PER_MESSAGE);
        let words = places(&format!("@{}", "x ".repeat(90)));
        assert_eq!(words[0].len(), limits::MENTION_READINGS);
        assert_eq!(words[0].last().map(String::as_str), Some("x"));
    }

    #[test]
    fn names_in_other_scripts_are_found() {
        assert!(mentions_assistant("bitte @Älfi", "älfi"));
        assert!(mentions_assistant("@helper bot, hi", "Helper Bot"));
    }

    proptest! {
        #[test]
        fn spaces_around_make_a_mention(before in any::<String>(), after in any::<String>()) {
            let body = format!("{before} @assistant {after}");
            prop_assert!(mentions_assistant(&body, "assistant"));
        }
    }
}
