//! What axe-core and the size of targets say of what stands around answers: the questions that wait, the line above which an assistant
//! no longer sees, what a reply used, and the usage of oneself and of the server.

use serde_json::json;

use super::administration::{SIGN_IN, make_root};
use super::around::{close_dialogs, count, go_to};
use super::axe::Judge;
use super::chromium::Chromium;
use super::context::FILL;
use super::listening::TOO_SMALL;
use super::model::start;
use super::page::Page;
use crate::support::fake_provider::{Answer, FakeProvider, Gate};

async fn judge(judge: &Judge, page: &Page, state: &str) {
    judge.judge(page, state).await;
    let small: Vec<String> = page.run(TOO_SMALL, &[]).await;
    assert_eq!(small, Vec::<String>::new(), "{state}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn axe_finds_nothing_in_what_waits_and_what_was_used() {
    let axe = Judge::new();
    let chromium = Chromium::start().await;
    let gate = Gate::new();
    let provider = FakeProvider::start([
        Answer::text(&["One."]),
        Answer::stream().gate(&gate).piece("Two.").finish("end"),
    ]);
    provider.otherwise(Answer::text(&["Three."]));
    let folder = tempfile::tempdir().unwrap();
    make_root(folder.path());
    let data = folder.path().to_str().unwrap();
    let salon = start(&provider, &[("SALON_DATA", data), ("SALON_REPLIES", "1")]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    let root = [json!("sessions"), json!("Root")];
    assert_eq!(page.run::<u16>(SIGN_IN, &root).await, 201);
    let _: String = page.run(FILL, &[]).await;
    page.load().await;
    go_to(&page, "club").await;

    page.send("@assistant what do you see?").await;
    count(&page, ".context-line", 1).await;
    page.click(".message.assistant .usage-mark summary").await;
    page.find(".usage-line").await;
    judge(&axe, &page, "the line, and what a reply used").await;

    page.send("@assistant a long one").await;
    gate.reached().await;
    page.send("@assistant and another").await;
    count(&page, ".prompt-queue:not([hidden]) li", 1).await;
    judge(&axe, &page, "a question that waits").await;
    gate.open();
    count(&page, ".message.assistant[data-state=complete]", 3).await;

    page.click("[aria-label='Your account']").await;
    page.click("#own-usage").await;
    page.find(".uses [data-attempt]").await;
    judge(&axe, &page, "own-usage").await;
    close_dialogs(&page).await;

    page.click("#administration").await;
    for (part, there) in [
        ("users", ".uses [data-user]"),
        ("rooms", ".uses [data-room]"),
        ("usage", ".uses [data-usage]"),
        ("audit", ".uses [data-act]"),
    ] {
        page.click(&format!("#tab-{part}")).await;
        page.find(there).await;
        judge(&axe, &page, part).await;
    }
    close_dialogs(&page).await;
    page.quit().await;
}
