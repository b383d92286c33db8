//! Saves the text of all replies that run here, renews their leases and hears who asked to stop: one statement every
//! `limits::APPEND_INTERVAL`, however many replies run. Started by the runners.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::time::Instant;

use super::Assistant;
use super::lease::Lease;
use crate::ids::{RoomId, Seq};
use crate::limits;

/// Runs until it is aborted; then leases run out by themselves.
pub(super) async fn run(assistant: Arc<Assistant>) {
    loop {
        tokio::select! {
            biased;
            () = assistant.save_now.notified() => {}
            () = tokio::time::sleep(limits::APPEND_INTERVAL) => {}
        }
        let leases = assistant.leases();
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
            let by_reply: HashMap<(RoomId, Seq), &Arc<Lease>> = leases
                .iter()
                .map(|lease| ((lease.claimed.room, lease.claimed.seq), lease))
                .collect();
            for state in states {
                if let Some(lease) = by_reply.get(&(state.room, state.seq)) {
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
