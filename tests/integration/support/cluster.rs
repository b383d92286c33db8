//! A whole deployment of a test's own, as `deploy/` describes it: Postgres behind `PgBouncer` in transaction mode with
//! `deploy/pgbouncer.ini`, Redis, instances of the built program, `HAProxy` with `deploy/haproxy.cfg` before them. Each
//! part can be killed, frozen and restarted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::fault_proxy::FaultProxy;
use super::haproxy::HaproxyServer;
use super::pgbouncer::PgBouncer;
use super::postgres::{PostgresServer, TestDatabase};
use super::process::{eventually, free_port};
use super::redis::RedisServer;
use super::salon::SalonProcess;

/// The room every new database has.
pub(crate) const ROOM: &str = "lobby";
/// At least 32 characters.
const SECRET: &str = "the-secret-that-this-cluster-shares";

/// Lines of each instance's log that a failed test shows.
const LOG_LINES: usize = 40;

/// Where a cluster's database lives.
pub(crate) enum Postgres {
    /// On the server that all tests share.
    Shared(TestDatabase),
    /// On a server that this test may stop.
    Own(PostgresServer, String),
}

/// A running deployment.
pub(crate) struct Cluster {
    pub(crate) postgres: Postgres,
    pub(crate) pooler: PgBouncer,
    pub(crate) redis: RedisServer,
    pub(crate) instances: Vec<SalonProcess>,
    pub(crate) balancer: HaproxyServer,
    /// What stands between each instance and Redis, where a test asked for it.
    pub(crate) redis_proxies: Vec<FaultProxy>,
    metrics: Vec<u16>,
}

impl Cluster {
    /// So many instances over a migrated database of the shared server.
    pub(crate) async fn start(instances: usize) -> Self {
        Self::over(
            Postgres::Shared(TestDatabase::shared().await),
            instances,
            &[],
        )
        .await
    }

    /// The same over a Postgres that only this cluster uses.
    pub(crate) async fn start_with_own_postgres(instances: usize) -> Self {
        let server = PostgresServer::start(&[]).await;
        let database = empty_database(&server).await;
        Self::over(Postgres::Own(server, database), instances, &[]).await
    }

    /// Instances that start at the same moment, each with these settings too.
    pub(crate) async fn over(
        postgres: Postgres,
        instances: usize,
        settings: &[(&str, &str)],
    ) -> Self {
        let redis = RedisServer::start().await;
        Self::build(postgres, redis, Vec::new(), instances, settings).await
    }

    /// So many instances, each with a proxy of its own before Redis.
    pub(crate) async fn start_with_redis_proxies(instances: usize) -> Self {
        let postgres = Postgres::Shared(TestDatabase::shared().await);
        let redis = RedisServer::start().await;
        let mut proxies = Vec::new();
        for _ in 0..instances {
            proxies.push(FaultProxy::start_redis(redis.port()).await);
        }
        Self::build(postgres, redis, proxies, instances, &[]).await
    }

    async fn build(
        postgres: Postgres,
        redis: RedisServer,
        redis_proxies: Vec<FaultProxy>,
        instances: usize,
        settings: &[(&str, &str)],
    ) -> Self {
        let (server, database) = match &postgres {
            Postgres::Shared(database) => (database.server(), database.name()),
            Postgres::Own(server, name) => (server, name.as_str()),
        };
        let pooler = PgBouncer::start_as_deployed(server).await;
        let (pooled, direct) = (pooler.url(database), server.url(database));
        let metrics: Vec<u16> = (0..instances).map(|_| free_port()).collect();
        let starting = metrics.iter().enumerate().map(|(index, port)| {
            let listen = format!("127.0.0.1:{port}");
            let redis_port = redis_proxies
                .get(index)
                .map_or(redis.port(), FaultProxy::port);
            let redis_url = format!("redis://127.0.0.1:{redis_port}/");
            let (pooled, direct) = (&pooled, &direct);
            async move {
                let mut all = vec![
                    ("DATABASE_URL", pooled.as_str()),
                    ("MIGRATE_DATABASE_URL", direct),
                    ("REDIS_URL", redis_url.as_str()),
                    ("SALON_CLUSTER_SECRET", SECRET),
                    ("SALON_METRICS_LISTEN", &listen),
                    ("SALON_TRUSTED_PROXIES", "127.0.0.1"),
                ];
                all.extend(GENEROUS);
                all.extend(settings);
                SalonProcess::start(&all).await
            }
        });
        let instances: Vec<SalonProcess> = futures_util::future::join_all(starting).await;
        let ports: Vec<u16> = instances.iter().map(SalonProcess::port).collect();
        let balancer = HaproxyServer::start(&ports).await;
        Self {
            postgres,
            pooler,
            redis,
            instances,
            balancer,
            redis_proxies,
            metrics,
        }
    }

    /// The balancer's port: where clients connect.
    pub(crate) fn port(&self) -> u16 {
        self.balancer.port()
    }

    /// The database's address, past the pooler.
    pub(crate) fn database_url(&self) -> String {
        match &self.postgres {
            Postgres::Shared(database) => database.url(),
            Postgres::Own(server, name) => server.url(name),
        }
    }

    /// The Postgres that only this cluster uses.
    pub(crate) fn own_postgres(&mut self) -> &mut PostgresServer {
        match &mut self.postgres {
            Postgres::Own(server, _) => server,
            Postgres::Shared(_) => panic!("a server that others use"),
        }
    }

    /// A metric of one instance; none when there is no such line.
    pub(crate) async fn metric(&self, instance: usize, name: &str) -> Option<f64> {
        let url = format!("http://127.0.0.1:{}/metrics", self.metrics[instance]);
        let text = reqwest::get(url).await.ok()?.text().await.ok()?;
        let line = text
            .lines()
            .find(|line| line.split([' ', '{']).next() == Some(name))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    /// A metric of all instances and of all its labels together.
    pub(crate) async fn total(&self, name: &str) -> f64 {
        let mut total = 0.0;
        for port in &self.metrics {
            let url = format!("http://127.0.0.1:{port}/metrics");
            let Ok(answer) = reqwest::get(url).await else {
                continue;
            };
            let text = answer.text().await.unwrap_or_default();
            let lines = text
                .lines()
                .filter(|line| line.split([' ', '{']).next() == Some(name));
            total += lines
                .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
                .sum::<f64>();
        }
        total
    }

    /// Waits until every instance says that its layer is up, or down.
    pub(crate) async fn wait_for_layer(&self, up: bool, within: Duration) {
        let wanted = if up { 1.0 } else { 0.0 };
        eventually("every instance's layer", within, async || {
            for instance in 0..self.metrics.len() {
                if self.metric(instance, "salon_layer_up").await != Some(wanted) {
                    return false;
                }
            }
            true
        })
        .await;
    }
}

impl Drop for Cluster {
    /// A test that fails shows what the instances said last.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for (index, instance) in self.instances.iter().enumerate() {
            let log = instance.log_text();
            let lines: Vec<&str> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
            eprintln!("--- instance {index}:\n{last}");
        }
    }
}

/// Rates that a load does not meet, and leave to serve from the server that all tests share, which does not sync.
pub(crate) const GENEROUS: [(&str, &str); 16] = [
    ("SALON_ALLOW_DATA_LOSS", "on"),
    ("SALON_RATE_SENDS", "100000"),
    ("SALON_RATE_SENDS_BURST", "100000"),
    ("SALON_RATE_FRAMES", "100000"),
    ("SALON_RATE_SIGN_INS", "100000"),
    ("SALON_REPLIES", "10000"),
    ("SALON_REPLIES_PER_USER", "1000"),
    ("SALON_REPLIES_PER_ROOM", "1000"),
    ("SALON_RATE_TRIES", "100000"),
    ("SALON_RATE_JOINS", "100000"),
    ("SALON_RATE_PROMPTS", "100000"),
    ("SALON_RATE_SEARCHES", "100000"),
    ("SALON_RATE_ROOMS", "100000"),
    ("SALON_RATE_INVITES", "100000"),
    ("SALON_SOCKETS_PER_USER", "100000"),
    ("SALON_SOCKETS_PER_ADDRESS", "100000"),
];

/// A database without a table.
pub(crate) async fn empty_database(server: &PostgresServer) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("cluster_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    server
        .execute("postgres", &format!("CREATE DATABASE {name}"))
        .await;
    name
}

/// Everything of these members, shared with the tasks that make them talk.
pub(crate) type Members = Arc<Vec<super::member::Member>>;
