//! Feeds: one actor per room per instance that turns the at-most-once layer plus the database into the ordered
//! stream of P3 for every reader of this process. Joins attach readers, writers and runners reach it through the
//! channel layer. It knows no sockets (a [`Reader`] takes whole frames) and writes nothing to the database.
//!
//! [`Feeds`] finds or starts the actor of a room; [`actor`] is the actor; [`sequencer`], [`ring`] and [`replies`] are
//! its pure parts; [`heads`] checks every room's head each second; [`presence`] is who is here and who writes,
//! [`queue`] what waits for a runner.

pub mod actor;
pub mod gate;
pub mod heads;
pub mod presence;
pub mod queue;
pub mod replies;
pub mod ring;
pub mod sequencer;
mod subscribers;
mod waiting;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gate::Gate;
use presence::{Presence, Seats, Telling};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::channel_layer::ChannelLayer;
use crate::db::Store;
use crate::db::rows::UserRow;
use crate::error::{ErrorCode, Refusal};
use crate::ids::{ConnectionId, Cursor, RoomId, RoomRef, UserId, Version};
use crate::limits;
use crate::protocol::CloseCode;
use crate::protocol::frame::Frame;
use crate::protocol::server::ReplyBody;

/// Where a feed delivers to: a socket's outbox, an event stream, a test.
pub trait Reader: Send + Sync + 'static {
    /// Takes whole frames, now, without waiting. False when the reader is gone or just overflowed: it gets nothing more.
    fn deliver(&self, run: &Frame) -> bool;

    /// Takes the answer to its join: also where it has left since, for what was asked is answered.
    fn greet(&self, greeting: &Frame) -> bool {
        self.deliver(greeting)
    }

    /// Ends the reader: its client comes back, or not, as the code says.
    fn close(&self, code: CloseCode);

    /// Whom it shows to the room. Readers that show nobody are not told who is there and who writes.
    fn who(&self) -> Option<&UserRow> {
        None
    }

    /// Whether it asks for the running texts that it was not greeted with, each when it has room for it
    /// ([`Feeds::next_text`]). Others are given all of them as they are attached.
    fn asks_for_texts(&self) -> bool {
        false
    }
}

/// Builds the first frame of an attachment (`room.joined`) from the replies that run and the feed's version.
pub type Greeting = Box<dyn FnOnce(Vec<ReplyBody<'_>>, Version) -> Frame + Send>;

/// What a reader brings to be attached.
pub struct Attach {
    /// The reader's connection: attaching it again replaces what was.
    pub connection: ConnectionId,
    /// Where to deliver.
    pub reader: Arc<dyn Reader>,
    /// Who reads.
    pub user: UserId,
    /// The version its membership was proved at.
    pub proof: Version,
    /// Where it stands.
    pub cursor: Cursor,
    /// It may lack messages in the form they had before this version: a page that was cut leaves out what changed again
    /// behind its end. Up to here it gets messages whole; no lower than any head that was read before the reader got its
    /// cursor, so the proof's head or, with pages read since, theirs.
    pub whole_until: Version,
    /// Sent before anything else; none when it was sent before.
    pub greeting: Option<Greeting>,
}

/// What became of an attachment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attached {
    /// Everything above the cursor follows, until it is detached.
    Done,
    /// The same, but texts of running replies wait until they are asked for, and what is added to these waits too.
    Owing,
    /// The greeting was sent, but the cursor is older than the ring, or so much follows that both would not fit a
    /// reader that takes nothing for a moment: read pages, then attach again.
    TooOld,
    /// The proof is too old, or was ended by a removal: prove again. Nothing was sent.
    ProveAgain,
    /// The cursor is of another history: join again. Nothing was sent.
    OtherEpoch,
    /// The reader is gone.
    Gone,
}

/// A message to a feed.
pub(crate) enum Command {
    Attach(Attach, oneshot::Sender<Attached>),
    Detach(ConnectionId),
    /// Give a reader the next text it is owed; answered whether another one is.
    NextText(ConnectionId, oneshot::Sender<bool>),
    /// The head check saw this.
    Head(Cursor),
    /// Who is there, or who writes.
    Tell(Telling),
}

/// The feeds of this process.
#[derive(Clone)]
pub struct Feeds {
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<dyn Store>,
    layer: Arc<dyn ChannelLayer>,
    rooms: Mutex<HashMap<RoomId, Handle>>,
    gate: Arc<Gate>,
    presence: Arc<Presence>,
    tracker: TaskTracker,
    stop: CancellationToken,
}

#[derive(Clone)]
struct Handle {
    room: RoomRef,
    commands: mpsc::Sender<Command>,
    shown: Arc<Shown>,
}

/// Where a feed stands, for the head check; version −1 until it has started.
pub(crate) struct Shown {
    epoch: AtomicI64,
    version: AtomicI64,
    /// A reply has shown nothing yet.
    waits: AtomicBool,
}

impl Shown {
    pub(crate) fn set(&self, cursor: Cursor) {
        self.epoch.store(cursor.epoch.0, Ordering::Relaxed);
        self.version.store(cursor.version, Ordering::Relaxed);
    }

    pub(crate) fn set_waits(&self, waits: bool) {
        self.waits.store(waits, Ordering::Relaxed);
    }

    /// Whether a head is news to the feed.
    fn is_behind(&self, head: Cursor) -> bool {
        let version = self.version.load(Ordering::Relaxed);
        version >= 0
            && (head.version > version || head.epoch.0 != self.epoch.load(Ordering::Relaxed))
    }
}

impl Feeds {
    /// No feeds yet; each starts with its first reader.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, layer: Arc<dyn ChannelLayer>) -> Self {
        let shared = Shared {
            store,
            layer,
            rooms: Mutex::new(HashMap::new()),
            gate: Arc::default(),
            presence: Arc::default(),
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Attaches a reader to a room's feed, starting it if there is none.
    ///
    /// # Errors
    /// `busy` when this process follows [`limits::FEEDS`] rooms, `unavailable` when the feed could not start, or could
    /// not read up to the reader's cursor within [`limits::ATTACH_WAIT`].
    pub async fn attach(&self, room: &RoomRef, attach: Attach) -> Result<Attached, Refusal> {
        let attached = tokio::time::timeout(limits::ATTACH_DEADLINE, self.attach_to(room, attach));
        attached.await.unwrap_or_else(|_elapsed| {
            // Others of this reader's rooms wait behind this one.
            tracing::error!(room = %room.slug, "a feed does not answer");
            metrics::counter!("salon_feeds_silent_total").increment(1);
            Err(Refusal::from(ErrorCode::Unavailable).retry_after_ms(limits::RETRY_HINT_MS))
        })
    }

    async fn attach_to(&self, room: &RoomRef, attach: Attach) -> Result<Attached, Refusal> {
        let mut command = Command::Attach(attach, oneshot::channel().0);
        // A feed may end, for want of readers, between being found and being told: then it is started anew.
        for _ in 0..4 {
            let (answer, answered) = oneshot::channel();
            if let Command::Attach(_, slot) = &mut command {
                *slot = answer;
            }
            let commands = self.handle(room)?.commands;
            let sent = commands.send(command).await;
            // What is in the channel of a feed that ends goes with its last sender.
            drop(commands);
            match sent {
                Ok(()) => match answered.await {
                    Ok(attached) => return Ok(attached),
                    Err(_) => break,
                },
                Err(mpsc::error::SendError(back)) => command = back,
            }
        }
        Err(Refusal::from(ErrorCode::Unavailable).retry_after_ms(limits::RETRY_HINT_MS))
    }

    /// Takes a connection's reader off a room, soon.
    pub async fn detach(&self, room: RoomId, connection: ConnectionId) {
        let handle = self.lock().get(&room).cloned();
        if let Some(handle) = handle {
            // A feed that has ended holds no readers, and one that is silent for so long delivers nothing.
            let told = handle.commands.send(Command::Detach(connection));
            let _ = tokio::time::timeout(limits::ATTACH_DEADLINE, told).await;
        }
    }

    /// Gives a reader the whole text of the next running reply it is owed ([`Attached::Owing`]), at most
    /// [`limits::REPLY_BYTES`] and its escapes; whether there is another.
    pub async fn next_text(&self, room: RoomId, connection: ConnectionId) -> bool {
        let handle = self.lock().get(&room).cloned();
        let Some(handle) = handle else { return false };
        let (answer, answered) = oneshot::channel();
        let command = Command::NextText(connection, answer);
        // A feed that has ended owes nobody anything.
        let asking = async {
            let sent = handle.commands.send(command).await;
            drop(handle);
            sent.is_ok() && answered.await.unwrap_or(false)
        };
        tokio::time::timeout(limits::ATTACH_DEADLINE, asking)
            .await
            .unwrap_or(false)
    }

    /// What must beat for feeds to deliver; see [`gate::keep`].
    #[must_use]
    pub fn gate(&self) -> Arc<Gate> {
        Arc::clone(&self.shared.gate)
    }

    /// Who is in which room; see [`presence::run`].
    #[must_use]
    pub fn presence(&self) -> Arc<Presence> {
        Arc::clone(&self.shared.presence)
    }

    /// How many rooms are followed.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// Ends every feed and waits for it.
    pub async fn close(&self) {
        self.shared.stop.cancel();
        self.shared.tracker.close();
        self.shared.tracker.wait().await;
    }

    /// The rooms followed.
    fn rooms(&self) -> Vec<RoomId> {
        let mut rooms: Vec<RoomId> = self.lock().keys().copied().collect();
        // In an order that does not change from run to run.
        rooms.sort_unstable();
        rooms
    }

    /// The rooms with a reply that has shown nothing yet.
    fn waiting_rooms(&self) -> Vec<RoomRef> {
        let rooms = self.lock();
        let waiting = rooms
            .values()
            .filter(|handle| handle.shown.waits.load(Ordering::Relaxed));
        let mut waiting: Vec<RoomRef> = waiting.map(|handle| handle.room.clone()).collect();
        waiting.sort_unstable_by_key(|room| room.id);
        waiting
    }

    /// Tells a feed of the head that the database shows. A full inbox loses nothing: the next check comes in a second.
    fn tell_head(&self, room: RoomId, head: Cursor) {
        if let Some(handle) = self
            .lock()
            .get(&room)
            .filter(|handle| handle.shown.is_behind(head))
        {
            let _ = handle.commands.try_send(Command::Head(head));
        }
    }

    /// Gives a frame to a room's readers; false when its feed has too much to do just now.
    pub fn tell(&self, telling: Telling) -> bool {
        let handle = self.lock().get(&telling.room).cloned();
        handle.is_none_or(|handle| {
            let told = handle.commands.try_send(Command::Tell(telling));
            !matches!(told, Err(mpsc::error::TrySendError::Full(_)))
        })
    }

    fn handle(&self, room: &RoomRef) -> Result<Handle, Refusal> {
        let mut rooms = self.lock();
        if let Some(handle) = rooms.get(&room.id)
            && !handle.commands.is_closed()
        {
            return Ok(handle.clone());
        }
        if rooms.len() >= limits::FEEDS {
            return Err(Refusal::from(ErrorCode::Busy).retry_after_ms(limits::RETRY_HINT_MS));
        }
        let (commands, inbox) = mpsc::channel(limits::FEED_COMMANDS);
        let handle = Handle {
            room: room.clone(),
            commands: commands.clone(),
            shown: Arc::new(Shown {
                epoch: AtomicI64::new(0),
                version: AtomicI64::new(-1),
                waits: AtomicBool::new(false),
            }),
        };
        rooms.insert(room.id, handle.clone());
        let feed = actor::Feed {
            room: room.clone(),
            store: Arc::clone(&self.shared.store),
            layer: Arc::clone(&self.shared.layer),
            inbox,
            shown: Arc::clone(&handle.shown),
            gate: Arc::clone(&self.shared.gate),
            seats: Arc::new(Seats::new(self.presence(), room.clone())),
        };
        let (feeds, room, stop) = (self.clone(), room.id, self.shared.stop.clone());
        self.shared.tracker.spawn(async move {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = feed.run() => {}
            }
            feeds.forget(room, &commands);
        });
        Ok(handle)
    }

    /// Forgets a feed that ended, unless another has taken its place.
    fn forget(&self, room: RoomId, commands: &mpsc::Sender<Command>) {
        let mut rooms = self.lock();
        if rooms
            .get(&room)
            .is_some_and(|handle| handle.commands.same_channel(commands))
        {
            rooms.remove(&room);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<RoomId, Handle>> {
        self.shared
            .rooms
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
