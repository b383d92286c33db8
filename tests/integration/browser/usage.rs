//! What replies used and cost on the page: on the reply for whoever opens it, of one's own, of a room one owns, and of the server for
//! its administrators.

use serde_json::json;

use super::administration::{SIGN_IN, make_root};
use super::chromium::Chromium;
use super::look::photograph;
use super::page::{Page, SOON};
use crate::support::salon::SalonProcess;

const SETTINGS: &[(&str, &str)] = &[
    ("SALON_MODEL_INPUT_PRICE", "300"),
    ("SALON_MODEL_OUTPUT_PRICE", "1500"),
    ("SALON_CURRENCY", "EUR"),
    ("SALON_SPEND_USER_DAY", "20"),
];

async fn wait_for(page: &Page, css: &str, words: &str) {
    let script = "return [...document.querySelectorAll(arguments[0])].some((one) => one.innerText.includes(arguments[1]))";
    let arguments = [json!(css), json!(words)];
    page.wait(&format!("{css} with {words}"), SOON, script, &arguments)
        .await;
}

#[tokio::test]
async fn what_replies_cost_is_seen_by_those_who_may() {
    let chromium = Chromium::start().await;
    let folder = tempfile::tempdir().unwrap();
    make_root(folder.path());
    let mut settings = vec![("SALON_DATA", folder.path().to_str().unwrap())];
    settings.extend(SETTINGS);
    let salon = SalonProcess::start(&settings).await;
    let page = Page::open(&chromium, &salon.url()).await;
    let arguments = [json!("sessions"), json!("Root")];
    let signed_in: u16 = page.run(SIGN_IN, &arguments).await;
    assert_eq!(signed_in, 201);
    let room = "return fetch('/api/rooms', {method: 'POST', headers: {'content-type': 'application/json'},
        body: JSON.stringify({slug: 'den', name: 'Den', visibility: 'public'})}).then((answer) => answer.status)";
    assert_eq!(page.run::<u16>(room, &[]).await, 201);
    page.load().await;
    page.click(".room-link[data-slug='den']").await;
    page.send("@assistant tell me of apples").await;
    page.see_reply("the answer is whole", |reply| reply.state == "complete")
        .await;
    // It takes no place until somebody asks.
    let hidden = "return document.querySelector('.usage-line').checkVisibility()";
    assert!(!page.run::<bool>(hidden, &[]).await);
    page.click(".message.assistant .usage-mark summary").await;
    wait_for(&page, ".usage-line", "tokens in").await;
    wait_for(&page, ".usage-line", "EUR").await;
    photograph(&page, "desktop", "usage-of-a-reply", ".usage-line").await;

    page.click("[aria-label='Room settings']").await;
    page.click("#room-usage").await;
    wait_for(&page, ".usage .uses strong", "Root asked @assistant").await;
    wait_for(&page, ".usage .spent", "tokens").await;
    photograph(&page, "desktop", "usage-of-a-room", ".usage .uses").await;
    close_dialogs(&page).await;

    page.click("[aria-label='Your account']").await;
    page.click("#own-usage").await;
    wait_for(&page, ".usage .uses strong", "In #den you asked @assistant").await;
    wait_for(&page, ".usage .spent", "of EUR 20.00").await;
    let table = "return fetch(document.querySelector('.usage a[download]').href).then((answer) => answer.text())";
    let csv: String = page.run(table, &[]).await;
    assert!(
        csv.starts_with("id,room,") && csv.contains("\"den\""),
        "{csv}"
    );
    close_dialogs(&page).await;

    page.click("#administration").await;
    page.click("#tab-usage").await;
    wait_for(&page, ".usage [data-usage] small", "1 attempt").await;
    let by_user = "const by = document.querySelector('#usage-by'); by.value = 'user';
        by.dispatchEvent(new Event('change')); return true";
    let _: bool = page.run(by_user, &[]).await;
    wait_for(&page, ".usage [data-usage] strong", "Root").await;
    page.be_a_phone().await;
    photograph(&page, "phone", "usage-of-the-server", ".usage [data-usage]").await;
    page.quit().await;
}

async fn close_dialogs(page: &Page) {
    let close = "document.querySelectorAll('dialog').forEach((one) => one.close()); return true";
    let _: bool = page.run(close, &[]).await;
}
