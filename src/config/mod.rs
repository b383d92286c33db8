//! Every setting: flag, environment variable, default, unit. One table; `salon serve --help` shows it. Read once at
//! start by `main`; nothing else reads the environment. Wrong settings are told apart from run-time failures:
//! `main` exits with 2 before anything starts.

mod kinds;
mod organisations;
mod spending;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};

use crate::addresses::AllowEntry;
use crate::limits;
pub use kinds::{LlmKind, LogFormat, Switch};
pub use organisations::{JwtKey, JwtSettings, KeyFile, OidcSettings, Organisations};
pub use spending::Spending;

/// Anthropic's own server.
pub const ANTHROPIC_URL: &str = "https://api.anthropic.com";

/// OpenAI's own server.
pub const OPENAI_URL: &str = "https://api.openai.com/v1";

/// Every setting of a server. Each is a flag and an environment variable of the name shown.
#[derive(Clone, Debug, Args)]
pub struct Config {
    /// Where browsers and clients connect
    #[arg(
        long,
        env = "SALON_LISTEN",
        default_value = "127.0.0.1:8000",
        value_name = "ADDRESS"
    )]
    pub listen: SocketAddr,

    /// Where /metrics is served; nowhere if not set
    #[arg(long, env = "SALON_METRICS_LISTEN", value_name = "ADDRESS")]
    pub metrics_listen: Option<SocketAddr>,

    /// Folder of the embedded database; used when DATABASE_URL is not set
    #[arg(
        long,
        env = "SALON_DATA",
        default_value = "salon-data",
        value_name = "FOLDER"
    )]
    pub data: PathBuf,

    /// Postgres, such as `postgres://user:password@host/database?sslmode=verify-full`. Not set: the embedded database
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: Option<SecretString>,

    /// Postgres for migrations, when the server's own user may not change the schema
    #[arg(
        long,
        env = "MIGRATE_DATABASE_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub migrate_database_url: Option<SecretString>,

    /// Run migrations when starting
    #[arg(
        long,
        env = "SALON_MIGRATE",
        default_value = "on",
        value_name = "on|off"
    )]
    pub migrate: Switch,

    /// Serve although Postgres is set so that it may lose what it has confirmed (without fsync, for instance)
    #[arg(
        long,
        env = "SALON_ALLOW_DATA_LOSS",
        default_value = "off",
        value_name = "on|off"
    )]
    pub allow_data_loss: Switch,

    /// Connections to Postgres
    #[arg(long, env = "SALON_DATABASE_POOL", default_value_t = 10, value_parser = clap::value_parser!(u16).range(2..=500), value_name = "COUNT")]
    pub database_pool: u16,

    /// How long a request waits for a connection
    #[arg(long, env = "SALON_DATABASE_WAIT_MS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(10..=30_000), value_name = "MS")]
    pub database_wait_ms: u64,

    /// How long connecting to Postgres may take
    #[arg(long, env = "SALON_DATABASE_CONNECT_MS", default_value_t = 3_000, value_parser = clap::value_parser!(u64).range(10..=60_000), value_name = "MS")]
    pub database_connect_ms: u64,

    /// Redis, to run several instances; redis:// or rediss://
    #[arg(long, env = "REDIS_URL", hide_env_values = true, value_name = "URL")]
    pub redis_url: Option<SecretString>,

    /// Authenticates what instances tell each other, at least 32 characters; the new one first, then the old one after a comma
    #[arg(
        long,
        env = "SALON_CLUSTER_SECRET",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub cluster_secret: Option<SecretString>,

    /// Name of this deployment, so that several can share one Redis
    #[arg(
        long,
        env = "SALON_DEPLOYMENT",
        default_value = "salon",
        value_name = "NAME"
    )]
    pub deployment: String,

    /// Let people in by name only
    #[arg(
        long,
        env = "SALON_GUESTS",
        default_value = "on",
        value_name = "on|off"
    )]
    pub guests: Switch,

    /// Let people make accounts
    #[arg(
        long,
        env = "SALON_SIGNUP",
        default_value = "on",
        value_name = "on|off"
    )]
    pub signup: Switch,

    /// A session ends at the latest so long after its sign-in
    #[arg(long, env = "SALON_SESSION_MAX_S", default_value_t = limits::SESSION_S, value_parser = clap::value_parser!(i64).range(1..=366 * 24 * 3600), value_name = "SECONDS")]
    pub session_max_s: i64,

    /// A session that nobody uses ends after so long, up to a quarter of it or 5 minutes earlier
    #[arg(long, env = "SALON_SESSION_IDLE_S", default_value_t = limits::SESSION_IDLE_S, value_parser = clap::value_parser!(i64).range(1..=366 * 24 * 3600), value_name = "SECONDS")]
    pub session_idle_s: i64,

    /// Origins whose pages may use the server, comma-separated; not set: the server's own address as the browser names it
    #[arg(
        long,
        env = "SALON_PUBLIC_ORIGIN",
        value_delimiter = ',',
        value_name = "ORIGIN"
    )]
    pub public_origin: Vec<String>,

    /// Who hears of a security problem of this server, for /.well-known/security.txt; not served if not set
    #[arg(
        long,
        env = "SALON_SECURITY_CONTACT",
        value_name = "mailto:…|https://…"
    )]
    pub security_contact: Option<String>,

    /// Sign-in by others
    #[command(flatten)]
    pub organisations: Organisations,

    /// Proxies whose X-Forwarded-For is believed: addresses or networks, comma-separated
    #[arg(
        long,
        env = "SALON_TRUSTED_PROXIES",
        value_delimiter = ',',
        value_parser = network,
        value_name = "NETWORK"
    )]
    pub trusted_proxies: Vec<IpNet>,

    /// Where webhooks may go beside public addresses by https: addresses, networks (each on every port) or host:port, comma-separated
    #[arg(
        long,
        env = "SALON_WEBHOOK_ALLOW",
        value_delimiter = ',',
        value_name = "NETWORK|HOST:PORT"
    )]
    pub webhook_allow: Vec<AllowEntry>,

    /// How many days the audit log is kept
    #[arg(long, env = "SALON_AUDIT_DAYS", default_value_t = 180, value_parser = clap::value_parser!(u32).range(1..=i64::from(crate::limits::AUDIT_DAYS)), value_name = "DAYS")]
    pub audit_days: u32,

    /// Messages one socket, or one user over HTTP, may send per second in the long run
    #[arg(long, env = "SALON_RATE_SENDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "PER_SECOND")]
    pub rate_sends: u32,

    /// Messages one socket may send at once
    #[arg(long, env = "SALON_RATE_SENDS_BURST", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "COUNT")]
    pub rate_sends_burst: u32,

    /// Frames of any kind one socket may send, and requests one user may make, per second in the long run
    #[arg(long, env = "SALON_RATE_FRAMES", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "PER_SECOND")]
    pub rate_frames: u32,

    /// Rooms one socket may begin to follow per second in the long run
    #[arg(long, env = "SALON_RATE_JOINS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "PER_SECOND")]
    pub rate_joins: u32,

    /// Prompts one user may make per minute: messages that call the assistant, and replies written again
    #[arg(long, env = "SALON_RATE_PROMPTS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "PER_MINUTE")]
    pub rate_prompts: u32,

    /// Rooms one user may make per minute
    #[arg(long, env = "SALON_RATE_ROOMS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "PER_MINUTE")]
    pub rate_rooms: u32,

    /// Invites one user may make, and one address look at, per minute
    #[arg(long, env = "SALON_RATE_INVITES", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "PER_MINUTE")]
    pub rate_invites: u32,

    /// Searches one user may make per minute
    #[arg(long, env = "SALON_RATE_SEARCHES", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "PER_MINUTE")]
    pub rate_searches: u32,

    /// Replies that run at once for one asker, on all instances together; more wait
    #[arg(long, env = "SALON_REPLIES_PER_USER", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "COUNT")]
    pub replies_per_user: u32,

    /// Replies that run at once in one room; more wait
    #[arg(long, env = "SALON_REPLIES_PER_ROOM", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "COUNT")]
    pub replies_per_room: u32,

    /// Replies that run at once, on all instances together; more wait
    #[arg(long, env = "SALON_REPLIES", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "COUNT")]
    pub replies: u32,

    /// Sign-ins, sign-ups and guests one address may try per minute
    #[arg(long, env = "SALON_RATE_SIGN_INS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "PER_MINUTE")]
    pub rate_sign_ins: u32,

    /// Wrong passwords one address, or one known device, may try of one account per minute
    #[arg(long, env = "SALON_RATE_TRIES", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "PER_MINUTE")]
    pub rate_tries: u32,

    /// All sockets of a user and its requests may send and join together so many times as much as one socket
    #[arg(long, env = "SALON_RATE_SHARE_USER", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "TIMES")]
    pub rate_share_user: u32,

    /// All users of one address may do so many times as much as one user
    #[arg(long, env = "SALON_RATE_SHARE_ADDRESS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "TIMES")]
    pub rate_share_address: u32,

    /// All users of all instances may do so many times as much as one user
    #[arg(long, env = "SALON_RATE_SHARE_FLEET", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "TIMES")]
    pub rate_share_fleet: u32,

    /// Sockets and event streams one user may have open at once
    #[arg(long, env = "SALON_SOCKETS_PER_USER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000_000), value_name = "COUNT")]
    pub sockets_per_user: u32,

    /// Sockets and event streams one address may have open at once
    #[arg(long, env = "SALON_SOCKETS_PER_ADDRESS", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000), value_name = "COUNT")]
    pub sockets_per_address: u32,

    /// Sockets and event streams all instances may have open at once
    #[arg(long, env = "SALON_SOCKETS_FLEET", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..=100_000_000), value_name = "COUNT")]
    pub sockets_fleet: u32,

    /// Who answers; not set: anthropic or openai if its key is set, else scripted
    #[arg(long, env = "SALON_LLM", value_name = "scripted|anthropic|openai")]
    pub llm: Option<LlmKind>,

    /// The provider's model; not set: a default for each provider
    #[arg(long, env = "SALON_MODEL", value_name = "MODEL")]
    pub model: Option<String>,

    /// Tokens that the model takes and gives together; not set: what its provider's own server takes, elsewhere 32,768
    #[arg(long, env = "SALON_MODEL_CONTEXT_TOKENS", value_name = "COUNT")]
    pub model_context_tokens: Option<u32>,

    /// Tokens that the model gives at most, above 8,192 not used; not set: 8,192 from its provider's own server, elsewhere 4,096
    #[arg(long, env = "SALON_MODEL_OUTPUT_TOKENS", value_name = "COUNT")]
    pub model_output_tokens: Option<u32>,

    /// What replies cost and what may be spent
    #[command(flatten)]
    pub spending: Spending,

    /// A file of further providers and their models (TOML; JSON if it ends so), beside the one that the other settings mean
    #[arg(long, env = "SALON_PROVIDERS", value_name = "FILE")]
    pub providers: Option<PathBuf>,

    /// Where providers may be beside public addresses: addresses, networks (each on every port) or host:port, comma-separated
    #[arg(
        long,
        env = "SALON_LLM_ALLOW",
        value_delimiter = ',',
        value_name = "NETWORK|HOST:PORT"
    )]
    pub llm_allow: Vec<AllowEntry>,

    /// Key for Anthropic
    #[arg(
        long,
        env = "ANTHROPIC_API_KEY",
        hide_env_values = true,
        value_name = "KEY"
    )]
    pub anthropic_api_key: Option<SecretString>,

    /// Anthropic, or a server that speaks its Messages API
    #[arg(
        long,
        env = "ANTHROPIC_BASE_URL",
        default_value = ANTHROPIC_URL,
        value_name = "URL"
    )]
    pub anthropic_base_url: String,

    /// Key for OpenAI
    #[arg(
        long,
        env = "OPENAI_API_KEY",
        hide_env_values = true,
        value_name = "KEY"
    )]
    pub openai_api_key: Option<SecretString>,

    /// OpenAI, or any server that speaks its chat completions
    #[arg(
        long,
        env = "OPENAI_BASE_URL",
        default_value = OPENAI_URL,
        value_name = "URL"
    )]
    pub openai_base_url: String,

    /// The built-in demo waits so long between two words
    #[arg(long, env = "SALON_SCRIPTED_DELAY_MS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(0..=60_000), value_name = "MS")]
    pub scripted_delay_ms: u64,

    /// How the log is written
    #[arg(
        long,
        env = "SALON_LOG_FORMAT",
        default_value = "text",
        value_name = "text|json"
    )]
    pub log_format: LogFormat,

    /// What is logged: a level, or levels by module (tracing's filter syntax)
    #[arg(long, env = "SALON_LOG", default_value = "info", value_name = "FILTER")]
    pub log: String,
}

impl Config {
    /// What single settings cannot say about each other.
    ///
    /// # Errors
    /// A sentence for the operator that names the settings; no values.
    pub fn check(&self) -> Result<(), String> {
        if self.redis_url.is_some() && self.database_url.is_none() {
            return Err("REDIS_URL without DATABASE_URL: the embedded database belongs to one instance, so there is nothing to share. Set DATABASE_URL too, or leave REDIS_URL out.".into());
        }
        if self.redis_url.is_some() {
            let Some(secret) = &self.cluster_secret else {
                return Err("REDIS_URL needs SALON_CLUSTER_SECRET: instances authenticate what they tell each other with it (at least 32 characters).".into());
            };
            if secret
                .expose_secret()
                .split(',')
                .any(|part| part.trim().len() < 32)
            {
                return Err("SALON_CLUSTER_SECRET: each secret has at least 32 characters.".into());
            }
            if secret.expose_secret().split(',').count() > 2 {
                return Err(
                    "SALON_CLUSTER_SECRET: at most two secrets, the new one and the old one."
                        .into(),
                );
            }
        }
        if crate::channel_layer::GroupName::new(&self.deployment).is_none() {
            return Err("SALON_DEPLOYMENT: letters, digits, '-', '_' and '.' only.".into());
        }
        match self.llm {
            Some(LlmKind::Anthropic) if !is_set(self.anthropic_api_key.as_ref()) => {
                Err("SALON_LLM=anthropic needs ANTHROPIC_API_KEY.".into())
            }
            Some(LlmKind::Openai) if !is_set(self.openai_api_key.as_ref()) => Err(
                "SALON_LLM=openai needs OPENAI_API_KEY (any text for a server without keys)."
                    .into(),
            ),
            _ => {
                self.check_origins()?;
                self.organisations.check(&self.public_origin)?;
                self.check_contact()
            }
        }
    }

    /// It is written into a line of its own, so it is one word.
    fn check_contact(&self) -> Result<(), String> {
        let is_contact = |text: &String| {
            let rest = text
                .strip_prefix("mailto:")
                .or_else(|| text.strip_prefix("https://"));
            rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_graphic()))
        };
        if self.security_contact.as_ref().is_none_or(is_contact) {
            return Ok(());
        }
        Err("SALON_SECURITY_CONTACT: an address such as mailto:security@example.org or https://example.org/security.".into())
    }

    fn check_origins(&self) -> Result<(), String> {
        for origin in &self.public_origin {
            let rest = origin
                .strip_prefix("https://")
                .or_else(|| origin.strip_prefix("http://"));
            if !rest.is_some_and(|host| {
                !host.is_empty() && !host.contains(['/', '?', '#', '@', '*', ' '])
            }) {
                return Err(format!(
                    "SALON_PUBLIC_ORIGIN: `{origin}` is not an origin such as https://chat.example.org (no path, no final slash)."
                ));
            }
        }
        Ok(())
    }

    /// Whether Redis lets in whoever reaches it, as far as the URL tells.
    #[must_use]
    pub fn redis_has_no_password(&self) -> bool {
        self.redis_url.as_ref().is_some_and(|url| {
            let rest = url.expose_secret().split_once("://");
            let credentials = rest.and_then(|(_, rest)| rest.rsplit_once('@'));
            !credentials.is_some_and(|(words, _)| {
                words
                    .split_once(':')
                    .is_some_and(|(_, word)| !word.is_empty())
            })
        })
    }

    /// Who answers, after the keys that are there.
    #[must_use]
    pub fn llm_kind(&self) -> LlmKind {
        match self.llm {
            Some(kind) => kind,
            None if is_set(self.anthropic_api_key.as_ref()) => LlmKind::Anthropic,
            None if is_set(self.openai_api_key.as_ref()) => LlmKind::Openai,
            None => LlmKind::Scripted,
        }
    }

    /// Whether cookies may go without `Secure`: only when every public origin is plain http, or none is named
    /// and the server listens on this machine only.
    #[must_use]
    pub fn plain_http(&self) -> bool {
        match self.public_origin.as_slice() {
            [] => true,
            origins => origins.iter().all(|origin| origin.starts_with("http://")),
        }
    }
}

/// The key in the environment variable that `SALON_PROVIDERS` names for a provider; read once, at the start.
#[must_use]
pub fn key_from_environment(variable: &str) -> Option<SecretString> {
    let key = std::env::var(variable).ok().map(SecretString::from);
    key.filter(|key| is_set(Some(key)))
}

/// An empty variable is how many tools say "not set".
fn is_set(key: Option<&SecretString>) -> bool {
    key.is_some_and(|key| !key.expose_secret().is_empty())
}

/// A network such as `10.0.0.0/8`, or one address.
fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
        .map_err(|_error| "not an address or a network such as 10.0.0.0/8".to_owned())
}
