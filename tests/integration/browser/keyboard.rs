//! The keys of the page: rooms by their names, the list of keys, the regions, the messages and what is done to them.

use serde_json::json;
use thirtyfour::prelude::*;

use super::around::{GENEROUS, close_dialogs, count, go_to, must, page_of, press, until_focused};
use super::chromium::Chromium;
use super::page::Page;
use crate::support::event_stream::ApiClient;
use crate::support::salon::SalonProcess;

async fn room_with_messages(salon: &SalonProcess) -> ApiClient {
    let ada = ApiClient::account(salon, "Ada").await;
    for (slug, name) in [("kitchen", "Kitchen"), ("garden", "Garden")] {
        must(
            &ada,
            "POST",
            "/api/rooms",
            json!({ "slug": slug, "name": name }),
        )
        .await;
    }
    for text in ["one", "two", "three"] {
        must(
            &ada,
            "POST",
            "/api/rooms/garden/messages",
            json!({ "body": text }),
        )
        .await;
    }
    ada
}

async fn open(page: &Page) -> String {
    let script = "return document.querySelector('.room-link[aria-current]')?.dataset.slug ?? ''";
    page.run(script, &[]).await
}

#[tokio::test]
async fn ctrl_k_goes_to_a_room_by_a_few_letters() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let ada = room_with_messages(&salon).await;
    let page = page_of(&chromium, &salon, &ada).await;
    go_to(&page, "garden").await;
    press(&page, Key::Control + "k").await;
    until_focused(&page, "#switch-query").await;
    press(&page, "kit").await;
    count(&page, ".switch-line", 1).await;
    press(&page, Key::Enter).await;
    page.until_text(".room-title", "Kitchen").await;
    count(&page, "dialog", 0).await;

    press(&page, Key::Control + "k").await;
    until_focused(&page, "#switch-query").await;
    let chosen = "return document.querySelector('.switch-line[aria-selected=true]').dataset.slug";
    let first: String = page.run(chosen, &[]).await;
    press(&page, Key::Down + "").await;
    let second: String = page.run(chosen, &[]).await;
    assert_ne!(first, second);
    assert_ne!(first, "kitchen", "the open room is where one is already");
    press(&page, "zzzz").await;
    page.until_text(".switch-none", "No room is called that.")
        .await;
    press(&page, Key::Escape + "").await;
    count(&page, "dialog", 0).await;
    assert_eq!(open(&page).await, "kitchen");
    until_focused(&page, "#composer-input").await;
    page.quit().await;
}

#[tokio::test]
async fn ctrl_slash_lists_the_keys_and_f6_goes_through_the_parts() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let ada = room_with_messages(&salon).await;
    let page = page_of(&chromium, &salon, &ada).await;
    go_to(&page, "garden").await;
    press(&page, Key::Control + "/").await;
    page.find(".keys-help").await;
    page.until_text(".keys-help", "Go to a room").await;
    press(&page, Key::Escape + "").await;
    count(&page, "dialog", 0).await;

    page.run::<()>("document.querySelector('#composer-input').focus()", &[])
        .await;
    for place in [
        ".room-link[aria-current]",
        ".room-buttons button",
        ".scroller",
        "#composer-input",
        ".room-link[aria-current]",
    ] {
        press(&page, Key::F6 + "").await;
        until_focused(&page, place).await;
    }
    press(&page, Key::Shift + Key::F6).await;
    until_focused(&page, "#composer-input").await;
    page.quit().await;
}

#[tokio::test]
async fn single_keys_act_on_the_message_that_has_the_focus_until_they_are_switched_off() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let ada = room_with_messages(&salon).await;
    let page = page_of(&chromium, &salon, &ada).await;
    go_to(&page, "garden").await;
    count(&page, ".message[data-seq]", 3).await;
    page.run::<()>("document.querySelector('.scroller').focus()", &[])
        .await;
    press(&page, Key::Up + "").await;
    until_focused(&page, ".message[data-seq='3']").await;
    press(&page, Key::Up + "").await;
    until_focused(&page, ".message[data-seq='2']").await;
    press(&page, Key::Home + "").await;
    until_focused(&page, ".message[data-seq='1']").await;
    press(&page, Key::Down + "").await;
    until_focused(&page, ".message[data-seq='2']").await;

    press(&page, "r").await;
    page.until_text(".about", "Replying to Ada").await;
    page.click(".about button").await;
    focus(&page, 2).await;
    press(&page, "e").await;
    page.until_text(".about", "Editing").await;
    page.click(".about button").await;
    focus(&page, 2).await;
    press(&page, "p").await;
    page.until_text(".message[data-seq='2'] .marks", "Pinned")
        .await;
    focus(&page, 2).await;
    press(&page, "a").await;
    page.find(".message[data-seq='2'] .reaction-choice").await;
    press(&page, Key::Escape + "").await;
    focus(&page, 2).await;
    press(&page, "c").await;
    page.until_text(".message[data-seq='2'] [data-tool=copy]", "Copied")
        .await;
    focus(&page, 1).await;
    press(&page, Key::Delete + "").await;
    until_focused(&page, "#ask-no").await;
    press(&page, Key::Escape + "").await;
    until_focused(&page, ".message[data-seq='1']").await;
    press(&page, Key::Delete + "").await;
    page.click("#ask-yes").await;
    page.find(".message[data-seq='1'][data-state=deleted]")
        .await;

    page.click("[aria-label='Your account']").await;
    page.click("#setting-keys").await;
    close_dialogs(&page).await;
    focus(&page, 3).await;
    press(&page, "r").await;
    press(&page, Key::Up + "").await;
    until_focused(&page, ".message[data-seq='2']").await;
    assert!(!page.sees(".about").await, "letters are off");
    page.load().await;
    go_to(&page, "garden").await;
    focus(&page, 3).await;
    press(&page, "e").await;
    press(&page, Key::Up + "").await;
    until_focused(&page, ".message[data-seq='2']").await;
    assert!(!page.sees(".about").await, "they stay off");
    page.quit().await;
}

/// Goes to a message as who has no pointer does.
async fn focus(page: &Page, seq: u64) {
    page.run::<()>("document.querySelector('.scroller').focus()", &[])
        .await;
    press(page, Key::Home + "").await;
    for _ in 1..seq {
        press(page, Key::Down + "").await;
    }
    until_focused(page, &format!(".message[data-seq='{seq}']")).await;
}
