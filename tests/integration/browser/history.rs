//! Old messages on the page: found by a search, opened by a link, read on from there, and the way back to the present.

use serde_json::json;

use super::chromium::Chromium;
use super::http_api::HttpApi;
use super::look::photograph;
use super::page::{LATER, Page};
use crate::support::salon::SalonProcess;

/// More than the page holds when it opens a room.
const MESSAGES: usize = 260;

/// Whether a message is in the part of the column that is in sight.
async fn in_sight(page: &Page, seq: usize) -> bool {
    let script = "const line = document.querySelector(`.message[data-seq='${arguments[0]}']`);
        if (line === null) return false;
        const column = document.querySelector('.scroller').getBoundingClientRect();
        const { top, bottom } = line.getBoundingClientRect();
        return bottom > column.top && top < column.bottom;";
    page.run(script, &[json!(seq)]).await
}

#[tokio::test]
async fn an_old_message_is_found_opened_and_left_again() {
    let chromium = Chromium::start().await;
    let settings = [
        ("SALON_RATE_SENDS", "100000"),
        ("SALON_RATE_SENDS_BURST", "100000"),
        ("SALON_RATE_FRAMES", "100000"),
    ];
    let salon = SalonProcess::start(&settings).await;
    let bob = HttpApi::guest(&salon.url(), "Bob").await;
    for number in 1..=MESSAGES {
        let body = match number {
            5 => "where is <b>the old kettle</b> & its lid?".to_owned(),
            number => format!("number {number}"),
        };
        bob.send(&body).await;
    }
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.find(&format!(".message[data-seq='{MESSAGES}']")).await;
    assert!(
        !page.sees(".message[data-seq='5']").await,
        "it is not held yet"
    );

    page.click("button[aria-label='Search messages']").await;
    page.type_into("#search-words", "\"old kettle\" -nothing")
        .await;
    page.click("#search-go").await;
    page.find(".found a[data-seq='5'] mark").await;
    photograph(&page, "desktop", "search", ".found a[data-seq='5']").await;
    page.click(".found a[data-seq='5']").await;
    page.until("the message is marked and in sight", LATER, async || {
        (page.sees(".message.marked[data-seq='5']").await && in_sight(&page, 5).await).then_some(())
    })
    .await;
    photograph(&page, "desktop", "old-message", ".message.marked").await;

    // Reading on, the past comes by pages until it meets the present.
    page.until("the present is reached by scrolling", LATER, async || {
        let _: bool = page
            .run(
                "document.querySelector('.scroller').scrollBy(0, 4000); return true;",
                &[],
            )
            .await;
        in_sight(&page, MESSAGES).await.then_some(())
    })
    .await;

    // The link opens it anew, and the button leads back.
    let link = format!("{}/#/rooms/lobby/5", salon.url());
    page.driver.goto("about:blank").await.unwrap();
    page.driver.goto(&link).await.unwrap();
    page.until("the link leads to the message", LATER, async || {
        in_sight(&page, 5).await.then_some(())
    })
    .await;
    page.click("#jump-latest").await;
    page.until("the latest is in sight", LATER, async || {
        in_sight(&page, MESSAGES).await.then_some(())
    })
    .await;
    assert!(!page.sees(".message[data-seq='5']").await);
    page.quit().await;
}
