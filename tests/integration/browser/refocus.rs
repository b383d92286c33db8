//! What is drawn anew under the focus keeps it: the buttons under a message, what waits, the lists of dialogs, the head of a room.

use serde_json::json;
use thirtyfour::prelude::*;

use super::around::{GENEROUS, count, go_to, must, page_of, press, sea, until_focused};
use super::chromium::Chromium;
use super::model::start;
use super::page::{Page, SOON};
use crate::support::event_stream::ApiClient;
use crate::support::fake_provider::{Answer, FakeProvider, Gate};
use crate::support::salon::SalonProcess;

const REPLY: &str = ".message.assistant:last-of-type";

/// Gives the focus to what `css` selects, once it is there.
async fn focus(page: &Page, css: &str) {
    page.find(css).await;
    page.run::<()>(
        "document.querySelector(arguments[0]).focus()",
        &[json!(css)],
    )
    .await;
    until_focused(page, css).await;
}

async fn until_state(page: &Page, state: &str) {
    page.see_reply(state, |reply| reply.state == state).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_buttons_under_an_answer_keep_the_focus_or_its_message_has_it() {
    let chromium = Chromium::start().await;
    let gates: [Gate; 2] = std::array::from_fn(|_| Gate::new());
    let provider = FakeProvider::start([
        Answer::stream()
            .gate(&gates[0])
            .piece("one ")
            .gate(&gates[1])
            .finish("end"),
        Answer::stream().piece("two").finish("end"),
        Answer::stream().piece("three").finish("end"),
        Answer::stream().piece("four").finish("end"),
    ]);
    let salon = start(&provider, &[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.send("@assistant go").await;
    gates[0].reached().await;
    until_state(&page, "queued").await;
    focus(&page, "[data-action=stop]").await;
    page.run::<()>("document.activeElement.old = true", &[])
        .await;
    gates[0].open();
    until_state(&page, "streaming").await;
    until_focused(&page, "[data-action=stop]").await;
    let old: bool = page
        .run("return document.activeElement.old === true", &[])
        .await;
    assert!(!old, "it is another button now");
    press(&page, Key::Enter).await;
    until_state(&page, "stopped").await;
    until_focused(&page, REPLY).await;
    focus(&page, "[data-action=retry]").await;
    press(&page, Key::Enter).await;
    until_state(&page, "complete").await;
    until_focused(&page, REPLY).await;

    for (count, word) in [(2, "three"), (3, "four")] {
        page.click(".message.assistant [data-tool=regenerate]")
            .await;
        page.until_text(".variants .place", &format!("{count} / {count}"))
            .await;
        page.see_reply(word, |reply| {
            reply.state == "complete" && reply.text == word
        })
        .await;
    }
    let earlier = ".variants [aria-label='The variant before']";
    focus(&page, earlier).await;
    press(&page, Key::Enter).await;
    page.until_text(".variants .place", "2 / 3").await;
    until_focused(&page, earlier).await;
    press(&page, Key::Enter).await;
    page.until_text(".variants .place", "1 / 3").await;
    until_focused(&page, REPLY).await;
    page.quit().await;
}

#[tokio::test]
async fn a_reaction_that_is_pressed_by_a_key_keeps_the_focus() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let (ada, bob) = sea(&salon).await;
    must(
        &bob,
        "POST",
        "/api/rooms/sea/messages",
        json!({ "body": "one" }),
    )
    .await;
    let page = page_of(&chromium, &salon, &ada).await;
    go_to(&page, "sea").await;
    page.see("one", "complete").await;
    page.click(".message[data-seq='1'] [data-tool=react]").await;
    page.click(".reaction-choice button").await;
    focus(&page, ".reaction[aria-pressed=true]").await;
    // Taken back, the last one goes, and its message has the focus.
    press(&page, Key::Enter).await;
    count(&page, ".reaction", 0).await;
    until_focused(&page, ".message[data-seq='1']").await;
    must(
        &bob,
        "PATCH",
        "/api/rooms/sea/messages/1",
        json!({ "body": "one and more" }),
    )
    .await;
    page.see("one and more", "complete").await;
    page.click(".message[data-seq='1'] [data-tool=react]").await;
    page.click(".reaction-choice button").await;
    focus(&page, ".reaction[aria-pressed=true]").await;
    must(
        &bob,
        "PATCH",
        "/api/rooms/sea/messages/1",
        json!({ "body": "once more" }),
    )
    .await;
    page.see("once more", "complete").await;
    until_focused(&page, ".reaction[aria-pressed=true]").await;
    page.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_leaves_the_focus_to_the_next_line_and_then_to_the_composer() {
    let chromium = Chromium::start().await;
    let gate = Gate::new();
    let provider = FakeProvider::start([Answer::stream().gate(&gate).piece("one").finish("end")]);
    let salon = start(&provider, &[("SALON_REPLIES", "1")]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    for text in ["@assistant one", "@assistant two", "@assistant three"] {
        page.send(text).await;
    }
    gate.reached().await;
    count(&page, ".prompt-queue li", 2).await;
    focus(&page, ".prompt-queue li .icon-button").await;
    let first: String = page
        .run(
            "return document.activeElement.closest('li').dataset.seq",
            &[],
        )
        .await;
    press(&page, Key::Enter).await;
    count(&page, ".prompt-queue li", 1).await;
    until_focused(&page, ".prompt-queue li .icon-button").await;
    let second: String = page
        .run(
            "return document.activeElement.closest('li').dataset.seq",
            &[],
        )
        .await;
    assert_ne!(first, second);
    press(&page, Key::Enter).await;
    count(&page, ".prompt-queue li", 0).await;
    until_focused(&page, "#composer-input").await;
    page.quit().await;
}

#[tokio::test]
async fn a_list_keeps_the_focus_on_its_line_and_a_ban_is_asked_for_by_keys() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let (ada, _bob) = sea(&salon).await;
    let cleo = ApiClient::account(&salon, "Cleo").await;
    must(&cleo, "POST", "/api/rooms/sea/join", json!({})).await;
    let page = page_of(&chromium, &salon, &ada).await;
    go_to(&page, "sea").await;
    page.click(".room-buttons [aria-label=Members]").await;
    focus(&page, "[aria-label='Role of Bob']").await;
    let choose = "document.activeElement.old = true; document.activeElement.value = 'moderator';
        document.activeElement.dispatchEvent(new Event('change'))";
    page.run::<()>(choose, &[]).await;
    focus(&page, "[aria-label='Save the role of Bob']").await;
    press(&page, Key::Enter).await;
    let anew = "return document.activeElement.matches(\"[aria-label='Role of Bob']\") && document.activeElement.old === undefined";
    page.wait("the list is drawn anew", SOON, anew, &[]).await;

    let ban = "[aria-label='Ban Cleo']";
    focus(&page, ban).await;
    press(&page, Key::Enter).await;
    until_focused(&page, "#ask-field").await;
    page.until_text(".ask", "Ban Cleo?").await;
    press(&page, Key::Escape).await;
    count(&page, "dialog", 1).await;
    until_focused(&page, ban).await;
    press(&page, Key::Enter).await;
    until_focused(&page, "#ask-field").await;
    press(&page, "noise").await;
    // What is refused is said in the question, which stays.
    let refuse = "window.real = window.fetch;
        window.fetch = async () => new Response('{\"code\":\"busy\",\"detail\":\"Not now.\",\"title\":\"Not now.\"}', { status: 503, headers: { 'content-type': 'application/problem+json' } })";
    page.run::<()>(refuse, &[]).await;
    press(&page, Key::Enter).await;
    let said = "return document.querySelector('.ask .problem').textContent !== ''";
    page.wait("it is refused", SOON, said, &[]).await;
    until_focused(&page, "#ask-field").await;
    page.run::<()>("window.fetch = window.real", &[]).await;
    press(&page, Key::Enter).await;
    page.until_text(".bans", "by Ada: noise").await;
    count(&page, "dialog", 1).await;
    count(&page, ban, 0).await;
    let inside = "return document.activeElement.closest('.members li') !== null";
    page.wait("the focus is on another line", SOON, inside, &[])
        .await;
    page.quit().await;
}

#[tokio::test]
async fn a_menu_that_is_open_stays_so_while_the_head_is_drawn_anew() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let (ada, _bob) = sea(&salon).await;
    let page = page_of(&chromium, &salon, &ada).await;
    go_to(&page, "sea").await;
    page.click(".room-menu-button").await;
    page.find("[data-menu=settings]").await;
    must(
        &ada,
        "PATCH",
        "/api/rooms/sea",
        json!({ "topic": "Calm", "name": "Ocean" }),
    )
    .await;
    page.until_text(".room-title", "Ocean").await;
    assert!(page.sees("[data-menu=settings]").await);
    press(&page, Key::Escape).await;
    page.wait(
        "the menu is closed",
        SOON,
        "return document.querySelector(':popover-open') === null",
        &[],
    )
    .await;
    until_focused(&page, ".room-menu-button").await;
    // What the buttons open is of the room as it is now.
    page.click(".room-buttons [aria-label='Room settings']")
        .await;
    let name = "return document.querySelector('dialog input')?.value === 'Ocean'";
    page.wait("the settings are those of now", SOON, name, &[])
        .await;
    page.quit().await;
}

#[tokio::test]
async fn a_button_that_goes_when_it_is_pressed_leaves_the_focus_where_one_goes_on() {
    let chromium = Chromium::start().await;
    let mut salon = SalonProcess::start(&GENEROUS).await;
    let (ada, bob) = sea(&salon).await;
    let page = page_of(&chromium, &salon, &ada).await;
    go_to(&page, "sea").await;
    let long = json!({ "body": "line\n\n".repeat(60) });
    must(&bob, "POST", "/api/rooms/sea/messages", long).await;
    count(&page, ".sample", 0).await;
    focus(&page, ".scroller").await;
    for _ in 0..2 {
        press(&page, Key::PageUp).await;
    }
    focus(&page, "#jump-latest").await;
    press(&page, Key::Enter).await;
    until_focused(&page, ".scroller").await;

    salon.kill();
    focus(&page, ".banner:not([hidden]) .text-button").await;
    salon.restart().await;
    press(&page, Key::Enter).await;
    until_focused(&page, "#composer-input").await;
    page.quit().await;
}
