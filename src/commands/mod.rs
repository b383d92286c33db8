//! What each command does, one file for each. Part of the program, not of the library: these print.

pub(crate) mod audit;
pub(crate) mod check;
pub(crate) mod migrate;
mod open;
mod password;
pub(crate) mod room;
pub(crate) mod serve;
mod table;
pub(crate) mod usage;
pub(crate) mod user;

use std::io::Write;
use std::process::ExitCode;

use salon::server::StartError;

/// How a command fails.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A setting or an argument is wrong, or something it names is not there: nothing was started.
    Starting(String),
    /// It had begun.
    Running(String),
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self::Starting(error.to_string())
    }
}

/// Says why, on standard error, and gives the exit code: 2 before anything started, else 1.
pub(crate) fn fail(failure: &Failure) -> ExitCode {
    let (sentence, code) = match failure {
        Failure::Starting(sentence) => (sentence, 2),
        Failure::Running(sentence) => (sentence, 1),
    };
    // Nobody is left to tell that standard error is closed.
    let _ = writeln!(std::io::stderr(), "salon: {sentence}");
    ExitCode::from(code)
}

/// A line on standard output. That nobody reads it is no failure.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
