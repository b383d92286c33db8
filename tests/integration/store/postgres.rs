//! The suite's factories for Postgres: each test has a database of its own on one shared server, once directly and once
//! through `PgBouncer` in transaction mode with fewer connections than the store has.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use salon::db::postgres::{PostgresSettings, PostgresStore};
use salon::ids::{RoomId, Seq};
use tokio::sync::OnceCell;

use super::fixtures::{BackEnd, TestStore};
use crate::support::pgbouncer::PgBouncer;
use crate::support::postgres::TestDatabase;

struct Database(TestDatabase);

impl BackEnd for Database {
    fn age(&self, seconds: i64) -> BoxFuture<'_, ()> {
        async move {
            self.0
                .execute(&format!(
                    "UPDATE replies SET lease_until = lease_until - interval '{seconds} s';
                     UPDATE sessions SET expires_at = expires_at - interval '{seconds} s', \
                         ends_at = ends_at - interval '{seconds} s', created_at = created_at - interval '{seconds} s', \
                         last_seen_at = last_seen_at - interval '{seconds} s';
                     UPDATE revocations SET at = at - interval '{seconds} s';
                     UPDATE tickets SET expires_at = expires_at - interval '{seconds} s';
                     UPDATE invites SET expires_at = expires_at - interval '{seconds} s';
                     UPDATE api_tokens SET expires_at = expires_at - interval '{seconds} s', last_used_at = last_used_at - interval '{seconds} s';
                     UPDATE incoming_hooks SET last_used_at = last_used_at - interval '{seconds} s';
                     UPDATE outgoing_webhooks SET next_at = next_at - interval '{seconds} s', \
                         lease_until = lease_until - interval '{seconds} s', \
                         failing_since = failing_since - interval '{seconds} s', \
                         former_until = former_until - interval '{seconds} s';
                     UPDATE batches SET created_at = created_at - interval '{seconds} s';"
                ))
                .await;
        }
        .boxed()
    }

    fn set_clock_back(&self, seconds: i64) -> BoxFuture<'_, ()> {
        async move {
            // The clock itself is the machine's; that it stands before the rooms' last times is all the same.
            self.0
                .execute(&format!(
                    "UPDATE room_heads SET last_at = last_at + interval '{seconds} s';
                     UPDATE messages SET created_at = created_at + interval '{seconds} s';"
                ))
                .await;
        }
        .boxed()
    }

    fn age_messages(&self, seconds: i64) -> BoxFuture<'_, ()> {
        async move {
            self.0
                .execute(&format!(
                    "UPDATE messages SET created_at = created_at - interval '{seconds} s'"
                ))
                .await;
        }
        .boxed()
    }

    fn rows_of(&self, room: RoomId) -> BoxFuture<'_, Vec<(String, usize)>> {
        async move {
            let client = self.0.client().await;
            let tables = "SELECT table_name::text FROM information_schema.columns \
                WHERE table_schema = 'public' AND column_name = 'room_id' ORDER BY 1";
            let mut found = Vec::new();
            for row in client.query(tables, &[]).await.unwrap() {
                let table: String = row.get(0);
                let count = format!("SELECT count(*) FROM {table} WHERE room_id = '{room}'");
                let count: i64 = client.query_one(&count, &[]).await.unwrap().get(0);
                if count > 0 && table != "room_heads" {
                    found.push((table, count as usize));
                }
            }
            found
        }
        .boxed()
    }

    fn bury(&self, room: RoomId, seq: Seq) -> BoxFuture<'_, ()> {
        async move {
            self.0
                .execute(&format!(
                    "UPDATE messages SET body = '', html = NULL, deleted_at = now() \
                     WHERE room_id = '{room}' AND seq = {seq}"
                ))
                .await;
        }
        .boxed()
    }

    fn end(self: Box<Self>) -> BoxFuture<'static, ()> {
        self.0.drop().boxed()
    }
}

/// A store of the database at `url`, with settings that suit a test.
pub(crate) fn store_at(url: &str) -> Arc<PostgresStore> {
    PostgresStore::connect(&PostgresSettings {
        url: url.to_owned().into(),
        pool_size: 4,
        wait: Duration::from_secs(1),
        connect_timeout: Duration::from_secs(3),
    })
    .unwrap()
}

/// A store on a database of its own.
pub(crate) async fn direct() -> TestStore {
    on(TestDatabase::shared().await)
}

/// A store that keeps its database.
pub(crate) fn on(database: TestDatabase) -> TestStore {
    TestStore {
        store: store_at(&database.url()),
        back_end: Box::new(Database(database)),
    }
}

/// The same, through a pooler that all these tests share.
pub(crate) async fn pooled() -> TestStore {
    static POOLER: OnceCell<PgBouncer> = OnceCell::const_new();
    let database = TestDatabase::shared().await;
    let pooler = POOLER
        .get_or_init(|| PgBouncer::start(database.server(), 2, &["server_idle_timeout = 1"]))
        .await;
    TestStore {
        store: store_at(&pooler.url(database.name())),
        back_end: Box::new(Database(database)),
    }
}
