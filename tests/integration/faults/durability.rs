//! The durability guard: an instance over a database that may lose what it confirms is not ready and says why, `salon
//! check` fails, and a setting that names the risk allows both.

use std::process::Command;
use std::time::Duration;

use crate::support::pgbouncer::PgBouncer;
use crate::support::postgres::PostgresServer;
use crate::support::process::eventually;
use crate::support::salon::{SalonProcess, http_body};

/// A changed setting is seen by the next probe; a probe of a busy machine takes its time.
const SEEN: Duration = Duration::from_secs(15);

/// `salon check` over a database: whether it ended well, and what it said.
fn check(url: &str, settings: &[(&str, &str)]) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_salon"))
        .arg("check")
        .current_dir(folder.path())
        .env_clear()
        .env("DATABASE_URL", url)
        .env("SALON_LISTEN", "127.0.0.1:0")
        .envs(settings.iter().copied())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    (output.status.success(), said)
}

/// Waits until `/readyz` says so.
async fn says(port: u16, wanted: &str) {
    let what = format!("/readyz says {wanted:?}");
    eventually(&what, SEEN, async || {
        http_body(port, "/readyz").await.as_deref() == Some(wanted)
    })
    .await;
}

/// Both commands refuse for this setting, and go on when the risk is allowed.
async fn refuses(url: &str, named: &str) {
    let (well, said) = check(url, &[]);
    assert!(
        !well && said.contains(&format!("NO, {named} off")),
        "{said}"
    );
    let allowed = [("SALON_ALLOW_DATA_LOSS", "on")];
    let (well, said) = check(url, &allowed);
    assert!(
        well && said.contains(&format!("WARNING: {named} off")),
        "{said}"
    );

    let settings = [("DATABASE_URL", url), ("SALON_MIGRATE", "off")];
    let refused = SalonProcess::start_unready(&settings).await;
    says(
        refused.port(),
        &format!("database not durable: {named} off\n"),
    )
    .await;
    assert_eq!(
        http_body(refused.port(), "/livez").await.as_deref(),
        Some("ok\n"),
        "not a reason to be restarted"
    );
    eventually("the log says it", SEEN, async || {
        refused.log_text().contains("not ready: off")
    })
    .await;
    let mut settings = settings.to_vec();
    settings.extend(allowed);
    let serving = SalonProcess::start(&settings).await;
    eventually("the log warns", SEEN, async || {
        let log = serving.log_text();
        log.contains("SALON_ALLOW_DATA_LOSS allows it") && log.contains(named)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_fsync_is_not_ready() {
    let server = PostgresServer::start(&["fsync=off"]).await;
    refuses(&server.url("salon_template"), "fsync").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_full_page_writes_is_not_ready() {
    let server = PostgresServer::start(&["full_page_writes=off"]).await;
    refuses(&server.url("salon_template"), "full_page_writes").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_synchronous_commit_is_not_ready_also_behind_the_pooler() {
    let server = PostgresServer::start(&["synchronous_commit=off"]).await;
    refuses(&server.url("salon_template"), "synchronous_commit").await;
    let pooler = PgBouncer::start_as_deployed(&server).await;
    refuses(&pooler.url("salon_template"), "synchronous_commit").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_that_changes_under_a_running_server_is_seen_and_unseen() {
    let server = PostgresServer::start(&[]).await;
    let pooler = PgBouncer::start_as_deployed(&server).await;
    let (direct, pooled) = (server.url("salon_template"), pooler.url("salon_template"));
    let settings = |url| [("DATABASE_URL", url), ("SALON_MIGRATE", "off")];
    let instances = [
        SalonProcess::start(&settings(direct.as_str())).await,
        SalonProcess::start(&settings(pooled.as_str())).await,
    ];
    assert!(check(&direct, &[]).0 && check(&pooled, &[]).0);
    let changes = [
        (
            "ALTER SYSTEM SET fsync = off",
            "ALTER SYSTEM RESET fsync",
            "fsync",
        ),
        (
            "ALTER SYSTEM SET full_page_writes = off",
            "ALTER SYSTEM RESET full_page_writes",
            "full_page_writes",
        ),
        (
            "ALTER SYSTEM SET synchronous_commit = off",
            "ALTER SYSTEM RESET synchronous_commit",
            "synchronous_commit",
        ),
        // Open sessions keep what they have; the next ones would not.
        (
            "ALTER DATABASE salon_template SET synchronous_commit = off",
            "ALTER DATABASE salon_template RESET synchronous_commit",
            "synchronous_commit",
        ),
        (
            "ALTER ROLE salon SET synchronous_commit = 'false'",
            "ALTER ROLE salon RESET synchronous_commit",
            "synchronous_commit",
        ),
    ];
    for (change, undo, named) in changes {
        server.execute("postgres", change).await;
        server.execute("postgres", "SELECT pg_reload_conf()").await;
        for instance in &instances {
            says(
                instance.port(),
                &format!("database not durable: {named} off\n"),
            )
            .await;
        }
        let (well, said) = check(&pooled, &[]);
        assert!(!well && said.contains(named), "{change}: {said}");
        server.execute("postgres", undo).await;
        server.execute("postgres", "SELECT pg_reload_conf()").await;
        // Whoever connected meanwhile has the role's or the database's setting for as long as the session lives.
        pooler.admin("RECONNECT").await;
        for instance in &instances {
            says(instance.port(), "ok\n").await;
        }
    }
    for durable in ["on", "local", "remote_write", "remote_apply"] {
        let change = format!("ALTER ROLE salon SET synchronous_commit = {durable}");
        server.execute("postgres", &change).await;
        assert!(check(&direct, &[]).0, "{durable}");
    }
    // The narrower setting holds: the database's is overruled by the role's.
    server
        .execute(
            "postgres",
            "ALTER DATABASE salon_template SET synchronous_commit = off",
        )
        .await;
    assert!(check(&direct, &[]).0);
    says(instances[0].port(), "ok\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_database_is_durable_and_needs_no_leave() {
    let server = SalonProcess::start(&[]).await;
    says(server.port(), "ok\n").await;
    assert!(!server.log_text().contains("ALLOW_DATA_LOSS"));
}
