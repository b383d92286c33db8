//! A client of a chaos run: one user with one session on one socket (on two for a moment while it moves), in several
//! rooms. It obeys the wire as `docs/protocol.md` has it, and writes down what it wants, what it is told and every frame
//! that comes. It judges nothing: the checker does, later.

mod socket;
mod state;
mod wishes;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use salon_checker::hash;
use salon_checker::record::{Action, What};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::recorder::Recorder;
pub(crate) use state::{Pending, Room, State};
use wishes::Continuing;

/// A signed-in user.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) user: String,
    pub(crate) user_name: String,
    pub(crate) token: String,
}

/// One client; its sockets end with it.
pub(crate) struct Client {
    pub(crate) session: Session,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// What a client's tasks share.
struct Shared {
    name: String,
    token: String,
    recorder: Arc<Recorder>,
    state: Mutex<State>,
    /// Ways in, ports of 127.0.0.1; one that fails is left for the next.
    ways: Mutex<Vec<u16>>,
    /// Names of sockets and operations.
    sockets: AtomicU64,
    operations: AtomicU64,
    /// Something is to be sent.
    wake: Notify,
    /// Break the socket.
    cut: Notify,
    /// Open another socket now; the present one ends after so many milliseconds.
    moving: Notify,
    overlap_ms: AtomicU64,
    /// Read nothing until then.
    deaf_until: Mutex<Option<Instant>>,
    habits: Habits,
}

/// What a client is like.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Habits {
    /// It forgets what it sent when a socket breaks, until [`Client::send_unknown_again`].
    pub(crate) careless: bool,
    /// The kernel's buffers of its sockets are tiny.
    pub(crate) narrow: bool,
    /// The room of which it is a moderator.
    pub(crate) moderates: Option<&'static str>,
}

impl Client {
    /// Connects by the first of these ways and stays in these rooms.
    pub(crate) fn start(
        recorder: &Arc<Recorder>,
        name: &str,
        session: Session,
        ways: &[u16],
        rooms: &[String],
        habits: Habits,
    ) -> Self {
        recorder.note(What::Client {
            client: name.to_owned(),
            user: session.user.clone(),
        });
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            token: session.token.clone(),
            recorder: Arc::clone(recorder),
            state: Mutex::new(State::new(rooms)),
            ways: Mutex::new(ways.to_vec()),
            sockets: AtomicU64::new(0),
            operations: AtomicU64::new(0),
            wake: Notify::new(),
            cut: Notify::new(),
            moving: Notify::new(),
            overlap_ms: AtomicU64::new(0),
            deaf_until: Mutex::new(None),
            habits,
        });
        let task = tokio::spawn(socket::stay(Arc::clone(&shared)));
        Self {
            session,
            shared,
            task,
        }
    }

    /// Its name in the history.
    pub(crate) fn name(&self) -> &str {
        &self.shared.name
    }

    /// What it holds.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }

    /// Posts a message, now or when it can.
    pub(crate) fn send(&self, room: &str, id: &str, body: &str) {
        let mut state = self.state();
        let op = self.shared.invoke(Action::Send {
            room: room.to_owned(),
            id: id.to_owned(),
            hash: hash(body),
            prompt: body.contains("@assistant"),
        });
        state.push(
            room,
            Pending {
                op,
                id: id.to_owned(),
                body: body.to_owned(),
                sent_on: None,
            },
        );
        drop(state);
        self.shared.wake.notify_one();
    }

    /// Stops a reply of its own that runs, if there is one.
    pub(crate) fn stop_a_reply(&self) -> bool {
        let Some((room, seq)) = self.state().running.pop() else {
            return false;
        };
        let op = self.shared.invoke(Action::Stop {
            room: room.clone(),
            seq,
        });
        self.state()
            .ask("reply.stop", (&room, seq), op, &Value::Null);
        self.shared.wake.notify_one();
        true
    }

    /// Has a reply of its own that ended badly written again, if there is one.
    pub(crate) fn retry_a_reply(&self) -> bool {
        let Some((room, seq)) = self.state().broken.pop() else {
            return false;
        };
        let op = self.shared.invoke(Action::Retry {
            room: room.clone(),
            seq,
        });
        self.state()
            .ask("reply.retry", (&room, seq), op, &Value::Null);
        self.shared.wake.notify_one();
        true
    }

    /// Asks the assistant to go on with a reply of its own that ended badly, if there is one.
    pub(crate) fn continue_a_reply(&self, id: &str) -> bool {
        let Some((room, seq)) = self.state().broken.pop() else {
            return false;
        };
        let op = self.shared.invoke(Action::Continue {
            room: room.clone(),
            seq,
            id: id.to_owned(),
        });
        self.state().continuing.push_back(Continuing {
            op,
            room,
            seq,
            id: id.to_owned(),
            sent: false,
            due: Instant::now(),
        });
        self.shared.wake.notify_one();
        true
    }

    /// Pins a late message of the room in which it may, or takes that back.
    pub(crate) fn pin(&self, place: usize, back: bool) -> bool {
        let Some(room) = self.shared.habits.moderates else {
            return false;
        };
        let seq = {
            let state = self.state();
            let mut recent = state.recent.iter().rev().filter(|(of, _)| of == room);
            recent.nth(place).map(|(_, seq)| *seq)
        };
        let Some(seq) = seq else {
            return false;
        };
        let op = self.shared.invoke(Action::Pin {
            room: room.to_owned(),
            seq,
            back,
        });
        let kind = match back {
            true => "message.unpin",
            false => "message.pin",
        };
        self.state().ask(kind, (room, seq), op, &Value::Null);
        self.shared.wake.notify_one();
        true
    }

    /// Asks for a page of history.
    pub(crate) fn ask_for_page(&self, room: &str, place: &Value) {
        self.state().ask_for_page(room, place);
        self.shared.wake.notify_one();
    }

    /// Leaves a room for so long, unless something of its own is on its way there.
    pub(crate) fn leave(&self, room: &str, time: Duration) -> bool {
        let leaves = self.state().leave(room, Instant::now() + time);
        self.shared.wake.notify_one();
        leaves
    }

    /// Comes back to a room that it left.
    pub(crate) fn come_back(&self, room: &str) {
        self.state().come_back(room);
        self.shared.wake.notify_one();
    }

    /// Gives a late message of its own this text; `None` deletes it. Not one that it asked to change before.
    pub(crate) fn change_own(&self, place: usize, body: Option<&str>) -> bool {
        let Some((room, seq)) = ({
            let own = &mut self.state().own;
            match body {
                Some(_) => own.iter().rev().nth(place).cloned(),
                None => own
                    .len()
                    .checked_sub(place + 1)
                    .and_then(|at| own.remove(at)),
            }
        }) else {
            return false;
        };
        let (action, kind, more) = match body {
            Some(body) => (
                Action::Edit {
                    room: room.clone(),
                    seq,
                    hash: hash(body),
                },
                "message.edit",
                json!({ "body": body }),
            ),
            None => (
                Action::Delete {
                    room: room.clone(),
                    seq,
                },
                "message.delete",
                Value::Null,
            ),
        };
        let op = self.shared.invoke(action);
        self.state().ask(kind, (&room, seq), op, &more);
        self.shared.wake.notify_one();
        true
    }

    /// Reacts to a late message, or takes that back.
    pub(crate) fn react(&self, place: usize, emoji: &str, back: bool) -> bool {
        let Some((room, seq)) = self.state().recent.iter().rev().nth(place).cloned() else {
            return false;
        };
        let op = self.shared.invoke(Action::React {
            room: room.clone(),
            seq,
            emoji: emoji.to_owned(),
            back,
        });
        let kind = match back {
            true => "reaction.remove",
            false => "reaction.add",
        };
        let more = json!({ "emoji": emoji });
        self.state().ask(kind, (&room, seq), op, &more);
        self.shared.wake.notify_one();
        true
    }

    /// Begins an operation that this client does by other means than its socket.
    pub(crate) fn invoke(&self, action: Action) -> String {
        self.shared.invoke(action)
    }

    /// Breaks its socket; it comes back.
    pub(crate) fn cut(&self) {
        self.shared.cut.notify_one();
    }

    /// Opens a socket by another way at once, and closes the present one so much later.
    pub(crate) fn move_to(&self, ways: &[u16], overlap: Duration) {
        *self.shared.ways.lock().unwrap() = ways.to_vec();
        let overlap = u64::try_from(overlap.as_millis()).unwrap();
        self.shared.overlap_ms.store(overlap, Ordering::Relaxed);
        self.shared.moving.notify_one();
    }

    /// Stops reading for so long.
    pub(crate) fn turn_deaf(&self, time: Duration) {
        *self.shared.deaf_until.lock().unwrap() = Some(Instant::now() + time);
    }

    /// Whether it reads nothing now.
    pub(crate) fn is_deaf(&self) -> bool {
        let deaf = *self.shared.deaf_until.lock().unwrap();
        deaf.is_some_and(|until| until > Instant::now())
    }

    /// Reads again.
    pub(crate) fn hear_again(&self) {
        *self.shared.deaf_until.lock().unwrap() = None;
    }

    /// It is a member of that room again.
    pub(crate) fn let_in(&self, room: &str) {
        self.state().let_in(room);
        self.shared.wake.notify_one();
    }

    /// A post by other means of which nobody knows the outcome.
    pub(crate) fn remember(&self, room: &str, id: &str, body: &str) {
        let pending = Pending {
            op: String::new(),
            id: id.to_owned(),
            body: body.to_owned(),
            sent_on: None,
        };
        self.state().unknown.push((room.to_owned(), pending));
    }

    /// Sends what it gave up again, as operations of their own.
    pub(crate) fn send_unknown_again(&self) {
        let unknown = std::mem::take(&mut self.state().unknown);
        for (room, pending) in unknown {
            self.send(&room, &pending.id, &pending.body);
        }
    }

    /// Nobody waits for what is pending any more: it is given up. Together with what was given up before.
    pub(crate) fn give_up(&self) -> Vec<(String, Pending)> {
        let mut state = self.state();
        let gone = state.take_pending(|_| true);
        for (_, pending) in &gone {
            self.shared.recorder.note(What::Info {
                op: pending.op.clone(),
                cause: "the client ended".to_owned(),
            });
        }
        for continuing in state.continuing.drain(..) {
            self.shared.recorder.note(What::Info {
                op: continuing.op,
                cause: "the client ended".to_owned(),
            });
        }
        state.unknown.extend(gone);
        std::mem::take(&mut state.unknown)
    }
}

impl Shared {
    fn invoke(&self, action: Action) -> String {
        let number = self.operations.fetch_add(1, Ordering::Relaxed);
        let op = format!("{}-{number}", self.name);
        self.recorder.note(What::Invoke {
            op: op.clone(),
            client: self.name.clone(),
            action,
        });
        op
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}
