//! The built `salon` program as a process of its own, for tests that kill, freeze and restart whole instances.

use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::process::{OwnedProcess, START_WITHIN, free_port, owned_command};

/// A running `salon serve`.
pub(crate) struct SalonProcess {
    process: OwnedProcess,
    folder: TempDir,
    port: u16,
    /// The program, with its arguments, that starts it; usually none.
    below: Vec<String>,
    settings: Vec<(String, String)>,
}

impl SalonProcess {
    /// Starts an instance on a free port with these settings and no others (nothing is inherited but `PATH`),
    /// and waits until it is ready. `SALON_DATA` is a folder of its own that survives [`Self::restart`].
    pub(crate) async fn start(settings: &[(&str, &str)]) -> Self {
        let mut salon = Self::launch(Vec::new(), settings);
        salon.wait_until_ready(START_WITHIN).await;
        salon
    }

    /// The same, below another program that starts it, such as `prlimit --nofile=256`.
    pub(crate) async fn start_below(below: &[&str], settings: &[(&str, &str)]) -> Self {
        let below = below.iter().map(|&word| word.to_owned()).collect();
        let mut salon = Self::launch(below, settings);
        salon.wait_until_ready(START_WITHIN).await;
        salon
    }

    /// The same of another program than the one that was built, such as another release's.
    pub(crate) async fn start_program(program: &str, settings: &[(&str, &str)]) -> Self {
        // The built program's path comes next, and is shifted away.
        let below = ["sh", "-c", "shift; exec \"$0\" \"$@\"", program];
        Self::start_below(&below, settings).await
    }

    /// The same, but it need not become ready: waits until it lives.
    pub(crate) async fn start_unready(settings: &[(&str, &str)]) -> Self {
        let mut salon = Self::launch(Vec::new(), settings);
        let port = salon.port;
        let alive = async || http_status(port, "/livez").await == Some(200);
        salon
            .process
            .wait_until("salon lives", START_WITHIN, alive)
            .await;
        salon
    }

    fn launch(below: Vec<String>, settings: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        let port = free_port();
        let settings: Vec<(String, String)> = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let process = launch(&folder, port, &below, &settings);
        Self {
            process,
            folder,
            port,
            below,
            settings,
        }
    }

    /// Where it listens on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// `http://127.0.0.1:<port>`
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The folder of its embedded database.
    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// SIGTERM: it drains; see [`Self::wait_for_exit`].
    pub(crate) fn terminate(&self) {
        self.process.terminate();
    }

    /// Waits until it ended by itself.
    pub(crate) async fn wait_for_exit(&mut self, within: Duration) -> std::process::ExitStatus {
        self.process.wait_for_exit(within).await
    }

    /// SIGSTOP.
    pub(crate) fn freeze(&self) {
        self.process.freeze();
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        self.process.thaw();
    }

    /// Kills it if it still runs, starts it again on the same port and waits until it is ready.
    pub(crate) async fn restart(&mut self) {
        self.process.kill();
        self.process = launch(&self.folder, self.port, &self.below, &self.settings);
        self.wait_until_ready(START_WITHIN).await;
    }

    /// Whether it has not ended.
    pub(crate) fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// The same with these settings besides its own, this once.
    pub(crate) async fn restart_with(&mut self, more: &[(&str, &str)]) {
        self.process.kill();
        let mut settings = self.settings.clone();
        settings.extend(
            more.iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        self.process = launch(&self.folder, self.port, &self.below, &settings);
        self.wait_until_ready(START_WITHIN).await;
    }

    /// All that it has logged since the first start.
    pub(crate) fn log_text(&self) -> String {
        self.process.log_text()
    }

    async fn wait_until_ready(&mut self, within: Duration) {
        let port = self.port;
        self.process
            .wait_until("salon is ready", within, async || {
                http_status(port, "/readyz").await == Some(200)
            })
            .await;
    }
}

/// The program under test: the one that was built with the tests, or the one that `SALON_PROGRAM` names, a release build.
fn built_program() -> String {
    std::env::var("SALON_PROGRAM").unwrap_or_else(|_| env!("CARGO_BIN_EXE_salon").to_owned())
}

fn launch(
    folder: &TempDir,
    port: u16,
    below: &[String],
    settings: &[(String, String)],
) -> OwnedProcess {
    let program = built_program();
    let words: Vec<String> = below.iter().cloned().chain([program]).collect();
    let mut command = owned_command(&words[0]);
    command
        .args(&words[1..])
        .arg("serve")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("SALON_LISTEN", format!("127.0.0.1:{port}"))
        .env("SALON_DATA", folder.path().join("data"))
        .envs(settings.iter().map(|(name, value)| (name, value)))
        .current_dir(folder.path());
    OwnedProcess::start("salon", folder.path(), command)
}

/// The status of a GET on 127.0.0.1; `None` when there is no HTTP answer within two seconds.
pub(crate) async fn http_status(port: u16, path: &str) -> Option<u16> {
    let answer = http_answer(port, path).await?;
    answer.split_whitespace().nth(1)?.parse().ok()
}

/// The body of a GET on 127.0.0.1, likewise.
pub(crate) async fn http_body(port: u16, path: &str) -> Option<String> {
    let answer = http_answer(port, path).await?;
    Some(answer.split_once("\r\n\r\n")?.1.to_owned())
}

async fn http_answer(port: u16, path: &str) -> Option<String> {
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok()?;
        Some(String::from_utf8_lossy(&answer).into_owned())
    };
    tokio::time::timeout(Duration::from_secs(2), exchange)
        .await
        .ok()?
}
