//! Another text of an answer on the page: written another way, "1 / 2" with arrows, and asked again by an edit.

use thirtyfour::prelude::*;

use super::chromium::Chromium;
use super::look::photograph;
use super::page::{Page, SOON};
use crate::support::salon::SalonProcess;

/// Waits until the answer tells this place among its variants.
async fn until_place(page: &Page, place: &str) {
    page.until_text(".message.assistant .variants .place", place)
        .await;
}

/// Waits until the answer is whole, with these words in it.
async fn whole(page: &Page, words: &str) {
    page.see_reply("the answer is whole", |reply| {
        reply.state == "complete" && reply.text.contains(words)
    })
    .await;
}

#[tokio::test]
async fn an_answer_is_written_another_way_and_the_first_is_shown_again() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.send("@assistant tell me of apples").await;
    whole(&page, "apples").await;
    assert!(!page.sees(".message.assistant .variants").await);

    page.click(".message.assistant [data-tool=regenerate]")
        .await;
    until_place(&page, "2 / 2").await;
    whole(&page, "apples").await;

    // ↑ edits the last message of one's own; what answers it can be asked for again.
    page.type_into("#composer-input", Key::Up).await;
    page.find(".about [data-action='ask again']").await;
    let clear = "const input = document.querySelector('#composer-input'); input.value = '';
        input.dispatchEvent(new Event('input'));";
    page.run::<()>(clear, &[]).await;
    page.type_into("#composer-input", "@assistant tell me of pears")
        .await;
    page.click(".about [data-action='ask again']").await;
    until_place(&page, "3 / 3").await;
    whole(&page, "pears").await;
    photograph(&page, "desktop", "variants", ".variants").await;

    page.click(".message.assistant .variants [data-variant='2']")
        .await;
    until_place(&page, "2 / 3").await;
    whole(&page, "apples").await;
    // It is so for everybody, and stays.
    page.load().await;
    until_place(&page, "2 / 3").await;
    whole(&page, "apples").await;
    let last = "return document.querySelector(\".variants [data-variant='3']\").disabled === false";
    page.wait("there is a next one", SOON, last, &[]).await;
    page.be_a_phone().await;
    photograph(&page, "phone", "variants", ".variants").await;
    page.quit().await;
}
