//! `docs/promises.md`, `docs/channels-parity.md`, `docs/security.md` and `docs/page.md` against the sources: every test they name is there.

use std::collections::HashSet;
use std::path::Path;

const DOCUMENTS: [(&str, &str); 4] = [
    ("promises.md", include_str!("../../docs/promises.md")),
    ("security.md", include_str!("../../docs/security.md")),
    ("page.md", include_str!("../../docs/page.md")),
    (
        "channels-parity.md",
        include_str!("../../docs/channels-parity.md"),
    ),
];

/// What stands in code marks and could be the name of a test: it holds at least two underscores.
pub(crate) fn named(text: &str) -> Vec<&str> {
    let marked = text.split('`').skip(1).step_by(2);
    let words = marked.flat_map(|part| {
        part.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'))
    });
    words
        .filter(|word| word.matches('_').count() >= 2 && !word.starts_with('_'))
        .collect()
}

/// The names of all functions in the sources of a folder.
pub(crate) fn collect(folder: &Path, found: &mut HashSet<String>) {
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
        let named = named(text);
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
