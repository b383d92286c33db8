//! `docs/security.md` against the sources: all 80 lines are there, each says whether it holds, and every numbered test
//! stands in its line. That the tests it names exist is `promises_document.rs`' business.

use std::collections::HashSet;
use std::path::Path;

use crate::promises_document::{collect, named};

const DOCUMENT: &str = include_str!("../../../docs/security.md");

/// The lines of the map: number, attack and outcome, tests, status.
fn map() -> Vec<(u32, String, String, String)> {
    let rows = DOCUMENT.lines().filter_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [number, attack, tests, status] = cells.as_slice() else {
            return None;
        };
        let number = number.parse().ok()?;
        Some((
            number,
            (*attack).to_owned(),
            (*tests).to_owned(),
            (*status).to_owned(),
        ))
    });
    rows.collect()
}

#[test]
fn all_80_lines_are_there_and_say_what_holds() {
    let map = map();
    let numbers: Vec<u32> = map.iter().map(|row| row.0).collect();
    assert_eq!(numbers, (1..=80).collect::<Vec<_>>());
    for (number, attack, tests, status) in &map {
        assert!(attack.contains('→'), "{number}: an attack → its outcome");
        let known = ["holds", "in part: ", "open: "];
        assert!(
            known.iter().any(|word| status.starts_with(word)),
            "{number}: {status}"
        );
        let is_open = status.starts_with("open");
        assert_eq!(named(tests).is_empty(), is_open, "{number}: {tests}");
    }
}

#[test]
fn every_numbered_test_stands_in_its_line() {
    let mut functions = HashSet::new();
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/security");
    collect(&here, &mut functions);
    let map = map();
    let mut count = 0;
    for name in &functions {
        let digits = name.strip_prefix('s').and_then(|rest| rest.get(..2));
        let Some(number) = digits.and_then(|digits| digits.parse::<u32>().ok()) else {
            continue;
        };
        count += 1;
        let row = map.iter().find(|row| row.0 == number).unwrap();
        assert!(named(&row.2).contains(&name.as_str()), "{name}");
    }
    assert!(count > 25, "{count}");
}
