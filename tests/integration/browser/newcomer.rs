//! What the README says, done by a person who was told nothing: come in, say something, ask, watch, stop, reload. And
//! Chromium has nothing to complain about meanwhile.

use super::chromium::Chromium;
use super::http_api::HttpApi;
use super::page::{LATER, Page, SOON};
use crate::support::salon::SalonProcess;

#[tokio::test]
async fn a_newcomer_chats_asks_stops_and_reloads() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[("SALON_SCRIPTED_DELAY_MS", "20")]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.click(".room-link[data-slug=lobby]").await;
    page.see_lobby().await;

    page.send("Hello, everyone").await;
    let hello = page.see("Hello, everyone", "complete").await;
    assert!(hello.own && hello.seq == Some(1), "{hello:?}");

    let api = HttpApi::guest(&salon.url(), "Auditor").await;
    watch_a_reply_grow(&page, &api).await;
    stop_a_reply(&page, &api).await;
    reload_in_the_middle(&page, &api).await;

    let texts = |shown: Vec<super::page::Shown>| -> Vec<_> {
        shown
            .into_iter()
            .map(|message| (message.seq, message.state, message.text))
            .collect()
    };
    let stored: Vec<_> = api
        .messages()
        .await
        .into_iter()
        .map(|message| (Some(message.seq), message.state, message.text))
        .collect();
    assert_eq!(texts(page.messages().await), stored);
    assert_eq!(stored.len(), 8);
    chromium_is_content(&page).await;
    page.quit().await;
}

/// The text is longer at the second look, while it is still being written; at the end it is what is stored.
async fn watch_a_reply_grow(page: &Page, api: &HttpApi) {
    page.send("@assistant what is a salon?").await;
    let first = page
        .see_reply("the reply begins", |reply| {
            reply.state == "streaming" && !reply.text.is_empty()
        })
        .await;
    page.see_reply("the reply grows", |reply| {
        assert_eq!(reply.state, "streaming", "it was not seen growing");
        reply.text.len() > first.text.len()
    })
    .await;
    let whole = page
        .see_reply("the reply is complete", |reply| reply.state == "complete")
        .await;
    let stored = api.messages().await;
    let stored = stored
        .iter()
        .find(|message| Some(message.seq) == whole.seq)
        .unwrap();
    assert_eq!((&whole.text, &whole.state), (&stored.text, &stored.state));
    assert!(whole.text.contains("built-in demo"), "{}", whole.text);
}

async fn stop_a_reply(page: &Page, api: &HttpApi) {
    page.send("@assistant write a long answer about stopping")
        .await;
    page.see_reply("the long reply begins", |reply| {
        reply.state == "streaming" && reply.text.len() > 20
    })
    .await;
    page.screenshot("desktop-streaming").await;
    page.click("#composer-send[data-mode=stop]").await;
    let stopped = page
        .see_reply("the reply is stopped", |reply| reply.state == "stopped")
        .await;
    assert!(
        !stopped.text.contains("5"),
        "it was stopped before its last part: {}",
        stopped.text
    );
    page.screenshot("desktop-stopped").await;
    // A message that went all the way there and back came after every word that was on its way.
    page.send("Thank you, that will do").await;
    page.see("Thank you, that will do", "complete").await;
    let messages = page.messages().await;
    assert!(
        messages.contains(&stopped),
        "it changed after it was stopped: {messages:?}"
    );
    let stored = api.messages().await;
    let stored = stored
        .iter()
        .find(|message| Some(message.seq) == stopped.seq)
        .unwrap();
    assert_eq!(
        (&stopped.text, &stopped.state),
        (&stored.text, &stored.state)
    );
}

async fn reload_in_the_middle(page: &Page, api: &HttpApi) {
    page.send("@assistant write a long answer about rivers")
        .await;
    let before = page
        .see_reply("the reply begins", |reply| {
            reply.state == "streaming" && reply.text.len() > 20
        })
        .await;
    page.driver.refresh().await.unwrap();
    page.see_lobby().await;
    let after = page
        .see_reply("the reply is there again", |reply| {
            reply.seq == before.seq && reply.text.len() > 20
        })
        .await;
    assert_eq!(after.state, "streaming", "the reload came too late");
    let whole = page
        .see_reply("the reply is complete", |reply| reply.state == "complete")
        .await;
    let stored = api.messages().await;
    let stored = stored
        .iter()
        .find(|message| Some(message.seq) == before.seq)
        .unwrap();
    assert_eq!((&whole.text, &whole.state), (&stored.text, &stored.state));
    assert!(whole.text.starts_with(&before.text[..20]));
}

/// Nothing in the console: no error, no warning, no violation of the content security policy. What is planted shows that
/// both would have been seen.
async fn chromium_is_content(page: &Page) {
    let complaints = async || -> Vec<String> {
        let entries = page.driver.browser_log().await.unwrap();
        entries
            .into_iter()
            .filter(|entry| matches!(entry.level.as_str(), "SEVERE" | "WARNING"))
            .map(|entry| entry.message)
            .collect()
    };
    assert_eq!(complaints().await, Vec::<String>::new());
    let plant = "console.error('planted');
        const script = document.createElement('script');
        script.type = 'text/planted';
        const image = new Image();
        image.src = 'https://planted.invalid/x.png';
        document.body.append(image);";
    page.run::<()>(plant, &[]).await;
    let mut seen = Vec::new();
    page.until("what was planted is seen", SOON.min(LATER), async || {
        seen.extend(complaints().await);
        let all = seen.join("\n");
        (all.contains("\"planted\"") && all.contains("Content Security Policy")).then_some(())
    })
    .await;
}
