//! The server is killed and comes back: the page says so, keeps what is written, returns by itself, and nothing is
//! lost or doubled.

use std::time::{Duration, Instant};

use super::chromium::Chromium;
use super::http_api::HttpApi;
use super::page::{LATER, Page};
use crate::support::salon::SalonProcess;

const BANNER: &str = "return document.querySelector('.banner:not([hidden])')?.textContent ?? null";

#[tokio::test]
async fn the_page_survives_a_kill_of_its_server() {
    let chromium = Chromium::start().await;
    let mut salon = SalonProcess::start(&[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    for text in ["one", "two", "three"] {
        page.send(text).await;
        page.see(text, "complete").await;
    }
    page.run::<()>("window.sameDocument = true", &[]).await;

    let killed = Instant::now();
    salon.kill();
    page.send("written while you were away").await;
    page.see("written while you were away", "sending").await;
    let banner = page.wait("the banner appears", LATER, BANNER, &[]).await;
    assert!(
        killed.elapsed() >= Duration::from_secs(4),
        "a blip is not worth a banner, and it came after {:?}",
        killed.elapsed()
    );
    assert!(
        banner.as_str().unwrap().contains("Reconnecting"),
        "{banner}"
    );

    page.screenshot("desktop-banner").await;
    salon.restart().await;
    let kept = page.see("written while you were away", "complete").await;
    assert_eq!(kept.seq, Some(4));
    let gone = format!("return ((banner) => banner === null)((() => {{ {BANNER} }})())");
    page.wait("the banner goes", LATER, &gone, &[]).await;
    page.send("and back").await;
    page.see("and back", "complete").await;

    let wanted = [
        "one",
        "two",
        "three",
        "written while you were away",
        "and back",
    ];
    let wanted: Vec<_> = (1..).zip(wanted.map(str::to_owned)).collect();
    let shown = page.messages().await.into_iter();
    assert_eq!(
        shown
            .map(|message| (message.seq.unwrap(), message.text))
            .collect::<Vec<_>>(),
        wanted
    );
    let api = HttpApi::guest(&salon.url(), "Auditor").await;
    let stored = api.messages().await.into_iter();
    assert_eq!(
        stored
            .map(|message| (message.seq, message.text))
            .collect::<Vec<_>>(),
        wanted
    );
    assert!(
        page.run::<bool>("return window.sameDocument === true", &[])
            .await,
        "it came back without a reload"
    );
    page.quit().await;
}
