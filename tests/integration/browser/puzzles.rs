//! What puzzled somebody who came for the first time: a link that lets nobody in, leaving a room that one owns, an assistant that
//! need not be called, code that is pasted, going on, and a question put better.

use serde_json::json;
use thirtyfour::prelude::*;

use super::around::{GENEROUS, count, go_to, must, page_of};
use super::chromium::Chromium;
use super::model::start;
use super::page::{LATER, Page, SOON};
use crate::support::event_stream::ApiClient;
use crate::support::fake_provider::{Answer, FakeProvider, Gate};
use crate::support::salon::SalonProcess;

/// What is written in the composer.
const WRITTEN: &str = "return document.querySelector('#composer-input').value";

#[tokio::test]
async fn the_link_of_a_private_room_is_an_invite_and_its_only_owner_is_told_how_to_leave() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let ada = ApiClient::account(&salon, "Ada").await;
    let den = json!({"slug": "den", "name": "Den", "visibility": "private"});
    must(&ada, "POST", "/api/rooms", den).await;
    let page = page_of(&chromium, &salon, &ada).await;
    go_to(&page, "den").await;
    page.click("#empty-invite").await;
    page.find("#invite-role").await;
    page.click("dialog [aria-label='Close']").await;
    page.click(".room-menu-button").await;
    count(&page, "[data-menu=link]", 0).await;
    page.until_text("[data-menu=invite]", "Invite people by a link")
        .await;
    page.click("[data-menu=invite]").await;
    page.find("#invite-role").await;
    page.click("dialog [aria-label='Close']").await;

    for (way, there) in [
        ("#leave-give", "#member-name"),
        ("#leave-delete", "#room-delete-slug"),
    ] {
        page.click(".room-menu-button").await;
        page.click("[data-menu=leave]").await;
        page.until_text("dialog", "You are the only owner").await;
        page.click(way).await;
        page.find(there).await;
        count(&page, "dialog", 1).await;
        page.click("dialog [aria-label='Close']").await;
    }

    // The assistant alone: it needs no call, and one does not leave it.
    page.click("[aria-label='Direct message']").await;
    page.click("#direct-assistant").await;
    page.until_text(".empty-room", "It answers everything you write here")
        .await;
    let invites = "return document.querySelector('#composer-input').placeholder === 'Ask anything'";
    page.wait("the box asks for no call", SOON, invites, &[])
        .await;
    page.click(".room-menu-button").await;
    page.find("[data-menu=export]").await;
    count(&page, "[data-menu=leave]", 0).await;
    page.click(".room-menu-button").await;
    page.click(".sample").await;
    let written: String = page.run(WRITTEN, &[]).await;
    assert_eq!(written, "What can you do here?");
    page.type_into("#composer-input", Key::Enter).await;
    page.see_reply("it answers", |reply| reply.state == "complete")
        .await;
    page.quit().await;
}

#[tokio::test]
async fn pasted_code_keeps_its_indentation_by_a_fence_that_can_be_taken_away() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    let paste = "const data = new DataTransfer();
        data.setData('text/plain', arguments[0]);
        const input = document.querySelector('#composer-input');
        const event = new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true });
        input.dispatchEvent(event);
        return event.defaultPrevented";
    let code = "def greet(name):\n    # comment\n    return f'hello {name}'\n";
    assert!(
        !page
            .run::<bool>(paste, &[json!("Two lines\nof words")])
            .await
    );
    page.type_into("#composer-input", "Look:").await;
    assert!(page.run::<bool>(paste, &[json!(code)]).await);
    let fenced = format!("Look:\n```\n{code}```\n");
    assert_eq!(page.run::<String>(WRITTEN, &[]).await, fenced);
    // It is undone as what one typed, or taken for a text.
    page.run::<()>("document.execCommand('undo')", &[]).await;
    assert_eq!(page.run::<String>(WRITTEN, &[]).await, "Look:");
    page.run::<bool>(paste, &[json!(code)]).await;
    page.click("[data-action=paste-text]").await;
    assert_eq!(
        page.run::<String>(WRITTEN, &[]).await,
        format!("Look:{code}")
    );
    count(&page, "[data-action=paste-text]", 0).await;
    page.run::<()>("document.execCommand('undo')", &[]).await;
    page.type_into("#composer-input", Key::Enter).await;
    page.find(".message.own pre").await;
    let shown = "return document.querySelector('.message.own pre').textContent";
    let shown: String = page.run(shown, &[]).await;
    assert_eq!(shown.trim_end(), code.trim_end());
    page.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn to_go_on_is_a_line_for_who_asked_and_a_better_question_is_asked_again() {
    let chromium = Chromium::start().await;
    let gate = Gate::new();
    let provider = FakeProvider::start([Answer::stream()
        .piece("## Half of **an answer**\n\nand then")
        .gate(&gate)
        .piece("never sent")
        .finish("end")]);
    provider.otherwise(Answer::text(&["the rest of it."]));
    let salon = start(&provider, &[]).await;
    let [ada, bob] = [
        Page::open(&chromium, &salon.url()).await,
        Page::open(&chromium, &salon.url()).await,
    ];
    ada.come_in("Ada").await;
    bob.come_in("Bob").await;
    ada.send("@assistant at length").await;
    ada.see_reply("it grows", |reply| reply.text.contains("and then"))
        .await;
    ada.click("#composer-send[data-mode=stop]").await;
    for page in [&ada, &bob] {
        page.see_reply("it is stopped", |reply| reply.state == "stopped")
            .await;
    }
    ada.find("[data-action=continue]").await;
    assert!(!bob.sees("[data-action=continue]").await);
    ada.click("[data-action=continue]").await;
    for page in [&ada, &bob] {
        page.see_reply("it goes on", |reply| reply.text == "the rest of it.")
            .await;
        page.until_text(".message.goes-on .going-on", "Asked to go on")
            .await;
        count(page, ".going-on-quote[open]", 0).await;
        page.click(".going-on-quote summary").await;
        page.until_text(".going-on-quote p", "Half of an answer and then")
            .await;
    }
    bob.quit().await;

    // A question put better: Enter has it answered again, which one need not.
    ada.send("@assistant and briefly?").await;
    ada.see_reply("it is answered", |reply| {
        reply.state == "complete" && reply.seq == Some(6)
    })
    .await;
    ada.type_into("#composer-input", Key::Up).await;
    ada.find(".about [data-action='ask again']").await;
    ada.type_into("#composer-input", " Please.").await;
    ada.type_into("#composer-input", Key::Enter).await;
    ada.wait(
        "it is written again",
        LATER,
        "return document.querySelector(\".message[data-seq='6'] .place\")?.textContent === '2 / 2'",
        &[],
    )
    .await;
    ada.see_reply("it is whole", |reply| reply.state == "complete")
        .await;
    ada.type_into("#composer-input", Key::Up).await;
    ada.type_into("#composer-input", " Thanks.").await;
    ada.click(".about [data-action=save-only]").await;
    ada.see("@assistant and briefly? Please. Thanks.", "complete")
        .await;
    ada.wait(
        "it is as it was",
        SOON,
        "return document.querySelector(\".message[data-seq='6'] .place\")?.textContent === '2 / 2'",
        &[],
    )
    .await;
    ada.quit().await;
}

#[tokio::test]
async fn a_phone_says_beside_its_rooms_too_that_the_connection_is_lost() {
    let chromium = Chromium::start().await;
    let mut salon = SalonProcess::start(&[]).await;
    let page = Page::blank(&chromium, &salon.url()).await;
    page.be_a_phone().await;
    page.load().await;
    page.come_in("Ada").await;
    page.click(".back").await;
    page.find(".room-link[data-slug=lobby]").await;
    salon.kill();
    page.until("the banner is seen beside the rooms", LATER, async || {
        page.sees("salon-room-list .banner").await.then_some(())
    })
    .await;
    page.click(".room-link[data-slug=lobby]").await;
    page.find("main .banner").await;
    page.quit().await;
}
