//! The end of a simulated run: replies settle, everybody comes back and catches up, and the database is read.

use salon_checker::hash;
use salon_checker::record::{Moment, Side, What};

use crate::bugs::Bug;
use crate::world::World;

impl World {
    pub(crate) fn end(&mut self) {
        for room in 0..self.rooms.len() {
            while !self.rooms[room].running.is_empty() {
                self.settle(room);
            }
        }
        for client in 0..self.clients.len() {
            self.back(client);
            for at in 0..self.clients[client].sockets.len() {
                for room in 0..self.rooms.len() {
                    if !self.clients[client].sockets[at].rooms.contains_key(&room) {
                        self.join(client, at, room);
                    }
                }
            }
        }
        // One has had enough.
        if let Some(client) = (1..self.clients.len())
            .rev()
            .find(|client| !self.clients[*client].gone)
        {
            while !self.clients[client].sockets.is_empty() {
                self.close(client, 0, None, Side::Client);
            }
            self.clients[client].gone = true;
        }
        for client in 0..self.clients.len() {
            self.pump_client(client);
        }
        self.say(What::Healed { bound_ms: 5_000 });
        if self.is(Bug::NoHeadCheck) || self.is(Bug::LostLastMessageNotLookedFor) {
            let mut all = (0..self.clients.len()).rev();
            self.forgotten = all.find(|client| !self.clients[*client].sockets.is_empty());
            self.struck += 1;
        }
        self.send(0, 0);
        for client in 0..self.clients.len() {
            self.pump_client(client);
        }
        self.measure(Moment::After);
        self.database();
    }

    pub(crate) fn measure(&mut self, moment: Moment) {
        let idle = self.is(Bug::OpenTransactionReused) && moment == Moment::After;
        for (kind, value, at_most) in [
            ("rss_bytes", 1e8, None),
            ("connections", 10.0, Some(20.0)),
            ("idle_in_transaction", f64::from(u8::from(idle)), None),
        ] {
            self.say(What::Resource {
                moment,
                of: "postgres".into(),
                kind: kind.into(),
                value,
                at_most,
            });
        }
    }

    fn database(&mut self) {
        for room in 0..self.rooms.len() {
            let (slug, version, last_seq, first_seq, floor, epoch) = {
                let room = &self.rooms[room];
                (
                    room.slug.to_owned(),
                    room.version,
                    room.last_seq,
                    room.first_seq,
                    room.floor,
                    room.epoch(),
                )
            };
            let of = slug.clone();
            self.say(What::DbHead {
                room: of,
                epoch,
                version,
                first_seq,
                last_seq,
                floor,
            });
            for message in self.rooms[room].messages.clone() {
                let reactions = message.kinds();
                self.say(What::DbMessage {
                    room: slug.clone(),
                    seq: message.seq,
                    version: message.version,
                    author: message.author,
                    client_id: message.id,
                    state: message.state.into(),
                    hash: hash(&message.body),
                    body: message.reply.map(|_| message.body),
                    deleted: message.deleted,
                    reactions,
                    pinned: message.pinned,
                });
            }
            for (version, kind, user) in self.rooms[room].log.clone() {
                self.say(What::DbLog {
                    room: slug.clone(),
                    version,
                    kind: kind.into(),
                    user: Some(user),
                });
            }
            for (seq, prompt_seq) in self.rooms[room].replies.clone() {
                let (state, reply) = {
                    let message = self.rooms[room].message(seq);
                    (message.state.to_owned(), message.reply)
                };
                let attempt = reply.map_or(0, |(_, attempt)| attempt);
                self.say(What::DbReply {
                    room: slug.clone(),
                    seq,
                    prompt_seq,
                    state,
                    attempt,
                });
            }
        }
    }
}
