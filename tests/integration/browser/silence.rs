//! A line on which nothing comes any more, though nobody closed it: it is noticed soon by who asked for something, and at once
//! looked into when the network is another one; nothing is lost or doubled.

use std::time::{Duration, Instant};

use super::chromium::Chromium;
use super::page::{LATER, Page};
use crate::support::salon::SalonProcess;

const BANNER: &str = "return document.querySelector('.banner:not([hidden])') !== null";
const NO_BANNER: &str = "return document.querySelector('.banner:not([hidden])') === null";

#[tokio::test]
async fn a_silent_line_is_given_up_soon_by_who_asked_for_something() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.send("one").await;
    page.see("one", "complete").await;

    salon.freeze();
    page.send("two").await;
    let asked = Instant::now();
    page.see("two", "sending").await;
    page.wait("the banner appears", LATER, BANNER, &[]).await;
    let after = asked.elapsed();
    // Four seconds, a ping, four more, and five that are not worth a word. Who waits for the heartbeat needs 28.
    assert!(
        after > Duration::from_secs(10) && after < Duration::from_secs(22),
        "{after:?}"
    );
    page.see("two", "sending").await;
    salon.thaw();
    page.see("two", "complete").await;
    page.wait("the banner goes", LATER, NO_BANNER, &[]).await;
    let texts: Vec<_> = page
        .messages()
        .await
        .into_iter()
        .map(|one| one.text)
        .collect();
    assert_eq!(texts, ["one", "two"]);
    page.quit().await;
}

#[tokio::test]
async fn another_network_has_the_line_looked_into_at_once() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.send("one").await;
    page.see("one", "complete").await;

    let signs = [
        "window.dispatchEvent(new Event('online'))",
        "navigator.connection.dispatchEvent(new Event('change'))",
        "document.dispatchEvent(new Event('visibilitychange'))",
    ];
    for sign in signs {
        salon.freeze();
        let changed = Instant::now();
        page.run::<()>(sign, &[]).await;
        page.wait("the banner appears", LATER, BANNER, &[]).await;
        let after = changed.elapsed();
        assert!(
            after > Duration::from_secs(8) && after < Duration::from_secs(16),
            "{sign}: {after:?}"
        );
        salon.thaw();
        page.wait("the banner goes", LATER, NO_BANNER, &[]).await;
        // A ping that is answered in time ends the greater patience that a line has which was given up.
        page.run::<()>(sign, &[]).await;
        page.send(sign).await;
        page.see(sign, "complete").await;
    }
    page.quit().await;
}
