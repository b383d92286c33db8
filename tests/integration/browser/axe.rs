//! axe-core, which judges pages by WCAG 2.2 AA, finds nothing to complain about: in every state of the page, in every theme. It is
//! an npm package that `tests/support/axe-install` gets by its checksum; the page's policy keeps it out, the driver lets it in.

use std::process::Command;

use serde_json::{Value, json};
use thirtyfour::prelude::*;

use super::around::{GENEROUS, close_dialogs, go_to, must, page_of, press};
use super::chromium::Chromium;
use super::page::{LATER, Page, SOON};
use crate::support::event_stream::ApiClient;
use crate::support::salon::SalonProcess;

const RICH: &str = "Hello **bold** [link](https://example.org)\n\n|a|b|\n|-|-|\n|1|2|\n\n```rust\nfn main() {}\n```\n\n> quote\n\n- one\n- two";

/// Judges the page as it is now, in each theme; tells the rule, the element and what is wrong.
const JUDGE: &str = "const done = arguments[arguments.length - 1];
    (async () => {
        const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
        const found = [];
        for (const theme of ['light', 'dark', 'contrast']) {
            document.documentElement.dataset.theme = theme;
            // Colours that are on their way to others are not judged.
            for (const one of document.getAnimations()) if (one instanceof CSSTransition) one.finish();
            await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
            for (const one of document.getAnimations()) if (one instanceof CSSTransition) one.finish();
            const { violations } = await axe.run(document, { runOnly: tags, resultTypes: ['violations'] });
            for (const { id, nodes } of violations) for (const { target, html, any } of nodes) {
                found.push(`${theme} ${id} ${target.join(' ')} ${html.slice(0, 160)} ${any[0]?.message ?? ''}`);
            }
        }
        delete document.documentElement.dataset.theme;
        return found;
    })().then(done, (error) => done([String(error)]));";

pub(super) struct Judge {
    script: String,
}

impl Judge {
    pub(super) fn new() -> Self {
        let install = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/axe-install");
        let made = Command::new(install).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        let folder = String::from_utf8(made.stdout).unwrap();
        let path = format!("{}/axe-core/axe.min.js", folder.trim());
        Self {
            script: std::fs::read_to_string(path).unwrap(),
        }
    }

    /// Nothing is wrong with what is shown.
    pub(super) async fn judge(&self, page: &Page, state: &str) {
        page.be_still().await;
        let has: bool = page.run("return globalThis.axe !== undefined", &[]).await;
        if !has {
            page.run::<Value>(&self.script, &[]).await;
        }
        let told = page.driver.execute_async(JUDGE, vec![]).await.unwrap();
        let found: Vec<String> = told.convert().unwrap();
        assert_eq!(found, Vec::<String>::new(), "{state}");
    }
}

async fn still_page(chromium: &Chromium, salon: &SalonProcess) -> Page {
    let page = Page::blank(chromium, &salon.url()).await;
    let calm = json!({ "features": [{ "name": "prefers-reduced-motion", "value": "reduce" }] });
    page.devtools("Emulation.setEmulatedMedia", calm).await;
    page.load().await;
    page
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn axe_finds_nothing_in_any_state_or_theme() {
    let judge = Judge::new();
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let page = still_page(&chromium, &salon).await;
    page.find("#guest-name").await;
    judge.judge(&page, "coming in").await;
    for mode in ["sign_in", "sign_up"] {
        page.click(&format!("[data-mode={mode}]")).await;
        judge.judge(&page, mode).await;
    }
    page.quit().await;

    let ada = ApiClient::account(&salon, "Ada").await;
    let page = page_of(&chromium, &salon, &ada).await;
    page.find(".empty-room").await;
    judge.judge(&page, "an empty room").await;
    must(
        &ada,
        "POST",
        "/api/rooms",
        json!({"slug": "den", "name": "Den", "visibility": "private"}),
    )
    .await;
    must(
        &ada,
        "POST",
        "/api/rooms/den/messages",
        json!({ "body": RICH }),
    )
    .await;
    must(
        &ada,
        "POST",
        "/api/rooms/den/messages",
        json!({ "body": "@Ada yes", "reply_to": 1 }),
    )
    .await;
    must(
        &ada,
        "PUT",
        "/api/rooms/den/messages/1/reactions/%F0%9F%91%8D",
        json!({}),
    )
    .await;
    must(&ada, "PUT", "/api/rooms/den/messages/1/pin", json!({})).await;
    must(
        &ada,
        "POST",
        "/api/rooms/den/messages",
        json!({ "body": "a line\n".repeat(50) }),
    )
    .await;
    page.load().await;
    go_to(&page, "den").await;
    judge.judge(&page, "a room").await;
    messages(&judge, &page).await;
    dialogs(&judge, &page).await;
    page.quit().await;
}

/// What a message and the composer can look like.
async fn messages(judge: &Judge, page: &Page) {
    page.run::<()>("document.querySelector('.scroller').focus()", &[])
        .await;
    press(page, Key::Home).await;
    judge.judge(page, "a message with the focus").await;
    press(page, "a").await;
    page.find(".reaction-choice").await;
    judge.judge(page, "the choice of reactions").await;
    page.click("[data-action=more-emoji]").await;
    page.find(".emoji-grid button").await;
    judge.judge(page, "the choice among all emoji").await;
    press(page, Key::Escape).await;
    for (sign, letters) in [("@", ""), (":", "ro"), ("/", "")] {
        page.type_into("#composer-input", format!("{sign}{letters}"))
            .await;
        page.find("#suggestions").await;
        judge.judge(page, &format!("what {sign} offers")).await;
        page.type_into("#composer-input", Key::Escape + "").await;
        page.find("#composer-input").await.clear().await.unwrap();
    }
    for expanded in [false, true] {
        page.find(&format!(".unfold[aria-expanded={expanded}]"))
            .await;
        judge.judge(page, "a long message").await;
        page.click(".unfold").await;
    }
    page.send("@assistant hello").await;
    page.see_reply("a reply grows", |reply| reply.state == "streaming")
        .await;
    judge.judge(page, "a reply that grows").await;
    page.see_reply("a reply is complete", |reply| reply.state == "complete")
        .await;
    judge.judge(page, "a reply").await;
}

/// Every dialog and menu.
async fn dialogs(judge: &Judge, page: &Page) {
    page.click(".room-menu-button").await;
    judge.judge(page, "the menu of the room").await;
    for (item, there) in [
        ("invite", "#invite-create"),
        ("assistants", ".assistant-row"),
        ("export", ".export-way"),
        ("integrations", "#hook-create"),
        ("usage", ".uses [data-attempt]"),
        ("settings", "#room-archived"),
    ] {
        let script = "document.querySelector(`[data-menu=${arguments[0]}]`).click()";
        page.run::<()>(script, &[json!(item)]).await;
        page.wait(
            there,
            SOON,
            "return document.querySelector(arguments[0]) !== null",
            &[json!(there)],
        )
        .await;
        page.run::<()>(
            "document.querySelectorAll('dialog details').forEach((one) => { one.open = true; })",
            &[],
        )
        .await;
        judge.judge(page, item).await;
        close_dialogs(page).await;
    }
    for (label, there) in [
        ("Members", ".members .member-name"),
        ("Pinned messages", ".pinned-message"),
        ("Search messages", "#search-words"),
        ("Public rooms", "#browse-query"),
        ("Direct message", "#direct-names"),
        ("New room", "#room-slug"),
        ("Your account", "#setting-theme"),
    ] {
        page.click(&format!("[aria-label='{label}']")).await;
        page.find(there).await;
        judge.judge(page, label).await;
        close_dialogs(page).await;
    }
    for (keys, there) in [("k", "#switch-query"), ("/", ".keys-help")] {
        press(page, Key::Control + keys).await;
        page.find(there).await;
        judge.judge(page, there).await;
        close_dialogs(page).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn axe_finds_nothing_on_a_phone_in_a_language_from_right_to_left() {
    let judge = Judge::new();
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let page = Page::blank(&chromium, &salon.url()).await;
    page.be_a_phone().await;
    page.load().await;
    page.run::<()>("localStorage.setItem('salon.look.language', 'ar')", &[])
        .await;
    page.load().await;
    page.find("#guest-name").await;
    judge.judge(&page, "coming in").await;
    page.come_in("Ada").await;
    page.type_into("#composer-input", "@assistant hello").await;
    page.click("#composer-send").await;
    page.see_reply("a reply", |reply| reply.state == "complete")
        .await;
    judge.judge(&page, "a room").await;
    page.click(".room-menu-button").await;
    judge.judge(&page, "its menu").await;
    page.run::<()>("document.querySelector('#room-menu').hidePopover()", &[])
        .await;
    page.click(".back").await;
    judge.judge(&page, "the list").await;
    page.quit().await;
}

/// Without this the tests above could not fail.
#[tokio::test]
async fn axe_sees_what_it_is_for() {
    let judge = Judge::new();
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.find("#guest-name").await;
    let plant = "const button = document.createElement('button');
        button.textContent = '';
        document.querySelector('salon-sign-in').append(button);";
    page.run::<()>(plant, &[]).await;
    page.run::<Value>(&judge.script, &[]).await;
    let script = "return axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations.some(({ id }) => id === 'button-name'))";
    page.wait("the empty button is found", LATER, script, &[])
        .await;
    page.quit().await;
}
