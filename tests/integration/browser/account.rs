//! The account on the page: where one is signed in, ending that, another password, the end of the account.

use serde_json::json;

use super::around::say_yes;
use super::chromium::Chromium;
use super::look::photograph;
use super::page::{Page, SOON};
use crate::support::event_stream::ApiClient;
use crate::support::salon::SalonProcess;

/// Makes an account, and says yes to every question.
const PREPARE: &str = "const post = (path, body) => fetch('/api/' + path,
        {method: 'POST', headers: {'content-type': 'application/json'}, body: JSON.stringify(body)});
    return post('users', {name: 'Ada', password: 'correct horse'}).then((answer) => answer.status)";
/// How many of these there are.
const COUNT: &str = "return document.querySelectorAll(arguments[0]).length === arguments[1]";

async fn count(page: &Page, css: &str, wanted: usize) {
    let arguments = [json!(css), json!(wanted)];
    page.wait(&format!("{wanted} of {css}"), SOON, COUNT, &arguments)
        .await;
}

#[tokio::test]
async fn sessions_are_seen_and_ended_and_the_account_is_deleted() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    let made: u16 = page.run(PREPARE, &[]).await;
    assert_eq!(made, 201);
    let newcomer = ApiClient::with_token(salon.url(), "");
    let sign_in = async |password: &str| {
        let body = json!({"name": "Ada", "password": password});
        newcomer.post("/api/sessions", &body).await
    };
    let (status, other) = sign_in("correct horse").await;
    assert_eq!(status, 201);
    let other = ApiClient::with_token(salon.url(), other["token"].as_str().unwrap());
    page.load().await;
    say_yes(&page).await;
    page.click("[aria-label='Your account']").await;
    count(&page, ".uses [data-session]", 2).await;
    photograph(&page, "desktop", "sessions", ".uses [data-session]").await;
    page.click(".uses [data-session] button").await;
    count(&page, ".uses [data-session]", 1).await;
    assert_eq!(other.get("/api/me").await.0, 401);

    page.type_into("#old-password", "correct horse").await;
    page.type_into("#new-password", "battery staple").await;
    page.click("#change-password").await;
    let changed = "return document.body.textContent.includes('It is changed')";
    page.wait("the new password", SOON, changed, &[]).await;
    assert_eq!(sign_in("correct horse").await.0, 401);
    assert_eq!(sign_in("battery staple").await.0, 201);

    page.type_into("#delete-password", "battery staple").await;
    page.click("#delete-account").await;
    page.find("salon-sign-in").await;
    assert_eq!(sign_in("battery staple").await.0, 401);
    count(&page, "dialog[open]", 0).await;
    page.quit().await;
}
