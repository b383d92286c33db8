//! Answers that go wrong once they have begun, and settings that are wrong before.

use std::time::Duration;

use salon::config::Config;
use salon::error::ErrorCode;
use salon::llm::anthropic::AnthropicProvider;
use salon::llm::openai::OpenAiProvider;
use salon::llm::registry::Providers;

use super::{BOTH, KEY, Kind, anthropic, ask, openai, provider, timeouts};
use crate::support::fake_provider::{Answer, FakeProvider};

#[tokio::test]
async fn f38_an_error_after_http_200_fails_with_the_text_so_far() {
    let cases = [
        ("overloaded_error", ErrorCode::ProviderOverloaded),
        ("rate_limit_error", ErrorCode::ProviderRateLimited),
        ("insufficient_quota", ErrorCode::ProviderQuota),
        ("authentication_error", ErrorCode::ProviderRefusedKey),
        ("invalid_request_error", ErrorCode::ProviderRefused),
        ("of_the_future", ErrorCode::ProviderUnavailable),
    ];
    for kind in BOTH {
        for (name, code) in cases {
            let server = FakeProvider::start([Answer::stream().piece("so far").error(name)]);
            let answered = ask(&provider(kind, &server, timeouts())).await;
            assert_eq!(answered.text, "so far", "{kind:?} {name}");
            assert_eq!(answered.code(), Some(code), "{kind:?} {name}");
            assert_eq!(server.requests().len(), 1, "nothing is retried after text");
        }
    }
}

#[tokio::test]
async fn f39_a_stream_that_breaks_off_is_truncated() {
    for kind in BOTH {
        for answer in [
            Answer::stream().piece("half").cut(),
            Answer::stream().piece("half"),
        ] {
            let server = FakeProvider::start([answer]);
            let answered = ask(&provider(kind, &server, timeouts())).await;
            assert_eq!(answered.text, "half", "{kind:?}");
            assert_eq!(
                answered.code(),
                Some(ErrorCode::ProviderTruncated),
                "{kind:?}"
            );
            assert_eq!(server.requests().len(), 1);
        }
    }
}

#[tokio::test]
async fn f40_garbage_is_malformed() {
    let long_line = [
        b"data: ".to_vec(),
        vec![b'x'; salon::limits::PROVIDER_LINE_BYTES],
    ]
    .concat();
    for kind in BOTH {
        let cases = [
            Answer::stream().piece("ok").bytes(b"data: {\"broken\n\n"),
            Answer::stream().piece("ok").bytes(b"data: [1, 2]\n\n"),
            Answer::stream().piece("ok").bytes(b"data: \xff\xfe\n\n"),
            Answer::stream().piece("ok").bytes(&long_line),
        ];
        for answer in cases {
            let server = FakeProvider::start([answer]);
            let answered = ask(&provider(kind, &server, timeouts())).await;
            assert_eq!(answered.text, "ok", "{kind:?}");
            assert_eq!(
                answered.code(),
                Some(ErrorCode::ProviderMalformed),
                "{kind:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_document_instead_of_a_stream_is_no_answer() {
    for kind in BOTH {
        let cases = [
            (
                Answer::status(200, "overloaded_error"),
                ErrorCode::ProviderOverloaded,
            ),
            (
                Answer::raw()
                    .header("content-type", "text/html; charset=utf-8")
                    .bytes(b"<h1>Sign in to the network</h1>"),
                ErrorCode::ProviderUnavailable,
            ),
        ];
        for (answer, code) in cases {
            let server = FakeProvider::start([]);
            server.otherwise(answer);
            let answered = ask(&provider(kind, &server, timeouts())).await;
            assert_eq!(answered.code(), Some(code), "{kind:?}");
        }
    }
}

#[tokio::test]
async fn a_redirect_is_refused_and_the_key_goes_nowhere() {
    for kind in BOTH {
        for status in [301, 302, 303, 307, 308] {
            let elsewhere = FakeProvider::start([Answer::text(&["caught"])]);
            let location = match kind {
                Kind::Anthropic => format!("{}/v1/messages", elsewhere.anthropic_url()),
                Kind::OpenAi => format!("{}/chat/completions", elsewhere.openai_url()),
            };
            let server =
                FakeProvider::start(
                    [Answer::status(status, "moved").header("location", &location)],
                );
            let answered = ask(&provider(kind, &server, timeouts())).await;
            assert_eq!(
                answered.code(),
                Some(ErrorCode::ProviderUnavailable),
                "{kind:?} {status}"
            );
            assert!(elsewhere.requests().is_empty(), "{kind:?} {status}");
            assert_eq!(server.requests().len(), 1);
        }
    }
}

#[tokio::test]
async fn an_endless_error_body_is_not_read_to_its_end() {
    for kind in BOTH {
        let endless = Answer::status(400, "invalid_request_error").endless(Duration::ZERO);
        let server = FakeProvider::start([endless]);
        let answered = ask(&provider(kind, &server, timeouts())).await;
        assert_eq!(
            answered.code(),
            Some(ErrorCode::ProviderRefused),
            "{kind:?}"
        );
    }
}

#[tokio::test]
async fn no_debug_form_shows_the_key() {
    let server = FakeProvider::start([]);
    let settings = (anthropic(&server, timeouts()), openai(&server, timeouts()));
    let providers = (
        AnthropicProvider::new(settings.0.clone()).unwrap(),
        OpenAiProvider::new(settings.1.clone()).unwrap(),
    );
    let shown = format!("{settings:?} {providers:?} {providers:#?}");
    assert!(!shown.contains(KEY), "{shown}");
}

#[tokio::test]
async fn wrong_settings_are_told_without_their_values() {
    let server = FakeProvider::start([]);
    for url in [
        "",
        "not a url",
        "ftp://e.org",
        "https://ada:hush@e.org",
        "https://e.org/?key=hush",
        "file:///x",
    ] {
        let mut settings = openai(&server, timeouts());
        settings.base_url = url.into();
        let message = OpenAiProvider::new(settings).unwrap_err();
        assert!(
            message.starts_with("OPENAI_BASE_URL") && !message.contains("hush"),
            "{message}"
        );
    }
    let mut settings = anthropic(&server, timeouts());
    settings.api_key = "hush\nhush".into();
    let message = AnthropicProvider::new(settings).unwrap_err();
    assert!(
        message.starts_with("ANTHROPIC_API_KEY") && !message.contains("hush"),
        "{message}"
    );
}

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    config: Config,
}

#[tokio::test]
async fn the_settings_choose_the_provider() {
    use clap::Parser;
    let model_of = |arguments: &[&str]| {
        let line = Line::parse_from([&["salon"], arguments].concat());
        let providers = Providers::from_config(&line.config).unwrap();
        providers.default_model().llm.model().to_owned()
    };
    assert_eq!(
        model_of(&["--llm", "scripted"]),
        salon::llm::scripted::MODEL
    );
    assert_eq!(
        model_of(&["--llm", "anthropic", "--anthropic-api-key", "k"]),
        salon::llm::anthropic::DEFAULT_MODEL
    );
    assert_eq!(
        model_of(&["--llm", "openai", "--openai-api-key", "k"]),
        salon::llm::openai::DEFAULT_MODEL
    );
    assert_eq!(
        model_of(&[
            "--llm",
            "openai",
            "--openai-api-key",
            "k",
            "--model",
            "mine"
        ]),
        "mine"
    );
}
