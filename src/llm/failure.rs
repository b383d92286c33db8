//! What went wrong at a provider, and whether asking again may help: by the type in the error's body where there is one
//! (errors after HTTP 200 have nothing else), else by the status. Used by [`super::http`], [`super::answer`] and the decoders.
//!
//! A cause holds only words that are names (types, codes, request ids): a provider's message may quote a key or a prompt.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::LlmError;
use crate::error::ErrorCode;

/// An error, and what it says about trying again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Failure {
    pub(super) error: LlmError,
    pub(super) retry: Retry,
}

/// Whether the same request may work later.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Retry {
    /// No, or nobody should find out: quota, spend, keys, a request that is refused for what it is.
    Never,
    /// Yes, after our own wait.
    Backoff,
    /// Yes, after the wait that the provider asked for.
    After(Duration),
}

impl Failure {
    /// One that comes again with the same request.
    pub(super) fn lasting(code: ErrorCode, cause: impl Into<String>) -> Self {
        Self {
            error: LlmError::new(code, cause),
            retry: Retry::Never,
        }
    }

    /// One that may pass.
    pub(super) fn passing(code: ErrorCode, cause: impl Into<String>) -> Self {
        Self {
            error: LlmError::new(code, cause),
            retry: Retry::Backoff,
        }
    }

    /// Something did not come in time. People have waited long enough by then: it is not asked for again.
    pub(super) fn timeout(cause: impl Into<String>) -> Self {
        Self::lasting(ErrorCode::ProviderTimeout, cause)
    }

    /// The stream ended before the answer did.
    pub(super) fn truncated(cause: impl Into<String>) -> Self {
        Self::passing(ErrorCode::ProviderTruncated, cause)
    }

    /// The stream holds what is not of its protocol.
    pub(super) fn malformed(cause: impl Into<String>) -> Self {
        Self::lasting(ErrorCode::ProviderMalformed, cause)
    }

    /// Adds what the response's headers say about trying again, and the id under which the provider knows the request.
    pub(super) fn with_headers(mut self, headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(id) = text("request-id")
            .or_else(|| text("x-request-id"))
            .and_then(name_like)
        {
            self.error.cause.push_str(", request ");
            self.error.cause.push_str(id);
        }
        if matches!(
            self.error.code,
            ErrorCode::ProviderQuota | ErrorCode::ProviderRefusedKey
        ) {
            self.retry = Retry::Never;
            return self;
        }
        match (text("x-should-retry"), self.retry) {
            (Some("false"), _) => self.retry = Retry::Never,
            (Some("true"), Retry::Never) => self.retry = Retry::Backoff,
            _ => {}
        }
        if self.retry != Retry::Never
            && let Some(wait) = text("retry-after-ms")
                .and_then(|text| milliseconds(text, 1.0))
                .or_else(|| text("retry-after").and_then(retry_after))
        {
            self.retry = Retry::After(wait);
        }
        self
    }
}

/// `retry-after`: seconds, or a date.
fn retry_after(text: &str) -> Option<Duration> {
    milliseconds(text, 1_000.0).or_else(|| {
        let date = DateTime::parse_from_rfc2822(text.trim()).ok()?;
        let wait = date.with_timezone(&Utc).signed_duration_since(Utc::now());
        wait.to_std().ok().filter(|wait| !wait.is_zero())
    })
}

/// A positive number of units of so many milliseconds.
fn milliseconds(text: &str, unit_ms: f64) -> Option<Duration> {
    let number: f64 = text.trim().parse().ok()?;
    Duration::try_from_secs_f64(number * unit_ms / 1_000.0)
        .ok()
        .filter(|wait| !wait.is_zero())
}

/// What an error body tells, as far as it is used.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct ProviderError {
    /// `type`.
    kind: Option<String>,
    /// `code`, where it is a name.
    code: Option<String>,
    /// `code`, where it is a number: an HTTP status in what was meant to be one.
    status: Option<u16>,
    /// `details.error_code`.
    detail: Option<String>,
    /// The message says that money or a quota ran out; of the message nothing else is kept.
    is_about_money: bool,
    /// Moderation names its reasons: the request was refused for what it says.
    is_moderation: bool,
}

impl ProviderError {
    /// From a whole document or from the data of one event. `None` where it holds no error.
    pub(super) fn from_document(document: &Value) -> Option<Self> {
        if let Some(first) = document.as_array().and_then(|errors| errors.first()) {
            return Self::from_document(first);
        }
        match document.get("error") {
            Some(Value::Object(error)) if !error.is_empty() => {
                Some(Self::from_fields(document.get("error")?))
            }
            Some(Value::String(message)) if !message.is_empty() => Some(Self {
                kind: document.get("error_type").and_then(name_of),
                is_about_money: is_about_money(message),
                ..Self::default()
            }),
            // Older vLLM: the error's fields on top, and `object: error`.
            _ if document.get("object").and_then(Value::as_str) == Some("error") => {
                Some(Self::from_fields(document))
            }
            _ => None,
        }
    }

    fn from_fields(error: &Value) -> Self {
        let code = error.get("code");
        Self {
            kind: error.get("type").and_then(name_of),
            code: code.and_then(name_of),
            status: code
                .and_then(|code| code.as_u64().or_else(|| code.as_str()?.parse().ok()))
                .and_then(|status| u16::try_from(status).ok()),
            detail: error.pointer("/details/error_code").and_then(name_of),
            is_about_money: error
                .get("message")
                .and_then(Value::as_str)
                .is_some_and(is_about_money),
            is_moderation: error
                .pointer("/metadata/reasons")
                .is_some_and(Value::is_array),
        }
    }

    /// The failure that it is, in a response of this status; 200 for an error inside a stream.
    pub(super) fn into_failure(self, http_status: u16) -> Failure {
        let status = match (http_status, self.status) {
            (200, Some(status)) => status,
            _ => http_status,
        };
        let cause = self.describe(http_status);
        let (code, is_passing) = if self.is_moderation {
            (ErrorCode::ProviderRefused, false)
        } else if status == 402 || (self.is_about_money && matches!(status, 400 | 403)) {
            (ErrorCode::ProviderQuota, false)
        } else if status == 401 {
            (ErrorCode::ProviderRefusedKey, false)
        } else {
            [&self.detail, &self.code, &self.kind]
                .into_iter()
                .flatten()
                .find_map(|name| classify_name(name))
                .unwrap_or_else(|| classify_status(status))
        };
        if is_passing {
            Failure::passing(code, cause)
        } else {
            Failure::lasting(code, cause)
        }
    }

    fn describe(&self, http_status: u16) -> String {
        let mut text = format!("HTTP status {http_status}");
        if let Some(status) = self.status {
            text.push_str(&format!(", status {status} in the stream"));
        }
        let names = [
            ("type", &self.kind),
            ("code", &self.code),
            ("detail", &self.detail),
        ];
        for (label, name) in names {
            if let Some(name) = name {
                text.push_str(&format!(", {label} {name}"));
            }
        }
        text
    }
}

/// What the names of types and codes of all providers mean, and whether it may pass.
fn classify_name(name: &str) -> Option<(ErrorCode, bool)> {
    Some(match name {
        "insufficient_quota"
        | "billing_error"
        | "billing_hard_limit_reached"
        | "billing_not_active"
        | "insufficient_credits"
        | "enforced_spend_limit_reached" => (ErrorCode::ProviderQuota, false),
        "authentication_error"
        | "invalid_api_key"
        | "invalid_authentication"
        | "permission_error"
        | "account_deactivated" => (ErrorCode::ProviderRefusedKey, false),
        "overloaded_error" | "overloaded" | "server_is_overloaded" => {
            (ErrorCode::ProviderOverloaded, true)
        }
        "rate_limit_error" | "rate_limit_exceeded" | "slow_down" => {
            (ErrorCode::ProviderRateLimited, true)
        }
        "timeout_error" | "timeout" => (ErrorCode::ProviderTimeout, true),
        "api_error"
        | "server_error"
        | "internal_server_error"
        | "internal_error"
        | "InternalServerError"
        | "conflict_error" => (ErrorCode::ProviderUnavailable, true),
        "invalid_request_error"
        | "not_found_error"
        | "request_too_large"
        | "BadRequestError"
        | "NotFoundError"
        | "context_length_exceeded"
        | "model_not_found"
        | "content_filter" => (ErrorCode::ProviderRefused, false),
        _ => return None,
    })
}

/// What a status means where nothing else tells, and whether it may pass.
fn classify_status(status: u16) -> (ErrorCode, bool) {
    match status {
        // An error without a type inside a stream that began well.
        200 => (ErrorCode::ProviderUnavailable, true),
        // Redirects are refused: the key would go to somebody else.
        300..=399 => (ErrorCode::ProviderUnavailable, false),
        401 | 403 => (ErrorCode::ProviderRefusedKey, false),
        402 => (ErrorCode::ProviderQuota, false),
        408 | 504 => (ErrorCode::ProviderTimeout, true),
        409 => (ErrorCode::ProviderUnavailable, true),
        429 => (ErrorCode::ProviderRateLimited, true),
        400..=499 => (ErrorCode::ProviderRefused, false),
        503 | 529 => (ErrorCode::ProviderOverloaded, true),
        500..=599 => (ErrorCode::ProviderUnavailable, true),
        _ => (ErrorCode::ProviderMalformed, false),
    }
}

/// Providers say "credit balance", "spend limit" and "usage limits" in errors whose type is of another kind.
fn is_about_money(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["credit balance", "spend limit", "usage limit"]
        .iter()
        .any(|words| message.contains(words))
}

fn name_of(value: &Value) -> Option<String> {
    value
        .as_str()
        .filter(|text| text.parse::<u16>().is_err())
        .and_then(name_like)
        .map(str::to_owned)
}

/// `text` if it can only be a name: short, and without a space.
pub(super) fn name_like(text: &str) -> Option<&str> {
    let is_name = !text.is_empty()
        && text.len() <= 64
        && !text.starts_with("sk-")
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'));
    is_name.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn failure(status: u16, body: &Value) -> (ErrorCode, Retry) {
        let failure = ProviderError::from_document(body)
            .unwrap_or_default()
            .into_failure(status);
        (failure.error.code, failure.retry)
    }

    #[test]
    fn errors_are_what_their_body_says_they_are() {
        use ErrorCode as C;
        let anthropic = |kind: &str| json!({"type":"error","error":{"type":kind,"message":"m"}});
        let openai = |kind: &str, code: Value| json!({"error":{"message":"m","type":kind,"param":null,"code":code}});
        let spend = json!({"type":"error","error":{"type":"rate_limit_error","message":"m","details":{"error_code":"enforced_spend_limit_reached"}}});
        let low_credit = json!({"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the API."}});
        let old_vllm = json!({"object":"error","message":"m","type":"BadRequestError","param":null,"code":400});
        let moderation = json!({"error":{"code":403,"message":"m","metadata":{"reasons":["x"],"flagged_input":"secret"}}});
        #[rustfmt::skip]
        let cases: &[(u16, Value, C, Retry)] = &[
            (529, anthropic("overloaded_error"), C::ProviderOverloaded, Retry::Backoff),
            (200, anthropic("overloaded_error"), C::ProviderOverloaded, Retry::Backoff),
            (400, anthropic("invalid_request_error"), C::ProviderRefused, Retry::Never),
            (400, low_credit, C::ProviderQuota, Retry::Never),
            (401, anthropic("authentication_error"), C::ProviderRefusedKey, Retry::Never),
            (402, anthropic("billing_error"), C::ProviderQuota, Retry::Never),
            (403, anthropic("permission_error"), C::ProviderRefusedKey, Retry::Never),
            (413, anthropic("request_too_large"), C::ProviderRefused, Retry::Never),
            (429, anthropic("rate_limit_error"), C::ProviderRateLimited, Retry::Backoff),
            (429, spend, C::ProviderQuota, Retry::Never),
            (500, anthropic("api_error"), C::ProviderUnavailable, Retry::Backoff),
            (504, anthropic("timeout_error"), C::ProviderTimeout, Retry::Backoff),
            (200, anthropic("error_of_the_future"), C::ProviderUnavailable, Retry::Backoff),
            (429, openai("insufficient_quota", json!("insufficient_quota")), C::ProviderQuota, Retry::Never),
            (429, openai("requests", json!("rate_limit_exceeded")), C::ProviderRateLimited, Retry::Backoff),
            (429, openai("requests", json!("slow_down")), C::ProviderRateLimited, Retry::Backoff),
            (503, openai("server_error", json!("server_is_overloaded")), C::ProviderOverloaded, Retry::Backoff),
            (401, openai("invalid_request_error", json!("invalid_api_key")), C::ProviderRefusedKey, Retry::Never),
            (200, openai("BadRequestError", json!(400)), C::ProviderRefused, Retry::Never),
            (200, json!({"error":{"code":502,"message":"m"}}), C::ProviderUnavailable, Retry::Backoff),
            (200, json!({"error":{"code":"402","message":"m"}}), C::ProviderQuota, Retry::Never),
            (200, json!({"error":"model runner has stopped"}), C::ProviderUnavailable, Retry::Backoff),
            (400, old_vllm, C::ProviderRefused, Retry::Never),
            (403, moderation, C::ProviderRefused, Retry::Never),
            (402, Value::Null, C::ProviderQuota, Retry::Never),
            (408, Value::Null, C::ProviderTimeout, Retry::Backoff),
            (409, Value::Null, C::ProviderUnavailable, Retry::Backoff),
            (307, Value::Null, C::ProviderUnavailable, Retry::Never),
            (502, Value::Null, C::ProviderUnavailable, Retry::Backoff),
            (204, Value::Null, C::ProviderMalformed, Retry::Never),
        ];
        for (status, body, code, retry) in cases {
            assert_eq!(failure(*status, body), (*code, *retry), "{status} {body}");
        }
    }

    #[test]
    fn no_error_is_no_error() {
        for body in [
            json!({"error":null}),
            json!({"error":{}}),
            json!({"error":""}),
            json!({"id":1}),
        ] {
            assert_eq!(ProviderError::from_document(&body), None, "{body}");
        }
    }

    #[test]
    fn headers_say_when_and_whether() {
        type Headers = &'static [(&'static str, &'static str)];
        #[rustfmt::skip]
        let cases: &[(Headers, ErrorCode, Retry)] = &[
            (&[("retry-after", "2")], ErrorCode::ProviderRateLimited, Retry::After(Duration::from_secs(2))),
            (&[("retry-after", "0.5")], ErrorCode::ProviderRateLimited, Retry::After(Duration::from_millis(500))),
            (&[("retry-after-ms", "250"), ("retry-after", "9")], ErrorCode::ProviderRateLimited, Retry::After(Duration::from_millis(250))),
            (&[("retry-after", "0")], ErrorCode::ProviderRateLimited, Retry::Backoff),
            (&[("retry-after", "-4")], ErrorCode::ProviderRateLimited, Retry::Backoff),
            (&[("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")], ErrorCode::ProviderRateLimited, Retry::Backoff),
            (&[("retry-after", "NaN")], ErrorCode::ProviderRateLimited, Retry::Backoff),
            (&[("x-should-retry", "false"), ("retry-after", "2")], ErrorCode::ProviderRateLimited, Retry::Never),
            (&[("x-should-retry", "true")], ErrorCode::ProviderRefused, Retry::Backoff),
            (&[("x-should-retry", "true"), ("retry-after", "2")], ErrorCode::ProviderQuota, Retry::Never),
            (&[("x-should-retry", "true")], ErrorCode::ProviderRefusedKey, Retry::Never),
        ];
        for (headers, code, retry) in cases {
            let mut map = HeaderMap::new();
            for (name, value) in *headers {
                map.insert(*name, value.parse().unwrap());
            }
            let failure = match code {
                ErrorCode::ProviderRateLimited => Failure::passing(*code, "c"),
                _ => Failure::lasting(*code, "c"),
            };
            assert_eq!(failure.with_headers(&map).retry, *retry, "{headers:?}");
        }
        let mut map = HeaderMap::new();
        let later = Utc::now() + chrono::Duration::seconds(30);
        map.insert("retry-after", later.to_rfc2822().parse().unwrap());
        let Retry::After(wait) = Failure::truncated("c").with_headers(&map).retry else {
            panic!("a date in the future is a wait");
        };
        assert!(wait > Duration::from_secs(20) && wait <= Duration::from_secs(30));
    }

    #[test]
    fn a_cause_holds_names_only() {
        let body = json!({"error":{"type":"a type with the prompt in it","code":"sk-secret","message":"Incorrect API key provided: sk-abc"}});
        let failure = ProviderError::from_document(&body)
            .unwrap()
            .into_failure(400);
        assert_eq!(failure.error.cause, "HTTP status 400");
    }
}
