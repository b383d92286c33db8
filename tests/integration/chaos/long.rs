//! The long run: one segment after the other, each with a seed, a deployment and a history of its own. A segment that has
//! a verdict is not run again, so a run that was broken off goes on where it stood.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use super::plan::{Long, Plan, keeps};
use super::verdict::Verdict;
use super::{segment, table};

/// Threads of a segment: proxies and clients, beside the servers that they talk to.
const THREADS: usize = 2;
/// Tasks of a segment that is over end within this.
const END: Duration = Duration::from_secs(5);

/// Runs what has no verdict yet, tells the figures of all, and fails when anything was wrong.
pub(crate) fn run(long: &Long) {
    let began = Instant::now();
    std::fs::create_dir_all(&long.folder).unwrap();
    let mut verdicts = Vec::new();
    let mut left = 0;
    for number in 0..long.segments {
        if long.only.is_some_and(|only| only != number) {
            continue;
        }
        let folder = long.folder.join(format!("segment-{number:03}"));
        let file = folder.join("verdict.json");
        if let Ok(known) = std::fs::read(&file) {
            verdicts.push(serde_json::from_slice(&known).unwrap());
            continue;
        }
        if began.elapsed() > long.time {
            left += 1;
            continue;
        }
        let plan = Plan::segment(long.seed, number);
        eprintln!("== {}, seed {}", plan.title, plan.seed);
        // What an attempt that was broken off left there says nothing.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let Some(verdict) = run_segment(plan, &folder) else {
            left += 1;
            continue;
        };
        std::fs::write(&file, serde_json::to_vec_pretty(&verdict).unwrap()).unwrap();
        if verdict.is_good() && !keeps() {
            let history = folder.join("history.jsonl");
            std::fs::remove_file(history).unwrap();
        } else if !verdict.is_good() {
            eprintln!("{:#?} {:#?}", verdict.violations, verdict.complaints);
            eprintln!(
                "history, logs and judgement are in {}; again: remove its verdict.json, then tests/chaos --seed {} --segments {} --only {number}",
                folder.display(),
                long.seed,
                long.segments
            );
        }
        verdicts.push(verdict);
    }
    let table = table::of(&verdicts);
    eprintln!("{table}");
    std::fs::write(long.folder.join("table.md"), table).unwrap();
    verdicts.iter().for_each(Verdict::check);
    assert_eq!(
        left, 0,
        "segments without a verdict; the same command goes on"
    );
}

/// Runs one in `folder`; no verdict when it panicked.
pub(crate) fn run_segment(plan: Plan, folder: &Path) -> Option<Verdict> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .unwrap();
    let running = AssertUnwindSafe(|| runtime.block_on(segment::run(plan, folder)));
    let verdict = catch_unwind(running).ok();
    runtime.shutdown_timeout(END);
    verdict
}
