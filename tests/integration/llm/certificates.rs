//! Providers whose names or certificates are wrong: a reply fails with a clear class, and no question leaves the house.

use salon::error::ErrorCode;
use tempfile::TempDir;

use super::{BOTH, Kind, anthropic, ask, openai, timeouts};
use crate::support::certificate::make_certificate;
use crate::support::fake_provider::FakeProvider;
use crate::support::process::{OwnedProcess, START_WITHIN, free_port, owned_command};
use salon::llm::LlmProvider;
use salon::llm::anthropic::AnthropicProvider;
use salon::llm::openai::OpenAiProvider;
use std::sync::Arc;

fn provider_at(kind: Kind, url: &str) -> Arc<dyn LlmProvider> {
    // Only its settings' form is needed.
    let server = FakeProvider::start([]);
    match kind {
        Kind::Anthropic => {
            let mut settings = anthropic(&server, timeouts());
            url.clone_into(&mut settings.base_url);
            Arc::new(AnthropicProvider::new(settings).unwrap())
        }
        Kind::OpenAi => {
            let mut settings = openai(&server, timeouts());
            url.clone_into(&mut settings.base_url);
            Arc::new(OpenAiProvider::new(settings).unwrap())
        }
    }
}

#[tokio::test]
async fn f51_a_certificate_that_nobody_vouches_for_is_never_ignored() {
    let folder = TempDir::new().unwrap();
    make_certificate(folder.path());
    let port = free_port();
    let mut command = owned_command("openssl");
    command
        .args([
            "s_server",
            "-www",
            "-cert",
            "server.pem",
            "-key",
            "server.key",
        ])
        .args(["-accept", &format!("127.0.0.1:{port}")])
        .current_dir(folder.path());
    let mut server = OwnedProcess::start("tls", folder.path(), command);
    server.wait_for_port(port, START_WITHIN).await;
    for kind in BOTH {
        let answered = ask(&provider_at(kind, &format!("https://127.0.0.1:{port}"))).await;
        assert_eq!(answered.code(), Some(ErrorCode::ProviderUnavailable));
        let cause = answered.end.unwrap_err().cause;
        assert!(cause.contains("UnknownIssuer"), "{cause}");
    }
    let log = server.log_text();
    assert!(log.contains("alert unknown ca"), "{log}");
}

#[tokio::test]
async fn f51_a_name_that_does_not_resolve_is_unavailable() {
    for kind in BOTH {
        let answered = ask(&provider_at(kind, "https://provider.invalid")).await;
        assert_eq!(answered.code(), Some(ErrorCode::ProviderUnavailable));
    }
}
