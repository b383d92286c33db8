//! What signs begin in the composer: an emoji behind `:`, a command behind `/`; and the choice among all emoji as reactions. (`@` is
//! in `composer.rs`.)

use serde_json::json;
use thirtyfour::prelude::*;

use super::around::{GENEROUS, close_dialogs, count, go_to, page_of, press, sea, until_focused};
use super::chromium::Chromium;
use super::page::{Page, SOON};
use crate::support::salon::SalonProcess;

/// The names that are offered, joined; empty while the list is closed.
const OFFERED: &str = "return [...document.querySelectorAll('.suggestions:not([hidden]) li span:not(.emoji, .avatar)')].map((one) => one.textContent).join()";
/// The words of the commands that are offered.
const COMMANDS: &str = "return [...document.querySelectorAll('.suggestions:not([hidden]) li small')].map((one) => one.textContent)";

async fn until_offered(page: &Page, names: &str) {
    let script =
        format!("const offered = (() => {{ {OFFERED} }})(); return offered === arguments[0]");
    page.wait(
        &format!("“{names}” is offered"),
        SOON,
        &script,
        &[json!(names)],
    )
    .await;
}

async fn until_written(page: &Page, text: &str) {
    let script = "return document.querySelector('#composer-input').value === arguments[0]";
    page.wait(
        &format!("“{text}” is written"),
        SOON,
        script,
        &[json!(text)],
    )
    .await;
}

/// Puts a text into the box as if it were typed, with the caret behind it.
async fn put(page: &Page, text: &str) {
    let script = "const input = document.querySelector('#composer-input'); input.value = arguments[0]; input.dispatchEvent(new Event('input'))";
    page.run::<()>(script, &[json!(text)]).await;
}

#[tokio::test]
async fn a_colon_offers_emoji_by_name_but_not_in_code_or_behind_a_letter() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    let names = "return performance.getEntriesByType('resource').filter(({ name }) => name.includes('/words/emoji/')).length";
    assert_eq!(
        page.run::<u32>(names, &[]).await,
        0,
        "nobody has asked for one"
    );
    page.type_into("#composer-input", "hello :r").await;
    until_offered(&page, "").await;
    page.type_into("#composer-input", "oc").await;
    until_offered(&page, "rocket").await;
    assert_eq!(
        page.run::<u32>(names, &[]).await,
        1,
        "in English there is one list"
    );
    page.type_into("#composer-input", Key::Enter).await;
    until_written(&page, "hello 🚀 ").await;
    // The arrows choose, Tab takes, and what listens is told which one is chosen.
    page.type_into("#composer-input", "(:bro").await;
    until_offered(&page, "broken heart").await;
    page.type_into("#composer-input", "\u{e003}\u{e003}o").await;
    let chosen = "const input = document.querySelector('#composer-input');
        return document.getElementById(input.getAttribute('aria-activedescendant'))?.getAttribute('aria-selected') === 'true'
            && document.querySelectorAll('.suggestions [aria-selected=true]').length === 1
            && document.querySelector('.suggestions').getAttribute('aria-label')";
    until_offered(&page, "robot,boom,books,book").await;
    assert_eq!(page.run::<String>(chosen, &[]).await, "Emoji");
    page.type_into("#composer-input", Key::Down + Key::Tab)
        .await;
    until_written(&page, "hello 🚀 (💥 ").await;
    // As what is typed, it is taken back.
    press(&page, Key::Control + "z").await;
    until_written(&page, "hello 🚀 (:bo").await;
    for text in [
        "12:30",
        "http:ro",
        "a :30",
        ":",
        "x:rocket",
        "in `code :roc",
        "```\n:roc",
        "~~~\n`\n:roc",
        ":: :roc ",
    ] {
        put(&page, text).await;
        until_offered(&page, "").await;
    }
    for text in [
        "`code` :rocke",
        "```\ncode\n```\n:rocke",
        "one ` alone\n\n:rocke",
    ] {
        put(&page, text).await;
        until_offered(&page, "rocket").await;
    }
    // What Escape closed stays closed, until another sign begins something.
    page.type_into("#composer-input", Key::Escape + Key::Backspace)
        .await;
    until_offered(&page, "").await;
    page.type_into("#composer-input", " :rocke").await;
    until_offered(&page, "rocket").await;
    page.quit().await;
}

#[tokio::test]
async fn no_emoji_is_offered_while_a_word_is_composed() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.type_into("#composer-input", ":rocke").await;
    until_offered(&page, "rocket").await;
    put(&page, "").await;
    page.click("#composer-input").await;
    let composed = json!({"text": ":rocke", "selectionStart": 6, "selectionEnd": 6});
    page.devtools("Input.imeSetComposition", composed).await;
    until_written(&page, ":rocke").await;
    assert_eq!(page.run::<String>(OFFERED, &[]).await, "");
    page.devtools("Input.insertText", json!({"text": ":rocke"}))
        .await;
    until_offered(&page, "rocket").await;
    page.quit().await;
}

#[tokio::test]
async fn emoji_have_names_in_the_readers_language_and_in_english() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.run::<()>("localStorage.setItem('salon.look.language', 'de')", &[])
        .await;
    page.load().await;
    page.come_in("Ada").await;
    for written in [":rake", ":rocke"] {
        put(&page, "").await;
        page.type_into("#composer-input", written).await;
        until_offered(&page, "rakete").await;
    }
    put(&page, "").await;
    page.type_into("#composer-input", "/einst").await;
    until_offered(&page, "").await;
    page.type_into("#composer-input", "\u{e003}\u{e003}lad")
        .await;
    until_offered(&page, "").await;
    for written in ["/suc", "/sear"] {
        put(&page, "").await;
        page.type_into("#composer-input", written).await;
        until_offered(&page, "Nachrichten suchen").await;
    }
    page.quit().await;
}

#[tokio::test]
async fn a_stroke_offers_what_this_person_may_do_here() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let (ada, bob) = sea(&salon).await;
    // Who owns the room and who is a member of it are offered what its menu offers them.
    for (who, offered, not_offered) in [
        (
            &ada,
            ["/invite", "/integrations", "/settings", "/usage", "/leave"].as_slice(),
            [].as_slice(),
        ),
        (
            &bob,
            &["/usage", "/leave", "/members"],
            &["/invite", "/integrations", "/settings"],
        ),
    ] {
        let page = page_of(&chromium, &salon, who).await;
        go_to(&page, "sea").await;
        page.type_into("#composer-input", "/").await;
        count(&page, ".suggestions:not([hidden])", 1).await;
        let commands: Vec<String> = page.run(COMMANDS, &[]).await;
        for name in offered {
            assert!(
                commands.contains(&(*name).to_owned()),
                "{name}: {commands:?}"
            );
        }
        for name in not_offered {
            assert!(
                !commands.contains(&(*name).to_owned()),
                "{name}: {commands:?}"
            );
        }
        // Each button of the menu has its command.
        let menu: Vec<String> = page
            .run("return [...document.querySelectorAll('#room-menu [data-menu]:not([data-menu=reading])')].map((one) => `/${one.dataset.menu}`)", &[])
            .await;
        assert!(
            menu.len() > 5 && menu.iter().all(|name| commands.contains(name)),
            "{menu:?} {commands:?}"
        );
        page.quit().await;
    }
}

#[tokio::test]
async fn a_command_is_done_when_it_is_chosen_and_leaves_the_box_empty() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let (_ada, bob) = sea(&salon).await;
    let page = page_of(&chromium, &salon, &bob).await;
    go_to(&page, "sea").await;
    for (written, there) in [
        ("/mem", ".members .member-name"),
        ("/pin", "[aria-label='Pinned in Sea']"),
        ("/usa", ".uses-section"),
        ("/exp", ".export-way"),
        ("/assis", ".assistant-row"),
        ("/key", ".keys-help"),
        ("/new", "#room-slug"),
        ("/dir", "#direct-names"),
        ("/acc", "#setting-theme"),
        ("/go", "#switch-query"),
        ("/rooms", "#browse-query"),
    ] {
        page.type_into("#composer-input", written).await;
        count(&page, ".suggestions:not([hidden])", 1).await;
        page.type_into("#composer-input", Key::Enter).await;
        page.find(there).await;
        until_written(&page, "").await;
        close_dialogs(&page).await;
        until_focused(&page, "#composer-input").await;
    }
    // What is written behind it is searched for; and a dialog that was left lets one write on at once.
    page.type_into("#composer-input", "/search wind \"of the\"")
        .await;
    until_offered(&page, "Search messages").await;
    press(&page, Key::Enter).await;
    let searched = "return document.querySelector('#search-words')?.value === 'wind \"of the\"' && document.querySelector('.found-list .hint').textContent !== ''";
    page.wait("it is searched for", SOON, searched, &[]).await;
    press(&page, Key::Escape).await;
    count(&page, "dialog", 0).await;
    until_focused(&page, "#composer-input").await;
    press(&page, "/ask what is the wind?").await;
    press(&page, Key::Enter).await;
    until_written(&page, "@assistant what is the wind?").await;
    assert_eq!(
        page.messages().await.len(),
        0,
        "it is for the asker to send"
    );
    put(&page, "").await;
    press(&page, "/theme dark").await;
    press(&page, Key::Enter).await;
    count(&page, "html[data-theme=dark]", 1).await;
    for (written, told) in [("/mut", "Unmute this room"), ("/unm", "Mute this room")] {
        press(&page, written).await;
        press(&page, Key::Enter).await;
        count(&page, &format!(".room-buttons > [aria-label='{told}']"), 1).await;
    }
    press(&page, "/leave").await;
    press(&page, Key::Enter).await;
    page.click("#ask-yes").await;
    count(&page, ".room-link[data-slug=sea] .join", 1).await;
    page.quit().await;
}

#[tokio::test]
async fn what_is_no_command_or_was_left_is_sent_as_it_is_and_an_edit_is_none() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    for text in ["/etc/hosts", "/shrug", "/ not one", "not /search"] {
        page.send(text).await;
        page.see(text, "complete").await;
    }
    page.type_into("#composer-input", "/sea").await;
    until_offered(&page, "Search messages").await;
    page.type_into("#composer-input", Key::Escape + "rch").await;
    until_offered(&page, "").await;
    page.type_into("#composer-input", Key::Enter).await;
    page.see("/search", "complete").await;
    assert!(!page.sees("dialog").await);
    // What was closed there says nothing of the next message.
    page.type_into("#composer-input", "/sea").await;
    until_offered(&page, "Search messages").await;
    put(&page, "").await;
    // One begins with it: not what stands within a text, nor the second line.
    for text in ["a\n/sea", "/sea\n"] {
        put(&page, text).await;
        until_offered(&page, "").await;
    }
    put(&page, "").await;
    page.type_into("#composer-input", Key::Up).await;
    until_written(&page, "/search").await;
    page.type_into("#composer-input", "\u{e003}\u{e003}").await;
    until_offered(&page, "").await;
    page.type_into("#composer-input", Key::Enter).await;
    page.see("/sear", "complete").await;
    page.quit().await;
}

#[tokio::test]
async fn any_emoji_can_be_a_reaction_and_nothing_moves_for_it() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    for text in ["one", "two", "three"] {
        page.send(text).await;
        page.see(text, "complete").await;
    }
    let react = async |seq: u32| {
        let script =
            "document.querySelector(`[data-seq='${arguments[0]}'] [data-tool=react]`).click()";
        count(&page, ".message [data-tool=react]", 3).await;
        page.run::<()>(script, &[json!(seq)]).await;
        page.click("[data-action=more-emoji]").await;
        page.find(".emoji-choice").await;
    };
    let places = "return [...document.querySelectorAll('.message .body, #composer-input')].map((one) => one.getBoundingClientRect().top)";
    let before: Vec<f64> = page.run(places, &[]).await;
    react(2).await;
    until_focused(&page, "#emoji-find").await;
    assert_eq!(page.run::<Vec<f64>>(places, &[]).await, before);
    count(&page, ".emoji-grid button", 150).await;
    count(&page, ".emoji-grid [tabindex='0']", 1).await;
    press(&page, "no such").await;
    page.until_text(".emoji-choice [role=status]", "No emoji is called so.")
        .await;
    press(&page, "\u{e003}".repeat(7)).await;
    count(&page, ".emoji-grid button", 150).await;
    press(&page, "roc").await;
    count(&page, ".emoji-grid button", 1).await;
    press(&page, Key::Enter).await;
    page.until_text(".message[data-seq='2'] .reaction", "🚀")
        .await;
    until_focused(&page, ".message[data-seq='2']").await;
    count(&page, ".emoji-choice", 0).await;

    // By the arrows through the grid, which is one stop; what is typed there finds; Escape leaves.
    react(3).await;
    press(&page, Key::Down + "").await;
    until_focused(&page, ".emoji-grid [aria-label=grin]").await;
    press(&page, Key::Right + Key::Right).await;
    until_focused(&page, ".emoji-grid [aria-label=joy]").await;
    press(&page, Key::Down + "").await;
    let below = "const at = document.activeElement; const first = document.querySelector('[aria-label=joy]');
        return at.offsetLeft === first.offsetLeft && at.offsetTop > first.offsetTop";
    page.wait("the one below", SOON, below, &[]).await;
    press(&page, "bug").await;
    count(&page, ".emoji-grid button", 1).await;
    press(&page, Key::Escape).await;
    count(&page, ".emoji-choice", 0).await;
    until_focused(&page, ".message[data-seq='3']").await;
    count(&page, ".reaction", 1).await;

    // On a phone it fits, and brings no keyboard up.
    page.be_a_phone().await;
    page.click(".message[data-seq='1'] .body").await;
    react(1).await;
    until_focused(&page, ".emoji-grid button").await;
    let fits = "const { left, right, top, bottom } = document.querySelector('.emoji-choice').getBoundingClientRect();
        return left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight";
    page.wait("it fits", SOON, fits, &[]).await;
    page.screenshot("phone-emoji-choice").await;
    page.click(".emoji-grid [aria-label=tada]").await;
    page.until_text(".message[data-seq='1'] .reaction", "🎉")
        .await;
    page.quit().await;
}
