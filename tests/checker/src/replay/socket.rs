//! One socket by the rule of the cursor. What the rule lets a client mend by joining again is still the server's breach of
//! P3 when the socket was joined and in step: it is promised the stream, not a way to repair it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::ends::Leave;
use super::facts::Facts;
use super::pages::Asked;
use super::text::{Texts, Took};
use super::{Book, Changed, Held, Replay, Standing, State};
use crate::frame::Seen;
use crate::history::{Event, History, Socket};
use crate::message::{MarkChange, Message};
use crate::names::Name;
use crate::report::{Check, Report};

/// A join without an answer yet.
#[derive(Clone, Copy)]
pub(super) struct Pending {
    pub(super) reference: Option<Name>,
    pub(super) after: Option<i64>,
    pub(super) epoch: Option<Name>,
    pub(super) t: u64,
    pub(super) line: u32,
}

/// One room on the socket.
pub(super) struct Place {
    pub(super) state: State,
    pub(super) pending: Vec<Pending>,
    pub(super) epoch: Option<Name>,
    pub(super) cursor: i64,
    pub(super) proof: i64,
    pub(super) texts: Texts,
    /// Messages whose tombstone it was shown, with the line.
    gone: HashMap<i64, u32>,
    /// The last leave.
    pub(super) leave: Leave,
    /// Pages of history without an answer yet.
    pub(super) asked: Vec<Asked>,
    /// How often it was given the room anew: what was asked for before is not of what it holds.
    pub(super) resets: u64,
    /// The line that set the cursor.
    pub(super) line: u32,
    pub(super) t: u64,
}

/// A frame with a version.
#[derive(Clone, Copy)]
struct Versioned<'a> {
    room: Name,
    version: i64,
    prev: i64,
    message: Option<&'a Message>,
    /// Of a message, what alone changed, and its seq.
    change: Option<(i64, &'a MarkChange)>,
}

/// The sockets of one client under replay, of which one is at hand.
pub(super) struct SocketReplay<'a> {
    pub(super) history: &'a History,
    pub(super) facts: &'a Facts,
    pub(super) report: &'a mut Report,
    pub(super) replay: &'a mut Replay,
    pub(super) client: usize,
    pub(super) user: Option<Name>,
    pub(super) who: &'a str,
    /// The rooms on the socket at hand.
    pub(super) places: HashMap<Name, Place>,
}

impl<'a> Versioned<'a> {
    /// Of a frame that has a version, if it is one.
    fn of(seen: &'a Seen) -> Option<Self> {
        let of = |room: Name, version, prev| Versioned {
            room,
            version,
            prev,
            message: None,
            change: None,
        };
        Some(match seen {
            Seen::Message {
                room,
                version,
                prev,
                message,
            } => Versioned {
                message: Some(message),
                ..of(*room, *version, *prev)
            },
            Seen::Partial {
                room,
                version,
                prev,
                seq,
                change,
            } => Versioned {
                change: Some((*seq, change)),
                ..of(*room, *version, *prev)
            },
            Seen::Changed {
                room,
                version,
                prev,
                ..
            } => of(*room, *version, *prev),
            _ => return None,
        })
    }
}

impl Place {
    fn new() -> Self {
        Self {
            state: State::Never,
            pending: Vec::new(),
            epoch: None,
            cursor: 0,
            proof: 0,
            texts: Texts::default(),
            gone: HashMap::new(),
            leave: Leave::default(),
            asked: Vec::new(),
            resets: 0,
            line: 0,
            t: 0,
        }
    }
}

impl<'a> SocketReplay<'a> {
    pub(super) fn new(
        history: &'a History,
        facts: &'a Facts,
        report: &'a mut Report,
        replay: &'a mut Replay,
        client: usize,
    ) -> Self {
        let who = history.clients.get(client);
        Self {
            history,
            facts,
            report,
            replay,
            client,
            user: who.and_then(|client| client.user),
            who: history.names.optional(who.map(|client| client.name)),
            places: HashMap::new(),
        }
    }

    /// From the first frame to the last, over all sockets as time went: they share what the client holds, so what one was told
    /// builds on what came before on any other. Within a socket the order is the file's.
    pub(super) fn run(mut self, sockets: &[(usize, &'a Socket)]) {
        let mut places: Vec<HashMap<Name, Place>> = Vec::new();
        let mut rest = Vec::new();
        let mut next = BinaryHeap::new();
        for (at, (_, socket)) in sockets.iter().enumerate() {
            let mut events = socket.events.iter().peekable();
            next.extend(
                events
                    .peek()
                    .map(|event| Reverse((event.t, event.line, at))),
            );
            rest.push(events);
            places.push(HashMap::new());
        }
        while let Some(Reverse((_, _, at))) = next.pop() {
            let (Some(events), Some(own)) = (rest.get_mut(at), places.get_mut(at)) else {
                continue;
            };
            std::mem::swap(&mut self.places, own);
            if let Some(event) = events.next() {
                self.event(event);
            }
            std::mem::swap(&mut self.places, own);
            next.extend(
                events
                    .peek()
                    .map(|event| Reverse((event.t, event.line, at))),
            );
        }
        for ((index, _), places) in sockets.iter().zip(places) {
            self.ended(*index, places);
        }
    }

    /// Where a socket stood in the end.
    fn ended(&mut self, socket: usize, places: HashMap<Name, Place>) {
        for (room, place) in places {
            self.replay.standings.push(Standing {
                socket,
                client: self.client,
                room,
                state: place.state,
                epoch: place.epoch,
                cursor: place.cursor,
                proof: place.proof,
                line: place.line,
                t: place.t,
            });
        }
    }

    pub(super) fn place(&mut self, room: Name) -> &mut Place {
        self.places.entry(room).or_insert_with(Place::new)
    }

    /// What the client holds of the room as this socket has joined it.
    pub(super) fn book(&mut self, room: Name) -> &mut Book {
        let epoch = self.place(room).epoch;
        let key = (self.client, room, epoch);
        self.replay.books.entry(key).or_default()
    }

    pub(super) fn slug(&self, room: Name) -> &'a str {
        self.history.names.text(room)
    }

    fn event(&mut self, event: &Event) {
        if let Some(frame) = Versioned::of(&event.seen) {
            return self.versioned(frame, event);
        }
        match &event.seen {
            Seen::Join {
                room,
                reference,
                after,
                epoch,
            } => {
                let pending = Pending {
                    reference: *reference,
                    after: *after,
                    epoch: *epoch,
                    t: event.t,
                    line: event.line,
                };
                self.join(*room, pending);
            }
            Seen::Leave { room, reference } => {
                let place = self.place(*room);
                (place.state, place.line, place.t) = (State::Left, event.line, event.t);
                place.leave = Leave {
                    line: event.line,
                    reference: *reference,
                    answered: None,
                };
            }
            Seen::Done { reference } => self.leave_done(*reference, event),
            Seen::Ask { .. } => self.page_asked(event),
            Seen::Joined(joined) => self.joined(joined, event),
            Seen::Removed { room, version } => self.removed(*room, *version, event),
            Seen::Delta { .. } => self.delta(event),
            Seen::Page { .. } => self.page(event),
            Seen::Error {
                room,
                reference,
                code,
            } => self.refused(*room, *reference, *code, event),
            _ => {}
        }
    }

    fn versioned(&mut self, frame: Versioned<'_>, event: &Event) {
        let (room, who) = (frame.room, self.who);
        let (state, pending) = {
            let place = self.place(room);
            (place.state, !place.pending.is_empty())
        };
        match state {
            State::Removed => self.after_removal(room, event, "a version"),
            State::Never | State::Refused => {
                let slug = self.slug(room);
                self.report.add(Check::C3, &[event.line], || {
                    let version = frame.version;
                    format!(
                        "{who} got version {version} of {slug} on a socket that had not joined it"
                    )
                });
            }
            State::Joined if !pending => self.in_step(frame, event),
            State::Left => self.after_leave(room, event, "a version"),
            State::Joined | State::Deaf => self.replay.ignored += 1,
        }
    }

    /// A frame for a socket that is joined and in step.
    fn in_step(&mut self, frame: Versioned<'_>, event: &Event) {
        let (room, version, who) = (frame.room, frame.version, self.who);
        let slug = self.slug(room);
        let place = self.place(room);
        let (cursor, proof, before) = (place.cursor, place.proof, place.line);
        // The removal itself comes to the removed as `room.removed`, so its version as a change is one too many.
        let below = if frame.message.is_none() && frame.change.is_none() {
            version.saturating_add(1)
        } else {
            version
        };
        if let Some((removal, line)) = self.facts.removed_between(room, self.user, proof, below) {
            self.report.add(Check::C9, &[before, event.line, line], || {
                format!("{who} got version {version} of {slug}, above its removal at {removal}")
            });
        }
        if version <= cursor {
            let seen = self
                .replay
                .duplicates
                .entry(self.client)
                .or_insert((0, event.line));
            seen.0 += 1;
            return;
        }
        if frame.prev > cursor {
            self.place(room).state = State::Deaf;
            self.report.add(Check::C3, &[before, event.line], || {
                let prev = frame.prev;
                format!("{who} stood at {cursor} in {slug} and got version {version} after {prev}: a hole")
            });
            return;
        }
        self.nothing_between(room, cursor, version, &[before, event.line]);
        *self.replay.applied.entry(self.client).or_default() += 1;
        self.move_to(room, version, event);
        if let Some(message) = frame.message {
            if let Some(acked) = self.facts.acked.get(&(room, message.seq))
                && !message.is_reply
            {
                self.replay.delivery.push(event.t.saturating_sub(*acked));
            }
            self.shown_once(room, message, event);
            self.hold(room, message, event.line, event.line);
            self.settle(room, message, event);
        }
        if let Some((seq, change)) = frame.change {
            self.marked(room, (seq, version), change, event.line);
        }
    }

    /// What changed about a message that is held; of another it tells nothing.
    pub(super) fn marked(
        &mut self,
        room: Name,
        (seq, version): (i64, i64),
        change: &MarkChange,
        line: u32,
    ) {
        let epoch = self.place(room).epoch;
        let book = self.book(room);
        let Some(held) = book.held.get_mut(&seq) else {
            // Kept for the pages that are on their way: one may show the message.
            for asked in &mut self.place(room).asked {
                asked.missed.push((seq, version, change.clone(), line));
            }
            return;
        };
        if held.version >= version {
            return;
        }
        let base = std::mem::replace(&mut held.line, line);
        held.version = version;
        held.marks.apply(change);
        let (digest, marks) = (held.digest, held.marks.clone());
        self.replay.partials.push(Changed {
            room,
            epoch,
            seq,
            version,
            digest,
            marks,
            base,
            line,
        });
    }

    /// Versions that a frame passes over must all have been superseded: none of them stands at the end.
    pub(super) fn nothing_between(&mut self, room: Name, above: i64, below: i64, lines: &[u32]) {
        let epoch = self.place(room).epoch;
        let Some(stored) = self.history.rooms.get(&room) else {
            return;
        };
        if stored.head.is_none_or(|head| Some(head.epoch) != epoch) {
            return;
        }
        let Some((missed, line)) = stored.standing_between(above, below) else {
            return;
        };
        let (who, slug) = (self.who, self.slug(room));
        let lines: Vec<u32> = lines.iter().copied().chain([line]).collect();
        self.report.add(Check::C3, &lines, || {
            format!("{who} was brought from {above} in {slug} past version {missed}, which stands to the end")
        });
    }

    /// The cursor is now `version`.
    pub(super) fn move_to(&mut self, room: Name, version: i64, event: &Event) {
        let place = self.place(room);
        (place.cursor, place.line, place.t) = (version, event.line, event.t);
        let epoch = place.epoch;
        let head = self.history.rooms.get(&room).and_then(|stored| stored.head);
        let book = self.book(room);
        book.top = book.top.max(version);
        if head.is_some_and(|head| Some(head.epoch) == epoch && version >= head.version) {
            book.reached = Some(book.reached.map_or(event.t, |reached| reached.min(event.t)));
        }
    }

    /// C4: a message of a person changes only by hand; the same one at a new version is shown twice.
    fn shown_once(&mut self, room: Name, message: &Message, event: &Event) {
        let book = self.book(room);
        let Some(held) = book.held.get(&message.seq).cloned() else {
            return;
        };
        // A mark that came and went leaves it as it was.
        let same = held.digest == message.digest
            && held.version < message.version
            && !self.facts.marked.contains(&(room, message.seq));
        if same && !message.is_reply && !message.altered {
            let (who, slug, seq) = (self.who, self.slug(room), message.seq);
            self.report.add(Check::C4, &[held.line, event.line], || {
                let (first, second) = (held.version, message.version);
                format!("{who} was shown message {seq} of {slug} twice: at version {first} and, unchanged, at {second}")
            });
        }
    }

    /// Upsert by seq: the highest version wins. What was asked for in the line `since` may be as old as that.
    pub(super) fn hold(&mut self, room: Name, message: &Message, line: u32, since: u32) {
        self.gone_for_good(room, message, line, since);
        let book = self.book(room);
        let new = Held {
            version: message.version,
            digest: message.digest,
            marks: message.marks.clone(),
            line,
        };
        let held = book.held.entry(message.seq).or_insert_with(|| new.clone());
        if held.version < message.version {
            *held = new;
        }
    }

    /// No socket is shown what a message said after its tombstone.
    fn gone_for_good(&mut self, room: Name, message: &Message, line: u32, since: u32) {
        let (who, slug, seq) = (self.who, self.slug(room), message.seq);
        let place = self.place(room);
        if message.deleted {
            place.gone.insert(seq, line);
        } else if let Some(before) = place.gone.get(&seq).copied().filter(|gone| *gone < since) {
            self.report.add(Check::C9, &[before, line], || {
                format!("{who} was shown the text of message {seq} of {slug} after its tombstone")
            });
        }
    }

    fn settle(&mut self, room: Name, message: &Message, event: &Event) {
        if !message.is_reply {
            return;
        }
        let (history, facts, slug) = (self.history, self.facts, self.slug(room));
        let place = self.place(room);
        match place.texts.message(history, facts, room, message, event) {
            Ok(short) => self.replay.short_replies += u64::from(short),
            Err((lines, said)) => {
                let who = self.who;
                self.report
                    .add(Check::C10, &lines, || format!("{who} in {slug}: {said}"));
            }
        }
    }

    fn delta(&mut self, event: &Event) {
        let Seen::Delta { room, seq, .. } = event.seen else {
            return;
        };
        let (who, slug, history) = (self.who, self.slug(room), self.history);
        let place = self.place(room);
        match (place.state, place.pending.is_empty()) {
            (State::Removed, _) => self.after_removal(room, event, "a delta"),
            (State::Joined, true) => match place.texts.delta(history, event) {
                Ok(Took::Unknown) => self.replay.unknown_deltas += 1,
                Ok(Took::Known) => {}
                Err((line, said)) => self.report.add(Check::C10, &[line, event.line], || {
                    format!("{who}, reply {seq} of {slug}: {said}")
                }),
            },
            (State::Never | State::Refused, _) => {
                self.report.add(Check::C3, &[event.line], || {
                    format!("{who} got a delta of {slug} on a socket that had not joined it")
                });
            }
            (State::Left, _) => self.after_leave(room, event, "a delta"),
            (State::Joined | State::Deaf, _) => {}
        }
    }
}
