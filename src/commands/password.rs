//! A password from whoever runs the command: typed without being shown, or the first line of a pipe. Never an argument: those are in
//! the shell's history, and every process may read them.

use std::io::{BufRead, IsTerminal, Read, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use salon::limits;

use super::Failure;

/// Shows what is typed again, whatever happens.
struct Shown(Termios);

impl Drop for Shown {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, &self.0);
    }
}

/// Asks for a new password; at a terminal twice.
pub(crate) fn read() -> Result<String, Failure> {
    let failed = |error: std::io::Error| {
        Failure::Starting(format!("the password could not be read: {error}"))
    };
    if !std::io::stdin().is_terminal() {
        return line().map_err(failed);
    }
    let first = ask("Password: ").map_err(failed)?;
    if ask("Again: ").map_err(failed)? == first {
        Ok(first)
    } else {
        Err(Failure::Starting("the two are not the same".to_owned()))
    }
}

/// One line, typed without being shown.
fn ask(prompt: &str) -> std::io::Result<String> {
    let before = tcgetattr(std::io::stdin())?;
    let mut hidden = before.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    let shown = Shown(before);
    tcsetattr(std::io::stdin(), OptionalActions::Flush, &hidden)?;
    let mut out = std::io::stderr();
    write!(out, "{prompt}")?;
    out.flush()?;
    let typed = line();
    drop(shown);
    writeln!(out)?;
    typed
}

/// The first line of standard input, without its end.
fn line() -> std::io::Result<String> {
    let mut line = String::new();
    let longest = limits::PASSWORD_MAX_BYTES as u64 + 2;
    std::io::stdin().lock().take(longest).read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
