//! Reads a history file, line by line, into a [`History`]. Lines of bad form are kept by their number and passed over;
//! no input makes it panic.

use std::collections::HashMap;
use std::io::{self, BufRead};

use serde::Deserialize;

use crate::frame::{RawFrame, Seen, Text, is_known};
use crate::history::{
    Acked, Act, Client, Closed, End, Entry, Event, Fault, Head, Healed, History, How, LogLine,
    Measure, Op, Reply, Row, Secret, Socket,
};
use crate::message::Marks;
use crate::names::{Name, digest};
use crate::record::{Action, FORMAT, Record, What};
use crate::report::Malformed;

/// The most frequent record by far, read without a detour.
#[derive(Deserialize)]
struct Received<'a> {
    t: u64,
    #[serde(borrow)]
    event: Text<'a>,
    #[serde(borrow)]
    socket: Text<'a>,
    #[serde(borrow)]
    frame: RawFrame<'a>,
}

/// How a line of it begins, but for the numbers.
const RECEIVED: &[u8] = br#""event":"received""#;
/// Where that is to be found.
const BEGINNING: usize = 64;

/// What is joined up once every line was read.
#[derive(Default)]
struct Reader {
    history: History,
    clients: HashMap<Name, usize>,
    sockets: HashMap<Name, usize>,
    ops: HashMap<Name, usize>,
    ends: Vec<(Name, End)>,
    refusals: Vec<(Name, u32)>,
    line: u32,
    t: u64,
}

/// Reads all of it.
pub(crate) fn read(mut lines: impl BufRead) -> io::Result<History> {
    let mut reader = Reader::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        reader.line = reader.line.saturating_add(1);
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if let Err(said) = reader.take(&line) {
            reader.bad(reader.line, said);
        }
    }
    Ok(reader.finish())
}

impl Reader {
    fn bad(&mut self, line: u32, said: impl Into<String>) {
        let said = said.into();
        self.history.malformed.push(Malformed { line, said });
    }

    fn take(&mut self, line: &[u8]) -> Result<(), String> {
        let beginning = line.get(..BEGINNING).unwrap_or(line);
        if beginning
            .windows(RECEIVED.len())
            .any(|window| window == RECEIVED)
            && let Ok(received) = serde_json::from_slice::<Received<'_>>(line)
            && received.event.0 == "received"
        {
            self.at(received.t);
            let seen = received.frame.received(&mut self.history.names)?;
            self.saw(&received.socket.0, seen);
            return Ok(());
        }
        let record: Record = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        self.at(record.t);
        self.record(record.what)
    }

    fn at(&mut self, t: u64) {
        self.t = t;
        self.history.records += 1;
        self.history.end = self.history.end.max(t);
    }

    fn record(&mut self, what: What) -> Result<(), String> {
        match what {
            What::Run { format, .. } if format != FORMAT => {
                return Err(format!("the form is {format}; this program knows {FORMAT}"));
            }
            What::Run { seed, title, .. } => self.history.run = Some((title, seed)),
            What::Client { client, user } => self.client_known(&client, &user)?,
            What::Opened { socket, client, .. } => self.opened(&socket, &client)?,
            What::Closed { socket, code, by } => {
                let closed = Closed {
                    t: self.t,
                    line: self.line,
                    code,
                    by,
                };
                let socket = self.socket(&socket);
                if let Some(socket) = self.history.sockets.get_mut(socket) {
                    socket.closed.get_or_insert(closed);
                }
            }
            What::Sent { socket, frame } => {
                let frame = RawFrame::deserialize(&frame).map_err(|error| error.to_string())?;
                for seen in frame.sent(&mut self.history.names)? {
                    self.saw(&socket, seen);
                }
            }
            What::Received { socket, frame } => {
                let seen = match RawFrame::deserialize(&frame) {
                    Ok(frame) => frame.received(&mut self.history.names)?,
                    Err(_) if !is_known(&frame) => Seen::Other,
                    Err(error) => return Err(error.to_string()),
                };
                self.saw(&socket, seen);
            }
            What::Invoke { op, client, action } => self.invoked(&op, &client, &action)?,
            What::Ok {
                op,
                seq,
                version,
                duplicate,
                reply_seq,
            } => {
                let acked = Acked {
                    seq,
                    version,
                    duplicate,
                    reply_seq,
                };
                self.ended(&op, How::Ok(acked));
            }
            What::Fail { op, code } => {
                let code = self.history.names.name(&code);
                self.ended(&op, How::Fail(code));
            }
            What::Info { op, .. } => self.ended(&op, How::Info),
            What::Refused { op, .. } => {
                let op = self.history.names.name(&op);
                self.refusals.push((op, self.line));
            }
            other => self.rest(other),
        }
        Ok(())
    }

    /// The records that stand for themselves.
    fn rest(&mut self, what: What) {
        let (t, line) = (self.t, self.line);
        match what {
            What::Fault { row, phase, .. } => {
                let row = self.history.names.name(&row);
                self.history.faults.push(Fault { t, row, phase });
            }
            What::Healed { bound_ms } => {
                let bound_ns = bound_ms.saturating_mul(1_000_000);
                self.history.healed = Some(Healed { t, line, bound_ns });
            }
            What::Resource {
                moment,
                of,
                kind,
                value,
                at_most,
            } => {
                let (of, kind) = (self.history.names.name(&of), self.history.names.name(&kind));
                let measure = Measure {
                    moment,
                    of,
                    kind,
                    value,
                    at_most,
                    line,
                };
                self.history.resources.push(measure);
            }
            What::Log { of, line: text } => {
                let (of, text) = (self.history.names.name(&of), text.into_boxed_str());
                self.history.logs.push(LogLine { t, of, text, line });
            }
            What::Secret { kind, text } => {
                let (kind, text) = (self.history.names.name(&kind), text.into_boxed_str());
                self.history.secrets.push(Secret { kind, text, line });
            }
            database => self.database(database),
        }
    }

    fn database(&mut self, what: What) {
        let line = self.line;
        let names = &mut self.history.names;
        match what {
            What::DbHead {
                room,
                epoch,
                version,
                first_seq,
                last_seq,
                floor,
            } => {
                let (room, epoch) = (names.name(&room), names.name(&epoch));
                let head = Head {
                    epoch,
                    version,
                    first_seq,
                    last_seq,
                    floor,
                    line,
                };
                self.history.rooms.entry(room).or_default().head = Some(head);
            }
            What::DbMessage {
                room,
                seq,
                version,
                author,
                client_id,
                state,
                hash,
                body,
                deleted,
                reactions,
                pinned,
            } => {
                let kinds = reactions
                    .iter()
                    .map(|kind| (kind.emoji.as_str(), kind.count, kind.users.as_slice()));
                let row = Row {
                    seq,
                    version,
                    author: names.name(&author),
                    id: client_id.map(|id| names.name(&id)),
                    state: names.name(&state),
                    digest: digest(&hash),
                    body: body.map(|body| names.name(&body)),
                    deleted,
                    marks: Marks::new(kinds, pinned.as_deref(), names),
                    line,
                };
                let room = names.name(&room);
                self.history
                    .rooms
                    .entry(room)
                    .or_default()
                    .messages
                    .push(row);
            }
            changes => self.changes(changes),
        }
    }

    fn changes(&mut self, what: What) {
        let line = self.line;
        let names = &mut self.history.names;
        match what {
            What::DbLog {
                room,
                version,
                kind,
                user,
            } => {
                let (room, kind) = (names.name(&room), names.name(&kind));
                let user = user.map(|user| names.name(&user));
                let entry = Entry {
                    version,
                    kind,
                    user,
                    line,
                };
                self.history.rooms.entry(room).or_default().log.push(entry);
            }
            What::DbReply {
                room,
                seq,
                prompt_seq,
                state,
                attempt,
            } => {
                let (room, state) = (names.name(&room), names.name(&state));
                let reply = Reply {
                    seq,
                    prompt_seq,
                    state,
                    attempt,
                    line,
                };
                self.history
                    .rooms
                    .entry(room)
                    .or_default()
                    .replies
                    .push(reply);
            }
            _ => {}
        }
    }

    fn client(&mut self, name: &str) -> usize {
        let name = self.history.names.name(name);
        *self.clients.entry(name).or_insert_with(|| {
            self.history.clients.push(Client {
                name,
                user: None,
                line: self.line,
            });
            self.history.clients.len() - 1
        })
    }

    fn client_known(&mut self, name: &str, user: &str) -> Result<(), String> {
        let client = self.client(name);
        let user = self.history.names.name(user);
        match self.history.clients.get_mut(client) {
            Some(client) if client.user.is_some_and(|known| known != user) => {
                Err(format!("{name} was another user's before"))
            }
            Some(client) => {
                client.user = Some(user);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn socket(&mut self, name: &str) -> usize {
        let name = self.history.names.name(name);
        *self.sockets.entry(name).or_insert_with(|| {
            self.history.sockets.push(Socket {
                name,
                client: None,
                opened: 0,
                line: self.line,
                closed: None,
                events: Vec::new(),
            });
            self.history.sockets.len() - 1
        })
    }

    fn opened(&mut self, name: &str, client: &str) -> Result<(), String> {
        let (socket, client) = (self.socket(name), self.client(client));
        match self.history.sockets.get_mut(socket) {
            Some(socket) if socket.client.is_some() => Err(format!("{name} was opened before")),
            Some(socket) => {
                (socket.client, socket.opened, socket.line) = (Some(client), self.t, self.line);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn saw(&mut self, socket: &str, seen: Seen) {
        let event = Event {
            t: self.t,
            line: self.line,
            seen,
        };
        let socket = self.socket(socket);
        if let Some(socket) = self.history.sockets.get_mut(socket) {
            socket.events.push(event);
        }
    }

    fn invoked(&mut self, name: &str, client: &str, action: &Action) -> Result<(), String> {
        let client = self.client(client);
        let names = &mut self.history.names;
        let act = Act::of(action, names);
        let op = Op {
            name: names.name(name),
            client,
            t: self.t,
            line: self.line,
            act,
            end: None,
        };
        if self.ops.insert(op.name, self.history.ops.len()).is_some() {
            return Err(format!("{name} was invoked before"));
        }
        self.history.ops.push(op);
        Ok(())
    }

    fn ended(&mut self, op: &str, how: How) {
        let op = self.history.names.name(op);
        let end = End {
            t: self.t,
            line: self.line,
            how,
        };
        self.ends.push((op, end));
    }

    /// Joins up what could come in any order, and orders it.
    fn finish(mut self) -> History {
        for (name, end) in std::mem::take(&mut self.ends) {
            let op = self
                .ops
                .get(&name)
                .and_then(|op| self.history.ops.get_mut(*op));
            let said = match op {
                Some(op) if op.end.is_none() => {
                    op.end = Some(end);
                    continue;
                }
                Some(_) => "ended before",
                None => "was never invoked",
            };
            let said = format!("{} {said}", self.history.names.text(name));
            self.bad(end.line, said);
        }
        for (name, line) in std::mem::take(&mut self.refusals) {
            if !self.ops.contains_key(&name) {
                let said = format!("{} was never invoked", self.history.names.text(name));
                self.bad(line, said);
            }
        }
        self.unknown();
        self.history.refusals = self.refusals.len() as u64;
        self.history.ops.sort_by_key(|op| (op.t, op.line));
        self.history.faults.sort_by_key(|fault| fault.t);
        for room in self.history.rooms.values_mut() {
            room.sort();
        }
        self.history
    }

    /// Sockets that were never opened, clients that were never named, a file that does not say what it is.
    fn unknown(&mut self) {
        let names = &self.history.names;
        let mut bad = Vec::new();
        for socket in self
            .history
            .sockets
            .iter()
            .filter(|socket| socket.client.is_none())
        {
            let said = format!("socket {} is never opened", names.text(socket.name));
            bad.push(Malformed {
                line: socket.line,
                said,
            });
        }
        for client in self
            .history
            .clients
            .iter()
            .filter(|client| client.user.is_none())
        {
            let said = format!("client {} is never named", names.text(client.name));
            bad.push(Malformed {
                line: client.line,
                said,
            });
        }
        if self.history.run.is_none() {
            let said = "no line says of which form the history is (`run`)".to_owned();
            bad.push(Malformed { line: 1, said });
        }
        self.history.malformed.extend(bad);
    }
}
