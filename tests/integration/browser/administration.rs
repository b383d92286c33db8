//! The administration on the page: an administrator finds users, rooms and the audit log; nobody else finds the way there.

use serde_json::json;

use super::around::say_yes;
use super::chromium::Chromium;
use super::look::photograph;
use super::page::{Page, SOON};
use crate::support::event_stream::ApiClient;
use crate::support::salon::SalonProcess;

pub(super) const SIGN_IN: &str = "return fetch('/api/' + arguments[0], {method: 'POST', headers: {'content-type': 'application/json'},
        body: JSON.stringify({name: arguments[1], password: 'correct horse'})}).then((answer) => answer.status)";

/// How many of these there are.
const COUNT: &str = "return document.querySelectorAll(arguments[0]).length === arguments[1]";

async fn count(page: &Page, css: &str, wanted: usize) {
    let arguments = [json!(css), json!(wanted)];
    page.wait(&format!("{wanted} of {css}"), SOON, COUNT, &arguments)
        .await;
}

/// Makes an administrator as the operator does, in the folder of a server that is to be.
pub(super) fn make_root(folder: &std::path::Path) {
    use std::io::Write;
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_salon"))
        .args(["user", "create", "Root", "--admin"])
        .env("SALON_DATA", folder)
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"correct horse\n").unwrap();
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[tokio::test]
async fn an_administrator_finds_users_rooms_and_the_audit_log() {
    let chromium = Chromium::start().await;
    let folder = tempfile::tempdir().unwrap();
    make_root(folder.path());
    let salon = SalonProcess::start(&[("SALON_DATA", folder.path().to_str().unwrap())]).await;
    let ada = ApiClient::account(&salon, "Ada").await;
    let hidden = json!({"slug": "hidden", "name": "Hidden", "visibility": "private"});
    assert_eq!(ada.post("/api/rooms", &hidden).await.0, 201);
    let said = json!({"body": "a canary"});
    assert_eq!(ada.post("/api/rooms/hidden/messages", &said).await.0, 201);

    let page = Page::open(&chromium, &salon.url()).await;
    let arguments = [json!("sessions"), json!("Root")];
    let signed_in: u16 = page.run(SIGN_IN, &arguments).await;
    assert_eq!(signed_in, 201);
    page.load().await;
    page.click("#administration").await;
    page.type_into("#admin-users", "ad").await;
    count(&page, ".uses [data-user]", 1).await;
    say_yes(&page).await;
    page.click("[aria-label='Make an administrator of Ada']")
        .await;
    page.find("[aria-label='Take the right to administer from Ada']")
        .await;
    assert_eq!(ada.get("/api/me").await.1["admin"], true);
    // Parts of their own, by the keys too: one dialog, over no other one.
    page.type_into("#tab-users", thirtyfour::Key::Right).await;
    count(&page, ".uses [data-room='hidden']", 1).await;
    let parts = "return [document.querySelectorAll('dialog[open]').length,
        document.querySelectorAll('.tab-part:not([hidden])').length,
        Number(document.activeElement.id === 'tab-rooms' && document.activeElement.ariaSelected === 'true')]";
    assert_eq!(page.run::<[u32; 3]>(parts, &[]).await, [1, 1, 1]);
    let unlike = "const colour = (name) => getComputedStyle(document.querySelector(`[aria-label='${name} hidden']`)).color;
        return colour('Delete') !== colour('Archive')";
    assert!(
        page.run::<bool>(unlike, &[]).await,
        "what goes for good looks so"
    );
    page.click("[aria-label='Archive hidden']").await;
    page.find("[aria-label='Open hidden']").await;
    photograph(&page, "desktop", "administration", ".uses [data-room]").await;
    let shown: String = page.run("return document.body.innerText", &[]).await;
    assert!(
        shown.contains("Hidden (#hidden)") && !shown.contains("canary"),
        "{shown}"
    );
    page.click("[aria-label='Delete hidden']").await;
    count(&page, ".uses [data-room='hidden']", 0).await;
    let close = "document.querySelectorAll('dialog').forEach((one) => one.close()); return true";
    let _: bool = page.run(close, &[]).await;
    page.click("#administration").await;
    page.click("#tab-audit").await;
    count(&page, ".uses [data-act='room.deleted']", 1).await;
    count(&page, ".uses [data-act='admin.given']", 1).await;
    let _: bool = page.run(close, &[]).await;

    let arguments = [json!("users"), json!("Bo")];
    let made: u16 = page.run(SIGN_IN, &arguments).await;
    assert_eq!(made, 201);
    page.load().await;
    page.click("[aria-label='Your account']").await;
    page.find("#token-name").await;
    assert!(!page.sees("#administration").await);
    page.quit().await;
}
