//! Answers that go well.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use salon::db::rows::Usage;
use salon::llm::Delta;
use serde::Deserialize;
use serde_json::json;

use super::{BOTH, KEY, Kind, QUESTION, ask, prompt, provider, timeouts};
use crate::support::fake_provider::{Answer, Ending, FAKE_MODEL, FakeProvider, Gate};

#[tokio::test]
async fn an_answer_comes_with_its_usage_and_model() {
    for kind in BOTH {
        let server = FakeProvider::start([Answer::text(&["Hello", ", 世界 ", "👩‍👩‍👧"])]);
        let answered = ask(&provider(kind, &server, timeouts())).await;
        assert_eq!(answered.text, "Hello, 世界 👩‍👩‍👧", "{kind:?}");
        let completion = answered.end.unwrap();
        assert_eq!(completion.stop_reason, "end");
        assert_eq!(completion.model.as_deref(), Some(FAKE_MODEL));
        let usage = Usage {
            input_tokens: 11,
            output_tokens: 7,
            cached_tokens: 0,
            estimated: false,
        };
        assert_eq!(completion.usage, Some(usage));
    }
}

#[tokio::test]
async fn the_request_is_as_the_protocol_wants_it() {
    let server = FakeProvider::start([Answer::text(&["a"]), Answer::text(&["b"])]);
    for kind in BOTH {
        ask(&provider(kind, &server, timeouts())).await.end.unwrap();
    }
    let [anthropic, openai] = <[_; 2]>::try_from(server.requests()).unwrap();
    assert_eq!(anthropic.path, "/v1/messages");
    assert_eq!(anthropic.headers["x-api-key"], KEY);
    assert_eq!(anthropic.headers["anthropic-version"], "2023-06-01");
    assert_eq!(anthropic.headers["content-type"], "application/json");
    assert_eq!(
        anthropic.body,
        json!({
            "model": "model-a", "max_tokens": 77, "stream": true, "system": "You are a test.",
            "messages": [
                {"role": "user", "content": "ada: hi"},
                {"role": "assistant", "content": "Hello."},
                {"role": "user", "content": QUESTION},
            ],
        })
    );
    assert_eq!(openai.path, "/v1/chat/completions");
    assert_eq!(openai.headers["authorization"], format!("Bearer {KEY}"));
    assert_eq!(
        openai.body,
        json!({
            "model": "model-o", "max_tokens": 77, "stream": true, "stream_options": {"include_usage": true},
            "messages": [
                {"role": "system", "content": "You are a test."},
                {"role": "user", "content": "ada: hi"},
                {"role": "assistant", "content": "Hello."},
                {"role": "user", "content": QUESTION},
            ],
        })
    );
}

#[tokio::test]
async fn text_is_given_out_as_it_comes() {
    for kind in BOTH {
        let gate = Gate::new();
        let answer = Answer::stream()
            .piece("first")
            .gate(&gate)
            .piece(" second")
            .finish("end");
        let server = FakeProvider::start([answer]);
        let mut stream = provider(kind, &server, timeouts())
            .answer(prompt())
            .await
            .unwrap();
        let mut next = async || {
            let told = stream.by_ref().filter(|delta| {
                let is_use = matches!(delta, Ok(Delta::Used(_)));
                std::future::ready(!is_use)
            });
            tokio::time::timeout(Duration::from_secs(10), std::pin::pin!(told).next())
                .await
                .unwrap()
                .unwrap()
                .unwrap()
        };
        assert_eq!(next().await, Delta::Text("first".into()), "{kind:?}");
        gate.reached().await;
        gate.open();
        assert_eq!(next().await, Delta::Text(" second".into()), "{kind:?}");
        assert!(matches!(next().await, Delta::Done(_)));
    }
}

#[tokio::test]
async fn a_dropped_stream_closes_the_connection() {
    for kind in BOTH {
        let gate = Gate::new();
        let answers = [
            Answer::stream().piece("first").gate(&gate),
            Answer::stream().endless(Duration::from_millis(5)),
        ];
        let server = FakeProvider::start(answers);
        for number in 0..2 {
            let mut stream = provider(kind, &server, timeouts())
                .answer(prompt())
                .await
                .unwrap();
            stream.next().await.unwrap().unwrap();
            assert_eq!(server.requests()[number].ended, None);
            drop(stream);
            assert_eq!(
                server.ending(number).await,
                Ending::ClosedByClient,
                "{kind:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_answer_that_has_not_begun_can_be_dropped_too() {
    for kind in BOTH {
        let server = FakeProvider::start([Answer::unanswered()]);
        let provider = provider(kind, &server, timeouts());
        let asking = tokio::spawn(async move { provider.answer(prompt()).await.map(|_stream| ()) });
        server.request(0).await;
        asking.abort();
        assert_eq!(server.ending(0).await, Ending::ClosedByClient, "{kind:?}");
    }
}

#[tokio::test]
async fn reasons_to_stop_are_told() {
    for kind in BOTH {
        for reason in ["end", "length", "refusal"] {
            let server = FakeProvider::start([Answer::stream().piece("x").finish(reason)]);
            let answered = ask(&provider(kind, &server, timeouts())).await;
            assert_eq!(answered.end.unwrap().stop_reason, reason, "{kind:?}");
        }
    }
}

#[derive(Deserialize)]
struct Expected {
    text: String,
    end: String,
}

/// Every stream on file over a real connection, each byte a chunk of its own. (Cut at every single byte they are read
/// in `src/llm/recorded.rs`, without a server.)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_on_file_are_read_byte_by_byte() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/llm");
    let table = std::fs::read_to_string(folder.join("expected.json")).unwrap();
    let table: BTreeMap<String, Expected> = serde_json::from_str(&table).unwrap();
    assert!(table.len() >= 25);
    let server = FakeProvider::start([]);
    for (name, expected) in table {
        let bytes = std::fs::read(folder.join(format!("{name}.sse"))).unwrap();
        server.otherwise(
            bytes
                .chunks(1)
                .fold(Answer::raw(), |answer, byte| answer.bytes(byte)),
        );
        let kind = if name.starts_with("anthropic") {
            Kind::Anthropic
        } else {
            Kind::OpenAi
        };
        let mut once = timeouts();
        once.tries = 1;
        let answered = ask(&provider(kind, &server, once)).await;
        assert_eq!(answered.text, expected.text, "{name}");
        let end = match answered.end {
            Ok(completion) => completion.stop_reason,
            Err(error) => error.code.as_str().to_owned(),
        };
        assert_eq!(end, expected.end, "{name}");
    }
}
