//! The embedded store: bundled SQLite in a folder of its own, through diesel and diesel-async. Opened by the
//! assembly when no `DATABASE_URL` is set, and by tests; used as a [`Store`](crate::db::Store). It never talks to another process:
//! a lock file keeps a second one out.
//!
//! One connection writes (`BEGIN IMMEDIATE`, so the file's lock stands for every room's head lock), a few read, and
//! one is kept for [`ping`](crate::db::Store::ping) and [`heads`](crate::db::Store::heads), so that busy readers cannot
//! make the server look dead. `contract.rs` is the list of the units of work; each noun's file holds their SQL.

mod account_ends;
mod account_store;
mod accounts;
mod administration;
mod apply;
mod assistants;
mod audit;
mod columns;
mod connection;
mod contract;
mod failure;
mod guest_upgrades;
mod history;
mod hooks;
mod identities;
mod integrations;
mod invites;
mod jobs;
mod lock;
mod members;
mod messages;
mod purge;
mod reading;
mod replies;
mod revocations;
mod room_lists;
mod rooms;
mod runners;
mod schema;
mod search;
mod seeds;
mod sessions;
mod tokens;
mod usage;
mod usage_reports;
mod variants;
mod webhooks;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use diesel::SqliteConnection;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use self::connection::{Access, Pool};
use self::failure::Work;
use self::lock::FolderLock;
use super::{StoreError, StoreResult, uncancelled};
use crate::limits;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// Why a data folder could not be opened: a sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be made, read or written.
    #[error("the data folder {} cannot be used: {error}", .folder.display())]
    Folder {
        /// Which folder.
        folder: PathBuf,
        /// What the operating system says.
        error: std::io::Error,
    },
    /// SQLite takes paths in UTF-8 only.
    #[error("the path {} is not UTF-8", .0.display())]
    Path(PathBuf),
    /// Another process has it open.
    #[error("the data folder {} is in use by another salon process", .0.display())]
    InUse(PathBuf),
    /// SQLite cannot open the file in it.
    #[error("the database in the data folder cannot be opened: {0}")]
    Database(String),
    /// The file is not of a form this version can bring up to date.
    #[error("the database could not be brought up to date: {0}")]
    Migration(String),
    /// What every database holds could not be written.
    #[error("the database could not be prepared: {0}")]
    Seed(StoreError),
}

/// The embedded store.
pub struct SqliteStore {
    writer: Arc<Pool>,
    readers: Arc<Pool>,
    reserved: Arc<Pool>,
    lock: Arc<FolderLock>,
}

impl SqliteStore {
    /// Opens the database in `folder`, making both when they are not there, and brings it up to date.
    ///
    /// # Errors
    /// [`OpenError`], each with a sentence for the operator.
    pub async fn open(folder: &Path) -> Result<Arc<Self>, OpenError> {
        let folder = folder.to_path_buf();
        let (path, lock) = tokio::task::spawn_blocking(move || prepare(&folder))
            .await
            .map_err(|error| OpenError::Database(error.to_string()))??;
        let lock = Arc::new(lock);
        let pool = |access, size| Pool::new(&path, access, size, lock.clone());
        let store = Arc::new(Self {
            writer: pool(Access::Write, 1),
            readers: pool(Access::Read, limits::SQLITE_READERS),
            reserved: pool(Access::Read, 1),
            lock: lock.clone(),
        });
        store.write(seeds::insert).await.map_err(OpenError::Seed)?;
        let looks = store.write(accounts::write_looks).await;
        looks.map_err(OpenError::Seed)?;
        Ok(store)
    }

    /// Waits for what runs, closes every connection and lets go of the folder. Whatever comes after is refused.
    pub async fn close(&self) {
        self.readers.close().await;
        self.reserved.close().await;
        self.writer.close().await;
        self.lock.release();
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SqliteConnection) -> Work<T> + Send + 'static,
    ) -> StoreResult<T> {
        Self::run(self.writer.clone(), work).await
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SqliteConnection) -> Work<T> + Send + 'static,
    ) -> StoreResult<T> {
        Self::run(self.readers.clone(), work).await
    }

    async fn read_reserved<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SqliteConnection) -> Work<T> + Send + 'static,
    ) -> StoreResult<T> {
        Self::run(self.reserved.clone(), work).await
    }

    async fn run<T: Send + 'static>(
        pool: Arc<Pool>,
        work: impl FnOnce(&mut SqliteConnection) -> Work<T> + Send + 'static,
    ) -> StoreResult<T> {
        uncancelled(async move { pool.run(work).await }).await
    }
}

/// Makes the folder, locks it and migrates the file in it.
fn prepare(folder: &Path) -> Result<(String, FolderLock), OpenError> {
    let refused = |error| OpenError::Folder {
        folder: folder.to_path_buf(),
        error,
    };
    std::fs::create_dir_all(folder).map_err(refused)?;
    // SQLite reads a leading `file:` as a URI; an absolute path has none.
    let folder = folder.canonicalize().map_err(refused)?;
    let lock = FolderLock::take(&folder)?;
    let path = connection::database_path(&folder).map_err(OpenError::Path)?;
    let mut connection = connection::open(&path, Access::Write).map_err(OpenError::Database)?;
    connection
        .run_pending_migrations(MIGRATIONS)
        .map_err(|error| OpenError::Migration(error.to_string()))?;
    Ok((path, lock))
}

#[cfg(test)]
mod tests {
    use diesel::prelude::*;
    use diesel::sql_types::Text;

    use super::*;

    #[derive(QueryableByName, PartialEq, Debug)]
    struct Definition {
        #[diesel(sql_type = Text)]
        sql: String,
    }

    fn definitions(conn: &mut SqliteConnection) -> Vec<Definition> {
        let query = "SELECT sql FROM sqlite_schema \
            WHERE sql IS NOT NULL AND name NOT LIKE '\\_\\_diesel%' ESCAPE '\\' ORDER BY name";
        diesel::sql_query(query).load(conn).unwrap()
    }

    #[test]
    fn every_migration_goes_down_and_up_again() {
        let mut conn = SqliteConnection::establish(":memory:").unwrap();
        conn.run_pending_migrations(MIGRATIONS).unwrap();
        let up = definitions(&mut conn);
        assert!(up.len() > 10);
        conn.revert_all_migrations(MIGRATIONS).unwrap();
        assert_eq!(definitions(&mut conn), []);
        conn.run_pending_migrations(MIGRATIONS).unwrap();
        assert_eq!(definitions(&mut conn), up);
    }
}
