//! `docs/security.md` against the sources: all 80 lines are there, each says whether it holds, and every test it names exists
//! and is named where its number says.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

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

/// What stands in code marks and could be a test's name.
fn named(text: &str) -> Vec<&str> {
    let marked = text.split('`').skip(1).step_by(2);
    let words = marked.flat_map(|part| {
        part.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'))
    });
    words
        .filter(|word| word.matches('_').count() >= 2 && !word.starts_with('_'))
        .collect()
}

fn collect(folder: &Path, found: &mut HashSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let functions = text
                .split("fn ")
                .skip(1)
                .filter_map(|rest| rest.split('(').next());
            found.extend(functions.map(|name| name.trim().to_owned()));
        }
    }
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
fn every_test_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut functions = HashSet::new();
    collect(&root.join("src"), &mut functions);
    collect(&root.join("tests/integration"), &mut functions);
    let gone: BTreeSet<&str> = named(DOCUMENT)
        .into_iter()
        .filter(|name| !functions.contains(*name))
        .collect();
    assert!(gone.is_empty(), "named and not there: {gone:?}");
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
