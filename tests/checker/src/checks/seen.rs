//! What anybody saw at each version of each room, gathered once for C2, C5, C6, C7, C8 and C11. Gathering is where C5 sees
//! two clients disagree: at one (room, epoch, version) there is one change, with one seq, text, state and sender.

use std::collections::{HashMap, HashSet};

use crate::frame::{Seen, Settings};
use crate::history::{Act, Event, History};
use crate::message::{Marks, Message};
use crate::names::Name;
use crate::report::{Check, Report};

/// What was first seen at a version.
#[derive(Clone, Debug)]
pub(super) struct Sighting {
    pub(super) seq: Option<i64>,
    pub(super) digest: Option<u64>,
    /// What was put onto it.
    pub(super) marks: Option<Marks>,
    pub(super) state: Option<Name>,
    pub(super) id: Option<Name>,
    pub(super) author: Option<Name>,
    /// The kind and the user of a change that is no message.
    pub(super) change: Option<(Name, Option<Name>)>,
    /// What it made of the room's settings.
    pub(super) settings: Option<Settings>,
    pub(super) created: u64,
    /// Whether a frame of the wire showed it, not only an ack.
    pub(super) received: bool,
    pub(super) line: u32,
    /// When anybody first saw it.
    pub(super) t: u64,
}

/// All sightings, by room, epoch and version.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    pub(super) all: HashMap<(Name, Option<Name>, i64), Sighting>,
    /// Where each sender's id was seen: room, id → seq, line.
    pub(super) ids: HashMap<(Name, Name), (i64, u32)>,
    /// Ids seen at a second seq: room, id, the two seqs, the two lines.
    pub(super) torn: Vec<(Name, Name, [i64; 2], [u32; 2])>,
    /// The histories of each room that anybody saw.
    pub(super) epochs: HashMap<Name, HashSet<Option<Name>>>,
    /// The highest version named by `room.joined`: room, epoch → version, line.
    pub(super) heads: HashMap<(Name, Name), (i64, u32)>,
}

impl Sightings {
    /// Goes through all frames and acks.
    pub(super) fn gather(history: &History, report: &mut Report) -> Self {
        let mut sightings = Self::default();
        for socket in &history.sockets {
            let mut epochs = HashMap::new();
            for event in &socket.events {
                sightings.frame(history, event, &mut epochs, report);
            }
        }
        for op in &history.ops {
            let (Act::Send { room, id, digest }, Some((end, acked))) = (op.act, op.ok()) else {
                continue;
            };
            let (Some(seq), Some(version)) = (acked.seq, acked.version) else {
                continue;
            };
            sightings.at_seq(room, id, seq, end.line);
            let seen = Sighting {
                seq: Some(seq),
                digest,
                id: Some(id),
                received: false,
                ..blank(end.line, end.t)
            };
            sightings.add(
                history,
                (room, final_epoch(history, room), version),
                seen,
                report,
            );
        }
        sightings
    }

    fn frame(
        &mut self,
        history: &History,
        event: &Event,
        epochs: &mut HashMap<Name, Name>,
        report: &mut Report,
    ) {
        let epoch_of = |epochs: &HashMap<Name, Name>, room: Name| {
            epochs
                .get(&room)
                .copied()
                .or_else(|| final_epoch(history, room))
        };
        match &event.seen {
            Seen::Joined(joined) => {
                epochs.insert(joined.room, joined.epoch);
                let head = joined.head.max(joined.version);
                let highest = self
                    .heads
                    .entry((joined.room, joined.epoch))
                    .or_insert((head, event.line));
                if head > highest.0 {
                    *highest = (head, event.line);
                }
                for message in &joined.messages {
                    self.message(
                        history,
                        (joined.room, Some(joined.epoch)),
                        message,
                        event,
                        report,
                    );
                }
            }
            Seen::Page { room, messages, .. } => {
                let epoch = epoch_of(epochs, *room);
                for message in messages {
                    self.message(history, (*room, epoch), message, event, report);
                }
            }
            Seen::Message {
                room,
                version,
                message,
                ..
            } => {
                let epoch = epoch_of(epochs, *room);
                if *version != message.version {
                    report.add(Check::C5, &[event.line], || {
                        let (slug, inner) = (history.names.text(*room), message.version);
                        format!("a frame of {slug} has version {version}, its message {inner}")
                    });
                }
                self.message(history, (*room, epoch), message, event, report);
            }
            Seen::Partial { room, version, .. } | Seen::Changed { room, version, .. } => {
                let epoch = epoch_of(epochs, *room);
                self.add(history, (*room, epoch, *version), of_change(event), report);
            }
            Seen::Accepted { room, id, seq, .. } => self.at_seq(*room, *id, *seq, event.line),
            _ => {}
        }
    }

    fn message(
        &mut self,
        history: &History,
        (room, epoch): (Name, Option<Name>),
        message: &Message,
        event: &Event,
        report: &mut Report,
    ) {
        if let Some(id) = message.id {
            self.at_seq(room, id, message.seq, event.line);
        }
        let seen = Sighting {
            seq: Some(message.seq),
            digest: Some(message.digest),
            marks: Some(message.marks.clone()),
            state: Some(message.state),
            id: message.id,
            author: message.author,
            created: message.created,
            ..blank(event.line, event.t)
        };
        self.add(history, (room, epoch, message.version), seen, report);
    }

    /// A sender's id stands at one seq. Ids are the author's own, but no two authors draw the same.
    fn at_seq(&mut self, room: Name, id: Name, seq: i64, line: u32) {
        let (first, shown) = *self.ids.entry((room, id)).or_insert((seq, line));
        if first != seq {
            self.torn.push((room, id, [first, seq], [shown, line]));
        }
    }

    fn add(
        &mut self,
        history: &History,
        key: (Name, Option<Name>, i64),
        new: Sighting,
        report: &mut Report,
    ) {
        self.epochs.entry(key.0).or_default().insert(key.1);
        let seen = self.all.entry(key).or_insert_with(|| new.clone());
        if let Some(field) = seen.disagrees(&new) {
            let (slug, version) = (history.names.text(key.0), key.2);
            report.add(Check::C5, &[seen.line, new.line], || {
                format!("version {version} of {slug} was seen with two values of {field}")
            });
        }
        seen.t = seen.t.min(new.t);
        // A frame tells more than an ack, a whole message more than what changed about it.
        if new.received && (!seen.received || (seen.digest.is_none() && new.digest.is_some())) {
            *seen = Sighting { t: seen.t, ..new };
        }
    }
}

/// What a frame without a message's text shows.
fn of_change(event: &Event) -> Sighting {
    let blank = blank(event.line, event.t);
    match &event.seen {
        Seen::Partial { seq, .. } => Sighting {
            seq: Some(*seq),
            ..blank
        },
        Seen::Changed {
            change,
            user,
            settings,
            ..
        } => Sighting {
            change: Some((*change, *user)),
            settings: *settings,
            ..blank
        },
        _ => blank,
    }
}

const fn blank(line: u32, t: u64) -> Sighting {
    Sighting {
        seq: None,
        digest: None,
        marks: None,
        state: None,
        id: None,
        author: None,
        change: None,
        settings: None,
        created: 0,
        received: true,
        line,
        t,
    }
}

/// The epoch that the database has at the end.
pub(super) fn final_epoch(history: &History, room: Name) -> Option<Name> {
    let head = history.rooms.get(&room).and_then(|stored| stored.head);
    head.map(|head| head.epoch)
}

fn differ<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
    matches!((one, other), (Some(one), Some(other)) if one != other)
}

impl Sighting {
    /// The field in which two sightings of one version differ. What one of them does not tell is no difference.
    fn disagrees(&self, other: &Self) -> Option<&'static str> {
        if self.seq.is_some() != other.seq.is_some() {
            return Some("kind");
        }
        if self.seq != other.seq {
            return Some("seq");
        }
        if differ(self.digest.as_ref(), other.digest.as_ref()) {
            return Some("body");
        }
        if differ(self.marks.as_ref(), other.marks.as_ref()) {
            return Some("reactions or pin");
        }
        if differ(self.state.as_ref(), other.state.as_ref()) {
            return Some("state");
        }
        if differ(self.id.as_ref(), other.id.as_ref()) {
            return Some("client_id");
        }
        if differ(self.author.as_ref(), other.author.as_ref()) {
            return Some("author");
        }
        if differ(self.change.as_ref(), other.change.as_ref()) {
            return Some("change");
        }
        differ(self.settings.as_ref(), other.settings.as_ref()).then_some("settings")
    }
}
