//! HAProxy with the file that deployments use (`deploy/haproxy.cfg`), before instances of a test.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::process::{OwnedProcess, START_WITHIN, free_port, owned_command};

/// The servers that `deploy/haproxy.cfg` has lines for.
const SERVERS_MAX: usize = 8;

/// A running balancer: round robin, no stickiness.
pub(crate) struct HaproxyServer {
    process: OwnedProcess,
    folder: TempDir,
    port: u16,
    instances: Vec<u16>,
    /// Processes that a reload replaced and that still serve what they had.
    replaced: Vec<OwnedProcess>,
}

impl HaproxyServer {
    /// Starts one on a free port before the instances that listen on these ports of 127.0.0.1.
    pub(crate) async fn start(instances: &[u16]) -> Self {
        Self::start_with(instances, &[]).await
    }

    /// The same with some of the file's words replaced, each of which must be there: shorter times, as a rule.
    pub(crate) async fn start_with(instances: &[u16], replaced: &[(&str, &str)]) -> Self {
        assert!((1..=SERVERS_MAX).contains(&instances.len()));
        let folder = TempDir::new().unwrap();
        let port = free_port();
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/haproxy.cfg");
        let mut text = std::fs::read_to_string(file).unwrap();
        for (word, other) in replaced {
            assert!(text.contains(word), "{word}");
            text = text.replace(word, other);
        }
        std::fs::write(folder.path().join("haproxy.cfg"), text).unwrap();
        let process = launch(&folder, port, instances, &[]);
        let mut server = Self {
            process,
            folder,
            port,
            instances: instances.to_vec(),
            replaced: Vec::new(),
        };
        server.process.wait_for_port(port, START_WITHIN).await;
        server
    }

    /// Where it listens on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// `http://127.0.0.1:<port>`
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// SIGKILL: every connection through it breaks.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// All that it has logged since the first start.
    pub(crate) fn log_text(&self) -> String {
        self.process.log_text()
    }

    /// A new process takes the port over; the old one keeps the connections it has until [`Self::end_replaced`].
    pub(crate) async fn reload(&mut self) {
        let old = self.process.pid().to_string();
        let new = launch(&self.folder, self.port, &self.instances, &["-sf", &old]);
        let replaced = std::mem::replace(&mut self.process, new);
        self.replaced.push(replaced);
        self.process.wait_for_port(self.port, START_WITHIN).await;
    }

    /// Ends what reloads left behind, as `hard-stop-after` does: its connections break.
    pub(crate) fn end_replaced(&mut self) {
        self.replaced.clear();
    }

    /// Starts again on the same port.
    pub(crate) async fn restart(&mut self) {
        self.end_replaced();
        self.process.kill();
        self.process = launch(&self.folder, self.port, &self.instances, &[]);
        self.process.wait_for_port(self.port, START_WITHIN).await;
    }

    /// Waits until the process before the last reload has ended by itself.
    pub(crate) async fn wait_for_replaced(&mut self, within: Duration) {
        let replaced = self.replaced.last_mut().expect("a reload");
        replaced.wait_for_exit(within).await;
    }
}

fn launch(folder: &TempDir, port: u16, instances: &[u16], more: &[&str]) -> OwnedProcess {
    let file = folder.path().join("haproxy.cfg");
    let mut command = owned_command("haproxy");
    command
        .args(["-db", "-f"])
        .arg(file)
        .args(more)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("BALANCER_LISTEN", format!("127.0.0.1:{port}"));
    for (index, instance) in instances.iter().enumerate() {
        command.env(
            format!("SALON_SERVER_{}", index + 1),
            format!("127.0.0.1:{instance}"),
        );
    }
    OwnedProcess::start("haproxy", folder.path(), command)
}
