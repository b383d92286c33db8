//! What the tests of the page around the conversation share: coming in with an account, counting, pressing keys.

use serde_json::json;
use thirtyfour::prelude::*;

use super::chromium::Chromium;
use super::page::{Page, SOON};
use crate::support::event_stream::{ApiClient, answer};
use crate::support::salon::SalonProcess;

/// Nothing that is said or made is too fast.
pub(crate) const GENEROUS: [(&str, &str); 4] = [
    ("SALON_RATE_SIGN_INS", "100000"),
    ("SALON_RATE_ROOMS", "100000"),
    ("SALON_RATE_SEARCHES", "100000"),
    ("SALON_SCRIPTED_DELAY_MS", "5"),
];

/// A page in which that person is signed in and sees a room.
pub(crate) async fn page_of(chromium: &Chromium, salon: &SalonProcess, who: &ApiClient) -> Page {
    let page = Page::open(chromium, &salon.url()).await;
    sign_in(&page, who).await;
    page.see_lobby().await;
    page
}

/// Ada, and her public room “Sea” with a topic, in which Bob is too.
pub(crate) async fn sea(salon: &SalonProcess) -> (ApiClient, ApiClient) {
    let ada = ApiClient::account(salon, "Ada").await;
    let bob = ApiClient::account(salon, "Bob").await;
    let room = json!({"slug": "sea", "name": "Sea"});
    must(&ada, "POST", "/api/rooms", room).await;
    let topic = json!({"topic": "Ships and the wind"});
    must(&ada, "PATCH", "/api/rooms/sea", topic).await;
    must(&bob, "POST", "/api/rooms/sea/join", json!({})).await;
    (ada, bob)
}

/// Signs that person in, in a page that shows something of the server.
pub(crate) async fn sign_in(page: &Page, who: &ApiClient) {
    let cookie = thirtyfour::Cookie::new("salon", who.token());
    page.driver.add_cookie(cookie).await.unwrap();
    page.load().await;
}

/// Waits until there are so many of these.
pub(crate) async fn count(page: &Page, css: &str, wanted: usize) {
    let script = "return document.querySelectorAll(arguments[0]).length === arguments[1]";
    let arguments = [json!(css), json!(wanted)];
    page.wait(&format!("{wanted} of {css}"), SOON, script, &arguments)
        .await;
}

/// Presses keys, whatever has the focus; those that come behind Ctrl, Shift or Alt, while that is held.
pub(crate) async fn press(page: &Page, keys: impl Into<TypingData>) {
    let keys = keys.into().as_vec();
    let held = [Key::Control, Key::Shift, Key::Alt].map(char::from);
    let first = keys.first().copied().filter(|key| held.contains(key));
    let others: String = keys[usize::from(first.is_some())..].iter().collect();
    let hands = page.driver.action_chain();
    let hands = match first {
        Some(key) => hands.key_down(key).send_keys(others).key_up(key),
        None => hands.send_keys(others),
    };
    hands.perform().await.unwrap();
}

/// Waits until what `css` selects has the focus.
pub(crate) async fn until_focused(page: &Page, css: &str) {
    let script = "return document.activeElement?.matches(arguments[0]) ?? false";
    page.wait(&format!("{css} is focused"), SOON, script, &[json!(css)])
        .await;
}

/// Opens a room by its address.
pub(crate) async fn go_to(page: &Page, slug: &str) {
    page.run::<()>("location.hash = `#/rooms/${arguments[0]}`", &[json!(slug)])
        .await;
    let open =
        "return document.querySelector('.room-link[aria-current]')?.dataset.slug === arguments[0]
        && !['opening', undefined].includes(document.querySelector('.above')?.dataset.kind)";
    page.wait(&format!("{slug} is open"), SOON, open, &[json!(slug)])
        .await;
}

/// Says yes to every question from now on, until the page is loaded again.
pub(crate) async fn say_yes(page: &Page) {
    let script = "new MutationObserver(() => document.querySelector('#ask-yes')?.click()).observe(document.body, { childList: true })";
    page.run::<()>(script, &[]).await;
}

/// Closes every dialog.
pub(crate) async fn close_dialogs(page: &Page) {
    let close = "document.querySelectorAll('dialog').forEach((one) => one.close())";
    page.run::<()>(close, &[]).await;
    count(page, "dialog", 0).await;
}

/// What has to work.
pub(crate) async fn must(
    client: &ApiClient,
    method: &str,
    path: &str,
    body: serde_json::Value,
) -> serde_json::Value {
    let request = client.request(method.parse().unwrap(), path).json(&body);
    let (status, told) = answer(request).await;
    assert!((200..300).contains(&status), "{path}: {status} {told}");
    told
}
