//! The house rules that no compiler holds: which way the arrows point, where each foreign package lives, that each file
//! says what it is, that none grows too long, that nothing is left half done, and that the format is rustfmt's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Lines of the longest file.
const LONGEST: usize = 500;

/// Files above it that wait to be split: this list only shrinks.
const TOO_LONG: &[&str] = &[];

/// The layers from the bottom; a module names modules of lower layers only.
const LAYERS: &[&[&str]] = &[
    &[
        "ids",
        "limits",
        "error",
        "protocol",
        "permissions",
        "config",
        "rate_limit",
        "randomness",
        "metrics",
        "shutdown",
        "telemetry",
        "addresses",
        "origin",
        "looks",
        "spending",
    ],
    &["db", "channel_layer", "llm", "outbound"],
    &["feed", "writer", "quotas"],
    &["chat", "auth"],
    &["app"],
    &["consumer", "jobs"],
    &["http"],
    &["server", "routes", "commands", "main", "lib"],
];

/// Arrows that point up or sideways, with their reason. Within the lowest and the highest layer names are free.
const ALLOWED: &[(&str, &str, &str)] = &[
    ("protocol", "db", "frames are made of rows"),
    ("llm", "db", "tokens are counted in the words of the rows"),
    (
        "config",
        "channel_layer",
        "a deployment's name follows the rules of group names",
    ),
];

/// Foreign packages and their homes, as beginnings of paths under `src/`.
const HOMES: &[(&str, &[&str])] = &[
    ("diesel", &["db/"]),
    ("diesel_async", &["db/"]),
    ("diesel_migrations", &["db/"]),
    ("deadpool", &["db/"]),
    ("tokio_postgres", &["db/postgres/"]),
    ("tokio_postgres_rustls", &["db/postgres/"]),
    ("redis", &["channel_layer/redis/"]),
    ("reqwest", &["llm/", "outbound/"]),
    ("axum", &["http/", "routes.rs", "server/"]),
    ("axum_extra", &["http/"]),
    ("tower", &["http/", "server/"]),
    ("tower_http", &["http/", "routes.rs"]),
    ("hyper", &["http/", "server/"]),
    ("hyper_util", &["http/", "server/"]),
    ("rust_embed", &["http/"]),
    ("tokio_tungstenite", &["consumer/", "http/socket.rs"]),
    ("argon2", &["auth/"]),
    ("sha2", &["auth/", "http/assets", "http/page_files"]),
    ("jsonwebtoken", &["auth/jwt/"]),
    ("pulldown_cmark", &["chat/markdown.rs"]),
    ("ammonia", &["chat/markdown.rs"]),
    ("clap", &["main.rs", "config/", "commands/"]),
    ("toml", &["llm/file.rs"]),
    ("tracing_subscriber", &["telemetry.rs"]),
    ("metrics_exporter_prometheus", &["metrics.rs"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files under a folder with one of these endings, as paths from the root, with their text.
fn files(folder: &str, endings: &[&str]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|ending| endings.iter().any(|wanted| ending == *wanted))
            {
                let name = path
                    .strip_prefix(root())
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                found.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    assert!(!found.is_empty(), "nothing under {folder}");
    found
}

/// Its lines of code: without comments, and of `src` without the unit tests at its end.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .take_while(|line| *line != "#[cfg(test)]\nmod tests {" && *line != "mod tests {")
        .map(|line| line.split_once("//").map_or(line, |(code, _)| code))
}

/// The module of `src` a file belongs to.
fn module(path: &str) -> &str {
    let inside = path.strip_prefix("src/").unwrap();
    inside.split(['/', '.']).next().unwrap()
}

/// Every name that follows `prefix` as a path's first part.
fn names_after<'a>(line: &'a str, prefix: &str) -> Vec<&'a str> {
    let mut names = Vec::new();
    for (start, _) in line.match_indices(prefix) {
        let before = line[..start].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &line[start + prefix.len()..];
        let end = rest
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        names.push(&rest[..end]);
    }
    names
}

fn layer_of(module: &str) -> usize {
    LAYERS
        .iter()
        .position(|layer| layer.contains(&module))
        .unwrap_or_else(|| panic!("{module} is in no layer"))
}

/// Which modules of Salon each module names.
fn arrows() -> BTreeSet<(String, String, String)> {
    let modules: BTreeSet<&str> = LAYERS
        .iter()
        .flat_map(|layer| layer.iter().copied())
        .collect();
    let mut arrows = BTreeSet::new();
    for (path, text) in files("src", &["rs"]) {
        let from = module(&path).to_owned();
        for line in code(&text) {
            for prefix in ["crate::", "salon::"] {
                for to in names_after(line, prefix) {
                    if modules.contains(to) && to != from {
                        arrows.insert((from.clone(), to.to_owned(), path.clone()));
                    }
                }
            }
        }
    }
    arrows
}

#[test]
fn arrows_point_one_way() {
    let arrows = arrows();
    assert!(
        arrows
            .iter()
            .any(|(from, to, _)| (from.as_str(), to.as_str()) == ("http", "consumer")),
        "arrows are found"
    );
    let mut wrong = Vec::new();
    for (from, to, path) in &arrows {
        let (above, below) = (layer_of(from), layer_of(to));
        let is_free = above == below && (above == 0 || above == LAYERS.len() - 1);
        let is_allowed = ALLOWED.iter().any(|(a, b, _)| a == from && b == to);
        if below >= above && !is_free && !is_allowed {
            wrong.push(format!("{from} → {to} in {path}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    for (from, to, _) in ALLOWED {
        assert!(
            arrows.iter().any(|(a, b, _)| a == from && b == to),
            "{from} → {to} is no longer needed"
        );
    }
}

#[test]
fn only_the_edges_hold_the_whole_app() {
    let holders: BTreeSet<String> = arrows()
        .into_iter()
        .filter(|(_, to, _)| to == "app")
        .map(|(from, ..)| from)
        .collect();
    let edges = ["commands", "consumer", "http", "jobs", "routes", "server"];
    assert!(
        holders
            .iter()
            .all(|holder| edges.contains(&holder.as_str())),
        "{holders:?}"
    );
}

#[test]
fn each_foreign_package_has_one_home() {
    let mut wrong = Vec::new();
    for (path, text) in files("src", &["rs"]) {
        let inside = path.strip_prefix("src/").unwrap();
        for line in code(&text) {
            for (package, homes) in HOMES {
                let names = names_after(line, &format!("{package}::"));
                // `super::redis::…` and `crate::channel_layer::redis::…` are ours; so is a path that begins with a colon.
                if !names.is_empty() && !homes.iter().any(|home| inside.starts_with(home)) {
                    wrong.push(format!("{package} in {path}: {}", line.trim()));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_file_says_what_it_is() {
    let mut sources = files("src", &["rs"]);
    sources.extend(files("tests", &["rs"]));
    let silent: Vec<&String> = sources
        .iter()
        .filter(|(_, text)| !text.starts_with("//! "))
        .map(|(path, _)| path)
        .collect();
    assert_eq!(silent, Vec::<&String>::new());
}

#[test]
fn no_file_is_too_long() {
    let mut all = files("src", &["rs"]);
    all.extend(files("tests", &["rs", "js", "py", "sh"]));
    all.extend(files("static", &["js", "css", "html"]));
    let long: BTreeSet<&str> = all
        .iter()
        .filter(|(_, text)| text.lines().count() > LONGEST)
        .map(|(path, _)| path.as_str())
        .collect();
    assert_eq!(
        long,
        TOO_LONG.iter().copied().collect(),
        "split them, or take them off the list"
    );
}

#[test]
fn nothing_is_left_half_done_and_no_machine_is_named() {
    // In pieces, so that this file does not find itself.
    let unfinished = [
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("FIX", "ME"),
        concat!("TO", "DO"),
        concat!("To ", "come."),
    ];
    let machines = [
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("/wo", "rk/"),
        concat!("/tm", "p/wt"),
        concat!("/Us", "ers/"),
    ];
    let mut all = BTreeMap::new();
    for folder in ["src", "tests", "static", "migrations", "deploy"] {
        all.extend(files(
            folder,
            &[
                "rs", "js", "css", "html", "sql", "yaml", "toml", "cfg", "ini", "md", "sh",
            ],
        ));
    }
    let mut wrong = Vec::new();
    for (path, text) in &all {
        for word in unfinished.iter().chain(&machines) {
            if text.contains(word) {
                wrong.push(format!("{word} in {path}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// Two of one version would be one to the program that runs them: only the later ever ran.
#[test]
fn each_migration_has_a_version_of_its_own() {
    for back_end in ["postgres", "sqlite"] {
        let folder = root().join("migrations").join(back_end);
        let mut versions = BTreeSet::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let version = name.split('_').next().unwrap().replace('-', "");
            assert!(versions.insert(version), "{back_end}/{name} comes twice");
        }
        assert!(versions.len() > 10, "{versions:?}");
    }
}

/// `tests/run` names the targets one by one, for some want the machine to themselves.
#[test]
fn every_target_of_tests_is_run() {
    let run = std::fs::read_to_string(root().join("tests/run")).unwrap();
    let built_in = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let of_salon = built_in.split("[[test]]").skip(1).map(|target| {
        let named = target.lines().find_map(|line| line.strip_prefix("name = "));
        named.unwrap().trim_matches('"').to_owned()
    });
    let of_the_checker = std::fs::read_dir(root().join("tests/checker/tests")).unwrap();
    let of_the_checker = of_the_checker.map(|entry| {
        let path = entry.unwrap().path();
        path.file_stem().unwrap().to_str().unwrap().to_owned()
    });
    let targets: Vec<String> = of_salon.chain(of_the_checker).collect();
    assert!(targets.len() >= 5, "{targets:?}");
    for target in targets {
        assert!(run.contains(&format!("--test {target}")), "{target}");
    }
}

#[test]
fn the_format_is_rustfmts() {
    let checked = std::process::Command::new(env!("CARGO"))
        .args(["fmt", "--check"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        checked.status.success(),
        "{}",
        String::from_utf8_lossy(&checked.stdout)
    );
}
