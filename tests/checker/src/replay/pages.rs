//! Pages of history on one socket, by the rule of the wire: a page is an upsert like any other, and what changed about messages
//! that were not held while it was on its way is applied to it. What a page must hold is judged by `checks::pages`.

use super::Page;
use super::socket::SocketReplay;
use crate::frame::{PageAt, Seen};
use crate::history::Event;
use crate::message::MarkChange;
use crate::names::Name;

/// A question for a page without an answer yet.
pub(super) struct Asked {
    reference: Option<Name>,
    at: PageAt,
    limit: i64,
    t: u64,
    line: u32,
    /// How often the room was given anew before.
    resets: u64,
    /// What changed meanwhile about messages that were not held: seq, version, change, line.
    pub(super) missed: Vec<(i64, i64, MarkChange, u32)>,
}

impl SocketReplay<'_> {
    /// A client asks for a page.
    pub(super) fn page_asked(&mut self, event: &Event) {
        let Seen::Ask {
            room,
            reference,
            at,
            limit,
        } = event.seen
        else {
            return;
        };
        let place = self.place(room);
        let resets = place.resets;
        place.asked.push(Asked {
            reference,
            at,
            limit,
            t: event.t,
            line: event.line,
            resets,
            missed: Vec::new(),
        });
    }

    /// It was refused, if this is one's `ref`.
    pub(super) fn page_refused(&mut self, reference: Option<Name>) {
        for place in self.places.values_mut().filter(|_| reference.is_some()) {
            place.asked.retain(|asked| asked.reference != reference);
        }
    }

    /// A page came. One whose question the history does not have is only held.
    pub(super) fn page(&mut self, event: &Event) {
        let Seen::Page {
            room,
            reference,
            messages,
            older,
            newer,
        } = &event.seen
        else {
            return;
        };
        let (room, client) = (*room, self.client);
        let place = self.place(room);
        let (epoch, resets) = (place.epoch, place.resets);
        let found = place
            .asked
            .iter()
            .position(|asked| reference.is_some() && asked.reference == *reference);
        let asked = found.map(|found| place.asked.remove(found));
        let since = asked.as_ref().map_or(event.line, |asked| asked.line);
        if asked.as_ref().is_none_or(|asked| asked.resets == resets) {
            for message in messages {
                self.hold(room, message, event.line, since);
            }
        }
        let Some(asked) = asked else {
            return;
        };
        if asked.resets == resets {
            for (seq, version, change, line) in &asked.missed {
                // One that is still not held is kept for other pages already.
                if messages.iter().any(|message| message.seq == *seq) {
                    self.marked(room, (*seq, *version), change, *line);
                }
            }
        }
        self.replay.pages.push(Page {
            client,
            room,
            epoch,
            at: asked.at,
            limit: asked.limit,
            asked: (asked.t, asked.line),
            line: event.line,
            messages: messages
                .iter()
                .map(|message| (message.seq, message.version))
                .collect(),
            older: *older,
            newer: *newer,
        });
    }
}
