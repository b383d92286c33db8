//! Who is there at the end of a history, and who went for good: whoever closed its last socket itself, was told not to come
//! back (codes from 4500 on), or had its session revoked. Everybody else has to be back. Used by C9, C11 and C14.

use std::collections::HashSet;

use crate::history::{Act, Closed, History, How};
use crate::record::Side;

/// How a client stands at the end.
#[derive(Clone, Copy, Debug)]
pub(super) enum Presence {
    /// It has a socket, or never had one.
    There,
    /// It went for good.
    Gone,
    /// Its last socket was taken from it, and it has no other. The line says how.
    Lost(u32),
}

/// Each client, in the order of the history's.
pub(super) fn presences(history: &History) -> Vec<Presence> {
    let revoked = revoked(history);
    let mut last: Vec<(bool, Option<Closed>)> = vec![(false, None); history.clients.len()];
    for socket in &history.sockets {
        let Some((open, latest)) = socket.client.and_then(|client| last.get_mut(client)) else {
            continue;
        };
        match socket.closed {
            None => *open = true,
            Some(closed) if latest.is_none_or(|latest| latest.t <= closed.t) => {
                *latest = Some(closed)
            }
            Some(_) => {}
        }
    }
    last.into_iter()
        .enumerate()
        .map(|(client, (open, latest))| match latest {
            _ if revoked.contains(&client) => Presence::Gone,
            _ if open => Presence::There,
            None => Presence::There,
            Some(closed) if closed.by == Side::Client => Presence::Gone,
            Some(closed) if closed.code.is_some_and(|code| code >= 4500) => Presence::Gone,
            Some(closed) => Presence::Lost(closed.line),
        })
        .collect()
}

/// Clients of which somebody tried to end the session, and may have.
pub(super) fn revoked(history: &History) -> HashSet<usize> {
    let mut revoked = HashSet::new();
    for op in &history.ops {
        let failed = matches!(op.end.map(|end| end.how), Some(How::Fail(_)));
        if let (Act::Revoke { of, .. }, false) = (op.act, failed) {
            revoked.extend(history.clients.iter().position(|client| client.name == of));
        }
    }
    revoked
}
