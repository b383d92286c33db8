//! How names look to people: letters of different scripts that pass for each other (UTS #39). Pure. Called by [`crate::auth::names`]
//! and by the stores, which keep the look of each name that is somebody's own.

use unicode_normalization::UnicodeNormalization;
use unicode_script::Script;
use unicode_security::MixedScript;
use unicode_security::confusable_detection::skeleton;
use unicode_security::mixed_script::AugmentedScriptSet;

/// What a name looks like, whatever it is made of: two names with one look cannot be told apart at a glance. Not a name itself,
/// and never shown.
#[must_use]
pub fn look(name: &str) -> String {
    // As it is shown first, since capitals pass for other letters than small ones do; and again without its case.
    let plain: String = name.nfkc().collect();
    let shown: String = skeleton(&plain).collect();
    skeleton(&shown.to_lowercase()).collect()
}

/// Whether a name passes for another one.
#[must_use]
pub fn looks_like(name: &str, other: &str) -> bool {
    look(name) == look(other)
}

/// Whether a word of a name has letters of scripts that nobody writes in one word: nothing but deceit needs them. Latin letters
/// beside Chinese, Japanese or Korean ones are usual.
#[must_use]
pub fn mixes_scripts(name: &str) -> bool {
    let mut words = name.split(|c: char| !c.is_alphanumeric());
    words.any(|word| !word.is_single_script() && !is_latin_with_east_asian(word))
}

fn is_latin_with_east_asian(word: &str) -> bool {
    let rest: String = word
        .chars()
        .filter(|&c| {
            !AugmentedScriptSet::for_char(c)
                .base
                .contains_script(Script::Latin)
        })
        .collect();
    let scripts = rest.as_str().resolve_script_set();
    scripts.hanb || scripts.jpan || scripts.kore
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_alike_has_one_look() {
        for (one, other) in [
            ("ada", "\u{430}d\u{430}"),
            ("Ada", "ADA"),
            ("mary", "rnary"),
            ("paypal", "paypa1"),
            ("bill", "biIl"),
            ("scope", "\u{455}\u{441}\u{43e}\u{440}\u{435}"),
        ] {
            assert!(looks_like(one, other), "{one} {other}");
        }
        for (one, other) in [("ada", "eda"), ("Zoë", "Zoe"), ("李", "季"), ("o", "a")] {
            assert!(!looks_like(one, other), "{one} {other}");
        }
    }

    #[test]
    fn a_word_is_of_one_script() {
        for fine in [
            "Ada Lovelace",
            "Zoë-O'Brien 2",
            "Анна Smith",
            "李小龍 Bruce",
            "Bruce李",
            "さくらサクラ桜",
            "김민준A",
            "🙂 ada 🙂",
            "محمد",
            "नमस्ते",
            "ไทย",
        ] {
            assert!(!mixes_scripts(fine), "{fine}");
        }
        for mixed in ["\u{430}da", "Adа", "pаypal", "Αda", "xмx", "李а"] {
            assert!(mixes_scripts(mixed), "{mixed}");
        }
    }
}
