//! How often text is shown: the first at once, then at most 25 times a second for the first second and 15 after it.
//! What comes in between waits and goes together. Pure; the clock is handed in.

use tokio::time::Instant;

use crate::limits;

/// The pacing of one reply's text.
#[derive(Debug, Default)]
pub(super) struct Pace {
    pending: String,
    first_sent: Option<Instant>,
    last_sent: Option<Instant>,
}

impl Pace {
    /// More text to show.
    pub(super) fn push(&mut self, text: &str) {
        self.pending.push_str(text);
    }

    /// Bytes that wait.
    pub(super) const fn waiting(&self) -> usize {
        self.pending.len()
    }

    /// When what waits may be shown; none while nothing waits.
    pub(super) fn due(&self) -> Option<Instant> {
        if self.pending.is_empty() {
            return None;
        }
        let (Some(first), Some(last)) = (self.first_sent, self.last_sent) else {
            return Some(Instant::now());
        };
        let is_early = last.duration_since(first) < std::time::Duration::from_secs(1);
        Some(
            last + if is_early {
                limits::DELTA_INTERVAL_FIRST
            } else {
                limits::DELTA_INTERVAL
            },
        )
    }

    /// Takes what waits, to be shown now.
    pub(super) fn take(&mut self, now: Instant) -> String {
        self.first_sent.get_or_insert(now);
        self.last_sent = Some(now);
        std::mem::take(&mut self.pending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn text_is_shown_at_the_promised_pace() {
        let (start, mut pace) = (Instant::now(), Pace::default());
        assert_eq!(pace.due(), None);
        let mut shown = Vec::new();
        // A word every millisecond for five seconds.
        for _ in 0..5_000 {
            pace.push("x");
            if pace.due().is_some_and(|due| Instant::now() >= due) {
                shown.push((start.elapsed(), pace.take(Instant::now())));
            }
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert_eq!(shown[0], (Duration::ZERO, "x".to_owned()));
        let within = |from: u64, to: u64| {
            let (from, to) = (Duration::from_secs(from), Duration::from_secs(to));
            shown
                .iter()
                .filter(|(at, _)| (from..to).contains(at))
                .count()
        };
        assert!((20..=25).contains(&within(0, 1)), "{}", within(0, 1));
        assert!((12..=15).contains(&within(2, 3)), "{}", within(2, 3));
    }
}
