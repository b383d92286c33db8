//! The deployment that a chaos run breaks: three instances of the built program, `HAProxy` before them, `PgBouncer` and
//! Postgres, Redis and a model provider behind them, and a fault proxy between every pair.

use std::time::Duration;

use tokio::sync::Mutex;

use super::support::cluster::{GENEROUS, empty_database};
use super::support::fake_provider::FakeProvider;
use super::support::fault_proxy::FaultProxy;
use super::support::haproxy::HaproxyServer;
use super::support::pgbouncer::PgBouncer;
use super::support::postgres::PostgresServer;
use super::support::process::free_port;
use super::support::redis::RedisServer;
use super::support::salon::SalonProcess;

/// Instances.
pub(crate) const INSTANCES: usize = 3;
/// At least 32 characters; no log may hold it.
pub(crate) const CLUSTER_SECRET: &str = "the-secret-that-this-chaos-run-shares";
/// The same of the provider's key.
pub(crate) const PROVIDER_KEY: &str = "sk-chaos-key-that-no-log-may-hold";
/// Connections that Postgres takes: few enough to be used up on purpose, enough for the pooler.
const POSTGRES_CONNECTIONS: &str = "max_connections=80";
/// One look at a metric.
const PATIENCE: Duration = Duration::from_secs(2);

/// Everything that runs. Locks are held only while a part is being killed or started.
pub(crate) struct Deployment {
    pub(crate) postgres: Mutex<PostgresServer>,
    pub(crate) pooler: Mutex<PgBouncer>,
    pub(crate) redis: Mutex<RedisServer>,
    pub(crate) provider: FakeProvider,
    pub(crate) instances: Vec<Mutex<SalonProcess>>,
    pub(crate) balancer: Mutex<HaproxyServer>,
    pub(crate) links: Links,
    /// Where the balancer listens, past the clients' proxies.
    pub(crate) balancer_port: u16,
    database: String,
    metrics: Vec<u16>,
}

/// The fault proxies.
pub(crate) struct Links {
    /// Clients to the balancer: two ways, so that one can be bad.
    pub(crate) clients: Vec<FaultProxy>,
    /// The balancer to each instance.
    pub(crate) instances: Vec<FaultProxy>,
    /// Each instance to the pooler.
    pub(crate) pooler: Vec<FaultProxy>,
    /// The pooler to Postgres.
    pub(crate) postgres: FaultProxy,
    /// Each instance to Redis.
    pub(crate) redis: Vec<FaultProxy>,
    /// Each instance to the provider.
    pub(crate) provider: Vec<FaultProxy>,
}

impl Deployment {
    /// Starts all of it; the instances are ready.
    pub(crate) async fn start() -> Self {
        let (server, redis) = tokio::join!(
            PostgresServer::start(&[POSTGRES_CONNECTIONS]),
            RedisServer::start()
        );
        let database = empty_database(&server).await;
        let to_postgres = FaultProxy::start(server.port()).await;
        let pooler = PgBouncer::start_as_deployed_before(to_postgres.port()).await;
        let provider = FakeProvider::start([]);
        provider.otherwise(super::faults::good_answer());
        let mut starting = Vec::new();
        let (mut to_pooler, mut to_redis, mut to_provider) = (Vec::new(), Vec::new(), Vec::new());
        let mut metrics = Vec::new();
        for _ in 0..INSTANCES {
            to_pooler.push(FaultProxy::start(pooler.port()).await);
            to_redis.push(FaultProxy::start_redis(redis.port()).await);
            to_provider.push(FaultProxy::start(provider.port()).await);
            metrics.push(free_port());
        }
        let direct = server.url(&database);
        for index in 0..INSTANCES {
            let settings = settings(
                &pooler
                    .url(&database)
                    .replace(&port_of(pooler.port()), &port_of(to_pooler[index].port())),
                &direct,
                to_redis[index].port(),
                to_provider[index].port(),
                metrics[index],
            );
            starting.push(async move {
                let settings: Vec<(&str, &str)> = settings
                    .iter()
                    .map(|(name, value)| (*name, value.as_str()))
                    .collect();
                SalonProcess::start(&settings).await
            });
        }
        let instances = futures_util::future::join_all(starting).await;
        let mut to_instances = Vec::new();
        for instance in &instances {
            to_instances.push(FaultProxy::start(instance.port()).await);
        }
        let ports: Vec<u16> = to_instances.iter().map(FaultProxy::port).collect();
        let balancer = HaproxyServer::start(&ports).await;
        let balancer_port = balancer.port();
        let clients = vec![
            FaultProxy::start(balancer_port).await,
            FaultProxy::start(balancer_port).await,
        ];
        Self {
            postgres: Mutex::new(server),
            pooler: Mutex::new(pooler),
            redis: Mutex::new(redis),
            provider,
            instances: instances.into_iter().map(Mutex::new).collect(),
            balancer: Mutex::new(balancer),
            links: Links {
                clients,
                instances: to_instances,
                pooler: to_pooler,
                postgres: to_postgres,
                redis: to_redis,
                provider: to_provider,
            },
            balancer_port,
            database,
            metrics,
        }
    }

    /// The ways in through the balancer, for the so manieth client.
    pub(crate) fn ways(&self, number: usize) -> Vec<u16> {
        rotated(&self.links.clients, number)
    }

    /// The instances themselves: no proxy's buffers are between.
    pub(crate) async fn instance_ports(&self, number: usize) -> Vec<u16> {
        let mut ports = Vec::new();
        for instance in &self.instances {
            ports.push(instance.lock().await.port());
        }
        ports.rotate_left(number % INSTANCES);
        ports
    }

    /// The ways past the balancer.
    pub(crate) fn instance_ways(&self, number: usize) -> Vec<u16> {
        rotated(&self.links.instances, number)
    }

    /// The database's address, past the pooler.
    pub(crate) async fn database_url(&self) -> String {
        self.postgres.lock().await.url(&self.database)
    }

    /// A metric of one instance; none when it does not answer, or has no such line.
    pub(crate) async fn metric(&self, instance: usize, name: &str) -> Option<f64> {
        let url = format!("http://127.0.0.1:{}/metrics", self.metrics[instance]);
        let asking = async { reqwest::get(url).await.ok()?.text().await.ok() };
        let text = tokio::time::timeout(PATIENCE, asking).await.ok()??;
        let line = text
            .lines()
            .find(|line| line.split([' ', '{']).next() == Some(name))?;
        line.rsplit(' ').next()?.parse().ok()
    }
}

impl Links {
    /// Every proxy lets everything through.
    pub(crate) fn heal(&self) {
        let all = [
            &self.clients,
            &self.instances,
            &self.pooler,
            &self.redis,
            &self.provider,
        ];
        all.into_iter().flatten().for_each(FaultProxy::heal);
        self.postgres.heal();
    }
}

fn rotated(links: &[FaultProxy], number: usize) -> Vec<u16> {
    let mut ports: Vec<u16> = links.iter().map(FaultProxy::port).collect();
    let count = ports.len();
    ports.rotate_left(number % count);
    ports
}

fn port_of(port: u16) -> String {
    format!(":{port}/")
}

fn settings(
    pooled: &str,
    direct: &str,
    redis: u16,
    provider: u16,
    metrics: u16,
) -> Vec<(&'static str, String)> {
    let mut all = vec![
        ("DATABASE_URL", pooled.to_owned()),
        ("MIGRATE_DATABASE_URL", direct.to_owned()),
        ("REDIS_URL", format!("redis://127.0.0.1:{redis}/")),
        ("SALON_CLUSTER_SECRET", CLUSTER_SECRET.to_owned()),
        ("SALON_METRICS_LISTEN", format!("127.0.0.1:{metrics}")),
        ("SALON_TRUSTED_PROXIES", "127.0.0.1".to_owned()),
        ("SALON_LLM", "openai".to_owned()),
        ("OPENAI_API_KEY", PROVIDER_KEY.to_owned()),
        ("OPENAI_BASE_URL", format!("http://127.0.0.1:{provider}/v1")),
        ("SALON_LLM_ALLOW", format!("127.0.0.1:{provider}")),
        (
            "SALON_MODEL",
            super::support::fake_provider::FAKE_MODEL.to_owned(),
        ),
    ];
    let rates = GENEROUS.iter();
    all.extend(rates.map(|(name, value)| (*name, (*value).to_owned())));
    all
}
