//! A `CycloneDX` document of one program of this workspace. Called by the example `bill` and by its test.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

/// What cargo says of every package, and how they depend on each other.
fn metadata(root: &Path) -> Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--locked", "--offline", "--format-version", "1"])
        .current_dir(root)
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{complaint}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The checksums of the lock file, by name and version.
fn checksums(root: &Path) -> BTreeMap<(String, String), String> {
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).unwrap();
    let field = |package: &str, name: &str| {
        let mut lines = package.lines();
        lines.find_map(|line| {
            let value = line.strip_prefix(name)?.strip_prefix(" = \"")?;
            Some(value.trim_end_matches('"').to_owned())
        })
    };
    let packages = lock.split("[[package]]").skip(1);
    packages
        .filter_map(|package| {
            let key = (field(package, "name")?, field(package, "version")?);
            Some((key, field(package, "checksum")?))
        })
        .collect()
}

/// Whether a dependency is part of the program: what only tests or builds need is not.
fn ships(dependency: &Value) -> bool {
    let kinds = dependency["dep_kinds"].as_array().unwrap();
    kinds.iter().any(|kind| kind["kind"].is_null())
}

/// The packages that each package of the program is made of, by cargo's ids, from `salon` on.
fn graph(metadata: &Value) -> (String, BTreeMap<String, BTreeSet<String>>) {
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let is_salon = |package: &&Value| package["name"] == "salon" && package["source"].is_null();
    let salon = packages.iter().find(is_salon).unwrap()["id"].as_str();
    let salon = salon.unwrap().to_owned();
    let mut graph = BTreeMap::new();
    let mut open = vec![salon.clone()];
    while let Some(id) = open.pop() {
        if graph.contains_key(&id) {
            continue;
        }
        let node = nodes.iter().find(|node| node["id"] == id.as_str()).unwrap();
        let needs: BTreeSet<String> = node["deps"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|dependency| ships(dependency))
            .map(|dependency| dependency["pkg"].as_str().unwrap().to_owned())
            .collect();
        open.extend(needs.iter().cloned());
        graph.insert(id, needs);
    }
    (salon, graph)
}

/// The document.
pub(crate) fn bill_of_materials(root: &Path) -> Value {
    let metadata = metadata(root);
    let checksums = checksums(root);
    let (salon, graph) = graph(&metadata);
    let packages = metadata["packages"].as_array().unwrap();
    let package = |id: &str| packages.iter().find(|package| package["id"] == id).unwrap();
    let reference = |id: &str| {
        let package = package(id);
        let (name, version) = (&package["name"], &package["version"]);
        format!(
            "pkg:cargo/{}@{}",
            name.as_str().unwrap(),
            version.as_str().unwrap()
        )
    };
    let component = |id: &str, kind: &str| {
        let package = package(id);
        let text = |field: &str| package[field].as_str().unwrap_or_default().to_owned();
        let mut component = json!({
            "type": kind,
            "bom-ref": reference(id),
            "name": text("name"),
            "version": text("version"),
            "description": text("description"),
            "licenses": [{ "expression": text("license").replace('/', " OR ") }],
            "purl": reference(id),
        });
        if let Some(checksum) = checksums.get(&(text("name"), text("version"))) {
            component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
        }
        if let Some(place) = package["repository"].as_str() {
            component["externalReferences"] = json!([{ "type": "vcs", "url": place }]);
        }
        component
    };
    let parts: Vec<Value> = graph
        .keys()
        .filter(|id| **id != salon)
        .map(|id| component(id, "library"))
        .collect();
    let dependencies: Vec<Value> = graph
        .iter()
        .map(|(id, needs)| {
            let needs: Vec<String> = needs.iter().map(|id| reference(id)).collect();
            json!({ "ref": reference(id), "dependsOn": needs })
        })
        .collect();
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": component(&salon, "application") },
        "components": parts,
        "dependencies": dependencies,
    })
}
