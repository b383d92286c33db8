//! A provider, or somebody between, that lies.

use axum::http::{Method, StatusCode, header};
use jsonwebtoken::{Algorithm, Header};
use serde_json::{Value, json};

use super::{Departure, app, come_back, depart, let_in, me};
use crate::support::app::{Answer, TestApp};
use crate::support::fake_openid::{CLIENT_SECRET, FakeOpenId, Reply};
use crate::support::signer::Signer;

struct World {
    signer: Signer,
    provider: FakeOpenId,
    app: TestApp,
}

async fn world() -> World {
    let signer = Signer::rsa("one");
    let provider = FakeOpenId::start(&signer).await;
    let app = app(&provider.flags()).await;
    World {
        signer,
        provider,
        app,
    }
}

impl World {
    /// A sign-in that gets an ID token with these claims changed.
    async fn sign_in(&self, changes: &Value) -> Answer {
        let departure = depart(&self.app).await;
        let nonce = departure.parameter("nonce");
        let claims = self.provider.claims(&nonce, changes);
        self.end(&departure, &self.signer.sign(&claims)).await
    }

    /// The end of a sign-in that gets this ID token.
    async fn end(&self, departure: &Departure, id_token: &str) -> Answer {
        self.provider.give(id_token);
        come_back(&self.app, &departure.answer(), &departure.cookie).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_request_is_as_the_rules_have_it() {
    let world = world().await;
    let departure = depart(&world.app).await;
    for (name, wanted) in [
        ("kept", "1"),
        ("response_type", "code"),
        ("client_id", "salon"),
        ("redirect_uri", "http://127.0.0.1:8000/api/oidc/callback"),
        ("scope", "openid profile email"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(departure.parameter(name), wanted);
    }
    let nonce = departure.parameter("nonce");
    let claims = world.provider.claims(&nonce, &json!({}));
    let session = let_in(&world.end(&departure, &world.signer.sign(&claims)).await);
    assert_eq!(me(&world.app, &session).await["user"]["name"], "Ada");
    let (authorization, form) = world.provider.asked("/token").remove(0);
    assert!(authorization.starts_with("Basic "), "{authorization}");
    assert!(!form.contains("client_secret"), "{form}");
    let verifier = form.split("code_verifier=").nth(1).unwrap();
    assert_eq!(verifier.len(), 64);
    // Nothing that is a secret went by the browser, and each sign-in has its own.
    assert!(!departure.url.as_str().contains(verifier));
    let other = depart(&world.app).await;
    for name in ["state", "nonce", "code_challenge"] {
        assert_ne!(departure.parameter(name), other.parameter(name));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s26_a_provider_is_believed_only_by_its_own_signature_for_this_sign_in() {
    let world = world().await;
    let now = chrono::Utc::now().timestamp();
    for wrong in [
        json!({"iss": "https://evil.example"}),
        json!({"iss": format!("{}/", world.provider.issuer())}),
        json!({"aud": "another client"}),
        json!({"aud": ["salon", "another client"]}),
        json!({"azp": "another client"}),
        json!({"nonce": "of another sign-in"}),
        json!({"nonce": null}),
        json!({"exp": now - 60}),
        json!({"exp": null}),
        json!({"iat": now + 300}),
        json!({"iat": now - 3_600}),
        json!({"sub": ""}),
        json!({"sub": null}),
    ] {
        let refused = world.sign_in(&wrong).await;
        assert_eq!(refused.code(), "sign_in_invalid", "{wrong}");
        assert!(!refused.headers.contains_key(header::SET_COOKIE), "{wrong}");
    }
    for (what, attacker) in attackers(&world.signer) {
        let departure = depart(&world.app).await;
        let claims = world
            .provider
            .claims(&departure.parameter("nonce"), &json!({}));
        let refused = world.end(&departure, &attacker(&claims)).await;
        assert_eq!(refused.code(), "sign_in_invalid", "{what}");
    }
    let_in(&world.sign_in(&json!({})).await);
}

type Forge = Box<dyn Fn(&Value) -> String + Send>;

fn forge(sign: impl Fn(&Value) -> String + Send + 'static) -> Forge {
    Box::new(sign)
}

/// Ways to sign without the provider's key.
fn attackers(signer: &Signer) -> Vec<(&'static str, Forge)> {
    let public = signer.public();
    let modulus = public["n"].as_str().unwrap().to_owned();
    let by_secret = |secret: Vec<u8>| -> Forge {
        forge(move |claims: &Value| {
            let mut header = Header::new(Algorithm::HS256);
            header.kid = Some("one".to_owned());
            Signer::secret(&secret).sign_with(&header, claims)
        })
    };
    let with_header = |header: &'static str| -> Forge {
        forge(move |claims: &Value| {
            use base64::Engine;
            let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
            format!("{}.{}.", encode(header), encode(&claims.to_string()))
        })
    };
    vec![
        ("no algorithm", with_header(r#"{"alg":"none","kid":"one"}"#)),
        (
            "no signature",
            with_header(r#"{"alg":"RS256","kid":"one"}"#),
        ),
        (
            "the public key as a secret",
            by_secret(modulus.into_bytes()),
        ),
        ("the set as a secret", by_secret(signer.set().into_bytes())),
        ("the client's secret", by_secret(CLIENT_SECRET.into())),
        (
            "another key of that name",
            forge(|claims: &Value| Signer::rsa("one").sign(claims)),
        ),
        (
            "a key of another kind",
            forge(|claims: &Value| Signer::new("one").sign(claims)),
        ),
        (
            "a key of another name",
            forge(|claims: &Value| Signer::rsa("two").sign(claims)),
        ),
        ("no token", forge(|_: &Value| "ada".to_owned())),
        ("a long one", forge(|_: &Value| "A".repeat(100_000))),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_browser_brings_must_be_what_it_left_with() {
    let world = world().await;
    let departure = depart(&world.app).await;
    let state = departure.parameter("state");
    let other = depart(&world.app).await;
    let back = async |query: &str, cookie: &str| come_back(&world.app, query, cookie).await.code();
    for (query, cookie) in [
        (departure.answer().as_str(), ""),
        (departure.answer().as_str(), other.cookie.as_str()),
        (departure.answer().as_str(), "salon-sign-in=AAAA"),
        ("code=abc", departure.cookie.as_str()),
        ("code=abc&state=", departure.cookie.as_str()),
        ("code=abc&state=00", departure.cookie.as_str()),
        ("error=access_denied", departure.cookie.as_str()),
        ("", departure.cookie.as_str()),
    ] {
        assert_eq!(
            back(query, cookie).await,
            "sign_in_expired",
            "{query} {cookie}"
        );
    }
    let cookie = departure.cookie.as_str();
    for (query, code) in [
        (format!("state={state}"), "sign_in_invalid"),
        (format!("state={state}&code="), "sign_in_invalid"),
        (
            format!("state={state}&code={}", "a".repeat(5_000)),
            "sign_in_invalid",
        ),
        (format!("state={state}&code=a&code=b"), "sign_in_invalid"),
        (
            format!("state={state}&code=a&iss=https://evil.example"),
            "sign_in_invalid",
        ),
        (
            format!("state={state}&error=access_denied"),
            "sign_in_refused",
        ),
        (
            format!("state={state}&error=login_required"),
            "sign_in_refused",
        ),
        (
            format!("state={state}&error=temporarily_unavailable"),
            "sign_in_unavailable",
        ),
        (
            format!("state={state}&error=%3Cscript%3E&error_description=x"),
            "sign_in_invalid",
        ),
    ] {
        assert_eq!(back(&query, cookie).await, code, "{query}");
    }
    assert_eq!(
        world.provider.asked("/token"),
        [],
        "nothing was asked for it"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_request_says_where_to_go() {
    let world = world().await;
    let evil =
        "return_to=https://evil.example&redirect_uri=https://evil.example&next=//evil.example";
    let start = world
        .app
        .request(Method::GET, &format!("/api/oidc/start?{evil}"))
        .header("x-forwarded-host", "evil.example")
        .header("referer", "https://evil.example/")
        .send()
        .await;
    let place = start.headers[header::LOCATION].to_str().unwrap();
    assert!(
        place.starts_with(&world.provider.issuer()) && !place.contains("evil"),
        "{place}"
    );
    let departure = Departure {
        url: place.parse().unwrap(),
        cookie: start.cookie(),
    };
    let claims = world
        .provider
        .claims(&departure.parameter("nonce"), &json!({}));
    world.provider.give(&world.signer.sign(&claims));
    let query = format!("{}&{evil}", departure.answer());
    let_in(&come_back(&world.app, &query, &departure.cookie).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_session_before_it_is_worth_nothing_after_it() {
    let world = world().await;
    let planted = format!("salon={}", world.app.guest("Mallory").await);
    let departure = depart(&world.app).await;
    let claims = world
        .provider
        .claims(&departure.parameter("nonce"), &json!({}));
    world.provider.give(&world.signer.sign(&claims));
    let cookies = format!("{}; {planted}", departure.cookie);
    let session = let_in(&come_back(&world.app, &departure.answer(), &cookies).await);
    assert_ne!(session, planted);
    assert_eq!(me(&world.app, &planted).await["code"], "unauthenticated");
    assert_eq!(me(&world.app, &session).await["user"]["name"], "Ada");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newcomer_takes_nobodys_name() {
    let world = world().await;
    crate::support::app::person(&world.app, "Ada").await;
    let named = async |changes: Value| {
        let session = let_in(&world.sign_in(&changes).await);
        me(&world.app, &session).await["user"]["name"].clone()
    };
    assert_eq!(named(json!({})).await, "Ada 2");
    assert_eq!(
        named(json!({"preferred_username": "Renamed"})).await,
        "Ada 2",
        "the same one"
    );
    assert_eq!(
        named(json!({"sub": "x", "preferred_username": "ADA"})).await,
        "ADA 3"
    );
    let posing =
        json!({"sub": "y", "preferred_username": "Assis\u{200b}tant", "name": "\u{202e}Bo"});
    assert_eq!(named(posing).await, "Bo");
    // The signed word goes before the other.
    world.provider.reply(
        "/me",
        Reply::json(&json!({"sub": "z", "name": "Told", "email": "e@x.example"})),
    );
    assert_eq!(
        named(json!({"sub": "z", "preferred_username": null})).await,
        "Told"
    );
    world.provider.reply(
        "/me",
        Reply::json(&json!({"sub": "another", "name": "Told"})),
    );
    let mixed = world
        .sign_in(&json!({"sub": "w", "preferred_username": null}))
        .await;
    assert_eq!(mixed.code(), "sign_in_invalid");
}

#[tokio::test]
async fn sign_ins_of_one_address_are_limited_and_none_are_where_there_is_no_provider() {
    let app = TestApp::start(&["--rate-sign-ins", "1"]).await;
    for path in ["/api/oidc/start", "/api/oidc/callback?code=a&state=b"] {
        let request = app.request(Method::GET, path).header("accept", "text/html");
        assert_eq!(request.send().await.code(), "not_found");
    }
    let config = app.request(Method::GET, "/api/config").send().await.json();
    assert_eq!(config["sign_in"], Value::Null);
    let signer = Signer::new("one");
    let provider = FakeOpenId::start(&signer).await;
    let mut flags = provider.flags();
    flags.truncate(flags.len() - 1);
    flags.push("2".to_owned());
    let app = super::app(&flags).await;
    depart(&app).await;
    let refused = come_back(&app, "code=a&state=b", "").await;
    assert_eq!(refused.code(), "sign_in_expired");
    assert_eq!(super::start(&app).await.code(), "rate_limited");
    let browser = app
        .request(Method::GET, "/api/oidc/start")
        .header("accept", "text/html");
    let shown = browser.send().await;
    assert_eq!(shown.status, StatusCode::SEE_OTHER);
    assert_eq!(shown.headers[header::LOCATION], "/#sign-in=rate_limited");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s58_no_other_site_begins_a_sign_in() {
    let world = world().await;
    for site in ["cross-site", "same-site"] {
        let request = world.app.request(Method::GET, "/api/oidc/start");
        let refused = request.header("sec-fetch-site", site).send().await;
        assert_eq!(refused.code(), "origin_refused", "{site}");
        assert!(!refused.headers.contains_key(header::SET_COOKIE), "{site}");
        let request = world.app.request(Method::GET, "/api/oidc/start");
        let request = request.header("accept", "text/html");
        let shown = request.header("sec-fetch-site", site).send().await;
        assert_eq!(shown.headers[header::LOCATION], "/#sign-in=origin_refused");
    }
    for site in ["same-origin", "none"] {
        let request = world.app.request(Method::GET, "/api/oidc/start");
        let begun = request.header("sec-fetch-site", site).send().await;
        let place = begun.headers[header::LOCATION].to_str().unwrap();
        assert!(place.starts_with(&world.provider.issuer()), "{place}");
    }
}
