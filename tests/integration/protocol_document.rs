//! `docs/protocol.md` against the program: every example is parsed, every frame there is has exactly one, and the tables of
//! codes, limits and addresses are those of the code.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::Utc;
use salon::db::rows::{LogKind, ReplyMeta, ReplyState, UserKind, UserRow, Visibility};
use salon::error::ErrorCode;
use salon::ids::{ClientId, ConnectionId, Epoch, RoomId, UserId};
use salon::permissions::Role;
use salon::protocol::server::{Accepted, Joined, ReplyBody, RoomBody, ServerFrame};
use salon::protocol::{CloseCode, client};
use salon::{http, limits};
use serde_json::{Value, json};

use crate::protocol_frames::{frames_of_people, message, reply_meta};
use crate::protocol_limits;

const DOCUMENT: &str = include_str!("../../docs/protocol.md");

/// The texts of the fenced blocks with exactly this info string.
fn blocks(info: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = DOCUMENT.lines();
    while let Some(line) = lines.next() {
        if line.strip_prefix("```") == Some(info) {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            found.push(block.join("\n"));
        } else if line.starts_with("```") {
            let _other = lines.by_ref().take_while(|line| *line != "```").count();
        }
    }
    found
}

fn examples(info: &str) -> Vec<Value> {
    let parse = |text: &String| {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
    };
    blocks(info).iter().map(parse).collect()
}

fn types(examples: &[Value]) -> Vec<String> {
    examples
        .iter()
        .map(|example| example["type"].as_str().unwrap().to_owned())
        .collect()
}

/// The cells of each row of the table whose header begins with this cell, without the marks of code.
fn table(first_cell: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| -> Vec<String> {
        let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
        inner
            .split('|')
            .map(|cell| cell.trim().replace('`', ""))
            .collect()
    };
    let mut lines = DOCUMENT
        .lines()
        .skip_while(|line| !line.starts_with(&format!("| {first_cell} |")));
    assert!(lines.next().is_some(), "no table of {first_cell}");
    lines
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(cells)
        .collect()
}

/// Of the lines of a source file between `from` and `to`: what stands between `before` and `after`.
fn quoted_after(source: &str, from: &str, to: &str, before: &str, after: &str) -> BTreeSet<String> {
    let part = source.split_once(from).unwrap().1.split_once(to).unwrap().0;
    part.lines()
        .filter_map(|line| line.trim().strip_prefix(before)?.split_once(after))
        .map(|(name, _)| name.to_owned())
        .collect()
}

#[test]
fn every_frame_of_a_client_has_one_example_that_parses() {
    let examples = examples("json client");
    for (text, example) in blocks("json client").iter().zip(&examples) {
        let (_, reference) = client::parse(text).unwrap_or_else(|bad| panic!("{bad:?}: {text}"));
        assert_eq!(reference.as_deref(), example["ref"].as_str());
    }
    let types_there_are = client::FRAME_TYPES.iter().copied();
    let accepted: BTreeSet<String> = types_there_are.map(str::to_owned).collect();
    assert!(accepted.len() > 5, "{accepted:?}");
    let documented = types(&examples);
    assert_eq!(
        documented.iter().cloned().collect::<BTreeSet<_>>(),
        accepted
    );
    assert_eq!(documented.len(), accepted.len(), "one example each");
}

#[test]
fn every_frame_of_the_server_has_one_example_of_its_form() {
    let source = include_str!("../../src/protocol/server.rs");
    let sent = quoted_after(
        source,
        "pub enum ServerFrame",
        "\n}",
        "#[serde(rename = \"",
        "\")]",
    );
    let sent: BTreeSet<String> = sent
        .into_iter()
        .filter(|name| !name.starts_with("ref"))
        .collect();
    let examples = examples("json server");
    let documented = types(&examples);
    assert_eq!(documented.iter().cloned().collect::<BTreeSet<_>>(), sent);
    assert_eq!(documented.len(), sent.len(), "one example each");
    let real = real_frames();
    assert_eq!(
        real.keys().cloned().collect::<BTreeSet<_>>(),
        sent,
        "a real frame of each type"
    );
    for example in &examples {
        let kind = example["type"].as_str().unwrap();
        let (full, least) = &real[kind];
        check_form(kind, example, full, least);
    }
}

/// An example has no field that the real frame lacks, and every field that the real frame always has.
fn check_form(path: &str, example: &Value, full: &Value, least: &Value) {
    match (example, full) {
        (Value::Object(fields), Value::Object(real)) => {
            for (name, value) in fields {
                let path = format!("{path}.{name}");
                let known = real
                    .get(name)
                    .unwrap_or_else(|| panic!("{path} is never sent"));
                check_form(&path, value, known, least.get(name).unwrap_or(&Value::Null));
            }
            for name in least
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, _)| name)
            {
                assert!(fields.contains_key(name), "{path}.{name} is always sent");
            }
        }
        (Value::Array(items), Value::Array(real)) => {
            let least = least.get(0).unwrap_or(&Value::Null);
            for item in items {
                check_form(&format!("{path}[]"), item, &real[0], least);
            }
        }
        (Value::Null, _) | (_, Value::Null) => {}
        _ => assert_eq!(
            std::mem::discriminant(example),
            std::mem::discriminant(full),
            "{path}: {example} against {full}"
        ),
    }
}

/// Of each type a frame with every field there can be, and one with those there always are.
fn real_frames() -> BTreeMap<String, (Value, Value)> {
    let user = UserRow {
        id: UserId::new(),
        name: "ada".into(),
        kind: UserKind::User,
    };
    let metas = [reply_meta(true), reply_meta(false)];
    let mut frames = BTreeMap::new();
    for (index, full) in [true, false].into_iter().enumerate() {
        let sent = frames_of(&user, &metas[index], full);
        for frame in sent.into_iter().chain(frames_of_people(&user)) {
            let json = serde_json::to_value(&frame).unwrap();
            let kind = json["type"].as_str().unwrap().to_owned();
            if full {
                frames.insert(kind, (json, Value::Null));
            } else if let Some(entry) = frames.get_mut(&kind) {
                entry.1 = json;
            }
        }
    }
    frames
}

#[expect(clippy::too_many_lines, reason = "one value of each type of frame")]
fn frames_of<'a>(user: &'a UserRow, meta: &'a ReplyMeta, full: bool) -> Vec<ServerFrame<'a>> {
    let reference = full.then_some("1");
    let messages = vec![serde_json::value::to_raw_value(&message(user, meta, full)).unwrap()];
    let room = RoomBody {
        id: RoomId::new(),
        slug: "lobby",
        name: "Lobby",
        visibility: Visibility::Public,
        topic: "",
        archived: false,
        people: 0,
        role: Some(Role::Member),
        version: 1,
        last_seq: 1,
        first_seq: 1,
        last_read_seq: Some(1),
        unread: 0,
        mentions: 0,
        created_at: Utc::now(),
    };
    let reply = ReplyBody {
        seq: 1,
        prompt_seq: 1,
        state: ReplyState::Streaming,
        attempt: 1,
        chunks: 1,
        body: Some(""),
        context_from: full.then_some(1),
    };
    vec![
        ServerFrame::Welcome {
            protocol: 1,
            features: &["replies"],
            connection: ConnectionId::new(),
            user,
            heartbeat_ms: 1,
            limits: protocol_limits::announced(),
        },
        ServerFrame::Joined(Joined {
            reference,
            room,
            epoch: Epoch(1),
            head: 1,
            messages: Vec::leak(messages),
            replies: vec![reply],
            reset: None,
        }),
        ServerFrame::Accepted(Accepted {
            reference,
            room: "lobby",
            client_id: ClientId::new(),
            seq: 1,
            version: 1,
            created_at: Utc::now(),
            duplicate: false,
            reply_seq: None,
            reply_seqs: if full { vec![2, 3] } else { Vec::new() },
            reply_refused: full.then_some(ErrorCode::Busy),
            refused_until: full.then(Utc::now),
        }),
        ServerFrame::Message {
            room: "lobby",
            version: 1,
            prev: 0,
            message: message(user, meta, full),
        },
        ServerFrame::Changed {
            room: "lobby",
            version: 1,
            prev: 0,
            change: LogKind::Role,
            user: full.then_some(user),
            role: full.then_some(Role::Member),
            data: Box::leak(Box::new(json!({}))),
        },
        ServerFrame::Removed {
            room: "lobby",
            version: 1,
            reason: "removed",
        },
        ServerFrame::Delta {
            room: "lobby",
            seq: 1,
            attempt: 1,
            chunk: 1,
            count: 1,
            text: "",
            context_from: full.then_some(1),
        },
        ServerFrame::Page {
            reference,
            room: "lobby",
            messages: vec![message(user, meta, full)],
            more: false,
            older: false,
            newer: false,
        },
        ServerFrame::Ok {
            reference,
            room: full.then_some("lobby"),
            version: full.then_some(1),
        },
        ServerFrame::Pong { reference },
        ServerFrame::Error {
            reference,
            room: full.then_some("lobby"),
            client_id: full.then(ClientId::new),
            code: ErrorCode::Busy,
            message: "",
            retry_after_ms: None,
            present: full.then_some(1),
        },
    ]
}

#[test]
fn the_other_examples_are_json() {
    assert!(examples("json").len() > 2);
    let fences = DOCUMENT
        .lines()
        .filter(|line| line.starts_with("```"))
        .count();
    let known = ["json", "json client", "json server"].map(|info| blocks(info).len());
    assert_eq!(
        fences,
        2 * known.iter().sum::<usize>(),
        "a block of another kind"
    );
}

#[test]
fn the_close_codes_are_those_of_the_program() {
    let documented: Vec<(String, String)> = DOCUMENT
        .split_once("### Close codes")
        .map(|(_, rest)| rest.lines().filter(|line| line.starts_with("| ")).skip(2))
        .unwrap()
        .map_while(|line| {
            let mut cells = line.split('|').skip(1).map(|cell| cell.trim().to_owned());
            let (code, reason) = (cells.next()?, cells.next()?);
            code.parse::<u16>().ok().map(|_| (code, reason))
        })
        .collect();
    let real = CloseCode::ALL.map(|code| (code.number().to_string(), code.reason().to_owned()));
    assert_eq!(documented, real);
}

#[test]
fn the_error_codes_are_those_of_the_program() {
    let rows = DOCUMENT.split_once("## Error codes").unwrap().1;
    let rows = rows.split_once("## Limits").unwrap().0;
    let documented: Vec<Vec<String>> = rows
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let inner = line.trim_start_matches("| ").trim_end_matches(" |");
            inner
                .split(" | ")
                .map(|cell| cell.trim_matches('`').to_owned())
                .collect()
        })
        .collect();
    let real: Vec<Vec<String>> = ErrorCode::ALL
        .iter()
        .map(|code| {
            let again = if code.is_retryable() { "yes" } else { "no" };
            vec![
                code.as_str().to_owned(),
                code.http_status().to_string(),
                again.to_owned(),
                code.sentence().to_owned(),
            ]
        })
        .collect();
    assert_eq!(documented, real);
}

fn limits_of_people_and_history() -> Vec<(&'static str, i64)> {
    let ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap();
    let count = |count: usize| i64::try_from(count).unwrap();
    vec![
        ("TYPING_INTERVAL", ms(limits::TYPING_INTERVAL)),
        ("TYPING_PER_SECOND", i64::from(limits::TYPING_PER_SECOND)),
        ("PRESENCE_INTERVAL", ms(limits::PRESENCE_INTERVAL)),
        ("PRESENCE_NAMED", count(limits::PRESENCE_NAMED)),
        ("PRESENCE_USERS", count(limits::PRESENCE_USERS)),
        ("PRESENCE_LIFETIME", ms(limits::PRESENCE_LIFETIME)),
        ("MENTIONS_PER_MESSAGE", count(limits::MENTIONS_PER_MESSAGE)),
        ("MENTIONS_COUNTED", limits::MENTIONS_COUNTED),
        ("READ_INTERVAL", ms(limits::READ_INTERVAL)),
        ("READ_MARKS", count(limits::READ_MARKS)),
        ("RECEIPT_MEMBERS", limits::RECEIPT_MEMBERS),
        ("SEARCH_CHARS", count(limits::SEARCH_CHARS)),
        ("SEARCH_TERMS", count(limits::SEARCH_TERMS)),
        (
            "SEARCH_BEGINNING_CHARS",
            count(limits::SEARCH_BEGINNING_CHARS),
        ),
        ("SEARCH_HITS", limits::SEARCH_HITS),
        ("SEARCH_LOOKED", limits::SEARCH_LOOKED),
        ("SEARCH_BEGINNINGS", count(limits::SEARCH_BEGINNINGS)),
        ("SEARCHES", count(limits::SEARCHES)),
        ("SEARCH_WAIT", ms(limits::SEARCH_WAIT)),
        ("EXPORTS", count(limits::EXPORTS)),
        ("EXPORT_STALL", ms(limits::EXPORT_STALL)),
        ("RETENTION_DAYS", i64::from(limits::RETENTION_DAYS)),
        ("RETENTION_KEPT", limits::RETENTION_KEPT),
    ]
}

#[test]
fn the_limits_are_those_of_the_program() {
    let ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap();
    let count = |count: usize| i64::try_from(count).unwrap();
    let mut real = BTreeMap::from([
        ("BODY_BYTES", count(limits::BODY_BYTES)),
        ("REPLY_BYTES", count(limits::REPLY_BYTES)),
        ("CLIENT_FRAME_BYTES", count(limits::CLIENT_FRAME_BYTES)),
        ("REF_CHARS", count(limits::REF_CHARS)),
        ("PAGE_MESSAGES", limits::PAGE_MESSAGES),
        ("PAGE_BYTES", count(limits::PAGE_BYTES)),
        ("HTML_BYTES", count(limits::HTML_BYTES)),
        ("EDITS_PER_MESSAGE", limits::EDITS_PER_MESSAGE),
        ("REACTION_KINDS", count(limits::REACTION_KINDS)),
        ("REACTION_USERS", count(limits::REACTION_USERS)),
        ("REACTION_BYTES", count(limits::REACTION_BYTES)),
        ("PINS_PER_ROOM", limits::PINS_PER_ROOM),
        ("ROOMS_PER_JOIN", count(limits::ROOMS_PER_JOIN)),
        ("ROOMS_PER_SOCKET", count(limits::ROOMS_PER_SOCKET)),
        ("IN_FLIGHT_PER_SOCKET", count(limits::IN_FLIGHT_PER_SOCKET)),
        ("WRITER_WAIT", ms(limits::WRITER_WAIT)),
        ("OUTCOME_TIMEOUT", ms(limits::OUTCOME_TIMEOUT)),
        ("REPLIES_PER_ROOM", limits::REPLIES_PER_ROOM),
        ("REPLIES_PER_USER", limits::REPLIES_PER_USER),
        ("OUTBOX_BYTES", count(limits::OUTBOX_BYTES)),
        ("OUTBOX_FRAMES", count(limits::OUTBOX_FRAMES)),
        ("WRITE_TIMEOUT", ms(limits::WRITE_TIMEOUT)),
        ("PING_INTERVAL", ms(limits::PING_INTERVAL)),
        ("PEER_TIMEOUT", ms(limits::PEER_TIMEOUT)),
        ("SOCKETS", count(limits::SOCKETS)),
        ("HTTP_CONNECTIONS", count(limits::HTTP_CONNECTIONS)),
        ("EVENT_STREAMS", count(limits::EVENT_STREAMS)),
        ("EVENT_STREAM_TIME", ms(limits::EVENT_STREAM_TIME)),
        ("EVENT_STREAM_COMMENT", ms(limits::EVENT_STREAM_COMMENT)),
        ("REQUEST_BYTES", count(limits::REQUEST_BYTES)),
        ("HEADER_BYTES", count(limits::HEADER_BYTES)),
        ("REQUEST_TIMEOUT", ms(limits::REQUEST_TIMEOUT)),
        ("NAME_CHARS", count(limits::NAME_CHARS)),
        ("SLUG_CHARS", count(limits::SLUG_CHARS)),
        ("PASSWORD_MIN_CHARS", count(limits::PASSWORD_MIN_CHARS)),
        ("PASSWORD_MAX_BYTES", count(limits::PASSWORD_MAX_BYTES)),
        ("TICKET_S", limits::TICKET_S),
        ("SESSION_S", limits::SESSION_S),
        ("SESSION_IDLE_S", limits::SESSION_IDLE_S),
        ("SESSIONS_LISTED", limits::SESSIONS_LISTED),
        ("GUEST_SESSION_S", limits::GUEST_SESSION_S),
    ]);
    real.extend(protocol_limits::of_assistants());
    real.extend(protocol_limits::of_rooms());
    real.extend(protocol_limits::of_integrations());
    real.extend(protocol_limits::of_organisations());
    real.extend(limits_of_people_and_history());
    real.extend(crate::protocol_limits::of_invites());
    real.extend(crate::webhooks::limits_of_webhooks());
    let rows = table("limit");
    assert_eq!(rows.len(), real.len());
    for row in rows {
        let known = real
            .get(row[0].as_str())
            .unwrap_or_else(|| panic!("{row:?} is not checked"));
        let (number, unit) = row[1].split_once(' ').unwrap();
        assert_eq!(number.parse::<i64>().unwrap(), *known, "{row:?}");
        assert!(!unit.is_empty(), "{row:?}");
    }
}

#[tokio::test]
async fn the_addresses_are_those_of_the_program() {
    let document = serde_json::to_value(http::openapi::document().await.0).unwrap();
    let mut real = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            real.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    let documented = table("request").into_iter().map(|row| row[0].clone());
    assert_eq!(documented.collect::<BTreeSet<_>>(), real);
}

#[test]
fn every_link_leads_to_a_heading() {
    let anchors: BTreeSet<String> = DOCUMENT
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            line.trim_start_matches('#')
                .trim()
                .to_lowercase()
                .replace(' ', "-")
        })
        .collect();
    for link in DOCUMENT.split("](#").skip(1) {
        let anchor = link.split(')').next().unwrap();
        assert!(anchors.contains(anchor), "#{anchor}");
    }
}
