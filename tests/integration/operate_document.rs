//! `docs/operate.md` against the program: it names only settings, metrics, routes and files that there are, and its links lead
//! somewhere.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use salon::metrics;

const DOCUMENT: &str = include_str!("../../docs/operate.md");

/// The words in the document that are made of these characters and chosen.
fn words(chosen: impl Fn(&str) -> bool) -> BTreeSet<String> {
    DOCUMENT
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| chosen(word))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_setting_named_exists() {
    let help = Command::new(env!("CARGO_BIN_EXE_salon"))
        .args(["serve", "--help"])
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let settings = words(|word| {
        word.starts_with("SALON_") || word.ends_with("_URL") || word.ends_with("_API_KEY")
    });
    assert!(settings.len() > 15, "{settings:?}");
    for setting in settings {
        assert!(help.contains(&format!("[env: {setting}")), "{setting}");
    }
}

#[test]
fn every_metric_named_exists() {
    let named = words(|word| word.starts_with("salon_"));
    assert!(named.len() > 15, "{named:?}");
    for metric in named {
        assert!(
            metrics::ALL.iter().any(|(_, name, _)| *name == metric),
            "{metric}"
        );
    }
}

#[test]
fn every_file_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let named: Vec<&str> = DOCUMENT
        .split('`')
        .filter(|part| part.starts_with("deploy/"))
        .collect();
    assert!(named.len() > 2);
    for file in named {
        assert!(root.join(file).exists(), "{file}");
    }
}

#[test]
fn every_link_leads_to_a_heading() {
    let anchors: BTreeSet<String> = DOCUMENT
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .map(|heading| heading.to_lowercase().replace(' ', "-"))
        .collect();
    for link in DOCUMENT.split("](#").skip(1) {
        let anchor = link.split(')').next().unwrap();
        assert!(anchors.contains(anchor), "#{anchor}");
    }
}
