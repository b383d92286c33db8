//! At most one line a second about the layer, or another interval, good news included; what was left out is counted in the next line.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::super::registry::lock;

const INTERVAL: Duration = Duration::from_secs(1);

/// When the last line was written, how many were left out since, and how long one is to be the last.
pub(super) struct QuietLog(Mutex<(Option<Instant>, u64)>, Duration);

impl Default for QuietLog {
    fn default() -> Self {
        Self::every(INTERVAL)
    }
}

impl QuietLog {
    /// At most one line in `interval`.
    pub(super) fn every(interval: Duration) -> Self {
        Self(Mutex::default(), interval)
    }

    /// Logs a warning, unless something was logged within the interval.
    pub(super) fn warn(&self, what: impl std::fmt::Display) {
        if let Some(left_out) = self.turn(Instant::now()) {
            tracing::warn!(left_out, "channel layer: {what}");
        }
    }

    /// Logs good news, unless something was logged within the interval: then it is to be said again later. True when
    /// it was said.
    pub(super) fn info(&self, what: impl std::fmt::Display) -> bool {
        let mut state = lock(&self.0);
        if state.0.is_some_and(|last| last.elapsed() < self.1) {
            return false;
        }
        state.0 = Some(Instant::now());
        let left_out = std::mem::take(&mut state.1);
        drop(state);
        tracing::info!(left_out, "channel layer: {what}");
        true
    }

    /// How many lines were left out, when one may be written now; else this one is left out too.
    fn turn(&self, now: Instant) -> Option<u64> {
        let mut state = lock(&self.0);
        if state
            .0
            .is_some_and(|last| now.duration_since(last) < self.1)
        {
            state.1 += 1;
            return None;
        }
        state.0 = Some(now);
        Some(std::mem::take(&mut state.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_line_a_second_whatever_happens_and_good_news_is_not_lost() {
        let log = QuietLog::default();
        assert_eq!(log.turn(Instant::now()), Some(0));
        for _ in 0..1_000 {
            assert_eq!(log.turn(Instant::now()), None);
        }
        assert!(!log.info("up"));
        tokio::time::advance(INTERVAL).await;
        assert!(log.info("up"));
        assert_eq!(log.turn(Instant::now()), None);
        tokio::time::advance(INTERVAL).await;
        assert_eq!(log.turn(Instant::now()), Some(1));
    }
}
