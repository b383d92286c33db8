//! Whole conversations of strangers with a real consumer, over a pipe in memory. Each line of an input is a frame; what is
//! not UTF-8 is sent so, and a line that begins with `!` is another kind of WebSocket message. Whatever comes: every frame
//! whose `ref` can be read is answered, with typed errors and never `internal`, or the socket closes with a documented
//! code; other sockets are served meanwhile; and what was acknowledged is there.

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use salon::db::rows::{Identity, Visibility};
use salon::error::ErrorCode;
use salon::ids::ClientId;
use salon::limits;
use salon::protocol::CloseCode;
use salon::protocol::client::{ClientFrame, parse};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::engine::Target;
use crate::support::communicator::{PATIENCE, WebsocketCommunicator};
use crate::support::instance::{Instance, TestDatabase};

/// Lines of an input that are sent; further ones are not.
const LINES: usize = 40;
/// Every so many inputs the others are looked at.
const LOOK_EVERY: u64 = 10;
/// The ref of the question behind all others.
const LAST: &str = "the last of this input";

const WORDS: &[&str] = &[
    "\n",
    "{\"type\":\"ping\",\"ref\":\"p\"}\n",
    "{\"type\":\"room.join\",\"room\":\"lobby\",\"ref\":\"j\"}\n",
    "{\"type\":\"room.leave\",\"room\":\"lobby\",\"ref\":\"l\"}\n",
    "\"lobby\"",
    "\"own\"",
    "\"open\"",
    "\"closed\"",
    "\"nowhere\"",
    "\"seq\":1,",
    "\"seq\":2,",
    "\"around\":1,",
    "\"reply_to\":1,",
    "@assistant ",
    "@ada ",
    "@all ",
    "\\n",
    "**b**",
    "👍",
    "!binary x\n",
    "!ping x\n",
    "!pong x\n",
    "!part {\"type\":\"ping\"}\n",
    "!close 1000\n",
    "!close 4999\n",
    "reply.retry",
    "reply.regenerate",
    "reply.select",
    "reply.stop",
    "reply.continue",
    "message.edit",
    "message.delete",
    "message.pin",
    "reaction.add",
    "read.mark",
    "typing",
];

/// What one user was promised: the room and the seq, and the id of the message.
type Promised = (String, i64, ClientId);

/// An instance, the stranger, and somebody who only wants to talk.
struct World {
    salon: Instance,
    stranger: Identity,
    witness: Identity,
    promised: Vec<Promised>,
    inputs: u64,
    _database: TestDatabase,
}

impl World {
    async fn new() -> Self {
        let (salon, database) = Instance::alone().await;
        let witness = salon.user("bob").await;
        salon.make_room(&witness, "open", Visibility::Public).await;
        salon
            .make_room(&witness, "closed", Visibility::Private)
            .await;
        let stranger = salon.user("ada").await;
        salon.make_room(&stranger, "own", Visibility::Public).await;
        let mut socket = salon.connect(&stranger).await;
        socket.join("lobby").await;
        socket.send("lobby", "something to mark").await;
        socket.send("own", "@assistant something to steer").await;
        Self {
            salon,
            stranger,
            witness,
            promised: Vec::new(),
            inputs: 0,
            _database: database,
        }
    }

    async fn check(&mut self, input: &[u8]) -> Result<(), String> {
        let mut socket = self.salon.connect(&self.stranger).await;
        let mut waiting = BTreeSet::new();
        let mut echoed = Vec::new();
        for line in input.split(|byte| *byte == b'\n').take(LINES) {
            if let Some(reference) = reference_of(line) {
                waiting.insert(reference);
            }
            let message = message_of(line);
            if let Message::Close(frame) = &message {
                echoed.push(frame.as_ref().map(|frame| u16::from(frame.code)));
            }
            socket.send_message(message).await;
        }
        waiting.insert(LAST.to_owned());
        socket
            .send_json_to(&json!({"type": "ping", "ref": LAST}))
            .await;
        self.hear(&mut socket, waiting, &echoed).await?;
        self.inputs += 1;
        if self.inputs.is_multiple_of(LOOK_EVERY) {
            self.look_around().await?;
        }
        Ok(())
    }

    /// Hears the socket until everything is answered or it is closed.
    async fn hear(
        &mut self,
        socket: &mut WebsocketCommunicator,
        mut waiting: BTreeSet<String>,
        echoed: &[Option<u16>],
    ) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        while !waiting.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(frame) = socket.receive_within(left).await else {
                return match socket.close_code {
                    code if echoed.contains(&code) => Ok(()),
                    Some(code) => judge_close(code),
                    None => Err(format!("no answer and no close code; open: {waiting:?}")),
                };
            };
            judge_frame(&frame)?;
            if frame["type"] == "message.accepted" {
                self.promised.push((
                    frame["room"].as_str().unwrap_or_default().to_owned(),
                    frame["seq"].as_i64().ok_or("an ack without a seq")?,
                    serde_json::from_value(frame["client_id"].clone())
                        .map_err(|error| error.to_string())?,
                ));
            }
            if let Some(reference) = frame["ref"].as_str() {
                waiting.remove(reference);
            }
        }
        Ok(())
    }

    /// Somebody else is served, and what was promised meanwhile is there.
    async fn look_around(&mut self) -> Result<(), String> {
        let mut socket = self.salon.connect(&self.witness).await;
        socket.join("lobby").await;
        let version = socket.send("lobby", "still there?").await["version"].clone();
        socket
            .expect_where("message", |frame| frame["version"] == version)
            .await;
        socket.disconnect().await;
        let mut socket = self.salon.connect(&self.stranger).await;
        for (room, seq, client_id) in std::mem::take(&mut self.promised) {
            let asked = json!({"type": "message.history", "room": room, "around": seq, "limit": 3});
            let page = socket.ask(asked).await;
            let messages = page["messages"]
                .as_array()
                .ok_or_else(|| page.to_string())?;
            let is_there = messages.iter().any(|message| {
                message["seq"] == seq
                    && (message["client_id"] == json!(client_id)
                        || message["deleted_at"].is_string())
            });
            if !is_there {
                return Err(format!(
                    "{room} {seq} was acknowledged and is not there: {page}"
                ));
            }
        }
        socket.disconnect().await;
        Ok(())
    }
}

/// The message of a line.
fn message_of(line: &[u8]) -> Message {
    let Ok(text) = std::str::from_utf8(line) else {
        return Message::Frame(Frame::message(
            line.to_vec(),
            OpCode::Data(Data::Text),
            true,
        ));
    };
    let Some((kind, rest)) = text.strip_prefix('!').and_then(|odd| odd.split_once(' ')) else {
        return Message::text(text);
    };
    let short = rest.as_bytes()[..rest.len().min(125)].to_vec();
    match kind {
        "binary" => Message::binary(rest.as_bytes().to_vec()),
        "ping" => Message::Ping(short.into()),
        "pong" => Message::Pong(short.into()),
        "part" => Message::Frame(Frame::message(
            rest.as_bytes().to_vec(),
            OpCode::Data(Data::Text),
            false,
        )),
        "close" => Message::Close(rest.trim().parse::<u16>().ok().map(|code| CloseFrame {
            code: code.into(),
            reason: "".into(),
        })),
        _ => Message::text(text),
    }
}

/// The `ref` under which a line must be answered: `typing` and `read.mark` have no answer but a refusal.
fn reference_of(line: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(line).ok()?;
    if text.starts_with('!') {
        return None;
    }
    match parse(text) {
        Ok((ClientFrame::Typing(_) | ClientFrame::ReadMark(_), _)) => None,
        Ok((_, reference)) => reference,
        Err(bad) => bad.reference,
    }
}

fn judge_frame(frame: &Value) -> Result<(), String> {
    if frame["type"] != "error" {
        return match frame["type"].as_str() {
            Some(_) => Ok(()),
            None => Err(format!("a frame without a type: {frame}")),
        };
    }
    let code = frame["code"].as_str().and_then(ErrorCode::from_code);
    let says = frame["message"]
        .as_str()
        .is_some_and(|text| !text.is_empty());
    match code {
        Some(code) if code != ErrorCode::Internal && says => Ok(()),
        _ => Err(format!("refused so: {frame}")),
    }
}

/// What a stranger may be closed for: not the server's own failures, nor the end of a session.
fn judge_close(code: u16) -> Result<(), String> {
    let may_be = [
        CloseCode::Normal,
        CloseCode::Protocol,
        CloseCode::Unsupported,
        CloseCode::NotUtf8,
        CloseCode::TooBig,
        CloseCode::Slow,
        CloseCode::TooManyErrors,
    ];
    if may_be.iter().any(|known| known.number() == code) {
        return Ok(());
    }
    Err(format!("closed with {code}"))
}

#[test]
fn fuzz_dispatch() {
    let documented = super::frames::documented();
    let mut seeds = documented.clone();
    seeds.push(documented.join(&b'\n'));
    let target = Target {
        name: "dispatch",
        words: WORDS,
        max_bytes: 2 * limits::CLIENT_FRAME_BYTES,
        seeds,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let mut world = runtime.block_on(World::new());
    target.fuzz(|input, _: &mut StdRng| runtime.block_on(world.check(input)));
    runtime.block_on(world.look_around()).unwrap();
}
