//! What replies used and cost: `GET /api/me/usage` of one's own questions, `GET /api/rooms/{slug}/usage` of a room, for those who keep
//! order in it, `GET /api/admin/usage` of everybody, summed up. As JSON by pages, or as CSV.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Datelike, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::admin::Administrator;
use super::csv::{self, Cell};
use super::error::Problem;
use super::extract::{Caller, QueryOf, RoomPath};
use super::openapi::AnyProblem;
use crate::app::App;
use crate::db::StoreError;
use crate::db::usage::{AttemptRow, SumBy, SumsWanted, UsagePage, UsageSum};
use crate::error::{ErrorCode, Refusal};
use crate::ids::AttemptId;
use crate::limits;
use crate::spending::{Cap, Counted, Counter, Money, PeriodCaps, Span};

/// Which attempts.
#[derive(Deserialize, IntoParams)]
pub struct UsageQuery {
    /// Older than this row: the last of the page before.
    before: Option<AttemptId>,
    /// 1 to 100, of CSV 1 to 5000; left out: as many as may be.
    limit: Option<i64>,
    /// `json` or `csv`; left out, as `Accept` says.
    format: Option<String>,
}

/// Which sums.
#[derive(Deserialize, IntoParams)]
pub struct SumsQuery {
    /// `user`, `room`, `model` or `day`; left out: `day`.
    by: Option<String>,
    /// Of what was asked from this time on; left out: 30 days before `to`.
    from: Option<DateTime<Utc>>,
    /// And before this one; left out: now.
    to: Option<DateTime<Utc>>,
    /// Behind this key: the last of the page before.
    after: Option<String>,
    /// 1 to 100, of CSV 1 to 5000; left out: as many as may be.
    limit: Option<i64>,
    /// `json` or `csv`; left out, as `Accept` says.
    format: Option<String>,
}

/// How much of what may be used is.
#[derive(Serialize, ToSchema)]
pub struct Standing {
    /// Spent, in millionths of `currency`.
    cost_micros: i64,
    /// What may be spent; null for any amount.
    cost_limit_micros: Option<i64>,
    /// Tokens used, read and written.
    tokens: i64,
    /// What may be used; null for any number.
    tokens_limit: Option<i64>,
    /// Replies that run, and so will add to it.
    running: i64,
    /// When it is counted anew.
    ends_at: DateTime<Utc>,
}

/// How much of what may be used is, in the day and month of UTC that it is now.
#[derive(Serialize, ToSchema)]
pub struct Standings {
    /// Today.
    day: Standing,
    /// This month.
    month: Standing,
}

/// Attempts at replies, the latest first.
#[derive(Serialize, ToSchema)]
pub struct UsageList {
    /// What amounts are in.
    currency: String,
    /// Of this user's questions, or of this room.
    spent: Standings,
    /// At most `limit`.
    rows: Vec<AttemptRow>,
    /// Whether there are older ones.
    more: bool,
}

/// Sums by one key.
#[derive(Serialize, ToSchema)]
pub struct UsageSumList {
    /// What amounts are in.
    currency: String,
    /// Of the whole server.
    spent: Standings,
    /// What the sums are by.
    by: &'static str,
    /// From this time on,
    from: DateTime<Utc>,
    /// before this one.
    to: DateTime<Utc>,
    /// By their keys; at most `limit`.
    rows: Vec<UsageSum>,
    /// Whether there are more behind these.
    more: bool,
}

fn bad<T>(sentence: &'static str) -> Result<T, Refusal> {
    Err(Refusal::with_message(ErrorCode::BadRequest, sentence))
}

/// Whether CSV is wanted, and how many rows.
fn form(
    format: Option<&str>,
    limit: Option<i64>,
    headers: &HeaderMap,
) -> Result<(bool, i64), Refusal> {
    if format.is_some_and(|format| !matches!(format, "json" | "csv")) {
        return bad("`format` is `json` or `csv`.");
    }
    let is_csv = csv::is_wanted(format, headers);
    let most = if is_csv {
        limits::USAGE_CSV_ROWS
    } else {
        limits::USAGE_PAGE
    };
    let limit = limit.unwrap_or(most);
    if !(1..=most).contains(&limit) {
        return bad("`limit` is 1 to 100, of CSV 1 to 5000.");
    }
    Ok((is_csv, limit))
}

/// Cuts what was asked for with one more; whether there was more.
fn cut<T>(rows: &mut Vec<T>, limit: i64) -> bool {
    let limit = usize::try_from(limit).unwrap_or(0);
    let more = rows.len() > limit;
    rows.truncate(limit);
    more
}

fn standings(counted: Counted, caps: PeriodCaps) -> Standings {
    let now = Utc::now();
    let standing = |counter: Counter, cap: Cap, span: Span| Standing {
        cost_micros: counter.spent.cost_micros,
        cost_limit_micros: cap.cost.map(Money::micros),
        tokens: counter.spent.tokens,
        tokens_limit: cap.tokens,
        running: counter.running,
        ends_at: span.end(now),
    };
    Standings {
        day: standing(counted.day, caps.day, Span::Day),
        month: standing(counted.month, caps.month, Span::Month),
    }
}

fn list(
    app: &App,
    page: Result<UsagePage, StoreError>,
    (is_csv, limit): (bool, i64),
    (name, path): (&str, &str),
    caps: PeriodCaps,
) -> Result<Response, Problem> {
    let UsagePage { mut rows, counted } = page.map_err(StoreError::into_refusal)?;
    let more = cut(&mut rows, limit);
    if !is_csv {
        return Ok(Json(UsageList {
            currency: app.config.spending.currency.clone(),
            spent: standings(counted, caps),
            rows,
            more,
        })
        .into_response());
    }
    let last = rows.last().map(|row| row.id).filter(|_| more);
    let next = last.map(|last| format!("{path}?format=csv&limit={limit}&before={last}"));
    let cells = rows.iter().map(attempt_cells);
    Ok(csv::answer(name, &ATTEMPT_HEAD, cells, next))
}

/// The columns of [`attempt_cells`].
const ATTEMPT_HEAD: [&str; 20] = [
    "id",
    "room",
    "seq",
    "attempt",
    "user_id",
    "user",
    "assistant",
    "provider",
    "model",
    "state",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "estimated",
    "cost",
    "first_token_ms",
    "stop_reason",
    "error",
    "asked_at",
    "ended_at",
];

fn attempt_cells(row: &AttemptRow) -> Vec<Cell<'_>> {
    let plain = |value: i64| Cell::Plain(value.to_string());
    vec![
        Cell::Plain(row.id.to_string()),
        Cell::Text(&row.room),
        plain(row.seq),
        plain(row.attempt.into()),
        Cell::Plain(row.user.id.to_string()),
        Cell::Text(&row.user.name),
        Cell::Text(&row.assistant.name),
        Cell::Text(&row.provider),
        Cell::Text(&row.model),
        Cell::Plain(row.state.as_str().to_owned()),
        plain(row.input_tokens),
        plain(row.output_tokens),
        plain(row.cached_tokens),
        Cell::Plain(row.estimated.to_string()),
        Cell::of(row.cost_micros.map(Money::of_micros)),
        Cell::of(row.first_token_ms),
        Cell::text(row.stop_reason.as_deref()),
        Cell::text(row.error.as_deref()),
        Cell::Plain(time(row.asked_at)),
        Cell::of(row.ended_at.map(time)),
    ]
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// What one's own questions used.
#[utoipa::path(get, path = "/api/me/usage", tag = "usage", params(UsageQuery),
    responses((status = 200, description = "A page", body = UsageList), (status = "default", response = AnyProblem)))]
pub async fn show_own(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    headers: HeaderMap,
    QueryOf(query): QueryOf<UsageQuery>,
) -> Result<Response, Problem> {
    let form = form(query.format.as_deref(), query.limit, &headers)?;
    let user = who.user.id;
    let page = app.store.own_usage(user, query.before, form.1 + 1).await;
    let place = ("my-usage", "/api/me/usage");
    list(&app, page, form, place, app.config.spending.caps().user)
}

/// What the replies of a room used; for its moderators and owners.
#[utoipa::path(get, path = "/api/rooms/{slug}/usage", tag = "usage", params(("slug" = String, Path), UsageQuery),
    responses((status = 200, description = "A page", body = UsageList), (status = "default", response = AnyProblem)))]
pub async fn show_room(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    RoomPath(slug): RoomPath,
    headers: HeaderMap,
    QueryOf(query): QueryOf<UsageQuery>,
) -> Result<Response, Problem> {
    let form = form(query.format.as_deref(), query.limit, &headers)?;
    let limit = form.1 + 1;
    let asked = app
        .store
        .room_usage(who.user.id, &slug, query.before, limit);
    let page = asked.await;
    let path = format!("/api/rooms/{slug}/usage");
    let name = format!("{slug}-usage");
    let caps = app.config.spending.caps().room;
    list(&app, page, form, (&name, &path), caps)
}

impl SumsQuery {
    fn wanted(&self, limit: i64) -> Result<SumsWanted, Refusal> {
        let by = self.by.as_deref().unwrap_or(SumBy::Day.as_str());
        let Some(by) = SumBy::from_name(by) else {
            return bad("`by` is `user`, `room`, `model` or `day`.");
        };
        let to = self.to.unwrap_or_else(Utc::now);
        let month = to.checked_sub_signed(TimeDelta::days(30));
        let (Some(month), true) = (month, is_time(to) && self.from.is_none_or(is_time)) else {
            return bad("`from` and `to` are times of this era.");
        };
        let from = self.from.unwrap_or(month);
        if from > to {
            return bad("`from` is not after `to`.");
        }
        let after = self.after.clone();
        let is_key = |key: &str| key.len() <= 512 && !key.contains('\0');
        if after.as_deref().is_some_and(|key| !is_key(key)) {
            return bad("`after` is the last `key` of a page.");
        }
        Ok(SumsWanted {
            by,
            from,
            to,
            after,
            limit: limit + 1,
        })
    }
}

/// What all replies used, summed up by user, room, model or day.
#[utoipa::path(get, path = "/api/admin/usage", tag = "administration", params(SumsQuery),
    responses((status = 200, description = "A page", body = UsageSumList), (status = "default", response = AnyProblem)))]
pub async fn sum_up(
    State(app): State<Arc<App>>,
    _who: Administrator,
    headers: HeaderMap,
    QueryOf(query): QueryOf<SumsQuery>,
) -> Result<Response, Problem> {
    let (is_csv, limit) = form(query.format.as_deref(), query.limit, &headers)?;
    let wanted = query.wanted(limit)?;
    let (by, from, to) = (wanted.by.as_str(), wanted.from, wanted.to);
    let found = app.store.usage_sums(wanted).await;
    let found = found.map_err(StoreError::into_refusal)?;
    let (mut rows, counted) = (found.sums, found.counted);
    let more = cut(&mut rows, limit);
    if !is_csv {
        return Ok(Json(UsageSumList {
            currency: app.config.spending.currency.clone(),
            spent: standings(counted, app.config.spending.caps().server),
            by,
            from,
            to,
            rows,
            more,
        })
        .into_response());
    }
    let last = rows.last().filter(|_| more);
    let next = last.map(|last| {
        let pairs = [
            ("from", time(from)),
            ("to", time(to)),
            ("after", last.key.clone()),
        ];
        let pairs = pairs.map(|(name, value)| format!("&{name}={}", escaped(&value)));
        format!(
            "/api/admin/usage?format=csv&limit={limit}&by={by}{}",
            pairs.concat()
        )
    });
    let cells = rows.iter().map(sum_cells);
    Ok(csv::answer(
        &format!("usage-by-{by}"),
        &SUM_HEAD,
        cells,
        next,
    ))
}

/// The columns of [`sum_cells`].
const SUM_HEAD: [&str; 8] = [
    "key",
    "name",
    "attempts",
    "estimated",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "cost",
];

fn sum_cells(sum: &UsageSum) -> Vec<Cell<'_>> {
    let plain = |value: i64| Cell::Plain(value.to_string());
    vec![
        Cell::Text(&sum.key),
        Cell::Text(&sum.name),
        plain(sum.attempts),
        plain(sum.estimated),
        plain(sum.input_tokens),
        plain(sum.output_tokens),
        plain(sum.cached_tokens),
        Cell::of(Some(Money::of_micros(sum.cost_micros))),
    ]
}

/// A value as a query holds it.
fn escaped(value: &str) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    let bytes = value.bytes().map(|byte| match is_plain(&byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    bytes.collect()
}

/// Whether every database knows it.
fn is_time(time: DateTime<Utc>) -> bool {
    (1..=9999).contains(&time.year())
}
