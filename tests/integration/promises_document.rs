//! `docs/promises.md` and `docs/channels-parity.md` against the sources: every test they name is there.

use std::collections::HashSet;
use std::path::Path;

const DOCUMENTS: [(&str, &str); 2] = [
    ("promises.md", include_str!("../../docs/promises.md")),
    (
        "channels-parity.md",
        include_str!("../../docs/channels-parity.md"),
    ),
];

/// The words of a text that could be a function's name and hold at least two underscores.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'))
        .filter(|word| word.matches('_').count() >= 2)
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
fn every_test_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut functions = HashSet::new();
    collect(&root.join("src"), &mut functions);
    collect(&root.join("tests/integration"), &mut functions);
    collect(&root.join("tests/checker"), &mut functions);
    for (document, text) in DOCUMENTS {
        let named: Vec<&str> = text.split('`').skip(1).step_by(2).flat_map(names).collect();
        assert!(named.len() > 10, "{document} names tests");
        let gone: Vec<&str> = named
            .into_iter()
            .filter(|name| !functions.contains(*name))
            .collect();
        assert!(
            gone.is_empty(),
            "{document} names what is not there: {gone:?}"
        );
    }
}
