//! What became of a batch: the COMMIT whose answer was lost is settled here by running the batch again, never guessed
//! (P5). Called by the lane for every batch.

use std::time::Duration;

use tokio::time::Instant;

use super::Shared;
use crate::db::StoreError;
use crate::db::changes::{Applied, Batch};

/// Between two tries at a batch whose outcome is unknown.
const RERUN_PAUSE: Duration = Duration::from_millis(100);

/// What is done about a room that another transaction has locked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum WhenLocked {
    /// It is left for later: others wait for their turn behind this batch.
    Skip,
    /// It is waited for.
    Wait,
}

async fn apply(
    shared: &Shared,
    batch: Batch,
    when_locked: WhenLocked,
) -> Result<Applied, StoreError> {
    match when_locked {
        WhenLocked::Skip => shared.store.apply_unless_locked(batch).await,
        WhenLocked::Wait => shared.store.apply(batch).await,
    }
}

/// Runs a batch until its outcome is known. Once a COMMIT's answer was lost, at most until `give_up_at`
/// ([`crate::limits::OUTCOME_TIMEOUT`] after the batch first began): a run that still waits then goes on without anybody to tell.
pub(super) async fn settle(
    shared: &Shared,
    mut batch: Batch,
    when_locked: WhenLocked,
    give_up_at: Instant,
) -> (Result<Applied, StoreError>, bool) {
    if !batch.rerun {
        match apply(shared, batch.clone(), when_locked).await {
            Err(StoreError::CommitUnknown(cause)) => {
                metrics::counter!("salon_writer_lost_commits_total").increment(1);
                tracing::debug!(%cause, "the answer to a COMMIT was lost; its batch runs again");
            }
            result => return (result, false),
        }
        batch.rerun = true;
        tokio::time::sleep(RERUN_PAUSE).await;
    }
    let mut cause = "no answer in time".to_owned();
    loop {
        let again = apply(shared, batch.clone(), when_locked);
        match tokio::time::timeout_at(give_up_at, again).await {
            // Once a COMMIT may have happened, no refusal means any more that nothing was written.
            Ok(Err(StoreError::Broken(cause))) => {
                return (Err(StoreError::CommitUnknown(cause)), true);
            }
            Ok(Err(StoreError::CommitUnknown(why) | StoreError::Unavailable(why))) => cause = why,
            Ok(result) => return (result, true),
            Err(_elapsed) => {}
        }
        if Instant::now() >= give_up_at {
            return (Err(StoreError::CommitUnknown(cause)), true);
        }
        tokio::time::sleep(RERUN_PAUSE).await;
    }
}
