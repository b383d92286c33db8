//! Admission of look-ups: who comes is asked of the database by few at once, however many come. When a thousand sockets
//! reconnect together, the rest wait here, within bounds, and not for the connections that sends and reads need. Called by
//! [`super::Auth`] only; it never asks the database itself.

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::{ErrorCode, Refusal};
use crate::limits;

/// The turns there are, and the places to wait for one.
pub(super) struct Admission {
    /// Asking or waiting; none left means `busy`.
    places: Semaphore,
    /// Asking.
    turns: Semaphore,
}

/// A turn to ask, until it is dropped.
pub(super) struct Turn<'a> {
    _turn: SemaphorePermit<'a>,
    _place: SemaphorePermit<'a>,
}

impl Admission {
    /// With the bounds of `limits.rs`.
    pub(super) fn new() -> Self {
        Self {
            places: Semaphore::new(limits::LOOKUPS + limits::LOOKUP_QUEUE),
            turns: Semaphore::new(limits::LOOKUPS),
        }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// `busy` when too many wait, or this one has waited for [`limits::LOOKUP_WAIT`].
    pub(super) async fn turn(&self) -> Result<Turn<'_>, Refusal> {
        let Ok(place) = self.places.try_acquire() else {
            return Err(busy());
        };
        match tokio::time::timeout(limits::LOOKUP_WAIT, self.turns.acquire()).await {
            Ok(Ok(turn)) => Ok(Turn {
                _turn: turn,
                _place: place,
            }),
            _late => Err(busy()),
        }
    }
}

fn busy() -> Refusal {
    metrics::counter!("salon_lookups_refused_total").increment(1);
    Refusal::from(ErrorCode::Busy).retry_after_ms(limits::RETRY_HINT_MS)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn so_many_look_ups_wait_and_the_next_is_told_busy() {
        let admission = Admission::new();
        let mut turns = Vec::new();
        for _ in 0..limits::LOOKUPS {
            turns.push(admission.turn().await.ok().unwrap());
        }
        let mut waiting: Vec<_> = (0..limits::LOOKUP_QUEUE)
            .map(|_| Box::pin(admission.turn()))
            .collect();
        for turn in &mut waiting {
            assert!(futures_util::poll!(turn.as_mut()).is_pending());
        }
        let refused = admission.turn().await.err().unwrap();
        assert_eq!(refused.code, ErrorCode::Busy);
        assert_eq!(refused.code.http_status(), 503);
        // First come, first served; and nobody waits for ever.
        drop(turns.pop());
        let first = waiting.remove(0).await;
        assert!(first.is_ok());
        let began = tokio::time::Instant::now();
        let second = waiting.remove(0).await;
        assert_eq!(second.err().unwrap().code, ErrorCode::Busy);
        assert!(began.elapsed() <= limits::LOOKUP_WAIT + Duration::from_millis(1));
        drop((waiting, turns, first));
        assert!(admission.turn().await.is_ok());
    }
}
