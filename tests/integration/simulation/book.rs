//! What a simulated client holds of one room by the rules of the wire, and the judge of every frame as it comes: each
//! is held against the database itself, so what a server that keeps its promises would never send is found at once.

use std::collections::{BTreeMap, VecDeque};

use salon::db::rows::{LogKind, MessageRow, StoredChange};
use salon::ids::{ClientId, RoomRef, Seq, UserId, Version};
use serde_json::Value;

use super::same::{list, number, same_log, same_message, text};
use super::{Check, fail};
use crate::support::model_store::Room;
use crate::support::partial;

/// Where the client stands with the room on its present socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// Not joined; to be joined then. Whether it had been joined on this socket before.
    Out { join_at: u64, again: bool },
    /// Asked to join, then; whether it had been joined on this socket before.
    Joining { since: u64, again: bool },
    /// Joined.
    Joined,
}

/// A reply that grows.
#[derive(Default, Debug)]
struct Growing {
    attempt: i64,
    chunks: i64,
    text: String,
}

/// A send without an answer.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) client_id: ClientId,
    pub(super) body: String,
    /// When it went out on this socket since the last refusal.
    pub(super) sent_at: Option<u64>,
    /// How often it went out at all.
    pub(super) tries: u32,
    /// The highest seq that anybody had been told before it was asked for.
    pub(super) above: Seq,
}

/// All of one room.
pub(super) struct Book {
    pub(super) room: RoomRef,
    pub(super) user: UserId,
    pub(super) standing: Standing,
    pub(super) epoch: Option<String>,
    pub(super) cursor: Version,
    /// Where the first page began: what is older comes only when it changes.
    pub(super) window: Seq,
    /// The version of each message held.
    pub(super) held: BTreeMap<Seq, Version>,
    /// Each of them, as it is there.
    messages: BTreeMap<Seq, Value>,
    growing: BTreeMap<Seq, Growing>,
    pub(super) pending: VecDeque<Pending>,
    /// A copy of a message that had been accepted was refused while a join was under way, which does not lift it: the
    /// server waits for a send that nobody owes.
    pub(super) held_by_copy: bool,
    pub(super) resend_at: Option<u64>,
    /// Every send, in the order it was asked for.
    pub(super) submitted: Vec<ClientId>,
    pub(super) acked: BTreeMap<ClientId, Seq>,
    /// Sends that were refused for good at their only try.
    pub(super) refused: Vec<ClientId>,
    /// Sends of which one try of several was refused for good.
    given_up: Vec<ClientId>,
    /// Removals of this user, as far as the room's changes were looked through.
    removals: Vec<Version>,
    looked_through: usize,
}

impl Book {
    pub(super) fn new(room: RoomRef, user: UserId) -> Self {
        Self {
            room,
            user,
            standing: Standing::Out {
                join_at: 0,
                again: false,
            },
            epoch: None,
            cursor: 0,
            window: 1,
            held: BTreeMap::new(),
            messages: BTreeMap::new(),
            growing: BTreeMap::new(),
            pending: VecDeque::new(),
            held_by_copy: false,
            resend_at: None,
            submitted: Vec::new(),
            acked: BTreeMap::new(),
            refused: Vec::new(),
            given_up: Vec::new(),
            removals: Vec::new(),
            looked_through: 0,
        }
    }

    /// The socket is gone.
    pub(super) fn disconnected(&mut self) {
        self.standing = Standing::Out {
            join_at: 0,
            again: false,
        };
        self.resend_at = None;
        for pending in &mut self.pending {
            pending.sent_at = None;
        }
    }

    /// The last frame of a subscription; a join under way goes on.
    pub(super) fn removed(&mut self, join_at: u64) {
        self.standing = match self.standing {
            Standing::Joining { since, .. } => Standing::Joining {
                since,
                again: false,
            },
            _ => Standing::Out {
                join_at,
                again: false,
            },
        };
    }

    /// The answer to a join.
    pub(super) fn joined(&mut self, frame: &Value, truth: &Room) -> Check {
        if !matches!(self.standing, Standing::Joining { .. }) {
            return fail(format!("joined without being asked: {frame}"));
        }
        if !frame["reset"].is_null() {
            return fail(format!("a reset for no reason: {frame}"));
        }
        let version = number(&frame["room"]["version"]);
        let head = number(&frame["head"]);
        if self.epoch.is_some() && version != self.cursor {
            return fail(format!("joined at {version}, not at {}", self.cursor));
        }
        if head > truth.head.version || version > head {
            return fail(format!("joined at {version} of {}", head));
        }
        self.standing = Standing::Joined;
        let first = self.epoch.is_none();
        self.epoch = Some(text(&frame["epoch"]).to_owned());
        self.cursor = version;
        let messages = list(&frame["messages"]);
        for message in messages {
            let told = number(&message["version"]);
            if told > version {
                return fail(format!("a page at {version} with {message}"));
            }
            self.may_see(told, truth)?;
            same_message(message, truth)?;
            self.upsert(message)?;
        }
        if first {
            self.window = self.held.first_key_value().map_or(1, |(seq, _)| *seq);
            self.page_is_whole(truth)?;
        }
        let told = list(&frame["replies"]);
        for (seq, growing) in &mut self.growing {
            // Held from nothing, where this instance does not know of the reply yet.
            if !told.iter().any(|reply| reply["seq"] == *seq) {
                growing.chunks = 0;
                growing.text.clear();
            }
        }
        for reply in told {
            self.running(reply)?;
        }
        Ok(())
    }

    /// The page is the room as it was at the cursor.
    fn page_is_whole(&self, truth: &Room) -> Check {
        for (seq, message) in truth.messages.range(self.window..) {
            let version = message.row.version;
            if version <= self.cursor && self.held.get(seq) != Some(&version) {
                return fail(format!("a page without message {seq} at {version}"));
            }
        }
        Ok(())
    }

    /// A reply as a join tells it: the text of one attempt only grows, whoever tells it.
    fn running(&mut self, reply: &Value) -> Check {
        let (seq, attempt) = (number(&reply["seq"]), number(&reply["attempt"]));
        let growing = self.growing.entry(seq).or_default();
        let Some(body) = reply["body"].as_str() else {
            *growing = Growing {
                attempt,
                ..Growing::default()
            };
            return Ok(());
        };
        let grown = body.starts_with(&growing.text) || growing.text.starts_with(body);
        if growing.attempt == attempt && !grown {
            return fail(format!("held {:?}, joined at {reply}", growing.text));
        }
        *growing = Growing {
            attempt,
            chunks: number(&reply["chunks"]),
            text: body.to_owned(),
        };
        Ok(())
    }

    /// `message` and `room.changed`.
    pub(super) fn versioned(&mut self, frame: &Value, truth: &Room) -> Check {
        match self.standing {
            Standing::Joined => {}
            Standing::Joining { again: true, .. } | Standing::Out { again: true, .. } => {
                return Ok(());
            }
            _ => return fail(format!("not joined, and got {frame}")),
        }
        let (version, prev) = (number(&frame["version"]), number(&frame["prev"]));
        if version <= self.cursor {
            return fail(format!("at {} already, and got {frame}", self.cursor));
        }
        if prev > self.cursor {
            return fail(format!("at {} still, and got {frame}", self.cursor));
        }
        let mut passed_over = truth.changes.range(self.cursor + 1..version);
        if let Some((passed_over, _)) = passed_over.next() {
            return fail(format!("version {passed_over} was passed over by {frame}"));
        }
        self.may_see(version, truth)?;
        self.cursor = version;
        if frame["partial"] == true {
            return self.partial(&frame["message"], truth);
        }
        match frame["message"].is_object() {
            true => {
                same_message(&frame["message"], truth)?;
                self.upsert(&frame["message"])
            }
            false => same_log(frame, truth),
        }
    }

    /// What alone changed: with it, what is held must be what was written. Of what is not held it tells nothing.
    fn partial(&mut self, change: &Value, truth: &Room) -> Check {
        let (seq, version) = (number(&change["seq"]), number(&change["version"]));
        let held = self
            .messages
            .get(&seq)
            .filter(|held| number(&held["version"]) < version);
        let Some(mut message) = held.cloned() else {
            return Ok(());
        };
        partial::apply(&mut message, change);
        same_message(&message, truth)?;
        self.upsert(&message)
    }

    /// P7: nothing above a removal.
    fn may_see(&mut self, version: Version, truth: &Room) -> Check {
        for change in &truth.written[self.looked_through..] {
            if let StoredChange::Log(log) = change
                && log.kind == LogKind::Removed
                && log.user.as_ref().is_some_and(|user| user.id == self.user)
            {
                self.removals.push(log.version);
            }
        }
        self.looked_through = truth.written.len();
        // Whoever was added again may see what lies between, once it has proved so.
        match self.removals.last() {
            Some(removed) if *removed <= version && !truth.members.contains_key(&self.user) => {
                fail(format!("removed at {removed}, and sees {version}"))
            }
            _ => Ok(()),
        }
    }

    fn upsert(&mut self, message: &Value) -> Check {
        let (seq, version) = (number(&message["seq"]), number(&message["version"]));
        if self.held.get(&seq).is_some_and(|held| *held >= version) {
            return Ok(());
        }
        self.held.insert(seq, version);
        self.messages.insert(seq, message.clone());
        if message["kind"] == "assistant" {
            self.reply(seq, message)?;
        }
        Ok(())
    }

    /// A reply's message: queued (its attempts so far are over) or settled (P9).
    fn reply(&mut self, seq: Seq, message: &Value) -> Check {
        let attempt = number(&message["reply"]["attempt"]);
        if message["state"] == "queued" {
            let growing = self.growing.entry(seq).or_default();
            if growing.attempt <= attempt {
                *growing = Growing {
                    attempt,
                    ..Growing::default()
                };
            }
            return Ok(());
        }
        if message["deleted_at"].is_string() {
            self.growing.remove(&seq);
            return Ok(());
        }
        // What is recent is told as it happened, also when the join told of a later attempt.
        let ended = |growing: &&Growing| growing.attempt <= attempt;
        if self.growing.get(&seq).filter(ended).is_none() {
            return Ok(());
        }
        let growing = self.growing.remove(&seq).unwrap_or_default();
        let (stored, assembled) = (text(&message["body"]), growing.text.as_str());
        let fits = stored.starts_with(assembled)
            || message["state"] == "interrupted" && assembled.starts_with(stored)
            // Tried again, which empties it, and stopped before it began; the version in between was superseded.
            || message["state"] == "stopped" && stored.is_empty();
        match growing.attempt == attempt && !fits {
            true => fail(format!("assembled {assembled:?}, and then came {message}")),
            false => Ok(()),
        }
    }

    /// `reply.delta`.
    pub(super) fn delta(&mut self, frame: &Value) -> Check {
        match self.standing {
            Standing::Joined => {}
            Standing::Joining { again: true, .. } | Standing::Out { again: true, .. } => {
                return Ok(());
            }
            _ => return fail(format!("not joined, and got {frame}")),
        }
        let (seq, attempt) = (number(&frame["seq"]), number(&frame["attempt"]));
        let (first, count) = (number(&frame["chunk"]), number(&frame["count"]));
        let piece = text(&frame["text"]);
        let Some(growing) = self.growing.get_mut(&seq) else {
            // Of an unknown or settled reply: ignored, says the wire.
            return Ok(());
        };
        if attempt < growing.attempt {
            return Ok(());
        }
        if attempt > growing.attempt {
            *growing = Growing {
                attempt,
                ..Growing::default()
            };
        }
        let last = first + count - 1;
        if first == growing.chunks + 1 {
            growing.text.push_str(piece);
        } else if last <= growing.chunks {
            return match growing.text.contains(piece) {
                true => Ok(()),
                false => fail(format!("held {:?}, and got {frame}", growing.text)),
            };
        } else if first == 1 && piece.starts_with(&growing.text) {
            growing.text = piece.to_owned();
        } else {
            return fail(format!("at chunk {}, and got {frame}", growing.chunks));
        }
        growing.chunks = last;
        Ok(())
    }

    /// `message.accepted`: P1, P4, P10.
    pub(super) fn accepted(&mut self, frame: &Value, truth: &Room) -> Check {
        let client_id: ClientId = text(&frame["client_id"]).parse().unwrap();
        let seq = number(&frame["seq"]);
        let Some(stored) = truth.messages.get(&seq) else {
            return fail(format!("nothing is stored there: {frame}"));
        };
        if stored.row.client_id != Some(client_id)
            || stored.row.author.id != self.user
            || stored.created_version != number(&frame["version"])
        {
            return fail(format!("{:?} is stored there: {frame}", stored.row));
        }
        if self
            .acked
            .get(&client_id)
            .is_some_and(|before| *before != seq)
        {
            return fail(format!("accepted elsewhere before: {frame}"));
        }
        let place = |pending: &Pending| pending.client_id == client_id;
        if let Some(place) = self.pending.iter().position(place) {
            let pending = self.pending.remove(place).unwrap();
            if seq <= pending.above {
                return fail(format!(
                    "{} was told before it was sent: {frame}",
                    pending.above
                ));
            }
            let first = usize::try_from(stored.created_version - 1).unwrap();
            if !matches!(&truth.written[first], StoredChange::Message(row) if row.body == pending.body)
            {
                return fail(format!("another text is stored than was sent: {frame}"));
            }
        } else if !self.acked.contains_key(&client_id) && !self.given_up.contains(&client_id) {
            return fail(format!("never sent: {frame}"));
        }
        self.acked.insert(client_id, seq);
        Ok(())
    }

    /// A send that was refused for good: if it went out once only, it must never be seen.
    pub(super) fn refused_for_good(&mut self, client_id: ClientId) {
        let place = self
            .pending
            .iter()
            .position(|pending| pending.client_id == client_id);
        match place.and_then(|place| self.pending.remove(place)) {
            Some(pending) if pending.tries == 1 => self.refused.push(client_id),
            // Another try may be under way, and be taken when the user is a member again.
            Some(_) => self.given_up.push(client_id),
            None => {}
        }
    }

    /// A send that may work later: all that is pending goes out again, in order, then. One that had been answered before
    /// is not sent a third time: joining again clears its way.
    ///
    /// Whatever says that nothing was done must be right (P5): only `outcome_unknown` may be of a message that is stored.
    pub(super) fn refused_for_now(
        &mut self,
        client_id: ClientId,
        code: &str,
        resend_at: u64,
        truth: &Room,
    ) -> Check {
        let mut pending = self.pending.iter();
        let only_try = pending.any(|one| one.client_id == client_id && one.tries == 1);
        let stored =
            |row: &MessageRow| row.client_id == Some(client_id) && row.author.id == self.user;
        if only_try
            && code != "outcome_unknown"
            && truth.messages.values().any(|message| stored(&message.row))
        {
            return fail(format!("{client_id} was refused as {code}, and is stored"));
        }
        let is_copy = self.acked.contains_key(&client_id);
        self.held_by_copy |= is_copy && self.standing != Standing::Joined;
        let first = self.pending.front().map(|pending| pending.client_id);
        let owes_nothing_before = code == "behind" && first == Some(client_id);
        let is_held = is_copy || (self.held_by_copy && owes_nothing_before);
        if is_held && self.standing == Standing::Joined {
            self.held_by_copy = false;
            self.standing = Standing::Out {
                join_at: resend_at,
                again: true,
            };
        }
        self.resend_at.get_or_insert(resend_at);
        Ok(())
    }
}
