//! The Autobahn list of WebSocket conformance (groups 1 to 7, 9 and 10), with raw bytes: on an echo over Salon's own
//! transport, outbox and codec, directly and through HAProxy; and every case that must fail on the real socket.
//! Groups 12 and 13 are about compression, which Salon does not offer.

mod case;
mod closing;
mod echo;
mod frames;
mod large;
mod run;
mod utf8;

use std::collections::BTreeSet;

use futures_util::StreamExt;

use self::case::{Case, End};
use serde_json::{Value, json};

use crate::support::haproxy::HaproxyServer;
use crate::support::salon::SalonProcess;

/// Cases played at once.
const AT_ONCE: usize = 16;

fn all() -> Vec<Case> {
    [
        frames::cases(),
        utf8::cases(),
        closing::cases(),
        large::cases(),
    ]
    .concat()
}

/// Plays the cases, and shows all that went wrong.
async fn play_all(address: &str, headers: &str, greeted: bool, cases: Vec<Case>) {
    assert!(!cases.is_empty());
    let count = cases.len();
    let wrong: BTreeSet<String> = futures_util::stream::iter(cases)
        .map(|case| async move {
            let played = run::play(address, headers, greeted, &case).await;
            played.err().map(|error| format!("{}: {error}", case.id))
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(|wrong| async move { wrong })
        .collect()
        .await;
    assert!(wrong.is_empty(), "{} of {count}:\n{wrong:#?}", wrong.len());
}

#[test]
fn no_case_is_listed_twice() {
    let cases = all();
    let ids: BTreeSet<&String> = cases.iter().map(|case| &case.id).collect();
    assert_eq!(ids.len(), cases.len());
    assert!(cases.len() >= 300, "{}", cases.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_directly() {
    let echo = echo::start().await;
    play_all(&format!("127.0.0.1:{}", echo.port()), "", false, all()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_through_the_balancer() {
    let echo = echo::start().await;
    // The balancer asks `/readyz` first; the echo says yes.
    let balancer = HaproxyServer::start(&[echo.port()]).await;
    let address = format!("127.0.0.1:{}", balancer.port());
    play_all(&address, "", false, all()).await;
}

async fn guest(port: u16, name: &str) -> String {
    let answer = reqwest::Client::new()
        .post(format!("http://127.0.0.1:{port}/api/guests"))
        .json(&json!({ "name": name }))
        .send();
    let answer: Value = answer.await.unwrap().json().await.unwrap();
    answer["token"].as_str().unwrap().to_owned()
}

/// What breaks the rules is broken off by the real consumer as by the echo, and without an answer to what was before: a
/// text that is no JSON has its typed error, which is no echo, so only cases without one are played.
fn failing() -> Vec<Case> {
    let fails = |case: &Case| matches!(case.end, End::Failed(_)) && case.replies.is_empty();
    all().into_iter().filter(fails).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_must_fail_fails_on_the_real_socket() {
    let salon = SalonProcess::start(&[]).await;
    let token = guest(salon.port(), "ada").await;
    let balancer = HaproxyServer::start(&[salon.port()]).await;
    let bearer = format!("Authorization: Bearer {token}\r\n");
    for port in [salon.port(), balancer.port()] {
        play_all(&format!("127.0.0.1:{port}"), &bearer, true, failing()).await;
    }
}

/// RFC 6455 §7.1.1: the server ends the stream, and a browser waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answered_close_ends_the_stream_at_once() {
    let salon = SalonProcess::start(&[]).await;
    let token = guest(salon.port(), "ada").await;
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let address = format!("127.0.0.1:{}", salon.port());
    let mut took = Vec::new();
    for _ in 0..5 {
        took.push(run::time_to_end(&address, &bearer).await.unwrap());
    }
    // The best of five: a busy machine may be slow once.
    took.sort();
    assert!(took[0] < salon::limits::CLOSE_TIMEOUT / 4, "{took:?}");
}
