//! The Anthropic Messages API, streamed. Also any server that speaks it. Built by [`super::registry`]; called by the reply
//! runner. What the events mean is in [`AnthropicDecoder`]; sending, timeouts and retries are in `http` and `answer`.
//!
//! Text blocks are joined by their index. Thinking, tool calls and whatever comes in the future are read over, never shown.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use async_trait::async_trait;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
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

/// The model where none is set. Operators should set their own.
pub const DEFAULT_MODEL: &str = "claude-sonnet-4-5";

/// The version of the API that this file speaks.
const API_VERSION: &str = "2023-06-01";

/// What the provider is built from. `Debug` shows no key.
#[derive(Clone, Debug)]
pub struct AnthropicSettings {
    /// The server's address, without `/v1/messages`.
    pub base_url: String,
    /// Sent as `x-api-key`; empty for a server without keys.
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
pub struct AnthropicProvider {
    client: Client,
    messages: Url,
    count: Url,
    models: Url,
    headers: HeaderMap,
    model: String,
    timeouts: Timeouts,
}

impl AnthropicProvider {
    /// A provider; connects to nothing yet.
    ///
    /// # Errors
    /// A sentence for the operator that names the setting and holds no key.
    pub fn new(settings: AnthropicSettings) -> Result<Self, String> {
        Self::named(settings, ["ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY"])
    }

    /// The same; these are the names of the settings that its base URL and its key come from.
    pub(super) fn named(
        settings: AnthropicSettings,
        [base_setting, key_setting]: [&str; 2],
    ) -> Result<Self, String> {
        let base = http::base_url(base_setting, &settings.base_url)?;
        // Some write the version into the base, as OpenAI's clients want it.
        let version = if base.path().ends_with("/v1") {
            base.clone()
        } else {
            http::join(&base, "v1")
        };
        let mut headers = HeaderMap::new();
        headers.insert(
            HeaderName::from_static("anthropic-version"),
            HeaderValue::from_static(API_VERSION),
        );
        if !settings.api_key.expose_secret().trim().is_empty() {
            let key = http::secret_header(key_setting, "", &settings.api_key)?;
            headers.insert(HeaderName::from_static("x-api-key"), key);
        }
        Ok(Self {
            client: http::client(base_setting, &base, &settings.timeouts, &settings.reach)?,
            messages: http::join(&version, "messages"),
            count: http::join(&version, "messages/count_tokens"),
            models: http::join(&version, "models"),
            headers,
            model: settings.model,
            timeouts: settings.timeouts,
        })
    }

    /// The JSON of a request for an answer.
    #[must_use]
    pub fn body(&self, prompt: &Prompt) -> Value {
        let mut body = self.conversation(prompt);
        if let Some(fields) = body.as_object_mut() {
            fields.insert("max_tokens".to_owned(), Value::from(prompt.max_tokens));
            fields.insert("stream".to_owned(), Value::from(true));
        }
        body
    }

    /// What is read for an answer: all that counts.
    fn conversation(&self, prompt: &Prompt) -> Value {
        let turns: Vec<Value> = prompt
            .turns
            .iter()
            .map(|turn| {
                let role = match turn.role {
                    TurnRole::User => "user",
                    TurnRole::Assistant => "assistant",
                };
                // Trailing space at the end of an assistant turn is refused by some models.
                let text = match turn.role {
                    TurnRole::User => turn.text.as_str(),
                    TurnRole::Assistant => turn.text.trim_end(),
                };
                json!({ "role": role, "content": text })
            })
            .collect();
        let mut body = json!({
            "model": prompt.model.as_ref().unwrap_or(&self.model),
            "messages": turns,
        });
        if !prompt.system.is_empty()
            && let Some(fields) = body.as_object_mut()
        {
            fields.insert("system".to_owned(), Value::from(prompt.system.as_str()));
        }
        if let Some(temperature) = prompt.temperature()
            && let Some(fields) = body.as_object_mut()
        {
            fields.insert("temperature".to_owned(), Value::from(temperature));
        }
        body
    }
}

#[async_trait]
impl LlmProvider for AnthropicProvider {
    fn model(&self) -> &str {
        &self.model
    }

    async fn answer(&self, prompt: Prompt) -> Result<DeltaStream, LlmError> {
        let request = Request {
            client: self.client.clone(),
            url: self.messages.clone(),
            headers: self.headers.clone(),
            body: self.body(&prompt).to_string().into(),
            timeouts: self.timeouts.clone(),
        };
        answer::begin(request, AnthropicDecoder::default).await
    }

    async fn count_tokens(&self, prompt: &Prompt) -> Result<Option<u64>, LlmError> {
        let request = self
            .client
            .post(self.count.clone())
            .headers(self.headers.clone())
            .json(&self.conversation(prompt));
        let counted = http::document(request, limits::PROVIDER_COUNT_TIMEOUT)
            .await
            .map_err(|failure| failure.error)?;
        let tokens = token_count(counted.get("input_tokens")).filter(|tokens| *tokens > 0);
        Ok(tokens.and_then(|tokens| u64::try_from(tokens).ok()))
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

/// Reads one stream of the Messages API.
#[derive(Debug, Default)]
pub(super) struct AnthropicDecoder {
    /// Text blocks from the one that is being given out, by index. Only the first is given out while it grows.
    texts: BTreeMap<u64, TextBlock>,
    /// Blocks of other kinds that have begun.
    others: BTreeSet<u64>,
    /// Bytes in `texts`.
    held_bytes: usize,
    counts: TokenCounts,
    model: Option<String>,
    stop_reason: Option<String>,
}

/// A text block that is not given out to its end.
#[derive(Debug, Default)]
struct TextBlock {
    held: String,
    is_stopped: bool,
}

/// Counts are cumulative over the events, so the highest of each holds.
#[derive(Debug, Default)]
struct TokenCounts {
    input: Option<i64>,
    cache_creation: Option<i64>,
    cache_read: Option<i64>,
    output: Option<i64>,
}

impl TokenCounts {
    fn update(&mut self, usage: &Value) {
        let raise = |count: &mut Option<i64>, field: &str| {
            if let Some(number) = token_count(usage.get(field)) {
                *count = Some(count.map_or(number, |before| before.max(number)));
            }
        };
        raise(&mut self.input, "input_tokens");
        raise(&mut self.cache_creation, "cache_creation_input_tokens");
        raise(&mut self.cache_read, "cache_read_input_tokens");
        raise(&mut self.output, "output_tokens");
    }

    fn usage(&self) -> Option<Usage> {
        let input = [self.input, self.cache_creation, self.cache_read];
        if self.output.is_none() && input.iter().all(Option::is_none) {
            return None;
        }
        Some(Usage {
            input_tokens: input.iter().flatten().sum(),
            output_tokens: self.output.unwrap_or(0),
            cached_tokens: self.cache_read.unwrap_or(0),
            estimated: false,
        })
    }
}

impl Decoder for AnthropicDecoder {
    fn event(&mut self, event: &Event, deltas: &mut VecDeque<Delta>) -> Result<(), Failure> {
        match event.name.as_str() {
            ""
            | "message"
            | "message_start"
            | "content_block_start"
            | "content_block_delta"
            | "content_block_stop"
            | "message_delta"
            | "message_stop"
            | "error" => {}
            // Pings, and events of the future.
            _ => return Ok(()),
        }
        let Ok(data) = serde_json::from_str::<Value>(&event.data) else {
            return match event.name.as_str() {
                "error" => Err(ProviderError::default().into_failure(200)),
                "" | "message" if event.data.trim().is_empty() => Ok(()),
                _ => Err(Failure::malformed("an event's data is not JSON")),
            };
        };
        if let Some(error) = ProviderError::from_document(&data) {
            return Err(error.into_failure(200));
        }
        if !data.is_object() {
            return Err(Failure::malformed("an event's data is not an object"));
        }
        let index = data.get("index").and_then(Value::as_u64).unwrap_or(0);
        let kind = data.get("type").and_then(Value::as_str);
        match kind.unwrap_or(event.name.as_str()) {
            "message_start" => self.message_started(&data, deltas),
            "content_block_start" => self.block_started(index, &data, deltas)?,
            "content_block_delta" => self.block_grew(index, &data, deltas)?,
            "content_block_stop" => self.block_stopped(index, deltas),
            "message_delta" => self.message_changed(&data),
            "message_stop" => self.message_stopped(deltas),
            "error" => return Err(ProviderError::default().into_failure(200)),
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, _deltas: &mut VecDeque<Delta>) -> Result<(), Failure> {
        Err(Failure::truncated(
            "the stream ended before its message_stop",
        ))
    }
}

impl AnthropicDecoder {
    fn message_started(&mut self, data: &Value, deltas: &mut VecDeque<Delta>) {
        if let Some(usage) = data.pointer("/message/usage") {
            self.counts.update(usage);
            // Paid for from now on, however it ends.
            deltas.extend(self.counts.usage().map(Delta::Used));
        }
        self.model = model_name(data.pointer("/message/model"));
    }

    fn message_changed(&mut self, data: &Value) {
        if let Some(usage) = data.get("usage") {
            self.counts.update(usage);
        }
        if let Some(reason) = data.pointer("/delta/stop_reason").and_then(Value::as_str) {
            self.stop_reason = Some(reason.to_owned());
        }
    }

    fn block_started(
        &mut self,
        index: u64,
        data: &Value,
        deltas: &mut VecDeque<Delta>,
    ) -> Result<(), Failure> {
        if self.texts.len() + self.others.len() >= limits::PROVIDER_BLOCKS {
            return Err(Failure::malformed("too many blocks are open at once"));
        }
        if data.pointer("/content_block/type").and_then(Value::as_str) == Some("text") {
            let text = data.pointer("/content_block/text").and_then(Value::as_str);
            self.hold(index, text.unwrap_or_default(), deltas)
        } else {
            self.others.insert(index);
            Ok(())
        }
    }

    fn block_grew(
        &mut self,
        index: u64,
        data: &Value,
        deltas: &mut VecDeque<Delta>,
    ) -> Result<(), Failure> {
        let is_text = data.pointer("/delta/type").and_then(Value::as_str) == Some("text_delta");
        match data.pointer("/delta/text").and_then(Value::as_str) {
            Some(text) if is_text && !self.others.contains(&index) => {
                self.hold(index, text, deltas)
            }
            _ => Ok(()),
        }
    }

    fn block_stopped(&mut self, index: u64, deltas: &mut VecDeque<Delta>) {
        self.others.remove(&index);
        if let Some(block) = self.texts.get_mut(&index) {
            block.is_stopped = true;
        }
        self.give_out(deltas);
    }

    fn message_stopped(&mut self, deltas: &mut VecDeque<Delta>) {
        // Servers that forget to stop a block have still finished it.
        for block in self.texts.values_mut() {
            block.is_stopped = true;
        }
        self.give_out(deltas);
        let stop_reason = match self.stop_reason.take().as_deref() {
            None | Some("end_turn" | "stop_sequence") => "end".to_owned(),
            Some("max_tokens" | "model_context_window_exceeded") => "length".to_owned(),
            // `refusal` is ours already; `tool_use`, `pause_turn` and later ones stay the provider's.
            Some(reason) => own_stop_reason(reason),
        };
        deltas.push_back(Delta::Done(Completion {
            stop_reason,
            usage: self.counts.usage(),
            model: self.model.take(),
        }));
    }

    /// Adds text to a block, and gives out what is not behind another block.
    fn hold(
        &mut self,
        index: u64,
        text: &str,
        deltas: &mut VecDeque<Delta>,
    ) -> Result<(), Failure> {
        self.texts.entry(index).or_default().held.push_str(text);
        self.held_bytes += text.len();
        self.give_out(deltas);
        if self.held_bytes > limits::REPLY_BYTES {
            return Err(Failure::lasting(
                ErrorCode::ReplyTooLong,
                "a block behind an unfinished one grew past the bound",
            ));
        }
        Ok(())
    }

    fn give_out(&mut self, deltas: &mut VecDeque<Delta>) {
        while let Some(mut first) = self.texts.first_entry() {
            let text = std::mem::take(&mut first.get_mut().held);
            self.held_bytes -= text.len();
            push_text(deltas, &text);
            if !first.get().is_stopped {
                return;
            }
            first.remove();
        }
    }
}
