//! What is shown where there is nothing: no rooms, an empty room, a search without hits; each says what one can do.

use serde_json::json;

use super::around::{GENEROUS, count, go_to, must, page_of, sea, sign_in};
use super::chromium::Chromium;
use super::page::Page;
use crate::support::event_stream::ApiClient;
use crate::support::salon::SalonProcess;

#[tokio::test]
async fn an_empty_room_says_what_it_is_who_is_there_and_how_to_ask() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let (ada, _bob) = sea(&salon).await;
    must(
        &ada,
        "POST",
        "/api/rooms/sea/assistants",
        json!({"name": "poet"}),
    )
    .await;
    let page = page_of(&chromium, &salon, &ada).await;
    go_to(&page, "sea").await;
    for text in [
        "Welcome to Sea",
        "Ships and the wind",
        "Anybody here may join",
        "Here with you: Bob.",
        "@assistant anywhere in a message",
        "the built-in demo model answers",
    ] {
        page.until_text(".empty-room", text).await;
    }
    count(&page, ".sample", 3).await;
    page.click(".sample").await;
    let written = page.find("#composer-input").await.prop("value").await;
    assert_eq!(
        written.unwrap().as_deref(),
        Some("@assistant What can you do here?")
    );

    // A room in which none answers says so and suggests nothing.
    let known = must(&ada, "GET", "/api/rooms/sea/assistants", json!({})).await;
    for assistant in known["assistants"].as_array().unwrap() {
        let path = format!(
            "/api/rooms/sea/assistants/{}",
            assistant["id"].as_str().unwrap()
        );
        must(&ada, "PATCH", &path, json!({"enabled": false})).await;
    }
    page.load().await;
    go_to(&page, "sea").await;
    page.until_text(".empty-room", "No assistant answers here.")
        .await;
    count(&page, ".sample", 0).await;
    page.quit().await;
}

#[tokio::test]
async fn who_has_no_room_finds_makes_or_follows_one() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let ada = ApiClient::account(&salon, "Ada").await;
    must(
        &ada,
        "POST",
        "/api/rooms",
        json!({"slug": "den", "name": "Den", "visibility": "private"}),
    )
    .await;
    let invite = json!({"role": "member", "expires_in_s": 3600, "max_uses": 1});
    let invite = must(&ada, "POST", "/api/rooms/den/invites", invite).await;
    let page = Page::open(&chromium, &salon.url()).await;
    let eve = ApiClient::account(&salon, "Eve").await;
    sign_in(&page, &eve).await;
    page.see_lobby().await;
    page.click(".room-menu-button").await;
    page.click("[data-menu=leave]").await;
    page.click("#ask-yes").await;
    page.until_text(".nothing", "Choose a room").await;
    page.until_text(".rooms", "None yet.").await;
    page.click("#nothing-new").await;
    page.find("#room-slug").await;
    page.run::<()>("document.querySelector('dialog').close()", &[])
        .await;
    page.click("#nothing-browse").await;
    page.find("#browse-query").await;
    page.click("#browse-link").await;
    page.type_into("#link-address", "https://example.org/")
        .await;
    page.click("#link-go").await;
    page.until_text(
        "dialog",
        "This is neither the link of an invite nor of a room.",
    )
    .await;
    let link = format!("{}{}", salon.url(), invite["link"].as_str().unwrap());
    page.find("#link-address").await.clear().await.unwrap();
    page.type_into("#link-address", link.as_str()).await;
    page.click("#link-go").await;
    page.click("#invite-join:enabled").await;
    page.until_text(".room-title", "Den").await;
    page.quit().await;
}

#[tokio::test]
async fn an_empty_room_does_not_say_that_one_is_alone_when_somebody_comes() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let ada = Page::open(&chromium, &salon.url()).await;
    ada.come_in("Ada").await;
    ada.until_text(".empty-people", "Nobody else is here yet.")
        .await;
    let bob = Page::open(&chromium, &salon.url()).await;
    bob.come_in("Bob").await;
    ada.until_text(".empty-people", "Here with you: Bob.").await;
    ada.quit().await;
    bob.quit().await;
}

#[tokio::test]
async fn a_search_without_hits_says_what_else_to_look_for() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let ada = ApiClient::account(&salon, "Ada").await;
    must(
        &ada,
        "POST",
        "/api/rooms",
        json!({"slug": "sea", "name": "Sea"}),
    )
    .await;
    must(
        &ada,
        "POST",
        "/api/rooms/sea/messages",
        json!({"body": "the kettle is on"}),
    )
    .await;
    let page = page_of(&chromium, &salon, &ada).await;
    page.click("[aria-label='Search messages']").await;
    page.type_into("#search-words", "\"kettle on\" extra").await;
    page.click(".search-narrow summary").await;
    page.type_into("#search-author", "Bob").await;
    page.click("#search-go").await;
    for idea in ["everywhere", "anybody", "no_quotes", "fewer"] {
        page.find(&format!("[data-idea={idea}]")).await;
    }
    // One idea after the other until it is found.
    for idea in ["everywhere", "anybody", "no_quotes"] {
        let button = format!("[data-idea={idea}]");
        page.click(&button).await;
        count(&page, &button, 0).await;
    }
    page.click("[data-idea=fewer]").await;
    page.until_text(".found", "the kettle is on").await;
    assert!(!page.sees(".search-ideas").await);
    // A day before there was anything finds nothing, and its idea is another time.
    let day = "document.querySelector('#search-before').value = '2020-01-01'; document.querySelector('#search-go').click()";
    page.run::<()>(day, &[]).await;
    page.click("[data-idea=any_time]").await;
    page.until_text(".found", "the kettle is on").await;
    page.quit().await;
}
