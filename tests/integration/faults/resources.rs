//! What runs out or lies: descriptors, memory, the reader of the log, the clock. The database's disk is in [`super::disk`].

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::net::TcpStream;

use super::asking::{Asker, guest};
use crate::cluster::DEADLINE;
use crate::support::cluster::{GENEROUS, ROOM};
use crate::support::haproxy::HaproxyServer;
use crate::support::member::{Load, Member, wait_for_progress};
use crate::support::postgres::TestDatabase;
use crate::support::process::{eventually, free_port};
use crate::support::redis::RedisServer;
use crate::support::salon::{SalonProcess, http_body, http_status};
use crate::support::truth::{everybody_agrees, read_postgres};

/// A metric in the text of `/metrics`.
async fn metric(port: u16, name: &str) -> Option<f64> {
    let text = http_body(port, "/metrics").await?;
    let line = text
        .lines()
        .find(|line| line.split([' ', '{']).next() == Some(name))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// The processor time a process has used, in hundredths of a second.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let number = |place: usize| fields[place].parse::<u64>().unwrap();
    number(11) + number(12)
}

#[tokio::test(flavor = "multi_thread")]
async fn f49_without_descriptors_accepting_pauses_and_those_who_are_there_live() {
    const SOCKETS: usize = 120;
    let metrics = free_port();
    let listen = format!("127.0.0.1:{metrics}");
    let mut settings = vec![("SALON_METRICS_LISTEN", listen.as_str())];
    settings.extend(GENEROUS);
    let salon = SalonProcess::start_below(&["prlimit", "--nofile=256:256"], &settings).await;
    let token = guest(salon.port(), "ada").await;
    let mut sockets = Vec::new();
    for _ in 0..SOCKETS {
        sockets.push(Asker::with(salon.port(), &token, ROOM).await);
    }
    // More than it may take; they say nothing, and are let go after their 10 s for a request.
    let mut idle = Vec::new();
    for _ in 0..140 {
        idle.push(
            TcpStream::connect(("127.0.0.1", salon.port()))
                .await
                .unwrap(),
        );
    }
    eventually("accepting pauses", DEADLINE, async || {
        metric(metrics, "salon_accepting").await == Some(0.0)
    })
    .await;
    let open = || {
        std::fs::read_dir(format!("/proc/{}/fd", salon.pid()))
            .unwrap()
            .count()
    };
    assert!(
        open() <= 256 - 32,
        "{} files are open: none is kept",
        open()
    );
    let (before, since) = (ticks(salon.pid()), Instant::now());
    while since.elapsed() < Duration::from_secs(3) {
        assert!(
            metric(metrics, "salon_sockets").await >= Some(120.0),
            "/metrics answers"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let used = ticks(salon.pid()) - before;
    let share = used as f64 / since.elapsed().as_secs_f64();
    eprintln!(
        "F49: {} files open, {share:.0} % of one processor while accepting pauses",
        open()
    );
    assert!(share < 30.0, "a busy loop: {share} %");
    for place in [0, SOCKETS / 2, SOCKETS - 1] {
        assert!(sockets[place].until_acked(DEADLINE).await < DEADLINE);
    }
    let log = salon.log_text();
    assert!(log.matches("too few files").count() <= 2, "{log}");
    drop(idle);
    sockets.truncate(SOCKETS / 2);
    eventually("connections are accepted again", DEADLINE, async || {
        http_status(salon.port(), "/readyz").await == Some(200)
            && metric(metrics, "salon_accepting").await == Some(1.0)
    })
    .await;
    Asker::with(salon.port(), &token, ROOM)
        .await
        .until_acked(DEADLINE)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f28_a_log_that_nobody_reads_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("log");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    // Open both ways, so that neither side waits for the other; nobody ever reads.
    let unread = std::fs::File::options()
        .read(true)
        .write(true)
        .open(&pipe)
        .unwrap();
    let metrics = free_port();
    let listen = format!("127.0.0.1:{metrics}");
    let mut settings = vec![
        ("SALON_METRICS_LISTEN", listen.as_str()),
        ("SALON_LOG", "trace"),
        ("UNREAD", pipe.to_str().unwrap()),
    ];
    settings.extend(GENEROUS);
    let below = ["sh", "-c", "exec \"$0\" \"$@\" 2> \"$UNREAD\""];
    let mut salon = SalonProcess::start_below(&below, &settings).await;
    let members = Arc::new(Member::join_many(salon.port(), 6, ROOM).await);
    let load = Load::start(&members, Duration::from_millis(10));
    let what = "the pipe and the queue are full, and lines are dropped";
    eventually(what, Duration::from_secs(60), async || {
        metric(metrics, "salon_log_lines_dropped_total").await > Some(0.0)
    })
    .await;
    let full = Instant::now();
    eventually("everybody talks on", DEADLINE, async || {
        members.iter().all(|member| {
            let book = member.book();
            book.acked.values().filter(|ack| ack.at > full).count() > 20
        })
    })
    .await;
    load.stop(&members, DEADLINE).await;
    for member in members.iter() {
        let book = member.book();
        assert!(book.violations.is_empty(), "{:?}", book.violations);
        let slowest = book
            .acked
            .values()
            .filter(|ack| ack.at > full)
            .map(|ack| ack.took)
            .max();
        assert!(slowest < Some(Duration::from_secs(3)), "{slowest:?}");
    }
    let dropped = metric(metrics, "salon_log_lines_dropped_total").await;
    eprintln!("F28: {dropped:?} lines dropped");
    // It also ends, though the log's thread never will.
    salon.terminate();
    let ended = salon.wait_for_exit(Duration::from_secs(30)).await;
    assert_eq!(ended.code(), Some(0));
    drop(unread);
}

/// The library that lies about the time, where Debian's package `faketime` puts it.
fn lying_clock() -> Option<PathBuf> {
    let found = std::fs::read_dir("/usr/lib").ok()?.flatten();
    let mut candidates = found.map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"));
    candidates.find(|path| path.exists())
}

#[tokio::test(flavor = "multi_thread")]
async fn f43_a_clock_that_is_an_hour_off_and_jumps_changes_nothing() {
    let Some(library) = lying_clock() else {
        eprintln!("F43: skipped, Debian's package faketime is not installed");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let offset = folder.path().join("offset");
    std::fs::write(&offset, "+3600").unwrap();
    let database = TestDatabase::shared().await;
    let redis = RedisServer::start().await;
    let (url, redis_url) = (database.url(), redis.url());
    let mut settings = vec![
        ("DATABASE_URL", url.as_str()),
        ("REDIS_URL", redis_url.as_str()),
        (
            "SALON_CLUSTER_SECRET",
            "the-secret-that-this-cluster-shares",
        ),
        ("SALON_MIGRATE", "off"),
        ("SALON_SCRIPTED_DELAY_MS", "60"),
    ];
    settings.extend(GENEROUS);
    let (wrong, right) = tokio::join!(
        start_with_clock(&library, &offset, &settings),
        SalonProcess::start(&settings)
    );
    let mut members = Member::join_many(wrong.port(), 4, ROOM).await;
    members.extend(Member::join_many(right.port(), 4, ROOM).await);
    let members = Arc::new(members);
    let load = Load::start(&members, Duration::from_millis(60));
    for (round, jump) in ["+3600", "-3600", "+3600", "+0"].into_iter().enumerate() {
        std::fs::write(&offset, jump).unwrap();
        // One of each side asks; whoever claims it holds a lease by the database's clock.
        members[0].send("@assistant one");
        members[4].send("@assistant two");
        let acks = (round + 1) * 15;
        wait_for_progress(&members, acks, DEADLINE).await;
        // Sessions are looked at every 3 s.
        let since = Instant::now();
        eventually("sessions were looked at", DEADLINE, async || {
            since.elapsed() > Duration::from_secs(4)
        })
        .await;
        // Whoever comes now gets a session that holds, too.
        let newcomer = Member::join(wrong.port(), "newcomer", ROOM).await;
        newcomer.send("hello");
        newcomer.wait_for_acks(DEADLINE).await;
    }
    load.stop(&members, DEADLINE).await;
    check_times(&database).await;
    for member in members.iter() {
        member
            .wait("eight replies", Duration::from_secs(60), |book| {
                let replies = book.messages.values();
                replies
                    .filter(|held| held.client_id.is_none() && held.state == "complete")
                    .count()
                    == 8
            })
            .await;
        assert_eq!(
            member.book().sockets,
            1,
            "a session ended, or a peer looked dead"
        );
    }
    let truth = read_postgres(&database.url(), ROOM).await;
    everybody_agrees(&members, &truth, right.port(), ROOM).await;
    let log = wrong.log_text();
    assert!(
        log.lines().any(is_of_another_hour),
        "its clock was right: {log}"
    );
    assert!(
        !log.contains("panicked") && !log.contains("stood still"),
        "{log}"
    );
}

/// Whether a line of the log was written at a time far from now.
fn is_of_another_hour(line: &str) -> bool {
    let time = line.split(' ').next().unwrap_or_default();
    chrono::DateTime::parse_from_rfc3339(time).is_ok_and(|time| {
        let off = chrono::Utc::now().signed_duration_since(time);
        off.num_minutes().abs() > 30
    })
}

/// An instance whose clock is off by what the file says, at every moment; how long things take it sees rightly.
async fn start_with_clock(
    library: &Path,
    offset: &Path,
    settings: &[(&str, &str)],
) -> SalonProcess {
    let preload = format!("LD_PRELOAD={}", library.display());
    let file = format!("FAKETIME_TIMESTAMP_FILE={}", offset.display());
    let below = [
        "env",
        preload.as_str(),
        file.as_str(),
        "FAKETIME_NO_CACHE=1",
        "FAKETIME_DONT_FAKE_MONOTONIC=1",
        "DONT_FAKE_MONOTONIC=1",
    ];
    SalonProcess::start_below(&below, settings).await
}

/// Times in the room are the database's, in its order, and no lease was taken away from a runner that lived.
async fn check_times(database: &TestDatabase) {
    let client = database.client().await;
    let question = "SELECT count(*) FILTER (WHERE created_at < before), \
                           count(*) FILTER (WHERE abs(extract(epoch FROM now() - created_at)) > 600) \
                    FROM (SELECT created_at, lag(created_at) OVER (PARTITION BY room_id ORDER BY seq) AS before \
                          FROM messages) AS m";
    let row = client.query_one(question, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (0, 0));
    let again = "SELECT count(*) FROM replies WHERE attempt > 1";
    let row = client.query_one(again, &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 0, "a lease was lost");
}

/// A control group that bounds the memory of the processes in it; gone with its owner.
struct MemoryGroup {
    path: PathBuf,
    limit: &'static str,
    usage: &'static str,
}

impl MemoryGroup {
    /// A new one; none where the kernel or the user's rights do not allow it.
    fn create() -> Option<Self> {
        let name = format!("salon-test-{}", std::process::id());
        let old = Path::new("/sys/fs/cgroup/memory");
        let group = if old.exists() {
            Self {
                path: old.join(name),
                limit: "memory.limit_in_bytes",
                usage: "memory.usage_in_bytes",
            }
        } else {
            Self {
                path: Path::new("/sys/fs/cgroup").join(name),
                limit: "memory.max",
                usage: "memory.current",
            }
        };
        std::fs::create_dir(&group.path).ok()?;
        std::fs::read_to_string(group.path.join(group.usage)).ok()?;
        Some(group)
    }

    fn used(&self) -> u64 {
        let text = std::fs::read_to_string(self.path.join(self.usage)).unwrap();
        text.trim().parse().unwrap()
    }

    fn bound(&self, bytes: u64) {
        let mut file = std::fs::File::options()
            .write(true)
            .open(self.path.join(self.limit))
            .unwrap();
        file.write_all(bytes.to_string().as_bytes()).unwrap();
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // It is empty once its process was reaped; until then the kernel keeps it.
        let deadline = Instant::now() + Duration::from_secs(5);
        while std::fs::remove_dir(&self.path).is_err() && Instant::now() < deadline {
            std::thread::yield_now();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f50_at_the_memory_limit_it_sheds_or_its_clients_are_back_within_15_s() {
    let Some(group) = MemoryGroup::create() else {
        eprintln!("F50: skipped, needs root and a memory control group");
        return;
    };
    let database = TestDatabase::shared().await;
    let url = database.url();
    let mut settings = vec![("DATABASE_URL", url.as_str()), ("SALON_MIGRATE", "off")];
    settings.extend(GENEROUS);
    let mut bounded = settings.clone();
    bounded.push(("GROUP", group.path.to_str().unwrap()));
    let below = [
        "sh",
        "-c",
        "echo $$ > \"$GROUP/cgroup.procs\" && exec \"$0\" \"$@\"",
    ];
    let (mut one, two) = tokio::join!(
        SalonProcess::start_below(&below, &bounded),
        SalonProcess::start(&settings)
    );
    let balancer = HaproxyServer::start(&[one.port(), two.port()]).await;
    let members = Arc::new(Member::join_many(balancer.port(), 20, ROOM).await);
    let load = Load::start(&members, Duration::from_millis(100));
    wait_for_progress(&members, 5, DEADLINE).await;
    // Each password's hash takes 19 MiB for a moment, and two are made at once; there is room for neither.
    group.bound(group.used() + 4 * 1024 * 1024);
    let began = Instant::now();
    while one.is_running() && began.elapsed() < Duration::from_secs(12) {
        let account =
            json!({"name": uuid::Uuid::new_v4().to_string(), "password": "correct horse"});
        let asked = reqwest::Client::new()
            .post(format!("{}/api/users", one.url()))
            .json(&account)
            .timeout(Duration::from_secs(2))
            .send();
        let _ = asked.await;
    }
    let (killed, was_killed) = (Instant::now(), !one.is_running());
    for member in members.iter() {
        member
            .wait("everybody talks on", Duration::from_secs(15), |book| {
                book.acked.values().any(|ack| ack.at > killed)
            })
            .await;
    }
    let what = if was_killed { "killed" } else { "it shed" };
    eprintln!(
        "F50: {what}; everybody talks on {:?} later",
        killed.elapsed()
    );
    load.stop(&members, DEADLINE).await;
    let truth = read_postgres(&database.url(), ROOM).await;
    everybody_agrees(&members, &truth, two.port(), ROOM).await;
}
