//! `room.join` and its answers. A join with a cursor must be served from it, or be told why not (`reset`); the version that
//! `room.joined` gives is where the client stands once it applied `messages`, so nothing below it may be missing.

use super::socket::{Pending, SocketReplay};
use super::{Join, State};
use crate::frame::Joined;
use crate::history::{Event, Stored};
use crate::message::Message;
use crate::names::Name;
use crate::report::Check;

/// Codes of refusals that may pass: such a join goes on.
const PASSING: &[&str] = &[
    "behind",
    "rate_limited",
    "busy",
    "unavailable",
    "shutting_down",
    "outcome_unknown",
];

/// A page that many share may be so old.
const PAGE_SHARED_NS: u64 = 1_000_000_000;

impl SocketReplay<'_> {
    /// A client asks to enter.
    pub(super) fn join(&mut self, room: Name, pending: Pending) {
        if let (Some(after), Some(epoch)) = (pending.after, pending.epoch) {
            let key = (self.client, room, Some(epoch));
            let book = self.replay.books.entry(key).or_default();
            book.named.push((after, pending.line));
        }
        let place = self.place(room);
        let again = place.state == State::Joined;
        place.pending.push(pending);
        self.replay.rejoins += u64::from(again);
    }

    /// A join was refused. One that may pass leaves the socket as deaf as it was.
    pub(super) fn refused(
        &mut self,
        room: Option<Name>,
        reference: Option<Name>,
        code: Name,
        event: &Event,
    ) {
        self.page_refused(reference);
        self.leave_done(reference, event);
        let passing = PASSING.contains(&self.history.names.text(code));
        let Some(reference) = reference else {
            return;
        };
        for (slug, place) in &mut self.places {
            if room.is_some_and(|room| room != *slug) {
                continue;
            }
            let before = place.pending.len();
            place
                .pending
                .retain(|pending| pending.reference != Some(reference));
            if place.pending.len() == before {
                continue;
            }
            (place.line, place.t) = (event.line, event.t);
            place.state = match place.state {
                State::Never if passing => State::Never,
                State::Removed => State::Removed,
                _ if passing => State::Deaf,
                _ => State::Refused,
            };
        }
    }

    /// A room was joined.
    pub(super) fn joined(&mut self, joined: &Joined, event: &Event) {
        let room = joined.room;
        let asked = self.answered(joined);
        let place = self.place(room);
        if asked.is_some_and(|asked| asked.line < place.leave.line) {
            // A leave overtook this join: it is answered, and nothing follows.
            return;
        }
        place.resets += u64::from(joined.reset || asked.is_none_or(|asked| asked.after.is_none()));
        place.state = State::Joined;
        place.epoch = Some(joined.epoch);
        place.proof = joined.head;
        place.texts.rejoined(joined.reset);
        self.replay.joins.push(Join {
            client: self.client,
            room,
            asked: asked.map_or((event.t, event.line), |asked| (asked.t, asked.line)),
            t: event.t,
            line: event.line,
            head: joined.head,
            private: joined.private,
        });
        let book = self.book(room);
        let known = std::mem::replace(&mut book.known, true);
        if joined.reset || !known {
            book.held.clear();
            (book.top, book.reached) = (0, None);
        }
        match asked.and_then(|asked| Some((asked, asked.after?))) {
            Some((asked, after)) if !joined.reset => self.continued(joined, asked, after, event),
            asked => {
                if let Some((asked, after)) = asked {
                    self.needless_reset(joined, asked, after, event);
                }
                self.latest_page(joined, event);
            }
        }
        for message in &joined.messages {
            self.hold(room, message, event.line, event.line);
            let gone = self.facts.gone.get(&(room, message.seq)).copied();
            if let (Some((acked, version, line)), Some(asked)) = (gone, asked)
                && asked.t > acked.saturating_add(PAGE_SHARED_NS)
                && message.version < version
                && !message.deleted
            {
                let (who, slug, seq) = (self.who, self.slug(room), message.seq);
                self.report.add(Check::C9, &[line, event.line], || {
                    format!("{who} joined {slug} after message {seq} was deleted, and was shown its text")
                });
            }
        }
        self.move_to(room, joined.version, event);
        let history = self.history;
        self.place(room).texts.joined(history, joined, event);
    }

    /// The join that this answers; older ones are over too.
    fn answered(&mut self, joined: &Joined) -> Option<Pending> {
        let place = self.place(joined.room);
        let at = place
            .pending
            .iter()
            .position(|pending| pending.reference == joined.reference)?;
        place.pending.drain(..=at).next_back()
    }

    /// Served from a cursor: what lies between it and the version must be in `messages`.
    fn continued(&mut self, joined: &Joined, asked: Pending, after: i64, event: &Event) {
        let (room, who, slug) = (joined.room, self.who, self.slug(joined.room));
        let lines = [asked.line, event.line];
        if asked.epoch.is_some_and(|epoch| epoch != joined.epoch) {
            self.report.add(Check::C3, &lines, || {
                format!("{who} joined {slug} with a cursor of another epoch and was not reset")
            });
            return;
        }
        if joined.version < after {
            self.report.add(Check::C3, &lines, || {
                let version = joined.version;
                format!("{who} joined {slug} after {after} and was put back to {version}")
            });
            return;
        }
        let mut cursor = after;
        for message in &joined.messages {
            if message.version <= cursor {
                continue;
            }
            self.nothing_between(room, cursor, message.version, &lines);
            cursor = message.version;
        }
        self.nothing_between(room, cursor, joined.version.saturating_add(1), &lines);
    }

    /// A reset needs a reason: another epoch, a cursor of the future, or one that retention passed.
    fn needless_reset(&mut self, joined: &Joined, asked: Pending, after: i64, event: &Event) {
        let floor = self
            .history
            .rooms
            .get(&joined.room)
            .and_then(|stored| stored.head)
            .map_or(i64::MAX, |head| head.floor);
        if asked.epoch == Some(joined.epoch) && after <= joined.head && after >= floor {
            let (who, slug) = (self.who, self.slug(joined.room));
            self.report.add(Check::C3, &[asked.line, event.line], || {
                format!("{who} joined {slug} after {after} and was reset though its cursor could be served")
            });
        }
    }

    /// The latest page: without a hole, and whole up to its version.
    fn latest_page(&mut self, joined: &Joined, event: &Event) {
        let (who, slug) = (self.who, self.slug(joined.room));
        let mut before: Option<&Message> = None;
        for message in &joined.messages {
            let seq = message.seq;
            match before {
                Some(before) if before.seq == seq => {
                    self.report.add(Check::C4, &[event.line], || {
                        format!("{who} was shown message {seq} of {slug} twice in one page")
                    })
                }
                Some(before) if before.seq.saturating_add(1) != seq => {
                    self.report.add(Check::C3, &[event.line], || {
                        let last = before.seq;
                        format!("the page {who} got of {slug} jumps from {last} to {seq}")
                    });
                }
                _ => {}
            }
            before = Some(message);
        }
        let stored = self.history.rooms.get(&joined.room);
        let stored =
            stored.filter(|stored| stored.head.is_some_and(|head| head.epoch == joined.epoch));
        if let Some((version, line)) = stored.and_then(|stored| left_out(stored, joined)) {
            self.report.add(Check::C3, &[event.line, line], || {
                let given = joined.version;
                format!("{who} was given version {given} of {slug} with a page that lacks version {version}")
            });
        }
    }
}

/// What stands at or below the version given but is not in the page, though it belongs there.
fn left_out(stored: &Stored, joined: &Joined) -> Option<(i64, u32)> {
    let first = joined
        .messages
        .first()
        .map_or(i64::MIN, |message| message.seq);
    let mut shown = joined.messages.iter().peekable();
    let from = stored.messages.partition_point(|row| row.seq < first);
    // Rows above the page stand at higher versions; a few more than its own are looked at to see that.
    let rows = stored
        .messages
        .get(from..)?
        .iter()
        .take(joined.messages.len() + 1_000);
    for row in rows.take_while(|row| row.seq <= joined.last_seq) {
        while shown.peek().is_some_and(|message| message.seq < row.seq) {
            shown.next();
        }
        let held = shown.peek().filter(|message| message.seq == row.seq);
        if row.version <= joined.version && held.is_none_or(|held| held.version < row.version) {
            return Some((row.version, row.line));
        }
    }
    None
}
