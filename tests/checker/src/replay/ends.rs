//! How a room ends on a socket: by a leave, whose answer nothing of the room follows, or by a removal, up to which all is still
//! the member's.

use super::State;
use super::socket::SocketReplay;
use crate::history::Event;
use crate::names::Name;
use crate::report::Check;

/// A leave: its line, or none; its `ref`; and the line of its answer, once it came.
#[derive(Clone, Copy, Default)]
pub(super) struct Leave {
    pub(super) line: u32,
    pub(super) reference: Option<Name>,
    pub(super) answered: Option<u32>,
}

impl SocketReplay<'_> {
    /// Something of a room that was left: behind the leave's answer there is none.
    pub(super) fn after_leave(&mut self, room: Name, event: &Event, what: &str) {
        let Leave { line, answered, .. } = self.place(room).leave;
        let Some(answer) = answered else {
            self.replay.ignored += 1;
            return;
        };
        let (who, slug) = (self.who, self.slug(room));
        self.report.add(Check::C9, &[line, answer, event.line], || {
            format!("{who} got {what} of {slug} after its leave was answered")
        });
    }

    /// A leave was answered, if this is one's.
    pub(super) fn leave_done(&mut self, reference: Option<Name>, event: &Event) {
        for place in self.places.values_mut() {
            if place.state == State::Left
                && reference.is_some()
                && place.leave.reference == reference
            {
                place.leave.answered.get_or_insert(event.line);
            }
        }
    }

    pub(super) fn after_removal(&mut self, room: Name, event: &Event, what: &str) {
        let (who, slug) = (self.who, self.slug(room));
        let removal = self.place(room).line;
        self.report.add(Check::C9, &[removal, event.line], || {
            format!("{who} got {what} of {slug} after room.removed, without joining again")
        });
    }

    pub(super) fn removed(&mut self, room: Name, version: i64, event: &Event) {
        let (state, pending, cursor, before) = {
            let place = self.place(room);
            (
                place.state,
                !place.pending.is_empty(),
                place.cursor,
                place.line,
            )
        };
        match state {
            State::Removed if !pending => {
                self.after_removal(room, event, "room.removed");
                return;
            }
            State::Left => return self.after_leave(room, event, "room.removed"),
            // All up to the removal is still the member's.
            State::Joined if !pending => {
                self.nothing_between(room, cursor, version, &[before, event.line]);
            }
            _ => {}
        }
        let (who, slug, user) = (self.who, self.slug(room), self.user);
        let stored = self
            .history
            .rooms
            .get(&room)
            .filter(|stored| stored.head.is_some_and(|head| version > head.floor));
        if let Some(stored) = stored {
            let is_so = stored.entry(version).is_some_and(|entry| {
                let kind = self.history.names.text(entry.kind);
                kind == "deleted" || (kind.ends_with("removed") && entry.user == user)
            });
            if !is_so {
                self.report.add(Check::C6, &[event.line], || {
                    format!("{who} was told of its removal from {slug} at {version}, which the log does not have")
                });
            }
        }
        let place = self.place(room);
        (place.state, place.line, place.t) = (State::Removed, event.line, event.t);
    }
}
