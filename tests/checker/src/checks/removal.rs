//! C9: nothing after a removal or a revocation. Here: a join asked for after a removal was acked is not answered by a proof
//! from before it, and in a private room not at all unless somebody put the user back; no message of a removed author is
//! accepted in a private room; a removal reaches every socket that it concerns; and once a revocation and its bound have
//! passed, the session has no socket, gets no frame and no ack. In a public room a join makes one a member again, without
//! a trace, so less can be said there. Frames above a removal, and after `room.removed`, are found in the replay.

use std::collections::{HashMap, HashSet};

use super::changes::{changed, made_at};
use crate::frame::Seen;
use crate::history::{Act, End, History, How, Op};
use crate::names::Name;
use crate::replay::{Replay, State};
use crate::report::{Check, Report};

/// Versions at which each user went from, and came back to, a room: (version, line, went).
type Comings = HashMap<(Name, Name), Vec<(i64, u32, bool)>>;

/// Applies it.
pub(super) fn check(history: &History, replay: &Replay, report: &mut Report) {
    let comings = comings(history);
    let private: HashSet<Name> = replay
        .joins
        .iter()
        .filter(|join| join.private)
        .map(|join| join.room)
        .collect();
    joins(history, replay, &comings, report);
    authors(history, &private, &comings, report);
    untold(history, replay, &comings, report);
    for op in &history.ops {
        if let (Act::Revoke { of, bound_ms }, Some((end, _))) = (op.act, op.ok()) {
            let deadline = end.t.saturating_add(bound_ms.saturating_mul(1_000_000));
            if let Some(client) = history.clients.iter().position(|client| client.name == of) {
                revocation(history, client, end, deadline, report);
            }
        }
    }
}

fn comings(history: &History) -> Comings {
    let mut comings = Comings::new();
    for (room, stored) in &history.rooms {
        for entry in &stored.log {
            let went = match history.names.text(entry.kind) {
                "removed" | "member_removed" => true,
                "role" => false,
                _ => continue,
            };
            if let Some(user) = entry.user {
                let all = comings.entry((*room, user)).or_default();
                all.push((entry.version, entry.line, went));
            }
        }
    }
    comings
}

/// The removal that holds for a user at a version: the latest below it, when nothing put the user back since.
fn removal_at(comings: &Comings, room: Name, user: Name, version: i64) -> Option<(i64, u32)> {
    let all = comings.get(&(room, user))?;
    let (removal, line, went) = all.iter().rev().find(|(at, ..)| *at <= version)?;
    went.then_some((*removal, *line))
}

fn joins(history: &History, replay: &Replay, comings: &Comings, report: &mut Report) {
    let mut removes: HashMap<(Name, Name), Vec<(&Op, End)>> = HashMap::new();
    let mut adds: HashMap<(Name, Name), Vec<&Op>> = HashMap::new();
    for op in &history.ops {
        match (op.act, op.end.map(|end| end.how)) {
            (Act::Remove { room, user }, Some(How::Ok(_))) => {
                removes
                    .entry((room, user))
                    .or_default()
                    .extend(op.end.map(|end| (op, end)));
            }
            (Act::Add { room, user }, how) if !matches!(how, Some(How::Fail(_))) => {
                adds.entry((room, user)).or_default().push(op);
            }
            _ => {}
        }
    }
    for join in &replay.joins {
        let Some(user) = history
            .clients
            .get(join.client)
            .and_then(|client| client.user)
        else {
            continue;
        };
        let key = (join.room, user);
        let before = removes.get(&key).into_iter().flatten();
        let Some((remove, end)) = before
            .filter(|(_, end)| end.t < join.asked.0)
            .max_by_key(|(_, end)| end.t)
        else {
            continue;
        };
        let added = adds
            .get(&key)
            .into_iter()
            .flatten()
            .any(|add| add.t < join.t && add.end.is_none_or(|ended| ended.t >= remove.t));
        let slug = history.names.text(join.room);
        let removal = removal_at(comings, join.room, user, i64::MAX)
            .filter(|_| !added)
            .filter(|(removal, _)| join.head < *removal || join.private);
        if let Some((removal, line)) = removal {
            report.add(
                Check::C9,
                &[end.line, join.asked.1, join.line, line],
                || {
                    let client = history.clients.get(join.client).map(|client| client.name);
                    let (who, head) = (history.names.optional(client), join.head);
                    format!(
                        "{who} joined {slug} (head {head}) after its removal at {removal} was acked"
                    )
                },
            );
        }
    }
}

fn authors(history: &History, private: &HashSet<Name>, comings: &Comings, report: &mut Report) {
    for room in private {
        let Some(stored) = history.rooms.get(room) else {
            continue;
        };
        // Only people: a reply's author is no member.
        let (made, changed) = (made_at(history, *room), changed(history, *room));
        for row in stored.messages.iter().filter(|row| row.id.is_some()) {
            // Others may change it later: what counts is when it was made.
            let version = match made.get(&row.seq) {
                Some(version) => *version,
                None if changed.contains(&row.seq) => continue,
                None => row.version,
            };
            if let Some((removal, line)) = removal_at(comings, *room, row.author, version) {
                report.add(Check::C9, &[line, row.line], || {
                    let (slug, seq) = (history.names.text(*room), row.seq);
                    format!("message {seq} of {slug} (version {version}) is by somebody removed at {removal}")
                });
            }
        }
    }
}

/// Sockets that stay joined though their proof is older than a removal.
fn untold(history: &History, replay: &Replay, comings: &Comings, report: &mut Report) {
    if history.healed.is_none() {
        return;
    }
    for standing in replay
        .standings
        .iter()
        .filter(|standing| standing.state == State::Joined)
    {
        let socket = history.sockets.get(standing.socket);
        if socket.is_none_or(|socket| socket.closed.is_some()) {
            continue;
        }
        let client = history.clients.get(standing.client);
        let Some(user) = client.and_then(|client| client.user) else {
            continue;
        };
        let all = comings.get(&(standing.room, user)).into_iter().flatten();
        let above = all
            .filter(|(version, _, went)| *went && *version > standing.proof)
            .min();
        if let Some((removal, line, _)) = above {
            report.add(Check::C9, &[standing.line, *line], || {
                let who = history.names.optional(client.map(|client| client.name));
                let slug = history.names.text(standing.room);
                format!(
                    "{who} was removed from {slug} at {removal}, and its open socket was never told"
                )
            });
        }
    }
}

fn revocation(history: &History, client: usize, end: End, deadline: u64, report: &mut Report) {
    let who = history
        .names
        .optional(history.clients.get(client).map(|client| client.name));
    let late = |t: u64| t.saturating_sub(end.t) / 1_000_000;
    for socket in history
        .sockets
        .iter()
        .filter(|socket| socket.client == Some(client))
    {
        let name = history.names.text(socket.name);
        if socket.opened > deadline {
            report.add(Check::C9, &[end.line, socket.line], || {
                let ms = late(socket.opened);
                format!("{who} opened {name} {ms} ms after its session was revoked")
            });
            continue;
        }
        let closed = socket
            .closed
            .map_or((history.end, 0), |closed| (closed.t, closed.line));
        if closed.0 > deadline {
            report.add(Check::C9, &[end.line, socket.line, closed.1], || {
                let ms = late(closed.0);
                format!("{name} of {who} was open {ms} ms after the session was revoked")
            });
        }
        let frame = socket.events.iter().find(|event| {
            event.t > deadline
                && !matches!(
                    event.seen,
                    Seen::Join { .. } | Seen::Leave { .. } | Seen::Ask { .. }
                )
        });
        if let Some(event) = frame {
            report.add(Check::C9, &[end.line, event.line], || {
                let ms = late(event.t);
                format!("{who} got a frame {ms} ms after its session was revoked")
            });
        }
    }
    for op in history
        .ops
        .iter()
        .filter(|op| op.client == client && op.t > deadline)
    {
        if let Some((acked, _)) = op.ok() {
            report.add(Check::C9, &[end.line, op.line, acked.line], || {
                let (name, ms) = (history.names.text(op.name), late(op.t));
                format!(
                    "{name} of {who} succeeded though begun {ms} ms after the session was revoked"
                )
            });
        }
    }
}
