//! Searching over HTTP: what is found, how it is shown, by pages, and what is refused.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::app::{Answer, TestApp};

struct Person<'a>(&'a TestApp, String);

impl Person<'_> {
    async fn get(&self, path: &str) -> Answer {
        self.0
            .request(Method::GET, path)
            .bearer(&self.1)
            .send()
            .await
    }

    async fn say(&self, room: &str, body: &str) {
        let path = format!("/api/rooms/{room}/messages");
        let request = self.0.request(Method::POST, &path).bearer(&self.1);
        let answer = request.json(&json!({ "body": body })).send().await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    }

    async fn found(&self, query: &str) -> Value {
        let answer = self.get(&format!("/api/search?{query}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.json()
    }
}

async fn person<'a>(app: &'a TestApp, name: &str) -> Person<'a> {
    Person(app, app.guest(name).await)
}

/// The snippet of a result, what was looked for in brackets.
fn shown(result: &Value) -> String {
    let pieces = result["snippet"].as_array().unwrap();
    let text = |piece: &Value| {
        let text = piece["text"].as_str().unwrap();
        if piece["hit"].as_bool().unwrap() {
            format!("[{text}]")
        } else {
            text.to_owned()
        }
    };
    pieces.iter().map(text).collect()
}

#[tokio::test]
async fn what_is_found_says_where_and_why() {
    let app = TestApp::start(&["--rate-searches", "1000"]).await;
    let (ada, bo) = (person(&app, "ada").await, person(&app, "bo").await);
    ada.say("lobby", "<script>tea</script> is **ready**").await;
    bo.say("lobby", "no tea for me").await;
    bo.say("lobby", "the tea, again").await;
    let all = ada.found("q=tea&limit=2").await;
    let results = all["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    let first = &results[0];
    assert_eq!(
        (&first["seq"], &first["room"]),
        (&json!(3), &json!({"slug": "lobby", "name": "Lobby"}))
    );
    assert_eq!(
        (&first["author"]["name"], &first["kind"]),
        (&json!("bo"), &json!("user"))
    );
    assert_eq!(shown(first), "the [tea], again");
    let next = all["next"].as_str().unwrap();
    let rest = ada.found(&format!("q=tea&limit=2&cursor={next}")).await;
    assert_eq!(
        shown(&rest["results"][0]),
        "<script>[tea]</script> is **ready**",
        "text, not HTML"
    );
    assert_eq!(
        (rest["results"].as_array().unwrap().len(), &rest["next"]),
        (1, &Value::Null)
    );
    let phrase = ada.found("q=%22no%20tea%22").await;
    assert_eq!(shown(&phrase["results"][0]), "[no tea] for me");
    assert_eq!(
        ada.found("q=tea%20-again&author=BO&room=lobby").await["results"][0]["seq"],
        2
    );
    // By the beginnings of words, which are marked whole; what is quoted or short is exact.
    for (query, texts) in [
        ("ag", &[][..]),
        ("aga", &["the tea, [again]"]),
        ("aga%20tea", &["the [tea], [again]"]),
        ("%22aga%22", &[]),
        ("the%20-aga", &["[the] tea, again"]),
        ("script%3Ete", &[]),
        ("tea-aga", &["the [tea, again]"]),
        ("rea", &["<script>tea</script> is **[ready]**"]),
    ] {
        let found = ada.found(&format!("q={query}")).await;
        let shown: Vec<String> = (found["results"].as_array().unwrap().iter())
            .map(shown)
            .collect();
        assert_eq!(shown, texts, "{query}");
    }
    let at = first["created_at"].as_str().unwrap();
    assert_eq!(
        ada.found(&format!("q=tea&after={at}")).await["results"][0]["seq"],
        3
    );
    assert_eq!(
        ada.found("q=tea&before=2020-01-01T00:00:00Z").await["results"],
        json!([])
    );
}

#[tokio::test]
async fn what_is_no_search_is_refused() {
    let app = TestApp::start(&["--rate-searches", "20"]).await;
    let ada = person(&app, "ada").await;
    let long = format!("q={}", "x".repeat(257));
    let many = format!("q={}", "x+".repeat(17));
    for (query, code) in [
        ("", "bad_request"),
        ("q=", "bad_request"),
        ("q=-tea", "bad_request"),
        ("q=tea&limit=0", "bad_request"),
        ("q=tea&limit=51", "bad_request"),
        ("q=tea&cursor=x", "bad_request"),
        ("q=tea&before=yesterday", "bad_request"),
        ("q=tea&before=%2B200000-01-01T00:00:00Z", "bad_request"),
        ("q=tea&after=-200000-01-01T00:00:00Z", "bad_request"),
        (
            "q=tea&cursor=6249221107200000000.019a7b1d000070008000000000000001.1",
            "bad_request",
        ),
        ("q=tea&room=nowhere", "room_not_found"),
        ("q=tea&room=no%00where", "room_not_found"),
        (&long, "too_large"),
        (&many, "too_large"),
    ] {
        let answer = ada.get(&format!("/api/search?{query}")).await;
        assert_eq!(answer.code(), code, "{query}");
    }
    assert_eq!(ada.found("q=tea&author=a%00b").await["results"], json!([]));
    // One's own rate, and nobody else's.
    let mut refused = None;
    for _ in 0..20 {
        let answer = ada.get("/api/search?q=tea").await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("a search too many");
    assert_eq!(refused.code(), "rate_limited");
    assert!(refused.json()["retry_after_ms"].as_u64().unwrap() <= 3_000);
    person(&app, "bo").await.found("q=tea").await;
}
