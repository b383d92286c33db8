//! The line above what is new: it tells since when, the view begins there, it stays until one leaves; and what counts as read.

use serde_json::json;

use super::chromium::Chromium;
use super::http_api::HttpApi;
use super::model::be_drawn;
use super::page::{Page, SOON};
use crate::support::salon::SalonProcess;

const FAST: [(&str, &str); 3] = [
    ("SALON_RATE_SENDS", "100000"),
    ("SALON_RATE_SENDS_BURST", "100000"),
    ("SALON_RATE_FRAMES", "100000"),
];
/// Where the line is in the view, from its top in parts of its height; and what it says.
const LINE: &str = "const line = document.querySelector('.new-line');
    if (line === null) return null;
    const view = document.querySelector('.scroller').getBoundingClientRect();
    return [(line.getBoundingClientRect().top - view.top) / view.height, line.textContent, Number(line.nextElementSibling.dataset.seq)]";
const UNREAD: &str = "return document.title.startsWith(arguments[0])";

/// Somebody has read the lobby, went away, and comes back when so many messages are new.
async fn come_back(page: &Page, bob: &HttpApi, new: usize) {
    bob.send("before she went").await;
    page.come_in("Ada").await;
    page.see("before she went", "complete").await;
    page.wait(
        "it is read",
        SOON,
        "return !document.title.startsWith('(')",
        &[],
    )
    .await;
    // What was read is told to the server before the page goes.
    let told = "return Object.keys(localStorage).some((key) => key.endsWith('.read.lobby') && localStorage[key] === '1')";
    page.wait("it is remembered", SOON, told, &[]).await;
    page.driver.goto("about:blank").await.unwrap();
    for number in 1..=new {
        bob.send(&format!("new {number}")).await;
    }
    page.load().await;
    page.find(".new-line").await;
    be_drawn(page).await;
}

#[tokio::test]
async fn the_view_begins_at_the_line_which_stays_until_one_leaves() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&FAST).await;
    let bob = HttpApi::guest(&salon.url(), "Bob").await;
    let page = Page::open(&chromium, &salon.url()).await;
    come_back(&page, &bob, 40).await;
    let (place, says, first): (f64, String, u64) = page.run(LINE, &[]).await;
    assert!((0.0..0.5).contains(&place), "{place}");
    assert!(
        says.starts_with("New since ") && says.contains(':'),
        "{says}"
    );
    assert_eq!(first, 2);
    page.screenshot("desktop-new-since").await;
    // The end was not in sight: nothing is read yet.
    page.wait("it counts", SOON, UNREAD, &[json!("(40) ")])
        .await;
    page.until_text("#jump-latest", "(40 new)").await;
    page.click("#jump-latest").await;
    page.wait(
        "it is read",
        SOON,
        "return document.title.startsWith('Lobby')",
        &[],
    )
    .await;
    // Neither reading nor writing takes the line away; leaving does.
    page.send("thanks").await;
    page.see("thanks", "complete").await;
    let (_, still, first): (f64, String, u64) = page.run(LINE, &[]).await;
    assert_eq!((still, first), (says, 2));
    bob.make_room("den").await;
    page.run::<()>("location.hash = '#/rooms/den'", &[]).await;
    page.wait(
        "the den",
        SOON,
        "return document.querySelector('.room-place')?.textContent === 'den'",
        &[],
    )
    .await;
    page.run::<()>("location.hash = '#/rooms/lobby'", &[]).await;
    page.see("thanks", "complete").await;
    assert!(!page.sees(".new-line").await);
    page.quit().await;
}

#[tokio::test]
async fn with_more_new_than_is_held_the_view_begins_there_all_the_same() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&FAST).await;
    let bob = HttpApi::guest(&salon.url(), "Bob").await;
    let page = Page::open(&chromium, &salon.url()).await;
    come_back(&page, &bob, 260).await;
    let (place, _, first): (f64, String, u64) = page.run(LINE, &[]).await;
    assert!((0.0..0.5).contains(&place), "{place}");
    assert_eq!(first, 2);
    page.until_text("#jump-latest", "(260 new)").await;
    page.wait("it counts", SOON, UNREAD, &[json!("(99+) ")])
        .await;
    page.click("#jump-latest").await;
    page.see("new 260", "complete").await;
    page.wait(
        "it is read",
        SOON,
        "return document.title.startsWith('Lobby')",
        &[],
    )
    .await;
    page.quit().await;
}

#[tokio::test]
async fn what_comes_while_nobody_looks_is_not_read_and_has_the_line_above_it() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&FAST).await;
    let bob = HttpApi::guest(&salon.url(), "Bob").await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    bob.send("seen at once").await;
    page.see("seen at once", "complete").await;
    page.wait(
        "it is read",
        SOON,
        "return document.title.startsWith('Lobby')",
        &[],
    )
    .await;
    assert!(!page.sees(".new-line").await);

    let look = "document.hasFocus = () => arguments[0]; dispatchEvent(new Event(arguments[0] ? 'focus' : 'blur'))";
    page.run::<()>(look, &[json!(false)]).await;
    for text in ["while away", "and again"] {
        bob.send(text).await;
        page.see(text, "complete").await;
    }
    page.wait("they count", SOON, UNREAD, &[json!("(2) ")])
        .await;
    let (_, _, first): (f64, String, u64) = page.run(LINE, &[]).await;
    assert_eq!(first, 2);
    page.run::<()>(look, &[json!(true)]).await;
    page.wait(
        "they are read",
        SOON,
        "return document.title.startsWith('Lobby')",
        &[],
    )
    .await;
    assert!(page.sees(".new-line").await, "the line stays");

    // Away once more: it stands above what is new this time.
    page.run::<()>(look, &[json!(false)]).await;
    bob.send("the third time").await;
    page.see("the third time", "complete").await;
    let (_, _, first): (f64, String, u64) = page.run(LINE, &[]).await;
    assert_eq!(first, 4);
    page.quit().await;
}

#[tokio::test]
async fn what_comes_while_a_phone_shows_its_rooms_is_not_read_and_counts() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&FAST).await;
    let bob = HttpApi::guest(&salon.url(), "Bob").await;
    let page = Page::blank(&chromium, &salon.url()).await;
    page.be_a_phone().await;
    page.load().await;
    page.come_in("Ada").await;
    bob.send("seen at once").await;
    page.see("seen at once", "complete").await;
    let read = "return document.title.startsWith('Lobby')";
    page.wait("it is read", SOON, read, &[]).await;
    page.click(".back").await;
    page.find(".room-link").await;
    bob.send("hello @Ada").await;
    page.until_text(".room-link .badge.mentioned", "@1").await;
    page.until_text(".room-link .badge:not(.mentioned)", "1")
        .await;
    page.wait("it counts", SOON, UNREAD, &[json!("(@1 · 1) ")])
        .await;
    page.click(".room-link").await;
    page.wait("it is read", SOON, read, &[]).await;
    let (_, _, first): (f64, String, u64) = page.run(LINE, &[]).await;
    assert_eq!(first, 2, "the line stands above what came");
    page.quit().await;
}
