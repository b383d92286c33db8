//! Chaos: real processes under load, broken again and again by a seeded schedule, and a history of all that was seen,
//! which the checker judges. A test target of its own, so that nothing else runs beside it.
//!
//! `cargo test --test chaos` is the run in brief, part of `tests/run`. `tests/chaos` is the long one: many segments, each
//! with a seed of its own, the same code. What the environment may say: `SALON_CHAOS_SEED`, `SALON_CHAOS_KEEP`,
//! `SALON_CHAOS_FOLDER`, and for a look at a few faults alone `SALON_CHAOS_ROWS`, `SALON_CHAOS_FAULTS`,
//! `SALON_CHAOS_ACKED`.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic"
)]

mod api;
mod client;
mod collect;
mod crowd;
mod deployment;
mod faults;
mod load;
mod plan;
mod recorder;
mod schedule;
mod segment;
#[path = "../support/mod.rs"]
#[expect(unused_imports, reason = "not every helper is of use here")]
mod support;
mod tally;
mod verdict;
mod world;

use plan::Plan;

/// Threads of the run: proxies and clients, beside the servers that they talk to.
const THREADS: usize = 2;

#[test]
fn chaos_in_brief_loses_nothing() {
    let plan = Plan::brief();
    let folder = tempfile::Builder::new()
        .prefix("salon-chaos-")
        .tempdir_in(plan::folder())
        .unwrap();
    let seed = plan.seed;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .unwrap();
    let path = folder.path().to_owned();
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        runtime.block_on(segment::run(plan, &path))
    }));
    let good = result.as_ref().is_ok_and(verdict::Verdict::is_good);
    if let Ok(verdict) = &result {
        eprintln!("{verdict:#?}");
    }
    if !good || plan::keeps() {
        let kept = folder.keep();
        eprintln!(
            "seed {seed}; history and logs in {}; again: SALON_CHAOS_SEED={seed} cargo test --test chaos chaos_in_brief",
            kept.display()
        );
    }
    assert!(good, "chaos with seed {seed}");
}
