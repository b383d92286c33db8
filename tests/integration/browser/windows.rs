//! Several windows: two of one session show the same and end together; two people see each other's words.

use super::chromium::Chromium;
use super::page::{Page, SOON};
use crate::support::salon::SalonProcess;

#[tokio::test]
async fn two_windows_and_two_people_share_one_room() {
    let chromium = Chromium::start().await;
    let salon = SalonProcess::start(&[]).await;
    let ada = Page::open(&chromium, &salon.url()).await;
    ada.come_in("Ada").await;
    ada.send("from the first window").await;
    ada.see("from the first window", "complete").await;

    let first = ada.driver.window().await.unwrap();
    let second = ada.driver.new_window().await.unwrap();
    ada.driver.switch_to_window(second.clone()).await.unwrap();
    ada.load().await;
    ada.see_lobby().await;
    ada.see("from the first window", "complete").await;
    ada.send("from the second window").await;
    let sent = ada.see("from the second window", "complete").await;
    ada.driver.switch_to_window(first.clone()).await.unwrap();
    assert_eq!(ada.see("from the second window", "complete").await, sent);

    let bob = Page::open(&chromium, &salon.url()).await;
    bob.come_in("Bob").await;
    let foreign = bob.see("from the second window", "complete").await;
    assert!(!foreign.own && foreign.seq == sent.seq, "{foreign:?}");
    bob.send("Hello, Ada").await;
    bob.see("Hello, Ada", "complete").await;
    assert!(!ada.see("Hello, Ada", "complete").await.own);
    ada.driver.switch_to_window(second.clone()).await.unwrap();
    assert!(!ada.see("Hello, Ada", "complete").await.own);

    ada.click("[aria-label='Sign out']").await;
    ada.click("#sign-out-anyway").await;
    ada.find("#guest-name").await;
    ada.driver.switch_to_window(first).await.unwrap();
    ada.find("#guest-name").await;
    let told =
        "return document.querySelector('.problem')?.textContent.includes('session has ended')";
    ada.wait("it says why", SOON, told, &[]).await;

    bob.send("Anybody here?").await;
    bob.see("Anybody here?", "complete").await;
    bob.quit().await;
    ada.quit().await;
}

#[tokio::test]
async fn a_copy_of_a_tab_is_another_one_and_what_it_could_not_send_is_sent_by_the_first() {
    let chromium = Chromium::start().await;
    let mut salon = SalonProcess::start(&[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    let first = page.driver.window().await.unwrap();
    // A window that a page opens begins with a copy of what the tab remembers.
    page.run::<()>("window.open(location.href)", &[]).await;
    let copy = page
        .until("the copy is open", SOON, async || {
            let windows = page.driver.windows().await.ok()?;
            windows.into_iter().find(|window| *window != first)
        })
        .await;
    let tab = "return sessionStorage.getItem('salon.tab')";
    let own: String = page.run(tab, &[]).await;
    page.driver.switch_to_window(copy).await.unwrap();
    page.see_lobby().await;
    assert_ne!(page.run::<String>(tab, &[]).await, own);

    salon.kill();
    page.send("written in the copy").await;
    page.see("written in the copy", "sending").await;
    page.driver.close_window().await.unwrap();
    page.driver.switch_to_window(first).await.unwrap();
    assert_eq!(page.messages().await.len(), 0, "it is the copy's own");
    salon.restart().await;
    page.see("written in the copy", "complete").await;
    assert_eq!(page.messages().await.len(), 1);
    page.quit().await;
}
