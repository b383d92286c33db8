//! A whole [`App`] over the embedded store in a folder of its own, asked through its router: no port, no process.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use clap::Parser;
use salon::app::App;
use salon::channel_layer::counters::Counters;
use salon::channel_layer::counters::in_memory::InMemoryCounters;
use salon::channel_layer::in_memory::InMemoryLayer;
use salon::chat::Chat;
use salon::config::Config;
use salon::consumer::Consumers;
use salon::db::sqlite::SqliteStore;
use salon::feed::Feeds;
use salon::llm::registry::Providers;
use salon::quotas::Quotas;
use salon::shutdown::Shutdown;
use salon::writer::Writer;
use serde_json::Value;
use tower::ServiceExt;

/// One client that asks everything is fast.
pub(crate) const RATES: &[&str] = &[
    "--rate-sign-ins",
    "100000",
    "--rate-frames",
    "100000",
    "--rate-sends",
    "100000",
    "--rate-sends-burst",
    "100000",
    "--rate-joins",
    "100000",
    "--rate-prompts",
    "100000",
    "--rate-rooms",
    "100000",
    "--rate-invites",
    "100000",
    "--rate-tries",
    "100000",
    "--sockets-per-user",
    "100000",
    "--sockets-per-address",
    "100000",
    "--rate-searches",
    "100000",
];

/// The host and, without a public origin, the origin that tests speak to.
pub(crate) const HOST: &str = "127.0.0.1:8000";
/// That origin.
pub(crate) const ORIGIN: &str = "http://127.0.0.1:8000";

#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    config: Config,
}

/// The settings of these flags, whatever the environment holds defaults for.
pub(crate) fn config(flags: &[&str]) -> Config {
    Settings::parse_from(std::iter::once("salon").chain(flags.iter().copied())).config
}

/// An app and its folder.
pub(crate) struct TestApp {
    pub(crate) app: Arc<App>,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) consumers: Arc<Consumers>,
    router: Router,
    _folder: tempfile::TempDir,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null when there is none.
    pub(crate) fn json(&self) -> Value {
        if self.bytes.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&self.bytes).unwrap()
    }

    /// The problem's code, after checking that it is a whole problem and says the status it has.
    pub(crate) fn code(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        assert_eq!(
            self.headers
                .get(header::CONTENT_TYPE)
                .map(|kind| kind.to_str().unwrap()),
            Some("application/problem+json"),
            "{} {text}",
            self.status
        );
        let body = self.json();
        assert_eq!(body["status"], self.status.as_u16());
        for field in ["type", "title", "detail"] {
            assert!(body[field].is_string(), "{field}: {text}");
        }
        body["code"].as_str().unwrap().to_owned()
    }

    /// The session cookie that was set, as `name=value`.
    pub(crate) fn cookie(&self) -> String {
        let set = self.headers[header::SET_COOKIE].to_str().unwrap();
        set.split(';').next().unwrap().to_owned()
    }
}

impl TestApp {
    /// An app with these flags.
    pub(crate) async fn start(flags: &[&str]) -> Self {
        Self::counted_by(flags, InMemoryCounters::new()).await
    }

    /// The same, with others that count together.
    pub(crate) async fn counted_by(flags: &[&str], counters: Arc<dyn Counters>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path()).await.unwrap();
        let layer = InMemoryLayer::new();
        let feeds = Feeds::new(store.clone(), layer.clone());
        let writer = Writer::start(store.clone(), layer.clone(), Arc::default(), 1);
        let chat = Chat::new(store.clone(), Arc::new(writer), feeds, layer.clone());
        let config = Arc::new(config(flags));
        let chat = Arc::new(chat);
        let quotas = Quotas::new(&config, counters);
        let consumers = Consumers::new(
            Arc::clone(&chat),
            Arc::default(),
            Arc::clone(&quotas),
            &config,
        );
        let consumers = Arc::new(consumers);
        let providers = Providers::from_config(&config).unwrap();
        let app = App::new(
            config,
            store.clone(),
            layer,
            chat,
            quotas,
            providers,
            Shutdown::new(),
        );
        Self {
            router: salon::routes::router(Arc::clone(&app), Arc::clone(&consumers)),
            consumers,
            app,
            store,
            _folder: folder,
        }
    }

    /// A request as no browser sends it: no Origin, no cookie.
    pub(crate) fn request(&self, method: Method, path: &str) -> TestRequest<'_> {
        TestRequest {
            app: self,
            builder: Request::builder()
                .method(method)
                .uri(path)
                .header(header::HOST, HOST),
            body: Body::empty(),
            peer: Ipv4Addr::LOCALHOST.into(),
        }
    }

    /// A guest's token.
    pub(crate) async fn guest(&self, name: &str) -> String {
        let made = self
            .request(Method::POST, "/api/guests")
            .json(&serde_json::json!({ "name": name }))
            .send()
            .await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        made.json()["token"].as_str().unwrap().to_owned()
    }
}

/// Asks with a token; a null body is none.
pub(crate) async fn ask(app: &TestApp, token: &str, ask: &str, body: serde_json::Value) -> Answer {
    let (method, path) = ask.split_once(' ').unwrap();
    let request = app.request(method.parse().unwrap(), path).bearer(token);
    match body {
        serde_json::Value::Null => request.send().await,
        body => request.json(&body).send().await,
    }
}

/// An account's token.
pub(crate) async fn person(app: &TestApp, name: &str) -> String {
    let wanted = serde_json::json!({"name": name, "password": "correct horse"});
    let request = app.request("POST".parse().unwrap(), "/api/users");
    let made = request.json(&wanted).send().await.json();
    made["token"].as_str().unwrap().to_owned()
}

/// A request on its way.
pub(crate) struct TestRequest<'a> {
    app: &'a TestApp,
    builder: axum::http::request::Builder,
    body: Body,
    peer: IpAddr,
}

impl TestRequest<'_> {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.builder = self.builder.header(name, value);
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json")
            .body(body.to_string())
    }

    pub(crate) fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn peer(mut self, peer: &str) -> Self {
        self.peer = peer.parse().unwrap();
        self
    }

    pub(crate) async fn send(self) -> Answer {
        let mut request = self.builder.body(self.body).unwrap();
        let peer = SocketAddr::new(self.peer, 40_000);
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = self.app.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            bytes: axum::body::to_bytes(body, 4 << 20).await.unwrap().to_vec(),
        }
    }
}
