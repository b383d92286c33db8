//! Outgoing webhooks in a room's settings: made, tested, switched off and deleted by hand.

use serde_json::json;

use super::around::say_yes;
use super::chromium::Chromium;
use super::look::photograph;
use super::page::{Page, SOON};
use crate::support::salon::SalonProcess;

const MAKE_ROOM: &str =
    "return fetch('/api/rooms', {method: 'POST', headers: {'content-type': 'application/json'},
    body: JSON.stringify({slug: 'club', name: 'Club'})}).then((answer) => answer.status)";
const PRESS: &str = "[...document.querySelectorAll('.webhook-actions button')]
    .find((button) => button.textContent === arguments[0]).click()";

#[tokio::test]
async fn a_webhook_is_made_tested_and_deleted_on_the_page() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[("SALON_WEBHOOK_ALLOW", "127.0.0.1")]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    let made: u16 = page.run(MAKE_ROOM, &[]).await;
    assert_eq!(made, 201);
    page.load().await;
    page.click(".room-link[data-slug='club']").await;
    page.until_text(".room-title", "Club").await;
    page.click(".room-buttons [aria-label='Room settings']")
        .await;
    page.click("#room-integrations").await;
    page.click(".outgoing-webhooks summary").await;
    page.type_into("#webhook-url", "https://10.0.0.1/in").await;
    page.click("#webhook-create").await;
    page.until_text(".outgoing-webhooks .problem", "may not send there")
        .await;
    // The server itself answers: not as a receiver would.
    let target = format!("{}/in", salon.url());
    let clear = "document.querySelector('#webhook-url').value = ''; return true";
    let _: bool = page.run(clear, &[]).await;
    page.type_into("#webhook-url", &target).await;
    page.click("#webhook-create").await;
    page.until_text(".webhooks .webhook-url", &target).await;
    let secret = "return document.querySelector('.webhook-secret input')?.value.startsWith('whsec_') ?? false";
    page.wait("the secret is shown", SOON, secret, &[]).await;
    photograph(&page, "desktop", "webhooks", ".webhook-actions").await;
    let press = format!("{PRESS}; return true");
    let _: bool = page.run(&press, &[json!("Test")]).await;
    page.until_text(".webhooks li", "Test: refused (40").await;
    let _: bool = page.run(&press, &[json!("Switch off")]).await;
    page.until_text(".webhooks li", "Switch on").await;
    page.be_a_phone().await;
    photograph(&page, "phone", "webhooks", ".webhook-actions").await;
    say_yes(&page).await;
    let _: bool = page.run(&press, &[json!("Delete")]).await;
    let gone = "return document.querySelector('.webhooks li') === null";
    page.wait("it is gone", SOON, gone, &[]).await;
    page.quit().await;
}
