//! Removes what has run out: sessions, tickets, batch ids, old rows of the audit log and of what attempts used. Every instance does it now and then; doing it twice does
//! nothing.

use std::sync::Arc;

use rand::Rng;
use tokio_util::sync::CancellationToken;

use crate::db::Store;
use crate::limits;

/// Runs until `stop`.
pub async fn run(
    store: Arc<dyn Store>,
    (audit_days, usage_days): (u32, u32),
    stop: CancellationToken,
) {
    loop {
        let wait = limits::SWEEP_INTERVAL.mul_f64(rand::rng().random_range(0.5..1.0));
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        match store.sweep().await {
            Ok(swept) => tracing::debug!(?swept, "swept"),
            Err(error) => tracing::warn!(%error, "the sweep failed"),
        }
        for _ in 0..limits::AUDIT_SWEEPS {
            match store.sweep_audit(audit_days).await {
                Ok(0) => break,
                Ok(rows) => tracing::debug!(rows, "swept the audit log"),
                Err(error) => {
                    tracing::warn!(%error, "the audit log could not be swept");
                    break;
                }
            }
        }
        for _ in 0..limits::USAGE_SWEEPS {
            match store.sweep_usage(usage_days).await {
                Ok(0) => break,
                Ok(rows) => tracing::debug!(rows, "swept what attempts used"),
                Err(error) => {
                    tracing::warn!(%error, "what attempts used could not be swept");
                    break;
                }
            }
        }
    }
}
