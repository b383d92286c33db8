//! The states that `screenshots` does not pass by, each at both widths, light and dark: what people write and do to it, answers that went
//! wrong, rooms that take nothing, what is found and what is not, and a page that lost its server. One page goes through them all; the
//! pictures are kept and compared as there.

use serde_json::json;

use super::around::{close_dialogs, count, go_to, must, sea, sign_in};
use super::chromium::Chromium;
use super::model::{self, be_drawn};
use super::page::{Page, SOON};
use super::screenshots::{Album, resize, theme, window};
use crate::support::event_stream::ApiClient;
use crate::support::fake_provider::{Answer, FakeProvider};
use crate::support::salon::SalonProcess;

/// The server seems to refuse what is sent from now on.
const REFUSE: &str = "const send = WebSocket.prototype.send;
    WebSocket.prototype.send = function (text) {
        const frame = JSON.parse(text);
        if (frame.type !== 'message.send') return send.call(this, text);
        const error = { type: 'error', ref: frame.ref, room: frame.room, client_id: frame.client_id, code: 'too_large', message: 'Not now.', retry_after_ms: null };
        setTimeout(() => this.onmessage({ data: JSON.stringify(error) }));
    };";

const LONG: &str = "A message that is to be answered, and that is long enough to be cut off in the quote above its answer, wherever that is shown";

/// Goes to the end of the column, where there is one, and waits until it is drawn there.
async fn to_the_end(page: &Page) {
    let end = "const scroller = document.querySelector('.scroller'); if (scroller) scroller.scrollTop = 1e9";
    page.run::<()>(end, &[]).await;
    be_drawn(page).await;
}

/// Draws a state on a phone and on a desk, light and dark. `here`: whether it is known who is in the room.
async fn everywhere(album: &mut Album, page: &Page, name: &str, here: bool) {
    for (kind, width, height) in [("phone", 390, 844), ("desk", 1280, 800)] {
        resize(page, width, height).await;
        to_the_end(page).await;
        for (look, ending) in [(None, ""), (Some("dark"), "-dark")] {
            theme(page, look).await;
            let name = format!("{kind}-{name}{ending}");
            if here {
                album.show(page, &name).await;
            } else {
                album.draw(page, &name).await;
            }
        }
        theme(page, None).await;
    }
}

/// What people write in the sea and do to it, and rooms in which Ada may not write.
async fn stage(provider: &FakeProvider) -> (SalonProcess, ApiClient, ApiClient) {
    let salon = model::start(provider, &[]).await;
    let (ada, bob) = sea(&salon).await;
    let messages = "/api/rooms/sea/messages";
    for (who, wanted) in [
        (
            &bob,
            json!({ "body": "Good morning! Who has an opinion on order?" }),
        ),
        (&bob, json!({ "body": "Asking for a friend." })),
        (&ada, json!({ "body": "I do, as ever" })),
        (&bob, json!({ "body": LONG })),
        (
            &ada,
            json!({ "body": "Then here is the answer", "reply_to": 4 }),
        ),
        (&bob, json!({ "body": "A tpyo" })),
        (&bob, json!({ "body": "Nothing to see here" })),
        (
            &bob,
            json!({ "body": "@Ada, see https://example.org/a/path/that/is/longer/than/a/phone/is/wide/by/far" }),
        ),
    ] {
        must(who, "POST", messages, wanted).await;
    }
    for (who, method, path, wanted) in [
        (
            &bob,
            "PATCH",
            "6",
            json!({ "body": "A typo, mended", "version": 1 }),
        ),
        (&bob, "DELETE", "7", json!({})),
        (&bob, "PUT", "4/reactions/%F0%9F%91%8D", json!({})),
        (&ada, "PUT", "4/reactions/%F0%9F%91%8D", json!({})),
        (&ada, "PUT", "4/pin", json!({})),
    ] {
        must(who, method, &format!("{messages}/{path}"), wanted).await;
    }
    for (who, slug, name) in [
        (&ada, "void", "Void"),
        (&ada, "old", "Old stories"),
        (&bob, "news", "Announcements"),
        (&bob, "soon", "Closing soon"),
    ] {
        let room = json!({ "slug": slug, "name": name, "visibility": "private" });
        must(who, "POST", "/api/rooms", room).await;
    }
    must(
        &ada,
        "POST",
        "/api/rooms/old/messages",
        json!({ "body": "Once upon a time" }),
    )
    .await;
    must(&ada, "PATCH", "/api/rooms/old", json!({ "archived": true })).await;
    must(
        &bob,
        "POST",
        "/api/rooms/news/messages",
        json!({ "body": "The release is on **Friday**." }),
    )
    .await;
    for (slug, role) in [("news", "reader"), ("soon", "member")] {
        let member = json!({ "name": "Ada", "role": role });
        must(&bob, "POST", &format!("/api/rooms/{slug}/members"), member).await;
    }
    (salon, ada, bob)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_other_state_is_drawn_as_it_is_kept_at_both_widths_light_and_dark() {
    let provider = FakeProvider::start([]);
    let chromium = Chromium::start().await;
    let (mut salon, ada, bob) = stage(&provider).await;
    let page = window(&chromium, &salon, 1280, 800).await;
    page.find("#guest-name").await;
    let mut album = Album::open(&chromium, &page).await;
    sign_in(&page, &ada).await;
    page.see_lobby().await;
    for (slug, messages) in [("old", 1), ("news", 1), ("sea", 8)] {
        go_to(&page, slug).await;
        count(&page, ".message", messages).await;
        to_the_end(&page).await;
    }
    count(&page, ".badge", 0).await;
    everywhere(&mut album, &page, "talk", true).await;
    found(&page, &mut album).await;
    closed(&page, &mut album, &bob).await;
    answers(&provider, &page, &mut album).await;
    salon.kill();
    page.find(".banner:not([hidden])").await;
    let nobody = "return document.querySelector('.here').hidden";
    page.wait("nobody is known to be here", SOON, nobody, &[])
        .await;
    page.send("Written without a connection").await;
    let waits = "const line = document.querySelector('.sending');
        return line !== null && getComputedStyle(line).visibility === 'visible'";
    page.wait("it says what it waits for", SOON, waits, &[])
        .await;
    everywhere(&mut album, &page, "offline", false).await;
    page.quit().await;
    album.close().await;
}

/// Who is here, what a search finds, and what it does not.
async fn found(page: &Page, album: &mut Album) {
    page.click("[aria-label='Members']").await;
    page.find("[aria-label='Role of Bob']").await;
    everywhere(album, page, "who", true).await;
    close_dialogs(page).await;
    page.click("[aria-label='Search messages']").await;
    page.type_into("#search-words", "answer").await;
    page.click("#search-go").await;
    page.find(".found a").await;
    everywhere(album, page, "found", true).await;
    page.type_into("#search-words", " \"of the wind\"").await;
    page.click("#search-go").await;
    page.find(".search-ideas button").await;
    everywhere(album, page, "not-found", true).await;
    close_dialogs(page).await;
}

/// Rooms in which one cannot write: archived, for reading only, and closed while one looks.
async fn closed(page: &Page, album: &mut Album, bob: &ApiClient) {
    for (slug, name, why) in [
        ("old", "archived", "is archived"),
        ("news", "reader", "can read"),
    ] {
        go_to(page, slug).await;
        page.until_text(".composer .keys", why).await;
        everywhere(album, page, name, true).await;
    }
    go_to(page, "soon").await;
    let id = "return fetch('/api/me').then((answer) => answer.json()).then(({ user }) => user.id)";
    let ada: String = page.run(id, &[]).await;
    must(
        bob,
        "DELETE",
        &format!("/api/rooms/soon/members/{ada}"),
        json!({}),
    )
    .await;
    page.find(".nothing").await;
    everywhere(album, page, "closed", true).await;
}

/// An answer written another way, one that failed, and a message that was refused.
async fn answers(provider: &FakeProvider, page: &Page, album: &mut Album) {
    go_to(page, "void").await;
    provider.push(Answer::text(&["By sail."]));
    page.send("@assistant how does one cross the sea?").await;
    page.see("By sail.", "complete").await;
    provider.push(Answer::text(&["By ship, or **by air**."]));
    page.click(".message.assistant [data-tool=regenerate]")
        .await;
    page.see("By ship, or by air.", "complete").await;
    page.until_text(".variants .place", "2 / 2").await;
    provider.push(Answer::status(400, "invalid_request_error"));
    page.send("@assistant and the sky?").await;
    count(page, ".message.assistant[data-state=failed]", 1).await;
    page.run::<()>(REFUSE, &[]).await;
    page.send("Is anybody there?").await;
    count(page, ".message.own[data-state=failed]", 1).await;
    let tools = "return document.querySelectorAll('.message:not([data-state=failed]) .tools button, .message.assistant .tools button').length > 12";
    page.wait("what can be done is there", SOON, tools, &[])
        .await;
    everywhere(album, page, "answers", true).await;
}
