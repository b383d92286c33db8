//! The channel layer between instances: Redis pub/sub, at most once, with every possible loss announced.
//!
//! Messages for this process go straight through the registry; for the others they wait in a bounded queue
//! ([`outgoing`]) until a [`session`] publishes them. A session is a pair of connections, one that publishes and one
//! that subscribes; when either fails, or a probe does not come round, both are dropped, new ones are made, every
//! group is subscribed again and every channel gets a `Resync`. What comes in is judged by [`inbox`]; the bytes on the
//! way are described in [`envelope`].
//!
//! Redis is never believed: what does not authenticate is only a hint to read. Nothing is stored in it but the fleet's
//! [`counters`], which expire.
//!
//! On a Redis Cluster the URL may name any node: plain pub/sub reaches every node over the cluster's own bus. It works
//! but does not spread the load; sharded pub/sub would.

mod connection;
mod counters;
mod envelope;
mod inbox;
mod outgoing;
mod quiet_log;
mod session;
mod subscriptions;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use secrecy::SecretString;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use self::connection::Connector;
pub use self::counters::RedisCounters;
use self::envelope::Sealer;
use self::inbox::Inbox;
use self::outgoing::Outgoing;
use self::quiet_log::QuietLog;
use self::subscriptions::Subscriptions;
use super::registry::{Registry, lock};
use super::{Channel, ChannelLayer, GroupName};
use crate::ids::InstanceId;
use crate::limits;

/// Where the layer is and who speaks on it.
pub struct RedisSettings {
    /// `redis://` or `rediss://` (TLS), as the `redis` crate reads it; may hold a password. `?sslrootcert=<file>` names
    /// a private certificate authority.
    pub url: SecretString,
    /// Authenticate the messages: the first one signs, all of them verify. At least one.
    pub secrets: Vec<SecretString>,
    /// Keeps deployments on one Redis apart; by the rules of group names.
    pub deployment: String,
    /// This process.
    pub instance: InstanceId,
}

/// Why there can be no layer with these settings. A Redis that does not answer is no reason.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The URL cannot be used. Holds the crate's description, never the URL itself.
    #[error("the Redis URL cannot be used: {0}")]
    Url(String),
    /// It is at a public address, and either not spoken to by TLS or without a password.
    #[error("a Redis at a public address needs rediss:// and a password")]
    Exposed,
    /// No secret was given, or the deployment's name breaks the rules of group names.
    #[error(
        "the channel layer needs a secret and a deployment name of letters, digits, '-', '_' and '.'"
    )]
    Settings,
}

/// The layer over Redis.
pub struct RedisLayer {
    shared: Arc<Shared>,
    stop: CancellationToken,
    supervisor: Mutex<Option<JoinHandle<()>>>,
}

/// What the layer, its sessions and the connections' callbacks work on together.
struct Shared {
    registry: Arc<Registry>,
    subscriptions: Arc<Subscriptions>,
    outgoing: Outgoing,
    inbox: Inbox,
    sealer: Sealer,
    connector: Connector,
    log: QuietLog,
}

impl RedisLayer {
    /// Starts the layer and waits for its first try at Redis. With Redis dead it is down and keeps trying.
    ///
    /// # Errors
    /// For settings that can never work; never for a Redis that does not answer.
    pub async fn connect(settings: RedisSettings) -> Result<Arc<Self>, LayerError> {
        let sealer = Sealer::new(&settings).ok_or(LayerError::Settings)?;
        let connector = Connector::new(&settings.url)?;
        connector.check_exposure().await?;
        let subscriptions = Arc::new(Subscriptions::default());
        let registry = Registry::new(Some(Arc::clone(&subscriptions) as _));
        let shared = Arc::new(Shared {
            inbox: Inbox::new(sealer.clone(), Arc::clone(&registry)),
            registry,
            subscriptions,
            outgoing: Outgoing::default(),
            sealer,
            connector,
            log: QuietLog::default(),
        });
        let stop = CancellationToken::new();
        let (first_try, tried) = tokio::sync::oneshot::channel();
        let supervisor = tokio::spawn(session::supervise(
            Arc::clone(&shared),
            stop.clone(),
            first_try,
        ));
        // Whichever way it went: the caller starts with what is known by then.
        let _ = timeout(limits::SUBSCRIBE_TIMEOUT, tried).await;
        Ok(Arc::new(Self {
            shared,
            stop,
            supervisor: Mutex::new(Some(supervisor)),
        }))
    }
}

#[async_trait]
impl ChannelLayer for RedisLayer {
    fn new_channel(&self, capacity: usize) -> Channel {
        self.shared.registry.new_channel(capacity)
    }

    async fn group_add(&self, group: &GroupName, channel: &Channel) {
        self.shared.registry.add(group, channel);
        // The membership is the channel's already: a caller that is cancelled here leaks nothing.
        self.shared.subscriptions.wait_for(group).await;
    }

    fn group_discard(&self, group: &GroupName, channel: &Channel) {
        self.shared.registry.discard(group, channel);
    }

    fn group_send(&self, group: &GroupName, payload: Bytes) {
        self.shared.registry.deliver(group, &payload);
        if !self.shared.outgoing.push(group, payload) {
            self.shared.log.warn("a message for other instances was dropped: the queue to Redis is full; their readers will be told");
        }
    }

    fn is_up(&self) -> bool {
        self.shared.subscriptions.is_up()
    }

    fn flush(&self) {
        self.shared.registry.flush();
    }

    async fn close(&self) {
        if self.is_up() {
            let _ = timeout(limits::LAYER_CLOSE_TIMEOUT, self.shared.outgoing.drained()).await;
        }
        self.stop.cancel();
        let supervisor = lock(&self.supervisor).take();
        if let Some(supervisor) = supervisor {
            // Cancelled at its next await; nothing in it blocks.
            let _ = supervisor.await;
        }
        self.shared.registry.close();
    }
}

impl Drop for RedisLayer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
