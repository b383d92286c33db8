//! What a client wants beside sending: to page through history, to leave a room for a while, to have a reply go on.

use std::time::Instant;

use serde_json::{Value, json};

use super::state::{Line, State};

/// A request to go on with a reply, without an answer. It has no place among the sends.
#[derive(Clone, Debug)]
pub(crate) struct Continuing {
    pub(crate) op: String,
    pub(crate) room: String,
    pub(crate) seq: i64,
    pub(crate) id: String,
    /// Whether it went out since the last join or refusal.
    pub(crate) sent: bool,
    /// Not before.
    pub(crate) due: Instant,
}

impl State {
    /// Asks for a page of a room's history, at this place.
    pub(crate) fn ask_for_page(&mut self, room: &str, place: &Value) {
        let number = self.reference();
        let mut frame =
            json!({ "type": "message.history", "ref": format!("page {number}"), "room": room });
        for (field, value) in place.as_object().into_iter().flatten() {
            frame[field] = value.clone();
        }
        self.questions.push_back(frame);
    }

    fn reference(&mut self) -> u64 {
        self.references += 1;
        self.references
    }

    /// Leaves a room until then, where nothing of its own is on its way; whether it does.
    pub(crate) fn leave(&mut self, room: &str, until: Instant) -> bool {
        let Some(room) = self.rooms.get_mut(room) else {
            return false;
        };
        let leaves = !room.out && room.epoch.is_some() && room.pending.is_empty();
        if leaves {
            room.away = Some(until);
        }
        leaves
    }

    /// Comes back to a room that it left, now.
    pub(crate) fn come_back(&mut self, room: &str) {
        if let Some(room) = self.rooms.get_mut(room) {
            room.away = None;
        }
    }

    /// The requests to go on that are due on this socket.
    pub(super) fn due_to_go_on(&mut self, line: &Line, now: Instant) -> Vec<Value> {
        let mut frames = Vec::new();
        for one in self
            .continuing
            .iter_mut()
            .filter(|one| !one.sent && one.due <= now)
        {
            if line.joined.contains(&one.room) {
                one.sent = true;
                frames.push(json!({
                    "type": "reply.continue", "ref": one.op, "room": one.room, "seq": one.seq, "client_id": one.id,
                }));
            }
        }
        frames
    }
}
