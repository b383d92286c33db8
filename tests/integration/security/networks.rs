//! What crosses a network: plain HTTP where https is promised, Redis, and TLS: lines 11, 38 and 73.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use salon::channel_layer::redis::{RedisLayer, RedisSettings};
use salon::db::postgres::{PostgresSettings, PostgresStore};
use salon::ids::InstanceId;
use salon::llm::anthropic::{AnthropicProvider, AnthropicSettings};
use salon::llm::http::Timeouts;
use salon::llm::reach::Reach;
use salon::llm::{LlmProvider, Prompt, Turn, TurnRole};
use salon::permissions::access::ROUTES;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::request;
use crate::support::app::TestApp;

/// Behind a proxy of its own that ends TLS.
const PUBLIC: [&str; 4] = [
    "--public-origin",
    "https://chat.example.org",
    "--trusted-proxies",
    "10.0.0.0/8",
];

#[tokio::test]
async fn s11_what_crossed_a_public_network_in_the_clear_is_refused() {
    let app = TestApp::start(&[&PUBLIC[..], super::RATES].concat()).await;
    let plain = [
        ("10.0.0.1", Some("http")),
        ("10.0.0.1", Some("ws")),
        ("10.0.0.1", Some("HTTP, https")),
        ("10.0.0.1", Some("")),
        ("8.8.8.8", None),
        ("8.8.8.8", Some("https")),
        ("2001:4860:4860::8888", None),
    ];
    let token = app.guest("bo").await;
    let mut count = 0;
    for route in ROUTES.iter().filter(|route| route.path != "/metrics") {
        let probe = matches!(route.path, "/livez" | "/readyz");
        for (peer, scheme) in plain {
            let mut asked = request(&app, route, "lobby").bearer(&token).peer(peer);
            if let Some(scheme) = scheme {
                asked = asked.header("x-forwarded-proto", scheme);
            }
            let answer = asked.send().await;
            if probe {
                assert_eq!(answer.status, 200, "{}", route.path);
                continue;
            }
            let what = format!("{} {} of {peer} {scheme:?}", route.method, route.path);
            assert_eq!(answer.code(), "https_required", "{what}");
            assert_eq!(
                answer.headers["strict-transport-security"],
                "max-age=31536000"
            );
            count += 1;
        }
    }
    assert!(count > 300, "{count}");
    // The socket is one of them; nothing was upgraded, and the page itself is not served either.
    let page = app.request(Method::GET, "/").peer("8.8.8.8").send().await;
    assert_eq!(page.code(), "https_required");
    let me = async |peer: &str, scheme: Option<&str>| {
        let mut asked = app
            .request(Method::GET, "/api/me")
            .bearer(&token)
            .peer(peer);
        if let Some(scheme) = scheme {
            asked = asked.header("x-forwarded-proto", scheme);
        }
        asked.send().await.status.as_u16()
    };
    for (peer, scheme) in [
        ("10.0.0.1", Some("https")),
        ("10.0.0.1", Some("https,http")),
        ("10.0.0.1", Some("wss")),
        // A proxy that says nothing, and programs beside the server.
        ("10.0.0.1", None),
        ("127.0.0.1", None),
        ("192.168.1.2", None),
        // From whom nobody trusts, it says nothing.
        ("192.168.1.2", Some("http")),
    ] {
        assert_eq!(me(peer, scheme).await, 200, "{peer} {scheme:?}");
    }
    // Where the operator promised no https, there is none to insist on.
    let local = TestApp::start(&["--trusted-proxies", "10.0.0.0/8"]).await;
    for (peer, scheme) in plain {
        let asked = local.request(Method::POST, "/api/guests").peer(peer);
        let asked = asked.header("x-forwarded-proto", scheme.unwrap_or("http"));
        let made = asked.json(&json!({"name": "bo"})).send().await;
        assert_eq!(made.status, 201, "{peer}");
    }
}

async fn layer(url: &str) -> Result<Arc<RedisLayer>, String> {
    let settings = RedisSettings {
        url: url.into(),
        secrets: vec!["01234567890123456789012345678901".into()],
        deployment: "test".to_owned(),
        instance: InstanceId::new(),
    };
    RedisLayer::connect(settings)
        .await
        .map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s38_a_redis_that_anybody_reaches_needs_tls_and_a_password() {
    // Nobody listens at these: they are refused before anything is sent there.
    for exposed in [
        "redis://192.88.98.1:1/",
        "redis://:hunter2@192.88.98.1:1/",
        "rediss://192.88.98.1:1/",
        "rediss://user:@192.88.98.1:1/",
        "redis://:hunter2@[2001:4860:4860::8888]:1/",
    ] {
        let Err(sentence) = layer(exposed).await else {
            panic!("{exposed} is taken");
        };
        assert!(sentence.contains("public address"), "{sentence}");
        assert!(!sentence.contains("hunter2"));
    }
    // Near by it is the operator's own network: that is warned of, and works.
    for near in [
        "redis://127.0.0.1:1/",
        "redis://10.255.255.1:1/",
        "redis://:hunter2@localhost:1/",
    ] {
        let layer = tokio::time::timeout(Duration::from_secs(20), layer(near)).await;
        assert!(layer.expect("in time").is_ok(), "{near}");
    }
    for (url, missing) in [
        ("redis://cache/", true),
        ("redis://user@cache/", true),
        ("redis://:@cache/", true),
        ("redis://:word@cache/", false),
        ("redis://:p@ss/word@cache/", false),
        ("rediss://user:word@cache/", false),
    ] {
        let config = crate::support::app::config(&["--redis-url", url]);
        assert_eq!(config.redis_has_no_password(), missing, "{url}");
    }
}

/// What a client of TLS offered to a server that speaks 1.1 only, and how it took that.
#[derive(Debug)]
struct Hello {
    versions: Vec<u16>,
    suites: Vec<u16>,
    alert: Option<(u8, u8)>,
}

/// A server that answers every hello with TLS 1.1; first it says `S` where it is asked as Postgres is.
async fn old_server(is_postgres: bool) -> (u16, tokio::task::JoinHandle<Hello>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        if is_postgres {
            let mut asked = [0; 8];
            stream.read_exact(&mut asked).await.unwrap();
            assert_eq!(asked, [0, 0, 0, 8, 4, 210, 22, 47], "it asks for TLS");
            stream.write_all(b"S").await.unwrap();
        }
        let mut head = [0; 5];
        stream.read_exact(&mut head).await.unwrap();
        assert_eq!(head[0], 22, "a handshake");
        let mut hello = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
        stream.read_exact(&mut hello).await.unwrap();
        let (versions, suites) = read_hello(&hello);
        // ServerHello: 1.1, a random number, no session, ECDHE-RSA-AES128-SHA, no compression.
        let mut answer = vec![22, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2];
        answer.extend([7; 32]);
        answer.extend([0, 0xc0, 0x13, 0]);
        stream.write_all(&answer).await.unwrap();
        let mut alert = [0; 7];
        let read = stream.read_exact(&mut alert).await;
        Hello {
            versions,
            suites,
            alert: (read.is_ok() && alert[0] == 21).then_some((alert[5], alert[6])),
        }
    });
    (port, serving)
}

/// The versions and cipher suites of a `ClientHello` (RFC 8446 §4.1.2).
fn read_hello(hello: &[u8]) -> (Vec<u16>, Vec<u16>) {
    let number = |at: usize| u16::from_be_bytes([hello[at], hello[at + 1]]);
    let pairs = |from: usize, length: usize| -> Vec<u16> {
        (from..from + length).step_by(2).map(number).collect()
    };
    // Type, length, version, random, session.
    let mut at = 38 + 1 + usize::from(hello[38]);
    let length = usize::from(number(at));
    let suites = pairs(at + 2, length);
    at += 2 + length;
    at += 1 + usize::from(hello[at]);
    let end = at + 2 + usize::from(number(at));
    at += 2;
    while at < end {
        let (kind, length) = (number(at), usize::from(number(at + 2)));
        if kind == 43 {
            return (pairs(at + 5, usize::from(hello[at + 4])), suites);
        }
        at += 4 + length;
    }
    (vec![number(4)], suites)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s73_old_tls_is_spoken_with_nobody() {
    for client in ["postgres", "postgres, unverified", "redis", "provider"] {
        let (port, serving) = old_server(client.starts_with("postgres")).await;
        let failed = tokio::time::timeout(Duration::from_secs(20), connect(client, port)).await;
        assert!(failed.expect("in time"), "{client} speaks TLS 1.1");
        let hello = tokio::time::timeout(Duration::from_secs(20), serving).await;
        let hello = hello.expect("in time").unwrap();
        assert!(!hello.versions.is_empty(), "{client}");
        for version in &hello.versions {
            assert!([0x0303, 0x0304].contains(version), "{client}: {hello:x?}");
        }
        // TLS 1.3's own, and those of 1.2 with keys that are forgotten and an AEAD; and the two that signal something.
        let strong = [
            0x1301, 0x1302, 0x1303, 0xc02b, 0xc02c, 0xc02f, 0xc030, 0xcca8, 0xcca9, 0x00ff, 0x5600,
        ];
        for suite in &hello.suites {
            assert!(strong.contains(suite), "{client}: {suite:x}");
        }
        // Fatal: protocol_version, or illegal_parameter.
        let alert = hello.alert;
        assert!(matches!(alert, Some((2, 70 | 47))), "{client}: {alert:?}");
    }
}

/// Whether connecting fails.
async fn connect(client: &str, port: u16) -> bool {
    match client {
        "redis" => {
            let layer = layer(&format!("rediss://127.0.0.1:{port}/")).await;
            layer.is_ok_and(|layer| !salon::channel_layer::ChannelLayer::is_up(&*layer))
        }
        "provider" => {
            let asked = ask_provider(port).await;
            asked.is_err()
        }
        _ => {
            let mode = match client {
                "postgres" => "verify-full",
                _ => "prefer",
            };
            let settings = PostgresSettings {
                url: format!("postgres://a:b@127.0.0.1:{port}/d?sslmode={mode}").into(),
                pool_size: 2,
                wait: Duration::from_secs(3),
                connect_timeout: Duration::from_secs(3),
            };
            let store = PostgresStore::connect(&settings).unwrap();
            salon::db::Store::ping(&*store).await.is_err()
        }
    }
}

/// As answers are asked for; the address alone is this test's.
async fn ask_provider(port: u16) -> Result<(), String> {
    let settings = AnthropicSettings {
        base_url: format!("https://127.0.0.1:{port}"),
        api_key: "sk-test".into(),
        model: "model".into(),
        timeouts: Timeouts {
            connect: Duration::from_secs(3),
            tries: 1,
            ..Timeouts::default()
        },
        reach: Reach::new(vec!["127.0.0.0/8".parse().unwrap()]),
    };
    let provider = AnthropicProvider::new(settings).map_err(|error| error.to_string())?;
    let prompt = Prompt {
        system: "You are a test.".into(),
        turns: vec![Turn {
            role: TurnRole::User,
            text: "hi".into(),
        }],
        max_tokens: 7,
        model: None,
        temperature: None,
    };
    let answer = provider.answer(prompt).await;
    answer
        .map(|_stream| ())
        .map_err(|error| format!("{error:?}"))
}
