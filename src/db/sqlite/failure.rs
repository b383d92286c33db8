//! How a unit of work on SQLite fails inside this folder, and what that is to the callers of the store. Every noun
//! returns it; `connection.rs` turns it into a [`StoreError`].

use diesel::result::{DatabaseErrorKind, Error};

use crate::db::StoreError;
use crate::error::{ErrorCode, Refusal};

/// Why a unit of work ended; its transaction is rolled back.
#[derive(Debug)]
pub(super) enum Failure {
    /// A rule said no.
    Refused(Refusal),
    /// SQLite said no.
    Database(Error),
    /// A value that cannot be stored, or was stored by somebody else.
    Corrupt(String),
}

/// What a unit of work gives.
pub(super) type Work<T> = Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<ErrorCode> for Failure {
    fn from(code: ErrorCode) -> Self {
        Self::Refused(code.into())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Corrupt(error.to_string())
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refusal) => Self::Refused(refusal),
            Failure::Database(error) if is_passing(&error) => Self::Unavailable(error.to_string()),
            Failure::Database(error) => Self::Broken(error.to_string()),
            Failure::Corrupt(cause) => Self::Broken(cause),
        }
    }
}

/// Whether the same call may work later: a lock not got, a full disk, a device that failed. diesel keeps SQLite's
/// message but not its code.
fn is_passing(error: &Error) -> bool {
    match error {
        Error::BrokenTransactionManager | Error::AlreadyInTransaction => true,
        Error::DatabaseError(DatabaseErrorKind::UnableToSendCommand, _) => true,
        Error::DatabaseError(DatabaseErrorKind::Unknown, information) => {
            let message = information.message();
            [
                "locked",
                "is full",
                "I/O error",
                "unable to open",
                "interrupted",
            ]
            .iter()
            .any(|passing| message.contains(passing))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(kind: DatabaseErrorKind, message: &str) -> StoreError {
        Failure::Database(Error::DatabaseError(kind, Box::new(message.to_owned()))).into()
    }

    #[test]
    fn only_what_may_pass_is_unavailable() {
        for message in [
            "database is locked",
            "database or disk is full",
            "disk I/O error",
        ] {
            assert!(matches!(
                database(DatabaseErrorKind::Unknown, message),
                StoreError::Unavailable(_)
            ));
        }
        assert!(matches!(
            database(
                DatabaseErrorKind::UniqueViolation,
                "UNIQUE constraint failed"
            ),
            StoreError::Broken(_)
        ));
    }
}
