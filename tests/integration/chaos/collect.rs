//! What a history says of the end: every room as the database holds it, what processes and servers use, what they logged.

use std::path::Path;

use salon_checker::hash;
use salon_checker::record::{Moment, What};
use tokio_postgres::Client;

use super::deployment::{CLUSTER_SECRET, Deployment, INSTANCES, PROVIDER_KEY};
use super::recorder::Recorder;
use super::support::postgres::connect;
use super::world::World;

/// Memory that an instance may have gained over a run: caches and rings fill, allocators keep.
const RSS_GAIN: f64 = 160.0 * 1024.0 * 1024.0;
/// Descriptors that it may have gained: all clients may have come to the same one, each with a connection or two more.
const DESCRIPTOR_GAIN: f64 = 80.0;
/// Threads that it may have gained: those for blocking work, which linger.
const TASK_GAIN: f64 = 24.0;
/// Server connections of the pooler, and those of the instances past it.
const POSTGRES_CONNECTIONS: f64 = 60.0;

/// Every room as the database holds it.
pub(crate) async fn database(world: &World) {
    let url = world.deployment.database_url().await;
    let client = connect(&url).await.expect("a connection");
    heads(&world.recorder, &client).await;
    messages(&world.recorder, &client).await;
    let logs = "SELECT r.slug, l.version, l.kind, l.user_id::text FROM room_log l JOIN rooms r ON r.id = l.room_id";
    for row in client.query(logs, &[]).await.unwrap() {
        world.recorder.note(What::DbLog {
            room: row.get(0),
            version: row.get(1),
            kind: row.get(2),
            user: row.get(3),
        });
    }
    let replies = "SELECT r.slug, p.seq, p.prompt_seq, m.state, p.attempt::bigint FROM replies p \
                   JOIN rooms r ON r.id = p.room_id JOIN messages m ON m.room_id = p.room_id AND m.seq = p.seq";
    for row in client.query(replies, &[]).await.unwrap() {
        world.recorder.note(What::DbReply {
            room: row.get(0),
            seq: row.get(1),
            prompt_seq: row.get(2),
            state: row.get(3),
            attempt: row.get(4),
        });
    }
}

async fn heads(recorder: &Recorder, client: &Client) {
    let heads = "SELECT r.slug, h.epoch, h.version, h.first_seq, h.last_seq, h.floor \
                 FROM room_heads h JOIN rooms r ON r.id = h.room_id";
    for row in client.query(heads, &[]).await.unwrap() {
        recorder.note(What::DbHead {
            room: row.get(0),
            epoch: format!("{:016x}", row.get::<_, i64>(1)),
            version: row.get(2),
            first_seq: row.get(3),
            last_seq: row.get(4),
            floor: row.get(5),
        });
    }
}

async fn messages(recorder: &Recorder, client: &Client) {
    let messages = "SELECT r.slug, m.seq, m.version, m.author_id::text, m.client_id::text, m.state, m.body, m.kind, \
                           m.deleted_at IS NOT NULL, m.marks::text \
                    FROM messages m JOIN rooms r ON r.id = m.room_id ORDER BY r.slug, m.seq";
    for row in client.query(messages, &[]).await.unwrap() {
        let body: String = row.get(6);
        let is_reply = row.get::<_, &str>(7) == "assistant";
        let marks: serde_json::Value = row.get::<_, Option<String>>(9).map_or_else(
            || serde_json::Value::Null,
            |text| serde_json::from_str(&text).unwrap(),
        );
        recorder.note(What::DbMessage {
            room: row.get(0),
            seq: row.get(1),
            version: row.get(2),
            author: row.get(3),
            client_id: row.get(4),
            state: row.get(5),
            hash: hash(&body),
            body: is_reply.then_some(body),
            deleted: row.get(8),
            reactions: marks
                .get("reactions")
                .map(|kinds| serde_json::from_value(kinds.clone()).unwrap())
                .unwrap_or_default(),
            pinned: marks["pinned"]["by"].as_str().map(str::to_owned),
        });
    }
}

/// What processes and servers use.
pub(crate) async fn resources(world: &World, moment: Moment) {
    let note = |of: &str, kind: &str, value: f64, at_most: Option<f64>| {
        world.recorder.note(What::Resource {
            moment,
            of: of.to_owned(),
            kind: kind.to_owned(),
            value,
            at_most,
        });
    };
    for index in 0..INSTANCES {
        let pid = world.deployment.instances[index].lock().await.pid();
        let of = format!("salon-{index}");
        for (kind, value, gain) in [
            ("descriptors", descriptors(pid), DESCRIPTOR_GAIN),
            ("rss_bytes", status(pid, "VmRSS:") * 1024.0, RSS_GAIN),
            ("tasks", status(pid, "Threads:"), TASK_GAIN),
        ] {
            // Absolute, since the process of the end may be another one. A bound of the end would follow what it bounds.
            let at_most = value.max(typical(kind)) + gain;
            note(
                &of,
                kind,
                value,
                (moment == Moment::Before).then_some(at_most),
            );
        }
    }
    let url = world.deployment.database_url().await;
    let client = connect(&url).await.expect("a connection");
    let count = async |what: &str| -> f64 {
        let row = client.query_one(what, &[]).await.unwrap();
        f64::from(i32::try_from(row.get::<_, i64>(0)).unwrap())
    };
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'";
    note(
        "postgres",
        "connections",
        count(sessions).await,
        Some(POSTGRES_CONNECTIONS),
    );
    let idle = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' \
                AND now() - state_change > interval '1 s'";
    note(
        "postgres",
        "idle_in_transaction",
        count(idle).await,
        Some(0.0),
    );
    let locks = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    note("postgres", "locks", count(locks).await, Some(0.0));
    let redis = world.deployment.redis.lock().await;
    let mut connection = redis.connection().await;
    let clients: String = redis::cmd("INFO")
        .arg("clients")
        .query_async(&mut connection)
        .await
        .unwrap();
    let connected = clients
        .lines()
        .find_map(|line| line.strip_prefix("connected_clients:")?.trim().parse().ok());
    note("redis", "connections", connected.unwrap(), None);
}

/// What an instance that has worked for a while uses, in a build with debug assertions.
fn typical(kind: &str) -> f64 {
    match kind {
        "descriptors" => 40.0,
        "tasks" => 8.0,
        _ => 0.0,
    }
}

fn descriptors(pid: u32) -> f64 {
    let open = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .count();
    f64::from(u32::try_from(open).unwrap())
}

/// A number of `/proc/<pid>/status`.
fn status(pid: u32, field: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.unwrap().parse().unwrap()
}

/// What every process logged, also those that were killed: into the history, and as files beside it.
pub(crate) async fn logs(deployment: &Deployment, recorder: &Recorder, folder: &Path) {
    for text in [CLUSTER_SECRET, PROVIDER_KEY] {
        recorder.note(What::Secret {
            kind: "key".to_owned(),
            text: text.to_owned(),
        });
    }
    let mut logs = vec![
        (
            "postgres".to_owned(),
            deployment.postgres.lock().await.log_text(),
        ),
        (
            "pgbouncer".to_owned(),
            deployment.pooler.lock().await.log_text(),
        ),
        ("redis".to_owned(), deployment.redis.lock().await.log_text()),
        (
            "haproxy".to_owned(),
            deployment.balancer.lock().await.log_text(),
        ),
    ];
    for (index, instance) in deployment.instances.iter().enumerate() {
        logs.push((format!("salon-{index}"), instance.lock().await.log_text()));
    }
    for (of, text) in logs {
        std::fs::write(folder.join(format!("{of}.log")), &text).unwrap();
        for line in text.lines() {
            recorder.note(What::Log {
                of: of.clone(),
                line: line.to_owned(),
            });
        }
    }
}
