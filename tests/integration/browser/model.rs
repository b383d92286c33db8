//! A server whose model is the test's own: it answers what the test wrote down, when the test lets it. And rooms full of messages.

use super::http_api::HttpApi;
use super::page::{Page, SOON};
use crate::support::fake_provider::FakeProvider;
use crate::support::salon::SalonProcess;

/// A server that asks this provider, and is fast to all; with more settings.
pub(super) async fn start(provider: &FakeProvider, more: &[(&str, &str)]) -> SalonProcess {
    let url = provider.anthropic_url();
    let mut settings = vec![
        ("SALON_LLM", "anthropic"),
        ("ANTHROPIC_API_KEY", "sk-test"),
        ("ANTHROPIC_BASE_URL", url.as_str()),
        ("SALON_LLM_ALLOW", "127.0.0.1"),
        ("SALON_RATE_SENDS", "100000"),
        ("SALON_RATE_SENDS_BURST", "100000"),
        ("SALON_RATE_FRAMES", "100000"),
        ("SALON_RATE_SIGN_INS", "100000"),
    ];
    settings.extend_from_slice(more);
    SalonProcess::start(&settings).await
}

/// Fills the lobby: numbered messages of some lines each.
pub(super) async fn fill(api: &HttpApi, count: usize) {
    for number in 1..=count {
        let words = "with some words in it ".repeat(number % 7);
        api.send(&format!("number {number} {words}")).await;
    }
}

/// Waits until the whole of the column has been drawn twice: what a reader sees has come to rest.
pub(super) async fn be_drawn(page: &Page) {
    let twice = "window.drawn = 0; const draw = () => { window.drawn += 1; if (window.drawn < 2) requestAnimationFrame(draw); };
        requestAnimationFrame(draw)";
    page.run::<()>(twice, &[]).await;
    page.wait("it is drawn", SOON, "return window.drawn >= 2", &[])
        .await;
}
