//! What the page promises in numbers: how soon it is there on a slow machine, that it never stalls while an answer streams into a
//! full room, how much is loaded.

use std::time::Duration;

use serde_json::{Value, json};

use super::chromium::Chromium;
use super::http_api::HttpApi;
use super::model::{be_drawn, fill, start};
use super::page::{LATER, Page};
use crate::support::fake_provider::{Answer, FakeProvider};

/// The page can be written in, with the room's messages before one, this soon after it was asked for.
const READY_MS: f64 = 1_000.0;
/// No task is longer while an answer grows: the page answers a key at once.
const TASK_MS: f64 = 50.0;
/// All that a browser loads, compressed.
const LOADED_BYTES: u64 = 150_000;
const TOKENS: usize = 2_000;
/// This machine does other things meanwhile: the best of so many is what the page can do.
const TRIES: usize = 5;
const LOADS: usize = 12;

/// Notes when the box can be written in and messages are there.
const READY: &str = "new MutationObserver((_, observer) => {
        if (document.querySelector('#composer-input') === null || document.querySelectorAll('.message').length < 20) return;
        observer.disconnect();
        requestAnimationFrame(() => { window.readyAt = performance.now(); });
    }).observe(document, { childList: true, subtree: true });";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_machine_four_times_slower_it_is_ready_within_a_second() {
    let chromium = Chromium::start_alone().await;
    let provider = FakeProvider::start([]);
    let salon = start(&provider, &[]).await;
    let bob = HttpApi::guest(&salon.url(), "Bob").await;
    fill(&bob, 60).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.devtools("Page.enable", json!({})).await;
    page.devtools(
        "Page.addScriptToEvaluateOnNewDocument",
        json!({ "source": READY }),
    )
    .await;
    page.devtools("Emulation.setCPUThrottlingRate", json!({ "rate": 4 }))
        .await;
    let mut times = Vec::new();
    for _ in 0..LOADS {
        page.driver.refresh().await.unwrap();
        let ready = page
            .wait("it is ready", LATER, "return window.readyAt ?? null", &[])
            .await;
        times.push(ready.as_f64().unwrap());
    }
    println!("ready after {times:.0?} ms, four times slower");
    let best = times.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(best <= READY_MS, "{times:?}");
    page.quit().await;
}

fn two_thousand_tokens(number: usize) -> Answer {
    let mut answer = Answer::stream();
    for token in 0..TOKENS {
        let piece = match token % 50 {
            0 => format!("\n\n### Part {} of answer {number}\n\n", token / 50),
            10 => "\n\n```rust\nfn main() {\n    println!(\"hello\");\n}\n```\n\n".to_owned(),
            20 => "\n- an item of a list".to_owned(),
            21 => "\n- another\n\n".to_owned(),
            _ => format!(" word{token}"),
        };
        answer = answer.piece(&piece).delay(Duration::from_millis(2));
    }
    answer.finish("end")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_task_is_long_while_an_answer_streams_into_a_room_of_a_thousand() {
    let chromium = Chromium::start_alone().await;
    let provider = FakeProvider::start((0..TRIES).map(two_thousand_tokens));
    let salon = start(&provider, &[]).await;
    let bob = HttpApi::guest(&salon.url(), "Bob").await;
    fill(&bob, 1_000).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.find(".message[data-seq='1000']").await;
    // As many in the document as there ever are, and the reader back at the end.
    let up = "document.querySelector('.scroller').scrollTop = 0; return document.querySelectorAll('.message').length >= 390";
    page.wait("the document is full", LATER, up, &[]).await;
    let down = "document.querySelector('.scroller').scrollTop = 1e9; return document.querySelector(\".message[data-seq='1000']\") !== null";
    page.wait("the end is there", LATER, down, &[]).await;
    let watch = "window.tasks = []; window.most = 0;
        window.watch?.disconnect();
        window.watch = new PerformanceObserver((list) => window.tasks.push(...list.getEntries().map(({ duration }) => duration)));
        window.watch.observe({ type: 'longtask' });
        const look = () => { window.most = Math.max(window.most, document.querySelectorAll('.message').length); requestAnimationFrame(look); };
        if (!window.looking) { window.looking = true; look(); }";
    let mut best = f64::INFINITY;
    for number in 0..TRIES {
        be_drawn(&page).await;
        page.send("@assistant at length").await;
        page.run::<()>(watch, &[]).await;
        let last = format!("answer {number}");
        page.see_reply(&last, |reply| {
            reply.state == "complete" && reply.text.contains(&last)
        })
        .await;
        let tasks: Vec<f64> = page.run("return window.tasks", &[]).await;
        println!("tasks over 50 ms while answer {number} grew: {tasks:.0?}");
        best = best.min(tasks.iter().copied().fold(0.0, f64::max));
        if best <= TASK_MS {
            break;
        }
    }
    assert!(best <= TASK_MS, "the longest task took {best} ms");
    let most: usize = page.run("return window.most", &[]).await;
    assert!(most <= 400, "{most} messages in the document");
    page.quit().await;
}

#[tokio::test]
async fn all_that_is_loaded_is_small() {
    let chromium = Chromium::start_alone().await;
    let provider = FakeProvider::start([]);
    let salon = start(&provider, &[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    let loaded = "return [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
        .filter(({ name }) => !name.includes('/api/')).map(({ name, encodedBodySize, decodedBodySize }) => [new URL(name).pathname, encodedBodySize, decodedBodySize])";
    let files: Vec<(String, u64, u64)> = page.run(loaded, &[]).await;
    let sum: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
    let whole: u64 = files.iter().map(|(_, _, bytes)| bytes).sum();
    println!(
        "{} files, {sum} bytes compressed, {whole} plain",
        files.len()
    );
    assert!(
        files.len() > 40 && sum > 20_000,
        "all of it was counted: {files:?}"
    );
    assert!(sum <= LOADED_BYTES, "{sum} bytes: {files:?}");
    let nothing: Value = page.run("return performance.getEntriesByType('resource').filter(({ name }) => !name.startsWith(location.origin)).length", &[]).await;
    assert_eq!(nothing, json!(0), "nothing of anybody else");
    page.quit().await;
}
