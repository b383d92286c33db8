//! The languages of the page: chosen by the browser and by the setting, from left to right and from right to left, with room for
//! longer words.

use serde_json::json;

use super::around::{close_dialogs, until_focused};
use super::chromium::Chromium;
use super::page::{Page, SOON};
use crate::support::salon::SalonProcess;

/// What sticks out of the window, or is cut off where it may not be.
const STICKS_OUT: &str = "return [...document.querySelectorAll('body *')].filter((one) => {
        const { left, right, width } = one.getBoundingClientRect();
        return width > 0 && !one.closest('.visually-hidden, #status, #alarm, pre, .table-frame') && (right > innerWidth + 1 || left < -1);
    }).map((one) => one.outerHTML.slice(0, 120))";

/// A page of a browser that asks for that language.
async fn page_in(chromium: &Chromium, salon: &SalonProcess, language: &str) -> Page {
    let page = Page::blank(chromium, &salon.url()).await;
    page.load().await;
    let agent: String = page.run("return navigator.userAgent", &[]).await;
    let wanted = json!({ "userAgent": agent, "acceptLanguage": language });
    page.devtools("Emulation.setUserAgentOverride", wanted)
        .await;
    page.load().await;
    page.find("#guest-name").await;
    page
}

async fn html(page: &Page) -> [String; 2] {
    let script = "return [document.documentElement.lang, document.documentElement.dir]";
    page.run(script, &[]).await
}

#[tokio::test]
async fn the_browser_and_the_setting_choose_the_language() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = page_in(&chromium, &salon, "de-AT,en").await;
    assert_eq!(html(&page).await, ["de", "ltr"]);
    page.until_text("#guest-go", "Als Gast eintreten").await;
    page.come_in("Ada").await;
    page.until_text(".empty-room", "Noch ist niemand sonst hier.")
        .await;
    page.click("[aria-label='Dein Konto']").await;
    page.find("dialog #setting-language").await;
    let choose = "const menu = document.querySelector('dialog #setting-language');
        menu.value = arguments[0];
        menu.dispatchEvent(new Event('change'));";
    page.run::<()>(choose, &[json!("ar")]).await;
    page.wait(
        "it is Arabic",
        SOON,
        "return document.documentElement.dir === 'rtl'",
        &[],
    )
    .await;
    page.see_lobby().await;
    assert_eq!(html(&page).await, ["ar", "rtl"]);
    until_focused(&page, "dialog #setting-language").await;
    close_dialogs(&page).await;
    let sides = "const left = (css) => document.querySelector(css).getBoundingClientRect().left;
        return [left('.room-list'), left('.main')]";
    let [list, main]: [f64; 2] = page.run(sides, &[]).await;
    assert!(list > main, "the list is on the right: {list} {main}");
    // What the server refuses is said in the reader's language.
    page.run::<()>("location.hash = '#/rooms/nowhere'", &[])
        .await;
    page.until_text(".nothing", "لا توجد غرفة كهذه").await;
    page.quit().await;
}

#[tokio::test]
async fn another_language_leaves_one_where_one_was() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = Page::blank(&chromium, &salon.url()).await;
    page.be_a_phone().await;
    page.load().await;
    page.until_text("label[for=setting-language]", "Language")
        .await;
    page.until_text("#setting-language option", "As the browser: English")
        .await;
    page.type_into("#guest-name", "Ada").await;
    let choose = "const menu = document.querySelector('#setting-language');
        menu.value = arguments[0];
        menu.dispatchEvent(new Event('change'));";
    page.run::<()>(choose, &[json!("de")]).await;
    page.until_text("#guest-go", "Als Gast eintreten").await;
    until_focused(&page, "#setting-language").await;
    let name = page.find("#guest-name").await.prop("value").await.unwrap();
    assert_eq!(name.as_deref(), Some("Ada"));
    page.click("#guest-go").await;
    page.see_lobby().await;
    page.click(".back").await;
    page.click(".me button").await;
    page.find("dialog #setting-language").await;
    page.run::<()>(choose, &[json!("en")]).await;
    page.until_text("dialog", "Your account").await;
    until_focused(&page, "dialog #setting-language").await;
    let pane = "return document.querySelector('salon-app').dataset.pane";
    assert_eq!(page.run::<String>(pane, &[]).await, "list");
    page.quit().await;
}

#[tokio::test]
async fn what_no_catalogue_has_is_english() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = page_in(&chromium, &salon, "tlh").await;
    assert_eq!(html(&page).await, ["en", "ltr"]);
    page.until_text("#guest-go", "Join as guest").await;
    page.quit().await;
}

#[tokio::test]
async fn every_language_fits_a_phone() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    for language in ["de", "ar"] {
        let page = Page::blank(&chromium, &salon.url()).await;
        page.be_a_phone().await;
        page.load().await;
        let choose = "localStorage.setItem('salon.look.language', arguments[0])";
        page.run::<()>(choose, &[json!(language)]).await;
        page.load().await;
        page.find("#guest-name").await;
        fits(&page, language, "coming in").await;
        page.come_in(&format!("Ada {language}")).await;
        fits(&page, language, "a room").await;
        page.click(".room-menu-button").await;
        page.find("#room-menu").await;
        fits(&page, language, "its menu").await;
        page.run::<()>("document.querySelector('[data-menu=export]').click()", &[])
            .await;
        page.find(".export-way").await;
        fits(&page, language, "the export").await;
        page.run::<()>("document.querySelector('dialog').close()", &[])
            .await;
        page.click(".back").await;
        fits(&page, language, "the list").await;
        page.click(".me button").await;
        page.find("#setting-theme").await;
        fits(&page, language, "the account").await;
        page.quit().await;
    }
}

async fn fits(page: &Page, language: &str, when: &str) {
    let found: Vec<String> = page.run(STICKS_OUT, &[]).await;
    assert!(found.is_empty(), "{language}, {when}: {found:#?}");
}

/// Where the letters of a preview's first word are, and what of the line can be seen.
const FIRST_WORD: &str = "const line = document.querySelector('.room-link .room-preview');
    if (!line?.textContent.includes('Antidisestablishmentarianism')) return null;
    const text = line.lastChild;
    const range = document.createRange();
    // Behind the colon that stands between who said it and what was said.
    range.setStart(text, 2);
    range.setEnd(text, 30);
    const word = range.getBoundingClientRect();
    const seen = line.getBoundingClientRect();
    const who = line.firstChild.getBoundingClientRect();
    const apart = Math.round(Math.max(word.left - who.right, who.left - word.right));
    return [line.scrollWidth > line.clientWidth, word.left >= seen.left - 1 && word.right <= seen.right + 1, apart > 3 && apart < 20]";

#[tokio::test]
async fn a_line_that_is_cut_off_shows_its_beginning_whichever_way_it_runs() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = page_in(&chromium, &salon, "ar").await;
    page.come_in("Ada").await;
    page.send(
        "Antidisestablishmentarianism is a word that is longer than most of the lines in a list",
    )
    .await;
    let found = page.wait("the preview", SOON, FIRST_WORD, &[]).await;
    assert_eq!(
        found,
        json!([true, true, true]),
        "cut off, and begun, apart from who said it"
    );
    page.quit().await;
}

#[tokio::test]
async fn a_message_runs_as_its_words_do_whomever_it_calls() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    for (text, way) in [
        ("@bob ما هذا؟", "rtl"),
        ("@bob what is this?", "ltr"),
        ("ما هذا؟ @bob", "rtl"),
        ("12:30", "ltr"),
    ] {
        page.send(text).await;
        page.see(text, "complete").await;
        let last = "return getComputedStyle([...document.querySelectorAll('.message .body')].at(-1)).direction";
        assert_eq!(page.run::<String>(last, &[]).await, way, "{text}");
    }
    // A name from left to right keeps its @ before it.
    let names = "return [...document.querySelectorAll('.message bdi')].map(({ textContent }) => textContent)";
    assert_eq!(page.run::<Vec<String>>(names, &[]).await, ["@bob", "@bob"]);
    page.quit().await;
}
