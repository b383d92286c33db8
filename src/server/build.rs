//! From settings to handles: which database, which layer, which model. Called by `Server::bind` and by the commands
//! that need a store only.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Notify;

use super::{Parts, StartError};
use crate::channel_layer::ChannelLayer;
use crate::channel_layer::counters::Counters;
use crate::channel_layer::counters::in_memory::InMemoryCounters;
use crate::channel_layer::in_memory::InMemoryLayer;
use crate::channel_layer::redis::{RedisCounters, RedisLayer, RedisSettings};
use crate::chat::Chat;
use crate::chat::assistant::{self, Assistant, AssistantParts, SpendGate};
use crate::config::Config;
use crate::db::postgres::{self, PostgresSettings, PostgresStore};
use crate::db::sqlite::SqliteStore;
use crate::db::{Store, StoreError};
use crate::feed::Feeds;
use crate::ids::InstanceId;
use crate::limits;
use crate::llm::registry::Providers;
use crate::quotas::Quotas;
use crate::writer::Writer;

/// Between two tries at a database that does not answer.
const MIGRATE_RETRY: Duration = Duration::from_secs(1);

/// Everything a server starts.
pub(super) async fn parts(config: &Config) -> Result<Parts, StartError> {
    let instance = InstanceId::new();
    // Before anything is opened: settings that are wrong make nothing.
    let providers = Providers::from_config(config).map_err(StartError)?;
    let store = open_store(config).await?;
    let layer = open_layer(config, instance).await?;
    let quotas = Quotas::new(config, open_counters(config, instance)?);
    let prompts = Arc::new(Notify::new());
    // SQLite has one writer; more lanes would only wait for each other.
    let lanes = if config.database_url.is_some() {
        limits::LANES
    } else {
        1
    };
    let writer = Arc::new(Writer::start(
        Arc::clone(&store),
        Arc::clone(&layer),
        Arc::clone(&prompts),
        lanes,
    ));
    let feeds = Feeds::new(Arc::clone(&store), Arc::clone(&layer));
    let chat = Chat::new(
        Arc::clone(&store),
        Arc::clone(&writer),
        feeds.clone(),
        Arc::clone(&layer),
    )
    .capped(config.spending.caps());
    let assistant = Assistant::new(AssistantParts {
        store: Arc::clone(&store),
        writer: Arc::clone(&writer),
        layer: Arc::clone(&layer),
        providers: Arc::clone(&providers),
        instance,
        caps: assistant::caps(config),
        spend_gate: SpendGate::new(config.spending.caps()),
        prompts,
    });
    Ok(Parts {
        store,
        layer,
        quotas,
        feeds,
        writer,
        assistant,
        chat: Arc::new(chat),
        providers,
    })
}

/// The store of these settings; migrated first where `SALON_MIGRATE` is on.
///
/// # Errors
/// A database that cannot be opened. A Postgres that does not answer is no error here: the server starts and is
/// not ready until it does.
pub async fn open_store(config: &Config) -> Result<Arc<dyn Store>, StartError> {
    let Some(url) = &config.database_url else {
        let store = SqliteStore::open(&config.data)
            .await
            .map_err(|error| StartError(error.to_string()))?;
        return Ok(store);
    };
    if config.migrate.is_on() {
        migrate_when_it_answers(config).await?;
    }
    let settings = PostgresSettings {
        url: url.clone(),
        pool_size: usize::from(config.database_pool),
        wait: Duration::from_millis(config.database_wait_ms),
        connect_timeout: Duration::from_millis(config.database_connect_ms),
    };
    let store = PostgresStore::connect(&settings)
        .map_err(|error| StartError(format!("DATABASE_URL: {error}")))?;
    Ok(store)
}

/// Migrates before serving. A database that does not answer is waited for: an orchestrator that starts everything at
/// once must not see the server fail.
async fn migrate_when_it_answers(config: &Config) -> Result<(), StartError> {
    loop {
        match migrate_postgres(config).await {
            Ok(()) => return Ok(()),
            Err(StoreError::Unavailable(cause)) => {
                tracing::warn!(%cause, "the database does not answer; migrations wait for it");
                tokio::time::sleep(MIGRATE_RETRY).await;
            }
            Err(error) => {
                return Err(StartError(format!(
                    "the database could not be migrated: {error}"
                )));
            }
        }
    }
}

async fn migrate_postgres(config: &Config) -> Result<(), StoreError> {
    let url = config
        .migrate_database_url
        .as_ref()
        .or(config.database_url.as_ref());
    let Some(url) = url else { return Ok(()) };
    for name in postgres::migrate(url.expose_secret()).await? {
        tracing::info!(%name, "migrated");
    }
    Ok(())
}

/// Brings the database of these settings up to date.
///
/// # Errors
/// What went wrong, as a sentence.
pub async fn migrate(config: &Config) -> Result<(), StartError> {
    if config.database_url.is_some() {
        return migrate_postgres(config)
            .await
            .map_err(|error| StartError(format!("the database could not be migrated: {error}")));
    }
    // The embedded database is brought up to date whenever it is opened.
    SqliteStore::open(&config.data)
        .await
        .map_err(|error| StartError(error.to_string()))?
        .close()
        .await;
    Ok(())
}

/// The way to other instances of these settings. A Redis that does not answer is no error: the layer is down then.
///
/// # Errors
/// A URL or a secret that can never work.
pub async fn open_layer(
    config: &Config,
    instance: InstanceId,
) -> Result<Arc<dyn ChannelLayer>, StartError> {
    let Some(url) = &config.redis_url else {
        if config.database_url.is_some() {
            tracing::warn!(
                "REDIS_URL is not set: other instances hear of changes up to 1.5 s later"
            );
        }
        return Ok(InMemoryLayer::new());
    };
    let settings = redis_settings(config, url, instance);
    let layer = RedisLayer::connect(settings)
        .await
        .map_err(|error| StartError(format!("REDIS_URL: {error}")))?;
    Ok(layer)
}

/// Who counts for the fleet.
fn open_counters(config: &Config, instance: InstanceId) -> Result<Arc<dyn Counters>, StartError> {
    let Some(url) = &config.redis_url else {
        return Ok(InMemoryCounters::new());
    };
    let counters = RedisCounters::connect(&redis_settings(config, url, instance))
        .map_err(|error| StartError(format!("REDIS_URL: {error}")))?;
    Ok(counters)
}

fn redis_settings(config: &Config, url: &SecretString, instance: InstanceId) -> RedisSettings {
    let secrets = config
        .cluster_secret
        .as_ref()
        .map_or_else(Vec::new, |secrets| {
            secrets
                .expose_secret()
                .split(',')
                .map(|secret| SecretString::from(secret.trim().to_owned()))
                .collect()
        });
    RedisSettings {
        url: url.clone(),
        secrets,
        deployment: config.deployment.clone(),
        instance,
    }
}
