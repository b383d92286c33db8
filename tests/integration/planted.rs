//! The planted bugs still fit the code: each patch says what it is and what catches it, and every hunk of it is found where
//! it wants to be put. Whether they are caught is what `tests/planted-bugs` shows.

use std::collections::BTreeSet;
use std::path::Path;

/// Where the patches are.
const PLANTED: &str = "tests/planted";

/// The lines that a hunk expects, and those that it leaves.
type Hunk = (Vec<String>, Vec<String>);

/// The hunks of a patch, by file.
fn hunks(patch: &str) -> Vec<(String, Hunk)> {
    let (mut file, mut found) = (String::new(), Vec::<(String, Hunk)>::new());
    for line in patch.lines() {
        if let Some(name) = line.strip_prefix("+++ b/") {
            file = name.to_owned();
        } else if line.starts_with("@@ ") {
            found.push((file.clone(), Hunk::default()));
        } else if line.starts_with("--- ") || line.starts_with("diff ") {
            file.clear();
        } else if let (false, Some((_, (before, after)))) = (file.is_empty(), found.last_mut()) {
            let (mark, text) = line.split_at(1);
            if mark != "+" {
                before.push(text.to_owned());
            }
            if mark != "-" {
                after.push(text.to_owned());
            }
        }
    }
    found
}

#[test]
fn every_planted_bug_fits_the_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut numbers = BTreeSet::new();
    for entry in std::fs::read_dir(root.join(PLANTED)).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let patch = std::fs::read_to_string(&path).unwrap();
        let (number, _) = name.split_once('-').expect("a number and a name");
        assert!(numbers.insert(number.to_owned()), "{name}: {number} twice");
        let title = format!("Bug {}: ", number.trim_start_matches('0'));
        assert!(patch.starts_with(&title), "{name} begins with `{title}`");
        let mut catchers = patch
            .lines()
            .filter_map(|line| line.strip_prefix("Caught-by: "));
        let catcher = catchers
            .next()
            .unwrap_or_else(|| panic!("{name} names no catcher"));
        let kind = catcher.split(' ').next().unwrap();
        assert!(
            ["simulation", "integration", "lib", "web"].contains(&kind),
            "{name}: {kind}"
        );
        let hunks = hunks(&patch);
        assert!(!hunks.is_empty(), "{name} changes nothing");
        for (file, (before, after)) in hunks {
            assert_ne!(before, after, "{name} changes nothing of {file}");
            let text = std::fs::read_to_string(root.join(&file)).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            assert!(
                lines
                    .windows(before.len())
                    .any(|window| window == before.as_slice()),
                "{name} no longer fits {file}: make it anew"
            );
        }
    }
    assert!(
        numbers.len() >= 20,
        "only {} bugs are planted",
        numbers.len()
    );
}
