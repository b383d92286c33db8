//! All providers that are configured, by name: the default one of the settings, and those of the file that `SALON_PROVIDERS`
//! names. Built once by the server; the reply runner asks it for a model, `GET /api/models` lists it, `salon check` asks each.
//!
//! Each provider has a circuit breaker and a bound on its calls of its own, which its models share: one that fails or is
//! full costs the others nothing. It shows no key and no address but to the operator.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;

use super::breaker::{Breaker, SharedCircuit};
use super::calls::{Capped, Places};
use super::file::{self, NamedProvider};
use super::http::Timeouts;
use super::reach::Reach;
use super::{LlmProvider, ModelLimits, anthropic, openai, scripted};
use crate::config::{self, Config, LlmKind};
use crate::limits;
use crate::spending::Prices;

pub use super::file::DEFAULT_NAME;

/// What is known of models of whose provider nobody said anything: the built-in demo, and each provider's own servers.
const OWN_SERVERS: [(LlmKind, &str, ModelLimits); 2] = [
    (LlmKind::Anthropic, "api.anthropic.com", limits_of(200_000)),
    (LlmKind::Openai, openai::OPENAI_HOST, limits_of(128_000)),
];

/// Other servers may run anything. What is larger should be set.
const ELSEWHERE: ModelLimits = ModelLimits {
    context_tokens: 32_768,
    output_tokens: 4_096,
};

const fn limits_of(context_tokens: u32) -> ModelLimits {
    ModelLimits {
        context_tokens,
        output_tokens: limits::REPLY_TOKENS,
    }
}

/// A model that a reply can be written by.
#[derive(Clone)]
pub struct Model {
    /// How to ask it.
    pub llm: Arc<dyn LlmProvider>,
    /// How much it takes and gives.
    pub limits: ModelLimits,
    /// What its provider is called here.
    pub provider: Arc<str>,
    /// What it costs, where the operator said.
    pub prices: Option<Prices>,
}

/// One provider.
#[derive(Clone)]
pub struct Provider {
    /// What rooms call it.
    pub name: String,
    /// Where it is, for the operator; none for the built-in demo.
    pub base_url: Option<String>,
    /// The usual one first; never empty.
    pub models: Vec<Model>,
}

/// All providers. The first is the default one.
#[derive(Clone)]
pub struct Providers {
    default: Model,
    all: Vec<Provider>,
}

impl Providers {
    /// What the settings mean, with their file and its keys.
    ///
    /// # Errors
    /// A sentence for the operator that names the setting and holds no key.
    pub fn from_config(config: &Config) -> Result<Arc<Self>, String> {
        let reach = Reach::new(config.llm_allow.clone());
        let (default, provider) = default_provider(config, &reach)?;
        let mut all = vec![provider];
        if let Some(path) = &config.providers {
            let named = read(path).map_err(|said| format!("SALON_PROVIDERS: {said}."))?;
            for named in &named {
                let provider = file_provider(named, &reach)
                    .map_err(|said| format!("SALON_PROVIDERS, `{}`: {said}", named.name))?;
                all.push(provider);
            }
        }
        let providers = Self { default, all };
        if config.spending.caps().is_any_of_money() {
            providers.require_prices()?;
        }
        Ok(Arc::new(providers))
    }

    /// What may be spent is not bounded by a model that costs nobody knows what.
    fn require_prices(&self) -> Result<(), String> {
        let mut models = self.all.iter().flat_map(|provider| &provider.models);
        match models.find(|model| model.prices.is_none()) {
            None => Ok(()),
            Some(model) => Err(format!(
                "SALON_SPEND_…: the model `{}` of the provider `{}` has no price. Give it one (SALON_MODEL_INPUT_PRICE and SALON_MODEL_OUTPUT_PRICE, or in the file of SALON_PROVIDERS), 0 if it costs nothing.",
                model.llm.model(),
                model.provider
            )),
        }
    }

    /// One model with a large context and nothing else, as it is.
    #[must_use]
    pub fn only(llm: Arc<dyn LlmProvider>) -> Arc<Self> {
        let default = Model {
            llm,
            limits: limits_of(200_000),
            provider: DEFAULT_NAME.into(),
            prices: None,
        };
        let provider = Provider {
            name: DEFAULT_NAME.to_owned(),
            base_url: None,
            models: vec![default.clone()],
        };
        Arc::new(Self {
            default,
            all: vec![provider],
        })
    }

    /// What answers where nobody chose.
    #[must_use]
    pub const fn default_model(&self) -> &Model {
        &self.default
    }

    /// The model of this name at the provider of that name; its usual one where none is named. None where the operator has
    /// no such provider, or it no such model (any more).
    #[must_use]
    pub fn get(&self, provider: &str, model: Option<&str>) -> Option<&Model> {
        let provider = self.all.iter().find(|one| one.name == provider)?;
        match model {
            None => provider.models.first(),
            Some(name) => provider.models.iter().find(|one| one.llm.model() == name),
        }
    }

    /// What a room chose, each part where it did.
    #[must_use]
    pub fn chosen(&self, provider: Option<&str>, model: Option<&str>) -> Option<&Model> {
        match (provider, model) {
            (None, None) => Some(self.default_model()),
            (provider, model) => self.get(provider.unwrap_or(DEFAULT_NAME), model),
        }
    }

    /// How many answers may begin now, at all of them together.
    #[must_use]
    pub fn free_places(&self) -> usize {
        // The models of one provider share its places.
        let usual = self
            .all
            .iter()
            .filter_map(|provider| provider.models.first());
        usual
            .map(|model| model.llm.free_places())
            .fold(0, usize::saturating_add)
    }

    /// Each provider, the default one first.
    #[must_use]
    pub fn all(&self) -> &[Provider] {
        &self.all
    }
}

/// The provider of the settings that are about one.
fn default_provider(config: &Config, reach: &Reach) -> Result<(Model, Provider), String> {
    let kind = config.llm_kind();
    let (base_url, key, usual, names) = match kind {
        LlmKind::Scripted => (None, None, scripted::MODEL, ["", ""]),
        LlmKind::Anthropic => (
            Some(&config.anthropic_base_url),
            config.anthropic_api_key.clone(),
            anthropic::DEFAULT_MODEL,
            ["ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY"],
        ),
        LlmKind::Openai => (
            Some(&config.openai_base_url),
            config.openai_api_key.clone(),
            openai::DEFAULT_MODEL,
            ["OPENAI_BASE_URL", "OPENAI_API_KEY"],
        ),
    };
    let chosen = config.model.as_deref().map(str::trim);
    let is_choice = |model: &&str| kind != LlmKind::Scripted && !model.is_empty();
    let model = chosen.filter(is_choice).unwrap_or(usual);
    let mut limits = usual_limits(kind, base_url.map(String::as_str));
    limits.context_tokens = config.model_context_tokens.unwrap_or(limits.context_tokens);
    limits.output_tokens = config.model_output_tokens.unwrap_or(limits.output_tokens);
    limits.check().map_err(|said| {
        format!("SALON_MODEL_CONTEXT_TOKENS and SALON_MODEL_OUTPUT_TOKENS: {said}.")
    })?;
    let making = Making {
        kind,
        base_url: base_url.cloned(),
        key: key.unwrap_or_default(),
        names,
        scripted_delay: Duration::from_millis(config.scripted_delay_ms),
        guards: Guards::new(DEFAULT_NAME, None),
    };
    let model = Model {
        llm: making.model(model, reach)?,
        limits,
        provider: DEFAULT_NAME.into(),
        prices: config.spending.prices()?,
    };
    let provider = Provider {
        name: DEFAULT_NAME.to_owned(),
        base_url: base_url.cloned(),
        models: vec![model.clone()],
    };
    Ok((model, provider))
}

/// A provider of the file.
fn file_provider(named: &NamedProvider, reach: &Reach) -> Result<Provider, String> {
    let own = match named.kind() {
        LlmKind::Scripted => None,
        LlmKind::Anthropic => Some(config::ANTHROPIC_URL),
        LlmKind::Openai => Some(config::OPENAI_URL),
    };
    let base_url = own.map(|own| named.base_url.clone().unwrap_or_else(|| own.to_owned()));
    let key = match &named.key_env {
        None => SecretString::default(),
        Some(variable) => config::key_from_environment(variable)
            .ok_or_else(|| format!("the environment variable {variable} is not set."))?,
    };
    let making = Making {
        kind: named.kind(),
        base_url: base_url.clone(),
        key,
        names: ["`base_url`", "the key"],
        scripted_delay: Duration::ZERO,
        guards: Guards::new(&named.name, named.calls),
    };
    let models = named.models.iter().map(|model| {
        Ok(Model {
            llm: making.model(&model.name, reach)?,
            limits: model.limits(),
            provider: named.name.as_str().into(),
            prices: model.prices()?,
        })
    });
    Ok(Provider {
        name: named.name.clone(),
        base_url,
        models: models.collect::<Result<_, String>>()?,
    })
}

fn usual_limits(kind: LlmKind, base_url: Option<&str>) -> ModelLimits {
    let Some(base_url) = base_url else {
        return limits_of(200_000);
    };
    let url = Url::parse(base_url.trim()).ok();
    let host = url.as_ref().and_then(Url::host_str);
    OWN_SERVERS
        .into_iter()
        .find(|(own, name, _)| *own == kind && host == Some(*name))
        .map_or(ELSEWHERE, |(_, _, limits)| limits)
}

/// What the models of one provider share.
struct Guards {
    circuit: SharedCircuit,
    places: Places,
}

impl Guards {
    fn new(name: &str, calls: Option<usize>) -> Self {
        let calls = calls.unwrap_or(limits::PROVIDER_CALLS);
        Self {
            circuit: SharedCircuit::new(name, limits::PROVIDER_CIRCUIT_OPEN),
            places: Places::new(calls, limits::PROVIDER_PLACE_WAIT),
        }
    }
}

/// One provider while its models are made.
struct Making {
    kind: LlmKind,
    base_url: Option<String>,
    key: SecretString,
    /// What the operator calls the base URL and the key.
    names: [&'static str; 2],
    scripted_delay: Duration,
    guards: Guards,
}

impl Making {
    fn model(&self, model: &str, reach: &Reach) -> Result<Arc<dyn LlmProvider>, String> {
        let base_url = self.base_url.clone().unwrap_or_default();
        let inner: Arc<dyn LlmProvider> = match self.kind {
            // Never fails and never fills up.
            LlmKind::Scripted => {
                return Ok(Arc::new(scripted::ScriptedProvider::named(
                    model,
                    self.scripted_delay,
                )));
            }
            LlmKind::Anthropic => {
                let settings = anthropic::AnthropicSettings {
                    base_url,
                    api_key: self.key.clone(),
                    model: model.to_owned(),
                    timeouts: Timeouts::default(),
                    reach: reach.clone(),
                };
                Arc::new(anthropic::AnthropicProvider::named(settings, self.names)?)
            }
            LlmKind::Openai => {
                let settings = openai::OpenAiSettings {
                    base_url,
                    api_key: self.key.clone(),
                    model: model.to_owned(),
                    timeouts: Timeouts::default(),
                    reach: reach.clone(),
                };
                Arc::new(openai::OpenAiProvider::named(settings, self.names)?)
            }
        };
        let guarded = Arc::new(Breaker::around(inner, &self.guards.circuit));
        Ok(Arc::new(Capped::around(
            guarded,
            self.guards.places.clone(),
        )))
    }
}

/// The file, at most as long as it may be.
fn read(path: &Path) -> Result<Vec<NamedProvider>, String> {
    let mut text = String::new();
    std::fs::File::open(path)
        .map(|file| file.take(limits::PROVIDER_FILE_BYTES + 1))
        .and_then(|mut file| file.read_to_string(&mut text))
        .map_err(|error| format!("the file cannot be read: {error}"))?;
    if text.len() as u64 > limits::PROVIDER_FILE_BYTES {
        return Err(format!(
            "the file has more than {} bytes",
            limits::PROVIDER_FILE_BYTES
        ));
    }
    file::parse(path, &text)
}
