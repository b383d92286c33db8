//! What attempts used and what is spent, on Postgres. Called by [`super::PostgresStore`], and by the judge of posts for what is
//! counted. Counters are locked in the order of [`Caps::places`], whoever locks them, and for two round trips; never while a
//! provider is awaited.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types as sql;
use uuid::Uuid;

use super::pool::{Conn, Pools};
use super::records::word;
use super::statement::statement;
use crate::db::usage::{
    AttemptEnd, AttemptKey, AttemptState, NewAttempt, Parts, first_kept_period,
};
use crate::db::{StoreError, StoreResult};
use crate::ids::{RoomId, UserId};
use crate::limits::{SPENDING_TRIES, USAGE_SWEEP_ROWS};
use crate::spending::{Amount, Caps, Counted, Counter, Place, Verdict, judge};

/// A counter: its place in the question, spent, held, running.
type CounterColumns = (i64, i64, i64, i64, i64, i64);

statement!(
    /// The clock that all instances share.
    ReadClock {} -> (DateTime<Utc>,),
    "SELECT clock_timestamp()"
);
statement!(
    /// Counters, locked in the order given.
    LockCounters { subjects: Vec<Uuid>, periods: Vec<String> } -> (i64, i64, i64, i64, i64, i64),
    "SELECT w.place, c.spent_cost_micros, c.spent_tokens, c.held_cost_micros, c.held_tokens, c.running \
     FROM unnest($1, $2) WITH ORDINALITY AS w (subject, period, place) \
     JOIN spending c ON c.subject = w.subject AND c.period = w.period ORDER BY w.place FOR UPDATE OF c"
);
statement!(
    /// Counters of new days, in the same order.
    MakeCounters { subjects: Vec<Uuid>, periods: Vec<String> },
    "INSERT INTO spending (subject, period) SELECT w.subject, w.period \
     FROM unnest($1, $2) WITH ORDINALITY AS w (subject, period, place) ORDER BY w.place ON CONFLICT DO NOTHING"
);
statement!(
    /// Whether an attempt has begun.
    HasBegun { room: Uuid, seq: i64, attempt: i32 } -> (bool,),
    "SELECT true FROM reply_attempts WHERE room_id = $1 AND seq = $2 AND attempt = $3"
);
statement!(
    /// The attempt's row, and what it may use held back; nothing where the row is there.
    Begin {
        subjects: Vec<Uuid>,
        periods: Vec<String>,
        id: Uuid,
        room: Uuid,
        seq: i64,
        attempt: i32,
        asker: Uuid,
        assistant: Uuid,
        provider: String,
        model: String,
        most_tokens: i64,
        most_cost: i64,
        asked_at: DateTime<Utc>,
        prompt_tokens: i64,
        prompt_cost: i64,
        answer_tokens: i64,
        answer_cost: i64,
    },
    "WITH begun AS ( \
         INSERT INTO reply_attempts (id, room_id, seq, attempt, asker_id, assistant_id, provider, model, state, \
                                     most_tokens, most_cost_micros, asked_at, \
                                     prompt_tokens, prompt_cost_micros, answer_tokens, answer_cost_micros) \
         VALUES ($3, $4, $5, $6, $7, $8, $9, $10, 'running', $11, $12, $13, $14, $15, $16, $17) \
         ON CONFLICT (room_id, seq, attempt) DO NOTHING RETURNING id \
     ) \
     UPDATE spending c SET held_tokens = c.held_tokens + $11, held_cost_micros = c.held_cost_micros + $12, \
         running = c.running + 1 \
     FROM unnest($1, $2) AS w (subject, period) \
     WHERE c.subject = w.subject AND c.period = w.period AND EXISTS (SELECT 1 FROM begun)"
);
statement!(
    /// An attempt that has not ended, or was thought lost: where it counts and what is counted of it.
    LockAttempt { room: Uuid, seq: i64, attempt: i32 }
        -> struct AttemptRecord,
    "SELECT asker_id, state, model, most_tokens, most_cost_micros, asked_at, \
         prompt_tokens, prompt_cost_micros, answer_tokens, answer_cost_micros, \
         input_tokens + output_tokens AS counted_tokens, coalesce(cost_micros, 0) AS counted_cost_micros \
     FROM reply_attempts \
     WHERE room_id = $1 AND seq = $2 AND attempt = $3 AND state IN ('running', 'lost') FOR UPDATE"
);
statement!(
    /// The end of an attempt: what is held and spent changes by so much.
    End {
        subjects: Vec<Uuid>,
        periods: Vec<String>,
        room: Uuid,
        seq: i64,
        attempt: i32,
        state: String,
        model: String,
        input: i64,
        output: i64,
        cached: i64,
        estimated: bool,
        cost: Option<i64>,
        first_token_ms: Option<i64>,
        stop_reason: Option<String>,
        error: Option<String>,
        ended_at: DateTime<Utc>,
        held_cost: i64,
        held_tokens: i64,
        running: i64,
        spent_cost: i64,
        spent_tokens: i64,
    },
    "WITH ended AS ( \
         UPDATE reply_attempts SET state = $6, model = $7, input_tokens = $8, output_tokens = $9, cached_tokens = $10, \
             estimated = $11, cost_micros = $12, first_token_ms = $13, stop_reason = $14, error = $15, ended_at = $16 \
         WHERE room_id = $3 AND seq = $4 AND attempt = $5 \
     ) \
     UPDATE spending c SET held_cost_micros = greatest(0, c.held_cost_micros - $17), \
         held_tokens = greatest(0, c.held_tokens - $18), running = greatest(0, c.running - $19), \
         spent_cost_micros = greatest(0, c.spent_cost_micros + $20), spent_tokens = greatest(0, c.spent_tokens + $21) \
     FROM unnest($1, $2) AS w (subject, period) WHERE c.subject = w.subject AND c.period = w.period"
);
statement!(
    /// Attempts that run by their row only, with how long a text their reply ended with; null where it did not end with theirs.
    FindLost { limit: i64 } -> (Uuid, i64, i32, Option<i32>),
    "SELECT a.room_id, a.seq, a.attempt, ( \
         SELECT octet_length(m.body) FROM replies r JOIN messages m ON m.room_id = r.room_id AND m.seq = r.seq \
         WHERE r.room_id = a.room_id AND r.seq = a.seq AND r.attempt = a.attempt AND r.state = 'settled' \
           AND (m.meta -> 'reply' ->> 'attempt')::integer = a.attempt AND m.deleted_at IS NULL \
     ) FROM reply_attempts a WHERE a.state = 'running' AND NOT EXISTS ( \
         SELECT 1 FROM replies r JOIN rooms ON rooms.id = r.room_id AND rooms.deleted_at IS NULL \
         WHERE r.room_id = a.room_id AND r.seq = a.seq AND r.attempt = a.attempt AND r.state = 'streaming' \
     ) ORDER BY a.id LIMIT $1"
);
statement!(
    /// What is counted of these at present: each with whether it is of the day.
    ReadCounted { subjects: Vec<Uuid> } -> (Uuid, bool, i64, i64, i64, i64, i64),
    "SELECT c.subject, c.period = now.day, c.spent_cost_micros, c.spent_tokens, c.held_cost_micros, c.held_tokens, c.running \
     FROM (SELECT to_char(utc, 'YYYY-MM-DD') AS day, to_char(utc, 'YYYY-MM') AS month \
         FROM (SELECT clock_timestamp() AT TIME ZONE 'UTC' AS utc) clock) now \
     JOIN spending c ON c.subject = ANY($1) AND c.period IN (now.day, now.month)"
);
statement!(
    /// What is too old, a part of it.
    SweepAttempts { before: DateTime<Utc>, rows: i64 },
    "DELETE FROM reply_attempts WHERE id IN (SELECT id FROM reply_attempts \
         WHERE asked_at < $1 AND state <> 'running' ORDER BY asked_at LIMIT $2 FOR UPDATE SKIP LOCKED)"
);
statement!(
    /// Counters that no cap reads any more.
    SweepCounters { before: String, rows: i64 },
    "DELETE FROM spending WHERE (subject, period) IN \
         (SELECT subject, period FROM spending WHERE period < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)"
);

/// The answer of [`ReadCounted`], by subject.
pub(super) fn counted(rows: Vec<(Uuid, bool, i64, i64, i64, i64, i64)>) -> HashMap<Uuid, Counted> {
    let mut all: HashMap<Uuid, Counted> = HashMap::new();
    for (subject, of_day, cost, tokens, held_cost, held_tokens, running) in rows {
        let of = all.entry(subject).or_default();
        let counter = counter((0, cost, tokens, held_cost, held_tokens, running));
        if of_day {
            of.day = counter;
        } else {
            of.month = counter;
        }
    }
    all
}

fn counter((_, cost, tokens, held_cost, held_tokens, running): CounterColumns) -> Counter {
    Counter {
        spent: Amount {
            cost_micros: cost,
            tokens,
        },
        held: Amount {
            cost_micros: held_cost,
            tokens: held_tokens,
        },
        running,
    }
}

/// Places as a statement takes them.
fn columns(places: &[Place]) -> (Vec<Uuid>, Vec<String>) {
    let subjects = places.iter().map(|place| place.subject).collect();
    let periods = places.iter().map(|place| place.period.clone()).collect();
    (subjects, periods)
}

pub(super) async fn begin(pools: &Pools, new: NewAttempt, caps: Caps) -> StoreResult<Verdict> {
    for _ in 0..SPENDING_TRIES {
        let mut connection = pools.shared().await?;
        let clock = connection.begin_with(ReadClock {}).await?;
        let now = clock.into_iter().next().map(|(now,)| now);
        let asked_at = new.asked_at.or(now).unwrap_or_else(Utc::now);
        let places = caps.places(new.asker, new.key.room, asked_at);
        let (subjects, periods) = columns(&places);
        let locked = connection.run(LockCounters { subjects, periods }).await?;
        if locked.len() == places.len() {
            let counters: Vec<Counter> = locked.into_iter().map(counter).collect();
            let verdict = judge(&places, &counters, new.most);
            return decided(connection, (&new, asked_at), &places, verdict).await;
        }
        // A new day, somebody new, or a new room.
        connection.rollback().await;
        let (subjects, periods) = columns(&places);
        pools.write(MakeCounters { subjects, periods }).await?;
    }
    Err(StoreError::Unavailable(
        "counters of spending went as they were made".into(),
    ))
}

async fn decided(
    mut connection: Conn,
    (new, asked_at): (&NewAttempt, DateTime<Utc>),
    places: &[Place],
    verdict: Verdict,
) -> StoreResult<Verdict> {
    let AttemptKey { room, seq, attempt } = new.key;
    let room = room.0;
    if verdict != Verdict::Fits {
        let begun = connection.run(HasBegun { room, seq, attempt }).await?;
        connection.rollback().await;
        // What it holds back is its own.
        return Ok(if begun.is_empty() {
            verdict
        } else {
            Verdict::Fits
        });
    }
    let (subjects, periods) = columns(places);
    connection
        .commit_with(Begin {
            subjects,
            periods,
            id: new.id.0,
            room,
            seq,
            attempt,
            asker: new.asker.0,
            assistant: new.assistant.0,
            provider: new.provider.clone(),
            model: new.model.clone(),
            most_tokens: new.most.tokens,
            most_cost: new.most.cost_micros,
            asked_at,
            prompt_tokens: new.parts.prompt.tokens,
            prompt_cost: new.parts.prompt.cost_micros,
            answer_tokens: new.parts.answer.tokens,
            answer_cost: new.parts.answer.cost_micros,
        })
        .await?;
    Ok(Verdict::Fits)
}

pub(super) async fn end(pools: &Pools, end: AttemptEnd) -> StoreResult<bool> {
    end_with(pools, end.key, |_| Some(end)).await
}

/// Ends an attempt as `ending` says, which is told what is known of it; none: not at all. A lost one is ended again.
async fn end_with(
    pools: &Pools,
    key: AttemptKey,
    ending: impl FnOnce(&Found) -> Option<AttemptEnd>,
) -> StoreResult<bool> {
    let AttemptKey { room, seq, attempt } = key;
    let lock = LockAttempt {
        room: room.0,
        seq,
        attempt,
    };
    let mut connection = pools.shared().await?;
    let found = connection.begin_with(lock).await?.into_iter().next();
    let Some(found) = found.map(Found::of).transpose()? else {
        connection.rollback().await;
        return Ok(false);
    };
    let Some(end) = ending(&found) else {
        connection.rollback().await;
        return Ok(false);
    };
    let places = Caps::default().places(found.asker, room, found.asked_at);
    let (subjects, periods) = columns(&places);
    // In their order, before one statement changes them in whatever order it likes.
    connection.run(LockCounters { subjects, periods }).await?;
    let statement = End::of(end, &places, &found);
    connection.commit_with(statement).await?;
    Ok(true)
}

/// A row of [`LockAttempt`].
#[derive(QueryableByName, Debug)]
pub(super) struct AttemptRecord {
    #[diesel(sql_type = sql::Uuid)]
    asker_id: Uuid,
    #[diesel(sql_type = sql::Text)]
    state: String,
    #[diesel(sql_type = sql::Text)]
    model: String,
    #[diesel(sql_type = sql::BigInt)]
    most_tokens: i64,
    #[diesel(sql_type = sql::BigInt)]
    most_cost_micros: i64,
    #[diesel(sql_type = sql::Timestamptz)]
    asked_at: DateTime<Utc>,
    #[diesel(sql_type = sql::BigInt)]
    prompt_tokens: i64,
    #[diesel(sql_type = sql::BigInt)]
    prompt_cost_micros: i64,
    #[diesel(sql_type = sql::BigInt)]
    answer_tokens: i64,
    #[diesel(sql_type = sql::BigInt)]
    answer_cost_micros: i64,
    #[diesel(sql_type = sql::BigInt)]
    counted_tokens: i64,
    #[diesel(sql_type = sql::BigInt)]
    counted_cost_micros: i64,
}

/// What is known of an attempt that is to end.
struct Found {
    asker: UserId,
    state: AttemptState,
    model: String,
    most: Amount,
    parts: Parts,
    /// What was counted of it when it was thought lost.
    counted: Amount,
    asked_at: DateTime<Utc>,
}

impl Found {
    fn of(record: AttemptRecord) -> StoreResult<Self> {
        let amount = |tokens, cost_micros| Amount {
            cost_micros,
            tokens,
        };
        Ok(Self {
            asker: UserId(record.asker_id),
            state: word(&record.state, AttemptState::from_name)?,
            most: amount(record.most_tokens, record.most_cost_micros),
            parts: Parts {
                prompt: amount(record.prompt_tokens, record.prompt_cost_micros),
                answer: amount(record.answer_tokens, record.answer_cost_micros),
            },
            counted: amount(record.counted_tokens, record.counted_cost_micros),
            model: record.model,
            asked_at: record.asked_at,
        })
    }
}

impl End {
    fn of(end: AttemptEnd, places: &[Place], found: &Found) -> Self {
        let used = end.used();
        let (subjects, periods) = columns(places);
        // Of a lost one something was counted as spent; of a running one the most is held.
        let (held, running, before) = match found.state {
            AttemptState::Running => (found.most, 1, Amount::default()),
            _ => (Amount::default(), 0, found.counted),
        };
        Self {
            subjects,
            periods,
            room: end.key.room.0,
            seq: end.key.seq,
            attempt: end.key.attempt,
            state: end.state.as_str().into(),
            model: end.model,
            input: end.usage.input_tokens,
            output: end.usage.output_tokens,
            cached: end.usage.cached_tokens,
            estimated: end.usage.estimated,
            cost: end.cost_micros,
            first_token_ms: end.first_token_ms,
            stop_reason: end.stop_reason,
            error: end.error.map(|code| code.as_str().into()),
            ended_at: end.ended_at,
            held_cost: held.cost_micros,
            held_tokens: held.tokens,
            running,
            spent_cost: used.cost_micros - before.cost_micros,
            spent_tokens: used.tokens - before.tokens,
        }
    }
}

pub(super) async fn end_lost(pools: &Pools, limit: i64) -> StoreResult<u64> {
    let limit = limit.max(0);
    let mut count = 0;
    for (room, seq, attempt, saved) in pools.read(FindLost { limit }).await? {
        let key = AttemptKey {
            room: RoomId(room),
            seq,
            attempt,
        };
        let saved = saved.and_then(|bytes| usize::try_from(bytes).ok());
        let ended = end_with(pools, key, |found| {
            let most = (found.most, found.parts);
            (found.state == AttemptState::Running)
                .then(|| AttemptEnd::lost((key, &found.model), most, saved, Utc::now()))
        });
        count += u64::from(ended.await?);
    }
    Ok(count)
}

pub(super) async fn sweep(pools: &Pools, days: u32) -> StoreResult<u64> {
    let now = Utc::now();
    let counters = SweepCounters {
        before: first_kept_period(now),
        rows: USAGE_SWEEP_ROWS,
    };
    pools.write(counters).await?;
    let attempts = SweepAttempts {
        before: now - chrono::TimeDelta::days(i64::from(days)),
        rows: USAGE_SWEEP_ROWS,
    };
    Ok(pools.write(attempts).await? as u64)
}
