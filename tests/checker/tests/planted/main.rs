//! The checker judged: histories of an ideal Salon are clean, whatever the seed; each of the planted bugs of the fault matrix, and those of edits, deletions,
//! marks, leaves and pages, is seen by the check that has to see it; and no input makes it panic.

#![cfg(test)]

mod anything;
mod archived;
mod bugs;
mod changes;
mod clients;
mod delivery;
mod ending;
mod history;
mod lost;
mod overlap;
mod room;
mod world;

use std::fmt::Write as _;

use salon_checker::record::Record;
use salon_checker::{Report, check, show};

fn judge(lines: &[Record]) -> (Report, String) {
    let mut text = String::new();
    for line in lines {
        writeln!(text, "{}", serde_json::to_string(line).unwrap()).unwrap();
    }
    (check(text.as_bytes()).unwrap(), text)
}

fn shown(report: &Report, text: &str) -> String {
    show::text(report, &show::lines_of(report, text.as_bytes()).unwrap())
}

#[test]
fn an_ideal_salon_breaks_no_promise() {
    for seed in 0..100 {
        let (lines, _) = world::World::history(seed, 400, None);
        let (report, text) = judge(&lines);
        assert!(report.is_clean(), "seed {seed}\n{}", shown(&report, &text));
        assert!(
            report.summary.acked > 40 && report.summary.applied > 200,
            "seed {seed} is too quiet"
        );
    }
}

#[test]
fn the_example_of_the_form_is_a_clean_history() {
    let page = include_str!("../../FORMAT.md");
    let example = page
        .split("```json\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .unwrap();
    let report = check(example.as_bytes()).unwrap();
    assert!(report.is_clean(), "{}", shown(&report, example));
    assert_eq!(report.summary.acked, 1);
}

#[test]
fn every_planted_bug_is_seen_by_its_check() {
    let mut missed = Vec::new();
    for (bug, checks) in bugs::ALL {
        for seed in 0..10 {
            let (lines, struck) = world::World::history(seed, 900, Some(bug));
            let (report, _) = judge(&lines);
            for check in checks {
                if report.count(*check) == 0 {
                    missed.push(format!(
                        "{bug:?} by {check:?} with seed {seed}, struck {struck} times, found {:?}",
                        report.found
                    ));
                }
            }
        }
    }
    assert!(
        missed.is_empty(),
        "{} missed:\n{}",
        missed.len(),
        missed.join("\n")
    );
}
