//! The suite's factory for SQLite: each test has a folder of its own. And what only an embedded store promises: a
//! folder opens again with everything in it, and for one process at a time.

use diesel::connection::SimpleConnection;
use diesel::{Connection, RunQueryDsl, SqliteConnection};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use salon::db::changes::Change;
use salon::db::sqlite::{OpenError, SqliteStore};
use salon::db::{LOBBY, Store, StoreError};
use salon::ids::{RoomId, Seq};
use std::path::PathBuf;
use std::sync::Arc;

use super::fixtures::{BackEnd, TestStore, batch, message};

struct Folder {
    store: Arc<SqliteStore>,
    folder: tempfile::TempDir,
}

impl Folder {
    /// Runs SQL beside the store, on a connection of its own.
    fn run(&self, sql: String) -> BoxFuture<'_, ()> {
        run_in(self.folder.path().to_path_buf(), sql).boxed()
    }
}

/// What stays of a room that held something: its counters, and the number that searches know it by.
const BARE: [&str; 2] = ["room_heads", "room_places"];

/// A table, and how many rows of a room it has.
#[derive(diesel::QueryableByName)]
struct RowsOf {
    #[diesel(sql_type = diesel::sql_types::Text)]
    name: String,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    rows: i64,
}

/// Runs SQL on the database of a folder, beside the store that has it.
pub(super) async fn run_in(folder: PathBuf, sql: String) {
    let path = folder.join("salon.sqlite3");
    let run = tokio::task::spawn_blocking(move || {
        let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        conn.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
        conn.batch_execute(&sql).unwrap();
    });
    run.await.unwrap();
}

impl BackEnd for Folder {
    fn age(&self, seconds: i64) -> BoxFuture<'_, ()> {
        let micros = seconds * 1_000_000;
        self.run(format!(
            "UPDATE replies SET lease_until = lease_until - {micros};
             UPDATE sessions SET expires_at = expires_at - {micros}, ends_at = ends_at - {micros},
                 created_at = created_at - {micros}, last_seen_at = last_seen_at - {micros};
             UPDATE revocations SET at = at - {micros};
             UPDATE tickets SET expires_at = expires_at - {micros};
             UPDATE invites SET expires_at = expires_at - {micros};
             UPDATE api_tokens SET expires_at = expires_at - {micros}, last_used_at = last_used_at - {micros};
             UPDATE incoming_hooks SET last_used_at = last_used_at - {micros};
             UPDATE outgoing_webhooks SET next_at = next_at - {micros}, lease_until = lease_until - {micros},
                 failing_since = failing_since - {micros}, former_until = former_until - {micros};
             UPDATE batches SET created_at = created_at - {micros};"
        ))
    }

    fn set_clock_back(&self, seconds: i64) -> BoxFuture<'_, ()> {
        let micros = seconds * 1_000_000;
        self.run(format!(
            "UPDATE room_heads SET last_at = last_at + {micros};
             UPDATE messages SET created_at = created_at + {micros};"
        ))
    }

    fn age_messages(&self, seconds: i64) -> BoxFuture<'_, ()> {
        let micros = seconds * 1_000_000;
        self.run(format!(
            "UPDATE messages SET created_at = created_at - {micros}"
        ))
    }

    fn rows_of(&self, room: RoomId) -> BoxFuture<'_, Vec<(String, usize)>> {
        let path = self.folder.path().join("salon.sqlite3");
        let count = move || {
            let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
            conn.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
            let tables = "SELECT m.name AS name, 0 AS rows FROM sqlite_master m JOIN pragma_table_info(m.name) c \
                WHERE m.type = 'table' AND c.name = 'room_id' ORDER BY 1";
            let tables = diesel::sql_query(tables).load::<RowsOf>(&mut conn).unwrap();
            let room = room.0.simple();
            let rows = tables.into_iter().map(|table| {
                let name = table.name;
                let count = format!(
                    "SELECT '{name}' AS name, count(*) AS rows FROM {name} WHERE room_id = x'{room}'"
                );
                let counted = diesel::sql_query(count).get_result::<RowsOf>(&mut conn);
                (name, counted.unwrap().rows as usize)
            });
            rows.filter(|(table, count)| *count > 0 && !BARE.contains(&table.as_str()))
                .collect()
        };
        async move { tokio::task::spawn_blocking(count).await.unwrap() }.boxed()
    }

    fn bury(&self, room: RoomId, seq: Seq) -> BoxFuture<'_, ()> {
        let room = room.0.simple();
        self.run(format!(
            "UPDATE messages SET body = '', html = NULL, deleted_at = created_at
             WHERE room_id = x'{room}' AND seq = {seq}"
        ))
    }

    fn end(self: Box<Self>) -> BoxFuture<'static, ()> {
        async move {
            self.store.close().await;
            self.folder.close().unwrap();
        }
        .boxed()
    }
}

/// A store in a folder of its own.
pub(crate) async fn fresh() -> TestStore {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).await.unwrap();
    TestStore {
        store: store.clone(),
        back_end: Box::new(Folder { store, folder }),
    }
}

/// The store of an existing folder.
pub(super) async fn open(folder: tempfile::TempDir) -> TestStore {
    let store = SqliteStore::open(folder.path()).await.unwrap();
    TestStore {
        store: store.clone(),
        back_end: Box::new(Folder { store, folder }),
    }
}

#[tokio::test]
async fn a_folder_opens_again_with_everything_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_path_buf();
    let first_life = SqliteStore::open(&path).await.unwrap();
    let store = TestStore {
        store: first_life.clone(),
        back_end: Box::new(Folder {
            store: first_life.clone(),
            folder: tempfile::tempdir().unwrap(),
        }),
    };
    let (owner, room) = store.owner_and_room().await;
    let reply = store.prompt(room, &owner).await;
    let kept = message(&owner, "still here");
    let first = store.post(room, kept.clone()).await;
    let changes = store.all_changes(room, 0).await;
    let heads = store.heads(&[room]).await.unwrap();
    let assistant = store.assistant().await.unwrap();
    let lobby = store.room(owner.id, LOBBY).await.unwrap();
    first_life.close().await;

    let store = open(folder).await;
    assert_eq!(store.all_changes(room, 0).await, changes);
    assert_eq!(store.heads(&[room]).await.unwrap(), heads);
    assert_eq!(store.assistant().await.unwrap(), assistant);
    assert_eq!(store.room(owner.id, LOBBY).await.unwrap(), lobby);
    assert_eq!(store.user_by_name("OWNER").await.unwrap(), owner);
    let second = store.post(room, kept).await;
    assert!(second.duplicate);
    assert_eq!(
        (second.seq, second.created_at),
        (first.seq, first.created_at)
    );
    assert_eq!(store.running_replies(room).await.unwrap()[0].seq, reply);
    store.end().await;
}

#[tokio::test]
async fn a_folder_is_for_one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).await.unwrap();
    let error = SqliteStore::open(folder.path()).await.err().unwrap();
    assert!(matches!(error, OpenError::InUse(_)), "{error}");
    assert!(error.to_string().contains("in use"), "{error}");
    store.ping().await.unwrap();
    store.close().await;
    assert!(matches!(
        store.ping().await,
        Err(StoreError::Unavailable(_))
    ));
    let again = SqliteStore::open(folder.path()).await.unwrap();
    again.close().await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "not a folder").unwrap();
    let error = SqliteStore::open(&file).await.err().unwrap();
    assert!(matches!(error, OpenError::Folder { .. }), "{error}");

    std::fs::write(
        folder.path().join("salon.sqlite3"),
        "not a database".repeat(99),
    )
    .unwrap();
    let error = SqliteStore::open(folder.path()).await.err().unwrap();
    assert!(matches!(error, OpenError::Database(_)), "{error}");
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_no_transaction_open() {
    let store = fresh().await;
    let (owner, room) = store.owner_and_room().await;
    for turn in 0..50 {
        let batch = batch(vec![(room, vec![Change::Post(message(&owner, "gone"))])]);
        let apply = store.apply(batch);
        if turn % 2 == 0 {
            // Polled once, then dropped: the work goes on without its caller.
            assert!(apply.now_or_never().is_none());
        } else {
            apply.await.unwrap();
        }
    }
    // One writer in turn: what was dropped before this post is written before it.
    let last = store.post(room, message(&owner, "last")).await;
    assert_eq!(last.seq, 51);
    store.end().await;
}
