//! A Redis server of a test's own: empty at each start, on a free port, gone with its owner.

use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::certificate::make_certificate;
use super::process::{OwnedProcess, START_WITHIN, free_port, owned_command};

/// A running `redis-server` without persistence.
pub(crate) struct RedisServer {
    process: OwnedProcess,
    folder: TempDir,
    port: u16,
    options: Vec<String>,
}

impl RedisServer {
    /// Starts one and waits until it answers.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts one that speaks TLS as well: on the second value, a port of 127.0.0.1, with a certificate of the authority
    /// in [`Self::authority_file`].
    pub(crate) async fn start_with_tls() -> (Self, u16) {
        let folder = TempDir::new().unwrap();
        make_certificate(folder.path());
        let port = free_port();
        let file = |name: &str| folder.path().join(name).display().to_string();
        let options = [
            ("--tls-port", port.to_string()),
            ("--tls-cert-file", file("server.pem")),
            ("--tls-key-file", file("server.key")),
            ("--tls-ca-cert-file", file("authority.pem")),
            ("--tls-auth-clients", "no".to_owned()),
        ];
        let options = options
            .into_iter()
            .flat_map(|(name, value)| [name.to_owned(), value])
            .collect();
        (Self::start_in(folder, options).await, port)
    }

    /// The certificate of the authority that signed the server's, in PEM.
    pub(crate) fn authority_file(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// Starts the nodes of a Redis Cluster that know each other. They own no slots, which pub/sub does not need.
    pub(crate) async fn start_cluster<const NODES: usize>() -> [Self; NODES] {
        let mut nodes = Vec::new();
        for _ in 0..NODES {
            let bus = free_port().to_string();
            let options = ["--cluster-enabled", "yes", "--cluster-port", &bus];
            nodes.push((Self::start_with(&options).await, bus));
        }
        for (node, _) in &nodes {
            let mut connection = node.connection().await;
            for (other, bus) in &nodes {
                redis::cmd("CLUSTER")
                    .arg(("MEET", "127.0.0.1", other.port, bus))
                    .exec_async(&mut connection)
                    .await
                    .unwrap();
            }
        }
        for (node, _) in &mut nodes {
            let mut connection = node.connection().await;
            // A link each way to each other node.
            let links = 2 * (NODES - 1);
            let linked = async || {
                redis::cmd("CLUSTER")
                    .arg("LINKS")
                    .query_async::<Vec<redis::Value>>(&mut connection)
                    .await
                    .is_ok_and(|all| all.len() == links)
            };
            let what = "the nodes know each other";
            node.process.wait_until(what, START_WITHIN, linked).await;
        }
        let nodes: Vec<Self> = nodes.into_iter().map(|(node, _)| node).collect();
        nodes.try_into().ok().unwrap()
    }

    /// Makes the nodes of a cluster share all slots, as keys need it.
    pub(crate) async fn share_slots(nodes: &mut [Self]) {
        let part = 16_384 / nodes.len();
        let count = nodes.len();
        for (index, node) in nodes.iter().enumerate() {
            let last = if index + 1 == count {
                16_383
            } else {
                (index + 1) * part - 1
            };
            let mut connection = node.connection().await;
            redis::cmd("CLUSTER")
                .arg(("ADDSLOTSRANGE", index * part, last))
                .exec_async(&mut connection)
                .await
                .unwrap();
        }
        for node in nodes {
            let mut connection = node.connection().await;
            let is_ok = async || {
                let about = redis::cmd("CLUSTER").arg("INFO").to_owned();
                let about: Result<String, _> = about.query_async(&mut connection).await;
                about.is_ok_and(|about| about.contains("cluster_state:ok"))
            };
            let what = "the nodes share the slots";
            node.process.wait_until(what, START_WITHIN, is_ok).await;
        }
    }

    async fn start_with(options: &[&str]) -> Self {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        Self::start_in(TempDir::new().unwrap(), options).await
    }

    async fn start_in(folder: TempDir, options: Vec<String>) -> Self {
        let port = free_port();
        let process = launch(&folder, port, &options);
        let mut server = Self {
            process,
            folder,
            port,
            options,
        };
        server.process.wait_for_port(port, START_WITHIN).await;
        server
    }

    /// `redis://127.0.0.1:<port>/`
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Where it listens on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// All that it has logged since the first start.
    pub(crate) fn log_text(&self) -> String {
        self.process.log_text()
    }

    /// SIGKILL: connections are refused from here on.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts again on the same port, empty.
    pub(crate) async fn restart(&mut self) {
        self.process.kill();
        self.process = launch(&self.folder, self.port, &self.options);
        self.process.wait_for_port(self.port, START_WITHIN).await;
    }

    /// SIGSTOP: connections stay open, nothing answers.
    pub(crate) fn freeze(&self) {
        self.process.freeze();
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        self.process.thaw();
    }

    /// A plain connection for a test's own commands.
    pub(crate) async fn connection(&self) -> redis::aio::MultiplexedConnection {
        redis::Client::open(self.url())
            .unwrap()
            .get_multiplexed_async_connection_with_config(
                &redis::AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(Duration::from_secs(10)))
                    .set_response_timeout(Some(Duration::from_secs(10))),
            )
            .await
            .unwrap()
    }
}

fn launch(folder: &TempDir, port: u16, options: &[String]) -> OwnedProcess {
    let mut command = owned_command("redis-server");
    command
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
        .args(options)
        .arg("--dir")
        .arg(folder.path());
    OwnedProcess::start("redis", folder.path(), command)
}
