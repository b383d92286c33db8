//! The figures of a run, as a table in Markdown that can be copied into a document.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use super::verdict::Verdict;

/// The table of these segments.
pub(crate) fn of(verdicts: &[Verdict]) -> String {
    let rows = added(verdicts, |one| &one.faults);
    let mut table = String::from("| figure | value |\n| --- | --- |\n");
    let mut line = |name: &str, value: &dyn Display| {
        let _ = writeln!(table, "| {name} | {value} |");
    };
    let seconds: f64 = verdicts.iter().map(|one| one.seconds).sum();
    line("segments", &verdicts.len());
    line("minutes", &format!("{:.1}", seconds / 60.0));
    line("faults", &rows.values().sum::<u64>());
    line("kinds of faults", &rows.len());
    for (name, of) in SUMS {
        line(name, &verdicts.iter().map(of).sum::<u64>());
    }
    line(
        "retryable refusals",
        &listed(&added(verdicts, |one| &one.refused)),
    );
    line(
        "refused for good",
        &listed(&added(verdicts, |one| &one.failed)),
    );
    line(
        "close codes (0: none)",
        &listed(&added(verdicts, |one| &one.closed)),
    );
    for (name, of) in TIMES {
        let mut all: Vec<u64> = verdicts.iter().map(of).collect();
        all.sort_unstable();
        let middle = all.get(all.len() / 2).copied().unwrap_or_default();
        let worst = all.last().copied().unwrap_or_default();
        line(name, &format!("{middle}, at worst {worst}"));
    }
    table.push_str("\n| row | injected |\n| --- | --- |\n");
    let mut rows: Vec<(String, u64)> = rows.into_iter().collect();
    rows.sort_by_key(|(row, _)| row[1..].parse::<u32>().unwrap_or(u32::MAX));
    for (row, count) in rows {
        let _ = writeln!(table, "| {row} | {count} |");
    }
    table
}

/// A figure of one segment.
type Figure = fn(&Verdict) -> u64;

/// What is added up.
const SUMS: [(&str, Figure); 8] = [
    ("messages acknowledged", |one| one.acked),
    ("violations", |one| one.violations.len() as u64),
    ("other complaints", |one| one.complaints.len() as u64),
    ("frames received", |one| one.received),
    ("sockets", |one| one.sockets),
    ("operations refused at the first try", |one| {
        one.refused_at_first
    }),
    ("resends answered as repeats", |one| one.duplicates),
    ("outcomes that stayed unknown until later", |one| {
        one.unknown
    }),
];

/// Milliseconds: the middle segment's and the worst one's.
const TIMES: [(&str, Figure); 7] = [
    ("ms to the ack, half of all", |one| one.acks_ms.p50.into()),
    ("ms to the ack, p99, outages and all", |one| {
        one.acks_ms.p99.into()
    }),
    ("ms to the ack, longest", |one| one.acks_ms.max.into()),
    ("ms to a delivery, half of all", |one| {
        one.deliveries_ms.p50.into()
    }),
    ("ms to a delivery, p99, outages and all", |one| {
        one.deliveries_ms.p99.into()
    }),
    ("ms to a delivery, longest", |one| {
        one.deliveries_ms.max.into()
    }),
    (
        "ms from the last heal until everybody had everything",
        |one| one.caught_up_ms.unwrap_or(u64::MAX),
    ),
];

fn added<'a, K: Ord + Clone + 'a>(
    verdicts: &'a [Verdict],
    of: impl Fn(&'a Verdict) -> &'a BTreeMap<K, u64>,
) -> BTreeMap<K, u64> {
    let mut sums = BTreeMap::new();
    for (key, count) in verdicts.iter().flat_map(of) {
        *sums.entry(key.clone()).or_default() += count;
    }
    sums
}

fn listed<K: Display>(counts: &BTreeMap<K, u64>) -> String {
    let each = counts.iter().map(|(key, count)| format!("{key} × {count}"));
    each.collect::<Vec<_>>().join(", ")
}
