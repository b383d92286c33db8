//! The fleet's counters in Redis: each question one script, one round trip, by Redis' own clock. Nothing is kept that does not
//! expire within half an hour, and no name, user or address is readable in it: keys are MACs under the cluster's secret.
//!
//! It has a connection of its own, so that a large publication holds no question up. On a Redis Cluster it asks the node that
//! owns the keys: all of a deployment's share one hash tag and so one slot, for a script may touch keys of one slot only. With
//! Redis gone every question is [`Unanswered`] at once until it is back; with one that hangs, after
//! [`limits::COUNTERS_WAIT`] until a beat finds it dead.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::hmac;
use redis::aio::MultiplexedConnection;
use redis::cluster_async::ClusterConnection;
use redis::{Cmd, FromRedisValue, RedisError};
use secrecy::ExposeSecret;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::super::GroupName;
use super::super::counters::{Budget, Counters, Holding, Unanswered};
use super::super::registry::lock;
use super::connection::Connector;
use super::quiet_log::QuietLog;
use super::session::backoff;
use super::{LayerError, RedisSettings};
use crate::limits;
use crate::rate_limit::Rate;

/// The layer says each second that Redis is away; counters that are without it say it seldom.
const SAID_AGAIN: Duration = Duration::from_secs(30);

const TAKE: &str = include_str!("take.lua");
const NOTE: &str = include_str!("note.lua");
const OPEN: &str = include_str!("open.lua");
const HOLD: &str = include_str!("hold.lua");
const BEAT: &str = include_str!("beat.lua");

/// Counters of a deployment's instances over one Redis.
pub struct RedisCounters {
    shared: Arc<Shared>,
    stop: CancellationToken,
    supervisor: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    connector: Connector,
    /// Before each key; its hash tag keeps all of them in one slot.
    prefix: String,
    naming: hmac::Key,
    /// This process, as the field of what it holds.
    me: String,
    /// None while Redis does not answer.
    link: Mutex<Option<Link>>,
    /// Told when the link failed.
    lost: Notify,
    log: QuietLog,
}

/// One Redis, or the nodes of a cluster.
#[derive(Clone)]
pub(super) enum Link {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Link {
    async fn ask<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, RedisError> {
        match self {
            Self::One(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => command.query_async(connection).await,
        }
    }
}

impl RedisCounters {
    /// Starts connecting; waits for nothing.
    ///
    /// # Errors
    /// For settings that can never work; never for a Redis that does not answer.
    pub fn connect(settings: &RedisSettings) -> Result<Arc<Self>, LayerError> {
        GroupName::new(&settings.deployment).ok_or(LayerError::Settings)?;
        let secret = settings.secrets.first().ok_or(LayerError::Settings)?;
        let shared = Arc::new(Shared {
            connector: Connector::new(&settings.url)?,
            prefix: format!("salon:{{{}:counters}}:", settings.deployment),
            naming: hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes()),
            me: settings.instance.to_string(),
            link: Mutex::default(),
            lost: Notify::new(),
            log: QuietLog::every(SAID_AGAIN),
        });
        let stop = CancellationToken::new();
        let supervisor = tokio::spawn(supervise(Arc::clone(&shared), stop.clone()));
        Ok(Arc::new(Self {
            shared,
            stop,
            supervisor: Mutex::new(Some(supervisor)),
        }))
    }
}

/// Makes one link after the other until it is told to stop.
async fn supervise(shared: Arc<Shared>, stop: CancellationToken) {
    let mut failures: u32 = 0;
    let keep = async {
        loop {
            match timeout(limits::LAYER_CONNECT_TIMEOUT, shared.connector.link()).await {
                Ok(Ok(link)) => {
                    *lock(&shared.link) = Some(link);
                    let since = tokio::time::Instant::now();
                    shared.lost.notified().await;
                    *lock(&shared.link) = None;
                    if since.elapsed() > limits::LAYER_BACKOFF_MAX {
                        failures = 0;
                    }
                }
                Ok(Err(error)) => shared.log.warn(format_args!("no counters: {error}")),
                Err(_late) => shared.log.warn("no counters: connecting took too long"),
            }
            failures = failures.saturating_add(1);
            sleep(backoff(failures)).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = keep => {}
    }
    *lock(&shared.link) = None;
}

impl Shared {
    fn key(&self, name: &str) -> String {
        let tag = hmac::sign(&self.naming, name.as_bytes());
        let half = tag.as_ref().iter().take(16);
        half.fold(self.prefix.clone(), |mut key, byte| {
            key.push_str(&format!("{byte:02x}"));
            key
        })
    }

    fn living(&self) -> String {
        format!("{}living", self.prefix)
    }

    /// Runs a script.
    async fn ask<T: FromRedisValue>(
        &self,
        script: &str,
        keys: &[String],
        arguments: &[String],
        within: Duration,
    ) -> Result<T, Unanswered> {
        let Some(mut link) = lock(&self.link).clone() else {
            return Err(Unanswered);
        };
        let mut command = redis::cmd("EVAL");
        command.arg(script).arg(keys.len()).arg(keys).arg(arguments);
        let failed = match timeout(within, link.ask(&command)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => {
                self.log.warn(format_args!("no counters: {error}"));
                true
            }
            // A question is impatient; what nobody waits for tells whether the link is dead.
            Err(_late) => within >= limits::COUNTERS_TIMEOUT,
        };
        metrics::counter!("salon_counters_unanswered_total").increment(1);
        if failed {
            *lock(&self.link) = None;
            self.lost.notify_one();
        }
        Err(Unanswered)
    }
}

/// Cost and room of a rate, in microseconds.
fn costs(rate: Rate) -> [String; 2] {
    let cost = 1_000_000.0 / rate.per_second;
    [cost.to_string(), (cost * rate.burst.max(1.0)).to_string()]
}

fn millis(duration: Duration) -> String {
    duration.as_millis().to_string()
}

#[async_trait]
impl Counters for RedisCounters {
    async fn take(&self, budgets: &[Budget]) -> Result<Result<(), Duration>, Unanswered> {
        let shared = &self.shared;
        let keys: Vec<String> = budgets.iter().map(|b| shared.key(&b.name)).collect();
        let mut arguments = vec![limits::COUNTERS_DEBT.as_micros().to_string()];
        arguments.extend(budgets.iter().flat_map(|budget| costs(budget.rate)));
        let wait: u64 = shared
            .ask(TAKE, &keys, &arguments, limits::COUNTERS_WAIT)
            .await?;
        Ok(match wait {
            0 => Ok(()),
            wait => Err(Duration::from_micros(wait)),
        })
    }

    async fn note(&self, taken: &[(Budget, i64)]) -> Result<Vec<Duration>, Unanswered> {
        let shared = &self.shared;
        let keys: Vec<String> = taken.iter().map(|(b, _)| shared.key(&b.name)).collect();
        let mut arguments = vec![limits::COUNTERS_DEBT.as_micros().to_string()];
        for (budget, count) in taken {
            arguments.extend(costs(budget.rate));
            arguments.push(count.to_string());
        }
        let ahead: Vec<u64> = shared
            .ask(NOTE, &keys, &arguments, limits::COUNTERS_TIMEOUT)
            .await?;
        Ok(ahead.into_iter().map(Duration::from_micros).collect())
    }

    async fn open(&self, wanted: &[(Holding, u64)]) -> Result<Result<(), usize>, Unanswered> {
        let shared = &self.shared;
        let mut keys = vec![shared.living()];
        keys.extend(wanted.iter().map(|(h, _)| shared.key(&h.name)));
        let mut arguments = vec![shared.me.clone(), millis(limits::COUNTERS_KEPT)];
        for (holding, cap) in wanted {
            arguments.extend([holding.held.to_string(), cap.to_string()]);
        }
        let refused: usize = shared
            .ask(OPEN, &keys, &arguments, limits::COUNTERS_WAIT)
            .await?;
        Ok(refused.checked_sub(1).map_or(Ok(()), Err))
    }

    async fn hold(&self, held: &[Holding]) -> Result<(), Unanswered> {
        let shared = &self.shared;
        let keys: Vec<String> = held.iter().map(|h| shared.key(&h.name)).collect();
        let mut arguments = vec![shared.me.clone(), millis(limits::COUNTERS_KEPT)];
        arguments.extend(held.iter().map(|holding| holding.held.to_string()));
        let done: Result<u64, _> = shared
            .ask(HOLD, &keys, &arguments, limits::COUNTERS_TIMEOUT)
            .await;
        done.map(|_| ())
    }

    async fn beat(&self) -> Result<bool, Unanswered> {
        let shared = &self.shared;
        let arguments = [shared.me.clone(), millis(limits::COUNTERS_LIFETIME)];
        let anew: u64 = shared
            .ask(
                BEAT,
                &[shared.living()],
                &arguments,
                limits::COUNTERS_TIMEOUT,
            )
            .await?;
        Ok(anew == 1)
    }

    async fn close(&self) {
        // Without it, what this instance held counts a little longer.
        let mut command = redis::cmd("HDEL");
        command.arg(self.shared.living()).arg(&self.shared.me);
        let link = lock(&self.shared.link).clone();
        if let Some(mut link) = link {
            let _ = timeout(limits::COUNTERS_TIMEOUT, link.ask::<u64>(&command)).await;
        }
        self.stop.cancel();
        let supervisor = lock(&self.supervisor).take();
        if let Some(supervisor) = supervisor {
            // Cancelled at its next await; nothing in it blocks.
            let _ = supervisor.await;
        }
    }
}

impl Drop for RedisCounters {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
