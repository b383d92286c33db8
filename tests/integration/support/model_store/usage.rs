//! What attempts used and what is spent, in the model, and which operation each unit of work is.

use std::collections::BTreeMap;

use async_trait::async_trait;
use salon::db::StoreResult;
use salon::db::rows::{ReplyState, Visibility};
use salon::db::usage::{
    AttemptEnd, AttemptKey, AttemptRow, AttemptState, DIRECT_NAME, NewAttempt, SumBy, SumsWanted,
    UsagePage, UsageStore, UsageSum, UsageSums, first_kept_period,
};
use salon::error::ErrorCode;
use salon::ids::{AttemptId, UserId};
use salon::limits::USAGE_SWEEP_ROWS;
use salon::permissions::{Action, allows};
use salon::spending::{Caps, Counted, Counter, Span, Verdict, judge};
use uuid::Uuid;

use super::tables::Tables;
use super::{ModelStore, Moment, no};

/// Attempts by their keys, and counters by subject and period.
#[derive(Debug, Default)]
pub(crate) struct Spending {
    attempts: BTreeMap<AttemptKey, Attempt>,
    counters: BTreeMap<(Uuid, String), Counter>,
}

#[derive(Debug)]
struct Attempt {
    new: NewAttempt,
    asked_at: Moment,
    /// None while it runs.
    end: Option<AttemptEnd>,
}

impl Attempt {
    fn is_lost(&self) -> bool {
        let end = self.end.as_ref();
        end.is_some_and(|end| end.state == AttemptState::Lost)
    }
}

impl Spending {
    fn counter(&self, subject: Uuid, period: &str) -> Counter {
        let key = (subject, period.to_owned());
        self.counters.get(&key).copied().unwrap_or_default()
    }

    fn counted(&self, subject: Uuid, now: Moment) -> Counted {
        Counted {
            day: self.counter(subject, &Span::Day.period(now)),
            month: self.counter(subject, &Span::Month.period(now)),
        }
    }

    /// Everybody's, now.
    pub(super) fn now(&self, now: Moment) -> BTreeMap<Uuid, Counted> {
        let subjects = self.counters.keys().map(|(subject, _)| *subject);
        subjects
            .map(|subject| (subject, self.counted(subject, now)))
            .collect()
    }

    fn begin(&mut self, new: NewAttempt, caps: Caps, now: Moment) -> Verdict {
        if self.attempts.contains_key(&new.key) {
            return Verdict::Fits;
        }
        let asked_at = new.asked_at.unwrap_or(now);
        let places = caps.places(new.asker, new.key.room, asked_at);
        let counters: Vec<Counter> = places
            .iter()
            .map(|place| self.counter(place.subject, &place.period))
            .collect();
        let verdict = judge(&places, &counters, new.most);
        if verdict == Verdict::Fits {
            for place in places {
                let counter = self.counters.entry((place.subject, place.period));
                let counter = counter.or_default();
                counter.held = counter.held.plus(new.most);
                counter.running += 1;
            }
            let attempt = Attempt {
                new,
                asked_at,
                end: None,
            };
            self.attempts.insert(attempt.new.key, attempt);
        }
        verdict
    }

    fn end(&mut self, end: AttemptEnd) -> bool {
        let Some(attempt) = self.attempts.get_mut(&end.key) else {
            return false;
        };
        if attempt.end.is_some() && !attempt.is_lost() {
            return false;
        }
        let new = &attempt.new;
        for place in Caps::default().places(new.asker, new.key.room, attempt.asked_at) {
            let counter = self.counters.entry((place.subject, place.period));
            let counter = counter.or_default();
            if attempt.end.is_none() {
                counter.held = counter.held.minus(new.most);
                counter.running -= 1;
            } else if let Some(lost) = &attempt.end {
                counter.spent = counter.spent.minus(lost.used());
            }
            counter.spent = counter.spent.plus(end.used());
        }
        attempt.end = Some(end);
        true
    }

    fn sweep(&mut self, days: u32, now: Moment) -> u64 {
        let first = first_kept_period(now);
        self.counters.retain(|(_, period), _| *period >= first);
        let oldest = now - chrono::TimeDelta::days(i64::from(days));
        let old = self
            .attempts
            .values()
            .filter(|attempt| attempt.asked_at < oldest && attempt.end.is_some());
        let mut old: Vec<(Moment, AttemptKey)> = old
            .map(|attempt| (attempt.asked_at, attempt.new.key))
            .collect();
        old.sort();
        old.truncate(USAGE_SWEEP_ROWS as usize);
        for (_, key) in &old {
            self.attempts.remove(key);
        }
        old.len() as u64
    }
}

impl Tables {
    fn end_lost(&mut self, limit: i64, now: Moment) -> u64 {
        let is_written = |key: &AttemptKey| {
            let room = self.rooms.get(&key.room).filter(|room| !room.deleted);
            let reply = room.and_then(|room| room.replies.get(&key.seq));
            reply.is_some_and(|reply| {
                reply.attempt == key.attempt && reply.state == ReplyState::Streaming
            })
        };
        let running = self.spending.attempts.values();
        let mut lost: Vec<&NewAttempt> = running
            .filter(|attempt| attempt.end.is_none() && !is_written(&attempt.new.key))
            .map(|attempt| &attempt.new)
            .collect();
        lost.sort_by_key(|new| new.id);
        let ends: Vec<AttemptEnd> = lost
            .into_iter()
            .take(limit.max(0) as usize)
            .map(|new| {
                let most = (new.most, new.parts);
                AttemptEnd::lost((new.key, &new.model), most, self.saved(new.key), now)
            })
            .collect();
        let count = ends.len() as u64;
        for end in ends {
            self.spending.end(end);
        }
        count
    }

    /// How long a text the reply ended with, where it ended with this attempt's.
    fn saved(&self, key: AttemptKey) -> Option<usize> {
        let room = self.rooms.get(&key.room)?;
        let reply = room.replies.get(&key.seq)?;
        let row = &room.messages.get(&key.seq)?.row;
        let shown = row.meta.reply.as_ref().map(|reply| reply.attempt);
        let is_its = reply.attempt == key.attempt
            && reply.state == ReplyState::Settled
            && shown == Some(key.attempt)
            && row.deleted_at.is_none();
        is_its.then_some(row.body.len())
    }

    fn attempt_row(&self, attempt: &Attempt) -> Option<AttemptRow> {
        let (new, end) = (&attempt.new, attempt.end.as_ref());
        let usage = end.map(|end| end.usage);
        Some(AttemptRow {
            id: new.id,
            room: self.rooms.get(&new.key.room)?.row.slug.clone(),
            seq: new.key.seq,
            attempt: new.key.attempt,
            user: self.user(new.asker)?.clone(),
            assistant: self.user(new.assistant)?.clone(),
            provider: new.provider.clone(),
            model: end.map_or_else(|| new.model.clone(), |end| end.model.clone()),
            state: end.map_or(AttemptState::Running, |end| end.state),
            input_tokens: usage.map_or(0, |usage| usage.input_tokens),
            output_tokens: usage.map_or(0, |usage| usage.output_tokens),
            cached_tokens: usage.map_or(0, |usage| usage.cached_tokens),
            estimated: usage.is_none_or(|usage| usage.estimated),
            cost_micros: end.and_then(|end| end.cost_micros),
            first_token_ms: end.and_then(|end| end.first_token_ms),
            stop_reason: end.and_then(|end| end.stop_reason.clone()),
            error: end.and_then(|end| end.error.map(|code| code.as_str().to_owned())),
            asked_at: attempt.asked_at,
            ended_at: end.map(|end| end.ended_at),
        })
    }

    fn page(
        &self,
        chosen: impl Fn(&NewAttempt) -> bool,
        subject: Uuid,
        (before, limit): (Option<AttemptId>, i64),
        now: Moment,
    ) -> UsagePage {
        let attempts = self.spending.attempts.values();
        let mut found: Vec<&Attempt> = attempts
            .filter(|attempt| chosen(&attempt.new))
            .filter(|attempt| before.is_none_or(|before| attempt.new.id < before))
            .collect();
        found.sort_by_key(|attempt| std::cmp::Reverse(attempt.new.id));
        let rows = found.into_iter().take(limit.max(0) as usize);
        UsagePage {
            rows: rows
                .filter_map(|attempt| self.attempt_row(attempt))
                .collect(),
            counted: self.spending.counted(subject, now),
        }
    }

    fn room_page(
        &self,
        user: UserId,
        slug: &str,
        part: (Option<AttemptId>, i64),
        now: Moment,
    ) -> StoreResult<UsagePage> {
        let mut rooms = self.rooms.values();
        let Some(room) = rooms.find(|room| room.row.slug == slug && !room.deleted) else {
            return no(ErrorCode::RoomNotFound);
        };
        match room.members.get(&user) {
            None if room.row.visibility == Visibility::Public => no(ErrorCode::NotAMember),
            None => no(ErrorCode::RoomNotFound),
            Some(role) if !allows(*role, Action::ReadUsage) => no(ErrorCode::Forbidden),
            Some(_) => {
                let id = room.row.id;
                Ok(self.page(|new| new.key.room == id, id.0, part, now))
            }
        }
    }

    /// The key of an attempt, and what people call it.
    fn sum_key(&self, by: SumBy, attempt: &Attempt) -> (String, String) {
        let new = &attempt.new;
        let model = attempt.end.as_ref().map_or(&new.model, |end| &end.model);
        let plain = |key: String| (key.clone(), key);
        match by {
            SumBy::User => {
                let name = self.user(new.asker).map(|user| user.name.clone());
                (new.asker.to_string(), name.unwrap_or_default())
            }
            SumBy::Room => {
                let room = self.rooms.get(&new.key.room);
                let shown = room.filter(|room| room.row.visibility != Visibility::Direct);
                let name = shown.map_or(DIRECT_NAME, |room| &room.row.slug);
                (new.key.room.to_string(), name.to_owned())
            }
            SumBy::Model => plain(format!("{}/{model}", new.provider)),
            SumBy::Day => plain(Span::Day.period(attempt.asked_at)),
        }
    }

    fn sums(&self, wanted: &SumsWanted, now: Moment) -> UsageSums {
        let mut sums: BTreeMap<String, UsageSum> = BTreeMap::new();
        let asked = wanted.from..wanted.to;
        let attempts = self.spending.attempts.values();
        for attempt in attempts.filter(|attempt| asked.contains(&attempt.asked_at)) {
            let (key, name) = self.sum_key(wanted.by, attempt);
            let sum = sums.entry(key.clone()).or_default();
            (sum.key, sum.name) = (key, name);
            sum.attempts += 1;
            if let Some(end) = &attempt.end {
                sum.estimated += i64::from(end.usage.estimated);
                sum.input_tokens += end.usage.input_tokens;
                sum.output_tokens += end.usage.output_tokens;
                sum.cached_tokens += end.usage.cached_tokens;
                sum.cost_micros += end.cost_micros.unwrap_or(0);
            }
        }
        let after = wanted.after.as_deref().unwrap_or_default();
        let sums = sums.into_values().filter(|sum| sum.key.as_str() > after);
        UsageSums {
            sums: sums.take(wanted.limit.max(0) as usize).collect(),
            counted: self.spending.counted(Uuid::nil(), now),
        }
    }
}

#[async_trait]
impl UsageStore for ModelStore {
    async fn begin_attempt(&self, attempt: NewAttempt, caps: Caps) -> StoreResult<Verdict> {
        Ok(self.unit(|tables, now| tables.spending.begin(attempt, caps, now)))
    }

    async fn end_attempt(&self, end: AttemptEnd) -> StoreResult<bool> {
        Ok(self.unit(|tables, _| tables.spending.end(end)))
    }

    async fn end_lost_attempts(&self, limit: i64) -> StoreResult<u64> {
        Ok(self.unit(|tables, now| tables.end_lost(limit, now)))
    }

    async fn own_usage(
        &self,
        user: UserId,
        before: Option<AttemptId>,
        limit: i64,
    ) -> StoreResult<UsagePage> {
        let part = (before, limit);
        Ok(self.unit(|tables, now| tables.page(|new| new.asker == user, user.0, part, now)))
    }

    async fn room_usage(
        &self,
        user: UserId,
        slug: &str,
        before: Option<AttemptId>,
        limit: i64,
    ) -> StoreResult<UsagePage> {
        self.unit(|tables, now| tables.room_page(user, slug, (before, limit), now))
    }

    async fn usage_sums(&self, wanted: SumsWanted) -> StoreResult<UsageSums> {
        Ok(self.unit(|tables, now| tables.sums(&wanted, now)))
    }

    async fn sweep_usage(&self, days: u32) -> StoreResult<u64> {
        Ok(self.unit(|tables, now| tables.spending.sweep(days, now)))
    }
}
