//! Frames of clients as text: any text gives a frame or a typed error, in bounded time, under its `ref` where that could be
//! read; what a good frame says is what it says when it is written anew.

use std::time::Duration;

use salon::error::ErrorCode;
use salon::limits;
use salon::protocol::client::{BadFrame, ClientFrame, JoinRoom, parse};
use serde_json::{Value, json};

use super::engine::Target;
use super::within;

/// The longest that one frame may take.
const LIMIT: Duration = Duration::from_millis(50);

const WORDS: &[&str] = &[
    "\"type\":",
    "\"ref\":",
    "\"room\":",
    "\"rooms\":[{\"room\":\"lobby\"}]",
    "\"client_id\":\"018f0000-0000-7000-8000-000000000000\"",
    "\"body\":\"x\"",
    "\"seq\":1",
    "\"after\":0",
    "\"epoch\":\"00\"",
    "\"limit\":5",
    "\"emoji\":\"👍\"",
    "\"if_version\":1",
    "null",
    "true",
    "[]",
    "{}",
    ",",
    ":",
    "room.join",
    "message.send",
    "ping",
];

/// The examples of the document, which are real frames.
pub(super) fn documented() -> Vec<Vec<u8>> {
    let document = include_str!("../../../docs/protocol.md");
    let blocks = document.split("```json client\n").skip(1);
    let frames: Vec<Vec<u8>> = blocks
        .filter_map(|block| Some(block.split_once("\n```")?.0.as_bytes().to_vec()))
        .collect();
    assert!(frames.len() > 10);
    frames
}

/// A frame as a client writes it: the other direction of [`parse`], for this test only.
fn written(frame: &ClientFrame, reference: Option<&str>) -> String {
    let join =
        |join: &JoinRoom| json!({"room": join.room, "after": join.after, "epoch": join.epoch});
    let mut fields = match frame {
        ClientFrame::Ping => json!({"type": "ping"}),
        ClientFrame::Join(rooms) => {
            json!({"type": "room.join", "rooms": rooms.iter().map(join).collect::<Vec<_>>()})
        }
        ClientFrame::Leave(name) => json!({"type": "room.leave", "room": name.room}),
        ClientFrame::Typing(name) => json!({"type": "typing", "room": name.room}),
        ClientFrame::Send(send) => {
            json!({"type": "message.send", "room": send.room, "client_id": send.client_id, "body": send.body, "reply_to": send.reply_to})
        }
        ClientFrame::History(history) => {
            json!({"type": "message.history", "room": history.room, "before": history.before, "after": history.after,
                "around": history.around, "limit": history.limit})
        }
        ClientFrame::Edit(edit) => {
            json!({"type": "message.edit", "room": edit.room, "seq": edit.seq, "body": edit.body, "if_version": edit.if_version,
                "resend": edit.resend})
        }
        ClientFrame::Delete(name) => {
            json!({"type": "message.delete", "room": name.room, "seq": name.seq})
        }
        ClientFrame::Pin(name) => {
            json!({"type": "message.pin", "room": name.room, "seq": name.seq})
        }
        ClientFrame::Unpin(name) => {
            json!({"type": "message.unpin", "room": name.room, "seq": name.seq})
        }
        ClientFrame::AddReaction(name) => {
            json!({"type": "reaction.add", "room": name.room, "seq": name.seq, "emoji": name.emoji})
        }
        ClientFrame::RemoveReaction(name) => {
            json!({"type": "reaction.remove", "room": name.room, "seq": name.seq, "emoji": name.emoji})
        }
        ClientFrame::Stop(name) => {
            json!({"type": "reply.stop", "room": name.room, "seq": name.seq})
        }
        ClientFrame::Retry(name) => {
            json!({"type": "reply.retry", "room": name.room, "seq": name.seq})
        }
        ClientFrame::Regenerate(name) => {
            json!({"type": "reply.regenerate", "room": name.room, "seq": name.seq})
        }
        ClientFrame::Select(name) => {
            json!({"type": "reply.select", "room": name.room, "seq": name.seq, "variant": name.variant})
        }
        ClientFrame::Continue(name) => {
            json!({"type": "reply.continue", "room": name.room, "seq": name.seq, "client_id": name.client_id})
        }
        ClientFrame::ReadMark(mark) => {
            json!({"type": "read.mark", "room": mark.room, "seq": mark.seq})
        }
    };
    fields["ref"] = json!(reference);
    fields.to_string()
}

/// The `ref` of a text that has one without any doubt: JSON, each name once, none of them written with escapes.
fn plain_reference(text: &str) -> Option<String> {
    let once = |name: &str| text.matches(&format!("\"{name}\"")).count() <= 1;
    if text.contains("\\u") || !["type", "ref", "room"].into_iter().all(once) {
        return None;
    }
    let value: Value = serde_json::from_str(text).ok()?;
    value.get("type")?.as_str()?;
    let reference = value.get("ref")?.as_str()?;
    (reference.chars().count() <= limits::REF_CHARS).then(|| reference.to_owned())
}

fn check_bad(bad: &BadFrame) -> Result<(), String> {
    let codes = [
        ErrorCode::BadRequest,
        ErrorCode::UnknownType,
        ErrorCode::TooLarge,
    ];
    if !codes.contains(&bad.refusal.code) {
        return Err(format!("refused with {:?}", bad.refusal));
    }
    // What is echoed was in the frame, and is short.
    match &bad.reference {
        Some(reference) if reference.chars().count() > limits::REF_CHARS => {
            Err("a long ref is echoed".to_owned())
        }
        _ => Ok(()),
    }
}

fn check(text: &str) -> Result<(), String> {
    let parsed = within(LIMIT, || parse(text))?;
    let echoed = match &parsed {
        Ok((_, reference)) => reference.clone(),
        Err(bad) => {
            check_bad(bad)?;
            bad.reference.clone()
        }
    };
    if let Some(reference) = plain_reference(text)
        && echoed.as_ref() != Some(&reference)
    {
        return Err(format!("ref {reference:?} is answered under {echoed:?}"));
    }
    let Ok(good) = parsed else {
        return Ok(());
    };
    let again = written(&good.0, good.1.as_deref());
    match parse(&again) {
        Ok(read) if read == good => Ok(()),
        other => Err(format!("written anew as {again} it is {other:?}")),
    }
}

#[test]
fn fuzz_frames() {
    let target = Target {
        name: "frames",
        words: WORDS,
        max_bytes: limits::CLIENT_FRAME_BYTES,
        seeds: documented(),
    };
    target.fuzz(|input, _| check(&String::from_utf8_lossy(input)));
}
