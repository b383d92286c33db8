//! The audit of dependencies: known advisories, licences and sources of every package in the lock file. Offline: advisories
//! come from a dated snapshot of the database at rustsec.org, which `tests/advisories/renew` makes anew.

use std::path::Path;
use std::process::Command;

use rustsec::Lockfile;
use rustsec::advisory::Advisory;
use serde_json::Value;

const SNAPSHOT: &str = include_str!("../advisories/snapshot.md");

/// Advisories that do not concern Salon, each with why. An entry that no package needs any more is an error too.
const ACCEPTED: &[(&str, &str)] = &[];

/// Licences that may come with Salon: they ask for their text and the authors' names, and MPL-2.0 that its own files stay
/// under it, which they do where nobody changes them.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn lock() -> Lockfile {
    Lockfile::load(root().join("Cargo.lock")).unwrap()
}

fn advisories() -> Vec<Advisory> {
    let texts = SNAPSHOT.split("```toml\n").skip(1);
    texts
        .map(|text| format!("```toml\n{text}").parse().unwrap())
        .collect()
}

/// What the advisories say of the packages.
fn findings(advisories: &[Advisory], lock: &Lockfile) -> Vec<(String, String)> {
    let standing = advisories
        .iter()
        .filter(|advisory| advisory.metadata.withdrawn.is_none());
    let concerns = |advisory: &&Advisory| {
        lock.packages
            .iter()
            .find(|package| {
                package.name == advisory.metadata.package
                    && advisory.versions.is_vulnerable(&package.version)
            })
            .map(|package| {
                let id = advisory.metadata.id.to_string();
                (id, format!("{} {}", package.name, package.version))
            })
    };
    standing
        .filter_map(|advisory| concerns(&advisory))
        .collect()
}

#[test]
fn no_dependency_has_a_known_vulnerability() {
    let advisories = advisories();
    assert!(advisories.len() > 1_000, "{}", advisories.len());
    let found = findings(&advisories, &lock());
    let is_accepted = |id: &str| ACCEPTED.iter().any(|(accepted, _)| *accepted == id);
    let open: Vec<_> = found.iter().filter(|(id, _)| !is_accepted(id)).collect();
    assert!(open.is_empty(), "{open:#?}");
    for (id, why) in ACCEPTED {
        let is_needed = found.iter().any(|(found, _)| found == id);
        assert!(is_needed, "{id} ({why}) is accepted for nothing");
    }
}

/// The audit sees what it is there for: versions that are known to be bad.
#[test]
fn bad_versions_would_be_found() {
    let lock: Lockfile = "version = 4\n\n[[package]]\nname = \"tungstenite\"\nversion = \"0.20.0\"\n\n[[package]]\nname = \"diesel\"\nversion = \"2.2.2\"\n"
        .parse()
        .unwrap();
    let found = findings(&advisories(), &lock);
    for name in ["tungstenite 0.20.0", "diesel 2.2.2"] {
        assert!(
            found.iter().any(|(_, package)| package == name),
            "{name}: {found:?}"
        );
    }
}

/// What cargo says of every package that any platform needs.
fn metadata() -> Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--locked", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{complaint}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_dependency_has_a_licence_that_may_come_with_salon() {
    let metadata = metadata();
    let mut refused = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let licence = package["license"].as_str().unwrap_or("none");
        let is_good =
            spdx::Expression::parse_mode(licence, spdx::ParseMode::LAX).is_ok_and(|expression| {
                expression.evaluate(|one| {
                    let named = one.license.id().map_or("", |id| id.name);
                    LICENCES.contains(&named)
                })
            });
        if !is_good {
            refused.push(format!("{name}: {licence}"));
        }
    }
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn every_dependency_comes_from_the_registry_and_has_its_checksum() {
    let lock = lock();
    assert!(lock.packages.len() > 300);
    for package in &lock.packages {
        let is_ours = package.name.as_str().starts_with("salon");
        let source = package.source.as_ref();
        let is_registry = source.is_some_and(|source| source.is_default_registry());
        assert!(
            is_ours && source.is_none() || is_registry && package.checksum.is_some(),
            "{} {}",
            package.name,
            package.version
        );
    }
}
