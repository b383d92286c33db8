//! Three people and the assistant in one room at once, and one of them without a network for a while: all read the same.

use serde_json::json;

use super::around::GENEROUS;
use super::chromium::Chromium;
use super::http_api::HttpApi;
use super::page::{LATER, Page};
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

async fn network(page: &Page, is_there: bool) {
    let conditions = json!({ "offline": !is_there, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
    page.devtools("Network.emulateNetworkConditions", conditions)
        .await;
}

#[tokio::test]
async fn three_people_and_the_assistant_read_the_same() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&GENEROUS).await;
    let names = ["Ada", "Bob", "Cy"];
    let mut pages = Vec::new();
    for name in names {
        let page = Page::open(&chromium, &salon.url()).await;
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
    network(&cy, false).await;
    cy.send("written without a network").await;
    ada.send("said meanwhile").await;
    bob.see("said meanwhile", "complete").await;
    network(&cy, true).await;
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
