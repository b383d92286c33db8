//! Migrations, and what `salon check` wants to know. Called by `main` and by the tests' servers; each call has a
//! connection of its own, outside the pools, so that another user may migrate than the one who serves.

use diesel::migration::{Migration, MigrationSource};
use diesel::pg::Pg;
use diesel_async::{
    AnsiTransactionManager, AsyncMigrationHarness, AsyncPgConnection, SimpleAsyncConnection,
    TransactionManager,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use tokio::time::{Duration, timeout};
use uuid::Uuid;

use super::durability::{About, ServerDescription, described};
use super::errors::{at_start, of_statement};
use super::statement::{Statement, statement};
use super::tls::Target;
use crate::db::{StoreError, StoreResult};
use crate::looks::look;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// One instance migrates, the others wait for it here. The lock ends with the transaction: behind a transaction pooler
/// no other kind would end at all. The key is the word "salon" in ASCII.
const LOCK: &str =
    "SET LOCAL lock_timeout = 60000; SELECT pg_advisory_xact_lock(x'73616c6f6e'::bigint)";

/// How long connecting and a look at a database may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

statement!(
    /// Whether the table of migrations is there.
    HasMigrations {} -> (bool,), "SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL"
);
statement!(
    /// The migrations that were run.
    Applied {} -> (String,), "SELECT version::text FROM __diesel_schema_migrations"
);
statement!(
    /// Names of somebody's own whose look nobody wrote, in order.
    Lookless { after: Uuid } -> (Uuid, String),
    "SELECT id, name FROM users WHERE look IS NULL AND kind <> 'guest' AND id > $1 ORDER BY id LIMIT 500"
);
statement!(
    /// Writes a look, unless somebody else's name has it already.
    WriteLook { id: Uuid, look: String } -> (Uuid,),
    "UPDATE users SET look = $2 WHERE id = $1 AND look IS NULL \
     AND NOT EXISTS (SELECT FROM users WHERE look = $2) RETURNING id"
);

/// Runs every migration that was not run yet, each in a transaction of its own under a lock: many instances may start at
/// once, and none holds a table's lock while it waits for another's. Returns the names of those it ran.
///
/// # Errors
/// [`StoreError::Unavailable`] when the server cannot be reached, [`StoreError::Broken`] when a migration fails; then
/// that one changed nothing, and those before it are done.
pub async fn migrate(url: &str) -> StoreResult<Vec<String>> {
    let mut connection = connect(url).await?;
    let mut names = Vec::new();
    loop {
        AnsiTransactionManager::begin_transaction(&mut connection)
            .await
            .map_err(|error| at_start(&error))?;
        connection
            .batch_execute(LOCK)
            .await
            .map_err(|error| at_start(&error))?;
        // diesel's migrations block, so they get a thread that may.
        let (mut after, name) = tokio::task::spawn_blocking(move || run_next(connection))
            .await
            .map_err(|error| StoreError::Broken(error.to_string()))??;
        AnsiTransactionManager::commit_transaction(&mut after)
            .await
            .map_err(|error| StoreError::CommitUnknown(error.to_string()))?;
        match name {
            Some(name) => names.push(name),
            None => {
                write_looks(&after).await?;
                return Ok(names);
            }
        }
        connection = after;
    }
}

/// Writes what names look like that are older than their column, or were made by a release before it. Of two that look alike
/// since before there was a rule, one keeps none.
async fn write_looks(connection: &AsyncPgConnection) -> StoreResult<()> {
    let mut after = Uuid::nil();
    loop {
        let found = Lookless { after }.run(connection).await;
        let found = found.map_err(|error| of_statement(&error))?;
        let Some((last, _)) = found.last() else {
            return Ok(());
        };
        after = *last;
        for (id, name) in found {
            let look = look(&name);
            // Somebody who signs up meanwhile may have taken it.
            if let Err(error) = (WriteLook { id, look }).run(connection).await {
                tracing::warn!(%error, "what a name looks like could not be written");
            }
        }
    }
}

/// Runs the oldest migration that was not run yet.
fn run_next(connection: AsyncPgConnection) -> StoreResult<(AsyncPgConnection, Option<String>)> {
    let broken =
        |error: Box<dyn std::error::Error + Send + Sync>| StoreError::Broken(error.to_string());
    let mut harness = AsyncMigrationHarness::new(connection);
    let mut pending = harness.pending_migrations(MIGRATIONS).map_err(broken)?;
    pending.sort_by_key(|migration| migration.name().version().to_string());
    let name = match pending.first() {
        Some(next) => {
            harness.run_migration(next).map_err(broken)?;
            Some(next.name().to_string())
        }
        None => None,
    };
    Ok((harness.into_inner(), name))
}

/// The names of the migrations that were not run yet; changes nothing.
///
/// # Errors
/// As [`migrate`].
pub async fn pending(url: &str) -> StoreResult<Vec<String>> {
    let connection = connect(url).await?;
    let reading = async {
        let exists = HasMigrations {}.run(&connection).await?;
        if exists.first().is_some_and(|(exists,)| *exists) {
            Applied {}.run(&connection).await
        } else {
            Ok(Vec::new())
        }
    };
    let applied = in_time(reading).await?;
    let all: Vec<Box<dyn Migration<Pg>>> = MIGRATIONS
        .migrations()
        .map_err(|error| StoreError::Broken(error.to_string()))?;
    Ok(all
        .iter()
        .filter(|migration| {
            let version = migration.name().version().to_string();
            !applied.iter().any(|(applied,)| *applied == version)
        })
        .map(|migration| migration.name().to_string())
        .collect())
}

/// Asks a server about itself.
///
/// # Errors
/// [`StoreError::Unavailable`] when it cannot be reached.
pub async fn describe(url: &str) -> StoreResult<ServerDescription> {
    let connection = connect(url).await?;
    described(in_time(About {}.run(&connection)).await?)
}

async fn connect(url: &str) -> StoreResult<AsyncPgConnection> {
    let target = Target::parse(url).map_err(StoreError::Broken)?;
    timeout(CHECK_TIMEOUT, target.connect())
        .await
        .map_err(|_elapsed| StoreError::Unavailable("connecting took too long".into()))?
        .map_err(|error| StoreError::Unavailable(error.to_string()))
}

async fn in_time<T>(work: impl Future<Output = diesel::QueryResult<T>>) -> StoreResult<T> {
    timeout(CHECK_TIMEOUT, work)
        .await
        .map_err(|_elapsed| StoreError::Unavailable("the database did not answer in time".into()))?
        .map_err(|error| of_statement(&error))
}
