//! The page and its server: a new version is offered, never while somebody writes or an answer grows; a page that was hidden for long
//! reads what it missed when it is shown.

use serde_json::json;

use super::around::GENEROUS;
use super::chromium::Chromium;
use super::http_api::HttpApi;
use super::page::{LATER, Page, SOON};
use crate::support::salon::SalonProcess;

/// From now on the server says that it has another page.
const ANOTHER: &str = "const asked = window.fetch;
    window.fetch = async (path, ...more) => {
        const answer = await asked(path, ...more);
        if (!String(path).endsWith('/api/config')) return answer;
        const config = await answer.json();
        window.looked = true;
        return new Response(JSON.stringify({ ...config, page: 'another' }), { status: 200 });
    };";

#[tokio::test]
async fn a_new_version_is_offered_and_waits_until_nobody_writes() {
    let chromium = Chromium::start().await;
    let mut salon = SalonProcess::start(&GENEROUS).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    salon.restart().await;
    page.wait(
        "it is connected again",
        LATER,
        "return document.querySelector('.banner:not([hidden])') === null",
        &[],
    )
    .await;
    page.send("still the same version").await;
    page.see("still the same version", "complete").await;
    assert!(!page.sees(".banner.update").await);

    page.run::<()>(ANOTHER, &[]).await;
    page.type_into("#composer-input", "half a sentence").await;
    salon.restart().await;
    page.wait(
        "the new version is noticed",
        LATER,
        "return window.looked === true",
        &[],
    )
    .await;
    let offers = "return document.querySelector('.banner.update') !== null";
    // The offer is looked at every two seconds: longer than that it has to stay away.
    let waits =
        "window.since ??= performance.now(); return performance.now() - window.since > 4500";
    page.wait("a while", SOON, waits, &[]).await;
    assert!(!page.run::<bool>(offers, &[]).await, "somebody writes");
    page.type_into("#composer-input", "\u{e007}").await;
    page.see("half a sentence", "complete").await;
    page.wait("it is offered", SOON, offers, &[]).await;
    page.run::<()>("window.sameDocument = true", &[]).await;
    page.click(".banner.update .text-button").await;
    let fresh =
        "return window.sameDocument === undefined && document.querySelector('.message') !== null";
    page.wait("the page is loaded anew", LATER, fresh, &[])
        .await;
    page.quit().await;
}

#[tokio::test]
async fn a_page_that_was_hidden_for_long_reads_what_it_missed() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = Page::blank(&chromium, &salon.url()).await;
    let stage = "window.away = false;
        Object.defineProperty(Document.prototype, 'hidden', { get: () => window.away });
        window.hide = (away) => { window.away = away; document.dispatchEvent(new Event('visibilitychange')); };
        const send = WebSocket.prototype.send;
        window.sent = [];
        WebSocket.prototype.send = function (text) { window.sent.push(text); return send.call(this, text); };";
    page.devtools("Page.enable", json!({})).await;
    page.devtools(
        "Page.addScriptToEvaluateOnNewDocument",
        json!({ "source": stage }),
    )
    .await;
    page.load().await;
    page.come_in("Ada").await;
    let api = HttpApi::guest(&salon.url(), "Bob").await;
    api.send("hello").await;
    page.see("hello", "complete").await;
    let joins = "return window.sent.filter((text) => JSON.parse(text).type === 'room.join').length";
    let before: u64 = page.run(joins, &[]).await;
    let away = "const now = Date.now;
        window.hide(true);
        Date.now = () => now() + arguments[0];
        window.hide(false);
        Date.now = now;";
    page.run::<()>(away, &[json!(30_000)]).await;
    assert_eq!(page.run::<u64>(joins, &[]).await, before, "half a minute");
    page.run::<()>(away, &[json!(61_000)]).await;
    assert!(page.run::<u64>(joins, &[]).await > before, "over a minute");
    page.quit().await;
}
