//! Rooms on the page: a topic, archiving and opening again, the last message in the list, muting, finding a public
//! room, and a direct room of two.

use thirtyfour::prelude::*;

use super::chromium::Chromium;
use super::http_api::HttpApi;
use super::look::photograph;
use super::page::{Page, SOON};
use crate::support::salon::SalonProcess;

/// Makes a room of the reader's own, with a topic, and an account to write to.
const PREPARE: &str = "const post = (path, body, method = 'POST', credentials = 'same-origin') => fetch('/api/' + path,
        {method, credentials, headers: {'content-type': 'application/json'}, body: JSON.stringify(body)});
    return post('users', {name: 'Grace', password: 'correct horse'}, 'POST', 'omit')
        .then(() => post('rooms', {slug: 'club', name: 'Club'})).then((answer) => answer.status)";

async fn text_of(page: &Page, css: &str) -> String {
    page.find(css).await.text().await.unwrap()
}

#[tokio::test]
async fn a_room_is_described_archived_muted_and_found() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    let made: u16 = page.run(PREPARE, &[]).await;
    assert_eq!(made, 201);
    page.load().await;
    page.click(".room-link[data-slug='club']").await;
    page.until_text(".room-title", "Club").await;

    page.click(".room-buttons [aria-label='Room settings']")
        .await;
    page.type_into("#room-topic", "Ships and the sea").await;
    photograph(&page, "desktop", "settings", "#room-archived").await;
    page.click(".dialog .primary").await;
    page.until_text(".room-topic", "Ships and the sea").await;
    page.send("Who sails today?").await;
    page.until_text(
        ".room-link[data-slug='club'] .room-preview",
        "You: Who sails today?",
    )
    .await;
    let first = text_of(&page, ".rooms .room-link .room-name").await;
    assert_eq!(first, "Club", "the latest message is first");

    page.click(".room-buttons [aria-label='Mute this room']")
        .await;
    page.find(".room-link[data-slug='club'][data-muted]").await;
    page.find(".room-buttons [aria-label='Unmute this room']")
        .await;

    page.click(".room-buttons [aria-label='Room settings']")
        .await;
    page.click("#room-archived").await;
    page.click(".dialog .primary").await;
    page.until_text(".composer .keys", "archived").await;
    assert!(!page.sees("#composer-input").await);
    photograph(&page, "desktop", "archived", ".room-link .state").await;

    let bob = HttpApi::guest(&salon.url(), "Bob").await;
    bob.make_room("harbour").await;
    page.click("[aria-label='Public rooms']").await;
    page.find(".found-rooms [data-slug='club']").await;
    page.type_into("#browse-query", "HARB").await;
    let one = "return document.querySelectorAll('.found-rooms li').length === 1";
    page.wait("one room is found", SOON, one, &[]).await;
    photograph(&page, "desktop", "browse", ".found-room").await;
    page.click(".found-room").await;
    page.until_text(".room-title", "harbour").await;

    page.click("[aria-label='Direct message']").await;
    page.type_into("#direct-names", "grace").await;
    page.type_into("#direct-names", Key::Enter).await;
    page.until_text(".room-title", "Grace").await;
    page.send("Hello, Grace").await;
    page.see("Hello, Grace", "complete").await;
    page.be_a_phone().await;
    page.load().await;
    photograph(&page, "phone", "direct", ".room-title").await;
    page.click(".back").await;
    photograph(&page, "phone", "rooms", ".room-preview").await;
    page.quit().await;
}
