//! The line in the message column above which the assistant no longer sees.

use serde_json::json;

use super::chromium::Chromium;
use super::look::photograph;
use super::page::{Page, SOON};
use crate::support::salon::SalonProcess;

/// Makes a room whose assistant is told of little history, and says some things there.
pub(super) const FILL: &str = "const ask = (method, path, body) => fetch(`/api/rooms${path}`, { method,
        headers: { 'content-type': 'application/json' }, body: body && JSON.stringify(body) }).then((answer) => answer.json());
    return (async () => {
        await ask('POST', '', { slug: 'club', name: 'Club', visibility: 'public' });
        const { assistants } = await ask('GET', '/club/assistants');
        await ask('PATCH', `/club/assistants/${assistants[0].id}`, { history_tokens: 60 });
        for (let number = 1; number <= 6; number += 1) {
            await ask('POST', '/club/messages', { body: `number ${number}: the sea is wide and there is much of it` });
        }
        return assistants[0].name;
    })();";

/// The line, and the messages around it.
const LINE: &str = "const line = document.querySelector('.context-line');
    if (line === null) return null;
    return { says: line.textContent, count: document.querySelectorAll('.context-line').length,
        above: Number(line.previousElementSibling.dataset.seq), below: Number(line.nextElementSibling.dataset.seq) };";

#[tokio::test]
async fn a_line_says_above_which_message_the_assistant_no_longer_sees() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    let name: String = page.run(FILL, &[]).await;
    assert_eq!(name, "assistant");
    page.load().await;
    page.click(".room-link[data-slug='club']").await;
    let open = "return document.querySelector('.room-title')?.textContent === 'Club'";
    page.wait("the room is open", SOON, open, &[]).await;
    assert!(!page.sees(".context-line").await);

    page.send("@assistant what do you see?").await;
    let line = page.wait("the line", SOON, LINE, &[]).await;
    assert_eq!(line["says"], "assistant no longer sees messages above");
    assert_eq!(line["count"], 1);
    let (above, below) = (line["above"].as_i64(), line["below"].as_i64());
    assert!(
        above >= Some(1) && below == above.map(|seq| seq + 1) && below < Some(7),
        "{line}"
    );
    photograph(&page, "desktop", "context", ".context-line").await;

    // It moves with the conversation, and is there for whoever comes back.
    page.send("@assistant and now?").await;
    let moved = format!(
        "const line = (() => {{ {LINE} }})(); return line !== null && line.below > arguments[0] && line"
    );
    let line = page
        .wait("the line moves", SOON, &moved, &[json!(below)])
        .await;
    page.load().await;
    page.wait("the room is open", SOON, open, &[]).await;
    let again = page.wait("the line", SOON, LINE, &[]).await;
    assert_eq!(again, line);
    page.be_a_phone().await;
    photograph(&page, "phone", "context", ".context-line").await;
    page.quit().await;
}
