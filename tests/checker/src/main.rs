//! `salon-checker HISTORY…`: judges histories and shows what it found. Exit code 0: no promise was broken; 1: some were;
//! 2: a file could not be read, or has lines that are no records.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::process::ExitCode;

use salon_checker::{check_file, show};

fn main() -> ExitCode {
    let files: Vec<String> = std::env::args().skip(1).collect();
    if files.is_empty() || files.iter().any(|file| file == "--help" || file == "-h") {
        say(
            "usage: salon-checker HISTORY…\n\nJudges histories of runs of Salon; FORMAT.md says what they look like.\n",
        );
        return ExitCode::from(u8::from(files.is_empty()) * 2);
    }
    let (mut broken, mut unreadable) = (false, false);
    for file in &files {
        say(&format!("== {file}\n"));
        match judge(file) {
            Ok((violations, malformed)) => {
                broken |= violations;
                unreadable |= malformed;
            }
            Err(error) => {
                say(&format!("cannot be read: {error}\n"));
                unreadable = true;
            }
        }
    }
    match (broken, unreadable) {
        (true, _) => ExitCode::from(1),
        (false, true) => ExitCode::from(2),
        (false, false) => ExitCode::SUCCESS,
    }
}

/// Whether a history broke promises, and whether it has lines that are no records.
fn judge(file: &str) -> io::Result<(bool, bool)> {
    let report = check_file(file)?;
    let lines = show::lines_of(&report, BufReader::new(File::open(file)?))?;
    say(&show::text(&report, &lines));
    Ok((!report.found.is_empty(), report.malformed_found > 0))
}

/// A reader that is gone wants no more.
fn say(text: &str) {
    let _ = io::stdout().lock().write_all(text.as_bytes());
}
