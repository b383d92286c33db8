//! The file that `SALON_PROVIDERS` names: further providers beside the default one. Reads and checks its form; what is built
//! of it is [`super::registry`]'s. It holds no key: each provider names the environment variable that does.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::ModelLimits;
use crate::config::LlmKind;
use crate::limits;
use crate::spending::{Money, Prices};

/// The name of the provider that the settings mean; none in the file has it.
pub const DEFAULT_NAME: &str = "default";

/// One provider of the file.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NamedProvider {
    /// What rooms call it.
    pub(super) name: String,
    kind: Kind,
    /// Where its kind's own is not meant.
    pub(super) base_url: Option<String>,
    /// The environment variable that holds its key; none for a server without keys.
    pub(super) key_env: Option<String>,
    /// Answers at once.
    pub(super) calls: Option<usize>,
    /// Its models, the usual one first.
    #[serde(rename = "model")]
    pub(super) models: Vec<NamedModel>,
}

/// One model of a provider.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NamedModel {
    /// As the provider calls it.
    pub(super) name: String,
    context_tokens: u32,
    output_tokens: u32,
    /// What a million tokens cost, as texts: `"2.5"`.
    input_price: Option<Money>,
    output_price: Option<Money>,
    cached_price: Option<Money>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Anthropic,
    Openai,
    Scripted,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(rename = "provider", default)]
    providers: Vec<NamedProvider>,
}

impl NamedProvider {
    /// The protocol that it speaks.
    pub(super) const fn kind(&self) -> LlmKind {
        match self.kind {
            Kind::Anthropic => LlmKind::Anthropic,
            Kind::Openai => LlmKind::Openai,
            Kind::Scripted => LlmKind::Scripted,
        }
    }

    fn check(&self) -> Result<(), String> {
        let name = &self.name;
        if !is_name(name) || name == DEFAULT_NAME {
            return Err(
                "each `name` is 1 to 64 of a-z, 0-9, '-', '_' and '.', and not `default`".into(),
            );
        }
        if self.models.is_empty() || self.models.len() > limits::PROVIDER_MODELS {
            let most = limits::PROVIDER_MODELS;
            return Err(format!("`{name}` has 1 to {most} models"));
        }
        if self
            .calls
            .is_some_and(|calls| calls == 0 || calls > limits::REPLIES_PER_INSTANCE)
        {
            let most = limits::REPLIES_PER_INSTANCE;
            return Err(format!("`{name}`: `calls` is 1 to {most}"));
        }
        if self
            .key_env
            .as_deref()
            .is_some_and(|variable| !is_variable(variable))
        {
            return Err(format!(
                "`{name}`: `key_env` is the name of an environment variable, not a key"
            ));
        }
        for (index, model) in self.models.iter().enumerate() {
            model.check(name)?;
            let before = self.models.iter().take(index);
            if before.into_iter().any(|other| other.name == model.name) {
                return Err(format!("`{name}` has a model twice"));
            }
        }
        Ok(())
    }
}

impl NamedModel {
    /// How much it takes and gives.
    pub(super) const fn limits(&self) -> ModelLimits {
        ModelLimits {
            context_tokens: self.context_tokens,
            output_tokens: self.output_tokens,
        }
    }

    /// What it costs.
    ///
    /// # Errors
    /// A part of a sentence for the operator.
    pub(super) fn prices(&self) -> Result<Option<Prices>, &'static str> {
        Prices::of(self.input_price, self.output_price, self.cached_price)
    }

    fn check(&self, provider: &str) -> Result<(), String> {
        let is_shown = |c: char| !c.is_control() && !c.is_whitespace();
        if self.name.is_empty() || self.name.len() > 200 || !self.name.chars().all(is_shown) {
            return Err(format!("`{provider}` has a model without a proper name"));
        }
        self.limits()
            .check()
            .and_then(|()| self.prices().map(drop).map_err(str::to_owned))
            .map_err(|said| format!("`{provider}`, `{}`: {said}", self.name))
    }
}

/// Reads the text of a file: JSON where its name ends so, else TOML.
///
/// # Errors
/// A sentence for the operator. It quotes names of fields, never values: somebody may have written a key there.
pub(super) fn parse(path: &std::path::Path, text: &str) -> Result<Vec<NamedProvider>, String> {
    let is_json = path.extension().is_some_and(|ending| ending == "json");
    let document: Document = if is_json { json(text) } else { toml(text) }?;
    let providers = document.providers;
    if providers.len() > limits::PROVIDERS {
        return Err(format!("at most {} providers", limits::PROVIDERS));
    }
    for (index, provider) in providers.iter().enumerate() {
        provider.check()?;
        let mut before = providers.iter().take(index);
        if before.any(|other| other.name == provider.name) {
            return Err(format!("`{}` is there twice", provider.name));
        }
    }
    Ok(providers)
}

fn toml<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.map_or(1, |before| before.matches('\n').count() + 1);
        format!("line {line}: {}", discreet(error.message()))
    })
}

fn json<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text)
        .map_err(|error| format!("line {}: {}", error.line(), discreet(&error.to_string())))
}

/// What a parser says, where it can only be the names of fields.
fn discreet(said: &str) -> &str {
    if said.starts_with("unknown field") || said.starts_with("missing field") {
        said
    } else {
        "not of the form that docs/assistant.md shows"
    }
}

fn is_name(text: &str) -> bool {
    let is_allowed =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    (1..=64).contains(&text.len()) && text.chars().all(is_allowed)
}

fn is_variable(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    (1..=64).contains(&text.len()) && text.chars().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const FILE: &str = r#"
[[provider]]
name = "local"
kind = "openai"
base_url = "http://127.0.0.1:11434/v1"
calls = 2

[[provider.model]]
name = "qwen3:8b"
context_tokens = 32768
output_tokens = 4096

[[provider]]
name = "claude"
kind = "anthropic"
key_env = "SECOND_KEY"

[[provider.model]]
name = "claude-haiku-4-5"
context_tokens = 200000
output_tokens = 64000
input_price = "1"
output_price = "5"
cached_price = "0.1"
"#;

    fn read(text: &str) -> Result<Vec<NamedProvider>, String> {
        parse(Path::new("providers.toml"), text)
    }

    #[test]
    fn toml_and_json_say_the_same() {
        let providers = read(FILE).unwrap();
        assert_eq!(providers.len(), 2);
        assert_eq!(providers[0].calls, Some(2));
        assert_eq!(providers[0].models[0].limits().context_tokens, 32_768);
        assert_eq!(providers[1].key_env.as_deref(), Some("SECOND_KEY"));
        assert_eq!(providers[1].kind(), LlmKind::Anthropic);
        let value: toml::Value = toml::from_str(FILE).unwrap();
        let json = serde_json::to_string(&value).unwrap();
        assert_eq!(parse(Path::new("p.json"), &json).unwrap(), providers);
        assert!(read("").unwrap().is_empty());
        assert_eq!(providers[0].models[0].prices(), Ok(None));
        let prices = providers[1].models[0].prices().unwrap().unwrap();
        assert_eq!(prices.cached.to_string(), "0.1");
        assert_eq!(prices.cost_micros(1_000_000, 0, 1_000_000), 6_000_000);
    }

    #[test]
    fn what_is_wrong_is_told_without_values() {
        let wrong = [
            ("name = \"local\"", "name = \"sk-Secret\"", "each `name`"),
            ("name = \"local\"", "name = \"default\"", "each `name`"),
            ("name = \"claude\"", "name = \"local\"", "twice"),
            ("calls = 2", "calls = 0", "`calls`"),
            ("calls = 2", "calls = \"sk-Secret\"", "line 6"),
            ("calls = 2", "key = \"sk-Secret\"", "unknown field `key`"),
            ("kind = \"openai\"", "kind = \"sk-Secret\"", "line 4"),
            ("\"SECOND_KEY\"", "\"sk-Secret\"", "`key_env`"),
            (
                "context_tokens = 32768\n",
                "",
                "missing field `context_tokens`",
            ),
            ("context_tokens = 32768", "context_tokens = 100", "context"),
            ("output_tokens = 4096", "output_tokens = 0", "output"),
            ("context_tokens = 32768", "context_tokens = 4096", "output"),
            ("\"qwen3:8b\"", "\"\"", "proper name"),
            ("output_price = \"5\"\n", "", "price"),
            ("\"0.1\"", "\"sk-Secret\"", "line 24"),
            ("\"0.1\"", "0.1", "line 24"),
            ("[[provider]]", "[[provider", "line "),
        ];
        for (from, to, expected) in wrong {
            let said = read(&FILE.replacen(from, to, 1)).unwrap_err();
            assert!(said.contains(expected), "{to}: {said}");
            assert!(!said.contains("Secret"), "{said}");
        }
        let said = parse(Path::new("p.json"), "{\"provider\": [\"sk-Secret\"]}").unwrap_err();
        assert!(
            said.contains("line 1") && !said.contains("Secret"),
            "{said}"
        );
    }

    #[test]
    fn how_many_there_may_be_is_bounded() {
        let one = |number: usize| {
            format!(
                "[[provider]]\nname = \"p{number}\"\nkind = \"scripted\"\n[[provider.model]]\nname = \"m\"\ncontext_tokens = 4096\noutput_tokens = 1024\n"
            )
        };
        let many = |count| (0..count).map(one).collect::<String>();
        assert_eq!(
            read(&many(limits::PROVIDERS)).unwrap().len(),
            limits::PROVIDERS
        );
        read(&many(limits::PROVIDERS + 1)).unwrap_err();
    }
}
