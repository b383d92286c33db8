//! Delivers to outgoing webhooks. Every instance does it: woken by commits of its own in rooms that have one, and now and then
//! for what others committed and what is to be tried again; the database decides who delivers what. Without any webhook it
//! costs one small query now and then.

use std::sync::Arc;

use rand::Rng;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::chat::webhooks::Webhooks;
use crate::limits;

/// Runs until `stop`, then until its deliveries have ended.
pub async fn run(webhooks: Arc<Webhooks>, stop: CancellationToken) {
    let turns = Arc::new(Semaphore::new(limits::WEBHOOK_DELIVERIES));
    let running = TaskTracker::new();
    let mut looked_at: Option<Instant> = None;
    let mut any = false;
    loop {
        let poll = limits::WEBHOOK_POLL.mul_f64(crate::randomness::rng().random_range(0.8..1.0));
        if looked_at.is_none_or(|at| at.elapsed() >= poll / 2) {
            any = webhooks.look().await;
            looked_at = Some(Instant::now());
        }
        if any {
            start(&webhooks, &turns, &running).await;
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = webhooks.watched().rung() => {}
            () = tokio::time::sleep(poll) => continue,
        }
        if !any {
            // Somebody made the first one.
            looked_at = None;
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(limits::WEBHOOK_GATHER) => {}
        }
    }
    running.close();
    running.wait().await;
}

/// Claims what there is room for and starts it.
async fn start(webhooks: &Arc<Webhooks>, turns: &Arc<Semaphore>, running: &TaskTracker) {
    let free = turns.available_permits();
    if free == 0 {
        return;
    }
    for hook in webhooks.claim(free).await {
        // Only this task takes turns, so there are as many as there were.
        let Ok(turn) = Arc::clone(turns).try_acquire_owned() else {
            return;
        };
        let webhooks = Arc::clone(webhooks);
        running.spawn(async move {
            webhooks.deliver(&hook).await;
            drop(turn);
            // There is a free turn, and perhaps more to deliver.
            webhooks.watched().ring();
        });
    }
}
