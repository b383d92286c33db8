//! Nothing moves the reader: further up, near the end, while an answer grows, while older pages come; and the ways to the end.

use std::time::Duration;

use serde_json::json;

use super::chromium::Chromium;
use super::http_api::HttpApi;
use super::model::{be_drawn, fill, start};
use super::page::{LATER, Page, SOON};
use crate::support::fake_provider::{Answer, FakeProvider, Gate};
use crate::support::salon::SalonProcess;

/// As many deltas as a model writes in a minute.
const DELTAS: usize = 2_000;

/// The first message in sight, and where its top is in the view.
const FIRST: &str = "const view = document.querySelector('.scroller').getBoundingClientRect();
    const first = [...document.querySelectorAll('.message')].find((message) => message.getBoundingClientRect().bottom > view.top + 1);
    return [Number(first.dataset.seq), first.getBoundingClientRect().top - view.top]";
/// From now on, how far the first message in sight strays from where it is, at each frame that is drawn.
const WATCH: &str = "const view = document.querySelector('.scroller');
    const top = view.getBoundingClientRect().top;
    const line = [...document.querySelectorAll('.message')].find((message) => message.getBoundingClientRect().bottom > top + 1);
    const begun = line.getBoundingClientRect().top;
    window.strayed = 0;
    window.frames = 0;
    const look = () => {
        window.frames += 1;
        window.strayed = Math.max(window.strayed, Math.abs(line.getBoundingClientRect().top - begun));
        requestAnimationFrame(look);
    };
    requestAnimationFrame(look)";
const DISTANCE: &str = "const {scrollHeight, clientHeight, scrollTop} = document.querySelector('.scroller'); return scrollHeight - clientHeight - scrollTop";

async fn first(page: &Page) -> (u64, f64) {
    page.run(FIRST, &[]).await
}

async fn scroll_by(page: &Page, pixels: f64) {
    let script = "document.querySelector('.scroller').scrollTop += arguments[0]";
    page.run::<()>(script, &[json!(pixels)]).await;
    be_drawn(page).await;
}

/// Words, lists, code and tables, a word at a time.
fn long_answer(gate: &Gate) -> Answer {
    let mut answer = Answer::stream().piece("It begins. ").gate(gate);
    for number in 0..DELTAS {
        let piece = match number % 97 {
            0 => "\n\n## A heading\n\n".to_owned(),
            30 => "\n\n- an item\n- another **bold** one\n\n".to_owned(),
            60 => "\n\n```js\nconst one = 1;\n```\n\n".to_owned(),
            80 => "\n\n|a|b|\n|-|-|\n|1|2|\n\n".to_owned(),
            _ => format!("word{number} "),
        };
        answer = answer.piece(&piece).delay(Duration::from_millis(3));
    }
    answer.finish("end")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_pixels_above_the_end_a_long_answer_moves_nothing() {
    let chromium = Chromium::start().await;
    let gate = Gate::new();
    let provider = FakeProvider::start([long_answer(&gate)]);
    let salon = start(&provider, &[]).await;
    let bob = HttpApi::guest(&salon.url(), "Bob").await;
    fill(&bob, 30).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.send("@assistant tell me everything").await;
    gate.reached().await;
    page.see_reply("it begins", |reply| reply.text.contains("It begins"))
        .await;
    be_drawn(&page).await;
    // As from a finger: the browser tells of it by nothing but the new place.
    scroll_by(&page, -10.0).await;
    assert!((page.run::<f64>(DISTANCE, &[]).await - 10.0).abs() < 1.0);
    page.run::<()>(WATCH, &[]).await;
    gate.open();
    page.see_reply("it is whole", |reply| reply.state == "complete")
        .await;
    be_drawn(&page).await;
    let (strayed, frames): (f64, u32) = page
        .run("return [window.strayed, window.frames]", &[])
        .await;
    assert!(frames > 100, "{frames}");
    assert!(strayed < 0.01, "it moved by {strayed} px");
    assert!(
        page.run::<f64>(DISTANCE, &[]).await > 2_000.0,
        "much came below"
    );
    page.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_is_followed_until_the_wheel_turns_and_again_when_one_is_back() {
    let chromium = Chromium::start().await;
    let (first_part, second_part) = (Gate::new(), Gate::new());
    let paragraph = "A paragraph of a few words that is long enough for a line or two of the column, and then some.\n\n".repeat(12);
    let answer = Answer::stream()
        .piece("It begins.\n\n")
        .piece(&paragraph)
        .gate(&first_part)
        .piece(&paragraph)
        .piece("Middle.\n\n")
        .gate(&second_part)
        .piece(&paragraph)
        .piece("The end.")
        .finish("end");
    let provider = FakeProvider::start([answer]);
    let salon = start(&provider, &[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.send("@assistant go").await;
    first_part.reached().await;
    page.see_reply("the first part", |reply| reply.text.len() > 1_000)
        .await;
    be_drawn(&page).await;
    assert!(page.run::<f64>(DISTANCE, &[]).await < 1.0, "it is followed");

    // One notch of the wheel, and it is left at once.
    let wheel = json!({"type": "mouseWheel", "x": 700, "y": 300, "deltaX": 0, "deltaY": -3});
    page.devtools("Input.dispatchMouseEvent", wheel).await;
    let left = "const {scrollHeight, clientHeight, scrollTop} = document.querySelector('.scroller'); return scrollHeight - clientHeight - scrollTop > 1";
    page.wait("the wheel turned", SOON, left, &[]).await;
    be_drawn(&page).await;
    let before = first(&page).await;
    first_part.open();
    second_part.reached().await;
    page.see_reply("the middle", |reply| reply.text.contains("Middle"))
        .await;
    be_drawn(&page).await;
    assert_eq!(first(&page).await, before, "it stays where it was left");

    // Back at the end it is followed again.
    scroll_by(&page, 100_000.0).await;
    second_part.open();
    page.see_reply("the end", |reply| reply.text.contains("The end"))
        .await;
    be_drawn(&page).await;
    assert!(
        page.run::<f64>(DISTANCE, &[]).await < 1.0,
        "it is followed again"
    );
    page.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_question_stays_on_top_while_the_answer_fills_the_view() {
    let chromium = Chromium::start().await;
    let gates = [Gate::new(), Gate::new()];
    let paragraph = "A paragraph of a few words that is long enough for a line of the column.\n\n";
    let answer = Answer::stream()
        .piece("It begins.\n\n")
        .gate(&gates[0])
        .piece(&paragraph.repeat(4))
        .piece("Middle.\n\n")
        .gate(&gates[1])
        .piece(&paragraph.repeat(40))
        .piece("The end.")
        .finish("end");
    let provider = FakeProvider::start([answer]);
    let salon = start(&provider, &[]).await;
    let bob = HttpApi::guest(&salon.url(), "Bob").await;
    fill(&bob, 20).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.click(".room-menu-button").await;
    page.click("[data-menu=reading][aria-checked=false]").await;
    page.driver.refresh().await.unwrap();
    page.click(".room-menu-button").await;
    page.find("[data-menu=reading][aria-checked=true]").await;
    page.run::<()>("document.querySelector('#room-menu').hidePopover()", &[])
        .await;
    page.send("@assistant go").await;
    gates[0].reached().await;
    page.see_reply("it begins", |reply| reply.text.contains("It begins"))
        .await;
    be_drawn(&page).await;
    let top = "const question = [...document.querySelectorAll('.message.own')].at(-1).getBoundingClientRect();
        return question.top - document.querySelector('.scroller').getBoundingClientRect().top";
    let begun: f64 = page.run(top, &[]).await;
    assert!((0.0..60.0).contains(&begun), "near the top: {begun}");
    for (place, gate) in gates.iter().enumerate() {
        gate.open();
        let words = ["Middle", "The end"][place];
        page.see_reply(words, |reply| reply.text.contains(words))
            .await;
        be_drawn(&page).await;
        let now: f64 = page.run(top, &[]).await;
        assert!((now - begun).abs() < 0.01, "{words}: from {begun} to {now}");
        if place == 0 {
            page.screenshot("desktop-question-on-top").await;
        }
    }
    // The way to the end is offered, and it is the end of what is said: no room is left below.
    page.click("#jump-latest").await;
    be_drawn(&page).await;
    let below = "return document.querySelector('.below').offsetHeight";
    assert!(page.run::<f64>(below, &[]).await < 1.0);
    assert!(page.run::<f64>(DISTANCE, &[]).await < 1.0);
    page.quit().await;
}

#[tokio::test]
async fn older_pages_come_above_the_line_that_is_read() {
    let chromium = Chromium::start().await;
    let provider = FakeProvider::start([]);
    let salon = start(&provider, &[]).await;
    let bob = HttpApi::guest(&salon.url(), "Bob").await;
    fill(&bob, 600).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.find(".message[data-seq='600']").await;
    let oldest = "return Number(document.querySelector('.message').dataset.seq)";
    let count = "return document.querySelectorAll('.message').length";
    let mut reads = 0;
    while page.run::<u64>(oldest, &[]).await > 1 {
        let before_oldest: u64 = page.run(oldest, &[]).await;
        // As far up as there is anything; the page above comes while one stays there.
        let up = "document.querySelector('.scroller').scrollTop = Math.min(document.querySelector('.scroller').scrollTop, 700);
            const view = document.querySelector('.scroller').getBoundingClientRect();
            const line = [...document.querySelectorAll('.message')].find((message) => message.getBoundingClientRect().bottom > view.top + 1);
            window.line = line; return line.getBoundingClientRect().top";
        let before: f64 = page.run(up, &[]).await;
        let came = "return Number(document.querySelector('.message').dataset.seq) < arguments[0]";
        page.wait("an older page", LATER, came, &[json!(before_oldest)])
            .await;
        be_drawn(&page).await;
        let after: f64 = page
            .run("return window.line.getBoundingClientRect().top", &[])
            .await;
        assert!(
            (after - before).abs() <= 1.0,
            "above {before_oldest}: from {before} to {after}"
        );
        let shown: usize = page.run(count, &[]).await;
        assert!(shown <= 400, "{shown} messages in the document");
        reads += 1;
    }
    assert!(reads >= 5, "{reads}");
    // And down again, with the document as small.
    page.click("#jump-latest").await;
    page.find(".message[data-seq='600']").await;
    assert!(page.run::<usize>(count, &[]).await <= 400);
    page.quit().await;
}

#[tokio::test]
async fn the_way_to_the_latest_is_offered_from_afar_and_tells_how_many_are_new() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[
        ("SALON_RATE_SENDS_BURST", "100000"),
        ("SALON_RATE_FRAMES", "100000"),
    ])
    .await;
    let bob = HttpApi::guest(&salon.url(), "Bob").await;
    fill(&bob, 40).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.find(".message[data-seq='40']").await;
    be_drawn(&page).await;
    for (distance, shown) in [
        (0.0, false),
        (150.0, false),
        (230.0, true),
        (120.0, true),
        (70.0, true),
        (40.0, false),
        (150.0, false),
        (230.0, true),
    ] {
        let now: f64 = page.run(DISTANCE, &[]).await;
        scroll_by(&page, now - distance).await;
        assert_eq!(
            page.sees("#jump-latest").await,
            shown,
            "{distance} px above the end"
        );
    }
    let before = first(&page).await;
    for text in ["one more", "and another"] {
        bob.send(text).await;
    }
    page.until_text("#jump-latest", "(2 new)").await;
    assert_eq!(first(&page).await, before, "what comes below moves nothing");
    page.click("#jump-latest").await;
    be_drawn(&page).await;
    assert!(!page.sees("#jump-latest").await);
    assert!(page.run::<f64>(DISTANCE, &[]).await < 1.0);
    page.quit().await;
}
