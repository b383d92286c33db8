//! What one does to messages on the page: answer one, react, edit by ↑, pin, delete; and that the other side's doings show.

use serde_json::json;
use thirtyfour::prelude::*;

use super::chromium::Chromium;
use super::http_api::HttpApi;
use super::look::photograph;
use super::page::{Page, SOON};
use crate::support::salon::SalonProcess;

/// Makes a room of the reader's own.
const MAKE_ROOM: &str = "return fetch('/api/rooms', {method: 'POST', headers: {'content-type': 'application/json'},
    body: JSON.stringify({slug: 'club', name: 'Club', visibility: 'public'})}).then((answer) => answer.status)";

async fn text_of(page: &Page, css: &str) -> String {
    page.find(css).await.text().await.unwrap()
}

#[tokio::test]
async fn messages_are_answered_marked_edited_and_deleted() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    let made: u16 = page.run(MAKE_ROOM, &[]).await;
    assert_eq!(made, 201);
    page.load().await;
    page.click(".room-link[data-slug='club']").await;
    page.wait(
        "the room is open",
        SOON,
        "return document.querySelector('.room-title')?.textContent === 'Club'",
        &[],
    )
    .await;
    let bob = HttpApi::guest(&salon.url(), "Bob").await;
    bob.post("rooms/club/join", &json!({})).await;
    bob.post("rooms/club/messages", &json!({"body": "Tea or coffee?"}))
        .await;

    page.click(".message.other [data-tool=reply]").await;
    assert!(text_of(&page, ".about").await.contains("Replying to Bob"));
    page.send("Tee").await;
    page.see("Tee", "complete").await;
    assert!(
        text_of(&page, ".message.own .quote")
            .await
            .contains("Tea or coffee?")
    );

    page.click(".message.other [data-tool=react]").await;
    page.click(".reaction-choice button").await;
    page.find(".message.other .reaction[aria-pressed=true]")
        .await;
    bob.put("rooms/club/messages/1/reactions/👍").await;
    let two =
        "return document.querySelector('.message.other .reaction .count')?.textContent === '2'";
    page.wait("both reacted", SOON, two, &[]).await;

    page.type_into("#composer-input", Key::Up).await;
    assert!(text_of(&page, ".about").await.contains("Editing"));
    page.send(", please").await;
    page.see("Tee, please", "complete").await;
    assert_eq!(text_of(&page, ".message.own .mark-note").await, "(edited)");
    page.click(".message.own button.mark-note").await;
    assert!(text_of(&page, ".dialog .former").await.contains("Tee"));
    page.click(".dialog-head button").await;

    page.click(".message.other [data-tool=pin]").await;
    page.find(".message.other .mark-note").await;
    photograph(&page, "desktop", "changes", ".message.own .quote").await;
    page.click(".room-buttons [aria-label='Pinned messages']")
        .await;
    assert!(
        text_of(&page, ".pinned-message")
            .await
            .contains("Tea or coffee?")
    );
    photograph(&page, "desktop", "pins", ".pinned-message").await;
    page.click(".pinned-message").await;
    page.be_a_phone().await;
    photograph(&page, "phone", "changes", ".message.own .quote").await;

    // A finger does not hover: a tap shows the tools.
    page.click(".message.own .body").await;
    page.click(".message.own [data-tool=delete]").await;
    page.click("#ask-yes").await;
    page.see("This message was deleted.", "deleted").await;
    assert!(!page.sees(".message.own .mark-note").await);
    page.quit().await;
}
