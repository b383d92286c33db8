//! Postgres servers for tests: one that all tests of a process share, each with a database of its own, and owned ones
//! for tests that kill, freeze or measure theirs. They run as another user (a server refuses to be root), in a folder of
//! their own, and die with the test process. Owned ones sync as in production.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use salon::db::postgres::migrate;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::process::{OwnedProcess, START_WITHIN, free_port, owned_command_as};

/// The database user of every test; the server trusts whoever connects from this machine.
pub(crate) const USER: &str = "salon";
const TEMPLATE: &str = "salon_template";
const FOLDER_PREFIX: &str = "salon-test-";

/// The user a server runs as, when the tests run as root.
pub(crate) fn server_user() -> &'static str {
    let known = std::fs::read_to_string("/etc/passwd").unwrap();
    if known.lines().any(|line| line.starts_with("postgres:")) {
        "postgres"
    } else {
        "nobody"
    }
}

/// A command as [`server_user`], or as the present user when that is not root; dies with the test process.
pub(crate) fn server_command(program: &Path) -> Command {
    if is_root() {
        owned_command_as(server_user(), program)
    } else {
        super::process::owned_command(program)
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout == b"0\n"
}

/// A folder that the server's user may write. Its name says whose it is: a server that all tests share is not dropped
/// when they end, so the folders of test processes that are gone are removed here.
pub(crate) fn server_folder() -> TempDir {
    static SWEPT: Once = Once::new();
    SWEPT.call_once(remove_abandoned_folders);
    let folder = tempfile::Builder::new()
        .prefix(&format!("{FOLDER_PREFIX}{}-", std::process::id()))
        .tempdir()
        .unwrap();
    if is_root() {
        let owner = format!("{}:", server_user());
        let changed = Command::new("chown").arg(owner).arg(folder.path()).status();
        assert!(changed.unwrap().success());
    }
    folder
}

fn remove_abandoned_folders() {
    for entry in std::fs::read_dir(std::env::temp_dir()).unwrap().flatten() {
        let name = entry.file_name();
        let process = name
            .to_str()
            .and_then(|name| name.strip_prefix(FOLDER_PREFIX)?.split_once('-'));
        if let Some((process, _)) = process
            && !Path::new("/proc").join(process).exists()
        {
            let _ = Command::new("umount")
                .arg("-l")
                .arg(entry.path().join("data"))
                .output();
            // Another test process may be removing it as well.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// The folder of the newest installed server's programs.
fn programs() -> PathBuf {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|versions| {
            versions
                .filter_map(|version| {
                    let path = version.ok()?.path();
                    let number = path.file_name()?.to_str()?.parse().ok()?;
                    let programs = path.join("bin");
                    programs
                        .join("initdb")
                        .exists()
                        .then_some((number, programs))
                })
                .collect()
        })
        .unwrap_or_default();
    found.sort();
    let newest = found.pop().expect("package postgresql is not installed");
    newest.1
}

/// A file system of its own at a folder; gone with its owner.
struct Mount(PathBuf);

impl Mount {
    /// So many megabytes of memory as a disk; none without the right to mount.
    fn memory(folder: PathBuf, megabytes: u32) -> Option<Self> {
        std::fs::create_dir_all(&folder).unwrap();
        let options = format!("size={megabytes}m,mode=0700,uid={0},gid={0}", server_user());
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(&folder)
            .output();
        let mounted = mounted.is_ok_and(|output| output.status.success());
        mounted.then_some(Self(folder))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // At once, whoever still has a file open in it.
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

/// A running Postgres.
pub(crate) struct PostgresServer {
    process: Option<OwnedProcess>,
    disk: Option<Mount>,
    folder: TempDir,
    port: u16,
    options: Vec<String>,
}

impl PostgresServer {
    /// A new, empty, migrated server that nobody else uses. Each option is one `name=value` of its configuration.
    pub(crate) async fn start(options: &[&str]) -> Self {
        Self::start_in(server_folder(), None, options).await
    }

    /// The same with its tables on a disk of so many megabytes, and its WAL elsewhere; none without the right to mount.
    pub(crate) async fn start_on_small_disk(megabytes: u32) -> Option<Self> {
        let folder = server_folder();
        let disk = is_root().then(|| Mount::memory(folder.path().join("data"), megabytes))??;
        Some(Self::start_in(folder, Some(disk), &[]).await)
    }

    /// Fills what is left of its small disk.
    pub(crate) fn fill_disk(&self) {
        let disk = self.disk.as_ref().expect("a small disk");
        let mut file = std::fs::File::create(disk.0.join("filler")).unwrap();
        while std::io::Write::write_all(&mut file, &[0; 4_096]).is_ok() {}
    }

    /// Makes room on it again.
    pub(crate) fn free_disk(&self) {
        let disk = self.disk.as_ref().expect("a small disk");
        std::fs::remove_file(disk.0.join("filler")).unwrap();
    }

    async fn start_in(folder: TempDir, disk: Option<Mount>, options: &[&str]) -> Self {
        let data = folder.path().join("data");
        // With --no-sync only making the folder is unsafe in a crash of the machine; the server itself syncs.
        let made = server_command(&programs().join("initdb"))
            .args(["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .arg(format!("--username={USER}"))
            .arg("--waldir")
            .arg(folder.path().join("wal"))
            .arg("--pgdata")
            .arg(&data)
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let mut server = Self {
            process: None,
            disk,
            folder,
            port: free_port(),
            options: options.iter().map(|&option| option.to_owned()).collect(),
        };
        server.run().await;
        server
            .execute("postgres", &format!("CREATE DATABASE {TEMPLATE}"))
            .await;
        migrate(&server.url(TEMPLATE)).await.unwrap();
        server
    }

    /// Starts the server in its folder, as it was left, and waits until it takes statements.
    async fn run(&mut self) {
        let mut command = server_command(&programs().join("postgres"));
        command.arg("-D").arg(self.folder.path().join("data"));
        let sockets = self.folder.path().to_str().unwrap().to_owned();
        let fixed = [
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={}", self.port),
            format!("unix_socket_directories={sockets}"),
            "max_connections=400".to_owned(),
            "shared_buffers=64MB".to_owned(),
            "max_wal_size=512MB".to_owned(),
        ];
        for option in fixed.iter().chain(&self.options) {
            command.args(["-c", option]);
        }
        let mut process = OwnedProcess::start("postgres", self.folder.path(), command);
        let url = self.url("postgres");
        process
            .wait_until("postgres takes statements", START_WITHIN, async || {
                connect(&url).await.is_some()
            })
            .await;
        self.process = Some(process);
    }

    /// The address of one of its databases.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// All that it has logged since the first start.
    pub(crate) fn log_text(&self) -> String {
        let log = self.folder.path().join("postgres.log");
        String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned()
    }

    /// Runs statements as a client of its own.
    pub(crate) async fn execute(&self, database: &str, statements: &str) {
        let client = connect(&self.url(database)).await.expect("a connection");
        client.batch_execute(statements).await.unwrap();
    }

    /// SIGKILL to the server and, as after a crash of its machine, to whatever it had started.
    pub(crate) fn kill(&mut self) {
        let Some(mut process) = self.process.take() else {
            return;
        };
        // The others end by themselves when they notice; killed at once they cannot answer anybody meanwhile.
        let children = family(process.pid());
        process.kill();
        signal("KILL", &children);
        let deadline = Instant::now() + Duration::from_secs(10);
        while children
            .iter()
            .any(|pid| Path::new(&format!("/proc/{pid}/stat")).exists())
        {
            assert!(Instant::now() < deadline, "the server's processes remain");
            std::thread::yield_now();
        }
    }

    /// A fast shutdown (SIGINT): sessions are cut, everything is written, the server ends.
    pub(crate) async fn stop(&mut self) {
        let Some(mut process) = self.process.take() else {
            return;
        };
        signal("INT", &[process.pid()]);
        process.wait_for_exit(Duration::from_secs(20)).await;
    }

    /// Starts again what was killed or stopped, on the same port with the same data.
    pub(crate) async fn restart(&mut self) {
        self.kill();
        self.run().await;
    }

    /// SIGSTOP to every process of the server: it keeps its sockets and answers nobody.
    pub(crate) fn freeze(&self) {
        let pid = self.process.as_ref().expect("a running server").pid();
        // The first one alone starts others, so it stands still before they are counted.
        signal("STOP", &[pid]);
        signal("STOP", &family(pid));
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        let pid = self.process.as_ref().expect("a running server").pid();
        let mut all = family(pid);
        all.push(pid);
        signal("CONT", &all);
    }

    /// A database of one test on this server.
    pub(crate) async fn database(self: &Arc<Self>) -> TestDatabase {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.execute(
            "postgres",
            &format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE}"),
        )
        .await;
        TestDatabase {
            server: Arc::clone(self),
            name,
        }
    }
}

/// The processes that a process has started.
fn family(pid: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    threads
        .filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("children")).ok())
        .flat_map(|children| {
            children
                .split_whitespace()
                .map(|child| child.parse().unwrap())
                .collect::<Vec<u32>>()
        })
        .collect()
}

fn signal(signal: &str, processes: &[u32]) {
    if processes.is_empty() {
        return;
    }
    // One that has just ended cannot be signalled, and need not be.
    let _ = Command::new("kill")
        .arg(format!("-{signal}"))
        .args(processes.iter().map(u32::to_string))
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
}

/// A client beside the store's, for what a test does to the database itself.
pub(crate) async fn connect(url: &str) -> Option<tokio_postgres::Client> {
    let connecting = tokio_postgres::connect(url, tokio_postgres::NoTls);
    let (client, connection) = tokio::time::timeout(Duration::from_secs(5), connecting)
        .await
        .ok()?
        .ok()?;
    tokio::spawn(connection);
    Some(client)
}

/// One test's migrated database; dropped when the test says so, or with its server.
pub(crate) struct TestDatabase {
    server: Arc<PostgresServer>,
    name: String,
}

impl TestDatabase {
    /// A database on the server that all tests of this process share. That server alone does not sync: dropping a
    /// database waits for a checkpoint of all others, a second each; nobody kills it to see what is left.
    pub(crate) async fn shared() -> Self {
        static SHARED: OnceCell<Arc<PostgresServer>> = OnceCell::const_new();
        let server = SHARED
            .get_or_init(|| async { Arc::new(PostgresServer::start(&["fsync=off"]).await) })
            .await;
        server.database().await
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        self.server.url(&self.name)
    }

    /// Its name on the server.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its server.
    pub(crate) fn server(&self) -> &PostgresServer {
        &self.server
    }

    /// A client beside the store's.
    pub(crate) async fn client(&self) -> tokio_postgres::Client {
        connect(&self.url()).await.expect("a connection")
    }

    /// Runs statements in it.
    pub(crate) async fn execute(&self, statements: &str) {
        self.server.execute(&self.name, statements).await;
    }

    /// Drops it, whoever is connected.
    pub(crate) async fn drop(self) {
        let statement = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        self.server.execute("postgres", &statement).await;
    }
}
