//! What the server can do is reached from the page: the export of a room, its webhooks' deliveries and changes, its assistants for
//! everybody, giving an orphaned room away, narrowing the audit log.

use serde_json::json;
use thirtyfour::Key;

use super::administration::make_root;
use super::around::{GENEROUS, count, go_to, must, page_of, say_yes, sign_in, until_focused};
use super::chromium::Chromium;
use super::page::{Page, SOON};
use crate::support::event_stream::ApiClient;
use crate::support::salon::SalonProcess;

#[tokio::test]
async fn a_member_exports_a_room_and_reads_its_assistants() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let ada = ApiClient::account(&salon, "Ada").await;
    let page = page_of(&chromium, &salon, &ada).await;
    page.send("to be kept").await;
    page.see("to be kept", "complete").await;
    page.click(".room-menu-button").await;
    page.click("[data-menu=export]").await;
    page.find(".export-way").await;
    for (format, wanted) in [("markdown", "to be kept"), ("ndjson", "\"complete\":true")] {
        let read = "return fetch(document.querySelector(`[data-format=${arguments[0]}]`).href).then((answer) => answer.text())";
        let text: String = page.run(read, &[json!(format)]).await;
        assert!(text.contains(wanted), "{format}: {text}");
    }
    page.run::<()>("document.querySelector('dialog').close()", &[])
        .await;
    page.click(".room-menu-button").await;
    page.click("[data-menu=assistants]").await;
    page.until_text(".assistants", "@assistant").await;
    count(&page, "#assistant-add", 0).await;
    page.quit().await;
}

#[tokio::test]
async fn an_owner_sees_a_webhooks_deliveries_and_changes_it_and_is_offered_models() {
    let chromium = Chromium::start().await;
    let mut settings = GENEROUS.to_vec();
    settings.push(("SALON_WEBHOOK_ALLOW", "127.0.0.1"));
    let salon = SalonProcess::start(&settings).await;
    let ada = ApiClient::account(&salon, "Ada").await;
    must(
        &ada,
        "POST",
        "/api/rooms",
        json!({"slug": "club", "name": "Club"}),
    )
    .await;
    let hook = json!({"url": "http://127.0.0.1:9/", "events": ["message"]});
    must(&ada, "POST", "/api/rooms/club/outgoing-webhooks", hook).await;
    must(
        &ada,
        "POST",
        "/api/rooms/club/messages",
        json!({"body": "hello"}),
    )
    .await;
    let page = page_of(&chromium, &salon, &ada).await;
    go_to(&page, "club").await;
    page.click(".room-menu-button").await;
    page.click("[data-menu=integrations]").await;
    page.click(".outgoing-webhooks summary").await;
    page.click("[aria-label='Test http://127.0.0.1:9/']").await;
    page.until_text(".webhooks", "not reached").await;
    let deliveries = "[aria-label='Deliveries to http://127.0.0.1:9/']";
    let tried = async || {
        page.click(deliveries).await;
        page.find(".attempts").await;
        let found = page.sees(".attempts [data-outcome=unreachable]").await;
        page.click(deliveries).await;
        count(&page, ".attempts", 0).await;
        found.then_some(())
    };
    page.until("a delivery was tried", SOON, tried).await;
    page.click("[aria-label='Change http://127.0.0.1:9/']")
        .await;
    let url = page.find(".webhook-change input[type=url]").await;
    url.clear().await.unwrap();
    page.type_into(".webhook-change input[type=url]", "http://127.0.0.1:10/")
        .await;
    page.click(".webhook-change [value='room.changed']").await;
    page.click(".webhook-change [type=submit]").await;
    page.until_text(".webhooks", "http://127.0.0.1:10/").await;
    page.until_text(".webhooks", "New messages · Settings and members")
        .await;
    page.run::<()>("document.querySelector('dialog').close()", &[])
        .await;

    page.click(".room-menu-button").await;
    page.click("[data-menu=assistants]").await;
    page.click(".assistant-row summary").await;
    let offered = "return [...document.querySelectorAll('select[name=model] option')].some(({ value }) => value === 'salon-demo')
        && [...document.querySelectorAll('select[name=provider] option')].some(({ value }) => value === 'default')";
    page.wait("the models are offered", SOON, offered, &[])
        .await;
    page.quit().await;
}

#[tokio::test]
async fn an_administrator_gives_an_orphaned_room_away_and_narrows_the_audit_log() {
    let chromium = Chromium::start().await;
    let folder = tempfile::tempdir().unwrap();
    make_root(folder.path());
    let mut settings = GENEROUS.to_vec();
    settings.push(("SALON_DATA", folder.path().to_str().unwrap()));
    let salon = SalonProcess::start(&settings).await;
    let ada = ApiClient::account(&salon, "Ada").await;
    let bob = ApiClient::account(&salon, "Bob").await;
    must(
        &ada,
        "POST",
        "/api/rooms",
        json!({"slug": "club", "name": "Club"}),
    )
    .await;
    must(&bob, "POST", "/api/rooms/club/join", json!({})).await;
    let root = json!({"name": "Root", "password": "correct horse"});
    let newcomer = ApiClient::with_token(salon.url(), "");
    let root = must(&newcomer, "POST", "/api/sessions", root).await;
    let root = ApiClient::with_token(salon.url(), root["token"].as_str().unwrap());
    let page = Page::open(&chromium, &salon.url()).await;
    sign_in(&page, &root).await;
    page.click("#administration").await;
    page.click("#tab-rooms").await;
    page.find("[aria-label='Give club away']").await;
    say_yes(&page).await;
    page.click("[aria-label='Give club away']").await;
    give_to(&page, "Nobody").await;
    page.until_text(".ask .problem", "There is nobody called “Nobody”.")
        .await;
    give_to(&page, "bob").await;
    page.until_text(
        ".ask .problem",
        "This room has an owner who can give it away.",
    )
    .await;
    page.type_into("#ask-field", Key::Escape).await;
    count(&page, "dialog", 1).await;
    until_focused(&page, "[aria-label='Give club away']").await;
    page.click("#tab-users").await;
    page.click("[aria-label='Disable Ada']").await;
    page.find("[aria-label='Enable Ada']").await;
    page.click("#tab-rooms").await;
    page.click("[aria-label='Give club away']").await;
    give_to(&page, "bob").await;
    page.until_text("[data-room=club]", "Bob").await;
    let club = must(&bob, "GET", "/api/rooms/club", json!({})).await;
    assert_eq!(club["role"], "owner", "{club}");

    page.click("#tab-audit").await;
    let choose = "const menu = document.querySelector('#audit-act');
        menu.value = 'user.disabled';
        menu.dispatchEvent(new Event('input', { bubbles: true }));";
    page.run::<()>(choose, &[]).await;
    count(&page, "[data-act]", 1).await;
    page.until_text("[data-act]", "Root disabled Ada").await;
    page.type_into("#audit-user", "bob").await;
    count(&page, "[data-act]", 0).await;
    page.quit().await;
}

/// Answers to whom, in the place of what was answered before.
async fn give_to(page: &Page, name: &str) {
    until_focused(page, "#ask-field").await;
    page.run::<()>("document.activeElement.value = ''", &[])
        .await;
    page.type_into("#ask-field", name).await;
    page.type_into("#ask-field", Key::Enter).await;
}
