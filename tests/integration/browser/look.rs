//! Pictures of the page for people to look at: large and small, light and dark.

use super::chromium::Chromium;
use super::http_api::HttpApi;
use super::page::Page;
use crate::support::salon::SalonProcess;

const RICH: &str = "Here is what I *think*:\n\n1. **Order** comes first\n2. then `speed`\n\n> and beauty last\n\n\
    |what|how much|\n|:-|-:|\n|messages|1,024|\n|holes|0|\n\n```rust\nfn main() {\n    println!(\"Hello, salon\");\n}\n```\n\n\
    See https://example.org/a-page";

#[tokio::test]
async fn the_page_is_photographed() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[("SALON_SCRIPTED_DELAY_MS", "1")]).await;
    let large = Page::open(&chromium, &salon.url()).await;
    let small = Page::blank(&chromium, &salon.url()).await;
    small.be_a_phone().await;
    small.load().await;
    photograph(&large, "desktop", "sign-in", "#guest-name").await;
    photograph(&small, "phone", "sign-in", "#guest-name").await;

    large.come_in("Ada Lovelace").await;
    small.come_in("Grace").await;
    photograph(&large, "desktop", "empty", ".empty-room").await;
    photograph(&small, "phone", "empty", ".empty-room").await;

    let bob = HttpApi::guest(&salon.url(), "Bob").await;
    bob.send("Good morning! Who has an opinion on message order?")
        .await;
    bob.send("Or on anything else?").await;
    large.send("Me, as ever").await;
    large.see("Me, as ever", "complete").await;
    bob.send(RICH).await;
    large
        .find(".message a[href='https://example.org/a-page']")
        .await;
    photograph(&large, "desktop", "talk", ".table-frame").await;
    photograph(&small, "phone", "talk", ".table-frame").await;
    small
        .type_into("#composer-input", "@assistant what do you say?")
        .await;
    small.click("#composer-send").await;
    small
        .see_reply("the reply is complete", |reply| reply.state == "complete")
        .await;
    photograph(
        &large,
        "desktop",
        "room",
        ".message.assistant[data-state=complete]",
    )
    .await;
    photograph(
        &small,
        "phone",
        "room",
        ".message.assistant[data-state=complete]",
    )
    .await;
    small.click(".back").await;
    photograph(&small, "phone", "list", "salon-room-list").await;
    small.quit().await;
    large.quit().await;
}

/// Two pictures, `<size>-<what>-light` and `-dark`, which are not the same.
pub(super) async fn photograph(page: &Page, size: &str, what: &str, css: &str) {
    page.find(css).await;
    page.prefer("light").await;
    page.be_still().await;
    let light = page.screenshot(&format!("{size}-{what}-light")).await;
    page.prefer("dark").await;
    page.be_still().await;
    let dark = page.screenshot(&format!("{size}-{what}-dark")).await;
    assert_ne!(light, dark, "{size} {what}");
}
