//! The same conversation in a room through a fake Anthropic and a fake OpenAI-compatible server: text whose characters are
//! split over chunks, pings, an error event after HTTP 200, a stream that is cut, and an answer after all of it.

use std::sync::Arc;
use std::time::Duration;

use salon::db::usage::UsageStore as _;
use salon::llm::LlmProvider;
use salon::llm::anthropic::{AnthropicProvider, AnthropicSettings};
use salon::llm::http::Timeouts;
use salon::llm::openai::{OpenAiProvider, OpenAiSettings};
use serde_json::json;

use crate::replies::{enter, read_settled, read_text, salon_with};
use crate::support::fake_provider::{Answer, FakeProvider};

/// What both recorded streams say.
const SPLIT: &str = "Hello! Grüße, 世界 👩‍👩‍👧 😀";

fn timeouts() -> Timeouts {
    Timeouts {
        retry_first: Duration::from_millis(10),
        retry_longest: Duration::from_millis(20),
        ..Timeouts::default()
    }
}

fn anthropic(server: &FakeProvider) -> Arc<dyn LlmProvider> {
    let settings = AnthropicSettings {
        base_url: server.anthropic_url(),
        api_key: "sk-test".into(),
        model: "model-a".into(),
        timeouts: timeouts(),
        reach: crate::llm::on_this_machine(),
    };
    Arc::new(AnthropicProvider::new(settings).unwrap())
}

fn openai(server: &FakeProvider) -> Arc<dyn LlmProvider> {
    let settings = OpenAiSettings {
        base_url: server.openai_url(),
        api_key: "sk-test".into(),
        model: "model-o".into(),
        timeouts: timeouts(),
        reach: crate::llm::on_this_machine(),
    };
    Arc::new(OpenAiProvider::new(settings).unwrap())
}

/// A recorded stream, each byte a chunk of its own.
fn byte_by_byte(stream: &[u8]) -> Answer {
    stream
        .chunks(1)
        .fold(Answer::raw(), |answer, byte| answer.bytes(byte))
}

async fn converse(server: FakeProvider, provider: Arc<dyn LlmProvider>) {
    let pause = Duration::from_millis(80);
    server.push(
        Answer::stream()
            .ping()
            .piece("pinged ")
            .delay(pause)
            .ping()
            .piece("through")
            .finish("end"),
    );
    server.push(
        Answer::stream()
            .piece("so ")
            .piece("far")
            .delay(pause)
            .error("overloaded_error"),
    );
    server.push(Answer::stream().piece("bro").delay(pause).cut());
    server.push(Answer::text(&["all ", "well"]));
    let (salon, _database) = salon_with(provider).await;
    let (mut ada, mut ada_client) = enter(salon.arrive("ada").await).await;
    let (mut bob, mut bob_client) = enter(salon.arrive("bob").await).await;
    for (state, body, error) in [
        ("complete", SPLIT, None),
        ("complete", "pinged through", None),
        ("failed", "so far", Some("provider_overloaded")),
        ("failed", "bro", Some("provider_truncated")),
        ("complete", "all well", None),
    ] {
        let seq = ada.prompt("lobby", "go on").await;
        let seen = read_text(&mut bob, &mut bob_client, seq).await;
        assert!(body.starts_with(&seen), "{seen:?} of {body:?}");
        for (socket, client) in [(&mut ada, &mut ada_client), (&mut bob, &mut bob_client)] {
            let settled = read_settled(socket, client, seq).await;
            assert_eq!(settled["state"], state, "{settled}");
            assert_eq!(settled["body"], body, "{settled}");
            assert_eq!(settled["reply"]["error"].as_str(), error, "{settled}");
        }
    }
    assert_eq!(
        server.requests().len(),
        5,
        "nothing is asked again once text was shown"
    );
}

#[tokio::test]
async fn a_conversation_through_anthropic() {
    let stream = include_bytes!("../fixtures/llm/anthropic-plain.sse");
    let server = FakeProvider::start([byte_by_byte(stream)]);
    let provider = anthropic(&server);
    converse(server, provider).await;
}

#[tokio::test]
async fn a_conversation_through_an_openai_compatible_server() {
    let stream = include_bytes!("../fixtures/llm/openai-plain.sse");
    let server = FakeProvider::start([byte_by_byte(stream)]);
    let provider = openai(&server);
    converse(server, provider).await;
}

/// Its provider tells what it read before it writes: exact, though what it wrote is estimated.
#[tokio::test]
async fn a_stopped_reply_of_anthropics_has_read_what_it_was_told() {
    let server = FakeProvider::start([Answer::stream()
        .piece("so ")
        .endless(Duration::from_millis(20))]);
    let (salon, database) = salon_with(anthropic(&server)).await;
    let ada = salon.user("ada").await;
    let (mut socket, mut client) = enter(salon.connect(&ada).await).await;
    let seq = socket.prompt("lobby", "go on").await;
    read_text(&mut socket, &mut client, seq).await;
    let stop = json!({"type": "reply.stop", "room": "lobby", "seq": seq});
    assert_eq!(socket.ask(stop).await["type"], "ok");
    let settled = read_settled(&mut socket, &mut client, seq).await;
    assert_eq!(settled["state"], "stopped");
    let usage = &settled["reply"]["usage"];
    assert_eq!(
        (&usage["input_tokens"], &usage["estimated"]),
        (&json!(11), &json!(true)),
        "{settled}"
    );
    let page = database
        .store
        .own_usage(ada.user.id, None, 9)
        .await
        .unwrap();
    assert_eq!(page.rows[0].input_tokens, 11);
    assert!(page.rows[0].output_tokens > 0 && page.rows[0].estimated);
}
