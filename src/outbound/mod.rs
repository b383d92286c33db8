//! The one HTTP client that sends to addresses which users name: webhooks go through it, and so does asking those who vouch for
//! people ([`Fetch`]), whose answers name addresses too. A target is judged when it is named and
//! again for each request: its name is resolved once, every address it has is judged ([`crate::addresses`]), and the
//! connection is made to one of exactly those, so that an answer of DNS that changes meanwhile leads nowhere.
//!
//! It follows no redirect, knows no proxy and keeps no connection, reads a bounded part of an answer, and writes no URL into a
//! log or an error.

mod fetch;
mod resolve;

use std::error::Error as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, Url};
use tokio::time::{Instant, timeout_at};

use crate::addresses::{AllowList, is_public};
use crate::limits;
pub use fetch::{Fetch, FetchError, Fetched, form, is_private_way, named_place, with_query};
use resolve::{Guard, NotAllowed};
pub use resolve::{Lookup, system_lookup};

/// Which addresses a target may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Rule {
    /// Any: the operator named its host and port.
    Named,
    /// Those in networks that the operator named: it is no https, or on another port.
    Networks,
    /// Those, and public ones.
    Public,
}

/// Why nothing may be sent to a target. Sentences for whoever named it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TargetError {
    /// It is none.
    #[error("`url` is not an http or https URL.")]
    NotAUrl,
    /// It is too long.
    #[error("`url` is longer than 2,048 bytes.")]
    TooLong,
    /// It would put a password into every request.
    #[error("`url` holds a user or a password; requests are signed instead.")]
    UserInfo,
    /// Where it leads is not allowed, or its host has no address: which of the two is nobody's business, or names inside the
    /// operator's network could be tried.
    #[error(
        "This server may not send there, or there is no such host: webhooks go to public addresses by https on port 443, and to what its operator allows."
    )]
    NotAllowed,
}

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PostError {
    /// The target is none any more.
    Blocked(TargetError),
    /// It took too long.
    Timeout,
    /// What went wrong with the connection.
    Unreachable(String),
}

/// What a receiver answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// How long it asks to be left alone.
    pub retry_after: Option<Duration>,
    /// The beginning of what it said, without control characters.
    pub text: String,
}

/// A URL that has the form of a target.
struct Target {
    url: Url,
    rule: Rule,
}

/// The client.
pub struct Outbound {
    allowed: Arc<AllowList>,
    lookup: Lookup,
    /// For each rule; or why there is none.
    clients: Result<[Client; 3], String>,
}

impl Outbound {
    /// A client that sends to public addresses and to `allowed`. Names are looked up by `lookup`.
    #[must_use]
    pub fn new(allowed: AllowList, lookup: Lookup) -> Self {
        let allowed = Arc::new(allowed);
        let client = |rule| client(Guard::new(rule, Arc::clone(&allowed), Arc::clone(&lookup)));
        let clients = client(Rule::Named)
            .and_then(|named| Ok([named, client(Rule::Networks)?, client(Rule::Public)?]));
        Self {
            clients: clients.map_err(|error| describe(&error)),
            allowed,
            lookup,
        }
    }

    /// Judges a target that somebody names; it in its normal form. A name is resolved.
    ///
    /// # Errors
    /// Why nothing may be sent there.
    pub async fn check(&self, url: &str) -> Result<String, TargetError> {
        let target = self.target(url)?;
        if let Some(name) = target.url.domain() {
            let guard = Guard::new(
                target.rule,
                Arc::clone(&self.allowed),
                Arc::clone(&self.lookup),
            );
            let found =
                tokio::time::timeout(limits::WEBHOOK_CONNECT_TIMEOUT, guard.addresses(name));
            if !matches!(found.await, Ok(Ok(_))) {
                return Err(TargetError::NotAllowed);
            }
        }
        Ok(target.url.into())
    }

    /// Sends a JSON body, with these headers.
    ///
    /// # Errors
    /// When no answer came back.
    pub async fn post(
        &self,
        url: &str,
        headers: &[(&'static str, String)],
        body: Bytes,
    ) -> Result<Answer, PostError> {
        let target = self.target(url).map_err(PostError::Blocked)?;
        let client = self
            .client_of(target.rule)
            .map_err(PostError::Unreachable)?;
        let mut request = client
            .post(target.url)
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        for (name, value) in headers {
            let value = HeaderValue::try_from(value)
                .map_err(|error| PostError::Unreachable(error.to_string()))?;
            request = request.header(HeaderName::from_static(name), value);
        }
        let due = Instant::now() + limits::WEBHOOK_TIMEOUT;
        match timeout_at(due, request.send()).await {
            Err(_elapsed) => Err(PostError::Timeout),
            Ok(Err(error)) => Err(failed(&error)),
            Ok(Ok(response)) => Ok(answer(response).await),
        }
    }

    fn client_of(&self, rule: Rule) -> Result<&Client, String> {
        let [named, networks, public] = self.clients.as_ref().map_err(String::clone)?;
        Ok(match rule {
            Rule::Named => named,
            Rule::Networks => networks,
            Rule::Public => public,
        })
    }

    fn target(&self, text: &str) -> Result<Target, TargetError> {
        if text.len() > limits::WEBHOOK_URL_BYTES {
            return Err(TargetError::TooLong);
        }
        let mut url = Url::parse(text.trim()).map_err(|_error| TargetError::NotAUrl)?;
        url.set_fragment(None);
        if !matches!(url.scheme(), "http" | "https") {
            return Err(TargetError::NotAUrl);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(TargetError::UserInfo);
        }
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(TargetError::NotAUrl);
        };
        let rule = if self.allowed.names_place(host, port) {
            Rule::Named
        } else if url.scheme() == "https" && port == 443 {
            Rule::Public
        } else {
            Rule::Networks
        };
        // A name is judged by its addresses, an address at once: it is never looked up.
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        match literal.parse::<IpAddr>() {
            Ok(address) if !rule.allows(&self.allowed, address) => Err(TargetError::NotAllowed),
            _ => Ok(Target { url, rule }),
        }
    }
}

impl Rule {
    fn allows(self, allowed: &AllowList, address: IpAddr) -> bool {
        match self {
            Self::Named => true,
            Self::Networks => allowed.names_address(address),
            Self::Public => is_public(address) || allowed.names_address(address),
        }
    }
}

fn client(guard: Guard) -> Result<Client, reqwest::Error> {
    Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_gzip()
        .connect_timeout(limits::WEBHOOK_CONNECT_TIMEOUT)
        // Each request resolves and judges anew.
        .pool_max_idle_per_host(0)
        .user_agent(concat!("salon/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(guard)
        .build()
}

fn failed(error: &reqwest::Error) -> PostError {
    let mut source = error.source();
    while let Some(cause) = source {
        if cause.is::<NotAllowed>() {
            return PostError::Blocked(TargetError::NotAllowed);
        }
        source = cause.source();
    }
    if error.is_timeout() {
        return PostError::Timeout;
    }
    PostError::Unreachable(describe(error))
}

/// An error with its causes and without the URL.
fn describe(error: &reqwest::Error) -> String {
    let mut text = if error.is_connect() {
        "connecting failed".to_owned()
    } else {
        "the request failed".to_owned()
    };
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

async fn answer(mut response: Response) -> Answer {
    let status = response.status().as_u16();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(wait);
    let mut bytes = Vec::new();
    let due = Instant::now() + limits::WEBHOOK_ANSWER_TIMEOUT;
    while bytes.len() < limits::WEBHOOK_ANSWER_BYTES {
        match timeout_at(due, response.chunk()).await {
            Ok(Ok(Some(chunk))) => {
                let room = limits::WEBHOOK_ANSWER_BYTES - bytes.len();
                bytes.extend(chunk.iter().take(room));
            }
            // The status says it all.
            _ => break,
        }
    }
    Answer {
        status,
        retry_after,
        text: printable(&bytes),
    }
}

/// Seconds, or a date.
fn wait(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = chrono::DateTime::parse_from_rfc2822(text).ok()?;
    (at.to_utc() - chrono::Utc::now()).to_std().ok()
}

/// What of somebody's bytes may be stored and shown: text without control characters.
fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests;
