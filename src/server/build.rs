//! From settings to handles: which database, which layer, which model. Called by `Server::bind` and by the commands
//! that need a store only.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Notify;

use super::{Parts, StartError};
use crate::channel_layer::ChannelLayer;
use crate::channel_layer::in_memory::InMemoryLayer;
use crate::channel_layer::redis::{RedisLayer, RedisSettings};
use crate::chat::Chat;
use crate::chat::assistant::{Assistant, AssistantParts};
use crate::config::Config;
use crate::db::Store;
use crate::db::sqlite::SqliteStore;
use crate::feed::Feeds;
use crate::ids::InstanceId;
use crate::limits;
use crate::llm;
use crate::writer::Writer;

/// Everything a server starts.
pub(super) async fn parts(config: &Config) -> Result<Parts, StartError> {
    let instance = InstanceId::new();
    let store = open_store(config).await?;
    let layer = open_layer(config, instance).await?;
    let provider = llm::build(config).map_err(StartError)?;
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
    );
    let assistant = Assistant::new(AssistantParts {
        store: Arc::clone(&store),
        writer: Arc::clone(&writer),
        layer: Arc::clone(&layer),
        provider,
        instance,
        prompts,
    });
    Ok(Parts {
        store,
        layer,
        feeds,
        writer,
        assistant,
        chat: Arc::new(chat),
    })
}

/// The store of these settings; migrated first where `SALON_MIGRATE` is on.
///
/// # Errors
/// A database that cannot be opened. A Postgres that does not answer is no error here: the server starts and is
/// not ready until it does.
pub async fn open_store(config: &Config) -> Result<Arc<dyn Store>, StartError> {
    let store = SqliteStore::open(&config.data)
        .await
        .map_err(|error| StartError(error.to_string()))?;
    Ok(store)
}

/// Brings the database of these settings up to date.
///
/// # Errors
/// What went wrong, as a sentence.
pub async fn migrate(config: &Config) -> Result<(), StartError> {
    // The embedded database is brought up to date whenever it is opened.
    SqliteStore::open(&config.data)
        .await
        .map_err(|error| StartError(error.to_string()))?
        .close()
        .await;
    Ok(())
}

async fn open_layer(
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
    let settings = RedisSettings {
        url: url.clone(),
        secrets,
        deployment: config.deployment.clone(),
        instance,
    };
    let layer = RedisLayer::connect(settings)
        .await
        .map_err(|error| StartError(format!("REDIS_URL: {error}")))?;
    Ok(layer)
}
