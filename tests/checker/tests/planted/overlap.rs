//! Two sockets of one client that are open at once: they share what the client holds, in the order in which it came.

use salon_checker::{Check, Report, check};
use serde_json::{Value, json};

/// The message as it came on the newer socket gets a mark, of which the older socket, joined again, hears alone.
fn marked_over_two_sockets(is_told: bool) -> Report {
    let joins = |socket: &str, after: Option<i64>| {
        let mut asks = json!({"type": "room.join", "ref": "1", "room": "den"});
        if let Some(after) = after {
            (asks["after"], asks["epoch"]) = (json!(after), json!("1f00"));
        }
        let (at, head) = (after.unwrap_or(0), after.map_or(0, |after| after + 1));
        let joined = json!({"type": "room.joined", "ref": "1", "room": {"slug": "den", "version": at, "last_seq": at},
            "epoch": "1f00", "head": head, "messages": [], "replies": [], "reset": null});
        [
            json!({"event": "sent", "socket": socket, "frame": asks}),
            received(socket, joined),
        ]
    };
    let message = json!({"seq": 1, "version": 1, "client_id": "id", "kind": "user", "author": {"id": "bob"}, "body": "hello", "state": "complete"});
    let reaction = json!({"emoji": "👍", "count": 1, "added": "bob"});
    let mark = json!({"seq": 1, "version": 2, "reaction": reaction});
    let mut lines = vec![
        json!({"event": "run", "format": 1, "seed": 7, "title": "two sockets"}),
        json!({"event": "client", "client": "ada", "user": "ada"}),
        json!({"event": "opened", "socket": "old", "client": "ada", "connection": "1"}),
        json!({"event": "opened", "socket": "new", "client": "ada", "connection": "2"}),
    ];
    lines.extend(joins("new", None));
    lines.push(received(
        "new",
        json!({"type": "message", "room": "den", "version": 1, "prev": 0, "message": message}),
    ));
    lines.push(json!({"event": "closed", "socket": "new", "by": "network"}));
    lines.extend(joins("old", Some(1)));
    if is_told {
        lines.push(received("old", json!({"type": "message", "room": "den", "version": 2, "prev": 1, "partial": true, "message": mark})));
    } else {
        lines.push(received("old", json!({"type": "room.changed", "room": "den", "version": 3, "prev": 1, "change": "role", "user": {"id": "bob"}, "data": {}})));
    }
    let version = if is_told { 2 } else { 3 };
    lines.push(json!({"event": "healed", "bound_ms": 15_000}));
    lines.push(json!({"event": "db_head", "room": "den", "epoch": "1f00", "version": version, "first_seq": 1, "last_seq": 1, "floor": 0}));
    lines.push(json!({"event": "db_message", "room": "den", "seq": 1, "version": 2, "author": "bob", "client_id": "id", "state": "complete",
        "hash": salon_checker::hash("hello"), "reactions": [{"emoji": "👍", "count": 1, "users": ["bob"]}]}));
    if !is_told {
        lines.push(
            json!({"event": "db_log", "room": "den", "version": 3, "kind": "role", "user": "bob"}),
        );
    }
    let lines = (0_u64..).zip(lines).map(|(at, mut line)| {
        line["t"] = json!(at * 1_000_000);
        line.to_string()
    });
    check(lines.collect::<Vec<_>>().join("\n").as_bytes()).unwrap()
}

fn received(socket: &str, frame: Value) -> Value {
    let mut line = json!({"event": "received", "socket": socket});
    line["frame"] = frame;
    line
}

#[test]
fn what_one_socket_was_shown_another_builds_on() {
    let report = marked_over_two_sockets(true);
    assert!(report.malformed.is_empty(), "{:?}", report.malformed);
    assert_eq!(report.count(Check::C3), 0, "{:?}", report.found);
    assert_eq!(report.count(Check::C5), 0, "{:?}", report.found);
    assert_eq!(report.count(Check::C11), 0, "{:?}", report.found);
}

#[test]
fn what_no_socket_was_told_is_missed() {
    let report = marked_over_two_sockets(false);
    assert!(report.count(Check::C3) > 0, "{:?}", report.found);
}
