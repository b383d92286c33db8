//! What a client holds of its rooms, by the rules of the wire, over all its sockets; and what one socket has to do next
//! ([`Line`]). Pure but for the clock: frames go in, records of the history come out.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use salon_checker::record::What;
use serde_json::{Value, json};

use super::wishes::Continuing;

/// Codes after which the same send may work later.
const RETRYABLE: [&str; 6] = [
    "rate_limited",
    "busy",
    "unavailable",
    "shutting_down",
    "outcome_unknown",
    "behind",
];
/// Codes that say that one is not in the room.
const OUTSIDE: [&str; 2] = ["not_a_member", "room_not_found"];
/// The wait after a refusal that names none.
const REFUSAL_WAIT: Duration = Duration::from_millis(200);
/// Bytes of messages sent before the socket is read again.
const SENT_AT_ONCE: usize = 256 * 1024;
/// Messages remembered for an edit or a reaction.
const MESSAGES: usize = 24;
/// Replies remembered for a stop or a retry.
const REPLIES: usize = 32;

/// A send without an answer.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) op: String,
    pub(crate) id: String,
    pub(crate) body: String,
    /// The socket on which it went out since the last join or refusal.
    pub(crate) sent_on: Option<u64>,
}

/// One room.
#[derive(Default, Debug)]
pub(crate) struct Room {
    pub(crate) epoch: Option<String>,
    pub(crate) cursor: i64,
    /// Whether it was taken out and not let in again.
    pub(crate) out: bool,
    /// Whether it was let in since.
    invited: bool,
    /// Until when it is left: neither heard nor spoken in.
    pub(crate) away: Option<Instant>,
    /// The highest seq it heard of.
    pub(crate) last_seq: i64,
    pub(crate) pending: VecDeque<Pending>,
}

/// All that one client knows.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) rooms: BTreeMap<String, Room>,
    /// The socket that sends.
    pub(crate) primary: u64,
    /// Whether the session has ended.
    pub(crate) signed_out: bool,
    /// Sends that were given up.
    pub(crate) unknown: Vec<(String, Pending)>,
    /// Replies it asked for that may still run.
    pub(crate) running: Vec<(String, i64)>,
    /// Those that ended otherwise than whole.
    pub(crate) broken: Vec<(String, i64)>,
    /// Late messages of its own that asked nobody, and those of others that it saw.
    pub(crate) own: VecDeque<(String, i64)>,
    pub(crate) recent: VecDeque<(String, i64)>,
    /// Frames to be sent once, with their operation; their `ref` is its name.
    asks: VecDeque<(Value, String)>,
    /// Requests to go on without an answer.
    pub(crate) continuing: VecDeque<Continuing>,
    /// Pages of history to be asked for.
    pub(super) questions: VecDeque<Value>,
    /// Numbers of `ref`s.
    pub(super) references: u64,
}

/// What is due on one socket, and what is known of it.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) number: u64,
    /// The rooms joined on it.
    pub(super) joined: HashSet<String>,
    /// When to join again.
    joins: HashMap<String, Instant>,
    /// When to send everything pending again; nothing else is sent to that room before.
    resends: HashMap<String, Instant>,
    /// When to leave, since the instance stops.
    pub(crate) leave: Option<Instant>,
    /// Operations asked on it and not answered.
    asked: HashSet<String>,
}

impl Line {
    /// A new socket, on which every room is joined once it is welcomed.
    pub(crate) fn new(number: u64) -> Self {
        Self {
            number,
            joined: HashSet::new(),
            joins: HashMap::new(),
            resends: HashMap::new(),
            leave: None,
            asked: HashSet::new(),
        }
    }

    /// Operations that its end leaves without an answer.
    pub(crate) fn unanswered(self) -> impl Iterator<Item = What> {
        self.asked.into_iter().map(|op| What::Info {
            op,
            cause: "the socket ended".to_owned(),
        })
    }
}

impl State {
    pub(crate) fn new(rooms: &[String]) -> Self {
        let rooms = rooms
            .iter()
            .map(|slug| (slug.clone(), Room::default()))
            .collect();
        Self {
            rooms,
            primary: 0,
            signed_out: false,
            unknown: Vec::new(),
            running: Vec::new(),
            broken: Vec::new(),
            own: VecDeque::new(),
            recent: VecDeque::new(),
            asks: VecDeque::new(),
            continuing: VecDeque::new(),
            questions: VecDeque::new(),
            references: 0,
        }
    }

    /// One more send.
    pub(crate) fn push(&mut self, room: &str, pending: Pending) {
        let room = self.rooms.get_mut(room).expect("a room of this client");
        room.pending.push_back(pending);
    }

    /// A request about a message, with what else it says.
    pub(crate) fn ask(&mut self, kind: &str, (room, seq): (&str, i64), op: String, more: &Value) {
        let mut frame = json!({ "type": kind, "ref": op, "room": room, "seq": seq });
        for (field, value) in more.as_object().into_iter().flatten() {
            frame[field] = value.clone();
        }
        self.asks.push_back((frame, op));
    }

    /// Sends without an answer.
    pub(crate) fn pending(&self) -> usize {
        self.rooms.values().map(|room| room.pending.len()).sum()
    }

    /// It may join that room again.
    pub(crate) fn let_in(&mut self, room: &str) {
        if let Some(room) = self.rooms.get_mut(room) {
            room.out = false;
            room.invited = true;
        }
    }

    /// Takes the pending sends of which this holds.
    pub(crate) fn take_pending(
        &mut self,
        which: impl Fn(&Pending) -> bool,
    ) -> Vec<(String, Pending)> {
        let mut taken = Vec::new();
        for (slug, room) in &mut self.rooms {
            let (gone, kept): (VecDeque<_>, _) = room.pending.drain(..).partition(&which);
            room.pending = kept;
            taken.extend(gone.into_iter().map(|pending| (slug.clone(), pending)));
        }
        taken
    }

    /// Takes one frame of a socket; what it tells of operations.
    pub(crate) fn take(&mut self, line: &mut Line, frame: &Value) -> Vec<What> {
        match frame["type"].as_str().unwrap_or_default() {
            "welcome" => {
                self.primary = self.primary.max(line.number);
                let now = Instant::now();
                line.joins = self.rooms.keys().map(|slug| (slug.clone(), now)).collect();
            }
            "room.joined" => self.joined(line, frame),
            "message" | "room.changed" => self.versioned(line, frame),
            "room.removed" => {
                let slug = text(frame, "room");
                line.joined.remove(slug);
                if let Some(room) = self.rooms.get_mut(slug) {
                    room.out = true;
                }
            }
            "message.accepted" => return self.accepted(frame).into_iter().collect(),
            "ok" => {
                let op = text(frame, "ref");
                if line.asked.remove(op) {
                    return vec![What::Ok {
                        op: op.to_owned(),
                        seq: None,
                        version: frame["version"].as_i64(),
                        duplicate: false,
                        reply_seq: None,
                    }];
                }
            }
            "drain" => {
                let wait = frame["reconnect_after_ms"].as_u64().unwrap_or_default();
                line.leave = Some(Instant::now() + Duration::from_millis(wait));
            }
            "error" => return self.error(line, frame).into_iter().collect(),
            _ => {}
        }
        Vec::new()
    }

    fn joined(&mut self, line: &mut Line, frame: &Value) {
        let slug = text(&frame["room"], "slug");
        let Some(room) = self.rooms.get_mut(slug) else {
            return;
        };
        let version = frame["room"]["version"].as_i64().unwrap_or_default();
        // Another socket may have moved the cursor on since this one asked.
        let goes_on = frame["reset"].is_null() && room.epoch.as_deref() == frame["epoch"].as_str();
        room.cursor = if goes_on {
            room.cursor.max(version)
        } else {
            version
        };
        room.epoch = frame["epoch"].as_str().map(str::to_owned);
        room.out = false;
        let last = frame["room"]["last_seq"].as_i64().unwrap_or_default();
        room.last_seq = room.last_seq.max(last);
        for continuing in self.continuing.iter_mut().filter(|one| one.room == slug) {
            continuing.sent = false;
        }
        // A new subscription: the order of sends begins anew with the first that is pending.
        for pending in &mut room.pending {
            pending.sent_on = None;
        }
        line.joined.insert(slug.to_owned());
        line.resends.remove(slug);
        for message in frame["messages"].as_array().into_iter().flatten() {
            self.reply(slug, message);
        }
    }

    fn versioned(&mut self, line: &mut Line, frame: &Value) {
        let slug = text(frame, "room");
        let (Some(version), Some(prev)) = (frame["version"].as_i64(), frame["prev"].as_i64())
        else {
            return;
        };
        let Some(room) = self.rooms.get_mut(slug) else {
            return;
        };
        if !line.joined.contains(slug) || version <= room.cursor {
            return;
        }
        if prev > room.cursor {
            line.joined.remove(slug);
            line.joins.insert(slug.to_owned(), Instant::now());
            return;
        }
        room.cursor = version;
        let seq = frame["message"]["seq"].as_i64().unwrap_or_default();
        room.last_seq = room.last_seq.max(seq);
        if frame["message"]["kind"] == "user"
            && let Some(seq) = frame["message"]["seq"].as_i64()
        {
            remember(&mut self.recent, slug, seq);
        }
        self.reply(slug, &frame["message"]);
    }

    /// Notes how a reply of its own ended.
    fn reply(&mut self, slug: &str, message: &Value) {
        let Some(seq) = message["seq"].as_i64() else {
            return;
        };
        let own = (slug.to_owned(), seq);
        let state = message["state"].as_str().unwrap_or_default();
        if message["kind"] != "assistant" || state == "queued" || !self.running.contains(&own) {
            return;
        }
        self.running.retain(|held| *held != own);
        if state != "complete" && self.broken.len() < REPLIES {
            self.broken.push(own);
        }
    }

    fn accepted(&mut self, frame: &Value) -> Option<What> {
        let (slug, id) = (text(frame, "room"), text(frame, "client_id"));
        let reply_seq = frame["reply_seq"].as_i64();
        let op = match self.continuing.iter().position(|one| one.id == id) {
            Some(place) => self.continuing.remove(place)?.op,
            // The answer to a resend comes after that to the send.
            None => {
                let room = self.rooms.get_mut(slug)?;
                let place = room.pending.iter().position(|pending| pending.id == id)?;
                room.pending.remove(place)?.op
            }
        };
        if let (None, Some(seq)) = (reply_seq, frame["seq"].as_i64()) {
            remember(&mut self.own, slug, seq);
        }
        if let Some(seq) = reply_seq
            && self.running.len() < REPLIES
        {
            self.running.push((slug.to_owned(), seq));
        }
        Some(What::Ok {
            op,
            seq: frame["seq"].as_i64(),
            version: frame["version"].as_i64(),
            duplicate: frame["duplicate"] == true,
            reply_seq,
        })
    }

    fn error(&mut self, line: &mut Line, frame: &Value) -> Option<What> {
        let code = text(frame, "code").to_owned();
        let wait = frame["retry_after_ms"].as_u64();
        let due = Instant::now() + wait.map_or(REFUSAL_WAIT, Duration::from_millis);
        let again = RETRYABLE.contains(&code.as_str());
        if line.asked.remove(text(frame, "ref")) {
            let op = text(frame, "ref").to_owned();
            let cause = code.clone();
            return Some(if again {
                What::Info { op, cause }
            } else {
                What::Fail { op, code }
            });
        }
        let slug = text(frame, "room");
        let reference = text(frame, "ref");
        if let Some(place) = self.continuing.iter().position(|one| one.op == reference) {
            let op = reference.to_owned();
            if again {
                let continuing = self.continuing.get_mut(place)?;
                (continuing.sent, continuing.due) = (false, due);
                return Some(What::Refused { op, code });
            }
            self.continuing.remove(place);
            return Some(What::Fail { op, code });
        }
        if reference.starts_with("page ") || reference.starts_with("leave ") {
            return None;
        }
        let room = self.rooms.get_mut(slug)?;
        if OUTSIDE.contains(&code.as_str()) {
            room.out = true;
            line.joined.remove(slug);
        } else if code == "not_joined" {
            line.joined.remove(slug);
            line.joins.insert(slug.to_owned(), due);
        }
        let Some(id) = frame["client_id"].as_str() else {
            if again && !line.joined.contains(slug) {
                line.joins.insert(slug.to_owned(), due);
            }
            return None;
        };
        let place = room.pending.iter().position(|pending| pending.id == id)?;
        let op = room.pending[place].op.clone();
        if again {
            if line.number == self.primary {
                line.resends.entry(slug.to_owned()).or_insert(due);
            }
            return Some(What::Refused { op, code });
        }
        room.pending.remove(place);
        Some(What::Fail { op, code })
    }

    /// The frames to send on this socket now; those apart that the history keeps: joins, leaves, questions for pages.
    pub(crate) fn due(&mut self, line: &mut Line) -> (Vec<Value>, Vec<Value>) {
        let now = Instant::now();
        let mut joins = Vec::new();
        let mut frames = Vec::new();
        let mut budget = SENT_AT_ONCE;
        let is_primary = line.number == self.primary;
        for (slug, room) in &mut self.rooms {
            if room.out {
                continue;
            }
            if room.away.is_some_and(|until| until > now) {
                if line.joined.remove(slug) {
                    self.references += 1;
                    let reference = format!("leave {}", self.references);
                    joins.push(json!({ "type": "room.leave", "ref": reference, "room": slug }));
                    line.joins.insert(slug.clone(), now);
                }
                continue;
            }
            room.away = None;
            if !line.joined.contains(slug) {
                // One without an entry has asked and not been answered.
                let is_due = line.joins.get(slug).is_some_and(|due| *due <= now);
                if is_due || room.invited {
                    line.joins.remove(slug);
                    room.invited = false;
                    joins.push(join_frame(slug, room));
                }
                continue;
            }
            if !is_primary {
                continue;
            }
            match line.resends.get(slug) {
                Some(due) if *due > now => continue,
                Some(_) => {
                    line.resends.remove(slug);
                    for pending in &mut room.pending {
                        pending.sent_on = None;
                    }
                }
                None => {}
            }
            for pending in room.pending.iter_mut().filter(|one| one.sent_on.is_none()) {
                if budget == 0 {
                    break;
                }
                budget = budget.saturating_sub(pending.body.len());
                pending.sent_on = Some(line.number);
                frames.push(json!({
                    "type": "message.send", "room": slug, "client_id": pending.id, "body": pending.body,
                }));
            }
        }
        if is_primary {
            joins.extend(self.questions.drain(..));
            frames.extend(self.due_to_go_on(line, now));
        }
        if is_primary && !line.joined.is_empty() {
            for (frame, op) in self.asks.drain(..) {
                line.asked.insert(op);
                frames.push(frame);
            }
        }
        (joins, frames)
    }
}

fn remember(messages: &mut VecDeque<(String, i64)>, room: &str, seq: i64) {
    messages.push_back((room.to_owned(), seq));
    if messages.len() > MESSAGES {
        messages.pop_front();
    }
}

fn join_frame(slug: &str, room: &Room) -> Value {
    match &room.epoch {
        Some(epoch) => json!({
            "type": "room.join", "ref": format!("join {slug}"), "room": slug, "after": room.cursor, "epoch": epoch,
        }),
        None => json!({ "type": "room.join", "ref": format!("join {slug}"), "room": slug }),
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}
