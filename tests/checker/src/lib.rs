//! Reads the history of a run of Salon ([`record`]) and names every promise that was broken, with the lines that show it.
//! The chaos runs of Salon write such histories; anybody else may too.
//!
//! [`check`] reads a history once into a compact form (`history`), replays every socket by the rule that clients follow
//! (`replay`), and hands both to the checks C1 to C14 (`checks`), each of which is a pure function. Nothing here knows
//! Salon's code: what is judged is what was seen from outside.

mod checks;
mod either;
mod frame;
mod history;
mod message;
mod names;
mod read;
pub mod record;
mod replay;
mod report;
pub mod show;
mod summary;

use std::io::{self, BufRead};
use std::path::Path;

pub use report::{Check, Malformed, Report, Violation};
pub use summary::{Latency, Summary};

/// What stands for a text in a history: the same for the same bytes, in every process. FNV-1a of 64 bits, in hex; it tells
/// apart what a run wrote, and keeps nobody from forging one.
#[must_use]
pub fn hash(text: &str) -> String {
    format!("{:016x}", names::fnv(text.as_bytes()))
}

/// Applies every check to a history.
///
/// # Errors
/// When it cannot be read. Lines of bad form are no error: the report names them.
pub fn check(lines: impl BufRead) -> io::Result<Report> {
    let history = read::read(lines)?;
    let mut report = Report::default();
    let replay = replay::replay(&history, &mut report);
    checks::all(&history, &replay, &mut report);
    report.summary = summary::summarise(&history, &replay);
    report.take_malformed(history.malformed);
    Ok(report)
}

/// Applies every check to the history in a file.
///
/// # Errors
/// When it cannot be read.
pub fn check_file(path: impl AsRef<Path>) -> io::Result<Report> {
    let file = std::fs::File::open(path)?;
    check(io::BufReader::with_capacity(1 << 20, file))
}
