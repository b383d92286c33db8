//! The shared handles of one process, built once from [`Config`]. Only the edges (`http`, `consumer`, `jobs`) hold the
//! whole of it; the domain and the actors take the handles they need. Tests swap any of them.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::Semaphore;

use crate::addresses::AllowList;
use crate::auth::{Auth, Lifetimes, Organisations};
use crate::channel_layer::ChannelLayer;
use crate::chat::Chat;
use crate::chat::webhooks::Webhooks;
use crate::config::Config;
use crate::db::Store;
use crate::ids::{HookId, UserId};
use crate::limits;
use crate::llm::registry::Providers;
use crate::outbound::{Outbound, system_lookup};
use crate::quotas::Quotas;
use crate::rate_limit::{KeyedLimiter, Rate};
use crate::shutdown::Shutdown;

/// Everything a request may need.
pub struct App {
    /// Every setting.
    pub config: Arc<Config>,
    /// The database.
    pub store: Arc<dyn Store>,
    /// Accounts and sessions.
    pub auth: Arc<Auth>,
    /// The way to other instances.
    pub layer: Arc<dyn ChannelLayer>,
    /// Rooms and messages.
    pub chat: Arc<Chat>,
    /// Outgoing webhooks.
    pub webhooks: Arc<Webhooks>,
    /// The models that answer.
    pub providers: Arc<Providers>,
    /// Whether and how the process stops.
    pub shutdown: Shutdown,
    /// What users, addresses and the fleet may do.
    pub quotas: Arc<Quotas>,
    /// HTTP requests by user, at the rate one socket has for its frames.
    pub requests: KeyedLimiter<UserId>,
    /// Messages posted over HTTP by user, at the rate one socket has for its sends.
    pub sends: KeyedLimiter<UserId>,
    /// Posts through incoming webhooks, by webhook.
    pub hook_posts: KeyedLimiter<HookId>,
    /// Bots and incoming webhooks made, by user.
    pub bots: KeyedLimiter<UserId>,
    /// Exports at once.
    pub exports: Arc<Semaphore>,
    /// Whether the log was told that what the database confirms may be lost.
    pub told_not_durable: AtomicBool,
}

impl App {
    /// The handles of one process.
    #[must_use]
    pub fn new(
        config: Arc<Config>,
        store: Arc<dyn Store>,
        layer: Arc<dyn ChannelLayer>,
        chat: Arc<Chat>,
        quotas: Arc<Quotas>,
        providers: Arc<Providers>,
        shutdown: Shutdown,
    ) -> Arc<Self> {
        let requests = Rate::per_second(config.rate_frames, config.rate_frames);
        let sends = Rate::per_second(config.rate_sends, config.rate_sends_burst);
        let bots = Rate::per_minute(limits::BOTS_PER_MINUTE);
        let lifetimes = Lifetimes {
            max_s: config.session_max_s,
            idle_s: config.session_idle_s,
        };
        let outbound = Outbound::new(
            AllowList::new(config.webhook_allow.clone()),
            system_lookup(),
        );
        // A server is not started with settings that are wrong; without them nobody is let in by them.
        let organisations = Organisations::new(&config).unwrap_or_else(|error| {
            tracing::error!(%error, "nobody is vouched for by others");
            Organisations::default()
        });
        let webhooks = Webhooks::new(Arc::clone(&store), chat.writer.watched(), outbound);
        Arc::new(Self {
            webhooks: Arc::new(webhooks),
            auth: Arc::new(Auth::with(Arc::clone(&store), lifetimes, organisations)),
            config,
            store,
            layer,
            chat,
            providers,
            shutdown,
            quotas,
            requests: KeyedLimiter::new(requests, limits::RATE_KEYS),
            sends: KeyedLimiter::new(sends, limits::RATE_KEYS),
            hook_posts: KeyedLimiter::new(
                Rate {
                    per_second: f64::from(limits::HOOK_POSTS_PER_MINUTE) / 60.0,
                    burst: f64::from(limits::HOOK_BURST),
                },
                limits::RATE_KEYS,
            ),
            bots: KeyedLimiter::new(bots, limits::RATE_KEYS),
            exports: Arc::new(Semaphore::new(limits::EXPORTS)),
            told_not_durable: AtomicBool::new(false),
        })
    }
}
