//! What stays as it is while something else goes on: a draft behind an edit, the list under a finger, the past that is looked at,
//! and a dialog while a word is composed.

use serde_json::json;
use thirtyfour::Key;

use super::around::{GENEROUS, count, go_to, must, page_of, press, sea, until_focused};
use super::chromium::Chromium;
use super::http_api::HttpApi;
use super::model::{fill, start};
use super::page::{LATER, Page, SOON};
use crate::support::fake_provider::FakeProvider;
use crate::support::salon::SalonProcess;

#[tokio::test]
async fn a_quote_in_the_past_leads_further_into_it() {
    let chromium = Chromium::start().await;
    let provider = FakeProvider::start([]);
    let salon = start(&provider, &[]).await;
    let bob = HttpApi::guest(&salon.url(), "Bob").await;
    fill(&bob, 200).await;
    let answer = json!({ "body": "as I said", "reply_to": 20 });
    bob.post("rooms/lobby/messages", &answer).await;
    fill(&bob, 200).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.find(".message[data-seq='401']").await;
    page.run::<()>("location.hash = '#/rooms/lobby/201'", &[])
        .await;
    page.find(".message.marked[data-seq='201'] .quote").await;
    assert!(!page.sees(".message[data-seq='20']").await);
    page.click(".message[data-seq='201'] .quote").await;
    let there = "const line = document.querySelector(\".message[data-seq='20']\");
        if (line === null) return false;
        const view = document.querySelector('.scroller').getBoundingClientRect();
        const { top, bottom } = line.getBoundingClientRect();
        return bottom > view.top && top < view.bottom && document.activeElement === line";
    page.wait("one is led to it", LATER, there, &[]).await;
    assert!(page.sees("#jump-latest").await);
    page.quit().await;
}

#[tokio::test]
async fn a_reply_begun_while_one_edits_has_the_draft_and_not_the_edited_text() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let (ada, bob) = sea(&salon).await;
    for (who, body) in [(&bob, "Tea or coffee?"), (&ada, "said before")] {
        must(
            who,
            "POST",
            "/api/rooms/sea/messages",
            json!({ "body": body }),
        )
        .await;
    }
    let page = page_of(&chromium, &salon, &ada).await;
    go_to(&page, "sea").await;
    page.see("said before", "complete").await;
    page.type_into("#composer-input", "half a thought").await;
    let written = "return document.querySelector('#composer-input').value === arguments[0]";
    page.click(".message.own [data-tool=edit]").await;
    page.wait("the text is edited", SOON, written, &[json!("said before")])
        .await;
    page.click(".message.other [data-tool=reply]").await;
    page.until_text(".about", "Replying to Bob").await;
    page.wait("the draft", SOON, written, &[json!("half a thought")])
        .await;
    page.type_into("#composer-input", Key::Enter).await;
    page.see("half a thought", "complete").await;
    page.find(".message.own .quote").await;
    assert_eq!(
        page.see("said before", "complete").await.seq,
        Some(2),
        "nothing was edited"
    );
    page.quit().await;
}

/// Presses on the list again and again, and notes the order of its rooms when the page's title tells of news.
const HOLD: &str = "const rooms = document.querySelector('.rooms');
    const order = () => [...rooms.querySelectorAll('.room-link')].map(({ dataset }) => dataset.slug).join();
    const down = () => rooms.querySelector('.room-link').dispatchEvent(new PointerEvent('pointerdown', { button: 0, bubbles: true }));
    window.before = order();
    window.order = order;
    down();
    window.held = setInterval(down, 100);
    new MutationObserver(() => { if (document.title.startsWith('(')) window.during ??= order(); })
        .observe(document.querySelector('title'), { childList: true })";

#[tokio::test]
async fn the_list_holds_still_under_a_finger_and_is_drawn_when_it_is_lifted() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let (ada, bob) = sea(&salon).await;
    let page = page_of(&chromium, &salon, &ada).await;
    go_to(&page, "lobby").await;
    page.send("the latest").await;
    page.see("the latest", "complete").await;
    let lobby = "return document.querySelector('.room-link').dataset.slug === 'lobby'";
    page.wait("the lobby is first", SOON, lobby, &[]).await;
    page.run::<()>(HOLD, &[]).await;
    let body = json!({ "body": "later" });
    must(&bob, "POST", "/api/rooms/sea/messages", body).await;
    let told = "return window.during !== undefined";
    page.wait("the title tells of it", SOON, told, &[]).await;
    let (before, during): (String, String) =
        page.run("return [window.before, window.during]", &[]).await;
    assert_eq!(during, before, "it moved under the finger");
    let lift = "clearInterval(window.held); document.dispatchEvent(new PointerEvent('pointerup', { bubbles: true }))";
    page.run::<()>(lift, &[]).await;
    let moved = "return window.order().startsWith('sea,lobby')";
    page.wait("it is drawn", SOON, moved, &[]).await;
    page.quit().await;
}

#[tokio::test]
async fn keys_of_an_input_method_choose_no_room() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let (ada, _bob) = sea(&salon).await;
    let page = page_of(&chromium, &salon, &ada).await;
    go_to(&page, "lobby").await;
    press(&page, Key::Control + "k").await;
    until_focused(&page, "#switch-query").await;
    let chosen = "return document.querySelector('.switch-line[aria-selected=true]').dataset.slug";
    let first: String = page.run(chosen, &[]).await;
    let key = "const event = new KeyboardEvent('keydown', { key: arguments[0], bubbles: true, cancelable: true, ...arguments[1] });
        document.querySelector('#switch-query').dispatchEvent(event);
        return event.defaultPrevented";
    for how in [json!({ "isComposing": true }), json!({ "keyCode": 229 })] {
        for name in ["ArrowDown", "Enter"] {
            let taken: bool = page.run(key, &[json!(name), how.clone()]).await;
            assert!(!taken, "{name} {how}");
        }
    }
    assert_eq!(page.run::<String>(chosen, &[]).await, first);
    count(&page, "dialog", 1).await;
    let taken: bool = page.run(key, &[json!("Enter"), json!({})]).await;
    assert!(taken, "without a composition it goes there");
    count(&page, "dialog", 0).await;
    page.quit().await;
}
