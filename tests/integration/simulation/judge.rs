//! The end of a simulation: everything broken is mended, and within a bound of simulated time everybody has everything.
//! Safety is judged as each frame comes (see [`super::book`]) and once more here, over all that was written.

use std::collections::BTreeMap;

use salon::db::rows::{LogKind, MessageState, ReplyState, StoredChange};
use salon::ids::Seq;

use super::book::{Book, Standing};
use super::world::World;
use super::{Check, fail};
use crate::support::model_store::{Change, Room, Tables};

/// From the last fault to where everybody has everything: a reply's lease has to run out, be seen so twice, and settle.
const BOUND_MS: u64 = 25_000;
/// A session's end is seen so soon, Redis or not, and some for the frame under way (P7).
const SIGNED_OUT_MS: u64 = 5_500;

impl World {
    /// Mends everything and demands that all comes right.
    pub(super) fn heal(&mut self) -> Check {
        self.trace.note(format_args!("everything is mended"));
        self.database.heal();
        self.wire.heal();
        let now = self.trace.now_ms;
        for place in &mut self.places {
            place.down_until = place.down_until.min(now);
            place.frozen_until = place.frozen_until.min(now);
            place.cut_until = place.cut_until.min(now);
        }
        if self.dice.chance(0.4) {
            // Correctness never rests on the wire (P6): it is dead from now on.
            self.trace.note(format_args!("nobody hears anybody"));
            for (number, place) in self.places.iter_mut().enumerate() {
                self.wire.cut(number);
                place.cut_until = u64::MAX;
            }
        }
        for client in &mut self.clients {
            client.connect_at = client.connect_at.min(now);
            client.deaf_until = client.deaf_until.min(now);
        }
        for _ in 0..BOUND_MS / 20 {
            self.pass(20)?;
            if self.unsettled().is_none() {
                return self.judge();
            }
        }
        let unsettled = self.unsettled().unwrap_or_default();
        fail(format!("after {BOUND_MS} ms of peace: {unsettled}"))
    }

    /// What is not yet as it should be in the end.
    fn unsettled(&self) -> Option<String> {
        let tables = self.database.model.tables();
        for room in &self.rooms {
            let room = &tables.rooms[&room.id];
            let mut replies = room.replies.iter();
            if let Some((seq, reply)) =
                replies.find(|(_, reply)| reply.state != ReplyState::Settled)
            {
                return Some(format!("reply {seq} of {} is {reply:?}", room.row.slug));
            }
        }
        for client in &self.clients {
            for book in &client.books {
                let room = &tables.rooms[&book.room.id];
                let (number, slug) = (client.number, &room.row.slug);
                if !room.members.contains_key(&book.user) {
                    continue;
                }
                if book.standing != Standing::Joined || book.cursor != room.head.version {
                    return Some(format!(
                        "client {number} is {:?} in {slug} at {} of {}",
                        book.standing, book.cursor, room.head.version
                    ));
                }
                if let Some(pending) = book.pending.front() {
                    return Some(format!("client {number} waits for {pending:?} in {slug}"));
                }
            }
        }
        let sockets: usize = self
            .places
            .iter()
            .flat_map(|place| &place.node)
            .map(|node| node.sockets())
            .sum();
        let open = self
            .clients
            .iter()
            .filter(|client| client.socket.is_some())
            .count();
        (sockets != open)
            .then(|| format!("{open} sockets are open, and the instances hold {sockets}"))
    }

    /// Whoever was signed out gets nothing any more (P7).
    pub(super) fn look_at_sessions(&mut self) -> Check {
        let now = self.trace.now_ms;
        let (troubled_until, ended) = (self.troubled_until, &mut self.ended);
        for client in &self.clients {
            let Some(socket) = &client.socket else {
                continue;
            };
            let session = ended.iter().find(|(session, _)| *session == socket.session);
            let Some((_, ended_at)) = session else {
                continue;
            };
            let runs = self.places[socket.node].node.is_some();
            // A client that reads nothing does not see the close either.
            let since = (*ended_at).max(troubled_until).max(client.deaf_until);
            if runs && now > since + SIGNED_OUT_MS {
                return fail(format!(
                    "client {} was signed out at {ended_at} ms and is still there",
                    client.number
                ));
            }
        }
        Ok(())
    }

    fn judge(&self) -> Check {
        let tables = self.database.model.tables();
        for room in &self.rooms {
            whole(&tables.rooms[&room.id])?;
        }
        for client in &self.clients {
            for book in &client.books {
                let judged = judge_book(book, &tables);
                judged.or_else(|why| fail(format!("client {}: {why}", client.number)))?;
            }
        }
        Ok(())
    }
}

/// P2 and P8: no holes, no version twice, one ending for each prompt and retry.
fn whole(room: &Room) -> Check {
    if let Some(banned) = room
        .bans
        .keys()
        .find(|user| room.members.contains_key(user))
    {
        return fail(format!("{banned} is banned and a member"));
    }
    let seqs: Vec<Seq> = room.messages.keys().copied().collect();
    if !seqs.iter().copied().eq(1..=room.head.last_seq) {
        return fail(format!("seqs with a hole: {seqs:?}"));
    }
    let versions = room.written.iter().map(StoredChange::version);
    if !versions.eq(1..=room.head.version) {
        return fail("versions with a hole".to_owned());
    }
    let times: Vec<_> = room
        .messages
        .values()
        .map(|message| message.row.created_at)
        .collect();
    if !times.is_sorted() {
        return fail("times go back".to_owned());
    }
    let mut prompts: BTreeMap<Seq, Seq> = BTreeMap::new();
    for (seq, reply) in &room.replies {
        if let Some(other) = prompts.insert(reply.prompt_seq, *seq) {
            return fail(format!("replies {other} and {seq} to one prompt"));
        }
    }
    let mut running = BTreeMap::new();
    for change in &room.written {
        let StoredChange::Message(row) = change else {
            continue;
        };
        if row.meta.reply.is_none() {
            continue;
        }
        let runs = row.state == MessageState::Queued;
        // What is done to it once it has ended is no second ending, and no text is another one's.
        let variants = row.meta.reply.as_ref().and_then(|reply| reply.variants);
        let stands = (runs, &row.marks, row.deleted_at, variants);
        if running.insert(row.seq, stands) == Some(stands) {
            return fail(format!("reply {} began or ended twice", row.seq));
        }
    }
    let superseded = room
        .changes
        .values()
        .filter(|change| matches!(change, Change::Message(_)));
    match superseded.count() == room.messages.len() {
        true => Ok(()),
        false => fail("a message at two versions".to_owned()),
    }
}

/// P3, P4, P10: what one client holds, and what became of what it sent.
fn judge_book(book: &Book, tables: &Tables) -> Check {
    let room = &tables.rooms[&book.room.id];
    if room.members.contains_key(&book.user) {
        for (seq, message) in room.messages.range(book.window..) {
            if book.held.get(seq) != Some(&message.row.version) {
                return fail(format!(
                    "holds {:?} of {:?}",
                    book.held.get(seq),
                    message.row
                ));
            }
        }
    }
    let own = room
        .messages
        .values()
        .filter(|message| message.row.author.id == book.user);
    let mut stored: BTreeMap<_, Seq> = BTreeMap::new();
    for message in own {
        let client_id = message.row.client_id.unwrap();
        if let Some(other) = stored.insert(client_id, message.row.seq) {
            return fail(format!(
                "{client_id} is stored at {other} and {}",
                message.row.seq
            ));
        }
    }
    for (client_id, seq) in &book.acked {
        if stored.get(client_id) != Some(seq) {
            return fail(format!(
                "{client_id} was accepted at {seq} and is not there"
            ));
        }
    }
    if let Some(seen) = book
        .refused
        .iter()
        .find(|refused| stored.contains_key(refused))
    {
        return fail(format!("{seen} was refused, and is there"));
    }
    let order: Vec<Seq> = book
        .submitted
        .iter()
        .filter_map(|id| stored.get(id).copied())
        .collect();
    // Where somebody is removed and added again, a send that was refused for good on a socket that was lost may be taken
    // on the next one, after those behind it.
    let was_removed = room.written.iter().any(|change| match change {
        StoredChange::Log(log) => {
            log.kind == LogKind::Removed
                && log.user.as_ref().is_some_and(|user| user.id == book.user)
        }
        StoredChange::Message(_) => false,
    });
    match order.is_sorted() || was_removed {
        true => Ok(()),
        false => fail(format!("sent in this order: {order:?}")),
    }
}
