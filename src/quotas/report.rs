//! The reporter: tells the fleet's counters what was taken here without asking and what is open here, all of it together and
//! now and then, and sets the own buckets by what the fleet answers. One task of each process; it keeps the instance's holdings
//! alive. What cannot be told is not told later: the own count stands meanwhile.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::parties::Party;
use super::places::holding;
use super::{Operation, Quotas, now};
use crate::channel_layer::counters::{Budget, Holding};
use crate::limits;

/// What there is to tell.
pub(super) enum Told {
    /// Tokens were taken of this bucket.
    Taken(Arc<Party>, Operation),
    /// What is open of this party has changed.
    Open(Arc<Party>),
}

impl Quotas {
    /// Tells until `stop`; then says goodbye.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let taken = self
            .told
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(mut told) = taken else {
            return;
        };
        let mut ticks = interval(limits::QUOTA_REPORT_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut next_beat, mut next_retelling) = (Instant::now(), Instant::now());
        let mut is_heard = false;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = ticks.tick() => {}
            }
            if Instant::now() >= next_beat {
                next_beat = Instant::now() + limits::COUNTERS_BEAT;
                let is_due = Instant::now() >= next_retelling;
                let beat = self.counters.beat().await;
                is_heard = beat.is_ok();
                if is_heard && (beat == Ok(true) || is_due) {
                    next_retelling = Instant::now() + limits::COUNTERS_RETELL;
                    is_heard = self.hold(&self.holdings()).await;
                }
            }
            is_heard = self.tell_all(&mut told, is_heard).await;
            if !is_heard {
                // What is open is told in whole when somebody hears again.
                next_retelling = Instant::now();
            }
        }
        self.counters.close().await;
    }

    /// Tells what waits, if anybody hears it; whether somebody did. What nobody hears is forgotten: told late it would be wrong.
    async fn tell_all(
        &self,
        waiting: &mut mpsc::UnboundedReceiver<Told>,
        mut is_heard: bool,
    ) -> bool {
        let (mut taken, mut open) = (Vec::new(), Vec::new());
        // No more than waits now: what comes meanwhile has its turn next.
        for _ in 0..waiting.len() {
            match waiting.try_recv() {
                Ok(Told::Taken(party, operation)) => taken.push((party, operation)),
                Ok(Told::Open(party)) => open.push(holding(&party)),
                Err(_) => break,
            }
        }
        for part in taken.chunks(limits::QUOTA_REPORT) {
            let counts: Vec<(Budget, i64)> = part
                .iter()
                .map(|(party, operation)| {
                    let count = party.take_noted(*operation);
                    (self.budget(party, *operation), i64::from(count))
                })
                .collect();
            if !is_heard {
                continue;
            }
            let Ok(ahead) = self.counters.note(&counts).await else {
                is_heard = false;
                continue;
            };
            let now = now();
            for (((party, operation), (budget, _)), ahead) in part.iter().zip(&counts).zip(ahead) {
                let burst = Duration::from_secs_f64(budget.rate.burst / budget.rate.per_second);
                let longest = burst + limits::COUNTERS_DEBT;
                party.bucket(*operation).full_in(ahead.min(longest), now);
            }
        }
        is_heard && self.hold(&open).await
    }

    /// False when something was not heard.
    async fn hold(&self, held: &[Holding]) -> bool {
        for part in held.chunks(limits::QUOTA_REPORT) {
            if self.counters.hold(part).await.is_err() {
                return false;
            }
        }
        true
    }
}
