//! The bill of materials is whole: line 77. What it is made by is `tests/bill`.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use rustsec::Lockfile;
use serde_json::Value;

use crate::bill::bill_of_materials;

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one document, looked at from each side"
)]
fn s77_the_bill_of_materials_names_all_that_the_program_is_made_of() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let bill = bill_of_materials(root);
    assert_eq!(
        bill,
        bill_of_materials(root),
        "the same sources, the same bill"
    );
    assert_eq!(
        (&bill["bomFormat"], &bill["specVersion"]),
        (&"CycloneDX".into(), &"1.5".into())
    );
    assert_eq!(
        bill["metadata"]["component"]["version"],
        env!("CARGO_PKG_VERSION")
    );
    // What cargo itself says is linked: another of its commands than the one that the bill is made from.
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let tree = Command::new(cargo)
        .args([
            "tree",
            "--locked",
            "--offline",
            "--package",
            "salon",
            "--edges",
            "normal",
            "--target",
            "all",
        ])
        .args(["--prefix", "none", "--format", "{p}"])
        .current_dir(root)
        .output()
        .unwrap();
    assert!(
        tree.status.success(),
        "{}",
        String::from_utf8_lossy(&tree.stderr)
    );
    let tree = String::from_utf8(tree.stdout).unwrap();
    let linked: BTreeSet<String> = tree
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
            (name != "salon").then(|| format!("pkg:cargo/{name}@{version}"))
        })
        .collect();
    let components = bill["components"].as_array().unwrap();
    let named: BTreeSet<String> = components
        .iter()
        .map(|part| part["purl"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(named.len(), components.len(), "each once");
    assert!(linked.len() > 150, "{}", linked.len());
    let missing: Vec<_> = linked.difference(&named).collect();
    assert!(missing.is_empty(), "the bill lacks {missing:?}");
    // Each stands in the lock file, with its checksum there, and under a licence that can be read.
    let lock = Lockfile::load(root.join("Cargo.lock")).unwrap();
    for part in components {
        let locked = lock.packages.iter().find(|package| {
            package.name.as_str() == part["name"].as_str().unwrap()
                && package.version.to_string() == part["version"].as_str().unwrap()
        });
        let checksum = locked.unwrap_or_else(|| panic!("{part}")).checksum.as_ref();
        assert_eq!(
            part["hashes"][0]["content"],
            checksum.unwrap().to_string(),
            "{part}"
        );
        let licence = part["licenses"][0]["expression"].as_str().unwrap();
        assert!(spdx::Expression::parse(licence).is_ok(), "{part}");
    }
    // What depends on what is closed, and begins with the program.
    let references: BTreeSet<&str> = bill["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["ref"].as_str().unwrap())
        .collect();
    assert_eq!(references.len(), components.len() + 1);
    for entry in bill["dependencies"].as_array().unwrap() {
        for needed in entry["dependsOn"].as_array().unwrap() {
            assert!(references.contains(needed.as_str().unwrap()), "{needed}");
        }
    }
    let is_there = |value: &Value| references.contains(value.as_str().unwrap());
    assert!(is_there(&bill["metadata"]["component"]["bom-ref"]));
    let document = include_str!("../../../docs/security.md");
    assert!(document.contains("cargo run --locked --quiet --example bill > salon.cdx.json"));
}
