//! The actor of one room's feed: one task, one select. Started by `Feeds`; it ends by itself when it has had no
//! reader for `limits::FEED_LINGER`. It never waits for a reader and holds no lock; of the database it only reads.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::gate::Gate;
use super::presence::Seats;
use super::replies::{Replies, bodies_within};
use super::ring::Ring;
use super::sequencer::{FillDue, Sequencer};
use super::subscribers::Subscribers;
use super::waiting::Waiting;
use super::{Attach, Attached, Command, Shown};
use crate::channel_layer::{Channel, ChannelLayer, GroupName, LayerEvent};
use crate::db::rows::{Changes, Head, RunningReply};
use crate::db::{Store, StoreError, StoreResult};
use crate::ids::{Cursor, RoomRef, Version};
use crate::limits;
use crate::protocol::CloseCode;
use crate::protocol::frame::Frame;
use crate::protocol::publication::{ChangeRange, Effect, Entry, Publication};
use crate::protocol::server::ServerFrame;

/// Changes read by one fill; what is left is read by the next.
const FILL_LIMIT: i64 = 500;
/// After a fill that failed.
const FILL_RETRY: Duration = Duration::from_millis(500);
/// While replies run: how often to see whether pieces are missing.
const REPLY_CHECK: Duration = limits::APPEND_INTERVAL;
/// After pieces may have been missed without a trace (a feed that starts between a piece and its saving, a gap of the
/// layer), the saved text is read for so long: a model that pauses sends nothing that would show the hole.
const REPLY_DOUBT: Duration = Duration::from_secs(3);
/// One room's feed.
pub(crate) struct Feed {
    pub(super) room: RoomRef,
    pub(super) store: Arc<dyn Store>,
    pub(super) layer: Arc<dyn ChannelLayer>,
    pub(super) inbox: mpsc::Receiver<Command>,
    pub(super) shown: Arc<Shown>,
    pub(super) gate: Arc<Gate>,
    /// Where it tells who reads.
    pub(super) seats: Arc<Seats>,
}

/// What the database answered.
enum Read {
    Changes(Result<Changes, StoreError>),
    Replies(Result<Vec<RunningReply>, StoreError>),
}

/// Everything that wakes a feed.
enum Event {
    Command(Command),
    Layer(LayerEvent),
    Read(Read),
    Due,
}

/// The feed once it knows where the room stands.
struct Running {
    feed: Feed,
    channel: Channel,
    sequencer: Sequencer,
    ring: Ring,
    replies: Replies,
    subscribers: Subscribers,
    /// Readers that stand above what was emitted.
    waiting: Waiting,
    /// The one read of the database that is under way.
    reading: Option<BoxFuture<'static, Read>>,
    next_reply_check: Instant,
    replies_missing: bool,
    /// Until then what was saved of replies is read whether a piece is known to be missing or not.
    doubt_until: Instant,
    /// A fill that was cut left out what changed again behind its end: up to here, messages are sent whole.
    whole_until: Version,
    over: bool,
}

impl Feed {
    /// Runs until nobody reads any more.
    pub(crate) async fn run(self) {
        let channel = self.layer.new_channel(limits::CHANNEL_CAPACITY);
        let begun = tokio::time::timeout(limits::ATTACH_DEADLINE, self.begin(&channel)).await;
        let (head, known) = match begun {
            Ok(Ok(Some(begun))) => begun,
            Ok(Ok(None)) => return,
            // Dropping the inbox refuses those who wait; their clients try again.
            Ok(Err(error)) => {
                tracing::warn!(room = %self.room.slug, %error, "a feed could not start");
                return;
            }
            Err(_elapsed) => {
                tracing::error!(room = %self.room.slug, "a feed could not start in time");
                return;
            }
        };
        let start = Cursor {
            epoch: head.epoch,
            version: head.version,
        };
        let mut replies = Replies::default();
        replies.restore(known);
        self.shown.set(start);
        let subscribers = Subscribers::new(Arc::clone(&self.seats));
        let running = Running {
            feed: self,
            channel,
            sequencer: Sequencer::new(start),
            ring: Ring::new(start.version),
            replies,
            subscribers,
            waiting: Waiting::default(),
            reading: None,
            next_reply_check: Instant::now() + REPLY_CHECK,
            replies_missing: false,
            doubt_until: Instant::now() + REPLY_DOUBT,
            whole_until: start.version,
            over: false,
        };
        running.run().await;
    }

    /// Subscribes first, then reads: what is published in between is in the channel or in the head. None where no such room is.
    async fn begin(&self, channel: &Channel) -> StoreResult<Option<(Head, Vec<RunningReply>)>> {
        let group = GroupName::room(self.room.id);
        self.layer.group_add(&group, channel).await;
        let heads = self.store.heads(&[self.room.id]).await?;
        let Some(head) = heads.first().copied() else {
            return Ok(None);
        };
        let known = self.store.running_replies(self.room.id).await?;
        Ok(Some((head, known)))
    }
}

impl Running {
    async fn run(mut self) {
        while !self.over {
            self.start_reading();
            let wake_at = self.wake_at();
            // What comes seldom first; commands have a turn of their own after each event of the layer.
            let event = tokio::select! {
                biased;
                read = read_under_way(&mut self.reading) => {
                    self.reading = None;
                    Some(Event::Read(read))
                }
                () = tokio::time::sleep_until(wake_at) => Some(Event::Due),
                event = self.channel.receive() => event.map(Event::Layer),
                command = self.feed.inbox.recv() => command.map(Event::Command),
            };
            if !self.feed.gate.is_open() {
                self.feed.gate.passed().await;
                self.sequencer.mark_dirty();
            }
            match event {
                Some(Event::Command(command)) => self.handle(command).await,
                Some(Event::Layer(event)) => {
                    self.layer_event(event).await;
                    if let Ok(command) = self.feed.inbox.try_recv() {
                        self.handle(command).await;
                    }
                }
                Some(Event::Read(read)) => self.read_done(read).await,
                Some(Event::Due) => self.woken().await,
                None => return,
            }
            self.feed.shown.set_waits(self.replies.any_waits());
            for (attach, answer) in self.waiting.reached(self.sequencer.version()) {
                self.attach(attach, answer);
            }
        }
    }

    /// When something is due though nothing comes.
    fn wake_at(&self) -> Instant {
        let now = Instant::now();
        // From now on: a time that stands still is over some day, and what is always due keeps all else from its turn.
        let mut wake = match self.subscribers.idle_since() {
            Some(since) => since + limits::FEED_LINGER,
            None => now + Duration::from_secs(3600),
        };
        if !self.replies.is_empty() {
            wake = wake.min(self.next_reply_check);
        }
        if let Some(end) = self.waiting.end() {
            wake = wake.min(end);
        }
        if let (FillDue::At(due), None) = (self.sequencer.fill_due(), &self.reading) {
            wake = wake.min(due.into());
        }
        wake
    }

    async fn woken(&mut self) {
        let now = Instant::now();
        self.waiting.give_up(now);
        if self
            .subscribers
            .idle_since()
            .is_some_and(|since| now >= since + limits::FEED_LINGER)
        {
            // Whoever came at the last moment is served; whoever comes behind the close is refused, never told yes and
            // then forgotten.
            match self.feed.inbox.try_recv() {
                Ok(command) => self.handle(command).await,
                Err(_) => self.over = true,
            }
            return;
        }
        if !self.replies.is_empty() && now >= self.next_reply_check {
            self.next_reply_check = now + REPLY_CHECK;
            self.replies_missing =
                self.replies.has_gap() || !self.feed.layer.is_up() || now <= self.doubt_until;
        }
    }

    /// Starts the read that is due, one at a time.
    fn start_reading(&mut self) {
        if self.reading.is_some() {
            return;
        }
        let due = match self.sequencer.fill_due() {
            FillDue::Never => false,
            FillDue::Now => true,
            FillDue::At(at) => Instant::now() >= at.into(),
        };
        let (store, room) = (Arc::clone(&self.feed.store), self.feed.room.id);
        if due {
            let after = self.sequencer.begin_fill();
            metrics::counter!("salon_feed_fills_total").increment(1);
            self.reading = Some(Box::pin(async move {
                Read::Changes(store.changes_after(room, after, FILL_LIMIT).await)
            }));
        } else if std::mem::take(&mut self.replies_missing) {
            self.reading = Some(Box::pin(async move {
                Read::Replies(store.running_replies(room).await)
            }));
        }
    }

    async fn read_done(&mut self, read: Read) {
        match read {
            Read::Changes(Ok(changes)) => self.filled(changes).await,
            Read::Changes(Err(error)) => {
                tracing::warn!(room = %self.feed.room.slug, %error, "a feed could not read what it missed");
                self.sequencer
                    .fill_failed(Instant::now().into_std(), FILL_RETRY);
            }
            Read::Replies(Ok(known)) => {
                let frames = self.replies.fill(&self.feed.room.slug, known);
                self.subscribers.deliver_deltas(&frames).await;
            }
            Read::Replies(Err(error)) => {
                tracing::warn!(room = %self.feed.room.slug, %error, "a feed could not read its replies");
            }
        }
    }

    async fn filled(&mut self, changes: Changes) {
        let after = self.sequencer.version();
        if changes.head.epoch != self.sequencer.epoch() || after < changes.head.floor {
            // Another history, or retention took what is missing: everybody comes back and is told by `reset`.
            self.subscribers.close_all(CloseCode::EpochChanged);
            self.over = true;
            return;
        }
        let end = match (changes.complete, changes.changes.last()) {
            (true, _) => changes.head.version,
            (false, Some(last)) => last.version(),
            (false, None) => after,
        };
        if !changes.complete {
            self.whole_until = self.whole_until.max(changes.head.version);
        }
        let first_missing = changes
            .changes
            .partition_point(|change| change.version() <= after);
        let missing = changes.changes.get(first_missing..).unwrap_or_default();
        if end > after {
            let range = ChangeRange::encode(
                &self.feed.room.slug,
                changes.head.epoch,
                after,
                end,
                missing,
            );
            self.accept(range).await;
        }
        if changes.complete {
            self.sequencer.fill_complete(Cursor {
                epoch: changes.head.epoch,
                version: changes.head.version,
            });
        } else {
            self.sequencer.mark_dirty();
        }
    }

    async fn layer_event(&mut self, event: LayerEvent) {
        match event {
            LayerEvent::Message { payload, .. } => match Publication::from_bytes(&payload) {
                Some(Publication::Range(range)) => self.accept(range).await,
                Some(Publication::Delta(piece)) => {
                    let frames = self.replies.delta(piece);
                    self.subscribers.deliver_deltas(&frames).await;
                }
                Some(Publication::Look) | None => self.sequencer.mark_dirty(),
            },
            LayerEvent::Resync | LayerEvent::Lagged => {
                self.sequencer.mark_dirty();
                self.replies_missing = !self.replies.is_empty();
                self.doubt_until = Instant::now() + REPLY_DOUBT;
            }
        }
    }

    async fn accept(&mut self, range: ChangeRange) {
        for ready in self.sequencer.accept(range, Instant::now().into_std()) {
            self.emit(ready).await;
            if self.over {
                return;
            }
        }
    }

    /// Sends a range to everyone who may see it, and keeps it for those who come back.
    async fn emit(&mut self, range: ChangeRange) {
        let mut sent = range.from;
        for entry in &range.entries {
            let Some(reason) = entry.effect.removal() else {
                continue;
            };
            let user = match entry.effect {
                Effect::Removed { user, .. } => Some(user),
                _ => None,
            };
            let below = entry.version - 1;
            self.subscribers
                .deliver_range(&range, (sent, below), self.whole_until)
                .await;
            sent = below.max(sent);
            let (room, version) = (&*self.feed.room.slug, entry.version);
            let last = Frame::encode(&ServerFrame::Removed {
                room,
                version,
                reason,
            });
            self.subscribers.cut(version, user, &last);
        }
        self.subscribers
            .deliver_range(&range, (sent, range.to), self.whole_until)
            .await;
        self.feed.shown.set(Cursor {
            epoch: range.epoch,
            version: range.to,
        });
        let begins = |entry: &Entry| matches!(entry.effect, Effect::ReplyQueued { .. });
        if range.entries.iter().any(begins) {
            self.next_reply_check = Instant::now() + REPLY_CHECK;
        }
        let frames = self.replies.emitted(&range.entries);
        self.subscribers.deliver_deltas(&frames).await;
        self.ring.push(range);
    }

    async fn handle(&mut self, command: Command) {
        match command {
            Command::Attach(attach, answer) => self.attach(attach, answer),
            Command::Detach(connection) => {
                self.waiting.remove(connection);
                self.subscribers.remove(connection);
            }
            Command::NextText(connection, answer) => {
                let (replies, slug) = (&mut self.replies, &*self.feed.room.slug);
                let text = |seq| replies.whole_text(slug, seq);
                // Whoever asked may have gone meanwhile.
                let _ = answer.send(self.subscribers.next_text(connection, text));
            }
            Command::Head(head) => self.sequencer.head_seen(head, Instant::now().into_std()),
            Command::Tell(telling) => self.subscribers.tell(&telling).await,
        }
    }

    fn attach(&mut self, attach: Attach, answer: oneshot::Sender<Attached>) {
        if answer.is_closed() {
            // It was refused already: what it had before holds.
            return;
        }
        self.waiting.remove(attach.connection);
        self.subscribers.remove(attach.connection);
        if self.is_ahead(&attach) {
            self.subscribers.expected();
            return self.waiting.add(attach, answer, Instant::now());
        }
        let connection = attach.connection;
        let attached = self.admit(attach);
        if answer.send(attached).is_err() {
            // Whoever asked has gone, or was refused meanwhile.
            self.subscribers.remove(connection);
        }
    }

    /// Whether a reader has read more than was emitted here: what runs may have ended in it. Then what is missing here is
    /// looked for.
    fn is_ahead(&mut self, attach: &Attach) -> bool {
        let (epoch, version) = (self.sequencer.epoch(), self.sequencer.version());
        if attach.cursor.epoch != epoch || attach.cursor.version <= version {
            return false;
        }
        if self.feed.layer.is_up() {
            let now = Instant::now().into_std();
            self.sequencer.head_seen(attach.cursor, now);
        } else {
            self.sequencer.mark_dirty();
        }
        true
    }

    fn admit(&mut self, mut attach: Attach) -> Attached {
        if attach.cursor.epoch != self.sequencer.epoch() {
            // One of the two is of an old history; the head check finds out if it is this feed.
            self.sequencer.mark_dirty();
            return Attached::OtherEpoch;
        }
        if attach.proof < self.ring.start() || self.ring.ends_proof(attach.user, attach.proof) {
            return Attached::ProveAgain;
        }
        // What the greeting tells of replies needs no telling again; what it had to leave out follows.
        let mut owed = self.replies.shown();
        let mut greeted = 0;
        if let Some(greeting) = attach.greeting.take() {
            let running = self.replies.snapshot(attach.cursor.version);
            let told = bodies_within(&running, limits::PAGE_BYTES);
            for reply in told.iter().filter(|reply| reply.body.is_some()) {
                owed.retain(|seq| *seq != reply.seq);
            }
            let greeting = greeting(told, self.sequencer.version());
            greeted = greeting.len();
            if !attach.reader.greet(&greeting) {
                return Attached::Gone;
            }
        }
        let Some(runs) = self.ring.above(attach.cursor.version) else {
            return Attached::TooOld;
        };
        let follows: usize = runs.iter().map(Frame::len).sum();
        if greeted > 0 && follows > 0 && greeted + follows > limits::ATTACH_BYTES {
            return Attached::TooOld;
        }
        if !runs.iter().all(|run| attach.reader.deliver(run)) {
            return Attached::Gone;
        }
        if !attach.reader.asks_for_texts() {
            for seq in std::mem::take(&mut owed) {
                let text = self.replies.whole_text(&self.feed.room.slug, seq);
                if text.is_some_and(|text| !attach.reader.deliver(&text)) {
                    return Attached::Gone;
                }
            }
        }
        let attached = match owed.is_empty() {
            true => Attached::Done,
            false => Attached::Owing,
        };
        let cursor = attach.cursor.version.max(self.sequencer.version());
        self.subscribers.add(attach, cursor, owed);
        attached
    }
}

/// Waits for the read under way; for ever when there is none.
async fn read_under_way(reading: &mut Option<BoxFuture<'static, Read>>) -> Read {
    match reading {
        Some(read) => read.await,
        None => std::future::pending().await,
    }
}
