//! Rooms that are archived: what is acked there is seen, what is allowed there is not, and what members were told of the
//! settings has to be the same.

use salon_checker::{Check, Report, check};
use serde_json::{Value, json};

/// A history of one room, in which `steps` say what becomes of each version from 1 on.
struct Story {
    lines: Vec<Value>,
    ends: Vec<Value>,
    version: i64,
    seq: i64,
}

impl Story {
    fn begin() -> Self {
        let mut story = Self {
            lines: Vec::new(),
            ends: Vec::new(),
            version: 0,
            seq: 0,
        };
        story.say(json!({"event": "run", "format": 1, "seed": 7, "title": "an archived room"}));
        for client in ["ada", "bob"] {
            let socket = format!("{client}/1");
            story.say(json!({"event": "client", "client": client, "user": client}));
            story.say(json!({"event": "opened", "socket": socket, "client": client, "connection": socket}));
            story.say(json!({"event": "sent", "socket": socket, "frame": {"type": "room.join", "ref": "1", "room": "den"}}));
            story.say(json!({"event": "received", "socket": socket, "frame": {
                "type": "room.joined", "ref": "1", "room": {"slug": "den", "version": 0, "last_seq": 0},
                "epoch": "1f00", "head": 0, "messages": [], "replies": [], "reset": null}}));
        }
        story
    }

    fn say(&mut self, mut what: Value) {
        what["t"] = json!(10 * (self.lines.len() + 1));
        self.lines.push(what);
    }

    fn received(&mut self, client: &str, mut frame: Value) {
        frame["room"] = json!("den");
        frame["version"] = json!(self.version);
        frame["prev"] = json!(self.version - 1);
        let socket = format!("{client}/1");
        self.say(json!({"event": "received", "socket": socket, "frame": frame}));
    }

    /// Each of the two is told settings of its own.
    fn settings(&mut self, told: [Value; 2]) {
        self.version += 1;
        for (client, data) in ["ada", "bob"].into_iter().zip(told) {
            self.received(
                client,
                json!({"type": "room.changed", "change": "settings", "data": data}),
            );
        }
        self.ends.push(
            json!({"event": "db_log", "room": "den", "version": self.version, "kind": "settings"}),
        );
    }

    fn archive(&mut self, archived: bool) {
        let data =
            json!({"name": "Den", "visibility": "public", "topic": "", "archived": archived});
        self.settings([data.clone(), data]);
    }

    fn send(&mut self) {
        self.version += 1;
        self.seq += 1;
        let (version, seq) = (self.version, self.seq);
        let (op, id) = (format!("op-{version}"), format!("id-{version}"));
        let hash = salon_checker::hash(&id);
        self.say(json!({"event": "invoke", "op": op, "client": "ada", "do": "send", "room": "den", "id": id, "hash": hash, "prompt": false}));
        self.say(
            json!({"event": "ok", "op": op, "seq": seq, "version": version, "duplicate": false}),
        );
        for client in ["ada", "bob"] {
            self.received(client, json!({"type": "message", "message": {
                "seq": seq, "version": version, "client_id": id, "kind": "user", "author": {"id": "ada"}, "hash": hash, "state": "complete"}}));
        }
        self.ends.push(json!({"event": "db_message", "room": "den", "seq": seq, "version": version, "author": "ada", "client_id": id, "state": "complete", "hash": hash}));
    }

    fn judged(mut self) -> Report {
        self.say(json!({"event": "healed", "bound_ms": 15_000}));
        let head = json!({"event": "db_head", "room": "den", "epoch": "1f00", "version": self.version, "first_seq": 1, "last_seq": self.seq, "floor": 0});
        self.say(head);
        for end in std::mem::take(&mut self.ends) {
            self.say(end);
        }
        let lines: Vec<String> = self.lines.iter().map(Value::to_string).collect();
        check(lines.join("\n").as_bytes()).unwrap()
    }
}

#[test]
fn a_room_that_is_open_again_takes_what_is_sent() {
    let mut story = Story::begin();
    story.send();
    story.archive(true);
    story.archive(false);
    story.send();
    let report = story.judged();
    assert!(report.is_clean(), "{:?}", report.found);
    assert_eq!(report.summary.acked, 2);
}

#[test]
fn what_is_acked_in_an_archived_room_is_seen() {
    let mut story = Story::begin();
    story.archive(false);
    story.archive(true);
    story.send();
    let report = story.judged();
    assert_eq!(report.count(Check::C9), 1, "{:?}", report.found);
}

#[test]
fn settings_told_in_two_ways_are_seen() {
    let archived = |archived: bool| json!({"name": "Den", "visibility": "public", "topic": "", "archived": archived});
    let topic =
        json!({"name": "Den", "visibility": "public", "topic": "The sea", "archived": false});
    for told in [[archived(false), archived(true)], [archived(false), topic]] {
        let mut story = Story::begin();
        story.settings(told);
        let report = story.judged();
        assert_eq!(report.count(Check::C5), 1, "{:?}", report.found);
    }
}
