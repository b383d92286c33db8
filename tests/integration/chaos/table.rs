//! The figures of a run, as a table in Markdown that can be copied into a document.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::verdict::Verdict;

/// The table of these segments.
pub(crate) fn of(verdicts: &[Verdict]) -> String {
    let sum = |of: fn(&Verdict) -> u64| verdicts.iter().map(of).sum::<u64>();
    let worst = |of: fn(&Verdict) -> u64| verdicts.iter().map(of).max().unwrap_or_default();
    let middle = |of: fn(&Verdict) -> u64| {
        let mut all: Vec<u64> = verdicts.iter().map(of).collect();
        all.sort_unstable();
        all.get(all.len() / 2).copied().unwrap_or_default()
    };
    let rows = added(verdicts.iter().map(|verdict| &verdict.faults));
    let seconds: f64 = verdicts.iter().map(|verdict| verdict.seconds).sum();
    let figures: Vec<(&str, String)> = vec![
        ("segments", verdicts.len().to_string()),
        ("minutes", format!("{:.1}", seconds / 60.0)),
        ("messages acknowledged", sum(|one| one.acked).to_string()),
        ("faults", rows.values().sum::<u64>().to_string()),
        ("kinds of faults", rows.len().to_string()),
        (
            "violations",
            sum(|one| one.violations.len() as u64).to_string(),
        ),
        (
            "other complaints",
            sum(|one| one.complaints.len() as u64).to_string(),
        ),
        ("frames received", sum(|one| one.received).to_string()),
        ("sockets", sum(|one| one.sockets).to_string()),
        (
            "operations refused at the first try",
            sum(|one| one.refused_at_first).to_string(),
        ),
        (
            "retryable refusals",
            listed(&added(verdicts.iter().map(|one| &one.refused))),
        ),
        (
            "refused for good",
            listed(&added(verdicts.iter().map(|one| &one.failed))),
        ),
        (
            "resends answered as repeats",
            sum(|one| one.duplicates).to_string(),
        ),
        (
            "outcomes unknown, all resolved later",
            sum(|one| one.unknown).to_string(),
        ),
        (
            "ack, ms: p50",
            middle(|one| one.acks_ms.p50.into()).to_string(),
        ),
        (
            "ack, ms: p99, middle segment",
            middle(|one| one.acks_ms.p99.into()).to_string(),
        ),
        (
            "ack, ms: longest",
            worst(|one| one.acks_ms.max.into()).to_string(),
        ),
        (
            "delivery, ms: p50",
            middle(|one| one.deliveries_ms.p50.into()).to_string(),
        ),
        (
            "delivery, ms: p99, middle segment",
            middle(|one| one.deliveries_ms.p99.into()).to_string(),
        ),
        (
            "delivery, ms: longest",
            worst(|one| one.deliveries_ms.max.into()).to_string(),
        ),
        (
            "all caught up after the last fault, ms: middle",
            middle(|one| one.caught_up_ms.unwrap_or(u64::MAX)).to_string(),
        ),
        (
            "all caught up after the last fault, ms: longest",
            worst(|one| one.caught_up_ms.unwrap_or(u64::MAX)).to_string(),
        ),
        (
            "close codes (0: none)",
            listed(&added(verdicts.iter().map(|one| &one.closed))),
        ),
    ];
    let mut table = String::from("| figure | value |\n| --- | --- |\n");
    for (name, value) in figures {
        let _ = writeln!(table, "| {name} | {value} |");
    }
    table.push_str("\n| row | injected |\n| --- | --- |\n");
    let mut rows: Vec<(String, u64)> = rows.into_iter().collect();
    rows.sort_by_key(|(row, _)| row[1..].parse::<u32>().unwrap_or(u32::MAX));
    for (row, count) in rows {
        let _ = writeln!(table, "| {row} | {count} |");
    }
    table
}

fn added<'a, K: Ord + Clone + 'a>(
    all: impl Iterator<Item = &'a BTreeMap<K, u64>>,
) -> BTreeMap<K, u64> {
    let mut sums = BTreeMap::new();
    for (key, count) in all.flatten() {
        *sums.entry(key.clone()).or_default() += count;
    }
    sums
}

fn listed<K: std::fmt::Display>(counts: &BTreeMap<K, u64>) -> String {
    let each = counts.iter().map(|(key, count)| format!("{key} × {count}"));
    each.collect::<Vec<_>>().join(", ")
}
