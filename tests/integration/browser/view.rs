//! The view of the conversation holds still: at its end while one writes, under the pointer while one chooses, edits or reacts, at the
//! line that was read when one comes back; and what is in sight is read.

use serde_json::{Value, json};
use thirtyfour::prelude::*;

use super::around::{count, go_to, press, until_focused};
use super::chromium::Chromium;
use super::http_api::HttpApi;
use super::model::{be_drawn, fill, start};
use super::page::{LATER, Page, SOON};
use crate::support::fake_provider::{Answer, FakeProvider, Gate};
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
const PARAGRAPH: &str =
    "A paragraph of a few words that is long enough for a line of the column.\n\n";

async fn until_written(page: &Page, text: &str) {
    page.wait(text, SOON, WRITTEN, &[json!(text)]).await;
}

async fn until_read(page: &Page) {
    let read = "return document.title.startsWith('Lobby')";
    page.wait("it is read", SOON, read, &[]).await;
}

async fn until_variant(page: &Page, place: &str) {
    page.until_text(".message.assistant .variants .place", place)
        .await;
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
    page.click("[data-menu=reading][aria-pressed=false]").await;
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

/// Asks, has it written once more, and stops where both texts can be chosen.
async fn two_versions(page: &Page) {
    page.send("@assistant go").await;
    page.see_reply("it is whole", |reply| reply.state == "complete")
        .await;
    page.click(".message.assistant [data-tool=regenerate]")
        .await;
    until_variant(page, "2 / 2").await;
    page.see_reply("it is whole again", |reply| reply.state == "complete")
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_arrows_of_a_version_stay_under_the_pointer_and_say_that_it_is_for_all() {
    let chromium = Chromium::start().await;
    let long = PARAGRAPH.repeat(12);
    let provider = FakeProvider::start([Answer::text(&[&long]), Answer::text(&["Short."])]);
    let salon = start(&provider, &[]).await;
    let bob = HttpApi::guest(&salon.url(), "Bob").await;
    fill(&bob, 25).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    two_versions(&page).await;
    fill(&bob, 20).await;
    page.find(".message[data-seq='47']").await;
    let to = "document.querySelector('.variants').scrollIntoView({ block: 'center' })";
    page.run::<()>(to, &[]).await;
    be_drawn(&page).await;
    let place =
        "const {x, y} = document.querySelector('.variants').getBoundingClientRect(); return [x, y]";
    let begun: [f64; 2] = page.run(place, &[]).await;
    let title = "return document.querySelector('.variants button').title";
    let title: String = page.run(title, &[]).await;
    assert_eq!(title, "The variant before · Shown to everyone here");
    for (variant, told) in [("1", "1 / 2"), ("2", "2 / 2"), ("1", "1 / 2")] {
        page.click(&format!(".variants [data-variant='{variant}']"))
            .await;
        until_variant(&page, told).await;
        be_drawn(&page).await;
        let now: [f64; 2] = page.run(place, &[]).await;
        let moved = (now[0] - begun[0]).abs().max((now[1] - begun[1]).abs());
        assert!(moved < 1.5, "{told}: from {begun:?} to {now:?}");
        page.until_text("#status", "Shown to everyone here").await;
        page.until_text(".message.assistant .for-all", "Shown to everyone here")
            .await;
    }
    // Who may not choose is told why it is this one.
    let other = Page::open(&chromium, &salon.url()).await;
    other.come_in("Carol").await;
    until_variant(&other, "1 / 2").await;
    count(&other, ".variants button", 0).await;
    let title = "return document.querySelector('.variants .place').title";
    let title: String = other.run(title, &[]).await;
    assert!(title.starts_with("Shown to everyone here."), "{title}");
    other.quit().await;
    page.quit().await;
}

#[tokio::test]
async fn after_an_edit_no_button_comes_under_the_pointer_until_it_moves() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.send("said before, at some length").await;
    page.see("said before, at some length", "complete").await;
    page.click(".message.own [data-tool=edit]").await;
    until_written(&page, "said before, at some length").await;
    let script = "const input = document.querySelector('#composer-input'); input.value = 'now'; input.dispatchEvent(new Event('input'))";
    page.run::<()>(script, &[]).await;
    page.type_into("#composer-input", Key::Enter).await;
    page.see("now", "complete").await;
    page.find(".message.own .mark-note").await;
    be_drawn(&page).await;
    let pressable =
        "return [...document.querySelectorAll('.message.own .tools button')].filter((button) => {
        const { x, y, width, height } = button.getBoundingClientRect();
        return document.elementFromPoint(x + width / 2, y + height / 2)?.closest('.tools') != null;
    }).length";
    assert_eq!(page.run::<u32>(pressable, &[]).await, 0);
    for x in [500, 520] {
        let moved = json!({"type": "mouseMoved", "x": x, "y": 300});
        page.devtools("Input.dispatchMouseEvent", moved).await;
    }
    let all = format!("{pressable} > 3");
    page.wait("they are there again", SOON, &all, &[]).await;
    page.quit().await;
}

/// Presses on what is in the newest answer.
const OF_NEWEST: &str = "return [...[...document.querySelectorAll('.message.assistant')].at(-1).querySelectorAll(arguments[0])].map((one) => one.innerText.trim())";

async fn of_newest(page: &Page, css: &str) -> Vec<String> {
    page.run(OF_NEWEST, &[json!(css)]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_answer_offers_each_thing_once_and_going_on_only_until_one_did() {
    let chromium = Chromium::start().await;
    let gates: [Gate; 2] = std::array::from_fn(|_| Gate::new());
    let provider = FakeProvider::start([
        Answer::stream()
            .gate(&gates[0])
            .piece("never")
            .finish("end"),
        Answer::stream()
            .piece("half of it")
            .gate(&gates[1])
            .piece("never")
            .finish("end"),
    ]);
    provider.otherwise(Answer::text(&["the rest."]));
    let salon = start(&provider, &[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.send("@assistant one").await;
    gates[0].reached().await;
    page.click("#composer-send[data-mode=stop]").await;
    page.see_reply("it is stopped", |reply| reply.state == "stopped")
        .await;
    page.find("[data-action=retry]").await;
    assert_eq!(
        of_newest(&page, "[data-action=retry], [data-tool=regenerate]").await,
        ["Try again"],
        "without words both would do the same"
    );

    page.send("@assistant two").await;
    page.see_reply("it grows", |reply| reply.text == "half of it")
        .await;
    page.click("#composer-send[data-mode=stop]").await;
    page.see_reply("it is stopped", |reply| {
        reply.state == "stopped" && reply.text == "half of it"
    })
    .await;
    assert_eq!(
        of_newest(
            &page,
            "[data-action=retry], [data-action=continue], [data-tool=regenerate]"
        )
        .await,
        ["Try again", "Continue", "Another version"]
    );
    page.screenshot("desktop-stopped-words").await;
    page.click("[data-action=continue]").await;
    page.see_reply("it goes on", |reply| reply.text == "the rest.")
        .await;
    count(&page, "[data-action=continue]", 0).await;
    count(&page, "[data-action=retry]", 2).await;
    page.load().await;
    page.see_reply("it went on", |reply| reply.text == "the rest.")
        .await;
    count(&page, "[data-action=continue]", 0).await;
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

/// The heights of the tools that are seen, how many rows they are, and how far they stick out of the page.
const TOOLS: &str = "const buttons = [...document.querySelectorAll(arguments[0])].filter((one) => one.getClientRects().length > 0).map((one) => one.getBoundingClientRect());
    return [buttons.length, Math.min(...buttons.map(({ height }) => height)), Math.max(...buttons.map(({ top }) => top)) - Math.min(...buttons.map(({ top }) => top)),
        Math.min(...buttons.map(({ width }) => width)), Math.max(...buttons.map(({ right }) => right)) - innerWidth, -Math.min(...buttons.map(({ left }) => left))]";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_phone_the_tools_of_a_message_are_as_high_as_a_finger_and_in_one_line() {
    let chromium = Chromium::start().await;
    let provider = FakeProvider::start([]);
    provider.otherwise(Answer::text(&["An answer."]));
    let salon = start(&provider, &[]).await;
    let page = Page::blank(&chromium, &salon.url()).await;
    page.be_a_phone().await;
    page.load().await;
    page.come_in("Ada").await;
    let make = "return fetch('/api/rooms', {method: 'POST', headers: {'content-type': 'application/json'},
        body: JSON.stringify({slug: 'den', name: 'Den', visibility: 'private'})}).then((answer) => answer.status)";
    assert_eq!(page.run::<u16>(make, &[]).await, 201);
    page.load().await;
    go_to(&page, "den").await;
    page.type_into("#composer-input", "@assistant go").await;
    page.click("#composer-send").await;
    page.see_reply("it is whole", |reply| reply.state == "complete")
        .await;
    page.click(".message.assistant [data-tool=regenerate]")
        .await;
    until_variant(&page, "2 / 2").await;
    page.see_reply("it is whole again", |reply| reply.state == "complete")
        .await;
    page.click(".message.own .body").await;
    for css in [
        ".message.assistant .tools button",
        ".message.own .tools button",
    ] {
        let [number, height, apart, width, right, left]: [f64; 6] =
            page.run(TOOLS, &[json!(css)]).await;
        assert!(number >= 7.0, "{css}: {number} buttons");
        assert!(
            height >= 40.0 && width >= 24.0,
            "{css}: {width} by {height}"
        );
        assert!(apart < 1.0, "{css}: in one line");
        assert!(right <= 0.0 && left <= 0.0, "{css}: {left} {right}");
    }
    for scheme in ["light", "dark"] {
        page.prefer(scheme).await;
        page.be_still().await;
        page.screenshot(&format!("phone-tools-{scheme}")).await;
    }
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
    page.until_text(".keys-help", "Save an edit, and ask nothing again")
        .await;
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
