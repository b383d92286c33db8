//! `salon audit`: the audit log, the latest first.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use clap::Args;
use salon::config::Config;
use salon::db::Store;
use salon::db::audit::{Act, AuditFilter, AuditRow};
use salon::limits;
use serde_json::{Value, json};

use super::Failure;
use super::open::{refused, with_store};
use super::table::{Format, print};
use super::user::find;

/// Which rows.
#[derive(Args)]
pub(crate) struct AuditCommand {
    /// Not before: a day or a time (2026-11-26, 2026-11-26T08:00:00Z), or so long ago (30m, 12h, 7d)
    #[arg(long, value_parser = since, value_name = "TIME")]
    since: Option<DateTime<Utc>>,
    /// Done by this user, or to it
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
    /// This act only, such as `member.banned` or `refused`
    #[arg(long, value_parser = act, value_name = "ACT")]
    what: Option<Act>,
    /// About this room only
    #[arg(long, value_name = "SLUG")]
    room: Option<String>,
    /// At most so many rows
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "ROWS")]
    limit: u32,
    /// As one JSON array
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: Box<Config>,
}

const COLUMNS: &[&str] = &[
    "at", "act", "outcome", "who", "whom", "room", "way", "address", "times", "detail",
];

/// A time as people write it.
pub(crate) fn since(text: &str) -> Result<DateTime<Utc>, String> {
    let ago = || {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let number = i64::from(number.parse::<u32>().ok()?);
        let ago = match unit {
            "m" => TimeDelta::try_minutes(number),
            "h" => TimeDelta::try_hours(number),
            "d" => TimeDelta::try_days(number),
            _ => None,
        };
        Utc::now().checked_sub_signed(ago?)
    };
    let day = || {
        let day = text.parse::<NaiveDate>().ok()?;
        Some(day.and_hms_opt(0, 0, 0)?.and_utc())
    };
    text.parse::<DateTime<Utc>>()
        .ok()
        .or_else(day)
        .or_else(ago)
        .ok_or_else(|| "no time: 2026-11-26, 2026-11-26T08:00:00Z, 30m, 12h or 7d".to_owned())
}

fn act(name: &str) -> Result<Act, String> {
    Act::from_name(name).ok_or_else(|| {
        let names: Vec<&str> = Act::ALL.iter().map(|act| act.as_str()).collect();
        format!("no act: one of {}", names.join(", "))
    })
}

/// Shows the rows.
pub(crate) async fn run(command: AuditCommand) -> Result<(), Failure> {
    let config = command.config.clone();
    with_store(&config, async |store| show(&*store, &command).await).await
}

async fn show(store: &dyn Store, command: &AuditCommand) -> Result<(), Failure> {
    let user = match &command.who {
        Some(name) => Some(find(store, name).await?.user.id),
        None => None,
    };
    let mut rows: Vec<AuditRow> = Vec::new();
    let wanted = usize::try_from(command.limit).unwrap_or(usize::MAX);
    while rows.len() < wanted {
        let left = i64::try_from(wanted - rows.len()).unwrap_or(i64::MAX);
        let limit = left.min(limits::ADMIN_PAGE);
        let filter = AuditFilter {
            before: rows.last().map(|row| row.id),
            since: command.since,
            user,
            act: command.what,
            room: command.room.clone(),
            limit,
        };
        let page = store.audit(filter).await.map_err(refused)?;
        let full = i64::try_from(page.len()) == Ok(limit);
        rows.extend(page);
        if !full {
            break;
        }
    }
    let rows: Vec<Value> = rows.iter().map(row).collect();
    print(Format::of(command.json), COLUMNS, &rows);
    Ok(())
}

fn row(row: &AuditRow) -> Value {
    json!({
        "id": row.id,
        "at": row.at,
        "act": row.act.as_str(),
        "outcome": row.outcome,
        "who": row.who.as_ref().map(|user| &user.name),
        "who_id": row.who.as_ref().map(|user| user.id),
        "whom": row.whom.as_ref().map(|user| &user.name),
        "whom_id": row.whom.as_ref().map(|user| user.id),
        "room": row.room,
        "way": row.way.as_str(),
        "address": row.address,
        "times": row.times,
        "detail": row.detail,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        assert_eq!(
            since("2026-11-26").unwrap().to_rfc3339(),
            "2026-11-26T00:00:00+00:00"
        );
        assert_eq!(
            since("2026-11-26T08:00:00Z").unwrap().to_rfc3339(),
            "2026-11-26T08:00:00+00:00"
        );
        assert!(Utc::now() - since("2h").unwrap() >= TimeDelta::minutes(119));
        for wrong in ["", "h", "2x", "yesterday", "-1d", "\u{e9}"] {
            assert!(since(wrong).is_err(), "{wrong}");
        }
    }
}
