//! A `PgBouncer` of a test's own, in transaction mode before one server. The program comes from
//! `tests/support/pgbouncer-install`, since Debian 12 has one that is too old.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::postgres::{PostgresServer, USER, connect, server_command, server_folder};
use super::process::{OwnedProcess, START_WITHIN, free_port};

/// A running pooler; every database of its server can be reached through it.
pub(crate) struct PgBouncer {
    process: Option<OwnedProcess>,
    folder: TempDir,
    port: u16,
}

impl PgBouncer {
    /// Starts one with so many connections to the server for each database. Each further setting is a line of its
    /// configuration, `name = value`.
    pub(crate) async fn start(server: &PostgresServer, pool_size: u32, settings: &[&str]) -> Self {
        let folder = server_folder();
        let port = free_port();
        let configuration = format!(
            "[databases]\n* = host=127.0.0.1 port={server_port} user={USER}\n\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\nadmin_users = {USER}\npool_mode = transaction\n\
             max_client_conn = 2000\ndefault_pool_size = {pool_size}\nserver_login_retry = 1\n\
             server_connect_timeout = 3\nquery_wait_timeout = 5\n{settings}\n",
            server_port = server.port(),
            settings = settings.join("\n"),
        );
        Self::start_in(folder, port, &configuration).await
    }

    /// Starts one with the very settings that deployments use (`deploy/pgbouncer.ini`), before the test's server.
    pub(crate) async fn start_as_deployed(server: &PostgresServer) -> Self {
        Self::start_as_deployed_before(server.port()).await
    }

    /// The same before a server, or a way to it, that listens on this port of 127.0.0.1.
    pub(crate) async fn start_as_deployed_before(server_port: u16) -> Self {
        let deployed = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/pgbouncer.ini");
        let deployed = std::fs::read_to_string(deployed).unwrap();
        let port = free_port();
        // Only where it listens, where the server is and who may connect. A second section would undo the first.
        let database = format!("* = host=127.0.0.1 port={server_port} user={USER}");
        let configuration: String = deployed
            .lines()
            .map(|line| match line.split_once(" = ") {
                Some(("salon", _)) => format!("{database}\n"),
                Some(("listen_addr", _)) => "listen_addr = 127.0.0.1\n".to_owned(),
                Some(("listen_port", _)) => format!("listen_port = {port}\n"),
                Some(("auth_type", _)) => format!("auth_type = any\nadmin_users = {USER}\n"),
                Some(("auth_file", _)) => String::new(),
                _ => format!("{line}\n"),
            })
            .collect();
        assert!(configuration.contains(&database));
        Self::start_in(server_folder(), port, &configuration).await
    }

    async fn start_in(folder: TempDir, port: u16, configuration: &str) -> Self {
        std::fs::write(folder.path().join("pgbouncer.ini"), configuration).unwrap();
        let mut pooler = Self {
            process: None,
            folder,
            port,
        };
        pooler.run().await;
        pooler
    }

    async fn run(&mut self) {
        let mut command = server_command(&program().await);
        command.arg(self.folder.path().join("pgbouncer.ini"));
        let mut process = OwnedProcess::start("pgbouncer", self.folder.path(), command);
        process.wait_for_port(self.port, START_WITHIN).await;
        self.process = Some(process);
    }

    /// The address of a database through the pooler.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// All that it has logged since the first start.
    pub(crate) fn log_text(&self) -> String {
        let log = self.folder.path().join("pgbouncer.log");
        String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned()
    }

    /// A command of its admin console, such as `PAUSE`, `RESUME`, `KILL test_1` or `RECONNECT`.
    pub(crate) async fn admin(&self, command: &str) {
        let client = connect(&self.url("pgbouncer")).await.expect("the console");
        client.simple_query(command).await.unwrap();
    }

    /// SIGKILL: every connection through it is lost at once.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again on the same port.
    pub(crate) async fn restart(&mut self) {
        self.kill();
        self.run().await;
    }
}

/// The program, installed when it is not there: in `target/`, or, where the server's user may not look, in the
/// folder for temporary files.
async fn program() -> PathBuf {
    static PROGRAM: OnceCell<PathBuf> = OnceCell::const_new();
    PROGRAM
        .get_or_init(|| async {
            let installed = tokio::task::spawn_blocking(|| {
                let program = install(&[]);
                let runs = server_command(&program).arg("--version").output();
                if runs.is_ok_and(|output| output.status.success()) {
                    return program;
                }
                let folder = std::env::temp_dir().join("salon-tools-pgbouncer");
                install(&[folder.to_str().unwrap()])
            });
            installed.await.unwrap()
        })
        .await
        .clone()
}

fn install(arguments: &[&str]) -> PathBuf {
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/support/pgbouncer-install"
    );
    let output = Command::new(script).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}
