//! What those who listen instead of look are told: that an answer is being written, from time to time that it still is, once how it
//! ended; never each of its words. And the focus stays where it is.

use std::time::Duration;

use serde_json::{Value, json};

use super::chromium::Chromium;
use super::http_api::HttpApi;
use super::model::start;
use super::page::{LATER, Page, SOON};
use crate::support::fake_provider::{Answer, FakeProvider};
use crate::support::salon::SalonProcess;

/// Notes every text of the two regions that are read out.
const LISTEN: &str = "window.told = [];
    for (const id of ['status', 'alarm']) {
        const region = document.getElementById(id);
        new MutationObserver(() => region.textContent !== '' && window.told.push(`${id}: ${region.textContent}`))
            .observe(region, { childList: true, characterData: true, subtree: true });
    }";

async fn told(page: &Page) -> Vec<String> {
    page.run("return window.told", &[]).await
}

#[tokio::test]
async fn an_answer_is_told_of_at_its_begin_now_and_then_and_at_its_end() {
    let provider = FakeProvider::start([]);
    let chromium = Chromium::start().await;
    let salon = start(&provider, &[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.run::<()>(LISTEN, &[]).await;
    let mut answer = Answer::stream();
    for number in 0..40 {
        answer = answer
            .piece(&format!("word {number} "))
            .delay(Duration::from_millis(220));
    }
    provider.push(answer.finish("end"));
    page.send("@assistant a long one").await;
    page.see_reply("it is complete", |reply| reply.state == "complete")
        .await;
    page.wait(
        "the end is told",
        SOON,
        "return window.told.at(-1) === 'status: Answer complete'",
        &[],
    )
    .await;
    let heard = told(&page).await;
    assert_eq!(
        heard.first().map(String::as_str),
        Some("status: Assistant is answering")
    );
    assert_eq!(
        heard.get(1).map(String::as_str),
        Some("status: Assistant is still answering")
    );
    assert_eq!(heard.len(), 3, "{heard:?}");
    let silent: [Value; 2] = page
        .run("const log = document.querySelector('.column'); return [log.getAttribute('role'), log.getAttribute('aria-live')]", &[])
        .await;
    assert_eq!(silent, [json!("log"), json!("off")]);

    provider.push(Answer::stream().piece("half of ").cut());
    page.send("@assistant one that fails").await;
    page.see_reply("it failed", |reply| reply.state == "failed")
        .await;
    page.wait(
        "the failure is told at once",
        LATER,
        "return window.told.some((one) => one === 'alarm: The answer could not be finished.')",
        &[],
    )
    .await;
    page.quit().await;
}

#[tokio::test]
async fn new_messages_take_the_focus_from_nobody() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    let bob = HttpApi::guest(&salon.url(), "Bob").await;
    bob.send("one").await;
    page.see("one", "complete").await;
    let places = [
        "document.querySelector('.message')",
        "document.querySelector('.scroller')",
        "document.querySelector('.room-link')",
        "document.querySelector('[aria-label=Members]')",
    ];
    for (number, place) in places.iter().enumerate() {
        page.run::<()>(&format!("window.mine = {place}; window.mine.focus()"), &[])
            .await;
        let text = format!("more {number}");
        bob.send(&text).await;
        page.see(&text, "complete").await;
        bob.send("@assistant hello").await;
        page.see_reply("a reply", |reply| reply.state == "complete")
            .await;
        // The list is drawn anew; its line is another node of the same room.
        let same = "return document.activeElement === window.mine
            || (window.mine.matches('.room-link') && document.activeElement?.dataset.slug === window.mine.dataset.slug)";
        assert!(page.run::<bool>(same, &[]).await, "{place}");
    }
    page.quit().await;
}

/// What can be pressed, smaller than 24 by 24 px and with another target nearer than that; links within a sentence are excepted.
pub(super) const TOO_SMALL: &str = "const targets = [...document.querySelectorAll('button, a[href], input, select, summary, [role=option]')]
        .filter((one) => one.getClientRects().length > 0 && !one.closest('.visually-hidden') && getComputedStyle(one).visibility === 'visible'
            && !(one.tagName === 'A' && one.closest('.body')));
    return targets.filter((one) => {
        const { width, height } = (one.closest('label') ?? one).getBoundingClientRect();
        return width < 24 || height < 24;
    }).map((one) => `${one.getBoundingClientRect().width} x ${one.getBoundingClientRect().height} ${one.outerHTML.slice(0, 120)}`)";

#[tokio::test]
async fn every_target_is_large_enough() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[("SALON_SCRIPTED_DELAY_MS", "1")]).await;
    for phone in [false, true] {
        let page = Page::blank(&chromium, &salon.url()).await;
        if phone {
            page.be_a_phone().await;
        }
        page.load().await;
        page.find("#guest-name").await;
        let mut found: Vec<String> = page.run(TOO_SMALL, &[]).await;
        page.come_in(&format!("Ada {phone}")).await;
        page.type_into("#composer-input", "@assistant hello").await;
        page.click("#composer-send").await;
        page.see_reply("a reply", |reply| reply.state == "complete")
            .await;
        found.extend(page.run::<Vec<String>>(TOO_SMALL, &[]).await);
        page.click(".room-menu-button").await;
        found.extend(page.run::<Vec<String>>(TOO_SMALL, &[]).await);
        page.run::<()>("document.querySelector('#room-menu').hidePopover()", &[])
            .await;
        page.click("[aria-label='Members']").await;
        page.find(".members .member-name").await;
        found.extend(page.run::<Vec<String>>(TOO_SMALL, &[]).await);
        assert!(found.is_empty(), "{found:#?}");
        page.quit().await;
    }
}
