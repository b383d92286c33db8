//! A room of the simulated Salon: plain lists, one version after the other, as the database would have them.

use std::collections::{BTreeMap, BTreeSet};

use salon_checker::record::Reaction;
use serde_json::{Value, json};

/// A message.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) seq: i64,
    pub(crate) version: i64,
    /// The version it was made at.
    pub(crate) made: i64,
    pub(crate) author: String,
    pub(crate) id: Option<String>,
    pub(crate) body: String,
    pub(crate) state: &'static str,
    pub(crate) created_at: String,
    /// Of replies: the prompt and the attempt that this version tells of.
    pub(crate) reply: Option<(i64, i64)>,
    /// The version its text is of.
    pub(crate) text_version: i64,
    pub(crate) edited: bool,
    pub(crate) deleted: bool,
    /// Each kind with who reacted so, the first first.
    pub(crate) reactions: Vec<(String, Vec<String>)>,
    pub(crate) pinned: Option<String>,
    /// Where the last change was a mark: what it changed, and the version before it.
    pub(crate) change: Option<(Value, i64)>,
}

impl Message {
    /// Notes what a mark changed.
    fn marked(&mut self, version: i64, mut change: Value) -> i64 {
        (change["seq"], change["version"]) = (json!(self.seq), json!(version));
        self.change = Some((change, self.version));
        self.version = version;
        version
    }

    pub(crate) fn json(&self) -> Value {
        let mut json = json!({
            "seq": self.seq, "version": self.version, "author": {"id": self.author, "name": self.author, "kind": "user"},
            "kind": "user", "body": self.body, "state": self.state, "created_at": self.created_at,
        });
        if let Some(id) = &self.id {
            json["client_id"] = json!(id);
        }
        if let Some((prompt, attempt)) = self.reply {
            json["kind"] = json!("assistant");
            json["reply"] = json!({"prompt_seq": prompt, "attempt": attempt});
        }
        for (field, is_so) in [("edited_at", self.edited), ("deleted_at", self.deleted)] {
            if is_so {
                json[field] = json!(self.created_at);
            }
        }
        if !self.reactions.is_empty() {
            json["reactions"] = json!(self.kinds());
        }
        if let Some(user) = &self.pinned {
            json["pinned"] = json!({"at": self.created_at, "by": user});
        }
        json
    }

    /// Its reactions as the database has them.
    pub(crate) fn kinds(&self) -> Vec<Reaction> {
        let kinds = self.reactions.iter();
        kinds
            .map(|(emoji, users)| Reaction {
                emoji: emoji.clone(),
                count: i64::try_from(users.len()).unwrap(),
                users: users.clone(),
            })
            .collect()
    }
}

/// A reply that runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Running {
    pub(crate) attempt: i64,
    /// The version from which it may be shown.
    pub(crate) queued: i64,
    pub(crate) chunks: Vec<String>,
}

impl Running {
    /// The text of the chunks above so many.
    pub(crate) fn above(&self, chunks: usize) -> String {
        self.chunks[chunks..].concat()
    }
}

/// A log's entry: version, kind, user.
pub(crate) type Entry = (i64, &'static str, String);

/// A room.
#[derive(Debug, Default)]
pub(crate) struct Room {
    pub(crate) slug: &'static str,
    pub(crate) private: bool,
    pub(crate) epoch: u64,
    pub(crate) version: i64,
    pub(crate) first_seq: i64,
    pub(crate) last_seq: i64,
    pub(crate) floor: i64,
    pub(crate) messages: Vec<Message>,
    pub(crate) log: Vec<Entry>,
    pub(crate) members: BTreeSet<String>,
    /// Replies that run, by seq.
    pub(crate) running: BTreeMap<i64, Running>,
    /// Replies of the database: seq, prompt.
    pub(crate) replies: Vec<(i64, i64)>,
}

/// One change in the form it has now.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Message(Box<Message>),
    Log(Entry),
}

impl Change {
    pub(crate) fn version(&self) -> i64 {
        match self {
            Self::Message(message) => message.version,
            Self::Log(entry) => entry.0,
        }
    }

    pub(crate) fn frame(&self, room: &str, prev: i64) -> Value {
        match self {
            Self::Message(message) => {
                json!({"type": "message", "room": room, "version": message.version, "prev": prev, "message": message.json()})
            }
            Self::Log((version, kind, user)) => {
                json!({"type": "room.changed", "room": room, "version": version, "prev": prev, "change": kind, "user": {"id": user}, "data": {}})
            }
        }
    }
}

impl Room {
    pub(crate) fn after(&self, cursor: i64) -> Vec<Change> {
        let messages = self.messages.iter().cloned();
        let messages = messages.map(|message| Change::Message(Box::new(message)));
        let mut changes: Vec<Change> = messages
            .chain(self.log.iter().cloned().map(Change::Log))
            .filter(|change| change.version() > cursor)
            .collect();
        changes.sort_by_key(Change::version);
        changes
    }

    /// Its epoch as it is on the wire.
    pub(crate) fn epoch(&self) -> String {
        format!("{:016x}", self.epoch)
    }

    /// Keeps only so many of its messages; nothing of what still runs goes.
    pub(crate) fn retain(&mut self, kept: usize) {
        let most = self.messages.len().saturating_sub(kept);
        let runs = |message: &Message| self.running.contains_key(&message.seq);
        let count = self
            .messages
            .iter()
            .take(most)
            .take_while(|message| !runs(message));
        let count = count.count();
        if count == 0 {
            return;
        }
        let gone: Vec<Message> = self.messages.drain(..count).collect();
        let highest = gone.iter().map(|message| message.version).max();
        self.floor = self.floor.max(highest.unwrap());
        self.first_seq += i64::try_from(count).unwrap();
        let (first, floor) = (self.first_seq, self.floor);
        self.replies.retain(|(seq, _)| *seq >= first);
        self.log.retain(|(version, ..)| *version > floor);
        self.note("retention", "");
    }

    pub(crate) fn note(&mut self, kind: &'static str, user: &str) -> i64 {
        self.version += 1;
        self.log.push((self.version, kind, user.to_owned()));
        self.version
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Message> {
        self.messages
            .iter()
            .find(|message| message.id.as_deref() == Some(id))
    }

    pub(crate) fn post(
        &mut self,
        author: &str,
        id: Option<&str>,
        body: &str,
        created_at: String,
    ) -> (i64, i64) {
        self.version += 1;
        self.last_seq += 1;
        self.messages.push(Message {
            seq: self.last_seq,
            version: self.version,
            made: self.version,
            author: author.to_owned(),
            id: id.map(str::to_owned),
            body: body.to_owned(),
            state: "complete",
            created_at,
            reply: None,
            text_version: self.version,
            edited: false,
            deleted: false,
            reactions: Vec::new(),
            pinned: None,
            change: None,
        });
        (self.last_seq, self.version)
    }

    /// A reply to a prompt, in the same commit.
    pub(crate) fn reply(&mut self, prompt: i64, created_at: String) -> i64 {
        let (seq, version) = self.post("assistant", None, "", created_at);
        let message = self.messages.last_mut().unwrap();
        (message.state, message.reply) = ("queued", Some((prompt, 0)));
        self.replies.push((seq, prompt));
        self.running.insert(
            seq,
            Running {
                attempt: 1,
                queued: version,
                chunks: Vec::new(),
            },
        );
        seq
    }

    pub(crate) fn message(&mut self, seq: i64) -> &mut Message {
        self.messages
            .iter_mut()
            .find(|message| message.seq == seq)
            .unwrap()
    }

    pub(crate) fn settle(&mut self, seq: i64, state: &'static str) {
        let running = self.running.remove(&seq).unwrap();
        self.version += 1;
        let version = self.version;
        let mut body = running.chunks.concat();
        if state == "interrupted" && running.chunks.len() > 1 {
            body = running.chunks[..running.chunks.len() - 1].concat();
        }
        let message = self.message(seq);
        (message.version, message.change) = (version, None);
        (message.state, message.body) = (state, body);
        let (prompt, _) = message.reply.unwrap();
        message.reply = Some((prompt, running.attempt));
    }

    pub(crate) fn edit(&mut self, seq: i64, body: String) -> i64 {
        self.version += 1;
        let version = self.version;
        let message = self.message(seq);
        (message.version, message.text_version) = (version, version);
        (message.body, message.edited, message.change) = (body, true, None);
        version
    }

    pub(crate) fn delete(&mut self, seq: i64) -> i64 {
        self.version += 1;
        let version = self.version;
        let message = self.message(seq);
        (message.version, message.text_version) = (version, version);
        (message.body, message.edited, message.change) = (String::new(), false, None);
        (message.deleted, message.pinned) = (true, None);
        message.reactions.clear();
        version
    }

    pub(crate) fn has_reacted(&mut self, seq: i64, emoji: &str, user: &str) -> bool {
        let mut kinds = self.message(seq).reactions.iter();
        kinds.any(|(kind, users)| kind == emoji && users.iter().any(|known| known == user))
    }

    /// A reaction comes, or goes when it is there.
    pub(crate) fn react(&mut self, seq: i64, emoji: &str, user: &str) -> i64 {
        self.version += 1;
        let version = self.version;
        let goes = self.has_reacted(seq, emoji, user);
        let message = self.message(seq);
        if !message.reactions.iter().any(|(kind, _)| kind == emoji) {
            message.reactions.push((emoji.to_owned(), Vec::new()));
        }
        let kinds = &mut message.reactions;
        let (_, users) = kinds.iter_mut().find(|(kind, _)| kind == emoji).unwrap();
        let word = if goes { "removed" } else { "added" };
        if goes {
            users.retain(|known| known != user);
        } else {
            users.push(user.to_owned());
        }
        let mut reaction = json!({"emoji": emoji, "count": users.len()});
        reaction[word] = json!(user);
        kinds.retain(|(_, users)| !users.is_empty());
        message.marked(version, json!({"reaction": reaction}))
    }

    /// A pin comes, or goes when it is there.
    pub(crate) fn pin(&mut self, seq: i64, user: &str) -> i64 {
        self.version += 1;
        let version = self.version;
        let message = self.message(seq);
        let pinned = match message.pinned.take() {
            Some(_) => Value::Null,
            None => {
                message.pinned = Some(user.to_owned());
                json!({"at": message.created_at, "by": user})
            }
        };
        message.marked(version, json!({"pinned": pinned}))
    }

    /// Puts a settled reply back to the beginning.
    pub(crate) fn retry(&mut self, seq: i64) -> i64 {
        self.version += 1;
        let version = self.version;
        let message = self.message(seq);
        (message.version, message.change) = (version, None);
        (message.state, message.body) = ("queued", String::new());
        let attempt = message.reply.unwrap().1 + 1;
        self.running.insert(
            seq,
            Running {
                attempt,
                queued: version,
                chunks: Vec::new(),
            },
        );
        version
    }
}
