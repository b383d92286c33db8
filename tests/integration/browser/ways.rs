//! Ways on: to the start of a message, from a room that is closed to one; and keeping somebody out who is not there.

use serde_json::{Value, json};
use thirtyfour::Key;

use super::around::{GENEROUS, count, go_to, must, page_of, press, sea};
use super::chromium::Chromium;
use super::http_api::HttpApi;
use super::model::{be_drawn, start};
use super::page::{Page, SOON};
use crate::support::event_stream::ApiClient;
use crate::support::fake_provider::{Answer, FakeProvider};
use crate::support::salon::SalonProcess;

/// The first message that begins in sight, and how far below the top of the view.
const FIRST: &str = "const top = document.querySelector('.scroller').getBoundingClientRect().top;
    const first = [...document.querySelectorAll('.message')].find((message) => message.getBoundingClientRect().top > top - 1);
    return [Number(first.dataset.seq), first.getBoundingClientRect().top - top]";

async fn until_first(page: &Page, seq: u64) {
    let what = format!("message {seq} begins at the top");
    page.until(&what, SOON, async || {
        let (first, below): (u64, f64) = page.run(FIRST, &[]).await;
        (first == seq && (0.0..40.0).contains(&below)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_button_and_a_key_lead_to_the_start_of_the_message_above() {
    let chromium = Chromium::start().await;
    let paragraph = "A paragraph of a few words that is long enough for a line or two of the column, and then some.\n\n".repeat(40);
    let provider = FakeProvider::start([Answer::text(&["Begin. ", &paragraph, "End."])]);
    let salon = start(&provider, &[]).await;
    let bob = HttpApi::guest(&salon.url(), "Bob").await;
    for number in 1..=4 {
        bob.send(&format!(
            "number {number} {}",
            "with some words ".repeat(60)
        ))
        .await;
    }
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.find(".message[data-seq='4']").await;
    assert!(!page.sees("#jump-previous").await, "nothing long is read");
    page.send("@assistant at length").await;
    page.see_reply("it is whole", |reply| {
        reply.state == "complete" && reply.text.ends_with("End.")
    })
    .await;
    // One is at the end of what is longer than the view: its start is offered, by a button and a key.
    page.click("#jump-previous").await;
    until_first(&page, 6).await;
    let focused = "return document.activeElement.dataset.seq ?? ''";
    assert_eq!(page.run::<String>(focused, &[]).await, "6");
    assert!(page.sees("#jump-latest").await && page.sees("#jump-previous").await);
    page.run::<()>("document.querySelector('#composer-input').focus()", &[])
        .await;
    for seq in (1..=5).rev() {
        press(&page, Key::Alt + Key::PageUp).await;
        until_first(&page, seq).await;
    }
    let writes = "return document.activeElement.id";
    assert_eq!(page.run::<String>(writes, &[]).await, "composer-input");
    // Above the first there is nothing.
    be_drawn(&page).await;
    assert!(!page.sees("#jump-previous").await);
    page.click("#jump-latest").await;
    page.find("#jump-previous").await;
    press(&page, Key::Control + "/").await;
    page.until_text(".keys-help", "To the start of the message above")
        .await;
    page.quit().await;
}

#[tokio::test]
async fn who_is_removed_is_offered_the_rooms_that_are_left() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let (ada, bob) = sea(&salon).await;
    let me = must(&bob, "GET", "/api/me", json!({})).await;
    let id = me["user"]["id"].as_str().unwrap();
    let page = page_of(&chromium, &salon, &bob).await;
    go_to(&page, "sea").await;
    must(
        &ada,
        "DELETE",
        &format!("/api/rooms/sea/members/{id}"),
        json!({}),
    )
    .await;
    page.until_text(".nothing", "You are no longer a member")
        .await;
    page.until_text(".nothing-rooms", "Your other rooms").await;
    let left = "return [...document.querySelectorAll('.nothing-rooms a')].map(({ dataset }) => dataset.slug)";
    assert_eq!(page.run::<Vec<String>>(left, &[]).await, ["lobby"]);
    page.find("#nothing-browse").await;
    page.find("#nothing-new").await;
    page.click(".nothing-rooms a[data-slug=lobby]").await;
    page.see_lobby().await;
    page.until_text(".room-title", "Lobby").await;
    page.quit().await;
}

async fn banned(who: &ApiClient) -> Vec<Value> {
    let told = must(who, "GET", "/api/rooms/sea/bans", json!({})).await;
    told["bans"].as_array().unwrap().clone()
}

#[tokio::test]
async fn who_is_not_there_is_banned_by_name_and_let_in_again() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let (ada, _bob) = sea(&salon).await;
    ApiClient::account(&salon, "Mallory").await;
    // A guest has no name of its own, but it spoke here and left.
    let guest = HttpApi::guest(&salon.url(), "Passer").await;
    guest.post("rooms/sea/join", &json!({})).await;
    guest.send_to("sea", "I was here").await;
    let page = page_of(&chromium, &salon, &ada).await;
    go_to(&page, "sea").await;
    page.see("I was here", "complete").await;
    let members = must(&ada, "GET", "/api/rooms/sea/members", json!({})).await;
    let members = members["members"].as_array().unwrap().clone();
    let passer = members
        .iter()
        .find(|member| member["user"]["name"] == "Passer");
    let path = format!(
        "/api/rooms/sea/members/{}",
        passer.unwrap()["user"]["id"].as_str().unwrap()
    );
    must(&ada, "DELETE", &path, json!({})).await;

    page.click(".room-buttons [aria-label='Members']").await;
    page.click(".bans summary").await;
    page.type_into("#ban-name", "Nobody").await;
    page.click(".ban-somebody [type=submit]").await;
    page.until_text(".dialog > .problem", "There is no such user")
        .await;
    for (number, name) in ["mallory", "Passer"].into_iter().enumerate() {
        page.find("#ban-name").await.clear().await.unwrap();
        page.type_into("#ban-name", name).await;
        page.type_into("#ban-reason", "noise").await;
        page.click(".ban-somebody [type=submit]").await;
        page.until_text(".bans summary", &format!("Banned ({})", number + 1))
            .await;
    }
    page.until_text(".bans .members", "Mallory").await;
    let rows = banned(&ada).await;
    assert!(rows.iter().all(|row| row["reason"] == "noise"), "{rows:?}");
    count(&page, ".bans li", 2).await;
    page.click(".bans li .text-button").await;
    count(&page, ".bans li", 1).await;
    assert_eq!(banned(&ada).await.len(), 1);
    page.quit().await;
}
