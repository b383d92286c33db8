//! Fuzzing on stable Rust: inputs made of kept ones by a number, checked for more than that nothing panics. A module for
//! each thing that takes what strangers write; the decoders of model providers are fuzzed within the library, in
//! `src/llm/fuzzed.rs`, by the same engine.
//!
//! A short run of each is part of every test run: always the same inputs, a few seconds each. A long one:
//!
//! ```text
//! SALON_FUZZ_RUNS=1000000 cargo test --locked fuzz_ -- --nocapture
//! ```
//!
//! A failure prints the number of its input and keeps it, made smaller, in `tests/fuzz/<target>/`: commit it, every run
//! checks it first. `SALON_FUZZ_SEED=<number>` makes that one input again. More in `tests/fuzz/README.md`.

mod addresses;
mod codec;
mod cursors;
mod dispatch;
mod engine;
mod frames;
mod html;
mod markdown;
mod search;

use std::time::{Duration, Instant};

/// That something takes no longer than this. Another program may have had the core meanwhile, so the best of some tries
/// counts.
fn within<T>(limit: Duration, mut run: impl FnMut() -> T) -> Result<T, String> {
    let mut took = Duration::ZERO;
    for _ in 0..6 {
        let begun = Instant::now();
        let result = run();
        took = begun.elapsed();
        if took <= limit {
            return Ok(result);
        }
    }
    Err(format!("took {took:?} of {limit:?}"))
}
