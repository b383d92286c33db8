//! What the simulated clients do to messages that are there: edit, delete, react, pin; and the bugs that spoil it.

use rand::Rng;
use salon_checker::hash;
use salon_checker::record::{Action, What};
use serde_json::json;

use crate::bugs::Bug;
use crate::world::World;

/// How an operation ends: done and acked, done or not without a word, refused.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Acked,
    DoneInSilence,
    Forgotten,
    Refused,
}

impl World {
    fn ending(&mut self) -> Ending {
        match self.rng.random_range(0..20) {
            0 => Ending::DoneInSilence,
            1 => Ending::Forgotten,
            2 => Ending::Refused,
            _ => Ending::Acked,
        }
    }

    /// A late message that is settled and not deleted; one's own, where it must be. Now and then the one that was edited last,
    /// so that changes come upon changes before everybody saw the first.
    fn some_message(&mut self, room: usize, author: Option<&str>) -> Option<i64> {
        let place = self.rng.random_range(0..6);
        let is_again = self.rng.random_bool(0.25);
        let room = &self.rooms[room];
        let asked = |seq: i64| {
            let mut replies = room.replies.iter();
            replies.any(|(reply, prompt)| *prompt == seq && room.running.contains_key(reply))
        };
        let mut fits = room.messages.iter().rev().filter(|message| {
            let own = author.is_none_or(|author| message.author == author);
            own && message.state != "queued" && !message.deleted && !asked(message.seq)
        });
        let found = if is_again {
            let edited = fits.filter(|message| message.edited);
            edited.max_by_key(|message| message.text_version)
        } else {
            fits.nth(place)
        };
        found.map(|message| message.seq)
    }

    /// Says how it ended; `done` is the version it took, if it was done.
    fn ended(&mut self, op: String, ending: Ending, version: Option<i64>) {
        match ending {
            Ending::Acked => self.say(What::Ok {
                op,
                seq: None,
                version,
                duplicate: false,
                reply_seq: None,
            }),
            Ending::DoneInSilence | Ending::Forgotten => self.say(What::Info {
                op,
                cause: "the socket broke".into(),
            }),
            Ending::Refused => self.say(What::Fail {
                op,
                code: "forbidden".into(),
            }),
        }
    }

    pub(crate) fn edit(&mut self, client: usize, room: usize) {
        let user = self.clients[client].user.clone();
        let Some(seq) = self.some_message(room, Some(&user)) else {
            return;
        };
        if self.speaks(client, room).is_none() {
            return;
        }
        let body = self.fresh("edit");
        let action = Action::Edit {
            room: self.rooms[room].slug.into(),
            seq,
            hash: hash(&body),
        };
        let op = self.invoke(client, action);
        let ending = self.ending();
        if ending == Ending::Acked && self.strikes(Bug::EditNotStored) {
            let version = self.rooms[room].version;
            self.ended(op, ending, Some(version));
            return;
        }
        let is_done = matches!(ending, Ending::Acked | Ending::DoneInSilence);
        let version = is_done.then(|| self.rooms[room].edit(seq, body));
        self.ended(op, ending, version);
    }

    pub(crate) fn delete(&mut self, client: usize, room: usize) {
        let user = self.clients[client].user.clone();
        let Some(seq) = self.some_message(room, Some(&user)) else {
            return;
        };
        if self.speaks(client, room).is_none() {
            return;
        }
        let action = Action::Delete {
            room: self.rooms[room].slug.into(),
            seq,
        };
        let op = self.invoke(client, action);
        let before = self.rooms[room].message(seq).json();
        let ending = self.ending();
        let is_done = matches!(ending, Ending::Acked | Ending::DoneInSilence);
        let version = is_done.then(|| self.rooms[room].delete(seq));
        self.ended(op, ending, version);
        if version.is_some() && self.strikes(Bug::DeletedTextComesBack) {
            self.pump_client(client);
            let socket = self.clients[client].sockets.last().unwrap().name.clone();
            let slug = self.rooms[room].slug;
            let page =
                json!({"type": "message.page", "room": slug, "messages": [before], "more": false});
            self.received(&socket, page);
        }
    }

    pub(crate) fn react(&mut self, client: usize, room: usize) {
        let Some(seq) = self.some_message(room, None) else {
            return;
        };
        if self.speaks(client, room).is_none() {
            return;
        }
        let emoji = ["👍", "🎉"][self.rng.random_range(0..2)];
        let user = self.clients[client].user.clone();
        let back = self.rooms[room].has_reacted(seq, emoji, &user);
        let action = Action::React {
            room: self.rooms[room].slug.into(),
            seq,
            emoji: emoji.into(),
            back,
        };
        let op = self.invoke(client, action);
        let ending = self.ending();
        let is_done = matches!(ending, Ending::Acked | Ending::DoneInSilence);
        let version = is_done.then(|| self.rooms[room].react(seq, emoji, &user));
        self.ended(op, ending, version);
    }

    pub(crate) fn pin(&mut self, room: usize) {
        let Some(seq) = self.some_message(room, None) else {
            return;
        };
        let back = self.rooms[room].message(seq).pinned.is_some();
        let action = Action::Pin {
            room: self.rooms[room].slug.into(),
            seq,
            back,
        };
        let op = self.invoke(0, action);
        let ending = self.ending();
        let is_done = matches!(ending, Ending::Acked | Ending::DoneInSilence);
        let version = is_done.then(|| self.rooms[room].pin(seq, "user-0"));
        self.ended(op, ending, version);
    }
}
