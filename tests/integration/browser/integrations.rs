//! Tokens, bots and webhooks on the page: a secret is shown once, what was made is listed, and revoking takes it away.

use serde_json::json;

use super::around::say_yes;
use super::chromium::Chromium;
use super::look::photograph;
use super::page::{Page, SOON};
use crate::support::event_stream::ApiClient;
use crate::support::salon::SalonProcess;

/// Makes an account and a room of its own, and says yes to every question.
const PREPARE: &str = "const post = (path, body) => fetch('/api/' + path,
        {method: 'POST', headers: {'content-type': 'application/json'}, body: JSON.stringify(body)});
    return post('users', {name: 'Ada', password: 'correct horse'})
        .then(() => post('rooms', {slug: 'club', name: 'Club'})).then((answer) => answer.status)";

/// How many of these there are.
const COUNT: &str = "return document.querySelectorAll(arguments[0]).length === arguments[1]";

async fn count(page: &Page, css: &str, wanted: usize) {
    let arguments = [json!(css), json!(wanted)];
    page.wait(&format!("{wanted} of {css}"), SOON, COUNT, &arguments)
        .await;
}

async fn secret(page: &Page) -> String {
    page.find(".secret-value").await;
    page.run("return document.querySelector('.secret-value').value", &[])
        .await
}

#[tokio::test]
async fn tokens_bots_and_webhooks_are_made_and_revoked() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    let made: u16 = page.run(PREPARE, &[]).await;
    assert_eq!(made, 201);
    page.load().await;
    page.click(".room-link[data-slug='club']").await;

    page.click("[aria-label='Your account']").await;
    page.type_into("#token-name", "Backup script").await;
    page.click("#token-name ~ button").await;
    let token = secret(&page).await;
    let program = ApiClient::with_token(salon.url(), &token);
    assert_eq!(program.get("/api/rooms/club").await.0, 200);
    count(&page, ".uses [data-token]", 1).await;
    page.type_into("#bot-name", "Robot").await;
    page.click("#bot-name ~ button").await;
    count(&page, ".uses [data-bot]", 1).await;
    photograph(&page, "desktop", "account", ".uses [data-bot]").await;
    say_yes(&page).await;
    page.click("[aria-label='Revoke Backup script']").await;
    count(&page, ".uses [data-token]", 0).await;
    assert_eq!(program.get("/api/rooms/club").await.0, 401);
    page.click("[aria-label='Remove Robot']").await;
    count(&page, ".uses [data-bot]", 0).await;
    page.click(".dialog [aria-label='Close']").await;

    page.click(".room-buttons [aria-label='Room settings']")
        .await;
    page.click("#room-integrations").await;
    page.type_into("#hook-name", "Build server").await;
    page.click("#hook-create").await;
    let address = secret(&page).await;
    count(&page, ".uses [data-hook]", 1).await;
    photograph(&page, "desktop", "integrations", ".uses [data-hook]").await;
    let path = address.strip_prefix(&salon.url()).unwrap();
    let posting = ApiClient::with_token(salon.url(), "");
    let body = json!({"text": "Build 17 is **green**"});
    assert_eq!(posting.post(path, &body).await.0, 201);
    page.click("[aria-label='Revoke Build server']").await;
    count(&page, ".uses [data-hook]", 0).await;
    assert_eq!(posting.post(path, &body).await.0, 404);
    let close = "document.querySelectorAll('dialog').forEach((one) => one.close()); return true";
    let _: bool = page.run(close, &[]).await;
    page.find(".message .bot-mark").await;
    photograph(&page, "desktop", "bot", ".message .bot-mark").await;

    page.be_a_phone().await;
    page.load().await;
    page.find(".message .bot-mark").await;
    page.click(".back").await;
    page.click("[aria-label='Your account']").await;
    page.type_into("#token-name", "Phone").await;
    page.click("#token-name ~ button").await;
    secret(&page).await;
    photograph(&page, "phone", "account", ".secret-value").await;
    page.quit().await;
}
