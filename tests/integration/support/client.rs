//! A reference client: holds one room by the rules of the wire (versioned frames, deltas, `room.joined`) and writes down
//! every breach of a promise that it sees. Pure: frames go in.

use std::collections::BTreeMap;

use serde_json::Value;

use super::partial;

/// What a client holds of one room.
#[derive(Debug, Default)]
pub(crate) struct RoomClient {
    slug: String,
    pub(crate) epoch: Value,
    pub(crate) cursor: i64,
    /// By seq, each at its highest version.
    pub(crate) messages: BTreeMap<i64, Value>,
    pub(crate) replies: BTreeMap<i64, Reply>,
    /// The versions of the frames applied, in order.
    pub(crate) applied: Vec<i64>,
    /// What must never happen.
    pub(crate) violations: Vec<String>,
    pub(crate) removed: bool,
    /// How many frames told only what changed.
    pub(crate) partials: usize,
    joined: bool,
}

/// A reply while it is written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    pub(crate) attempt: i64,
    pub(crate) chunks: i64,
    pub(crate) text: String,
    /// The oldest message that its assistant was told of; none where it was told of all.
    pub(crate) context_from: Option<i64>,
    /// How many deltas were taken.
    pub(crate) deltas: usize,
}

impl RoomClient {
    /// Holds nothing yet.
    pub(crate) fn new(slug: &str) -> Self {
        Self {
            slug: slug.to_owned(),
            ..Self::default()
        }
    }

    /// Takes any frame; those of other rooms and without a room are passed over.
    pub(crate) fn take(&mut self, frame: &Value) {
        let of_this_room =
            frame["room"] == self.slug.as_str() || frame["room"]["slug"] == self.slug.as_str();
        if !of_this_room {
            return;
        }
        match frame["type"].as_str().unwrap() {
            "room.joined" => self.joined(frame),
            "message" | "room.changed" => self.versioned(frame),
            "room.removed" => self.removed = true,
            "reply.delta" => self.delta(frame),
            _ => {}
        }
    }

    /// Fails when anything was wrong so far.
    pub(crate) fn check(&self) {
        assert!(self.violations.is_empty(), "{:#?}", self.violations);
    }

    /// The bodies held, by seq.
    pub(crate) fn bodies(&self) -> Vec<&str> {
        let messages = self.messages.values();
        messages
            .map(|message| message["body"].as_str().unwrap())
            .collect()
    }

    fn joined(&mut self, frame: &Value) {
        if !frame["reset"].is_null() {
            self.messages.clear();
            self.replies.clear();
        }
        self.joined = true;
        self.epoch = frame["epoch"].clone();
        self.cursor = frame["room"]["version"].as_i64().unwrap();
        for message in frame["messages"].as_array().unwrap() {
            self.upsert(message);
        }
        self.replies.clear();
        for reply in frame["replies"].as_array().unwrap() {
            let text = reply["body"].as_str();
            self.replies.insert(
                reply["seq"].as_i64().unwrap(),
                Reply {
                    attempt: reply["attempt"].as_i64().unwrap(),
                    chunks: text.map_or(0, |_| reply["chunks"].as_i64().unwrap()),
                    text: text.unwrap_or_default().to_owned(),
                    context_from: reply["context_from"].as_i64(),
                    deltas: 0,
                },
            );
        }
    }

    fn versioned(&mut self, frame: &Value) {
        let (version, prev) = (
            frame["version"].as_i64().unwrap(),
            frame["prev"].as_i64().unwrap(),
        );
        if self.removed {
            self.violations
                .push(format!("version {version} after room.removed"));
        }
        if !self.joined {
            self.violations
                .push(format!("version {version} before room.joined"));
        }
        if version <= self.cursor {
            self.violations
                .push(format!("version {version} again, at {}", self.cursor));
            return;
        }
        if prev > self.cursor {
            self.violations
                .push(format!("a hole: {prev} → {version}, at {}", self.cursor));
            return;
        }
        self.cursor = version;
        self.applied.push(version);
        if frame["partial"] == true {
            self.changed(&frame["message"]);
        } else if frame["type"] == "message" {
            self.upsert(&frame["message"]);
        }
    }

    /// A partial frame: of a message not held it only moves the cursor.
    fn changed(&mut self, change: &Value) {
        self.partials += 1;
        let held = self.messages.get_mut(&change["seq"].as_i64().unwrap());
        if let Some(held) = held
            && held["version"].as_i64() < change["version"].as_i64()
        {
            partial::apply(held, change);
        }
    }

    fn upsert(&mut self, message: &Value) {
        let seq = message["seq"].as_i64().unwrap();
        let version = message["version"].as_i64().unwrap();
        if self
            .messages
            .get(&seq)
            .is_some_and(|held| held["version"].as_i64().unwrap() >= version)
        {
            return;
        }
        if message.get("reply").is_some() {
            match message["state"].as_str().unwrap() {
                "queued" => {
                    let attempt = message["reply"]["attempt"].as_i64().unwrap();
                    let reply = self.replies.entry(seq).or_default();
                    if reply.attempt <= attempt {
                        *reply = Reply {
                            attempt,
                            ..Reply::default()
                        };
                    }
                }
                _ if message["deleted_at"].is_string() || self.is_earlier(seq, message) => {
                    drop(self.replies.remove(&seq));
                }
                state => self.settled(seq, state, message["body"].as_str().unwrap()),
            }
        }
        self.messages.insert(seq, message.clone());
    }

    /// What was being written has ended, and another variant was selected, both while nothing was heard.
    fn is_earlier(&self, seq: i64, message: &Value) -> bool {
        let attempt = message["reply"]["attempt"].as_i64().unwrap();
        let held = self.replies.get(&seq);
        held.is_some_and(|held| held.attempt > attempt) && message["reply"]["variants"].is_object()
    }

    /// P9: what was assembled is a prefix of what is stored.
    fn settled(&mut self, seq: i64, state: &str, body: &str) {
        if let Some(reply) = self.replies.remove(&seq)
            && state != "interrupted"
            && !body.starts_with(&reply.text)
        {
            self.violations.push(format!(
                "reply {seq}: showed {:?}, stored {body:?}",
                reply.text
            ));
        }
    }

    fn delta(&mut self, frame: &Value) {
        let number = |field: &str| frame[field].as_i64().unwrap();
        let (seq, attempt, first, count) = (
            number("seq"),
            number("attempt"),
            number("chunk"),
            number("count"),
        );
        if !self.joined {
            self.violations
                .push(format!("a delta of {seq} before room.joined"));
        }
        let Some(reply) = self.replies.get_mut(&seq) else {
            return;
        };
        let last = first + count - 1;
        if attempt < reply.attempt || (attempt == reply.attempt && last <= reply.chunks) {
            return;
        }
        if attempt > reply.attempt {
            *reply = Reply {
                attempt,
                ..Reply::default()
            };
        }
        let text = frame["text"].as_str().unwrap();
        reply.deltas += 1;
        if first == 1 {
            if !text.starts_with(&reply.text) {
                self.violations
                    .push(format!("reply {seq}: {:?} became {text:?}", reply.text));
            }
            reply.text = text.to_owned();
            reply.context_from = frame["context_from"].as_i64();
        } else if first == reply.chunks + 1 {
            reply.text.push_str(text);
        } else {
            self.violations
                .push(format!("reply {seq}: chunk {first} after {}", reply.chunks));
            return;
        }
        reply.chunks = last;
    }
}
