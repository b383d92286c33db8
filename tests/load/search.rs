//! How long searches and an export of a filled database take, over HTTP, and what an export keeps in memory.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use rand::Rng;
use serde_json::Value;

use crate::Target;
use crate::client;

/// A kind of search, and how one is made of a frequency's rank.
type Kind = (&'static str, fn(&mut rand::rngs::ThreadRng) -> String);

/// A word, drawn as the filled text's words are.
fn word(rng: &mut rand::rngs::ThreadRng) -> String {
    let rank = rng.random_range(0.0..50_000_f64.ln()).exp();
    format!("word{}", rank as u64)
}

/// The same and nothing that begins with it.
fn exact(rng: &mut rand::rngs::ThreadRng) -> String {
    format!("\"{}\"", word(rng))
}

const KINDS: &[Kind] = &[
    ("one word", exact),
    ("the most frequent", |_| "\"word1\"".to_owned()),
    ("a rare word", |rng| {
        format!("\"word{}\"", rng.random_range(20_000..50_000))
    }),
    ("two words", |rng| format!("{} {}", exact(rng), exact(rng))),
    ("a phrase", |rng| format!("\"{} {}\"", word(rng), word(rng))),
    ("without a word", |rng| {
        format!("{} -word1 -word2", exact(rng))
    }),
    ("a beginning", word),
    ("two beginnings", |rng| {
        format!("{} {}", word(rng), word(rng))
    }),
    ("the beginning of all words", |_| "wor".to_owned()),
    ("what there is not", |_| "nowhere".to_owned()),
    ("frequent words hardly ever so", |_| {
        "\"word1 word2 word1 word3\"".to_owned()
    }),
];

/// The most frequent word and one drawn, narrowed by what no index of words knows.
const NARROWED: &[(&str, &str, &str)] = &[
    ("by a writer", "author", "writer 7"),
    ("by nobody", "author", "nobody"),
    ("before yesterday", "before", "yesterday"),
];

pub(crate) async fn search(target: &Target, rooms: usize, count: usize) {
    let token = reader(target, rooms).await;
    let mut all = Vec::new();
    for (name, make) in KINDS {
        let filter = |number: usize| (number % 4 == 3).then_some(("room", "fill-1"));
        kind(target, &token, name, count, *make, filter, &mut all).await;
    }
    let yesterday = (chrono::Utc::now() - chrono::TimeDelta::days(1)).to_rfc3339();
    for (name, key, value) in NARROWED {
        let value = if *value == "yesterday" {
            &yesterday
        } else {
            *value
        };
        let filter = |_| Some((*key, value));
        let made: fn(&mut rand::rngs::ThreadRng) -> String = |rng| match rng.random_bool(0.5) {
            true => "\"word1\"".to_owned(),
            false => exact(rng),
        };
        kind(target, &token, name, count, made, filter, &mut all).await;
    }
    println!("all: {}", quantiles(&mut all));
    let few = reader(target, 1).await;
    let mut of_few = Vec::new();
    for (name, make) in KINDS {
        let name = format!("in one room of {rooms}, {name}");
        kind(target, &few, &name, count, *make, |_| None, &mut of_few).await;
    }
    println!("all in one room: {}", quantiles(&mut of_few));
}

/// Searches of one kind, each for its first page.
async fn kind<'a>(
    target: &Target,
    token: &str,
    name: &str,
    count: usize,
    make: fn(&mut rand::rngs::ThreadRng) -> String,
    filter: impl Fn(usize) -> Option<(&'a str, &'a str)>,
    all: &mut Vec<Duration>,
) {
    let http = reqwest::Client::new();
    let (mut took, mut found, mut short) = (Vec::with_capacity(count), 0, 0);
    for number in 0..count {
        let query = make(&mut rand::rng());
        let mut url =
            reqwest::Url::parse(&format!("http://{}/api/search", target.server)).expect("a URL");
        url.query_pairs_mut().append_pair("q", &query);
        if let Some((key, value)) = filter(number) {
            url.query_pairs_mut().append_pair(key, value);
        }
        let began = Instant::now();
        let answer = http
            .get(url)
            .bearer_auth(token)
            .send()
            .await
            .expect("an answer");
        assert!(answer.status().is_success(), "{query}: {}", answer.status());
        let page: Value = answer.json().await.expect("JSON");
        took.push(began.elapsed());
        let results = page["results"].as_array().map_or(0, Vec::len);
        found += results;
        short += usize::from(results < 20 && !page["next"].is_null());
    }
    all.extend(took.iter().copied());
    println!(
        "{name}: {}, {found} results, {short} short pages",
        quantiles(&mut took)
    );
}

pub(crate) async fn export(target: &Target) {
    let token = reader(target, 1).await;
    let url = format!(
        "http://{}/api/rooms/fill-1/export?format=ndjson",
        target.server
    );
    let before = client::resident_kib(target.pid);
    let began = Instant::now();
    let answer = reqwest::Client::new()
        .get(url)
        .bearer_auth(&token)
        .send()
        .await
        .expect("an answer");
    let mut bytes = answer.bytes_stream();
    let (mut size, mut most, mut lines, mut last) = (0_usize, before, 0_usize, Vec::new());
    let mut looked = Instant::now();
    while let Some(part) = bytes.next().await {
        let part = part.expect("more of it");
        size += part.len();
        lines += part.iter().filter(|byte| **byte == b'\n').count();
        last.extend_from_slice(&part);
        let kept = last.len().saturating_sub(4_096);
        last.drain(..kept);
        if looked.elapsed() > Duration::from_millis(100) {
            most = most.max(client::resident_kib(target.pid));
            looked = Instant::now();
        }
    }
    let text = String::from_utf8_lossy(&last).into_owned();
    println!(
        "{lines} lines, {} MB in {:.1?}; resident {before} KiB before, {most} KiB at most; {}",
        size / 1_000_000,
        began.elapsed(),
        text.lines().last().unwrap_or_default(),
    );
}

/// A guest who is a member of the filled rooms.
pub(crate) async fn reader(target: &Target, rooms: usize) -> String {
    let token = client::guest(&target.server, "searcher").await;
    let http = reqwest::Client::new();
    for room in 1..=rooms {
        let url = format!("http://{}/api/rooms/fill-{room}/join", target.server);
        let joined = http
            .post(url)
            .bearer_auth(&token)
            .send()
            .await
            .expect("an answer");
        assert!(
            joined.status().is_success(),
            "fill-{room}: {}",
            joined.status()
        );
    }
    token
}

pub(crate) fn quantiles(took: &mut [Duration]) -> String {
    took.sort_unstable();
    let at = |share: f64| {
        took.get((took.len() as f64 * share) as usize)
            .copied()
            .unwrap_or_default()
    };
    format!(
        "p50 {:.1?}, p95 {:.1?}, p99 {:.1?}",
        at(0.5),
        at(0.95),
        at(0.99)
    )
}
