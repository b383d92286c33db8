//! What went wrong, as the store's callers see it. diesel-async hands on the kind of an error and its message, but no
//! SQLSTATE beside the kinds that diesel knows, so what is left is told apart by where in the transaction it came
//! and by the server's (or `PgBouncer`'s) English sentence. Called by everything beside it.

use diesel::result::{DatabaseErrorKind, Error};

use crate::db::StoreError;
use crate::error::ErrorCode;

/// The indexes that keep each name of an account, and what looks like it, one user's.
const NAMES: [&str; 2] = ["users_name_key", "users_look"];

/// Parts of the sentences of errors that pass by themselves: classes 08, 40, 53, 55, 57 and 58 of SQLSTATE, and what
/// `PgBouncer` says (which is never translated). A server that speaks another language gets the same answer for all
/// that ends a connection or waits too long; see [`at_start`] and `Conn::failed`.
const PASSING: &[&str] = &[
    "canceling statement due to", // 57014 statement timeout, 55P03 lock timeout
    "could not obtain lock",      // 55P03
    "deadlock detected",          // 40P01
    "terminating connection",     // 57P01, 57P02, 25P03
    "the database system is",     // 57P03 starting up, shutting down, in recovery
    "connection slots are reserved", // 53300
    "too many clients already",   // 53300
    "too many connections",       // 53300
    "no space left on device",    // 53100
    "could not extend file",      // 53100
    "could not write",            // 58030
    "out of memory",              // 53200
    "out of shared memory",       // 53200
    "query_wait_timeout",         // PgBouncer
    "server conn crashed",        // PgBouncer
    "server closed the connection", // PgBouncer
    "pgbouncer cannot connect to server", // PgBouncer
    "server_login_retry",         // PgBouncer
    "server login has been failing", // PgBouncer
    "max_client_conn",            // PgBouncer
    "database is being",          // PgBouncer: shut down, dropped
    "database is disabled",       // PgBouncer
    "cached plan must not change result type", // 0A000 once after a migration; a new connection has new plans
];

/// An error of a statement that carried data: what a retry cannot mend is `Broken`.
pub(super) fn of_statement(error: &Error) -> StoreError {
    let text = describe(error);
    match error {
        Error::DatabaseError(kind, information) => match kind {
            // Somebody else took it between the look and the write.
            DatabaseErrorKind::UniqueViolation
                if (information.constraint_name()).is_some_and(|name| NAMES.contains(&name)) =>
            {
                StoreError::Refused(ErrorCode::NameTaken.into())
            }
            DatabaseErrorKind::UniqueViolation
            | DatabaseErrorKind::ForeignKeyViolation
            | DatabaseErrorKind::NotNullViolation
            | DatabaseErrorKind::CheckViolation
            | DatabaseErrorKind::ExclusionViolation
            | DatabaseErrorKind::RestrictViolation => StoreError::Broken(text),
            // A standby that was promoted elsewhere, or is about to be: the pooler will lead somewhere else soon.
            DatabaseErrorKind::SerializationFailure
            | DatabaseErrorKind::ReadOnlyTransaction
            | DatabaseErrorKind::UnableToSendCommand
            | DatabaseErrorKind::ClosedConnection => StoreError::Unavailable(text),
            _ if passes(information.message()) => StoreError::Unavailable(text),
            _ => StoreError::Broken(text),
        },
        _ => StoreError::Broken(text),
    }
}

/// An error of BEGIN, of a lock or of a connection: nothing was changed, and no value of a caller can be at fault.
pub(super) fn at_start(error: &Error) -> StoreError {
    StoreError::Unavailable(describe(error))
}

/// Whether the connection itself is lost, so that an answer on its way is lost with it.
pub(super) fn lost_connection(error: &Error) -> bool {
    match error {
        Error::DatabaseError(
            DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection,
            _,
        ) => true,
        Error::DatabaseError(_, information) => ends_the_connection(information.message()),
        _ => false,
    }
}

/// Whether the connection holds a prepared statement that a migration has made useless: it must not be used again.
pub(super) fn outlived_its_plans(error: &Error) -> bool {
    matches!(error, Error::DatabaseError(_, information) if information.message().contains("cached plan"))
}

fn passes(message: &str) -> bool {
    let message = message.to_lowercase();
    ends_the_connection(&message) || PASSING.iter().any(|part| message.contains(part))
}

/// What the server or the pooler says before it hangs up: the statement before may or may not have been done.
fn ends_the_connection(message: &str) -> bool {
    let message = message.to_lowercase();
    // `PgBouncer` has many sentences for it: "server connection closed", "server conn crashed?", "connection timed
    // out". No error about a statement's own data speaks of a connection.
    [
        "connection",
        "server conn",
        "query_wait_timeout",
        "database is being",
    ]
    .iter()
    .any(|part| message.contains(part))
}

/// Message and detail, without the statement's values.
fn describe(error: &Error) -> String {
    match error {
        Error::DatabaseError(_, information) => match information.constraint_name() {
            Some(constraint) => format!("{} ({constraint})", information.message()),
            None => information.message().to_owned(),
        },
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: DatabaseErrorKind, message: &str) -> Error {
        Error::DatabaseError(kind, Box::new(message.to_owned()))
    }

    #[test]
    fn what_passes_is_unavailable_and_what_does_not_is_broken() {
        for message in [
            "canceling statement due to lock timeout",
            "canceling statement due to statement timeout",
            "deadlock detected",
            "sorry, too many clients already",
            "FATAL: terminating connection due to administrator command",
            "query_wait_timeout",
            "server connection closed",
            "server conn crashed?",
        ] {
            let error = error(DatabaseErrorKind::Unknown, message);
            assert!(
                matches!(of_statement(&error), StoreError::Unavailable(_)),
                "{message}"
            );
        }
        for (kind, message) in [
            (DatabaseErrorKind::UniqueViolation, "duplicate key"),
            (
                DatabaseErrorKind::Unknown,
                "invalid byte sequence for encoding",
            ),
            (DatabaseErrorKind::Unknown, "relation does not exist"),
        ] {
            let error = error(kind, message);
            assert!(
                matches!(of_statement(&error), StoreError::Broken(_)),
                "{message}"
            );
        }
    }
}
