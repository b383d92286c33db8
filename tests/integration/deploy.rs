//! `deploy/` says what is true of the program. What can be run of it here is run elsewhere: the balancer's and the
//! pooler's file in every test of [`super::cluster`], by the very text.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use salon::limits;

/// The files that name settings or stop instances.
const FILES: [&str; 4] = [
    "compose.yaml",
    "Dockerfile",
    "kubernetes/salon.yaml",
    "systemd/salon.service",
];

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(file);
    std::fs::read_to_string(path).unwrap()
}

/// Names such as `SALON_LISTEN` and `DATABASE_URL`.
fn settings_in(text: &str) -> BTreeSet<&str> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    text.split(|character| !is_part(character))
        .filter(|word| {
            let upper = !word.contains(|character: char| character.is_ascii_lowercase());
            let ours = ["SALON_", "ANTHROPIC_", "OPENAI_"];
            upper && (ours.iter().any(|prefix| word.starts_with(prefix)) || word.ends_with("_URL"))
        })
        .collect()
}

#[test]
fn every_setting_that_deployments_name_is_one() {
    let help = Command::new(env!("CARGO_BIN_EXE_salon"))
        .args(["serve", "--help"])
        .env_clear()
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let known = settings_in(&help);
    assert!(known.contains("SALON_LISTEN"), "{known:?}");
    for file in FILES {
        let text = read(file);
        let named = settings_in(&text);
        assert!(named.contains("SALON_DATA") || named.contains("DATABASE_URL"));
        // The balancer's own, which `haproxy.cfg` reads.
        let unknown: Vec<_> = named
            .difference(&known)
            .filter(|name| !name.starts_with("SALON_SERVER_"))
            .collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?}");
    }
}

#[test]
fn whoever_stops_an_instance_waits_until_it_has_stopped() {
    let longest = limits::DRAIN_NOTICE
        + limits::SHUTDOWN_GRACE
        + limits::OUTCOME_TIMEOUT
        + limits::LAYER_CLOSE_TIMEOUT;
    for (file, setting) in [
        ("compose.yaml", "stop_grace_period: "),
        ("kubernetes/salon.yaml", "terminationGracePeriodSeconds: "),
        ("systemd/salon.service", "TimeoutStopSec="),
    ] {
        let text = read(file);
        let line = text
            .lines()
            .find_map(|line| line.trim().strip_prefix(setting))
            .unwrap();
        let seconds = line.trim_end_matches('s').parse().unwrap();
        assert!(Duration::from_secs(seconds) > longest, "{file}: {line}");
    }
}
