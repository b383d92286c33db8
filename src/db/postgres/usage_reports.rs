//! [`UsageStore`] on Postgres: which unit of work each method is, with the SQL of what is read. What is written, and locked for it,
//! is in [`super::usage`].

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use uuid::Uuid;

use super::pool::Pools;
use super::records::{user_kind, user_row, word};
use super::run::run;
use super::statement::statement;
use super::usage::{ReadCounted, counted};
use super::{PostgresStore, usage};
use crate::db::usage::{
    AttemptEnd, AttemptRow, AttemptState, DIRECT_NAME, NewAttempt, SumBy, SumsWanted, UsagePage,
    UsageStore, UsageSum, UsageSums,
};
use crate::db::{StoreError, StoreResult};
use crate::error::ErrorCode;
use crate::ids::{AttemptId, RoomId, Seq, UserId};
use crate::permissions::{Action, Role, allows};
use crate::spending::{Caps, Counted, Verdict, subjects};

/// An attempt with the names of who and where, as JSON.
macro_rules! attempt_page {
    ($chosen:literal) => {
        concat!(
            "coalesce((SELECT jsonb_agg(to_jsonb(page) ORDER BY page.id DESC) FROM ( \
                 SELECT a.id, r.slug AS room, a.seq, a.attempt, u.id AS user_id, u.name AS user_name, ",
            user_kind!("u"),
            " AS user_kind, s.id AS assistant_id, s.name AS assistant_name, ",
            user_kind!("s"),
            " AS assistant_kind, a.provider, a.model, a.state, a.input_tokens, a.output_tokens, a.cached_tokens, \
                 a.estimated, a.cost_micros, a.first_token_ms, a.stop_reason, a.error, a.asked_at, a.ended_at \
                 FROM reply_attempts a JOIN rooms r ON r.id = a.room_id JOIN users u ON u.id = a.asker_id \
                 JOIN users s ON s.id = a.assistant_id WHERE ",
            $chosen,
            " ORDER BY a.id DESC LIMIT $3) page), '[]')"
        )
    };
}

statement!(
    /// A user's own.
    ListOwn { user: Uuid, before: Uuid, limit: i64 } -> (serde_json::Value,),
    concat!("SELECT ", attempt_page!("a.asker_id = $1 AND a.id < $2"))
);
statement!(
    /// A room's, with what the reader is in it.
    ListRoom { user: Uuid, before: Uuid, limit: i64, slug: String }
        -> (Uuid, Option<String>, serde_json::Value),
    concat!(
        "SELECT own_room.id, own.role, ",
        attempt_page!("a.room_id = own_room.id AND a.id < $2"),
        " FROM rooms own_room LEFT JOIN memberships own ON own.room_id = own_room.id AND own.user_id = $1 \
         WHERE own_room.slug = $4 AND own_room.deleted_at IS NULL AND (own.role IS NOT NULL OR own_room.visibility = 'public')"
    )
);
statement!(
    /// Sums of what was asked in some time, by a key.
    SumUp { by: String, from: DateTime<Utc>, to: DateTime<Utc>, after: String, limit: i64 }
        -> (String, Option<String>, i64, i64, i64, i64, i64, i64),
    "SELECT sums.key, CASE $1 WHEN 'user' THEN u.name WHEN 'room' THEN CASE r.visibility WHEN 'direct' THEN NULL ELSE r.slug END \
         ELSE sums.key END, \
         sums.attempts, sums.estimated, sums.input, sums.output, sums.cached, sums.cost \
     FROM ( \
         SELECT CASE $1 WHEN 'user' THEN a.asker_id::text WHEN 'room' THEN a.room_id::text \
                 WHEN 'model' THEN a.provider || '/' || a.model \
                 ELSE to_char(a.asked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') END COLLATE \"C\" AS key, \
             count(*) AS attempts, count(*) FILTER (WHERE a.estimated AND a.state <> 'running') AS estimated, \
             sum(a.input_tokens)::bigint AS input, sum(a.output_tokens)::bigint AS output, \
             sum(a.cached_tokens)::bigint AS cached, coalesce(sum(a.cost_micros), 0)::bigint AS cost \
         FROM reply_attempts a WHERE a.asked_at >= $2 AND a.asked_at < $3 GROUP BY 1 \
     ) sums \
     LEFT JOIN users u ON $1 = 'user' AND u.id::text = sums.key \
     LEFT JOIN rooms r ON $1 = 'room' AND r.id::text = sums.key \
     WHERE sums.key > $4 ORDER BY sums.key LIMIT $5"
);

/// A row of a page.
#[derive(Deserialize)]
struct AttemptJson {
    id: AttemptId,
    room: String,
    seq: Seq,
    attempt: i32,
    user_id: Uuid,
    user_name: String,
    user_kind: String,
    assistant_id: Uuid,
    assistant_name: String,
    assistant_kind: String,
    provider: String,
    model: String,
    state: String,
    input_tokens: i64,
    output_tokens: i64,
    cached_tokens: i64,
    estimated: bool,
    cost_micros: Option<i64>,
    first_token_ms: Option<i64>,
    stop_reason: Option<String>,
    error: Option<String>,
    asked_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
}

impl AttemptJson {
    fn into_row(self) -> StoreResult<AttemptRow> {
        Ok(AttemptRow {
            id: self.id,
            room: self.room,
            seq: self.seq,
            attempt: self.attempt,
            user: user_row(self.user_id, self.user_name, &self.user_kind)?,
            assistant: user_row(self.assistant_id, self.assistant_name, &self.assistant_kind)?,
            provider: self.provider,
            model: self.model,
            state: word(&self.state, AttemptState::from_name)?,
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            cached_tokens: self.cached_tokens,
            estimated: self.estimated,
            cost_micros: self.cost_micros,
            first_token_ms: self.first_token_ms,
            stop_reason: self.stop_reason,
            error: self.error,
            asked_at: self.asked_at,
            ended_at: self.ended_at,
        })
    }
}

fn rows(page: serde_json::Value) -> StoreResult<Vec<AttemptRow>> {
    let page: Vec<AttemptJson> = serde_json::from_value(page)
        .map_err(|error| StoreError::Broken(format!("a page of attempts: {error}")))?;
    page.into_iter().map(AttemptJson::into_row).collect()
}

fn refused<T>(code: ErrorCode) -> StoreResult<T> {
    Err(StoreError::Refused(code.into()))
}

async fn counted_of(pools: &Pools, subject: Uuid) -> StoreResult<Counted> {
    let subjects = vec![subject];
    let found = counted(pools.read(ReadCounted { subjects }).await?);
    Ok(found.get(&subject).copied().unwrap_or_default())
}

async fn own(
    pools: &Pools,
    user: UserId,
    before: Option<AttemptId>,
    limit: i64,
) -> StoreResult<UsagePage> {
    let asked = ListOwn {
        user: user.0,
        before: before.map_or(Uuid::max(), |id| id.0),
        limit: limit.max(0),
    };
    let found = pools.read(asked).await?.into_iter().next();
    Ok(UsagePage {
        rows: found.map_or(Ok(Vec::new()), |(page,)| rows(page))?,
        counted: counted_of(pools, user.0).await?,
    })
}

async fn of_room(
    pools: &Pools,
    user: UserId,
    slug: String,
    (before, limit): (Option<AttemptId>, i64),
) -> StoreResult<UsagePage> {
    let asked = ListRoom {
        user: user.0,
        before: before.map_or(Uuid::max(), |id| id.0),
        limit: limit.max(0),
        slug,
    };
    let Some((room, role, page)) = pools.read(asked).await?.into_iter().next() else {
        return refused(ErrorCode::RoomNotFound);
    };
    match role.map(|role| word(&role, Role::from_name)).transpose()? {
        None => return refused(ErrorCode::NotAMember),
        Some(role) if !allows(role, Action::ReadUsage) => return refused(ErrorCode::Forbidden),
        Some(_) => {}
    }
    Ok(UsagePage {
        rows: rows(page)?,
        counted: counted_of(pools, room).await?,
    })
}

async fn sums(pools: &Pools, wanted: SumsWanted) -> StoreResult<UsageSums> {
    let asked = SumUp {
        by: wanted.by.as_str().into(),
        from: wanted.from,
        to: wanted.to,
        after: wanted.after.unwrap_or_default(),
        limit: wanted.limit.max(0),
    };
    let found = pools.read(asked).await?.into_iter();
    let sums = found.map(
        |(key, name, attempts, estimated, input, output, cached, cost)| UsageSum {
            name: name.unwrap_or_else(|| match wanted.by {
                SumBy::Room => DIRECT_NAME.to_owned(),
                _ => String::new(),
            }),
            key,
            attempts,
            estimated,
            input_tokens: input,
            output_tokens: output,
            cached_tokens: cached,
            cost_micros: cost,
        },
    );
    let [.., server] = subjects(UserId(Uuid::nil()), RoomId(Uuid::nil()));
    Ok(UsageSums {
        sums: sums.collect(),
        counted: counted_of(pools, server).await?,
    })
}

#[async_trait]
impl UsageStore for PostgresStore {
    async fn begin_attempt(&self, attempt: NewAttempt, caps: Caps) -> StoreResult<Verdict> {
        run!(self, |pools| usage::begin(pools, attempt, caps))
    }

    async fn end_attempt(&self, end: AttemptEnd) -> StoreResult<bool> {
        run!(self, |pools| usage::end(pools, end))
    }

    async fn end_lost_attempts(&self, limit: i64) -> StoreResult<u64> {
        run!(self, |pools| usage::end_lost(pools, limit))
    }

    async fn own_usage(
        &self,
        user: UserId,
        before: Option<AttemptId>,
        limit: i64,
    ) -> StoreResult<UsagePage> {
        run!(self, |pools| own(pools, user, before, limit))
    }

    async fn room_usage(
        &self,
        user: UserId,
        slug: &str,
        before: Option<AttemptId>,
        limit: i64,
    ) -> StoreResult<UsagePage> {
        let slug = slug.to_owned();
        run!(self, |pools| of_room(pools, user, slug, (before, limit)))
    }

    async fn usage_sums(&self, wanted: SumsWanted) -> StoreResult<UsageSums> {
        run!(self, |pools| sums(pools, wanted))
    }

    async fn sweep_usage(&self, days: u32) -> StoreResult<u64> {
        run!(self, |pools| usage::sweep(pools, days))
    }
}
