//! The page on a phone: one pane at a time, everything within reach of a thumb, nothing to scroll sideways. And dark.

use serde_json::json;

use super::chromium::Chromium;
use super::http_api::HttpApi;
use super::page::{Page, SOON};
use crate::support::salon::SalonProcess;

/// What sticks out of the window to the right or left, though nothing around it scrolls.
const STICKS_OUT: &str = "const root = document.scrollingElement;
    if (root.scrollWidth <= innerWidth) return [];
    return [...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
        .map((one) => one.outerHTML.slice(0, 120)).concat(`${root.scrollWidth} > ${innerWidth}`)";

#[tokio::test]
async fn a_phone_shows_one_pane_at_a_time() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let bob = HttpApi::guest(&salon.url(), "Bob").await;
    bob.send(&"unbroken".repeat(60)).await;
    let row = "|cell with words".repeat(12);
    bob.send(&format!(
        "{row}\n{}\n{row}\n\n```\n{}\n```",
        "|-".repeat(12),
        "code ".repeat(60)
    ))
    .await;
    bob.send(&format!("https://example.org/{}", "path/".repeat(60)))
        .await;

    let page = Page::blank(&chromium, &salon.url()).await;
    page.be_a_phone().await;
    page.load().await;
    page.find("#guest-name").await;
    nothing_sticks_out(&page, "signing in").await;
    page.come_in("Ada").await;
    page.wait(
        "history is there",
        SOON,
        "return document.querySelectorAll('.message').length === 3",
        &[],
    )
    .await;
    only_one_pane(&page, "salon-room", "salon-room-list").await;
    nothing_sticks_out(&page, "the room").await;

    page.click(".back").await;
    only_one_pane(&page, "salon-room-list", "salon-room").await;
    nothing_sticks_out(&page, "the list").await;
    page.click("[aria-label='New room']").await;
    page.find("#room-name").await;
    nothing_sticks_out(&page, "the dialog").await;
    page.click("dialog [aria-label='Close']").await;
    page.click(".room-link[data-slug=lobby]").await;
    only_one_pane(&page, "salon-room", "salon-room-list").await;

    // On a keyboard of glass Enter makes a line; the button sends.
    page.type_into("#composer-input", "from my\nphone").await;
    assert_eq!(page.messages().await.len(), 3);
    composer_is_in_reach(&page).await;
    page.click("#composer-send").await;
    page.see("from my phone", "complete").await;
    composer_is_in_reach(&page).await;
    nothing_sticks_out(&page, "the room with an own message").await;
    page.quit().await;
}

#[tokio::test]
async fn who_prefers_the_dark_gets_it() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = Page::blank(&chromium, &salon.url()).await;
    page.prefer("dark").await;
    page.load().await;
    page.come_in("Ada").await;
    let brightness = "const part = (name) => getComputedStyle(document.querySelector(arguments[0]))[name].match(/\\d+/g)
        .slice(0, 3).reduce((sum, value) => sum + Number(value), 0) / 3;
        return [part('backgroundColor'), part('color')]";
    for (scheme, is_dark) in [("dark", true), ("light", false), ("dark", true)] {
        page.prefer(scheme).await;
        for css in ["body", ".box"] {
            let [ground, text]: [f64; 2] = page.run(brightness, &[json!(css)]).await;
            assert_eq!(
                ground < 60.0 && text > 200.0,
                is_dark,
                "{css} in {scheme}: {ground} {text}"
            );
            assert_eq!(
                ground > 220.0 && text < 60.0,
                !is_dark,
                "{css} in {scheme}: {ground} {text}"
            );
        }
    }
    page.quit().await;
}

async fn nothing_sticks_out(page: &Page, when: &str) {
    let found: Vec<String> = page.run(STICKS_OUT, &[]).await;
    assert!(found.is_empty(), "{when}: {found:#?}");
}

async fn only_one_pane(page: &Page, shown: &str, hidden: &str) {
    page.find(shown).await;
    assert!(!page.sees(hidden).await, "{hidden} is beside {shown}");
}

async fn composer_is_in_reach(page: &Page) {
    let inside = "return ['#composer-input', '#composer-send'].every((css) => {
        const { top, right, bottom, left } = document.querySelector(css).getBoundingClientRect();
        return top >= 0 && left >= 0 && right <= innerWidth && bottom <= innerHeight && bottom - top >= 24;
    })";
    assert!(
        page.run::<bool>(inside, &[]).await,
        "the composer is out of reach"
    );
}
