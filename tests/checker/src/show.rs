//! Shows a report to people: the numbers, then each violation with the lines of the history that show it. The lines are read
//! again from the file, so that a check need not keep them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, BufRead};

use crate::report::{Check, Report};
use crate::summary::{Latency, Summary};

/// Characters of a line that are shown.
const SHOWN: usize = 400;
/// Lines of one violation that are shown.
const LINES: usize = 6;

/// The texts of those lines that the report's violations name, each cut at 400 characters.
///
/// # Errors
/// When the history cannot be read.
pub fn lines_of(report: &Report, mut history: impl BufRead) -> io::Result<BTreeMap<u32, String>> {
    let violations = report
        .violations
        .iter()
        .flat_map(|violation| violation.lines.iter().take(LINES));
    let malformed = report.malformed.iter().map(|bad| &bad.line);
    let wanted: BTreeSet<u32> = violations.chain(malformed).copied().collect();
    let mut found = BTreeMap::new();
    let mut line = Vec::new();
    let mut number: u32 = 0;
    let last = wanted.last().copied().unwrap_or(0);
    while number < last {
        line.clear();
        if history.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        number = number.saturating_add(1);
        if wanted.contains(&number) {
            found.insert(number, cut(&line));
        }
    }
    Ok(found)
}

fn cut(line: &[u8]) -> String {
    // A character takes at most four bytes.
    let beginning = line.get(..SHOWN * 4).unwrap_or(line);
    let text = String::from_utf8_lossy(beginning);
    let text = text.trim_end();
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() || beginning.len() < line.len() {
        shown.push('…');
    }
    shown
}

/// The whole report as text. `lines` are those of [`lines_of`].
#[must_use]
pub fn text(report: &Report, lines: &BTreeMap<u32, String>) -> String {
    let mut out = summary(&report.summary);
    for bad in &report.malformed {
        let _ = writeln!(out, "\nline {}: no record: {}", bad.line, bad.said);
        show(&mut out, &[bad.line], lines);
    }
    let unshown = report
        .malformed_found
        .saturating_sub(report.malformed.len() as u64);
    if unshown > 0 {
        let _ = writeln!(out, "\n… and {unshown} more lines that are no records");
    }
    for violation in &report.violations {
        let _ = writeln!(
            out,
            "\n{:?} {}: {}",
            violation.check,
            violation.check.demand(),
            violation.said
        );
        show(&mut out, &violation.lines, lines);
    }
    out.push('\n');
    for check in Check::ALL {
        let count = report.count(check);
        let _ = match count {
            0 => writeln!(out, "{:4} ok    {}", format!("{check:?}"), check.demand()),
            _ => writeln!(
                out,
                "{:4} {count:5} {}",
                format!("{check:?}"),
                check.demand()
            ),
        };
    }
    if report.summary.length_ms > 0 && report.summary.convergence.count == 0 {
        out.push_str(
            "C11 says nothing where the history has no `healed` or nobody reached the head.\n",
        );
    }
    out
}

fn show(out: &mut String, numbers: &[u32], lines: &BTreeMap<u32, String>) {
    for number in numbers.iter().take(LINES) {
        if let Some(line) = lines.get(number) {
            let _ = writeln!(out, "  {number}: {line}");
        }
    }
    if numbers.len() > LINES {
        let rest: Vec<String> = numbers
            .iter()
            .skip(LINES)
            .take(20)
            .map(u32::to_string)
            .collect();
        let _ = writeln!(out, "  and lines {}", rest.join(", "));
    }
}

/// The numbers alone.
#[must_use]
pub fn summary(summary: &Summary) -> String {
    let mut out = String::new();
    let s = summary;
    let _ = writeln!(
        out,
        "{} (seed {}): {} records over {} ms",
        s.title, s.seed, s.records, s.length_ms
    );
    let _ = writeln!(
        out,
        "clients       {} over {} sockets, {} joins, {} of them re-joins",
        s.clients, s.sockets, s.joins, s.rejoins
    );
    let _ = writeln!(out, "closes        {}", list(&s.closes));
    let _ = writeln!(
        out,
        "operations    {}: {} sends, {} messages acked ({} acks of resends), {} of unknown outcome, {} unfinished",
        s.operations, s.sends, s.acked, s.duplicate_acks, s.unknown, s.unfinished
    );
    let _ = writeln!(
        out,
        "refused       for good: {}; for now: {}",
        list(&s.failed),
        s.refusals
    );
    let _ = writeln!(
        out,
        "frames        {} received, {} versions applied, {} wire duplicates, {} ignored during joins",
        s.received, s.applied, s.duplicates, s.ignored
    );
    let _ = writeln!(
        out,
        "replies       {} stored, {} deltas ({} of unknown replies), {} ends that came to a shorter text",
        s.replies, s.deltas, s.unknown_deltas, s.short_replies
    );
    let _ = writeln!(out, "stored        {} messages", s.stored);
    let _ = writeln!(out, "faults        {}", list(&s.faults));
    let _ = writeln!(out, "send to ack   {}", latency(s.ack));
    let _ = writeln!(out, "ack to frame  {}", latency(s.delivery));
    let _ = writeln!(out, "healed to head {}", latency(s.convergence));
    out
}

fn list(counts: &BTreeMap<String, u64>) -> String {
    if counts.is_empty() {
        return "none".to_owned();
    }
    let each: Vec<String> = counts
        .iter()
        .map(|(name, count)| format!("{name} × {count}"))
        .collect();
    let total: u64 = counts.values().sum();
    format!("{total} ({})", each.join(", "))
}

fn latency(latency: Latency) -> String {
    let ms = |us: u64| format!("{}.{} ms", us / 1_000, us % 1_000 / 100);
    let Latency {
        count,
        p50_us,
        p95_us,
        p99_us,
        max_us,
    } = latency;
    format!(
        "p50 {}, p95 {}, p99 {}, max {} of {count}",
        ms(p50_us),
        ms(p95_us),
        ms(p99_us),
        ms(max_us)
    )
}
