//! What the simulated clients do.

use rand::Rng;
use salon_checker::hash;
use salon_checker::record::{Action, Side, What};
use serde_json::json;

use crate::bugs::Bug;
use crate::history::GO_ON;
use crate::world::{Unknown, World};

/// What a send came to: seq, version, whether it had been there, the reply.
type Stored = (i64, i64, bool, Option<i64>);

impl World {
    /// Whether a client could send now, and over which instance.
    pub(crate) fn speaks(&self, client: usize, room: usize) -> Option<usize> {
        let socket = self.clients[client].sockets.last()?;
        let is_member = self.rooms[room]
            .members
            .contains(&self.clients[client].user);
        (is_member && socket.rooms.contains_key(&room)).then_some(socket.instance)
    }

    pub(crate) fn invoke(&mut self, client: usize, action: Action) -> String {
        let op = self.fresh("op");
        let of = self.clients[client].name.clone();
        self.say(What::Invoke {
            op: op.clone(),
            client: of,
            action,
        });
        op
    }

    fn invoke_send(&mut self, client: usize, room: usize, id: &str, body: &str) -> String {
        let prompt = body.starts_with("@assistant");
        let action = Action::Send {
            room: self.rooms[room].slug.into(),
            id: id.into(),
            hash: hash(body),
            prompt,
        };
        self.invoke(client, action)
    }

    pub(crate) fn store(
        &mut self,
        client: usize,
        room: usize,
        id: &str,
        body: &str,
        instance: usize,
    ) -> Stored {
        let forgets = body.starts_with(GO_ON) && self.is(Bug::GoneOnTwice);
        if let Some(found) = self.rooms[room].find(id).cloned()
            && !self.strikes(Bug::DedupDropped)
            && !(forgets && self.strikes(Bug::GoneOnTwice))
        {
            let reply = self.rooms[room]
                .replies
                .iter()
                .find(|(_, prompt)| *prompt == found.seq);
            return (found.seq, found.made, true, reply.map(|(seq, _)| *seq));
        }
        let lost = self.strikes(Bug::AckBeforeCommit) || self.strikes(Bug::OpenTransactionReused);
        if lost {
            return (
                self.rooms[room].last_seq + 1,
                self.rooms[room].version + 1,
                false,
                None,
            );
        }
        let (user, now) = (self.clients[client].user.clone(), self.now(instance));
        let (seq, version) = self.rooms[room].post(&user, Some(id), body, now.clone());
        let reply = body
            .starts_with("@assistant")
            .then(|| self.rooms[room].reply(seq, now));
        (seq, version, false, reply)
    }

    pub(crate) fn accept(&mut self, op: String, (seq, version, duplicate, reply_seq): Stored) {
        let seq = if self.strikes(Bug::AckNamesAWrongSeq) {
            seq + 1
        } else {
            seq
        };
        self.say(What::Ok {
            op,
            seq: Some(seq),
            version: Some(version),
            duplicate,
            reply_seq,
        });
    }

    fn say_something(&mut self, client: usize, room: usize, body: &str) {
        let Some(instance) = self.speaks(client, room) else {
            return;
        };
        let id = self.fresh("id");
        let body = format!("{body} {id}");
        let op = self.invoke_send(client, room, &id, &body);
        let stored = self.store(client, room, &id, &body, instance);
        if self.rng.random_bool(0.5) {
            let other = self.rng.random_range(0..self.clients.len());
            self.pump_client(other);
        }
        self.accept(op, stored);
    }

    pub(crate) fn send(&mut self, client: usize, room: usize) {
        self.say_something(client, room, "hello");
    }

    pub(crate) fn prompt(&mut self, client: usize, room: usize) {
        self.say_something(client, room, "@assistant why");
    }

    /// Two sends on their way at once.
    pub(crate) fn pipeline(&mut self, client: usize, room: usize) {
        let Some(instance) = self.speaks(client, room) else {
            return;
        };
        let ids = [self.fresh("id"), self.fresh("id")];
        let ops: Vec<String> = ids
            .iter()
            .map(|id| self.invoke_send(client, room, id, id))
            .collect();
        let mut acks: Vec<(String, Stored)> = Vec::new();
        for (op, id) in ops.into_iter().zip(&ids) {
            acks.push((op, self.store(client, room, id, id, instance)));
        }
        if self.rng.random_bool(0.5) {
            acks.reverse();
        }
        for (op, stored) in acks {
            self.accept(op, stored);
        }
    }

    /// A send whose answer never comes: the socket broke before or after the commit.
    pub(crate) fn lose(&mut self, client: usize, room: usize) {
        let Some(instance) = self.speaks(client, room) else {
            return;
        };
        let id = self.fresh("id");
        let op = self.invoke_send(client, room, &id, &id);
        if self.is(Bug::DedupDropped) || self.rng.random_bool(0.5) {
            self.store(client, room, &id, &id, instance);
        }
        self.say(What::Info {
            op,
            cause: "the socket broke".into(),
        });
        let last = self.clients[client].sockets.len() - 1;
        self.close(client, last, None, Side::Network);
        self.clients[client].unknown.push(Unknown {
            room,
            body: id.clone(),
            id,
        });
    }

    /// Refused, for now or for good.
    pub(crate) fn refused(&mut self, client: usize, room: usize) {
        let Some(instance) = self.speaks(client, room) else {
            return;
        };
        let id = self.fresh("id");
        let op = self.invoke_send(client, room, &id, &id);
        if self.rng.random_bool(0.4) && !self.is(Bug::LostCommitAnsweredFailed) {
            self.say(What::Refused {
                op: op.clone(),
                code: "rate_limited".into(),
            });
            let stored = self.store(client, room, &id, &id, instance);
            self.accept(op, stored);
            return;
        }
        if self.strikes(Bug::SequenceInsteadOfLockedCounter) {
            self.rooms[room].last_seq += 1;
            self.rooms[room].version += 1;
        }
        if self.strikes(Bug::LostCommitAnsweredFailed) {
            self.store(client, room, &id, &id, instance);
        }
        if self.strikes(Bug::PublishBeforeCommit) {
            self.publish(client, room, &id);
        }
        self.say(What::Fail {
            op,
            code: "internal".into(),
        });
    }

    /// Shows everybody who is in step what is never committed.
    fn publish(&mut self, client: usize, room: usize, id: &str) {
        let (slug, head, seq) = (
            self.rooms[room].slug,
            self.rooms[room].version,
            self.rooms[room].last_seq,
        );
        let user = self.clients[client].user.clone();
        for reader in 0..self.clients.len() {
            self.pump_client(reader);
            let sockets: Vec<String> = self.clients[reader]
                .sockets
                .iter()
                .filter(|socket| socket.rooms.contains_key(&room))
                .map(|socket| socket.name.clone())
                .collect();
            for socket in sockets {
                let message = json!({"seq": seq + 1, "version": head + 1, "client_id": id, "kind": "user", "author": {"id": user}, "body": id, "state": "complete"});
                let frame = json!({"type": "message", "room": slug, "version": head + 1, "prev": head, "message": message});
                self.received(&socket, frame);
            }
        }
    }

    pub(crate) fn grow(&mut self, room: usize) {
        let chunk = format!("{} ", self.fresh("word"));
        let picked = self.rng.random_range(0..100);
        let takeover = self.rng.random_bool(0.2);
        let running = self.rooms[room].running.values_mut();
        let mut running: Vec<_> = running.collect();
        if running.is_empty() {
            return;
        }
        let at = picked % running.len();
        if running[at].chunks.is_empty() && takeover {
            running[at].attempt += 1;
        }
        running[at].chunks.push(chunk);
    }

    pub(crate) fn settle(&mut self, room: usize) {
        let seq = self.rooms[room].running.keys().next().copied();
        if let Some(seq) = seq {
            let state =
                ["complete", "stopped", "failed", "interrupted"][self.rng.random_range(0..4)];
            self.rooms[room].settle(seq, state);
        }
    }

    pub(crate) fn retry(&mut self, room: usize) {
        let ended = self.rooms[room].messages.iter().rev();
        let mut ended = ended.filter(|message| {
            !message.deleted && ["stopped", "failed", "interrupted"].contains(&message.state)
        });
        let Some((seq, prompt)) = ended
            .next()
            .map(|message| (message.seq, message.reply.unwrap().0))
        else {
            return;
        };
        let op = self.invoke(
            0,
            Action::Retry {
                room: self.rooms[room].slug.into(),
                seq,
            },
        );
        let version = self.rooms[room].retry(seq);
        if self.strikes(Bug::TwoRetriesMakeTwoReplies) {
            let now = self.now(0);
            self.rooms[room].reply(prompt, now);
        }
        self.say(What::Ok {
            op,
            seq: None,
            version: Some(version),
            duplicate: false,
            reply_seq: None,
        });
    }

    /// A socket is taken from a client.
    pub(crate) fn cut(&mut self, client: usize) {
        if self.clients[client].sockets.is_empty() {
            return;
        }
        let (code, by) = [
            (None, Side::Network),
            (Some(1012), Side::Server),
            (Some(4008), Side::Server),
        ][self.rng.random_range(0..3)];
        self.close(client, 0, code, by);
    }

    /// A client without a socket comes back, and sends again what is unknown.
    pub(crate) fn back(&mut self, client: usize) {
        if self.clients[client].gone {
            return;
        }
        if self.clients[client].sockets.is_empty() {
            self.open(client);
        }
        for unknown in std::mem::take(&mut self.clients[client].unknown) {
            let Unknown { room, id, body } = unknown.clone();
            let op = match body.starts_with(GO_ON) {
                true => self.invoke_go_on(client, room, &id),
                false => self.invoke_send(client, room, &id, &body),
            };
            let known = self.rooms[room].find(&id).is_some();
            if !known
                && !self.rooms[room]
                    .members
                    .contains(&self.clients[client].user)
            {
                self.say(What::Fail {
                    op,
                    code: "not_a_member".into(),
                });
            } else {
                let stored = self.store(client, room, &id, &body, 0);
                self.accept(op, stored);
            }
        }
    }

    /// A second socket beside the first, as when a client moves between instances.
    pub(crate) fn overlap(&mut self, client: usize) {
        if self.clients[client].sockets.len() == 1 && !self.clients[client].gone {
            self.open(client);
        }
    }

    pub(crate) fn rejoin(&mut self, client: usize, room: usize) {
        if let Some(last) = self.clients[client].sockets.len().checked_sub(1) {
            self.join(client, last, room);
        }
    }

    /// The owner takes somebody out of the private room.
    pub(crate) fn remove(&mut self, client: usize) {
        let user = self.clients[client].user.clone();
        if client == 0 || !self.rooms[1].members.contains(&user) {
            return;
        }
        let slug = self.rooms[1].slug;
        let op = self.invoke(
            0,
            Action::Remove {
                room: slug.into(),
                user: user.clone(),
            },
        );
        let in_flight =
            self.speaks(client, 1).is_some() && self.strikes(Bug::LockAndMembershipInOneStatement);
        let sent = in_flight.then(|| {
            let id = self.fresh("id");
            (self.invoke_send(client, 1, &id, &id), id)
        });
        let version = self.rooms[1].note("removed", &user);
        self.rooms[1].members.remove(&user);
        if let Some((op, id)) = sent {
            let stored = self.store(client, 1, &id, &id, 0);
            self.accept(op, stored);
        }
        self.say(What::Ok {
            op,
            seq: None,
            version: Some(version),
            duplicate: false,
            reply_seq: None,
        });
    }

    /// The owner puts somebody back, who then joins.
    pub(crate) fn readmit(&mut self, client: usize) {
        let user = self.clients[client].user.clone();
        if self.rooms[1].members.contains(&user) {
            return;
        }
        let op = self.invoke(
            0,
            Action::Add {
                room: self.rooms[1].slug.into(),
                user: user.clone(),
            },
        );
        let version = self.rooms[1].note("role", &user);
        self.rooms[1].members.insert(user);
        self.say(What::Ok {
            op,
            seq: None,
            version: Some(version),
            duplicate: false,
            reply_seq: None,
        });
        // Its sockets first hear of the removal.
        self.pump_client(client);
        for at in 0..self.clients[client].sockets.len() {
            self.join(client, at, 1);
        }
    }

    /// A session ends, at once, or with the bug only after a long while.
    pub(crate) fn revoke(&mut self, client: usize) {
        // Enough must stay for anything to happen at all.
        let gone = self.clients.iter().filter(|client| client.gone).count();
        if gone > 0
            || client == 0
            || self.clients[client].gone
            || self.clients[client].sockets.is_empty()
        {
            return;
        }
        let action = Action::Revoke {
            of: self.clients[client].name.clone(),
            bound_ms: 1_000,
        };
        let op = self.invoke(0, action);
        self.say(What::Ok {
            op,
            seq: None,
            version: None,
            duplicate: false,
            reply_seq: None,
        });
        if self.strikes(Bug::RevocationOnlyThroughRedis) {
            self.t += 5_000_000_000;
            self.pump_client(client);
        }
        while !self.clients[client].sockets.is_empty() {
            self.close(client, 0, Some(4501), Side::Server);
        }
        self.clients[client].gone = true;
    }
}
