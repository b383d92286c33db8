//! `POST /api/chat` and the event stream of a reply, against a whole server and a provider that the test plays: JSON and
//! events, resumed streams, repeats, failures, many calls at once, and every way a stream ends before its reply.

mod dropped;
mod endings;

use serde_json::json;
use uuid::Uuid;

use crate::support::event_stream::{ApiClient, StreamEvent};
use crate::support::fake_provider::{Answer, FakeProvider, Gate};
use crate::support::salon::SalonProcess;

async fn server(provider: &FakeProvider) -> SalonProcess {
    SalonProcess::start(&[
        ("SALON_LLM", "openai"),
        ("OPENAI_API_KEY", "any"),
        ("OPENAI_BASE_URL", &provider.openai_url()),
        ("SALON_LLM_ALLOW", "127.0.0.1"),
        ("SALON_RATE_SIGN_INS", "100000"),
    ])
    .await
}

/// An answer that waits for the test between its pieces.
fn gated(pieces: &[&str]) -> (Answer, Vec<Gate>) {
    let mut gates = Vec::new();
    let mut script = Answer::stream();
    for piece in pieces {
        let gate = Gate::new();
        script = script.piece(piece).gate(&gate);
        gates.push(gate);
    }
    (script.finish("end"), gates)
}

/// What a reader has who follows the rule of deltas, and what one has who only appends.
#[derive(Default)]
struct Assembled {
    by_rule: String,
    appended: String,
    chunks: i64,
}

impl Assembled {
    fn take(&mut self, event: &StreamEvent) {
        assert_eq!(event.name, "delta", "{event:?}");
        let data = &event.data;
        let (chunk, count) = (
            data["chunk"].as_i64().unwrap(),
            data["count"].as_i64().unwrap(),
        );
        let text = data["text"].as_str().unwrap();
        if chunk == 1 {
            self.by_rule.clear();
        } else {
            assert_eq!(chunk, self.chunks + 1, "{event:?}");
        }
        self.by_rule.push_str(text);
        self.appended.push_str(text);
        self.chunks = chunk + count - 1;
        let id = event.id.as_deref().unwrap();
        assert!(
            id.starts_with(&format!("{}:{}:", data["attempt"], self.chunks)),
            "{id}"
        );
    }
}

#[tokio::test]
async fn a_call_waits_and_answers_with_the_reply() {
    let provider = FakeProvider::start([
        Answer::text(&["Hello, ", "wörld"]),
        Answer::text(&["Again"]),
    ]);
    let salon = server(&provider).await;
    let ada = ApiClient::guest(&salon, "ada").await;
    let (status, body) = ada.post("/api/chat", &json!({ "message": "hi" })).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["reply"]["body"], "Hello, wörld");
    assert_eq!(body["reply"]["state"], "complete");
    assert_eq!(body["reply"]["author"]["name"], "assistant");
    assert_eq!(
        (body["prompt_seq"].as_i64(), body["reply_seq"].as_i64()),
        (Some(1), Some(2))
    );
    let room = body["room"].as_str().unwrap();
    let (_, stored) = ada.get(&format!("/api/rooms/{room}/messages/1")).await;
    assert_eq!(stored["body"], "hi");
    assert_eq!(stored["client_id"], body["client_id"]);
    let (_, reply) = ada.get(&format!("/api/rooms/{room}/messages/2")).await;
    assert_eq!(reply, body["reply"]);
    // The next prompt goes to the same room; in any other room the assistant is called.
    let (status, body) = ada
        .post("/api/chat", &json!({ "message": "hi", "room": "lobby" }))
        .await;
    assert_eq!(
        (status, &body["reply"]["body"]),
        (200, &json!("Again")),
        "{body}"
    );
    let prompt = format!("/api/rooms/lobby/messages/{}", body["prompt_seq"]);
    assert_eq!(ada.get(&prompt).await.1["body"], "@assistant hi");
}

#[tokio::test]
async fn a_stream_shows_the_reply_as_it_grows() {
    let (script, gates) = gated(&["Hä", "llo", " there"]);
    let provider = FakeProvider::start([script]);
    let salon = server(&provider).await;
    let ada = ApiClient::guest(&salon, "ada").await;
    let client_id = Uuid::new_v4().to_string();
    let prompt = json!({ "message": "hi", "client_id": client_id });
    let mut stream = ada.chat_events(&prompt).await;
    let accepted = stream.expect("accepted").await;
    assert_eq!(accepted.data["client_id"], client_id.as_str());
    assert_eq!(
        (&accepted.data["seq"], &accepted.data["reply_seq"]),
        (&json!(1), &json!(2))
    );
    let mut text = Assembled::default();
    let first = stream.expect("delta").await;
    assert_eq!(first.data["text"], "Hä", "shown while the provider waits");
    assert_eq!(first.id.as_deref(), Some("1:1:3"));
    text.take(&first);
    gates.iter().for_each(Gate::open);
    let mut rest = stream.rest().await;
    let last = rest.pop().unwrap();
    rest.iter().for_each(|event| text.take(event));
    assert_eq!(last.name, "message");
    assert_eq!(
        (&last.data["body"], &last.data["state"]),
        (&json!("Hällo there"), &json!("complete"))
    );
    assert_eq!(
        (text.by_rule.as_str(), text.appended.as_str()),
        ("Hällo there", "Hällo there")
    );
}

#[tokio::test]
async fn a_stream_resumes_where_it_was_cut() {
    let (script, gates) = gated(&["one ", "zwö ", "three ", "four"]);
    let provider = FakeProvider::start([script]);
    let salon = server(&provider).await;
    let ada = ApiClient::guest(&salon, "ada").await;
    let mut first = ada.chat_events(&json!({ "message": "count" })).await;
    let accepted = first.expect("accepted").await;
    let (room, seq) = (
        accepted.data["room"].as_str().unwrap(),
        accepted.data["reply_seq"].as_i64().unwrap(),
    );
    let mut text = Assembled::default();
    let delta = first.expect("delta").await;
    text.take(&delta);
    drop(first);
    // While nobody is there, two pieces more; another reader tells when they were shown.
    let mut watcher = ada.reply_events(room, seq, None).await;
    let so_far = watcher.expect("delta").await;
    assert_eq!(
        (&so_far.data["chunk"], &so_far.data["text"]),
        (&json!(1), &json!("one "))
    );
    gates[0].open();
    gates[1].open();
    gates[2].reached().await;
    let mut watched = Assembled::default();
    watched.take(&so_far);
    while watched.by_rule != "one zwö three " {
        watched.take(&watcher.expect("delta").await);
    }
    let mut second = ada.reply_events(room, seq, delta.id.as_deref()).await;
    let rest = second.expect("delta").await;
    assert_eq!(
        rest.data["text"], "zwö three ",
        "the rest, no character twice"
    );
    text.take(&rest);
    drop(second);
    // An id of attempt and chunk only cannot tell where the rest begins: the whole text comes, and says so.
    let mut short = ada.reply_events(room, seq, Some("1:1")).await;
    let whole = short.expect("delta").await;
    assert_eq!(
        (&whole.data["chunk"], &whole.data["text"]),
        (&json!(1), &json!("one zwö three "))
    );
    gates[2].open();
    gates[3].open();
    let mut third = ada.reply_events(room, seq, rest.id.as_deref()).await;
    let mut events = third.rest().await;
    assert_eq!(events.pop().unwrap().data["body"], "one zwö three four");
    events.iter().for_each(|event| text.take(event));
    if !events.is_empty() {
        assert_eq!(text.appended, "one zwö three four");
    }
    assert!(
        "one zwö three four".starts_with(&text.appended),
        "{}",
        text.appended
    );
    // Settled: the message at once, whatever was seen.
    for after in [None, Some("1:2:9")] {
        let events = ada.reply_events(room, seq, after).await.rest().await;
        assert_eq!(events.len(), 1, "{events:?}");
        assert_eq!(
            (events[0].name.as_str(), &events[0].data["seq"]),
            ("message", &json!(seq))
        );
    }
}

#[tokio::test]
async fn a_repeat_waits_for_the_same_reply() {
    let (script, gates) = gated(&["once"]);
    let provider = FakeProvider::start([script]);
    let salon = server(&provider).await;
    let ada = ApiClient::guest(&salon, "ada").await;
    let prompt = json!({ "message": "hi", "client_id": Uuid::new_v4() });
    let calls: Vec<_> = (0..2)
        .map(|_| {
            let (ada, prompt) = (ada.clone(), prompt.clone());
            tokio::spawn(async move { ada.post("/api/chat", &prompt).await })
        })
        .collect();
    gates[0].reached().await;
    let mut stream = ada.chat_events(&prompt).await;
    assert_eq!(stream.expect("accepted").await.data["duplicate"], true);
    assert_eq!(stream.expect("delta").await.data["text"], "once");
    // Whoever goes away stops nothing.
    drop(stream);
    gates[0].open();
    for call in calls {
        let (status, body) = call.await.unwrap();
        assert_eq!(
            (status, &body["reply"]["body"], &body["prompt_seq"]),
            (200, &json!("once"), &json!(1))
        );
    }
    let (status, again) = ada.post("/api/chat", &prompt).await;
    assert_eq!((status, &again["reply"]["body"]), (200, &json!("once")));
    assert_eq!(provider.requests().len(), 1);
}
