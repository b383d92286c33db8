//! The dialogs of a room and of its people: roles are chosen and then saved, what takes away is asked for, one form saves all settings,
//! and what cannot be read says so once, with a way to try again.

use serde_json::json;
use thirtyfour::Key;

use super::around::{
    GENEROUS, close_dialogs, count, go_to, must, page_of, press, sea, until_focused,
};
use super::chromium::Chromium;
use super::page::{Page, SOON};
use crate::support::salon::SalonProcess;

const MEMBERS: &str = ".room-buttons [aria-label='Members']";
const ROLE: &str = "[aria-label='Role of Bob']";
const SAVE: &str = "[aria-label='Save the role of Bob']";

/// What Bob is in the sea.
const ROLE_OF_BOB: &str = "return fetch('/api/rooms/sea/members').then((answer) => answer.json())
    .then(({ members }) => members.find(({ user }) => user.name === 'Bob')?.role ?? null)";

async fn role_of_bob(page: &Page) -> Option<String> {
    page.run(ROLE_OF_BOB, &[]).await
}

/// Makes every request of the page fail, or no more.
async fn be_cut_off(page: &Page, cut: bool) {
    let script = "window.real ??= window.fetch;
        window.fetch = arguments[0] ? () => Promise.reject(new TypeError('cut off')) : window.real";
    page.run::<()>(script, &[json!(cut)]).await;
}

#[tokio::test]
async fn a_role_is_chosen_by_keys_saved_once_and_told_to_whom_it_is_given() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let (ada, bob) = sea(&salon).await;
    let [page, other] = [&ada, &bob].map(|who| page_of(&chromium, &salon, who));
    let (page, other) = (page.await, other.await);
    go_to(&page, "sea").await;
    go_to(&other, "sea").await;
    page.click(MEMBERS).await;
    page.find(ROLE).await;
    assert!(!page.sees(SAVE).await, "there is nothing to save");
    page.run::<()>(
        "document.querySelector(arguments[0]).focus()",
        &[json!(ROLE)],
    )
    .await;
    // The arrows pass by what one does not mean, and do nothing of it.
    press(&page, Key::Up).await;
    page.find(SAVE).await;
    press(&page, Key::Down).await;
    press(&page, Key::Down).await;
    let chosen: String = page
        .run(
            "return document.querySelector(arguments[0]).value",
            &[json!(ROLE)],
        )
        .await;
    assert_eq!(chosen, "reader");
    assert_eq!(role_of_bob(&page).await.as_deref(), Some("member"));
    assert!(!other.sees(".note").await);
    page.click(SAVE).await;
    page.until_text(".dialog .done", "Saved. Bob: Reader").await;
    assert_eq!(role_of_bob(&page).await.as_deref(), Some("reader"));
    until_focused(&page, ROLE).await;
    other
        .until_text(
            ".note",
            "You are a reader here now: you can read, but not write.",
        )
        .await;
    // An owner is made after a question.
    let choose = "const menu = document.querySelector(arguments[0]); menu.value = 'owner'; menu.dispatchEvent(new Event('change'))";
    page.run::<()>(choose, &[json!(ROLE)]).await;
    page.click(SAVE).await;
    page.until_text(".ask", "Make Bob an owner?").await;
    page.click("#ask-no").await;
    assert_eq!(role_of_bob(&page).await.as_deref(), Some("reader"));
    for page in [page, other] {
        page.quit().await;
    }
}

#[tokio::test]
async fn a_removal_is_asked_for_and_says_how_one_comes_back() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let (ada, _bob) = sea(&salon).await;
    let page = page_of(&chromium, &salon, &ada).await;
    go_to(&page, "sea").await;
    page.click(MEMBERS).await;
    page.click("[aria-label='Remove Bob']").await;
    page.until_text(".ask", "by joining again, as the room is public")
        .await;
    until_focused(&page, "#ask-no").await;
    page.click("#ask-no").await;
    assert_eq!(role_of_bob(&page).await.as_deref(), Some("member"));
    let private = json!({"visibility": "private"});
    must(&ada, "PATCH", "/api/rooms/sea", private).await;
    close_dialogs(&page).await;
    page.find(".room-place .icon-lock").await;
    page.click(MEMBERS).await;
    page.click("[aria-label='Remove Bob']").await;
    page.until_text(".ask", "only when they are added or invited again")
        .await;
    page.click("#ask-yes").await;
    page.until_text(".dialog .done", "Bob was removed.").await;
    count(&page, ".members [aria-label='Remove Bob']", 0).await;
    // Whoever was added is not offered any more.
    page.type_into("#member-name", "Bo").await;
    page.find("#member-name").await.clear().await.unwrap();
    page.type_into("#member-name", "Bob").await;
    page.click(".add-member .primary").await;
    page.find(ROLE).await;
    count(&page, ".offered-person", 0).await;
    page.quit().await;
}

#[tokio::test]
async fn a_program_among_the_members_owns_nothing_and_says_what_it_is() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let (ada, _bob) = sea(&salon).await;
    must(
        &ada,
        "POST",
        "/api/rooms/sea/incoming-hooks",
        json!({"name": "CI"}),
    )
    .await;
    let page = page_of(&chromium, &salon, &ada).await;
    go_to(&page, "sea").await;
    page.click(MEMBERS).await;
    page.find("[aria-label='Give the room to Bob']").await;
    let line = "const line = document.querySelector(\"[aria-label='Role of CI']\").closest('li');
        return [line.querySelector('small').textContent, [...line.querySelectorAll('option')].map(({ value }) => value).join(),
            String(line.textContent.includes('Give room'))]";
    let [said, roles, gives]: [String; 3] = page.run(line, &[]).await;
    assert_eq!(
        (&*said, &*roles, &*gives),
        ("Bot", "member,reader", "false")
    );
    // At the width of a desk nothing of what somebody is is cut off.
    let cut = "return [...document.querySelectorAll('.member-name small')].some((line) => line.scrollWidth > line.clientWidth)";
    assert!(!page.run::<bool>(cut, &[]).await);
    page.until_text(".members .online", "Online now").await;
    page.quit().await;
}

#[tokio::test]
async fn whoever_is_banned_is_told_so_and_no_list_offers_the_room() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let (ada, bob) = sea(&salon).await;
    let made = must(&ada, "POST", "/api/rooms/sea/invites", json!({})).await;
    let page = page_of(&chromium, &salon, &bob).await;
    go_to(&page, "sea").await;
    let members = must(&ada, "GET", "/api/rooms/sea/members", json!({})).await;
    let mut members = members["members"].as_array().unwrap().iter();
    let row = members.find(|row| row["user"]["name"] == "Bob").unwrap();
    let path = format!(
        "/api/rooms/sea/bans/{}",
        row["user"]["id"].as_str().unwrap()
    );
    must(&ada, "PUT", &path, json!({})).await;
    page.until_text(".nothing", "You are banned from this room.")
        .await;
    count(&page, ".room-link[data-slug=sea]", 0).await;
    page.load().await;
    page.find(".room-link[data-slug=lobby]").await;
    count(&page, ".room-link[data-slug=sea]", 0).await;
    page.click("[aria-label='Public rooms']").await;
    page.find(".found-rooms [data-slug=lobby]").await;
    count(&page, ".found-rooms [data-slug=sea]", 0).await;
    close_dialogs(&page).await;
    let link = made["link"].as_str().unwrap().trim_start_matches('/');
    page.run::<()>("location.hash = arguments[0]", &[json!(link)])
        .await;
    page.until_text("#invite-join", "Join Sea").await;
    page.click("#invite-join").await;
    page.until_text(".dialog .problem", "You are banned from this room.")
        .await;
    page.quit().await;
}

#[tokio::test]
async fn one_button_saves_a_rooms_settings_and_asks_before_older_messages_go() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let (ada, _bob) = sea(&salon).await;
    let page = page_of(&chromium, &salon, &ada).await;
    go_to(&page, "sea").await;
    let open = ".room-buttons [aria-label='Room settings']";
    page.click(open).await;
    page.find("#room-days:enabled").await;
    count(&page, ".dialog form:has(#room-name) [type=submit]", 1).await;
    count(&page, ".dialog form:has(#room-name) #room-days", 1).await;
    page.find("#room-topic").await.clear().await.unwrap();
    page.type_into("#room-topic", "Weather").await;
    page.type_into("#room-days", "1").await;
    page.click(".dialog .primary").await;
    page.until_text("#ask-question", "Messages older than 1 day go for good")
        .await;
    page.until_text("#ask-yes", "Delete older messages").await;
    page.click("#ask-no").await;
    count(&page, "dialog", 1).await;
    let kept = must(&ada, "GET", "/api/rooms/sea/retention", json!({})).await;
    assert!(kept["days"].is_null(), "{kept}");
    page.until_text(".room-topic", "Ships and the wind").await;
    page.click(".dialog .primary").await;
    page.click("#ask-yes").await;
    count(&page, "dialog", 0).await;
    page.until_text(".room-topic", "Weather").await;
    let kept = must(&ada, "GET", "/api/rooms/sea/retention", json!({})).await;
    assert_eq!(kept["days"], 1, "{kept}");
    // Nothing goes by keeping more.
    page.click(open).await;
    page.find("#room-days:enabled").await.clear().await.unwrap();
    page.click(".dialog .primary").await;
    count(&page, "dialog", 0).await;
    let kept = must(&ada, "GET", "/api/rooms/sea/retention", json!({})).await;
    assert!(kept["days"].is_null(), "{kept}");
    page.quit().await;
}

#[tokio::test]
async fn every_name_of_a_room_gets_an_address_and_runs_its_own_way() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let (ada, _bob) = sea(&salon).await;
    let page = page_of(&chromium, &salon, &ada).await;
    page.click("[aria-label='New room']").await;
    page.until_text(
        "#room-slug-hint",
        "Small letters from a to z, digits and hyphens.",
    )
    .await;
    page.type_into("#room-name", "غرفة").await;
    let seen = "const [name, slug] = ['#room-name', '#room-slug'].map((css) => document.querySelector(css));
        return [getComputedStyle(name).direction, slug.value]";
    let [direction, first]: [String; 2] = page.run(seen, &[]).await;
    assert_eq!(direction, "rtl");
    assert!(first.starts_with("room-") && first.len() == 10, "{first}");
    page.type_into("#room-name", " القراءة").await;
    let [_, second]: [String; 2] = page.run(seen, &[]).await;
    assert_eq!(first, second, "it stays while one writes");
    page.click("#room-create").await;
    page.until_text(".room-title", "غرفة القراءة").await;
    page.quit().await;
}

#[tokio::test]
async fn what_cannot_be_read_says_so_once_and_is_tried_again() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let (ada, _bob) = sea(&salon).await;
    let page = page_of(&chromium, &salon, &ada).await;
    go_to(&page, "sea").await;
    let ways: [(&[&str], &str); 6] = [
        (&[MEMBERS], ".members [data-user]"),
        (&["[aria-label='Public rooms']"], ".found-rooms [data-slug]"),
        (&["[aria-label='Pinned messages']"], ".message-list .empty"),
        (
            &[".room-menu-button", "[data-menu=integrations]"],
            ".uses .empty",
        ),
        (
            &[".room-menu-button", "[data-menu=invite]"],
            ".invites:not([aria-busy])",
        ),
        (
            &[".room-buttons [aria-label='Room settings']"],
            "#room-days:enabled",
        ),
    ];
    for (clicks, read) in ways {
        be_cut_off(&page, true).await;
        for css in clicks {
            page.click(css).await;
        }
        page.until_text(".dialog", "The server cannot be reached.")
            .await;
        page.until_text(".dialog", "Try again").await;
        let said = "const said = document.querySelector('.dialog').innerText;
            return said.split('The server cannot be reached.').length === 2 && !/Reading/.test(said)";
        assert!(page.run::<bool>(said, &[]).await, "{clicks:?}");
        be_cut_off(&page, false).await;
        let again = "[...document.querySelectorAll('.dialog button')].find((one) => one.textContent === 'Try again').click()";
        page.run::<()>(again, &[]).await;
        let there = "return document.querySelector(arguments[0]) !== null && !document.querySelector('.dialog').innerText.includes('cannot be reached')";
        page.wait(read, SOON, there, &[json!(read)]).await;
        close_dialogs(&page).await;
    }
    page.quit().await;
}

#[tokio::test]
async fn an_only_owner_is_told_so_before_it_is_asked_whether_to_leave() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let (ada, bob) = sea(&salon).await;
    let [page, other] = [&ada, &bob].map(|who| page_of(&chromium, &salon, who));
    let (page, other) = (page.await, other.await);
    go_to(&page, "sea").await;
    page.click(".room-menu-button").await;
    page.click("[data-menu=leave]").await;
    page.find("#leave-give").await;
    count(&page, ".ask", 0).await;
    go_to(&other, "sea").await;
    other.click(".room-menu-button").await;
    other.click("[data-menu=leave]").await;
    other.until_text(".ask", "Leave this room?").await;
    for page in [page, other] {
        page.quit().await;
    }
}

#[tokio::test]
async fn a_direct_room_is_a_conversation_and_a_reader_is_told_so_by_its_invite() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let (ada, _bob) = sea(&salon).await;
    let page = page_of(&chromium, &salon, &ada).await;
    page.click("[aria-label='Direct message']").await;
    page.click("#direct-assistant").await;
    page.until_text(".empty-room h2", "Your conversation with assistant")
        .await;
    page.find("#composer-input[placeholder='Ask anything']")
        .await;
    page.click("[aria-label='Direct message']").await;
    page.type_into("#direct-names", "Bob").await;
    page.type_into("#direct-names", Key::Enter).await;
    page.until_text(".empty-room h2", "Your conversation with Bob")
        .await;
    page.send("Hello, Bob").await;
    page.until_text(".start", "This is where your conversation with Bob begins.")
        .await;
    // Among the rooms that are left all drawings are of one size.
    page.run::<()>("location.hash = '#/rooms/nowhere'", &[])
        .await;
    page.find(".nothing-rooms .icon-chat").await;
    let sizes = "return new Set([...document.querySelectorAll('.nothing-rooms .icon')].map((one) => one.getBoundingClientRect().width)).size";
    assert_eq!(page.run::<u64>(sizes, &[]).await, 1);
    page.quit().await;

    let made = must(
        &ada,
        "POST",
        "/api/rooms/sea/invites",
        json!({"role": "reader"}),
    )
    .await;
    let link = format!("{}{}", salon.url(), made["link"].as_str().unwrap());
    let stranger = Page::blank(&chromium, &link).await;
    stranger.be_a_phone().await;
    stranger.load().await;
    stranger
        .until_text(".invited", "Ada invites you to Sea, to read along.")
        .await;
    // What Salon is stands there too, and the way in is on the first screen.
    assert!(stranger.sees(".intro h1").await);
    let below =
        "return document.querySelector('#guest-go').getBoundingClientRect().bottom <= innerHeight";
    assert!(stranger.run::<bool>(below, &[]).await);
    stranger.quit().await;
}

#[tokio::test]
async fn a_search_is_for_the_open_room_until_one_says_else() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let (ada, bob) = sea(&salon).await;
    let words = json!({"body": "the kettle is on"});
    must(&bob, "POST", "/api/rooms/sea/messages", words).await;
    let words = json!({"body": "another kettle"});
    must(&ada, "POST", "/api/rooms/lobby/messages", words).await;
    let page = page_of(&chromium, &salon, &ada).await;
    go_to(&page, "sea").await;
    // Ctrl and Shift with F.
    let keys = json!({"type": "rawKeyDown", "key": "F", "code": "KeyF", "windowsVirtualKeyCode": 70, "modifiers": 10});
    page.devtools("Input.dispatchKeyEvent", keys).await;
    page.find("#search-words").await;
    assert!(page.sees("#search-here").await, "it is in sight");
    assert!(!page.sees(".dialog .export").await);
    page.type_into("#search-words", "kettle").await;
    page.click("#search-go").await;
    count(&page, ".found > li", 1).await;
    page.until_text(".found", "the kettle is on").await;
    page.click("#search-here").await;
    page.click("#search-go").await;
    count(&page, ".found > li", 2).await;
    page.quit().await;
}

#[tokio::test]
async fn the_rooms_menu_fits_a_low_window_and_is_led_by_keys() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let (ada, _bob) = sea(&salon).await;
    let page = page_of(&chromium, &salon, &ada).await;
    go_to(&page, "sea").await;
    let low = json!({ "width": 640, "height": 400, "deviceScaleFactor": 2, "mobile": false });
    page.devtools("Emulation.setDeviceMetricsOverride", low)
        .await;
    page.click(".room-menu-button").await;
    page.find("#room-menu").await;
    let within = "const { top, bottom } = document.querySelector('#room-menu').getBoundingClientRect(); return top >= 0 && bottom <= innerHeight";
    assert!(page.run::<bool>(within, &[]).await);
    until_focused(&page, "[data-menu=search]").await;
    press(&page, Key::Up).await;
    until_focused(&page, "[data-menu=leave]").await;
    let seen = "const { bottom } = document.activeElement.getBoundingClientRect(); return bottom <= innerHeight";
    assert!(page.run::<bool>(seen, &[]).await, "it scrolls");
    press(&page, Key::Down).await;
    until_focused(&page, "[data-menu=search]").await;
    press(&page, Key::End).await;
    until_focused(&page, "[data-menu=leave]").await;
    press(&page, Key::Home).await;
    until_focused(&page, "[data-menu=search]").await;
    press(&page, "e").await;
    until_focused(&page, "[data-menu=export]").await;
    press(&page, Key::Tab).await;
    count(&page, "#room-menu:popover-open", 0).await;
    page.click(".room-menu-button").await;
    press(&page, Key::Escape).await;
    count(&page, "#room-menu:popover-open", 0).await;
    until_focused(&page, ".room-menu-button").await;
    page.quit().await;
}
