//! A scripted OpenID provider that lies, dawdles and floods as a test wants, on a port of its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::Response;
use axum::{Router, serve};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::signer::Signer;

/// What the provider knows Salon as.
pub(crate) const CLIENT_ID: &str = "salon";
/// And by what.
pub(crate) const CLIENT_SECRET: &str = "sixteen characters at least";

/// How it answers at an address.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// With this status and text.
    Text(u16, String),
    /// By sending the asker on.
    Redirect(String),
    /// With text that does not end.
    Endless,
    /// One byte now and then.
    Dripping,
    /// Never.
    Silence,
}

impl Reply {
    /// JSON, well.
    pub(crate) fn json(body: &Value) -> Self {
        Self::Text(200, body.to_string())
    }
}

#[derive(Default)]
struct Script {
    replies: BTreeMap<&'static str, Reply>,
    /// Address, `Authorization` and body of each request.
    asked: Vec<(String, String, String)>,
}

/// The provider.
pub(crate) struct FakeOpenId {
    port: u16,
    script: Arc<Mutex<Script>>,
    serving: JoinHandle<()>,
}

impl Drop for FakeOpenId {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl FakeOpenId {
    /// One that says the truth of itself and has this signer's key.
    pub(crate) async fn start(signer: &Signer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let script: Arc<Mutex<Script>> = Arc::default();
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&script));
        let serving = tokio::spawn(async move { serve(listener, router).await.unwrap() });
        let fake = Self {
            port,
            script,
            serving,
        };
        fake.reply(
            "/.well-known/openid-configuration",
            Reply::json(&fake.metadata()),
        );
        fake.reply("/keys", Reply::Text(200, signer.set()));
        fake
    }

    /// Its issuer.
    pub(crate) fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it says of itself.
    pub(crate) fn metadata(&self) -> Value {
        let at = self.issuer();
        json!({
            "issuer": at,
            "authorization_endpoint": format!("{at}/auth?kept=1"),
            "token_endpoint": format!("{at}/token"),
            "jwks_uri": format!("{at}/keys"),
            "userinfo_endpoint": format!("{at}/me"),
        })
    }

    /// From now on it answers so there.
    pub(crate) fn reply(&self, path: &'static str, reply: Reply) {
        self.script.lock().unwrap().replies.insert(path, reply);
    }

    /// Whoever brings a code gets this ID token.
    pub(crate) fn give(&self, id_token: &str) {
        let tokens =
            json!({"id_token": id_token, "access_token": "access", "token_type": "Bearer"});
        self.reply("/token", Reply::json(&tokens));
    }

    /// What it claims of `ada`, who signs in with this nonce, with these changes; null takes a claim away.
    pub(crate) fn claims(&self, nonce: &str, changes: &Value) -> Value {
        let now = chrono::Utc::now().timestamp();
        let mut claims = json!({
            "iss": self.issuer(), "aud": CLIENT_ID, "sub": "ada-1", "preferred_username": "Ada",
            "iat": now, "exp": now + 300, "nonce": nonce,
        });
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        claims
    }

    /// What was asked at an address: `Authorization` and body.
    pub(crate) fn asked(&self, path: &str) -> Vec<(String, String)> {
        let script = self.script.lock().unwrap();
        let there = script.asked.iter().filter(|(at, ..)| at == path);
        there
            .map(|(_, authorization, body)| (authorization.clone(), body.clone()))
            .collect()
    }

    /// The settings of a Salon whose people sign in here, as flags.
    pub(crate) fn flags(&self) -> Vec<String> {
        let issuer = self.issuer();
        [
            ["--public-origin", super::app::ORIGIN],
            ["--oidc-issuer", &issuer],
            ["--oidc-client-id", CLIENT_ID],
            ["--oidc-client-secret", CLIENT_SECRET],
            ["--rate-sign-ins", "100000"],
        ]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect()
    }
}

async fn answer(State(script): State<Arc<Mutex<Script>>>, request: Request) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let authorization = request.headers().get("authorization");
    let authorization = authorization.map_or("", |value| value.to_str().unwrap());
    let authorization = authorization.to_owned();
    let body = axum::body::to_bytes(request.into_body(), 1 << 20)
        .await
        .unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let reply = {
        let mut script = script.lock().unwrap();
        script.asked.push((path.clone(), authorization, body));
        let reply = script.replies.get(path.as_str());
        reply.cloned().unwrap_or(Reply::Text(404, String::new()))
    };
    let endless = |chunk: &'static [u8], pause| {
        Body::from_stream(futures_util::stream::unfold((), move |()| async move {
            tokio::time::sleep(pause).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(chunk)), ()))
        }))
    };
    let response = Response::builder();
    match reply {
        Reply::Text(status, text) => response.status(status).body(text.into()),
        Reply::Redirect(to) => response
            .status(302)
            .header("location", to)
            .body(Body::empty()),
        Reply::Endless => response.body(endless(&[b' '; 16_384], Duration::ZERO)),
        Reply::Dripping => response.body(endless(b" ", Duration::from_millis(200))),
        Reply::Silence => std::future::pending().await,
    }
    .unwrap()
}
