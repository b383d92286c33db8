//! Three people and the assistant in one room at once, and one of them without a network for a while: all read the same.

use serde_json::json;

use super::around::GENEROUS;
use super::chromium::Chromium;
use super::http_api::HttpApi;
use super::page::{LATER, Page, SOON};
use crate::support::fault_proxy::FaultProxy;
use crate::support::salon::SalonProcess;

/// What every message says, once nothing moves any more.
async fn words(page: &Page) -> Vec<(Option<u64>, String)> {
    let messages = page.messages().await.into_iter();
    messages
        .map(|message| (message.seq, message.text))
        .collect()
}

async fn all_are_there(page: &Page, wanted: usize) {
    let script = "const messages = [...document.querySelectorAll('.message')];
        return messages.length === arguments[0] && messages.every(({ dataset }) => dataset.state === 'complete')";
    page.wait("all messages are complete", LATER, script, &[json!(wanted)])
        .await;
}

/// Takes the network from who comes through that proxy, or gives it back.
fn network(proxy: &FaultProxy, is_there: bool) {
    proxy.refuse(!is_there);
    if !is_there {
        proxy.cut();
    }
}

#[tokio::test]
async fn three_people_and_the_assistant_read_the_same() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let names = ["Ada", "Bob", "Cy"];
    let mut pages = Vec::new();
    let cable = FaultProxy::start(salon.port()).await;
    let through = format!("http://127.0.0.1:{}", cable.port());
    for name in names {
        let url = if name == "Cy" { &through } else { &salon.url() };
        let page = Page::open(&chromium, url).await;
        page.come_in(name).await;
        pages.push(page);
    }
    let [ada, bob, cy] = <[Page; 3]>::try_from(pages).ok().unwrap();
    for number in 0..3 {
        let said = names.map(|name| match name {
            "Bob" => format!("@assistant Bob {number}"),
            name => format!("{name} {number}"),
        });
        tokio::join!(ada.send(&said[0]), bob.send(&said[1]), cy.send(&said[2]));
    }
    for page in [&ada, &bob, &cy] {
        all_are_there(page, 12).await;
    }
    let seen = words(&ada).await;
    assert_eq!(words(&bob).await, seen);
    assert_eq!(words(&cy).await, seen);
    let api = HttpApi::guest(&salon.url(), "Auditor").await;
    let stored = api.messages().await.into_iter();
    let stored: Vec<_> = stored
        .map(|message| (Some(message.seq), message.text))
        .collect();
    assert_eq!(seen, stored);
    let places: Vec<u64> = seen.iter().filter_map(|(seq, _)| *seq).collect();
    assert_eq!(places, (1..=12).collect::<Vec<u64>>());

    // One without a network writes on; what it wrote and what it missed are there when it is back, once.
    network(&cable, false);
    cy.send("written without a network").await;
    cy.see("written without a network", "sending").await;
    cy.wait(
        "it says so",
        SOON,
        "return document.querySelector('.banner:not([hidden])') !== null",
        &[],
    )
    .await;
    ada.send("said meanwhile").await;
    bob.see("said meanwhile", "complete").await;
    network(&cable, true);
    cy.click(".banner .text-button").await;
    for page in [&ada, &bob, &cy] {
        all_are_there(page, 14).await;
    }
    let seen = words(&cy).await;
    assert_eq!(words(&ada).await, seen);
    assert_eq!(words(&bob).await, seen);
    for page in [ada, bob, cy] {
        page.quit().await;
    }
}
