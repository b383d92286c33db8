//! Saves the text of all replies that run here, renews their leases and hears who asked to stop: one statement every
//! `limits::APPEND_INTERVAL`, however many replies run. Started by the runners.

use std::sync::Arc;

use tokio::time::Instant;

use super::Assistant;
use super::lease::Lease;
use crate::limits;

/// Runs until it is aborted; then leases run out by themselves.
pub(super) async fn run(assistant: Arc<Assistant>) {
    // From the beginning of one save to the next, so that what a save takes is not lost besides when the process dies.
    let mut due = Instant::now();
    loop {
        let leases = tokio::select! {
            biased;
            () = tokio::time::sleep_until(due) => {
                due = Instant::now() + limits::APPEND_INTERVAL;
                assistant.leases()
            }
            // These alone: a flood of stops must not lock the rows of all that run, which other stops wait for.
            () = assistant.save_now.notified() => assistant.nudged_leases(),
        };
        if !leases.is_empty() {
            save(&assistant, leases).await;
        }
    }
}

async fn save(assistant: &Assistant, leases: Vec<Arc<Lease>>) {
    let began = Instant::now();
    let appends: Vec<_> = leases.iter().map(|lease| lease.append()).collect();
    match assistant
        .parts
        .store
        .append_chunks(assistant.parts.instance, appends.clone())
        .await
    {
        Ok(states) => {
            for ((lease, append), state) in leases.iter().zip(appends).zip(states) {
                if state.busy {
                    lease.not_saved(append);
                } else {
                    lease.saved(state, began);
                }
            }
        }
        Err(error) => {
            tracing::warn!(%error, "replies could not be saved");
            for (lease, append) in leases.iter().zip(appends) {
                lease.not_saved(append);
            }
        }
    }
}
