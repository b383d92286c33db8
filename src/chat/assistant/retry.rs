//! How a runner waits for a database that does not answer. Called by [`super::reply`] and [`super::spend`]; it never waits for longer
//! than its lease lets it.

use super::RETRY;
use super::lease::{Lease, Verdict};
use crate::db::StoreError;

/// Asks the database until it answers, or the lease is decided.
pub(super) async fn retried<T, F>(lease: &Lease, ask: impl Fn() -> F) -> Result<T, Verdict>
where
    F: Future<Output = Result<T, StoreError>>,
{
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) => wait_for_database(error)?,
        }
        tokio::select! {
            biased;
            verdict = lease.decided() => return Err(verdict),
            () = tokio::time::sleep(RETRY) => {}
        }
    }
}

/// Whether to ask the database again.
///
/// # Errors
/// `Lost` where that would never help.
pub(super) fn wait_for_database(error: StoreError) -> Result<(), Verdict> {
    match error {
        StoreError::Unavailable(_) | StoreError::CommitUnknown(_) => {
            tracing::warn!(%error, "a reply waits for the database");
            Ok(())
        }
        StoreError::Refused(refusal) if refusal.code.is_retryable() => {
            tracing::warn!(%refusal, "a reply waits for the database");
            Ok(())
        }
        error => {
            tracing::error!(%error, "a reply cannot be written");
            Err(Verdict::Lost)
        }
    }
}
