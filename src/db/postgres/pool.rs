//! Connections: three pools, and a guard that lets a connection back into its pool only when no transaction and no
//! query is open on it. Called by every noun beside it.
//!
//! Everything works behind `PgBouncer` in transaction mode: the limits of a transaction are set inside it (`SET LOCAL`,
//! sent together with BEGIN), nothing else is set, and no lock outlives it. Every wait on the server has a deadline
//! here as well, since a server that hangs keeps no timeouts.

use std::sync::Arc;
use std::time::Duration;

use diesel::QueryResult;
use diesel_async::pooled_connection::deadpool::{Object, Pool};
use diesel_async::pooled_connection::{
    AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod,
};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use futures_util::FutureExt;
use secrecy::SecretString;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::audit::InsertAudit;
use super::begin::{BEGIN, BEGIN_READING, BEGIN_READING_BRIEFLY, BEGIN_READING_BY_INDEX};
use super::errors::{at_start, lost_connection, of_statement, outlived_its_plans};
use super::statement::{Commit, Statement};
use super::tls::Target;
use crate::db::audit::NewAudit;
use crate::db::{StoreError, StoreResult};
use crate::error::{ErrorCode, Refusal};
use crate::limits;

/// How to reach Postgres.
#[derive(Clone, Debug)]
pub struct PostgresSettings {
    /// `postgres://user:password@host:port/database?sslmode=…&sslrootcert=…`.
    pub url: SecretString,
    /// Connections for everything but probes and locked rooms.
    pub pool_size: usize,
    /// How long a call waits for one of them.
    pub wait: Duration,
    /// How long connecting may take.
    pub connect_timeout: Duration,
}

/// The three pools. Each connects when it is first needed.
pub(super) struct Pools {
    shared: Pool<AsyncPgConnection>,
    /// What of it everything but the writer may use at once: no crowd of readers can keep a send waiting.
    for_others: Arc<Semaphore>,
    /// Waiting for that, or using it; none left means `busy`.
    places: Arc<Semaphore>,
    wait: Duration,
    /// For probes and head checks: a busy pool cannot block them.
    reserved: Pool<AsyncPgConnection>,
    /// For batches that wait for a locked room: they cannot take the connections of the others.
    waiting: Pool<AsyncPgConnection>,
}

impl Pools {
    pub(super) fn new(target: &Target, settings: &PostgresSettings) -> Result<Self, String> {
        let others = settings.pool_size - for_writer(settings.pool_size);
        Ok(Self {
            shared: pool(target, settings, settings.pool_size)?,
            for_others: Arc::new(Semaphore::new(others)),
            places: Arc::new(Semaphore::new(others + limits::DATABASE_QUEUE)),
            wait: settings.wait,
            reserved: pool(target, settings, limits::RESERVED_CONNECTIONS)?,
            waiting: pool(target, settings, limits::LOCKED_ROOMS)?,
        })
    }

    /// A connection for anything but the writer's batches.
    ///
    /// # Errors
    /// `busy` when too many wait.
    pub(super) async fn shared(&self) -> StoreResult<Conn> {
        // The wait for a turn counts among the time for the whole.
        let deadline = Instant::now() + Duration::from_millis(limits::DATABASE_MS);
        let turn = self.turn().await?;
        let mut connection = Conn::take_until(&self.shared, deadline).await?;
        connection.turn = Some(turn);
        Ok(connection)
    }

    async fn turn(&self) -> StoreResult<Turn> {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            metrics::counter!("salon_database_refused_total").increment(1);
            let busy = Refusal::from(ErrorCode::Busy).retry_after_ms(limits::RETRY_HINT_MS);
            return Err(StoreError::Refused(busy));
        };
        match tokio::time::timeout(self.wait, Arc::clone(&self.for_others).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Turn {
                _permit: permit,
                _place: place,
            }),
            _late => Err(StoreError::Unavailable(
                "waiting for a connection took too long".into(),
            )),
        }
    }

    /// A connection for a write that is over by then.
    pub(super) async fn shared_until(&self, deadline: Instant) -> StoreResult<Conn> {
        Conn::take_until(&self.shared, deadline).await
    }

    /// A connection for a probe.
    pub(super) async fn reserved(&self) -> StoreResult<Conn> {
        Conn::take_from(&self.reserved).await
    }

    /// A connection to wait for a lock on, for a write that is over by then.
    pub(super) async fn waiting_until(&self, deadline: Instant) -> StoreResult<Conn> {
        Conn::take_until(&self.waiting, deadline).await
    }

    /// One reading statement on a shared connection.
    pub(super) async fn read<S: Statement>(&self, statement: S) -> StoreResult<S::Output> {
        self.shared().await?.read(statement).await
    }

    /// The same for one that must find its rows by indexes.
    pub(super) async fn read_by_index<S: Statement>(&self, statement: S) -> StoreResult<S::Output> {
        let connection = self.shared().await?;
        connection
            .read_with(BEGIN_READING_BY_INDEX, statement)
            .await
    }

    /// The same for one that is given up soon: after [`limits::SEARCH_INDEX_MS`].
    pub(super) async fn read_briefly<S: Statement>(&self, statement: S) -> StoreResult<S::Output> {
        let connection = self.shared().await?;
        connection.read_with(BEGIN_READING_BRIEFLY, statement).await
    }

    /// One writing statement on a shared connection, committed.
    pub(super) async fn write<S: Statement>(&self, statement: S) -> StoreResult<S::Output> {
        let mut connection = self.shared().await?;
        let output = connection.begin_with(statement).await?;
        connection.commit().await?;
        Ok(output)
    }

    /// The same with what the audit log says of it, if anything.
    pub(super) async fn write_noted<S: Statement>(
        &self,
        statement: S,
        note: impl FnOnce(&S::Output) -> Option<NewAudit>,
    ) -> StoreResult<S::Output> {
        let mut connection = self.shared().await?;
        let output = connection.begin_with(statement).await?;
        connection.notes.extend(note(&output));
        connection.commit().await?;
        Ok(output)
    }
}

/// A turn to use one of the pool's connections.
struct Turn {
    _permit: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

/// What of a pool only the writer uses: one for each lane, but never more than half.
fn for_writer(pool_size: usize) -> usize {
    limits::LANES.min(pool_size / 2)
}

fn pool(
    target: &Target,
    settings: &PostgresSettings,
    size: usize,
) -> Result<Pool<AsyncPgConnection>, String> {
    let target = target.clone();
    let mut config = ManagerConfig::default();
    // An open transaction cannot be in the pool (see `Conn`) and a closed connection is seen without asking.
    config.recycling_method = RecyclingMethod::Fast;
    config.custom_setup = Box::new(move |_url| {
        let target = target.clone();
        async move { target.connect().await }.boxed()
    });
    // The manager is given no URL: it would show it in its errors.
    let manager = AsyncDieselConnectionManager::new_with_config("", config);
    Pool::builder(manager)
        .max_size(size)
        .wait_timeout(Some(settings.wait))
        .create_timeout(Some(settings.connect_timeout))
        .recycle_timeout(Some(settings.wait))
        .runtime(deadpool::Runtime::Tokio1)
        .build()
        .map_err(|error| error.to_string())
}

/// A connection in use, with the time by which its transaction must be over. Dropped with something open, it is closed
/// instead of given back: the server then rolls back, and no later call can meet what was left.
pub(super) struct Conn {
    object: Option<Object<AsyncPgConnection>>,
    open: bool,
    begun: Instant,
    deadline: Instant,
    /// Given back after the connection.
    turn: Option<Turn>,
    /// What the audit log says of this transaction.
    notes: Vec<NewAudit>,
}

impl Drop for Conn {
    fn drop(&mut self) {
        if let Some(object) = self.object.take()
            && self.open
        {
            drop(Object::take(object));
        }
    }
}

impl Conn {
    async fn take_from(pool: &Pool<AsyncPgConnection>) -> StoreResult<Self> {
        let deadline = Instant::now() + Duration::from_millis(limits::DATABASE_MS);
        Self::take_until(pool, deadline).await
    }

    /// One whose whole work, taking it included, is over by then.
    async fn take_until(pool: &Pool<AsyncPgConnection>, deadline: Instant) -> StoreResult<Self> {
        let begun = Instant::now();
        let object = timeout_at(deadline, pool.get())
            .await
            .map_err(|_elapsed| StoreError::Unavailable("connecting took too long".into()))?
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self {
            object: Some(object),
            open: false,
            begun,
            deadline,
            turn: None,
            notes: Vec::new(),
        })
    }

    /// The connection itself, to run statements on between [`Conn::open`] and the end.
    pub(super) fn connection(&self) -> StoreResult<&AsyncPgConnection> {
        match &self.object {
            Some(object) => Ok(object),
            None => Err(StoreError::Broken(
                "a connection was used after its end".into(),
            )),
        }
    }

    /// Notes that something is about to be sent.
    pub(super) fn open(&mut self) {
        self.open = true;
    }

    /// BEGIN with its limits; first polled before the statements it is joined with.
    pub(super) async fn begin(&self) -> StoreResult<()> {
        let mut connection = self.connection()?;
        connection
            .batch_execute(BEGIN)
            .await
            .map_err(|error| at_start(&error))
    }

    /// Waits for an answer of the server, up to the transaction's deadline.
    pub(super) async fn within<T>(&self, work: impl Future<Output = T>) -> StoreResult<T> {
        timeout_at(self.deadline, work).await.map_err(|_elapsed| {
            StoreError::Unavailable("the database did not answer in time".into())
        })
    }

    /// Begins a transaction and runs its first statement, in one round trip.
    pub(super) async fn begin_with<S: Statement>(&mut self, first: S) -> StoreResult<S::Output> {
        self.open();
        let connection = self.connection()?;
        let both = async { futures_util::join!(self.begin(), first.run(connection)) };
        let (begun, output) = self.within(both).await?;
        begun?;
        match output {
            Ok(output) => Ok(output),
            Err(error) => Err(self.failed(&error).await),
        }
    }

    /// Runs a further statement of the transaction.
    pub(super) async fn run<S: Statement>(&mut self, statement: S) -> StoreResult<S::Output> {
        let connection = self.connection()?;
        match self.within(statement.run(connection)).await? {
            Ok(output) => Ok(output),
            Err(error) => Err(self.failed(&error).await),
        }
    }

    /// Runs one reading statement in a transaction of its own, all in one round trip.
    pub(super) async fn read<S: Statement>(self, statement: S) -> StoreResult<S::Output> {
        self.read_with(BEGIN_READING, statement).await
    }

    async fn read_with<S: Statement>(
        mut self,
        begin_with: &'static str,
        statement: S,
    ) -> StoreResult<S::Output> {
        self.open();
        let connection = self.connection()?;
        let all = async {
            let mut begin = connection;
            futures_util::join!(
                begin.batch_execute(begin_with),
                statement.run(connection),
                Commit {}.run(connection),
            )
        };
        let (begun, output, ended) = self.within(all).await?;
        self.open = ended.is_err() || output.as_ref().is_err_and(outlived_its_plans);
        begun.map_err(|error| at_start(&error))?;
        output.map_err(|error| of_statement(&error))
    }

    /// Has the audit log say this of the transaction, if it is committed.
    pub(super) fn note(&mut self, row: NewAudit) {
        self.notes.push(row);
    }

    async fn write_notes(&mut self) -> StoreResult<()> {
        let notes = std::mem::take(&mut self.notes);
        if notes.is_empty() {
            return Ok(());
        }
        self.run(InsertAudit::of(&notes)).await.map(drop)
    }

    /// Sends the last statement of the transaction and its COMMIT together.
    ///
    /// # Errors
    /// [`StoreError::CommitUnknown`] when the answer was lost.
    pub(super) async fn commit_with<S: Statement>(mut self, last: S) -> StoreResult<S::Output> {
        self.write_notes().await?;
        let connection = self.connection()?;
        let both = async { futures_util::join!(last.run(connection), Commit {}.run(connection)) };
        let (output, committed) = timeout_at(self.deadline, both).await.map_err(|_elapsed| {
            StoreError::CommitUnknown("COMMIT was not answered in time".into())
        })?;
        self.open = committed.is_err();
        match output {
            // COMMIT of a failed transaction is a rollback.
            Err(error) if lost_connection(&error) => Err(unknown(&error)),
            Err(error) => Err(self.judged(&error)),
            Ok(output) => committed_or(committed).map(|()| output),
        }
    }

    /// Commits and gives the connection back.
    ///
    /// # Errors
    /// [`StoreError::CommitUnknown`] when the answer was lost.
    pub(super) async fn commit(mut self) -> StoreResult<()> {
        self.write_notes().await?;
        let connection = self.connection()?;
        let committed = timeout_at(self.deadline, Commit {}.run(connection))
            .await
            .map_err(|_elapsed| {
                StoreError::CommitUnknown("COMMIT was not answered in time".into())
            })?;
        self.open = committed.is_err();
        committed_or(committed)
    }

    /// Ends the transaction without a trace and gives the connection back.
    pub(super) async fn rollback(mut self) {
        self.try_rollback().await;
    }

    /// Judges an error inside the transaction and rolls back.
    pub(super) async fn failed(&mut self, error: &diesel::result::Error) -> StoreError {
        if self.try_rollback().await {
            self.open = outlived_its_plans(error);
            self.judged(error)
        } else {
            // The connection went with the statement.
            at_start(error)
        }
    }

    /// Judges an error of what a transaction begins with, and rolls back.
    pub(super) async fn failed_at_start(&mut self, error: &diesel::result::Error) -> StoreError {
        if self.try_rollback().await {
            self.open = outlived_its_plans(error);
        }
        at_start(error)
    }

    /// A statement that took as long as it may was cut for that, in whatever language the server says so.
    fn judged(&self, error: &diesel::result::Error) -> StoreError {
        if self.begun.elapsed() >= Duration::from_millis(limits::STATEMENT_MS) {
            at_start(error)
        } else {
            of_statement(error)
        }
    }

    async fn try_rollback(&mut self) -> bool {
        let Ok(mut connection) = self.connection() else {
            return false;
        };
        let ended = timeout_at(self.deadline, connection.batch_execute("ROLLBACK")).await;
        self.open = !matches!(ended, Ok(Ok(())));
        !self.open
    }
}

fn committed_or(committed: QueryResult<usize>) -> StoreResult<()> {
    match committed {
        Ok(_) => Ok(()),
        Err(error) if lost_connection(&error) => Err(unknown(&error)),
        Err(error) => Err(of_statement(&error)),
    }
}

fn unknown(error: &diesel::result::Error) -> StoreError {
    StoreError::CommitUnknown(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_crowd_of_readers_waits_bounded_and_leaves_the_writers_part() {
        let settings = PostgresSettings {
            url: SecretString::from("postgres://nobody@127.0.0.1:1/none"),
            pool_size: 10,
            wait: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(1),
        };
        let target = Target::parse("postgres://nobody@127.0.0.1:1/none").unwrap();
        let pools = Pools::new(&target, &settings).unwrap();
        let mut turns = Vec::new();
        for _ in 0..10 - limits::LANES {
            turns.push(pools.turn().await.ok().unwrap());
        }
        let mut waiting: Vec<_> = (0..limits::DATABASE_QUEUE)
            .map(|_| Box::pin(pools.turn()))
            .collect();
        for turn in &mut waiting {
            assert!(futures_util::poll!(turn.as_mut()).is_pending());
        }
        let refused = pools.turn().await.err().unwrap().into_refusal();
        assert_eq!(refused.code, ErrorCode::Busy);
        let late = waiting.remove(0).await.err().unwrap();
        assert!(matches!(late, StoreError::Unavailable(_)), "{late}");
        drop((waiting, turns));
        assert!(pools.turn().await.is_ok());
        assert_eq!((for_writer(2), for_writer(3), for_writer(500)), (1, 1, 4));
    }
}
