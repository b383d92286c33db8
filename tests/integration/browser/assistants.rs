//! The panel of a room's assistants: another one is added, set up, called by its name, and switched off.

use super::chromium::Chromium;
use super::look::photograph;
use super::page::{Page, SOON};
use crate::support::salon::SalonProcess;

/// Makes a room of the reader's own.
const MAKE_ROOM: &str = "return fetch('/api/rooms', {method: 'POST', headers: {'content-type': 'application/json'},
    body: JSON.stringify({slug: 'club', name: 'Club', visibility: 'public'})}).then((answer) => answer.status)";

async fn open_panel(page: &Page) {
    page.click(".room-buttons [aria-label='Room settings']")
        .await;
    page.click("#room-assistants").await;
    page.find(".assistant-row[data-assistant=assistant]").await;
}

#[tokio::test]
async fn an_owner_adds_an_assistant_that_answers_by_its_name() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    let made: u16 = page.run(MAKE_ROOM, &[]).await;
    assert_eq!(made, 201);
    page.load().await;
    page.click(".room-link[data-slug='club']").await;
    let open = "return document.querySelector('.room-title')?.textContent === 'Club'";
    page.wait("the room is open", SOON, open, &[]).await;

    open_panel(&page).await;
    page.type_into("#assistant-name", "poet").await;
    page.click("#assistant-add").await;
    page.click(".assistant-row[data-assistant=poet] summary")
        .await;
    page.type_into(
        ".assistant-row[data-assistant=poet] textarea",
        "Answer in rhymes.",
    )
    .await;
    // What may be chosen is a list, and each number says what it may be and what it is without one.
    let offered = "const row = document.querySelector('.assistant-row[data-assistant=poet]');
        return [...row.querySelectorAll('[name=provider] option, [name=model] option')].map(({ textContent }) => textContent)
            .concat([...row.querySelectorAll('input[type=number]')].map((field) => document.getElementById(field.getAttribute('aria-describedby')).textContent))";
    let offered: Vec<String> = page.run(offered, &[]).await;
    let wanted = [
        "The server’s choice (default)",
        "default",
        "The server’s choice (salon-demo)",
        "salon-demo",
        "How much chance is in it: 0 to 2. Low is steady, high is inventive. Empty: as the model has it.",
        "1 to 8,192; a token is about four letters. Empty: as much as the model may write (8,192).",
        "1 to 1,000,000. Empty: as much as the model takes (200,000).",
    ];
    assert_eq!(offered, wanted);
    photograph(&page, "desktop", "assistants", ".assistant-row").await;
    page.click(".assistant-row[data-assistant=poet] .primary")
        .await;
    page.until_text(".assistant-row[data-assistant=poet] .problem", "Saved.")
        .await;
    page.load().await;
    page.wait("the room is open", SOON, open, &[]).await;

    page.send("@poet and @assistant, well?").await;
    let both =
        "return [...document.querySelectorAll('.message.assistant[data-state=complete] .author')]
        .map((author) => author.textContent).join() === 'poet,assistant'";
    page.wait("both answered, in order", SOON, both, &[]).await;

    open_panel(&page).await;
    page.click(".assistant-row[data-assistant=poet] summary")
        .await;
    let told = page
        .find(".assistant-row[data-assistant=poet] textarea")
        .await;
    assert_eq!(
        told.prop("value").await.unwrap().as_deref(),
        Some("Answer in rhymes.")
    );
    page.click(".assistant-row[data-assistant=poet] [name=enabled]")
        .await;
    page.click(".assistant-row[data-assistant=poet] .primary")
        .await;
    page.until_text(".assistant-row[data-assistant=poet] .problem", "Saved.")
        .await;
    page.be_a_phone().await;
    photograph(&page, "phone", "assistants", ".assistant-row").await;
    page.quit().await;
}
