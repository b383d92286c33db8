//! Chaos: real processes under load, broken again and again by a seeded schedule, and a history of all that was seen,
//! which the checker judges. A test target of its own, so that nothing else runs beside it.
//!
//! `cargo test --test chaos` is the run in brief, part of `tests/run`. `tests/chaos` is the long one: many segments, each
//! with a seed of its own, the same code; its `--help` says what each variable of the environment means that `plan` reads.

#![allow(
    clippy::cast_lossless,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic, and counts what is small"
)]

mod api;
mod client;
mod collect;
mod crowd;
mod deployment;
mod faults;
mod load;
mod long;
mod plan;
mod recorder;
mod schedule;
mod segment;
#[path = "../support/mod.rs"]
#[expect(unused_imports, reason = "not every helper is of use here")]
mod support;
mod table;
mod tally;
mod verdict;
mod wander;
mod world;

use plan::{Long, Plan};

/// In brief, or, when the environment asks for segments, at length.
#[test]
fn chaos_in_brief_or_at_length_loses_nothing() {
    match Long::wanted() {
        Some(long) => long::run(&long),
        None => brief(),
    }
}

fn brief() {
    let plan = Plan::brief();
    let seed = plan.seed;
    let folder = tempfile::Builder::new()
        .prefix("salon-chaos-")
        .tempdir_in(plan::folder())
        .unwrap();
    let verdict = long::run_segment(plan, folder.path());
    let good = verdict.as_ref().is_some_and(verdict::Verdict::is_good);
    eprintln!("{}", table::of(verdict.as_slice()));
    if !good || plan::keeps() {
        let kept = folder.keep();
        eprintln!("history, logs and judgement are in {}", kept.display());
        eprintln!("again: SALON_CHAOS_SEED={seed} cargo test --locked --test chaos chaos_in");
    }
    if let Some(verdict) = verdict {
        verdict.check();
    }
    assert!(good, "chaos with seed {seed} came to no verdict");
}
