//! `POST /api/chat` and the event stream of a reply, against a whole server and a provider that the test plays: JSON and
//! events, resumed streams, repeats, failures, many calls at once, and every way a stream ends before its reply.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::event_stream::{ApiClient, StreamEvent, answer};
use crate::support::fake_provider::{Answer, FakeProvider, Gate};
use crate::support::process::eventually;
use crate::support::salon::SalonProcess;

async fn server(provider: &FakeProvider) -> SalonProcess {
    SalonProcess::start(&[
        ("SALON_LLM", "openai"),
        ("OPENAI_API_KEY", "any"),
        ("OPENAI_BASE_URL", &provider.openai_url()),
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

#[tokio::test]
async fn a_failed_reply_is_a_problem_with_its_code_and_its_text() {
    let provider = FakeProvider::start([
        Answer::stream().piece("as far as").cut(),
        Answer::status(401, "authentication_error"),
        Answer::stream().piece("shown").cut(),
    ]);
    let salon = server(&provider).await;
    let ada = ApiClient::guest(&salon, "ada").await;
    let (status, body) = ada.post("/api/chat", &json!({ "message": "hi" })).await;
    assert_eq!(
        (status, &body["code"]),
        (502, &json!("provider_truncated")),
        "{body}"
    );
    assert_eq!(body["type"], "urn:salon:problem:provider_truncated");
    assert_eq!(
        (&body["reply"]["body"], &body["reply"]["state"]),
        (&json!("as far as"), &json!("failed"))
    );
    assert_eq!(
        (&body["prompt_seq"], &body["reply_seq"]),
        (&json!(1), &json!(2))
    );
    let (status, body) = ada.post("/api/chat", &json!({ "message": "hi" })).await;
    assert_eq!(
        (status, &body["code"], &body["reply"]["body"]),
        (502, &json!("provider_auth"), &json!(""))
    );
    // In a stream the settled message tells.
    let mut stream = ada.chat_events(&json!({ "message": "hi" })).await;
    let last = stream.rest().await.pop().unwrap();
    assert_eq!(
        (last.name.as_str(), &last.data["state"]),
        ("message", &json!("failed"))
    );
    assert_eq!(last.data["reply"]["error"], "provider_truncated");
}

#[tokio::test]
async fn a_stopped_reply_answers_with_what_there_is() {
    let (script, gates) = gated(&["so far"]);
    let provider = FakeProvider::start([script]);
    let salon = server(&provider).await;
    let ada = ApiClient::guest(&salon, "ada").await;
    let call = {
        let ada = ada.clone();
        tokio::spawn(async move { ada.post("/api/chat", &json!({ "message": "hi" })).await })
    };
    gates[0].reached().await;
    let room = direct_room(&ada).await;
    let mut stream = ada.reply_events(&room, 2, None).await;
    assert_eq!(stream.expect("delta").await.data["text"], "so far");
    let (status, _) = ada
        .post(&format!("/api/rooms/{room}/replies/2/stop"), &json!({}))
        .await;
    assert_eq!(status, 200);
    let (status, body) = call.await.unwrap();
    assert_eq!(
        (status, &body["reply"]["state"], &body["reply"]["body"]),
        (200, &json!("stopped"), &json!("so far"))
    );
    assert_eq!(stream.expect("message").await.data["state"], "stopped");
    assert!(stream.next().await.is_none());
}

async fn direct_room(who: &ApiClient) -> String {
    let (_, rooms) = who.get("/api/rooms").await;
    let rooms = rooms["rooms"].as_array().unwrap();
    let direct = rooms
        .iter()
        .find(|room| room["visibility"] == "direct")
        .unwrap();
    direct["slug"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn many_calls_wait_at_once_and_others_stay_fast() {
    const CALLS: usize = 200;
    let (gate, provider) = (Gate::new(), FakeProvider::start([]));
    provider.otherwise(Answer::stream().gate(&gate).piece("done").finish("end"));
    let salon = server(&provider).await;
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..CALLS {
        let guest = ApiClient::guest(&salon, &format!("guest {number}")).await;
        calls.spawn(async move {
            let prompt = json!({ "message": format!("call {number}") });
            if number % 2 == 0 {
                return guest.post("/api/chat", &prompt).await.1["reply"].clone();
            }
            let mut stream = guest.chat_events(&prompt).await;
            stream.rest().await.pop().unwrap().data
        });
    }
    eventually(
        "all prompts reached the provider",
        Duration::from_secs(60),
        async || provider.requests().len() == CALLS,
    )
    .await;
    let other = ApiClient::guest(&salon, "other").await;
    let mut slowest = Duration::ZERO;
    for number in 0..50 {
        let began = Instant::now();
        let (status, _) = match number % 2 {
            0 => other.get("/api/rooms").await,
            _ => {
                other
                    .post("/api/rooms/lobby/messages", &json!({ "body": "hello" }))
                    .await
            }
        };
        assert!(status < 300, "{status}");
        slowest = slowest.max(began.elapsed());
    }
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    gate.open();
    let replies = tokio::time::timeout(Duration::from_secs(60), calls.join_all())
        .await
        .unwrap();
    assert_eq!(replies.len(), CALLS);
    assert!(
        replies
            .iter()
            .all(|reply| reply["body"] == "done" && reply["state"] == "complete")
    );
}

#[tokio::test]
async fn signing_out_ends_what_waits_and_the_reply_goes_on() {
    let (script, gates) = gated(&["for all"]);
    let provider = FakeProvider::start([script]);
    let salon = server(&provider).await;
    let (ada, bob) = (
        ApiClient::guest(&salon, "ada").await,
        ApiClient::guest(&salon, "bob").await,
    );
    let prompt = json!({ "message": "hi", "room": "lobby", "client_id": Uuid::new_v4() });
    let mut stream = ada.chat_events(&prompt).await;
    let accepted = stream.expect("accepted").await;
    stream.expect("delta").await;
    let waiting = {
        let (ada, prompt) = (ada.clone(), prompt.clone());
        tokio::spawn(async move { ada.post("/api/chat", &prompt).await })
    };
    let seq = accepted.data["reply_seq"].as_i64().unwrap();
    let mut others = bob.reply_events("lobby", seq, None).await;
    others.expect("delta").await;
    let began = Instant::now();
    assert_eq!(ada.delete("/api/sessions/current").await.0, 204);
    let error = stream.expect("error").await;
    assert_eq!(error.data["code"], "unauthenticated");
    assert!(stream.next().await.is_none());
    assert_eq!(waiting.await.unwrap().0, 401);
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    gates[0].open();
    assert_eq!(others.expect("message").await.data["body"], "for all");
}

#[tokio::test]
async fn only_members_see_a_reply() {
    let (script, _gates) = gated(&["secret"]);
    let provider = FakeProvider::start([script]);
    let salon = server(&provider).await;
    let (ada, bob) = (
        ApiClient::guest(&salon, "ada").await,
        ApiClient::account(&salon, "bob").await,
    );
    let room = json!({ "slug": "den", "name": "Den", "visibility": "private" });
    assert_eq!(ada.post("/api/rooms", &room).await.0, 201);
    let mut own = ada
        .chat_events(&json!({ "message": "hi", "room": "den" }))
        .await;
    own.expect("accepted").await;
    own.expect("delta").await;
    let code = |answer: (u16, Value)| {
        (
            answer.0,
            answer.1["code"].as_str().unwrap_or_default().to_owned(),
        )
    };
    let ask = |room: &str| json!({ "message": "hi", "room": room });
    assert_eq!(
        code(bob.post("/api/chat", &ask("den")).await),
        (404, "room_not_found".into())
    );
    assert_eq!(
        code(bob.post("/api/chat", &ask("No Slug")).await),
        (404, "room_not_found".into())
    );
    let hall = json!({ "slug": "hall", "visibility": "public" });
    assert_eq!(ada.post("/api/rooms", &hall).await.0, 201);
    assert_eq!(
        code(bob.post("/api/chat", &ask("hall")).await),
        (403, "not_a_member".into())
    );
    let events = "/api/rooms/den/replies/2/events";
    assert_eq!(code(bob.get(events).await), (404, "room_not_found".into()));
    assert_eq!(
        code(ada.get("/api/rooms/den/replies/1/events").await),
        (404, "reply_not_found".into())
    );
    assert_eq!(
        code(ada.get("/api/rooms/den/replies/99/events").await),
        (404, "reply_not_found".into())
    );
    let bad = ada
        .request(Method::GET, events)
        .header("last-event-id", "x");
    assert_eq!(code(answer(bad).await), (400, "bad_request".into()));
    let me = bob.get("/api/me").await.1;
    let (status, body) = ada
        .post(
            "/api/rooms/den/members",
            &json!({ "name": "bob", "role": "member" }),
        )
        .await;
    assert_eq!(status, 200, "{body}");
    let mut stream = bob.reply_events("den", 2, None).await;
    stream.expect("delta").await;
    let member = format!(
        "/api/rooms/den/members/{}",
        me["user"]["id"].as_str().unwrap()
    );
    assert_eq!(ada.delete(&member).await.0, 200);
    assert_eq!(stream.expect("error").await.data["code"], "room_not_found");
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_stopping_server_sends_streams_away_and_settles_what_is_waited_for() {
    let (script, _gates) = gated(&["this far"]);
    let provider = FakeProvider::start([script]);
    let mut salon = server(&provider).await;
    let ada = ApiClient::guest(&salon, "ada").await;
    let prompt = json!({ "message": "hi", "client_id": Uuid::new_v4() });
    let mut stream = ada.chat_events(&prompt).await;
    stream.expect("accepted").await;
    stream.expect("delta").await;
    let waiting = {
        let (ada, prompt) = (ada.clone(), prompt.clone());
        tokio::spawn(async move { ada.post("/api/chat", &prompt).await })
    };
    // The call was taken once its repeat is: both prove the same session.
    let mut repeated = ada.chat_events(&prompt).await;
    repeated.expect("accepted").await;
    salon.terminate();
    assert_eq!(stream.expect("error").await.data["code"], "shutting_down");
    assert!(stream.next().await.is_none());
    let (status, body) = waiting.await.unwrap();
    assert_eq!(
        (status, &body["code"]),
        (503, &json!("unavailable")),
        "{body}"
    );
    assert_eq!(
        (&body["reply"]["state"], &body["reply"]["body"]),
        (&json!("interrupted"), &json!("this far"))
    );
    assert!(salon.wait_for_exit(Duration::from_secs(30)).await.success());
}
