//! What may be spent on replies: the caps of a user, a room and the server, for each day and month of UTC, and the rule that judges
//! a reply before its provider is called. Settings fill it, stores judge by it inside a transaction, runners ask them to. Pure.
//!
//! The most that a reply may use is held back before it begins and what it used is counted when it ends. A reply begins while that
//! most still fits; and where nothing else runs under a cap, until the cap is reached: so what is spent goes beyond a cap by no
//! more than one reply.

pub mod money;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, Utc};
use uuid::Uuid;

use crate::ids::{RoomId, UserId};
pub use money::{Money, Prices};

/// The server, among those whose spending is counted; users and rooms have ids of their own.
const SERVER: Uuid = Uuid::nil();

/// What may be used in one day or month; none: any amount.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cap {
    /// Money.
    pub cost: Option<Money>,
    /// Tokens, read and written together.
    pub tokens: Option<i64>,
}

/// What may be used in a day and in a month.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PeriodCaps {
    /// In a day of UTC.
    pub day: Cap,
    /// In a month of UTC.
    pub month: Cap,
}

/// All caps of a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Caps {
    /// Of whoever asks, in all rooms.
    pub user: PeriodCaps,
    /// Of a room, whoever asks.
    pub room: PeriodCaps,
    /// Of all rooms and users.
    pub server: PeriodCaps,
}

/// An amount of what replies use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Amount {
    /// In millionths of the currency; 0 where the model has no price.
    pub cost_micros: i64,
    /// Read and written together.
    pub tokens: i64,
}

/// What is counted of one subject in one period.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counter {
    /// Used by what has ended.
    pub spent: Amount,
    /// Held back for what runs.
    pub held: Amount,
    /// How many run.
    pub running: i64,
}

/// What is counted of one subject at present.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counted {
    /// Today.
    pub day: Counter,
    /// This month.
    pub month: Counter,
}

/// A part of time that is counted by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Span {
    /// A day of UTC.
    Day,
    /// A month of UTC.
    Month,
}

impl Span {
    /// The name of the period that `at` lies in, such as `2026-02-28` and `2026-02`: in the order of time among its like.
    #[must_use]
    pub fn period(self, at: DateTime<Utc>) -> String {
        match self {
            Self::Day => at.format("%Y-%m-%d").to_string(),
            Self::Month => at.format("%Y-%m").to_string(),
        }
    }

    /// When that period ends.
    #[must_use]
    pub fn end(self, at: DateTime<Utc>) -> DateTime<Utc> {
        let date = at.date_naive();
        let next = match self {
            Self::Day => date.checked_add_days(Days::new(1)),
            Self::Month => NaiveDate::from_ymd_opt(date.year(), date.month(), 1)
                .and_then(|first| first.checked_add_months(Months::new(1))),
        };
        // The calendar ends long after the year 9999.
        next.map_or(at, |date| date.and_time(NaiveTime::MIN).and_utc())
    }
}

/// Where a reply is counted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// A user, a room, or the server.
    pub subject: Uuid,
    /// The day or month.
    pub period: String,
    /// When that ends.
    pub ends_at: DateTime<Utc>,
    /// What may be used of it.
    pub cap: Cap,
}

/// What the caps say to a reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It may begin.
    Fits,
    /// Not while what runs holds back so much: some of it will be given back.
    Waits,
    /// Not before this time.
    Full(DateTime<Utc>),
}

impl Caps {
    /// Whether anything is capped.
    #[must_use]
    pub fn is_any(&self) -> bool {
        *self != Self::default()
    }

    /// Whether any of them is of money: then every model needs a price.
    #[must_use]
    pub fn is_any_of_money(&self) -> bool {
        let periods = [self.user, self.room, self.server];
        let mut caps = periods.iter().flat_map(|of| [of.day, of.month]);
        caps.any(|cap| cap.cost.is_some())
    }

    /// Where a reply that this user asked for in this room at that time is counted. Always in this order, in which stores lock: the
    /// place that all replies share comes last and is held for the shortest.
    #[must_use]
    pub fn places(&self, user: UserId, room: RoomId, at: DateTime<Utc>) -> [Place; 6] {
        let place = |subject, span: Span, caps: PeriodCaps| Place {
            subject,
            period: span.period(at),
            ends_at: span.end(at),
            cap: match span {
                Span::Day => caps.day,
                Span::Month => caps.month,
            },
        };
        [
            place(user.0, Span::Day, self.user),
            place(user.0, Span::Month, self.user),
            place(room.0, Span::Day, self.room),
            place(room.0, Span::Month, self.room),
            place(SERVER, Span::Day, self.server),
            place(SERVER, Span::Month, self.server),
        ]
    }

    /// Whether one more question would not be answered whatever it uses, and then until when.
    #[must_use]
    pub fn full(
        &self,
        user: UserId,
        room: RoomId,
        at: DateTime<Utc>,
        counted: impl Fn(Uuid) -> Counted,
    ) -> Option<DateTime<Utc>> {
        if !self.is_any() {
            return None;
        }
        let places = self.places(user, room, at);
        let counters = places
            .iter()
            .zip([Span::Day, Span::Month].into_iter().cycle());
        let counters: Vec<Counter> = counters
            .map(|(place, span)| {
                let counted = counted(place.subject);
                match span {
                    Span::Day => counted.day,
                    Span::Month => counted.month,
                }
            })
            .collect();
        match judge(&places, &counters, Amount::default()) {
            Verdict::Full(until) => Some(until),
            Verdict::Fits | Verdict::Waits => None,
        }
    }
}

/// What text usually comes to in tokens, where nobody counted: four bytes a token. Marked as estimated wherever it is stored.
#[must_use]
pub fn usual_tokens(bytes: usize) -> i64 {
    i64::try_from(bytes.div_ceil(4)).unwrap_or(i64::MAX)
}

/// Those whose spending a question adds to.
#[must_use]
pub fn subjects(user: UserId, room: RoomId) -> [Uuid; 3] {
    [user.0, room.0, SERVER]
}

/// What all the places say to a reply that uses at most `most`: the strictest of them holds, and of the full ones the last to end.
#[must_use]
pub fn judge(places: &[Place], counters: &[Counter], most: Amount) -> Verdict {
    let mut verdict = Verdict::Fits;
    for (place, counter) in places.iter().zip(counters) {
        let said = place.cap.judge(counter, most, place.ends_at);
        verdict = match (verdict, said) {
            (Verdict::Full(one), Verdict::Full(other)) => Verdict::Full(one.max(other)),
            (full @ Verdict::Full(_), _) | (_, full @ Verdict::Full(_)) => full,
            (Verdict::Waits, _) | (_, Verdict::Waits) => Verdict::Waits,
            (Verdict::Fits, Verdict::Fits) => Verdict::Fits,
        };
    }
    verdict
}

impl Cap {
    fn judge(self, counter: &Counter, most: Amount, ends_at: DateTime<Utc>) -> Verdict {
        let (spent, held) = (counter.spent, counter.held);
        let of_cost = self.cost.map(Money::micros);
        let kinds = [
            (
                of_cost,
                spent.cost_micros,
                held.cost_micros,
                most.cost_micros,
            ),
            (self.tokens, spent.tokens, held.tokens, most.tokens),
        ];
        let mut verdict = Verdict::Fits;
        for (cap, spent, held, most) in kinds {
            let Some(cap) = cap else { continue };
            if spent >= cap {
                return Verdict::Full(ends_at);
            }
            let all = spent.saturating_add(held).saturating_add(most);
            if all > cap && counter.running > 0 {
                verdict = Verdict::Waits;
            }
        }
        verdict
    }
}

impl Amount {
    /// The two together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            cost_micros: self.cost_micros.saturating_add(other.cost_micros),
            tokens: self.tokens.saturating_add(other.tokens),
        }
    }

    /// What so many of its tokens cost, all alike; rounded up.
    #[must_use]
    pub fn part(self, tokens: i64) -> Self {
        let tokens = tokens.clamp(0, self.tokens.max(0));
        let cost = i128::from(self.cost_micros) * i128::from(tokens);
        let of = i128::from(self.tokens.max(1));
        Self {
            cost_micros: i64::try_from((cost + of - 1) / of).unwrap_or(i64::MAX),
            tokens,
        }
    }

    /// The one without the other; nothing where there is not so much.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            cost_micros: self.cost_micros.saturating_sub(other.cost_micros).max(0),
            tokens: self.tokens.saturating_sub(other.tokens).max(0),
        }
    }
}

#[cfg(test)]
mod tests;
