//! Child processes that a test owns: they log into the test's folder, get signals by their own id, die with their
//! owner, and die with the test process however it ends. Server helpers (`redis`, `postgres`, `salon`) build on it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{OnceLock, mpsc};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

/// How long a process may take to start, on a machine that is busy with other tests.
pub(crate) const START_WITHIN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);

/// A command whose process is killed when the test process ends, even by SIGKILL.
pub(crate) fn owned_command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// The same, run as another user. Both in one `setpriv`: changing the user would clear the death signal.
pub(crate) fn owned_command_as(user: &str, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command
        .arg(format!("--reuid={user}"))
        .arg(format!("--regid={user}"))
        .args(["--init-groups", "--pdeathsig", "KILL", "--"])
        .arg(program);
    command
}

/// A running child process; killed and reaped when dropped.
pub(crate) struct OwnedProcess {
    name: String,
    child: Child,
    log_path: PathBuf,
}

impl OwnedProcess {
    /// Starts `command` (made by [`owned_command`]); what it prints is appended to `<name>.log` in `folder`.
    pub(crate) fn start(name: &str, folder: &Path, mut command: Command) -> Self {
        let log_path = folder.join(format!("{name}.log"));
        let log = File::options()
            .create(true)
            .append(true)
            .open(&log_path)
            .unwrap();
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        Self {
            name: name.to_owned(),
            child: spawn_from_keeper(command),
            log_path,
        }
    }

    /// Its process id; the program replaced `setpriv` in place, so it is the program's own.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All that it has printed.
    pub(crate) fn log_text(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log_path).unwrap_or_default()).into_owned()
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        // Fails only when it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM; see [`Self::wait_for_exit`].
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// SIGSTOP, and waits until it stands still.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.state() != Some('T') {
            assert!(
                Instant::now() < deadline,
                "{} does not stand still",
                self.name
            );
            std::thread::yield_now();
        }
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    /// Whether it has not ended.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until it ends by itself.
    pub(crate) async fn wait_for_exit(&mut self, within: Duration) -> ExitStatus {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "{} still runs after {within:?}; its log:\n{}",
                self.name,
                self.log_text()
            );
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until something accepts connections on `port`; fails at once when the process ended.
    pub(crate) async fn wait_for_port(&mut self, port: u16, within: Duration) {
        let what = format!("{} accepts connections on {port}", self.name);
        self.wait_until(&what, within, async || {
            TcpStream::connect(("127.0.0.1", port)).await.is_ok()
        })
        .await;
    }

    /// Polls `condition` until it holds; fails with the log when the process ends before that or time is up.
    pub(crate) async fn wait_until(
        &mut self,
        what: &str,
        within: Duration,
        mut condition: impl AsyncFnMut() -> bool,
    ) {
        let deadline = Instant::now() + within;
        while !condition().await {
            let running = self.is_running();
            assert!(
                running && Instant::now() < deadline,
                "not within {within:?}: {what} (still running: {running}); its log:\n{}",
                self.log_text()
            );
            tokio::time::sleep(POLL).await;
        }
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .arg(format!("-{signal}"))
            .arg(self.pid().to_string())
            .status()
            .unwrap();
        assert!(sent.success(), "{} takes no SIG{signal}", self.name);
    }

    /// The one-letter state in `/proc/<pid>/stat`, behind the name in parentheses.
    fn state(&self) -> Option<char> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).ok()?;
        stat.rsplit_once(") ")?.1.chars().next()
    }
}

impl Drop for OwnedProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Polls `condition` until it holds; fails when it does not within the time.
pub(crate) async fn eventually(
    what: &str,
    within: Duration,
    mut condition: impl AsyncFnMut() -> bool,
) {
    let deadline = Instant::now() + within;
    while !condition().await {
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        tokio::time::sleep(POLL).await;
    }
}

/// A port of 127.0.0.1 that nobody listens on. Below the range of outgoing connections, so that nothing takes it
/// while its server is down between kill and restart; no two calls in one process get the same.
pub(crate) fn free_port() -> u16 {
    const FIRST: u16 = 12_000;
    const COUNT: u16 = 20_000;
    static NEXT: OnceLock<AtomicU16> = OnceLock::new();
    let next = NEXT.get_or_init(|| AtomicU16::new(rand::random_range(0..COUNT)));
    for _ in 0..COUNT {
        let port = FIRST + next.fetch_add(1, Ordering::Relaxed) % COUNT;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port");
}

/// Spawns on a thread that lives as long as the test process: the death signal comes when the *thread* that
/// started a child ends, and the threads of tests and runtimes end early.
fn spawn_from_keeper(command: Command) -> Child {
    type Order = (Command, mpsc::SyncSender<std::io::Result<Child>>);
    static KEEPER: OnceLock<mpsc::SyncSender<Order>> = OnceLock::new();
    let keeper = KEEPER.get_or_init(|| {
        let (sender, orders) = mpsc::sync_channel::<Order>(16);
        std::thread::Builder::new()
            .name("process-keeper".to_owned())
            .spawn(move || {
                for (mut command, answer) in orders {
                    let _ = answer.send(command.spawn());
                }
            })
            .unwrap();
        sender
    });
    let (sender, answer) = mpsc::sync_channel(1);
    keeper.send((command, sender)).unwrap();
    answer.recv().unwrap().unwrap()
}
