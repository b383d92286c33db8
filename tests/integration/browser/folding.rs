//! Long messages of people are folded, answers never; what opens one, and that nobody who reads is moved.

use serde_json::json;
use thirtyfour::prelude::*;

use super::around::{count, go_to, press, until_focused};
use super::chromium::Chromium;
use super::http_api::HttpApi;
use super::model::{be_drawn, fill, start};
use super::page::{LATER, Page, SOON};
use crate::support::fake_provider::{Answer, FakeProvider};

/// As many lines, numbered.
fn lines(count: usize) -> String {
    let lines: Vec<String> = (1..=count).map(|line| format!("line {line}")).collect();
    lines.join("\n")
}

/// Where the message begins and its button is, and whether it is folded.
const PLACES: &str = "const message = document.querySelector(`.message[data-seq='${arguments[0]}']`);
    return [message.getBoundingClientRect().top, message.querySelector('.unfold').getBoundingClientRect().top, message.querySelector('.body').matches('.folded')]";
/// From now on, how far the first message in sight strays from where it is, at each frame that is drawn.
const WATCH: &str = "const top = document.querySelector('.scroller').getBoundingClientRect().top;
    const line = [...document.querySelectorAll('.message')].find((message) => message.getBoundingClientRect().bottom > top + 1);
    const begun = line.getBoundingClientRect().top;
    window.strayed = 0;
    const watch = window.watch = (window.watch ?? 0) + 1;
    const look = () => {
        if (window.watch !== watch) return;
        window.strayed = Math.max(window.strayed, Math.abs(line.getBoundingClientRect().top - begun));
        requestAnimationFrame(look);
    };
    requestAnimationFrame(look)";
const DISTANCE: &str = "const {scrollHeight, clientHeight, scrollTop} = document.querySelector('.scroller'); return scrollHeight - clientHeight - scrollTop";

async fn places(page: &Page, seq: u32) -> (f64, f64, bool) {
    page.run(PLACES, &[json!(seq)]).await
}

async fn strayed(page: &Page) -> f64 {
    be_drawn(page).await;
    page.run("return window.strayed", &[]).await
}

async fn until_folded(page: &Page, seq: u32, folded: bool) {
    let css = format!(".message[data-seq='{seq}'] .body.folded");
    count(page, &css, usize::from(folded)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_message_of_a_person_is_folded_and_opens_downward() {
    let chromium = Chromium::start().await;
    let answer = Answer::stream()
        .piece(&lines(60).replace('\n', "\n\n"))
        .finish("end");
    let provider = FakeProvider::start([answer]);
    let salon = start(&provider, &[]).await;
    let bob = HttpApi::guest(&salon.url(), "Bob").await;
    for text in [&lines(28), &lines(60), "that was it", "@assistant go"] {
        bob.send(text).await;
    }
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.see_reply("the answer", |reply| reply.state == "complete")
        .await;
    // Twenty-eight lines are not many, and an answer is never too long.
    until_folded(&page, 2, true).await;
    count(&page, ".unfold", 1).await;
    let all = "return document.querySelector(\".message[data-seq='2'] .body\").textContent.includes('line 60')";
    assert!(page.run::<bool>(all, &[]).await, "its text is all there");
    let button = ".message[data-seq='2'] .unfold";
    count(&page, &format!("{button}[aria-expanded=false]"), 1).await;
    page.driver
        .find(By::Css(button))
        .await
        .unwrap()
        .scroll_into_view()
        .await
        .unwrap();
    be_drawn(&page).await;
    let (top, _, folded) = places(&page, 2).await;
    assert!(folded);
    page.screenshot("desktop-folded").await;
    page.click(button).await;
    until_folded(&page, 2, false).await;
    be_drawn(&page).await;
    let (now, below, _) = places(&page, 2).await;
    assert!(
        (now - top).abs() < 0.6,
        "it begins where it was: {top}, {now}"
    );
    assert!(
        below > top + 60.0 * 20.0,
        "all of it is shown: {top}, {below}"
    );
    page.until_text(button, "Show less").await;
    count(&page, &format!("{button}[aria-expanded=true]"), 1).await;

    // Folded from its end, the end stays where it is.
    page.driver
        .find(By::Css(button))
        .await
        .unwrap()
        .scroll_into_view()
        .await
        .unwrap();
    be_drawn(&page).await;
    let (_, before, _) = places(&page, 2).await;
    until_focused(&page, button).await;
    press(&page, Key::Enter).await;
    until_folded(&page, 2, true).await;
    be_drawn(&page).await;
    let (_, after, _) = places(&page, 2).await;
    assert!((after - before).abs() < 0.6, "{before}, {after}");

    // What is long on a phone is not on a desk.
    bob.send(&"words enough for many lines of a narrow page, and then some ".repeat(40))
        .await;
    count(&page, ".message[data-seq]", 6).await;
    count(&page, ".unfold", 1).await;
    page.be_a_phone().await;
    count(&page, ".unfold", 2).await;
    page.devtools("Emulation.clearDeviceMetricsOverride", json!({}))
        .await;
    count(&page, ".unfold", 1).await;
    page.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_an_edit_and_the_focus_open_a_folded_message_and_it_stays_open() {
    let chromium = Chromium::start().await;
    let provider = FakeProvider::start([]);
    let salon = start(&provider, &[]).await;
    let bob = HttpApi::guest(&salon.url(), "Bob").await;
    let linked = format!("{}\n<https://example.com>", lines(50));
    for text in [&lines(50), &lines(50), &linked] {
        bob.send(text).await;
    }
    bob.make_room("den").await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.type_into(
        "#composer-input",
        lines(40).replace('\n', "\u{e008}\u{e007}\u{e008}"),
    )
    .await;
    press(&page, Key::Enter).await;
    page.see(&lines(40).replace('\n', " "), "complete").await;
    count(&page, ".body.folded", 4).await;

    page.run::<()>("location.hash = '#/rooms/lobby/1'", &[])
        .await;
    until_folded(&page, 1, false).await;
    count(&page, ".body.folded", 3).await;
    let shown = "const { top } = document.querySelector(\".message[data-seq='1']\").getBoundingClientRect(); return top > 0 && top < innerHeight / 2";
    page.wait("it is in sight", SOON, shown, &[]).await;

    // The focus is seen where it is: what it is in is shown.
    let focus = "document.querySelector(\".message[data-seq='3'] .body a\").focus()";
    page.run::<()>(focus, &[]).await;
    until_folded(&page, 3, false).await;
    let seen = "const { top, bottom } = document.activeElement.getBoundingClientRect(); const view = document.querySelector('.scroller').getBoundingClientRect();
        return document.activeElement.tagName === 'A' && top >= view.top && bottom <= view.bottom";
    page.wait("the link is in sight", SOON, seen, &[]).await;

    page.click("#composer-input").await;
    press(&page, Key::Up + "").await;
    until_folded(&page, 4, false).await;
    press(&page, Key::Escape).await;

    // It is as the reader set it, when the room is opened again too.
    let fold = "document.querySelector(\".message[data-seq='1'] .unfold\").click()";
    page.run::<()>(fold, &[]).await;
    until_folded(&page, 1, true).await;
    bob.send("something new").await;
    page.see("something new", "complete").await;
    until_folded(&page, 1, true).await;
    go_to(&page, "den").await;
    go_to(&page, "lobby").await;
    count(&page, ".message[data-seq]", 5).await;
    for (seq, folded) in [(1, true), (2, true), (3, false), (4, false)] {
        until_folded(&page, seq, folded).await;
    }
    page.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_folded_moves_nobody_who_reads() {
    let chromium = Chromium::start().await;
    let provider = FakeProvider::start([]);
    let salon = start(&provider, &[]).await;
    let bob = HttpApi::guest(&salon.url(), "Bob").await;
    fill(&bob, 30).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.find(".message[data-seq='30']").await;
    be_drawn(&page).await;
    // At the end one stays there.
    bob.send(&lines(80)).await;
    until_folded(&page, 31, true).await;
    be_drawn(&page).await;
    assert!(page.run::<f64>(DISTANCE, &[]).await < 1.0);
    // A little above it nothing moves, whatever comes.
    page.run::<()>("document.querySelector('.scroller').scrollTop -= 10", &[])
        .await;
    be_drawn(&page).await;
    page.run::<()>(WATCH, &[]).await;
    bob.send(&lines(80)).await;
    until_folded(&page, 32, true).await;
    assert!(strayed(&page).await < 0.01);
    // Older ones are folded above what is read, before they are seen.
    for _ in 0..3 {
        bob.send(&lines(70)).await;
        fill(&bob, 70).await;
    }
    page.quit().await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Cleo").await;
    count(&page, ".message[data-seq='245']", 1).await;
    let oldest = "return Number(document.querySelector('.message').dataset.seq)";
    while page.run::<u32>(oldest, &[]).await > 1 {
        let from: u32 = page.run(oldest, &[]).await;
        let up = "document.querySelector('.scroller').scrollTop = Math.min(document.querySelector('.scroller').scrollTop, 700)";
        page.run::<()>(up, &[]).await;
        page.run::<()>(WATCH, &[]).await;
        let came = "return Number(document.querySelector('.message').dataset.seq) < arguments[0]";
        page.wait("an older page", LATER, came, &[json!(from)])
            .await;
        let moved = strayed(&page).await;
        assert!(moved <= 1.0, "above {from}: {moved} px");
    }
    count(&page, ".body.folded", 5).await;
    page.quit().await;
}
