//! Finding what was said: by the beginnings of words, with the whole words marked.

use serde_json::json;

use super::around::{GENEROUS, count, must, page_of};
use super::chromium::Chromium;
use crate::support::event_stream::ApiClient;
use crate::support::salon::SalonProcess;

#[tokio::test]
async fn a_word_is_found_by_its_beginning_and_marked_whole() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let ada = ApiClient::account(&salon, "Ada").await;
    let room = json!({"slug": "sea", "name": "Sea"});
    must(&ada, "POST", "/api/rooms", room).await;
    for body in [
        "the **release**-notes are out",
        "Released! And مكتبة كبيرة",
        "a prerelease, real rest",
    ] {
        let path = "/api/rooms/sea/messages";
        must(&ada, "POST", path, json!({"body": body})).await;
    }
    let page = page_of(&chromium, &salon, &ada).await;
    page.click("[aria-label='Search messages']").await;
    page.until_text("#search-hint", "Words or their beginnings")
        .await;
    // From the lobby, in all rooms.
    page.click("#search-here").await;
    let marked = "return [...document.querySelectorAll('.found mark')].map((mark) => mark.textContent).join('|') === arguments[0]";
    for (typed, marks) in [
        ("releas", "Released|release"),
        ("release-not", "release-notes"),
        ("مكت", "مكتبة"),
        ("\"release\"", "release"),
    ] {
        page.find("#search-words").await.clear().await.unwrap();
        page.type_into("#search-words", typed).await;
        page.click("#search-go").await;
        let what = format!("{typed} marks {marks}");
        page.wait(&what, super::page::SOON, marked, &[json!(marks)])
            .await;
    }
    page.find("#search-words").await.clear().await.unwrap();
    page.type_into("#search-words", "\"releas\"").await;
    page.click("#search-go").await;
    page.until_text("dialog", "Nothing was found.").await;
    // Without its quotes it is there.
    page.click("[data-idea=no_quotes]").await;
    count(&page, ".found mark", 2).await;
    page.click(".found a[data-seq='1']").await;
    page.until_text(".room-title", "Sea").await;
    page.quit().await;
}
