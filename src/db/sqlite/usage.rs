//! What attempts used and what is spent, on SQLite. Called inside a transaction; the file's lock stands for the locks of the
//! counters. What is read of it is in [`super::usage_reports`].

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Integer, Nullable, Text};
use uuid::Uuid;

use super::columns::{StoredId, named, storable, time};
use super::failure::Work;
use super::schema::{attempt_counts as counts, reply_attempts as attempts, spending};
use crate::db::usage::{
    AttemptEnd, AttemptKey, AttemptState, NewAttempt, Parts, first_kept_period,
};
use crate::ids::{RoomId, UserId};
use crate::limits::USAGE_SWEEP_ROWS;
use crate::spending::{Amount, Caps, Counted, Counter, Place, Span, Verdict, judge};

/// A counter: spent, held, running.
type CounterColumns = (i64, i64, i64, i64, i64);
/// An attempt that is to end: who asked, its state, its model, when it was asked; then amounts, each as tokens and cost.
type FoundColumns = (StoredId, String, String, i64, AmountColumns);
/// The most it could use, and what that is made of.
type AmountColumns = (i64, i64, i64, i64, i64, i64);

fn counter(conn: &mut SqliteConnection, subject: Uuid, period: &str) -> Work<Counter> {
    let found = spending::table
        .find((StoredId(subject), period))
        .select((
            spending::spent_cost_micros,
            spending::spent_tokens,
            spending::held_cost_micros,
            spending::held_tokens,
            spending::running,
        ))
        .first::<CounterColumns>(conn)
        .optional()?;
    let Some((cost, tokens, held_cost, held_tokens, running)) = found else {
        return Ok(Counter::default());
    };
    Ok(Counter {
        spent: Amount {
            cost_micros: cost,
            tokens,
        },
        held: Amount {
            cost_micros: held_cost,
            tokens: held_tokens,
        },
        running,
    })
}

/// What is counted of one in the day and month of `at`.
pub(super) fn counted(
    conn: &mut SqliteConnection,
    subject: Uuid,
    at: DateTime<Utc>,
) -> Work<Counted> {
    Ok(Counted {
        day: counter(conn, subject, &Span::Day.period(at))?,
        month: counter(conn, subject, &Span::Month.period(at))?,
    })
}

fn write(conn: &mut SqliteConnection, place: &Place, counter: Counter) -> Work<()> {
    diesel::replace_into(spending::table)
        .values((
            spending::subject.eq(StoredId(place.subject)),
            spending::period.eq(&place.period),
            spending::spent_cost_micros.eq(counter.spent.cost_micros),
            spending::spent_tokens.eq(counter.spent.tokens),
            spending::held_cost_micros.eq(counter.held.cost_micros),
            spending::held_tokens.eq(counter.held.tokens),
            spending::running.eq(counter.running),
        ))
        .execute(conn)?;
    Ok(())
}

/// Begins an attempt, where its caps let it.
pub(super) fn begin(conn: &mut SqliteConnection, new: &NewAttempt, caps: &Caps) -> Work<Verdict> {
    let AttemptKey { room, seq, attempt } = new.key;
    let begun: i64 = attempts::table
        .filter(attempts::room_id.eq(StoredId(room.0)))
        .filter(attempts::seq.eq(seq))
        .filter(attempts::attempt.eq(attempt))
        .count()
        .get_result(conn)?;
    if begun > 0 {
        return Ok(Verdict::Fits);
    }
    let asked_at = new.asked_at.unwrap_or_else(Utc::now);
    let places = caps.places(new.asker, room, asked_at);
    let mut counters = Vec::with_capacity(places.len());
    for place in &places {
        counters.push(counter(conn, place.subject, &place.period)?);
    }
    let verdict = judge(&places, &counters, new.most);
    if verdict != Verdict::Fits {
        return Ok(verdict);
    }
    for (place, counter) in places.iter().zip(counters) {
        let holding = Counter {
            held: counter.held.plus(new.most),
            running: counter.running + 1,
            ..counter
        };
        write(conn, place, holding)?;
    }
    diesel::insert_into(attempts::table)
        .values((
            attempts::id.eq(StoredId(new.id.0)),
            attempts::room_id.eq(StoredId(room.0)),
            attempts::seq.eq(seq),
            attempts::attempt.eq(attempt),
            attempts::asker_id.eq(StoredId(new.asker.0)),
            attempts::assistant_id.eq(StoredId(new.assistant.0)),
            attempts::provider.eq(storable(&new.provider)?),
            attempts::model.eq(storable(&new.model)?),
            attempts::state.eq(AttemptState::Running.as_str()),
            attempts::most_tokens.eq(new.most.tokens),
            attempts::most_cost_micros.eq(new.most.cost_micros),
            attempts::asked_at.eq(asked_at.timestamp_micros()),
            attempts::prompt_tokens.eq(new.parts.prompt.tokens),
            attempts::prompt_cost_micros.eq(new.parts.prompt.cost_micros),
            attempts::answer_tokens.eq(new.parts.answer.tokens),
            attempts::answer_cost_micros.eq(new.parts.answer.cost_micros),
        ))
        .execute(conn)?;
    Ok(Verdict::Fits)
}

/// An attempt that has not ended, or was thought lost.
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

fn find(conn: &mut SqliteConnection, key: AttemptKey) -> Work<Option<Found>> {
    let open = [AttemptState::Running.as_str(), AttemptState::Lost.as_str()];
    let found = attempts::table
        .filter(attempts::room_id.eq(StoredId(key.room.0)))
        .filter(attempts::seq.eq(key.seq))
        .filter(attempts::attempt.eq(key.attempt))
        .filter(attempts::state.eq_any(open))
        .select((
            attempts::asker_id,
            attempts::state,
            attempts::model,
            attempts::asked_at,
            (
                attempts::most_tokens,
                attempts::most_cost_micros,
                attempts::prompt_tokens,
                attempts::prompt_cost_micros,
                attempts::answer_tokens,
                attempts::answer_cost_micros,
            ),
        ))
        .first::<FoundColumns>(conn)
        .optional()?;
    let Some((asker, state, model, asked_at, amounts)) = found else {
        return Ok(None);
    };
    let amount = |tokens, cost_micros| Amount {
        cost_micros,
        tokens,
    };
    let (most, most_cost, prompt, prompt_cost, answer, answer_cost) = amounts;
    let (input, output, cost) = counts::table
        .find((StoredId(key.room.0), key.seq, key.attempt))
        .select((
            counts::input_tokens,
            counts::output_tokens,
            counts::cost_micros,
        ))
        .first::<(i64, i64, Option<i64>)>(conn)?;
    Ok(Some(Found {
        asker: UserId(asker.0),
        state: named(AttemptState::from_name, &state)?,
        model,
        most: amount(most, most_cost),
        parts: Parts {
            prompt: amount(prompt, prompt_cost),
            answer: amount(answer, answer_cost),
        },
        counted: amount(input + output, cost.unwrap_or(0)),
        asked_at: time(asked_at)?,
    }))
}

/// Ends an attempt, unless it has.
pub(super) fn end(conn: &mut SqliteConnection, end: &AttemptEnd) -> Work<bool> {
    let Some(found) = find(conn, end.key)? else {
        return Ok(false);
    };
    finish(conn, &found, end)?;
    Ok(true)
}

fn finish(conn: &mut SqliteConnection, found: &Found, end: &AttemptEnd) -> Work<()> {
    let places = Caps::default().places(found.asker, end.key.room, found.asked_at);
    for place in &places {
        let before = counter(conn, place.subject, &place.period)?;
        let after = match found.state {
            AttemptState::Running => Counter {
                held: before.held.minus(found.most),
                running: (before.running - 1).max(0),
                spent: before.spent.plus(end.used()),
            },
            // Something was counted of it.
            _ => Counter {
                spent: before.spent.minus(found.counted).plus(end.used()),
                ..before
            },
        };
        write(conn, place, after)?;
    }
    diesel::sql_query(
        "UPDATE reply_attempts SET state = ?4, model = ?5, input_tokens = ?6, output_tokens = ?7, cached_tokens = ?8, \
             estimated = ?9, cost_micros = ?10, first_token_ms = ?11, stop_reason = ?12, error = ?13, ended_at = ?14 \
         WHERE room_id = ?1 AND seq = ?2 AND attempt = ?3",
    )
    .bind::<Binary, _>(StoredId(end.key.room.0))
    .bind::<BigInt, _>(end.key.seq)
    .bind::<Integer, _>(end.key.attempt)
    .bind::<Text, _>(end.state.as_str())
    .bind::<Text, _>(storable(&end.model)?)
    .bind::<BigInt, _>(end.usage.input_tokens)
    .bind::<BigInt, _>(end.usage.output_tokens)
    .bind::<BigInt, _>(end.usage.cached_tokens)
    .bind::<Bool, _>(end.usage.estimated)
    .bind::<Nullable<BigInt>, _>(end.cost_micros)
    .bind::<Nullable<BigInt>, _>(end.first_token_ms)
    .bind::<Nullable<Text>, _>(end.stop_reason.as_deref())
    .bind::<Nullable<Text>, _>(end.error.map(|code| code.as_str()))
    .bind::<BigInt, _>(end.ended_at.timestamp_micros())
    .execute(conn)?;
    Ok(())
}

#[derive(QueryableByName)]
struct LostKey {
    #[diesel(sql_type = Binary)]
    room_id: StoredId,
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = Integer)]
    attempt: i32,
    /// How long a text its reply ended with, where it ended with this attempt's.
    #[diesel(sql_type = Nullable<BigInt>)]
    saved: Option<i64>,
}

/// Ends attempts that run by their row only.
pub(super) fn end_lost(conn: &mut SqliteConnection, limit: i64) -> Work<u64> {
    let lost = diesel::sql_query(
        "SELECT a.room_id, a.seq, a.attempt, ( \
             SELECT length(CAST(m.body AS BLOB)) FROM replies r JOIN messages m ON m.room_id = r.room_id AND m.seq = r.seq \
             WHERE r.room_id = a.room_id AND r.seq = a.seq AND r.attempt = a.attempt AND r.state = 'settled' \
               AND json_extract(m.meta, '$.reply.attempt') = a.attempt AND m.deleted_at IS NULL \
         ) AS saved FROM reply_attempts a WHERE a.state = 'running' AND NOT EXISTS ( \
             SELECT 1 FROM replies r JOIN rooms ON rooms.id = r.room_id AND rooms.deleted_at IS NULL \
             WHERE r.room_id = a.room_id AND r.seq = a.seq AND r.attempt = a.attempt AND r.state = 'streaming' \
         ) ORDER BY a.id LIMIT ?1",
    )
    .bind::<BigInt, _>(limit.max(0))
    .load::<LostKey>(conn)?;
    let mut count = 0;
    for found in lost {
        let saved = found.saved.and_then(|bytes| usize::try_from(bytes).ok());
        let key = AttemptKey {
            room: RoomId(found.room_id.0),
            seq: found.seq,
            attempt: found.attempt,
        };
        if let Some(found) = find(conn, key)? {
            let most = (found.most, found.parts);
            let end = AttemptEnd::lost((key, &found.model), most, saved, Utc::now());
            finish(conn, &found, &end)?;
            count += 1;
        }
    }
    Ok(count)
}

/// Removes what is older than so many days, and counters that no cap reads any more.
pub(super) fn sweep(conn: &mut SqliteConnection, days: u32) -> Work<u64> {
    let now = Utc::now();
    diesel::delete(spending::table.filter(spending::period.lt(first_kept_period(now))))
        .execute(conn)?;
    let before = now - chrono::TimeDelta::days(i64::from(days));
    let gone = diesel::sql_query(
        "DELETE FROM reply_attempts WHERE id IN (SELECT id FROM reply_attempts \
         WHERE asked_at < ?1 AND state <> 'running' ORDER BY asked_at LIMIT ?2)",
    )
    .bind::<BigInt, _>(before.timestamp_micros())
    .bind::<BigInt, _>(USAGE_SWEEP_ROWS)
    .execute(conn)?;
    Ok(gone as u64)
}
