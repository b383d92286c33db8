//! New words of an answer come from pale to full, by highlights that leave no mark in the document: those that come while one looks,
//! never what was there before, and none where motion is unwanted.

use serde_json::json;

use super::chromium::Chromium;
use super::model::{be_drawn, start};
use super::page::{Page, SOON};
use crate::support::fake_provider::{Answer, FakeProvider, Gate};

/// A page that can be hidden, and that notes at each frame which words are pale.
const STAGE: &str = "window.away = false;
    Object.defineProperty(Document.prototype, 'hidden', { get: () => window.away });
    window.hide = (away) => { window.away = away; document.dispatchEvent(new Event('visibilitychange')); window.turned = performance.now(); };
    window.pale = '';
    window.marks = 0;
    const words = (part) => {
        const range = document.createRange();
        range.setStart(part.startContainer, part.startOffset);
        range.setEnd(part.endContainer, part.endOffset);
        return range.toString();
    };
    const look = () => {
        for (const [name, highlight] of CSS.highlights) {
            if (name.startsWith('fresh-')) window.pale += [...highlight].map((part) => `${words(part)}|`).join('');
        }
        window.marks = Math.max(window.marks, document.querySelectorAll('.message.assistant .body :not(div, p, em)').length);
        requestAnimationFrame(look);
    };
    requestAnimationFrame(look);";
const FRESH: &str = "[...CSS.highlights].reduce((sum, [name, highlight]) => sum + (name.startsWith('fresh-') ? highlight.size : 0), 0)";

/// Waits until nothing is pale.
async fn until_full(page: &Page) {
    be_drawn(page).await;
    let full = format!("return {FRESH} === 0");
    page.wait("all is full", SOON, &full, &[]).await;
}

/// Opens the gate and waits until that word is there and nothing is pale any more. Returns what was pale meanwhile.
async fn pale(page: &Page, gate: &Gate, word: &str) -> String {
    until_full(page).await;
    page.run::<()>("window.pale = ''", &[]).await;
    gate.open();
    page.see_reply(word, |reply| reply.text.contains(word))
        .await;
    until_full(page).await;
    page.run("return window.pale", &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_words_fade_in_while_one_looks_and_leave_no_mark() {
    let chromium = Chromium::start().await;
    let gates: [Gate; 6] = std::array::from_fn(|_| Gate::new());
    let words = ["second", "hidden", "third", "calm", "fourth", "restored"];
    let mut answer = Answer::stream().piece("The first ");
    for (gate, word) in gates.iter().zip(words) {
        answer = answer.gate(gate).piece(&format!("*{word}* words. "));
    }
    // A reply that settles has its words at once.
    let end = Gate::new();
    let provider = FakeProvider::start([answer.gate(&end).finish("end")]);
    let salon = start(&provider, &[]).await;
    let page = Page::blank(&chromium, &salon.url()).await;
    page.devtools("Page.enable", json!({})).await;
    let stage = json!({ "source": STAGE });
    page.devtools("Page.addScriptToEvaluateOnNewDocument", stage)
        .await;
    page.load().await;
    page.come_in("Ada").await;
    page.send("@assistant go").await;
    gates[0].reached().await;
    page.see_reply("it begins", |reply| reply.text.contains("first"))
        .await;

    let colours = "const words = document.querySelector('.message.assistant .body p');
        return [getComputedStyle(words).color, getComputedStyle(words, '::highlight(fresh-0)').color]";
    let [full, palest]: [String; 2] = page.run(colours, &[]).await;
    assert_ne!(full, palest, "what is new is paler");
    let second = pale(&page, &gates[0], "second").await;
    assert!(second.contains("second words."), "{second:?}");
    assert!(!second.contains("first"), "{second:?}");

    page.run::<()>("window.hide(true)", &[]).await;
    assert_eq!(pale(&page, &gates[1], "hidden").await, "");
    page.run::<()>("window.hide(false)", &[]).await;
    let back = "return performance.now() - window.turned > 300";
    page.wait("one is back for a while", SOON, back, &[]).await;
    let third = pale(&page, &gates[2], "third").await;
    assert!(third.contains("third words."), "{third:?}");
    assert!(!third.contains("hidden"), "{third:?}");

    let still = json!({ "features": [{ "name": "prefers-reduced-motion", "value": "reduce" }] });
    page.devtools("Emulation.setEmulatedMedia", still).await;
    assert_eq!(pale(&page, &gates[3], "calm").await, "");
    let moves = json!({ "features": [] });
    page.devtools("Emulation.setEmulatedMedia", moves).await;
    assert!(pale(&page, &gates[4], "fourth").await.contains("fourth"));
    let marks: u32 = page.run("return window.marks", &[]).await;
    assert_eq!(marks, 0, "nothing but what the words are built of");

    // What was written before is there at once, and what comes then is new again.
    page.load().await;
    page.see_reply("it is there", |reply| reply.text.contains("fourth"))
        .await;
    be_drawn(&page).await;
    assert_eq!(page.run::<String>("return window.pale", &[]).await, "");
    let last = pale(&page, &gates[5], "restored").await;
    assert!(
        last.contains("restored") && !last.contains("fourth"),
        "{last:?}"
    );
    page.quit().await;
}
