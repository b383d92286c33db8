//! Whatever a file holds, the checker answers.

use proptest::prelude::*;
use salon_checker::{check, show};

use crate::world::World;

fn lines() -> Vec<Vec<u8>> {
    let (records, _) = World::history(7, 60, None);
    records
        .iter()
        .map(|record| serde_json::to_vec(record).unwrap())
        .collect()
}

fn survives(text: &[u8]) -> Result<(), TestCaseError> {
    let report = check(text).unwrap();
    let lines = show::lines_of(&report, text).unwrap();
    prop_assert!(!show::text(&report, &lines).is_empty());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        survives(&bytes)?;
    }

    #[test]
    fn lines_lost_doubled_moved_and_mangled_are_answered(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..5_u8, any::<u8>()), 1..40),
    ) {
        let mut lines = lines();
        for (index, other, how, byte) in changes {
            if lines.is_empty() {
                break;
            }
            let (at, to) = (index.index(lines.len()), other.index(lines.len()));
            match how {
                0 => { lines.remove(at); }
                1 => { let line = lines[at].clone(); lines.insert(to, line); }
                2 => lines.swap(at, to),
                3 => { let place = other.index(lines[at].len().max(1)); if let Some(old) = lines[at].get_mut(place) { *old = byte; } }
                _ => { let place = other.index(lines[at].len().max(1)); lines[at].truncate(place); }
            }
        }
        survives(&lines.join(&b'\n'))?;
    }

    /// Numbers at the edges of what fits.
    #[test]
    fn absurd_numbers_are_answered(
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), prop::sample::select(vec![i64::MIN, -1, 0, 1, i64::MAX])), 1..30),
    ) {
        let mut lines = lines();
        for (index, other, number) in places {
            let at = index.index(lines.len());
            let text = String::from_utf8(lines[at].clone()).unwrap();
            let digits: Vec<usize> = text.match_indices(|c: char| c.is_ascii_digit()).map(|(at, _)| at).collect();
            let Some(start) = digits.get(other.index(digits.len().max(1))).copied() else { continue };
            let begin = text[..start].rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + 1);
            let end = text[start..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |at| start + at);
            lines[at] = format!("{}{number}{}", &text[..begin], &text[end..]).into_bytes();
        }
        survives(&lines.join(&b'\n'))?;
    }
}
