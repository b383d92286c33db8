//! Every way a call or a stream ends otherwise than with a complete reply; and many calls at once.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{gated, server};
use crate::support::event_stream::{ApiClient, answer};
use crate::support::fake_provider::{Answer, FakeProvider, Gate};
use crate::support::process::eventually;

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
