//! The whole way through a real provider, which is nobody's of ours.

use std::time::Duration;

use axum::http::{Method, StatusCode, header};
use reqwest::Url;
use serde_json::{Value, json};

use super::{app, come_back, depart, let_in, me, start};
use crate::support::app::{ORIGIN, TestApp, ask};
use crate::support::openid::{OpenIdProvider, go_through};
use crate::support::process::eventually;

/// Signs in as somebody; the provider's answer and the cookie it comes with.
async fn visit(app: &TestApp, name: Option<&str>) -> (Url, String) {
    let departure = depart(app).await;
    let back = go_through(departure.url.as_str(), name).await;
    assert_eq!(back.origin().ascii_serialization(), ORIGIN);
    assert_eq!(back.path(), "/api/oidc/callback");
    (back, departure.cookie)
}

async fn sign_in(app: &TestApp, name: &str) -> String {
    let (back, cookie) = visit(app, Some(name)).await;
    let_in(&come_back(app, back.query().unwrap(), &cookie).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_the_provider_knows_comes_in_as_one_user() {
    let provider = OpenIdProvider::start(ORIGIN).await;
    let app = app(&provider.flags(ORIGIN)).await;
    let config = app.request(Method::GET, "/api/config").send().await.json();
    let offered = json!({"name": "Corp", "url": format!("{ORIGIN}/api/oidc/start")});
    assert_eq!(config["sign_in"], offered);

    let first = me(&app, &sign_in(&app, "ada").await).await;
    assert_eq!(first["user"]["name"], "ada");
    assert_eq!(first["user"]["kind"], "user");
    assert_eq!(first["scope"], Value::Null, "a whole session");
    let again = sign_in(&app, "ada").await;
    let second = me(&app, &again).await;
    assert_eq!(second["user"], first["user"]);
    assert_ne!(second["session"], first["session"]);
    let other = me(&app, &sign_in(&app, "bob").await).await;
    assert_ne!(other["user"]["id"], first["user"]["id"]);

    // It is in the lobby as everybody is, and may write.
    let token = again.strip_prefix("salon=").unwrap();
    let sent = ask(
        &app,
        token,
        "POST /api/rooms/lobby/messages",
        json!({"body": "hi"}),
    )
    .await;
    assert_eq!(sent.status, StatusCode::CREATED, "{sent:?}");
    // Nobody else signs in by its name with a password, whatever it is.
    let guess = json!({"name": "ada", "password": "correct horse"});
    let guess = app.request(Method::POST, "/api/sessions").json(&guess);
    assert_eq!(guess.send().await.code(), "bad_credentials");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_good_once_and_in_the_browser_that_fetched_it() {
    let provider = OpenIdProvider::start(ORIGIN).await;
    let app = app(&provider.flags(ORIGIN)).await;
    // What another browser brought back, in ours: the way to sign somebody in as somebody else.
    let (theirs, _) = visit(&app, Some("mallory")).await;
    let ours = depart(&app).await;
    for cookie in ["", ours.cookie.as_str()] {
        let refused = come_back(&app, theirs.query().unwrap(), cookie).await;
        assert_eq!(refused.code(), "sign_in_expired");
    }
    // A code that was stolen, in a sign-in that has another verifier: PKCE.
    let (back, _) = visit(&app, Some("ada")).await;
    let code = back
        .query_pairs()
        .find(|(name, _)| name == "code")
        .unwrap()
        .1;
    let iss = provider.issuer();
    let injected = format!("code={code}&state={}&iss={iss}", ours.parameter("state"));
    let refused = come_back(&app, &injected, &ours.cookie).await;
    assert_eq!(refused.code(), "sign_in_invalid");
    // The same twice.
    let (back, cookie) = visit(&app, Some("ada")).await;
    let_in(&come_back(&app, back.query().unwrap(), &cookie).await);
    let replayed = come_back(&app, back.query().unwrap(), &cookie).await;
    assert_eq!(replayed.code(), "sign_in_invalid");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_says_no_or_is_in_no_group_stays_out() {
    let provider = OpenIdProvider::start(ORIGIN).await;
    let mut flags = provider.flags(ORIGIN);
    for flag in [
        "--oidc-scopes",
        "openid profile groups",
        "--oidc-required-claim",
        "groups=staff",
    ] {
        flags.push(flag.to_owned());
    }
    let app = app(&flags).await;
    let (back, cookie) = visit(&app, None).await;
    assert!(
        back.query().unwrap().contains("error=access_denied"),
        "{back}"
    );
    let refused = come_back(&app, back.query().unwrap(), &cookie).await;
    assert_eq!(refused.code(), "sign_in_refused");
    assert!(!String::from_utf8_lossy(&refused.bytes).contains("script"));
    let (back, cookie) = visit(&app, Some("ada")).await;
    let refused = come_back(&app, back.query().unwrap(), &cookie).await;
    assert_eq!(refused.code(), "sign_in_refused");
    // A browser is shown the page, which knows the code.
    let (back, cookie) = visit(&app, Some("ada")).await;
    let path = format!("/api/oidc/callback?{}", back.query().unwrap());
    let request = app.request(Method::GET, &path).header("cookie", &cookie);
    let shown = request.header("accept", "text/html,*/*;q=0.8").send().await;
    assert_eq!(shown.status, StatusCode::SEE_OTHER);
    assert_eq!(shown.headers[header::LOCATION], "/#sign-in=sign_in_refused");
    let sets = shown.headers.get_all(header::SET_COOKIE);
    let over = |set: &axum::http::HeaderValue| set.to_str().unwrap().starts_with("salon-sign-in=;");
    assert!(sets.iter().all(over));

    let (back, cookie) = visit(&app, Some("bea-staff")).await;
    let session = let_in(&come_back(&app, back.query().unwrap(), &cookie).await);
    assert_eq!(me(&app, &session).await["user"]["name"], "bea-staff");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_may_change_its_key_and_may_be_away() {
    let mut provider = OpenIdProvider::start(ORIGIN).await;
    let app = app(&provider.flags(ORIGIN)).await;
    let before = me(&app, &sign_in(&app, "ada").await).await;
    provider.restart_with_another_key().await;
    let mut after = Value::Null;
    eventually(
        "the new key is known",
        Duration::from_secs(30),
        async || {
            let (back, cookie) = visit(&app, Some("ada")).await;
            let answer = come_back(&app, back.query().unwrap(), &cookie).await;
            if answer.status == StatusCode::SEE_OTHER {
                after = me(&app, &let_in(&answer)).await;
                return true;
            }
            // Only because it was asked for its keys just now.
            assert_eq!(answer.code(), "sign_in_invalid");
            false
        },
    )
    .await;
    assert_eq!(after["user"], before["user"]);
    let (back, cookie) = visit(&app, Some("ada")).await;
    provider.kill();
    let refused = come_back(&app, back.query().unwrap(), &cookie).await;
    assert_eq!(refused.code(), "sign_in_unavailable");
    assert!(refused.headers.contains_key(header::RETRY_AFTER));
    // Its settings are known still; without any, nobody is sent there.
    assert_eq!(start(&app).await.status, StatusCode::SEE_OTHER);
    let fresh = super::app(&provider.flags(ORIGIN)).await;
    assert_eq!(start(&fresh).await.code(), "sign_in_unavailable");
}
