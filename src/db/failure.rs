//! How calls of a store fail, and the task that a unit of work runs on. Used by every store; what a client is told of a failure is
//! decided here and nowhere else.

use crate::error::{ErrorCode, Refusal};
use crate::origin::Origin;

/// How a store call fails.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// A rule said no; nothing was changed. Say it to the client.
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    /// No connection, a timeout, a lock not got in time, a serialisation failure: nothing was changed, and the same call may work later.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// COMMIT was sent and its answer was lost: it may or may not have happened (P5).
    #[error("the outcome of a commit is unknown: {0}")]
    CommitUnknown(String),
    /// The database refused the statement itself (a value it cannot take, a bug): the same call fails again.
    #[error("the database refused: {0}")]
    Broken(String),
}

impl StoreError {
    /// What a client may be told. The cause is logged here, once.
    #[must_use]
    pub fn into_refusal(self) -> Refusal {
        match self {
            Self::Refused(refusal) => refusal,
            Self::Unavailable(cause) => {
                tracing::warn!(%cause, "the database is unavailable");
                Refusal::from(ErrorCode::Unavailable).retry_after_ms(crate::limits::RETRY_HINT_MS)
            }
            Self::CommitUnknown(cause) => {
                tracing::warn!(%cause, "the outcome of a commit is unknown");
                ErrorCode::OutcomeUnknown.into()
            }
            Self::Broken(cause) => {
                tracing::error!(%cause, "the database refused a statement");
                ErrorCode::Internal.into()
            }
        }
    }
}

/// What a store call gives.
pub type StoreResult<T> = Result<T, StoreError>;

/// Runs a unit of work on a task of its own: a caller that goes away leaves it running to its end, so no
/// transaction stays half done.
///
/// # Errors
/// Those of the work; [`StoreError::Broken`] when it panicked.
pub(crate) async fn uncancelled<T: Send + 'static>(
    work: impl Future<Output = StoreResult<T>> + Send + 'static,
) -> StoreResult<T> {
    // The audit log is told where it came from.
    let origin = Origin::current();
    match tokio::spawn(origin.of(work)).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => Err(StoreError::Broken("a unit of work panicked".into())),
        Err(error) => Err(StoreError::CommitUnknown(error.to_string())),
    }
}
