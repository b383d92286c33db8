//! The view of the conversation holds still: at its end while one writes, at the line that was read when one comes back, at the message
//! that one reacts to; what is in sight is read; and the composer keeps what is written.

use serde_json::{Value, json};
use thirtyfour::prelude::*;

use super::around::{count, go_to, press, until_focused};
use super::chromium::Chromium;
use super::http_api::HttpApi;
use super::model::{be_drawn, fill, start};
use super::page::{LATER, Page, SOON};
use crate::support::fake_provider::{Answer, FakeProvider};
use crate::support::salon::SalonProcess;

const FAST: [(&str, &str); 3] = [
    ("SALON_RATE_SENDS", "100000"),
    ("SALON_RATE_SENDS_BURST", "100000"),
    ("SALON_RATE_FRAMES", "100000"),
];
const DISTANCE: &str = "const {scrollHeight, clientHeight, scrollTop} = document.querySelector('.scroller'); return scrollHeight - clientHeight - scrollTop";
/// The first message in sight, and where its top is in the view.
const FIRST: &str = "const view = document.querySelector('.scroller').getBoundingClientRect();
    const first = [...document.querySelectorAll('.message')].find((message) => message.getBoundingClientRect().bottom > view.top + 1);
    return [Number(first.dataset.seq), first.getBoundingClientRect().top - view.top]";
const WRITTEN: &str = "return document.querySelector('#composer-input')?.value === arguments[0]";
/// Shift and Enter.
const NEW_LINE: &str = "\u{e008}\u{e007}\u{e008}";
/// A page of an answer.
pub(super) const PARAGRAPH: &str =
    "A paragraph of a few words that is long enough for a line of the column.\n\n";

pub(super) async fn until_written(page: &Page, text: &str) {
    page.wait(text, SOON, WRITTEN, &[json!(text)]).await;
}

async fn until_read(page: &Page) {
    let read = "return document.title.startsWith('Lobby')";
    page.wait("it is read", SOON, read, &[]).await;
}

async fn scroll_by(page: &Page, pixels: f64) {
    let script = "document.querySelector('.scroller').scrollTop += arguments[0]";
    page.run::<()>(script, &[json!(pixels)]).await;
    be_drawn(page).await;
}

async fn first(page: &Page) -> (u64, f64) {
    page.run(FIRST, &[]).await
}

#[tokio::test]
async fn a_draft_survives_what_another_tab_sends() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    let one = page.driver.window().await.unwrap();
    let other = page.driver.new_window().await.unwrap();
    page.driver.switch_to_window(other.clone()).await.unwrap();
    page.load().await;
    page.see_lobby().await;
    page.driver.switch_to_window(one.clone()).await.unwrap();
    page.type_into("#composer-input", "half a thought").await;
    page.driver.switch_to_window(other.clone()).await.unwrap();
    page.send("something else").await;
    page.see("something else", "complete").await;
    page.driver.refresh().await.unwrap();
    page.see("something else", "complete").await;
    page.driver.switch_to_window(one).await.unwrap();
    page.driver.refresh().await.unwrap();
    until_written(&page, "half a thought").await;
    // What the tab itself sends is gone from it, and from the others.
    page.type_into("#composer-input", Key::Enter).await;
    page.see("half a thought", "complete").await;
    page.driver.refresh().await.unwrap();
    page.see("half a thought", "complete").await;
    until_written(&page, "").await;
    page.driver.switch_to_window(other).await.unwrap();
    page.driver.refresh().await.unwrap();
    page.see("half a thought", "complete").await;
    until_written(&page, "").await;
    page.quit().await;
}

#[tokio::test]
async fn the_end_stays_in_sight_while_the_box_grows_and_the_window_shrinks() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&FAST).await;
    let bob = HttpApi::guest(&salon.url(), "Bob").await;
    fill(&bob, 40).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.find(".message[data-seq='40']").await;
    for line in 1..=12 {
        page.type_into("#composer-input", format!("line {line}{NEW_LINE}"))
            .await;
        be_drawn(&page).await;
        let distance: f64 = page.run(DISTANCE, &[]).await;
        assert!(distance < 1.0, "line {line}: {distance}");
    }
    for _ in 0..4 {
        page.type_into("#composer-input", Key::Backspace).await;
    }
    bob.send("while she writes").await;
    page.see("while she writes", "complete").await;
    be_drawn(&page).await;
    assert!(page.run::<f64>(DISTANCE, &[]).await < 1.0);
    until_read(&page).await;
    for (width, height) in [(1280, 560), (700, 500), (1280, 800)] {
        page.driver
            .set_window_rect(0, 0, width, height)
            .await
            .unwrap();
        let there = "return innerWidth === arguments[0]";
        page.wait("it is so wide", SOON, there, &[json!(width)])
            .await;
        be_drawn(&page).await;
        let distance: f64 = page.run(DISTANCE, &[]).await;
        assert!(distance < 1.0, "{width} by {height}: {distance}");
    }
    // Who is not at the end stays where he is.
    scroll_by(&page, -400.0).await;
    let before = first(&page).await;
    for _ in 0..3 {
        page.type_into("#composer-input", format!("more{NEW_LINE}"))
            .await;
    }
    for _ in 0..30 {
        page.type_into("#composer-input", Key::Backspace).await;
    }
    be_drawn(&page).await;
    assert_eq!(first(&page).await, before);
    page.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn below_a_question_on_top_what_is_in_sight_is_read_and_what_is_not_is_offered() {
    let chromium = Chromium::start().await;
    let provider = FakeProvider::start([Answer::text(&[&PARAGRAPH.repeat(4)])]);
    let salon = start(&provider, &[]).await;
    let bob = HttpApi::guest(&salon.url(), "Bob").await;
    fill(&bob, 20).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.click(".room-menu-button").await;
    page.click("[data-menu=reading][aria-checked=false]").await;
    page.run::<()>("document.querySelector('#room-menu').hidePopover()", &[])
        .await;
    page.send("@assistant go").await;
    page.see_reply("it is whole", |reply| reply.state == "complete")
        .await;
    until_read(&page).await;
    be_drawn(&page).await;
    let before = first(&page).await;
    let seen = "const view = document.querySelector('.scroller').getBoundingClientRect();
        return [...document.querySelectorAll('.message')].at(-1).getBoundingClientRect().bottom <= view.bottom + 1";
    let mut in_sight = 0;
    loop {
        let text = format!("{in_sight} {}", "some words more ".repeat(12));
        bob.send(&text).await;
        page.see(text.trim(), "complete").await;
        be_drawn(&page).await;
        assert_eq!(first(&page).await, before, "nothing moves");
        assert!(in_sight < 20, "the view is full some time");
        if !page.run::<bool>(seen, &[]).await {
            break;
        }
        until_read(&page).await;
        in_sight += 1;
    }
    assert!(in_sight > 0, "there was room for one");
    assert!(!page.sees(".new-line").await, "one looks: no line");
    page.until_text("#jump-latest", "(1 new)").await;
    assert!(page.sees("#jump-latest").await);
    let counts = "return document.title.startsWith('(1) ')";
    page.wait("it counts", SOON, counts, &[]).await;
    page.click("#jump-latest").await;
    until_read(&page).await;
    page.quit().await;
}

#[tokio::test]
async fn the_last_line_of_a_long_paste_is_whole() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.type_into("#composer-input", "Look:").await;
    for lines in [9, 10, 40] {
        let text = format!("\n{}", vec!["a line of what is pasted"; lines].join("\n"));
        page.devtools("Input.insertText", json!({ "text": text }))
            .await;
        be_drawn(&page).await;
        let below = "const {scrollHeight, clientHeight, scrollTop} = document.querySelector('#composer-input'); return scrollHeight - clientHeight - scrollTop";
        let below: f64 = page.run(below, &[]).await;
        assert!(below < 1.0, "{lines} lines: {below} px are cut off");
    }
    // In the midst of a text whole lines are shown.
    let into = "const input = document.querySelector('#composer-input'); const place = input.value.length / 2; input.setSelectionRange(place, place)";
    page.run::<()>(into, &[]).await;
    page.devtools("Input.insertText", json!({ "text": "one\ntwo\nthree" }))
        .await;
    be_drawn(&page).await;
    let cut = "const input = document.querySelector('#composer-input'); return input.scrollTop % parseFloat(getComputedStyle(input).lineHeight)";
    let cut: f64 = page.run(cut, &[]).await;
    assert!(!(1.0..20.0).contains(&cut), "{cut}");
    page.quit().await;
}

#[tokio::test]
async fn who_reacts_by_keys_to_the_last_message_sees_all_of_it() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&FAST).await;
    let bob = HttpApi::guest(&salon.url(), "Bob").await;
    fill(&bob, 30).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.find(".message[data-seq='30']").await;
    page.run::<()>("document.querySelector('.scroller').focus()", &[])
        .await;
    press(&page, Key::Up).await;
    until_focused(&page, ".message[data-seq='30'][data-keyed]").await;
    press(&page, "a").await;
    until_focused(&page, ".reaction-choice button").await;
    press(&page, Key::Enter).await;
    count(&page, ".reaction", 1).await;
    be_drawn(&page).await;
    let below = "return document.querySelector(\".message[data-seq='30']\").getBoundingClientRect().bottom - document.querySelector('.scroller').getBoundingClientRect().bottom";
    let below: f64 = page.run(below, &[]).await;
    assert!(below < 1.5, "{below} px are below the edge");
    page.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_is_saved_alone_by_ctrl_s_and_asked_again_by_ctrl_enter() {
    let chromium = Chromium::start().await;
    let provider = FakeProvider::start([]);
    provider.otherwise(Answer::text(&["An answer."]));
    let salon = start(&provider, &[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.send("@assistant go").await;
    page.see_reply("it is whole", |reply| reply.state == "complete")
        .await;
    press(&page, Key::Up).await;
    page.find(".about [data-action='ask again']").await;
    press(&page, " alone").await;
    press(&page, Key::Control + "s").await;
    page.see("@assistant go alone", "complete").await;
    until_written(&page, "").await;
    assert_eq!(provider.requests().len(), 1, "nothing was asked again");
    press(&page, Key::Up).await;
    until_written(&page, "@assistant go alone").await;
    press(&page, " again").await;
    press(&page, Key::Control + Key::Enter).await;
    page.see("@assistant go alone again", "complete").await;
    page.wait(
        "it is written again",
        LATER,
        "return document.querySelector('.variants .place')?.textContent === '2 / 2'",
        &[],
    )
    .await;
    press(&page, Key::Control + "/").await;
    page.until_text(".keys-help", "Save an edit alone").await;
    page.quit().await;
}

#[tokio::test]
async fn back_in_a_room_one_is_at_the_line_that_was_read_but_at_what_is_new() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&FAST).await;
    let bob = HttpApi::guest(&salon.url(), "Bob").await;
    fill(&bob, 150).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    bob.make_room("den").await;
    page.find(".message[data-seq='150']").await;
    until_read(&page).await;
    // At the end first: there one is again.
    for _ in 0..2 {
        go_to(&page, "den").await;
        go_to(&page, "lobby").await;
        be_drawn(&page).await;
        assert!(page.run::<f64>(DISTANCE, &[]).await < 1.0);
    }
    for pixels in [-700.0, -1_500.0] {
        scroll_by(&page, pixels).await;
        be_drawn(&page).await;
        let before = first(&page).await;
        go_to(&page, "den").await;
        go_to(&page, "lobby").await;
        page.find("#jump-latest").await;
        be_drawn(&page).await;
        let now = first(&page).await;
        assert!(
            now.0 == before.0 && (now.1 - before.1).abs() < 1.5,
            "from {before:?} to {now:?}"
        );
    }
    let title: Value = page
        .run("return document.querySelector('#jump-previous').title", &[])
        .await;
    assert!(
        title.as_str().unwrap().starts_with("To the start of "),
        "{title}"
    );
    // What is new is shown first.
    go_to(&page, "den").await;
    for number in 0..6 {
        bob.send(&format!("new {number}")).await;
    }
    let counts = "return document.title.startsWith('(6) ')";
    page.wait("it counts", SOON, counts, &[]).await;
    go_to(&page, "lobby").await;
    page.find(".new-line").await;
    be_drawn(&page).await;
    let seen = "const view = document.querySelector('.scroller').getBoundingClientRect();
        const { top, bottom } = document.querySelector('.new-line').getBoundingClientRect();
        return top >= view.top && bottom <= view.bottom";
    assert!(page.run::<bool>(seen, &[]).await, "the line is in sight");
    page.quit().await;
}
