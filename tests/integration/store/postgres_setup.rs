//! Reaching and preparing a Postgres: migrations that many may start at once and that can be taken back, TLS as the URL
//! asks, and what a server says of itself.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use salon::db::postgres::{describe, migrate, pending};
use salon::db::{Store, StoreError};

use super::postgres::store_at;
use crate::support::pgbouncer::PgBouncer;
use crate::support::postgres::{PostgresServer, TestDatabase, server_user};

/// Every column, constraint and index that migrations made, as text.
async fn schema(database: &TestDatabase) -> Vec<String> {
    let question = "SELECT format('%s.%s %s %s %s', table_name, column_name, data_type, is_nullable, column_default)
             FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE '\\_\\_%'
         UNION ALL SELECT format('%s %s', conname, pg_get_constraintdef(c.oid)) FROM pg_constraint c
             JOIN pg_class t ON t.oid = c.conrelid
             WHERE c.connamespace = 'public'::regnamespace AND t.relname NOT LIKE '\\_\\_%'
         UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename NOT LIKE '\\_\\_%'
         ORDER BY 1";
    let rows = database.client().await.query(question, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn empty_database() -> TestDatabase {
    let database = TestDatabase::shared().await;
    database
        .execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        .await;
    database
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_may_migrate_at_once() {
    let database = empty_database().await;
    let url = database.url();
    let mut all = pending(&url).await.unwrap();
    all.sort_unstable();
    assert!(!all.is_empty());
    let ran = futures_util::future::join_all((0..5).map(|_| migrate(&url))).await;
    let ran: Vec<Vec<String>> = ran.into_iter().map(Result::unwrap).collect();
    // Each by one of them.
    let mut ran: Vec<String> = ran.into_iter().flatten().collect();
    ran.sort_unstable();
    assert_eq!(ran, all);
    assert!(pending(&url).await.unwrap().is_empty());
    let store = store_at(&url);
    assert_eq!(store.assistant().await.unwrap().name, "assistant");
    database.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_in_transaction_mode_may_stand_before_a_migration() {
    let database = empty_database().await;
    let pooler = PgBouncer::start(database.server(), 2, &[]).await;
    let url = pooler.url(database.name());
    let ran = futures_util::future::join_all((0..4).map(|_| migrate(&url))).await;
    let ran = ran.into_iter().flat_map(Result::unwrap);
    assert!(ran.count() >= 1);
    assert!(pending(&url).await.unwrap().is_empty());
    database.drop().await;
}

#[tokio::test]
async fn a_connection_that_outlived_its_plans_is_replaced() {
    let database = TestDatabase::shared().await;
    let store = store_at(&database.url());
    store.assistant().await.unwrap();
    // Changes the type of what a prepared statement returns, which it cannot follow.
    database
        .execute("ALTER TABLE users ALTER COLUMN name TYPE varchar(64)")
        .await;
    let first = store.assistant().await;
    assert!(
        matches!(first, Err(StoreError::Unavailable(_)) | Ok(_)),
        "{first:?}"
    );
    assert_eq!(store.assistant().await.unwrap().name, "assistant");
    database.drop().await;
}

#[tokio::test]
async fn migrations_go_up_down_and_up_again() {
    let database = empty_database().await;
    let url = database.url();
    migrate(&url).await.unwrap();
    let up = schema(&database).await;
    assert!(up.len() > 50, "{up:#?}");

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/postgres");
    let mut folders: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    for migration in folders.iter().rev() {
        let down = std::fs::read_to_string(migration.join("down.sql")).unwrap();
        database.execute(&down).await;
    }
    assert_eq!(schema(&database).await, Vec::<String>::new());

    database
        .execute("DELETE FROM __diesel_schema_migrations")
        .await;
    assert_eq!(migrate(&url).await.unwrap().len(), folders.len());
    assert_eq!(schema(&database).await, up);
    database.drop().await;
}

/// Rows of `rooms` that were read one after the other, and how often each of two indexes was used.
async fn scans(database: &TestDatabase) -> (i64, [i64; 2]) {
    let question = "SELECT s.seq_scan, \
            (SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'rooms_listed'), \
            (SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'rooms_grams') \
        FROM pg_stat_user_tables s WHERE s.relname = 'rooms'";
    let row = database
        .client()
        .await
        .query_one(question, &[])
        .await
        .unwrap();
    (row.get(0), [row.get(1), row.get(2)])
}

/// The server's own counts tell what its plans do with the statements as they are sent; `EXPLAIN` would tell of a copy.
#[tokio::test]
async fn lists_of_rooms_are_found_by_their_indexes() {
    let database = TestDatabase::shared().await;
    database
        .execute(
            "INSERT INTO rooms (id, slug, name, visibility, topic) \
                 SELECT gen_random_uuid(), 'room-' || n, 'Number ' || md5(n::text), 'public', md5('topic' || n) \
                 FROM generate_series(1, 20000) AS n; \
             INSERT INTO room_heads (room_id, epoch) SELECT id, 1 FROM rooms ON CONFLICT DO NOTHING; \
             ANALYZE rooms, room_heads, memberships",
        )
        .await;
    let store = store_at(&database.url());
    let user = store.assistant().await.unwrap().id;
    let (read, before) = scans(&database).await;
    // A server tells its counts a second later at most, to whoever asks then.
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        for _ in 0..8 {
            let found = store.public_rooms(user, "room-1234", None, 50).await;
            assert_eq!(found.unwrap().len(), 11);
            let found = store.public_rooms(user, "", Some("room-5"), 50).await;
            assert_eq!(found.unwrap().len(), 50);
            let listed = store.rooms(user, None, 51).await.unwrap();
            assert_eq!(listed.len(), 51);
        }
        let (_, [public, grams]) = scans(&database).await;
        if public >= before[0] + 16 && grams >= before[1] + 8 {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "not by the indexes: {public}, {grams}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (now, _) = scans(&database).await;
    assert_eq!(now, read, "nothing read all rooms");
    database.drop().await;
}

#[tokio::test]
async fn a_server_says_whether_its_acks_are_durable() {
    let server = Arc::new(PostgresServer::start(&[]).await);
    let database = server.database().await;
    let said = describe(&database.url()).await.unwrap();
    assert_eq!(said.not_durable().count(), 0, "{said:?}");
    let name = database.name();
    database
        .execute(&format!(
            "ALTER DATABASE {name} SET synchronous_commit = off"
        ))
        .await;
    let said = describe(&database.url()).await.unwrap();
    assert_eq!(
        said.not_durable().collect::<Vec<_>>(),
        ["synchronous_commit"]
    );
    let nobody = describe("postgres://salon:hunter2@127.0.0.1:1/nowhere").await;
    let error = nobody.unwrap_err().to_string();
    assert!(!error.contains("hunter2"), "{error}");
    database.drop().await;
}

/// A certificate authority, and a server certificate of it for `localhost` only.
fn certificates(folder: &Path) {
    let script = "
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=root -keyout root.key -out root.pem
        openssl req -newkey rsa:2048 -nodes -subj /CN=server -keyout server.key -out server.csr
        printf 'subjectAltName=DNS:localhost\\nbasicConstraints=CA:FALSE' > extensions
        openssl x509 -req -in server.csr -CA root.pem -CAkey root.key -CAcreateserial -days 2 \\
            -extfile extensions -out server.pem
        chmod 600 server.key";
    let made = Command::new("sh")
        .args(["-ec", script])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    // Fails when the tests do not run as root; then the server is not another user either.
    let _ = Command::new("chown")
        .args(["-R", server_user()])
        .arg(folder)
        .output();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_verified_as_the_url_asks() {
    let folder = crate::support::postgres::server_folder();
    certificates(folder.path());
    let path = |file: &str| folder.path().join(file).to_str().unwrap().to_owned();
    let server = PostgresServer::start(&[
        "ssl=on",
        &format!("ssl_cert_file={}", path("server.pem")),
        &format!("ssl_key_file={}", path("server.key")),
    ])
    .await;
    let root = path("root.pem");
    let at = |host: &str, query: &str| {
        format!(
            "postgres://salon@{host}:{}/salon_template?{query}",
            server.port()
        )
    };
    let trusted = format!("&sslrootcert={root}");
    for (host, query, works, encrypted) in [
        ("localhost", "sslmode=disable".to_owned(), true, false),
        ("127.0.0.1", "sslmode=prefer".to_owned(), true, true),
        ("localhost", "sslmode=require".to_owned(), false, true),
        ("localhost", format!("sslmode=require{trusted}"), true, true),
        (
            "localhost",
            format!("sslmode=verify-full{trusted}"),
            true,
            true,
        ),
        (
            "127.0.0.1",
            format!("sslmode=verify-full{trusted}"),
            false,
            true,
        ),
        (
            "127.0.0.1",
            format!("sslmode=verify-ca{trusted}"),
            true,
            true,
        ),
        ("localhost", "sslmode=verify-ca".to_owned(), false, true),
    ] {
        let store = store_at(&at(host, &query));
        let result = store.ping().await;
        assert_eq!(result.is_ok(), works, "{host} {query}: {result:?}");
        if !works {
            assert!(
                matches!(result, Err(StoreError::Unavailable(_))),
                "{result:?}"
            );
            continue;
        }
        let plain = crate::support::postgres::connect(&server.url("postgres"))
            .await
            .unwrap();
        let question = "SELECT count(*) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) \
                        WHERE a.datname = 'salon_template' AND s.ssl = $1";
        let rows = plain.query(question, &[&encrypted]).await.unwrap();
        assert_eq!(rows[0].get::<_, i64>(0), 1, "{host} {query}");
        drop(store);
        crate::support::process::eventually(
            "the connection is gone",
            std::time::Duration::from_secs(5),
            async || {
                let rows = plain.query(question, &[&encrypted]).await.unwrap();
                rows[0].get::<_, i64>(0) == 0
            },
        )
        .await;
    }
}
