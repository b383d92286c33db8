//! What the simulated clients do with a room's history: they leave and come back, read pages of it, have a reply go on; and what is
//! done to it: another epoch, retention.

use rand::Rng;
use salon_checker::record::{Action, Side, What};
use serde_json::{Value, json};

use crate::bugs::Bug;
use crate::room::Message;
use crate::world::{Unknown, World};

/// What the message that asks a reply to go on begins with.
pub(crate) const GO_ON: &str = "@assistant go on";
/// Messages in a page.
const LIMIT: usize = 10;
/// What retention leaves.
const KEPT: usize = 30;

impl World {
    /// Leaves a room, whose stream may go on until the answer, and mostly comes back.
    pub(crate) fn leave(&mut self, client: usize, room: usize) {
        if self.speaks(client, room).is_none() {
            return;
        }
        let at = self.clients[client].sockets.len() - 1;
        let socket = self.clients[client].sockets[at].name.clone();
        let (slug, reference) = (self.rooms[room].slug, self.fresh("ref"));
        // What it is shown behind its wish to leave it ignores.
        let cursor = self.clients[client].cursors[&room];
        self.say(What::Sent {
            socket: socket.clone(),
            frame: json!({"type": "room.leave", "ref": reference, "room": slug}),
        });
        if self.rng.random_bool(0.5) {
            self.pump(client, at, room);
        }
        self.received(
            &socket,
            json!({"type": "ok", "ref": reference, "room": slug}),
        );
        if self.is(Bug::LeftRoomIsHeard) {
            let now = self.now(0);
            let (user, id) = (self.clients[0].user.clone(), self.fresh("id"));
            if self.rooms[room].members.contains(&user) {
                let op = self.invoke(
                    0,
                    Action::Send {
                        room: slug.into(),
                        id: id.clone(),
                        hash: salon_checker::hash(&id),
                        prompt: false,
                    },
                );
                let (seq, version) = self.rooms[room].post(&user, Some(&id), &id, now);
                self.accept(op, (seq, version, false, None));
                self.struck += 1;
                self.pump(client, at, room);
            }
        }
        self.clients[client].cursors.insert(room, cursor);
        self.clients[client].sockets[at].rooms.remove(&room);
        if self.rng.random_bool(0.8) {
            self.join(client, at, room);
        }
    }

    /// Reads a page from somewhere.
    pub(crate) fn page(&mut self, client: usize, room: usize) {
        if self.is(Bug::PageOfTwoMoments) {
            // So that what the page hides was seen.
            (0..self.clients.len()).for_each(|client| self.pump_client(client));
        }
        if self.speaks(client, room).is_none() {
            return;
        }
        let last = self.rooms[room].last_seq;
        let seq = self.rng.random_range(0..last + 2);
        let place = self.rng.random_range(0..4);
        let (slug, reference) = (self.rooms[room].slug, self.fresh("ref"));
        let mut question =
            json!({"type": "message.history", "ref": reference, "room": slug, "limit": LIMIT});
        match place {
            0 => question["before"] = json!(seq),
            1 => question["after"] = json!(seq),
            2 => question["around"] = json!(seq),
            _ => {}
        }
        let at = self.clients[client].sockets.len() - 1;
        let socket = self.clients[client].sockets[at].name.clone();
        self.say(What::Sent {
            socket: socket.clone(),
            frame: question,
        });
        let Some(range) = self.range(room, place, seq) else {
            let code = "message_not_found";
            self.received(&socket, json!({"type": "error", "ref": reference, "room": slug, "code": code, "message": "no"}));
            return;
        };
        let all = &self.rooms[room].messages;
        let (older, newer) = (range.start > 0, range.end < all.len());
        let mut shown = all[range].to_vec();
        self.harm_page(&mut shown, place);
        let messages: Vec<Value> = shown.iter().map(Message::json).collect();
        let more = if place == 1 { newer } else { older };
        // What comes while it is on its way may be newer.
        if self.rng.random_bool(0.5) {
            self.send(0, room);
            self.pump(client, at, room);
        }
        self.received(&socket, json!({"type": "message.page", "ref": reference, "room": slug, "messages": messages, "more": more, "older": older, "newer": newer}));
    }

    /// Which messages of the list a page holds; none where there is no such message.
    fn range(&self, room: usize, place: u32, seq: i64) -> Option<std::ops::Range<usize>> {
        let all = &self.rooms[room].messages;
        let below = all.partition_point(|message| message.seq < seq);
        let above = all.partition_point(|message| message.seq <= seq);
        Some(match place {
            0 => below.saturating_sub(LIMIT)..below,
            1 => above..(above + LIMIT).min(all.len()),
            2 if below == above => return None,
            2 => above.saturating_sub(LIMIT / 2)..(above + LIMIT / 2).min(all.len()),
            _ => all.len().saturating_sub(LIMIT)..all.len(),
        })
    }

    /// Bugs that make a page another than it is.
    fn harm_page(&mut self, shown: &mut Vec<Message>, place: u32) {
        if shown.len() > 2 && self.strikes(Bug::PageWithAHole) {
            shown.remove(1);
        }
        if place == 0 && !shown.is_empty() && self.strikes(Bug::PageElsewhere) {
            for message in shown.iter_mut() {
                message.seq += 1_000;
            }
        }
        // As one was before its last change, though a later change of another is shown.
        let highest = shown.iter().map(|message| message.version).max();
        let old = shown.iter_mut().find(|message| {
            message.id.is_some()
                && !message.deleted
                && message.text_version == message.made
                && message.version > message.made
                && Some(message.version) < highest
        });
        if let Some(message) = old
            && self.is(Bug::PageOfTwoMoments)
        {
            (message.version, message.edited) = (message.made, false);
            message.reactions.clear();
            message.pinned = None;
            self.struck += 1;
        }
        if place == 3 && shown.len() > 1 && self.strikes(Bug::PageOfAnOlderMoment) {
            let first = shown.len() / 2;
            shown.truncate(first);
        }
    }

    pub(crate) fn invoke_go_on(&mut self, client: usize, room: usize, id: &str) -> String {
        let action = Action::Continue {
            room: self.rooms[room].slug.into(),
            seq: 1,
            id: id.to_owned(),
        };
        self.invoke(client, action)
    }

    /// Asks a reply to go on; the answer may be lost with the socket.
    pub(crate) fn go_on(&mut self, client: usize, room: usize) {
        let Some(instance) = self.speaks(client, room) else {
            return;
        };
        let id = self.fresh("id");
        let body = format!("{GO_ON} {id}");
        let op = self.invoke_go_on(client, room, &id);
        let stored = self.store(client, room, &id, &body, instance);
        if self.rng.random_bool(0.6) {
            return self.accept(op, stored);
        }
        self.say(What::Info {
            op,
            cause: "the socket broke".into(),
        });
        let last = self.clients[client].sockets.len() - 1;
        self.close(client, last, None, Side::Network);
        self.clients[client]
            .unknown
            .push(Unknown { room, id, body });
    }

    /// Another epoch over the same messages: whoever is there comes back and is told.
    pub(crate) fn renew(&mut self, room: usize) {
        for client in 0..self.clients.len() {
            self.pump_client(client);
        }
        self.rooms[room].epoch += 1;
        for client in 0..self.clients.len() {
            let at = |world: &Self| {
                let mut sockets = world.clients[client].sockets.iter();
                sockets.position(|socket| socket.rooms.contains_key(&room))
            };
            while let Some(at) = at(self) {
                self.close(client, at, Some(4009), Side::Server);
            }
            if self.rng.random_bool(0.7) {
                self.back(client);
            }
        }
    }

    /// Only the latest messages are kept; nobody waits for the answer to one that goes.
    pub(crate) fn retain(&mut self, room: usize) {
        if self.clients.iter().all(|client| client.unknown.is_empty()) {
            for client in 0..self.clients.len() {
                self.pump_client(client);
            }
            self.rooms[room].retain(KEPT);
        }
    }
}
