//! Who is here, who writes and what is unread, as two people see it of each other.

use super::chromium::Chromium;
use super::http_api::HttpApi;
use super::page::{Page, SOON};
use crate::support::salon::SalonProcess;

const HERE: &str =
    "return document.querySelector('.here:not([hidden])')?.textContent === arguments[0]";
const TYPING: &str = "return document.querySelector('.typing-line').textContent === arguments[0]";

async fn see_here(page: &Page, line: &str) {
    page.wait(line, SOON, HERE, &[line.into()]).await;
}

async fn see_typing(page: &Page, line: &str) {
    page.wait(line, SOON, TYPING, &[line.into()]).await;
}

async fn composer_top(page: &Page) -> f64 {
    let top = "return document.querySelector('.composer').getBoundingClientRect().top";
    page.run(top, &[]).await
}

#[tokio::test]
async fn two_people_see_each_other_come_write_and_go() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let ada = Page::open(&chromium, &salon.url()).await;
    ada.come_in("Ada").await;
    see_here(&ada, "1 online").await;
    let bob = Page::blank(&chromium, &salon.url()).await;
    bob.be_a_phone().await;
    bob.load().await;
    bob.come_in("Bob").await;
    for page in [&ada, &bob] {
        see_here(page, "2 online").await;
    }
    ada.send("Good morning").await;
    bob.see("Good morning", "complete").await;
    let seen = "return document.querySelector('.seen-line').textContent === 'Seen by Bob'";
    ada.wait("Bob has seen it", SOON, seen, &[]).await;
    let top = composer_top(&ada).await;
    bob.type_into("#composer-input", "Good morn").await;
    see_typing(&ada, "Bob is writing…").await;
    assert!(
        (composer_top(&ada).await - top).abs() < 0.5,
        "nothing jumps"
    );
    see_typing(&bob, "").await;
    for (page, size) in [(&ada, "desktop"), (&bob, "phone")] {
        for scheme in ["light", "dark"] {
            page.prefer(scheme).await;
            page.screenshot(&format!("{size}-people-{scheme}")).await;
        }
    }
    bob.type_into("#composer-input", "ing\u{e007}").await;
    ada.see("Good morning", "complete").await;
    see_typing(&ada, "").await;

    ada.click(".here").await;
    let listed = "return document.querySelectorAll('.members .online').length === 2";
    ada.wait("both are there", SOON, listed, &[]).await;
    ada.prefer("light").await;
    ada.screenshot("desktop-members-light").await;
    bob.quit().await;
    see_here(&ada, "1 online").await;
    ada.quit().await;
}

/// What the list says beside a room: mentions and unread.
const BADGES: &str =
    "return [...document.querySelectorAll(`.room-link[data-slug=${arguments[0]}] .badge`)]
    .map((badge) => badge.textContent).join(' ') === arguments[1]";
const TITLE: &str = "return document.title.startsWith(arguments[0])";

async fn see_badges(page: &Page, room: &str, badges: &str) {
    let what = format!("{room}: {badges:?}");
    page.wait(&what, SOON, BADGES, &[room.into(), badges.into()])
        .await;
}

#[tokio::test]
async fn what_is_unread_is_counted_until_somebody_looks_on_whatever_window() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let bob = HttpApi::guest(&salon.url(), "Bob").await;
    bob.make_room("den").await;
    bob.send_to("den", "before she came").await;
    let ada = Page::open(&chromium, &salon.url()).await;
    ada.come_in("Ada").await;
    ada.click(".room-link[data-slug=den]").await;
    ada.see("before she came", "complete").await;
    ada.click(".room-link[data-slug=lobby]").await;
    ada.see_lobby().await;
    see_badges(&ada, "den", "").await;

    bob.send_to("den", "hello").await;
    bob.send_to("den", "hello @Ada").await;
    see_badges(&ada, "den", "@1 2").await;
    ada.wait("the title counts", SOON, TITLE, &["(@1 · 2) ".into()])
        .await;
    let first = ada.driver.window().await.unwrap();
    let second = ada.driver.new_window().await.unwrap();
    ada.driver.switch_to_window(second.clone()).await.unwrap();
    ada.load().await;
    see_badges(&ada, "den", "@1 2").await;
    for scheme in ["light", "dark"] {
        ada.prefer(scheme).await;
        ada.screenshot(&format!("desktop-unread-{scheme}")).await;
    }
    // Seen in one window, it is read in both.
    ada.click(".room-link[data-slug=den]").await;
    ada.find(".new-line").await;
    ada.find(".message.mentions-me").await;
    see_badges(&ada, "den", "").await;
    for scheme in ["light", "dark"] {
        ada.prefer(scheme).await;
        ada.screenshot(&format!("desktop-new-line-{scheme}")).await;
    }
    ada.driver.switch_to_window(first).await.unwrap();
    see_badges(&ada, "den", "").await;
    ada.quit().await;
}
