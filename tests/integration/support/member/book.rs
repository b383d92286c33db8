//! What a member holds of its room, by the rules of the wire: the cursor rule for versioned frames, the delta rule for
//! replies, upsert by seq. Pure; it writes down whatever a server that keeps its promises would never send.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Codes after which the same send may work later.
const RETRYABLE: [&str; 6] = [
    "rate_limited",
    "busy",
    "unavailable",
    "shutting_down",
    "outcome_unknown",
    "behind",
];

/// A message as it was last told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Held {
    pub(crate) version: i64,
    pub(crate) client_id: Option<String>,
    pub(crate) author: String,
    pub(crate) state: String,
    pub(crate) body: String,
    /// When it was first told.
    pub(crate) first_seen: Instant,
}

/// A reply that grows.
#[derive(Default, Debug)]
struct Growing {
    attempt: i64,
    chunks: i64,
    text: String,
}

/// A reply that ended while this member watched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Settled {
    pub(crate) state: String,
    pub(crate) attempt: i64,
    /// What had been assembled from chunks when it ended.
    pub(crate) assembled: String,
    /// What was stored.
    pub(crate) stored: String,
    pub(crate) at: Instant,
}

/// A send without an answer yet.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) client_id: String,
    pub(crate) body: String,
    /// Whether it went out on this socket since the last refusal.
    pub(crate) sent: bool,
    began: Instant,
}

/// An accepted send.
#[derive(Clone, Debug)]
pub(crate) struct Acked {
    pub(crate) seq: i64,
    pub(crate) body: String,
    pub(crate) at: Instant,
    pub(crate) took: Duration,
    pub(crate) duplicate: bool,
    pub(crate) reply_seq: Option<i64>,
}

/// What the connection must do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    Nothing,
    /// Join again with the cursor, after so long.
    Join(Duration),
    /// The room is joined: everything pending goes out again, in order.
    Joined,
    /// A send was refused: the same, after so long.
    Resend(Duration),
    /// This instance is stopping: connect again after so long.
    Drain(Duration),
}

/// All that one member knows.
#[derive(Debug)]
pub(crate) struct Book {
    room: String,
    pub(crate) epoch: Option<String>,
    pub(crate) cursor: i64,
    joined: bool,
    pub(crate) messages: BTreeMap<i64, Held>,
    growing: HashMap<i64, Growing>,
    pub(crate) settled: HashMap<i64, Settled>,
    pub(crate) deltas: usize,
    pub(crate) pending: VecDeque<Pending>,
    /// Every send, in the order it was asked for.
    pub(crate) submitted: Vec<String>,
    pub(crate) acked: HashMap<String, Acked>,
    /// Retryable refusals, by code.
    pub(crate) refused: BTreeMap<String, usize>,
    /// Sockets that were welcomed.
    pub(crate) sockets: usize,
    pub(crate) violations: Vec<String>,
}

impl Book {
    pub(crate) fn new(room: &str) -> Self {
        Self {
            room: room.to_owned(),
            epoch: None,
            cursor: 0,
            joined: false,
            messages: BTreeMap::new(),
            growing: HashMap::new(),
            settled: HashMap::new(),
            deltas: 0,
            pending: VecDeque::new(),
            submitted: Vec::new(),
            acked: HashMap::new(),
            refused: BTreeMap::new(),
            sockets: 0,
            violations: Vec::new(),
        }
    }

    /// A send, to go out in its turn.
    pub(crate) fn submit(&mut self, client_id: &str, body: &str) {
        self.submitted.push(client_id.to_owned());
        self.pending.push_back(Pending {
            client_id: client_id.to_owned(),
            body: body.to_owned(),
            sent: false,
            began: Instant::now(),
        });
    }

    /// A socket was opened, or the room is joined again: nothing of it counts until `room.joined`.
    pub(crate) fn begin_join(&mut self) {
        self.joined = false;
    }

    /// Whether the room is joined on this socket.
    pub(crate) fn is_joined(&self) -> bool {
        self.joined
    }

    /// Where it stands, for a test that waited in vain.
    pub(crate) fn stand(&self) -> String {
        format!(
            "cursor {}, joined {}, {} pending, refused {:?}, {} sockets, violations {:?}",
            self.cursor,
            self.joined,
            self.pending.len(),
            self.refused,
            self.sockets,
            self.violations
        )
    }

    pub(crate) fn violation(&mut self, what: String) {
        if self.violations.len() < 20 {
            self.violations.push(what);
        }
    }

    /// Takes one frame of the server.
    pub(crate) fn take(&mut self, frame: &Value) -> Next {
        match text(frame, "type") {
            "welcome" => self.sockets += 1,
            "room.joined" => return self.joined(frame),
            "message" => return self.versioned(frame),
            "room.changed" => return self.versioned(frame),
            "reply.delta" => return self.delta(frame),
            "message.accepted" => self.accepted(frame),
            "drain" => return Next::Drain(millis(&frame["reconnect_after_ms"])),
            "error" => return self.error(frame),
            "pong" => {}
            // Of people: they have no version and promise nothing.
            "presence" | "typing" | "reply.queue" | "read" | "user.read" | "user.rooms"
            | "user.muted" | "user.mentioned" => {}
            other => self.violation(format!("an unexpected {other}: {frame}")),
        }
        Next::Nothing
    }

    fn joined(&mut self, frame: &Value) -> Next {
        let (version, epoch) = (number(&frame["room"]["version"]), text(frame, "epoch"));
        if !frame["reset"].is_null() {
            self.violation(format!("a reset: {}", frame["reset"]));
            self.messages.clear();
            self.growing.clear();
        } else if self.epoch.is_some() && version < self.cursor {
            self.violation(format!("joined at {version}, below {}", self.cursor));
        }
        self.joined = true;
        self.epoch = Some(epoch.to_owned());
        self.cursor = version;
        for message in frame["messages"].as_array().unwrap() {
            self.upsert(message);
        }
        for reply in frame["replies"].as_array().unwrap() {
            self.running(reply);
        }
        Next::Joined
    }

    /// A reply as `room.joined` tells it: the text of one attempt only grows, whoever tells it.
    fn running(&mut self, reply: &Value) {
        let (seq, attempt) = (number(&reply["seq"]), number(&reply["attempt"]));
        let growing = self.growing.entry(seq).or_default();
        let Some(body) = reply["body"].as_str() else {
            *growing = Growing {
                attempt,
                ..Growing::default()
            };
            return;
        };
        let is_prefix = body.starts_with(&growing.text) || growing.text.starts_with(body);
        let wrong = growing.attempt == attempt && !is_prefix;
        *growing = Growing {
            attempt,
            chunks: number(&reply["chunks"]),
            text: body.to_owned(),
        };
        if wrong {
            self.violation(format!("another text of reply {seq} at the join"));
        }
    }

    fn versioned(&mut self, frame: &Value) -> Next {
        if !self.joined {
            return Next::Nothing;
        }
        let (version, prev) = (number(&frame["version"]), number(&frame["prev"]));
        if version <= self.cursor {
            self.violation(format!("version {version} again, at {}", self.cursor));
            return Next::Nothing;
        }
        if prev > self.cursor {
            self.violation(format!("a gap from {} to {prev}", self.cursor));
            self.begin_join();
            return Next::Join(Duration::ZERO);
        }
        self.cursor = version;
        if frame["partial"] == true {
            self.marked(&frame["message"]);
        } else if frame["message"].is_object() {
            self.upsert(&frame["message"]);
        }
        Next::Nothing
    }

    /// Of what is held only the version counts here: no mark changes its text.
    fn marked(&mut self, change: &Value) {
        let (seq, version) = (number(&change["seq"]), number(&change["version"]));
        if let Some(held) = self.messages.get_mut(&seq) {
            held.version = held.version.max(version);
        }
    }

    fn upsert(&mut self, message: &Value) {
        let (seq, version) = (number(&message["seq"]), number(&message["version"]));
        let held = self.messages.get(&seq);
        if held.is_some_and(|held| held.version >= version) {
            return;
        }
        let held = Held {
            version,
            client_id: message["client_id"].as_str().map(str::to_owned),
            author: text(&message["author"], "id").to_owned(),
            state: text(message, "state").to_owned(),
            body: text(message, "body").to_owned(),
            first_seen: held.map_or_else(Instant::now, |held| held.first_seen),
        };
        if message["deleted_at"].is_string() {
            self.growing.remove(&seq);
        } else if text(message, "kind") == "assistant" {
            self.reply(seq, &held, number(&message["reply"]["attempt"]));
        }
        self.messages.insert(seq, held);
    }

    /// A reply's message: queued (its attempts so far are over) or settled.
    fn reply(&mut self, seq: i64, message: &Held, attempt: i64) {
        if message.state == "queued" {
            let growing = self.growing.entry(seq).or_default();
            if growing.attempt <= attempt {
                *growing = Growing {
                    attempt,
                    ..Growing::default()
                };
            }
            return;
        }
        let Some(growing) = self.growing.remove(&seq) else {
            return;
        };
        let (stored, assembled) = (&message.body, &growing.text);
        let fits = match message.state.as_str() {
            "interrupted" => assembled.starts_with(stored) || stored.starts_with(assembled),
            _ => stored.starts_with(assembled),
        };
        if growing.attempt == attempt && !fits {
            self.violation(format!(
                "reply {seq} is {stored:?}, but the chunks said {assembled:?}"
            ));
        }
        let settled = Settled {
            state: message.state.clone(),
            attempt,
            assembled: growing.text,
            stored: message.body.clone(),
            at: Instant::now(),
        };
        self.settled.insert(seq, settled);
    }

    fn delta(&mut self, frame: &Value) -> Next {
        if !self.joined {
            return Next::Nothing;
        }
        self.deltas += 1;
        let (seq, attempt) = (number(&frame["seq"]), number(&frame["attempt"]));
        let (first, count) = (number(&frame["chunk"]), number(&frame["count"]));
        let Some(growing) = self.growing.get_mut(&seq) else {
            self.violation(format!("a delta of {seq}, which is not being written"));
            return Next::Nothing;
        };
        if attempt < growing.attempt {
            return Next::Nothing;
        }
        if attempt > growing.attempt {
            *growing = Growing {
                attempt,
                ..Growing::default()
            };
        }
        let piece = text(frame, "text");
        if first + count - 1 <= growing.chunks {
            return Next::Nothing;
        }
        if first == growing.chunks + 1 {
            growing.text.push_str(piece);
        } else if first == 1 {
            let grown = piece.starts_with(&growing.text);
            growing.text = piece.to_owned();
            if !grown {
                growing.chunks = count;
                self.violation(format!("chunk 1 of reply {seq} says something else"));
                return Next::Nothing;
            }
        } else {
            let held = growing.chunks;
            self.violation(format!(
                "chunk {first} of reply {seq} does not join {held} of attempt {attempt}"
            ));
            self.begin_join();
            return Next::Join(Duration::ZERO);
        }
        growing.chunks = first + count - 1;
        Next::Nothing
    }

    fn accepted(&mut self, frame: &Value) {
        let client_id = text(frame, "client_id").to_owned();
        let seq = number(&frame["seq"]);
        if let Some(before) = self.acked.get(&client_id) {
            // A resend that crossed its ack: the same answer.
            if before.seq != seq {
                let first = before.seq;
                self.violation(format!("{client_id} has seq {first} and seq {seq}"));
            }
            return;
        }
        let Some(place) = self
            .pending
            .iter()
            .position(|pending| pending.client_id == client_id)
        else {
            self.violation(format!("an ack of what was never sent: {frame}"));
            return;
        };
        let pending = self.pending.remove(place).unwrap();
        self.acked.insert(
            client_id,
            Acked {
                seq,
                body: pending.body,
                at: Instant::now(),
                took: pending.began.elapsed(),
                duplicate: frame["duplicate"] == true,
                reply_seq: frame["reply_seq"].as_i64(),
            },
        );
    }

    fn error(&mut self, frame: &Value) -> Next {
        let code = text(frame, "code").to_owned();
        let wait = frame["retry_after_ms"]
            .as_u64()
            .map_or(Duration::from_millis(200), Duration::from_millis);
        if !RETRYABLE.contains(&code.as_str()) {
            self.violation(format!("refused for good: {frame}"));
            return Next::Nothing;
        }
        *self.refused.entry(code).or_default() += 1;
        if frame["client_id"].is_string() {
            Next::Resend(wait)
        } else if frame["room"] == self.room.as_str() && !self.joined {
            Next::Join(wait)
        } else {
            self.violation(format!("an error about nothing that was asked: {frame}"));
            Next::Nothing
        }
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field]
        .as_str()
        .unwrap_or_else(|| panic!("no {field} in {value}"))
}

fn number(value: &Value) -> i64 {
    value
        .as_i64()
        .unwrap_or_else(|| panic!("no number: {value}"))
}

fn millis(value: &Value) -> Duration {
    Duration::from_millis(value.as_u64().unwrap_or_default())
}
