//! C11: once everything is healed, every client that is still there stands at the head of each of its rooms within the
//! bound, on every socket that has joined it, and whoever was cut off is back. The bound counts from `healed`, or from when
//! anybody first saw the head's version, if that was later: nobody can stand where nothing is yet. It is also where C3 ends:
//! what a client that stands at the head holds is what the database holds.
//! A history without `healed` says nothing of this.

use std::collections::{HashMap, HashSet};

use super::presence::{Presence, presences};
use super::seen::Sightings;
use crate::history::{Head, Healed, History, Stored};
use crate::names::Name;
use crate::replay::{Book, Replay, Standing, State};
use crate::report::{Check, Report};

/// Applies it.
pub(super) fn check(
    history: &History,
    replay: &Replay,
    sightings: &Sightings,
    report: &mut Report,
) {
    let Some(healed) = history.healed else {
        return;
    };
    let presences = presences(history);
    for (index, presence) in presences.iter().enumerate() {
        if let (Presence::Lost(line), Some(client)) = (presence, history.clients.get(index)) {
            report.add(Check::C11, &[*line, healed.line], || {
                let who = history.names.text(client.name);
                format!("{who} lost its last socket and never came back")
            });
        }
    }
    let mut live: HashMap<(usize, Name), Vec<&Standing>> = HashMap::new();
    let mut open: HashSet<usize> = HashSet::new();
    for (index, socket) in history.sockets.iter().enumerate() {
        if socket.closed.is_none() {
            open.insert(index);
        }
    }
    let mut last: HashMap<(usize, Name), &Standing> = HashMap::new();
    for standing in &replay.standings {
        let key = (standing.client, standing.room);
        if open.contains(&standing.socket) {
            live.entry(key).or_default().push(standing);
        }
        let latest = last.entry(key).or_insert(standing);
        if latest.t <= standing.t {
            *latest = standing;
        }
    }
    for (key, latest) in last {
        let there = presences
            .get(key.0)
            .is_some_and(|presence| matches!(presence, Presence::There));
        if !there
            || matches!(
                latest.state,
                State::Left | State::Removed | State::Refused | State::Never
            )
        {
            continue;
        }
        let Some((stored, head)) = history
            .rooms
            .get(&key.1)
            .and_then(|stored| Some((stored, stored.head?)))
        else {
            continue;
        };
        let sockets = live.get(&key).map_or(&[][..], Vec::as_slice);
        let place = Place {
            history,
            room: key.1,
            client: key.0,
            head,
            healed,
        };
        place.sockets(sockets, latest, report);
        if let Some(book) = replay.books.get(&(key.0, key.1, Some(head.epoch))) {
            place.in_time(book, sightings, report);
            if sockets
                .iter()
                .any(|standing| standing.state == State::Joined && standing.cursor >= head.version)
            {
                place.book(book, stored, report);
            }
        }
    }
}

/// One client in one room.
struct Place<'a> {
    history: &'a History,
    room: Name,
    client: usize,
    head: Head,
    healed: Healed,
}

impl Place<'_> {
    fn who(&self) -> &str {
        let client = self
            .history
            .clients
            .get(self.client)
            .map(|client| client.name);
        self.history.names.optional(client)
    }

    fn sockets(&self, sockets: &[&Standing], latest: &Standing, report: &mut Report) {
        let slug = self.history.names.text(self.room);
        let head = self.head.version;
        if sockets.is_empty() {
            report.add(Check::C11, &[latest.line, self.healed.line], || {
                let who = self.who();
                format!("{who} is back, but was never let into {slug} again")
            });
        }
        // A client may follow a room on one of its sockets only.
        let follows = |standing: &&&Standing| matches!(standing.state, State::Joined | State::Deaf);
        let one_follows = sockets.iter().any(|standing| follows(&standing));
        for standing in sockets
            .iter()
            .filter(|standing| !one_follows || follows(standing))
        {
            let at_head = standing.epoch == Some(self.head.epoch) && standing.cursor >= head;
            if standing.state == State::Joined && at_head {
                continue;
            }
            report.add(
                Check::C11,
                &[standing.line, self.healed.line, self.head.line],
                || {
                    let (who, cursor) = (self.who(), standing.cursor);
                    format!("{who} ended at version {cursor} of {slug}; the head is {head}")
                },
            );
        }
    }

    fn in_time(&self, book: &Book, sightings: &Sightings, report: &mut Report) {
        let Some(reached) = book.reached else {
            return;
        };
        let key = (self.room, Some(self.head.epoch), self.head.version);
        let made = sightings.all.get(&key).map_or(0, |seen| seen.t);
        let since = self.healed.t.max(made);
        if reached > since.saturating_add(self.healed.bound_ns) {
            report.add(Check::C11, &[self.healed.line], || {
                let (who, slug) = (self.who(), self.history.names.text(self.room));
                let ms = (reached - since) / 1_000_000;
                format!("{who} reached the head of {slug} {ms} ms after it could")
            });
        }
    }

    /// What a client at the head holds is what the database holds.
    fn book(&self, book: &Book, stored: &Stored, report: &mut Report) {
        for (seq, held) in &book.held {
            let Some(row) = stored.row(*seq) else {
                continue;
            };
            if held.version < row.version {
                report.add(Check::C3, &[held.line, row.line], || {
                    let (who, slug) = (self.who(), self.history.names.text(self.room));
                    let (has, stands) = (held.version, row.version);
                    format!("{who} ended with message {seq} of {slug} at version {has}; it stands at {stands}")
                });
            } else if held.version == row.version
                && (held.digest != row.digest || held.marks != row.marks)
            {
                report.add(Check::C5, &[held.line, row.line], || {
                    let (who, slug) = (self.who(), self.history.names.text(self.room));
                    format!("{who} ended with message {seq} of {slug} otherwise than it stands")
                });
            }
        }
    }
}
