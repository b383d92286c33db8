//! OpenAI's chat completions, streamed, and every server that speaks them (Ollama, `vLLM`, `SGLang`, llama.cpp, `OpenRouter`
//! and others, whose deviations are recorded in `tests/fixtures/llm`). Built by [`super::registry`]; called by the reply
//! runner. What the chunks mean is in [`OpenAiDecoder`]; sending, timeouts and retries are in `http` and `answer`.
//!
//! Reasoning, tool calls and unknown fields are read over, never shown. An answer is whole only when it gave a
//! `finish_reason` and the stream was ended properly after it.

use std::collections::VecDeque;

use async_trait::async_trait;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use reqwest::{Client, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::answer::{self, Decoder, model_name, own_stop_reason, push_text, token_count};
use super::event_stream::Event;
use super::failure::{Failure, ProviderError};
use super::http::{self, Request, Timeouts};
use super::reach::Reach;
use super::{Completion, Delta, DeltaStream, LlmError, LlmProvider, Prompt, TurnRole};
use crate::db::rows::Usage;
use crate::error::ErrorCode;
use crate::limits;

/// The model where none is set. Operators should set their own; other servers need it.
pub const DEFAULT_MODEL: &str = "gpt-4o-mini";

/// The host whose newer models refuse `max_tokens`; other servers may know only that.
pub(super) const OPENAI_HOST: &str = "api.openai.com";

/// What the provider is built from. `Debug` shows no key.
#[derive(Clone, Debug)]
pub struct OpenAiSettings {
    /// The server's address, with its `/v1` and without `/chat/completions`.
    pub base_url: String,
    /// Sent as a bearer token; empty for a server without keys.
    pub api_key: SecretString,
    /// The model's name.
    pub model: String,
    /// How long to wait, and how often.
    pub timeouts: Timeouts,
    /// Where it may be.
    pub reach: Reach,
}

/// The provider. `Debug` shows no key.
#[derive(Clone, Debug)]
pub struct OpenAiProvider {
    client: Client,
    url: Url,
    models: Url,
    headers: HeaderMap,
    model: String,
    timeouts: Timeouts,
}

impl OpenAiProvider {
    /// A provider; connects to nothing yet.
    ///
    /// # Errors
    /// A sentence for the operator that names the setting and holds no key.
    pub fn new(settings: OpenAiSettings) -> Result<Self, String> {
        Self::named(settings, ["OPENAI_BASE_URL", "OPENAI_API_KEY"])
    }

    /// The same; these are the names of the settings that its base URL and its key come from.
    pub(super) fn named(
        settings: OpenAiSettings,
        [base_setting, key_setting]: [&str; 2],
    ) -> Result<Self, String> {
        let base = http::base_url(base_setting, &settings.base_url)?;
        let mut headers = HeaderMap::new();
        if !settings.api_key.expose_secret().trim().is_empty() {
            let key = http::secret_header(key_setting, "Bearer ", &settings.api_key)?;
            headers.insert(AUTHORIZATION, key);
        }
        Ok(Self {
            client: http::client(base_setting, &base, &settings.timeouts, &settings.reach)?,
            url: http::join(&base, "chat/completions"),
            models: http::join(&base, "models"),
            headers,
            model: settings.model,
            timeouts: settings.timeouts,
        })
    }

    /// The JSON of a request for an answer.
    #[must_use]
    pub fn body(&self, prompt: &Prompt) -> Value {
        let system = (!prompt.system.is_empty())
            .then(|| json!({ "role": "system", "content": prompt.system }));
        let turns = prompt.turns.iter().map(|turn| {
            let role = match turn.role {
                TurnRole::User => "user",
                TurnRole::Assistant => "assistant",
            };
            json!({ "role": role, "content": turn.text })
        });
        let limit = if self.url.host_str() == Some(OPENAI_HOST) {
            "max_completion_tokens"
        } else {
            "max_tokens"
        };
        let mut body = json!({
            "model": prompt.model.as_ref().unwrap_or(&self.model),
            "messages": system.into_iter().chain(turns).collect::<Vec<_>>(),
            limit: prompt.max_tokens,
            "stream": true,
            "stream_options": { "include_usage": true },
        });
        if let Some(temperature) = prompt.temperature()
            && let Some(fields) = body.as_object_mut()
        {
            fields.insert("temperature".to_owned(), Value::from(temperature));
        }
        body
    }
}

#[async_trait]
impl LlmProvider for OpenAiProvider {
    fn model(&self) -> &str {
        &self.model
    }

    async fn answer(&self, prompt: Prompt) -> Result<DeltaStream, LlmError> {
        let request = Request {
            client: self.client.clone(),
            url: self.url.clone(),
            headers: self.headers.clone(),
            body: self.body(&prompt).to_string().into(),
            timeouts: self.timeouts.clone(),
        };
        answer::begin(request, OpenAiDecoder::default).await
    }

    async fn probe(&self) -> Result<String, LlmError> {
        let request = self.client.get(self.models.clone());
        http::probe(
            request.headers(self.headers.clone()),
            limits::PROVIDER_PROBE_TIMEOUT,
        )
        .await
        .map_err(|failure| failure.error)
    }
}

/// Reads one stream of chat completion chunks.
#[derive(Debug, Default)]
pub(super) struct OpenAiDecoder {
    finish_reason: Option<String>,
    usage: Option<Usage>,
    model: Option<String>,
    /// A `delta.refusal` came: the model's own words for no.
    is_refusal: bool,
}

impl Decoder for OpenAiDecoder {
    fn event(&mut self, event: &Event, deltas: &mut VecDeque<Delta>) -> Result<(), Failure> {
        let text = event.data.trim();
        if text == "[DONE]" {
            return self.finish(deltas);
        }
        let chunk = match serde_json::from_str::<Value>(text) {
            Ok(chunk) => chunk,
            Err(_) if event.name == "error" => {
                return Err(ProviderError::default().into_failure(200));
            }
            // Empty data keeps a connection alive; a named event is not of this protocol.
            Err(_) if text.is_empty() || !matches!(event.name.as_str(), "" | "message") => {
                return Ok(());
            }
            Err(_) => return Err(Failure::malformed("a chunk is not JSON")),
        };
        if let Some(error) = ProviderError::from_document(&chunk) {
            return Err(error.into_failure(200));
        }
        if event.name == "error" {
            return Err(ProviderError::default().into_failure(200));
        }
        if !chunk.is_object() {
            return Err(Failure::malformed("a chunk is not an object"));
        }
        self.chunk(&chunk, deltas)
    }

    fn end(&mut self, deltas: &mut VecDeque<Delta>) -> Result<(), Failure> {
        self.finish(deltas)
    }
}

impl OpenAiDecoder {
    fn chunk(&mut self, chunk: &Value, deltas: &mut VecDeque<Delta>) -> Result<(), Failure> {
        if self.model.is_none() {
            self.model = model_name(chunk.get("model"));
        }
        self.count(chunk.get("usage"));
        self.count(chunk.pointer("/x_groq/usage"));
        let Some(choices) = chunk.get("choices").and_then(Value::as_array) else {
            return Ok(());
        };
        // One answer was asked for; a server that gives more does not get them mixed into it.
        let ours = choices
            .iter()
            .filter(|choice| choice.get("index").and_then(Value::as_u64).unwrap_or(0) == 0);
        for choice in ours {
            self.count(choice.get("usage"));
            self.delta(choice, deltas);
            match choice.get("finish_reason").and_then(Value::as_str) {
                None | Some("") => {}
                Some("error") => {
                    return Err(Failure::passing(
                        ErrorCode::ProviderUnavailable,
                        "finish_reason error",
                    ));
                }
                Some("abort") => return Err(Failure::truncated("finish_reason abort")),
                Some(reason) => self.finish_reason = Some(reason.to_owned()),
            }
        }
        Ok(())
    }

    fn delta(&mut self, choice: &Value, deltas: &mut VecDeque<Delta>) {
        match choice.pointer("/delta/content") {
            Some(Value::String(text)) => push_text(deltas, text),
            // Content in parts: only those of text are shown.
            Some(Value::Array(parts)) => {
                for part in parts {
                    if part.get("type").and_then(Value::as_str) == Some("text")
                        && let Some(text) = part.get("text").and_then(Value::as_str)
                    {
                        push_text(deltas, text);
                    }
                }
            }
            _ => {}
        }
        if let Some(text) = choice.pointer("/delta/refusal").and_then(Value::as_str) {
            self.is_refusal = self.is_refusal || !text.is_empty();
            push_text(deltas, text);
        }
    }

    /// The latest counts hold: servers that send them with each chunk send totals.
    fn count(&mut self, usage: Option<&Value>) {
        let number = |names: [&str; 2]| names.iter().find_map(|name| token_count(usage?.get(name)));
        let input = number(["prompt_tokens", "input_tokens"]);
        let output = number(["completion_tokens", "output_tokens"]);
        if input.is_some() || output.is_some() {
            self.usage = Some(Usage {
                input_tokens: input.unwrap_or(0),
                output_tokens: output.unwrap_or(0),
                cached_tokens: cached(usage).unwrap_or(0),
                estimated: false,
            });
        }
    }

    fn finish(&mut self, deltas: &mut VecDeque<Delta>) -> Result<(), Failure> {
        let Some(reason) = self.finish_reason.take() else {
            return Err(Failure::truncated(
                "the stream ended without a finish_reason",
            ));
        };
        let stop_reason = match reason.as_str() {
            _ if self.is_refusal => "refusal".to_owned(),
            // The words of OpenAI, then those of servers that pass on their model's.
            "stop" | "eos" | "eos_token" | "stop_sequence" | "end_turn" => "end".to_owned(),
            "length" | "model_length" | "max_tokens" => "length".to_owned(),
            "content_filter" => "filter".to_owned(),
            // `tool_calls` and others stay the provider's.
            _ => own_stop_reason(&reason),
        };
        deltas.push_back(Delta::Done(Completion {
            stop_reason,
            usage: self.usage,
            model: self.model.take(),
        }));
        Ok(())
    }
}
/// Tokens of the prompt that were known from before: where OpenAI tells them, and where `DeepSeek` does.
fn cached(usage: Option<&Value>) -> Option<i64> {
    let usage = usage?;
    let places = [
        "/prompt_tokens_details/cached_tokens",
        "/prompt_cache_hit_tokens",
    ];
    places
        .iter()
        .find_map(|place| token_count(usage.pointer(place)))
}
