//! Notifications and what the tab shows: asked for by a press alone, for what is said to the reader while the page is hidden,
//! never of a muted room; the title and the picture of the tab tell of news.

use serde_json::json;

use super::around::{GENEROUS, count, go_to, must, sign_in};
use super::chromium::Chromium;
use super::page::{LATER, Page, SOON};
use crate::support::event_stream::ApiClient;
use crate::support::salon::SalonProcess;

/// A browser whose notifications are noted, and whose pages hide when they are told to.
const STAGE: &str = "window.notes = [];
    window.asked = 0;
    window.away = false;
    const granted = () => sessionStorage.getItem('granted') === 'yes' ? 'granted' : 'default';
    window.Notification = class {
        static get permission() { return granted(); }
        static async requestPermission() { window.asked += 1; sessionStorage.setItem('granted', 'yes'); return granted(); }
        constructor(title, options) { this.title = title; Object.assign(this, options); window.notes.push(this); }
        close() { this.closed = true; this.onclose?.(); }
    };
    Object.defineProperty(Document.prototype, 'hidden', { get: () => window.away });
    document.hasFocus = () => !window.away;
    window.hide = (away) => { window.away = away; document.dispatchEvent(new Event('visibilitychange')); };";

async fn staged(chromium: &Chromium, salon: &SalonProcess, who: &ApiClient) -> Page {
    let page = Page::open(chromium, &salon.url()).await;
    page.devtools("Page.enable", json!({})).await;
    page.devtools(
        "Page.addScriptToEvaluateOnNewDocument",
        json!({ "source": STAGE }),
    )
    .await;
    sign_in(&page, who).await;
    page.see_lobby().await;
    page
}

async fn titles(page: &Page) -> Vec<String> {
    page.run("return window.notes.map(({ title }) => title)", &[])
        .await
}

async fn until_titles(page: &Page, wanted: &[&str]) {
    let script = "return JSON.stringify(window.notes.map(({ title }) => title)) === JSON.stringify(arguments[0])";
    page.wait(&format!("{wanted:?}"), SOON, script, &[json!(wanted)])
        .await;
}

async fn say(who: &ApiClient, room: &str, body: &str, answers: Option<u64>) {
    let message = json!({ "body": body, "reply_to": answers });
    must(who, "POST", &format!("/api/rooms/{room}/messages"), message).await;
}

#[tokio::test]
async fn one_is_told_of_what_is_for_one_while_the_page_is_hidden() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let ada = ApiClient::account(&salon, "Ada").await;
    let bob = ApiClient::account(&salon, "Bob").await;
    for who in [&ada, &bob] {
        must(who, "POST", "/api/rooms/lobby/join", json!({})).await;
    }
    let page = staged(&chromium, &salon, &ada).await;
    page.send("mine").await;
    page.see("mine", "complete").await;
    let hide = "window.hide(true)";
    page.run::<()>(hide, &[]).await;
    say(&bob, "lobby", "@Ada before it was turned on", None).await;
    page.see("@Ada before it was turned on", "complete").await;
    page.run::<()>("window.hide(false)", &[]).await;
    assert_eq!(titles(&page).await, Vec::<String>::new());
    assert_eq!(page.run::<u64>("return window.asked", &[]).await, 0);

    page.click("[aria-label='Your account']").await;
    page.click("#setting-notify").await;
    page.until_text("#setting-notify", "Turn off").await;
    assert_eq!(page.run::<u64>("return window.asked", &[]).await, 1);
    page.run::<()>("document.querySelector('dialog').close()", &[])
        .await;

    say(&bob, "lobby", "@Ada while she looks", None).await;
    page.see("@Ada while she looks", "complete").await;
    page.run::<()>(hide, &[]).await;
    say(&bob, "lobby", "nothing for her", None).await;
    say(&bob, "lobby", "@Ada look", None).await;
    until_titles(&page, &["Bob mentions you in Lobby"]).await;
    say(&bob, "lobby", "a reply", Some(1)).await;
    until_titles(
        &page,
        &["Bob mentions you in Lobby", "Bob replies to you in Lobby"],
    )
    .await;
    let body: String = page.run("return window.notes[0].body", &[]).await;
    assert_eq!(body, "@Ada look");
    // Pressing it leads there; coming back takes the others away.
    page.run::<()>("window.focus = () => {}; window.notes[0].onclick()", &[])
        .await;
    let led = "return document.querySelector('.message.marked')?.textContent.includes('@Ada look') ?? false";
    page.wait("one is led to it", SOON, led, &[]).await;
    page.run::<()>("window.hide(false)", &[]).await;
    let closed: bool = page
        .run("return window.notes.every(({ closed }) => closed)", &[])
        .await;
    assert!(closed);

    page.run::<()>("window.notes = []", &[]).await;
    page.click("[aria-label='Mute this room']").await;
    page.find("[aria-label='Unmute this room']").await;
    page.run::<()>(hide, &[]).await;
    say(&bob, "lobby", "@Ada in a muted room", None).await;
    page.see("@Ada in a muted room", "complete").await;
    assert_eq!(titles(&page).await, Vec::<String>::new());
    page.quit().await;
}

#[tokio::test]
async fn one_is_told_that_ones_answer_is_there_and_the_tab_shows_news() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let ada = ApiClient::account(&salon, "Ada").await;
    let bob = ApiClient::account(&salon, "Bob").await;
    for who in [&ada, &bob] {
        must(who, "POST", "/api/rooms/lobby/join", json!({})).await;
    }
    must(
        &bob,
        "POST",
        "/api/rooms",
        json!({"slug": "club", "name": "Club"}),
    )
    .await;
    must(&ada, "POST", "/api/rooms/club/join", json!({})).await;
    let page = staged(&chromium, &salon, &ada).await;
    page.click("[aria-label='Your account']").await;
    page.click("#setting-notify").await;
    page.until_text("#setting-notify", "Turn off").await;
    page.run::<()>("document.querySelector('dialog').close()", &[])
        .await;
    go_to(&page, "lobby").await;
    page.send("@assistant hello").await;
    page.see_reply("it is being written", |reply| reply.state == "streaming")
        .await;
    page.run::<()>("window.hide(true)", &[]).await;
    let told = "return window.notes.length === 1 && window.notes[0].title === 'assistant has answered in Lobby'";
    page.wait("one is told of the answer", LATER, told, &[])
        .await;

    let tab =
        "return [document.title, document.querySelector('link[rel=icon]').getAttribute('href')]";
    say(&bob, "club", "news", None).await;
    let unread = format!(
        "const [title, icon] = (() => {{ {tab} }})(); return title.startsWith('(1) ') && decodeURIComponent(icon).includes('>1</text>')"
    );
    page.wait("the tab shows that there are news", SOON, &unread, &[])
        .await;
    say(&bob, "club", "@Ada news", None).await;
    let mention = format!(
        "const [title, icon] = (() => {{ {tab} }})(); return title.startsWith('(@1 · 2) ') && decodeURIComponent(icon).includes('#c8281e')"
    );
    page.wait("the tab shows that it is for one", SOON, &mention, &[])
        .await;
    // The page's policy lets it be drawn.
    let drawn = "window.icon = new Image();
        window.icon.onload = () => { window.drawn = window.icon.naturalWidth > 0; };
        window.icon.src = document.querySelector('link[rel=icon]').href";
    page.run::<()>(drawn, &[]).await;
    page.wait("it is a picture", SOON, "return window.drawn === true", &[])
        .await;
    page.run::<()>("window.hide(false)", &[]).await;
    go_to(&page, "club").await;
    go_to(&page, "lobby").await;
    let read = format!(
        "const [title, icon] = (() => {{ {tab} }})(); return title === 'Lobby · Salon' && icon === '/icon.svg'"
    );
    page.wait("all is read", SOON, &read, &[]).await;
    count(&page, ".badge", 0).await;
    page.quit().await;
}
