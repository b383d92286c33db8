//! What every provider over HTTP shares: the client, its timeouts, and one try at one request. Used by
//! [`super::anthropic`] and [`super::openai`], which say what to send, and by [`super::answer`], which tries again.
//!
//! It follows no redirect, knows no proxy of the environment, connects only where [`super::reach`] lets it, logs no key, and
//! puts no text of a prompt or of a provider's message into an error.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::failure::{Failure, ProviderError};
use super::reach::{NotAllowed, Reach};
use crate::error::ErrorCode;
use crate::limits;

/// How long a provider is waited for, and how often it is asked again. Tests shorten it.
#[derive(Clone, Debug)]
pub struct Timeouts {
    /// Connecting, TLS included.
    pub connect: Duration,
    /// From the request to the first byte of the stream, in each try. Not tried again: somebody waits.
    pub first_byte: Duration,
    /// Between two bytes of the stream, of any kind: pings count.
    pub idle: Duration,
    /// One answer in all, with its retries.
    pub total: Duration,
    /// Tries in all.
    pub tries: u32,
    /// The wait before the second try where the provider names none; doubles with each.
    pub retry_first: Duration,
    /// What that doubling stops at.
    pub retry_longest: Duration,
    /// The longest wait that a provider may ask for; above it the answer fails at once.
    pub retry_after: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: limits::PROVIDER_CONNECT_TIMEOUT,
            first_byte: limits::PROVIDER_FIRST_TIMEOUT,
            idle: limits::PROVIDER_IDLE_TIMEOUT,
            total: limits::PROVIDER_TOTAL_TIMEOUT,
            tries: limits::PROVIDER_TRIES,
            retry_first: limits::PROVIDER_RETRY_FIRST,
            retry_longest: limits::PROVIDER_RETRY_LONGEST,
            retry_after: limits::PROVIDER_RETRY_AFTER,
        }
    }
}

/// A client for one provider, whose base URL is that of the `setting`.
///
/// # Errors
/// A sentence for the operator; of a setting's value only the host.
pub(super) fn client(
    setting: &str,
    base_url: &Url,
    timeouts: &Timeouts,
    reach: &Reach,
) -> Result<Client, String> {
    let judge = reach
        .resolver(base_url)
        .map_err(|said| format!("{setting} {said}"))?;
    Client::builder()
        // A proxy would resolve the name again, and itself.
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(timeouts.connect)
        .user_agent(concat!("salon/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(judge)
        .build()
        .map_err(|error| {
            let cause = describe(&error);
            format!("the HTTP client for the model provider: {cause}")
        })
}

/// A base URL, parsed and checked, without a final slash.
///
/// # Errors
/// A sentence for the operator that names the setting.
pub(super) fn base_url(setting: &str, text: &str) -> Result<Url, String> {
    let url = Url::parse(text.trim().trim_end_matches('/'))
        .map_err(|error| format!("{setting} is not a URL: {error}."))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(format!("{setting} must begin with https:// or http://."));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!(
            "{setting} must hold no user and no password: the key is a setting of its own."
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("{setting} must hold no query and no fragment."));
    }
    Ok(url)
}

/// `base` with more path behind its own.
pub(super) fn join(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url
}

/// A header that holds a key; `Debug` does not show it.
///
/// # Errors
/// A sentence for the operator that names the setting.
pub(super) fn secret_header(
    setting: &str,
    prefix: &str,
    key: &SecretString,
) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(&format!("{prefix}{}", key.expose_secret().trim()))
        .map_err(|_error| format!("{setting} holds characters that no key can hold."))?;
    value.set_sensitive(true);
    Ok(value)
}

/// One request, kept whole so that it can be sent again.
pub(super) struct Request {
    /// The provider's client.
    pub(super) client: Client,
    /// Where to.
    pub(super) url: Url,
    /// The key among them, marked sensitive.
    pub(super) headers: HeaderMap,
    /// JSON.
    pub(super) body: Bytes,
    /// How long to wait, and how often.
    pub(super) timeouts: Timeouts,
}

impl Request {
    /// Sends it once. `byte_due` is when the first byte of the stream must have come.
    ///
    /// # Errors
    /// When no event stream came back.
    pub(super) async fn send(&self, byte_due: Instant) -> Result<Response, Failure> {
        let request = self
            .client
            .post(self.url.clone())
            .headers(self.headers.clone())
            .header(CONTENT_TYPE, "application/json")
            // Compression would hold a stream back. What is compressed all the same is read.
            .header(ACCEPT_ENCODING, "identity")
            .body(self.body.clone());
        let response = answered(request, byte_due).await?;
        if response.status() == StatusCode::OK && !is_document(&response) {
            return Ok(response);
        }
        Err(refused(response, byte_due).await)
    }
}

/// Sends a request and waits for the beginning of its response, whatever its status.
///
/// # Errors
/// When none came in time.
pub(super) async fn answered(request: RequestBuilder, due: Instant) -> Result<Response, Failure> {
    let error = match timeout_at(due, request.send()).await {
        Ok(Ok(response)) => return Ok(response),
        Err(_elapsed) => return Err(Failure::timeout("no answer to the request in time")),
        Ok(Err(error)) => error,
    };
    let cause = describe(&error);
    Err(if is_not_allowed(&error) {
        Failure::lasting(ErrorCode::ProviderUnavailable, cause)
    } else if error.is_timeout() {
        Failure::passing(ErrorCode::ProviderTimeout, cause)
    } else {
        Failure::passing(ErrorCode::ProviderUnavailable, cause)
    })
}

/// Sends a request for a small document and reads it.
///
/// # Errors
/// When none came in time, or something else did.
pub(super) async fn document(request: RequestBuilder, wait: Duration) -> Result<Value, Failure> {
    let due = Instant::now() + wait;
    let mut response = answered(request, due).await?;
    if response.status() != StatusCode::OK {
        return Err(refused(response, due).await);
    }
    let body = beginning(&mut response, due).await;
    serde_json::from_slice(&body)
        .map_err(|_error| Failure::malformed("a document is not JSON, or too long"))
}

/// Asks a provider for its models, which tells whether it is there and takes the key: what it said, for the operator.
///
/// # Errors
/// When it does not answer, or not to this key.
pub(super) async fn probe(request: RequestBuilder, wait: Duration) -> Result<String, Failure> {
    let due = Instant::now() + wait;
    let response = answered(request, due).await?;
    match response.status() {
        StatusCode::OK => Ok("answers".to_owned()),
        // Not every server has a list of its models.
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
            Ok("takes connections; whether it takes the key is not known".to_owned())
        }
        _ => Err(refused(response, due).await),
    }
}

fn is_not_allowed(error: &reqwest::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if cause.is::<NotAllowed>() {
            return true;
        }
        source = cause.source();
    }
    false
}

/// An answer that is a whole document instead of a stream: an error of the server or of something before it.
fn is_document(response: &Response) -> bool {
    let content_type = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_ascii_lowercase();
    content_type.starts_with("application/json") || content_type.starts_with("text/html")
}

/// Why there is no stream: by the error in the body where there is one, else by the status.
async fn refused(mut response: Response, due: Instant) -> Failure {
    let status = response.status().as_u16();
    let body = beginning(&mut response, due).await;
    let error = serde_json::from_slice(&body)
        .ok()
        .and_then(|value| ProviderError::from_document(&value))
        .unwrap_or_default();
    error.into_failure(status).with_headers(response.headers())
}

/// The beginning of a body, which is all of it where it is no longer than the bound.
async fn beginning(response: &mut Response, due: Instant) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < limits::PROVIDER_ERROR_BYTES {
        match timeout_at(due, response.chunk()).await {
            Ok(Ok(Some(bytes))) => body.extend_from_slice(&bytes),
            _ => break,
        }
    }
    body.truncate(limits::PROVIDER_ERROR_BYTES);
    body
}

/// An error of the HTTP client with its causes and without the URL, for the log.
pub(super) fn describe(error: &reqwest::Error) -> String {
    let kind = if error.is_connect() {
        "connecting failed"
    } else if error.is_timeout() {
        "it took too long"
    } else if error.is_body() || error.is_decode() {
        "the answer broke off"
    } else {
        "the request failed"
    };
    let mut text = kind.to_owned();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
