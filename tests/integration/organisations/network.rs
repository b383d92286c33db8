//! A provider that is slow, floods, sends the asker on, or names addresses that are nobody's business: bounded, and refused by a
//! typed answer. Each case has an app of its own, which has read nothing yet.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{app, come_back, depart, let_in, start};
use crate::support::fake_openid::{FakeOpenId, Reply};
use crate::support::process::eventually;
use crate::support::signer::Signer;

const SETTINGS: &str = "/.well-known/openid-configuration";

/// What a sign-in ends with when the provider answers so there.
async fn ends_with(path: &'static str, reply: Reply) -> String {
    let signer = Signer::new("one");
    let provider = FakeOpenId::start(&signer).await;
    provider.reply(path, reply);
    let app = app(&provider.flags()).await;
    let began = Instant::now();
    let code = if path == SETTINGS {
        start(&app).await.code()
    } else {
        let departure = depart(&app).await;
        // Without a name the provider is asked for one.
        let unnamed = json!({"preferred_username": null});
        let claims = provider.claims(&departure.parameter("nonce"), &unnamed);
        if path != "/token" {
            provider.give(&signer.sign(&claims));
        }
        come_back(&app, &departure.answer(), &departure.cookie)
            .await
            .code()
    };
    assert!(began.elapsed() < Duration::from_secs(15), "{path}");
    code
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_provider_answers_is_bounded_and_typed() {
    let elsewhere = FakeOpenId::start(&Signer::new("one")).await;
    for path in [SETTINGS, "/token", "/keys", "/me"] {
        let bounded = [
            Reply::Text(500, String::new()),
            Reply::Text(429, String::new()),
            Reply::Endless,
            Reply::Dripping,
            Reply::Silence,
        ];
        // All at once: each takes as long as it may.
        let codes = bounded.clone().map(|reply| ends_with(path, reply));
        let codes = futures_util::future::join_all(codes).await;
        for (reply, code) in bounded.iter().zip(codes) {
            let expected = match (path, reply) {
                ("/token" | "/me", Reply::Endless) => "sign_in_invalid",
                _ => "sign_in_unavailable",
            };
            assert_eq!(code, expected, "{path} {reply:?}");
        }
        for reply in [
            Reply::Redirect(format!("{}{path}", elsewhere.issuer())),
            Reply::Text(200, "<html>".to_owned()),
            Reply::Text(200, "[]".to_owned()),
            Reply::Text(200, "{}".to_owned()),
            Reply::Text(404, "{}".to_owned()),
        ] {
            let code = ends_with(path, reply.clone()).await;
            let expected = match path {
                SETTINGS | "/keys" => "sign_in_unavailable",
                _ => "sign_in_invalid",
            };
            assert_eq!(code, expected, "{path} {reply:?}");
        }
    }
    for path in [SETTINGS, "/token", "/keys", "/me"] {
        assert_eq!(elsewhere.asked(path), [], "a redirect was followed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_provider_says_of_itself_leads_only_where_it_may() {
    let inside = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let inside_at = format!("http://{}", inside.local_addr().unwrap());
    let metadata = async |changes: Value| {
        let provider = FakeOpenId::start(&Signer::new("one")).await;
        let mut metadata = provider.metadata();
        for (name, value) in changes.as_object().unwrap() {
            metadata[name] = value.clone();
        }
        provider.reply(SETTINGS, Reply::json(&metadata));
        let app = app(&provider.flags()).await;
        let started = start(&app).await;
        if !started.status.is_redirection() {
            return started.code();
        }
        let departure = depart(&app).await;
        come_back(&app, &departure.answer(), &departure.cookie)
            .await
            .code()
    };
    for wrong in [
        json!({"issuer": "https://evil.example"}),
        json!({"issuer": null}),
        json!({"authorization_endpoint": "http://id.example/auth"}),
        json!({"authorization_endpoint": "javascript:alert(1)"}),
        json!({"token_endpoint": "http://id.example/token"}),
        json!({"token_endpoint": "ftp://127.0.0.1/token"}),
        json!({"jwks_uri": "https://ada:secret@id.example/keys"}),
        json!({"userinfo_endpoint": "http://id.example/me"}),
        // Within the operator's network, where the operator named another port.
        json!({"token_endpoint": format!("{inside_at}/token")}),
        json!({"token_endpoint": "https://169.254.169.254/token"}),
        json!({"token_endpoint": "https://[::1]/token"}),
    ] {
        assert_eq!(
            metadata(wrong.clone()).await,
            "sign_in_unavailable",
            "{wrong}"
        );
    }
    let connected = tokio::time::timeout(Duration::from_millis(50), inside.accept()).await;
    assert!(connected.is_err(), "something was sent there");
    // It says that it always names itself, and does not.
    let silent = json!({"authorization_response_iss_parameter_supported": true});
    assert_eq!(metadata(silent).await, "sign_in_invalid");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_goes_in_the_form_where_the_provider_wants_it_so() {
    let signer = Signer::new("one");
    let provider = FakeOpenId::start(&signer).await;
    let mut metadata = provider.metadata();
    metadata["token_endpoint_auth_methods_supported"] = json!(["client_secret_post"]);
    provider.reply(SETTINGS, Reply::json(&metadata));
    let app = app(&provider.flags()).await;
    let departure = depart(&app).await;
    let claims = provider.claims(&departure.parameter("nonce"), &json!({}));
    provider.give(&signer.sign(&claims));
    let_in(&come_back(&app, &departure.answer(), &departure.cookie).await);
    let (authorization, form) = provider.asked("/token").remove(0);
    assert_eq!(authorization, "");
    assert!(
        form.contains("client_secret=sixteen+characters+at+least"),
        "{form}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_key_is_asked_for_once_however_many_come_with_it() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let provider = FakeOpenId::start(&old).await;
    let app = app(&provider.flags()).await;
    let sign_in = async |signer: &Signer| {
        let departure = depart(&app).await;
        let claims = provider.claims(&departure.parameter("nonce"), &json!({}));
        provider.give(&signer.sign(&claims));
        come_back(&app, &departure.answer(), &departure.cookie).await
    };
    let_in(&sign_in(&old).await);
    for _ in 0..20 {
        assert_eq!(sign_in(&new).await.code(), "sign_in_invalid");
    }
    assert_eq!(
        provider.asked("/keys").len(),
        1,
        "it was asked only just now"
    );
    provider.reply("/keys", Reply::Text(200, new.set()));
    eventually(
        "the new key is known",
        Duration::from_secs(20),
        async || sign_in(&new).await.status.is_redirection(),
    )
    .await;
    assert_eq!(
        sign_in(&old).await.code(),
        "sign_in_invalid",
        "it was withdrawn"
    );
    assert!(provider.asked("/keys").len() <= 3);
    assert_eq!(provider.asked(SETTINGS).len(), 1);
}
