//! Asking a sign-in provider, or an application that signs claims: settings, keys and tokens. The same client as for webhooks, so
//! no redirect is followed and every address is judged; the answer is read whole, within a bound of bytes and of time.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Url};
use tokio::time::timeout;

use super::{Outbound, PostError, failed};
use crate::addresses::AllowEntry;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Fetch<'a> {
    /// Where.
    pub url: &'a str,
    /// A form to post; without one it is a GET.
    pub form: Option<String>,
    /// The `Authorization` header; never logged.
    pub authorization: Option<String>,
    /// From the look-up of the name to the answer's last byte.
    pub within: Duration,
    /// The longest answer, in bytes.
    pub bytes: usize,
}

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FetchError {
    /// This server may not send there.
    #[error("the address is not allowed")]
    Blocked,
    /// It took too long.
    #[error("no whole answer in time")]
    Timeout,
    /// It was too long.
    #[error("the answer is too long")]
    TooLarge,
    /// What went wrong with the connection.
    #[error("{0}")]
    Unreachable(String),
}

/// A whole answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fetched {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
}

impl Outbound {
    /// Asks, and reads the whole answer.
    ///
    /// # Errors
    /// When there is none, or none within the bounds.
    pub async fn fetch(&self, fetch: Fetch<'_>) -> Result<Fetched, FetchError> {
        match timeout(fetch.within, self.fetch_untimed(&fetch)).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(FetchError::Timeout),
        }
    }

    async fn fetch_untimed(&self, fetch: &Fetch<'_>) -> Result<Fetched, FetchError> {
        let target = self
            .target(fetch.url)
            .map_err(|_refused| FetchError::Blocked)?;
        let client = self
            .client_of(target.rule)
            .map_err(FetchError::Unreachable)?;
        let method = match fetch.form {
            Some(_) => Method::POST,
            None => Method::GET,
        };
        let mut request = client
            .request(method, target.url)
            .header(ACCEPT, "application/json");
        if let Some(form) = &fetch.form {
            request = request
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.clone());
        }
        if let Some(authorization) = &fetch.authorization {
            let mut value = HeaderValue::try_from(authorization)
                .map_err(|error| FetchError::Unreachable(error.to_string()))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let mut response = request.send().await.map_err(unanswered)?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unanswered)? {
            if body.len() + chunk.len() > fetch.bytes {
                return Err(FetchError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Fetched { status, body })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the form of `map_err`")]
fn unanswered(error: reqwest::Error) -> FetchError {
    match failed(&error) {
        PostError::Blocked(_) => FetchError::Blocked,
        PostError::Timeout => FetchError::Timeout,
        PostError::Unreachable(cause) => FetchError::Unreachable(cause),
    }
}

/// A URL with these parameters added to its query; `None` when it is no URL.
#[must_use]
pub fn with_query(url: &str, pairs: &[(&str, &str)]) -> Option<String> {
    let mut url = Url::parse(url).ok()?;
    url.query_pairs_mut().extend_pairs(pairs);
    Some(url.into())
}

/// Parameters as the body of a form.
#[must_use]
pub fn form(pairs: &[(&str, &str)]) -> String {
    let with_query = with_query("http://form.invalid/", pairs).unwrap_or_default();
    let query = with_query.split_once('?').map_or("", |(_, query)| query);
    query.to_owned()
}

/// Whether a URL is one that secrets and keys may travel by: https, or http to this very machine, without a user, a password or a
/// fragment.
#[must_use]
pub fn is_private_way(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else {
        return false;
    };
    let local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    let way = url.scheme() == "https" || url.scheme() == "http" && local;
    way && url.host_str().is_some()
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none()
}

/// The host and port of a URL that an operator named: it may be asked whatever its addresses are.
#[must_use]
pub fn named_place(url: &str) -> Option<AllowEntry> {
    let url = Url::parse(url).ok()?;
    Some(AllowEntry::Place {
        host: url.host_str()?.to_owned(),
        port: url.port_or_known_default()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_encoded() {
        let pairs = [("a", "1 &=é"), ("b", "x")];
        assert_eq!(form(&pairs), "a=1+%26%3D%C3%A9&b=x");
        let url = with_query("https://a.example/auth?kept=1", &pairs).unwrap();
        assert_eq!(url, "https://a.example/auth?kept=1&a=1+%26%3D%C3%A9&b=x");
        assert_eq!(with_query("no", &pairs), None);
    }

    #[test]
    fn secrets_travel_by_https_or_within_the_machine() {
        for url in [
            "https://id.example",
            "https://id.example:8443/realms/a",
            "http://localhost:9000",
            "http://127.0.0.1:9000/x",
            "http://[::1]:9000",
        ] {
            assert!(is_private_way(url), "{url}");
        }
        for url in [
            "http://id.example",
            "http://127.0.0.1.example",
            "http://localhost.example",
            "https://ada:secret@id.example",
            "https://id.example/#x",
            "ftp://127.0.0.1",
            "file:///etc/passwd",
            "id.example",
            "",
        ] {
            assert!(!is_private_way(url), "{url}");
        }
    }
}
