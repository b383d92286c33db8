//! At most one line a second about a layer in trouble; what was left out is counted in the next line.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::super::registry::lock;

const INTERVAL: Duration = Duration::from_secs(1);

/// When the last line was written, and how many were left out since.
#[derive(Default)]
pub(super) struct QuietLog(Mutex<(Option<Instant>, u64)>);

impl QuietLog {
    /// Logs a warning, unless one was logged within the last second.
    pub(super) fn warn(&self, what: impl std::fmt::Display) {
        let left_out = {
            let mut state = lock(&self.0);
            if state.0.is_some_and(|last| last.elapsed() < INTERVAL) {
                state.1 += 1;
                return;
            }
            state.0 = Some(Instant::now());
            std::mem::take(&mut state.1)
        };
        tracing::warn!(left_out, "channel layer: {what}");
    }
}
