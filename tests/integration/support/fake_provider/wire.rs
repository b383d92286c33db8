//! The two protocols of the fake provider: what a step of a script looks like in each.

use axum::body::Bytes;
use serde_json::{Value, json};

use super::script::{Step, clock};

/// The model that the fake provider says it is.
pub(crate) const FAKE_MODEL: &str = "fake-1";

/// A protocol.
#[derive(Clone, Copy)]
pub(super) enum Protocol {
    Anthropic,
    OpenAi,
}

impl Protocol {
    /// What is sent for this step, if anything.
    pub(super) fn bytes(self, step: &Step) -> Option<Bytes> {
        let text = match (self, step) {
            (_, Step::Raw(bytes)) => return Some(bytes.clone()),
            (_, Step::Stamps(..)) => return self.bytes(&Step::Text(format!("{:012} ", clock()))),
            (_, Step::Endless(_)) => return self.bytes(&Step::Text("again ".into())),
            (Self::Anthropic, step) => anthropic(step)?,
            (Self::OpenAi, step) => openai(step)?,
        };
        Some(text.into())
    }
}

fn anthropic(step: &Step) -> Option<String> {
    let event = |data: Value| {
        format!(
            "event: {}\ndata: {data}\n\n",
            data["type"].as_str().unwrap()
        )
    };
    Some(match step {
        Step::Begin => {
            [event(
                json!({"type": "message_start", "message": {"id": "msg_fake", "model": FAKE_MODEL, "content": [], "usage": {"input_tokens": 11, "output_tokens": 1}}}),
            ), event(
                json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
            )].concat()
        }
        Step::Text(text) => event(
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}),
        ),
        Step::Ping => event(json!({"type": "ping"})),
        Step::Error(kind) => event(
            json!({"type": "error", "error": {"type": kind, "message": "said with sk-secret-key"}}),
        ),
        Step::Finish(reason) => {
            let reason = match *reason {
                "end" => "end_turn",
                "length" => "max_tokens",
                own => own,
            };
            [event(json!({"type": "content_block_stop", "index": 0})), event(
                    json!({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 7}}),
                ), event(json!({"type": "message_stop"}))].concat()
        }
        _ => return None,
    })
}

fn openai(step: &Step) -> Option<String> {
    let data = |data: Value| format!("data: {data}\n\n");
    let chunk = |delta: Value, reason: Value| {
        data(
            json!({"id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 1, "model": FAKE_MODEL,
            "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}),
        )
    };
    Some(match step {
        Step::Begin => chunk(json!({"role": "assistant", "content": ""}), Value::Null),
        Step::Text(text) => chunk(json!({"content": text}), Value::Null),
        Step::Ping => ": ping\n\n".to_owned(),
        Step::Error(kind) => data(
            json!({"error": {"type": kind, "code": null, "message": "said with sk-secret-key"}}),
        ),
        Step::Finish(reason) => {
            let refusal = if *reason == "refusal" {
                json!({"refusal": "No."})
            } else {
                json!({})
            };
            let reason = match *reason {
                "length" => "length",
                _ => "stop",
            };
            let usage = json!({"choices": [], "model": FAKE_MODEL, "usage": {"prompt_tokens": 11, "completion_tokens": 7}});
            format!(
                "{}{}data: [DONE]\n\n",
                chunk(refusal, json!(reason)),
                data(usage)
            )
        }
        _ => return None,
    })
}
