//! What a client must never send: each gets its typed error or close code, under its `ref` where that could be read, and
//! everybody else is served as before (P11).

use std::time::Duration;

use salon::db::rows::Visibility;
use salon::ids::ClientId;
use salon::limits;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};

use crate::support::communicator::WebsocketCommunicator;
use crate::support::instance::{Instance, TestDatabase};

/// An instance with a member of the lobby on a socket, and a room it may only read about.
async fn salon() -> (Instance, TestDatabase, WebsocketCommunicator) {
    let (salon, database) = Instance::alone().await;
    let owner = salon.user("owner").await;
    salon.make_room(&owner, "open", Visibility::Public).await;
    salon.make_room(&owner, "closed", Visibility::Private).await;
    let mut socket = salon.arrive("ada").await;
    socket.join("lobby").await;
    (salon, database, socket)
}

/// That a new socket is served.
async fn check_lives(salon: &Instance) {
    let mut socket = salon
        .arrive(&format!("visitor{}", rand::random::<u32>()))
        .await;
    socket.join("lobby").await;
    let ack = socket.send("lobby", "still there?").await;
    let version = ack["version"].clone();
    socket
        .expect_where("message", |frame| frame["version"] == version)
        .await;
    socket.disconnect().await;
}

fn id() -> Value {
    json!(ClientId::new())
}

/// Frame by frame: what is wrong with it, and the code it gets.
#[expect(clippy::too_many_lines, reason = "a table")]
fn table() -> Vec<(Value, &'static str)> {
    let long = "x".repeat(limits::BODY_BYTES + 1);
    let many: Vec<Value> = (0..=limits::ROOMS_PER_JOIN)
        .map(|_| json!({"room": "lobby"}))
        .collect();
    let mut table = vec![
        // room.join
        (json!({"type": "room.join"}), "bad_request"),
        (json!({"type": "room.join", "room": 7}), "bad_request"),
        (json!({"type": "room.join", "room": null}), "bad_request"),
        (json!({"type": "room.join", "rooms": []}), "bad_request"),
        (json!({"type": "room.join", "rooms": {}}), "bad_request"),
        (json!({"type": "room.join", "rooms": [{}]}), "bad_request"),
        (json!({"type": "room.join", "rooms": many}), "too_large"),
        (
            json!({"type": "room.join", "room": "lobby", "after": 1}),
            "bad_request",
        ),
        (
            json!({"type": "room.join", "room": "lobby", "epoch": "00"}),
            "bad_request",
        ),
        (
            json!({"type": "room.join", "room": "lobby", "after": -1, "epoch": "00"}),
            "bad_request",
        ),
        (
            json!({"type": "room.join", "room": "lobby", "after": 1, "epoch": "no"}),
            "bad_request",
        ),
        (
            json!({"type": "room.join", "room": "lobby", "after": 1, "epoch": 5}),
            "bad_request",
        ),
        (
            json!({"type": "room.join", "room": "lobby", "after": 1.5, "epoch": "00"}),
            "bad_request",
        ),
        (
            json!({"type": "room.join", "room": "closed"}),
            "room_not_found",
        ),
        (
            json!({"type": "room.join", "room": "nowhere"}),
            "room_not_found",
        ),
        (json!({"type": "room.join", "room": ""}), "room_not_found"),
        (
            json!({"type": "room.join", "room": "lob\u{0}by"}),
            "room_not_found",
        ),
        (
            json!({"type": "room.join", "room": "x".repeat(20_000)}),
            "room_not_found",
        ),
        // room.leave
        (json!({"type": "room.leave"}), "bad_request"),
        (json!({"type": "room.leave", "room": []}), "bad_request"),
        (json!({"type": "room.leave", "room": "open"}), "not_joined"),
        (
            json!({"type": "room.leave", "room": "nowhere"}),
            "not_joined",
        ),
        // message.send
        (json!({"type": "message.send"}), "bad_request"),
        (
            json!({"type": "message.send", "room": "lobby", "body": "x"}),
            "bad_request",
        ),
        (
            json!({"type": "message.send", "room": "lobby", "client_id": "1", "body": "x"}),
            "bad_request",
        ),
        (
            json!({"type": "message.send", "room": "lobby", "client_id": id()}),
            "bad_request",
        ),
        (
            json!({"type": "message.send", "client_id": id(), "body": "x"}),
            "bad_request",
        ),
        (
            json!({"type": "message.send", "room": "lobby", "client_id": id(), "body": 5}),
            "bad_request",
        ),
        (
            json!({"type": "message.send", "room": "lobby", "client_id": id(), "body": ""}),
            "bad_request",
        ),
        (
            json!({"type": "message.send", "room": "lobby", "client_id": id(), "body": " \n\t "}),
            "bad_request",
        ),
        (
            json!({"type": "message.send", "room": "lobby", "client_id": id(), "body": "a\u{0}b"}),
            "bad_request",
        ),
        (
            json!({"type": "message.send", "room": "lobby", "client_id": id(), "body": long}),
            "too_large",
        ),
        (
            json!({"type": "message.send", "room": "lobby", "client_id": id(), "body": "x", "reply_to": "1"}),
            "bad_request",
        ),
        (
            json!({"type": "message.send", "room": "lobby", "client_id": id(), "body": "x", "reply_to": 99}),
            "message_not_found",
        ),
        (
            json!({"type": "message.send", "room": "open", "client_id": id(), "body": "x"}),
            "not_a_member",
        ),
        (
            json!({"type": "message.send", "room": "closed", "client_id": id(), "body": "x"}),
            "room_not_found",
        ),
        // message.history
        (json!({"type": "message.history"}), "bad_request"),
        (
            json!({"type": "message.history", "room": "lobby", "limit": 0}),
            "bad_request",
        ),
        (
            json!({"type": "message.history", "room": "lobby", "limit": 101}),
            "bad_request",
        ),
        (
            json!({"type": "message.history", "room": "lobby", "limit": -5}),
            "bad_request",
        ),
        (
            json!({"type": "message.history", "room": "lobby", "limit": "all"}),
            "bad_request",
        ),
        (
            json!({"type": "message.history", "room": "lobby", "before": 0}),
            "bad_request",
        ),
        (
            json!({"type": "message.history", "room": "lobby", "before": 1e300}),
            "bad_request",
        ),
        (
            json!({"type": "message.history", "room": "open"}),
            "not_a_member",
        ),
        (
            json!({"type": "message.history", "room": "closed"}),
            "room_not_found",
        ),
        // what there is none of
        (
            json!({"type": "message.shout", "room": "lobby"}),
            "unknown_type",
        ),
        (json!({"type": ""}), "unknown_type"),
        (json!({"type": "MESSAGE.SEND"}), "unknown_type"),
    ];
    for kind in [
        "reply.stop",
        "reply.retry",
        "reply.regenerate",
        "reply.select",
        "reply.continue",
    ] {
        let frame = |room: &str, seq: Value| json!({"type": kind, "room": room, "seq": seq, "client_id": id(), "variant": 1});
        table.extend([
            (json!({"type": kind}), "bad_request"),
            (frame("lobby", json!("1")), "bad_request"),
            (frame("lobby", json!(null)), "bad_request"),
            (frame("lobby", json!(1)), "reply_not_found"),
            (frame("lobby", json!(99)), "reply_not_found"),
            (frame("lobby", json!(-1)), "reply_not_found"),
            (frame("lobby", json!(i64::MAX)), "reply_not_found"),
            (frame("open", json!(1)), "not_a_member"),
            (frame("closed", json!(1)), "room_not_found"),
        ]);
    }
    table
}

#[tokio::test]
async fn every_bad_frame_gets_its_error_under_its_ref() {
    let (salon, _database, mut socket) = salon().await;
    socket.send("lobby", "a message that is no reply").await;
    for (number, (mut frame, code)) in table().into_iter().enumerate() {
        // A new socket now and then: too many bad frames in a row close one.
        if number % 40 == 39 {
            let ada = salon.arrive(&format!("ada{number}")).await;
            socket = ada;
            socket.join("lobby").await;
        }
        let reference = format!("frame {number}");
        frame["ref"] = json!(reference);
        socket.send_json_to(&frame).await;
        let answer = socket.answer(&reference).await;
        let mut shown = frame.to_string();
        shown.truncate(shown.floor_char_boundary(200));
        assert_eq!(
            (answer["type"].as_str(), answer["code"].as_str()),
            (Some("error"), Some(code)),
            "{shown}\n{answer}"
        );
        assert!(!answer["message"].as_str().unwrap().is_empty());
        if let Some(room) = frame["room"].as_str().filter(|_| code != "unknown_type") {
            assert_eq!(answer["room"], room, "{shown}");
        }
    }
    let joined = salon.arrive("reader").await.join("lobby").await;
    assert_eq!(joined["head"], 1, "nothing of it was stored");
    check_lives(&salon).await;
}

#[tokio::test]
async fn what_is_no_frame_at_all_is_a_bad_request_without_a_ref() {
    let (salon, _database, mut socket) = salon().await;
    let deep_array = "[".repeat(60_000);
    let deep_field = format!(r#"{{"type":"room.leave","room":{}}}"#, "[".repeat(60_000));
    let long_ref = format!(r#"{{"type":"ping","ref":"{}"}}"#, "x".repeat(65));
    let texts = [
        "",
        " ",
        "null",
        "7",
        "true",
        "\"ping\"",
        "[]",
        "{}",
        "{",
        "}",
        "ping",
        "{\"type\":7}",
        "{\"type\":null}",
        "{\"type\":\"ping\",\"ref\":7}",
        "{\"type\":\"ping\"} {\"type\":\"ping\"}",
        "{\"type\":\"ping\",}",
        "{'type':'ping'}",
        "{\"type\":\"ping\",\"type\":\"ping\"}",
        "\u{feff}{\"type\":\"ping\"}",
        r#"{"type":"ping","ref":"\ud800"}"#,
        r#"{"type":"message.send","room":"lobby","client_id":"018f0000-0000-7000-8000-000000000000","body":"\udc00\ud800"}"#,
        "{\"type\":\"pi\u{0}ng",
        &deep_array,
        &deep_field,
        &long_ref,
    ];
    for text in texts {
        socket.send_text(text).await;
        let answer = socket.expect("error").await;
        let mut shown = text.to_owned();
        shown.truncate(shown.floor_char_boundary(100));
        assert_eq!(answer["code"], "bad_request", "{shown}");
    }
    assert_eq!(
        socket.ask(json!({"type": "ping"})).await["type"],
        "pong",
        "the socket lives"
    );
    check_lives(&salon).await;
}

#[tokio::test]
async fn deep_nesting_in_a_field_nobody_reads_harms_nobody() {
    let (salon, _database, mut socket) = salon().await;
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let depth = 60_000 / (open.len() + close.len());
        let inner = if open == "[" { "" } else { "1" };
        let text = format!(
            r#"{{"type":"ping","ref":"deep","extra":{}{inner}{}}}"#,
            open.repeat(depth),
            close.repeat(depth)
        );
        socket.send_text(&text).await;
        // Ignored, as unknown fields are, or refused; never a crash.
        let answer = socket.receive_json_from().await;
        assert!(
            answer["type"] == "pong" || answer["code"] == "bad_request",
            "{answer}"
        );
    }
    check_lives(&salon).await;
}

#[tokio::test]
async fn unknown_fields_are_ignored() {
    let (_salon, _database, mut socket) = salon().await;
    let frame = json!({"type": "message.send", "room": "lobby", "client_id": id(), "body": "x", "colour": "red", "deep": {"er": [1]}});
    assert_eq!(socket.ask(frame).await["type"], "message.accepted");
}

fn bye() -> Message {
    Message::Close(Some(CloseFrame {
        code: CloseCode::Away,
        reason: "off".into(),
    }))
}

#[tokio::test]
async fn what_breaks_the_protocol_closes_with_its_code() {
    let (salon, _database, _) = salon().await;
    let big = "x".repeat(limits::CLIENT_FRAME_BYTES + 1);
    let data = |opcode: Data, bytes: &[u8], fin: bool| {
        Message::Frame(Frame::message(bytes.to_vec(), OpCode::Data(opcode), fin))
    };
    let part = vec![b'x'; limits::CLIENT_FRAME_BYTES / 2 + 1];
    let cases: Vec<(&str, Vec<Message>, u16)> = vec![
        ("binary", vec![Message::binary(vec![1, 2, 3])], 1003),
        ("too big", vec![Message::text(big)], 1009),
        (
            "too big in parts",
            vec![
                data(Data::Text, &part, false),
                data(Data::Continue, &part, true),
            ],
            1009,
        ),
        (
            "not UTF-8",
            vec![data(Data::Text, &[0xff, 0xfe, 0x80], true)],
            1007,
        ),
        (
            "an endless overlong form",
            vec![data(Data::Text, &[0xc0, 0x80], true)],
            1007,
        ),
        (
            "a continuation of nothing",
            vec![data(Data::Continue, b"x", true)],
            1002,
        ),
        (
            "a text inside a text",
            vec![data(Data::Text, b"x", false), data(Data::Text, b"x", true)],
            1002,
        ),
        ("a bye", vec![bye()], 1001),
    ];
    for (what, messages, code) in cases {
        let mut socket = salon
            .arrive(&format!("rude{}", rand::random::<u32>()))
            .await;
        for message in messages {
            socket.send_message(message).await;
        }
        assert_eq!(socket.closed().await, code, "{what}");
    }
    let mut long_ping = b"\x89\xfe\x00\x7e\0\0\0\0".to_vec();
    long_ping.resize(8 + 126, 0);
    let raw: [(&str, &[u8]); 5] = [
        ("a frame without a mask", b"\x81\x04ping"),
        ("a reserved opcode", b"\x85\x81\0\0\0\0x"),
        ("a reserved control", b"\x8c\x81\0\0\0\0x"),
        ("a reserved bit", b"\xc1\x81\0\0\0\0x"),
        ("a long ping", &long_ping),
    ];
    for (what, bytes) in raw {
        let mut socket = salon
            .arrive(&format!("rude{}", rand::random::<u32>()))
            .await;
        socket.raw().write_all(bytes).await.unwrap();
        assert_eq!(socket.closed().await, 1002, "{what}");
    }
    check_lives(&salon).await;
}

#[tokio::test]
async fn a_peer_that_goes_without_a_word_leaves_nothing_behind() {
    let (salon, _database, _) = salon().await;
    let before = salon.consumers.connections.count();
    for _ in 0..5 {
        let mut socket = salon
            .arrive(&format!("gone{}", rand::random::<u32>()))
            .await;
        socket.join("lobby").await;
        // The middle of a frame.
        socket.raw().write_all(&[0x81, 0xfe]).await.unwrap();
        drop(socket);
    }
    let begun = tokio::time::Instant::now();
    while salon.consumers.connections.count() > before {
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{}",
            salon.consumers.connections.count()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    check_lives(&salon).await;
}

#[tokio::test]
async fn too_many_bad_frames_close_the_socket() {
    let (salon, _database, mut socket) = salon().await;
    for _ in 0..150 {
        socket.send_text("nonsense").await;
    }
    assert_eq!(socket.closed().await, 4010);
    check_lives(&salon).await;
}
