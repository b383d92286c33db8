//! People of one name: they are told apart, a guest is written to by who it is and not by what it is called, and the page offers
//! whom one knows.

use serde_json::{Value, json};

use super::around::{GENEROUS, count, must, page_of};
use super::chromium::Chromium;
use super::page::{Page, SOON};
use crate::support::event_stream::ApiClient;
use crate::support::salon::SalonProcess;

/// The direct room that somebody finds, with so many people, and what was said last there.
async fn direct(who: &ApiClient, people: u64) -> Option<(String, String)> {
    let (_, list) = who.get("/api/rooms").await;
    let rooms = list["rooms"].as_array().unwrap();
    let room = rooms.iter().find(|room| room["people"] == people)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Some((text(&room["slug"]), text(&room["last"]["text"])))
}

async fn until_written(page: &Page, who: &ApiClient, people: u64, words: &str) -> String {
    let what = format!("{words:?} has come");
    page.until(&what, SOON, async || {
        let (slug, said) = direct(who, people).await?;
        (said == words).then_some(slug)
    })
    .await
}

#[tokio::test]
async fn somebody_of_ones_own_name_is_somebody_else_and_can_be_written_to() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Bob").await;
    let other = ApiClient::guest(&salon, "Bob").await;
    let hello = json!({"body": "hello from another"});
    must(&other, "POST", "/api/rooms/lobby/messages", hello).await;
    page.see("hello from another", "complete").await;
    let preview = ".room-link[data-slug=lobby] .room-preview";
    page.until_text(preview, "Bob: hello from another").await;
    // As the list has it, which the server tells, after a reload too.
    page.load().await;
    page.see_lobby().await;
    page.until_text(preview, "Bob: hello from another").await;

    page.until_text(".message.other .head", "guest").await;
    page.click(".message.other .picture-button").await;
    page.until_text("dialog .person-line", "guest").await;
    page.click("#person-write").await;
    page.until_text(".room-place", "Direct").await;
    page.send("is it you?").await;
    page.see("is it you?", "complete").await;
    until_written(&page, &other, 2, "is it you?").await;
    page.quit().await;
}

#[tokio::test]
async fn who_shares_a_room_is_offered_and_meant_by_id() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let ada = ApiClient::account(&salon, "Ada").await;
    ApiClient::account(&salon, "Grace").await;
    let [one, two] = [
        ApiClient::guest(&salon, "Cy").await,
        ApiClient::guest(&salon, "Cy").await,
    ];
    let page = page_of(&chromium, &salon, &ada).await;
    page.click("[aria-label='Direct message']").await;
    count(&page, ".offered-person", 3).await;
    count(&page, ".offered-person .guest-mark", 2).await;
    page.type_into("#direct-names", "cy").await;
    count(&page, ".offered-person", 2).await;
    // Whom of two one means, a name does not say.
    page.click("#direct-begin").await;
    page.until_text("dialog .problem", "Several guests are called “cy”")
        .await;
    let (_, me) = two.get("/api/me").await;
    let id = me["user"]["id"].as_str().unwrap();
    page.click(&format!(".offered-person[data-user='{id}']"))
        .await;
    page.until_text(".picked-person", "Cy").await;
    page.click("#direct-begin").await;
    page.until_text(".room-title", "Cy").await;
    page.send("you of the two").await;
    page.see("you of the two", "complete").await;
    until_written(&page, &two, 2, "you of the two").await;
    assert_eq!(direct(&one, 2).await, None);

    // A guest is added to a room of one's own the same way, and written to from the list of its members.
    must(&ada, "POST", "/api/rooms", json!({"slug": "den"})).await;
    page.load().await;
    page.click(".room-link[data-slug=den]").await;
    page.click("[aria-label='Members']").await;
    page.type_into("#member-name", "c").await;
    let (_, me) = one.get("/api/me").await;
    let id = me["user"]["id"].as_str().unwrap();
    page.click(&format!(".offered-person[data-user='{id}']"))
        .await;
    page.click(".add-member .primary").await;
    let row = format!(".members [data-user='{id}']");
    page.until_text(&row, "guest").await;
    page.click("[aria-label='Write to Cy']").await;
    page.until_text(".room-place", "Direct").await;
    page.send("you of the den").await;
    page.see("you of the den", "complete").await;
    until_written(&page, &one, 2, "you of the den").await;
    page.quit().await;
}
