//! Which pages may use the server: the Origin check of every changing route and of the socket (CSRF and cross-site
//! WebSocket hijacking). Pure; `middleware.rs` and the socket's upgrade call it.

use axum::http::{HeaderMap, header};

use super::extract::{Credential, credential};
use crate::config::Config;

/// Whether exactly one `Origin` was sent and its pages may use this server: it is one of `SALON_PUBLIC_ORIGIN`, or,
/// where none is set, this server as the browser names it in `Host`. Compared byte for byte.
#[must_use]
pub fn origin_allowed(headers: &HeaderMap, config: &Config) -> bool {
    let Some(origin) = only(headers, header::ORIGIN) else {
        return false;
    };
    if config.public_origin.is_empty() {
        // Without a public origin the server is spoken to directly, and it speaks plain HTTP.
        return only(headers, header::HOST)
            .is_some_and(|host| origin.strip_prefix("http://") == Some(host));
    }
    config
        .public_origin
        .iter()
        .any(|allowed| allowed.as_bytes() == origin.as_bytes())
}

/// Whether a request of a changing method may go on.
///
/// A bearer token is never sent by a browser on its own, so it needs no Origin. Anything else with an Origin must
/// match; a cookie without one needs the browser's own word (`Sec-Fetch-Site`) that it is the same origin.
#[must_use]
pub fn change_allowed(headers: &HeaderMap, config: &Config) -> bool {
    let credential = credential(headers, config);
    if matches!(credential, Some((Credential::Bearer, _))) {
        return true;
    }
    if headers.contains_key(header::ORIGIN) {
        return origin_allowed(headers, config);
    }
    match only(headers, header::HeaderName::from_static("sec-fetch-site")) {
        Some(site) => site == "same-origin" || site == "none",
        None => credential.is_none(),
    }
}

/// The header's value when there is exactly one and it is ASCII text.
fn only(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    value.to_str().ok()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Settings {
        #[command(flatten)]
        config: Config,
    }

    fn config(origins: &[&str]) -> Config {
        let mut arguments = vec!["salon"];
        for origin in origins {
            arguments.extend(["--public-origin", origin]);
        }
        Settings::parse_from(arguments).config
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_the_exact_origin_is_allowed() {
        let config = config(&["https://chat.example.org", "https://other.example.org"]);
        let allowed =
            |origin: &'static str| origin_allowed(&headers(&[("origin", origin)]), &config);
        assert!(allowed("https://chat.example.org"));
        assert!(allowed("https://other.example.org"));
        for origin in [
            "null",
            "http://chat.example.org",
            "https://chat.example.org:8443",
            "https://chat.example.org.evil.com",
            "https://sub.chat.example.org",
            "https://CHAT.example.org",
            "https://chat.example.org/",
            "",
        ] {
            assert!(!allowed(origin), "{origin}");
        }
        let twice = headers(&[
            ("origin", "https://chat.example.org"),
            ("origin", "https://chat.example.org"),
        ]);
        assert!(!origin_allowed(&twice, &config));
        assert!(!origin_allowed(&HeaderMap::new(), &config));
    }

    #[test]
    fn without_a_public_origin_it_is_the_host() {
        let config = config(&[]);
        let pair =
            |origin, host| origin_allowed(&headers(&[("origin", origin), ("host", host)]), &config);
        assert!(pair("http://127.0.0.1:8000", "127.0.0.1:8000"));
        assert!(!pair("http://127.0.0.1:8000", "127.0.0.1:8001"));
        assert!(!pair("https://127.0.0.1:8000", "127.0.0.1:8000"));
        assert!(!origin_allowed(
            &headers(&[("origin", "http://a")]),
            &config
        ));
    }

    #[test]
    fn a_change_by_cookie_needs_proof_of_the_page() {
        let config = config(&[]);
        let change = |pairs: &[_]| change_allowed(&headers(pairs), &config);
        let cookie = ("cookie", "salon=abc");
        let host = ("host", "a:1");
        assert!(change(&[cookie, host, ("origin", "http://a:1")]));
        assert!(change(&[cookie, host, ("sec-fetch-site", "same-origin")]));
        assert!(!change(&[cookie, host]));
        assert!(!change(&[cookie, host, ("origin", "http://b:1")]));
        assert!(!change(&[cookie, host, ("sec-fetch-site", "same-site")]));
        assert!(!change(&[
            cookie,
            ("origin", "http://b:1"),
            ("sec-fetch-site", "same-origin")
        ]));
        // Nothing to abuse: no credential, or one that no browser sends by itself.
        assert!(change(&[]));
        assert!(!change(&[host, ("origin", "http://b:1")]));
        assert!(change(&[("authorization", "Bearer abc")]));
        assert!(change(&[
            cookie,
            ("authorization", "Bearer abc"),
            ("origin", "http://b:1")
        ]));
    }
}
