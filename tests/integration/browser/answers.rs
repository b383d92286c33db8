//! An answer in every state, each with a look of its own; how it grows, is stopped and fails; and what waits for one.

use std::time::Duration;

use serde_json::{Value, json};

use super::chromium::Chromium;
use super::http_api::HttpApi;
use super::look::photograph;
use super::model::{be_drawn, start};
use super::page::{LATER, Page, SOON};
use crate::support::fake_provider::{Answer, FakeProvider, Gate};

/// What stands below the newest answer.
const FOOT: &str = "return [...document.querySelectorAll('.message.assistant')].at(-1)?.querySelector('.foot').innerText ?? ''";

async fn until_foot(page: &Page, text: &str) {
    let script = "return ([...document.querySelectorAll('.message.assistant')].at(-1)?.querySelector('.foot').innerText ?? '').includes(arguments[0])";
    page.wait(
        &format!("“{text}” below the answer"),
        LATER,
        script,
        &[json!(text)],
    )
    .await;
}

async fn until_state(page: &Page, state: &str) {
    page.see_reply(state, |reply| reply.state == state).await;
}

/// Both questions have a place, below their answers to be and above the composer.
async fn both_wait(page: &Page) {
    let places = "return [...document.querySelectorAll('.message .waiting[data-position]')].map((line) => line.dataset.position).join()";
    page.wait(
        "both have a place",
        SOON,
        &format!("{places} === '1,2'"),
        &[],
    )
    .await;
    let queue = "return [...document.querySelectorAll('.prompt-queue:not([hidden]) li')].map((line) => line.querySelector('.prompt-said').textContent)";
    let shown: Vec<String> = page.run(queue, &[]).await;
    assert_eq!(
        shown,
        [
            "@assistant the second of Ada",
            "@assistant the question of Bob"
        ],
        "one's own first"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_shows_its_place_and_can_be_taken_out() {
    let chromium = Chromium::start().await;
    let gate = Gate::new();
    let provider = FakeProvider::start([Answer::stream().gate(&gate).piece("Done.").finish("end")]);
    provider.otherwise(Answer::text(&["Also done."]));
    let salon = start(&provider, &[("SALON_REPLIES", "1")]).await;
    let bob = HttpApi::guest(&salon.url(), "Bob").await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.send("@assistant the first").await;
    gate.reached().await;
    // Its turn has come, and no word yet: dots, and the seconds once there are three.
    page.find(".waiting:not([data-position]) .dots").await;
    let early: String = page
        .run(
            "return document.querySelector('.waiting .seconds').textContent",
            &[],
        )
        .await;
    assert_eq!(early, "");
    bob.send("@assistant the question of Bob").await;
    page.send("@assistant the second of Ada").await;
    both_wait(&page).await;
    let seconds = "return /^\\d+ s$/.test(document.querySelector('.waiting:not([data-position]) .seconds')?.textContent ?? '')";
    page.wait("it waits for a while", SOON, seconds, &[]).await;
    photograph(&page, "desktop", "waiting", ".prompt-queue").await;
    // Bob's is not hers to stop; hers is.
    let buttons: usize = page
        .run(
            "return document.querySelectorAll('.prompt-queue .icon-button').length",
            &[],
        )
        .await;
    assert_eq!(buttons, 1);
    page.click(".prompt-queue .icon-button").await;
    page.wait(
        "only Bob's is left",
        SOON,
        "return document.querySelectorAll('.prompt-queue:not([hidden]) li').length === 1",
        &[],
    )
    .await;
    gate.open();
    let all = "return [...document.querySelectorAll('.message.assistant')].map((message) => message.dataset.state).join()";
    page.wait(
        "all have ended",
        LATER,
        &format!("{all} === 'complete,complete,stopped'"),
        &[],
    )
    .await;
    assert!(!page.sees(".prompt-queue").await);
    assert_eq!(
        page.run::<String>(FOOT, &[]).await.lines().next(),
        Some("Stopped by you")
    );
    page.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_freezes_the_words_and_they_do_not_grow_back() {
    let chromium = Chromium::start().await;
    let endless = Answer::stream().endless(Duration::from_millis(4));
    let provider = FakeProvider::start([endless]);
    let salon = start(&provider, &[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.send("@assistant go on and on").await;
    page.see_reply("it grows", |reply| {
        reply.state == "streaming" && reply.text.len() > 60
    })
    .await;
    // What is shown in the frame of the press is shown until the server has settled it: not a character more.
    let press = "const message = document.querySelector('.message.assistant');
        const words = () => message.querySelector('.body').textContent;
        document.querySelector('#composer-send').click();
        const frozen = words();
        window.grew = false;
        const look = () => {
            if (['streaming', 'stopping'].includes(message.dataset.state)) { window.grew ||= words() !== frozen; requestAnimationFrame(look); }
        };
        requestAnimationFrame(look);
        return frozen";
    let frozen: String = page.run(press, &[]).await;
    assert!(frozen.len() > 60);
    until_state(&page, "stopped").await;
    assert!(
        !page.run::<bool>("return window.grew", &[]).await,
        "it grew after it was stopped"
    );
    until_foot(&page, "Stopped by you").await;
    let words = "return document.querySelector('.message.assistant .body').textContent.trim()";
    let settled: String = page.run(words, &[]).await;
    assert!(settled.starts_with(frozen.trim()), "{frozen} / {settled}");
    page.driver.refresh().await.unwrap();
    until_state(&page, "stopped").await;
    assert_eq!(
        page.run::<String>(words, &[]).await,
        settled,
        "it grew back"
    );
    page.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_answer_says_why_and_is_tried_again_and_an_interrupted_one_too() {
    let chromium = Chromium::start().await;
    let gate = Gate::new();
    let provider = FakeProvider::start([
        Answer::status(401, "authentication_error"),
        Answer::stream()
            .piece("This time it works. ")
            .gate(&gate)
            .piece("Never sent.")
            .finish("end"),
    ]);
    provider.otherwise(Answer::text(&["All is well."]));
    let mut salon = start(&provider, &[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.send("@assistant are you there?").await;
    until_state(&page, "failed").await;
    until_foot(&page, "did not accept this server’s key").await;
    photograph(&page, "desktop", "failed", ".chip-bad").await;
    page.click(".message.assistant [data-action=retry]").await;
    page.see_reply("it grows", |reply| {
        reply.state == "streaming" && reply.text.contains("This time")
    })
    .await;
    // The server dies in the middle: what was shown is kept.
    salon.restart().await;
    until_state(&page, "interrupted").await;
    until_foot(&page, "Interrupted").await;
    photograph(&page, "desktop", "interrupted", ".chip-warn").await;
    page.click(".message.assistant [data-action=retry]").await;
    let whole = page
        .see_reply("it is whole", |reply| reply.state == "complete")
        .await;
    assert_eq!(whole.text, "All is well.");
    assert_eq!(page.run::<String>(FOOT, &[]).await, "");
    page.quit().await;
}

/// The shapes in the answer, and its words.
const SHAPE: &str = "const body = document.querySelector('.message.assistant .body');
        const one = (css) => body.querySelectorAll(css).length;
        return {em: one('em'), code: one('.code pre'), copy: one('.code .copy'), colours: one('pre span'), table: one('table'), strong: one('strong'),
            links: one('a'), text: body.innerText, tools: document.querySelectorAll('.message.assistant .tools button').length}";

async fn an_open_fence_is_plain_code(page: &Page) {
    let first: Value = page.run(SHAPE, &[]).await;
    assert_eq!(
        (&first["em"], &first["code"]),
        (&json!(1), &json!(1)),
        "in its final shape: {first}"
    );
    assert_eq!(
        (&first["copy"], &first["colours"], &first["tools"]),
        (&json!(0), &json!(0), &json!(0)),
        "{first}"
    );
    page.run::<()>("document.querySelectorAll('.message.assistant .block').forEach((block, place) => { block.mark = place; })", &[]).await;
}

async fn a_closed_one_has_colours(page: &Page) {
    let second: Value = page.run(SHAPE, &[]).await;
    assert_eq!(
        (&second["copy"], &second["table"]),
        (&json!(1), &json!(1)),
        "{second}"
    );
    assert!(second["colours"].as_u64().unwrap() >= 3, "{second}");
    assert!(!second["text"].as_str().unwrap().contains('|'), "{second}");
    let kept = "return [...document.querySelectorAll('.message.assistant .block')].slice(0, 2).map((block) => block.mark)";
    assert_eq!(
        page.run::<Vec<Value>>(kept, &[]).await,
        [json!(0), json!(1)],
        "settled blocks are not built anew"
    );
    page.run::<()>(
        "document.querySelector('.message.assistant pre span').mark = 'once'",
        &[],
    )
    .await;
}

async fn half_a_link_is_a_link(page: &Page) {
    let third: Value = page.run(SHAPE, &[]).await;
    assert_eq!(third["strong"], json!(1), "{third}");
    let text = third["text"].as_str().unwrap();
    assert!(
        !text.contains("https://") && !text.contains("**") && !text.contains('['),
        "{text}"
    );
    let once = "return document.querySelector('.message.assistant pre span').mark === 'once'";
    assert!(page.run::<bool>(once, &[]).await, "colours are given once");
}

async fn all_is_there_and_the_code_can_be_copied(page: &Page) {
    let whole: Value = page.run(SHAPE, &[]).await;
    assert_eq!(
        (
            &whole["copy"],
            &whole["table"],
            &whole["strong"],
            &whole["links"]
        ),
        (&json!(1), &json!(1), &json!(1), &json!(1)),
        "{whole}"
    );
    assert!(
        whole["colours"].as_u64().unwrap() >= 3 && whole["tools"].as_u64().unwrap() > 2,
        "{whole}"
    );
    // The button copies the code and nothing else.
    let copied = "const {writeText} = Clipboard.prototype; window.copied = null;
        navigator.clipboard.writeText = async (text) => { window.copied = text; };
        document.querySelector('.message.assistant .code .copy').click()";
    page.run::<()>(copied, &[]).await;
    page.wait(
        "it is copied",
        SOON,
        "return window.copied?.trim() === \"const one = 'two'; // three\"",
        &[],
    )
    .await;
    page.until_text(".message.assistant .code .copy", "Copied")
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_grows_block_by_block_and_code_has_colours_once_it_is_closed() {
    let chromium = Chromium::start().await;
    let gates = [Gate::new(), Gate::new(), Gate::new()];
    let answer = Answer::stream()
        .piece("The *first* block.\n\nThe second.\n\n```js\nconst one = 'two'; // three")
        .gate(&gates[0])
        .piece("\n```\n\nA table:\n\n| a | b")
        .gate(&gates[1])
        .piece(" |\n|-|-|\n| 1 | 2 |\n\nAnd a **bold [link](https://exam")
        .gate(&gates[2])
        .piece("ple.org/)** at the end.")
        .finish("end");
    let provider = FakeProvider::start([answer]);
    let salon = start(&provider, &[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    page.come_in("Ada").await;
    page.send("@assistant write").await;
    gates[0].reached().await;
    page.see_reply("an open fence", |reply| reply.text.contains("three"))
        .await;
    an_open_fence_is_plain_code(&page).await;

    gates[0].open();
    gates[1].reached().await;
    page.see_reply("the fence is closed, a table begins", |reply| {
        reply.text.contains("A table")
    })
    .await;
    page.find(".message.assistant table").await;
    a_closed_one_has_colours(&page).await;

    gates[1].open();
    gates[2].reached().await;
    page.see_reply("half a link", |reply| reply.text.contains("bold link"))
        .await;
    half_a_link_is_a_link(&page).await;
    photograph(
        &page,
        "desktop",
        "half-written",
        ".message.assistant pre span",
    )
    .await;

    gates[2].open();
    until_state(&page, "complete").await;
    be_drawn(&page).await;
    all_is_there_and_the_code_can_be_copied(&page).await;
    page.quit().await;
}

/// Every prefix of a text, grown and built anew: whether they are the same, and how many characters both have at the end.
const GROW: &str = "const [text] = arguments;
    return (async () => {
        const { GrowingBody } = await import('/js/render.js');
        const [one, other] = [document.createElement('div'), document.createElement('div')];
        const growing = new GrowingBody(one);
        const differ = [];
        for (let end = 1; end <= text.length; end += 1) {
            growing.update(text.slice(0, end));
            new GrowingBody(other).update(text.slice(0, end));
            if (one.innerHTML !== other.innerHTML) differ.push(text.slice(Math.max(0, end - 20), end));
        }
        return [differ, one.textContent.length, one.querySelectorAll('pre span').length];
    })()";

#[tokio::test]
async fn at_each_character_what_grew_is_what_would_be_built_anew() {
    let chromium = Chromium::start().await;
    let provider = FakeProvider::start([]);
    let salon = start(&provider, &[]).await;
    let page = Page::open(&chromium, &salon.url()).await;
    let text = format!(
        "A *paragraph*\n\n```js\nconst a = 1;\n\n  let b = `x`;\n{}```\n\nafter **it**\n\n~~~\nplain ```\n~~~\n\n- a\n- b\n\n> c\n\n|d|\n|-|\n|e|",
        "line();\n".repeat(30)
    );
    let (differ, length, colours): (Vec<String>, usize, usize) =
        page.run(GROW, &[json!(text)]).await;
    assert_eq!(differ, Vec::<String>::new());
    assert!(length > 250 && colours > 30, "{length} {colours}");
    page.quit().await;
}
