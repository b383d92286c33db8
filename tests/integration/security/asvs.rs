//! `docs/asvs.md`: no number of levels 1 and 2 is missing, each says how it stands, and each test it names exists. Beside it
//! what that standard asks and no line of `docs/security.md` does.

use std::collections::HashSet;
use std::path::Path;

use axum::http::Method;

use super::texts_below;
use crate::promises_document::{collect, named};
use crate::support::app::TestApp;

const DOCUMENT: &str = include_str!("../../../docs/asvs.md");
/// Number and level of each, from the standard's own list.
const NUMBERS: &str = include_str!("../../fixtures/asvs-5.0-levels-1-2.txt");

/// A line of the document: number, level, tests, status.
type Row<'a> = (&'a str, &'a str, &'a str, &'a str);

fn rows() -> Vec<Row<'static>> {
    let rows = DOCUMENT.lines().filter_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [number, level, _what, tests, status] = cells.as_slice() else {
            return None;
        };
        let is_number = number.starts_with(|c: char| c.is_ascii_digit());
        is_number.then_some((*number, *level, *tests, *status))
    });
    rows.collect()
}

#[test]
fn every_requirement_of_levels_1_and_2_has_a_line() {
    let wanted: Vec<(&str, &str)> = NUMBERS
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .collect();
    assert_eq!(wanted.len(), 70 + 183);
    let there: Vec<(&str, &str)> = rows().iter().map(|row| (row.0, row.1)).collect();
    assert_eq!(there, wanted);
    let mut functions = HashSet::new();
    for folder in ["src", "tests"] {
        collect(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join(folder),
            &mut functions,
        );
    }
    for (number, _, tests, status) in rows() {
        let has_tests = status == "holds" || status.starts_with("in part: ");
        let has_none =
            status.starts_with("not met: ") || status.starts_with("not applicable, because ");
        assert!(has_tests != has_none, "{number}: {status}");
        let names = named(tests);
        assert_eq!(names.is_empty(), has_none, "{number}: {tests}");
        for name in names {
            assert!(
                functions.contains(name),
                "{number}: there is no test {name}"
            );
        }
    }
}

#[test]
fn the_sum_of_the_asvs_is_that_of_its_lines() {
    let count = |begin: &str| {
        let rows = rows();
        rows.iter().filter(|row| row.3.starts_with(begin)).count()
    };
    let said = format!(
        "Of {}: {} hold, {} hold in part, {} are not met, {} have nothing to apply to.",
        rows().len(),
        count("holds"),
        count("in part"),
        count("not met"),
        count("not applicable"),
    );
    assert!(DOCUMENT.contains(&said), "{said}");
}

#[test]
fn a_password_is_typed_masked_and_may_be_pasted() {
    let form = include_str!("../../../static/js/elements/sign-in.js");
    let (_, field) = form.split_once("id: 'account-password'").unwrap();
    let (field, _) = field.split_once("});").unwrap();
    for wanted in [
        "type: 'password'",
        "'new-password'",
        "'current-password'",
        "maxlength: 1024",
    ] {
        assert!(field.contains(wanted), "{wanted}: {field}");
    }
    let scripts = texts_below("static/js");
    assert!(scripts.len() > 40);
    // What is pasted into a message may be code. A password is never typed there.
    let others = scripts
        .iter()
        .filter(|(path, _)| !path.ends_with("elements/composer.js"));
    for (path, script) in others {
        assert!(
            !script.contains("onpaste") && !script.contains("'paste'"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn trace_is_answered_with_nothing_of_the_request() {
    let app = TestApp::start(&[]).await;
    for path in ["/", "/api/me", "/livez", "/nothing", "/ws"] {
        let trace = app.request(Method::TRACE, path).header("x-canary", "sings");
        let answer = trace.send().await;
        assert!(
            matches!(answer.status.as_u16(), 404 | 405),
            "{path}: {answer:?}"
        );
        assert!(!super::text(&answer).contains("sings"), "{path}");
        assert!(!answer.headers.contains_key("x-canary"), "{path}");
    }
}

/// What does cryptography for us.
const CRYPTOGRAPHY: [&str; 5] = ["aws_lc_rs", "sha2::", "argon2::", "jsonwebtoken", "rustls"];

#[test]
fn every_use_of_cryptography_is_on_the_list_of_keys() {
    const LIST: &str = include_str!("../../../docs/keys.md");
    let uses = |text: &str| {
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        code.into_iter()
            .any(|line| CRYPTOGRAPHY.iter().any(|name| line.contains(name)))
    };
    let sources = texts_below("src");
    let using: Vec<_> = sources.iter().filter(|(_, text)| uses(text)).collect();
    assert!(using.len() > 10, "{}", using.len());
    for (path, _) in using.iter().filter(|(path, _)| !path.ends_with("tests.rs")) {
        assert!(
            LIST.contains(&format!("`{path}`")),
            "{path} is not in docs/keys.md"
        );
    }
    // And nothing that is gone.
    for path in LIST.split('`').filter(|part| part.starts_with("src/")) {
        assert!(
            Path::new(env!("CARGO_MANIFEST_DIR")).join(path).is_file(),
            "{path} is gone"
        );
    }
}
