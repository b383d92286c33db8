//! C8: order. *Real time*: if anybody's send was acked before another send to the same room began, it has the smaller seq.
//! *Sender*: if a client began one send after another to the same room, they stand in that order, however many were on their
//! way at once. A send that is tried again counts from its last try as the earlier of two, and from its first as the later.
//! While a client has more than one socket open its sends need not keep their order, for each socket only keeps its own;
//! nor need what asks a reply to go on.
//! *Clock*: the times of messages never go back from one seq to the next.

use std::collections::HashMap;

use super::seen::Sightings;
use crate::history::{Act, History};
use crate::names::Name;
use crate::report::{Check, Report};

/// An acked send, all its tries together.
#[derive(Clone, Copy)]
struct Send {
    client: usize,
    id: Name,
    seq: i64,
    /// Whether it has its place among what its client sends: what asks a reply to go on has none.
    in_order: bool,
    /// When the first try began, and its line.
    first: (u64, u32),
    /// When the last one did.
    last: u64,
    /// When the first ack came, and its line.
    acked: (u64, u32),
}

/// A user, or a client of one that the history never named.
type Author = Result<Name, usize>;

/// Something that happens to a send; at the same moment, beginnings come before what they may be judged by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    Begins,
    Counts,
}

/// Applies it.
pub(super) fn check(history: &History, sightings: &Sightings, report: &mut Report) {
    let overlaps = overlaps(history);
    for (room, sends) in sends(history) {
        let slug = history.names.text(room);
        let acks: Vec<(Send, u64)> = sends.iter().map(|send| (*send, send.acked.0)).collect();
        for (earlier, later) in disorder(&acks) {
            report.add(Check::C8, &[earlier.acked.1, later.first.1], || {
                format!(
                    "{} was acked as message {} of {slug} before {} began, which is message {}",
                    history.names.text(earlier.id),
                    earlier.seq,
                    history.names.text(later.id),
                    later.seq
                )
            });
        }
        let mut by_client: HashMap<usize, Vec<(Send, u64)>> = HashMap::new();
        for send in sends.into_iter().filter(|send| send.in_order) {
            by_client
                .entry(send.client)
                .or_default()
                .push((send, send.last));
        }
        for (client, sends) in by_client {
            for (earlier, later) in disorder(&sends) {
                if overlaps
                    .get(&client)
                    .is_some_and(|all| touches(all, earlier.first.0, later.first.0))
                {
                    continue;
                }
                report.add(Check::C8, &[earlier.first.1, later.first.1], || {
                    format!(
                        "{} sent message {} of {slug} before message {}",
                        history
                            .names
                            .optional(history.clients.get(client).map(|client| client.name)),
                        earlier.seq,
                        later.seq
                    )
                });
            }
        }
    }
    clock(history, sightings, report);
}

/// The acked sends of each room, one for each id.
fn sends(history: &History) -> HashMap<Name, Vec<Send>> {
    let mut all: HashMap<(Name, usize, Name), Send> = HashMap::new();
    // Whose session ended may send again with a new one, as another client: an id is its user's.
    let mut first: HashMap<(Name, Author, Name), (u64, u32)> = HashMap::new();
    // By their `t`, so the first try comes first.
    for op in &history.ops {
        let Act::Send { room, id, digest } = op.act else {
            continue;
        };
        let key = (room, op.client, id);
        let user = history
            .clients
            .get(op.client)
            .and_then(|client| client.user);
        let user = user.ok_or(op.client);
        let first = *first.entry((room, user, id)).or_insert((op.t, op.line));
        let Some((end, Some(seq))) = op.ok().map(|(end, acked)| (end, acked.seq)) else {
            continue;
        };
        let acked = (end.t, end.line);
        let send = all.entry(key).or_insert(Send {
            client: op.client,
            id,
            seq,
            in_order: digest.is_some(),
            first,
            last: op.t,
            acked,
        });
        if acked.0 < send.acked.0 {
            send.acked = acked;
        }
    }
    let mut rooms: HashMap<Name, Vec<Send>> = HashMap::new();
    for ((room, ..), send) in all {
        rooms.entry(room).or_default().push(send);
    }
    rooms
}

/// Pairs where the later to begin has the smaller seq than one that counted before. One for each later.
fn disorder(sends: &[(Send, u64)]) -> Vec<(Send, Send)> {
    let mut moments: Vec<(u64, Moment, Send)> = sends
        .iter()
        .flat_map(|(send, counts)| {
            [
                (send.first.0, Moment::Begins, *send),
                (*counts, Moment::Counts, *send),
            ]
        })
        .collect();
    moments.sort_by_key(|(t, moment, send)| (*t, *moment, send.seq));
    let mut highest: Option<Send> = None;
    let mut wrong = Vec::new();
    for (_, moment, send) in moments {
        match moment {
            Moment::Begins => {
                if let Some(earlier) = highest.filter(|earlier| earlier.seq > send.seq) {
                    wrong.push((earlier, send));
                }
            }
            Moment::Counts => {
                if highest.is_none_or(|highest| highest.seq < send.seq) {
                    highest = Some(send);
                }
            }
        }
    }
    wrong
}

/// For each client the times in which it had more than one socket open.
fn overlaps(history: &History) -> HashMap<usize, Vec<(u64, u64)>> {
    let mut sockets: HashMap<usize, Vec<(u64, u64)>> = HashMap::new();
    for socket in &history.sockets {
        if let Some(client) = socket.client {
            let end = socket.closed.map_or(u64::MAX, |closed| closed.t);
            sockets
                .entry(client)
                .or_default()
                .push((socket.opened, end));
        }
    }
    for open in sockets.values_mut() {
        open.sort_unstable();
        let mut latest = 0;
        let mut both = Vec::new();
        for (opened, end) in open.iter().copied() {
            if opened < latest {
                both.push((opened, latest.min(end)));
            }
            latest = latest.max(end);
        }
        *open = both;
    }
    sockets
}

fn touches(overlaps: &[(u64, u64)], from: u64, to: u64) -> bool {
    overlaps
        .iter()
        .any(|(start, end)| *start <= to && from <= *end)
}

/// A seq, when its message was stored, and the line that tells.
type Told = (i64, u64, u32);

/// The times that frames tell, by seq.
fn clock(history: &History, sightings: &Sightings, report: &mut Report) {
    let mut rooms: HashMap<(Name, Option<Name>), Vec<Told>> = HashMap::new();
    for ((room, epoch, _), seen) in &sightings.all {
        if let Some(seq) = seen.seq.filter(|_| seen.created > 0) {
            rooms
                .entry((*room, *epoch))
                .or_default()
                .push((seq, seen.created, seen.line));
        }
    }
    for ((room, _), mut times) in rooms {
        times.sort_unstable();
        let later = times.iter().skip(1);
        for ((seq, created, line), (next, after, other)) in times.iter().zip(later) {
            if after < created {
                report.add(Check::C8, &[*line, *other], || {
                    let slug = history.names.text(room);
                    format!("message {next} of {slug} is said to be older than message {seq}")
                });
            }
        }
    }
}
