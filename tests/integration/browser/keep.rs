//! A guest keeps what it has: it is asked before it signs out, becomes an account, and comes back to its room. Its other window
//! goes on by itself.

use serde_json::json;

use super::axe::Judge;
use super::chromium::Chromium;
use super::look::photograph;
use super::page::{Page, SOON};
use crate::support::event_stream::ApiClient;
use crate::support::salon::SalonProcess;

/// Makes a room that nobody else sees.
const MAKE_ROOM: &str = "return fetch('/api/rooms', {method: 'POST', headers: {'content-type': 'application/json'},
        body: JSON.stringify({slug: 'den', name: 'Den', visibility: 'private'})}).then((answer) => answer.status)";
/// Empties a field.
const EMPTY: &str = "document.querySelector(arguments[0]).value = ''";

async fn fill(page: &Page, css: &str, text: &str) {
    page.find(css).await;
    page.run::<()>(EMPTY, &[json!(css)]).await;
    page.type_into(css, text).await;
}

#[tokio::test]
async fn a_guest_becomes_an_account_and_finds_its_room_again() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    ApiClient::account(&salon, "Grace").await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    assert_eq!(page.run::<u16>(MAKE_ROOM, &[]).await, 201);
    page.load().await;
    page.click(".room-link[data-slug=den]").await;
    page.until_text(".room-title", "Den").await;
    page.send("mine to keep").await;
    page.see("mine to keep", "complete").await;
    let first = page.driver.window().await.unwrap();
    let second = page.driver.new_window().await.unwrap();
    page.driver.switch_to_window(second.clone()).await.unwrap();
    page.load().await;
    page.until_text(".me-name", "Guest").await;
    page.driver.switch_to_window(first).await.unwrap();

    page.click("[aria-label='Sign out']").await;
    page.until_text("dialog[open]", "cannot come back").await;
    photograph(&page, "desktop", "keep", "#keep-account").await;
    Judge::new().judge(&page, "a guest signs out").await;
    fill(&page, "#keep-name", "grace").await;
    page.type_into("#keep-password", "correct horse").await;
    page.click("#keep-account").await;
    page.until_text("dialog[open] .problem", "taken").await;
    page.until_text(".me-name", "Guest").await;
    fill(&page, "#keep-name", "Lady Ada").await;
    page.click("#keep-account").await;
    page.until_text("#account-said", "Lady Ada").await;
    page.until_text(".me-name", "Lady Ada").await;
    page.until_text(".me-name", "Signed in").await;
    assert!(page.sees("#old-password").await, "an account's dialog");
    assert!(!page.sees("#keep-account").await);
    page.click("dialog [aria-label='Close']").await;
    let focused = "return document.activeElement.getAttribute('aria-label') === 'Your account'";
    page.wait("the focus is where it was", SOON, focused, &[])
        .await;
    page.send("still here").await;
    let said = page.see("still here", "complete").await;
    assert!(said.own, "{said:?}");

    // The other window's session was replaced: it is loaded anew, and says nothing of an end.
    page.driver.switch_to_window(second).await.unwrap();
    page.until_text(".me-name", "Lady Ada").await;

    // An account is not asked.
    page.click("[aria-label='Sign out']").await;
    page.type_into("#account-name", "lady ada").await;
    page.type_into("#account-password", "correct horse").await;
    page.click("#account-go").await;
    page.click(".room-link[data-slug=den]").await;
    let kept = page.see("mine to keep", "complete").await;
    assert!(kept.own, "{kept:?}");
    page.see("still here", "complete").await;
    let owner =
        "return document.querySelector(\".room-buttons [aria-label='Room settings']\") !== null";
    page.wait("the room is its own", SOON, owner, &[]).await;
    page.quit().await;
}

#[tokio::test]
async fn who_is_no_guest_or_may_make_no_account_is_offered_none() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[("SALON_SIGNUP", "off")]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.click("[aria-label='Your account']").await;
    page.find("#delete-account").await;
    assert!(!page.sees("#keep-account").await);
    page.click("dialog [aria-label='Close']").await;
    page.click("[aria-label='Sign out']").await;
    page.find("#sign-out-anyway").await;
    assert!(!page.sees("#keep-account").await);
    page.click("#sign-out-anyway").await;
    page.find("#guest-name").await;
    page.quit().await;
}
