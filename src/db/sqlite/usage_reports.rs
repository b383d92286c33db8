//! [`UsageStore`] on SQLite: which unit of work each method is, with the SQL of what is read.

use async_trait::async_trait;
use chrono::Utc;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Integer, Nullable, Text};
use uuid::Uuid;

use super::columns::{Micros, StoredId, named, storable, time};
use super::failure::Work;
use super::usage::counted;
use super::{SqliteStore, rooms, usage};
use crate::db::StoreResult;
use crate::db::rows::{UserKind, UserRow};
use crate::db::usage::{
    AttemptEnd, AttemptRow, AttemptState, DIRECT_NAME, NewAttempt, SumBy, SumsWanted, UsagePage,
    UsageStore, UsageSum, UsageSums,
};
use crate::error::ErrorCode;
use crate::ids::{AttemptId, RoomId, UserId};
use crate::permissions::{Action, allows};
use crate::spending::{Caps, Verdict, subjects};

#[async_trait]
impl UsageStore for SqliteStore {
    async fn begin_attempt(&self, attempt: NewAttempt, caps: Caps) -> StoreResult<Verdict> {
        self.write(move |conn| usage::begin(conn, &attempt, &caps))
            .await
    }

    async fn end_attempt(&self, end: AttemptEnd) -> StoreResult<bool> {
        self.write(move |conn| usage::end(conn, &end)).await
    }

    async fn end_lost_attempts(&self, limit: i64) -> StoreResult<u64> {
        self.write(move |conn| usage::end_lost(conn, limit)).await
    }

    async fn own_usage(
        &self,
        user: UserId,
        before: Option<AttemptId>,
        limit: i64,
    ) -> StoreResult<UsagePage> {
        self.read(move |conn| page(conn, Of::User(user), before, limit))
            .await
    }

    async fn room_usage(
        &self,
        user: UserId,
        slug: &str,
        before: Option<AttemptId>,
        limit: i64,
    ) -> StoreResult<UsagePage> {
        let slug = slug.to_owned();
        self.read(move |conn| {
            let (view, role) = rooms::of_member(conn, user, &slug)?;
            if !allows(role, Action::ReadUsage) {
                return Err(ErrorCode::Forbidden.into());
            }
            page(conn, Of::Room(view.room.id), before, limit)
        })
        .await
    }

    async fn usage_sums(&self, wanted: SumsWanted) -> StoreResult<UsageSums> {
        self.read(move |conn| sums(conn, &wanted)).await
    }

    async fn sweep_usage(&self, days: u32) -> StoreResult<u64> {
        self.write(move |conn| usage::sweep(conn, days)).await
    }
}

/// Whose attempts.
#[derive(Clone, Copy)]
enum Of {
    User(UserId),
    Room(RoomId),
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Binary)]
    id: StoredId,
    #[diesel(sql_type = Text)]
    room: String,
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = Integer)]
    attempt: i32,
    #[diesel(sql_type = Binary)]
    user_id: StoredId,
    #[diesel(sql_type = Text)]
    user_name: String,
    #[diesel(sql_type = Text)]
    user_kind: String,
    #[diesel(sql_type = Binary)]
    assistant_id: StoredId,
    #[diesel(sql_type = Text)]
    assistant_name: String,
    #[diesel(sql_type = Text)]
    provider: String,
    #[diesel(sql_type = Text)]
    model: String,
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = BigInt)]
    input_tokens: i64,
    #[diesel(sql_type = BigInt)]
    output_tokens: i64,
    #[diesel(sql_type = BigInt)]
    cached_tokens: i64,
    #[diesel(sql_type = Bool)]
    estimated: bool,
    #[diesel(sql_type = Nullable<BigInt>)]
    cost_micros: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    first_token_ms: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    stop_reason: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    error: Option<String>,
    #[diesel(sql_type = BigInt)]
    asked_at: Micros,
    #[diesel(sql_type = Nullable<BigInt>)]
    ended_at: Option<Micros>,
}

impl Found {
    fn into_row(self) -> Work<AttemptRow> {
        Ok(AttemptRow {
            id: AttemptId(self.id.0),
            room: self.room,
            seq: self.seq,
            attempt: self.attempt,
            user: UserRow {
                id: UserId(self.user_id.0),
                name: self.user_name,
                kind: named(UserKind::from_name, &self.user_kind)?,
            },
            assistant: UserRow {
                id: UserId(self.assistant_id.0),
                name: self.assistant_name,
                kind: UserKind::Assistant,
            },
            provider: self.provider,
            model: self.model,
            state: named(AttemptState::from_name, &self.state)?,
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            cached_tokens: self.cached_tokens,
            estimated: self.estimated,
            cost_micros: self.cost_micros,
            first_token_ms: self.first_token_ms,
            stop_reason: self.stop_reason,
            error: self.error,
            asked_at: time(self.asked_at)?,
            ended_at: self.ended_at.map(time).transpose()?,
        })
    }
}

fn page(
    conn: &mut SqliteConnection,
    of: Of,
    before: Option<AttemptId>,
    limit: i64,
) -> Work<UsagePage> {
    let (column, subject) = match of {
        Of::User(user) => ("asker_id", user.0),
        Of::Room(room) => ("room_id", room.0),
    };
    let found = diesel::sql_query(format!(
        "SELECT a.id, r.slug AS room, a.seq, a.attempt, u.id AS user_id, u.name AS user_name, \
             CASE WHEN u.owner_id IS NULL THEN u.kind ELSE 'bot' END AS user_kind, \
             s.id AS assistant_id, s.name AS assistant_name, a.provider, a.model, a.state, \
             a.input_tokens, a.output_tokens, a.cached_tokens, a.estimated, a.cost_micros, a.first_token_ms, \
             a.stop_reason, a.error, a.asked_at, a.ended_at \
         FROM reply_attempts a JOIN rooms r ON r.id = a.room_id JOIN users u ON u.id = a.asker_id \
         JOIN users s ON s.id = a.assistant_id \
         WHERE a.{column} = ?1 AND a.id < ?2 ORDER BY a.id DESC LIMIT ?3"
    ))
    .bind::<Binary, _>(StoredId(subject))
    .bind::<Binary, _>(StoredId(before.map_or(Uuid::max(), |id| id.0)))
    .bind::<BigInt, _>(limit.max(0))
    .load::<Found>(conn)?;
    let rows = found.into_iter().map(Found::into_row);
    Ok(UsagePage {
        rows: rows.collect::<Work<_>>()?,
        counted: counted(conn, subject, Utc::now())?,
    })
}

#[derive(QueryableByName)]
struct FoundSum {
    #[diesel(sql_type = Text)]
    key: String,
    #[diesel(sql_type = Nullable<Text>)]
    name: Option<String>,
    #[diesel(sql_type = BigInt)]
    attempts: i64,
    #[diesel(sql_type = BigInt)]
    estimated: i64,
    #[diesel(sql_type = BigInt)]
    input: i64,
    #[diesel(sql_type = BigInt)]
    output: i64,
    #[diesel(sql_type = BigInt)]
    cached: i64,
    #[diesel(sql_type = BigInt)]
    cost: i64,
}

/// The key of a sum, the name that goes with it, and where that is found.
const fn keys(by: SumBy) -> (&'static str, &'static str, &'static str) {
    match by {
        SumBy::User => (
            "lower(hex(a.asker_id))",
            "(SELECT u.name FROM users u WHERE u.id = sums.id)",
            "a.asker_id",
        ),
        SumBy::Room => (
            "lower(hex(a.room_id))",
            "(SELECT r.slug FROM rooms r WHERE r.id = sums.id AND r.visibility <> 'direct')",
            "a.room_id",
        ),
        SumBy::Model => ("a.provider || '/' || a.model", "sums.key", "NULL"),
        SumBy::Day => (
            "date(a.asked_at / 1000000, 'unixepoch')",
            "sums.key",
            "NULL",
        ),
    }
}

fn sums(conn: &mut SqliteConnection, wanted: &SumsWanted) -> Work<UsageSums> {
    let (key, name, id) = keys(wanted.by);
    let is_id = matches!(wanted.by, SumBy::User | SumBy::Room);
    let after = storable(wanted.after.as_deref().unwrap_or_default())?;
    // An id is bytes here: its digits without the dashes are in the same order.
    let after = if is_id {
        after.replace('-', "")
    } else {
        after.to_owned()
    };
    let found = diesel::sql_query(format!(
        "SELECT sums.key AS key, {name} AS name, sums.attempts, sums.estimated, sums.input, sums.output, sums.cached, sums.cost \
         FROM (SELECT {key} AS key, {id} AS id, count(*) AS attempts, \
                 coalesce(sum(a.estimated AND a.state <> 'running'), 0) AS estimated, \
                 sum(a.input_tokens) AS input, sum(a.output_tokens) AS output, sum(a.cached_tokens) AS cached, \
                 coalesce(sum(a.cost_micros), 0) AS cost \
             FROM reply_attempts a WHERE a.asked_at >= ?1 AND a.asked_at < ?2 GROUP BY 1) sums \
         WHERE sums.key > ?3 ORDER BY sums.key LIMIT ?4"
    ))
    .bind::<BigInt, _>(wanted.from.timestamp_micros())
    .bind::<BigInt, _>(wanted.to.timestamp_micros())
    .bind::<Text, _>(after)
    .bind::<BigInt, _>(wanted.limit.max(0))
    .load::<FoundSum>(conn)?;
    let sums = found.into_iter().map(|sum| UsageSum {
        key: match Uuid::parse_str(&sum.key) {
            Ok(id) if is_id => id.to_string(),
            _ => sum.key,
        },
        name: sum.name.unwrap_or_else(|| match wanted.by {
            SumBy::Room => DIRECT_NAME.to_owned(),
            _ => String::new(),
        }),
        attempts: sum.attempts,
        estimated: sum.estimated,
        input_tokens: sum.input,
        output_tokens: sum.output,
        cached_tokens: sum.cached,
        cost_micros: sum.cost,
    });
    let sums = sums.collect();
    let [.., server] = subjects(UserId(Uuid::nil()), RoomId(Uuid::nil()));
    Ok(UsageSums {
        sums,
        counted: counted(conn, server, Utc::now())?,
    })
}
