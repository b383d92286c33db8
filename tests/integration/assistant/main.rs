//! The numbers that the assistant promises, each measured on real processes: instances of the built program, Postgres behind
//! `PgBouncer`, Redis, and a provider of our own. A test target of its own, whose tests run one after the other, so that
//! nothing else runs beside what is measured.
//!
//! `cargo test --test assistant` is the run in brief, part of `tests/run`: smaller crowds, and bounds that a debug build on
//! two busy cores can hold. `tests/assistant` is the full size against a release build, with the bounds as they are promised.

#![allow(
    clippy::cast_lossless,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic, and counts what is small"
)]

mod cost;
mod crowd;
mod cuts;
mod fairness;
mod in_flight;
mod joins;
mod kills;
mod reader;
mod size;
mod stops;
#[path = "../support/mod.rs"]
#[expect(unused_imports, reason = "not every helper is of use here")]
mod support;
mod talk;
mod world;
