//! Opens the connections of a session. The only place that knows the URL and the `redis` crate's settings.

use std::net::IpAddr;
use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, ProtocolVersion, PushInfo,
    PushKind, RedisError, TlsCertificates, Value,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Notify;

use super::LayerError;
use super::counters::Link;
use crate::addresses::is_public;
use crate::limits;

/// Where Redis is and how to speak to it.
pub(super) struct Connector {
    client: Client,
    root_certificates: Option<Vec<u8>>,
}

impl Connector {
    /// Reads the URL; connects to nothing.
    pub(super) fn new(url: &SecretString) -> Result<Self, LayerError> {
        // `rediss://` needs a process-wide provider; whoever installed one first is right too.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let unusable = |error: RedisError| LayerError::Url(error.to_string());
        let info = url
            .expose_secret()
            .into_connection_info()
            .map_err(unusable)?;
        // Pushes, which carry the messages of a subscription next to ordinary answers, need RESP3 (Redis 6).
        let redis = info
            .redis_settings()
            .clone()
            .set_protocol(ProtocolVersion::RESP3);
        let info = info
            .set_redis_settings(redis)
            .set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let root_certificates = root_certificates(url)?;
        let client = match root_certificates.clone() {
            None => Client::open(info),
            Some(pem) => Client::build_with_tls(info, trusting(pem)),
        };
        Ok(Self {
            client: client.map_err(unusable)?,
            root_certificates,
        })
    }

    /// A link for the counters: to the one Redis there is, or to the nodes of its cluster.
    pub(super) async fn link(&self) -> Result<Link, RedisError> {
        let mut one = self.publisher().await?;
        let about: String = redis::cmd("INFO")
            .arg("cluster")
            .query_async(&mut one)
            .await?;
        if !about.contains("cluster_enabled:1") {
            return Ok(Link::One(one));
        }
        let mut cluster = ClusterClient::builder([self.client.get_connection_info().clone()])
            .connection_timeout(limits::LAYER_CONNECT_TIMEOUT)
            .response_timeout(limits::COUNTERS_TIMEOUT)
            .retries(1);
        if let Some(pem) = self.root_certificates.clone() {
            cluster = cluster.certs(trusting(pem));
        }
        let cluster = cluster.build()?.get_async_connection().await?;
        Ok(Link::Cluster(cluster))
    }

    /// Refuses a Redis that anybody may reach and that is not kept from them: at a public address it must be spoken to by
    /// TLS and ask for a password. A name that does not resolve now is not judged.
    pub(super) async fn check_exposure(&self) -> Result<(), LayerError> {
        let info = self.client.get_connection_info();
        let has_password = info
            .redis_settings()
            .password()
            .is_some_and(|word| !word.is_empty());
        let (host, port, has_tls) = match info.addr() {
            ConnectionAddr::Tcp(host, port) => (host, *port, false),
            ConnectionAddr::TcpTls { host, port, .. } => (host, *port, true),
            _ => return Ok(()),
        };
        let resolving = tokio::net::lookup_host((host.as_str(), port));
        let found = tokio::time::timeout(limits::LAYER_CONNECT_TIMEOUT, resolving).await;
        let addresses: Vec<IpAddr> = match found {
            Ok(Ok(addresses)) => addresses.map(|address| address.ip()).collect(),
            _ => Vec::new(),
        };
        if addresses
            .iter()
            .any(|&address| is_public(address.to_canonical()))
            && !(has_tls && has_password)
        {
            return Err(LayerError::Exposed);
        }
        if !has_password && !addresses.iter().all(IpAddr::is_loopback) {
            tracing::warn!(
                "REDIS_URL has no password: whoever reaches Redis may read what instances tell each other"
            );
        }
        Ok(())
    }

    /// A connection for publishing. The session times its answers itself.
    pub(super) async fn publisher(&self) -> Result<MultiplexedConnection, RedisError> {
        self.client
            .get_multiplexed_async_connection_with_config(&config())
            .await
    }

    /// A connection for subscribing. `take` gets each message's channel and payload, on the task that reads the
    /// connection: there is no queue in between that could grow, and a receiver that cannot keep up is cut off by Redis
    /// and comes back with a `Resync`. `lost` is told when the connection ends.
    pub(super) async fn subscriber(
        &self,
        take: impl Fn(&str, Vec<u8>) + Send + Sync + 'static,
        lost: Arc<Notify>,
    ) -> Result<MultiplexedConnection, RedisError> {
        let on_push = move |push: PushInfo| -> Result<(), redis::aio::SendError> {
            match push.kind {
                PushKind::Disconnection => lost.notify_one(),
                PushKind::Message => {
                    let mut data = push.data.into_iter();
                    if let (Some(Value::BulkString(channel)), Some(Value::BulkString(payload))) =
                        (data.next(), data.next())
                        && let Ok(channel) = str::from_utf8(&channel)
                    {
                        take(channel, payload);
                    }
                }
                _ => {}
            }
            Ok(())
        };
        self.client
            .get_multiplexed_async_connection_with_config(&config().set_push_sender(on_push))
            .await
    }
}

/// Who may have signed the server's certificate: the file in `?sslrootcert=…`, as in a Postgres URL; without it, the
/// authorities that browsers trust.
fn root_certificates(url: &SecretString) -> Result<Option<Vec<u8>>, LayerError> {
    let path = redis::parse_redis_url(url.expose_secret()).and_then(|url| {
        url.query_pairs()
            .find(|(name, _)| name == "sslrootcert")
            .map(|(_, path)| path.into_owned())
    });
    path.map(std::fs::read)
        .transpose()
        .map_err(|error| LayerError::Url(format!("its sslrootcert cannot be read: {error}")))
}

fn trusting(pem: Vec<u8>) -> TlsCertificates {
    TlsCertificates {
        client_tls: None,
        root_cert: Some(pem),
    }
}

fn config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(limits::LAYER_CONNECT_TIMEOUT))
        // The crate's default of 500 ms is not meant for subscribing to thousands of groups.
        .set_response_timeout(None)
}
