//! How frames reach the simulated clients: joins, the stream of a room from a cursor, the pieces of running replies.

use rand::Rng;
use salon_checker::record::{Side, What};
use serde_json::{Value, json};

use crate::bugs::Bug;
use crate::room::{Change, Running};
use crate::world::{Socket, Subscription, World};

impl World {
    /// A new socket that joins every room the client knows.
    pub(crate) fn open(&mut self, client: usize) {
        let name = self.fresh("socket");
        let instance = self.rng.random_range(0..2);
        let (socket, of) = (name.clone(), self.clients[client].name.clone());
        self.say(What::Opened {
            socket,
            client: of,
            connection: format!("connection-{}", self.count),
        });
        self.received(
            &name,
            json!({"type": "welcome", "protocol": 1, "user": {"id": self.clients[client].user}}),
        );
        let socket = Socket {
            name,
            instance,
            rooms: std::collections::BTreeMap::new(),
        };
        self.clients[client].sockets.push(socket);
        let at = self.clients[client].sockets.len() - 1;
        for room in 0..self.rooms.len() {
            self.join(client, at, room);
        }
    }

    pub(crate) fn close(&mut self, client: usize, at: usize, code: Option<u16>, by: Side) {
        let socket = self.clients[client].sockets.remove(at);
        self.say(What::Closed {
            socket: socket.name,
            code,
            by,
        });
    }

    /// Joins a room with the client's cursor, or refuses.
    pub(crate) fn join(&mut self, client: usize, at: usize, room: usize) {
        let reference = self.fresh("ref");
        let socket = self.clients[client].sockets[at].name.clone();
        let (slug, user) = (self.rooms[room].slug, self.clients[client].user.clone());
        let after = self.clients[client].cursors.get(&room).copied();
        let mut frame = json!({"type": "room.join", "ref": reference, "room": slug});
        if let Some(after) = after {
            (frame["after"], frame["epoch"]) =
                (json!(after), json!(self.clients[client].epochs[&room]));
        }
        self.say(What::Sent {
            socket: socket.clone(),
            frame,
        });
        if after.is_some() && self.rng.random_bool(0.5) {
            self.ignored(client, at, room);
        }
        if self.rooms[room].private && !self.rooms[room].members.contains(&user) {
            let frame = json!({"type": "error", "ref": reference, "room": slug, "code": "room_not_found", "message": "no"});
            self.received(&socket, frame);
            self.clients[client].sockets[at].rooms.remove(&room);
            return;
        }
        self.rooms[room].members.insert(user);
        let reset = self.reset(client, room, after);
        let after = after.filter(|_| reset.is_none());
        let (version, cursor) = self.start(client, room, after);
        let mut held = Subscription {
            cursor,
            proof: self.rooms[room].version,
            ..Subscription::default()
        };
        for (seq, running) in &self.rooms[room].running {
            held.shown
                .insert(*seq, (running.attempt, running.chunks.len()));
        }
        let mut frame = self.greeting(room, version, after);
        (frame["ref"], frame["reset"]) = (json!(reference), json!(reset));
        self.received(&socket, frame);
        self.clients[client].cursors.insert(room, version);
        let epoch = self.rooms[room].epoch();
        self.clients[client].epochs.insert(room, epoch);
        self.clients[client].sockets[at].rooms.insert(room, held);
        if cursor != version {
            self.pump(client, at, room);
        }
    }

    /// Why a cursor cannot be served, if it cannot.
    fn reset(&self, client: usize, room: usize, after: Option<i64>) -> Option<&'static str> {
        let known = self.clients[client].epochs.get(&room)?;
        let room = &self.rooms[room];
        match after {
            Some(_) if *known != room.epoch() => Some("epoch"),
            Some(after) if after < room.floor => Some("retention"),
            _ => None,
        }
    }

    /// The version that `room.joined` gives, and where the stream really begins.
    fn start(&mut self, client: usize, room: usize, after: Option<i64>) -> (i64, i64) {
        let head = self.rooms[room].version;
        let Some(after) = after else {
            return (head, head);
        };
        if after < head && self.strikes(Bug::JoinedVersionGivenAsTheHead) {
            return (head, head);
        }
        let other = self.clients[client]
            .cursors
            .get(&(1 - room))
            .copied()
            .unwrap_or(0);
        if after < other && other < head && self.strikes(Bug::ResumeFromTheWrongRoom) {
            return (after, other);
        }
        (after, after)
    }

    fn greeting(&self, room: usize, version: i64, after: Option<i64>) -> Value {
        let room = &self.rooms[room];
        let page = if after.is_some() { 0 } else { 5 };
        let first = room.messages.len().saturating_sub(page);
        let messages: Vec<Value> = room.messages[first..]
            .iter()
            .map(|message| message.json())
            .collect();
        let mut replies = Vec::new();
        for (seq, running) in &room.running {
            replies.push(json!({"seq": seq, "attempt": running.attempt, "chunks": running.chunks.len(), "body": running.chunks.concat()}));
        }
        let visibility = if room.private { "private" } else { "public" };
        json!({
            "type": "room.joined", "epoch": room.epoch(), "head": room.version, "messages": messages, "replies": replies, "reset": null,
            "room": {"slug": room.slug, "version": version, "last_seq": room.last_seq, "visibility": visibility},
        })
    }

    /// What still comes on a joined socket while it joins again: the client ignores it.
    fn ignored(&mut self, client: usize, at: usize, room: usize) {
        let socket = self.clients[client].sockets[at].name.clone();
        let Some(cursor) = self.clients[client].sockets[at]
            .rooms
            .get(&room)
            .map(|held| held.cursor)
        else {
            return;
        };
        let user = self.clients[client].user.clone();
        if !self.rooms[room].members.contains(&user) {
            return;
        }
        let mut prev = cursor;
        for change in self.rooms[room].after(cursor).into_iter().take(2) {
            let frame = change.frame(self.rooms[room].slug, prev);
            prev = change.version();
            self.received(&socket, frame);
        }
    }

    pub(crate) fn pump_client(&mut self, client: usize) {
        if self.forgotten == Some(client) {
            return;
        }
        for at in 0..self.clients[client].sockets.len() {
            for room in 0..self.rooms.len() {
                self.pump(client, at, room);
            }
        }
    }

    /// Brings a socket to the head of a room.
    pub(crate) fn pump(&mut self, client: usize, at: usize, room: usize) {
        let socket = self.clients[client].sockets[at].name.clone();
        let instance = self.clients[client].sockets[at].instance;
        let Some(mut held) = self.clients[client].sockets[at].rooms.remove(&room) else {
            return;
        };
        let slug = self.rooms[room].slug;
        let mut changes = self.rooms[room].after(held.cursor);
        let removal = self.removal(client, held.proof, &changes);
        if let Some(removal) = removal {
            changes.retain(|change| change.version() < removal);
        }
        self.harm(&mut changes);
        let mut frames = Vec::new();
        let mut prev = held.cursor;
        for change in changes {
            let mut frame = change.frame(self.rooms[room].slug, prev);
            if let Some(only) = self.what_changed(&change, held.cursor) {
                (frame["partial"], frame["message"]) = (json!(true), only);
            }
            frames.push((frame, change.clone()));
            prev = change.version();
        }
        if frames.len() > 1 && self.strikes(Bug::OutOfOrderFlush) {
            frames.swap(0, 1);
        }
        for (mut frame, change) in frames {
            let is_message = matches!(&change, Change::Message(message) if message.id.is_some());
            let is_whole = is_message && frame.get("partial").is_none();
            if is_whole && self.strikes(Bug::UnauthenticatedBodyTrusted) {
                frame["message"]["body"] = json!("forged");
            }
            self.received(&socket, frame.clone());
            if instance == 1 && self.is(Bug::DoubleSubscribe) {
                self.struck += 1;
                self.received(&socket, frame);
            }
            held.cursor = held.cursor.max(change.version());
            self.follow(&socket, slug, &mut held, &change);
        }
        let cursor = self.clients[client].cursors.entry(room).or_default();
        *cursor = held.cursor.max(*cursor);
        if let Some(version) = removal {
            let slug = self.rooms[room].slug;
            self.received(&socket, json!({"type": "room.removed", "room": slug, "version": version, "reason": "removed"}));
            return;
        }
        self.deltas(&socket, room, &mut held);
        self.clients[client].sockets[at].rooms.insert(room, held);
    }

    /// What alone changed, for a reader that holds what it builds on; with the bug for others too.
    fn what_changed(&mut self, change: &Change, cursor: i64) -> Option<Value> {
        let Change::Message(message) = change else {
            return None;
        };
        let (only, base) = message.change.as_ref()?;
        let lacks_text = message.made <= cursor && message.text_version > cursor;
        let told = match *base <= cursor {
            true => self.rng.random_bool(0.7),
            false => lacks_text && self.strikes(Bug::ChangeToldToOneWithoutItsBase),
        };
        told.then(|| only.clone())
    }

    /// The removal that cuts this reader, unless the bug keeps it.
    fn removal(&mut self, client: usize, proof: i64, changes: &[Change]) -> Option<i64> {
        let user = &self.clients[client].user;
        let removal = changes.iter().find_map(|change| match change {
            Change::Log((version, "removed", whom)) if whom == user && *version > proof => {
                Some(*version)
            }
            _ => None,
        })?;
        let goes_on = changes.iter().any(|change| change.version() > removal);
        if goes_on && self.strikes(Bug::MembershipCachedPastItsVersion) {
            return None;
        }
        Some(removal)
    }

    /// Bugs that leave changes out.
    fn harm(&mut self, changes: &mut Vec<Change>) {
        if changes.len() < 3 {
            return;
        }
        if matches!(&changes[1], Change::Message(message) if message.id.is_some())
            && self.strikes(Bug::CursorOffByOneAtPageBoundary)
        {
            changes.remove(1);
        }
        let last = changes.len() - 1;
        let of = |which: fn(&crate::room::Message) -> bool| {
            let mut below = changes[..last].iter();
            below.position(|change| matches!(change, Change::Message(message) if which(message)))
        };
        let (tombstone, mark) = (
            of(|message| message.deleted),
            of(|message| message.change.is_some()),
        );
        if let Some(place) = tombstone
            && self.strikes(Bug::TombstoneSkipped)
        {
            changes.remove(place);
            return;
        }
        if let Some(place) = mark
            && self.strikes(Bug::MarkSkipped)
        {
            changes.remove(place);
            return;
        }
        let log = changes[..last]
            .iter()
            .position(|change| matches!(change, Change::Log(_)));
        if let Some(log) = log
            && self.strikes(Bug::FillSkipsTheLog)
        {
            changes.remove(log);
        }
    }

    /// What a change means to the replies that the socket is shown.
    fn follow(&mut self, socket: &str, slug: &str, held: &mut Subscription, change: &Change) {
        let Change::Message(message) = change else {
            return;
        };
        if message.reply.is_none() {
            return;
        }
        if message.state == "queued" {
            held.shown.insert(message.seq, (0, 0));
            return;
        }
        held.shown.remove(&message.seq);
        if self.strikes(Bug::DeltaOfASettledReply) {
            let attempt = message.reply.map_or(1, |(_, attempt)| attempt);
            let frame = json!({"type": "reply.delta", "room": slug, "seq": message.seq, "attempt": attempt, "chunk": 9, "count": 1, "text": "late"});
            self.received(socket, frame);
        }
    }

    fn deltas(&mut self, socket: &str, room: usize, held: &mut Subscription) {
        let running: Vec<(i64, Running)> = self.rooms[room]
            .running
            .iter()
            .map(|(seq, running)| (*seq, running.clone()))
            .collect();
        for (seq, running) in running {
            let (attempt, mut shown) = held.shown.get(&seq).copied().unwrap_or((0, 0));
            if attempt != running.attempt {
                shown = 0;
            }
            let there = running.chunks.len();
            if running.queued > held.cursor || there <= shown || self.rng.random_bool(0.1) {
                continue;
            }
            let mut from = if self.rng.random_bool(0.1) { 0 } else { shown };
            let mut frame = json!({"type": "reply.delta", "room": self.rooms[room].slug, "seq": seq, "attempt": running.attempt});
            let text = running.above(from);
            let count = there - from;
            if shown > 0 && from == shown && self.strikes(Bug::ChunkNumberReset) {
                from = 0;
            }
            frame["chunk"] = json!(from + 1);
            frame["count"] = json!(count);
            frame["text"] = json!(text);
            self.received(socket, frame.clone());
            held.shown.insert(seq, (running.attempt, there));
            if running.attempt > 1 && self.strikes(Bug::NoFencingOfAttempts) {
                frame["attempt"] = json!(running.attempt - 1);
                self.received(socket, frame);
            }
        }
    }
}
