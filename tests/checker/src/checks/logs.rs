//! C13: no line of a log holds a secret, written plainly or as JSON escapes it; no process panicked (but where a panic is
//! the fault, F52); and every close by the server has a code that the protocol documents.

use aho_corasick::AhoCorasick;

use crate::history::{History, LogLine};
use crate::record::{Phase, Side};
use crate::report::{Check, Report};

/// The close codes of `docs/protocol.md`.
const CODES: &[u16] = &[
    1000, 1002, 1003, 1007, 1009, 1011, 1012, 4008, 4009, 4010, 4011, 4501,
];
/// What Rust writes of a panic, and Salon's own log.
const PANIC: &str = "panicked";
/// The row whose fault is a panic.
const PANIC_ROW: &str = "F52";
/// How long after that fault its panic may be logged.
const PANIC_NS: u64 = 5_000_000_000;

/// Applies it.
pub(super) fn check(history: &History, report: &mut Report) {
    closes(history, report);
    panics(history, report);
    secrets(history, report);
}

fn closes(history: &History, report: &mut Report) {
    for socket in &history.sockets {
        let Some(closed) = socket.closed.filter(|closed| closed.by == Side::Server) else {
            continue;
        };
        let name = history.names.text(socket.name);
        match closed.code {
            None => report.add(Check::C13, &[closed.line], || {
                format!("the server closed {name} without a code")
            }),
            Some(code) if !CODES.contains(&code) => report.add(Check::C13, &[closed.line], || {
                format!("the server closed {name} with {code}, which is not documented")
            }),
            Some(_) => {}
        }
    }
}

fn panics(history: &History, report: &mut Report) {
    let planned = |line: &LogLine| {
        let mut open = false;
        for fault in &history.faults {
            if fault.t > line.t || history.names.text(fault.row) != PANIC_ROW {
                continue;
            }
            open = fault.phase == Phase::Begin || line.t - fault.t <= PANIC_NS;
        }
        open
    };
    for line in history.logs.iter().filter(|line| line.text.contains(PANIC)) {
        if !planned(line) {
            report.add(Check::C13, &[line.line], || {
                format!("{} panicked", history.names.text(line.of))
            });
        }
    }
}

fn secrets(history: &History, report: &mut Report) {
    let mut patterns: Vec<String> = Vec::new();
    let mut whose = Vec::new();
    for secret in history
        .secrets
        .iter()
        .filter(|secret| !secret.text.is_empty())
    {
        patterns.push(secret.text.to_string());
        whose.push(secret);
        let escaped = serde_json::to_string(&secret.text).unwrap_or_default();
        let inner = escaped
            .get(1..escaped.len().saturating_sub(1))
            .unwrap_or_default();
        if inner != &*secret.text && !inner.is_empty() {
            patterns.push(inner.to_owned());
            whose.push(secret);
        }
    }
    if patterns.is_empty() {
        return;
    }
    let search = match AhoCorasick::new(&patterns) {
        Ok(search) => search,
        Err(error) => {
            report.add(Check::C13, &[], || {
                format!("the secrets cannot be looked for: {error}")
            });
            return;
        }
    };
    for line in &history.logs {
        let found = search
            .find(line.text.as_bytes())
            .map(|found| found.pattern().as_usize());
        if let Some(secret) = found.and_then(|at| whose.get(at)) {
            report.add(Check::C13, &[secret.line, line.line], || {
                let (kind, of) = (history.names.text(secret.kind), history.names.text(line.of));
                format!("the log of {of} holds a secret ({kind})")
            });
        }
    }
}
