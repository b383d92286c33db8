//! People whom others vouch for: at a real OpenID provider, at one that lies, and by claims that an application signs.

mod attacks;
mod claims;
mod network;
mod provider;

use axum::http::{Method, StatusCode, header};
use reqwest::Url;
use serde_json::Value;

use crate::support::app::{Answer, TestApp};

/// An app with these flags.
async fn app(flags: &[String]) -> TestApp {
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    TestApp::start(&flags).await
}

/// A sign-in that has begun.
#[derive(Clone, Debug)]
struct Departure {
    url: Url,
    /// `name=value` of the cookie that it left with.
    cookie: String,
}

impl Departure {
    /// A parameter of the provider's address.
    fn parameter(&self, name: &str) -> String {
        let mut all = self.url.query_pairs().filter(|(key, _)| key == name);
        let (_, value) = all.next().unwrap_or_else(|| panic!("{name}: {}", self.url));
        assert!(all.next().is_none(), "{name} once");
        value.into_owned()
    }

    /// The query of a provider's answer to it.
    fn answer(&self) -> String {
        format!("code=abc&state={}", self.parameter("state"))
    }
}

/// Goes to where a sign-in begins, as a program.
async fn start(app: &TestApp) -> Answer {
    app.request(Method::GET, "/api/oidc/start").send().await
}

async fn depart(app: &TestApp) -> Departure {
    let answer = start(app).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
    let url = answer.headers[header::LOCATION].to_str().unwrap();
    let set = answer.headers[header::SET_COOKIE].to_str().unwrap();
    for wanted in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=600"] {
        assert!(set.contains(wanted), "{set}");
    }
    Departure {
        url: url.parse().unwrap(),
        cookie: answer.cookie(),
    }
}

/// Comes back with a query and cookies, as a program.
async fn come_back(app: &TestApp, query: &str, cookies: &str) -> Answer {
    let path = format!("/api/oidc/callback?{query}");
    let request = app.request(Method::GET, &path);
    request.header("cookie", cookies).send().await
}

/// The session's cookie of an answer that let somebody in, which leads to the page.
fn let_in(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
    assert_eq!(answer.headers[header::LOCATION], "/");
    let all = answer.headers.get_all(header::SET_COOKIE).iter();
    let all: Vec<&str> = all.map(|set| set.to_str().unwrap()).collect();
    assert!(
        all.iter()
            .any(|set| set.starts_with("salon-sign-in=;") && set.contains("Max-Age=0")),
        "{all:?}"
    );
    let session = all.iter().find(|set| set.starts_with("salon=")).unwrap();
    assert!(session.contains("HttpOnly") && session.contains("SameSite=Lax"));
    session.split(';').next().unwrap().to_owned()
}

/// Who a session's cookie is.
async fn me(app: &TestApp, cookie: &str) -> Value {
    let request = app.request(Method::GET, "/api/me").header("cookie", cookie);
    request.send().await.json()
}
