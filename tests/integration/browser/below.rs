//! What stands below a message: the arrows of its versions stay where they are and say for whom one chooses, a stopped answer offers
//! each thing once, after an edit nothing can be pressed by mistake, and a finger finds its buttons.

use serde_json::json;
use thirtyfour::prelude::*;

use super::around::{count, go_to};
use super::chromium::Chromium;
use super::http_api::HttpApi;
use super::model::{be_drawn, fill, start};
use super::page::{Page, SOON};
use super::view::{PARAGRAPH, until_written};
use crate::support::fake_provider::{Answer, FakeProvider, Gate};
use crate::support::salon::SalonProcess;

async fn until_variant(page: &Page, place: &str) {
    page.until_text(".message.assistant .variants .place", place)
        .await;
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
