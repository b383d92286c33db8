//! What is seen of names and messages, and what is left when somebody has gone, in a real Chromium: lines 60 and 61.

use serde_json::{Value, json};

use crate::chromium::Chromium;
use crate::http_api::HttpApi;
use crate::page::{Page, SOON};
use crate::support::app::{RATES, TestApp, ask, person};
use crate::support::event_stream::ApiClient;
use crate::support::salon::SalonProcess;

#[tokio::test]
async fn s60_no_name_looks_like_somebody_elses() {
    let app = TestApp::start(RATES).await;
    let sign_up = async |name: &str| {
        let wanted = json!({"name": name, "password": "correct horse"});
        let request = app.request("POST".parse().unwrap(), "/api/users");
        request.json(&wanted).send().await
    };
    let mary = person(&app, "mary").await;
    for (name, code) in [
        ("rnary", "name_taken"),
        ("MARY", "name_taken"),
        ("\u{43c}ary", "bad_request"),
        ("m\u{430}ry", "bad_request"),
        ("\u{430}ss\u{456}stant", "name_taken"),
    ] {
        let refused = sign_up(name).await;
        assert_eq!(refused.code(), code, "{name}");
        let guest = json!({ "name": name });
        let refused = app
            .request("POST".parse().unwrap(), "/api/guests")
            .json(&guest)
            .send()
            .await;
        assert_eq!(refused.code(), code, "a guest called {name}");
        let bot = ask(&app, &mary, "POST /api/bots", guest).await;
        assert_eq!(bot.code(), code, "a bot called {name}");
    }
    // A whole name in another script is a name, and then it is somebody's.
    for name in ["Вера", "李小龍", "Zoë"] {
        assert_eq!(sign_up(name).await.status, 201, "{name}");
    }
    assert_eq!(sign_up("Bepa").await.code(), "name_taken");
    // Who is there is found by the name as it is written, and by no other that looks like it.
    let sign_in = json!({"name": "rnary", "password": "correct horse"});
    let refused = app
        .request("POST".parse().unwrap(), "/api/sessions")
        .json(&sign_in)
        .send()
        .await;
    assert_eq!(refused.code(), "bad_credentials");
}

#[tokio::test]
async fn s60_what_turns_hides_or_has_no_end_stays_within_its_message() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    let api = HttpApi::guest(&salon.url(), "Bob").await;
    let word = "W".repeat(8_000);
    for body in [
        "\u{202e}gnihtyreve snrut siht",
        "\u{2066}\u{2067}\u{202b} never closed",
        &word,
        &format!("**{word}**"),
        &format!("https://example.org/{word}"),
        &format!("`{word}`"),
        &"\u{300}\u{301}\u{302}".repeat(500),
        "last",
    ] {
        api.send(body).await;
    }
    page.see("last", "complete").await;
    page.screenshot("deceptive-text").await;
    // Nothing is wider than the page, and no message reaches into another one.
    let wide = "const scroller = document.querySelector('.scroller');
        return document.documentElement.scrollWidth - innerWidth + scroller.scrollWidth - scroller.clientWidth";
    assert!(
        page.run::<f64>(wide, &[]).await < 1.0,
        "a word makes the page wide"
    );
    let isolated = "return [...document.querySelectorAll('.message .body')].every((body) =>
        getComputedStyle(body).unicodeBidi.includes('isolate') || getComputedStyle(body).display !== 'inline')";
    assert!(page.run::<bool>(isolated, &[]).await);
    // What one message opens and never closes does not turn the time and the name beside it, nor the next message.
    let order = "const rects = (text) => {
            const range = document.createRange();
            range.setStart(text, 0); range.setEnd(text, 1);
            const first = range.getBoundingClientRect().left;
            range.setStart(text, text.length - 1); range.setEnd(text, text.length);
            return range.getBoundingClientRect().left - first;
        };
        const last = [...document.querySelectorAll('.message')].at(-1).querySelector('.body');
        const text = document.createTreeWalker(last, NodeFilter.SHOW_TEXT).nextNode();
        return rects(text) > 0";
    assert!(
        page.run::<bool>(order, &[]).await,
        "the last one runs backwards"
    );
    let clipped = "return [...document.querySelectorAll('.message')].every((message) => {
        const style = getComputedStyle(message.querySelector('.body'));
        return style.overflowX !== 'visible' || style.overflowY !== 'visible' || style.contain.includes('paint');
    })";
    assert!(
        page.run::<bool>(clipped, &[]).await,
        "marks that pile up stay in their message"
    );
    // Names beside other words: each is on its own.
    let names = "return [...document.querySelectorAll('.author, .room-name, .room-preview, .me-name strong')]
        .every((name) => getComputedStyle(name).unicodeBidi.includes('isolate'))";
    assert!(
        page.run::<bool>(names, &[]).await,
        "a name turns what is beside it"
    );
    page.quit().await;
}

/// What a page holds that could tell of somebody: what is shown, its title, and what is stored.
const HELD: &str = "return JSON.stringify([
    document.documentElement.outerHTML, document.title, location.href,
    { ...localStorage }, { ...sessionStorage }, document.cookie, history.state, window.name,
])";

async fn check_empty(page: &Page, when: &str, secrets: &[&str]) {
    let held: String = page.run(HELD, &[]).await;
    for secret in secrets {
        assert!(!held.contains(secret), "{when}: {secret} in {held}");
    }
    let stored = "return (async () => (await caches?.keys?.() ?? []).length + (await indexedDB.databases()).length)()";
    assert_eq!(page.run::<u32>(stored, &[]).await, 0, "{when}");
}

/// Somebody's page with a room open, an unfinished draft, and a dialog over it.
async fn be_there(page: &Page, salon: &SalonProcess, ada: &ApiClient) {
    let cookie = thirtyfour::Cookie::new("salon", ada.token());
    page.driver.add_cookie(cookie).await.unwrap();
    page.load().await;
    page.find(".room-link[data-slug=hideout]").await;
    let go = "location.hash = '#/rooms/hideout'";
    page.run::<()>(go, &[]).await;
    page.see("a secret word", "complete").await;
    page.type_into("#composer-input", "half a thought").await;
    page.click("[aria-label='Members']").await;
    page.find(".members li").await;
    page.run::<()>("window.sameDocument = true", &[]).await;
    let _ = salon;
}

async fn make(salon: &SalonProcess) -> ApiClient {
    let ada = ApiClient::account(salon, "Adelheid").await;
    let room = json!({"slug": "hideout", "name": "Hideout", "visibility": "private"});
    assert_eq!(ada.post("/api/rooms", &room).await.0, 201);
    let body = json!({"body": "a secret word"});
    let path = "/api/rooms/hideout/messages";
    assert_eq!(ada.post(path, &body).await.0, 201);
    ada
}

const SECRETS: [&str; 5] = [
    "a secret word",
    "Hideout",
    "Adelheid",
    "half a thought",
    "hideout/",
];

#[tokio::test]
async fn s61_after_signing_out_the_page_and_its_back_button_are_empty() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let ada = make(&salon).await;
    let (_, me) = ada.get("/api/me").await;
    let id = me["user"]["id"].as_str().unwrap().to_owned();
    let page = Page::open(&chromium, &salon.url()).await;
    be_there(&page, &salon, &ada).await;
    page.click("dialog [aria-label='Close']").await;
    page.click("[aria-label='Sign out']").await;
    page.find("#account-name").await;
    let secrets = [&SECRETS[..], &[id.as_str(), ada.token()]].concat();
    check_empty(&page, "signed out", &secrets).await;
    // Whatever scripts had read is gone with the document that they ran in.
    let fresh = "return window.sameDocument === undefined";
    assert!(
        page.run::<bool>(fresh, &[]).await,
        "the page goes on living"
    );
    assert_eq!(page.driver.get_all_cookies().await.unwrap().len(), 0);
    // Where the browser goes back to, and forth again.
    for back in ["history.back()", "history.forward()"] {
        page.run::<()>(back, &[]).await;
        page.find("#account-name").await;
        let shown: String = page.run("return document.body.innerHTML", &[]).await;
        for secret in &SECRETS[..4] {
            assert!(!shown.contains(secret), "{back}: {secret}");
        }
    }
    page.quit().await;
}

#[tokio::test]
async fn s61_signing_out_in_one_tab_leaves_nothing_of_another() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let ada = make(&salon).await;
    let page = Page::open(&chromium, &salon.url()).await;
    be_there(&page, &salon, &ada).await;
    page.click("dialog [aria-label='Close']").await;
    let first = page.driver.window().await.unwrap();
    let second = page.driver.new_tab().await.unwrap();
    page.driver.switch_to_window(second.clone()).await.unwrap();
    page.load().await;
    page.find(".room-link[data-slug=hideout]").await;
    page.run::<()>("location.hash = '#/rooms/hideout'", &[])
        .await;
    page.see("a secret word", "complete").await;
    page.type_into("#composer-input", " and the other half")
        .await;
    page.driver.switch_to_window(first).await.unwrap();
    page.click("[aria-label='Sign out']").await;
    page.find("#account-name").await;
    page.driver.switch_to_window(second).await.unwrap();
    page.find("#account-name").await;
    let secrets = [&SECRETS[..], &["the other half", ada.token()]].concat();
    check_empty(&page, "signed out in another tab", &secrets).await;
    page.quit().await;
}

#[tokio::test]
async fn s61_a_session_that_ends_elsewhere_takes_what_is_shown_along() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let ada = make(&salon).await;
    let page = Page::open(&chromium, &salon.url()).await;
    be_there(&page, &salon, &ada).await;
    assert_eq!(ada.delete("/api/sessions/current").await.0, 204);
    page.find("#account-name").await;
    let shown: String = page
        .run("return document.documentElement.outerHTML", &[])
        .await;
    for secret in SECRETS {
        assert!(!shown.contains(secret), "{secret}");
    }
    let told =
        "return document.querySelector('.problem')?.textContent.includes('session has ended')";
    page.wait("it says why", SOON, told, &[]).await;
    page.quit().await;
}

#[tokio::test]
async fn s61_a_page_kept_for_the_back_button_shows_nothing_of_who_has_gone() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let ada = make(&salon).await;
    let page = Page::open(&chromium, &salon.url()).await;
    be_there(&page, &salon, &ada).await;
    // Somewhere else in the same tab; meanwhile the session ends; and back.
    page.driver.goto("about:blank").await.unwrap();
    assert_eq!(ada.delete("/api/sessions/current").await.0, 204);
    page.driver.back().await.unwrap();
    page.find("#account-name").await;
    let shown: String = page.run("return document.body.innerHTML", &[]).await;
    for secret in &SECRETS[..3] {
        assert!(!shown.contains(secret), "{secret}");
    }
    // What a browser that keeps whole pages does, whether this one did or not.
    let eve = make_other(&salon).await;
    let cookie = thirtyfour::Cookie::new("salon", eve.token());
    page.driver.add_cookie(cookie).await.unwrap();
    page.load().await;
    page.driver.refresh().await.unwrap();
    page.find(".room-link").await;
    let keep = "dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }));
        return document.body.innerText.trim()";
    assert_eq!(page.run::<String>(keep, &[]).await, "", "kept as it was");
    let again = "window.sameDocument = true; dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))";
    page.run::<()>(again, &[]).await;
    let fresh =
        "return window.sameDocument === undefined && document.querySelector('.room-link') !== null";
    page.wait("it is read anew", SOON, fresh, &[]).await;
    page.quit().await;
}

async fn make_other(salon: &SalonProcess) -> ApiClient {
    let eve = ApiClient::account(salon, "Eve").await;
    let (status, rooms): (u16, Value) = eve.get("/api/rooms").await;
    assert_eq!(status, 200, "{rooms}");
    eve
}
