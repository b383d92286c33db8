//! A token bucket that many take from at once without a lock: one number, the time at which the bucket would be full again
//! (the *theoretical arrival time* of GCRA). Taking moves it on by what one token costs; above the burst it may not move.
//! Pure but for the process' own origin of time; the clock is handed in.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Rate;

/// One bucket; it does not hold its rate, which is the same for many.
#[derive(Debug, Default)]
pub struct SharedBucket {
    /// When it is full again, in nanoseconds since the origin.
    full_at: AtomicU64,
}

impl SharedBucket {
    /// Takes one token.
    ///
    /// # Errors
    /// When there is none: how long until there is one. Nothing is taken then.
    pub fn take(&self, rate: Rate, now: Instant) -> Result<(), Duration> {
        let (now, cost, room) = (since_origin(now), cost(rate), room(rate));
        let mut full_at = self.full_at.load(Ordering::Relaxed);
        loop {
            let next = full_at.max(now).saturating_add(cost);
            let ahead = next - now;
            if ahead > room {
                return Err(Duration::from_nanos(ahead - room));
            }
            match self.full_at.compare_exchange_weak(
                full_at,
                next,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok(()),
                Err(moved) => full_at = moved,
            }
        }
    }

    /// Whether there is a token; none is taken.
    ///
    /// # Errors
    /// When there is none: how long until there is one.
    pub fn peek(&self, rate: Rate, now: Instant) -> Result<(), Duration> {
        let now = since_origin(now);
        let next = self.full_at.load(Ordering::Relaxed).max(now) + cost(rate);
        match (next - now).checked_sub(room(rate)) {
            Some(wait) if wait > 0 => Err(Duration::from_nanos(wait)),
            _ => Ok(()),
        }
    }

    /// Takes one token whether or not there is one: what is owed is waited for by those who come next.
    pub fn charge(&self, rate: Rate, now: Instant) {
        let (now, cost) = (since_origin(now), cost(rate));
        self.change(|full_at| full_at.max(now).saturating_add(cost));
    }

    /// Gives one token back.
    pub fn give_back(&self, rate: Rate) {
        let cost = cost(rate);
        self.change(|full_at| full_at.saturating_sub(cost));
    }

    /// Others took from the same budget: it is full again only after so long, or later if it said so already.
    pub fn full_in(&self, ahead: Duration, now: Instant) {
        let at = since_origin(now).saturating_add(nanos(ahead));
        self.full_at.fetch_max(at, Ordering::Relaxed);
    }

    fn change(&self, change: impl Fn(u64) -> u64) {
        let change = |full_at| Some(change(full_at));
        // It always changes.
        let _ = self
            .full_at
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
    }
}

/// What one token costs, in nanoseconds; at least one.
fn cost(rate: Rate) -> u64 {
    nanos(Duration::from_secs_f64(1.0 / rate.per_second)).max(1)
}

/// How far ahead the bucket may be: its burst. Made of the rounded cost, so that a whole burst fits exactly.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a burst of a century is no burst; it is positive, and `as` saturates"
)]
fn room(rate: Rate) -> u64 {
    (cost(rate) as f64 * rate.burst.max(1.0)).ceil() as u64
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 4)
}

/// The first moment anybody asked about, less a margin: clocks of tests may stand before it.
fn since_origin(now: Instant) -> u64 {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    let origin = *ORIGIN.get_or_init(|| {
        let margin = Duration::from_secs(24 * 3_600);
        now.checked_sub(margin).unwrap_or(now)
    });
    nanos(now.saturating_duration_since(origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_its_burst_then_its_rate_whoever_takes() {
        let (bucket, rate, start) = (
            SharedBucket::default(),
            Rate::per_second(10, 4),
            Instant::now(),
        );
        let taken: usize = std::thread::scope(|scope| {
            let takers: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        (0..100)
                            .filter(|_| bucket.take(rate, start).is_ok())
                            .count()
                    })
                })
                .collect();
            takers.into_iter().map(|taker| taker.join().unwrap()).sum()
        });
        assert_eq!(taken, 4);
        let wait = bucket.take(rate, start).unwrap_err();
        assert!((wait.as_secs_f64() - 0.1).abs() < 1e-3, "{wait:?}");
        assert_eq!(bucket.peek(rate, start), Err(wait));
        assert_eq!(bucket.take(rate, start + wait), Ok(()));
        let later = start + Duration::from_secs(60);
        assert_eq!(
            (0..10).filter(|_| bucket.take(rate, later).is_ok()).count(),
            4
        );
    }

    #[test]
    fn what_is_owed_is_waited_for_and_what_is_given_back_is_there() {
        let (bucket, rate, start) = (
            SharedBucket::default(),
            Rate::per_second(10, 2),
            Instant::now(),
        );
        for _ in 0..5 {
            bucket.charge(rate, start);
        }
        let wait = bucket.take(rate, start).unwrap_err();
        assert!((wait.as_secs_f64() - 0.4).abs() < 1e-3, "{wait:?}");
        for _ in 0..4 {
            bucket.give_back(rate);
        }
        assert_eq!(bucket.take(rate, start), Ok(()));
        assert!(bucket.take(rate, start).is_err());
    }

    #[test]
    fn what_others_took_is_not_there() {
        let (bucket, rate, start) = (
            SharedBucket::default(),
            Rate::per_second(10, 5),
            Instant::now(),
        );
        bucket.full_in(Duration::from_millis(300), start);
        assert_eq!(
            (0..10).filter(|_| bucket.take(rate, start).is_ok()).count(),
            2
        );
        // Less than it knows changes nothing.
        bucket.full_in(Duration::from_millis(100), start);
        assert!(bucket.take(rate, start).is_err());
    }
}
