//! Readers of one room that have read more of it than its feed has emitted: they are attached when the feed stands where
//! they do. Kept by the feed's actor.
//!
//! A page is read from the database, and a feed hears of the same versions a moment later. In between, replies that ended
//! in the page still run in the feed: its pieces would come to that reader behind the reply's end.

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Attach, Attached};
use crate::ids::{ConnectionId, Version};
use crate::limits;

/// Those of a room, in the order they came: at most one for each connection.
#[derive(Default)]
pub(super) struct Waiting {
    all: Vec<One>,
}

/// A reader, how to answer it, and until when it waits.
struct One {
    attach: Attach,
    answer: oneshot::Sender<Attached>,
    until: Instant,
}

impl Waiting {
    /// Adds a reader that stands above the feed.
    pub(super) fn add(&mut self, attach: Attach, answer: oneshot::Sender<Attached>, now: Instant) {
        self.all.push(One {
            attach,
            answer,
            until: now + limits::ATTACH_WAIT,
        });
    }

    /// Takes a connection's reader out: it left, or comes anew. Who waits for its answer proves again, and sees.
    pub(super) fn remove(&mut self, connection: ConnectionId) {
        let mut gone = self
            .all
            .extract_if(.., |one| one.attach.connection == connection);
        if let Some(one) = gone.next() {
            // Whoever asked may have gone meanwhile.
            let _ = one.answer.send(Attached::ProveAgain);
        }
    }

    /// Takes out those that stand no higher than the feed.
    pub(super) fn reached(&mut self, version: Version) -> Vec<(Attach, oneshot::Sender<Attached>)> {
        if self.all.is_empty() {
            return Vec::new();
        }
        self.all
            .extract_if(.., |one| one.attach.cursor.version <= version)
            .map(|one| (one.attach, one.answer))
            .collect()
    }

    /// When the first of them has waited long enough.
    pub(super) fn end(&self) -> Option<Instant> {
        self.all.first().map(|one| one.until)
    }

    /// Drops those that have waited long enough, which refuses them.
    pub(super) fn give_up(&mut self, now: Instant) {
        self.all.retain(|one| one.until > now);
    }
}
