//! The rule of the caps, without a store.

use std::collections::HashMap;

use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn tokens(tokens: i64) -> Amount {
    Amount {
        cost_micros: 0,
        tokens,
    }
}

fn of_tokens(cap: i64) -> Cap {
    Cap {
        cost: None,
        tokens: Some(cap),
    }
}

fn ids() -> (UserId, RoomId) {
    (UserId(Uuid::from_u128(1)), RoomId(Uuid::from_u128(2)))
}

#[test]
fn periods_are_days_and_months_of_utc() {
    let last = at("2026-02-28T23:59:59.999Z");
    assert_eq!(Span::Day.period(last), "2026-02-28");
    assert_eq!(Span::Month.period(last), "2026-02");
    let next = at("2026-03-01T00:00:00Z");
    assert_eq!((Span::Day.end(last), Span::Month.end(last)), (next, next));
    assert_eq!(Span::Day.period(next), "2026-03-01");
    assert_eq!(Span::Month.end(next), at("2026-04-01T00:00:00Z"));
    assert_eq!(
        Span::Month.end(at("2027-12-31T12:00:00Z")),
        at("2028-01-01T00:00:00Z")
    );
}

/// Many who ask at once, in any order: what is spent goes beyond the cap by no more than one of them.
#[test]
fn what_is_spent_goes_beyond_a_cap_by_no_more_than_one_reply() {
    const CAP: i64 = 1_000;
    const MOST: i64 = 90;
    let (user, room) = ids();
    let now = at("2026-02-28T12:00:00Z");
    let caps = Caps {
        room: PeriodCaps {
            day: of_tokens(CAP),
            month: Cap::default(),
        },
        ..Caps::default()
    };
    for used in [1, 30, 89, MOST] {
        let mut counter = Counter::default();
        let mut began = 0;
        loop {
            // As many as may begin; then one ends.
            while judge(
                &caps.places(user, room, now)[2..3],
                &[counter],
                tokens(MOST),
            ) == Verdict::Fits
            {
                counter.held = counter.held.plus(tokens(MOST));
                counter.running += 1;
                began += 1;
            }
            if counter.running == 0 {
                break;
            }
            counter.running -= 1;
            counter.held = counter.held.minus(tokens(MOST));
            counter.spent = counter.spent.plus(tokens(used));
        }
        let spent = counter.spent.tokens;
        assert!((CAP..CAP + used).contains(&spent), "{spent} of {used} each");
        assert_eq!(began, CAP.div_euclid(used) + i64::from(CAP % used > 0));
        let verdict = judge(&caps.places(user, room, now)[2..3], &[counter], tokens(1));
        assert_eq!(verdict, Verdict::Full(at("2026-03-01T00:00:00Z")));
    }
}

#[test]
fn a_cap_below_one_reply_lets_one_at_a_time() {
    let now = at("2026-02-28T12:00:00Z");
    let cap = of_tokens(10);
    let mut counter = Counter::default();
    assert_eq!(cap.judge(&counter, tokens(90), now), Verdict::Fits);
    counter.held = tokens(90);
    counter.running = 1;
    assert_eq!(cap.judge(&counter, tokens(90), now), Verdict::Waits);
    assert_eq!(
        of_tokens(0).judge(&Counter::default(), tokens(1), now),
        Verdict::Full(now)
    );
    assert_eq!(
        Cap::default().judge(&counter, tokens(i64::MAX), now),
        Verdict::Fits
    );
}

#[test]
fn the_strictest_cap_holds_and_tells_the_last_end() {
    let (user, room) = ids();
    let now = at("2026-02-10T12:00:00Z");
    let caps = Caps {
        user: PeriodCaps {
            day: of_tokens(5),
            month: of_tokens(50),
        },
        server: PeriodCaps {
            day: Cap {
                cost: Some(Money::of_micros(7)),
                tokens: None,
            },
            month: Cap::default(),
        },
        ..Caps::default()
    };
    assert!(caps.is_any() && caps.is_any_of_money());
    assert!(!Caps::default().is_any());
    let counted = |day: i64, month: i64| Counted {
        day: Counter {
            spent: tokens(day),
            ..Counter::default()
        },
        month: Counter {
            spent: tokens(month),
            ..Counter::default()
        },
    };
    let full = |all: HashMap<Uuid, Counted>| {
        caps.full(user, room, now, |subject| {
            all.get(&subject).copied().unwrap_or_default()
        })
    };
    assert_eq!(full(HashMap::new()), None);
    assert_eq!(full(HashMap::from([(user.0, counted(4, 49))])), None);
    let tomorrow = at("2026-02-11T00:00:00Z");
    assert_eq!(
        full(HashMap::from([(user.0, counted(5, 49))])),
        Some(tomorrow)
    );
    let march = at("2026-03-01T00:00:00Z");
    assert_eq!(full(HashMap::from([(user.0, counted(5, 50))])), Some(march));
    let mut dear = Counted::default();
    dear.day.spent.cost_micros = 7;
    assert_eq!(full(HashMap::from([(Uuid::nil(), dear)])), Some(tomorrow));
    assert_eq!(full(HashMap::from([(room.0, counted(99, 99))])), None);
}

#[test]
fn a_part_costs_its_share_rounded_up_and_never_more_than_all() {
    let whole = Amount {
        cost_micros: 1_000,
        tokens: 300,
    };
    let costs = |tokens| {
        let part = whole.part(tokens);
        (part.tokens, part.cost_micros)
    };
    assert_eq!(costs(1), (1, 4));
    assert_eq!(costs(150), (150, 500));
    assert_eq!(costs(900), (300, 1_000));
    assert_eq!(costs(-5), (0, 0));
    assert_eq!(Amount::default().part(9), Amount::default());
}
