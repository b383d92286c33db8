//! What an interrupted reply may lose: the text of half a second, and a delivery's time; more only while a fault keeps
//! instances from hearing each other or from saving.

use salon_checker::{Check, Report, check};
use serde_json::{Value, json};

const MS: u64 = 1_000_000;

/// A reply of four words, of which the first was saved; the others were shown over this time.
fn lost_over(ms: u64, fault: Option<&str>) -> Report {
    let words = ["one ", "two ", "three ", "four "];
    let mut lines = vec![
        (
            0,
            json!({"event": "run", "format": 1, "seed": 7, "title": "an interrupted reply"}),
        ),
        (
            0,
            json!({"event": "client", "client": "ada", "user": "ada"}),
        ),
        (
            0,
            json!({"event": "opened", "socket": "ada/1", "client": "ada", "connection": "1"}),
        ),
    ];
    if let Some(row) = fault {
        lines.push((
            1,
            json!({"event": "fault", "row": row, "what": "", "phase": "begin"}),
        ));
        lines.push((
            2,
            json!({"event": "fault", "row": row, "what": "", "phase": "heal"}),
        ));
    }
    lines.push((
        3,
        received(json!({"type": "room.joined", "room": {"slug": "den", "version": 2, "last_seq": 2},
            "epoch": "1f00", "head": 2, "messages": [message(1, 1, "complete", "", None), message(2, 2, "queued", "", Some(0))],
            "replies": [{"seq": 2, "prompt_seq": 1, "attempt": 1, "chunks": 0}], "reset": null})),
    ));
    for (number, word) in (1_u64..).zip(words) {
        let at = 10 + (number.saturating_sub(2)) * ms / 2;
        let delta = json!({"type": "reply.delta", "room": "den", "seq": 2, "attempt": 1, "chunk": number, "count": 1, "text": word});
        lines.push((at, received(delta)));
    }
    let settled = message(2, 3, "interrupted", words[0], Some(1));
    let end = 20 + ms;
    lines.push((
        end,
        received(
            json!({"type": "message", "room": "den", "version": 3, "prev": 2, "message": settled}),
        ),
    ));
    lines.push((end, json!({"event": "db_head", "room": "den", "epoch": "1f00", "version": 3, "first_seq": 1, "last_seq": 2, "floor": 0})));
    for (seq, version, state, body) in [(1, 1, "complete", ""), (2, 3, "interrupted", words[0])] {
        let hash = salon_checker::hash(body);
        let id = (seq == 1).then_some("id");
        let row = json!({"event": "db_message", "room": "den", "seq": seq, "version": version, "author": "ada", "client_id": id,
            "state": state, "hash": hash, "body": (seq == 2).then_some(body)});
        lines.push((end, row));
    }
    lines.push((end, json!({"event": "db_reply", "room": "den", "seq": 2, "prompt_seq": 1, "state": "interrupted", "attempt": 1})));
    let lines = lines.into_iter().map(|(at, mut line)| {
        line["t"] = json!(at * MS);
        line.to_string()
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    check(text.as_bytes()).unwrap()
}

fn received(frame: Value) -> Value {
    let mut line = json!({"event": "received", "socket": "ada/1"});
    line["frame"] = frame;
    line
}

fn message(seq: i64, version: i64, state: &str, body: &str, attempt: Option<i64>) -> Value {
    let kind = if attempt.is_some() {
        "assistant"
    } else {
        "user"
    };
    let mut message = json!({"seq": seq, "version": version, "kind": kind, "author": {"id": "ada"}, "body": body, "state": state});
    match attempt {
        Some(attempt) => message["reply"] = json!({"prompt_seq": 1, "attempt": attempt}),
        None => message["client_id"] = json!("id"),
    }
    message
}

#[test]
fn an_interrupted_reply_may_lose_little_and_more_only_under_a_fault() {
    for (ms, fault, is_clean) in [
        (700, None, true),
        (900, None, false),
        (900, Some("F37"), false),
        (900, Some("F7"), true),
        (1_900, Some("F18"), true),
        (2_100, Some("F7"), false),
    ] {
        let report = lost_over(ms, fault);
        let told = format!("{ms} ms, {fault:?}: {:?}", report.found);
        assert!(report.malformed.is_empty(), "{told}");
        assert_eq!(report.count(Check::C10) == 0, is_clean, "{told}");
    }
}
