//! What users and rooms may be called. Pure. Called by [`super::Auth`] for users and by `http/` for rooms, before
//! anything is stored, so that a name is shown the same everywhere and cannot pose as something else.

use crate::db::ASSISTANT;
use crate::error::{ErrorCode, Refusal};
use crate::limits;
use crate::looks;

/// A user's name in the form it is stored: trimmed, each run of blanks one space.
///
/// # Errors
/// `bad_request` for an empty, long or deceptive name; `name_taken` for the assistant's.
pub fn user_name(name: &str) -> Result<String, Refusal> {
    let name = display_name(name)?;
    // A capital I looks like a small l, so the look of capitals is another one.
    let small = name.to_lowercase();
    if [&name, &small]
        .into_iter()
        .any(|name| looks::looks_like(name, ASSISTANT))
    {
        return Err(ErrorCode::NameTaken.into());
    }
    if looks::mixes_scripts(&name) {
        return Err(Refusal::with_message(
            ErrorCode::BadRequest,
            "A word of a name has letters of one script.",
        ));
    }
    Ok(name)
}

/// Whether a text may be a room's address: `[a-z0-9-]{1,64}`, no dash at either end.
#[must_use]
pub fn is_slug(slug: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    (1..=limits::SLUG_CHARS).contains(&slug.len())
        && slug.bytes().all(allowed)
        && !slug.starts_with('-')
        && !slug.ends_with('-')
}

/// No room's address: `/api/rooms/public` is the list of public rooms.
const RESERVED_SLUG: &str = "public";

/// A new room's address.
///
/// # Errors
/// `bad_request` that names the rule.
pub fn check_slug(slug: &str) -> Result<(), Refusal> {
    if slug == RESERVED_SLUG {
        return Err(Refusal::with_message(
            ErrorCode::BadRequest,
            "This address is kept for the server.",
        ));
    }
    if is_slug(slug) {
        return Ok(());
    }
    Err(Refusal::with_message(
        ErrorCode::BadRequest,
        "A room's address has 1 to 64 of a-z, 0-9 and dashes, and no dash at either end.",
    ))
}

/// Any display name, a room's too, in the form it is stored; also the form in which one is looked up.
///
/// # Errors
/// `bad_request` for an empty, long or deceptive name.
pub fn display_name(name: &str) -> Result<String, Refusal> {
    let bad = |sentence: &'static str| Err(Refusal::with_message(ErrorCode::BadRequest, sentence));
    if name.chars().any(is_deceptive) {
        return bad("A name holds no control characters and no invisible ones.");
    }
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    match name.chars().count() {
        0 => bad("A name has at least one character."),
        count if count > limits::NAME_CHARS => bad("A name has at most 64 characters."),
        _ => Ok(name),
    }
}

/// What a room is about, in the form it is stored; nothing is said by an empty one.
///
/// # Errors
/// `bad_request` for a long or deceptive text.
pub fn topic(text: &str) -> Result<String, Refusal> {
    let bad = |sentence: &'static str| Err(Refusal::with_message(ErrorCode::BadRequest, sentence));
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().any(is_deceptive) {
        return bad("A topic holds no control characters and no invisible ones.");
    }
    if text.chars().count() > limits::TOPIC_CHARS {
        return bad("A topic has at most 256 characters.");
    }
    Ok(text)
}

/// Whether a character may stand in a name.
pub(super) fn may_be_seen(c: char) -> bool {
    !is_deceptive(c)
}

/// Characters that are not seen, or that change how others are: control, bidirectional, zero-width, tags.
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0e}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_one_bounded_line() {
        assert_eq!(topic(" ").unwrap(), "");
        assert_eq!(
            topic(" the\nsea \t and ships ").unwrap(),
            "the sea and ships"
        );
        let longest = "ä".repeat(limits::TOPIC_CHARS);
        assert_eq!(topic(&longest).unwrap(), longest);
        for bad in [format!("{longest}x"), "a\0b".into(), "a\u{202e}b".into()] {
            assert_eq!(topic(&bad).unwrap_err().code, ErrorCode::BadRequest);
        }
    }

    #[test]
    fn a_name_is_stored_the_way_it_is_shown() {
        assert_eq!(user_name("  Ada \u{a0} Lovelace ").unwrap(), "Ada Lovelace");
        assert_eq!(user_name("李小龍 🙂").unwrap(), "李小龍 🙂");
        assert_eq!(user_name(&"x".repeat(64)).unwrap().len(), 64);
    }

    #[test]
    fn a_name_cannot_be_empty_long_or_deceptive() {
        let long = "x".repeat(65);
        for name in [
            "",
            "   ",
            "a\0b",
            "a\nb",
            "a\u{1b}[31m",
            "\u{202e}nimda",
            "ad\u{200b}a",
            &long,
        ] {
            assert_eq!(
                user_name(name).unwrap_err().code,
                ErrorCode::BadRequest,
                "{name:?}"
            );
        }
    }

    #[test]
    fn nobody_is_called_like_the_assistant() {
        for name in [
            "assistant",
            " Assistant ",
            "ASSISTANT",
            "\u{430}ssist\u{430}nt",
            "assıstant",
            "ａｓｓｉｓｔａｎｔ",
        ] {
            assert_eq!(user_name(name).unwrap_err().code, ErrorCode::NameTaken);
        }
        assert!(display_name("Assistant").is_ok());
    }

    #[test]
    fn slugs_follow_the_rule() {
        for slug in ["a", "lobby", "room-2", &"x".repeat(64)] {
            assert!(check_slug(slug).is_ok(), "{slug}");
        }
        for slug in [
            "",
            "-a",
            "a-",
            "A",
            "a b",
            "a/b",
            "ä",
            "a\0",
            &"x".repeat(65),
        ] {
            assert!(check_slug(slug).is_err(), "{slug}");
        }
    }
}
