//! Connections to the one database file, and the only place that begins and ends transactions. A unit of work is
//! one closure that runs from BEGIN to COMMIT on a blocking thread: nobody can cancel it, and a batch pays for one
//! change of threads instead of one for each statement. Called by `SqliteStore`; it knows no table.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::prelude::*;
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use tokio::sync::Semaphore;

use super::failure::{Failure, Work};
use super::lock::FolderLock;
use crate::db::{StoreError, StoreResult};
use crate::limits;
use crate::origin::Origin;

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Access {
    /// One snapshot for each unit of work; a write fails.
    Read,
    /// `BEGIN IMMEDIATE`: the unit of work has the file to itself.
    Write,
}

impl Access {
    fn begin(self) -> &'static str {
        match self {
            Self::Read => "BEGIN",
            Self::Write => "BEGIN IMMEDIATE",
        }
    }

    /// WAL and `synchronous=FULL`: a commit returns when it is on the disk, and readers never wait for it.
    fn pragmas(self) -> String {
        let common = format!(
            "PRAGMA busy_timeout = {}; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;",
            limits::TRANSACTION_MS
        );
        match self {
            Self::Read => format!("{common} PRAGMA query_only = ON; PRAGMA cache_size = -4096;"),
            Self::Write => format!(
                "{common} PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                 PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -16384;"
            ),
        }
    }
}

/// Opens one connection, blocking.
///
/// # Errors
/// SQLite's own sentence.
pub(super) fn open(path: &str, access: Access) -> Result<SqliteConnection, String> {
    let mut connection = SqliteConnection::establish(path).map_err(|error| error.to_string())?;
    connection
        .batch_execute(&access.pragmas())
        .map_err(|error| error.to_string())?;
    if access == Access::Write {
        check_durable(&mut connection)?;
    }
    Ok(connection)
}

#[derive(QueryableByName)]
struct Synchronous {
    #[diesel(sql_type = diesel::sql_types::Integer)]
    synchronous: i32,
}

#[derive(QueryableByName)]
struct JournalMode {
    #[diesel(sql_type = diesel::sql_types::Text)]
    journal_mode: String,
}

/// SQLite takes a pragma it cannot follow without a word (a file system without shared memory has no WAL), so what it
/// has become is asked: nothing is acknowledged over a connection whose commits may be lost (P1).
fn check_durable(connection: &mut SqliteConnection) -> Result<(), String> {
    let failed = |error: diesel::result::Error| error.to_string();
    let Synchronous { synchronous } = diesel::sql_query("PRAGMA synchronous")
        .get_result(connection)
        .map_err(failed)?;
    let JournalMode { journal_mode } = diesel::sql_query("PRAGMA journal_mode")
        .get_result(connection)
        .map_err(failed)?;
    // 2 is FULL, 3 is EXTRA.
    if synchronous >= 2 && journal_mode == "wal" {
        Ok(())
    } else {
        Err(format!(
            "its commits may be lost: synchronous is {synchronous}, journal_mode is {journal_mode}"
        ))
    }
}

/// A few connections of one kind; units of work wait for a free one.
pub(super) struct Pool {
    path: String,
    access: Access,
    size: u32,
    permits: Semaphore,
    idle: Mutex<Vec<SyncConnectionWrapper<SqliteConnection>>>,
    /// Held as long as any unit of work may still run.
    _lock: Arc<FolderLock>,
}

impl Pool {
    /// A pool of at most `size` connections, opened when they are first needed.
    pub(super) fn new(path: &str, access: Access, size: u32, lock: Arc<FolderLock>) -> Arc<Self> {
        Arc::new(Self {
            path: path.to_owned(),
            access,
            size,
            permits: Semaphore::new(size as usize),
            idle: Mutex::new(Vec::new()),
            _lock: lock,
        })
    }

    /// Runs one unit of work in one transaction.
    ///
    /// # Errors
    /// Those of the work (then nothing was changed); `Unavailable` without a connection; `CommitUnknown` when
    /// COMMIT failed.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SqliteConnection) -> Work<T> + Send + 'static,
    ) -> StoreResult<T> {
        let wait = std::time::Duration::from_millis(limits::TRANSACTION_MS);
        let _permit = tokio::time::timeout(wait, self.permits.acquire())
            .await
            .map_err(|_elapsed| StoreError::Unavailable("no free connection".into()))?
            .map_err(|_closed| StoreError::Unavailable("the store is closed".into()))?;
        let mut connection = self.take().await?;
        let (access, origin) = (self.access, Origin::current());
        let (result, reusable) = connection
            .spawn_blocking(move |connection| {
                Ok(origin.of_sync(|| transact(connection, access, work)))
            })
            .await
            .map_err(|error| StoreError::Broken(format!("a unit of work ended: {error}")))?;
        if reusable {
            self.idle().push(connection);
        }
        result
    }

    /// Waits for running work, closes the connections and refuses whatever comes after.
    pub(super) async fn close(&self) {
        if let Ok(all) = self.permits.acquire_many(self.size).await {
            self.permits.close();
            let connections = std::mem::take(&mut *self.idle());
            // Closing the last one writes the log back into the file, which may take a while.
            let closed = tokio::task::spawn_blocking(move || drop(connections)).await;
            if let Err(error) = closed {
                tracing::warn!(%error, "closing a database connection failed");
            }
            drop(all);
        }
    }

    async fn take(&self) -> StoreResult<SyncConnectionWrapper<SqliteConnection>> {
        if let Some(connection) = self.idle().pop() {
            return Ok(connection);
        }
        let (path, access) = (self.path.clone(), self.access);
        tokio::task::spawn_blocking(move || open(&path, access))
            .await
            .map_err(|error| StoreError::Unavailable(error.to_string()))?
            .map(SyncConnectionWrapper::new)
            .map_err(StoreError::Unavailable)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<SyncConnectionWrapper<SqliteConnection>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs the work between BEGIN and COMMIT, and tells whether the connection may be used again: one with an open
/// transaction, or whose COMMIT failed, may not.
fn transact<T>(
    connection: &mut SqliteConnection,
    access: Access,
    work: impl FnOnce(&mut SqliteConnection) -> Work<T>,
) -> (StoreResult<T>, bool) {
    if let Err(error) = AnsiTransactionManager::begin_transaction_sql(connection, access.begin()) {
        return (Err(Failure::Database(error).into()), false);
    }
    let result = match work(connection) {
        Ok(value) => match AnsiTransactionManager::commit_transaction(connection) {
            Ok(()) => Ok(value),
            Err(error) if access == Access::Write => {
                return (Err(StoreError::CommitUnknown(error.to_string())), false);
            }
            Err(error) => return (Err(StoreError::Unavailable(error.to_string())), false),
        },
        Err(failure) => match AnsiTransactionManager::rollback_transaction(connection) {
            Ok(()) => Err(failure.into()),
            Err(error) => {
                tracing::warn!(%error, "a rollback failed; its connection is closed");
                return (Err(failure.into()), false);
            }
        },
    };
    let status = AnsiTransactionManager::transaction_manager_status_mut(connection);
    let reusable = matches!(status.transaction_depth(), Ok(None));
    (result, reusable)
}

/// The path of the database in its folder, as SQLite wants it.
///
/// # Errors
/// The path itself, when it is not UTF-8.
pub(super) fn database_path(folder: &std::path::Path) -> Result<String, PathBuf> {
    let path = folder.join("salon.sqlite3");
    path.to_str().map(str::to_owned).ok_or(path.clone())
}

#[cfg(test)]
mod tests {
    use diesel::sql_query;

    use super::*;
    use crate::error::ErrorCode;

    fn pool(folder: &std::path::Path) -> Arc<Pool> {
        let lock = Arc::new(FolderLock::take(folder).unwrap());
        Pool::new(&database_path(folder).unwrap(), Access::Write, 1, lock)
    }

    /// Whether a table of that name can be made, which only works when there is none.
    async fn make_table(pool: &Pool) -> StoreResult<()> {
        pool.run(|conn| Ok(sql_query("CREATE TABLE t (x)").execute(conn).map(drop)?))
            .await
    }

    #[test]
    fn a_connection_whose_commits_may_be_lost_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = database_path(folder.path()).unwrap();
        let mut connection = open(&path, Access::Write).unwrap();
        check_durable(&mut connection).unwrap();
        for (pragma, named) in [
            ("synchronous = NORMAL", "synchronous is 1"),
            ("synchronous = OFF", "synchronous is 0"),
            (
                "synchronous = FULL; PRAGMA journal_mode = MEMORY",
                "journal_mode is memory",
            ),
        ] {
            connection
                .batch_execute(&format!("PRAGMA {pragma}"))
                .unwrap();
            let refused = check_durable(&mut connection).unwrap_err();
            assert!(refused.contains(named), "{refused}");
        }
        connection
            .batch_execute("PRAGMA journal_mode = WAL")
            .unwrap();
        check_durable(&mut connection).unwrap();
    }

    #[tokio::test]
    async fn work_that_fails_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let pool = pool(folder.path());
        let refused: StoreResult<()> = pool
            .run(|conn| {
                sql_query("CREATE TABLE t (x)").execute(conn)?;
                Err(ErrorCode::Forbidden.into())
            })
            .await;
        assert!(matches!(refused, Err(StoreError::Refused(_))));
        assert_eq!(pool.idle().len(), 1, "its connection is kept");
        make_table(&pool).await.unwrap();
        assert!(matches!(
            make_table(&pool).await,
            Err(StoreError::Broken(_))
        ));
    }

    #[tokio::test]
    async fn a_connection_with_an_open_transaction_is_thrown_away() {
        let folder = tempfile::tempdir().unwrap();
        let pool = pool(folder.path());
        let panicked: StoreResult<()> = pool
            .run(|conn| {
                sql_query("CREATE TABLE t (x)").execute(conn)?;
                panic!("in the middle of a transaction")
            })
            .await;
        assert!(matches!(panicked, Err(StoreError::Broken(_))));
        assert_eq!(pool.idle().len(), 0);
        make_table(&pool).await.unwrap();
    }

    #[tokio::test]
    async fn a_commit_that_fails_has_an_unknown_outcome() {
        let folder = tempfile::tempdir().unwrap();
        let pool = pool(folder.path());
        let unknown = pool
            .run(|conn| {
                conn.batch_execute(
                    "CREATE TABLE a (x PRIMARY KEY);
                     CREATE TABLE b (x REFERENCES a (x) DEFERRABLE INITIALLY DEFERRED);
                     INSERT INTO b VALUES (1);",
                )?;
                Ok(())
            })
            .await;
        assert!(matches!(unknown, Err(StoreError::CommitUnknown(_))));
        assert_eq!(pool.idle().len(), 0);
        make_table(&pool).await.unwrap();
    }

    #[tokio::test]
    async fn readers_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        let lock = Arc::new(FolderLock::take(folder.path()).unwrap());
        let path = database_path(folder.path()).unwrap();
        let writer = Pool::new(&path, Access::Write, 1, lock.clone());
        make_table(&writer).await.unwrap();
        let readers = Pool::new(&path, Access::Read, 1, lock);
        let written: StoreResult<()> = readers
            .run(|conn| {
                Ok(sql_query("INSERT INTO t VALUES (1)")
                    .execute(conn)
                    .map(drop)?)
            })
            .await;
        assert!(written.is_err());
    }
}
