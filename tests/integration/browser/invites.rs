//! Invites on the page: a link is made, followed by somebody who has yet to sign in, and who came is given a role and
//! banned; the page of the banned says so at once and shows nothing that comes later.

use thirtyfour::Key;

use super::chromium::Chromium;
use super::look::photograph;
use super::page::{Page, SOON};
use crate::support::salon::SalonProcess;

/// Makes a private room of the reader's own.
const PREPARE: &str = "return fetch('/api/rooms', {method: 'POST', headers: {'content-type': 'application/json'},
    body: JSON.stringify({slug: 'den', name: 'The Den', visibility: 'private'})}).then((answer) => answer.status)";

#[tokio::test]
async fn a_link_leads_in_and_a_ban_leads_out() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let ada = Page::open(&chromium, &salon.url()).await;
    ada.come_in("Ada").await;
    let made: u16 = ada.run(PREPARE, &[]).await;
    assert_eq!(made, 201);
    ada.load().await;
    ada.click(".room-link[data-slug='den']").await;
    ada.until_text(".room-title", "The Den").await;
    ada.click(".room-buttons [aria-label='Members']").await;
    ada.click("#invite-people").await;
    ada.click("#invite-create").await;
    let value = "return document.querySelector('#invite-link').value || null";
    let link = ada.wait("a link", SOON, value, &[]).await;
    let (link, start) = (link.as_str().unwrap(), format!("{}/#/invite/", salon.url()));
    assert!(link.starts_with(&start), "{link}");
    ada.until_text(".invites", "0 of 10 used").await;
    photograph(&ada, "desktop", "invites", "#invite-link").await;

    let bob = Page::blank(&chromium, link).await;
    bob.be_a_phone().await;
    bob.load().await;
    bob.until_text(".invited", "Ada invites you to The Den.")
        .await;
    photograph(&bob, "phone", "invited", ".invited").await;
    bob.type_into("#guest-name", "Bob").await;
    bob.click("#guest-go").await;
    let hidden = "return !location.href.includes('invite')";
    bob.wait("the secret is not in the address", SOON, hidden, &[])
        .await;
    // What was read on the first page is not asked again.
    bob.until_text(".room-title", "The Den").await;
    assert!(!bob.sees("dialog").await);

    ada.load().await;
    ada.send("Welcome, Bob").await;
    bob.see("Welcome, Bob", "complete").await;
    ada.click(".room-buttons [aria-label='Members']").await;
    ada.find("[aria-label='Role of Bob']").await;
    photograph(&ada, "desktop", "members", "[aria-label='Ban Bob']").await;
    ada.be_a_phone().await;
    photograph(&ada, "phone", "members", "[aria-label='Ban Bob']").await;
    become_a_reader(&ada, &bob).await;

    ada.click("[aria-label='Ban Bob']").await;
    ada.type_into("#ask-field", "noise").await;
    ada.type_into("#ask-field", Key::Enter).await;
    bob.until_text(".nothing", "You are banned from this room.")
        .await;
    ada.until_text(".bans", "by Ada: noise").await;
    photograph(&ada, "desktop", "bans", ".bans").await;
    photograph(&bob, "phone", "banned", ".nothing").await;
    ada.click(".dialog [aria-label='Close']").await;
    ada.type_into("#composer-input", "Bob must not see this")
        .await;
    ada.click("#composer-send").await;
    ada.see("Bob must not see this", "complete").await;
    assert!(!bob.sees(".message").await);

    // The same link lets nobody in who is banned.
    bob.load().await;
    bob.until_text(".dialog", "The Den").await;
    bob.until_text("#invite-join", "Join The Den").await;
    photograph(&bob, "phone", "invitation", "#invite-join").await;
    bob.click("#invite-join").await;
    bob.until_text(".dialog .problem", "You are banned from this room.")
        .await;
    ada.quit().await;
    bob.quit().await;
}

/// Ada lets Bob read alone, and both see it.
async fn become_a_reader(ada: &Page, bob: &Page) {
    let choose = "const menu = document.querySelector('[aria-label=\"Role of Bob\"]');
        menu.value = 'reader'; menu.dispatchEvent(new Event('change')); return true";
    let _: bool = ada.run(choose, &[]).await;
    ada.click("[aria-label='Save the role of Bob']").await;
    let reads = "return document.querySelector('#composer-input') === null || document.querySelector('#composer-input').offsetParent === null";
    bob.wait("a reader does not write", SOON, reads, &[]).await;
    bob.until_text(".composer .keys", "You can read here, but not write.")
        .await;
    ada.until_text(".members", "Reader").await;
}
