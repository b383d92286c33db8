//! Scripts in what people and models write, in a real Chromium: line 53. Each payload of the list calls `ran(1)` or asks the
//! address `CANARY` for something; the page must do neither, and its policy must never have been what stopped it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::chromium::Chromium;
use crate::page::{LATER, Page, SOON};
use crate::support::event_stream::{ApiClient, answer};
use crate::support::fake_provider::{Answer, FakeProvider};
use crate::support::salon::SalonProcess;

const PAYLOADS: &str = include_str!("../../fixtures/script-payloads.txt");
/// What is written to have a model do something, and what a model is had to write.
const PROMPT_PAYLOADS: &str = include_str!("../../fixtures/prompt-payloads.txt");
/// Messages of a page that is shown at once.
const ROOMFUL: usize = 45;

/// A server that nothing should ever ask, and how often it was.
struct Canary {
    address: String,
    asked: Arc<AtomicUsize>,
}

impl Canary {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { address, asked }
    }

    fn payloads(&self) -> Vec<String> {
        let line = |line: &str| {
            line.replace("CANARY", &self.address)
                .replace('␤', "\n")
                .replace('⇥', "\t")
        };
        let all = PAYLOADS.lines().chain(PROMPT_PAYLOADS.lines());
        all.map(line).collect()
    }
}

/// Runs before anything of the page: notes what runs, what asks, and what the policy had to stop.
const WATCH: &str = "
    window.noted = [];
    window.ran = (what) => window.noted.push(`ran ${what}`);
    for (const name of ['alert', 'confirm', 'prompt', 'print', 'open']) window[name] = () => { window.noted.push(name); return null; };
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI, sample }) =>
        window.noted.push(`policy ${violatedDirective} ${blockedURI} ${sample}`));
    new PerformanceObserver((list) => list.getEntries()
        .filter(({ name }) => new URL(name, location.href).origin !== location.origin && !name.startsWith('data:'))
        .forEach(({ name }) => window.noted.push(`asked ${name}`)))
        .observe({ type: 'resource', buffered: true });
";

/// What is in the page beside what the page itself makes; what is not to be there at all.
const STRANGERS: &str = "
    const strangers = 'script,style,iframe,frame,object,embed,base,meta,link,template,math,audio,video,source,picture,marquee,animate,set,foreignObject,use,image,portal';
    const found = [...document.body.querySelectorAll(strangers)].map((one) => one.outerHTML);
    // The picture of the tab is drawn by the page: it tells how much is unread, and nothing that anybody wrote.
    const drawn = (one) => one.matches('head > link[rel~=\"icon\"]') && one.getAttribute('href').startsWith('data:image/svg+xml,%3Csvg%20');
    for (const one of document.querySelectorAll('*')) for (const { name, value } of one.attributes) {
        if (name === 'href' && drawn(one)) continue;
        const leads = ['href', 'src', 'srcset', 'action', 'formaction', 'xlink:href', 'data', 'poster', 'background'].includes(name);
        const runs = name.startsWith('on') || name === 'srcdoc' || name === 'ping' || name === 'style' && one.closest('.message') !== null;
        if (runs || leads && /^\\W*(javascript|data|vbscript|blob|filesystem):/i.test(value)) found.push(`${one.tagName} ${name}=${value}`);
    }
    for (const image of document.images) if (!image.src.startsWith(location.origin)) found.push(image.outerHTML);
    return found;";

async fn check(page: &Page, canary: &Canary, where_: &str) {
    let noted: Vec<String> = page.run("return window.noted", &[]).await;
    assert_eq!(noted, Vec::<String>::new(), "{where_}");
    let strangers: Vec<String> = page.run(STRANGERS, &[]).await;
    assert_eq!(strangers, Vec::<String>::new(), "{where_}");
    assert_eq!(canary.asked.load(Ordering::SeqCst), 0, "{where_}");
}

/// The console says what the policy stopped, and what a broken script did.
async fn check_console(page: &Page) {
    let log = page.driver.browser_log().await.unwrap();
    let complaints: Vec<String> = log
        .into_iter()
        .filter(|entry| matches!(entry.level.as_str(), "SEVERE" | "WARNING"))
        .map(|entry| entry.message)
        .collect();
    assert_eq!(complaints, Vec::<String>::new());
}

/// What one person has to do with a server that is fast to all.
async fn must(client: &ApiClient, path: &str, body: Value) -> Value {
    let (status, answer) = client.post(path, &body).await;
    assert!(
        (200..300).contains(&status),
        "{path} {body}: {status} {answer}"
    );
    answer
}

async fn start(provider: Option<&FakeProvider>) -> SalonProcess {
    let url = provider
        .map(FakeProvider::anthropic_url)
        .unwrap_or_default();
    let mut settings = vec![
        ("SALON_RATE_SIGN_INS", "100000"),
        ("SALON_RATE_FRAMES", "100000"),
        ("SALON_RATE_SENDS", "100000"),
        ("SALON_RATE_SENDS_BURST", "100000"),
        ("SALON_RATE_SEARCHES", "100000"),
        ("SALON_RATE_ROOMS", "100000"),
        ("SALON_RATE_JOINS", "100000"),
        ("SALON_LLM_ALLOW", "127.0.0.1"),
    ];
    if provider.is_some() {
        settings.extend([
            ("SALON_LLM", "anthropic"),
            ("ANTHROPIC_API_KEY", "sk-test"),
            ("ANTHROPIC_BASE_URL", url.as_str()),
        ]);
    }
    SalonProcess::start(&settings).await
}

/// A page of that person, watched from its first script on.
async fn watched(chromium: &Chromium, salon: &SalonProcess, who: &ApiClient) -> Page {
    let page = Page::open(chromium, &salon.url()).await;
    let script = json!({ "source": WATCH });
    page.devtools("Page.enable", json!({})).await;
    page.devtools("Page.addScriptToEvaluateOnNewDocument", script)
        .await;
    let cookie = thirtyfour::Cookie::new("salon", who.token());
    page.driver.add_cookie(cookie).await.unwrap();
    page.load().await;
    page.find(".room-link").await;
    page
}

async fn open_room(page: &Page, slug: &str, count: usize) {
    let go = "location.hash = `#/rooms/${arguments[0]}`";
    page.run::<()>(go, &[json!(slug)]).await;
    let shown =
        "return document.querySelector('.room-link[aria-current]')?.dataset.slug === arguments[0]
        && document.querySelectorAll('.message').length >= arguments[1]";
    page.wait(slug, LATER, shown, &[json!(slug), json!(count)])
        .await;
}

/// Every payload as a message, as the name of who sends it, as the name and topic of a room, and as what is answered.
async fn fill(salon: &SalonProcess, owner: &ApiClient, payloads: &[String]) -> (usize, usize) {
    let (mut names, mut titles) = (0, 0);
    for (number, chunk) in payloads.chunks(ROOMFUL).enumerate() {
        let slug = format!("r{number}");
        must(owner, "/api/rooms", json!({"slug": slug, "name": slug})).await;
        for payload in chunk {
            let short: String = payload.chars().take(64).collect();
            let (status, made) = owner.post("/api/guests", &json!({ "name": short })).await;
            let author = if status == 201 {
                names += 1;
                ApiClient::with_token(salon.url(), made["token"].as_str().unwrap())
            } else {
                ApiClient::guest(salon, "plain").await
            };
            must(&author, &format!("/api/rooms/{slug}/join"), json!({})).await;
            let path = format!("/api/rooms/{slug}/messages");
            let sent = must(&author, &path, json!({ "body": payload })).await;
            let quoting = json!({ "body": format!("**re** {payload}"), "reply_to": sent["seq"] });
            must(owner, &path, quoting).await;
        }
    }
    for (number, payload) in payloads.iter().enumerate() {
        let short: String = payload.chars().take(64).collect();
        let room = json!({"slug": format!("t{number}"), "name": short, "visibility": "private"});
        let (status, _) = owner.post("/api/rooms", &room).await;
        if status != 201 {
            continue;
        }
        titles += 1;
        let topic: String = payload
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .chars()
            .take(256)
            .collect();
        let path = format!("/api/rooms/t{number}");
        let edit = owner.request(reqwest::Method::PATCH, &path);
        answer(edit.json(&json!({ "topic": topic }))).await;
    }
    (names, titles)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s53_no_payload_runs_in_a_browser_whoever_wrote_it_and_wherever_it_is_shown() {
    let canary = Canary::start().await;
    let payloads = canary.payloads();
    assert!(payloads.len() >= 340, "{}", payloads.len());
    let chromium = Chromium::start().await;
    let salon = start(None).await;
    let owner = ApiClient::account(&salon, "ada").await;
    let (names, titles) = fill(&salon, &owner, &payloads).await;
    assert!(names > 180 && titles > 180, "{names} {titles}");
    let page = watched(&chromium, &salon, &owner).await;
    let listed = "document.querySelector('.more-rooms')?.click();
        return document.querySelectorAll('.room-link').length > arguments[0]";
    page.wait("every title is listed", LATER, listed, &[json!(titles)])
        .await;
    check(&page, &canary, "the list of rooms").await;
    for number in 0..payloads.chunks(ROOMFUL).count() {
        let count = payloads.chunks(ROOMFUL).nth(number).unwrap().len();
        let slug = format!("r{number}");
        open_room(&page, &slug, count * 2 - 10).await;
        check(&page, &canary, &slug).await;
        page.click("[aria-label='Members']").await;
        let members = "return document.querySelectorAll('.members li').length >= arguments[0]";
        page.wait("the members", SOON, members, &[json!(count)])
            .await;
        check(&page, &canary, "the members").await;
        page.click("dialog [aria-label='Close']").await;
    }
    for number in [0, 40, 80, 120, 160] {
        open_room(&page, &format!("t{number}"), 0).await;
        check(&page, &canary, "a title and a topic").await;
    }
    search(&page, &canary).await;
    write_oneself(&page, &canary, &payloads).await;
    check_console(&page).await;
    the_watch_sees_what_it_is_for(&page, &canary).await;
    page.quit().await;
}

/// What is found is shown in pieces.
async fn search(page: &Page, canary: &Canary) {
    page.click("[aria-label='Search messages']").await;
    page.click("#search-here").await;
    page.type_into("#search-words", "onerror").await;
    page.click("#search-go").await;
    let found = "return document.querySelectorAll('.found li').length >= 20";
    page.wait("messages are found", SOON, found, &[]).await;
    check(page, canary, "what was found").await;
    page.click("dialog [aria-label='Close']").await;
}

/// One's own words are shown by the page before the server has rendered them.
async fn write_oneself(page: &Page, canary: &Canary, payloads: &[String]) {
    open_room(page, "lobby", 0).await;
    for (number, chunk) in payloads.chunks(60).enumerate() {
        let text = format!("own {number}\n\n{}", chunk.join("\n\n"));
        let write = "const input = document.querySelector('#composer-input');
            input.value = arguments[0];
            input.dispatchEvent(new InputEvent('input', { bubbles: true }));";
        page.run::<()>(write, &[json!(text)]).await;
        page.click("#composer-send").await;
        check(page, canary, "what one wrote oneself").await;
        let kept = "return [...document.querySelectorAll('.message[data-state=complete]')].length > arguments[0]";
        page.wait("it is kept", SOON, kept, &[json!(number)]).await;
        check(page, canary, "what one wrote oneself, kept").await;
    }
}

/// Without this the test could not fail: a script that runs, and what the policy stops, are noted.
async fn the_watch_sees_what_it_is_for(page: &Page, canary: &Canary) {
    let plant = "window.ran('planted');
        const image = new Image();
        image.src = `http://${arguments[0]}/planted`;
        const button = document.createElement('button');
        button.setAttribute('ping', '/');
        try { button.setAttribute('onclick', 'ran(2)'); } catch { /* Refused at once where types are trusted. */ }
        document.body.append(image, button);
        button.click();";
    page.run::<()>(plant, &[json!(canary.address)]).await;
    let seen = "return [/^ran planted/, /^policy img-src/, /^policy (script-src-attr|require-trusted-types-for)/].every((what) => window.noted.some((note) => what.test(note)))";
    page.wait("what is planted is noted", SOON, seen, &[]).await;
    let strangers: Vec<String> = page.run(STRANGERS, &[]).await;
    assert_eq!(strangers.len(), 2, "{strangers:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s53_a_models_words_run_nothing_wherever_they_are_cut() {
    let canary = Canary::start().await;
    let payloads = canary.payloads();
    let provider = FakeProvider::start([]);
    let chromium = Chromium::start().await;
    let salon = start(Some(&provider)).await;
    let owner = ApiClient::account(&salon, "ada").await;
    must(&owner, "/api/rooms/lobby/join", json!({})).await;
    let page = watched(&chromium, &salon, &owner).await;
    // A watch from inside: every state between two drawings counts, not only those that are looked at.
    let watch = "new MutationObserver(() => { for (const stranger of (() => { ".to_owned()
        + STRANGERS
        + " })()) window.noted.push(stranger); }).observe(document.body, { subtree: true, childList: true, attributes: true });";
    page.run::<()>(&watch, &[]).await;
    for (number, chunk) in payloads.chunks(90).enumerate() {
        let text = chunk.join("\n\n");
        let characters: Vec<char> = text.chars().collect();
        // Five is prime to most lengths: over the list each payload is cut everywhere.
        let answer = characters
            .chunks(5)
            .fold(Answer::stream(), |answer, piece| {
                let piece: String = piece.iter().collect();
                answer.piece(&piece).delay(Duration::from_millis(3))
            });
        provider.push(answer.finish("end"));
        let ask = json!({ "body": format!("@assistant say {number}") });
        must(&owner, "/api/rooms/lobby/messages", ask).await;
        page.see_reply("the reply grows", |reply| {
            reply.state == "streaming" && !reply.text.is_empty()
        })
        .await;
        check(&page, &canary, "a reply that grows").await;
        let settled = "return document.querySelectorAll('.assistant[data-state=complete]').length === arguments[0]";
        page.wait("it is complete", LATER, settled, &[json!(number + 1)])
            .await;
        check(&page, &canary, "a reply").await;
    }
    every_cut(&page, &canary, &payloads).await;
    check_console(&page).await;
    page.quit().await;
}

/// The code that draws a growing reply, fed each payload letter by letter: no place to cut is left out.
async fn every_cut(page: &Page, canary: &Canary, payloads: &[String]) {
    let grow = "const [payloads, done] = [arguments[0], arguments[arguments.length - 1]];
        (async () => {
            const { GrowingBody } = await import('/js/render.js');
            const body = document.createElement('div');
            body.className = 'message';
            document.body.append(body);
            let drawn = 0;
            for (const payload of payloads) {
                for (const before of ['', '**b** ', '> ', '```html\\n']) {
                    const growing = new GrowingBody(body);
                    const letters = [...before + payload];
                    for (let end = 1; end <= letters.length; end += 1) {
                        growing.update(letters.slice(0, end).join(''), { open: true });
                        drawn += 1;
                    }
                    growing.update(letters.join(''), { open: false });
                }
                await new Promise((resolve) => setTimeout(resolve, 0));
            }
            window.drawn = drawn;
        })().catch((error) => window.noted.push(String(error)));
        done();";
    page.driver
        .execute_async(grow, vec![json!(payloads)])
        .await
        .unwrap();
    page.wait("all are drawn", LATER, "return window.drawn > 40000", &[])
        .await;
    check(page, canary, "every cut").await;
}
