//! `salon usage`: what replies used and cost, summed up.

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use salon::config::Config;
use salon::db::Store;
use salon::db::usage::{SumBy, SumsWanted, UsageSum};
use salon::limits;
use salon::spending::Money;
use serde_json::{Value, json};

use super::Failure;
use super::audit::since;
use super::open::{refused, with_store};
use super::table::{Format, print};

/// Which sums.
#[derive(Args)]
pub(crate) struct UsageCommand {
    /// By user, room, model or day
    #[arg(long, default_value = "day", value_parser = by, value_name = "user|room|model|day")]
    by: SumBy,
    /// Of what was asked since a day or a time (2026-11-26, 2026-11-26T08:00:00Z), or so long ago (12h, 7d); left out: 30 days
    #[arg(long, value_parser = since, value_name = "TIME")]
    since: Option<DateTime<Utc>>,
    /// As one JSON array
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: Box<Config>,
}

const COLUMNS: &[&str] = &[
    "name",
    "attempts",
    "estimated",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "cost",
];

fn by(name: &str) -> Result<SumBy, String> {
    SumBy::from_name(name).ok_or_else(|| "one of user, room, model and day".to_owned())
}

/// Shows the sums.
pub(crate) async fn run(command: UsageCommand) -> Result<(), Failure> {
    let config = command.config.clone();
    with_store(&config, async |store| show(&*store, &command).await).await
}

async fn show(store: &dyn Store, command: &UsageCommand) -> Result<(), Failure> {
    let now = Utc::now();
    let mut rows: Vec<Value> = Vec::new();
    let mut after = None;
    loop {
        let wanted = SumsWanted {
            by: command.by,
            from: command.since.unwrap_or(now - TimeDelta::days(30)),
            to: now,
            after,
            limit: limits::USAGE_PAGE,
        };
        let page = store.usage_sums(wanted).await.map_err(refused)?.sums;
        rows.extend(page.iter().map(row));
        let full = i64::try_from(page.len()) == Ok(limits::USAGE_PAGE);
        after = page.into_iter().next_back().map(|sum| sum.key);
        if !full {
            break;
        }
    }
    print(Format::of(command.json), COLUMNS, &rows);
    Ok(())
}

fn row(sum: &UsageSum) -> Value {
    json!({
        "key": sum.key,
        "name": sum.name,
        "attempts": sum.attempts,
        "estimated": sum.estimated,
        "input_tokens": sum.input_tokens,
        "output_tokens": sum.output_tokens,
        "cached_tokens": sum.cached_tokens,
        "cost": Money::of_micros(sum.cost_micros).to_string(),
    })
}
