//! Where one writes: drafts, Enter, names behind an `@`, the one button, the counter, its height; and what happens to what was sent.

use serde_json::{Value, json};
use thirtyfour::prelude::*;

use super::chromium::Chromium;
use super::http_api::HttpApi;
use super::page::{LATER, Page, SOON};
use crate::support::salon::SalonProcess;

const WRITTEN: &str = "return document.querySelector('#composer-input').value";
const MODE: &str = "return document.querySelector('#composer-send').dataset.mode";
const NAMES: &str = "return [...document.querySelectorAll('.suggestions:not([hidden]) li span:not(.avatar)')].map((name) => name.textContent).join()";

async fn written(page: &Page) -> String {
    page.run(WRITTEN, &[]).await
}

async fn until_written(page: &Page, text: &str) {
    let script = "return document.querySelector('#composer-input')?.value === arguments[0]";
    page.wait(
        &format!("“{text}” is in the box"),
        SOON,
        script,
        &[json!(text)],
    )
    .await;
}

async fn go_to(page: &Page, slug: &str) {
    page.click(&format!(".room-link[data-slug={slug}]")).await;
    let there = "return document.querySelector('.room-place')?.textContent === arguments[0]
        && document.querySelector('.above')?.dataset.kind !== 'opening'";
    page.wait(slug, SOON, there, &[json!(slug)]).await;
}

#[tokio::test]
async fn drafts_are_kept_per_room_through_a_reload_and_an_edit_is_none() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.send("said befor").await;
    page.see("said befor", "complete").await;
    let make = "return fetch('/api/rooms', {method: 'POST', headers: {'content-type': 'application/json'},
        body: JSON.stringify({slug: 'den', name: 'Den', visibility: 'private'})}).then((answer) => answer.status)";
    assert_eq!(page.run::<u16>(make, &[]).await, 201);
    page.load().await;
    page.see_lobby().await;

    page.type_into("#composer-input", "half a thought").await;
    go_to(&page, "den").await;
    until_written(&page, "").await;
    page.type_into("#composer-input", "another").await;
    go_to(&page, "lobby").await;
    until_written(&page, "half a thought").await;
    page.driver.refresh().await.unwrap();
    until_written(&page, "half a thought").await;

    // An edit takes the box for a while; Escape gives the draft back, and a reload never takes the edit for one.
    page.click(".message.own [data-tool=edit]").await;
    until_written(&page, "said befor").await;
    page.type_into("#composer-input", "e, wrongly").await;
    page.type_into("#composer-input", Key::Escape).await;
    until_written(&page, "half a thought").await;
    page.click(".message.own [data-tool=edit]").await;
    until_written(&page, "said befor").await;
    page.send("e").await;
    page.see("said before", "complete").await;
    until_written(&page, "half a thought").await;
    go_to(&page, "den").await;
    until_written(&page, "another").await;

    // ↑ edits the last own message, from an empty box only.
    page.type_into("#composer-input", Key::Up).await;
    assert!(!page.sees(".about").await);
    page.type_into("#composer-input", Key::End).await;
    page.send(" one").await;
    page.see("another one", "complete").await;
    page.type_into("#composer-input", Key::Up).await;
    until_written(&page, "another one").await;
    assert!(page.sees(".about").await);
    page.quit().await;
}

#[tokio::test]
async fn enter_sends_unless_a_word_is_being_composed() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.click("#composer-input").await;
    let composed = json!({"text": "にほん", "selectionStart": 3, "selectionEnd": 3});
    page.devtools("Input.imeSetComposition", composed).await;
    // Enter that ends a composition, as browsers tell it: Chromium before its end, Safari behind it.
    let enter = "const input = document.querySelector('#composer-input');
        input.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true, cancelable: true, ...arguments[0]}))";
    for how in [json!({"isComposing": true}), json!({"keyCode": 229})] {
        page.run::<()>(enter, &[how]).await;
        assert_eq!(page.messages().await.len(), 0);
        assert_eq!(written(&page).await, "にほん");
    }
    page.devtools("Input.insertText", json!({"text": "日本"}))
        .await;
    until_written(&page, "日本").await;
    page.type_into("#composer-input", "\u{e008}\u{e007}\u{e008}二")
        .await;
    assert_eq!(written(&page).await, "日本\n二");
    page.type_into("#composer-input", Key::Enter).await;
    page.see("日本 二", "complete").await;
    page.quit().await;
}

#[tokio::test]
async fn an_at_offers_who_is_in_this_room_and_nobody_else() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let bob = HttpApi::guest(&salon.url(), "Bob Builder").await;
    let _carol = HttpApi::guest(&salon.url(), "Carol").await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    bob.make_room("den").await;
    page.load().await;
    go_to(&page, "lobby").await;
    let offered = |names: &'static str| {
        let page = &page;
        async move {
            let script = format!("{NAMES} === arguments[0]");
            page.wait(names, SOON, &script, &[json!(names)]).await;
        }
    };
    page.type_into("#composer-input", "hello @ca").await;
    offered("Carol").await;
    page.type_into("#composer-input", "\u{e003}\u{e003}bui")
        .await;
    offered("Bob Builder").await;
    page.type_into("#composer-input", Key::Tab).await;
    until_written(&page, "hello @Bob Builder ").await;
    let clear = "const input = document.querySelector('#composer-input'); input.value = ''; input.dispatchEvent(new Event('input'))";
    page.run::<()>(clear, &[]).await;

    // Carol is not in the den, and is not offered there.
    bob.send_to("den", "is anybody here?").await;
    page.run::<()>("location.hash = '#/rooms/den'", &[]).await;
    let there = "return document.querySelector('.room-place')?.textContent === 'den'";
    page.wait("the den", SOON, there, &[]).await;
    page.type_into("#composer-input", "@").await;
    offered("assistant,Bob Builder").await;
    page.type_into("#composer-input", "car").await;
    offered("").await;
    // A name that is all there needs no help: Enter sends.
    page.run::<()>(clear, &[]).await;
    page.type_into("#composer-input", "@assi").await;
    offered("assistant").await;
    page.type_into("#composer-input", Key::Enter).await;
    until_written(&page, "@assistant ").await;
    page.type_into("#composer-input", Key::Escape).await;
    assert_eq!(page.messages().await.len(), 1);
    page.quit().await;
}

#[tokio::test]
async fn one_may_write_while_the_assistant_does_and_the_button_stops_only_with_an_empty_box() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[("SALON_SCRIPTED_DELAY_MS", "40")]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.send("@assistant write a long answer").await;
    page.see_reply("it grows", |reply| {
        reply.state == "streaming" && reply.text.len() > 20
    })
    .await;
    assert_eq!(page.run::<String>(MODE, &[]).await, "stop");
    let place = "const {x, y, width, height} = document.querySelector('#composer-send').getBoundingClientRect(); return [x, y, width, height]";
    let stop: [f64; 4] = page.run(place, &[]).await;
    page.type_into("#composer-input", "meanwhile").await;
    assert_eq!(page.run::<String>(MODE, &[]).await, "send");
    assert_eq!(
        page.run::<[f64; 4]>(place, &[]).await,
        stop,
        "in the same place and size"
    );
    page.type_into("#composer-input", Key::Enter).await;
    page.see("meanwhile", "complete").await;
    assert_eq!(page.run::<String>(MODE, &[]).await, "stop");
    let disabled = "return document.querySelector('#composer-input').disabled || document.querySelector('#composer-input').readOnly";
    assert!(!page.run::<bool>(disabled, &[]).await);
    // Escape in the empty box does what the button does.
    page.type_into("#composer-input", Key::Escape).await;
    page.see_reply("it is stopped", |reply| reply.state == "stopped")
        .await;
    assert_eq!(page.run::<String>(MODE, &[]).await, "send");
    page.quit().await;
}

/// Puts a text into the box as if it were typed.
async fn put(page: &Page, text: &str) {
    let script = "const input = document.querySelector('#composer-input'); input.value = arguments[0]; input.dispatchEvent(new Event('input'))";
    page.run::<()>(script, &[json!(text)]).await;
}

#[tokio::test]
async fn the_box_grows_to_eight_lines_and_counts_near_the_limit() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    let lines = "const input = document.querySelector('#composer-input'); const style = getComputedStyle(input);
        const line = parseFloat(style.lineHeight);
        return [(input.clientHeight - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom)) / line, input.scrollHeight > input.clientHeight + 1, style.overflowY === 'auto']";
    for (written, shown) in [(1, 1.0), (3, 3.0), (8, 8.0), (9, 8.0), (40, 8.0)] {
        put(&page, &vec!["line"; written].join("\n")).await;
        let (height, more, scrolls): (f64, bool, bool) = page.run(lines, &[]).await;
        assert!((height - shown).abs() < 0.1, "{written} lines: {height}");
        assert_eq!(
            (more, scrolls),
            (written > 8, written > 8),
            "{written} lines"
        );
    }
    put(&page, "").await;
    // What stands in the empty box fits, on a phone too.
    page.be_a_phone().await;
    let fits = "const input = document.querySelector('#composer-input');
        return input.scrollHeight <= input.clientHeight && getComputedStyle(input).overflowY === 'hidden' && input.clientHeight < 40";
    page.wait("no scrollbar for the placeholder", SOON, fits, &[])
        .await;
    page.screenshot("phone-placeholder").await;

    let counter = "const counter = document.querySelector('.counter'); return counter.hidden ? '' : counter.textContent";
    let sends = "return !document.querySelector('#composer-send').disabled";
    for (length, told, may) in [
        (13_000, "", true),
        (16_000, "384 characters left", true),
        (16_384, "0 characters left", true),
        (16_385, "1 character too many", false),
    ] {
        put(&page, &"x".repeat(length)).await;
        assert_eq!(page.run::<String>(counter, &[]).await, told);
        assert_eq!(page.run::<bool>(sends, &[]).await, may, "{length}");
    }
    // Bytes are counted, not characters.
    put(&page, &"é".repeat(8_193)).await;
    assert_eq!(
        page.run::<String>(counter, &[]).await,
        "1 character too many"
    );
    // Enter says why it does nothing (with Ctrl where Enter alone makes a line), and what is written stays.
    let keys = thirtyfour::Key::Control + thirtyfour::Key::Enter;
    page.type_into("#composer-input", keys).await;
    page.until_text(".keys .problem", "Not sent: 1 character too many.")
        .await;
    page.until_text("#alarm", "Not sent").await;
    let held = "return document.querySelector('#composer-input').value.length";
    assert_eq!(page.run::<u32>(held, &[]).await, 8_193);
    put(&page, "short").await;
    page.wait(
        "the sentence goes",
        SOON,
        "return document.querySelector('.keys .problem') === null",
        &[],
    )
    .await;
    page.quit().await;
}

/// The server seems to refuse what is sent, as long as `window.refuse` says why.
const REFUSE: &str = "const { send } = WebSocket.prototype;
    WebSocket.prototype.send = function (text) {
        const frame = JSON.parse(text);
        if (frame.type !== 'message.send' || !window.refuse) return send.call(this, text);
        const error = { type: 'error', ref: frame.ref, room: frame.room, client_id: frame.client_id, code: window.refuse, message: 'Not now.', retry_after_ms: null };
        setTimeout(() => this.onmessage({ data: JSON.stringify(error) }));
    }";

#[tokio::test]
async fn what_is_sent_is_there_in_the_same_frame_and_can_be_tried_again_or_discarded() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = Page::blank(&chromium, &salon.url()).await;
    page.devtools("Page.enable", json!({})).await;
    page.devtools(
        "Page.addScriptToEvaluateOnNewDocument",
        json!({ "source": REFUSE }),
    )
    .await;
    page.load().await;
    page.come_in("Ada").await;

    let at_once = "const input = document.querySelector('#composer-input'); input.value = 'quick'; input.dispatchEvent(new Event('input'));
        input.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true, cancelable: true}));
        const shown = document.querySelector('.message.own');
        window.quick = shown;
        return [shown?.dataset.state, shown?.querySelector('.body').textContent, input.value]";
    let shown: Vec<Value> = page.run(at_once, &[]).await;
    assert_eq!(shown, [json!("sending"), json!("quick"), json!("")]);
    page.see("quick", "complete").await;
    let same = "return document.querySelector('.message.own') === window.quick";
    assert!(
        page.run::<bool>(same, &[]).await,
        "the echo takes its place"
    );

    page.run::<()>("window.refuse = 'too_large'", &[]).await;
    for text in ["first", "second", "third"] {
        page.send(text).await;
        page.see(text, "failed").await;
    }
    page.screenshot("desktop-not-sent").await;
    // It is there after a reload too, and its words are not lost.
    page.driver.refresh().await.unwrap();
    page.see("second", "failed").await;
    let press = "[...document.querySelectorAll('.message.own')].find((message) => message.querySelector('.body').textContent === arguments[0])
        .querySelector(`[data-action=${arguments[1]}]`).click()";
    page.run::<()>(press, &[json!("second"), json!("discard")])
        .await;
    for text in ["first", "third"] {
        page.run::<()>(press, &[json!(text), json!("retry")]).await;
        page.see(text, "complete").await;
    }
    let texts: Vec<String> = page
        .messages()
        .await
        .into_iter()
        .map(|message| message.text)
        .collect();
    assert_eq!(texts, ["quick", "first", "third"]);
    page.quit().await;
}

#[tokio::test]
async fn what_is_sent_without_a_connection_goes_out_later_in_its_order() {
    let chromium = Chromium::start().await;
    let mut salon = SalonProcess::start(&[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    salon.kill();
    let sent = ["one", "two", "three", "four"];
    for text in sent {
        page.send(text).await;
        page.see(text, "sending").await;
    }
    let says = "return [...document.querySelectorAll('.sending')].at(-1).textContent === 'Goes out when the connection is back'";
    page.wait("it says what it waits for", SOON, says, &[])
        .await;
    salon.restart().await;
    page.until("all are kept", LATER, async || {
        let messages = page.messages().await;
        messages
            .iter()
            .all(|message| message.state == "complete")
            .then_some(())
    })
    .await;
    let messages = page.messages().await;
    let texts: Vec<&str> = messages
        .iter()
        .map(|message| message.text.as_str())
        .collect();
    assert_eq!(texts, sent);
    let seqs: Vec<_> = messages
        .iter()
        .map(|message| message.seq.unwrap())
        .collect();
    assert!(seqs.is_sorted() && seqs.len() == 4, "{seqs:?}");
    page.quit().await;
}
