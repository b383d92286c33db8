//! The client library as others use it: the example of `docs/client.md`, as it is printed there, on a page of another origin,
//! with a ticket for each connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;

use super::chromium::Chromium;
use super::http_api::HttpApi;
use super::page::{LATER, Page};
use crate::support::event_stream::ApiClient;
use crate::support::salon::SalonProcess;

const DOCUMENT: &str = include_str!("../../../docs/client.md");
const SITE: &str =
    "<!doctype html><title>Another site</title><pre id=log></pre><button id=older>Older</button>
    <form id=say><input name=text></form><script type=module src=example.js></script>";
/// More than one page.
const MESSAGES: usize = 140;

/// Another site: its page, the library copied beside it, and a server that gets tickets for who is signed in there.
struct Site {
    example: String,
    salon: String,
    token: String,
    tickets: AtomicUsize,
}

impl Site {
    async fn start(salon: &SalonProcess, token: &str) -> (Arc<Self>, String) {
        let site = Arc::new(Self {
            example: example().replace("https://chat.example.org", &salon.url()),
            salon: salon.url(),
            token: token.to_owned(),
            tickets: AtomicUsize::new(0),
        });
        let routes = Router::new()
            .route("/", get(async || Html(SITE)))
            .route("/example.js", get(example_file))
            .route("/salon/{*file}", get(library_file))
            .route("/salon-ticket", post(ticket))
            .with_state(Arc::clone(&site));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        // Another name for this machine: another origin, and another site.
        let url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        (site, url)
    }
}

/// The lines of the document between the fences.
fn example() -> String {
    let (_, rest) = DOCUMENT.split_once("```js other-site\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

fn script(text: String) -> Response {
    ([(header::CONTENT_TYPE, "text/javascript")], text).into_response()
}

async fn example_file(State(site): State<Arc<Site>>) -> Response {
    script(site.example.clone())
}

async fn library_file(Path(file): Path<String>) -> Response {
    let path = format!("{}/static/js/{file}", env!("CARGO_MANIFEST_DIR"));
    match std::fs::read_to_string(path) {
        Ok(text) => script(text),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn ticket(State(site): State<Arc<Site>>) -> Result<String, StatusCode> {
    site.tickets.fetch_add(1, Ordering::SeqCst);
    let asked = reqwest::Client::new()
        .post(format!("{}/api/tickets", site.salon))
        .bearer_auth(&site.token);
    let away = |_| StatusCode::BAD_GATEWAY;
    let made: Value = asked
        .send()
        .await
        .map_err(away)?
        .json()
        .await
        .map_err(away)?;
    Ok(made["ticket"].as_str().unwrap_or_default().to_owned())
}

async fn until_log(page: &Page, what: &str, condition: &str) {
    let script = format!(
        "const log = document.querySelector('#log'); const lines = log.textContent.split('\\n'); return {condition}"
    );
    page.wait(what, LATER, &script, &[]).await;
}

async fn what_is_written_meanwhile_is_kept(page: &Page, salon: &mut SalonProcess, site: &Site) {
    // The server is killed; what is written meanwhile is kept, through a reload too, and sent once.
    salon.kill();
    until_log(
        page,
        "it is noticed",
        "['waiting', 'connecting'].includes(log.dataset.status)",
    )
    .await;
    page.type_into("#say input", "written meanwhile\u{e007}")
        .await;
    until_log(
        page,
        "it is shown",
        "lines.at(-1) === '(sending) written meanwhile'",
    )
    .await;
    let before = site.tickets.load(Ordering::SeqCst);
    salon.restart().await;
    page.load().await;
    until_log(page, "it is kept", "lines.filter((line) => line === 'Ada: written meanwhile').length === 1 && !log.textContent.includes('(sending)')").await;
    assert!(
        site.tickets.load(Ordering::SeqCst) > before,
        "a ticket is good once"
    );
}

#[test]
fn the_example_is_twenty_lines_at_most() {
    let lines = example()
        .lines()
        .filter(|line| !line.trim().is_empty())
        .count();
    assert!((10..=20).contains(&lines), "{lines}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_of_the_document_is_a_chat_on_a_page_of_another_site() {
    let chromium = Chromium::start().await;
    let settings = [
        ("SALON_RATE_SENDS", "100000"),
        ("SALON_RATE_SENDS_BURST", "100000"),
        ("SALON_RATE_FRAMES", "100000"),
        ("SALON_SCRIPTED_DELAY_MS", "5"),
    ];
    let mut salon = SalonProcess::start(&settings).await;
    let bob = HttpApi::guest(&salon.url(), "Bob").await;
    for number in 1..=MESSAGES {
        bob.send(&format!("number {number}")).await;
    }
    let ada = ApiClient::guest(&salon, "Ada").await;
    let (site, url) = Site::start(&salon, ada.token()).await;
    let page = Page::open(&chromium, &url).await;

    until_log(
        &page,
        "the latest page",
        "lines.at(-1) === 'Bob: number 140' && lines.length < 140",
    )
    .await;
    until_log(&page, "who is here", "log.dataset.here === '1'").await;
    page.click("#older").await;
    until_log(
        &page,
        "history",
        "lines[0] === 'Bob: number 1' && lines.length === 140",
    )
    .await;

    page.type_into("#say input", "@assistant from elsewhere\u{e007}")
        .await;
    until_log(
        &page,
        "the question",
        "lines.includes('Ada: @assistant from elsewhere')",
    )
    .await;
    until_log(
        &page,
        "the answer",
        "log.textContent.includes('assistant: ## About “from elsewhere”')",
    )
    .await;

    what_is_written_meanwhile_is_kept(&page, &mut salon, &site).await;
    // The page itself asks nothing of the other origin but its socket.
    let asked = "return performance.getEntriesByType('resource').map(({ name }) => name).filter((name) => !name.startsWith(location.origin))";
    let asked: Vec<String> = page.run(asked, &[]).await;
    assert_eq!(asked, Vec::<String>::new());
    page.quit().await;
}
