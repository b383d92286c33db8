//! The readers of one room on this instance and where each stands. Kept by the feed's actor; delivering never waits for
//! a reader, but lets other tasks have their turn in a room of many.

use std::sync::Arc;

use tokio::time::Instant;

use super::presence::{Audience, Seats, Telling};
use super::replies::Delta;
use super::{Attach, Reader};
use crate::ids::{ConnectionId, Seq, UserId, Version};
use crate::protocol::CloseCode;
use crate::protocol::frame::Frame;
use crate::protocol::publication::ChangeRange;

/// Deliveries in one go before other tasks get their turn: about half a millisecond of writes. What other rooms wait for
/// a room of many is this, not the whole of it.
const DELIVERIES_PER_TURN: usize = 128;
/// Where a reader that is gone stands until it is swept out: beyond everything.
const GONE: Version = Version::MAX;

/// One reader of the room.
struct Subscriber {
    connection: ConnectionId,
    reader: Arc<dyn Reader>,
    user: UserId,
    proof: Version,
    cursor: Version,
    whole_until: Version,
    /// Running replies whose text it was not given yet: what is added to them waits, for it would not join.
    owed: Vec<Seq>,
    seats: Arc<Seats>,
    /// It is shown in the room, and told who else is.
    seated: bool,
    /// It was told so since it came.
    told: bool,
}

impl Drop for Subscriber {
    /// On whatever way it goes, it is no longer shown.
    fn drop(&mut self) {
        if self.seated {
            self.seats.left(self.user);
        }
    }
}

/// All of a room.
pub(super) struct Subscribers {
    all: Vec<Subscriber>,
    idle_since: Option<Instant>,
    seats: Arc<Seats>,
}

impl Drop for Subscribers {
    /// A feed that ends in disorder leaves no reader that believes to be told what happens: it comes back.
    fn drop(&mut self) {
        self.close_all(CloseCode::Internal);
    }
}

impl Subscribers {
    /// Nobody yet.
    pub(super) fn new(seats: Arc<Seats>) -> Self {
        Self {
            all: Vec::new(),
            idle_since: Some(Instant::now()),
            seats,
        }
    }

    /// Since when nobody has been there; none while somebody is.
    pub(super) const fn idle_since(&self) -> Option<Instant> {
        self.idle_since
    }

    /// Somebody will come: nobody has been there only since now.
    pub(super) fn expected(&mut self) {
        self.idle_since = self.idle_since.map(|_| Instant::now());
    }

    /// Adds a reader that stands at `cursor` and is still to be given some texts.
    pub(super) fn add(&mut self, attach: Attach, cursor: Version, owed: Vec<Seq>) {
        let Attach {
            connection,
            reader,
            user,
            proof,
            whole_until,
            ..
        } = attach;
        let who = reader.who();
        if let Some(who) = who {
            self.seats.taken(who);
        }
        self.all.push(Subscriber {
            connection,
            seated: who.is_some(),
            told: false,
            seats: Arc::clone(&self.seats),
            reader,
            user,
            proof,
            cursor,
            whole_until,
            owed,
        });
        self.idle_since = None;
    }

    /// Takes a connection's reader off.
    pub(super) fn remove(&mut self, connection: ConnectionId) {
        self.retain(|subscriber| subscriber.connection != connection);
    }

    /// Sends the frames of (from, to] to everyone that stands below `to`: the shorter ones to those who hold what they
    /// build on, which nobody does up to `whole_until`.
    pub(super) async fn deliver_range(
        &mut self,
        range: &ChangeRange,
        (from, to): (Version, Version),
        whole_until: Version,
    ) {
        if to <= from {
            return;
        }
        let whole = range.frames_between(from, to);
        let short = match range.short.is_empty() || from < whole_until {
            true => whole.clone(),
            false => range.short_between(from, to),
        };
        self.in_turns(|subscriber| {
            let run = match subscriber.whole_until <= from {
                true => &short,
                false => &whole,
            };
            subscriber.take(range, run, from, to)
        })
        .await;
    }

    /// Sends pieces of replies to everyone who holds what they join.
    pub(super) async fn deliver_deltas(&mut self, frames: &[Delta]) {
        for (seq, frame) in frames {
            self.in_turns(|subscriber| match subscriber.owed.contains(seq) {
                true => subscriber.cursor != GONE,
                false => subscriber.take_unversioned(frame),
            })
            .await;
        }
    }

    /// Gives a reader the next text it is owed, of a reply that still runs; whether another one is owed.
    pub(super) fn next_text(
        &mut self,
        connection: ConnectionId,
        mut text: impl FnMut(Seq) -> Option<Frame>,
    ) -> bool {
        let mut all = self.all.iter_mut();
        let Some(subscriber) = all.find(|one| one.connection == connection) else {
            return false;
        };
        while !subscriber.owed.is_empty() {
            let seq = subscriber.owed.remove(0);
            if let Some(text) = text(seq) {
                return subscriber.take_unversioned(&text) && !subscriber.owed.is_empty();
            }
        }
        false
    }

    /// Delivers to each, with a pause for other tasks after so many; those that are gone are swept out in the end.
    async fn in_turns(&mut self, mut deliver: impl FnMut(&mut Subscriber) -> bool) {
        let mut gone = false;
        let mut turns = self.all.chunks_mut(DELIVERIES_PER_TURN).peekable();
        while let Some(turn) = turns.next() {
            for subscriber in turn {
                gone |= !deliver(subscriber);
            }
            if turns.peek().is_some() {
                tokio::task::yield_now().await;
            }
        }
        // Only now: sweeping in between would move others past their turn.
        if gone {
            self.retain(|subscriber| subscriber.cursor != GONE);
        }
    }

    /// Sends to those who are shown in the room who is there, or who writes.
    pub(super) async fn tell(&mut self, telling: &Telling) {
        self.in_turns(|subscriber| subscriber.take_telling(telling))
            .await;
    }

    /// Takes those whose proof is below a removal off the room, with a last word: one user's, or everyone's.
    pub(super) fn cut(&mut self, version: Version, user: Option<UserId>, last: &Frame) {
        self.retain(|subscriber| {
            let cut = subscriber.proof < version && user.is_none_or(|user| user == subscriber.user);
            if cut {
                subscriber.reader.deliver(last);
            }
            !cut
        });
    }

    /// Ends every reader.
    pub(super) fn close_all(&mut self, code: CloseCode) {
        for subscriber in self.all.drain(..) {
            subscriber.reader.close(code);
        }
        self.idle_since.get_or_insert_with(Instant::now);
    }

    fn retain(&mut self, keep: impl FnMut(&Subscriber) -> bool) {
        self.all.retain(keep);
        if self.all.is_empty() {
            self.idle_since.get_or_insert_with(Instant::now);
        }
    }
}

impl Subscriber {
    /// Takes what is told of people, if it is for this one; false when it is gone.
    fn take_telling(&mut self, telling: &Telling) -> bool {
        let told = match telling.audience {
            Audience::Untold => self.told,
            Audience::Everyone | Audience::Passing => false,
        };
        if told || !self.seated {
            return self.cursor != GONE;
        }
        self.told |= telling.audience != Audience::Passing;
        self.take_unversioned(&telling.frame)
    }

    /// Takes a frame outside the order of versions; false when it is gone.
    fn take_unversioned(&mut self, frame: &Frame) -> bool {
        if self.cursor == GONE {
            return false;
        }
        let delivered = self.reader.deliver(frame);
        if !delivered {
            self.cursor = GONE;
        }
        delivered
    }

    /// Takes what it lacks of (from, to]; false when it is gone.
    fn take(&mut self, range: &ChangeRange, run: &Frame, from: Version, to: Version) -> bool {
        if self.cursor >= to {
            return self.cursor != GONE;
        }
        let delivered = if self.cursor == from {
            run.is_empty() || self.reader.deliver(run)
        } else if self.cursor > from {
            let part = range.frames_between(self.cursor, to);
            part.is_empty() || self.reader.deliver(&part)
        } else {
            // It would not see the hole below: better it comes back with its cursor.
            tracing::error!(cursor = self.cursor, from, "a reader was passed over");
            self.reader.close(CloseCode::Internal);
            false
        };
        self.cursor = if delivered { to } else { GONE };
        delivered
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::db::rows::{LogKind, LogRow, StoredChange};
    use crate::ids::{Cursor, Epoch, RoomId, RoomRef};
    use crate::protocol::partial::PartialBody;

    #[derive(Default)]
    struct Recorder {
        versions: Mutex<Vec<i64>>,
        /// Those of the frames that told only what changed.
        partials: Mutex<Vec<i64>>,
        broken: AtomicBool,
    }

    impl Reader for Recorder {
        fn deliver(&self, run: &Frame) -> bool {
            if self.broken.load(Ordering::Relaxed) {
                return false;
            }
            let versions = run.payloads().filter_map(|json| {
                let frame: serde_json::Value = serde_json::from_slice(&json).unwrap();
                if frame["partial"] == true {
                    let mut partials = self.partials.lock().unwrap();
                    partials.extend(frame["version"].as_i64());
                }
                frame["version"].as_i64()
            });
            self.versions.lock().unwrap().extend(versions);
            true
        }

        fn close(&self, _: CloseCode) {
            self.broken.store(true, Ordering::Relaxed);
        }
    }

    fn range(from: Version, to: Version) -> ChangeRange {
        let change = |version| {
            let data = serde_json::json!({});
            StoredChange::Log(LogRow {
                version,
                kind: LogKind::Settings,
                user: None,
                role: None,
                data,
            })
        };
        let changes: Vec<StoredChange> = (from + 1..=to).map(change).collect();
        ChangeRange::encode("r", Epoch(1), from, to, &changes)
    }

    fn seats() -> Arc<Seats> {
        let room = RoomRef {
            id: RoomId::new(),
            slug: "r".into(),
        };
        Arc::new(Seats::new(Arc::default(), room))
    }

    fn reader(subscribers: &mut Subscribers, whole_until: Version) -> Arc<Recorder> {
        let reader: Arc<Recorder> = Arc::default();
        let cursor = Cursor {
            epoch: Epoch(1),
            version: 3,
        };
        let attach = Attach {
            connection: ConnectionId::new(),
            reader: Arc::clone(&reader) as Arc<dyn Reader>,
            user: UserId::new(),
            proof: 3,
            cursor,
            whole_until,
            greeting: None,
        };
        subscribers.add(attach, 3, Vec::new());
        reader
    }

    /// A page that was cut at 3 had been read at 5: what changed at 4 and 5 may build on what it left out.
    #[tokio::test]
    async fn what_changed_alone_is_told_only_to_those_who_hold_the_rest() {
        let mut subscribers = Subscribers::new(seats());
        let (all, some) = (reader(&mut subscribers, 3), reader(&mut subscribers, 5));
        let partial = |version| PartialBody {
            seq: 1,
            version,
            reaction: None,
            pinned: Some(None),
        };
        for (to, feed) in [(4, 0), (5, 0), (6, 6), (7, 6)] {
            let from = to - 1;
            let range = range(from, to).with_short("r", &[partial(to)]);
            subscribers.deliver_range(&range, (from, to), feed).await;
        }
        let partials = |reader: &Recorder| reader.partials.lock().unwrap().clone();
        assert_eq!(partials(&all), [4, 5, 7], "but for a fill that was cut");
        assert_eq!(partials(&some), [7]);
        for reader in [all, some] {
            assert_eq!(*reader.versions.lock().unwrap(), [4, 5, 6, 7]);
        }
    }

    #[tokio::test]
    async fn readers_that_go_in_a_large_room_make_nobody_miss_anything() {
        let mut subscribers = Subscribers::new(seats());
        let readers: Vec<Arc<Recorder>> = (0..DELIVERIES_PER_TURN * 3)
            .map(|_| Arc::default())
            .collect();
        for (index, reader) in readers.iter().enumerate() {
            // Some stand above the range's beginning.
            let version = if index % 7 == 0 { 2 } else { 0 };
            let cursor = Cursor {
                epoch: Epoch(1),
                version,
            };
            let (connection, user) = (ConnectionId::new(), UserId::new());
            let reader = Arc::clone(reader) as Arc<dyn Reader>;
            let attach = Attach {
                connection,
                reader,
                user,
                proof: 0,
                cursor,
                whole_until: 0,
                greeting: None,
            };
            subscribers.add(attach, version, Vec::new());
            readers[index]
                .broken
                .store(index % 5 == 0, Ordering::Relaxed);
        }
        for from in [0, 3, 6] {
            subscribers
                .deliver_range(&range(from, from + 3), (from, from + 3), 0)
                .await;
        }
        for (index, reader) in readers.iter().enumerate() {
            let seen = reader.versions.lock().unwrap().clone();
            let first = if index % 7 == 0 { 3 } else { 1 };
            let expected: Vec<i64> = if index % 5 == 0 {
                Vec::new()
            } else {
                (first..=9).collect()
            };
            assert_eq!(seen, expected, "reader {index}");
        }
    }
}
