//! Where the focus is when one has come somewhere, how far the box is for who has no pointer, and what a key does to a message
//! that was clicked.

use serde_json::json;
use thirtyfour::prelude::*;

use super::around::{GENEROUS, count, go_to, must, page_of, press, sea, until_focused};
use super::chromium::Chromium;
use super::page::{Page, SOON};
use crate::support::event_stream::ApiClient;
use crate::support::salon::SalonProcess;

const WRITTEN: &str = "return document.querySelector('#composer-input').value === arguments[0]";
/// What the Tab key would stop at within the messages.
const STOPS: &str =
    "return [...document.querySelectorAll('salon-message :is(a[href], button, summary)')]
        .filter(({ tabIndex }) => tabIndex >= 0).length";

async fn until_written(page: &Page, text: &str) {
    page.wait(
        &format!("“{text}” is written"),
        SOON,
        WRITTEN,
        &[json!(text)],
    )
    .await;
}

#[tokio::test]
async fn one_may_write_where_one_has_come() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let page = Page::open(&chromium, &salon.url()).await;
    until_focused(&page, "#guest-name").await;
    page.click("[data-mode=sign_up]").await;
    until_focused(&page, "#account-name").await;
    page.click("[data-mode=guest]").await;
    until_focused(&page, "#guest-name").await;
    press(&page, "   ").await;
    press(&page, Key::Enter).await;
    page.until_text(".problem", "A name needs a character that can be seen.")
        .await;
    press(&page, "Ada").await;
    press(&page, Key::Enter).await;
    page.see_lobby().await;
    until_focused(&page, "#composer-input").await;

    page.click("[aria-label='Direct message']").await;
    until_focused(&page, "#direct-names").await;
    press(&page, Key::Escape).await;
    count(&page, "dialog", 0).await;
    page.click(".list-head [aria-label='Public rooms']").await;
    until_focused(&page, "#browse-query").await;
    press(&page, Key::Escape).await;
    count(&page, "dialog", 0).await;
    page.click("[aria-label='New room']").await;
    until_focused(&page, "#room-name").await;
    press(&page, "Garden").await;
    press(&page, Key::Enter).await;
    page.until_text(".room-title", "Garden").await;
    until_focused(&page, "#composer-input").await;
    page.click(".room-link[data-slug=lobby]").await;
    page.until_text(".room-title", "Lobby").await;
    until_focused(&page, "#composer-input").await;
    // The room that is open already.
    page.click(".room-link[data-slug=lobby]").await;
    until_focused(&page, "#composer-input").await;
    page.quit().await;
}

#[tokio::test]
async fn a_question_stands_before_what_cannot_be_taken_back_and_its_focus_does_nothing() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.send("one").await;
    page.see("one", "complete").await;
    for no in [Key::Escape, Key::Enter] {
        page.click(".message.own [data-tool=delete]").await;
        page.until_text("[role=alertdialog]", "Delete this message for everyone?")
            .await;
        until_focused(&page, "#ask-no").await;
        press(&page, no).await;
        count(&page, "dialog", 0).await;
    }
    page.send("two").await;
    page.see("two", "complete").await;
    count(&page, ".message[data-state=complete]", 2).await;
    page.click(".message[data-seq='1'] [data-tool=delete]")
        .await;
    page.click("#ask-yes").await;
    page.find(".message[data-seq='1'][data-state=deleted]")
        .await;
    until_focused(&page, "#composer-input").await;

    page.click(".room-menu-button").await;
    page.click("[data-menu=leave]").await;
    until_focused(&page, "#ask-no").await;
    press(&page, Key::Escape).await;
    count(&page, "dialog", 0).await;
    page.see("two", "complete").await;
    page.quit().await;
}

#[tokio::test]
async fn what_is_typed_on_a_message_that_was_clicked_is_written() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let (ada, _bob) = sea(&salon).await;
    for text in ["one", "two", "three"] {
        let message = json!({ "body": text });
        must(&ada, "POST", "/api/rooms/sea/messages", message).await;
    }
    let page = page_of(&chromium, &salon, &ada).await;
    go_to(&page, "sea").await;
    page.click(".message[data-seq='2'] .body").await;
    until_focused(&page, ".message[data-seq='2']").await;
    press(&page, "reap Gold").await;
    until_focused(&page, "#composer-input").await;
    until_written(&page, "reap Gold").await;
    assert!(!page.sees(".about").await, "neither a reply nor an edit");

    // To which a search, a pin or a link led.
    page.run::<()>("location.hash = '#/rooms/sea/1'", &[]).await;
    until_focused(&page, ".message[data-seq='1']").await;
    press(&page, "e").await;
    until_written(&page, "reap Golde").await;
    page.click(".room-title").await;
    press(&page, "n").await;
    until_written(&page, "reap Golden").await;
    assert!(!page.sees(".about").await, "neither a reply nor an edit");

    // The arrows lead on from there, and then letters act.
    page.click(".message[data-seq='2'] .body").await;
    press(&page, Key::Down).await;
    until_focused(&page, ".message[data-seq='3']").await;
    press(&page, "r").await;
    page.until_text(".about", "Replying to Ada").await;
    page.quit().await;
}

#[tokio::test]
async fn no_letter_has_an_answer_written_again() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.send("@assistant hello").await;
    page.see_reply("a reply", |reply| reply.state == "complete")
        .await;
    page.run::<()>("document.querySelector('.scroller').focus()", &[])
        .await;
    press(&page, Key::End).await;
    until_focused(&page, ".message.assistant").await;
    press(&page, "g").await;
    until_focused(&page, "[data-tool=regenerate]").await;
    page.send("Thank you").await;
    page.see("Thank you", "complete").await;
    count(&page, ".variants", 0).await;
    page.quit().await;
}

#[tokio::test]
async fn the_messages_are_one_stop_and_a_link_leads_past_them() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let (ada, _bob) = sea(&salon).await;
    for text in ["one", "see https://example.org/", "`three`"] {
        let message = json!({ "body": text });
        must(&ada, "POST", "/api/rooms/sea/messages", message).await;
    }
    let page = page_of(&chromium, &salon, &ada).await;
    go_to(&page, "sea").await;
    count(&page, ".message [data-tool=copy]", 3).await;
    assert_eq!(page.run::<usize>(STOPS, &[]).await, 0);
    let first = "const stops = [...document.querySelectorAll('a[href], button, input, textarea, [tabindex]')];
        return stops.find(({ tabIndex }) => tabIndex >= 0).className";
    assert_eq!(page.run::<String>(first, &[]).await, "skip");
    page.run::<()>("document.querySelector('.skip').focus()", &[])
        .await;
    page.until_text(".skip", "To the message box").await;
    press(&page, Key::Enter).await;
    until_focused(&page, "#composer-input").await;
    press(&page, Key::Shift + Key::Tab).await;
    until_focused(&page, ".scroller").await;
    press(&page, Key::Up).await;
    until_focused(&page, ".message[data-seq='3']").await;
    press(&page, Key::Tab).await;
    until_focused(&page, ".message[data-seq='3'] *").await;
    assert!(page.run::<usize>(STOPS, &[]).await > 5, "those of one");
    page.run::<()>("document.querySelector('.scroller').focus()", &[])
        .await;
    assert_eq!(page.run::<usize>(STOPS, &[]).await, 0);
    press(&page, Key::Tab).await;
    until_focused(&page, "#composer-input").await;
    page.quit().await;
}

#[tokio::test]
async fn the_choice_of_reactions_moves_nothing_and_is_not_under_the_pointer() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let (ada, bob) = sea(&salon).await;
    let say = async |who: &ApiClient, text: &str| {
        must(
            who,
            "POST",
            "/api/rooms/sea/messages",
            json!({ "body": text }),
        )
        .await;
    };
    say(&ada, "one").await;
    say(&bob, "two").await;
    say(&ada, "@assistant hello").await;
    say(&bob, "four").await;
    let page = page_of(&chromium, &salon, &ada).await;
    go_to(&page, "sea").await;
    page.see_reply("a reply", |reply| reply.state == "complete")
        .await;
    count(&page, ".message [data-tool=react]", 5).await;
    let places = "return [...document.querySelectorAll('.message .body')].map((one) => one.getBoundingClientRect().top)";
    for seq in 1..=5 {
        let react = format!(".message[data-seq='{seq}'] [data-tool=react]");
        let button = page.driver.find(By::Css(react.as_str())).await.unwrap();
        button.scroll_into_view().await.unwrap();
        let before: Vec<f64> = page.run(places, &[]).await;
        page.click(&react).await;
        page.find(".reaction-choice").await;
        assert_eq!(page.run::<Vec<f64>>(places, &[]).await, before, "{seq}");
        let apart = "const [button, choice, view] = [arguments[0], '.reaction-choice', '.scroller'].map((css) => document.querySelector(css).getBoundingClientRect());
            return (choice.bottom <= button.top || choice.top >= button.bottom) && choice.top >= view.top && choice.bottom <= view.bottom
                && choice.left >= view.left && choice.right <= view.right";
        assert!(page.run::<bool>(apart, &[json!(react)]).await, "{seq}");
        press(&page, Key::Escape).await;
        count(&page, ".reaction-choice", 0).await;
        let button = page.driver.find(By::Css(react.as_str())).await.unwrap();
        let hand = page.driver.action_chain().move_to_element_center(&button);
        hand.double_click().perform().await.unwrap();
        press(&page, Key::Escape).await;
    }
    page.send("that was all").await;
    page.see("that was all", "complete").await;
    count(&page, ".reaction", 0).await;

    // Who chose one is still on its message.
    page.click(".message[data-seq='2'] [data-tool=react]").await;
    until_focused(&page, ".reaction-choice button").await;
    press(&page, Key::Enter).await;
    page.find(".message[data-seq='2'] .reaction").await;
    until_focused(&page, ".message[data-seq='2']").await;
    page.quit().await;
}

#[tokio::test]
async fn escape_stops_ones_answer_with_a_draft_too_and_from_a_message() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[("SALON_SCRIPTED_DELAY_MS", "40")]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    for place in ["#composer-input", ".message.own"] {
        page.send("@assistant write a long answer").await;
        page.see_reply("it grows", |reply| {
            reply.state == "streaming" && reply.text.len() > 20
        })
        .await;
        page.type_into("#composer-input", "a draft").await;
        page.run::<()>(
            "document.querySelector(arguments[0]).focus()",
            &[json!(place)],
        )
        .await;
        press(&page, Key::Escape).await;
        page.see_reply("it is stopped", |reply| reply.state == "stopped")
            .await;
        until_written(&page, "a draft").await;
        page.find("#composer-input").await.clear().await.unwrap();
    }
    page.quit().await;
}
