//! The passwords that are tried first by whoever guesses: those of eight letters and more among the 30,000 most common ones
//! that the zxcvbn project publishes (MIT, Copyright 2012-2016 Dan Wheeler and Dropbox, Inc.), in small letters and in order.
//! Called by [`super::password`] only. Shorter ones are refused for their length, so they are not kept: 11,600 lines take
//! 107 KiB of the program, which costs no start and no memory but the pages that are looked at.

const LIST: &str = include_str!("common-passwords.txt");

/// Whether a password is one of them, whatever its case.
pub(super) fn is_common(password: &str) -> bool {
    let wanted = password.to_lowercase();
    let bytes = LIST.as_bytes();
    let (mut low, mut high) = (0, bytes.len());
    // The list is in order: look at the line around the middle of what is left.
    while low < high {
        let middle = low.midpoint(high);
        let begin = before(bytes, low, middle);
        let line = LIST
            .get(begin..)
            .and_then(|rest| rest.lines().next())
            .unwrap_or_default();
        match line.cmp(wanted.as_str()) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => low = begin + line.len() + 1,
            std::cmp::Ordering::Greater => high = begin,
        }
    }
    false
}

/// Where the line begins that `place` is in, not below `low`, which begins one.
fn before(bytes: &[u8], low: usize, place: usize) -> usize {
    let head = bytes.get(low..place).unwrap_or_default();
    let line_feed = head.iter().rposition(|&byte| byte == b'\n');
    line_feed.map_or(low, |found| low + found + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_found_and_nothing_between() {
        let lines: Vec<&str> = LIST.lines().collect();
        assert!(lines.len() > 10_000, "{}", lines.len());
        assert!(lines.is_sorted() && lines.iter().all(|line| line.len() >= 8));
        for line in &lines {
            assert!(is_common(line), "{line}");
            assert!(!is_common(&format!("{line}~")), "{line}~");
        }
        assert!(is_common("PassWord") && is_common("12345678"));
        for fine in [
            "",
            "a",
            "zzzzzzzzzzzzzzzzzzzzzz~",
            "correct horse",
            "passwor",
        ] {
            assert!(!is_common(fine), "{fine}");
        }
    }
}
